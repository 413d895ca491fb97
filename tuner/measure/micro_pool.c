/* SPDX-License-Identifier: Apache-2.0
 *
 * What it costs a team to start and meet: latencies, no limit beside them. */
#include "kernel/base/cpu.h"
#include "kernel/base/pool.h"
#include "tuner/measure/micro.h"

struct job {
    struct xl_pool *pool;
    size_t n; /* barriers in a run */
};

static void nothing(void *ctx, size_t worker)
{
    (void)ctx;
    (void)worker;
}

static void call_fork(void *ctx, size_t n)
{
    const struct job *j = ctx;
    for (size_t i = 0; i < n; i++)
        xl_pool_run(j->pool, nothing, NULL);
}

static void meet(void *ctx, size_t worker)
{
    const struct job *j = ctx;
    (void)worker;
    for (size_t i = 0; i < j->n; i++)
        xl_pool_barrier(j->pool);
}

static void call_barrier(void *ctx, size_t n)
{
    struct job *j = ctx;
    j->n = n;
    xl_pool_run(j->pool, meet, j);
}

static void release(void *ctx)
{
    const struct job *j = ctx;
    xl_pool_free(j->pool);
}

static size_t workers(const size_t sizes[XL_MICRO_SIZES])
{
    struct xl_cpu cpu;
    xl_cpu_read(&cpu);
    return sizes[0] ? sizes[0] : cpu.cores;
}

static enum xl_status make(struct xl_micro_call *out, size_t variant,
                           const size_t sizes[XL_MICRO_SIZES],
                           struct xl_arena *arena, struct xl_err *err)
{
    static const struct {
        const char *name;
        void (*call)(void *ctx, size_t n);
    } variants[] = {
        { "fork-join", call_fork },
        { "barrier", call_barrier },
    };
    if (variant >= sizeof variants / sizeof *variants)
        return XL_ENOTFOUND;
    struct job *j = xl_arena_zero(arena, 1, sizeof *j);
    if (!j)
        return xl_fail(err, XL_ENOMEM, "out of memory for a team");
    *out = (struct xl_micro_call){ .name = variants[variant].name,
                                   .call = variants[variant].call,
                                   .release = release,
                                   .ctx = j };
    return xl_pool_make(
        &j->pool, &(struct xl_pool_options){ .width = workers(sizes) }, err);
}

const struct xl_micro xl_micro_pool = {
    .name = "pool",
    .shape = "0",
    .what = "fork-join and barrier of a team",
    .n_sizes = 1,
    .size_names = "workers",
    .workers = workers,
    .make = make,
};
