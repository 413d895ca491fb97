/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines are written, not printed from trees: a run of 100,000 trials has ten
 * million numbers, and trees of them took half of an export's time. */
#include <math.h>
#include <string.h>

#include "kernel/base/csv.h"
#include "kernel/base/json.h"
#include "kernel/param/param.h"
#include "tuner/store/export_int.h"

enum {
    N_LEADING = 4
};

/* The first columns of every file, as other programs expect them. */
static const char *const leading[N_LEADING] = { "backend", "workers",
                                                "heads_per_band",
                                                "chunk_size" };
static const char *const metric_names[XL_EXPORT_METRICS] = {
    "prefill_tok_s", "decode_tok_s", "prefill_s", "decode_s"
};

const char *const xl_export_shown[XL_EXPORT_SHOWN] = {
    [XL_EXPORT_VERDICT] = "verdict",
    "tier",
    "dbpb",
    "dbpb_lo",
    "dbpb_hi",
    "verdict_reason",
};

/* -- pieces --------------------------------------------------------------- */

enum xl_status xl_export_no_memory(struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM, "cannot export trials: out of memory");
}

struct xl_export_cell xl_export_number(bool has, double value)
{
    return has && isfinite(value)
               ? (struct xl_export_cell){ .kind = XL_CELL_NUMBER,
                                          .number = value }
               : (struct xl_export_cell){ .kind = XL_CELL_NOTHING };
}

void xl_export_csv_cell(struct xl_buf *out, const struct xl_export_cell *cell)
{
    if (cell->kind == XL_CELL_NUMBER)
        xl_csv_real(out, cell->number);
    else if (cell->kind == XL_CELL_BOOL)
        xl_csv_text(out, cell->number != 0 ? "true" : "false");
    else
        xl_csv_text(out, cell->words);
}

void xl_export_json_cell(struct xl_buf *out, const struct xl_export_cell *cell)
{
    if (cell->kind == XL_CELL_NUMBER)
        xl_json_put_real(out, cell->number);
    else if (cell->kind == XL_CELL_BOOL)
        xl_buf_text(out, cell->number != 0 ? "true" : "false");
    else
        xl_json_put_text(out, cell->words);
}

/* A comma unless it is the first, and the key. */
void xl_export_key(struct xl_buf *out, const char *key)
{
    if (out->len && !strchr("{[", out->data[out->len - 1]))
        xl_buf_char(out, ',');
    xl_json_put_text(out, key);
    xl_buf_char(out, ':');
}

static void json_real(struct xl_buf *out, const char *key, bool has,
                      double value)
{
    xl_export_key(out, key);
    xl_json_put_real(out, has ? value : (double)NAN);
}

static void json_text(struct xl_buf *out, const char *key, const char *text)
{
    xl_export_key(out, key);
    xl_json_put_text(out, text);
}

static void json_tree(struct xl_buf *out, const char *key, const cJSON *tree)
{
    xl_export_key(out, key);
    if (tree)
        xl_json_print(tree, false, out);
    else
        xl_buf_text(out, "null");
}

/* A stored text that should be JSON; null when it is absent. */
enum xl_status xl_export_parse(const struct xl_store_trial *trial,
                               const char *what, const char *text, cJSON **out,
                               struct xl_err *err)
{
    *out = NULL;
    if (!text)
        return XL_OK;
    enum xl_status rc = xl_json_parse(text, strlen(text), what, out, err);
    if (rc != XL_OK)
        xl_err_prefix(err, "trial %lld", (long long)trial->id);
    return rc;
}

/* -- a line made plain ---------------------------------------------------- */

static bool is_inert(const struct xl_store_trial *trial, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = trial->inert; at && *at;) {
        size_t len = strcspn(at, ",");
        if (len == n && strncmp(at, name, n) == 0)
            return true;
        at += len + (at[len] == ',');
    }
    return false;
}

/* The value a tunable had: as really used, else as proposed; nothing when the
 * backend does not read it. */
