/* SPDX-License-Identifier: Apache-2.0
 *
 * The store as one process sees it: the life of a trial, the fence, groups,
 * readers against an oracle of plain loops or plain SQL. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/rng.h"
#include "tests/unit/store_fixture.h"
#include "tuner/store/store_int.h"

/* -- the life of a trial -------------------------------------------------- */

static void names_of_states(struct xl_test *t)
{
    char sql[120];
    struct xl_store *store = xl_fix_open(t);
    xl_fix_propose(t, store, 1);
    for (size_t i = 0; i < XL_TRIAL_STATE_COUNT; i++) {
        if (i == XL_TRIAL_RUNNING)
            continue; /* needs a lease: an own CHECK */
        snprintf(sql, sizeof sql, "UPDATE trial SET state = '%s'",
                 xl_trial_state_name((enum xl_trial_state)i));
        XL_CHECK_EQ(t, xl_fix_sql(t, sql), 0);
    }
    XL_CHECK_EQ(t, xl_fix_sql(t, "UPDATE trial SET state = 'running'"), -1);
    XL_CHECK_EQ(t, xl_fix_sql(t, "UPDATE trial SET state = 'done'"), -1);
    XL_CHECK_EQ(t, xl_fix_sql(t, "UPDATE trial SET cfg = '5'"), -1);
    XL_CHECK_EQ(t, xl_fix_sql(t, "UPDATE trial SET cfg = 'x'"), -1);
    xl_store_close(store);
}

static void propose_once(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store_ref a, b;
    struct xl_store *store = xl_fix_open(t);
    struct xl_store_proposal p = { .cfg = "{\"chunk_size\":1}",
                                   .origin = "elite",
                                   .parents = "[]",
                                   .has_generation = true,
                                   .generation = 2 };
    XL_CHECK_STATUS(t, xl_store_propose(store, &p, &a, &err), XL_OK, &err);
    XL_CHECK(t, !a.existed && a.state == XL_TRIAL_QUEUED && a.seq == 1);
    XL_CHECK_STATUS(t, xl_store_propose(store, &p, &b, &err), XL_OK, &err);
    XL_CHECK(t, b.existed && b.trial == a.trial && !b.has_value);
    XL_CHECK_STATUS(t, xl_fix_measure(store, a.trial, 2, 7.5, &err), XL_OK,
                    &err);
    XL_CHECK_STATUS(t, xl_store_propose(store, &p, &b, &err), XL_OK, &err);
    XL_CHECK(t, b.existed && b.state == XL_TRIAL_OK && b.has_value);
    XL_CHECK_NEAR(t, b.value, 7.5, 0);
    p.cfg = "{\"chunk_size\":2}";
    XL_CHECK_STATUS(t, xl_store_propose(store, &p, &b, &err), XL_OK, &err);
    XL_CHECK(t, !b.existed && b.seq == 2);
    p.cfg = "not json";
    XL_CHECK(t, xl_store_propose(store, &p, &b, &err) != XL_OK);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM trial"), 2);
    xl_store_close(store);
}

static void claims_in_order(struct xl_test *t)
{
    static const int64_t prios[] = { 0, 5, 0, 9, 5 },
                         want[] = { 4, 2, 5, 1, 3 };
    struct xl_err err = { 0 };
    struct xl_store_claim claim;
    struct xl_store *store = xl_fix_open(t);
    for (int i = 0; i < 5; i++) {
        char cfg[40];
        struct xl_store_ref ref;
        snprintf(cfg, sizeof cfg, "{\"i\":%d}", i);
        struct xl_store_proposal p = { .cfg = cfg, .prio = prios[i] };
        XL_CHECK_STATUS(t, xl_store_propose(store, &p, &ref, &err), XL_OK,
                        &err);
    }
    for (int i = 0; i < 5; i++) {
        XL_CHECK_STATUS(t, xl_store_claim(store, 0, &claim, &err), XL_OK, &err);
        XL_CHECK_EQ(t, claim.trial, want[i]);
        XL_CHECK_EQ(t, claim.attempt, 1);
    }
    XL_CHECK(t, strcmp(claim.cfg, "{\"i\":2}") == 0);
    XL_CHECK_STATUS(t, xl_store_claim(store, 0, &claim, &err), XL_ENOTFOUND,
                    &err);
    XL_CHECK_STATUS(t, xl_store_claim(store, 3, &claim, &err), XL_ENOTFOUND,
                    &err);
    XL_CHECK(t, err.message[0] == '\0');
    xl_store_close(store);
}

