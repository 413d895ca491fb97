/* SPDX-License-Identifier: Apache-2.0
 *
 * Decode reads all matrices and the state once a token, prefill computes, or
 * reads the matrices once a pass: whichever takes longer binds. Numbers of a
 * core are those of one with 512-bit vectors at its all-core clock, medians:
 * 230 GFLOP/s of fp32, 3.5 TFLOP/s of bf16 in matrix tiles, 17 GB/s read. */
#include "tuner/sweep/roofline.h"

#include <math.h>

#include "kernel/base/rng.h"
#include "kernel/run/cost.h"
#include "tuner/measure/bench.h"

enum {
    HINTS = 48,
    SEED = 1, /* of the sample where members are not counted */
};

static const double doubt = 1; /* as unsure as the prior of a process */
static const double read_bytes_s = 17e9, vector_flops_s = 230e9;
static const double dot_gain = 2, tile_gain = 15; /* over vector_flops_s */

static double workers_at_work(const struct xl_roofline *r, int64_t wanted)
{
    double cores = (double)r->cores, asked = (double)wanted;
    return wanted && asked < cores ? asked : cores;
}

static const char *name_of(const struct xl_params *params, enum xl_param id)
{
    return xl_param_row(id)->choices[params->value[id]];
}

static double engine_flops_s(const struct xl_params *params)
{
    switch (xl_bench_engine_limit(name_of(params, XL_PARAM_GEMM))) {
    case XL_LIMIT_TILE_BF16:
        return tile_gain * vector_flops_s;
    case XL_LIMIT_DOT_BF16:
        return dot_gain * vector_flops_s;
    default:
        return vector_flops_s;
    }
}

static double prefill_tok_s(const struct xl_roofline *r,
                            const struct xl_cost *cost,
                            const struct xl_params *params, double weight)
{
    double n = workers_at_work(r, params->value[XL_PARAM_WORKERS]);
    size_t chunk = (size_t)params->value[XL_PARAM_CHUNK_SIZE];
    size_t block = (size_t)params->value[XL_PARAM_PREFILL_BLOCK];
    if (r->prompt_tokens && block > r->prompt_tokens)
        block = r->prompt_tokens;
    double flops =
        xl_cost_prefill_flops(cost, r->config, chunk < block ? chunk : block);
    double bytes = xl_cost_prefill_bytes(cost, weight, block);
    return n / fmax(flops / engine_flops_s(params), bytes / read_bytes_s);
}

static double decode_tok_s(const struct xl_roofline *r,
                           const struct xl_cost *cost,
                           const struct xl_params *params, double weight)
{
    int64_t wanted = params->value[XL_PARAM_DECODE_WORKERS];
    const char *head = name_of(params, XL_PARAM_HEAD_DTYPE);
    double n =
        workers_at_work(r, wanted ? wanted : params->value[XL_PARAM_WORKERS]);
    double of_head = params->value[XL_PARAM_HEAD_DTYPE]
                         ? xl_cost_weight_bytes(head)
                         : weight;
    double head_weights =
        (double)cost->matmul_decode - (double)cost->matmul_prefill;
    double bytes =
        xl_cost_decode_bytes(cost, weight) + head_weights * (of_head - weight);
    double flops = xl_cost_decode_flops(cost);
    return n / fmax(bytes / read_bytes_s, flops / vector_flops_s);
}

enum xl_status xl_roofline_reading(const struct xl_roofline *roofline,
                                   const struct xl_params *params,
                                   struct xl_reading *reading,
                                   struct xl_err *err)
{
    struct xl_cost cost;
    XL_TRY(xl_cost_of(&cost, roofline->config, err));
    double weight =
        xl_cost_weight_bytes(name_of(params, XL_PARAM_WEIGHT_DTYPE));
    xl_reading_clear(reading);
    double decode = decode_tok_s(roofline, &cost, params, weight);
    reading->value[XL_METRIC_PREFILL] =
        prefill_tok_s(roofline, &cost, params, weight);
    reading->value[XL_METRIC_DECODE] = decode;
    for (size_t m = XL_METRIC_LATENCY50; m <= XL_METRIC_LATENCY100; m++)
        reading->value[m] = 1 / decode;
    return XL_OK;
}

/* Member i of HINTS; false when there is none. */
static bool pick(const struct xl_space *space, size_t i, struct xl_rng *rng,
                 uint32_t *point)
{
    uint64_t count = xl_space_count(space);
    if (!xl_space_is_counted(space))
        return xl_space_sample(space, rng, point);
    if (i >= count)
        return false;
    xl_space_at(space, count <= HINTS ? i : count / HINTS * i, point);
    return true;
}

enum xl_status xl_roofline_hint(const struct xl_roofline *roofline,
                                const struct xl_param_space *space,
                                const struct xl_objective *objective,
                                uint32_t group, struct xl_strategy *strategy,
                                size_t *n_hints, struct xl_err *err)
{
    struct xl_rng rng;
    uint32_t point[XL_SPACE_DIMS];
    xl_rng_seed(&rng, SEED);
    *n_hints = 0;
    for (size_t i = 0; i < HINTS; i++) {
        struct xl_params params;
        struct xl_reading reading;
        double values[XL_STRATEGY_VALUES];
        if (!pick(xl_param_space_space(space), i, &rng, point))
            break;
        xl_param_space_params(space, point, &params);
        XL_TRY(xl_roofline_reading(roofline, &params, &reading, err));
        xl_objective_values(objective, &reading, values);
        struct xl_hint hint = { .group = group,
                                .value = values[0],
                                .doubt = doubt };
        if (!isfinite(hint.value))
            continue;
        XL_TRY(xl_strategy_hint(strategy, point, &hint, err));
        ++*n_hints;
    }
    return XL_OK;
}
