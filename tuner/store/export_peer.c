/* SPDX-License-Identifier: Apache-2.0
 *
 * Entries are written one by one as the trials go by; only the distinct values
 * of the tunables are held, from a first pass. */
#include "tuner/store/export_peer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kernel/base/json.h"
#include "tuner/store/query.h"

struct job {
    struct xl_store *store;
    struct xl_buf *out;
    char objective[64];
    bool minimise;
    cJSON *values; /* object: tunable -> array of the values that occur */
    size_t n;      /* entries written */
};

static enum xl_status no_memory(struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM, "cannot export trials: out of memory");
}

/* -- what both forms say about a trial ------------------------------------ */

static bool has_ended(const struct xl_store_trial *trial)
{
    return trial->state != XL_TRIAL_QUEUED && trial->state != XL_TRIAL_RUNNING;
}

static enum xl_status parse_cfg(const struct xl_store_trial *trial, cJSON **cfg,
                                struct xl_err *err)
{
    return xl_json_parse(trial->cfg, strlen(trial->cfg), "configuration", cfg,
                         err);
}

static enum xl_status take_sweep(void *ctx, const struct xl_store_sweep *row,
                                 struct xl_err *err)
{
    struct job *job = ctx;
    (void)err;
    snprintf(job->objective, sizeof job->objective, "%s", row->objective);
    job->minimise = row->minimise;
    return XL_OK;
}

static enum xl_status add_time(void *ctx, const struct xl_store_sample *s,
                               struct xl_err *err)
{
    double ms = (double)(s->prefill_ns + s->decode_ns) * 1e-6;
    if (!s->has_prefill || !s->has_decode)
        return XL_OK;
    cJSON *item = cJSON_CreateNumber(ms);
    if (item && cJSON_AddItemToArray(ctx, item))
        return XL_OK;
    cJSON_Delete(item);
    return no_memory(err);
}

/* UTC as ISO 8601, "" when unknown. */
static const char *stamp(int64_t ms, char out[32])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    if (ms <= 0 || !gmtime_r(&seconds, &tm) ||
        strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        out[0] = '\0';
    return out;
}

static void add_metric(cJSON *entry, const char *name,
                       const struct xl_store_metric *metric)
{
    if (metric->has)
        xl_json_add_real(entry, name, metric->median);
}

/* Appends the object, a comma before it when it is not the first; takes it. */
static enum xl_status append(struct job *job, const char *key, cJSON *object,
                             struct xl_err *err)
{
    if (!object)
        return no_memory(err);
    xl_buf_text(job->out, job->n++ ? ",\n" : "\n");
    if (key) {
        cJSON *text = cJSON_CreateString(key);
        xl_json_print(text, false, job->out);
        xl_buf_text(job->out, ": ");
        cJSON_Delete(text);
    }
    xl_json_print(object, false, job->out);
    cJSON_Delete(object);
    return xl_buf_check(job->out, "export of trials", err);
}

/* -- Kernel Tuner --------------------------------------------------------- */

static bool is_among(const cJSON *array, const cJSON *value)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        if (cJSON_Compare(item, value, true))
            return true;
    }
    return false;
}

static enum xl_status collect_values(void *ctx,
                                     const struct xl_store_trial *trial,
                                     struct xl_err *err)
{
    struct job *job = ctx;
    cJSON *cfg = NULL;
    const cJSON *item;
    XL_TRY(parse_cfg(trial, &cfg, err));
    enum xl_status rc = XL_OK;
    cJSON_ArrayForEach(item, cfg)
    {
        cJSON *list =
            cJSON_GetObjectItemCaseSensitive(job->values, item->string);
        if (!list)
            list = cJSON_AddArrayToObject(job->values, item->string);
        if (!is_among(list, item) &&
            !cJSON_AddItemToArray(list, cJSON_Duplicate(item, true)))
            rc = no_memory(err);
    }
    cJSON_Delete(cfg);
    return rc;
}

