/* SPDX-License-Identifier: Apache-2.0
 *
 * Each worker waits at a bell of its own, on a cache line of its own: it
 * spins, and after `spin` pauses (about 10 ns each) sleeps in a futex, so
 * that a busy machine loses no more than that. Who rings makes the wake call
 * only when the worker is asleep. A fork and join of two
 * spinning threads costs about 0.3 us where a condition variable costs 40 us.
 *
 * The parts of a step are tickets: one word holds the step's number, the next
 * part and the number of parts, so that a late worker cannot take a part of a
 * step that is over, and the caller takes what nobody else took. A worker
 * that has lost its core thus delays at most the part it holds; and since a
 * part that is held through a time slice costs more than hundreds of small
 * steps gain, the caller then works alone for a while, twice as long each
 * time. A part counts as held when the caller has waited for it as long as its
 * own share of the step took, and a wake-up on top: parts of a large model
 * take longer than any fixed time, and differ. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_setaffinity_np, syscall */
#endif
#include "kernel/base/pool.h"

#include <assert.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/cpu.h"

enum {
    DEFAULT_SPIN = 2000,
    MAX_WIDTH = 4096
};

/* Waking a worker takes up to some 100 us, losing a core several ms: what is
 * between the two tells one from the other. */
#define PATIENCE_NS ((uint64_t)250 * 1000)

/* How long the caller works alone after a stall: little after the first one,
 * which may be a worker's first waking, and at most a sixth of a second. Ten
 * milliseconds to begin with cost the demo model a third of its decode. */
#define PENALTY_LEAST_NS ((uint64_t)1 * 1000000)
#define PENALTY_MOST_NS  ((uint64_t)160 * 1000000)

/* A counter that threads wait on: spin first, then sleep. */
struct gate {
    _Alignas(64) atomic_uint value;
    atomic_uint sleepers;
};

struct worker {
    struct gate bell; /* rung by the caller: a run or a step has begun */
    struct xl_pool *pool;
    size_t index;
    pthread_t thread;
    bool is_kept_off; /* the worker's: confined by leave_core */
};

struct xl_pool {
    struct gate arrived; /* workers that finished a run, counted up for ever */
    struct gate done;    /* parts of the current step that are finished */
    _Alignas(64) atomic_uint_fast64_t ticket;
    xl_pool_work *step_work; /* of the step; read after a part is taken */
    void *step_ctx;
    atomic_int caller_cpu;  /* where the caller began the step */
    atomic_bool is_crowded; /* a worker found itself on that core */
    uint64_t penalty_ns;    /* the caller's: how long alone after a stall */
    uint64_t alone_until;   /* on xl_clock_ns; 0 = steps are shared */
    uint64_t shared_since;  /* last stall, or last halving of the penalty */
    struct gate meet;       /* generation of the barrier inside a run */
    atomic_uint meeting;    /* workers waiting at the barrier */
    size_t width;
    unsigned spin;
    bool is_pinned;
    cpu_set_t cores;    /* that the process may use */
    atomic_uint runs;   /* number of runs so far; only the caller writes */
    xl_pool_work *work; /* written before runs */
    void *ctx;
    atomic_bool stop;
    struct worker *workers; /* [width]; entry 0 is the caller and unused */
};

