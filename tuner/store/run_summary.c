/* SPDX-License-Identifier: Apache-2.0
 *
 * Summaries are read in one snapshot, so that the counts add up even while a
 * sweep writes. */
#include "tuner/store/run_summary.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/opt.h"
#include "tuner/store/query.h"
#include "tuner/store/rundir.h"

enum {
    SHOWN_BEST = 5,
    SHOWN_EVENTS = 10,
    INDENT = 4
};

/* -- the few words -------------------------------------------------------- */

/* The sampler's text is either the bare name of a strategy or an object with
 * a member "mode". */
static void read_mode(struct xl_run_summary *run, const char *sampler)
{
    cJSON *root = NULL;
    const char *mode = sampler;
    if (sampler[0] == '{' && xl_json_parse(sampler, strlen(sampler), "sampler",
                                           &root, NULL) == XL_OK)
        mode = cJSON_GetStringValue(xl_json_member(root, "mode"));
    snprintf(run->mode, sizeof run->mode, "%s", mode ? mode : "");
    cJSON_Delete(root);
}

static enum xl_status take_sweep(void *ctx, const struct xl_store_sweep *row,
                                 struct xl_err *err)
{
    struct xl_run_summary *run = ctx;
    (void)err;
    snprintf(run->objective, sizeof run->objective, "%s", row->objective);
    run->minimise = row->minimise;
    read_mode(run, row->sampler);
    return XL_OK;
}

static enum xl_status take_best(void *ctx, const struct xl_store_trial *row,
                                struct xl_err *err)
{
    struct xl_run_summary *run = ctx;
    const struct xl_store_result *r = &row->result;
    (void)err;
    run->has_best = true;
    run->best_trial = row->id;
    run->best_value = r->value;
    if (r->prefill_tok_s.has)
        run->prefill_tok_s = r->prefill_tok_s.median;
    if (r->decode_tok_s.has)
        run->decode_tok_s = r->decode_tok_s.median;
    return XL_OK;
}

static void add_counts(struct xl_run_summary *run)
{
    for (size_t i = 0; i < XL_TRIAL_STATE_COUNT; i++) {
        size_t n = run->counts[i];
        run->n_trials += n;
        if (i <= XL_TRIAL_RUNNING)
            run->n_open += n;
        else if (i <= XL_TRIAL_PRUNED)
            run->n_measured += n;
        else
            run->n_failed += n;
    }
}

static enum xl_status read_summary(struct xl_run_summary *run,
                                   struct xl_store *store, struct xl_err *err)
{
    XL_TRY(xl_query_sweep(store, take_sweep, run, err));
    XL_TRY(xl_query_counts(store, run->counts, err));
    XL_TRY(xl_query_best(store, 1, take_best, run, err));
    XL_TRY(xl_store_live(store, &run->n_live, err));
    add_counts(run);
    return XL_OK;
}

static void begin_summary(struct xl_run_summary *run, const char *path)
{
    const char *slash = strrchr(path, '/');
    *run = (struct xl_run_summary){ .prefill_tok_s = (double)NAN,
                                    .decode_tok_s = (double)NAN };
    snprintf(run->name, sizeof run->name, "%s", slash ? slash + 1 : path);
}

void xl_run_summarize(struct xl_run_summary *run, const char *path)
{
    struct xl_store *store = NULL;
    struct xl_store_opts opts = { .mode = XL_STORE_READ };

    begin_summary(run, path);
    char *file = xl_io_join(path, XL_RUNDIR_STORE);
    enum xl_status rc = file ? xl_store_open(&store, file, &opts, &run->fault)
                             : xl_fail(&run->fault, XL_ENOMEM, "out of memory");
    if (rc == XL_OK)
        rc = xl_store_sweep_find(store, NULL, &run->fault);
    if (rc == XL_OK)
        rc = xl_store_begin(store, &run->fault);
    if (rc == XL_OK) {
        rc = read_summary(run, store, &run->fault);
        xl_store_commit(store, NULL);
    }
    if (rc != XL_OK)
        run->fault.status = rc;
    xl_store_close(store);
    xl_free(file);
}

static cJSON *best_json(const struct xl_run_summary *run)
{
    if (!run->has_best)
        return cJSON_CreateNull();
    cJSON *best = cJSON_CreateObject();
    xl_json_add_real(best, "trial", (double)run->best_trial);
    xl_json_add_real(best, "value", run->best_value);
    xl_json_add_real(best, "prefill_tok_s", run->prefill_tok_s);
    xl_json_add_real(best, "decode_tok_s", run->decode_tok_s);
    return best;
}