static struct xl_export_cell value_of(const struct xl_export_line *line,
                                      const char *name)
{
    const cJSON *value = NULL;
    if (!is_inert(line->trial, name)) {
        value = xl_json_member(line->effective, name);
        if (!value || cJSON_IsNull(value))
            value = xl_json_member(line->params, name);
    }
    if (cJSON_IsNumber(value))
        return xl_export_number(true, value->valuedouble);
    if (cJSON_IsBool(value))
        return (struct xl_export_cell){ .kind = XL_CELL_BOOL,
                                        .number = cJSON_IsTrue(value) };
    const char *text = cJSON_GetStringValue(value);
    return (struct xl_export_cell){ .kind =
                                        text ? XL_CELL_WORDS : XL_CELL_NOTHING,
                                    .words = text };
}

/* -- trials.jsonl --------------------------------------------------------- */

static void put_leading(struct xl_buf *out, const struct xl_export_line *line)
{
    for (size_t i = 0; i < N_LEADING; i++) {
        struct xl_export_cell value = value_of(line, leading[i]);
        xl_export_key(out, leading[i]);
        xl_export_json_cell(out, &value);
    }
    for (size_t i = 0; i < XL_EXPORT_METRICS; i++) {
        const struct xl_store_metric *m = line->metrics[i];
        json_real(out, metric_names[i], m && m->has, m ? m->median : 0);
    }
}

static void put_intervals(struct xl_buf *out, const struct xl_export_line *line)
{
    xl_export_key(out, "ci");
    xl_buf_char(out, '{');
    for (size_t i = 0; i < XL_EXPORT_METRICS; i++) {
        const struct xl_store_metric *m = line->metrics[i];
        xl_export_key(out, metric_names[i]);
        if (!m || !m->has || !isfinite(m->lo) || !isfinite(m->hi)) {
            xl_buf_text(out, "null");
            continue;
        }
        xl_buf_char(out, '[');
        xl_json_put_real(out, m->lo);
        xl_buf_char(out, ',');
        xl_json_put_real(out, m->hi);
        xl_buf_char(out, ']');
    }
    xl_buf_char(out, '}');
}

static enum xl_status put_inert(struct xl_buf *out,
                                const struct xl_export_line *line,
                                struct xl_err *err)
{
    xl_export_key(out, "inert");
    xl_buf_char(out, '[');
    for (const char *at = line->trial->inert; at && *at;) {
        size_t len = strcspn(at, ",");
        const char *name = xl_arena_text(line->arena, at, len);
        if (!name)
            return xl_export_no_memory(err);
        if (at != line->trial->inert)
            xl_buf_char(out, ',');
        xl_json_put_text(out, name);
        at += len + (at[len] == ',');
    }
    xl_buf_char(out, ']');
    return XL_OK;
}

static enum xl_status put_parents(struct xl_buf *out,
                                  const struct xl_store_trial *trial,
                                  struct xl_err *err)
{
    cJSON *parents = NULL;
    XL_TRY(xl_export_parse(trial, "parents",
                           trial->parents ? trial->parents : "[]", &parents,
                           err));
    json_tree(out, "parents", parents);
    cJSON_Delete(parents);
    return XL_OK;
}

static void put_rest(struct xl_buf *out, const struct xl_store_trial *t)
{
    const struct xl_store_result *r = &t->result;
    json_real(out, "seq", true, (double)t->seq);
    json_real(out, "n", t->has_result, (double)r->n);
    json_real(out, "objective", t->has_result && r->has_value, r->value);
    json_text(out, "hash", t->cfg_hash);
    json_real(out, "attempts", true, (double)t->attempt);
    json_real(out, "created_ms", true, (double)t->created_ms);
    json_real(out, "ended_ms", t->ended_ms != 0, (double)t->ended_ms);
}

enum xl_status xl_export_put_json(const struct xl_export_line *line,
                                  struct xl_buf *out, struct xl_err *err)
{
    const struct xl_store_trial *t = line->trial;
    xl_buf_char(out, '{');
    put_leading(out, line);
    json_real(out, "id", true, (double)t->id);
    json_text(out, "status", xl_trial_state_name(t->state));
    json_tree(out, "params", line->params);
    xl_export_key(out, "samples");
    xl_buf_char(out, '[');
    xl_buf_add(out, line->samples.data, line->samples.len);
    xl_buf_char(out, ']');
    put_intervals(out, line);
    xl_export_key(out, "quality");
    xl_buf_char(out, '{');
    xl_buf_add(out, line->quality.data, line->quality.len);
    xl_buf_char(out, '}');
    json_tree(out, "effective", line->effective);
    XL_TRY(put_parents(out, t, err));
    json_real(out, "generation", t->has_generation, (double)t->generation);
    json_text(out, "reason", t->reason);
    json_text(out, "origin", t->origin);
    XL_TRY(put_inert(out, line, err));
    put_rest(out, t);
    xl_buf_text(out, "}\n");
    return XL_OK;
}

