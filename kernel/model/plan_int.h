/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan's inside, for kernel/model only. */
#ifndef XL_PLAN_INT_H
#define XL_PLAN_INT_H

#include <stdatomic.h>

#include "kernel/base/arena.h"
#include "kernel/base/steal.h"
#include "kernel/cell/norm.h"
#include "kernel/chunk/chunk.h"
#include "kernel/gemm/gemm.h"
#include "kernel/model/engine.h"
#include "kernel/model/model_int.h"
#include "kernel/model/plan.h"
#include "kernel/model/rounding.h"

enum {
    XL_TEAMS = 16, /* of workers, most */
    XL_STAGES = 6  /* of a list of stages, most */
};

/* Steps of a stage's products that a team has begun. */
struct xl_queue {
    struct {
        _Alignas(64) atomic_size_t steps;
    } begun[XL_TEAMS];
};

/* Activations of one forward pass; T = block_tokens. */
struct xl_scratch {
    float *x;             /* [T][width], the residual stream */
    float *y;             /* [T][width], normed input of a layer */
    float *in;            /* [T][in_row]: q | k | v | o */
    float *q, *k, *v, *o; /* the first row's places in it */
    size_t in_row;
    float *h; /* [T][h_row]: heads * dv */
    size_t h_row;
    float *igate, *fgate; /* [T][heads] */
    float *g, *u;         /* places in the first row of [T][ffn_row]: g | u */
    size_t ffn_row;
    float *z; /* [T][z_row], width: output of a layer to be added */
    size_t z_row;
    float *wide;      /* block stack: x and z, or gates, or feed-forward */
    float *c;         /* block stack: convolved, or the gated feed-forward */
    float *qkv;       /* block stack: [T][3 inner] */
    float *C;         /* [heads][dk][dv], a state of bf16 widened; or NULL */
    float **gemm;     /* [workers], scratch of each worker's engine and cell */
    void *packed_x;   /* of one stage to the next, by xl_rows_pack */
    void *packed_ffn; /* the same of the gated feed-forward */
    void *chunk;      /* scratch of the backend */
    struct xl_queue *queues; /* [XL_STAGES] */
    struct xl_steal *steals; /* [decode_workers], of a stage of decode */
};

struct xl_plan {
    struct xl_model *model;
    const struct xl_config *config;
    const struct xl_prepared *weights, *head; /* blocks; output head */
    struct xl_params params;                  /* effective */
    struct xl_engines engines, head_engines;
    struct xl_engines small; /* of fp32 rows beside packed weights: gates */
    const struct xl_gemm *gemm_keys; /* of queries and keys; NULL = as above */
    enum xl_dtype C_dtype;           /* that states are held in */
    const struct xl_row_ops *row;    /* norms and gates */
    const struct xl_chunk_backend *backend;
    struct xl_chunk_spec spec;
    struct xl_pool *pool;
    size_t workers, decode_workers;
    size_t block_tokens; /* tokens a forward pass */
    size_t k_block;      /* of products, as in struct xl_gemm_job */
    bool no_prefetch;
    size_t decode_ahead; /* ahead of struct xl_gemm_job, in steps */
    bool asks_past;      /* of struct xl_gemm_job, in steps */
    uint32_t stages;     /* of decode, that have been run: a number for each */
    size_t steal_least;  /* inputs times outputs of a stage of decode whose
                            workers take each other's: a smaller one is over
                            before that would pay */
    struct xl_scratch scratch;
    enum xl_rounding rounding; /* of the inputs of products */
    float *rounded;        /* [workers][rounded_each], of a product; or NULL */
    size_t rounded_each;   /* floats */
    struct xl_arena arena; /* of scratch */
};

/* xl_plan_make with another engine for many rows of the blocks' weights, which
 * reads the form that the chosen one does: tests have some that are in no list.
 * NULL = the chosen one. */
enum xl_status xl_plan_make_on(struct xl_plan **out, struct xl_model *model,
                               const struct xl_params *params,
                               const struct xl_gemm *many, struct xl_err *err);

enum {
    XL_FEW_ROWS = 4 /* fewer than these go to the engine of steps */
};

/* The engine for a matrix of this plan. */
static inline const struct xl_gemm *
xl_plan_gemm(const struct xl_plan *plan, const struct xl_matrix *w, bool few)
{
    const struct xl_engines *engines =
        w == &plan->head->head                    ? &plan->head_engines
        : w->is_packed == plan->engines.is_packed ? &plan->engines
                                                  : &plan->small;
    return few ? engines->few : engines->many;
}

/* A norm's weights from channel `at` on. */
static inline struct xl_norm_weights
xl_norm_of(const struct xl_plan *plan, const struct xl_vector *norm, size_t at)
{
    return (struct xl_norm_weights){ .w = norm->w ? norm->w + at : NULL,
                                     .b = norm->b ? norm->b + at : NULL,
                                     .eps = plan->config->norm_eps };
}

#endif
