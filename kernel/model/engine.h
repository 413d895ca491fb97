/* SPDX-License-Identifier: Apache-2.0
 *
 * Which matrix engine multiplies which weights: the choice behind the tunable
 * `gemm`, for a kind of weights and either phase.
 */
#ifndef XL_ENGINE_H
#define XL_ENGINE_H

#include "kernel/base/err.h"
#include "kernel/gemm/gemm.h"

/* Engines for one kind of weights. */
struct xl_engines {
    const struct xl_gemm *many, *few; /* by rows of a pass */
    bool is_packed;                   /* the form that both read */
};

/* choice is the tunable's value: 0 = the best that is there, else 1 + enum
 * xl_gemm_id. An engine that reads rows of this kind gets rows. XL_EUSAGE
 * when it cannot run here or does not read the kind; the message says what it
 * reads. */
enum xl_status xl_engines_choose(struct xl_engines *engines, int64_t choice,
                                 enum xl_pack_kind kind, struct xl_err *err);

/* What multiplies fp32 weights of that form and sums in double. */
const struct xl_gemm *xl_engines_wide(const struct xl_engines *engines);

/* The dtype of rows of this kind; XL_DTYPE_COUNT when there is none. */
enum xl_dtype xl_engine_dtype(enum xl_pack_kind kind);

#endif
