/* SPDX-License-Identifier: Apache-2.0
 *
 * The picture of a duel: what its data say, and what it does not draw. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/gnuplot.h"
#include "plots/plot.h"
#include "tests/harness/test.h"
#include "tests/unit/run_fixture.h"

enum {
    ROUNDS = 20
};

static const char hostile[] = "a\"b`touch pwned`\\ \t\xff'; system('x') #";

/* Draws duel.json of the case; why_not is told. */
static enum xl_status draw(struct xl_test *t, const char **why_not,
                           struct xl_err *err)
{
    struct xl_plot_result result;
    XL_TRY(
        xl_plot_duel(&(struct xl_plot_options){ .dir = t->dir }, &result, err));
    *why_not = result.why_not[XL_PLOT_DUEL];
    XL_CHECK_EQ(t, result.n_files, *why_not ? 0 : 4);
    xl_plot_result_release(&result);
    return XL_OK;
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)); text += strlen(word))
        n++;
    return n;
}

/* Every round of block `name` whose number is a multiple of five is marked. */
static void check_rounds(struct xl_test *t, const char *text, double ratio)
{
    const char *at = strstr(text, "# rounds:");
    size_t n = 0;
    double sum = 0;
    if (!XL_CHECK(t, at != NULL))
        return;
    at = strchr(at, '\n') + 1;
    while (*at && *at != '\n') {
        char *end;
        double round = strtod(at, &end);
        double value = strtod(end, &end);
        double mark = strtod(end, &end);
        XL_CHECK_NEAR(t, round, (double)++n, 0);
        XL_CHECK_EQ(t, mark > 0, n % 5 == 0);
        sum += value;
        at = strchr(at, '\n') + 1;
    }
    XL_CHECK_EQ(t, n, ROUNDS);
    XL_CHECK_NEAR(t, sum / ROUNDS, ratio, 0.01);
}

static void rounds_are_drawn(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_buf data;
    const char *why_not = NULL;
    char program[4096];
    xl_case_duel(t, ROUNDS, hostile);
    XL_CHECK_STATUS(t, draw(t, &why_not, &err), XL_OK, &err);
    if (!xl_gnuplot_find(NULL, program, sizeof program)) {
        XL_CHECK(t, why_not && strstr(why_not, "gnuplot"));
        return;
    }
    XL_CHECK(t, why_not == NULL && xl_case_has(t, "duel.png"));
    XL_CHECK(t, !xl_case_has(t, "pwned"));
    xl_case_read(t, "plots/duel.dat", &data);
    XL_CHECK(t, strstr(data.data, "against defaults \xc2\xb7 prompt 512"));
    XL_CHECK(t, strstr(data.data, "the first is faster"));
    XL_CHECK(t, strstr(data.data, "equal within 0.5 %"));
    XL_CHECK_EQ(t, count(data.data, "# rounds:"), 2);
    const char *second = strstr(data.data, "# prefill:");
    check_rounds(t, data.data, 1.03);
    if (XL_CHECK(t, second != NULL))
        check_rounds(t, second, 1);
    xl_buf_release(&data);
}

static void what_is_not_there_is_said(struct xl_test *t)
{
    static const char *const empty[] = {
        "{}",
        "{\"decode\": {\"sides\": []}}",
        "{\"decode\":{\"sides\":[{\"samples\":[0,null]},{\"samples\":[0,1]}]}}",
    };
    struct xl_err err = { 0 };
    const char *why_not = NULL;
    XL_CHECK_STATUS(t, draw(t, &why_not, &err), XL_OK, &err);
    XL_CHECK(t, why_not && strstr(why_not, "duel.json"));
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        xl_case_text(t, "duel.json", empty[i]);
        XL_CHECK_STATUS(t, draw(t, &why_not, &err), XL_OK, &err);
        XL_CHECK(t, why_not && strstr(why_not, "no rounds"));
    }
    xl_case_text(t, "duel.json", "{\"decode\": ");
    XL_CHECK_STATUS(t, draw(t, &why_not, &err), XL_EFORMAT, &err);
    XL_CHECK(t, strstr(err.message, "duel.json") != NULL);
}

const struct xl_test_case xl_suite_duel[] = {
    XL_CASE(rounds_are_drawn),
    XL_CASE(what_is_not_there_is_said),
    { 0 },
};
