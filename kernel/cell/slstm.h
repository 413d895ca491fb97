/* SPDX-License-Identifier: Apache-2.0
 *
 * The sLSTM cell of one head (Beck et al. 2024, arXiv 2405.04517).
 *
 * State, all [dim] and 0 at the start: h, c, n and the stabiliser m. Gates
 * come in the order i, f, z, o. One step, r = in + R h:
 *
 *     decay = logsig(r_f) + m
 *     m' = max(r_i, decay), but r_i in a first step, where n is 0
 *     c' = exp(decay - m') c + exp(r_i - m') tanh(r_z)
 *     n' = exp(decay - m') n + exp(r_i - m')
 *     h' = sigmoid(r_o) c' / n'
 *
 * No step depends on anything but the one before and its inputs, so pieces of
 * a sequence give the same bits as the whole; heads are independent.
 */
#ifndef XL_SLSTM_H
#define XL_SLSTM_H

#include <stdbool.h>
#include <stddef.h>

struct xl_slstm_state {
    float *h, *c, *n, *m; /* [dim] */
};

struct xl_slstm_io {
    size_t dim;
    const float *in; /* [len][4 dim], gate by gate, bias included */
    size_t in_stride;
    const float *recurrent; /* R, packed */
    float *h;               /* [len][dim] */
    size_t h_stride;
};

/* A variant of the cell. */
struct xl_slstm {
    const char *name, *summary;
    const char *(*why_not)(void); /* NULL when usable here */
    /* len steps; scratch: xl_slstm_scratch_floats(dim). */
    void (*steps)(const struct xl_slstm_io *io, size_t len,
                  const struct xl_slstm_state *state, float *scratch);
};

/* The fastest variant that is usable here. */
const struct xl_slstm *xl_slstm_get(void);

/* All of this build, fastest first; NULL past the last. */
const struct xl_slstm *xl_slstm_at(size_t i);

size_t xl_slstm_scratch_floats(size_t dim);

/* R [4 dim out][dim in] of one head, or, turned, [dim in][4 dim out], in the
 * order that variants read. */
size_t xl_slstm_packed_floats(size_t dim);
void xl_slstm_pack(float *to, const float *R, size_t dim, bool is_turned);

/* One step wholly in double, the oracle of the tests; R as in files. */
struct xl_slstm_f64 {
    size_t dim;
    double *h, *c, *n, *m; /* [dim] */
    double *r;             /* [4 dim], scratch */
};
void xl_slstm_step_f64(const struct xl_slstm_f64 *cell, const double *in,
                       const double *R);

#endif
