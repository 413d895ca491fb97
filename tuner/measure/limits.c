/* SPDX-License-Identifier: Apache-2.0
 *
 * Best of several short runs, since a limit is what is possible: a disturbed
 * run is no limit. The buffer is 256 MiB a worker at most and larger than any
 * share of a last-level cache worth counting on. */
#include "tuner/measure/limits.h"

#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/cpu.h"
#include "kernel/base/pool.h"
#include "tuner/measure/limits_kernel.h"

enum {
    RUNS = 5
};
#define FMA_ROUNDS  ((size_t)1 << 21)
#define TOTAL_BYTES ((size_t)384 << 20)

static const struct xl_limit_kernel *best_kernel(void)
{
#ifdef XL_X86_VARIANTS
    if (xl_cpu_has(XL_ISA_AVX512F))
        return &xl_limit_avx512;
    if (xl_cpu_has(XL_ISA_AVX2) && xl_cpu_has(XL_ISA_FMA))
        return &xl_limit_avx2;
#endif
    return &xl_limit_generic;
}

struct job {
    const struct xl_limit_kernel *kernel;
    uint64_t *data; /* [words] */
    size_t words, workers;
    struct slot {
        _Alignas(64) double flops;
        float sink;
        uint64_t word;
    } * slots; /* [workers] */
};

static void touch(void *ctx, size_t worker)
{
    struct job *job = ctx;
    struct xl_span s = xl_span_of(job->words, job->workers, worker);
    memset(job->data + s.begin, (int)worker + 1, (s.end - s.begin) * 8);
}

static void fma_work(void *ctx, size_t worker)
{
    struct job *job = ctx;
    struct slot *slot = &job->slots[worker];
    slot->flops = job->kernel->fma(FMA_ROUNDS, &slot->sink);
}

static void read_work(void *ctx, size_t worker)
{
    struct job *job = ctx;
    struct xl_span s = xl_span_of(job->words, job->workers, worker);
    job->kernel->read(job->data + s.begin, s.end - s.begin,
                      &job->slots[worker].word);
}

static double best_seconds(struct xl_pool *pool, xl_pool_work *work,
                           struct job *job)
{
    double best = 1e9;
    for (int i = 0; i < RUNS; i++) {
        uint64_t start = xl_clock_ns();
        xl_pool_run(pool, work, job);
        double s = (double)(xl_clock_ns() - start) / 1e9;
        best = s < best ? s : best;
    }
    return best;
}

enum xl_status xl_limits_measure(struct xl_limits *limits, size_t workers,
                                 struct xl_err *err)
{
    struct xl_pool *pool = NULL;
    struct job job = { .kernel = best_kernel(),
                       .words = TOTAL_BYTES / 8,
                       .workers = workers };
    enum xl_status rc;
    XL_TRY_DONE(rc, xl_pool_make(&pool,
                                 &(struct xl_pool_options){ .width = workers },
                                 err));
    job.data = xl_alloc(TOTAL_BYTES);
    job.slots = xl_alloc_zero(workers, sizeof *job.slots);
    if (!job.data || !job.slots) {
        rc = xl_fail(err, XL_ENOMEM,
                     "out of memory measuring the limits of "
                     "this machine");
        goto done;
    }
    xl_pool_run(pool, touch, &job);
    double read_s = best_seconds(pool, read_work, &job);
    double fma_s = best_seconds(pool, fma_work, &job), flops = 0;
    for (size_t i = 0; i < workers; i++)
        flops += job.slots[i].flops;
    limits->read_gb_s = (double)TOTAL_BYTES / read_s / 1e9;
    limits->fma_gflops = flops / fma_s / 1e9;
done:
    xl_pool_free(pool);
    xl_free(job.data);
    xl_free(job.slots);
    return rc;
}
