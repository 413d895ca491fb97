/* SPDX-License-Identifier: Apache-2.0
 *
 * Best of several short runs, since a limit is what is possible: a disturbed
 * run is no limit. Reading is tried with one, four and eight streams a worker
 * over huge pages where the kernel grants them: both are worth 4 to 15 %, and
 * a limit that leaves them out would be beaten by real kernels. The buffer is
 * several times the last-level cache, but its useful share of a shared cache
 * is far smaller than a guest is told, so 1 GiB is enough. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* madvise, MAP_ANONYMOUS */
#endif
#include "tuner/measure/limits.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/cpu.h"
#include "kernel/base/json.h"
#include "kernel/base/pool.h"
#include "kernel/guard/memory.h"
#include "tuner/measure/limits_kernel.h"

enum {
    RUNS = 8
};
#define MIB          ((size_t)1 << 20)
#define LEAST_BUFFER (256 * MIB)
#define MOST_BUFFER  (1024 * MIB)
#define HUGE_PAGE    (2 * MIB)
#define RUN_BYTES    (256 * MIB) /* read in one run from a cache */
#define RUN_NS                                                                 \
    2000000.0 /* least length of an arithmetic run: short, so                  \
                 that some fall between neighbours' turns */

static const char *const names[XL_LIMIT_COUNT] = {
#define XL_LIMIT(id, name, unit, what) [XL_LIMIT_##id] = name,
#include "tuner/measure/limit.def"
#undef XL_LIMIT
};

const char *xl_limit_name(enum xl_limit id)
{
    return names[id];
}

size_t xl_limits_buffer(uint64_t l3_bytes, uint64_t free_bytes)
{
    uint64_t bytes = 4 * l3_bytes;
    bytes = bytes > MOST_BUFFER ? MOST_BUFFER : bytes;
    bytes = bytes < LEAST_BUFFER ? LEAST_BUFFER : bytes;
    if (free_bytes && bytes > free_bytes / 8)
        bytes = free_bytes / 8;
    return (size_t)(bytes / HUGE_PAGE * HUGE_PAGE);
}

/* -- running loops on all workers ----------------------------------------- */

struct slot {
    _Alignas(64) double flops;
    float sink;
    uint64_t word;
};

struct job {
    const struct xl_limit_kernel *kernel;
    xl_limit_flops *flops;
    uint64_t *data; /* [words] */
    size_t words, workers, streams, passes, rounds;
    struct slot *slots; /* [workers] */
    struct xl_pool *pool;
};

static void touch(void *ctx, size_t worker)
{
    struct job *job = ctx;
    struct xl_span s = xl_span_of(job->words, job->workers, worker);
    memset(job->data + s.begin, (int)worker + 1, (s.end - s.begin) * 8);
}

static void flops_work(void *ctx, size_t worker)
{
    struct job *job = ctx;
    struct slot *slot = &job->slots[worker];
    slot->flops = job->flops(job->rounds, &slot->sink);
}

static void read_work(void *ctx, size_t worker)
{
    struct job *job = ctx;
    struct xl_span s = xl_span_of(job->words, job->workers, worker);
    for (size_t i = 0; i < job->passes; i++)
        job->kernel->read(job->data + s.begin, s.end - s.begin, job->streams,
                          &job->slots[worker].word);
}

static double best_ns(struct job *job, xl_pool_work *work)
{
    double best = (double)INFINITY;
    for (int i = 0; i < RUNS; i++) {
        uint64_t start = xl_clock_ns();
        xl_pool_run(job->pool, work, job);
        best = fmin(best, (double)(xl_clock_ns() - start));
    }
    return best;
}

/* Operations per ns are gigaflops a second. */
static double measure_flops(struct job *job, xl_limit_flops *flops)
{
    double total = 0, ns = 0;
    job->flops = flops;
    job->rounds = 10000;
    for (; ns < RUN_NS; job->rounds *= 2) {
        uint64_t start = xl_clock_ns();
        xl_pool_run(job->pool, flops_work, job);
        ns = (double)(xl_clock_ns() - start);
    }
    ns = best_ns(job, flops_work);
    for (size_t i = 0; i < job->workers; i++)
        total += job->slots[i].flops;
    return total / ns;
}

static double measure_read(struct job *job, size_t bytes, size_t passes)
{
    static const size_t streams[] = { 1, 4, 8 };
    double best = (double)INFINITY;
    job->words = bytes / 8;
    job->passes = passes;
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        job->streams = streams[i];
        best = fmin(best, best_ns(job, read_work));
    }
    return (double)bytes * (double)passes / best;
}

/* -- what this processor has ---------------------------------------------- */

