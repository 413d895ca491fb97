/* SPDX-License-Identifier: Apache-2.0
 *
 * Readers. Each is the same three steps: start a statement, hand every row to
 * the callback, end the statement.
 *
 * The Pareto front is one pass over result_rank, an index that holds both
 * speeds: the front so far stands in an array sorted by decode speed, a new
 * point is placed by bisection. No sort of all trials, no look at the table. */
#include "tuner/store/query.h"

#include <string.h>

#include "kernel/base/alloc.h"
#include "tuner/store/store_int.h"

/* Fills a row from the statement that stands on one and hands it on. */
typedef enum xl_status row_fn(struct xl_store *store, enum xl_stmt id,
                              const void *call, struct xl_err *err);

static enum xl_status read_rows(struct xl_store *store, enum xl_stmt id,
                                const struct xl_cell *in, size_t n, row_fn *fn,
                                const void *call, struct xl_err *err)
{
    bool is_row = true;
    XL_TRY(xl_db_need_sweep(store, false, err));
    enum xl_status rc = xl_db_start(store, id, in, n, err);
    while (rc == XL_OK && is_row) {
        rc = xl_db_step(store, id, &is_row, err);
        if (rc == XL_OK && is_row)
            rc = fn(store, id, call, err);
    }
    xl_db_end(store, id);
    return rc;
}

/* Text of a column that is never NULL in the file. */
static enum xl_status need_text(const struct xl_store *store, const char *text,
                                struct xl_err *err)
{
    return text ? XL_OK : xl_db_fail(store, SQLITE_NOMEM, err);
}

/* -- trials --------------------------------------------------------------- */

/* Columns of XL_TRIAL_COLUMNS, in order. */
enum {
    COL_ID,
    COL_SEQ,
    COL_STATE,
    COL_CFG,
    COL_HASH,
    COL_INERT,
    COL_ORIGIN,
    COL_PARENTS,
    COL_REASON,
    COL_GENERATION,
    COL_ATTEMPT,
    COL_CREATED,
    COL_ENDED,
    COL_SAMPLES,
    COL_N,
    COL_PRUNED,
    COL_VALUE,
    COL_PREFILL_TOK_S,
    COL_DECODE_TOK_S = COL_PREFILL_TOK_S + 3,
    COL_PREFILL_S = COL_DECODE_TOK_S + 3,
    COL_DECODE_S = COL_PREFILL_S + 3,
    COL_EFFECTIVE = COL_DECODE_S + 3,
    COL_DETAIL
};

struct trial_call {
    xl_trial_fn *fn;
    void *ctx;
    bool *found;
};

static struct xl_store_metric metric_at(struct xl_store *store, enum xl_stmt id,
                                        int column)
{
    struct xl_store_metric m = { .has = xl_db_has(store, id, column),
                                 .lo = (double)NAN,
                                 .hi = (double)NAN };
    m.median = xl_db_real(store, id, column);
    if (xl_db_has(store, id, column + 1))
        m.lo = xl_db_real(store, id, column + 1);
    if (xl_db_has(store, id, column + 2))
        m.hi = xl_db_real(store, id, column + 2);
    return m;
}

static struct xl_store_result result_at(struct xl_store *store, enum xl_stmt id)
{
    return (struct xl_store_result){
        .prefill_tok_s = metric_at(store, id, COL_PREFILL_TOK_S),
        .decode_tok_s = metric_at(store, id, COL_DECODE_TOK_S),
        .prefill_s = metric_at(store, id, COL_PREFILL_S),
        .decode_s = metric_at(store, id, COL_DECODE_S),
        .n = xl_db_int(store, id, COL_N),
        .has_value = xl_db_has(store, id, COL_VALUE),
        .value = xl_db_real(store, id, COL_VALUE),
        .is_pruned = xl_db_int(store, id, COL_PRUNED) != 0,
        .effective = xl_db_text(store, id, COL_EFFECTIVE),
        .detail = xl_db_text(store, id, COL_DETAIL),
    };
}

