/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures, the report, and the child that draws them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "plots/compare.h"
#include "plots/gnuplot.h"
#include "plots/html.h"
#include "plots/plot.h"
#include "tests/harness/test.h"
#include "tests/unit/run_fixture.h"

/* Draws the case's folder and releases the result; counts the
 * pictures. Each comes in all its forms or has a reason to be left out. */
static enum xl_status draw(struct xl_test *t, bool no_gnuplot, size_t *pictures,
                           struct xl_err *err)
{
    struct xl_plot_result result;
    struct xl_plot_options options = { .dir = t->dir,
                                       .no_gnuplot = no_gnuplot };
    enum xl_status rc = xl_plot_run(&options, &result, err);
    if (rc != XL_OK)
        return rc;
    size_t drawn = 0;
    for (size_t i = 0; i < XL_PLOT_COUNT; i++)
        drawn += result.why_not[i] == NULL;
    XL_CHECK_EQ(t, result.n_files, 1 + drawn * (no_gnuplot ? 1 : 4));
    for (size_t i = 0; i < result.n_files; i++)
        XL_CHECK(t, xl_io_exists(result.files[i]));
    if (pictures)
        *pictures = drawn;
    xl_plot_result_release(&result);
    return rc;
}

static bool has_gnuplot(void)
{
    char program[4096];
    return xl_gnuplot_find(NULL, program, sizeof program);
}

static size_t count_of(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        n++;
    return n;
}

static void missing_run_is_named(struct xl_test *t)
{
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, draw(t, true, NULL, &err), XL_ENOTFOUND, &err);
    XL_CHECK(t, strstr(err.message, "summary.csv") != NULL);
}

static void lack_of_memory_is_told(struct xl_test *t)
{
    bool is_drawn = false;
    xl_case_run(t, &(struct xl_run_fixture){ .n_trials = 12 });
    for (size_t n = 0; n < 4000 && !is_drawn; n += 1 + n / 12) {
        struct xl_err err = { 0 };
        size_t left = n;
        xl_alloc_set_hook(xl_test_fail_nth, &left);
        enum xl_status rc = draw(t, true, NULL, &err);
        xl_alloc_set_hook(NULL, NULL);
        is_drawn = left <= n; /* no allocation was failed */
        /* What a picture that is left out would have held may be lacking. */
        XL_CHECK(t, rc == XL_OK || (rc == XL_ENOMEM && !is_drawn));
    }
    XL_CHECK(t, is_drawn);
}

/* -- pictures ------------------------------------------------------------- */

/* Field `column` of line `row` in block `block` of a data file, as text. */
static void data_field(const char *data, size_t block, size_t row,
                       size_t column, char *out, size_t room)
{
    for (; block; block--)
        data = strstr(data, "\n\n\n") + 3;
    for (;; data = strchr(data, '\n') + 1)
        if (*data != '#' && row-- == 0)
            break;
    for (; column; column--)
        data = strchr(data, '\t') + 1;
    snprintf(out, room, "%.*s", (int)strcspn(data, "\t\n"), data);
}

