/* SPDX-License-Identifier: Apache-2.0
 *
 * What a session leaves in the run folder. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "judge/rows.h"
#include "judge/rubric_run.h"
#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"

/* "" stands for what the server does not say. */
static void add_known(cJSON *root, const char *key, const char *text)
{
    xl_json_add_string(root, key, text[0] ? text : NULL);
}

static void add_count(cJSON *root, const char *key, size_t n)
{
    cJSON_AddNumberToObject(root, key, (double)n);
}

/* -- ratings --------------------------------------------------------------- */

static void add_marks(cJSON *root, const struct xl_rubric_rating *r)
{
    for (size_t i = 0; i < XL_RUBRIC_COUNT; i++) {
        const char *name = xl_rubric_name((enum xl_rubric)i);
        if (r->has_marks)
            cJSON_AddNumberToObject(root, name, (double)r->marks.score[i]);
        else
            cJSON_AddNullToObject(root, name);
    }
    xl_json_add_string(root, "rationale",
                       r->has_marks ? r->marks.reason[XL_RUBRIC_OVERALL]
                                    : NULL);
}

/* The overall reason is the rationale. */
static void add_reasons(cJSON *root, const struct xl_rubric_rating *r)
{
    char key[64];
    for (size_t i = 0; i < XL_RUBRIC_OVERALL; i++) {
        snprintf(key, sizeof key, "%s_reason",
                 xl_rubric_name((enum xl_rubric)i));
        xl_json_add_string(root, key, r->has_marks ? r->marks.reason[i] : NULL);
    }
}

static void add_opinion(cJSON *root, const struct xl_rubric_rating *r)
{
    xl_json_add_string(root, "opinion", xl_opinion_name(r->opinion));
    xl_json_add_string(root, "reason", r->reason);
    for (size_t i = 0; i < XL_BOUT_COUNT; i++)
        add_count(root, xl_bout_name((enum xl_bout)i), r->bouts[i]);
    xl_json_add_string(root, "verdict",
                       r->has_verdict ? xl_verdict_name(r->verdict) : NULL);
    bool has_final = r->has_verdict || r->opinion == XL_OPINION_VETO;
    xl_json_add_string(root, "final",
                       has_final ? xl_verdict_name(r->final) : NULL);
}

cJSON *xl_rubric_rating_json(const struct xl_rubric_judged *judged, size_t i)
{
    const struct xl_rubric_rating *r = &judged->ratings[i];
    const struct xl_rubric_limits *limits = &judged->asker->limits;
    const struct xl_output *output = r->output->output;
    cJSON *root = cJSON_CreateObject();
    xl_row_add_config(root, output->file, &output->params);
    add_marks(root, r);
    add_reasons(root, r);
    add_opinion(root, r);
    add_count(root, "group", r->output->group);
    add_count(
        root, "prompt_left_out",
        xl_rubric_cut(judged->texts->prompt, limits->prompt_chars).left_out);
    add_count(root, "text_left_out",
              xl_rubric_cut(r->output->text, limits->text_chars).left_out);
    xl_json_add_string(root, "judge_model", judged->asker->model);
    return root;
}

/* -- the session ----------------------------------------------------------- */

static cJSON *control_json(const struct xl_rubric_control *c)
{
    cJSON *root = cJSON_CreateObject();
    xl_json_add_string(root, "control", c->name);
    add_count(root, "passage", c->passage);
    xl_json_add_string(root, "must", c->must);
    xl_json_add_string(root, "did", c->did);
    cJSON_AddBoolToObject(root, "right", c->is_right);
    return root;
}

static void add_asker(cJSON *root, const struct xl_asker *asker)
{
    xl_json_add_string(root, "api", asker->base);
    add_known(root, "server_version", asker->version);
    xl_json_add_string(root, "model", asker->model);
    add_known(root, "model_digest", asker->digest);
    xl_json_add_string(root, "nonce", asker->nonce);
    add_count(root, "seed", (size_t)asker->seed);
    add_count(root, "max_prompt_chars", asker->limits.prompt_chars);
    add_count(root, "max_cont_chars", asker->limits.text_chars);
    add_count(root, "questions", asker->questions);
    add_count(root, "unreadable", asker->unknown);
    add_count(root, "requests_sent", asker->sent);
    add_count(root, "replies_found", asker->found);
}

