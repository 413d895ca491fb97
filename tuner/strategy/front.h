/* SPDX-License-Identifier: Apache-2.0
 *
 * Several objectives at once: domination, fronts, crowding, hypervolume. All
 * values are better when larger. Points are rows of XL_STRATEGY_VALUES
 * doubles, of which the first m count.
 */
#ifndef XL_FRONT_H
#define XL_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "tuner/strategy/strategy.h"

/* At least as good in all, better in one. */
bool xl_front_dominates(const double *a, const double *b, size_t m);

/* rank[i] = 0 for points that none dominates, 1 for those that only points of
 * rank 0 dominate, and so on. O(n^2 m) a front. */
void xl_front_rank(const double (*points)[XL_STRATEGY_VALUES], size_t n,
                   size_t m, uint32_t *rank);

/* Crowding distance of each point among those of its rank, INFINITY at the
 * ends of a front. order: [n] scratch. */
void xl_front_crowd(const double (*points)[XL_STRATEGY_VALUES], size_t n,
                    size_t m, const uint32_t *rank, uint32_t *order,
                    double *crowd);

/* The volume dominated by the points and better than reference, exactly.
 * Points that are not better in every value add nothing. XL_ENOMEM only. */
enum xl_status xl_front_volume(const double (*points)[XL_STRATEGY_VALUES],
                               size_t n, size_t m, const double *reference,
                               double *volume, struct xl_err *err);

#endif