static void data_files_hold_the_groups(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_buf data;
    char field[64];
    xl_case_text(t, "summary.csv",
                 "backend,workers,heads_per_band,chunk_size,prefill_tok_s,"
                 "decode_tok_s,prefill_s,decode_s,decode_tok_s_lo,"
                 "decode_tok_s_hi,verdict\n"
                 "parallel,2,4,64,100,10,5,6,9,11,pass\n"
                 "parallel,2,2,64,300,20,5,6,18,22,pass\n"
                 "parallel,,2,64,900,90,5,6,80,99,fail\n"
                 "parallel,1,2,16,50,30,5,6,29,31,pass\n");
    XL_CHECK_STATUS(t, draw(t, true, NULL, &err), XL_OK, &err);
    xl_case_read(t, "plots/max_decode_by_chunk_size.dat", &data);
    static const char *const decode_64[] = { "1",  "64", "2",   "20", "18",
                                             "22", "15", "NaN", "NaN" };
    for (size_t c = 0; c < sizeof decode_64 / sizeof *decode_64; c++) {
        data_field(data.data, 1, 1, c, field, sizeof field);
        XL_CHECK_TEXT(t, field, decode_64[c]);
    }
    data_field(data.data, 0, 0, 2, field, sizeof field); /* top of decode */
    XL_CHECK_TEXT(t, field, "90");
    data_field(data.data, 3, 0, 3, field, sizeof field); /* rejected */
    XL_CHECK_TEXT(t, field, "90");
    xl_buf_release(&data);
    xl_case_read(t, "plots/prefill_vs_decode.dat", &data);
    data_field(data.data, 3, 0, 0, field, sizeof field); /* front, leftmost */
    XL_CHECK_TEXT(t, field, "50");
    data_field(data.data, 3, 1, 0, field, sizeof field);
    XL_CHECK_TEXT(t, field, "300");
    xl_buf_release(&data);
}

static void every_kind_of_run_is_drawn(struct xl_test *t)
{
    static const struct {
        struct xl_run_fixture run;
        size_t essential, all;
    } rows[] = {
        { { .n_trials = 0 }, 0, 0 },
        { { .n_trials = 1 }, 3, 7 },
        { { .n_trials = 3 }, 3, 8 },
        { { .n_trials = 40, .empty_workers = true }, 3, 9 },
        { { .n_trials = 300, .wide_space = true }, 3, 10 },
        { { .n_trials = 5, .all_failed = true }, 0, 1 }, /* trials in order */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_err err = { 0 };
        size_t pictures = 0;
        xl_case_run(t, &rows[i].run);
        XL_CHECK_STATUS(t, draw(t, true, &pictures, &err), XL_OK, &err);
        XL_CHECK_EQ(t, pictures, rows[i].essential);
        if (!has_gnuplot())
            continue;
        XL_CHECK_STATUS(t, draw(t, false, &pictures, &err), XL_OK, &err);
        XL_CHECK_EQ(t, pictures, rows[i].all);
        /* None is left of the drawing before. */
        XL_CHECK(t, !xl_case_has(t, "convergence.svg"));
    }
}

/* Where the judge rejects all, pictures without a winner are still drawn:
 * labels that no mark carries once killed gnuplot. */
static void rejected_runs_are_drawn(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_buf text;
    size_t pictures = 0;
    xl_buf_init(&text, 0);
    xl_buf_text(&text, "backend,workers,heads_per_band,chunk_size,"
                       "prefill_tok_s,decode_tok_s,prefill_s,decode_s,verdict,"
                       "verdict_reason\n");
    for (size_t i = 0; i < 20; i++)
        xl_buf_printf(&text, "b%zu,%zu,2,%d,%zu,%zu,1,1,fail,too <coarse>\n",
                      i % 3, i % 2 + 1, 16 << i % 4, 100 + i, 10 + i);
    xl_case_write(t, "summary.csv", text.data, text.len);
    xl_buf_release(&text);
    XL_CHECK_STATUS(t, draw(t, !has_gnuplot(), &pictures, &err), XL_OK, &err);
    XL_CHECK(t, pictures >= 2);
    xl_case_read(t, "report.html", &text);
    XL_CHECK(t, strstr(text.data, "too &lt;coarse&gt;") != NULL);
    XL_CHECK(t, strstr(text.data, "No trial was accepted") != NULL);
    xl_buf_release(&text);
}

static void bare_summary_is_drawn(struct xl_test *t)
{
    struct xl_err err = { 0 };
    xl_case_run(t, &(struct xl_run_fixture){ .n_trials = 40, .bare = true });
    XL_CHECK_STATUS(t, draw(t, !has_gnuplot(), NULL, &err), XL_OK, &err);
    XL_CHECK(t, xl_case_has(t, "report.html"));
}

