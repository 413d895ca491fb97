/* SPDX-License-Identifier: Apache-2.0
 *
 * Members are held in one of four ways: not at all (no rules: every code is a
 * member), as one bit a point with counts of the bits before each block, as a
 * sorted list of codes, or, for spaces too large to walk, as the rules alone.
 * Rank and select on the bits make a uniform draw one random number, so that
 * nothing is rejected and nothing of the space's size is copied. */
#include "tuner/space/space.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/order.h"

enum {
    WALK = 1 << 24,  /* largest product that is walked when made */
    BLOCK_WORDS = 8, /* words of bits between two counts */
    TRIES = 1 << 20,
    ESTIMATE_DRAWS = 1 << 16,
};

enum hold {
    HOLD_ALL,
    HOLD_BITS,
    HOLD_LIST,
    HOLD_RULES
};

struct xl_space {
    struct xl_dim dims[XL_SPACE_DIMS];
    uint64_t stride[XL_SPACE_DIMS];
    size_t n_dims;
    struct xl_space_rules rules;
    enum hold hold;
    uint64_t raw, count;
    uint64_t *bits;   /* [raw / 64 + 1] of BITS; members in order of LIST */
    uint32_t *before; /* [blocks] of BITS: members before the block */
};

static unsigned bit_count(uint64_t x)
{
    x -= (x >> 1) & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)((x * 0x0101010101010101u) >> 56);
}

size_t xl_space_n_dims(const struct xl_space *space)
{
    return space->n_dims;
}

const struct xl_dim *xl_space_dim(const struct xl_space *space, size_t dim)
{
    assert(dim < space->n_dims);
    return &space->dims[dim];
}

uint64_t xl_space_raw(const struct xl_space *space)
{
    return space->raw;
}

uint64_t xl_space_count(const struct xl_space *space)
{
    return space->count;
}

bool xl_space_is_counted(const struct xl_space *space)
{
    return space->hold != HOLD_RULES;
}

uint64_t xl_space_code(const struct xl_space *space, const uint32_t *point)
{
    uint64_t code = 0;
    for (size_t d = 0; d < space->n_dims; d++) {
        assert(point[d] < space->dims[d].n);
        code += space->stride[d] * point[d];
    }
    return code;
}

void xl_space_decode(const struct xl_space *space, uint64_t code,
                     uint32_t *point)
{
    assert(code < space->raw);
    for (size_t d = 0; d < space->n_dims; d++) {
        point[d] = (uint32_t)(code / space->stride[d]);
        code %= space->stride[d];
    }
}

/* -- membership ----------------------------------------------------------- */

static bool rules_allow(const struct xl_space *space, const uint32_t *point)
{
    const struct xl_space_rules *rules = &space->rules;
    uint32_t same[XL_SPACE_DIMS];
    if (rules->canonical) {
        memcpy(same, point, space->n_dims * sizeof *same);
        rules->canonical(rules->ctx, same);
        if (memcmp(same, point, space->n_dims * sizeof *same) != 0)
            return false;
    }
    return !rules->legal || rules->legal(rules->ctx, point);
}

static const uint64_t *find_listed(const struct xl_space *space, uint64_t code)
{
    return bsearch(&code, space->bits, (size_t)space->count,
                   sizeof *space->bits, xl_order_u64);
}

bool xl_space_has(const struct xl_space *space, const uint32_t *point)
{
    uint64_t code = xl_space_code(space, point);
    switch (space->hold) {
    case HOLD_ALL:
        return true;
    case HOLD_BITS:
        return space->bits[code / 64] >> (code % 64) & 1;
    case HOLD_LIST:
        return find_listed(space, code) != NULL;
    case HOLD_RULES:
        break;
    }
    return rules_allow(space, point);
}

bool xl_space_canonical(const struct xl_space *space, uint32_t *point)
{
    if (space->rules.canonical)
        space->rules.canonical(space->rules.ctx, point);
    return xl_space_has(space, point);
}

/* -- order of members ----------------------------------------------------- */

