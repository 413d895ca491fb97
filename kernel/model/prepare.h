/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights in the form that engines read: matrices fp32 or bf16, everything
 * small in fp32. A matrix that the file already holds in the wanted type is
 * used straight from the map; others are converted once, into an arena.
 */
#ifndef XL_PREPARE_H
#define XL_PREPARE_H

#include "kernel/base/arena.h"
#include "kernel/base/err.h"
#include "kernel/base/pool.h"
#include "kernel/gemm/pack.h"
#include "kernel/model/weights.h"

struct xl_packs; /* packfile_int.h */

/* How matrices are held: rows of fp32 or bf16, or packed. */
struct xl_form {
    enum xl_pack_kind kind;
    bool is_packed;
    bool has_small_pages;   /* of packed weights; else huge where they can */
    struct xl_packs *packs; /* packed before, or NULL; outlives the matrices */
};

enum {
    XL_MATRIX_PARTS = 4
};

/* Outputs at .. at + out of a matrix, as the checkpoint has them. */
struct xl_matrix_part {
    const void *w; /* [out][in], fp32 or bf16; NULL when packed */
    size_t at, out;
};

/* One or more linears of one input, one under the other. Each part begins at
 * a whole panel; outputs in the gaps between are 0. */
struct xl_matrix {
    enum xl_dtype dtype; /* of rows */
    size_t out, in;      /* the gaps counted */
    const float *bias;   /* [out] or NULL */
    bool is_packed;
    struct xl_packed packed;      /* of all parts */
    struct xl_pack_report report; /* what packing lost */
    size_t n_parts;
    struct xl_matrix_part parts[XL_MATRIX_PARTS];
};

/* Where the next part begins after outputs that end at `end`. */
static inline size_t xl_matrix_next(size_t end)
{
    return xl_pack_panels(end) * XL_PACK_LANES;
}

static inline const struct xl_packed *
xl_matrix_packed(const struct xl_matrix *matrix)
{
    return matrix->is_packed ? &matrix->packed : NULL;
}

struct xl_vector {
    const float *w, *b; /* b may be NULL */
};

struct xl_prepared_block {
    struct xl_vector norm_mlstm, head_norm, norm_ffn;
    struct xl_matrix qk; /* in fp32: they are summed in double */
    struct xl_matrix in; /* q | k | v | o, or v | o when there is qk */
    struct xl_matrix igate, fgate, out;
    struct xl_matrix gate_up, down;
};

struct xl_stack_ready; /* stack_prepare.h */
struct xl_stack_weights;

struct xl_prepared {
    struct xl_form form;              /* of the matrices */
    struct xl_prepared_block *blocks; /* of xlstm, else NULL */
    struct xl_stack_ready *stack;     /* of a block stack, else NULL */
    struct xl_vector out_norm;        /* w NULL = none */
    struct xl_matrix head;            /* of xl_prepare_head */
    struct xl_tensor embedding; /* as the file has it: rows are converted */
    size_t own_bytes;           /* converted copies */
    /* private */
    struct xl_arena arena;
};

enum xl_status xl_prepare(struct xl_prepared *prepared,
                          const struct xl_config *config,
                          const struct xl_weights *weights,
                          const struct xl_form *form, struct xl_pool *pool,
                          struct xl_err *err);

/* As xl_prepare, for a block stack. */
enum xl_status xl_stack_prepare(struct xl_prepared *prepared,
                                const struct xl_config *config,
                                const struct xl_stack_weights *weights,
                                const struct xl_form *form,
                                struct xl_pool *pool, struct xl_err *err);

/* The output head alone, the blocks stay NULL. */
enum xl_status xl_prepare_head(struct xl_prepared *prepared,
                               const struct xl_linear *head,
                               const struct xl_form *form, struct xl_pool *pool,
                               struct xl_err *err);
void xl_prepare_release(struct xl_prepared *prepared);

/* Row `id` of the embedding as fp32, into out [width]. */
void xl_prepared_embed(const struct xl_prepared *prepared, size_t id,
                       float *out);

#endif
