/* SPDX-License-Identifier: Apache-2.0
 *
 * The sweep over a fake runner: speeds are a known function of the tunables,
 * so the best configuration is known, and faults are planted at will. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/model/plan.h"
#include "tests/unit/sweep_fixture.h"
#include "tuner/profile/best.h"
#include "tuner/space/param_space.h"
#include "tuner/store/query.h"
#include "tuner/sweep/finish.h"
#include "tuner/strategy/patience.h"

enum {
    REPEATS = 3,
    LOG = 60 /* trials of a search that is written down */
};

static double speed_of(const struct xl_fake *fake, const struct xl_params *p)
{
    double chunk = (double)p->value[XL_PARAM_CHUNK_SIZE];
    double heads = (double)p->value[XL_PARAM_HEADS_PER_BAND];
    double workers = (double)p->value[XL_PARAM_WORKERS];
    (void)fake;
    return 1000.0 * workers / (1.0 + pow(log2(chunk / 48.0), 2.0)) /
           (1.0 + 0.1 * (heads - 1.0));
}

static bool open_bench(struct xl_sweep_bench *b, struct xl_test *t)
{
    bool ok = xl_sweep_bench_open(b, t, NULL, NULL);
    b->fake.speed = speed_of;
    b->fake.by_place = true;
    return ok;
}

static bool open_start(struct xl_sweep_bench *b, struct xl_sweep_start *s,
                       const char *file, const char *mode, size_t budget)
{
    struct xl_sweep_plan plan = { .file = file,
                                  .mode = mode,
                                  .budget = budget,
                                  .repeats = REPEATS,
                                  .seed = 5 };
    return xl_sweep_start_open(b, s, &plan);
}

/* -- the search ------------------------------------------------------------ */

static void measures_each_point_once(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct xl_sweep_start s;
    if (open_bench(&b, t) && open_start(&b, &s, "a.db", "random", 0)) {
        uint64_t points = xl_space_count(xl_param_space_space(b.space));
        XL_CHECK_EQ(t, xl_sweep_start_search(&b, &s), XL_END_SPACE);
        XL_CHECK_EQ(t, b.fake.samples, points * REPEATS);
        xl_sweep_start_close(&s);
    }
    xl_sweep_bench_close(&b);
}

/* Stopped after any number of samples and started again, as often as it
 * takes: the same trials with the same values as without a stop. */
static void resumes_to_the_same_end(struct xl_test *t)
{
    static const char *const modes[] = { "random", "ga" };
    for (size_t m = 0; m < 2; m++) {
        struct xl_sweep_bench b;
        struct xl_sweep_start s;
        struct xl_buf whole, pieces;
        char file[32];
        xl_buf_init(&whole, 0);
        xl_buf_init(&pieces, 0);
        if (!open_bench(&b, t))
            return;
        b.fake.noise = 0.05;
        b.fake.open_chunk = 48;
        snprintf(file, sizeof file, "%s-whole.db", modes[m]);
        if (open_start(&b, &s, file, modes[m], 20)) {
            xl_sweep_start_search(&b, &s);
            xl_sweep_start_print(&b, &s, &whole);
            xl_sweep_start_close(&s);
        }
        size_t all = b.fake.samples, starts = 0;
        b.fake.samples = 0;
        snprintf(file, sizeof file, "%s-pieces.db", modes[m]);
        for (b.fake.stop_after = 1; starts < all; b.fake.stop_after += 4) {
            starts++;
            if (!open_start(&b, &s, file, modes[m], 20))
                break;
            enum xl_sweep_end end = xl_sweep_start_search(&b, &s);
            if (end == XL_END_BUDGET)
                xl_sweep_start_print(&b, &s, &pieces);
            xl_sweep_start_close(&s);
            if (end == XL_END_BUDGET)
                break;
        }
        XL_CHECK_EQ(t, b.fake.samples, all);
        XL_CHECK(t, starts > 10 && whole.len > 0);
        XL_CHECK_TEXT(t, pieces.data, whole.data);
        xl_buf_release(&whole);
        xl_buf_release(&pieces);
        xl_sweep_bench_close(&b);
    }
}