static void samples_once(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store_claim claim, again;
    struct xl_store *store = xl_fix_open(t);
    struct xl_store_sample s = xl_fix_sample(0);
    xl_fix_propose(t, store, 1);
    XL_CHECK_STATUS(t, xl_store_claim(store, 0, &claim, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_store_add_sample(store, &claim, &s, &err), XL_OK,
                    &err);
    XL_CHECK_STATUS(t, xl_store_add_sample(store, &claim, &s, &err), XL_OK,
                    &err);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM sample"), 1);
    XL_CHECK_STATUS(t, xl_store_release(store, &claim, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_store_claim(store, 0, &again, &err), XL_OK, &err);
    XL_CHECK_EQ(t, again.attempt, 1); /* handed back: did not count */
    XL_CHECK_EQ(t, again.n_samples, 1);
    XL_CHECK(t, again.token > claim.token);
    XL_CHECK_STATUS(t, xl_store_add_sample(store, &again, &s, &err), XL_EFAILED,
                    &err); /* rep 0 is another attempt's */
    s.rep = again.n_samples;
    XL_CHECK_STATUS(t, xl_store_add_sample(store, &again, &s, &err), XL_OK,
                    &err);
    xl_store_close(store);
}

static void finish_twice(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store_claim claim;
    struct xl_store *store = xl_fix_open(t);
    struct xl_store_sample samples[] = { xl_fix_sample(0), xl_fix_sample(1) };
    struct xl_store_result result = xl_fix_result(900, 90);
    result.samples = samples;
    result.n_samples = 2;
    xl_fix_propose(t, store, 1);
    XL_CHECK_STATUS(t, xl_store_claim(store, 0, &claim, &err), XL_OK, &err);
    for (int i = 0; i < 2; i++)
        XL_CHECK_STATUS(t, xl_store_finish(store, &claim, &result, &err), XL_OK,
                        &err);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM result"), 1);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM sample"), 2);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM attempt"), 1);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM ranking"), 1);
    xl_store_close(store);
}

static void fails_and_retries(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store_claim claim;
    struct xl_store *store = xl_fix_open(t);
    xl_fix_propose(t, store, 1);
    for (int i = 1; i <= 3; i++) {
        XL_CHECK_STATUS(t, xl_store_claim(store, 0, &claim, &err), XL_OK, &err);
        XL_CHECK_EQ(t, claim.attempt, i);
        XL_CHECK_STATUS(t,
                        xl_store_fail(store, &claim, XL_TRIAL_FAILED,
                                      "signal 11", true, &err),
                        XL_OK, &err);
    }
    XL_CHECK_STATUS(t, xl_store_claim(store, 0, &claim, &err), XL_ENOTFOUND,
                    &err);
    XL_CHECK_EQ(t,
                xl_fix_sql(t, "SELECT count(*) FROM trial WHERE state = "
                              "'failed' AND reason = 'signal 11'"),
                1);
    XL_CHECK_EQ(t,
                xl_fix_sql(t, "SELECT count(*) FROM attempt WHERE "
                              "outcome = 'failed'"),
                3);
    for (enum xl_trial_state s = XL_TRIAL_QUEUED; s < XL_TRIAL_FAILED; s++)
        XL_CHECK_STATUS(t, xl_store_fail(store, &claim, s, "x", false, &err),
                        XL_EUSAGE, &err);
    xl_store_close(store);
}

/* -- the fence ------------------------------------------------------------ */

static void check_fenced(struct xl_test *t, struct xl_store *store,
                         const struct xl_store_claim *claim)
{
    struct xl_err err = { 0 };
    struct xl_store_sample s = xl_fix_sample(7);
    struct xl_store_result result = xl_fix_result(1, 123.5);
    XL_CHECK_STATUS(t, xl_store_heartbeat(store, claim, &err), XL_EFENCED,
                    &err);
    XL_CHECK_STATUS(t, xl_store_add_sample(store, claim, &s, &err), XL_EFENCED,
                    &err);
    XL_CHECK_STATUS(t, xl_store_release(store, claim, &err), XL_EFENCED, &err);
    XL_CHECK_STATUS(
        t, xl_store_fail(store, claim, XL_TRIAL_OOM, "late", true, &err),
        XL_EFENCED, &err);
    XL_CHECK_STATUS(t, xl_store_finish(store, claim, &result, &err), XL_EFENCED,
                    &err);
}

