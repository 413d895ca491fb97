/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops of searches that score every candidate, over tiles of 64
 * candidates, for each width of vector registers. No sum runs across lanes
 * and nothing is contracted, so every variant gives the same bits and a
 * search proposes the same points on every machine. Included only inside
 * tuner/strategy and by tests.
 */
#ifndef XL_LANES_H
#define XL_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tuner/space/space.h"

enum {
    XL_TILE = 64,     /* candidates a tile */
    XL_TILE_SUMS = 4, /* weighted sums kept a candidate */
};

/* A point that candidates are compared with. The distance in dimension d is
 * weight (x - u)^2 where it is ordered, weight where it is nominal and the
 * two differ. */
struct xl_lane_point {
    size_t n_dims;
    float x[XL_SPACE_DIMS], weight[XL_SPACE_DIMS];
    bool is_nominal[XL_SPACE_DIMS];
};

/* A tile of a triangular solve: rows of L^-1 K for 64 candidates. */
struct xl_lane_tile {
    float *rows;               /* [n][XL_TILE] */
    float *variance;           /* [XL_TILE] what the rows leave of it */
    float *sums[XL_TILE_SUMS]; /* [XL_TILE] weighted sums of the rows */
};

struct xl_lanes {
    const char *name;

    /* out[c] = scale * Matern-5/2 of the distance; u: [n_dims][stride]. */
    void (*matern)(const struct xl_lane_point *point, const float *u,
                   size_t stride, float scale, float *out);

    /* out[c] += scale * exp(-distance) */
    void (*gauss)(const struct xl_lane_point *point, const float *u,
                  size_t stride, float scale, float *out);

    /* Row n of the solve: (k - sum_j l[j] rows[j]) * inverse; then variance
     * and sums take it in, the latter times a[]. */
    void (*extend)(const struct xl_lane_tile *tile, size_t n, const float *l,
                   float inverse, const float *k, const float *a);

    /* y[i] -= a x[i] */
    void (*subtract)(double *y, double a, const double *x, size_t n);
};

/* The widest this machine has; the same one on every call. */
const struct xl_lanes *xl_lanes_pick(void);

/* All that run here, NULL past the end. */
const struct xl_lanes *xl_lanes_at(size_t i);

#endif
