/* SPDX-License-Identifier: Apache-2.0
 *
 * A limit is what is possible, so it is the best of several short runs: a
 * disturbed run is no limit. A probe is held against a speed that is a mean
 * over a second beside it, so it takes the median: where other guests use the
 * same memory, runs of 4 ms spread from 51 to 75 GB/s, and their best is
 * nothing that lasts.
 *
 * Reading is tried with one, four and eight streams a worker over huge pages
 * where the kernel grants them: both are worth 4 to 15 %, and a limit that
 * leaves them out would be beaten by real kernels. It goes round in as many
 * bytes as a token touches, a window a run: what the last-level cache keeps
 * from one round to the next then helps the limit as much as the model. On
 * Zen 5 with 32 MiB of it, going round in 256 MiB is 5 to 8 % faster than in
 * 704. Beyond 1 GiB nothing changes. */
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
#include "kernel/base/minmax.h"
#include "kernel/base/pool.h"
#include "kernel/guard/memory.h"
#include "tuner/measure/limits_kernel.h"
#include "tuner/measure/stats.h"

enum {
    LOG_ROOM = 16, /* of a log's first allocation */
    LEAST_RUNS = 3,
    MOST_RUNS = 32
};
#define MIB         ((size_t)1 << 20)
#define LEAST_ROUND (256 * MIB)
#define MOST_BUFFER (1024 * MIB)
#define HUGE_PAGE   (2 * MIB)
#define RUN_BYTES   (256 * MIB) /* read in one run */
#define RUN_NS                                                                 \
    2000000.0 /* least length of an arithmetic run: short, so                  \
                 that some fall between neighbours' turns */

/* Time for the runs of one limit, and what is made of them. */
struct effort {
    double read_ns, flops_ns;
    bool is_typical; /* their median, else the best */
};
static const struct effort thorough = { 150e6, 30e6, false };
static const struct effort brief = { 30e6, 8e6, true };

static const char *const names[XL_LIMIT_COUNT] = {
#define XL_LIMIT(id, name, unit, what) [XL_LIMIT_##id] = name,
#include "tuner/measure/limit.def"
#undef XL_LIMIT
};

const char *xl_limit_name(enum xl_limit id)
{
    return names[id];
}

size_t xl_limits_buffer(uint64_t free_bytes)
{
    size_t bytes = MOST_BUFFER;
    if (free_bytes)
        bytes = xl_min(bytes, free_bytes / 8);
    return bytes / HUGE_PAGE * HUGE_PAGE;
}

size_t xl_limits_round(uint64_t l3_bytes, uint64_t working_set, size_t buffer)
{
    size_t least = xl_max(4 * l3_bytes, LEAST_ROUND);
    size_t bytes = xl_min(xl_max(working_set, least), buffer);
    return bytes / HUGE_PAGE * HUGE_PAGE;
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
    uint64_t *data;              /* [windows][words] */
    size_t words, windows, turn; /* a run reads the window whose turn it is */
    size_t workers, streams, passes, rounds;
    struct slot *slots; /* [workers] */
    struct xl_pool *pool;
};

struct xl_limit_meter {
    struct xl_cpu cpu;
    size_t bytes, touched; /* of the buffer */
    struct job job;
};

struct touching {
    char *from;
    size_t nbytes, workers;
};

static void touch_work(void *ctx, size_t worker)
{
    const struct touching *t = ctx;
    struct xl_span s = xl_span_of(t->nbytes, t->workers, worker);
    memset(t->from + s.begin, (int)worker + 1, s.end - s.begin);
}

/* The first bytes of the buffer are resident from here on. */
static void touch(struct xl_limit_meter *meter, size_t bytes)
{
    struct touching t = { .from = (char *)meter->job.data + meter->touched,
                          .workers = meter->job.workers };
    if (bytes <= meter->touched)
        return;
    t.nbytes = bytes - meter->touched;
    xl_pool_run(meter->job.pool, touch_work, &t);
    meter->touched = bytes;
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
    const uint64_t *window = job->data + job->turn % job->windows * job->words;
    for (size_t i = 0; i < job->passes; i++)
        job->kernel->read(window + s.begin, s.end - s.begin, job->streams,
                          &job->slots[worker].word);
}