/* The values in the order of tune_params_keys, joined by commas. */
static void entry_key(const struct job *job, const cJSON *cfg,
                      struct xl_buf *key)
{
    const cJSON *list;
    cJSON_ArrayForEach(list, job->values)
    {
        const cJSON *value = xl_json_member(cfg, list->string);
        if (list->prev && list != job->values->child)
            xl_buf_char(key, ',');
        if (cJSON_IsString(value))
            xl_buf_text(key, value->valuestring);
        else if (value)
            xl_json_print(value, false, key);
    }
}

static void add_outcome(const struct job *job, cJSON *entry,
                        const struct xl_store_trial *trial)
{
    const char *fault = trial->state == XL_TRIAL_INVALID
                            ? "InvalidConfig"
                            : "RuntimeFailedConfig";
    if (trial->has_result) {
        xl_json_add_real(entry, job->objective, trial->result.value);
        add_metric(entry, "prefill_tok_s", &trial->result.prefill_tok_s);
        add_metric(entry, "decode_tok_s", &trial->result.decode_tok_s);
        double ms = 1e3 * (trial->result.prefill_s.median +
                           trial->result.decode_s.median);
        xl_json_add_real(entry, "time", ms);
    } else {
        cJSON_AddStringToObject(entry, job->objective, fault);
        cJSON_AddStringToObject(entry, "time", fault);
    }
}

static enum xl_status write_entry(void *ctx, const struct xl_store_trial *trial,
                                  struct xl_err *err)
{
    struct job *job = ctx;
    struct xl_buf key;
    char when[32];
    cJSON *entry = NULL, *times;
    if (!has_ended(trial))
        return XL_OK;
    XL_TRY(parse_cfg(trial, &entry, err));
    xl_buf_init(&key, 0);
    entry_key(job, entry, &key);
    add_outcome(job, entry, trial);
    times = cJSON_AddArrayToObject(entry, "times");
    enum xl_status rc =
        times ? xl_query_samples(job->store, trial->id, add_time, times, err)
              : no_memory(err);
    cJSON_AddStringToObject(entry, "timestamp", stamp(trial->ended_ms, when));
    if (rc == XL_OK)
        rc = append(job, key.data, entry, err);
    else
        cJSON_Delete(entry);
    xl_buf_release(&key);
    return rc;
}

static enum xl_status write_heading(struct job *job, struct xl_err *err)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *keys = cJSON_AddArrayToObject(root, "tune_params_keys");
    const cJSON *list;
    cJSON_AddStringToObject(root, "device_name", "cpu");
    cJSON_AddStringToObject(root, "kernel_name", "xltune");
    cJSON_AddStringToObject(root, "problem_size", "1");
    cJSON_AddStringToObject(root, "objective", job->objective);
    cJSON_AddBoolToObject(root, "objective_higher_is_better", !job->minimise);
    cJSON_ArrayForEach(list, job->values)
        cJSON_AddItemToArray(keys, cJSON_CreateString(list->string));
    cJSON_AddItemReferenceToObject(root, "tune_params", job->values);
    struct xl_buf text;
    xl_buf_init(&text, 0);
    xl_json_print(root, false, &text);
    cJSON_Delete(root);
    enum xl_status rc = xl_buf_check(&text, "export of trials", err);
    if (rc == XL_OK && text.len)
        xl_buf_add(job->out, text.data, text.len - 1); /* still open */
    xl_buf_release(&text);
    xl_buf_text(job->out, ",\"cache\":{");
    return rc;
}

enum xl_status xl_export_kernel_tuner(struct xl_store *store,
                                      struct xl_buf *out, struct xl_err *err)
{
    struct job job = { .store = store, .out = out };
    enum xl_status rc;
    job.values = cJSON_CreateObject();
    if (!job.values)
        return no_memory(err);
    XL_TRY_DONE(rc, xl_query_sweep(store, take_sweep, &job, err));
    XL_TRY_DONE(rc, xl_query_trials(store, 0, collect_values, &job, err));
    XL_TRY_DONE(rc, write_heading(&job, err));
    XL_TRY_DONE(rc, xl_query_trials(store, 0, write_entry, &job, err));
    xl_buf_text(out, "\n}}\n");
    rc = xl_buf_check(out, "export of trials", err);
done:
    cJSON_Delete(job.values);
    return rc;
}

