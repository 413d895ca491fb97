/* SPDX-License-Identifier: Apache-2.0
 *
 * Each worker waits at a bell of its own, on a cache line of its own: it
 * spins, and after `spin` pauses (about 10 ns each) sleeps in a futex, so
 * that a busy machine loses no more than that. Who rings makes the wake call
 * only when the worker is asleep. A fork and join of two
 * spinning threads costs about 0.3 us where a condition variable costs 40 us.
 *
 * A word that goes from one core to another takes 0.1 to 0.5 us, and locked
 * operations on one line wait for each other. So each worker has three lines:
 * what the caller tells it, all in one; who takes its part of a step; and how
 * far it has got, which the caller polls. No line is written by two workers.
 *
 * Worker i has part i of a step: what it reads again in the next step is in
 * its cache. A part is taken by setting a claim to the step's number, so that
 * a late worker cannot take a part of a step that is over, and the caller
 * takes what nobody else took, after a moment's grace. A worker
 * that has lost its core thus delays at most the part it holds; and since a
 * part that is held through a time slice costs more than hundreds of small
 * steps gain, the caller then works alone for a while, twice as long each
 * time. A part counts as held when the caller has waited for it as long as its
 * own share of the step took, and a wake-up on top: parts of a large model
 * take longer than any fixed time, and differ.
 *
 * A worker that waits may read what it will read first in the next step: real
 * reads, since the processor's own prefetch follows them alone. */
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
    LINE = 64,
    LINES = 4, /* read between two looks at who is waited for */
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
    atomic_uint value;
    atomic_uint sleepers;
};

/* What a worker has finished, by number. */
enum mark {
    MARK_RUN,
    MARK_STEP,
    MARKS
};

struct worker {
    _Alignas(64) struct gate bell; /* rung by the caller */
    atomic_uint runs;              /* number of runs so far */
    atomic_int caller_cpu;         /* where the caller began the step */
    atomic_uint_fast64_t ticket;   /* the step's number, and its parts */
    xl_pool_work *run_work;        /* written before runs */
    void *run_ctx;
    xl_pool_work *step_work; /* written before ticket, read by who claimed */
    xl_pool_before *step_before;
    void *step_ctx;
    _Alignas(64) atomic_uint claim;       /* last step that has a taker */
    _Alignas(64) atomic_uint mark[MARKS]; /* written by who did it */
    _Alignas(64) struct xl_pool *pool;
    size_t index;
    struct xl_pool_next next; /* the worker's: what is left to read */
    pthread_t thread;
    bool is_kept_off; /* the worker's: confined by leave_core */
};

struct xl_pool {
    _Alignas(64) struct gate marked;  /* counted up for a caller that sleeps */
    _Alignas(64) struct gate meet;    /* generation of the barrier in a run */
    _Alignas(64) atomic_uint meeting; /* workers waiting at the barrier */
    _Alignas(64) atomic_bool is_crowded; /* a worker shares the caller's core */
    unsigned runs, steps;                /* the caller's: numbers given */
    uint64_t penalty_ns;   /* the caller's: how long alone after a stall */
    uint64_t alone_until;  /* on xl_clock_ns; 0 = steps are shared */
    uint64_t shared_since; /* last stall, or last halving of the penalty */
    _Alignas(64) size_t width;
    unsigned spin;
    bool is_pinned;
    cpu_set_t cores; /* that the process may use */
    atomic_bool stop;
    struct worker *workers; /* [width]; entry 0 is the caller */
};

