/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps of the tiled cell: C = keep C + take k v and h = C q in one pass over
 * C, fp32 or bf16. Compiled once per instruction set by cell_tiled*.c. */
#ifndef XL_CELL_STEP_KERNEL_H
#define XL_CELL_STEP_KERNEL_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/cell/cell_int.h"
#include "kernel/cell/mlstm.h"
#include "kernel/tensor/vec.h"

/* exp(-m), as far as fp32 goes. */
static inline float denominator_bound(double m)
{
    const double lowest = -88;
    return (float)exp(m < lowest ? -lowest : -m);
}

XL_INLINE float dot(const float *x, const float *y, size_t n)
{
    struct xl_vec acc = xl_vec_zero();
    size_t i = 0;
    for (; i + XL_LANES <= n; i += XL_LANES)
        acc = xl_vec_fma(xl_vec_load(x + i), xl_vec_load(y + i), acc);
    if (i < n)
        acc = xl_vec_fma(xl_vec_load_n(x + i, n - i),
                         xl_vec_load_n(y + i, n - i), acc);
    return xl_vec_sum(acc);
}

/* Factors of one step. */
struct factors {
    float keep, take, scale;
};

/* Rows of C in one pass, with their factors. */
struct pass {
    const float *v;
    float *h;
    void *C;       /* of the first of the rows, fp32 or bf16 */
    size_t stride; /* of C */
    struct xl_vec keep, qa[4], ka[4];
};

/* n <= 16 values of C from place `at` on. */
XL_INLINE struct xl_vec load_C(const struct pass *s, size_t at, size_t n,
                               bool is_bf16)
{
    const uint16_t *half = (const uint16_t *)s->C + at;
    const float *full = (const float *)s->C + at;
    if (is_bf16)
        return n < XL_LANES ? xl_vec_load_bf16_n(half, n)
                            : xl_vec_load_bf16(half);
    return n < XL_LANES ? xl_vec_load_n(full, n) : xl_vec_load(full);
}

XL_INLINE void store_C(const struct pass *s, size_t at, size_t n, bool is_bf16,
                       struct xl_vec C)
{
    uint16_t *half = (uint16_t *)s->C + at;
    float *full = (float *)s->C + at;
    if (is_bf16 && n < XL_LANES)
        xl_vec_store_bf16_n(half, C, n);
    else if (is_bf16)
        xl_vec_store_bf16(half, C);
    else if (n < XL_LANES)
        xl_vec_store_n(full, C, n);
    else
        xl_vec_store(full, C);
}

/* n <= 16 columns from x on: C = keep C + ka v, h += qa C. */
XL_INLINE void step_columns(const struct pass *s, size_t rows, size_t x,
                            size_t n, bool is_bf16)
{
    bool is_part = n < XL_LANES;
    struct xl_vec sum = xl_vec_zero(), old;
    struct xl_vec value =
        is_part ? xl_vec_load_n(s->v + x, n) : xl_vec_load(s->v + x);
    for (size_t r = 0; r < rows; r++) {
        size_t at = r * s->stride + x;
        old = load_C(s, at, n, is_bf16);
        old = xl_vec_fma(s->ka[r], value, xl_vec_mul(old, s->keep));
        store_C(s, at, n, is_bf16, old);
        sum = xl_vec_fma(s->qa[r], old, sum);
    }
    if (is_part)
        xl_vec_store_n(s->h + x, xl_vec_add(xl_vec_load_n(s->h + x, n), sum),
                       n);
    else
        xl_vec_store(s->h + x, xl_vec_add(xl_vec_load(s->h + x), sum));
}

/* Rows a .. a + rows of C, all columns. */
XL_INLINE void step_rows(const struct xl_mlstm_io *io, size_t t, void *C,
                         size_t a, struct factors f, size_t rows, bool is_bf16)
{
    const float *q = io->q + t * io->q_stride + a;
    const float *k = io->k + t * io->k_stride + a;
    struct pass s = { .v = io->v + t * io->v_stride,
                      .h = io->h + t * io->h_stride,
                      .C = (char *)C + a * io->dv * (is_bf16 ? 2 : 4),
                      .stride = io->dv,
                      .keep = xl_vec_set1(f.keep) };
    size_t x = 0;
    for (size_t r = 0; r < rows; r++) {
        s.qa[r] = xl_vec_set1(f.scale * q[r]);
        s.ka[r] = xl_vec_set1(f.take * k[r]);
    }
    for (; x + XL_LANES <= io->dv; x += XL_LANES)
        step_columns(&s, rows, x, XL_LANES, is_bf16);
    if (x < io->dv)
        step_columns(&s, rows, x, io->dv - x, is_bf16);
}

/* C is what the state points to, or its bf16. */
XL_INLINE void one_step(const struct xl_mlstm_io *io, size_t t,
                        const struct xl_mlstm_state *state, void *C,
                        bool is_bf16)
{
    float *h = io->h + t * io->h_stride;
    double lf = xl_log_sigmoid((double)io->fgate[t * io->gate_stride]);
    double decay = lf + (double)*state->m;
    double igate = (double)io->igate[t * io->gate_stride];
    float m = (float)fmax(decay, igate);
    struct factors f = { .keep = (float)exp(decay - (double)m),
                         .take = (float)exp(igate - (double)m),
                         .scale = (float)(1 / sqrt((double)io->dk)) };
    for (size_t x = 0; x < io->dv; x++)
        h[x] = 0;
    for (size_t a = 0; a < io->dk; a++)
        state->n[a] =
            f.keep * state->n[a] + f.take * io->k[t * io->k_stride + a];
    size_t a = 0;
    for (; a + 4 <= io->dk; a += 4)
        step_rows(io, t, C, a, f, 4, is_bf16);
    for (; a < io->dk; a++)
        step_rows(io, t, C, a, f, 1, is_bf16);
    float d = f.scale * dot(io->q + t * io->q_stride, state->n, io->dk);
    float bound = denominator_bound((double)m);
    float r = 1 / (fmaxf(fabsf(d), bound) + io->eps);
    for (size_t x = 0; x < io->dv; x++)
        h[x] *= r;
    *state->m = m;
}

static void run_steps(const struct xl_mlstm_io *io, size_t len,
                      const struct xl_mlstm_state *state, float *scratch)
{
    (void)scratch;
    for (size_t t = 0; t < len; t++)
        one_step(io, t, state, state->C, false);
}

static void run_step16(const struct xl_mlstm_io *io,
                       const struct xl_mlstm_state16 *state, float *scratch)
{
    struct xl_mlstm_state rest = { .n = state->n, .m = state->m };
    (void)scratch;
    one_step(io, 0, &rest, state->C, true);
}

#endif