static void pause_once(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void futex_wait(atomic_uint *word, unsigned seen)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

/* Only the sleepers count themselves in and out. A waker that cleared the
 * count could clear it for a sleep that began after its own change was seen,
 * and the next waker would find nobody to wake. */
static void gate_wake(struct gate *gate)
{
    if (atomic_load(&gate->sleepers))
        syscall(SYS_futex, &gate->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL,
                NULL, 0);
}

/* Waits until the gate's value differs from seen; returns the new value. */
static unsigned gate_wait(struct gate *gate, unsigned seen, unsigned spin)
{
    for (unsigned i = 0; i < spin; i++) {
        unsigned now = atomic_load_explicit(&gate->value, memory_order_acquire);
        if (now != seen)
            return now;
        pause_once();
    }
    for (;;) {
        atomic_fetch_add(&gate->sleepers, 1);
        if (atomic_load(&gate->value) == seen)
            futex_wait(&gate->value, seen);
        atomic_fetch_sub(&gate->sleepers, 1);
        unsigned now = atomic_load(&gate->value);
        if (now != seen)
            return now;
    }
}

/* Rings the first n of the other workers. */
static void ring(struct xl_pool *pool, size_t n)
{
    for (size_t i = 1; i <= n; i++) {
        atomic_fetch_add(&pool->workers[i].bell.value, 1);
        gate_wake(&pool->workers[i].bell);
    }
}

/* -- steps ---------------------------------------------------------------- */

/* A ticket: number of the step, next part, number of parts. */
enum {
    PART_BITS = 16,
    PART_MASK = (1 << PART_BITS) - 1
};

/* Takes the next part of the current step, if there is one. */
static bool take_part(struct xl_pool *pool, size_t *part)
{
    uint_fast64_t ticket = atomic_load(&pool->ticket);
    for (;;) {
        size_t parts = ticket & PART_MASK;
        *part = ticket >> PART_BITS & PART_MASK;
        if (*part >= parts)
            return false;
        uint_fast64_t next = ticket + ((uint_fast64_t)1 << PART_BITS);
        if (atomic_compare_exchange_weak(&pool->ticket, &ticket, next))
            return true;
    }
}

/* Does parts until none is left; returns how many. */
static unsigned do_parts(struct xl_pool *pool)
{
    unsigned n = 0;
    for (size_t part; take_part(pool, &part); n++)
        pool->step_work(pool->step_ctx, part);
    return n;
}

/* The system likes to wake a worker on the core of who woke it, where the two
 * would only take turns. Keeps the calling worker off that core until the next
 * run; false when it has to stay. */
static bool leave_core(struct worker *self, int core)
{
    const struct xl_pool *pool = self->pool;
    cpu_set_t others = pool->cores;
    if (core < 0 || sched_getcpu() != core)
        return true;
    CPU_CLR(core, &others);
    if (pool->is_pinned || CPU_COUNT(&others) == 0 ||
        sched_setaffinity(0, sizeof others, &others) != 0)
        return false;
    self->is_kept_off = true;
    return true;
}

static void go_anywhere(struct worker *self)
{
    if (self->is_kept_off)
        sched_setaffinity(0, sizeof self->pool->cores, &self->pool->cores);
    self->is_kept_off = false;
}

static void *worker_main(void *arg)
{
    struct worker *self = arg;
    struct xl_pool *pool = self->pool;
    unsigned seen = 0, runs = 0;
    bool is_crowded = false;
    for (;;) {
        seen = gate_wait(&self->bell, seen, is_crowded ? 0 : pool->spin);
        if (atomic_load(&pool->stop))
            return NULL;
        if (atomic_load(&pool->runs) != runs) {
            runs++;
            go_anywhere(self);
            pool->work(pool->ctx, self->index);
            atomic_fetch_add(&pool->arrived.value, 1);
            gate_wake(&pool->arrived);
        }
        is_crowded = !leave_core(self, atomic_load(&pool->caller_cpu));
        if (is_crowded) {
            atomic_store(&pool->is_crowded, true);
            continue;
        }
        unsigned n = do_parts(pool);
        if (n) {
            atomic_fetch_add(&pool->done.value, n);
            gate_wake(&pool->done);
        }
    }
}

/* Binds a thread to the index-th core of the process's own mask. */
static void pin_thread(pthread_t thread, size_t index)
{
    cpu_set_t mine, one;
    if (sched_getaffinity(0, sizeof mine, &mine) != 0)
        return;
    size_t wanted = index % (size_t)CPU_COUNT(&mine);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &mine))
            continue;
        if (wanted-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        pthread_setaffinity_np(thread, sizeof one, &one);
        return;
    }
}

static enum xl_status start_workers(struct xl_pool *pool, bool pin,
                                    struct xl_err *err)
{
    for (size_t i = 1; i < pool->width; i++) {
        struct worker *w = &pool->workers[i];
        *w = (struct worker){ .pool = pool, .index = i };
        int failed = pthread_create(&w->thread, NULL, worker_main, w);
        if (failed) {
            size_t wanted = pool->width;
            pool->width = i; /* free joins only those that started */
            return xl_fail(err, XL_EFAILED,
                           "cannot start worker %zu of %zu: "
                           "%s",
                           i, wanted, strerror(failed));
        }
        if (pin)
            pin_thread(w->thread, i);
    }
    return XL_OK;
}

enum xl_status xl_pool_make(struct xl_pool **out,
                            const struct xl_pool_options *options,
                            struct xl_err *err)
{
    size_t width = options->width ? options->width : xl_cpu_cores();
    *out = NULL;
    if (width > MAX_WIDTH)
        return xl_fail(err, XL_EUSAGE, "%zu workers are more than %d", width,
                       MAX_WIDTH);
    struct xl_pool *pool = xl_alloc_zero(1, sizeof *pool);
    struct worker *workers = xl_alloc_zero(width, sizeof *workers);
    if (!pool || !workers) {
        xl_free(pool);
        xl_free(workers);
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu workers", width);
    }
    pool->width = width;
    pool->workers = workers;
    pool->is_pinned = options->pin;
    if (sched_getaffinity(0, sizeof pool->cores, &pool->cores) != 0)
        CPU_ZERO(&pool->cores);
    atomic_init(&pool->caller_cpu, -1);
    pool->spin = options->spin ? options->spin : DEFAULT_SPIN;
    enum xl_status rc = start_workers(pool, options->pin, err);
    if (rc != XL_OK) {
        xl_pool_free(pool);
        return rc;
    }
    *out = pool;
    return XL_OK;
}

void xl_pool_free(struct xl_pool *pool)
{
    if (!pool)
        return;
    atomic_store(&pool->stop, true);
    ring(pool, pool->width - 1);
    for (size_t i = 1; i < pool->width; i++)
        pthread_join(pool->workers[i].thread, NULL);
    xl_free(pool->workers);
    xl_free(pool);
}

