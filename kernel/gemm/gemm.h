/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix engines: y = x W^T + bias, with W stored [out][in].
 *
 * One call computes columns n_begin..n_end of y on the calling thread; the
 * caller splits columns over workers. Engines keep no state and allocate
 * nothing but what `scratch` says.
 *
 *     const struct xl_gemm *gemm = xl_gemm_get(XL_GEMM_VECTOR);
 *     gemm->run(&(struct xl_gemm_job){ .m = t, .k = in, .x = x, ... });
 */
#ifndef XL_GEMM_H
#define XL_GEMM_H

#include <stddef.h>

#include "kernel/tensor/dtype.h"

enum xl_gemm_id {
#define XL_GEMM(id, name, summary) XL_GEMM_##id,
#include "kernel/gemm/gemm.def"
#undef XL_GEMM
    XL_GEMM_COUNT
};

struct xl_gemm_job {
    size_t m, k;            /* rows of x, inputs */
    size_t n_begin, n_end;  /* outputs to compute */
    const float *x;         /* [m][ldx] */
    size_t ldx;
    const void *w;          /* [n][k], fp32 or bf16 */
    enum xl_dtype w_dtype;
    const float *bias;      /* [n] or NULL */
    float *y;               /* [m][ldy] */
    size_t ldy;
    float *scratch;         /* scratch_floats(k) of the calling thread */
};

struct xl_gemm {
    const char *name, *summary;
    /* NULL when usable here, else the reason why not (static storage). Ask
     * before the first run: an engine may set its library up here. */
    const char *(*why_not)(void);
    /* Floats of scratch a thread needs for inputs of width k. */
    size_t (*scratch_floats)(size_t k);
    void (*run)(const struct xl_gemm_job *job);
};

const struct xl_gemm *xl_gemm_get(enum xl_gemm_id id);

#endif