static void lease_expires(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store_claim slow, fast;
    size_t n = 9;
    struct xl_store *a = xl_fix_open(t), *b = xl_fix_open(t);
    int64_t trial = xl_fix_propose(t, a, 1);
    struct xl_store_sample s = xl_fix_sample(0);
    XL_CHECK_STATUS(t, xl_store_claim(a, 0, &slow, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_store_add_sample(a, &slow, &s, &err), XL_OK, &err);
    xl_fix_now_ms += 29000;
    XL_CHECK_STATUS(t, xl_store_reap(b, &n, &err), XL_OK, &err);
    XL_CHECK_EQ(t, n, 0);
    xl_fix_now_ms += 29000; /* expired, but nobody took it: revived */
    XL_CHECK_STATUS(t, xl_store_heartbeat(a, &slow, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_store_reap(b, &n, &err), XL_OK, &err);
    XL_CHECK_EQ(t, n, 0);
    XL_CHECK_STATUS(t, xl_store_live(b, &n, &err), XL_OK, &err);
    XL_CHECK_EQ(t, n, 1);
    xl_fix_now_ms += 29000; /* a sample is a heartbeat */
    s = xl_fix_sample(1);
    XL_CHECK_STATUS(t, xl_store_add_sample(a, &slow, &s, &err), XL_OK, &err);
    xl_fix_now_ms += 29000;
    XL_CHECK_STATUS(t, xl_store_live(b, &n, &err), XL_OK, &err);
    XL_CHECK_EQ(t, n, 1);
    xl_fix_now_ms += 1000; /* its last moment */
    XL_CHECK_STATUS(t, xl_store_live(b, &n, &err), XL_OK, &err);
    XL_CHECK_EQ(t, n, 1);
    XL_CHECK_STATUS(t, xl_store_reap(b, &n, &err), XL_OK, &err);
    XL_CHECK_EQ(t, n, 0);
    xl_fix_now_ms++;
    XL_CHECK_STATUS(t, xl_store_live(b, &n, &err), XL_OK, &err);
    XL_CHECK_EQ(t, n, 0);
    XL_CHECK_STATUS(t, xl_store_reap(b, &n, &err), XL_OK, &err);
    XL_CHECK_EQ(t, n, 1);
    check_fenced(t, a, &slow); /* while it is queued */
    XL_CHECK_STATUS(t, xl_store_claim(b, trial, &fast, &err), XL_OK, &err);
    XL_CHECK_EQ(t, fast.n_samples, 2);
    check_fenced(t, a, &slow); /* while another has it */
    struct xl_store_result result = xl_fix_result(1, 50);
    XL_CHECK_STATUS(t, xl_store_finish(b, &fast, &result, &err), XL_OK, &err);
    check_fenced(t, a, &slow); /* after it is done */
    XL_CHECK_STATUS(t,
                    xl_store_fail(b, &fast, XL_TRIAL_FAILED, "?", false, &err),
                    XL_EFENCED, &err);
    XL_CHECK_EQ(t,
                xl_fix_sql(t, "SELECT count(*) FROM attempt WHERE late "
                              "IS NOT NULL AND outcome = 'ok'"),
                0);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT value FROM result"), 50);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM sample"), 2);
    XL_CHECK_EQ(t,
                xl_fix_sql(t, "SELECT count(*) FROM attempt WHERE late "
                              "LIKE '%123.5%' AND outcome = 'expired'"),
                1);
    xl_store_close(a);
    xl_store_close(b);
}

static void owner_dies(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store_claim claim;
    size_t n = 0;
    struct xl_store *store = xl_fix_open(t);
    xl_fix_propose(t, store, 1);
    xl_fix_propose(t, store, 2);
    for (int round = 1; round <= 3; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct xl_store *own = xl_fix_open(t);
            _exit(xl_store_claim(own, 1, &claim, NULL) == XL_OK ? 0 : 1);
        }
        int status = 1;
        waitpid(pid, &status, 0);
        XL_CHECK_EQ(t, status, 0);
        XL_CHECK_STATUS(t, xl_store_reap(store, &n, &err), XL_OK, &err);
        XL_CHECK_EQ(t, n, 1); /* at once: the lease still runs */
    }
    XL_CHECK_EQ(t,
                xl_fix_sql(t, "SELECT count(*) FROM trial WHERE id = 1 AND "
                              "state = 'abandoned'"),
                1);
    XL_CHECK_EQ(t,
                xl_fix_sql(t, "SELECT count(*) FROM attempt WHERE outcome = "
                              "'dead'"),
                3);
    XL_CHECK_STATUS(t, xl_store_claim(store, 0, &claim, &err), XL_OK, &err);
    XL_CHECK_EQ(t, claim.trial, 2);
    xl_store_close(store);
}

