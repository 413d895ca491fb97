/* SPDX-License-Identifier: Apache-2.0
 *
 * A sequence of one mLSTM head, and its answer by the recurrence in double.
 *
 *     struct sequence s;
 *     const struct sequence_size size = { 80, 33, 200, 0 };
    if (XL_CHECK(t, sequence_make(&s, &size)))
 *         sequence_fill(&s, (struct gate_means){ 0, 3, true }, false);
 *     sequence_truth(&s);
 *     sequence_free(&s);
 */
#ifndef XL_MLSTM_SEQUENCE_H
#define XL_MLSTM_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/cell/mlstm.h"

enum {
    EDGE = 3 /* floats between rows, which nobody may write */
};

struct gate_means {
    double i, f;
    bool is_ordinary;
};

/* Of one token: |q n| / sqrt(dk), the same of sizes, and its least. */
struct bottom {
    double d, D, least;
};

/* A sequence, its true answer, and room for the tested one. */
struct sequence {
    size_t dk, dv, len;
    float *q, *k, *v, *i, *f; /* rows of dk or dv + EDGE; 2 a gate */
    float *h, *C, *n, *C0, *n0, *scratch;
    double *h64, *N, *C64, *n64, *C_abs, *n_abs, *row;
    struct bottom *bottom; /* [len] */
    float m, m0;
    double m64;
};

struct sequence_size {
    size_t dk, dv, len;
    size_t scratch; /* floats, for the tested cell */
};

/* False without memory; sequence_free in any case. */
bool sequence_make(struct sequence *s, const struct sequence_size *size);
void sequence_free(struct sequence *s);

/* Normal numbers, gates around their means; a state or zeros. */
void sequence_fill(struct sequence *s, struct gate_means mean, bool has_state);

/* q, k and v become bf16 numbers. */
void sequence_round(struct sequence *s);

/* Fills h64, N, bottom, and the last C64, n64, m64 with their sizes. */
void sequence_truth(struct sequence *s);

/* The cell's job from token t on. */
struct xl_mlstm_io sequence_from(const struct sequence *s, size_t t);

#endif