static void hostile_names_stay_data(struct xl_test *t)
{
    static const char hostile[] =
        "a`touch PWNED`\"$(touch PWNED)'; !touch PWNED\n<script>alert(1)"
        "</script><img src=x onerror=alert(1)> _x_{y}^z \\n @m \xff "
        "\xc3\xbc\t</pre>";
    struct xl_err err = { 0 };
    struct xl_buf text;
    xl_case_run(t,
                &(struct xl_run_fixture){ .n_trials = 40, .hostile = hostile });
    XL_CHECK_STATUS(t, draw(t, !has_gnuplot(), NULL, &err), XL_OK, &err);
    XL_CHECK(t, !xl_case_has(t, "PWNED") && !xl_case_has(t, "plots/PWNED"));
    if (has_gnuplot()) {
        xl_case_read(t, "plots/convergence.gp", &text);
        XL_CHECK(t, !strstr(text.data, "touch"));
        xl_buf_release(&text);
    }
    xl_case_read(t, "plots/convergence.dat", &text);
    for (size_t i = 0; i < text.len;
         i += xl_utf8_length(text.data + i, text.len - i))
        if (!XL_CHECK(t, xl_utf8_length(text.data + i, text.len - i)))
            break;
    xl_buf_release(&text);
    xl_case_read(t, "report.html", &text);
    XL_CHECK(t, strstr(text.data, "&lt;script&gt;alert(1)") != NULL);
    XL_CHECK_EQ(t, count_of(text.data, "<script>"), 1);
    XL_CHECK_EQ(t, count_of(text.data, "<img src=x"), 0);
    XL_CHECK(t, !strstr(text.data, "\xff"));
    xl_buf_release(&text);
}

/* -- report --------------------------------------------------------------- */

static void report_stands_alone(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_buf text;
    size_t pictures = 0;
    xl_case_run(t, &(struct xl_run_fixture){ .n_trials = 40 });
    for (int no_gnuplot = has_gnuplot() ? 0 : 1; no_gnuplot < 2; no_gnuplot++) {
        XL_CHECK_STATUS(t, draw(t, no_gnuplot, &pictures, &err), XL_OK, &err);
        xl_case_read(t, "report.html", &text);
        XL_CHECK_EQ(t, count_of(text.data, "http:"), 0);
        XL_CHECK_EQ(t, count_of(text.data, "https:"), 0);
        XL_CHECK_EQ(t, count_of(text.data, "//www."), 0);
        XL_CHECK_EQ(t, count_of(text.data, "<link"),
                    count_of(text.data, "href=\"data:"));
        XL_CHECK_EQ(t, count_of(text.data, " src=\""),
                    count_of(text.data, " src=\"data:"));
        XL_CHECK_EQ(t, count_of(text.data, " srcset=\""),
                    count_of(text.data, " srcset=\"data:"));
        XL_CHECK_EQ(t, count_of(text.data, "<figure"), pictures);
        XL_CHECK_EQ(t, count_of(text.data, "<svg"), no_gnuplot ? 3 : 0);
        XL_CHECK(t, strstr(text.data, "quality: pass, tier exact") != NULL);
        XL_CHECK(t, strstr(text.data, "n = 9 pairs") != NULL);
        XL_CHECK(t, strstr(text.data, "Synthetic data") != NULL);
        XL_CHECK(t, strstr(text.data, "<dd>avx2, fma</dd>") != NULL);
        XL_CHECK(t, strstr(text.data, "faster in every round") != NULL);
        const char *body = strstr(text.data, "id=\"trials\"");
        XL_CHECK(t, body && count_of(body, "<tr class=\"") == 40);
        XL_CHECK_EQ(t, count_of(text.data, "<tr"),
                    count_of(text.data, "</tr>"));
        XL_CHECK_EQ(t, count_of(text.data, "<td"),
                    count_of(text.data, "</td>"));
        xl_buf_release(&text);
    }
}