/* Only what is certain: a lease that runs out errs on no side. */
static void owner_is_dead_only_when_certain(struct xl_test *t)
{
    struct xl_owner self, gone, other;
    xl_owner_self(&self);
    XL_CHECK(t, !xl_owner_is_dead(&self, &self));
    other = self; /* the pid is used again */
    other.start_ticks++;
    XL_CHECK(t, xl_owner_is_dead(&other, &self));
    other.start_ticks = 0;
    XL_CHECK(t, !xl_owner_is_dead(&other, &self));
    gone = self;
    gone.pid = fork();
    if (gone.pid == 0)
        _exit(0);
    waitpid((pid_t)gone.pid, NULL, 0);
    XL_CHECK(t, xl_owner_is_dead(&gone, &self));
    other = gone; /* a pid of another container */
    other.pid_ns[0] ^= 1;
    XL_CHECK(t, !xl_owner_is_dead(&other, &self));
    other.pid_ns[0] = '\0';
    XL_CHECK(t, !xl_owner_is_dead(&other, &self));
    other = gone; /* before a restart, of this machine or another */
    other.boot_id[0] ^= 1;
    XL_CHECK(t, xl_owner_is_dead(&other, &self));
    other.host[0] ^= 1;
    XL_CHECK(t, !xl_owner_is_dead(&other, &self));
    other.boot_id[0] = '\0';
    XL_CHECK(t, !xl_owner_is_dead(&other, &self));
}

/* A machine measures what was proposed for its class, and no other's. */
static void class_measures_only_its_own(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store_claim claim;
    struct xl_store_sweep sweep = { .name = "sweep",
                                    .space = "{}",
                                    .sampler = "random",
                                    .objective = "decode",
                                    .build_id = "build",
                                    .model_hash = "model",
                                    .class_id = "b",
                                    .fingerprint = "other caches" };
    struct xl_store *a = xl_fix_open(t), *b = xl_fix_open(t);
    XL_CHECK_STATUS(t, xl_store_sweep_begin(b, &sweep, &err), XL_OK, &err);
    int64_t theirs = xl_fix_propose(t, b, 1);
    XL_CHECK(t, xl_store_claim(a, 0, &claim, &err) == XL_ENOTFOUND);
    XL_CHECK(t, xl_store_claim(a, theirs, &claim, &err) == XL_ENOTFOUND);
    int64_t own = xl_fix_propose(t, a, 1);
    XL_CHECK(t, own != theirs);
    XL_CHECK_STATUS(t, xl_store_claim(b, 0, &claim, &err), XL_OK, &err);
    XL_CHECK_EQ(t, claim.trial, theirs);
    XL_CHECK_STATUS(t, xl_store_claim(a, 0, &claim, &err), XL_OK, &err);
    XL_CHECK_EQ(t, claim.trial, own);
    xl_store_close(a);
    xl_store_close(b);
}

static void busy_store(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store_claim claim;
    struct xl_store *a = xl_fix_open(t);
    struct xl_store *b = xl_fix_open_with(
        t, (struct xl_store_opts){ .mode = XL_STORE_WRITE, .busy_ms = 1 });
    xl_fix_propose(t, a, 1);
    XL_CHECK_STATUS(t, xl_store_begin(a, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_store_claim(b, 0, &claim, &err), XL_EBUSY, &err);
    XL_CHECK_EQ(t, xl_status_exit_code(XL_EBUSY), 75);
    XL_CHECK(t, strstr(err.message, "trials.db") != NULL);
    XL_CHECK_STATUS(t, xl_store_commit(a, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_store_claim(b, 0, &claim, &err), XL_OK, &err);
    xl_store_close(a);
    xl_store_close(b);
}

/* -- groups --------------------------------------------------------------- */

static void group_is_written_whole_or_not_at_all(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store_claim claim;
    struct xl_store_ref ref;
    struct xl_store *store = xl_fix_open(t);
    struct xl_store_proposal bad = { .cfg = "[" };
    XL_CHECK_STATUS(t, xl_store_begin(store, &err), XL_OK, &err);
    xl_fix_propose(t, store, 1);
    XL_CHECK_STATUS(t, xl_store_claim(store, 0, &claim, &err), XL_OK, &err);
    XL_CHECK(t, xl_store_propose(store, &bad, &ref, &err) != XL_OK);
    XL_CHECK(t, xl_store_heartbeat(store, &claim, &err) == XL_EFAILED);
    XL_CHECK_STATUS(t, xl_store_commit(store, &err), XL_EFAILED, &err);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM trial"), 0);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM worker"), 0);
    XL_CHECK_STATUS(t, xl_store_begin(store, &err), XL_OK, &err);
    xl_fix_propose(t, store, 1);
    XL_CHECK_STATUS(t, xl_store_claim(store, 0, &claim, &err), XL_OK, &err);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM trial"), 0);
    XL_CHECK_STATUS(t, xl_store_claim(store, 0, &claim, &err), XL_ENOTFOUND,
                    &err); /* does not doom the group */
    XL_CHECK_STATUS(t, xl_store_commit(store, &err), XL_OK, &err);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM trial"), 1);
    xl_store_close(store);
}