static uint64_t bits_before(const struct xl_space *space, uint64_t code)
{
    uint64_t block = code / (64 * BLOCK_WORDS), n = space->before[block];
    for (uint64_t w = block * BLOCK_WORDS; w < code / 64; w++)
        n += bit_count(space->bits[w]);
    return n + bit_count(space->bits[code / 64] &
                         (((uint64_t)1 << (code % 64)) - 1));
}

static uint64_t select_bit(const struct xl_space *space, uint64_t i)
{
    uint64_t lo = 0, hi = space->raw / (64 * BLOCK_WORDS) + 1;
    while (hi - lo > 1) {
        uint64_t middle = lo + (hi - lo) / 2;
        if (space->before[middle] <= i)
            lo = middle;
        else
            hi = middle;
    }
    i -= space->before[lo];
    uint64_t w = lo * BLOCK_WORDS;
    for (unsigned n; (n = bit_count(space->bits[w])) <= i; w++)
        i -= n;
    uint64_t word = space->bits[w], at = w * 64;
    for (; i; i--)
        word &= word - 1;
    for (; !(word & 1); word >>= 1)
        at++;
    return at;
}

void xl_space_at(const struct xl_space *space, uint64_t i, uint32_t *point)
{
    assert(xl_space_is_counted(space) && i < space->count);
    uint64_t code = i;
    if (space->hold == HOLD_BITS)
        code = select_bit(space, i);
    else if (space->hold == HOLD_LIST)
        code = space->bits[i];
    xl_space_decode(space, code, point);
}

uint64_t xl_space_index(const struct xl_space *space, const uint32_t *point)
{
    assert(xl_space_is_counted(space));
    uint64_t code = xl_space_code(space, point);
    if (space->hold == HOLD_ALL)
        return code;
    if (space->hold == HOLD_LIST) {
        const uint64_t *at = find_listed(space, code);
        return at ? (uint64_t)(at - space->bits) : XL_SPACE_NONE;
    }
    return xl_space_has(space, point) ? bits_before(space, code)
                                      : XL_SPACE_NONE;
}

bool xl_space_sample(const struct xl_space *space, struct xl_rng *rng,
                     uint32_t *point)
{
    if (xl_space_is_counted(space)) {
        xl_space_at(space, xl_rng_below(rng, space->count), point);
        return true;
    }
    for (size_t i = 0; i < TRIES; i++) {
        xl_space_decode(space, xl_rng_below(rng, space->raw), point);
        if (rules_allow(space, point))
            return true;
    }
    return false;
}

/* -- making --------------------------------------------------------------- */

static enum xl_status copy_dims(struct xl_space *space,
                                const struct xl_space_options *options,
                                struct xl_err *err)
{
    if (!options->n_dims || options->n_dims > XL_SPACE_DIMS)
        return xl_fail(err, XL_EUSAGE,
                       "a space has 1 to %d dimensions, not "
                       "%zu",
                       XL_SPACE_DIMS, options->n_dims);
    space->n_dims = options->n_dims;
    space->raw = 1;
    for (size_t d = options->n_dims; d-- > 0;) {
        const struct xl_dim *dim = &options->dims[d];
        if (!dim->n || dim->n > XL_SPACE_VALUES || dim->home >= dim->n)
            return xl_fail(err, XL_EUSAGE,
                           "dimension '%s' has %u values; 1 "
                           "to %d are possible",
                           dim->name, dim->n, XL_SPACE_VALUES);
        if (space->raw > ((uint64_t)1 << 62) / dim->n)
            return xl_fail(err, XL_EUSAGE,
                           "the space has more than 2^62 "
                           "points; give fewer values");
        space->dims[d] = *dim;
        space->stride[d] = space->raw;
        space->raw *= dim->n;
    }
    return XL_OK;
}

