/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over the trials makes all three texts. A trial's row is first made
 * plain (struct line: its configuration parsed, its samples and scores read),
 * then written in each form, so that the forms cannot disagree. */
#include "tuner/store/export.h"

#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/csv.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/param/param.h"
#include "tuner/store/query.h"

enum {
    N_LEADING = 4,
    N_METRICS = 4
};

/* The first columns of every file, as other programs expect them. */
static const char *const leading[N_LEADING] = { "backend", "workers",
                                                "heads_per_band",
                                                "chunk_size" };
static const char *const metric_names[N_METRICS] = { "prefill_tok_s",
                                                     "decode_tok_s",
                                                     "prefill_s", "decode_s" };

struct line {
    const struct xl_store_trial *trial;
    cJSON *params, *effective; /* effective may be NULL */
    const struct xl_store_metric *metrics[N_METRICS]; /* NULL = no result */
    cJSON *samples;      /* array; NULL when not asked for */
    cJSON *quality;      /* object of scores */
    const char *verdict; /* in quality, or NULL */
};

struct job {
    struct xl_store *store;
    struct xl_buf *jsonl, *summary, *samples; /* NULL = not asked for */
};

/* -- JSON pieces ---------------------------------------------------------- */

static enum xl_status no_memory(struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM, "cannot export trials: out of memory");
}

/* Takes item, which may be NULL for want of memory. */
static bool put(cJSON *object, const char *key, cJSON *item)
{
    if (item && cJSON_AddItemToObject(object, key, item))
        return true;
    cJSON_Delete(item);
    return false;
}

static cJSON *number_or_null(bool has, double value)
{
    return has && isfinite(value) ? cJSON_CreateNumber(value)
                                  : cJSON_CreateNull();
}

static bool put_int(cJSON *object, const char *key, int64_t value)
{
    return put(object, key, cJSON_CreateNumber((double)value));
}

static bool put_real(cJSON *object, const char *key, bool has, double value)
{
    return put(object, key, number_or_null(has, value));
}

static bool put_text(cJSON *object, const char *key, const char *text)
{
    xl_json_add_text(object, key, text, text ? strlen(text) : 0);
    return cJSON_HasObjectItem(object, key);
}

/* A stored text that should be JSON; null when it is absent. */
static enum xl_status parse_stored(const struct xl_store_trial *trial,
                                   const char *what, const char *text,
                                   cJSON **out, struct xl_err *err)
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

/* The value a tunable had: as really used, else as proposed; NULL when the
 * backend does not read it. */
static const cJSON *value_of(const struct line *line, const char *name)
{
    if (is_inert(line->trial, name))
        return NULL;
    const cJSON *used = cJSON_GetObjectItemCaseSensitive(line->effective, name);
    return used && !cJSON_IsNull(used)
               ? used
               : cJSON_GetObjectItemCaseSensitive(line->params, name);
}

static enum xl_status add_sample(void *ctx, const struct xl_store_sample *s,
                                 struct xl_err *err)
{
    cJSON *row = cJSON_CreateObject();
    bool ok =
        row && put_int(row, "rep", s->rep) &&
        put_int(row, "prompt_tokens", s->prompt_tokens) &&
        put_int(row, "new_tokens", s->new_tokens) &&
        put_real(row, "prefill_tok_s", s->has_prefill, s->prefill_tok_s) &&
        put_real(row, "decode_tok_s", s->has_decode, s->decode_tok_s) &&
        put_real(row, "prefill_s", s->has_prefill,
                 (double)s->prefill_ns * 1e-9) &&
        put_real(row, "decode_s", s->has_decode, (double)s->decode_ns * 1e-9) &&
        put_real(row, "peak_rss_bytes", s->has_peak_rss,
                 (double)s->peak_rss_bytes) &&
        put_real(row, "foreign_cpu", s->has_foreign_cpu, s->foreign_cpu) &&
        put_real(row, "ctx_switches", s->has_ctx, (double)s->ctx_switches) &&
        put(row, "disturbed", cJSON_CreateBool(s->is_disturbed)) &&
        put_int(row, "at_ms", s->at_ms) && cJSON_AddItemToArray(ctx, row);
    if (ok)
        return XL_OK;
    cJSON_Delete(row);
    return no_memory(err);
}

/* A score is its number; what has only words is its words. */
static enum xl_status add_score(void *ctx, const struct xl_store_score *score,
                                struct xl_err *err)
{
    bool is_words = strcmp(score->name, "verdict") == 0 || !score->has_value;
    bool ok = is_words && score->detail
                  ? put_text(ctx, score->name, score->detail)
                  : put_real(ctx, score->name, score->has_value, score->value);
    return ok ? XL_OK : no_memory(err);
}