/* -- summary.csv ---------------------------------------------------------- */

static bool is_leading(const char *name)
{
    for (size_t i = 0; i < N_LEADING; i++)
        if (strcmp(leading[i], name) == 0)
            return true;
    return false;
}

void xl_export_summary_header(struct xl_buf *out)
{
    static const char *const middle[] = { "id", "status", "n", "objective",
                                          "verdict" };
    static const char *const last[] = {
        "generation", "origin", "reason", "hash", "created_ms", "ended_ms"
    };
    for (size_t i = 0; i < N_LEADING; i++)
        xl_csv_text(out, leading[i]);
    for (size_t i = 0; i < XL_EXPORT_METRICS; i++)
        xl_csv_text(out, metric_names[i]);
    for (size_t i = 0; i < sizeof middle / sizeof *middle; i++)
        xl_csv_text(out, middle[i]);
    for (size_t i = 0; i < XL_EXPORT_METRICS; i++)
        xl_buf_printf(out, "%s_lo,%s_hi,", metric_names[i], metric_names[i]);
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        if (!is_leading(xl_param_row((enum xl_param)i)->name))
            xl_csv_text(out, xl_param_row((enum xl_param)i)->name);
    for (size_t i = 0; i < sizeof last / sizeof *last; i++)
        xl_csv_text(out, last[i]);
    for (size_t i = XL_EXPORT_VERDICT + 1; i < XL_EXPORT_SHOWN; i++)
        xl_csv_text(out, xl_export_shown[i]);
    xl_csv_end(out);
}

/* Not finite gives an empty field. */
static void csv_real_if(struct xl_buf *out, bool has, double value)
{
    xl_csv_real(out, has ? value : (double)NAN);
}

static void csv_params(const struct xl_export_line *line, struct xl_buf *out)
{
    for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
        const char *name = xl_param_row((enum xl_param)i)->name;
        struct xl_export_cell value = value_of(line, name);
        if (!is_leading(name))
            xl_export_csv_cell(out, &value);
    }
}

void xl_export_put_summary(const struct xl_export_line *line,
                           struct xl_buf *out)
{
    const struct xl_store_trial *t = line->trial;
    const struct xl_store_result *r = &t->result;
    const char *backend = value_of(line, leading[0]).words;
    xl_csv_text(out, backend ? backend : ""); /* no line begins with a comma */
    for (size_t i = 1; i < N_LEADING; i++) {
        struct xl_export_cell value = value_of(line, leading[i]);
        xl_export_csv_cell(out, &value);
    }
    for (size_t i = 0; i < XL_EXPORT_METRICS; i++)
        csv_real_if(out, line->metrics[i] && line->metrics[i]->has,
                    line->metrics[i] ? line->metrics[i]->median : 0);
    xl_csv_int(out, t->id);
    xl_csv_text(out, xl_trial_state_name(t->state));
    csv_real_if(out, t->has_result, (double)r->n);
    csv_real_if(out, t->has_result && r->has_value, r->value);
    xl_export_csv_cell(out, &line->shown[XL_EXPORT_VERDICT]);
    for (size_t i = 0; i < XL_EXPORT_METRICS; i++) {
        const struct xl_store_metric *m = line->metrics[i];
        csv_real_if(out, m && m->has, m ? m->lo : 0);
        csv_real_if(out, m && m->has, m ? m->hi : 0);
    }
    csv_params(line, out);
    csv_real_if(out, t->has_generation, (double)t->generation);
    xl_csv_text(out, t->origin);
    xl_csv_text(out, t->reason);
    xl_csv_text(out, t->cfg_hash);
    xl_csv_int(out, t->created_ms);
    csv_real_if(out, t->ended_ms != 0, (double)t->ended_ms);
    for (size_t i = XL_EXPORT_VERDICT + 1; i < XL_EXPORT_SHOWN; i++)
        xl_export_csv_cell(out, &line->shown[i]);
    xl_csv_end(out);
}
