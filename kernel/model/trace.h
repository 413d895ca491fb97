/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the time of forward passes went, as worker 0 saw it: a pass that
 * carries a trace adds the time of each stage, waiting for the other workers
 * included, to the part that the stage belongs to.
 *
 *     struct xl_trace trace = { 0 };
 *     xl_plan_forward(plan, &state, &(struct xl_pass){ .trace = &trace, ... });
 *     ... trace.ns[XL_PART_CELL] ...
 *
 * One clock reading a stage, about 20 ns; a pass without a trace pays a test.
 */
#ifndef XL_TRACE_H
#define XL_TRACE_H

#include <stdint.h>

#include "kernel/base/clock.h"

enum xl_part {
#define XL_PART(id, name) XL_PART_##id,
#include "kernel/model/part.def"
#undef XL_PART
    XL_PART_COUNT
};

struct xl_trace {
    uint64_t ns[XL_PART_COUNT];
    /* private */
    uint64_t last_ns; /* end of the stage before */
};

static inline void xl_trace_begin(struct xl_trace *trace)
{
    if (trace)
        trace->last_ns = xl_clock_ns();
}

/* The time since the last mark belonged to this part. */
static inline void xl_trace_mark(struct xl_trace *trace, enum xl_part part)
{
    if (!trace)
        return;
    uint64_t now = xl_clock_ns();
    trace->ns[part] += now - trace->last_ns;
    trace->last_ns = now;
}

#endif
