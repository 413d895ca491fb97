/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/measure/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/minmax.h"
#include "kernel/base/order.h"
#include "kernel/guard/memory.h"
#include "kernel/run/batch.h"
#include "kernel/run/generate.h"
#include "tuner/measure/probe.h"

/* Of a warm-up, whose repetitions fill every buffer by then: no phase has
 * memory of its length. */
enum {
    WARM_PROMPT = 512,
    WARM_NEW = 16
};

/* -- times of single tokens ----------------------------------------------- */

struct steps {
    uint64_t *ns; /* [room] */
    size_t n, room;
};

/* The first token is the prompt's. */
static bool note_step(void *ctx, const struct xl_generate_token *token)
{
    struct steps *steps = ctx;
    if (token->step > 0 && steps->n < steps->room)
        steps->ns[steps->n++] = token->dt_ns;
    return true;
}

/* The least time that so many per cent of the tokens do not exceed. */
static void take_steps(struct steps *steps, struct xl_run_sample *sample)
{
    static const size_t percents[XL_STEP_COUNT] = {
#define XL_STEP(percent) percent,
#include "tuner/measure/step.def"
#undef XL_STEP
    };
    qsort(steps->ns, steps->n, sizeof *steps->ns, xl_order_u64);
    for (size_t i = 0; i < XL_STEP_COUNT && steps->n; i++)
        sample->step_ns[i] = steps->ns[(steps->n * percents[i] + 99) / 100 - 1];
}

/* -- runs ----------------------------------------------------------------- */

static struct xl_generate_options
options_of(const struct xl_trial_load *workload)
{
    return (struct xl_generate_options){ .prompt = workload->prompt,
                                         .n_prompt = workload->n_prompt,
                                         .max_new = workload->new_tokens,
                                         .ignore_eos = true };
}

static enum xl_status run_one(struct xl_plan *plan,
                              const struct xl_model *model,
                              struct xl_state *state,
                              const struct xl_trial_load *workload,
                              struct xl_run_sample *sample, struct xl_err *err)
{
    struct steps steps = { .room = workload->new_tokens };
    struct xl_generate_options options = options_of(workload);
    struct xl_generate_result result;
    options.callback = note_step;
    options.callback_ctx = &steps;
    steps.ns = xl_alloc_zero(steps.room + 1, sizeof *steps.ns);
    if (!steps.ns)
        return xl_fail(err, XL_ENOMEM, "no memory for times of %zu tokens",
                       steps.room);
    enum xl_status rc = xl_generate(plan, model, state, &options, &result, err);
    if (rc == XL_OK) {
        sample->prefill_ns = result.prefill_ns;
        sample->decode_ns = result.decode_ns;
        sample->decode_steps = result.decode_steps;
        take_steps(&steps, sample);
        xl_generate_release(&result);
    }
    xl_free(steps.ns);
    return rc;
}

/* The prompts are equal, so the model sees them once; the weights are read
 * once for a token of all. */
static enum xl_status run_batch(struct xl_plan *plan,
                                const struct xl_model *model,
                                const struct xl_trial_load *workload,
                                struct xl_run_sample *sample,
                                struct xl_err *err)
{
    size_t n = workload->batch;
    struct xl_generate_options *options = xl_alloc_zero(n, sizeof *options);
    struct xl_generate_result *results = xl_alloc_zero(n, sizeof *results);
    struct xl_batch_job job = { .options = options, .n = n, .width = n };
    struct xl_batch_stats stats;
    enum xl_status rc = XL_OK;
    if (!options || !results) {
        rc = xl_fail(err, XL_ENOMEM, "out of memory for %zu sequences", n);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        options[i] = options_of(workload);
    XL_TRY_DONE(rc, xl_generate_batch(plan, model, &job, results, &stats, err));
    sample->prefill_ns = stats.prefill_ns;
    sample->decode_ns = stats.decode_ns;
    sample->decode_steps = stats.decode_tokens;
    xl_generate_release_all(results, n);
done:
    xl_free(options);
    xl_free(results);
    return rc;
}

/* Samples of one name end with the same work. */
static void name_load(const struct xl_plan *plan,
                      const struct xl_trial_load *workload,
                      char name[XL_HASH_TEXT])
{
    struct {
        int64_t values[XL_PARAM_COUNT];
        size_t new_tokens, batch;
    } load = { .new_tokens = workload->new_tokens, .batch = workload->batch };
    memcpy(load.values, xl_plan_effective(plan)->value, sizeof load.values);
    xl_hash(name, &load, sizeof load);
}

enum xl_status xl_trial_run(struct xl_plan *plan, const struct xl_model *model,
                            struct xl_state *state,
                            const struct xl_trial_load *workload,
                            struct xl_run_sample *sample, struct xl_err *err)
{
    char load[XL_HASH_TEXT];
    struct xl_memory memory;
    struct xl_probe probe;
    *sample = (struct xl_run_sample){ .prompt_tokens = workload->n_prompt };
    name_load(plan, workload, load);
    xl_probe_start(&probe, workload->fastest, load);
    XL_TRY(workload->batch > 1
               ? run_batch(plan, model, workload, sample, err)
               : run_one(plan, model, state, workload, sample, err));
    struct xl_disturbance d = xl_probe_stop(&probe);
    xl_memory_read(&memory);
    sample->has_foreign = d.has[XL_DIRT_FOREIGN];
    sample->foreign_cpu = d.value[XL_DIRT_FOREIGN];
    sample->ctx_switches = d.ctx_switches;
    sample->dirt = xl_disturbance_dirt(&d);
    sample->has_peak_rss = memory.has_peak;
    sample->peak_rss_bytes = memory.peak_bytes;
    return XL_OK;
}

enum xl_status xl_trial_warm_up(struct xl_plan *plan,
                                const struct xl_model *model,
                                struct xl_state *state,
                                const struct xl_trial_load *workload,
                                struct xl_steady *steady, struct xl_err *err)
{
    struct xl_run_sample s;
    struct xl_trial_load load = *workload;
    load.n_prompt = xl_min(load.n_prompt, WARM_PROMPT);
    load.new_tokens = xl_min(load.new_tokens, WARM_NEW);
    *steady = (struct xl_steady){ 0 };
    xl_memory_forget_peak(); /* of the plans before this one */
    do
        XL_TRY(xl_trial_run(plan, model, state, &load, &s, err));
    while (xl_steady_wants(steady, s.prefill_ns, s.decode_ns));
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