/* -- killed ---------------------------------------------------------------- */

/* A whole sweep with race, anchor, grade, play-off and duel; what came of it
 * is written to the file `out` at its end. Returns an exit code. */
static int live(struct xl_sweep_bench *b, const struct xl_sweep_plan *plan,
                const char *out)
{
    struct xl_sweep_start s;
    struct xl_verdicts v;
    struct xl_buf text;
    size_t failures = b->t->failures;
    xl_buf_init(&text, 0);
    if (xl_sweep_start_open(b, &s, plan) && xl_sweep_start_grade(b, &s, 8)) {
        xl_sweep_start_search(b, &s);
        xl_sweep_start_finish(b, &s, 0, &v);
        xl_sweep_start_print(b, &s, &text);
        xl_buf_printf(&text, "winner %lld of %zu played: %s; grade %.17g\n",
                      (long long)v.winner, v.n_played, v.why,
                      s.grade.resolvable);
        xl_io_replace(out, text.data, text.len, NULL);
    }
    xl_sweep_start_close(&s);
    xl_buf_release(&text);
    return b->t->failures == failures ? 0 : 2;
}

/* The same in a child that dies after so many samples; its wait status. */
static int live_and_die(struct xl_sweep_bench *b,
                        const struct xl_sweep_plan *plan, const char *out)
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(live(b, plan, out));
    waitpid(pid, &status, 0);
    return status;
}

static void kill_often(struct xl_sweep_bench *b, const char *mode)
{
    struct xl_test *t = b->t;
    char file[2][32], *outs[2];
    struct xl_buf text[2];
    size_t kills = 0;
    int status = 0;
    struct xl_sweep_plan plan = { .mode = mode,
                                  .budget = 16,
                                  .repeats = REPEATS,
                                  .most = 3 * REPEATS,
                                  .anchor_every = 4,
                                  .seed = 5 };
    for (size_t i = 0; i < 2; i++) {
        snprintf(file[i], sizeof file[i], "%s-%d.db", mode, (int)i);
        outs[i] = xl_io_join(t->dir, i ? "pieces" : "whole");
        xl_buf_init(&text[i], 0);
        plan.file = file[i];
        b->fake.die_after = i;
        do {
            status = live_and_die(b, &plan, outs[i]);
            kills += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
            b->fake.die_after += 2 * i;
        } while (i && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
                 kills < 1000);
        XL_CHECK(t, WIFEXITED(status) && WEXITSTATUS(status) == 0);
        xl_io_read(outs[i], &text[i], NULL);
        xl_free(outs[i]);
    }
    XL_CHECK(t, kills > 8 && text[0].len > 0);
    XL_CHECK_TEXT(t, text[1].data, text[0].data);
    /* Shown another seed, the comparison sees it. */
    plan.seed = 6;
    snprintf(file[0], sizeof file[0], "%s-other.db", mode);
    plan.file = file[0];
    char *other = xl_io_join(t->dir, "whole");
    b->fake.die_after = 0;
    live(b, &plan, other);
    xl_buf_clear(&text[1]);
    xl_io_read(other, &text[1], NULL);
    XL_CHECK(t, strcmp(text[1].data, text[0].data) != 0);
    xl_free(other);
    for (size_t i = 0; i < 2; i++)
        xl_buf_release(&text[i]);
}

/* The same seed and store give the same points, values and winner, however
 * often the process is killed on the way, by SIGKILL, anywhere. */
static void killed_it_ends_the_same(struct xl_test *t)
{
    static const char *const modes[] = { "random", "ga", "tpe", "gp", "auto" };
    for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
        struct xl_sweep_bench b;
        if (open_bench(&b, t)) {
            b.fake.noise = 0.05;
            kill_often(&b, modes[m]);
        }
        xl_sweep_bench_close(&b);
    }
}