static void release_line(struct line *line)
{
    cJSON_Delete(line->params);
    cJSON_Delete(line->effective);
    cJSON_Delete(line->samples);
    cJSON_Delete(line->quality);
}

static enum xl_status read_line(struct xl_store *store,
                                const struct xl_store_trial *trial,
                                struct line *line, struct xl_err *err)
{
    const struct xl_store_result *r = &trial->result;
    *line = (struct line){ .trial = trial };
    if (trial->has_result) {
        line->metrics[0] = &r->prefill_tok_s;
        line->metrics[1] = &r->decode_tok_s;
        line->metrics[2] = &r->prefill_s;
        line->metrics[3] = &r->decode_s;
    }
    XL_TRY(
        parse_stored(trial, "configuration", trial->cfg, &line->params, err));
    XL_TRY(parse_stored(trial, "effective values", r->effective,
                        &line->effective, err));
    line->samples = cJSON_CreateArray();
    line->quality = cJSON_CreateObject();
    if (!line->samples || !line->quality)
        return no_memory(err);
    XL_TRY(xl_query_samples(store, trial->id, add_sample, line->samples, err));
    XL_TRY(xl_query_scores(store, trial->id, add_score, line->quality, err));
    line->verdict = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(line->quality, "verdict"));
    return XL_OK;
}

/* -- trials.jsonl --------------------------------------------------------- */

static bool put_leading(cJSON *root, const struct line *line)
{
    for (size_t i = 0; i < N_LEADING; i++) {
        const cJSON *value = value_of(line, leading[i]);
        if (!put(root, leading[i],
                 value ? cJSON_Duplicate(value, true) : cJSON_CreateNull()))
            return false;
    }
    for (size_t i = 0; i < N_METRICS; i++) {
        const struct xl_store_metric *m = line->metrics[i];
        if (!put_real(root, metric_names[i], m && m->has, m ? m->median : 0))
            return false;
    }
    return true;
}

static bool put_intervals(cJSON *root, const struct line *line)
{
    cJSON *ci = cJSON_AddObjectToObject(root, "ci");
    for (size_t i = 0; ci && i < N_METRICS; i++) {
        const struct xl_store_metric *m = line->metrics[i];
        if (!m || !m->has || !isfinite(m->lo) || !isfinite(m->hi)) {
            if (!put(ci, metric_names[i], cJSON_CreateNull()))
                return false;
            continue;
        }
        double ends[] = { m->lo, m->hi };
        if (!put(ci, metric_names[i], cJSON_CreateDoubleArray(ends, 2)))
            return false;
    }
    return ci != NULL;
}

static bool put_inert(cJSON *root, const struct xl_store_trial *trial)
{
    cJSON *names = cJSON_AddArrayToObject(root, "inert");
    for (const char *at = trial->inert; names && at && *at;) {
        size_t len = strcspn(at, ",");
        char *name = xl_strndup(at, len);
        cJSON *item = name ? cJSON_CreateString(name) : NULL;
        xl_free(name);
        if (!item || !cJSON_AddItemToArray(names, item)) {
            cJSON_Delete(item);
            return false;
        }
        at += len + (at[len] == ',');
    }
    return names != NULL;
}

/* Takes parents. */
static bool put_rest(cJSON *root, const struct line *line, cJSON *parents)
{
    const struct xl_store_trial *t = line->trial;
    const struct xl_store_result *r = &t->result;
    return put(root, "parents", parents ? parents : cJSON_CreateArray()) &&
           put_real(root, "generation", t->has_generation,
                    (double)t->generation) &&
           put_text(root, "reason", t->reason) &&
           put_text(root, "origin", t->origin) && put_inert(root, t) &&
           put_int(root, "seq", t->seq) &&
           put_real(root, "n", t->has_result, (double)r->n) &&
           put_real(root, "objective", t->has_result && r->has_value,
                    r->value) &&
           put_text(root, "hash", t->cfg_hash) &&
           put_int(root, "attempts", t->attempt) &&
           put_int(root, "created_ms", t->created_ms) &&
           put_real(root, "ended_ms", t->ended_ms != 0, (double)t->ended_ms);
}