static enum xl_status hold_list(struct xl_space *space,
                                const struct xl_space_options *options,
                                struct xl_err *err)
{
    size_t n = options->n_members;
    space->hold = HOLD_LIST;
    space->count = n;
    space->bits = xl_alloc_zero(n, sizeof *space->bits);
    if (!space->bits)
        return xl_fail(err, XL_ENOMEM, "no memory for %zu points", n);
    memcpy(space->bits, options->members, n * sizeof *space->bits);
    qsort(space->bits, n, sizeof *space->bits, xl_order_u64);
    for (size_t i = 0; i < n; i++) {
        if (space->bits[i] >= space->raw)
            return xl_fail(err, XL_EUSAGE, "a point lies outside the space");
        if (i && space->bits[i] == space->bits[i - 1])
            return xl_fail(err, XL_EUSAGE, "a point is listed twice");
    }
    return XL_OK;
}

/* The next point in order of codes. */
static void step(const struct xl_space *space, uint32_t *point)
{
    for (size_t d = space->n_dims; d-- > 0;) {
        if (++point[d] < space->dims[d].n)
            return;
        point[d] = 0;
    }
}

static enum xl_status hold_bits(struct xl_space *space, struct xl_err *err)
{
    uint32_t point[XL_SPACE_DIMS] = { 0 };
    size_t blocks = (size_t)(space->raw / (64 * BLOCK_WORDS) + 1);
    space->hold = HOLD_BITS;
    space->bits = xl_alloc_zero(blocks * BLOCK_WORDS, sizeof *space->bits);
    space->before = xl_alloc_zero(blocks, sizeof *space->before);
    if (!space->bits || !space->before)
        return xl_fail(err, XL_ENOMEM, "no memory for a space of %llu points",
                       (unsigned long long)space->raw);
    for (uint64_t code = 0; code < space->raw; code++) {
        if (code % (64 * BLOCK_WORDS) == 0)
            space->before[code / (64 * BLOCK_WORDS)] = (uint32_t)space->count;
        if (rules_allow(space, point)) {
            space->bits[code / 64] |= (uint64_t)1 << (code % 64);
            space->count++;
        }
        step(space, point);
    }
    /* A product that fills its last block leaves one empty block after it. */
    if (space->raw % (64 * BLOCK_WORDS) == 0)
        space->before[blocks - 1] = (uint32_t)space->count;
    return XL_OK;
}

/* The share of members among points drawn with a seed of its own. */
static void estimate(struct xl_space *space)
{
    struct xl_rng rng;
    uint32_t point[XL_SPACE_DIMS];
    size_t hits = 0, n = 0;
    xl_rng_seed(&rng, space->raw);
    space->hold = HOLD_RULES;
    for (; n < TRIES && (n < ESTIMATE_DRAWS || !hits); n++) {
        xl_space_decode(space, xl_rng_below(&rng, space->raw), point);
        hits += rules_allow(space, point);
    }
    double share = (double)hits / (double)n * (double)space->raw;
    space->count = share < 1 && hits ? 1 : (uint64_t)share;
}

static enum xl_status find_members(struct xl_space *space,
                                   const struct xl_space_options *options,
                                   struct xl_err *err)
{
    XL_TRY(copy_dims(space, options, err));
    if (options->members) {
        if (options->n_members)
            XL_TRY(hold_list(space, options, err));
    } else if (!options->rules.legal && !options->rules.canonical) {
        space->hold = HOLD_ALL;
        space->count = space->raw;
    } else {
        space->rules = options->rules;
        if (space->raw <= (options->walk ? options->walk : WALK))
            XL_TRY(hold_bits(space, err));
        else
            estimate(space);
    }
    if (!space->count)
        return xl_fail(err, XL_EUSAGE,
                       "no point of the space is legal; "
                       "loosen its constraints");
    return XL_OK;
}

enum xl_status xl_space_make(struct xl_space **space,
                             const struct xl_space_options *options,
                             struct xl_err *err)
{
    struct xl_space *made = xl_alloc_zero(1, sizeof *made);
    if (!made)
        return xl_fail(err, XL_ENOMEM, "no memory for a space");
    enum xl_status rc = find_members(made, options, err);
    if (rc == XL_OK)
        *space = made;
    else
        xl_space_free(made);
    return rc;
}

void xl_space_free(struct xl_space *space)
{
    if (!space)
        return;
    xl_free(space->bits);
    xl_free(space->before);
    xl_free(space);
}