/* Counts trials by state. */
static enum xl_status count_states(void *ctx, const struct xl_store_trial *row,
                                   struct xl_err *err)
{
    size_t *counts = ctx;
    (void)err;
    counts[row->state]++;
    bool says_why =
        row->state == XL_TRIAL_OK || (row->reason && row->reason[0]);
    counts[XL_TRIAL_STATE_COUNT] += !says_why;
    return XL_OK;
}

static void failures_cost_one_row(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct xl_sweep_start s;
    size_t counts[XL_TRIAL_STATE_COUNT + 1] = { 0 };
    uint32_t point[XL_SPACE_DIMS];
    struct xl_params best;
    double value;
    struct xl_err err = { 0 };
    if (open_bench(&b, t) && open_start(&b, &s, "a.db", "random", 0)) {
        b.fake.crash_chunk = 48;
        b.fake.lying_chunk = 64;
        xl_sweep_start_search(&b, &s);
        XL_CHECK_STATUS(t,
                        xl_query_trials(s.store, 0, count_states, counts, &err),
                        XL_OK, &err);
        XL_CHECK(t, counts[XL_TRIAL_FAILED] > 0);
        XL_CHECK(t, counts[XL_TRIAL_WRONG] > 0);
        XL_CHECK_EQ(t, counts[XL_TRIAL_QUEUED] + counts[XL_TRIAL_RUNNING], 0);
        XL_CHECK_EQ(t, counts[XL_TRIAL_STATE_COUNT], 0); /* all say why */
        XL_CHECK(t, xl_strategy_best(s.strategy, point, &value));
        xl_param_space_params(b.space, point, &best);
        XL_CHECK_EQ(t, best.value[XL_PARAM_CHUNK_SIZE], 32);
        XL_CHECK_EQ(t, best.value[XL_PARAM_WORKERS], 3);
        xl_sweep_start_close(&s);
    }
    xl_sweep_bench_close(&b);
}

/* -- patience -------------------------------------------------------------- */

/* The value of each trial in order; NaN = it has none. */
struct log {
    double values[LOG + 1];
    size_t n, n_recalled;
};

static void write_log(void *ctx, const struct xl_sweep_news *news)
{
    struct log *log = ctx;
    bool is_ok = news->outcome == XL_RUN_OK;
    if (log->n <= LOG)
        log->values[log->n++] = is_ok ? news->value : (double)NAN;
    log->n_recalled += news->from_store;
}

/* How a counter of results without a better one may go wrong. */
enum fault {
    RIGHT,
    SKIPS_FAILURES,  /* counts measured ones only */
    NEVER_RESETS,    /* counts all */
    RESETS_BY_ANY,   /* measured one, better or not */
    RESETS_TOO_SOON, /* by gains below what can be resolved */
    FAULTS
};

/* Where a search that has this before it must end; 0 = nowhere. */
static size_t end_of(const struct log *log, size_t patience, double least,
                     enum fault fault)
{
    double mark = -1e300;
    size_t in_vain = 0;
    for (size_t i = 0; i < log->n; i++) {
        double v = log->values[i];
        double bar = mark + (fault == RESETS_TOO_SOON ? 0 : least) * fabs(mark);
        bool is_better = isfinite(v) && (mark == -1e300 || v > bar);
        in_vain += !(fault == SKIPS_FAILURES && !isfinite(v));
        if (is_better)
            mark = v;
        if ((is_better && fault != NEVER_RESETS) ||
            (fault == RESETS_BY_ANY && isfinite(v)))
            in_vain = 0;
        if (patience && in_vain >= patience)
            return i + 1;
    }
    return 0;
}

static enum xl_sweep_end search_with(struct xl_sweep_bench *b, const char *file,
                                     size_t budget, size_t patience,
                                     double least, struct log *log)
{
    struct xl_sweep_start s;
    enum xl_sweep_end end = XL_END_STOPPED;
    *log = (struct log){ .n = 0 };
    if (open_start(b, &s, file, "random", budget)) {
        s.sweep.patience = patience;
        s.sweep.resolvable = least;
        s.sweep.news = write_log;
        s.sweep.news_ctx = log;
        end = xl_sweep_start_search(b, &s);
    }
    xl_sweep_start_close(&s);
    return end;
}

