/* SPDX-License-Identifier: Apache-2.0
 *
 * The lease of a trial while its judge works for longer than the lease is. */
#include <stdlib.h>

#include "kernel/base/io.h"
#include "tests/unit/sweep_fixture.h"

/* It judges for minutes, and another process that looks for work comes by
 * again and again. */
struct slow {
    struct xl_fake *fake;
    struct xl_store *other;
    bool is_silent; /* nobody is told that it is alive */
    size_t taken;
};

enum {
    SLOW_STEPS = 9
};

static enum xl_status judge_slowly(void *ctx, const struct xl_params *params,
                                   enum xl_stage stage, struct xl_run_end *end,
                                   struct xl_err *err)
{
    struct slow *s = ctx;
    const struct xl_beat *beat = &s->fake->beat;
    const char *passed = stage == XL_STAGE_SCREEN ? "inconclusive" : "pass";
    (void)params;
    *end = (struct xl_run_end){ .outcome = XL_RUN_OK };
    for (size_t i = 0; i < SLOW_STEPS && s->other; i++) {
        size_t n;
        s->fake->now_ns += XL_BEAT_NS;
        bool goes_on = s->is_silent || !beat->tell || beat->tell(beat->ctx);
        XL_TRY(xl_store_reap(s->other, &n, err));
        s->taken += n;
        if (!goes_on) {
            end->outcome = XL_RUN_STOPPED;
            return XL_OK;
        }
    }
    end->answer = cJSON_CreateObject();
    cJSON_AddStringToObject(end->answer, "verdict", passed);
    return XL_OK;
}

static struct xl_store *open_other(struct xl_sweep_bench *b, const char *file)
{
    const struct xl_store_opts opts = { .mode = XL_STORE_WRITE,
                                        .now_ms = xl_fake_wall_ms,
                                        .clock_ctx = &b->fake };
    struct xl_store *store = NULL;
    struct xl_err err = { 0 };
    char *path = xl_io_join(b->t->dir, file);
    enum xl_status rc = xl_store_open(&store, path, &opts, &err);
    if (rc == XL_OK)
        rc = xl_store_sweep_find(store, NULL, &err);
    XL_CHECK_STATUS(b->t, rc, XL_OK, &err);
    free(path);
    return store;
}

/* Nobody takes a trial whose judge is at work; were nobody told that it is,
 * it would be taken, and the sweep would end rather than judge it twice. */
static void a_slow_judge_keeps_its_trial(struct xl_test *t)
{
    for (int silent = 0; silent < 2; silent++) {
        struct xl_sweep_bench b;
        struct xl_sweep_start s;
        enum xl_sweep_end ended;
        struct slow slow = { .fake = &b.fake, .is_silent = silent };
        struct xl_err err = { 0 };
        struct xl_sweep_plan plan = { .file = silent ? "l1.db" : "l0.db",
                                      .mode = "random",
                                      .budget = 4,
                                      .repeats = 3 };
        if (!xl_sweep_bench_open(&b, t, NULL, NULL))
            return;
        b.fake.judge = judge_slowly;
        b.fake.judge_ctx = &slow;
        if (xl_sweep_start_open(&b, &s, &plan)) {
            slow.other = open_other(&b, plan.file);
            XL_CHECK_STATUS(t, xl_sweep_search(&s.sweep, &ended, &err),
                            silent ? XL_EFENCED : XL_OK, &err);
            XL_CHECK_EQ(t, slow.taken > 0, silent);
            xl_store_close(slow.other);
        }
        xl_sweep_start_close(&s);
        xl_sweep_bench_close(&b);
    }
}

const struct xl_test_case xl_suite_lease[] = {
    XL_CASE(a_slow_judge_keeps_its_trial),
    { 0 },
};
