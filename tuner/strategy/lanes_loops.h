/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of the tile loops; the including file names LANES, the floats of its
 * widest register, and TABLE and NAME of its functions. */
#include <math.h>
#include <string.h>

#include "tuner/strategy/lanes_int.h"

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef float loose
    __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

enum {
    CHAINS = 4, /* registers of one pass over the rows */
    PASS = CHAINS * LANES,
};

/* e^-x for x >= 0, to a few units in the last place: 2^i times a polynomial
 * on [-1/2, 1/2] (Cephes). Large x give 0 or the least normal number. */
static inline float exp_minus(float x)
{
    const float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
    float y = x > 87.0f ? -87.0f : -x;
    float k = (y * 1.44269504f + 12582912.0f) - 12582912.0f;
    float r = y - k * ln2_high;
    r = r - k * ln2_low;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    int32_t bits = ((int32_t)k + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

static void distances(const struct xl_lane_point *point, const float *u,
                      size_t stride, float *out)
{
    for (size_t c = 0; c < XL_TILE; c++)
        out[c] = 0;
    for (size_t d = 0; d < point->n_dims; d++) {
        const float *at = u + d * stride;
        float x = point->x[d], w = point->weight[d];
        if (point->is_nominal[d]) {
            for (size_t c = 0; c < XL_TILE; c++)
                out[c] += at[c] == x ? 0.0f : w;
        } else {
            for (size_t c = 0; c < XL_TILE; c++)
                out[c] += w * ((at[c] - x) * (at[c] - x));
        }
    }
}

static void matern(const struct xl_lane_point *point, const float *u,
                   size_t stride, float scale, float *out)
{
    float r2[XL_TILE];
    distances(point, u, stride, r2);
    for (size_t c = 0; c < XL_TILE; c++) {
        float q = 5.0f * r2[c], r = sqrtf(q);
        out[c] = scale * ((1.0f + r + q * (1.0f / 3.0f)) * exp_minus(r));
    }
}

static void gauss(const struct xl_lane_point *point, const float *u,
                  size_t stride, float scale, float *out)
{
    float r2[XL_TILE];
    distances(point, u, stride, r2);
    for (size_t c = 0; c < XL_TILE; c++)
        out[c] += scale * exp_minus(r2[c]);
}

static void extend(const struct xl_lane_tile *tile, size_t n, const float *l,
                   float inverse, const float *k, const float *a)
{
    for (size_t c = 0; c < XL_TILE; c += PASS) {
        lanes v[CHAINS];
        for (int i = 0; i < CHAINS; i++)
            v[i] = *(const loose *)(k + c + (size_t)i * LANES);
        for (size_t j = 0; j < n; j++) {
            const float *row = tile->rows + j * XL_TILE + c;
            for (int i = 0; i < CHAINS; i++)
                v[i] -= l[j] * *(const loose *)(row + (size_t)i * LANES);
        }
        float *own = tile->rows + n * XL_TILE + c;
        for (int i = 0; i < CHAINS; i++)
            *(loose *)(own + (size_t)i * LANES) = v[i] * inverse;
    }
    const float *own = tile->rows + n * XL_TILE;
    for (size_t c = 0; c < XL_TILE; c++)
        tile->variance[c] -= own[c] * own[c];
    for (size_t s = 0; s < XL_TILE_SUMS; s++)
        for (size_t c = 0; c < XL_TILE; c++)
            tile->sums[s][c] += a[s] * own[c];
}

static void subtract(double *y, double a, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] -= a * x[i];
}

const struct xl_lanes TABLE = { .name = NAME,
                                .matern = matern,
                                .gauss = gauss,
                                .extend = extend,
                                .subtract = subtract };