/* It ends after exactly so many in vain, failures among them, and one that is
 * better starts the count anew; counters that are wrong in any of four ways
 * would end elsewhere. */
static void ends_when_nothing_gets_better(struct xl_test *t)
{
    static const double leasts[] = { 0, 0.1, 0.5, 2 };
    struct xl_sweep_bench b;
    struct log whole, log;
    size_t told[FAULTS] = { 0 };
    char file[32];
    if (!open_bench(&b, t))
        return;
    b.fake.noise = 0.02;
    b.fake.crash_chunk = 96;
    b.fake.lying_chunk = 64;
    enum xl_sweep_end end = search_with(&b, "all.db", LOG, 0, 0, &whole);
    XL_CHECK_EQ(t, end, XL_END_BUDGET); /* 0 never ends it */
    XL_CHECK_EQ(t, whole.n, LOG);
    for (size_t k = 0; k < 4; k++)
        for (size_t n = 1; n < 40; n += 2) {
            size_t at = end_of(&whole, n, leasts[k], RIGHT);
            snprintf(file, sizeof file, "%zu-%zu.db", k, n);
            end = search_with(&b, file, LOG, n, leasts[k], &log);
            XL_CHECK_EQ(t, log.n, at && at < LOG ? at : LOG);
            XL_CHECK_EQ(t, end, at && at < LOG ? XL_END_STALL : XL_END_BUDGET);
            for (int f = 1; f < FAULTS; f++)
                told[f] += end_of(&whole, n, leasts[k], (enum fault)f) != at;
        }
    for (int f = 1; f < FAULTS; f++)
        XL_CHECK(t, told[f] > 0);
    /* Where both are true, the budget is said. */
    size_t at = end_of(&whole, 3, 0, RIGHT);
    XL_CHECK(t, at > 3);
    end = search_with(&b, "both.db", at, 3, 0, &log);
    XL_CHECK_EQ(t, end, XL_END_BUDGET);
    xl_sweep_bench_close(&b);
}

/* Nothing runs at all: that is in vain too. */
static void failures_alone_end_it(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct log log;
    if (xl_sweep_bench_open(&b, t,
                            "{\"params\": {\"chunk_size\": [48], "
                            "\"heads_per_band\": [1, 2], "
                            "\"workers\": [1, 2, 3]}}",
                            NULL)) {
        b.fake.crash_chunk = 48;
        XL_CHECK_EQ(t, search_with(&b, "a.db", 0, 4, 0, &log), XL_END_STALL);
        XL_CHECK_EQ(t, log.n, 4);
        XL_CHECK_EQ(t, b.fake.samples, 0);
    }
    xl_sweep_bench_close(&b);
}

/* Stopped anywhere and started again, it ends at the same trial, and once more
 * it measures nothing; with more patience it goes on. */
static void patience_outlives_a_stop(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct log whole, log;
    size_t starts = 0, patience = 6;
    enum xl_sweep_end end = XL_END_STOPPED;
    if (!open_bench(&b, t))
        return;
    b.fake.noise = 0.02;
    b.fake.crash_chunk = 96;
    end = search_with(&b, "whole.db", LOG, patience, 0, &whole);
    XL_CHECK_EQ(t, end, XL_END_STALL);
    size_t all = b.fake.samples;
    b.fake.samples = 0;
    for (b.fake.stop_after = 1; starts < all; b.fake.stop_after += 2) {
        starts++;
        end = search_with(&b, "pieces.db", LOG, patience, 0, &log);
        if (end != XL_END_STOPPED)
            break;
    }
    XL_CHECK(t, starts > 3);
    XL_CHECK_EQ(t, end, XL_END_STALL);
    XL_CHECK_EQ(t, b.fake.samples, all);
    XL_CHECK_EQ(t, log.n, whole.n);
    for (size_t i = 0; i < log.n && i < whole.n; i++)
        XL_CHECK(t, log.values[i] == whole.values[i] ||
                        (isnan(log.values[i]) && isnan(whole.values[i])));
    b.fake.stop_after = 0;
    end = search_with(&b, "pieces.db", LOG, patience, 0, &log);
    XL_CHECK_EQ(t, end, XL_END_STALL);
    XL_CHECK_EQ(t, log.n_recalled, whole.n);
    XL_CHECK_EQ(t, b.fake.samples, all);
    end = search_with(&b, "pieces.db", LOG, patience + 5, 0, &log);
    XL_CHECK(t, log.n >= whole.n + 5 && log.n_recalled == whole.n);
    xl_sweep_bench_close(&b);
}

