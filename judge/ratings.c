/* SPDX-License-Identifier: Apache-2.0
 *
 * A rating is one JSON object; the table is the same object's members in the
 * same order, so the two files cannot disagree. */
#include "judge/ratings.h"

#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/csv.h"
#include "kernel/base/io.h"
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
    static const enum xl_param keys[] = { XL_PARAM_BACKEND,
                                          XL_PARAM_HEADS_PER_BAND,
                                          XL_PARAM_CHUNK_SIZE,
                                          XL_PARAM_WORKERS };
    xl_json_add_text(root, "file", r->file, strlen(r->file));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        xl_param_add_json(root, keys[i], r->params.value[keys[i]]);
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
    xl_json_add_text(root, "reason", r->ruling.reason,
                     strlen(r->ruling.reason));
    cJSON_AddNumberToObject(root, "group", (double)r->group);
    cJSON_AddStringToObject(root, "text_hash", r->text_hash);
    for (size_t i = 0; i < XL_SCORE_COUNT; i++)
        add_rest(root, (enum xl_score_id)i, &r->scores[i]);
    cJSON_AddItemToObject(root, "params", xl_params_to_json(&r->params));
    return root;
}

static void csv_header(const cJSON *rating, struct xl_buf *out)
{
    for (const cJSON *item = rating->child; item; item = item->next)
        xl_csv_text(out, item->string);
    xl_csv_end(out);
}

static void csv_field(const cJSON *item, struct xl_buf *out)
{
    struct xl_buf text;
    if (cJSON_IsNumber(item)) {
        xl_csv_real(out, item->valuedouble);
    } else if (cJSON_IsString(item)) {
        xl_csv_text(out, item->valuestring);
    } else if (cJSON_IsNull(item)) {
        xl_csv_text(out, NULL);
    } else {
        xl_buf_init(&text, 0);
        xl_json_print(item, false, &text);
        xl_csv_text(out, text.data);
        xl_buf_release(&text);
    }
}

void xl_ratings_csv(const struct xl_rating *ratings, size_t n,
                    struct xl_buf *out)
{
    struct xl_rating none = { .file = "", .text_hash = "" };
    xl_params_init(&none.params);
    cJSON *names = xl_rating_json(&none);
    if (names)
        csv_header(names, out);
    cJSON_Delete(names);
    for (size_t i = 0; i < n; i++) {
        cJSON *rating = xl_rating_json(&ratings[i]);
        for (const cJSON *item = rating ? rating->child : NULL; item;
             item = item->next)
            csv_field(item, out);
        xl_csv_end(out);
        cJSON_Delete(rating);
    }
}

static void jsonl(const struct xl_rating *ratings, size_t n, struct xl_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        cJSON *rating = xl_rating_json(&ratings[i]);
        xl_json_print(rating, false, out);
        xl_buf_char(out, '\n');
        cJSON_Delete(rating);
    }
}

static enum xl_status save(const char *run_dir, const char *name,
                           const struct xl_buf *text, struct xl_err *err)
{
    char *path = xl_io_join(run_dir, name);
    enum xl_status rc =
        path ? xl_buf_check(text, name, err)
             : xl_fail(err, XL_ENOMEM, "out of memory writing '%s'", name);
    if (rc == XL_OK)
        rc = xl_io_replace(path, text->data, text->len, err);
    xl_free(path);
    return rc;
}

enum xl_status xl_ratings_save(const char *run_dir,
                               const struct xl_rating *ratings, size_t n,
                               struct xl_err *err)
{
    struct xl_buf text;
    xl_buf_init(&text, 0);
    xl_ratings_csv(ratings, n, &text);
    enum xl_status rc = save(run_dir, "ratings.csv", &text, err);
    if (rc == XL_OK) {
        xl_buf_clear(&text);
        jsonl(ratings, n, &text);
        rc = save(run_dir, "ratings.jsonl", &text, err);
    }
    xl_buf_release(&text);
    return rc;
}
