/* SPDX-License-Identifier: Apache-2.0
 *
 * Means of correlated values with honest error bars.
 *
 * Losses of neighbouring tokens are correlated, so the usual error of a mean
 * is too small by a factor of about two. Here neighbours form blocks, and the
 * spread of the blocks' sums gives the error. Pure functions.
 *
 * One-sided bounds hold with probability 1 - level: 0.05 for one look at the
 * text, less when a verdict may be given at several (xl_interval_level).
 */
#ifndef XL_INTERVAL_H
#define XL_INTERVAL_H

#include <stddef.h>

#include "judge/scores.h"

/* A block length in tokens for n values: 512 where that leaves 20 blocks,
 * else the largest power of two that does, at least 16. */
size_t xl_block_auto(size_t n);

/* The level of each of several looks that together err in 5 %. */
double xl_interval_level(size_t looks);

/* Sum of x over sum of weight (NULL: all 1), with its error from blocks of
 * `block` neighbours. Needs 2 blocks for an interval. */
struct xl_score xl_block_ratio(const double *x, const double *weight, size_t n,
                               size_t block, double level);

/* The mean of x [n] in its last quarter less that in its first. */
struct xl_score xl_block_rise(const double *x, size_t n, double level);

/* Share of ones in hits [n], interval after Wilson with the number of values
 * divided by what blocks say about their correlation. */
struct xl_score xl_block_share(const double *hits, size_t n, size_t block,
                               double level);

#endif