static void another_sweep(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store *store = xl_fix_open(t);
    struct xl_store_ref ref;
    struct xl_store_sweep sweep = { .name = "sweep",
                                    .space = "{}",
                                    .sampler = "random",
                                    .objective = "decode",
                                    .build_id = "newer build",
                                    .model_hash = "model" };
    XL_CHECK_STATUS(t, xl_store_sweep_begin(store, &sweep, &err), XL_OK, &err);
    sweep.space = "{\"chunk_size\":[1]}";
    XL_CHECK_STATUS(t, xl_store_sweep_begin(store, &sweep, &err), XL_EUSAGE,
                    &err);
    XL_CHECK(t, strstr(err.message, "search space") != NULL);
    sweep.name = "second";
    XL_CHECK_STATUS(t, xl_store_sweep_begin(store, &sweep, &err), XL_OK, &err);
    struct xl_store_proposal p = { .cfg = "{}" };
    XL_CHECK_STATUS(t, xl_store_propose(store, &p, &ref, &err), XL_OK, &err);
    XL_CHECK_EQ(t, ref.seq, 1);
    XL_CHECK_STATUS(t, xl_store_sweep_find(store, "sweep", &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_store_propose(store, &p, &ref, &err), XL_OK, &err);
    XL_CHECK(t, !ref.existed && ref.seq == 1);
    XL_CHECK_STATUS(t, xl_store_sweep_find(store, "third", &err), XL_ENOTFOUND,
                    &err);
    XL_CHECK_STATUS(t, xl_store_propose(store, &p, &ref, &err), XL_OK, &err);
    XL_CHECK(t, ref.existed); /* still in "sweep" */
    xl_store_close(store);
}

/* -- readers -------------------------------------------------------------- */

enum {
    N_POINTS = 400
};

struct seen {
    int64_t trials[N_POINTS];
    size_t n;
};

static enum xl_status note(void *ctx, const struct xl_store_trial *row,
                           struct xl_err *err)
{
    struct seen *seen = ctx;
    if (seen->n == N_POINTS)
        return xl_fail(err, XL_EFAILED, "more trials than there are");
    seen->trials[seen->n++] = row->id;
    return XL_OK;
}

/* Few distinct speeds, so that ties happen. Index 0 is unused. */
static double prefill_of[N_POINTS + 1], decode_of[N_POINTS + 1];
static bool refused[N_POINTS + 1];

static bool is_beaten(int i)
{
    for (int k = 1; k <= N_POINTS; k++) {
        bool as_good = !refused[k] && prefill_of[k] >= prefill_of[i] &&
                       decode_of[k] >= decode_of[i];
        if (as_good && (prefill_of[k] > prefill_of[i] ||
                        decode_of[k] > decode_of[i] || k < i))
            return true;
    }
    return false;
}

static void fill_points(struct xl_test *t, struct xl_store *store)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, 7);
    xl_store_begin(store, NULL);
    for (int i = 1; i <= N_POINTS; i++) {
        struct xl_store_claim claim;
        struct xl_err err = { 0 };
        prefill_of[i] = 100 + (double)xl_rng_below(&rng, 40);
        decode_of[i] = 100 + (double)xl_rng_below(&rng, 40);
        refused[i] = xl_rng_below(&rng, 4) == 0;
        struct xl_store_result r = xl_fix_result(prefill_of[i], decode_of[i]);
        struct xl_store_score gate = { .name = "verdict",
                                       .has_value = true,
                                       .value = refused[i] ? 0 : 1 };
        int64_t trial = xl_fix_propose(t, store, i);
        XL_CHECK_EQ(t, trial, i);
        xl_store_claim(store, trial, &claim, &err);
        XL_CHECK_STATUS(t, xl_store_finish(store, &claim, &r, &err), XL_OK,
                        &err);
        XL_CHECK_STATUS(t, xl_store_set_score(store, trial, &gate, &err), XL_OK,
                        &err);
    }
    XL_CHECK_EQ(t, xl_store_commit(store, NULL), XL_OK);
}

