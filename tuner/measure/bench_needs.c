/* SPDX-License-Identifier: Apache-2.0
 *
 * The roofline of a token. Decode: weights once for a token of each sequence
 * (all blocks and the head, not the embedding table), the sequence's state read
 * and written, 2 flops a weight.
 * Prefill: 2 flops a block weight and the chunkwise cell, and the weights
 * once a forward pass. Whichever takes longer binds. */
#include <math.h>
#include <string.h>

#include "kernel/gemm/gemm.h"
#include "kernel/run/cost.h"
#include "tuner/measure/bench.h"
#include "tuner/measure/probe.h"

/* Engines by what their arithmetic runs on; all others are fp32. */
static const struct {
    const char *engine;
    enum xl_limit limit;
} engines[] = {
    { "amx", XL_LIMIT_TILE_BF16 },
    { "avx512bf16", XL_LIMIT_DOT_BF16 },
};

enum xl_limit xl_bench_engine_limit(const char *engine)
{
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (strcmp(engines[i].engine, engine) == 0)
            return engines[i].limit;
    return XL_LIMIT_FMA;
}

enum xl_status xl_bench_needs_of(struct xl_bench_needs needs[XL_SPEED_COUNT],
                                 const struct xl_plan *plan,
                                 const struct xl_config *config,
                                 const struct xl_trial_load *workload,
                                 struct xl_err *err)
{
    const int64_t *value = xl_plan_effective(plan)->value;
    char dtype[XL_VALUE_ROOM];
    struct xl_cost cost;
    XL_TRY(xl_cost_of(&cost, config, err));
    xl_param_format(XL_PARAM_WEIGHT_DTYPE, value[XL_PARAM_WEIGHT_DTYPE], dtype);
    double weight = xl_cost_weight_bytes(dtype);
    size_t pass = (size_t)value[XL_PARAM_PREFILL_BLOCK];
    pass = pass < workload->n_prompt ? pass : workload->n_prompt;
    double batch = workload->batch ? (double)workload->batch : 1;
    for (size_t i = 0; i < XL_SPEED_COUNT; i++) {
        const struct xl_gemm *engine =
            xl_plan_engine(plan, i == XL_SPEED_DECODE);
        needs[i].flops_at = xl_bench_engine_limit(engine->name);
    }
    needs[XL_SPEED_PREFILL].flops = xl_cost_prefill_flops(
        &cost, config, (size_t)value[XL_PARAM_CHUNK_SIZE]);
    needs[XL_SPEED_PREFILL].bytes = xl_cost_prefill_bytes(&cost, weight, pass);
    needs[XL_SPEED_PREFILL].working_set = (double)cost.matmul_prefill * weight;
    needs[XL_SPEED_DECODE].flops = xl_cost_decode_flops(&cost);
    needs[XL_SPEED_DECODE].bytes = xl_cost_decode_bytes(&cost, weight / batch);
    needs[XL_SPEED_DECODE].working_set =
        batch * (needs[XL_SPEED_DECODE].bytes - (double)cost.state_bytes);
    return XL_OK;
}

struct xl_bench_bound xl_bench_bound_of(const struct xl_bench_needs *needs,
                                        const struct xl_limits *limits)
{
    /* Bytes that a cache holds come faster where that was measured. */
    enum xl_limit read = isfinite(limits->value[XL_LIMIT_READ_L3])
                             ? XL_LIMIT_READ_L3
                             : XL_LIMIT_READ;
    double flops_s = needs->flops / limits->value[needs->flops_at] / 1e9;
    double bytes_s = needs->bytes / limits->value[read] / 1e9;
    if (!isfinite(flops_s) || !isfinite(bytes_s))
        return (struct xl_bench_bound){ .seconds = (double)NAN,
                                        .limit = XL_LIMIT_COUNT };
    return flops_s > bytes_s
               ? (struct xl_bench_bound){ flops_s, needs->flops_at }
               : (struct xl_bench_bound){ bytes_s, read };
}

void xl_bench_hold_beside(struct xl_speeds *row,
                          const struct xl_bench_needs needs[XL_SPEED_COUNT],
                          const struct xl_limits *before,
                          const struct xl_limits *after)
{
    struct xl_limits mean;
    struct xl_disturbance moved = { .value = { 0 } };
    for (size_t i = 0; i < XL_LIMIT_COUNT; i++)
        mean.value[i] = 0.5 * (before->value[i] + after->value[i]);
    for (size_t i = 0; i < XL_SPEED_COUNT; i++) {
        struct xl_bench_bound bound = xl_bench_bound_of(&needs[i], &mean);
        row->of_limit[i] = row->tok_s[0][i] * bound.seconds;
        if (!isfinite(row->of_limit[i]))
            continue;
        double a = before->value[bound.limit], b = after->value[bound.limit];
        moved.has[XL_DIRT_LIMIT] = true;
        moved.value[XL_DIRT_LIMIT] =
            fmax(moved.value[XL_DIRT_LIMIT], 1.0 - fmin(a, b) / fmax(a, b));
    }
    row->dirt |= xl_disturbance_dirt(&moved);
}