static void report_admits_what_is_missing(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_buf text;
    xl_case_run(t, &(struct xl_run_fixture){ .n_trials = 5, .no_best = true });
    XL_CHECK_STATUS(t, draw(t, true, NULL, &err), XL_OK, &err);
    xl_case_read(t, "report.html", &text);
    XL_CHECK(t, strstr(text.data, "No winner") != NULL);
    XL_CHECK(t, strstr(text.data, "best.json is missing") != NULL);
    xl_buf_release(&text);
    xl_case_text(t, "best.json", "{\"metrics\":{\"decode_tok_s\":5}}");
    XL_CHECK_STATUS(t, draw(t, true, NULL, &err), XL_OK, &err);
    xl_case_read(t, "report.html", &text);
    XL_CHECK(t, strstr(text.data, "quality: not judged") != NULL);
    XL_CHECK(t, strstr(text.data, "no interval recorded") != NULL);
    XL_CHECK(t, strstr(text.data, "not compared with the default") != NULL);
    xl_buf_release(&text);
}

/* Three pairs prove nothing at 95%, however clear they look. */
/* Of the winner and of who else could have won: gate, figure, limit, bounds
 * and blocks, what the texts were, and what the words mean. */
static void the_judge_is_heard(struct xl_test *t)
{
#define XL_GATES                                                               \
    "\"gates\":[{\"score\":\"kl_mean\",\"how\":\"proved\",\"bound\":0.0005,"   \
    "\"value\":0.000123,\"lower\":0.000111,\"upper\":0.000135,\"blocks\":26,"  \
    "\"verdict\":\"pass\"}]"
    struct xl_err err = { 0 };
    struct xl_buf page;
    xl_case_text(t, "summary.csv",
                 "backend,workers,decode_tok_s\nserial,1,10\nserial,2,20\n");
    xl_case_text(
        t, "best.json",
        "{\"params\":{},\"metrics\":{},\"quality\":{\"tier\":\"q8\","
        "\"verdict\":\"pass\",\"reason\":\"all hold\",\"n_tokens\":1679,"
        "\"text_hash\":\"feed\"," XL_GATES
        ",\"holdout\":{\"verdict\":\"pass\",\"text_hash\":\"beef\","
        "\"n_tokens\":3358," XL_GATES "}},\"provenance\":{\"trial\":1}}");
    xl_case_text(t, "judged.json",
                 "{\"finalists\":[{\"trial\":1,\"quality\":{}},{\"trial\":2,"
                 "\"quality\":{\"tier\":\"kernel\",\"verdict\":"
                 "\"inconclusive\",\"reason\":\"<too short>\"," XL_GATES
                 "}}]}");
    XL_CHECK_STATUS(t, draw(t, true, NULL, &err), XL_OK, &err);
    xl_case_read(t, "report.html", &page);
    static const char *const wanted[] = {
        "href=\"#judged\"",
        "id=\"judged\"",
        "8-bit weights",
        "kl_mean",
        "0.000111",
        "0.000135",
        "0.0005",
        ">26<",
        "feed",
        "beef",
        "3358",
        "must stay the reference",
        "trial 2",
        "inconclusive",
        "&lt;too short&gt;",
        "more text may",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        XL_CHECK(t, strstr(page.data, wanted[i]) != NULL);
    XL_CHECK(t, strstr(page.data, "trial 1:") == NULL);
    xl_buf_release(&page);
#undef XL_GATES
}

static void few_samples_are_no_proof(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_buf text;
    xl_case_run(t, &(struct xl_run_fixture){ .n_trials = 5 });
    xl_case_text(t, "best.json",
                 "{\"metrics\":{\"decode_tok_s\":5,\"decode_tok_s_ci\":[4,6],"
                 "\"n\":3},\"provenance\":{\"versus\":{\"decode_ratio\":"
                 "{\"median\":2,\"lo\":1.5,\"hi\":3,\"n\":3}}}}");
    XL_CHECK_STATUS(t, draw(t, true, NULL, &err), XL_OK, &err);
    xl_case_read(t, "report.html", &text);
    XL_CHECK(t, strstr(text.data, "range 4.000") != NULL);
    XL_CHECK(t, strstr(text.data, "too few pairs for a proof") != NULL);
    XL_CHECK(t, strstr(text.data, ">faster<") == NULL);
    xl_buf_release(&text);
}

/* -- several runs --------------------------------------------------------- */

/* Writes a run into the case's folder; returns its path in out. */
static void make_run(struct xl_test *t, const char *name,
                     const struct xl_run_fixture *fixture, char *out,
                     size_t room)
{
    struct xl_err err = { 0 };
    snprintf(out, room, "%s/%s", t->dir, name);
    XL_CHECK_STATUS(t, xl_io_make_dirs(out, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_run_fixture_write(out, fixture, &err), XL_OK, &err);
}

static void runs_are_compared(struct xl_test *t)
{
    static const struct xl_run_fixture few = { .n_trials = 12 },
                                       many = { .n_trials = 60 };
    char a[512], b[512], out[512];
    const char *dirs[] = { a, b };
    struct xl_err err = { 0 };
    struct xl_plot_result result;
    struct xl_buf text;
    make_run(t, "a<b>`touch PWNED`", &few, a, sizeof a);
    make_run(t, "b", &many, b, sizeof b);
    snprintf(out, sizeof out, "%s/out", t->dir);
    for (int no_gnuplot = has_gnuplot() ? 0 : 1; no_gnuplot < 2; no_gnuplot++) {
        struct xl_compare_options options = {
            .dirs = dirs, .n = 2, .out = out, .plot.no_gnuplot = no_gnuplot
        };
        XL_CHECK_STATUS(t, xl_compare_runs(&options, &result, &err), XL_OK,
                        &err);
        XL_CHECK_EQ(t, result.n_trials, 72);
        XL_CHECK_EQ(t, result.n_files, no_gnuplot ? 1 : 1 + 3 * 4);
        xl_plot_result_release(&result);
        xl_case_read(t, "out/report.html", &text);
        XL_CHECK_EQ(t, count_of(text.data, "<figure"), no_gnuplot ? 0 : 3);
        XL_CHECK_EQ(t, count_of(text.data, "<b>`touch"), 0);
        XL_CHECK(t, strstr(text.data, "<th>a&lt;b&gt;`touch PWNED`</th>"));
        XL_CHECK(t, strstr(text.data, "<td>60: ") != NULL);
        XL_CHECK(t, strstr(text.data, "The runs differ in") == NULL);
        xl_buf_release(&text);
    }
    XL_CHECK(t, !xl_case_has(t, "PWNED") && !xl_case_has(t, "out/PWNED"));
}

/* Speeds of different prompts must not look as if they compared. */
static void runs_that_differ_are_told(struct xl_test *t)
{
    static const struct xl_run_fixture few = { .n_trials = 12 };
    char a[512], b[512], out[512];
    const char *dirs[] = { a, b };
    struct xl_err err = { 0 };
    struct xl_plot_result result;
    struct xl_buf text;
    make_run(t, "a", &few, a, sizeof a);
    make_run(t, "b", &few, b, sizeof b);
    snprintf(out, sizeof out, "%s/out", t->dir);
    xl_case_text(t, "b/run_meta.json",
                 "{\"objective\":\"prefill\",\"prompt_tokens\":7}");
    struct xl_compare_options options = {
        .dirs = dirs, .n = 2, .out = out, .plot.no_gnuplot = true
    };
    XL_CHECK_STATUS(t, xl_compare_runs(&options, &result, &err), XL_OK, &err);
    xl_plot_result_release(&result);
    xl_case_read(t, "out/report.html", &text);
    XL_CHECK(t, strstr(text.data, "The runs differ in") != NULL);
    XL_CHECK(t, strstr(text.data, "prompt tokens, ") != NULL);
    XL_CHECK(t, strstr(text.data, "different objectives") != NULL);
    xl_buf_release(&text);
    options.n = 1;
    XL_CHECK_STATUS(t, xl_compare_runs(&options, &result, &err), XL_EUSAGE,
                    &err);
}

/* A page that nobody can open helps nobody. */
static void large_tables_are_cut_and_told(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_buf text;
    xl_case_run(t, &(struct xl_run_fixture){ .n_trials = 1300 });
    XL_CHECK_STATUS(t, draw(t, true, NULL, &err), XL_OK, &err);
    xl_case_read(t, "report.html", &text);
    XL_CHECK(t, strstr(text.data, "The best 1000 of 1300 trials") != NULL);
    XL_CHECK(t, strstr(text.data, "The other 300 stand in") != NULL);
    const char *body = strstr(text.data, "id=\"trials\"");
    XL_CHECK(t, body && count_of(body, "<tr class=\"") == 1000);
    XL_CHECK(t, body && strstr(body, "accepted, winner") != NULL);
    XL_CHECK(t, body && strstr(body, "accepted, default") != NULL);
    xl_buf_release(&text);
}

static void text_is_escaped(struct xl_test *t)
{
    struct xl_buf out;
    xl_buf_init(&out, 0);
    xl_html_text(&out, "<a href=\"x\">&'\x01\xc0\xc3\xa9");
    XL_CHECK_TEXT(t, out.data,
                  "&lt;a href=&quot;x&quot;&gt;&amp;&#39;"
                  "\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9");
    xl_buf_release(&out);
}

static void base64_is_right(struct xl_test *t)
{
    static const char *const rows[][2] = {
        /* RFC 4648, section 10 */
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_buf out;
        xl_buf_init(&out, 0);
        xl_html_base64(&out, rows[i][0], strlen(rows[i][0]));
        XL_CHECK_TEXT(t, out.data, rows[i][1]);
        xl_buf_release(&out);
    }
}

/* -- the child ------------------------------------------------------------ */

static void svg_stands_in_for_gnuplot(struct xl_test *t)
{
    char program[256];
    struct xl_err err = { 0 };
    struct xl_buf text;
    struct xl_plot_result result;
    const char *path = getenv("PATH");
    char *kept = path ? xl_strdup(path) : NULL;
    xl_case_run(t, &(struct xl_run_fixture){ .n_trials = 40 });
    setenv("PATH", "", 1);
    XL_CHECK(t, !xl_gnuplot_find(NULL, program, sizeof program));
    XL_CHECK_STATUS(
        t,
        xl_plot_run(&(struct xl_plot_options){ .dir = t->dir }, &result, &err),
        XL_OK, &err);
    if (kept)
        setenv("PATH", kept, 1);
    xl_free(kept);
    XL_CHECK_EQ(t, result.n_files, 4);
    XL_CHECK(t, result.why_not[XL_PLOT_HEATMAP] != NULL);
    xl_plot_result_release(&result);
    XL_CHECK(t, !xl_case_has(t, "prefill_vs_decode.png"));
    xl_case_read(t, "prefill_vs_decode.svg", &text);
    XL_CHECK(t, strncmp(text.data, "<?xml", 5) == 0);
    XL_CHECK(t, !strstr(text.data, "nan") && !strstr(text.data, "inf"));
    /* A dot for each accepted trial, again for each on the front, and one
     * each in the legend. */
    XL_CHECK_EQ(t, count_of(text.data, "<circle class=\"acc\""), 32 + 1);
    XL_CHECK_EQ(t, count_of(text.data, "<path class=\"rej\""), 5 + 1);
    xl_buf_release(&text);
}

/* Runs a stand-in for gnuplot: a shell script of one line. */
static enum xl_status run_stand_in(struct xl_test *t, const char *line,
                                   unsigned limit_ms, struct xl_err *err)
{
    char program[512], text[256];
    struct xl_gnuplot_job job = { .program = program,
                                  .dir = t->dir,
                                  .script = "x y.gp",
                                  .limit_ms = limit_ms };
    snprintf(text, sizeof text, "#!/bin/sh\n%s\n", line);
    xl_case_text(t, "stand-in", text);
    snprintf(program, sizeof program, "%s/stand-in", t->dir);
    XL_CHECK(t, chmod(program, 0700) == 0);
    return xl_gnuplot_run(&job, err);
}

static void child_is_held_to_its_word(struct xl_test *t)
{
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, run_stand_in(t, "test \"$1 $2\" = '-d x y.gp'", 0, &err),
                    XL_OK, &err);
    XL_CHECK_STATUS(
        t, run_stand_in(t, "echo 'no  such\nfile' >&2; exit 3", 0, &err),
        XL_EFAILED, &err);
    XL_CHECK(t, strstr(err.message, "no such file") != NULL);
    XL_CHECK_STATUS(t, run_stand_in(t, "kill -9 $$", 0, &err), XL_EFAILED,
                    &err);
    XL_CHECK(t, strstr(err.message, "signal 9") != NULL);
    XL_CHECK_STATUS(t, run_stand_in(t, "exec sleep 600", 50, &err), XL_ETIMEOUT,
                    &err);
    XL_CHECK_STATUS(t, run_stand_in(t, "exec 2>&-; sleep 600", 50, &err),
                    XL_ETIMEOUT, &err);
}

static void bad_pictures_are_refused(struct xl_test *t)
{
    static const char *const lines[] = {
        "exit 0",
        ": >prefill_vs_decode.png",
        "printf '\\211PNG\\r\\n\\032\\nhalf' >prefill_vs_decode.png",
    };
    xl_case_run(t, &(struct xl_run_fixture){ .n_trials = 3 });
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char program[512];
        struct xl_err err = { 0 };
        struct xl_plot_result result;
        run_stand_in(t, lines[i], 0, NULL);
        snprintf(program, sizeof program, "%s/stand-in", t->dir);
        struct xl_plot_options options = { .dir = t->dir, .gnuplot = program };
        XL_CHECK_STATUS(t, xl_plot_run(&options, &result, &err), XL_EFAILED,
                        &err);
        XL_CHECK(t, strstr(err.message, "prefill_vs_decode") != NULL);
        XL_CHECK(t, !xl_case_has(t, "prefill_vs_decode.png"));
    }
}