cJSON *xl_run_summary_json(const struct xl_run_summary *run)
{
    cJSON *root = cJSON_CreateObject();
    xl_json_add_string(root, "name", run->name);
    if (run->fault.status != XL_OK) {
        const char *why = run->fault.message;
        xl_json_add_string(root, "fault", why);
        return root;
    }
    xl_json_add_string(root, "mode", run->mode);
    xl_json_add_string(root, "objective", run->objective);
    cJSON_AddStringToObject(root, "direction", run->minimise ? "min" : "max");
    xl_json_add_real(root, "trials", (double)run->n_trials);
    xl_json_add_real(root, "measured", (double)run->n_measured);
    xl_json_add_real(root, "failed", (double)run->n_failed);
    xl_json_add_real(root, "open", (double)run->n_open);
    xl_json_add_real(root, "live", (double)run->n_live);
    cJSON *states = cJSON_AddObjectToObject(root, "states");
    for (size_t i = 0; i < XL_TRIAL_STATE_COUNT; i++)
        xl_json_add_real(states, xl_trial_state_name((enum xl_trial_state)i),
                         (double)run->counts[i]);
    cJSON_AddItemToObject(root, "best", best_json(run));
    return root;
}

/* -- all there is to say -------------------------------------------------- */

struct telling {
    cJSON *array;
    struct xl_buf *text;
    const char *heading; /* stands above the first row; NULL = it does */
    size_t skip;         /* rows not shown */
    cJSON *space;        /* of the sweep, or NULL */
    const cJSON *dims;   /* in it: the tunables that were searched */
};

static void tell_heading(struct telling *out)
{
    if (out->heading)
        xl_buf_printf(out->text, "%s:\n", out->heading);
    out->heading = NULL;
}

static enum xl_status tell_fact(void *ctx, const struct xl_store_fact *fact,
                                struct xl_err *err)
{
    struct telling *out = ctx;
    (void)err;
    cJSON *scope = cJSON_GetObjectItemCaseSensitive(out->array, fact->scope);
    if (!scope)
        scope = cJSON_AddObjectToObject(out->array, fact->scope);
    xl_json_add_string(scope, fact->key, fact->value);
    /* Rounds of duels are for programs. */
    if (strcmp(fact->scope, "rounds") == 0)
        return XL_OK;
    tell_heading(out);
    size_t start = out->text->len;
    xl_buf_printf(out->text, "  %s.%s: ", fact->scope, fact->key);
    xl_text_wrap(out->text, fact->value, out->text->len - start);
    xl_buf_char(out->text, '\n');
    return XL_OK;
}

static void tell_metric(const struct telling *out, cJSON *row, const char *name,
                        const char *before, const char *phase,
                        const struct xl_store_metric *m)
{
    double none = (double)NAN;
    xl_json_add_real(row, name, m->has ? m->median : none);
    if (!m->has)
        return;
    xl_buf_printf(out->text, "%s%s %.5g tok/s", before, phase, m->median);
    if (isfinite(m->lo) && isfinite(m->hi))
        xl_buf_printf(out->text, " [%.5g, %.5g]", m->lo, m->hi);
}

/* Was the tunable searched? With nothing known of the space, all were. */
static bool is_searched(const cJSON *dims, const char *name)
{
    const cJSON *dim;
    cJSON_ArrayForEach(dim, dims)
    {
        const char *one = cJSON_GetStringValue(xl_json_member(dim, "name"));
        if (one && strcmp(one, name) == 0)
            return true;
    }
    return cJSON_GetArraySize(dims) == 0;
}

/* "chunk_size=64 workers=2", what was searched of it. */
static void tell_point(const struct telling *out, const cJSON *cfg)
{
    struct xl_buf words;
    const cJSON *item;
    xl_buf_init(&words, 0);
    cJSON_ArrayForEach(item, cfg)
    {
        if (!is_searched(out->dims, item->string))
            continue;
        xl_buf_printf(&words, "%s=", item->string);
        if (cJSON_IsString(item))
            xl_buf_text(&words, item->valuestring);
        else
            xl_json_print(item, false, &words);
        xl_buf_char(&words, ' ');
    }
    xl_buf_text(out->text, "\n    ");
    xl_text_wrap(out->text, words.data, INDENT);
    xl_buf_char(out->text, '\n');
    if (!xl_buf_ok(&words))
        out->text->failed = true;
    xl_buf_release(&words);
}

