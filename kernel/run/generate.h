/* SPDX-License-Identifier: Apache-2.0
 *
 * Prompt in, tokens out. A library function: it prints nothing; a callback
 * sees each token. Runner, judge, bench and server use the same loop.
 */
#ifndef XL_GENERATE_H
#define XL_GENERATE_H

#include "kernel/base/err.h"
#include "kernel/model/plan.h"
#include "kernel/run/continuation.h"

/* state is cleared first. On error result holds nothing. */
enum xl_status xl_generate(struct xl_plan *plan, const struct xl_model *model,
                           struct xl_state *state,
                           const struct xl_generate_options *options,
                           struct xl_generate_result *result,
                           struct xl_err *err);

#endif
