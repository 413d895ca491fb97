/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/overhead.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/clock.h"
#include "kernel/base/rng.h"
#include "tuner/store/query.h"
#include "tuner/store/store.h"
#include "tuner/strategy/strategy.h"

enum {
    DIMS = 6,
    SAMPLES = 16, /* a trial at most */
    GROUP = 1000, /* trials a transaction of what is not timed */
    BEST = 10,
    PROCESSES = 64,
};

struct timer {
    uint64_t wall, cpu;
};

static struct timer start_timer(void)
{
    return (struct timer){ xl_clock_ns(), xl_clock_cpu_ns() };
}

static double wall_since(struct timer t)
{
    return (double)(xl_clock_ns() - t.wall) / 1e9;
}

static double cpu_since(struct timer t)
{
    return (double)(xl_clock_cpu_ns() - t.cpu) / 1e9;
}

/* -- a space and what it gives -------------------------------------------- */

static const double scale[64] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                  11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                  22, 23, 24, 25, 26, 27, 28, 29, 30, 31 };

static enum xl_status make_space(struct xl_space **space,
                                 const uint32_t sizes[DIMS], struct xl_err *err)
{
    static const char *const names[DIMS] = { "chunk_size", "heads_per_band",
                                             "workers",    "streams",
                                             "inner_tile", "spin" };
    struct xl_dim dims[DIMS];
    for (size_t d = 0; d < DIMS; d++)
        dims[d] = (struct xl_dim){
            .name = names[d], .kind = XL_DIM_ORDERED, .n = sizes[d], .at = scale
        };
    struct xl_space_options options = { .dims = dims, .n_dims = DIMS };
    return xl_space_make(space, &options, err);
}

/* A valley; larger is better. */
static double value_of(const struct xl_space *space, const uint32_t *point)
{
    double cost = 1;
    for (size_t d = 0; d < DIMS; d++) {
        double n = xl_space_dim(space, d)->n;
        double by = (double)point[d] / n - 0.6 + 0.05 * (double)d;
        cost += by * by * (1 + (double)d);
    }
    return 1000 / cost;
}

static void print_cfg(const struct xl_space *space, const uint32_t *point,
                      struct xl_buf *out)
{
    xl_buf_clear(out);
    for (size_t d = 0; d < DIMS; d++)
        xl_buf_printf(out, "%s\"%s\":%u", d ? "," : "{",
                      xl_space_dim(space, d)->name, point[d] + 1);
    xl_buf_text(out, ",\"backend\":\"parallel\"}");
}

/* -- trials --------------------------------------------------------------- */

static void fill_result(struct xl_store_result *result,
                        struct xl_store_sample *samples, size_t n, double value)
{
    struct xl_store_metric rate = { true, value, value * 0.99, value * 1.01 };
    struct xl_store_metric time = { true, 64 / value, 63 / value, 65 / value };
    for (size_t i = 0; i < n; i++)
        samples[i] = (struct xl_store_sample){
            .rep = (int64_t)i,
            .prompt_tokens = 512,
            .new_tokens = 64,
            .has_prefill = true,
            .has_decode = true,
            .has_foreign_cpu = true,
            .prefill_ns = 50000000,
            .decode_ns = 20000000,
            .prefill_tok_s = 2 * value,
            .decode_tok_s = value,
            .foreign_cpu = 0.01,
            .at_ms = 1,
        };
    *result = (struct xl_store_result){
        .prefill_tok_s = rate,
        .decode_tok_s = rate,
        .prefill_s = time,
        .decode_s = time,
        .n = (int64_t)n,
        .has_value = true,
        .value = value,
        .samples = samples,
        .n_samples = n,
    };
}

static enum xl_status open_store(struct xl_store **store, const char *path,
                                 bool sync_full, struct xl_err *err)
{
    struct xl_store_opts opts = { .mode = XL_STORE_CREATE,
                                  .sync_full = sync_full };
    struct xl_store_sweep sweep = { .name = "overhead",
                                    .space = "{}",
                                    .sampler = "{}",
                                    .objective = "decode",
                                    .build_id = "xltune",
                                    .model_hash = "",
                                    .class_id = "" };
    XL_TRY(xl_store_open(store, path, &opts, err));
    enum xl_status rc = xl_store_sweep_begin(*store, &sweep, err);
    if (rc != XL_OK) {
        xl_store_close(*store);
        *store = NULL;
    }
    return rc;
}

static void remove_store(const char *path)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < 3; i++) {
        char file[4200];
        snprintf(file, sizeof file, "%s%s", path, ends[i]);
        unlink(file);
    }
}

