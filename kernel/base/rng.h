/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeded random numbers: xoshiro256** (Blackman and Vigna, 2018), seeded by
 * splitmix64. The same seed gives the same sequence on every machine. A
 * generator is a value: copy it to fork it. Not for secrets.
 */
#ifndef XL_RNG_H
#define XL_RNG_H

#include <stdint.h>

struct xl_rng {
    /* private */
    uint64_t s[4];
};

void xl_rng_seed(struct xl_rng *rng, uint64_t seed);
uint64_t xl_rng_next(struct xl_rng *rng);

/* Uniform on 0..n-1 without bias; n > 0. */
uint64_t xl_rng_below(struct xl_rng *rng, uint64_t n);

/* Uniform on [0, 1) with 53 bits. */
double xl_rng_unit(struct xl_rng *rng);

/* Standard normal. */
double xl_rng_normal(struct xl_rng *rng);

#endif