size_t xl_pool_width(const struct xl_pool *pool)
{
    return pool->width;
}

void xl_pool_run(struct xl_pool *pool, xl_pool_work *work, void *ctx)
{
    unsigned others = (unsigned)(pool->width - 1);
    pool->work = work;
    pool->ctx = ctx;
    unsigned runs = atomic_fetch_add(&pool->runs, 1) + 1;
    ring(pool, others);
    work(ctx, 0);
    unsigned all = runs * others; /* wraps as the counter does */
    unsigned now =
        atomic_load_explicit(&pool->arrived.value, memory_order_acquire);
    while (now != all)
        now = gate_wait(&pool->arrived, now, pool->spin);
}

/* A worker held its part, or was woken on the caller's own core and so stopped
 * it: others use the machine. The longer that goes on, the longer the caller
 * does without. */
static void note_stall(struct xl_pool *pool, uint64_t now, bool is_stalled)
{
    if (is_stalled) {
        pool->penalty_ns =
            pool->penalty_ns ? 2 * pool->penalty_ns : PENALTY_LEAST_NS;
        if (pool->penalty_ns > PENALTY_MOST_NS)
            pool->penalty_ns = PENALTY_MOST_NS;
        pool->alone_until = now + pool->penalty_ns;
        pool->shared_since = pool->alone_until;
    } else if (pool->penalty_ns &&
               now - pool->shared_since >= 4 * pool->penalty_ns) {
        pool->penalty_ns /= 2;
        if (pool->penalty_ns < PENALTY_LEAST_NS)
            pool->penalty_ns = 0;
        pool->shared_since = now;
    }
}

/* Spins for the other parts; false when they are held. */
static bool await_parts(struct xl_pool *pool, unsigned wanted, uint64_t began)
{
    enum {
        PAUSES = 64 /* between two looks at the clock */
    };
    uint64_t now = xl_clock_ns();
    uint64_t patience = now + (now - began) + PATIENCE_NS;
    for (;;) {
        for (int i = 0; i < PAUSES; i++) {
            if (atomic_load_explicit(&pool->done.value, memory_order_acquire) ==
                wanted)
                return true;
            pause_once();
        }
        if (xl_clock_ns() >= patience)
            return false;
    }
}

/* The caller has part 0, the others are anybody's. */
static void share_step(struct xl_pool *pool, size_t parts, xl_pool_work *work,
                       void *ctx)
{
    size_t others = pool->width - 1;
    uint_fast64_t last =
        atomic_load_explicit(&pool->ticket, memory_order_relaxed);
    uint_fast64_t number = (last >> 2 * PART_BITS) + 1;
    uint_fast64_t first = (uint_fast64_t)1 << PART_BITS;
    assert(parts <= PART_MASK);
    atomic_store_explicit(&pool->caller_cpu, sched_getcpu(),
                          memory_order_relaxed);
    pool->step_work = work;
    pool->step_ctx = ctx;
    atomic_store_explicit(&pool->done.value, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->ticket,
                          number << 2 * PART_BITS | first | parts,
                          memory_order_release);
    uint64_t began = xl_clock_ns();
    ring(pool, parts - 1 < others ? parts - 1 : others);
    work(ctx, 0);
    unsigned theirs = (unsigned)parts - 1 - do_parts(pool);
    bool is_done = await_parts(pool, theirs, began);
    note_stall(pool, xl_clock_ns(), !is_done);
    unsigned now =
        atomic_load_explicit(&pool->done.value, memory_order_acquire);
    while (now != theirs)
        now = gate_wait(&pool->done, now, 0);
}

void xl_pool_step(struct xl_pool *pool, size_t parts, xl_pool_work *work,
                  void *ctx)
{
    size_t others = pool->width - 1;
    if (parts <= 1 || others == 0) {
        for (size_t part = 0; part < parts; part++)
            work(ctx, part);
        return;
    }
    if (atomic_load_explicit(&pool->is_crowded, memory_order_relaxed)) {
        atomic_store(&pool->is_crowded, false);
        note_stall(pool, xl_clock_ns(), true);
    }
    if (pool->alone_until && xl_clock_ns() >= pool->alone_until)
        pool->alone_until = 0;
    if (pool->alone_until) {
        for (size_t part = 0; part < parts; part++)
            work(ctx, part);
        return;
    }
    share_step(pool, parts, work, ctx);
}

void xl_pool_barrier(struct xl_pool *pool)
{
    unsigned seen = atomic_load(&pool->meet.value);
    unsigned place = atomic_fetch_add(&pool->meeting, 1) + 1;
    if (place == pool->width) {
        atomic_store(&pool->meeting, 0);
        atomic_fetch_add(&pool->meet.value, 1);
        gate_wake(&pool->meet);
        return;
    }
    gate_wait(&pool->meet, seen, pool->spin);
}

struct xl_span xl_span_of(size_t n, size_t parts, size_t index)
{
    size_t base = n / parts, extra = n % parts;
    size_t begin = index * base + (index < extra ? index : extra);
    return (struct xl_span){ begin, begin + base + (index < extra) };
}