static void pause_once(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Some lines of what is next; a pause when nothing is left. */
static void read_on(struct xl_pool_next *next)
{
    const char *ask = next->ask, *read = next->read;
    size_t n = 0;
    for (; n < LINES && next->ask_bytes > 0; n++, ask += LINE) {
        __builtin_prefetch(ask);
        next->ask_bytes -= next->ask_bytes < LINE ? next->ask_bytes : LINE;
    }
    for (; n < LINES && next->read_bytes > 0; n++, read += LINE) {
        (void)*(const volatile char *)read;
        next->read_bytes -= next->read_bytes < LINE ? next->read_bytes : LINE;
    }
    next->ask = ask;
    next->read = read;
    if (n == 0)
        pause_once();
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
static unsigned gate_wait(struct gate *gate, unsigned seen, unsigned spin,
                          struct xl_pool_next *next)
{
    for (unsigned i = 0; i < spin; i++) {
        unsigned now = atomic_load_explicit(&gate->value, memory_order_acquire);
        if (now != seen)
            return now;
        read_on(next);
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

/* What is stored before is seen before what is loaded after. The thread
 * sanitizer knows no fences; it takes the order from the gate's own words. */
static void settle(void)
{
#if defined(__x86_64__)
    __asm__ volatile("mfence" : : : "memory");
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* Rings right behind what else is told in that line, lest the worker takes it
 * away in between. A plain store, since nobody else writes there: those for
 * all workers are under way together. */
static void ring(struct worker *w)
{
    atomic_uint *value = &w->bell.value;
    unsigned next = atomic_load_explicit(value, memory_order_relaxed) + 1;
    atomic_store_explicit(value, next, memory_order_release);
}

/* Wakes those of workers 1..n that were asleep when they were rung. */
static void wake(struct xl_pool *pool, size_t n)
{
    settle();
    for (size_t i = 1; i < n; i++)
        gate_wake(&pool->workers[i].bell);
}

/* -- marks ---------------------------------------------------------------- */

/* Worker i has finished run or step `number`. */
static void set_mark(struct worker *w, enum mark which, unsigned number)
{
    struct gate *marked = &w->pool->marked;
    atomic_store(&w->mark[which], number);
    if (!atomic_load(&marked->sleepers))
        return;
    atomic_fetch_add(&marked->value, 1);
    gate_wake(marked);
}

/* The first of workers from..n that is not there yet, or n. */
static size_t find_late(const struct xl_pool *pool, size_t from, size_t n,
                        enum mark which, unsigned number)
{
    for (; from < n; from++)
        if (atomic_load_explicit(&pool->workers[from].mark[which],
                                 memory_order_acquire) != number)
            break;
    return from;
}

/* Spins until workers 1..n are there; returns the first that is not. */
static size_t spin_marks(struct xl_pool *pool, size_t from, size_t n,
                         enum mark which, unsigned number, unsigned spin)
{
    from = find_late(pool, from, n, which, number);
    for (unsigned i = 0; i < spin && from < n; i++) {
        read_on(&pool->workers[0].next);
        from = find_late(pool, from, n, which, number);
    }
    return from;
}

/* The same without an end: sleeps. */
static void await_marks(struct xl_pool *pool, size_t n, enum mark which,
                        unsigned number)
{
    struct gate *marked = &pool->marked;
    for (size_t from = 1; from < n;) {
        unsigned seen = atomic_load(&marked->value);
        atomic_fetch_add(&marked->sleepers, 1);
        from = find_late(pool, from, n, which, number);
        if (from < n)
            futex_wait(&marked->value, seen);
        atomic_fetch_sub(&marked->sleepers, 1);
    }
}

/* -- steps ---------------------------------------------------------------- */

/* A ticket: number of the step, number of parts. */
enum {
    PART_BITS = 16,
    PART_MASK = (1 << PART_BITS) - 1
};

/* Takes the parts of worker w in a step, if nobody has; an old step never. */
static bool claim(struct worker *w, unsigned number)
{
    unsigned last = atomic_load_explicit(&w->claim, memory_order_relaxed);
    return (int)(number - last) > 0 &&
           atomic_compare_exchange_strong(&w->claim, &last, number);
}

/* The parts of worker w: every width-th. */
static void do_parts(struct worker *w, xl_pool_work *work, void *ctx,
                     size_t parts)
{
    for (size_t part = w->index; part < parts; part += w->pool->width)
        work(ctx, part);
}

static struct xl_pool_next next_of(xl_pool_before *before, void *ctx,
                                   size_t part)
{
    return before ? before(ctx, part) : (struct xl_pool_next){ 0 };
}

/* The worker's own parts of the step it is told of. */
static void join_step(struct worker *self)
{
    uint_fast64_t ticket = atomic_load(&self->ticket);
    unsigned number = (unsigned)(ticket >> PART_BITS);
    if (!claim(self, number))
        return;
    self->next = next_of(self->step_before, self->step_ctx, self->index);
    do_parts(self, self->step_work, self->step_ctx, ticket & PART_MASK);
    set_mark(self, MARK_STEP, number);
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
        seen = gate_wait(&self->bell, seen, is_crowded ? 0 : pool->spin,
                         &self->next);
        if (atomic_load(&pool->stop))
            return NULL;
        if (atomic_load(&self->runs) != runs) {
            runs++;
            go_anywhere(self);
            self->run_work(self->run_ctx, self->index);
            set_mark(self, MARK_RUN, runs);
        }
        is_crowded = !leave_core(self, atomic_load(&self->caller_cpu));
        if (is_crowded)
            atomic_store(&pool->is_crowded, true);
        else
            join_step(self);
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
    for (size_t i = 0; i < pool->width; i++) {
        pool->workers[i].pool = pool;
        pool->workers[i].index = i;
    }
    for (size_t i = 1; i < pool->width; i++) {
        struct worker *w = &pool->workers[i];
        atomic_init(&w->caller_cpu, -1);
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
    for (size_t i = 1; i < pool->width; i++)
        ring(&pool->workers[i]);
    wake(pool, pool->width);
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
    unsigned number = ++pool->runs;
    for (size_t i = 1; i < pool->width; i++) {
        struct worker *w = &pool->workers[i];
        w->run_work = work;
        w->run_ctx = ctx;
        atomic_store_explicit(&w->runs, number, memory_order_release);
        ring(w);
    }
    wake(pool, pool->width);
    work(ctx, 0);
    if (spin_marks(pool, 1, pool->width, MARK_RUN, number, pool->spin) <
        pool->width)
        await_marks(pool, pool->width, MARK_RUN, number);
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

/* Spins for the others' parts; false when they are held. */
static bool await_parts(struct xl_pool *pool, size_t n, unsigned number,
                        uint64_t began)
{
    enum {
        PAUSES = 64 /* between two looks at the clock */
    };
    uint64_t now = xl_clock_ns();
    uint64_t patience = now + (now - began) + PATIENCE_NS;
    size_t from = 1;
    do {
        from = spin_marks(pool, from, n, MARK_STEP, number, PAUSES);
    } while (from < n && xl_clock_ns() < patience);
    return from == n;
}

struct step {
    xl_pool_work *work;
    xl_pool_before *before;
    void *ctx;
    size_t parts;
};

/* Tells the workers 1..n of a step. */
static void call_step(struct xl_pool *pool, size_t n, uint_fast64_t ticket,
                      const struct step *step)
{
    int cpu = sched_getcpu();
    for (size_t i = 1; i < n; i++) {
        struct worker *w = &pool->workers[i];
        w->step_work = step->work;
        w->step_before = step->before;
        w->step_ctx = step->ctx;
        atomic_store_explicit(&w->caller_cpu, cpu, memory_order_relaxed);
        atomic_store_explicit(&w->ticket, ticket, memory_order_release);
        ring(w);
    }
    wake(pool, n);
}

/* What nobody else has begun is the caller's. Until the grace is over it looks
 * at no claim: a look takes the line away from the worker. */
static void help(struct xl_pool *pool, size_t n, unsigned number,
                 const struct step *step)
{
    enum {
        GRACE = 40 /* pauses: 0.4 us to 2 us */
    };
    size_t from = spin_marks(pool, 1, n, MARK_STEP, number, GRACE);
    for (; from < n; from++) {
        struct worker *w = &pool->workers[from];
        if (find_late(pool, from, from + 1, MARK_STEP, number) > from ||
            !claim(w, number))
            continue;
        do_parts(w, step->work, step->ctx, step->parts);
        atomic_store(&w->mark[MARK_STEP], number);
    }
}

static void share_step(struct xl_pool *pool, const struct step *step)
{
    size_t parts = step->parts;
    size_t n = parts < pool->width ? parts : pool->width;
    struct worker *self = &pool->workers[0];
    unsigned number = ++pool->steps;
    assert(parts <= PART_MASK);
    uint64_t began = xl_clock_ns();
    call_step(pool, n, (uint_fast64_t)number << PART_BITS | parts, step);
    self->next = next_of(step->before, step->ctx, 0);
    do_parts(self, step->work, step->ctx, parts);
    help(pool, n, number, step);
    bool is_done = await_parts(pool, n, number, began);
    note_stall(pool, xl_clock_ns(), !is_done);
    if (!is_done)
        await_marks(pool, n, MARK_STEP, number);
}

void xl_pool_step(struct xl_pool *pool, size_t parts, xl_pool_work *work,
                  xl_pool_before *before, void *ctx)
{
    bool is_alone = parts <= 1 || pool->width == 1;
    bool is_crowded = !is_alone && atomic_load_explicit(&pool->is_crowded,
                                                        memory_order_relaxed);
    if (is_crowded) {
        atomic_store(&pool->is_crowded, false);
        note_stall(pool, xl_clock_ns(), true);
    }
    if (pool->alone_until && xl_clock_ns() >= pool->alone_until)
        pool->alone_until = 0;
    if (!is_alone && !pool->alone_until) {
        share_step(pool, &(struct step){ work, before, ctx, parts });
        return;
    }
    for (size_t part = 0; part < parts; part++)
        work(ctx, part);
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
    gate_wait(&pool->meet, seen, pool->spin, &(struct xl_pool_next){ 0 });
}

struct xl_span xl_span_of(size_t n, size_t parts, size_t index)
{
    size_t base = n / parts, extra = n % parts;
    size_t begin = index * base + (index < extra ? index : extra);
    return (struct xl_span){ begin, begin + base + (index < extra) };
}
