/* SPDX-License-Identifier: Apache-2.0 */
#include "plots/share.h"

#include <math.h>
#include <stdlib.h>

#include "kernel/base/order.h"
#include "kernel/base/rng.h"

enum {
    DRAWS = 200,
    MOST_TRIALS = 2000,
    LEAST_TRIALS = 8,
    VALUES = XL_TUNABLE_VALUES + 1, /* the last: not read */
    LO_DRAW = 5,                    /* of 200: 2.5% */
    HI_DRAW = 194
};

/* The trials that count: their logarithm, and for each draw which ones. */
struct pool {
    size_t *entries; /* [n] */
    double *log;     /* [n] */
    size_t *picked;  /* [n] places in the pool */
    size_t n;
};

static void fill_pool(struct pool *pool, const struct xl_record *record)
{
    size_t found = 0, step;
    for (size_t i = 0; i < record->n_entries; i++)
        found += record->entries[i].score > 0;
    step = (found + MOST_TRIALS - 1) / MOST_TRIALS;
    found = 0;
    for (size_t i = 0; i < record->n_entries; i++) {
        if (!(record->entries[i].score > 0) || found++ % step)
            continue;
        pool->entries[pool->n] = i;
        pool->log[pool->n] = log(record->entries[i].score);
        pool->picked[pool->n] = pool->n;
        pool->n++;
    }
}

/* Epsilon squared of the picked trials grouped by one tunable. */
static double share_of(const struct pool *pool, const struct xl_tunable *by)
{
    double sum[VALUES] = { 0 }, total = 0, between = 0, all = 0;
    size_t count[VALUES] = { 0 }, groups = 0;
    for (size_t i = 0; i < pool->n; i++) {
        size_t at = pool->picked[i];
        int value = by->value_of[pool->entries[at]];
        size_t group = value < 0 ? VALUES - 1 : (size_t)value;
        sum[group] += pool->log[at];
        count[group]++;
        total += pool->log[at];
    }
    double mean = total / (double)pool->n;
    for (size_t g = 0; g < VALUES; g++) {
        if (count[g] == 0)
            continue;
        double away = sum[g] / (double)count[g] - mean;
        between += away * away * (double)count[g];
        groups++;
    }
    for (size_t i = 0; i < pool->n; i++) {
        double away = pool->log[pool->picked[i]] - mean;
        all += away * away;
    }
    if (!(all > 0) || pool->n <= groups)
        return 0;
    double within = (all - between) / (double)(pool->n - groups);
    return fmax(0, (between - (double)(groups - 1) * within) / all);
}

static struct xl_share bootstrap(struct pool *pool, const struct xl_tunable *by)
{
    struct xl_rng rng;
    double draws[DRAWS];
    xl_rng_seed(&rng, 1337);
    for (size_t i = 0; i < pool->n; i++)
        pool->picked[i] = i;
    struct xl_share out = { .share = share_of(pool, by) };
    for (size_t d = 0; d < DRAWS; d++) {
        for (size_t i = 0; i < pool->n; i++)
            pool->picked[i] = xl_rng_below(&rng, pool->n);
        draws[d] = share_of(pool, by);
    }
    qsort(draws, DRAWS, sizeof *draws, xl_order_reals);
    out.lo = fmin(draws[LO_DRAW], out.share);
    out.hi = fmax(draws[HI_DRAW], out.share);
    return out;
}

enum xl_status xl_shares_of(struct xl_share *shares, size_t *n,
                            const struct xl_record *record,
                            const struct xl_tunables *list,
                            struct xl_arena *arena, struct xl_err *err)
{
    size_t room = 2 * MOST_TRIALS + 1;
    struct pool pool = {
        .entries = xl_arena_zero(arena, room, sizeof *pool.entries),
        .log = xl_arena_zero(arena, room, sizeof *pool.log),
        .picked = xl_arena_zero(arena, room, sizeof *pool.picked),
    };
    if (!pool.entries || !pool.log || !pool.picked)
        return xl_fail(err, XL_ENOMEM, "out of memory for shares");
    fill_pool(&pool, record);
    *n = pool.n < LEAST_TRIALS ? 0 : pool.n;
    for (size_t i = 0; i < list->n; i++) {
        struct xl_share none = { (double)NAN, (double)NAN, (double)NAN };
        shares[i] = *n ? bootstrap(&pool, &list->items[i]) : none;
    }
    return XL_OK;
}

void xl_shares_rank(const struct xl_share *shares, size_t n, size_t *order)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        for (; at > 0 && shares[order[at - 1]].share < shares[i].share; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}
