/* SPDX-License-Identifier: Apache-2.0
 *
 * Words become numbers first (the rank of the word among the sorted words),
 * so both kinds of n-gram are counted by sorting windows of numbers. */
#include "judge/distinct.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"

enum {
    LONGEST = 8
};

struct gram {
    int32_t ids[LONGEST]; /* unused ones are 0 */
};

static int compare_grams(const void *a, const void *b)
{
    const struct gram *x = a, *y = b;
    for (size_t i = 0; i < LONGEST; i++)
        if (x->ids[i] != y->ids[i])
            return x->ids[i] < y->ids[i] ? -1 : 1;
    return 0;
}

enum xl_status xl_distinct_ids(const int32_t *ids, size_t count, size_t n,
                               struct xl_score *out, struct xl_err *err)
{
    assert(n >= 1 && n <= LONGEST);
    if (count < n) {
        *out = xl_score_unknown("text is shorter than one n-gram");
        return XL_OK;
    }
    size_t total = count - n + 1, distinct = 1;
    struct gram *grams = xl_alloc_zero(total, sizeof *grams);
    if (!grams)
        return xl_fail(err, XL_ENOMEM, "out of memory counting n-grams");
    for (size_t i = 0; i < total; i++)
        memcpy(grams[i].ids, ids + i, n * sizeof *ids);
    qsort(grams, total, sizeof *grams, compare_grams);
    for (size_t i = 1; i < total; i++)
        distinct += compare_grams(&grams[i - 1], &grams[i]) != 0;
    xl_free(grams);
    *out = xl_score_point((double)distinct / (double)total, total);
    return XL_OK;
}

struct word {
    const char *text;
    size_t len, place;
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int compare_words(const void *a, const void *b)
{
    const struct word *x = a, *y = b;
    size_t n = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->text, y->text, n);
    if (order != 0)
        return order;
    return x->len < y->len ? -1 : x->len > y->len;
}

/* words has room for one more than half the bytes. */
static size_t split(const char *text, size_t n, struct word *words)
{
    size_t count = 0;
    for (size_t i = 0; i < n;) {
        if (is_space(text[i])) {
            i++;
            continue;
        }
        size_t start = i;
        while (i < n && !is_space(text[i]))
            i++;
        words[count] = (struct word){ text + start, i - start, count };
        count++;
    }
    return count;
}

/* Numbers of the words in their order; heap. */
static enum xl_status number_words(const char *text, size_t n, int32_t **out,
                                   size_t *count, struct xl_err *err)
{
    struct word *words = xl_alloc_zero(n / 2 + 1, sizeof *words);
    int32_t *ids = xl_alloc_zero(n / 2 + 1, sizeof *ids);
    if (!words || !ids) {
        xl_free(words);
        xl_free(ids);
        return xl_fail(err, XL_ENOMEM, "out of memory counting words");
    }
    *count = split(text, n, words);
    qsort(words, *count, sizeof *words, compare_words);
    int32_t rank = 0;
    for (size_t i = 0; i < *count; i++) {
        if (i && compare_words(&words[i - 1], &words[i]) != 0)
            rank++;
        ids[words[i].place] = rank;
    }
    xl_free(words);
    *out = ids;
    return XL_OK;
}

static enum xl_status three(const int32_t *ids, size_t count,
                            const enum xl_score_id where[3],
                            struct xl_score scores[XL_SCORE_COUNT],
                            struct xl_err *err)
{
    for (size_t n = 1; n <= 3; n++)
        XL_TRY(xl_distinct_ids(ids, count, n, &scores[where[n - 1]], err));
    return XL_OK;
}

static enum xl_status set_repeats(const int32_t *ids, size_t count,
                                  struct xl_score scores[XL_SCORE_COUNT],
                                  struct xl_err *err)
{
    static const enum xl_score_id where[] = { XL_SCORE_SEQ_REP2,
                                              XL_SCORE_SEQ_REP3,
                                              XL_SCORE_SEQ_REP4 };
    for (size_t i = 0; i < 3; i++) {
        struct xl_score *s = &scores[where[i]];
        XL_TRY(xl_distinct_ids(ids, count, i + 2, s, err));
        if (s->is_known)
            s->value = 1 - s->value;
    }
    return XL_OK;
}

/* Different n-grams of `distinct` over V (1 - ((V - 1) / V)^L), V the number
 * of possible n-grams, L that of n-grams. */
static struct xl_score adjust(const struct xl_score *distinct, double possible)
{
    if (!distinct->is_known)
        return *distinct;
    if (possible < 1)
        return xl_score_unknown("the vocabulary is not known");
    double drawn = (double)distinct->n;
    double expected = -possible * expm1(drawn * log1p(-1 / possible));
    if (possible <= 1)
        expected = 1;
    return xl_score_point(distinct->value * drawn / expected, distinct->n);
}

enum xl_status xl_distinct_scores(const char *text, size_t n_text,
                                  const int32_t *ids, size_t n_ids,
                                  size_t vocab,
                                  struct xl_score scores[XL_SCORE_COUNT],
                                  struct xl_err *err)
{
    static const enum xl_score_id of_words[3] = { XL_SCORE_DISTINCT1,
                                                  XL_SCORE_DISTINCT2,
                                                  XL_SCORE_DISTINCT3 };
    static const enum xl_score_id of_tokens[3] = { XL_SCORE_TOKEN_DISTINCT1,
                                                   XL_SCORE_TOKEN_DISTINCT2,
                                                   XL_SCORE_TOKEN_DISTINCT3 };
    int32_t *words = NULL;
    size_t n_words = 0;
    XL_TRY(number_words(text, n_text, &words, &n_words, err));
    enum xl_status rc = three(words, n_words, of_words, scores, err);
    xl_free(words);
    if (rc == XL_OK)
        rc = three(ids, n_ids, of_tokens, scores, err);
    if (rc == XL_OK)
        rc = set_repeats(ids, n_ids, scores, err);
    if (rc == XL_OK) {
        double v = (double)vocab;
        scores[XL_SCORE_EAD1] = adjust(&scores[XL_SCORE_TOKEN_DISTINCT1], v);
        scores[XL_SCORE_EAD2] =
            adjust(&scores[XL_SCORE_TOKEN_DISTINCT2], v * v);
    }
    return rc;
}