static void unknown_gnuplot_is_an_error(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_plot_result result;
    struct xl_plot_options options = { .dir = t->dir,
                                       .gnuplot = "/no/such/gnuplot" };
    XL_CHECK_STATUS(t, xl_plot_run(&options, &result, &err), XL_EUSAGE, &err);
}

const struct xl_test_case xl_suite_report[] = {
    XL_CASE(missing_run_is_named),
    XL_CASE(lack_of_memory_is_told),
    XL_CASE(data_files_hold_the_groups),
    XL_CASE(every_kind_of_run_is_drawn),
    XL_CASE(rejected_runs_are_drawn),
    XL_CASE(bare_summary_is_drawn),
    XL_CASE(hostile_names_stay_data),
    XL_CASE(report_stands_alone),
    XL_CASE(report_admits_what_is_missing),
    XL_CASE(the_judge_is_heard),
    XL_CASE(few_samples_are_no_proof),
    XL_CASE(runs_are_compared),
    XL_CASE(runs_that_differ_are_told),
    XL_CASE(large_tables_are_cut_and_told),
    XL_CASE(text_is_escaped),
    XL_CASE(base64_is_right),
    XL_CASE(svg_stands_in_for_gnuplot),
    XL_CASE(child_is_held_to_its_word),
    XL_CASE(bad_pictures_are_refused),
    XL_CASE(unknown_gnuplot_is_an_error),
    { 0 },
};
