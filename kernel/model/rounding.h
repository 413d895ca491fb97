/* SPDX-License-Identifier: Apache-2.0
 *
 * What rounding the inputs of products costs, and nothing else: a plan whose
 * engine is exact reads its inputs as engines of that number format do.
 *
 *     XL_TRY(xl_plan_make(&plan, model, &params, err));
 *     XL_TRY(xl_plan_round_inputs(plan, XL_ROUNDING_BF16, err));
 */
#ifndef XL_ROUNDING_H
#define XL_ROUNDING_H

#include <stddef.h>

#include "kernel/base/err.h"
#include "kernel/gemm/gemm.h"
#include "kernel/model/plan.h"

/* What a configuration's engines round inputs to, in either phase. */
struct xl_inputs {
    enum xl_rounding prefill, decode;
};
struct xl_inputs xl_plan_inputs(const struct xl_config *config,
                                const struct xl_params *params);

/* What is read where x [n] stands; `to` may be `from`. */
void xl_round_inputs(enum xl_rounding rounding, float *to, const float *from,
                     size_t n);

/* For every later pass, until it is asked for another. Products by fp32 rows,
 * which are the gates, keep their inputs: no number format rounds those. With
 * bf16 inputs integer weights are rounded to bf16 too, for so the engines
 * unpack them. */
enum xl_status xl_plan_round_inputs(struct xl_plan *plan,
                                    enum xl_rounding rounding,
                                    struct xl_err *err);

#endif
