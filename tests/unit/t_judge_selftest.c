/* SPDX-License-Identifier: Apache-2.0
 *
 * The judge's self-test, and the texts that are made from a seed. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "judge/calibrate.h"
#include "judge/judge.h"
#include "judge/prose.h"
#include "judge/selftest.h"
#include "kernel/base/order.h"
#include "tests/harness/test.h"

/* -- planted faults -------------------------------------------------------- */

static void every_planted_fault_is_caught(struct xl_test *t)
{
    static struct xl_selftest_result results[XL_SELFTEST_COUNT];
    struct xl_err err = { 0 };
    const struct xl_selftest_spec spec = { .model_dir =
                                               xl_test_source("models/demo") };
    size_t faults = 0;
    if (!XL_CHECK_STATUS(t, xl_judge_selftest(&spec, results, &err), XL_OK,
                         &err))
        return;
    for (size_t i = 0; i < XL_SELFTEST_COUNT; i++) {
        const struct xl_selftest_result *r = &results[i];
        xl_test_check(t, r->ok, __FILE__, __LINE__, "'%s': %s, %s", r->name,
                      xl_verdict_name(r->verdict), r->said);
        XL_CHECK_EQ(t, r->verdict,
                    r->claim ? XL_VERDICT_FAIL : XL_VERDICT_PASS);
        XL_CHECK_EQ(t, r->n_gates > 0, r->claim != NULL);
        faults += r->claim != NULL;
    }
    XL_CHECK(t, faults >= 10);
}

static void a_folder_without_a_model_is_an_error(struct xl_test *t)
{
    static struct xl_selftest_result results[XL_SELFTEST_COUNT];
    struct xl_err err = { 0 };
    const struct xl_selftest_spec spec = { .model_dir = t->dir };
    XL_CHECK(t, xl_judge_selftest(&spec, results, &err) != XL_OK);
    XL_CHECK(t, err.message[0] != '\0');
}

