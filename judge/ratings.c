/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/ratings.h"

#include <string.h>

#include "judge/rows.h"
#include "kernel/base/json.h"

/* Scores that other programs look for, before ours. */
static const enum xl_score_id known_first[] = {
    XL_SCORE_AVG_LOGPROB, XL_SCORE_PPL,       XL_SCORE_LEN_TOKENS,
    XL_SCORE_DISTINCT2,   XL_SCORE_DISTINCT3,
};
enum {
    N_FIRST = sizeof known_first / sizeof *known_first
};

static bool is_first(enum xl_score_id id)
{
    for (size_t i = 0; i < N_FIRST; i++)
        if (known_first[i] == id)
            return true;
    return false;
}

static void add_first(cJSON *root, const struct xl_rating *r)
{
    xl_row_add_config(root, r->file, &r->params);
    for (size_t i = 0; i < N_FIRST; i++) {
        const struct xl_score *s = &r->scores[known_first[i]];
        xl_json_add_real(root, xl_score_row(known_first[i])->name,
                         s->is_known ? s->value : XL_UNKNOWN);
    }
}

/* An interval's members, without the value that stands in front. */
static void add_rest(cJSON *root, enum xl_score_id id,
                     const struct xl_score *score)
{
    const char *name = xl_score_row(id)->name;
    cJSON *all = cJSON_CreateObject();
    xl_score_add_json(all, id, score);
    while (all && all->child) {
        cJSON *item = cJSON_DetachItemViaPointer(all, all->child);
        if (is_first(id) && strcmp(item->string, name) == 0)
            cJSON_Delete(item);
        else
            cJSON_AddItemToObject(root, item->string, item);
    }
    cJSON_Delete(all);
}

cJSON *xl_rating_json(const struct xl_rating *r)
{
    cJSON *root = cJSON_CreateObject();
    add_first(root, r);
    cJSON_AddStringToObject(root, "verdict",
                            xl_verdict_name(r->ruling.verdict));
    cJSON_AddStringToObject(root, "tier", xl_tier_name(r->ruling.tier));
    xl_json_add_string(root, "reason", r->ruling.reason);
    cJSON_AddNumberToObject(root, "group", (double)r->group);
    cJSON_AddStringToObject(root, "text_hash", r->text_hash);
    cJSON_AddNumberToObject(root, "n_tokens", (double)r->n_tokens);
    for (size_t i = 0; i < XL_SCORE_COUNT; i++)
        add_rest(root, (enum xl_score_id)i, &r->scores[i]);
    cJSON_AddItemToObject(root, "params", xl_params_to_json(&r->params));
    return root;
}

void xl_ratings_csv(const struct xl_rating *ratings, size_t n,
                    struct xl_buf *out)
{
    struct xl_rating none = { .file = "", .text_hash = "" };
    xl_params_init(&none.params);
    cJSON *names = xl_rating_json(&none);
    if (names)
        xl_row_csv_names(names, out);
    cJSON_Delete(names);
    for (size_t i = 0; i < n; i++) {
        cJSON *rating = xl_rating_json(&ratings[i]);
        xl_row_csv(rating, out);
        cJSON_Delete(rating);
    }
}

void xl_ratings_jsonl(const struct xl_rating *ratings, size_t n,
                      struct xl_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        cJSON *rating = xl_rating_json(&ratings[i]);
        xl_json_print(rating, false, out);
        xl_buf_char(out, '\n');
        cJSON_Delete(rating);
    }
}

enum xl_status xl_ratings_save(const char *run_dir,
                               const struct xl_rating *ratings, size_t n,
                               struct xl_err *err)
{
    struct xl_buf text;
    xl_buf_init(&text, 0);
    xl_ratings_csv(ratings, n, &text);
    enum xl_status rc = xl_rows_save(run_dir, "ratings.csv", &text, err);
    if (rc == XL_OK) {
        xl_buf_clear(&text);
        xl_ratings_jsonl(ratings, n, &text);
        rc = xl_rows_save(run_dir, "ratings.jsonl", &text, err);
    }
    xl_buf_release(&text);
    return rc;
}
