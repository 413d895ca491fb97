/* SPDX-License-Identifier: Apache-2.0
 *
 * What trials cost apart from measuring: searches over the real store with
 * trials that take no time, several processes on one store, asks of a
 * strategy, and a store of very many trials.
 *
 *     struct xl_overhead cost;
 *     XL_TRY(xl_overhead_trials(&cost, &(struct xl_overhead_job){
 *         .dir = dir, .mode = "random", .trials = 10000, .samples = 7 }, err));
 *     printf("%.0f trials a second\n", cost.n / cost.wall_s);
 *
 * Stores are made in dir and removed again.
 */
#ifndef XL_OVERHEAD_H
#define XL_OVERHEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"

struct xl_overhead {
    size_t n; /* trials or asks */
    double wall_s, cpu_s;
    double slowest_ms; /* of a single one, where each is timed; processor */
};

struct xl_overhead_job {
    const char *dir;
    const char *mode; /* strategy */
    size_t trials, samples;
    bool sync_full;
};

/* A search in one process: each trial is proposed and claimed in one
 * transaction and gets samples and result in another. */
enum xl_status xl_overhead_trials(struct xl_overhead *cost,
                                  const struct xl_overhead_job *job,
                                  struct xl_err *err);

/* The same trials from a queue, by so many processes at once; a process that
 * cannot go on is an error. Wall time only. */
enum xl_status xl_overhead_processes(struct xl_overhead *cost,
                                     const struct xl_overhead_job *job,
                                     size_t processes, struct xl_err *err);

/* Asks number from..to of a search over 18,000 members, each timed. */
enum xl_status xl_overhead_asks(struct xl_overhead *cost, const char *mode,
                                size_t from, size_t to, struct xl_err *err);

/* What a store of so many trials answers, in seconds. Resume: open it, take
 * up the sweep, take back what the dead held, count states, claim the next
 * trial. */
struct xl_overhead_large {
    struct xl_overhead fill;
    double best_s, front_s, resume_s;
    size_t n_best, n_front;
};
enum xl_status xl_overhead_large(struct xl_overhead_large *large,
                                 const char *dir, size_t trials,
                                 struct xl_err *err);

#endif
