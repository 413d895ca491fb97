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
#include "kernel/model/forward_next_int.h"
#include "kernel/model/plan_int.h"

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
    struct xl_queue *queue; /* prefill: of this stage */
    struct xl_trace *trace; /* where the time goes, or NULL */
};

typedef void xl_stage_work(const struct xl_stage *s, size_t worker);

struct xl_stage_row {
    xl_stage_work *work; /* NULL ends a list */
    enum xl_part part;   /* that its time is counted to */
    bool is_small;       /* for few rows not worth sharing out */
};

/* y: these rows, normed in front of the block; they may be gone later. */
typedef void xl_normed_work(const struct xl_stage *s, size_t worker,
                            size_t block, struct xl_span rows, const float *y);

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
    /* The matrix that multiplies what this norm gives, if that is to be packed;
     * NULL = none. */
    const struct xl_matrix *(*reader)(const struct xl_plan *plan, size_t block);
    /* Prefill: the other products of normed rows in front of a block; or NULL.
     */
    xl_normed_work *gates;
    /* Norm and gate of a head, rows of h; packed for who multiplies them. */
    void (*finish_head)(const struct xl_stage *s, size_t head,
                        struct xl_span rows);
    /* What follows a stage of decode; NULL = nobody has said. */
    struct xl_next (*next)(const struct xl_stage *s, enum xl_part part);
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

/* -- stages that both use ------------------------------------------------- */

/* The worker's rows: whole steps of xl_rows_pack in prefill. */
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

/* What becomes of normed rows. */
struct xl_normed {
    const struct xl_vector *norm;   /* w NULL = none */
    const struct xl_matrix *reader; /* multiplies them packed; or NULL */
    xl_normed_work *then;           /* or NULL */
    size_t block;                   /* for `then` */
};

/* x += z, then y = norm(x), for the worker's rows. */
void xl_stage_add(const struct xl_stage *s, size_t worker,
                  const struct xl_normed *to);

/* xl_stage_add with the norm in front of the next block or the head. */
void xl_stage_end(const struct xl_stage *s, size_t worker);

#endif