static void best_and_front(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct seen best = { 0 }, front = { 0 };
    size_t n_front = 0, n_passed = 0;
    struct xl_store *store = xl_fix_open(t);
    fill_points(t, store);
    XL_CHECK_STATUS(t, xl_query_best(store, N_POINTS, note, &best, &err), XL_OK,
                    &err);
    XL_CHECK_STATUS(t, xl_query_front(store, note, &front, &err), XL_OK, &err);
    for (int i = 1; i <= N_POINTS; i++) {
        n_passed += !refused[i];
        if (refused[i] || is_beaten(i))
            continue;
        n_front++;
        bool found = false;
        for (size_t k = 0; k < front.n; k++)
            found = found || front.trials[k] == i;
        XL_CHECK(t, found);
    }
    XL_CHECK_EQ(t, front.n, n_front);
    XL_CHECK_EQ(t, best.n, n_passed);
    for (size_t k = 1; k < best.n; k++) {
        int64_t a = best.trials[k - 1], b = best.trials[k];
        XL_CHECK(t, decode_of[a] > decode_of[b] ||
                        (decode_of[a] == decode_of[b] && a < b));
        XL_CHECK(t, !refused[b]);
    }
    xl_store_close(store);
}

static enum xl_status stop(void *ctx, const struct xl_store_trial *row,
                           struct xl_err *err)
{
    (void)ctx;
    return row->seq == 3 ? xl_fail(err, XL_EINTERRUPTED, "enough") : XL_OK;
}

static void readers_hand_on_every_row(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct seen seen = { 0 };
    size_t counts[XL_TRIAL_STATE_COUNT];
    struct xl_store *store = xl_fix_open(t);
    for (int i = 1; i <= 5; i++)
        xl_fix_propose(t, store, i);
    xl_fix_measure(store, 2, 3, 10, &err);
    struct xl_store *reader =
        xl_fix_open_with(t, (struct xl_store_opts){ .mode = XL_STORE_READ });
    XL_CHECK_STATUS(t, xl_query_trials(reader, 3, note, &seen, &err), XL_OK,
                    &err);
    XL_CHECK_EQ(t, seen.n, 2);
    XL_CHECK_EQ(t, seen.trials[0], 4);
    XL_CHECK_STATUS(t, xl_query_trials(reader, 0, stop, NULL, &err),
                    XL_EINTERRUPTED, &err);
    XL_CHECK_STATUS(t, xl_query_trial(reader, 99, note, &seen, &err),
                    XL_ENOTFOUND, &err);
    XL_CHECK_STATUS(t, xl_query_counts(reader, counts, &err), XL_OK, &err);
    XL_CHECK_EQ(t, counts[XL_TRIAL_OK], 1);
    XL_CHECK_EQ(t, counts[XL_TRIAL_QUEUED], 4);
    struct xl_store_fact fact = { "host", "cpu", "x" };
    XL_CHECK_STATUS(t, xl_store_set_fact(reader, &fact, &err), XL_EUSAGE, &err);
    struct xl_store_score score = { .name = "ppl" };
    XL_CHECK_STATUS(t, xl_store_set_score(store, 99, &score, &err),
                    XL_ENOTFOUND, &err);
    XL_CHECK_STATUS(t, xl_query_verify(reader, &err), XL_OK, &err);
    xl_store_close(reader);
    xl_store_close(store);
}

const struct xl_test_case xl_suite_store[] = {
    XL_CASE(names_of_states),
    XL_CASE(propose_once),
    XL_CASE(claims_in_order),
    XL_CASE(samples_once),
    XL_CASE(finish_twice),
    XL_CASE(fails_and_retries),
    XL_CASE(lease_expires),
    XL_CASE(owner_dies),
    XL_CASE(owner_is_dead_only_when_certain),
    XL_CASE(class_measures_only_its_own),
    XL_CASE(busy_store),
    XL_CASE(group_is_written_whole_or_not_at_all),
    XL_CASE(another_sweep),
    XL_CASE(best_and_front),
    XL_CASE(readers_hand_on_every_row),
    { 0 },
};
