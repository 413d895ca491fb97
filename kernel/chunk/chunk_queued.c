/* SPDX-License-Identifier: Apache-2.0
 *
 * (chunk x band) tasks in `streams` queues. A band belongs to one queue and
 * offers one task at a time, its next chunk, so its order is kept. A worker
 * takes from the queue of its own number first and then from the others. A
 * band's word is its next chunk, or BUSY while a worker has it: taking is one
 * compare and swap, giving back one store, and no lock is held in between.
 *
 * Which worker computes a task changes no bit: a task reads only its band's
 * state, which the word's acquire and release hand over. */
#include "kernel/chunk/chunk.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "kernel/chunk/chunk_int.h"

static const size_t BUSY = (size_t)-1;

/* One band's place in its queue. */
struct slot {
    _Alignas(64) atomic_size_t next; /* chunk that is ready, or BUSY */
};

struct counters {
    _Alignas(64) atomic_size_t unfinished; /* bands */
    _Alignas(64) atomic_size_t active;     /* workers */
};

struct run {
    const struct xl_chunk_spec *spec;
    const struct xl_chunk_job *job;
    size_t n_chunks;
    struct counters *counters;
    struct slot *slots; /* [n_bands]; band b lies in queue b % streams */
    char *cells;        /* [workers] cell scratch */
};

struct task {
    size_t band, chunk;
};

static size_t scratch_bytes(const struct xl_chunk_spec *spec)
{
    return sizeof(struct counters) + spec->n_bands * sizeof(struct slot) +
           xl_pool_width(spec->pool) * xl_chunk_cell_bytes(spec);
}

static bool take_band(const struct run *run, size_t band, struct task *task)
{
    atomic_size_t *next = &run->slots[band].next;
    size_t chunk = atomic_load_explicit(next, memory_order_relaxed);
    if (chunk == BUSY || chunk >= run->n_chunks)
        return false;
    *task = (struct task){ band, chunk };
    return atomic_compare_exchange_strong_explicit(
        next, &chunk, BUSY, memory_order_acquire, memory_order_relaxed);
}

/* A ready task, from queue `home` if it has one. */
static bool take_task(const struct run *run, size_t home, struct task *task)
{
    size_t streams = run->spec->streams;
    for (size_t i = 0; i < streams; i++) {
        size_t queue = (home + i) % streams;
        for (size_t band = queue; band < run->spec->n_bands; band += streams)
            if (take_band(run, band, task))
                return true;
    }
    return false;
}

static void run_task(const struct run *run, const struct task *task,
                     float *scratch)
{
    const struct xl_chunk_spec *spec = run->spec;
    struct xl_span tokens = xl_chunk_tokens(spec, run->job, task->chunk);
    struct xl_span heads =
        xl_span_of(spec->shape.heads, spec->n_bands, task->band);
    for (size_t head = heads.begin; head < heads.end; head++) {
        struct xl_mlstm_state state = xl_chunk_state(spec, run->job, head);
        xl_chunk_advance(spec, run->job, head, tokens, &state, scratch);
    }
    if (task->chunk + 1 == run->n_chunks)
        atomic_fetch_sub(&run->counters->unfinished, 1);
    atomic_store_explicit(&run->slots[task->band].next, task->chunk + 1,
                          memory_order_release);
}

/* A worker that finds nothing leaves when there are fewer bands than workers:
 * each unfinished band has a worker then, and always will. */
static bool may_leave(const struct run *run)
{
    size_t active = atomic_load(&run->counters->active);
    while (atomic_load(&run->counters->unfinished) < active)
        if (atomic_compare_exchange_weak(&run->counters->active, &active,
                                         active - 1))
            return true;
    return false;
}

static void work(void *ctx, size_t worker)
{
    const struct run *run = ctx;
    const struct xl_chunk_spec *spec = run->spec;
    size_t home = worker % spec->streams;
    struct task task;
    float *scratch =
        (float *)(void *)(run->cells + worker * xl_chunk_cell_bytes(spec));
    for (;;) {
        if (take_task(run, home, &task))
            run_task(run, &task, scratch);
        else if (may_leave(run))
            return;
    }
}

static void run_job(const struct xl_chunk_spec *spec,
                    const struct xl_chunk_job *job, void *scratch)
{
    struct run run = { .spec = spec, .job = job };
    run.n_chunks = xl_chunk_count(spec, job);
    if (run.n_chunks == 0)
        return;
    run.counters = scratch;
    run.slots = (struct slot *)(run.counters + 1);
    run.cells = (char *)(run.slots + spec->n_bands);
    atomic_init(&run.counters->unfinished, spec->n_bands);
    atomic_init(&run.counters->active, xl_pool_width(spec->pool));
    for (size_t band = 0; band < spec->n_bands; band++)
        atomic_init(&run.slots[band].next, 0);
    xl_pool_run(spec->pool, work, &run);
}

const struct xl_chunk_backend xl_chunk_queued = {
    .name = "queued",
    .knobs = XL_KNOB_CHUNK | XL_KNOB_BAND | XL_KNOB_WORKERS | XL_KNOB_STREAMS |
             XL_KNOB_TILES,
    .scratch_bytes = scratch_bytes,
    .run = run_job,
};
