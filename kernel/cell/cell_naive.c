/* SPDX-License-Identifier: Apache-2.0
 *
 * Plain loops, sums in double, state in fp32: the truth for the others.
 *
 *   lf  log sigmoid of the forget gate        b  its sum within the chunk
 *   G   weight of key i for token j, a log: b_j - b_i + igate_i
 *   m_j max of b_j + m and of row j of G      S  s (q_j . k_i) exp(G - m_j)
 *
 * b and all differences are double: the fp32 differences lose up to 1e-3 of h
 * when a chunk's decays add up to hundreds. */
#include "kernel/cell/mlstm.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>

#include "kernel/cell/cell_int.h"
#include "kernel/tensor/dtype.h"

/* The chunk's logs, in scratch. */
struct gates {
    double *b; /* [len] inclusive sum of lf */
    double *S; /* [len] one row of scores */
    double *h; /* [dv] one row of outputs */
};

static const char *why_not(void)
{
    return NULL;
}

static size_t scratch_floats(size_t chunk, size_t dk, size_t dv)
{
    (void)dk;
    return 2 * (2 * chunk + dv);
}

static struct gates carve(float *scratch, size_t len)
{
    assert((uintptr_t)scratch % sizeof(double) == 0);
    double *at = (double *)(void *)scratch;
    return (struct gates){ at, at + len, at + 2 * len };
}