static const struct xl_limit_kernel *best_kernel(const struct xl_cpu *cpu)
{
#ifdef XL_X86_VARIANTS
    if (cpu->isa[XL_ISA_AVX512F])
        return &xl_limit_avx512;
    if (cpu->isa[XL_ISA_AVX2] && cpu->isa[XL_ISA_FMA])
        return &xl_limit_avx2;
#endif
    (void)cpu;
    return &xl_limit_generic;
}

static void measure_all(struct xl_limits *limits, struct job *job,
                        const struct xl_cpu *cpu, size_t buffer,
                        uint64_t working_set)
{
    double *value = limits->value;
    xl_pool_run(job->pool, touch, job);
    value[XL_LIMIT_READ] = measure_read(job, buffer, 1);
    if (working_set && cpu->has_l3 && working_set <= cpu->l3_bytes &&
        working_set <= buffer)
        value[XL_LIMIT_READ_L3] = measure_read(
            job, (size_t)working_set, (size_t)(RUN_BYTES / working_set + 1));
    value[XL_LIMIT_FMA] = measure_flops(job, job->kernel->fma);
#ifdef XL_X86_VARIANTS
    if (cpu->isa[XL_ISA_AVX512BF16])
        value[XL_LIMIT_DOT_BF16] = measure_flops(job, xl_limit_dot_bf16);
    if (cpu->isa[XL_ISA_AMX_TILE] && cpu->isa[XL_ISA_AMX_BF16] &&
        xl_limit_tile_ready())
        value[XL_LIMIT_TILE_BF16] = measure_flops(job, xl_limit_tile_bf16);
#endif
}

static void *map_buffer(size_t bytes)
{
    void *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return NULL;
    madvise(data, bytes, MADV_HUGEPAGE); /* where it fails, small pages */
    return data;
}

enum xl_status xl_limits_measure(struct xl_limits *limits,
                                 const struct xl_limits_request *request,
                                 struct xl_err *err)
{
    struct xl_cpu cpu;
    struct xl_memory memory;
    xl_cpu_read(&cpu);
    xl_memory_read(&memory);
    size_t bytes =
        xl_limits_buffer(cpu.has_l3 ? cpu.l3_bytes : 0,
                         memory.has_available ? memory.available_bytes : 0);
    struct job job = { .kernel = best_kernel(&cpu),
                       .words = bytes / 8,
                       .workers = request->workers };
    enum xl_status rc;
    for (size_t i = 0; i < XL_LIMIT_COUNT; i++)
        limits->value[i] = (double)NAN;
    XL_TRY_DONE(
        rc, xl_pool_make(&job.pool,
                         &(struct xl_pool_options){ .width = request->workers },
                         err));
    job.data = map_buffer(bytes);
    job.slots = xl_alloc_zero(job.workers, sizeof *job.slots);
    if (!job.data || !job.slots)
        rc = xl_fail(err, XL_ENOMEM,
                     "out of memory measuring the limits of "
                     "this machine");
    else
        measure_all(limits, &job, &cpu, bytes, request->working_set);
done:
    xl_pool_free(job.pool);
    if (job.data)
        munmap(job.data, bytes);
    xl_free(job.slots);
    return rc;
}

/* -- logs ----------------------------------------------------------------- */

enum xl_status xl_limit_log_measure(struct xl_limit_log *log,
                                    struct xl_err *err)
{
    if (log->n == XL_LIMIT_SAMPLES)
        return XL_OK;
    XL_TRY(xl_limits_measure(&log->samples[log->n], &log->request, err));
    log->n++;
    return XL_OK;
}

struct xl_limits xl_limit_log_best(const struct xl_limit_log *log)
{
    struct xl_limits best;
    for (size_t i = 0; i < XL_LIMIT_COUNT; i++) {
        best.value[i] = (double)NAN;
        for (size_t j = 0; j < log->n; j++) /* fmax passes over a NaN */
            best.value[i] = fmax(best.value[i], log->samples[j].value[i]);
    }
    return best;
}

cJSON *xl_limit_log_json(const struct xl_limit_log *log)
{
    struct xl_limits best = xl_limit_log_best(log);
    cJSON *o = cJSON_CreateObject();
    for (size_t i = 0; i < XL_LIMIT_COUNT; i++)
        xl_json_add_real(o, names[i], best.value[i]);
    cJSON_AddNumberToObject(o, "workers", (double)log->request.workers);
    cJSON *samples = cJSON_AddObjectToObject(o, "samples");
    for (size_t i = 0; i < XL_LIMIT_COUNT; i++) {
        cJSON *list = cJSON_AddArrayToObject(samples, names[i]);
        for (size_t j = 0; j < log->n; j++)
            if (isfinite(log->samples[j].value[i]))
                cJSON_AddItemToArray(
                    list, cJSON_CreateNumber(log->samples[j].value[i]));
    }
    return o;
}