/* -- T4 ------------------------------------------------------------------- */

static const char *invalidity_of(enum xl_trial_state state)
{
    switch (state) {
    case XL_TRIAL_OK:
    case XL_TRIAL_PRUNED:
        return "correct";
    case XL_TRIAL_TIMEOUT:
        return "timeout";
    case XL_TRIAL_WRONG:
        return "correctness";
    case XL_TRIAL_INVALID:
        return "constraints";
    default:
        return "runtime";
    }
}

static void add_measurement(cJSON *list, const char *name, double value,
                            const char *unit)
{
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "name", name);
    xl_json_add_real(item, "value", value);
    cJSON_AddStringToObject(item, "unit", unit);
    cJSON_AddItemToArray(list, item);
}

static void add_measurements(const struct job *job, cJSON *list,
                             const struct xl_store_result *result)
{
    const struct {
        const char *name, *unit;
        const struct xl_store_metric *metric;
    } rows[] = {
        { "prefill_tok_s", "tok/s", &result->prefill_tok_s },
        { "decode_tok_s", "tok/s", &result->decode_tok_s },
        { "prefill_s", "s", &result->prefill_s },
        { "decode_s", "s", &result->decode_s },
    };
    bool is_named = false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].metric->has)
            add_measurement(list, rows[i].name, rows[i].metric->median,
                            rows[i].unit);
        is_named = is_named || strcmp(rows[i].name, job->objective) == 0;
    }
    if (!is_named)
        add_measurement(list, job->objective, result->value, "");
}

static enum xl_status
write_result(void *ctx, const struct xl_store_trial *trial, struct xl_err *err)
{
    struct job *job = ctx;
    char when[32];
    cJSON *cfg = NULL;
    if (!has_ended(trial))
        return XL_OK;
    XL_TRY(parse_cfg(trial, &cfg, err));
    cJSON *root = cJSON_CreateObject();
    const char *invalidity = invalidity_of(trial->state);
    cJSON_AddStringToObject(root, "timestamp", stamp(trial->ended_ms, when));
    cJSON_AddItemToObject(root, "configuration", cfg);
    cJSON *times = cJSON_AddObjectToObject(root, "times");
    cJSON *runs = cJSON_AddArrayToObject(times, "runtimes");
    enum xl_status rc =
        runs ? xl_query_samples(job->store, trial->id, add_time, runs, err)
             : no_memory(err);
    cJSON_AddStringToObject(root, "invalidity", invalidity);
    cJSON_AddNumberToObject(root, "correctness",
                            strcmp(invalidity, "correct") == 0);
    cJSON *list = cJSON_AddArrayToObject(root, "measurements");
    if (trial->has_result)
        add_measurements(job, list, &trial->result);
    cJSON *objectives = cJSON_AddArrayToObject(root, "objectives");
    cJSON_AddItemToArray(objectives, cJSON_CreateString(job->objective));
    if (rc == XL_OK)
        return append(job, NULL, root, err);
    cJSON_Delete(root);
    return rc;
}

enum xl_status xl_export_t4(struct xl_store *store, struct xl_buf *out,
                            struct xl_err *err)
{
    struct job job = { .store = store, .out = out };
    XL_TRY(xl_query_sweep(store, take_sweep, &job, err));
    xl_buf_text(out, "{\"schema_version\": \"1.0.0\", \"metadata\": "
                     "{\"tool\": \"xltune\", \"time_unit\": "
                     "\"milliseconds\"}, \"results\": [");
    XL_TRY(xl_query_trials(store, 0, write_result, &job, err));
    xl_buf_text(out, "\n]}\n");
    return xl_buf_check(out, "export of trials", err);
}