static double dot(const float *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

static void sum_gates(const struct xl_mlstm_io *io, size_t len, double *b)
{
    double sum = 0;
    for (size_t t = 0; t < len; t++) {
        sum += xl_log_sigmoid((double)io->fgate[t * io->gate_stride]);
        b[t] = sum;
    }
}

static double igate(const struct xl_mlstm_io *io, size_t t)
{
    return (double)io->igate[t * io->gate_stride];
}

/* -- step by step --------------------------------------------------------- */

/* h += s q_t . C for the current C, in double. */
static void read_state(const struct xl_mlstm_io *io, size_t t,
                       const struct xl_mlstm_state *state, double *h)
{
    const float *q = io->q + t * io->q_stride;
    for (size_t b = 0; b < io->dv; b++)
        h[b] = 0;
    for (size_t a = 0; a < io->dk; a++)
        for (size_t b = 0; b < io->dv; b++)
            h[b] += (double)q[a] * (double)state->C[a * io->dv + b];
}

static void write_output(const struct xl_mlstm_io *io, size_t t,
                         const double *num, double d, double m)
{
    double den = fmax(fabs(d), exp(-m)) + (double)io->eps;
    for (size_t b = 0; b < io->dv; b++)
        io->h[t * io->h_stride + b] = (float)(num[b] / den);
}

/* What a step does to the state beside C; the factors of C. */
struct factors {
    double keep, take;
};

static struct factors step_rest(const struct xl_mlstm_io *io, size_t t,
                                float *n, float *m)
{
    const float *k = io->k + t * io->k_stride;
    double lf = xl_log_sigmoid((double)io->fgate[t * io->gate_stride]);
    double decay = lf + (double)*m, i = igate(io, t);
    *m = (float)fmax(decay, i);
    struct factors f = { exp(decay - (double)*m), exp(i - (double)*m) };
    for (size_t a = 0; a < io->dk; a++)
        n[a] = (float)(f.keep * (double)n[a] + f.take * (double)k[a]);
    return f;
}

static void one_step(const struct xl_mlstm_io *io, size_t t,
                     const struct xl_mlstm_state *state, double *num)
{
    const float *k = io->k + t * io->k_stride, *v = io->v + t * io->v_stride;
    struct factors f = step_rest(io, t, state->n, state->m);
    double scale = 1 / sqrt((double)io->dk);
    for (size_t a = 0; a < io->dk; a++) {
        float *row = state->C + a * io->dv;
        double ka = f.take * (double)k[a];
        for (size_t b = 0; b < io->dv; b++)
            row[b] = (float)(f.keep * (double)row[b] + ka * (double)v[b]);
    }
    read_state(io, t, state, num);
    for (size_t b = 0; b < io->dv; b++)
        num[b] *= scale;
    double d = scale * dot(io->q + t * io->q_stride, state->n, io->dk);
    write_output(io, t, num, d, (double)*state->m);
}

static void steps(const struct xl_mlstm_io *io, size_t len,
                  const struct xl_mlstm_state *state, float *scratch)
{
    struct gates g = carve(scratch, 0);
    for (size_t t = 0; t < len; t++)
        one_step(io, t, state, g.h);
}

static void step16(const struct xl_mlstm_io *io,
                   const struct xl_mlstm_state16 *state, float *scratch)
{
    double *num = carve(scratch, 0).h, scale = 1 / sqrt((double)io->dk);
    struct factors f = step_rest(io, 0, state->n, state->m);
    for (size_t b = 0; b < io->dv; b++)
        num[b] = 0;
    for (size_t a = 0; a < io->dk; a++) {
        uint16_t *row = state->C + a * io->dv;
        double ka = f.take * (double)io->k[a], qa = scale * (double)io->q[a];
        for (size_t b = 0; b < io->dv; b++) {
            double C = f.keep * (double)xl_bf16_to_f32(row[b]);
            C += ka * (double)io->v[b];
            num[b] += qa * C;
            row[b] = xl_f32_to_bf16((float)C);
        }
    }
    double d = scale * dot(io->q, state->n, io->dk);
    write_output(io, 0, num, d, (double)*state->m);
}

/* -- by chunks ------------------------------------------------------------ */

/* Fills row j of scores; returns its sum. */
static double score_row(const struct xl_mlstm_io *io, size_t j, double m,
                        const struct gates *g)
{
    const float *q = io->q + j * io->q_stride;
    double sum = 0, scale = 1 / sqrt((double)io->dk);
    for (size_t i = 0; i <= j; i++) {
        double weight = exp(g->b[j] - g->b[i] + igate(io, i) - m);
        g->S[i] = scale * weight * dot(q, io->k + i * io->k_stride, io->dk);
        sum += g->S[i];
    }
    return sum;
}

static void output_row(const struct xl_mlstm_io *io, size_t j,
                       const struct xl_mlstm_state *start,
                       const struct gates *g)
{
    double m = g->b[j] + (double)*start->m, before = m;
    for (size_t i = 0; i <= j; i++)
        m = fmax(m, g->b[j] - g->b[i] + igate(io, i));
    double d = score_row(io, j, m, g);
    double w = exp(before - m) / sqrt((double)io->dk);
    d += w * dot(io->q + j * io->q_stride, start->n, io->dk);
    read_state(io, j, start, g->h);
    for (size_t b = 0; b < io->dv; b++)
        g->h[b] *= w;
    for (size_t i = 0; i <= j; i++)
        for (size_t b = 0; b < io->dv; b++)
            g->h[b] += g->S[i] * (double)io->v[i * io->v_stride + b];
    write_output(io, j, g->h, d, m);
}

static void write_outputs(const struct xl_mlstm_io *io, size_t len,
                          const struct xl_mlstm_state *start, float *scratch)
{
    struct gates g = carve(scratch, len);
    sum_gates(io, len, g.b);
    for (size_t j = 0; j < len; j++)
        output_row(io, j, start, &g);
}

/* Row a of C and element a of n, given the weights of the tokens. */
static void state_row(const struct xl_mlstm_io *io, size_t len, size_t a,
                      const struct xl_mlstm_state *state, double keep,
                      const struct gates *g)
{
    double n = keep * (double)state->n[a];
    for (size_t b = 0; b < io->dv; b++)
        g->h[b] = keep * (double)state->C[a * io->dv + b];
    for (size_t t = 0; t < len; t++) {
        double ka = g->S[t] * (double)io->k[t * io->k_stride + a];
        n += ka;
        for (size_t b = 0; b < io->dv; b++)
            g->h[b] += ka * (double)io->v[t * io->v_stride + b];
    }
    state->n[a] = (float)n;
    for (size_t b = 0; b < io->dv; b++)
        state->C[a * io->dv + b] = (float)g->h[b];
}

static void advance_state(const struct xl_mlstm_io *io, size_t len,
                          const struct xl_mlstm_state *state, float *scratch)
{
    struct gates g = carve(scratch, len);
    if (len == 0)
        return;
    sum_gates(io, len, g.b);
    double total = g.b[len - 1], before = total + (double)*state->m;
    double most = before;
    for (size_t t = 0; t < len; t++)
        most = fmax(most, total - g.b[t] + igate(io, t));
    float m = (float)most;
    for (size_t t = 0; t < len; t++)
        g.S[t] = exp(total - g.b[t] + igate(io, t) - (double)m);
    for (size_t a = 0; a < io->dk; a++)
        state_row(io, len, a, state, exp(before - (double)m), &g);
    *state->m = m;
}

static void chunk(const struct xl_mlstm_io *io, size_t len,
                  const struct xl_mlstm_state *state,
                  const struct xl_mlstm_tiles *tiles, enum xl_cell_parts parts,
                  float *scratch)
{
    (void)tiles;
    if (parts & XL_CELL_OUTPUTS)
        write_outputs(io, len, state, scratch);
    if (parts & XL_CELL_STATE)
        advance_state(io, len, state, scratch);
}

const struct xl_cell xl_cell_naive = {
    .name = "naive",
    .why_not = why_not,
    .scratch_floats = scratch_floats,
    .steps = steps,
    .step16 = step16,
    .chunk = chunk,
};