static enum xl_status propose(struct xl_store *store, const char *cfg,
                              struct xl_store_ref *ref, struct xl_err *err)
{
    struct xl_store_proposal proposal = { .cfg = cfg, .origin = "overhead" };
    return xl_store_propose(store, &proposal, ref, err);
}

static enum xl_status run_trial(struct xl_store *store, const char *cfg,
                                size_t samples, double value,
                                struct xl_err *err)
{
    struct xl_store_sample rows[SAMPLES];
    struct xl_store_result result;
    struct xl_store_ref ref;
    struct xl_store_claim claim;
    XL_TRY(xl_store_begin(store, err));
    enum xl_status rc = propose(store, cfg, &ref, err);
    if (rc == XL_OK)
        rc = xl_store_claim(store, ref.trial, &claim, err);
    enum xl_status end = xl_store_commit(store, rc == XL_OK ? err : NULL);
    XL_TRY(rc);
    XL_TRY(end);
    fill_result(&result, rows, samples, value);
    return xl_store_finish(store, &claim, &result, err);
}

static enum xl_status search(const struct xl_overhead_job *job,
                             struct xl_store *store,
                             const struct xl_space *space,
                             struct xl_strategy *strategy, struct xl_err *err)
{
    struct xl_buf cfg;
    enum xl_status rc = XL_OK;
    xl_buf_init(&cfg, 0);
    for (size_t i = 0; i < job->trials && rc == XL_OK; i++) {
        struct xl_ask ask;
        rc = xl_strategy_ask(strategy, &ask, err);
        if (rc != XL_OK || ask.end)
            break;
        struct xl_outcome outcome = { .values = {
                                          value_of(space, ask.point) } };
        print_cfg(space, ask.point, &cfg);
        rc = run_trial(store, cfg.data, job->samples, outcome.values[0], err);
        if (rc == XL_OK)
            rc = xl_strategy_tell(strategy, ask.point, &outcome, err);
    }
    xl_buf_release(&cfg);
    return rc;
}

static enum xl_status check_job(const struct xl_overhead_job *job,
                                struct xl_err *err)
{
    if (job->samples > SAMPLES)
        return xl_fail(err, XL_EUSAGE, "at most %d samples a trial", SAMPLES);
    return XL_OK;
}

enum xl_status xl_overhead_trials(struct xl_overhead *cost,
                                  const struct xl_overhead_job *job,
                                  struct xl_err *err)
{
    static const uint32_t sizes[DIMS] = { 12, 12, 12, 12, 4, 4 };
    const struct xl_strategy_kind *kind;
    struct xl_space *space = NULL;
    struct xl_strategy *strategy = NULL;
    struct xl_store *store = NULL;
    char path[4096];
    enum xl_status rc;
    *cost = (struct xl_overhead){ .n = job->trials };
    snprintf(path, sizeof path, "%s/trials.db", job->dir);
    XL_TRY(check_job(job, err));
    XL_TRY(xl_strategy_choose(&kind, job->mode, err));
    XL_TRY_DONE(rc, make_space(&space, sizes, err));
    struct xl_strategy_options options = { .seed = 1, .budget = job->trials };
    XL_TRY_DONE(rc, xl_strategy_make(&strategy, kind, space, &options, err));
    XL_TRY_DONE(rc, open_store(&store, path, job->sync_full, err));
    struct timer timer = start_timer();
    XL_TRY_DONE(rc, search(job, store, space, strategy, err));
    cost->wall_s = wall_since(timer);
    cost->cpu_s = cpu_since(timer);
done:
    xl_store_close(store);
    xl_strategy_free(strategy);
    xl_space_free(space);
    remove_store(path);
    return rc;
}

/* -- processes ------------------------------------------------------------ */

/* Configurations by number, a group a transaction. */
static enum xl_status propose_all(struct xl_store *store, size_t n,
                                  struct xl_err *err)
{
    enum xl_status rc = XL_OK;
    for (size_t i = 0; i < n && rc == XL_OK; i += GROUP) {
        XL_TRY(xl_store_begin(store, err));
        for (size_t k = i; k < i + GROUP && k < n && rc == XL_OK; k++) {
            struct xl_store_ref ref;
            char cfg[80];
            snprintf(cfg, sizeof cfg, "{\"chunk_size\":%zu}", k);
            rc = propose(store, cfg, &ref, err);
        }
        enum xl_status end = xl_store_commit(store, rc == XL_OK ? err : NULL);
        rc = rc == XL_OK ? end : rc;
    }
    return rc;
}