cJSON *xl_rubric_session_json(const struct xl_rubric_judged *judged)
{
    cJSON *root = cJSON_CreateObject();
    add_asker(root, judged->asker);
    cJSON_AddBoolToObject(root, "trusted", judged->is_trusted);
    xl_json_add_string(root, "trust", judged->trust);
    add_count(root, "controls", judged->session.controls);
    add_count(root, "controls_right", judged->session.right);
    add_count(root, "configurations", judged->texts->n_configs);
    add_count(root, "differing", judged->texts->n_differing);
    add_count(root, "vetoed", judged->n_vetoed);
    xl_json_add_string(root, "winner",
                       judged->winner ? judged->winner->output->output->file
                                      : NULL);
    cJSON_AddBoolToObject(root, "winner_vetoed",
                          judged->winner &&
                              judged->winner->opinion == XL_OPINION_VETO);
    cJSON *list = cJSON_AddArrayToObject(root, "control_list");
    for (size_t i = 0; i < judged->n_controls; i++)
        cJSON_AddItemToArray(list, control_json(&judged->controls[i]));
    return root;
}

/* -- the nonce ------------------------------------------------------------- */

static bool is_nonce(const char *text)
{
    return strlen(text) == XL_HASH_TEXT - 1 &&
           strspn(text, "0123456789abcdef") == XL_HASH_TEXT - 1;
}

static enum xl_status draw_nonce(char nonce[XL_HASH_TEXT], struct xl_err *err)
{
    unsigned char bytes[(XL_HASH_TEXT - 1) / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return xl_fail(err, XL_EIO, "the system gives no random bytes");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(nonce + 2 * i, 3, "%02x", bytes[i]);
    return XL_OK;
}

static enum xl_status find_nonce(const char *path, char nonce[XL_HASH_TEXT],
                                 struct xl_err *err)
{
    cJSON *root = NULL;
    const char *text;
    if (xl_io_exists(path)) {
        XL_TRY(xl_json_load(path, XL_JSON_SMALL, &root, err));
        bool is_good = xl_json_get_text(root, "nonce", &text, NULL) == XL_OK &&
                       is_nonce(text);
        if (is_good)
            memcpy(nonce, text, XL_HASH_TEXT);
        cJSON_Delete(root);
        return is_good ? XL_OK
                       : xl_fail(err, XL_EFORMAT,
                                 "'%s' holds no nonce; remove it to begin "
                                 "anew",
                                 path);
    }
    XL_TRY(draw_nonce(nonce, err));
    root = cJSON_CreateObject();
    xl_json_add_string(root, "nonce", nonce);
    enum xl_status rc = xl_json_save(path, root, err);
    cJSON_Delete(root);
    return rc;
}

enum xl_status xl_rubric_nonce(const char *run_dir, char nonce[XL_HASH_TEXT],
                               struct xl_err *err)
{
    char *dir = xl_io_join(run_dir, "rubric");
    char *path = xl_io_join(run_dir, "rubric/session.json");
    enum xl_status rc = dir && path ? xl_io_make_dirs(dir, err)
                                    : xl_fail(err, XL_ENOMEM, "out of memory");
    if (rc == XL_OK)
        rc = find_nonce(path, nonce, err);
    xl_free(dir);
    xl_free(path);
    return rc;
}

/* -- saving ---------------------------------------------------------------- */

static void print_ratings(const struct xl_rubric_judged *judged,
                          struct xl_buf *csv, struct xl_buf *lines)
{
    for (size_t i = 0; i < judged->n; i++) {
        cJSON *row = xl_rubric_rating_json(judged, i);
        if (i == 0)
            xl_row_csv_names(row, csv);
        xl_row_csv(row, csv);
        xl_json_print(row, false, lines);
        xl_buf_char(lines, '\n');
        cJSON_Delete(row);
    }
}

enum xl_status xl_rubric_save(const struct xl_rubric_judged *judged,
                              const char *run_dir, struct xl_err *err)
{
    struct xl_buf csv, lines;
    xl_buf_init(&csv, 0);
    xl_buf_init(&lines, 0);
    print_ratings(judged, &csv, &lines);
    enum xl_status rc = xl_rows_save(run_dir, "ratings_ollama.csv", &csv, err);
    if (rc == XL_OK)
        rc = xl_rows_save(run_dir, "ratings_ollama.jsonl", &lines, err);
    xl_buf_release(&csv);
    xl_buf_release(&lines);
    cJSON *session = xl_rubric_session_json(judged);
    if (rc == XL_OK)
        rc = xl_json_save_in(run_dir, "rubric/session.json", session, err);
    cJSON_Delete(session);
    return rc;
}