static enum xl_status trial_row(struct xl_store *store, enum xl_stmt id,
                                const void *arg, struct xl_err *err)
{
    const struct trial_call *call = arg;
    struct xl_store_trial row = {
        .id = xl_db_int(store, id, COL_ID),
        .seq = xl_db_int(store, id, COL_SEQ),
        .cfg = xl_db_text(store, id, COL_CFG),
        .cfg_hash = xl_db_text(store, id, COL_HASH),
        .inert = xl_db_text(store, id, COL_INERT),
        .origin = xl_db_text(store, id, COL_ORIGIN),
        .parents = xl_db_text(store, id, COL_PARENTS),
        .reason = xl_db_text(store, id, COL_REASON),
        .has_generation = xl_db_has(store, id, COL_GENERATION),
        .generation = xl_db_int(store, id, COL_GENERATION),
        .attempt = xl_db_int(store, id, COL_ATTEMPT),
        .created_ms = xl_db_int(store, id, COL_CREATED),
        .ended_ms = xl_db_int(store, id, COL_ENDED),
        .n_samples = xl_db_int(store, id, COL_SAMPLES),
        .has_result = xl_db_has(store, id, COL_N),
    };
    if (row.has_result)
        row.result = result_at(store, id);
    XL_TRY(need_text(store, row.cfg, err));
    XL_TRY(need_text(store, row.cfg_hash, err));
    if (!xl_trial_state_find(xl_db_text(store, id, COL_STATE), &row.state))
        return xl_fail(err, XL_EFORMAT, "trial %lld of '%s' has no state",
                       (long long)row.id, store->path);
    if (call->found)
        *call->found = true;
    return call->fn(call->ctx, &row, err);
}

enum xl_status xl_query_trials(struct xl_store *store, int64_t after,
                               xl_trial_fn *fn, void *ctx, struct xl_err *err)
{
    struct trial_call call = { .fn = fn, .ctx = ctx };
    struct xl_cell in[] = { xl_cell_int(store->at.sweep), xl_cell_int(after) };
    return read_rows(store, XL_STMT_READ_TRIALS, in, 2, trial_row, &call, err);
}

enum xl_status xl_query_trial(struct xl_store *store, int64_t id,
                              xl_trial_fn *fn, void *ctx, struct xl_err *err)
{
    bool found = false;
    struct trial_call call = { .fn = fn, .ctx = ctx, .found = &found };
    struct xl_cell in[] = { xl_cell_int(store->at.sweep), xl_cell_int(id) };
    XL_TRY(read_rows(store, XL_STMT_READ_TRIAL, in, 2, trial_row, &call, err));
    if (found)
        return XL_OK;
    return xl_fail(err, XL_ENOTFOUND, "no trial %lld in '%s'", (long long)id,
                   store->path);
}

/* -- best and front ------------------------------------------------------- */

/* Did the judge refuse it? */
static enum xl_status is_refused(struct xl_store *store, int64_t trial,
                                 bool *refused, struct xl_err *err)
{
    int64_t one;
    struct xl_cell in[] = { xl_cell_int(trial) };
    enum xl_status rc =
        xl_db_get_int(store, XL_STMT_READ_GATE, in, 1, &one, err);
    *refused = rc == XL_OK;
    return rc == XL_ENOTFOUND ? XL_OK : rc;
}

enum xl_status xl_query_best(struct xl_store *store, size_t n, xl_trial_fn *fn,
                             void *ctx, struct xl_err *err)
{
    bool is_row = true, refused = false;
    struct xl_cell in[] = { xl_cell_int(store->at.sweep) };
    enum xl_stmt id =
        store->at.minimise ? XL_STMT_READ_LOWEST : XL_STMT_READ_HIGHEST;

    XL_TRY(xl_db_need_sweep(store, false, err));
    enum xl_status rc = xl_db_start(store, id, in, 1, err);
    while (rc == XL_OK && n) {
        rc = xl_db_step(store, id, &is_row, err);
        if (rc != XL_OK || !is_row)
            break;
        int64_t trial = xl_db_int(store, id, 0);
        rc = is_refused(store, trial, &refused, err);
        if (rc == XL_OK && !refused) {
            rc = xl_query_trial(store, trial, fn, ctx, err);
            n--;
        }
    }
    xl_db_end(store, id);
    return rc;
}

