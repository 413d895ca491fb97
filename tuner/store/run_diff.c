/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/store/run_diff.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/json.h"
#include "tuner/store/query.h"

/* What a run promoted; of a run that has not come so far, its best. */
struct winner {
    cJSON *params, *metrics, *facts; /* objects */
    bool is_there;
};

static void release(struct winner *w)
{
    cJSON_Delete(w->params);
    cJSON_Delete(w->metrics);
    cJSON_Delete(w->facts);
}

static enum xl_status take_trial(void *ctx, const struct xl_store_trial *row,
                                 struct xl_err *err)
{
    struct winner *w = ctx;
    const struct {
        const char *name;
        const struct xl_store_metric *metric;
    } rows[] = {
        { "prefill_tok_s", &row->result.prefill_tok_s },
        { "decode_tok_s", &row->result.decode_tok_s },
    };
    w->is_there = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].metric->has)
            xl_json_add_real(w->metrics, rows[i].name, rows[i].metric->median);
    return xl_json_parse(row->cfg, strlen(row->cfg), "configuration",
                         &w->params, err);
}

static enum xl_status take_fact(void *ctx, const struct xl_store_fact *row,
                                struct xl_err *err)
{
    struct winner *w = ctx;
    char key[128];
    (void)err;
    if (strcmp(row->scope, "rounds") == 0) /* what was measured, not on what */
        return XL_OK;
    snprintf(key, sizeof key, "%s.%s", row->scope, row->key);
    cJSON_AddStringToObject(w->facts, key, row->value);
    return XL_OK;
}

static enum xl_status read_winner(const struct xl_run_side *side,
                                  struct winner *w, struct xl_err *err)
{
    *w = (struct winner){ .metrics = cJSON_CreateObject(),
                          .facts = cJSON_CreateObject() };
    enum xl_status rc = xl_query_winner(side->store, take_trial, w, err);
    if (rc == XL_ENOTFOUND)
        rc = xl_query_best(side->store, 1, take_trial, w, err);
    XL_TRY(rc);
    if (!w->is_there)
        return xl_fail(err, XL_ENOTFOUND,
                       "'%s' has no measured trial to compare; 'xltune runs "
                       "show' says what it has",
                       side->name);
    return xl_query_facts(side->store, take_fact, w, err);
}

/* Adds name: [a, b] when they differ; null stands for what one lacks. */
static void add_pair(cJSON *to, const char *name, const cJSON *a,
                     const cJSON *b)
{
    if (a && b && cJSON_Compare(a, b, true))
        return;
    cJSON *pair = cJSON_AddArrayToObject(to, name);
    cJSON_AddItemToArray(pair,
                         a ? cJSON_Duplicate(a, true) : cJSON_CreateNull());
    cJSON_AddItemToArray(pair,
                         b ? cJSON_Duplicate(b, true) : cJSON_CreateNull());
}

static void add_pairs(cJSON *to, const cJSON *a, const cJSON *b)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, a)
        add_pair(to, item->string, item, xl_json_member(b, item->string));
    cJSON_ArrayForEach(item, b)
    {
        if (!cJSON_HasObjectItem(a, item->string))
            add_pair(to, item->string, NULL, item);
    }
}

static void add_metrics(cJSON *to, const cJSON *a, const cJSON *b)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, a)
    {
        const cJSON *other = xl_json_member(b, item->string);
        if (!other)
            continue;
        cJSON *row = cJSON_AddObjectToObject(to, item->string);
        cJSON *values = cJSON_AddArrayToObject(row, "values");
        cJSON_AddItemToArray(values, cJSON_Duplicate(item, true));
        cJSON_AddItemToArray(values, cJSON_Duplicate(other, true));
        xl_json_add_real(row, "ratio", other->valuedouble / item->valuedouble);
    }
}

enum xl_status xl_run_diff(const struct xl_run_side *a,
                           const struct xl_run_side *b, cJSON **root,
                           struct xl_err *err)
{
    struct winner wa = { 0 }, wb = { 0 };
    enum xl_status rc;
    *root = NULL;
    XL_TRY_DONE(rc, read_winner(a, &wa, err));
    XL_TRY_DONE(rc, read_winner(b, &wb, err));
    *root = cJSON_CreateObject();
    cJSON *runs = cJSON_AddArrayToObject(*root, "runs");
    cJSON_AddItemToArray(runs, cJSON_CreateString(a->name));
    cJSON_AddItemToArray(runs, cJSON_CreateString(b->name));
    add_pairs(cJSON_AddObjectToObject(*root, "params"), wa.params, wb.params);
    add_metrics(cJSON_AddObjectToObject(*root, "metrics"), wa.metrics,
                wb.metrics);
    add_pairs(cJSON_AddObjectToObject(*root, "facts"), wa.facts, wb.facts);
done:
    release(&wa);
    release(&wb);
    return rc;
}

/* -- text ----------------------------------------------------------------- */

static void value_text(const cJSON *value, char out[24])
{
    if (cJSON_IsString(value))
        snprintf(out, 24, "%s", value->valuestring);
    else if (cJSON_IsNumber(value))
        snprintf(out, 24, "%.6g", value->valuedouble);
    else if (cJSON_IsBool(value))
        snprintf(out, 24, "%s", cJSON_IsTrue(value) ? "true" : "false");
    else
        snprintf(out, 24, "-");
}

static void pair_line(struct xl_buf *out, const char *name, const cJSON *pair)
{
    char a[24], b[24];
    value_text(cJSON_GetArrayItem(pair, 0), a);
    value_text(cJSON_GetArrayItem(pair, 1), b);
    xl_buf_printf(out, "  %-24s %-24s %-24s", name, a, b);
}

static void section(struct xl_buf *out, const cJSON *pairs, const char *title,
                    const char *none)
{
    const cJSON *item;
    xl_buf_printf(out, "%s\n", cJSON_GetArraySize(pairs) ? title : none);
    cJSON_ArrayForEach(item, pairs)
    {
        pair_line(out, item->string, item);
        xl_buf_char(out, '\n');
    }
}

void xl_run_diff_text(const cJSON *diff, struct xl_buf *out)
{
    const cJSON *item;
    const cJSON *runs = xl_json_member(diff, "runs");
    xl_buf_printf(out, "A  %s\nB  %s\n\n",
                  cJSON_GetStringValue(cJSON_GetArrayItem(runs, 0)),
                  cJSON_GetStringValue(cJSON_GetArrayItem(runs, 1)));
    section(out, xl_json_member(diff, "params"), "Tunables that differ (A, B):",
            "Both winners are the same "
            "configuration.");
    xl_buf_text(out, "\nSpeed (A, B, B / A):\n");
    cJSON_ArrayForEach(item, xl_json_member(diff, "metrics"))
    {
        pair_line(out, item->string, xl_json_member(item, "values"));
        xl_buf_printf(out, " %.3f\n",
                      cJSON_GetNumberValue(xl_json_member(item, "ratio")));
    }
    xl_buf_char(out, '\n');
    section(out, xl_json_member(diff, "facts"),
            "The runs differ in more than their winners (A, B):",
            "Machine, model and prompt are the same.");
}