/* Empties the queue; XL_OK when nothing is left. */
static enum xl_status work_off(const char *path,
                               const struct xl_overhead_job *job,
                               struct xl_err *err)
{
    struct xl_store *store = NULL;
    enum xl_status rc = open_store(&store, path, job->sync_full, err);
    while (rc == XL_OK) {
        struct xl_store_claim claim;
        struct xl_store_sample rows[SAMPLES];
        struct xl_store_result result;
        rc = xl_store_claim(store, 0, &claim, err);
        if (rc != XL_OK)
            break;
        fill_result(&result, rows, job->samples, (double)(claim.trial % 977));
        rc = xl_store_finish(store, &claim, &result, err);
    }
    xl_store_close(store);
    return rc == XL_ENOTFOUND ? XL_OK : rc;
}

static enum xl_status wait_all(const pid_t *pids, size_t n, struct xl_err *err)
{
    enum xl_status rc = XL_OK;
    for (size_t i = 0; i < n; i++) {
        int status = -1;
        while (waitpid(pids[i], &status, 0) < 0 && errno == EINTR)
            ;
        bool is_ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (!is_ok && rc == XL_OK)
            rc =
                xl_fail(err, XL_EFAILED,
                        "process %zu of %zu on one store failed (%s)", i + 1, n,
                        WIFEXITED(status) && WEXITSTATUS(status) == XL_EBUSY
                            ? "the store was locked"
                            : "its status is not 0");
    }
    return rc;
}

static enum xl_status count_done(const char *path, size_t want,
                                 struct xl_err *err)
{
    struct xl_store *store = NULL;
    size_t counts[XL_TRIAL_STATE_COUNT];
    XL_TRY(open_store(&store, path, false, err));
    enum xl_status rc = xl_query_counts(store, counts, err);
    if (rc == XL_OK && counts[XL_TRIAL_OK] != want)
        rc = xl_fail(err, XL_EFAILED, "%zu of %zu trials were finished",
                     counts[XL_TRIAL_OK], want);
    xl_store_close(store);
    return rc;
}

enum xl_status xl_overhead_processes(struct xl_overhead *cost,
                                     const struct xl_overhead_job *job,
                                     size_t processes, struct xl_err *err)
{
    struct xl_store *store = NULL;
    pid_t pids[PROCESSES];
    size_t n = 0;
    char path[4096];
    enum xl_status rc;
    *cost = (struct xl_overhead){ .n = job->trials };
    snprintf(path, sizeof path, "%s/shared.db", job->dir);
    XL_TRY(check_job(job, err));
    if (!processes || processes > PROCESSES)
        return xl_fail(err, XL_EUSAGE, "1 to %d processes", PROCESSES);
    XL_TRY_DONE(rc, open_store(&store, path, job->sync_full, err));
    rc = propose_all(store, job->trials, err);
    xl_store_close(store); /* no handle may live through a fork */
    XL_TRY_DONE(rc, rc);
    struct timer timer = start_timer();
    for (; n < processes && rc == XL_OK; n++) {
        pids[n] = fork();
        if (pids[n] == 0)
            _exit((int)work_off(path, job, NULL));
        if (pids[n] < 0) {
            rc = xl_fail(err, XL_EFAILED, "cannot start a process");
            break;
        }
    }
    enum xl_status end = wait_all(pids, n, rc == XL_OK ? err : NULL);
    cost->wall_s = wall_since(timer);
    rc = rc == XL_OK ? end : rc;
    if (rc == XL_OK)
        rc = count_done(path, job->trials, err);
done:
    remove_store(path);
    return rc;
}

/* -- asks ----------------------------------------------------------------- */

enum xl_status xl_overhead_asks(struct xl_overhead *cost, const char *mode,
                                size_t from, size_t to, struct xl_err *err)
{
    static const uint32_t sizes[DIMS] = { 10, 10, 9, 5, 2, 2 };
    const struct xl_strategy_kind *kind;
    struct xl_space *space = NULL;
    struct xl_strategy *strategy = NULL;
    enum xl_status rc;
    *cost = (struct xl_overhead){ 0 };
    XL_TRY(xl_strategy_choose(&kind, mode, err));
    XL_TRY_DONE(rc, make_space(&space, sizes, err));
    struct xl_strategy_options options = { .seed = 1 };
    XL_TRY_DONE(rc, xl_strategy_make(&strategy, kind, space, &options, err));
    for (size_t i = 0; i < to; i++) {
        struct xl_ask ask;
        struct timer timer = start_timer();
        XL_TRY_DONE(rc, xl_strategy_ask(strategy, &ask, err));
        if (ask.end)
            break;
        struct xl_outcome outcome = { .values = {
                                          value_of(space, ask.point) } };
        XL_TRY_DONE(rc, xl_strategy_tell(strategy, ask.point, &outcome, err));
        if (i < from)
            continue;
        cost->n++;
        cost->wall_s += wall_since(timer);
        cost->cpu_s += cpu_since(timer);
        cost->slowest_ms = fmax(cost->slowest_ms, 1e3 * cpu_since(timer));
    }
done:
    xl_strategy_free(strategy);
    xl_space_free(space);
    return rc;
}