static enum xl_status tell_best(void *ctx, const struct xl_store_trial *t,
                                struct xl_err *err)
{
    struct telling *out = ctx;
    cJSON *row = cJSON_CreateObject(), *cfg = NULL;
    xl_json_add_real(row, "trial", (double)t->id);
    xl_json_add_real(row, "value", t->result.value);
    xl_json_add_real(row, "n", (double)t->result.n);
    tell_heading(out);
    xl_buf_printf(out->text, "  trial %" PRId64 ": %.5g, n=%" PRId64, t->id,
                  t->result.value, t->result.n);
    tell_metric(out, row, "prefill_tok_s", "\n    ", "prefill",
                &t->result.prefill_tok_s);
    tell_metric(out, row, "decode_tok_s", ", ", "decode",
                &t->result.decode_tok_s);
    enum xl_status rc =
        xl_json_parse(t->cfg, strlen(t->cfg), "configuration", &cfg, err);
    tell_point(out, cfg);
    if (cfg)
        cJSON_AddItemToObject(row, "params", cfg);
    cJSON_AddItemToArray(out->array, row);
    return rc;
}

static enum xl_status count_event(void *ctx, const struct xl_store_event *row,
                                  struct xl_err *err)
{
    size_t *n = ctx;
    (void)row;
    (void)err;
    ++*n;
    return XL_OK;
}

static enum xl_status tell_event(void *ctx, const struct xl_store_event *event,
                                 struct xl_err *err)
{
    struct telling *out = ctx;
    (void)err;
    if (out->skip) {
        out->skip--;
        return XL_OK;
    }
    cJSON *row = cJSON_CreateObject();
    xl_json_add_real(row, "at_ms", (double)event->at_ms);
    xl_json_add_real(row, "trial",
                     event->trial ? (double)event->trial : (double)NAN);
    xl_json_add_string(row, "kind", event->kind);
    xl_json_add_string(row, "text", event->text);
    cJSON_AddItemToArray(out->array, row);
    tell_heading(out);
    size_t start = out->text->len;
    xl_buf_printf(out->text, "  %s: ", event->kind);
    xl_text_wrap(out->text, event->text, out->text->len - start);
    xl_buf_char(out->text, '\n');
    return XL_OK;
}

static enum xl_status take_space(void *ctx, const struct xl_store_sweep *row,
                                 struct xl_err *err)
{
    struct telling *out = ctx;
    (void)err; /* a space that does not parse is one nothing is known of */
    xl_json_parse(row->space, strlen(row->space), "space", &out->space, NULL);
    out->dims = xl_json_member(out->space, "dims");
    return XL_OK;
}

static enum xl_status tell_all(struct xl_store *store, cJSON *root,
                               struct xl_buf *text, struct xl_err *err)
{
    struct telling out = { .text = text };
    size_t n_events = 0;

    out.heading = "best";
    out.array = cJSON_AddArrayToObject(root, "leaders");
    XL_TRY(xl_query_sweep(store, take_space, &out, err));
    enum xl_status rc = xl_query_best(store, SHOWN_BEST, tell_best, &out, err);
    cJSON_Delete(out.space);
    XL_TRY(rc);
    out.heading = "facts";
    out.array = cJSON_AddObjectToObject(root, "facts");
    XL_TRY(xl_query_facts(store, tell_fact, &out, err));
    out.heading = "last events";
    out.array = cJSON_AddArrayToObject(root, "events");
    XL_TRY(xl_query_events(store, count_event, &n_events, err));
    out.skip = n_events > SHOWN_EVENTS ? n_events - SHOWN_EVENTS : 0;
    return xl_query_events(store, tell_event, &out, err);
}

static void tell_summary(const struct xl_run_summary *run, const char *path,
                         struct xl_buf *text)
{
    xl_buf_printf(text, "%s\nmode %s, objective %s (%s is better)\n", path,
                  run->mode[0] ? run->mode : "unsaid", run->objective,
                  run->minimise ? "less" : "more");
    xl_buf_printf(text, "%zu trials:", run->n_trials);
    for (size_t i = 0; i < XL_TRIAL_STATE_COUNT; i++)
        if (run->counts[i])
            xl_buf_printf(text, " %zu %s", run->counts[i],
                          xl_trial_state_name((enum xl_trial_state)i));
    xl_buf_printf(text, "%s\n",
                  run->n_live ? "; a sweep is measuring now" : "");
}

enum xl_status xl_run_describe(struct xl_store *store, const char *path,
                               cJSON **root, struct xl_buf *text,
                               struct xl_err *err)
{
    struct xl_run_summary run;
    begin_summary(&run, path);
    *root = NULL;
    XL_TRY(xl_store_begin(store, err));
    enum xl_status rc = read_summary(&run, store, err);
    if (rc == XL_OK) {
        *root = xl_run_summary_json(&run);
        xl_json_add_string(*root, "path", path);
        tell_summary(&run, path, text);
        rc = tell_all(store, *root, text, err);
    }
    xl_store_commit(store, NULL);
    return rc;
}
