/* SPDX-License-Identifier: Apache-2.0
 *
 * Integers below n by rejection of the short last interval; normals by the
 * polar method, one value a call so that the state stays four words. */
#include "kernel/base/rng.h"

#include <assert.h>
#include <math.h>

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

void xl_rng_seed(struct xl_rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rng->s[i] = splitmix(&seed);
}

uint64_t xl_rng_next(struct xl_rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t out = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return out;
}

uint64_t xl_rng_below(struct xl_rng *rng, uint64_t n)
{
    assert(n > 0);
    uint64_t short_part = (UINT64_MAX - n + 1) % n; /* 2^64 mod n */
    uint64_t x;
    do {
        x = xl_rng_next(rng);
    } while (x < short_part);
    return x % n;
}

double xl_rng_unit(struct xl_rng *rng)
{
    return (double)(xl_rng_next(rng) >> 11) * 0x1p-53;
}

double xl_rng_normal(struct xl_rng *rng)
{
    double u, v, r2;
    do {
        u = 2.0 * xl_rng_unit(rng) - 1.0;
        v = 2.0 * xl_rng_unit(rng) - 1.0;
        r2 = u * u + v * v;
    } while (r2 >= 1.0 || r2 == 0.0);
    return u * sqrt(-2.0 * log(r2) / r2);
}