/* -- a large store -------------------------------------------------------- */

static enum xl_status fill_group(struct xl_store *store, size_t from, size_t to,
                                 struct xl_rng *rng, struct xl_err *err)
{
    for (size_t i = from; i < to; i++) {
        struct xl_store_sample sample;
        struct xl_store_result result;
        struct xl_store_ref ref;
        struct xl_store_claim claim;
        char cfg[80];
        double value = 1000 * xl_rng_unit(rng);
        snprintf(cfg, sizeof cfg, "{\"chunk_size\":%zu}", i);
        XL_TRY(propose(store, cfg, &ref, err));
        if (i + 1 == to)
            return XL_OK; /* the last one waits for whoever resumes */
        XL_TRY(xl_store_claim(store, ref.trial, &claim, err));
        fill_result(&result, &sample, 1, value);
        result.prefill_tok_s.median = 1000 * xl_rng_unit(rng);
        XL_TRY(xl_store_finish(store, &claim, &result, err));
    }
    return XL_OK;
}

static enum xl_status fill(struct xl_store *store, size_t n, struct xl_err *err)
{
    struct xl_rng rng;
    enum xl_status rc = XL_OK;
    xl_rng_seed(&rng, 1);
    for (size_t i = 0; i < n && rc == XL_OK; i += GROUP) {
        size_t to = i + GROUP < n ? i + GROUP : n;
        XL_TRY(xl_store_begin(store, err));
        rc = fill_group(store, i, to, &rng, err);
        enum xl_status end = xl_store_commit(store, rc == XL_OK ? err : NULL);
        rc = rc == XL_OK ? end : rc;
    }
    return rc;
}

static enum xl_status count_row(void *ctx, const struct xl_store_trial *row,
                                struct xl_err *err)
{
    (void)row;
    (void)err;
    ++*(size_t *)ctx;
    return XL_OK;
}

static enum xl_status resume(const char *path, struct xl_err *err)
{
    struct xl_store *store = NULL;
    struct xl_store_claim claim;
    size_t counts[XL_TRIAL_STATE_COUNT];
    XL_TRY(open_store(&store, path, false, err));
    enum xl_status rc = xl_store_reap(store, NULL, err);
    if (rc == XL_OK)
        rc = xl_query_counts(store, counts, err);
    if (rc == XL_OK)
        rc = xl_store_claim(store, 0, &claim, err);
    if (rc == XL_OK)
        rc = xl_store_release(store, &claim, err);
    xl_store_close(store);
    return rc;
}

enum xl_status xl_overhead_large(struct xl_overhead_large *large,
                                 const char *dir, size_t trials,
                                 struct xl_err *err)
{
    struct xl_store *store = NULL;
    char path[4096];
    enum xl_status rc;
    *large = (struct xl_overhead_large){ .fill = { .n = trials } };
    snprintf(path, sizeof path, "%s/large.db", dir);
    XL_TRY_DONE(rc, open_store(&store, path, false, err));
    struct timer timer = start_timer();
    XL_TRY_DONE(rc, fill(store, trials, err));
    large->fill.wall_s = wall_since(timer);
    large->fill.cpu_s = cpu_since(timer);
    timer = start_timer();
    XL_TRY_DONE(rc, xl_query_best(store, BEST, count_row, &large->n_best, err));
    large->best_s = wall_since(timer);
    timer = start_timer();
    XL_TRY_DONE(rc, xl_query_front(store, count_row, &large->n_front, err));
    large->front_s = wall_since(timer);
    xl_store_close(store);
    store = NULL;
    timer = start_timer();
    XL_TRY_DONE(rc, resume(path, err));
    large->resume_s = wall_since(timer);
done:
    xl_store_close(store);
    remove_store(path);
    return rc;
}