/* The counter alone: small gains add up, and of several objectives one that is
 * better in any is. */
static void patience_counts(struct xl_test *t)
{
    static const struct {
        double values[2];
        size_t n, since;
    } steps[] = {
        { { 100 }, 1, 0 },     { { 101 }, 1, 1 },    { { 102 }, 1, 2 },
        { { 102.5 }, 1, 0 },   { { 104 }, 1, 1 },    { { 0 }, 0, 2 },
        { { 104.5 }, 1, 3 },   { { 106 }, 1, 0 },    { { -5 }, 1, 1 },
        { { (double)NAN }, 1, 2 }, { { 106 }, 1, 3 },
    }, fronts[] = {
        { { 100, -10 }, 2, 0 }, { { 90, -9 }, 2, 0 },  { { 90, -10 }, 2, 1 },
        { { 100, -9.5 }, 2, 0 }, { { 101, -9.4 }, 2, 1 }, { { 80, -9 }, 2, 2 },
        { { 80, -8 }, 2, 0 },
    };
    struct xl_patience one = { .most = 3, .least = 0.02 }, two = one;
    struct xl_patience never = { .least = 0 };
    struct xl_err err = { 0 };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const double *values = steps[i].n ? steps[i].values : NULL;
        XL_CHECK_STATUS(t, xl_patience_tell(&one, values, 1, &err), XL_OK,
                        &err);
        XL_CHECK_EQ(t, one.since, steps[i].since);
        XL_CHECK(t, xl_patience_is_out(&one) == (steps[i].since >= 3));
        XL_CHECK_STATUS(t, xl_patience_tell(&never, values, 1, &err), XL_OK,
                        &err);
        XL_CHECK(t, !xl_patience_is_out(&never));
    }
    for (size_t i = 0; i < sizeof fronts / sizeof *fronts; i++) {
        XL_CHECK_STATUS(t, xl_patience_tell(&two, fronts[i].values, 2, &err),
                        XL_OK, &err);
        XL_CHECK_EQ(t, two.since, fronts[i].since);
    }
    xl_patience_release(&one);
    xl_patience_release(&two);
    xl_patience_release(&never);
}

static void says_why_it_ended(struct xl_test *t)
{
    char text[80];
    XL_CHECK_TEXT(t, xl_sweep_end_text(XL_END_STALL, 30, text, sizeof text),
                  "no better one in the last 30 configurations");
    XL_CHECK_TEXT(t, xl_sweep_end_text(XL_END_SPACE, 30, text, sizeof text),
                  "the whole space is measured");
}

/* -- the finish ------------------------------------------------------------ */

static void promotes_the_best_that_passes(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct xl_sweep_start s;
    struct xl_verdicts v;
    struct xl_best best;
    struct xl_err err = { 0 };
    if (open_bench(&b, t) && open_start(&b, &s, "trials.db", "random", 0)) {
        b.fake.noise = 0.01;
        b.fake.damaged_chunk = 48; /* the fastest of all */
        xl_sweep_start_search(&b, &s);
        xl_sweep_start_finish(&b, &s, 15, &v);
        XL_CHECK(t, v.winner > 0 && v.n_refused > 0);
        XL_CHECK(t, v.params.value[XL_PARAM_CHUNK_SIZE] != 48);
        XL_CHECK_TEXT(t, v.verdict, "pass");
        char *path = xl_io_join(t->dir, "best.json");
        enum xl_status rc =
            xl_best_load(&best, path, XL_BEST_FULL, XL_LAYER_MACHINE, &err);
        if (XL_CHECK_STATUS(t, rc, XL_OK, &err)) {
            XL_CHECK_EQ(t, best.params.value[XL_PARAM_CHUNK_SIZE],
                        v.params.value[XL_PARAM_CHUNK_SIZE]);
            XL_CHECK(t, xl_best_passed(&best));
            xl_best_release(&best);
        }
        xl_free(path);
        xl_sweep_start_close(&s);
    }
    xl_sweep_bench_close(&b);
}