static void calibration_is_reproducible(struct xl_test *t)
{
    static struct xl_floor a[XL_TIER_COUNT][XL_GATE_COUNT];
    static struct xl_floor b[XL_TIER_COUNT][XL_GATE_COUNT];
    struct xl_err err = { 0 };
    const struct xl_calibrate_spec spec = {
        .model_dir = xl_test_data("models/tiny"), .tokens = 512, .texts = 1
    };
    XL_CHECK_STATUS(t, xl_calibrate(&spec, a, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_calibrate(&spec, b, &err), XL_OK, &err);
    for (size_t i = 0; i < XL_TIER_COUNT * XL_GATE_COUNT; i++) {
        const struct xl_floor *x = &a[i / XL_GATE_COUNT][i % XL_GATE_COUNT];
        const struct xl_floor *y = &b[i / XL_GATE_COUNT][i % XL_GATE_COUNT];
        XL_CHECK(t, x->is_known == y->is_known && x->floor >= 0);
        XL_CHECK_NEAR(t, x->floor, y->floor, 0);
    }
    const struct xl_floor *exact = &a[XL_TIER_EXACT][XL_GATE_STATE_C];
    const struct xl_floor *int8 = &a[XL_TIER_Q8][XL_GATE_KL_MEAN];
    XL_CHECK(t, exact->is_known && exact->floor <= 0);
    XL_CHECK(t, int8->is_known && int8->floor > 1e-7);
    struct xl_floor tight = { .floor = 0.013, .bound = 0.025 };
    XL_CHECK(t, !xl_floor_holds(&tight));
    XL_CHECK_NEAR(t, xl_floor_bound(&tight), 0.03, 1e-12);
    const struct xl_floor just = { .floor = 2.5, .bound = 5 };
    XL_CHECK(t, xl_floor_holds(&just));
    XL_CHECK_NEAR(t, xl_floor_bound(&just), 5, 0);
}

/* -- prose ----------------------------------------------------------------- */

/* Where a sentence ends: behind a full stop or question mark, and a closing
 * quote, that a blank follows; not behind "Mr." and "Mrs.". */
static bool ends_at(const char *text, const char *at)
{
    const char *stop = at > text && at[-1] == '"' ? at - 2 : at - 1;
    if ((*at != ' ' && *at != '\n') || stop < text + 3)
        return false;
    if (*stop == '.')
        return strncmp(stop - 2, "Mr", 2) != 0 &&
               strncmp(stop - 3, "Mrs", 3) != 0;
    /* A question that somebody asks goes on. */
    return *stop == '?' && (at[1] < 'a' || at[1] > 'z');
}

/* How many sentences of the text, which is cut up, were there before. */
static size_t count_repeats(struct xl_test *t, char *text, size_t *sentences)
{
    enum {
        ROOM = 1 << 14
    };
    static char *all[ROOM];
    size_t n = 0, repeats = 0;
    for (char *s = text, *at = text; n < ROOM; at++) {
        if (*at && !ends_at(s, at))
            continue;
        bool is_last = *at == '\0';
        *at = '\0';
        all[n] = s + strspn(s, "\n");
        n += *all[n] != '\0';
        if (is_last)
            break;
        s = at + 1;
    }
    XL_CHECK(t, n < ROOM);
    qsort(all, n, sizeof *all, xl_order_texts);
    for (size_t i = 1; i < n; i++)
        repeats += strcmp(all[i], all[i - 1]) == 0;
    *sentences = n;
    return repeats;
}

static void no_sentence_is_repeated(struct xl_test *t)
{
    struct xl_buf a, b, c;
    struct xl_err err = { 0 };
    size_t sentences = 0;
    xl_buf_init(&a, 0);
    xl_buf_init(&b, 0);
    xl_buf_init(&c, 0);
    XL_CHECK_STATUS(t, xl_prose(&a, 150000, 7, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_prose(&b, 150000, 7, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_prose(&c, 150000, 8, &err), XL_OK, &err);
    XL_CHECK(t, a.len >= 150000 && a.len < 151000);
    XL_CHECK_TEXT(t, a.data, b.data);
    XL_CHECK(t, strcmp(a.data, c.data) != 0);
    XL_CHECK_EQ(t, count_repeats(t, a.data, &sentences), 0);
    XL_CHECK(t, sentences > 1500);
    /* The count can find one. */
    char twice[] = "It was cold. It rained hard. It was cold. It rained hard.";
    XL_CHECK(t, count_repeats(t, twice, &sentences) > 0);
    xl_buf_release(&a);
    xl_buf_release(&b);
    xl_buf_release(&c);
}

static void check_exact(struct xl_test *t, const char *dir)
{
    static const size_t lengths[] = { 2, 512, 2048, 16384, 32768 };
    struct xl_model *model = NULL;
    struct xl_tokenizer *tokenizer = NULL;
    struct xl_err err = { 0 };
    bool ok =
        XL_CHECK_STATUS(t, xl_model_open(&model, dir, &err), XL_OK, &err) &&
        XL_CHECK_STATUS(t, xl_tokenizer_open(&tokenizer, dir, &err), XL_OK,
                        &err);
    for (size_t i = 0; ok && i < sizeof lengths / sizeof *lengths; i++) {
        struct xl_buf text;
        struct xl_ids ids = { 0 };
        const struct xl_config *config = xl_model_config(model);
        xl_buf_init(&text, 0);
        XL_CHECK_STATUS(
            t, xl_prose_exact(&text, config, tokenizer, lengths[i], 3, &err),
            XL_OK, &err);
        XL_CHECK_STATUS(
            t, xl_tokenizer_encode(tokenizer, text.data, text.len, &ids, &err),
            XL_OK, &err);
        XL_CHECK_EQ(t, ids.n + (config->has_bos ? 1 : 0), lengths[i]);
        xl_ids_release(&ids);
        xl_buf_release(&text);
    }
    xl_tokenizer_free(tokenizer);
    xl_model_close(model);
}

static void texts_are_exact_to_the_token(struct xl_test *t)
{
    check_exact(t, xl_test_source("models/demo"));
    check_exact(t, xl_test_data("models/tiny"));
}

static void a_longer_text_begins_with_the_text(struct xl_test *t)
{
    struct xl_model *model = NULL;
    struct xl_tokenizer *tokenizer = NULL;
    struct xl_judge_text text = { 0 }, longer = { 0 };
    struct xl_err err = { 0 };
    const char *dir = xl_test_source("models/demo");
    if (XL_CHECK_STATUS(t, xl_model_open(&model, dir, &err), XL_OK, &err) &&
        XL_CHECK_STATUS(t, xl_tokenizer_open(&tokenizer, dir, &err), XL_OK,
                        &err) &&
        XL_CHECK_STATUS(t, xl_judge_heldout(&text, model, tokenizer, 0, &err),
                        XL_OK, &err) &&
        XL_CHECK_STATUS(t, xl_judge_heldout(&longer, model, tokenizer, 0, &err),
                        XL_OK, &err)) {
        XL_CHECK_STATUS(
            t, xl_judge_extend(&longer, model, tokenizer, 4096, 5, &err), XL_OK,
            &err);
        XL_CHECK_EQ(t, longer.ids.n, 4096);
        XL_CHECK(t, memcmp(longer.ids.data, text.ids.data,
                           text.ids.n * sizeof *text.ids.data) == 0);
        XL_CHECK(t, strcmp(longer.hash, text.hash) != 0);
        XL_CHECK(t, longer.token_bytes != NULL && !longer.is_random);
        XL_CHECK_STATUS(
            t, xl_judge_extend(&longer, model, tokenizer, 100, 5, &err), XL_OK,
            &err);
        XL_CHECK_EQ(t, longer.ids.n, 4096);
    }
    xl_judge_text_release(&text);
    xl_judge_text_release(&longer);
    xl_tokenizer_free(tokenizer);
    xl_model_close(model);
}

const struct xl_test_case xl_suite_judge_selftest[] = {
    XL_CASE(every_planted_fault_is_caught),
    XL_CASE(a_folder_without_a_model_is_an_error),
    XL_CASE(calibration_is_reproducible),
    XL_CASE(no_sentence_is_repeated),
    XL_CASE(texts_are_exact_to_the_token),
    XL_CASE(a_longer_text_begins_with_the_text),
    { 0 },
};
