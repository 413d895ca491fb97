/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the time of a token goes, by part of the model: medians over traced
 * repetitions, beside the operations of each part.
 */
#ifndef XL_BENCH_WHERE_H
#define XL_BENCH_WHERE_H

#include <cjson/cJSON.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "kernel/model/plan.h"
#include "kernel/model/trace.h"
#include "tuner/measure/samples.h"
#include "tuner/measure/trial.h"

struct xl_where {
    size_t repeats, prompt_tokens, new_tokens;
    struct {
        double ns[XL_PART_COUNT];    /* median, a token */
        double flops[XL_PART_COUNT]; /* a token; 0 = not counted */
        double total_ns;             /* sum over the parts */
        size_t disturbed;            /* repetitions */
    } phases[XL_SPEED_COUNT];
};

enum xl_status xl_where_measure(struct xl_where *where,
                                const struct xl_model *model,
                                struct xl_plan *plan,
                                const struct xl_trial_load *workload,
                                size_t repeats, struct xl_err *err);

cJSON *xl_where_json(const struct xl_where *where);
void xl_where_markdown(const struct xl_where *where, struct xl_buf *out);

#endif