enum xl_status xl_query_winner(struct xl_store *store, xl_trial_fn *fn,
                               void *ctx, struct xl_err *err)
{
    int64_t trial = 0;
    struct xl_cell in[] = { xl_cell_int(store->at.sweep) };
    XL_TRY(xl_db_need_sweep(store, false, err));
    XL_TRY(xl_db_get_int(store, XL_STMT_READ_PROMOTED, in, 1, &trial, err));
    return xl_query_trial(store, trial, fn, ctx, err);
}

struct point {
    int64_t trial;
    double decode, prefill;
};

struct front {
    struct point *points; /* [n], decode falling, prefill rising */
    size_t n, room;
};

/* Index of the first point that decodes slower than p, or as fast. */
static size_t place_of(const struct front *front, const struct point *p)
{
    size_t lo = 0, hi = front->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (front->points[mid].decode > p->decode)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Is p no better than some point of the front? Equal speeds: the trial that
 * was proposed first stays. */
static bool is_covered(const struct front *front, size_t at,
                       const struct point *p)
{
    if (at > 0 && front->points[at - 1].prefill >= p->prefill)
        return true;
    if (at == front->n || front->points[at].decode < p->decode)
        return false;
    return front->points[at].prefill > p->prefill ||
           (front->points[at].prefill == p->prefill &&
            front->points[at].trial < p->trial);
}

static enum xl_status add_point(struct front *front, size_t at,
                                const struct point *p, struct xl_err *err)
{
    size_t end = at;
    while (end < front->n && front->points[end].prefill <= p->prefill)
        end++; /* those that p beats */
    if (end == at && front->n == front->room) {
        size_t room = front->room ? front->room * 2 : 64;
        struct point *grown = xl_realloc(
            front->points, front->n * sizeof *grown, room * sizeof *grown);
        if (!grown)
            return xl_fail(err, XL_ENOMEM,
                           "cannot hold the front: out of "
                           "memory");
        front->points = grown;
        front->room = room;
    }
    memmove(&front->points[at + 1], &front->points[end],
            (front->n - end) * sizeof *front->points);
    front->points[at] = *p;
    front->n = front->n - (end - at) + 1;
    return XL_OK;
}

static enum xl_status front_row(struct xl_store *store, enum xl_stmt id,
                                const void *arg, struct xl_err *err)
{
    struct front *const *front = arg;
    bool refused = false;
    struct point p = { .trial = xl_db_int(store, id, 0),
                       .decode = xl_db_real(store, id, 1),
                       .prefill = xl_db_real(store, id, 2) };
    if (!xl_db_has(store, id, 1) || !xl_db_has(store, id, 2))
        return XL_OK;
    size_t at = place_of(*front, &p);
    if (is_covered(*front, at, &p))
        return XL_OK;
    XL_TRY(is_refused(store, p.trial, &refused, err));
    return refused ? XL_OK : add_point(*front, at, &p, err);
}

enum xl_status xl_query_front(struct xl_store *store, xl_trial_fn *fn,
                              void *ctx, struct xl_err *err)
{
    struct front made = { 0 }, *front = &made;
    struct xl_cell in[] = { xl_cell_int(store->at.sweep) };
    enum xl_status rc =
        read_rows(store, XL_STMT_READ_SPEEDS, in, 1, front_row, &front, err);
    for (size_t i = 0; i < made.n && rc == XL_OK; i++)
        rc = xl_query_trial(store, made.points[i].trial, fn, ctx, err);
    xl_free(made.points);
    return rc;
}

/* -- what belongs to a trial or the sweep --------------------------------- */

struct sample_call {
    xl_sample_fn *fn;
    void *ctx;
};

static enum xl_status sample_row(struct xl_store *store, enum xl_stmt id,
                                 const void *arg, struct xl_err *err)
{
    const struct sample_call *call = arg;
    struct xl_store_sample row = {
        .rep = xl_db_int(store, id, 0),
        .at_ms = xl_db_int(store, id, 1),
        .prompt_tokens = xl_db_int(store, id, 2),
        .new_tokens = xl_db_int(store, id, 3),
        .has_prefill = xl_db_has(store, id, 4),
        .has_decode = xl_db_has(store, id, 5),
        .prefill_ns = xl_db_int(store, id, 4),
        .decode_ns = xl_db_int(store, id, 5),
        .prefill_tok_s = xl_db_real(store, id, 6),
        .decode_tok_s = xl_db_real(store, id, 7),
        .has_peak_rss = xl_db_has(store, id, 8),
        .peak_rss_bytes = xl_db_int(store, id, 8),
        .has_foreign_cpu = xl_db_has(store, id, 9),
        .foreign_cpu = xl_db_real(store, id, 9),
        .has_ctx = xl_db_has(store, id, 10),
        .ctx_switches = xl_db_int(store, id, 10),
        .is_disturbed = xl_db_int(store, id, 11) != 0,
        .detail = xl_db_text(store, id, 12),
    };
    return call->fn(call->ctx, &row, err);
}

enum xl_status xl_query_samples(struct xl_store *store, int64_t trial,
                                xl_sample_fn *fn, void *ctx, struct xl_err *err)
{
    struct sample_call call = { .fn = fn, .ctx = ctx };
    struct xl_cell in[] = { xl_cell_int(trial) };
    return read_rows(store, XL_STMT_READ_SAMPLES, in, 1, sample_row, &call,
                     err);
}

struct score_call {
    xl_score_fn *fn;
    void *ctx;
};

static enum xl_status score_row(struct xl_store *store, enum xl_stmt id,
                                const void *arg, struct xl_err *err)
{
    const struct score_call *call = arg;
    struct xl_store_score row = { .name = xl_db_text(store, id, 0),
                                  .has_value = xl_db_has(store, id, 1),
                                  .value = xl_db_real(store, id, 1),
                                  .detail = xl_db_text(store, id, 2) };
    XL_TRY(need_text(store, row.name, err));
    return call->fn(call->ctx, &row, err);
}

enum xl_status xl_query_scores(struct xl_store *store, int64_t trial,
                               xl_score_fn *fn, void *ctx, struct xl_err *err)
{
    struct score_call call = { .fn = fn, .ctx = ctx };
    struct xl_cell in[] = { xl_cell_int(trial) };
    return read_rows(store, XL_STMT_READ_SCORES, in, 1, score_row, &call, err);
}

struct fact_call {
    xl_fact_fn *fn;
    void *ctx;
};

static enum xl_status fact_row(struct xl_store *store, enum xl_stmt id,
                               const void *arg, struct xl_err *err)
{
    const struct fact_call *call = arg;
    struct xl_store_fact row = { .scope = xl_db_text(store, id, 0),
                                 .key = xl_db_text(store, id, 1),
                                 .value = xl_db_text(store, id, 2) };
    XL_TRY(need_text(store, row.scope, err));
    XL_TRY(need_text(store, row.key, err));
    XL_TRY(need_text(store, row.value, err));
    return call->fn(call->ctx, &row, err);
}

enum xl_status xl_query_facts(struct xl_store *store, xl_fact_fn *fn, void *ctx,
                              struct xl_err *err)
{
    struct fact_call call = { .fn = fn, .ctx = ctx };
    struct xl_cell in[] = { xl_cell_int(store->at.sweep) };
    return read_rows(store, XL_STMT_READ_FACTS, in, 1, fact_row, &call, err);
}

struct event_call {
    xl_event_fn *fn;
    void *ctx;
};

static enum xl_status event_row(struct xl_store *store, enum xl_stmt id,
                                const void *arg, struct xl_err *err)
{
    const struct event_call *call = arg;
    struct xl_store_event row = { .trial = xl_db_int(store, id, 0),
                                  .kind = xl_db_text(store, id, 1),
                                  .text = xl_db_text(store, id, 2),
                                  .at_ms = xl_db_int(store, id, 3) };
    XL_TRY(need_text(store, row.kind, err));
    XL_TRY(need_text(store, row.text, err));
    return call->fn(call->ctx, &row, err);
}

enum xl_status xl_query_events(struct xl_store *store, xl_event_fn *fn,
                               void *ctx, struct xl_err *err)
{
    struct event_call call = { .fn = fn, .ctx = ctx };
    struct xl_cell in[] = { xl_cell_int(store->at.sweep) };
    return read_rows(store, XL_STMT_READ_EVENTS, in, 1, event_row, &call, err);
}

struct sweep_call {
    xl_sweep_fn *fn;
    void *ctx;
};

static enum xl_status sweep_row(struct xl_store *store, enum xl_stmt id,
                                const void *arg, struct xl_err *err)
{
    const struct sweep_call *call = arg;
    struct xl_store_sweep row = { .name = xl_db_text(store, id, 0),
                                  .space = xl_db_text(store, id, 1),
                                  .sampler = xl_db_text(store, id, 2),
                                  .objective = xl_db_text(store, id, 3),
                                  .minimise = xl_db_int(store, id, 4) != 0,
                                  .build_id = xl_db_text(store, id, 5),
                                  .model_hash = xl_db_text(store, id, 6),
                                  .class_id = xl_db_text(store, id, 7),
                                  .fingerprint = xl_db_text(store, id, 8) };
    const char *texts[] = { row.name,      row.space,      row.sampler,
                            row.objective, row.build_id,   row.model_hash,
                            row.class_id,  row.fingerprint };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        XL_TRY(need_text(store, texts[i], err));
    return call->fn(call->ctx, &row, err);
}

enum xl_status xl_query_sweep(struct xl_store *store, xl_sweep_fn *fn,
                              void *ctx, struct xl_err *err)
{
    struct sweep_call call = { .fn = fn, .ctx = ctx };
    struct xl_cell in[] = { xl_cell_int(store->at.sweep) };
    return read_rows(store, XL_STMT_READ_SWEEP, in, 1, sweep_row, &call, err);
}

static enum xl_status count_row(struct xl_store *store, enum xl_stmt id,
                                const void *arg, struct xl_err *err)
{
    size_t *const *counts = arg;
    enum xl_trial_state state;
    if (!xl_trial_state_find(xl_db_text(store, id, 0), &state))
        return xl_fail(err, XL_EFORMAT, "'%s' holds a trial without a state",
                       store->path);
    (*counts)[state] = (size_t)xl_db_int(store, id, 1);
    return XL_OK;
}

enum xl_status xl_query_counts(struct xl_store *store,
                               size_t counts[XL_TRIAL_STATE_COUNT],
                               struct xl_err *err)
{
    struct xl_cell in[] = { xl_cell_int(store->at.sweep) };
    memset(counts, 0, XL_TRIAL_STATE_COUNT * sizeof *counts);
    return read_rows(store, XL_STMT_READ_COUNTS, in, 1, count_row, &counts,
                     err);
}

enum xl_status xl_query_verify(struct xl_store *store, struct xl_err *err)
{
    bool is_row = false;
    enum xl_status rc = xl_db_start(store, XL_STMT_CHECK_PAGES, NULL, 0, err);
    if (rc == XL_OK)
        rc = xl_db_step(store, XL_STMT_CHECK_PAGES, &is_row, err);
    const char *said =
        is_row ? xl_db_text(store, XL_STMT_CHECK_PAGES, 0) : NULL;
    if (rc == XL_OK && (!said || strcmp(said, "ok") != 0))
        rc = xl_fail(err, XL_EFORMAT,
                     "'%s' is damaged: %.200s; sqlite3 '%s' "
                     ".recover saves what can be read",
                     store->path, said ? said : "no answer", store->path);
    xl_db_end(store, XL_STMT_CHECK_PAGES);
    if (rc == XL_OK)
        rc = xl_db_start(store, XL_STMT_CHECK_REFERENCES, NULL, 0, err);
    if (rc == XL_OK)
        rc = xl_db_step(store, XL_STMT_CHECK_REFERENCES, &is_row, err);
    if (rc == XL_OK && is_row)
        rc = xl_fail(err, XL_EFORMAT,
                     "'%s' is damaged: a row of '%.40s' refers to nothing",
                     store->path,
                     xl_db_text(store, XL_STMT_CHECK_REFERENCES, 0));
    xl_db_end(store, XL_STMT_CHECK_REFERENCES);
    return rc;
}
