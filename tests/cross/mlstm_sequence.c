/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cross/mlstm_sequence.h"

#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/rng.h"
#include "kernel/tensor/dtype.h"

static void *take(size_t n, size_t size, bool *ok)
{
    void *block = xl_alloc_zero(n, size);
    *ok = *ok && block;
    return block;
}

bool sequence_make(struct sequence *s, const struct sequence_size *size)
{
    bool ok = true;
    size_t dk = size->dk, dv = size->dv, len = size->len;
    size_t nq = len * (dk + EDGE), nv = len * (dv + EDGE), nC = dk * dv;
    *s = (struct sequence){ .dk = dk, .dv = dv, .len = len };
    s->q = take(nq, sizeof *s->q, &ok);
    s->k = take(nq, sizeof *s->k, &ok);
    s->v = take(nv, sizeof *s->v, &ok);
    s->i = take(2 * len, sizeof *s->i, &ok);
    s->f = take(2 * len, sizeof *s->f, &ok);
    s->h = take(nv, sizeof *s->h, &ok);
    s->C = take(nC, sizeof *s->C, &ok);
    s->n = take(dk, sizeof *s->n, &ok);
    s->C0 = take(nC, sizeof *s->C0, &ok);
    s->n0 = take(dk, sizeof *s->n0, &ok);
    s->scratch = take(size->scratch, sizeof *s->scratch, &ok);
    s->h64 = take(len * dv, sizeof *s->h64, &ok);
    s->N = take(len * dv, sizeof *s->N, &ok);
    s->bottom = take(len, sizeof *s->bottom, &ok);
    s->C64 = take(nC, sizeof *s->C64, &ok);
    s->n64 = take(dk, sizeof *s->n64, &ok);
    s->C_abs = take(nC, sizeof *s->C_abs, &ok);
    s->n_abs = take(dk, sizeof *s->n_abs, &ok);
    s->row = take(2 * dk + 2 * dv, sizeof *s->row, &ok);
    return ok;
}

void sequence_free(struct sequence *s)
{
    void *const blocks[] = { s->q,   s->k,     s->v,     s->i,       s->f,
                             s->h,   s->C,     s->n,     s->C0,      s->n0,
                             s->h64, s->N,     s->C64,   s->scratch, s->n64,
                             s->row, s->C_abs, s->n_abs, s->bottom };
    for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; b++)
        xl_free(blocks[b]);
}

static void fill(float *x, size_t n, double mean, struct xl_rng *rng)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(mean + xl_rng_normal(rng));
}

void sequence_fill(struct sequence *s, struct gate_means mean, bool has_state)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, 11 + s->len + s->dk);
    fill(s->q, s->len * (s->dk + EDGE), 0, &rng);
    fill(s->k, s->len * (s->dk + EDGE), 0, &rng);
    fill(s->v, s->len * (s->dv + EDGE), 0, &rng);
    fill(s->i, 2 * s->len, mean.i, &rng);
    fill(s->f, 2 * s->len, mean.f, &rng);
    s->m0 = has_state ? 1.5f : 0;
    memset(s->C0, 0, s->dk * s->dv * sizeof *s->C0);
    memset(s->n0, 0, s->dk * sizeof *s->n0);
    if (has_state) {
        fill(s->C0, s->dk * s->dv, 0, &rng);
        fill(s->n0, s->dk, 0, &rng);
    }
}

static void round_values(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = xl_bf16_round(x[i]);
}

void sequence_round(struct sequence *s)
{
    round_values(s->q, s->len * (s->dk + EDGE));
    round_values(s->k, s->len * (s->dk + EDGE));
    round_values(s->v, s->len * (s->dv + EDGE));
}

/* -- the truth ------------------------------------------------------------ */

static void widen(double *out, const float *x, size_t n, bool is_absolute)
{
    for (size_t i = 0; i < n; i++)
        out[i] = is_absolute ? fabs((double)x[i]) : (double)x[i];
}

/* One step of a recurrence; inputs in their absolute values when asked. */
static void step_f64(const struct sequence *s, size_t t,
                     const struct xl_mlstm_f64 *cell, bool is_absolute,
                     double *h)
{
    double *q = s->row, *k = q + s->dk, *v = k + s->dk;
    widen(q, s->q + t * (s->dk + EDGE), s->dk, is_absolute);
    widen(k, s->k + t * (s->dk + EDGE), s->dk, is_absolute);
    widen(v, s->v + t * (s->dv + EDGE), s->dv, is_absolute);
    xl_mlstm_step_f64(cell, q, k, v, (double)s->i[2 * t], (double)s->f[2 * t],
                      h);
}

static double divisor(const struct sequence *s, size_t t, const double *n,
                      bool is_absolute)
{
    double d = 0, q;
    for (size_t a = 0; a < s->dk; a++) {
        q = (double)s->q[t * (s->dk + EDGE) + a];
        d += (is_absolute ? fabs(q) : q) * n[a];
    }
    return fabs(d) / sqrt((double)s->dk);
}

/* h64, final state, and the sizes that the error of each h goes by. */
void sequence_truth(struct sequence *s)
{
    double m = (double)s->m0, m_abs = m, eps = (double)1e-6f;
    struct xl_mlstm_f64 cell = { s->dk, s->dv, eps, s->C64, s->n64, &m };
    struct xl_mlstm_f64 sizes = {
        s->dk, s->dv, eps, s->C_abs, s->n_abs, &m_abs
    };
    widen(s->C64, s->C0, s->dk * s->dv, false);
    widen(s->n64, s->n0, s->dk, false);
    widen(s->C_abs, s->C0, s->dk * s->dv, true);
    widen(s->n_abs, s->n0, s->dk, true);
    for (size_t t = 0; t < s->len; t++) {
        double *N = s->N + t * s->dv;
        step_f64(s, t, &cell, false, s->h64 + t * s->dv);
        step_f64(s, t, &sizes, true, N);
        s->bottom[t] = (struct bottom){ .d = divisor(s, t, s->n64, false),
                                        .D = divisor(s, t, s->n_abs, true),
                                        .least = exp(-m) };
        for (size_t b = 0; b < s->dv; b++)
            N[b] *= fmax(s->bottom[t].D, s->bottom[t].least) + eps;
    }
    s->m64 = m;
}

/* From token t on. */
struct xl_mlstm_io sequence_from(const struct sequence *s, size_t t)
{
    size_t dk = s->dk + EDGE, dv = s->dv + EDGE;
    return (struct xl_mlstm_io){ .dk = s->dk,
                                 .dv = s->dv,
                                 .eps = 1e-6f,
                                 .q = s->q + t * dk,
                                 .q_stride = dk,
                                 .k = s->k + t * dk,
                                 .k_stride = dk,
                                 .v = s->v + t * dv,
                                 .v_stride = dv,
                                 .igate = s->i + 2 * t,
                                 .fgate = s->f + 2 * t,
                                 .gate_stride = 2,
                                 .h = s->h + t * dv,
                                 .h_stride = dv };
}