static double run_ns(struct job *job, xl_pool_work *work)
{
    uint64_t start = xl_clock_ns();
    xl_pool_run(job->pool, work, job);
    job->turn++;
    return (double)(xl_clock_ns() - start);
}

static double several_ns(struct job *job, xl_pool_work *work, double budget_ns,
                         bool is_typical)
{
    double ns[MOST_RUNS], best = (double)INFINITY, spent = 0;
    size_t n = 0;
    while (n < LEAST_RUNS || (n < MOST_RUNS && spent < budget_ns)) {
        ns[n] = run_ns(job, work);
        spent += ns[n];
        best = fmin(best, ns[n++]);
    }
    return is_typical ? xl_median(ns, n) : best;
}

/* Operations per ns are gigaflops a second. */
static double measure_flops(struct job *job, xl_limit_flops *flops,
                            const struct effort *effort)
{
    double total = 0;
    job->flops = flops;
    job->rounds = 10000;
    while (run_ns(job, flops_work) < RUN_NS)
        job->rounds *= 2;
    double ns =
        several_ns(job, flops_work, effort->flops_ns, effort->is_typical);
    for (size_t i = 0; i < job->workers; i++)
        total += job->slots[i].flops;
    return total / ns;
}

/* Round in so many bytes, RUN_BYTES or a little less at a time. */
static double measure_read(struct job *job, size_t bytes, size_t passes,
                           const struct effort *effort)
{
    static const size_t streams[] = { 1, 4, 8 };
    const size_t n = sizeof streams / sizeof *streams;
    double best = (double)INFINITY;
    job->windows = (bytes + RUN_BYTES - 1) / RUN_BYTES;
    job->words = bytes / job->windows / 8;
    job->words -= job->windows > 1 ? job->words % 8 : 0; /* whole lines */
    job->passes = passes;
    for (size_t i = 0; i < n; i++) {
        job->streams = streams[i];
        best =
            fmin(best, several_ns(job, read_work, effort->read_ns / (double)n,
                                  effort->is_typical));
    }
    return (double)(8 * job->words) * (double)passes / best;
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

enum xl_limit xl_limit_meter_reading(const struct xl_limit_meter *meter,
                                     uint64_t working_set)
{
    const struct xl_cpu *cpu = &meter->cpu;
    return working_set && cpu->has_l3 && working_set <= cpu->l3_bytes &&
                   working_set <= meter->bytes
               ? XL_LIMIT_READ_L3
               : XL_LIMIT_READ;
}

static void measure_reads(struct xl_limit_meter *meter, uint64_t working_set,
                          unsigned wanted, const struct effort *effort,
                          double *value)
{
    uint64_t l3 = meter->cpu.has_l3 ? meter->cpu.l3_bytes : 0;
    size_t round = xl_limits_round(l3, working_set, meter->bytes);
    if (wanted & (1u << XL_LIMIT_READ | 1u << XL_LIMIT_READ_L3))
        touch(meter, round);
    if (wanted & 1u << XL_LIMIT_READ)
        value[XL_LIMIT_READ] = measure_read(&meter->job, round, 1, effort);
    if (wanted & 1u << XL_LIMIT_READ_L3 &&
        xl_limit_meter_reading(meter, working_set) == XL_LIMIT_READ_L3)
        value[XL_LIMIT_READ_L3] =
            measure_read(&meter->job, (size_t)working_set,
                         (size_t)(RUN_BYTES / working_set + 1), effort);
}

static void measure_peaks(struct xl_limit_meter *meter, unsigned wanted,
                          const struct effort *effort, double *value)
{
    struct job *job = &meter->job;
    if (wanted & 1u << XL_LIMIT_FMA)
        value[XL_LIMIT_FMA] = measure_flops(job, job->kernel->fma, effort);
#ifdef XL_X86_VARIANTS
    const bool *isa = meter->cpu.isa;
    if (wanted & 1u << XL_LIMIT_DOT_BF16 && isa[XL_ISA_AVX512BF16])
        value[XL_LIMIT_DOT_BF16] =
            measure_flops(job, xl_limit_dot_bf16, effort);
    if (wanted & 1u << XL_LIMIT_TILE_BF16 && isa[XL_ISA_AMX_TILE] &&
        isa[XL_ISA_AMX_BF16] && xl_limit_tile_ready())
        value[XL_LIMIT_TILE_BF16] =
            measure_flops(job, xl_limit_tile_bf16, effort);
#endif
}

/* -- meters --------------------------------------------------------------- */

static void *map_buffer(size_t bytes)
{
    void *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return NULL;
    madvise(data, bytes, MADV_HUGEPAGE); /* where it fails, small pages */
    return data;
}

static enum xl_status out_of_memory(struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM,
                   "out of memory measuring the limits of this machine");
}