static enum xl_status write_json(struct line *line, struct xl_buf *out,
                                 struct xl_err *err)
{
    const struct xl_store_trial *t = line->trial;
    cJSON *parents = NULL, *root = NULL;
    enum xl_status rc = parse_stored(t, "parents", t->parents, &parents, err);
    if (rc != XL_OK)
        return rc;
    root = cJSON_CreateObject();
    bool ok = root && put_leading(root, line) && put_int(root, "id", t->id) &&
              put_text(root, "status", xl_trial_state_name(t->state)) &&
              put(root, "params", cJSON_Duplicate(line->params, true)) &&
              put(root, "samples", cJSON_Duplicate(line->samples, true)) &&
              put_intervals(root, line) &&
              put(root, "quality", cJSON_Duplicate(line->quality, true)) &&
              put(root, "effective",
                  line->effective ? cJSON_Duplicate(line->effective, true)
                                  : cJSON_CreateNull());
    if (ok)
        ok = put_rest(root, line, parents);
    else
        cJSON_Delete(parents);
    if (ok) {
        xl_json_print(root, false, out);
        xl_buf_char(out, '\n');
    }
    cJSON_Delete(root);
    return ok ? XL_OK : no_memory(err);
}

/* -- summary.csv ---------------------------------------------------------- */

static bool is_leading(const char *name)
{
    for (size_t i = 0; i < N_LEADING; i++)
        if (strcmp(leading[i], name) == 0)
            return true;
    return false;
}

/* Scores that pictures and reports show; trials.jsonl has them all. */
static const char *const shown_scores[] = { "tier", "dbpb", "dbpb_lo",
                                            "dbpb_hi", "verdict_reason" };
enum {
    N_SHOWN_SCORES = sizeof shown_scores / sizeof *shown_scores
};

static void summary_header(struct xl_buf *out)
{
    static const char *const middle[] = { "id", "status", "n", "objective",
                                          "verdict" };
    static const char *const last[] = {
        "generation", "origin", "reason", "hash", "created_ms", "ended_ms"
    };
    for (size_t i = 0; i < N_LEADING; i++)
        xl_csv_text(out, leading[i]);
    for (size_t i = 0; i < N_METRICS; i++)
        xl_csv_text(out, metric_names[i]);
    for (size_t i = 0; i < sizeof middle / sizeof *middle; i++)
        xl_csv_text(out, middle[i]);
    for (size_t i = 0; i < N_METRICS; i++)
        xl_buf_printf(out, "%s_lo,%s_hi,", metric_names[i], metric_names[i]);
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        if (!is_leading(xl_param_row((enum xl_param)i)->name))
            xl_csv_text(out, xl_param_row((enum xl_param)i)->name);
    for (size_t i = 0; i < sizeof last / sizeof *last; i++)
        xl_csv_text(out, last[i]);
    for (size_t i = 0; i < N_SHOWN_SCORES; i++)
        xl_csv_text(out, shown_scores[i]);
    xl_csv_end(out);
}

static void csv_value(struct xl_buf *out, const cJSON *value)
{
    if (cJSON_IsNumber(value))
        xl_csv_real(out, value->valuedouble);
    else if (cJSON_IsBool(value))
        xl_csv_text(out, cJSON_IsTrue(value) ? "true" : "false");
    else
        xl_csv_text(out, cJSON_GetStringValue(value));
}

/* Not finite gives an empty field. */
static void csv_real_if(struct xl_buf *out, bool has, double value)
{
    xl_csv_real(out, has ? value : (double)NAN);
}

static void write_summary(const struct line *line, struct xl_buf *out)
{
    const struct xl_store_trial *t = line->trial;
    const struct xl_store_result *r = &t->result;
    const cJSON *backend = value_of(line, "backend");
    const char *name = cJSON_GetStringValue(backend);
    xl_csv_text(out, name ? name : ""); /* a line never begins with a comma */
    for (size_t i = 1; i < N_LEADING; i++)
        csv_value(out, value_of(line, leading[i]));
    for (size_t i = 0; i < N_METRICS; i++)
        csv_real_if(out, line->metrics[i] && line->metrics[i]->has,
                    line->metrics[i] ? line->metrics[i]->median : 0);
    xl_csv_int(out, t->id);
    xl_csv_text(out, xl_trial_state_name(t->state));
    csv_real_if(out, t->has_result, (double)r->n);
    csv_real_if(out, t->has_result && r->has_value, r->value);
    xl_csv_text(out, line->verdict);
    for (size_t i = 0; i < N_METRICS; i++) {
        const struct xl_store_metric *m = line->metrics[i];
        csv_real_if(out, m && m->has, m ? m->lo : 0);
        csv_real_if(out, m && m->has, m ? m->hi : 0);
    }
    for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
        const char *param = xl_param_row((enum xl_param)i)->name;
        if (!is_leading(param))
            csv_value(out, value_of(line, param));
    }
    csv_real_if(out, t->has_generation, (double)t->generation);
    xl_csv_text(out, t->origin);
    xl_csv_text(out, t->reason);
    xl_csv_text(out, t->cfg_hash);
    xl_csv_int(out, t->created_ms);
    csv_real_if(out, t->ended_ms != 0, (double)t->ended_ms);
    for (size_t i = 0; i < N_SHOWN_SCORES; i++)
        csv_value(out, cJSON_GetObjectItemCaseSensitive(line->quality,
                                                        shown_scores[i]));
    xl_csv_end(out);
}

