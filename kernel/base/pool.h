/* SPDX-License-Identifier: Apache-2.0
 *
 * A team of threads that run one function together and meet again.
 *
 *     struct xl_pool *pool;
 *     XL_TRY(xl_pool_make(&pool, &(struct xl_pool_options){ .width = 2 },
 * err)); xl_pool_run(pool, work, &job);      // work(&job, 0) and work(&job, 1)
 *     xl_pool_free(pool);
 *
 * The caller is worker 0; width - 1 threads are the others. xl_pool_run
 * returns when all workers have returned, and everything they wrote is then
 * visible to the caller. One thread at a time may call xl_pool_run; a work
 * function must not call it. xl_pool_free joins the threads.
 *
 * Inside a run, work may meet with xl_pool_barrier (all workers or none).
 */
#ifndef XL_POOL_H
#define XL_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"

struct xl_pool;

struct xl_pool_options {
    size_t width;  /* workers including the caller; 0 = usable cores */
    unsigned spin; /* pauses before sleeping; 0 = 2000 */
    bool pin;      /* bind worker i to the i-th usable core */
};

typedef void xl_pool_work(void *ctx, size_t worker);

enum xl_status xl_pool_make(struct xl_pool **pool,
                            const struct xl_pool_options *options,
                            struct xl_err *err);
void xl_pool_free(struct xl_pool *pool);

size_t xl_pool_width(const struct xl_pool *pool);

/* Runs work(ctx, i) for i in 0..width-1, one on each worker. */
void xl_pool_run(struct xl_pool *pool, xl_pool_work *work, void *ctx);

/* What a worker begins with in the step after this one. While it waits it reads
 * `read`, which must outlive the pool; what may not is asked for (prefetch),
 * which gains half as much. */
struct xl_pool_next {
    const void *read, *ask;
    size_t read_bytes, ask_bytes;
};
typedef struct xl_pool_next xl_pool_before(void *ctx, size_t part);

/* Runs work(ctx, part) for part in 0..parts-1 (below 65536), each once: part i
 * on worker i, or what remains of i by the width; returns when all parts
 * are done. The caller does what others have not begun: a worker that the
 * system has taken off its core delays the step by the part it holds at most,
 * and after such a delay the caller does the next steps alone. Parts must not
 * wait for each other. `before`, or NULL, is called by each worker before its
 * first part. Not inside a run, not inside a step. */
void xl_pool_step(struct xl_pool *pool, size_t parts, xl_pool_work *work,
                  xl_pool_before *before, void *ctx);

/* Called by every worker inside a run: none goes on before all are there. */
void xl_pool_barrier(struct xl_pool *pool);

/* The slice of n items that belongs to part `index` of `parts`: sizes differ
 * by one at most, larger ones first, in order. */
struct xl_span {
    size_t begin, end;
};
struct xl_span xl_span_of(size_t n, size_t parts, size_t index);

#endif
