/* SPDX-License-Identifier: Apache-2.0
 *
 * What the forward passes of both architectures share; for kernel/model only.
 *
 * A block is two lists of stages with an mLSTM cell between them, or one list
 * when it has no such cell. A stage function does one worker's share.
 */
#ifndef XL_FORWARD_INT_H
#define XL_FORWARD_INT_H

#include <stdbool.h>

#include "kernel/chunk/chunk.h"
#include "kernel/model/plan_int.h"

enum {
    XL_OUTPUTS = 6
};

/* What every stage function sees. */
struct xl_stage {
    struct xl_plan *plan;
    struct xl_state *const *states; /* [n_states], of each sequence */
    size_t n_states;
    size_t block;
    const int32_t *tokens;
    size_t rows;        /* tokens of this pass, as many of each sequence */
    size_t parts;       /* shares that a stage is cut in */
    float *logits;      /* [n_logits][vocab] */
    size_t first_logit; /* row of the pass that logits row 0 belongs to */
    size_t n_logits;
    struct xl_trace *trace; /* where the time goes, or NULL */
};

typedef void xl_stage_work(const struct xl_stage *s, size_t worker);

struct xl_stage_row {
    xl_stage_work *work; /* NULL ends a list */
    enum xl_part part;   /* that its time is counted to */
    bool is_small;       /* for few rows not worth sharing out */
};

struct xl_block_stages {
    const struct xl_stage_row *before;
    bool has_cell;
    const struct xl_stage_row *after;
};

struct xl_forward_arch {
    struct xl_block_stages (*layer)(const struct xl_stage *s);
    /* Inputs and outputs of the mLSTM cell of the stage's block, for one
     * sequence; its state is left open. */
    struct xl_chunk_job (*cell_job)(const struct xl_stage *s, size_t sequence);
    /* The norm in front of a block, or, for the number of blocks, of the
     * head; w NULL = none. */
    const struct xl_vector *(*norm)(const struct xl_plan *plan, size_t block);
    /* The matrix that multiplies what this norm gives, if xl_stage_pack is to
     * pack it; NULL = none. */
    const struct xl_matrix *(*reader)(const struct xl_plan *plan, size_t block);
};

extern const struct xl_forward_arch xl_forward_xlstm;
extern const struct xl_forward_arch xl_forward_stack;

/* -- sequences ------------------------------------------------------------ */

/* Tokens of each sequence in this pass. */
static inline size_t xl_stage_tokens(const struct xl_stage *s)
{
    return s->rows / s->n_states;
}

/* One token of each sequence, or of the only one? */
static inline bool xl_stage_is_step(const struct xl_stage *s)
{
    return s->rows == s->n_states;
}

/* -- products ------------------------------------------------------------- */

/* y[rows][ldy] = x[rows][ldx] W^T + b; gemm NULL = by the number of rows. */
struct xl_product {
    const struct xl_matrix *w;
    const float *x;
    size_t ldx;
    float *y;
    size_t ldy;
    const struct xl_gemm *gemm;
    const void *packed; /* x by xl_stage_pack, for engines that pack */
    size_t next_n;      /* columns of w from here on are next; 0 = none are */
    xl_gemm_finish *finish; /* as in struct xl_gemm_job, where */
    void *finish_ctx;       /* xl_share_finishes */
    size_t pair_n;
};

/* One worker's share of the columns of several products, which are counted
 * through all of them:
 *
 *     struct xl_share share = xl_share_of(s, worker, rows, steps);
 *     for (...)
 *         xl_share_run(&share, &product);
 */
struct xl_share {
    const struct xl_stage *stage;
    size_t worker, first, rows; /* rows first .. first + rows of x and y */
    struct xl_span mine;        /* in steps of columns */
    size_t before;              /* steps of the products that have been run */
};

/* Steps of columns that a product counts for. */
size_t xl_product_steps(const struct xl_matrix *w);

struct xl_share xl_share_of(const struct xl_stage *s, size_t worker,
                            size_t rows, size_t steps);
void xl_share_run(struct xl_share *share, const struct xl_product *product);

/* The share of a worker whose products read x packed for w. Many workers are
 * cut in teams by rows: a team's rows are those that its workers have by
 * xl_stage_rows, and they share the columns. A line of x is then read by few,
 * and writing it again has to wait for as many caches to drop it. */
struct xl_share xl_team_share(const struct xl_stage *s, size_t worker,
                              const struct xl_matrix *w, size_t steps);

/* May products of packed x by w be finished piece by piece? */
bool xl_share_finishes(const struct xl_share *share, const struct xl_matrix *w);

/* These columns of a product, whosoever they are. */
void xl_columns_run(const struct xl_share *share, const struct xl_product *p,
                    struct xl_span columns);

/* Products of one input, which is as wide as they are. */
struct xl_output {
    const struct xl_matrix *w;
    float *y;                   /* [rows][ldy] */
    const struct xl_gemm *gemm; /* NULL = by the number of rows */
    size_t ldy;                 /* 0 = w->out */
};

struct xl_outputs {
    const float *x;
    size_t ldx;         /* 0 = as wide as the products are */
    const void *packed; /* as in struct xl_product */
    size_t rows, n;
    struct xl_output list[XL_OUTPUTS];
};

void xl_outputs_run(const struct xl_stage *s, const struct xl_outputs *all,
                    size_t worker);

/* A product by an engine that is made for few rows, as many at a time as leave
 * a row the bits it has alone. */
void xl_few_run(const struct xl_gemm *gemm, const struct xl_gemm_job *job);

/* Rows of x [rows][ldx], the worker's by xl_stage_rows, as the engine of
 * prefill reads them, into scratch.packed_x: for all products of x by matrices
 * of w's engine, in the stages up to the next call. Nothing in decode, nor for
 * engines that pack nothing. */
void xl_stage_pack(const struct xl_stage *s, size_t worker,
                   const struct xl_matrix *w, const float *x, size_t ldx);

/* The same by who made these columns of the share's rows: into `to`. They
 * begin at a multiple of 16. */
void xl_columns_pack(const struct xl_share *share, const struct xl_matrix *w,
                     const float *x, size_t ldx, struct xl_span columns,
                     void *to);

/* The same for a finished piece, whose columns are inputs of w. */
void xl_piece_pack(const struct xl_share *share, const struct xl_matrix *w,
                   const struct xl_gemm_piece *piece, void *to);

/* -- stages that both use ------------------------------------------------- */

/* The worker's rows: whole steps of xl_stage_pack in prefill. */
static inline struct xl_span xl_stage_rows(const struct xl_stage *s,
                                           size_t worker)
{
    size_t step = xl_stage_is_step(s) ? 1 : (size_t)XL_GEMM_ROWS;
    struct xl_span span =
        xl_span_of((s->rows + step - 1) / step, s->parts, worker);
    span.begin *= step;
    span.end *= step;
    return (struct xl_span){ span.begin < s->rows ? span.begin : s->rows,
                             span.end < s->rows ? span.end : s->rows };
}

/* Caps these rows' input and forget gates in prefill; the step does so itself.
 */
void xl_stage_cap_gates(const struct xl_stage *s, struct xl_span rows);

/* x += z, then y = norm(x); w NULL = no norm follows. */
void xl_stage_add(const struct xl_stage *s, size_t worker,
                  const struct xl_vector *norm);

/* xl_stage_add with the norm in front of the next block or the head. */
void xl_stage_end(const struct xl_stage *s, size_t worker);

#endif
