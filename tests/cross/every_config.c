/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cross/every_config.h"

#include <math.h>
#include <stdio.h>

#include "kernel/chunk/chunk.h"
#include "kernel/gemm/gemm.h"
#include "kernel/model/engine.h"

enum {
    WORKERS = 3
};

bool xl_against_row(void *ctx, size_t position, const float *logits,
                    size_t vocab)
{
    struct xl_against *a = ctx;
    for (size_t i = 0; i < vocab; i++) {
        double d =
            fabs((double)logits[i] - (double)a->want[position * vocab + i]);
        if (!(d <= a->worst))
            a->worst = d;
    }
    return true;
}

static void each_worker(struct xl_params *params, xl_config_fn *fn, void *ctx)
{
    for (int64_t workers = 1; workers <= WORKERS; workers++) {
        enum xl_chunk_id id = (enum xl_chunk_id)params->value[XL_PARAM_BACKEND];
        char how[96];
        params->value[XL_PARAM_WORKERS] = workers;
        snprintf(how, sizeof how, "%s chunk %d band %d workers %d",
                 xl_chunk_get(id)->name,
                 (int)params->value[XL_PARAM_CHUNK_SIZE],
                 (int)params->value[XL_PARAM_HEADS_PER_BAND], (int)workers);
        fn(ctx, params, how);
    }
}

void xl_each_schedule(const struct xl_schedules *schedules, xl_config_fn *fn,
                      void *ctx)
{
    for (int64_t id = 0; id < XL_CHUNK_COUNT; id++) {
        struct xl_params params;
        unsigned knobs = xl_chunk_get((enum xl_chunk_id)id)->knobs;
        size_t n_chunks = knobs & XL_KNOB_CHUNK ? schedules->n_chunks : 1;
        size_t n_bands = knobs & XL_KNOB_BAND ? schedules->n_bands : 1;
        xl_params_init(&params);
        params.value[XL_PARAM_BACKEND] = id;
        for (size_t i = 0; i < n_chunks * n_bands; i++) {
            params.value[XL_PARAM_CHUNK_SIZE] = schedules->chunks[i / n_bands];
            params.value[XL_PARAM_HEADS_PER_BAND] =
                schedules->bands[i % n_bands];
            each_worker(&params, fn, ctx);
        }
    }
}

/* gemm as the tunable counts: 0 is auto. */
static bool runs_fp32(int64_t gemm)
{
    struct xl_engines engines;
    return xl_engines_choose(&engines, gemm, XL_PACK_FP32, NULL) == XL_OK;
}

void xl_each_engine(xl_config_fn *fn, void *ctx)
{
    for (int64_t gemm = 0; gemm <= XL_GEMM_COUNT; gemm++) {
        for (int64_t cell = 1; cell <= XL_CELL_BF16 && runs_fp32(gemm);
             cell++) {
            struct xl_params params;
            char how[64];
            xl_params_init(&params);
            params.value[XL_PARAM_GEMM] = gemm;
            params.value[XL_PARAM_CELL] = cell;
            snprintf(how, sizeof how, "gemm %s cell %s",
                     xl_param_row(XL_PARAM_GEMM)->choices[gemm],
                     xl_param_row(XL_PARAM_CELL)->choices[cell]);
            fn(ctx, &params, how);
        }
    }
}
