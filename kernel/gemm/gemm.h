/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix engines: y = x W^T + bias, with W stored [out][in].
 *
 * One call computes columns n_begin..n_end of y on the calling thread; the
 * caller splits columns over workers. Engines keep no state and allocate
 * nothing but what `scratch` says. Weights come as rows or packed (pack.h); an
 * engine states which it reads.
 *
 *     const struct xl_gemm *gemm = xl_gemm_get(XL_GEMM_VECTOR);
 *     gemm->run(&(struct xl_gemm_job){ .m = t, .k = in, .x = x, ... });
 */
#ifndef XL_GEMM_H
#define XL_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/gemm/pack.h"
#include "kernel/tensor/dtype.h"

enum xl_gemm_id {
#define XL_GEMM(id, name, summary) XL_GEMM_##id,
#include "kernel/gemm/gemm.def"
#undef XL_GEMM
    XL_GEMM_COUNT
};

/* What inputs of products become before they are multiplied. */
enum xl_rounding {
    XL_ROUNDING_NONE,
    XL_ROUNDING_BF16, /* to the nearest, ties to even */
    XL_ROUNDING_INT8  /* a group of XL_PACK_GROUP inputs, by its largest */
};

struct xl_gemm_job {
    size_t m, k;           /* rows of x, inputs */
    size_t n_begin, n_end; /* outputs to compute */
    const float *x;        /* [m][ldx] */
    size_t ldx;
    const void *w; /* [n][k] of w_dtype, or packed instead */
    enum xl_dtype w_dtype;
    const struct xl_packed *packed; /* [n] x [k], or NULL */
    const float *bias;              /* [n] or NULL */
    float *y;                       /* [m][ldy] */
    size_t ldy;
    float *scratch; /* scratch_floats(k) of the calling thread */
    /* What pack_x made of all rows of x, or NULL; x may be missing then. */
    const void *packed_x;
    size_t k_block;   /* inputs of a slice of packed x; 0 = the engine's own */
    bool no_prefetch; /* of packed weights */
    size_t ahead;     /* bytes ahead that few rows ask for packed weights:
                         0 = the engine's own, less than 64 = none */
    bool asks_past;   /* one row asks so past the outer caches */
    size_t next_n;    /* where the next job of these weights begins; 0 = none */
    bool is_known;    /* the thread's last job read the same packed x */
    bool rounds_w;    /* naive and wide: packed integer weights, with their
                         scales, to bf16 first, as engines of bf16 do */
    bool is_prepared; /* few rows: this engine wrote the same x to scratch for
                         the thread's last job, weights of the same kind */
    /* For pack_x: x has the inputs k_begin (a multiple of 16) .. k_end alone;
     * k_end 0 = all. */
    size_t k_begin, k_end;
    /* For engines with `gates`, rows that x_bytes packs: y is not looked at.
     * Each of its columns gives silu(y) times the column pair_n (a multiple of
     * 16) further on, an input of the gated_k that some product reads as
     * pack_x would pack them: rows of this job, all of them, from here on. */
    void *gated;
    size_t gated_k, pair_n;
};

enum {
    XL_GEMM_ROWS = 16 /* spans of rows for pack_x begin at multiples */
};

struct xl_gemm {
    const char *name;        /* of its row in gemm.def */
    unsigned reads_rows;     /* bits 1 << enum xl_dtype */
    unsigned reads_packed;   /* bits 1 << enum xl_pack_kind */
    enum xl_rounding rounds; /* x, of whatever weights but fp32 */
    /* Rows up to which a row's bits do not depend on how many rows there are;
     * 0 = any number. */
    size_t few_rows;
    bool varies; /* an output's bits may depend on the job's columns */
    /* NULL when usable here, else the reason why not (static storage). Ask
     * before the first run: an engine may set its library up here. */
    const char *(*why_not)(void);
    /* Floats of scratch a thread needs for inputs of width k. */
    size_t (*scratch_floats)(size_t k);
    /* For products that share an input of many rows: it is packed once, by
     * whoever has it, and read by all. Bytes of its packed form, aligned to
     * 64; 0 when so few rows are not packed. NULL: never. */
    size_t (*x_bytes)(size_t m, size_t k);
    /* Packs rows begin..end of the job's m, k, x and ldx; the span with end m
     * also what pads them, and the inputs up to k what pads those. Engines with
     * the same pack_x read the same form. */
    void (*pack_x)(const struct xl_gemm_job *job, size_t begin, size_t end,
                   void *to);
    /* Bytes from a row of packed x to the next when jobs may begin at any row
     * that is a multiple of XL_GEMM_ROWS; NULL: at the first one alone. */
    size_t (*x_row_bytes)(size_t k);
    /* Outputs of the least job that is no slower for being small, where m rows
     * of packed x are multiplied by many jobs; 0 = few large ones are faster.
     * NULL: always. */
    size_t (*grain)(size_t m, size_t k);
    bool gates; /* jobs of rows that are packed may have `gated` */
    void (*run)(const struct xl_gemm_job *job);
};

const struct xl_gemm *xl_gemm_get(enum xl_gemm_id id);

static inline bool xl_gemm_reads_rows(const struct xl_gemm *gemm,
                                      enum xl_dtype dtype)
{
    return (gemm->reads_rows >> dtype & 1) != 0;
}

static inline bool xl_gemm_reads_packed(const struct xl_gemm *gemm,
                                        enum xl_pack_kind kind)
{
    return (gemm->reads_packed >> kind & 1) != 0;
}

#endif
