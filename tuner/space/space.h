/* SPDX-License-Identifier: Apache-2.0
 *
 * A discrete space as strategies see it: dimensions with numbered values, a
 * rule that says which points are legal, and one that makes equal points
 * equal.
 *
 *     struct xl_space *space;
 *     XL_TRY(xl_space_make(&space, &(struct xl_space_options){
 *         .dims = dims, .n_dims = 3, .rules = { .legal = fits } }, err));
 *     uint32_t point[XL_SPACE_DIMS];
 *     for (uint64_t i = 0; i < xl_space_count(space); i++)
 *         xl_space_at(space, i, point);
 *     xl_space_free(space);
 *
 * A point is an array of value numbers, one a dimension. A member of the
 * space is a point that is legal and canonical; only members are counted,
 * drawn and proposed. Every point has a code, its number in the cartesian
 * product, so codes are equal exactly when points are.
 *
 * Spaces of up to 2^24 points are counted exactly when made, with one bit a
 * point; larger ones with rules are only estimated and drawn by rejection.
 * Where rules are slow, `walk` lowers that size.
 * One thread at a time: rules may keep scratch.
 */
#ifndef XL_SPACE_H
#define XL_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/base/rng.h"

enum {
    XL_SPACE_DIMS = 32,
    XL_SPACE_VALUES = 65536
};

/* No such point; no code is as large. */
#define XL_SPACE_NONE UINT64_MAX

enum xl_dim_kind {
    XL_DIM_ORDERED,
    XL_DIM_NOMINAL
};

struct xl_dim {
    const char *name;
    enum xl_dim_kind kind;
    uint32_t n;                /* values, 1..XL_SPACE_VALUES */
    uint32_t home;             /* the value an inert dimension has */
    const double *at;          /* [n] where the value stands on its scale,
                                  rising for ordered dimensions */
    const char *const *labels; /* [n] the value for people */
};

/* Either function may be NULL: every point is legal, every point canonical.
 * canonical must be idempotent; legal is asked about canonical points. */
struct xl_space_rules {
    void *ctx;
    bool (*legal)(void *ctx, const uint32_t *point);
    void (*canonical)(void *ctx, uint32_t *point);
};

struct xl_space_options {
    const struct xl_dim *dims; /* [n_dims]; copied, but not what they name */
    size_t n_dims;
    struct xl_space_rules rules;
    const uint64_t *members; /* [n_members] codes, any order, each once: the
                                members themselves, in place of rules */
    size_t n_members;
    uint64_t walk; /* largest product that is walked; 0 = 2^24 */
};

struct xl_space;

/* XL_EUSAGE for a product of 2^62 points or more and for no member at all. */
enum xl_status xl_space_make(struct xl_space **space,
                             const struct xl_space_options *options,
                             struct xl_err *err);
void xl_space_free(struct xl_space *space);

size_t xl_space_n_dims(const struct xl_space *space);
const struct xl_dim *xl_space_dim(const struct xl_space *space, size_t dim);

/* Points of the cartesian product. */
uint64_t xl_space_raw(const struct xl_space *space);

/* Members: exact when xl_space_is_counted, else an estimate, at least 1. */
uint64_t xl_space_count(const struct xl_space *space);
bool xl_space_is_counted(const struct xl_space *space);

uint64_t xl_space_code(const struct xl_space *space, const uint32_t *point);
void xl_space_decode(const struct xl_space *space, uint64_t code,
                     uint32_t *point);

/* Makes the point canonical; tells whether it is then a member. */
bool xl_space_canonical(const struct xl_space *space, uint32_t *point);

bool xl_space_has(const struct xl_space *space, const uint32_t *point);

/* Counted spaces only: the i-th member in order of codes, and back
 * (XL_SPACE_NONE for a point that is no member). */
void xl_space_at(const struct xl_space *space, uint64_t i, uint32_t *point);
uint64_t xl_space_index(const struct xl_space *space, const uint32_t *point);

/* A member drawn uniformly. False when a space that is not counted gave none
 * in 2^20 tries. */
bool xl_space_sample(const struct xl_space *space, struct xl_rng *rng,
                     uint32_t *point);

/* -- neighbours ----------------------------------------------------------- */

enum xl_near {
    XL_NEAR_ADJACENT, /* ordered: the nearest member each way; nominal: all */
    XL_NEAR_HAMMING,  /* any other value of one dimension */
};

/* Most neighbours a point can have. */
size_t xl_space_degree(const struct xl_space *space);

/* Writes the codes of all neighbours of a point (member or not), each once
 * and never the point itself, and returns how many. A neighbour is made
 * canonical, so it may differ in inert dimensions as well. out holds
 * xl_space_degree codes. */
size_t xl_space_neighbours(const struct xl_space *space, const uint32_t *point,
                           enum xl_near near, uint64_t *out);

/* Moves a point to a member near it: itself, then a random adjacent one, a
 * random Hamming neighbour, the nearest of 256 drawn. False when a space that
 * is not counted gave none. */
bool xl_space_repair(const struct xl_space *space, struct xl_rng *rng,
                     uint32_t *point);

/* Distance for mixed dimensions, each 0..1: share of the index range for
 * ordered ones, 0 or 1 for nominal ones. */
double xl_space_distance(const struct xl_space *space, const uint32_t *a,
                         const uint32_t *b);

#endif
