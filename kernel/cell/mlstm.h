/* SPDX-License-Identifier: Apache-2.0
 *
 * The mLSTM cell of one head (Beck et al. 2024, arXiv 2405.04517; chunkwise
 * form after arXiv 2503.14376).
 *
 * State: C [dk][dv] accumulates k v^T, n [dk] accumulates k, m is the
 * stabiliser; all start at 0. q is scaled by dk^-1/2, k is stored unscaled.
 * Gates are raw (before log-sigmoid and exp). One step:
 *
 *     m' = max(logsig(f) + m, i)
 *     C' = exp(logsig(f) + m - m') C + exp(i - m') k v^T     (n' likewise)
 *     h  = C'^T q s / (max(|n' . q| s, exp(-m')) + eps),  s = dk^-1/2
 *
 * The chunkwise form computes `len` steps as matrix products and gives the
 * same h and state up to rounding, for every way to cut a sequence.
 */
#ifndef XL_MLSTM_H
#define XL_MLSTM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xl_cell_id {
#define XL_CELL(id, name, summary) XL_CELL_##id,
#include "kernel/cell/cell.def"
#undef XL_CELL
    XL_CELL_COUNT
};

/* Inputs and outputs of one head over a stretch of tokens. Row t of q is
 * q + t * q_stride, and so on; gates are igate[t * gate_stride]. */
struct xl_mlstm_io {
    size_t dk, dv;
    const float *q, *k, *v; /* [len][dk], [len][dk], [len][dv] */
    size_t q_stride, k_stride, v_stride;
    const float *igate, *fgate; /* [len], raw */
    size_t gate_stride;
    float *h; /* [len][dv] */
    size_t h_stride;
    float eps;
    size_t ahead; /* tokens behind these whose rows are asked for; or 0 */
};

/* A view of one head's state. */
struct xl_mlstm_state {
    float *C; /* [dk][dv] */
    float *n; /* [dk] */
    float *m; /* one */
};

/* The same with C in bf16: half the memory a step moves. */
struct xl_mlstm_state16 {
    uint16_t *C; /* [dk][dv] */
    float *n;    /* [dk] */
    float *m;    /* one */
};

struct xl_mlstm_tiles {
    size_t av_rows, av_columns;   /* outputs: [tokens] x [dv] */
    size_t atb_rows, atb_columns; /* state: [dk] x [dv] */
};

/* What is wanted of a chunk. */
enum xl_cell_parts {
    XL_CELL_OUTPUTS = 1, /* h; the state is not touched */
    XL_CELL_STATE = 2,   /* the state at its end; h is not written */
    XL_CELL_BOTH = XL_CELL_OUTPUTS | XL_CELL_STATE
};

/* A variant of the cell. All functions are pure but for the outputs, run on
 * the calling thread, and use scratch_floats(...) floats of scratch, which
 * begin at a multiple of 64 bytes. len = 0 changes nothing. */
struct xl_cell {
    const char *name;             /* of its row in cell.def */
    const char *(*why_not)(void); /* NULL when usable here */
    size_t (*scratch_floats)(size_t chunk, size_t dk, size_t dv);

    /* len steps one after another: reads and writes state, writes h. */
    void (*steps)(const struct xl_mlstm_io *io, size_t len,
                  const struct xl_mlstm_state *state, float *scratch);

    /* One step with C in bf16: widened, moved on in fp32 or better and rounded
     * to nearest even; h is of the C before it is rounded. */
    void (*step16)(const struct xl_mlstm_io *io,
                   const struct xl_mlstm_state16 *state, float *scratch);

    /* One chunk, by the state at its start: h, or the state at its end in its
     * place, or both. Asked for one by one (h first) both have the same bits.
     */
    void (*chunk)(const struct xl_mlstm_io *io, size_t len,
                  const struct xl_mlstm_state *state,
                  const struct xl_mlstm_tiles *tiles, enum xl_cell_parts parts,
                  float *scratch);
};

const struct xl_cell *xl_cell_get(enum xl_cell_id id);

/* The fastest cell that rounds no more than weights of that kind do. */
enum xl_cell_id xl_cell_choose(bool is_fp32);

/* The recurrent form wholly in double, the oracle of the tests: state and h
 * in double, inputs as the caller rounded them. */
struct xl_mlstm_f64 {
    size_t dk, dv;
    double eps;
    double *C, *n, *m;
};
void xl_mlstm_step_f64(const struct xl_mlstm_f64 *cell, const double *q,
                       const double *k, const double *v, double igate,
                       double fgate, double *h);

#endif
