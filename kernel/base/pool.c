/* SPDX-License-Identifier: Apache-2.0
 *
 * Generation barrier: the caller bumps `generation`, workers that spin see it
 * at once, workers that sleep in a futex are woken. A fork and join of two
 * spinning threads costs about 0.3 us where a condition variable costs 40 us;
 * after `spin` pauses (about 10 ns each) a worker sleeps, so that a busy
 * machine loses no more than that. Sleepers are counted, and the wake call is
 * made only when there are some. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_setaffinity_np, syscall */
#endif
#include "kernel/base/pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/cpu.h"

enum {
    DEFAULT_SPIN = 2000,
    MAX_WIDTH = 4096
};

/* A counter that threads wait on: spin first, then sleep. */
struct gate {
    _Alignas(64) atomic_uint value;
    atomic_uint sleepers;
};

struct worker {
    struct xl_pool *pool;
    size_t index;
    pthread_t thread;
};

struct xl_pool {
    struct gate start;   /* generation of the current run */
    struct gate arrived; /* workers that finished it, counted up for ever */
    struct gate meet;    /* generation of the barrier inside a run */
    atomic_uint meeting; /* workers waiting at the barrier */
    size_t width;
    unsigned spin;
    unsigned runs;      /* the caller's: number of runs so far */
    xl_pool_work *work; /* written before start is bumped */
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

static void *worker_main(void *arg)
{
    struct worker *self = arg;
    struct xl_pool *pool = self->pool;
    unsigned seen = 0;
    for (;;) {
        seen = gate_wait(&pool->start, seen, pool->spin);
        if (atomic_load(&pool->stop))
            return NULL;
        pool->work(pool->ctx, self->index);
        atomic_fetch_add(&pool->arrived.value, 1);
        gate_wake(&pool->arrived);
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
    atomic_fetch_add(&pool->start.value, 1);
    gate_wake(&pool->start);
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
    pool->runs++;
    atomic_fetch_add(&pool->start.value, 1);
    gate_wake(&pool->start);
    work(ctx, 0);
    unsigned all = pool->runs * others; /* wraps as the counter does */
    unsigned now =
        atomic_load_explicit(&pool->arrived.value, memory_order_acquire);
    while (now != all)
        now = gate_wait(&pool->arrived, now, pool->spin);
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