/* What the text leaves open was measured well and does not win; it is neither
 * wrong nor failed. */
static void the_unproved_are_measured_and_lose(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct xl_sweep_start s;
    struct xl_verdicts v;
    size_t counts[XL_TRIAL_STATE_COUNT + 1] = { 0 };
    struct xl_err err = { 0 };
    if (open_bench(&b, t) && open_start(&b, &s, "trials.db", "random", 0)) {
        b.fake.noise = 0.01;
        b.fake.open_chunk = 48; /* the fastest of all */
        xl_sweep_start_search(&b, &s);
        xl_sweep_start_finish(&b, &s, 15, &v);
        XL_CHECK(t, v.winner > 0 && v.n_unproved > 0);
        XL_CHECK_EQ(t, v.n_refused, 0);
        XL_CHECK(t, v.params.value[XL_PARAM_CHUNK_SIZE] != 48);
        XL_CHECK_STATUS(t,
                        xl_query_trials(s.store, 0, count_states, counts, &err),
                        XL_OK, &err);
        XL_CHECK_EQ(t, counts[XL_TRIAL_WRONG] + counts[XL_TRIAL_FAILED], 0);
        xl_sweep_start_close(&s);
    }
    xl_sweep_bench_close(&b);
}

/* A winner that left the machine's profile out has not met it. */
static void a_profile_is_not_replaced_unmet(struct xl_test *t)
{
    struct xl_sweep_bench b;
    static const bool modest[] = { true, true, false };
    static const bool published[] = { true, false, true };
    if (!xl_sweep_bench_open(&b, t, NULL, NULL))
        return;
    const char *old = getenv("XLTUNE_PROFILES");
    char kept[512];
    snprintf(kept, sizeof kept, "%s", old ? old : "");
    setenv("XLTUNE_PROFILES", t->dir, 1);
    b.publishes = true;
    for (size_t i = 0; i < 3; i++) {
        struct xl_sweep_start s;
        struct xl_verdicts v = { 0 };
        char file[16];
        snprintf(file, sizeof file, "m%zu.db", i);
        struct xl_sweep_plan plan = {
            .file = file, .mode = "random", .budget = 4, .repeats = 3
        };
        b.is_modest = modest[i];
        if (xl_sweep_start_open(&b, &s, &plan)) {
            xl_sweep_start_search(&b, &s);
            xl_sweep_start_finish(&b, &s, 0, &v);
            XL_CHECK(t, v.proved || v.is_default);
            XL_CHECK(t, v.is_published == published[i]);
        }
        xl_sweep_start_close(&s);
    }
    if (old)
        setenv("XLTUNE_PROFILES", kept, 1);
    else
        unsetenv("XLTUNE_PROFILES");
    xl_sweep_bench_close(&b);
}

const struct xl_test_case xl_suite_sweep[] = {
    XL_CASE(measures_each_point_once),
    XL_CASE(resumes_to_the_same_end),
    XL_CASE(killed_it_ends_the_same),
    XL_CASE(failures_cost_one_row),
    XL_CASE(ends_when_nothing_gets_better),
    XL_CASE(failures_alone_end_it),
    XL_CASE(patience_outlives_a_stop),
    XL_CASE(patience_counts),
    XL_CASE(says_why_it_ended),
    XL_CASE(promotes_the_best_that_passes),
    XL_CASE(the_unproved_are_measured_and_lose),
    XL_CASE(a_profile_is_not_replaced_unmet),
    { 0 },
};
