/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps of work that belong to workers, taken by whoever is free
 * (work stealing: Blumofe and Leiserson, JACM 46, 1999).
 *
 * Each worker owns a span of the steps and takes pieces of it from the front,
 * in order; when nothing is left it takes pieces from the back of others'.
 * Nobody has to lay the spans out: the first who looks at one finds the number
 * of an earlier round and counts from the whole of it.
 *
 *     struct xl_steal_round round = { spans, .number = ++n, .workers = 2,
 *                                     .steps = 172, .unit = 4 };
 *     struct xl_span piece;
 *     while (xl_steal_take(&round, worker, &piece))
 *         ...
 */
#ifndef XL_STEAL_H
#define XL_STEAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/pool.h"

enum {
    XL_STEAL_MOST = 0xffff /* steps of a round */
};

/* What is left of a worker's steps; zeros to begin with. */
struct xl_steal {
    _Alignas(64) atomic_uint_fast64_t left;
};

struct xl_steal_round {
    struct xl_steal *spans; /* [workers] */
    uint32_t number;        /* above 0, another than the round's before */
    size_t workers, steps;  /* XL_STEAL_MOST at most */
    size_t unit;            /* of pieces, in steps: the last may have fewer */
};

/* The worker's next piece; false when none is left for it. Every step is in one
 * piece of one worker, as long as each worker comes back until it gets false.
 */
bool xl_steal_take(const struct xl_steal_round *round, size_t worker,
                   struct xl_span *piece);

#endif