/* -- samples.csv ---------------------------------------------------------- */

/* The keys of a sample in trials.jsonl are the columns here. */
static const char *const sample_columns[] = {
    "rep",         "prefill_tok_s", "decode_tok_s", "prefill_s",
    "decode_s",    "prompt_tokens", "new_tokens",   "peak_rss_bytes",
    "foreign_cpu", "ctx_switches",  "disturbed",    "at_ms",
};
enum {
    N_SAMPLE_COLUMNS = sizeof sample_columns / sizeof *sample_columns
};

static void samples_header(struct xl_buf *out)
{
    xl_csv_text(out, "id");
    for (size_t i = 0; i < N_SAMPLE_COLUMNS; i++)
        xl_csv_text(out, sample_columns[i]);
    xl_csv_end(out);
}

static void write_samples(const struct line *line, struct xl_buf *out)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, line->samples)
    {
        xl_csv_int(out, line->trial->id);
        for (size_t i = 0; i < N_SAMPLE_COLUMNS; i++)
            csv_value(out,
                      cJSON_GetObjectItemCaseSensitive(row, sample_columns[i]));
        xl_csv_end(out);
    }
}

/* -- the pass ------------------------------------------------------------- */

static enum xl_status
export_trial(void *ctx, const struct xl_store_trial *trial, struct xl_err *err)
{
    const struct job *job = ctx;
    struct line line;
    enum xl_status rc = read_line(job->store, trial, &line, err);
    if (rc == XL_OK && job->jsonl)
        rc = write_json(&line, job->jsonl, err);
    if (rc == XL_OK && job->summary)
        write_summary(&line, job->summary);
    if (rc == XL_OK && job->samples)
        write_samples(&line, job->samples);
    release_line(&line);
    return rc;
}

static enum xl_status run_job(const struct job *job, struct xl_err *err)
{
    struct job copy = *job;
    if (job->summary)
        summary_header(job->summary);
    if (job->samples)
        samples_header(job->samples);
    XL_TRY(xl_query_trials(job->store, 0, export_trial, &copy, err));
    struct xl_buf *all[] = { job->jsonl, job->summary, job->samples };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i])
            XL_TRY(xl_buf_check(all[i], "export of trials", err));
    return XL_OK;
}

enum xl_status xl_export_jsonl(struct xl_store *store, struct xl_buf *out,
                               struct xl_err *err)
{
    return run_job(&(struct job){ .store = store, .jsonl = out }, err);
}

enum xl_status xl_export_summary(struct xl_store *store, struct xl_buf *out,
                                 struct xl_err *err)
{
    return run_job(&(struct job){ .store = store, .summary = out }, err);
}

enum xl_status xl_export_samples(struct xl_store *store, struct xl_buf *out,
                                 struct xl_err *err)
{
    return run_job(&(struct job){ .store = store, .samples = out }, err);
}

enum xl_status xl_export_run(struct xl_store *store, const char *folder,
                             struct xl_err *err)
{
    static const char *const files[] = { "trials.jsonl", "summary.csv",
                                         "samples.csv" };
    struct xl_buf texts[3];
    for (size_t i = 0; i < 3; i++)
        xl_buf_init(&texts[i], 0);
    struct job job = { .store = store,
                       .jsonl = &texts[0],
                       .summary = &texts[1],
                       .samples = &texts[2] };
    enum xl_status rc = run_job(&job, err);
    for (size_t i = 0; i < 3 && rc == XL_OK; i++) {
        char *path = xl_io_join(folder, files[i]);
        rc = path ? xl_io_replace(path, texts[i].data, texts[i].len, err)
                  : no_memory(err);
        xl_free(path);
    }
    for (size_t i = 0; i < 3; i++)
        xl_buf_release(&texts[i]);
    return rc;
}