enum xl_status xl_limit_meter_make(struct xl_limit_meter **meter,
                                   struct xl_err *err)
{
    struct xl_limit_meter *m = xl_alloc_zero(1, sizeof *m);
    uint64_t usable;
    *meter = m;
    if (!m)
        return out_of_memory(err);
    xl_cpu_read(&m->cpu);
    m->bytes = xl_limits_buffer(xl_memory_usable(&usable) ? usable : 0);
    m->job.kernel = best_kernel(&m->cpu);
    m->job.data = map_buffer(m->bytes);
    if (m->job.data)
        return XL_OK;
    xl_limit_meter_free(m);
    *meter = NULL;
    return out_of_memory(err);
}

static void free_team(struct job *job)
{
    xl_pool_free(job->pool);
    xl_free(job->slots);
    job->pool = NULL;
    job->slots = NULL;
    job->workers = 0;
}

void xl_limit_meter_free(struct xl_limit_meter *meter)
{
    if (!meter)
        return;
    free_team(&meter->job);
    if (meter->job.data)
        munmap(meter->job.data, meter->bytes);
    xl_free(meter);
}

size_t xl_limit_meter_bytes(const struct xl_limit_meter *meter)
{
    return meter->touched;
}

static enum xl_status need_team(struct xl_limit_meter *meter, size_t workers,
                                struct xl_err *err)
{
    struct job *job = &meter->job;
    if (job->workers == workers)
        return XL_OK;
    free_team(job);
    XL_TRY(xl_pool_make(&job->pool,
                        &(struct xl_pool_options){ .width = workers }, err));
    job->slots = xl_alloc_zero(workers, sizeof *job->slots);
    if (!job->slots)
        return out_of_memory(err);
    job->workers = workers;
    return XL_OK;
}

static enum xl_status measure(struct xl_limit_meter *meter,
                              const struct xl_limits_request *request,
                              unsigned wanted, const struct effort *effort,
                              struct xl_limits *limits, struct xl_err *err)
{
    XL_TRY(need_team(meter, request->workers, err));
    for (size_t i = 0; i < XL_LIMIT_COUNT; i++)
        limits->value[i] = (double)NAN;
    measure_peaks(meter, wanted, effort, limits->value);
    measure_reads(meter, request->working_set, wanted, effort, limits->value);
    return XL_OK;
}

enum xl_status xl_limit_meter_measure(struct xl_limit_meter *meter,
                                      const struct xl_limits_request *request,
                                      struct xl_limits *limits,
                                      struct xl_err *err)
{
    return measure(meter, request, ~0u, &thorough, limits, err);
}

enum xl_status xl_limit_meter_probe(struct xl_limit_meter *meter,
                                    const struct xl_limits_request *request,
                                    struct xl_limits *limits,
                                    struct xl_err *err)
{
    return measure(meter, request, request->probed, &brief, limits, err);
}

/* -- logs ----------------------------------------------------------------- */

enum xl_status xl_limit_log_add(struct xl_limit_log *log,
                                const struct xl_limits *limits,
                                struct xl_err *err)
{
    size_t size = sizeof *log->samples;
    if (log->n == log->room) {
        size_t room = 2 * log->room + LOG_ROOM;
        struct xl_limits *samples =
            xl_realloc(log->samples, log->n * size, room * size);
        if (!samples)
            return out_of_memory(err);
        log->samples = samples;
        log->room = room;
    }
    log->samples[log->n++] = *limits;
    return XL_OK;
}

void xl_limit_log_release(struct xl_limit_log *log)
{
    xl_free(log->samples);
    *log = (struct xl_limit_log){ 0 };
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
