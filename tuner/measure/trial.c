/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/measure/trial.h"

#include <math.h>

#include "kernel/base/clock.h"
#include "kernel/guard/memory.h"
#include "kernel/run/generate.h"
#include "tuner/measure/probe.h"

enum {
    WARM_MOST = 3
};
#define WARM_NS ((uint64_t)100 * 1000000)

enum xl_status xl_trial_run(struct xl_plan *plan, const struct xl_model *model,
                            struct xl_state *state,
                            const struct xl_trial_load *workload,
                            struct xl_run_sample *sample, struct xl_err *err)
{
    struct xl_generate_options options = {
        .prompt = workload->prompt,
        .n_prompt = workload->n_prompt,
        .max_new = workload->new_tokens,
        .ignore_eos = true,
    };
    struct xl_generate_result result;
    struct xl_memory memory;
    struct xl_probe probe;
    xl_probe_start(&probe);
    XL_TRY(xl_generate(plan, model, state, &options, &result, err));
    struct xl_disturbance d = xl_probe_stop(&probe);
    xl_memory_read(&memory);
    *sample = (struct xl_run_sample){
        .prefill_ns = result.prefill_ns,
        .decode_ns = result.decode_ns,
        .prompt_tokens = workload->n_prompt,
        .decode_steps = result.decode_steps,
        .has_foreign = d.has[XL_DIRT_FOREIGN],
        .foreign_cpu = d.value[XL_DIRT_FOREIGN],
        .ctx_switches = d.ctx_switches,
        .dirt = xl_disturbance_dirt(&d),
        .has_peak_rss = memory.has_peak,
        .peak_rss_bytes = memory.peak_bytes,
    };
    xl_generate_release(&result);
    return XL_OK;
}

enum xl_status xl_trial_warm_up(struct xl_plan *plan,
                                const struct xl_model *model,
                                struct xl_state *state,
                                const struct xl_trial_load *workload,
                                struct xl_err *err)
{
    struct xl_run_sample discarded;
    uint64_t start = xl_clock_ns();
    for (int i = 0; i < WARM_MOST; i++) {
        XL_TRY(xl_trial_run(plan, model, state, workload, &discarded, err));
        if (xl_clock_ns() - start >= WARM_NS)
            break;
    }
    return XL_OK;
}

static double rate(size_t count, uint64_t ns)
{
    return count && ns ? (double)count * 1e9 / (double)ns : (double)NAN;
}

double xl_sample_prefill_tok_s(const struct xl_run_sample *sample)
{
    return rate(sample->prompt_tokens, sample->prefill_ns);
}

double xl_sample_decode_tok_s(const struct xl_run_sample *sample)
{
    return rate(sample->decode_steps, sample->decode_ns);
}
