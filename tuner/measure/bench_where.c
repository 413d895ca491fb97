/* SPDX-License-Identifier: Apache-2.0
 *
 * The clock is read by worker 0 after each stage, so a part's time includes
 * waiting for the slowest worker. Norms, activations and residuals count no
 * operations: they move memory. */
#include "tuner/measure/bench_where.h"

#include <math.h>

#include "kernel/base/alloc.h"
#include "kernel/base/json.h"
#include "tuner/measure/probe.h"
#include "tuner/measure/stats.h"

static const char *const part_names[XL_PART_COUNT] = {
#define XL_PART(id, name) [XL_PART_##id] = name,
#include "kernel/model/part.def"
#undef XL_PART
};

/* -- operations ----------------------------------------------------------- */

static void count_flops(double flops[XL_PART_COUNT],
                        const struct xl_config *config, double chunk)
{
    double blocks = (double)config->blocks, heads = (double)config->heads;
    double width = (double)config->width, ffn = (double)config->ffn;
    double dk = (double)config->dk, dv = (double)config->dv;
    double cell = chunk > 0 ? 2 * chunk * (dk + dv) + 4 * dk * dv : 5 * dk * dv;
    flops[XL_PART_CELL] = blocks * heads * cell;
    flops[XL_PART_PROJECT] = 2 * blocks * width * heads * (2 * dk + 2 * dv + 2);
    flops[XL_PART_OUT] = 2 * blocks * heads * dv * width;
    flops[XL_PART_FFN_UP] = 4 * blocks * width * ffn;
    flops[XL_PART_FFN_DOWN] = 2 * blocks * width * ffn;
    flops[XL_PART_HEAD] = 2 * (double)config->vocab * width;
}

static void count_all(struct xl_where *where, const struct xl_config *config,
                      const struct xl_params *params)
{
    double chunk = (double)params->value[XL_PARAM_CHUNK_SIZE];
    if (config->arch != XL_ARCH_XLSTM)
        return; /* blocks of two kinds share the parts */
    count_flops(where->phases[XL_SPEED_DECODE].flops, config, 0);
    double *prefill = where->phases[XL_SPEED_PREFILL].flops;
    count_flops(prefill, config, chunk);
    prefill[XL_PART_HEAD] /= (double)where->prompt_tokens; /* last token only */
}

/* -- runs ----------------------------------------------------------------- */

struct run {
    struct xl_plan *plan;
    struct xl_state *state;
    const struct xl_trial_load *workload;
    float *logits; /* [vocab] */
};

static struct xl_trace trace_prefill(const struct run *r)
{
    struct xl_trace trace = { 0 };
    xl_state_clear(r->state);
    xl_plan_forward(r->plan, r->state,
                    &(struct xl_pass){ .tokens = r->workload->prompt,
                                       .n = r->workload->n_prompt,
                                       .logits = r->logits,
                                       .last_only = true,
                                       .trace = &trace });
    return trace;
}

/* The tokens of the prompt once more, one at a time. */
static struct xl_trace trace_decode(const struct run *r)
{
    struct xl_trace trace = { 0 };
    for (size_t i = 0; i < r->workload->new_tokens; i++)
        xl_plan_forward(r->plan, r->state,
                        &(struct xl_pass){ .tokens = r->workload->prompt +
                                                     i % r->workload->n_prompt,
                                           .n = 1,
                                           .logits = r->logits,
                                           .last_only = true,
                                           .trace = &trace });
    return trace;
}

static void run_once(struct xl_where *where, const struct run *r,
                     struct xl_trace traces[XL_SPEED_COUNT])
{
    for (size_t i = 0; i < XL_SPEED_COUNT; i++) {
        struct xl_probe probe;
        xl_probe_start(&probe, r->workload->fastest, xl_speed_name(i));
        traces[i] = i == XL_SPEED_PREFILL ? trace_prefill(r) : trace_decode(r);
        struct xl_disturbance d = xl_probe_stop(&probe);
        where->phases[i].disturbed += xl_disturbance_dirt(&d) != 0;
    }
}

/* Medians over the repetitions, part by part. */
static void take_medians(struct xl_where *where, size_t phase,
                         const struct xl_trace *traces, double *scratch)
{
    size_t tokens =
        phase == XL_SPEED_PREFILL ? where->prompt_tokens : where->new_tokens;
    for (size_t part = 0; part < XL_PART_COUNT && tokens; part++) {
        for (size_t i = 0; i < where->repeats; i++)
            scratch[i] = (double)traces[i * XL_SPEED_COUNT + phase].ns[part];
        double ns = xl_median(scratch, where->repeats) / (double)tokens;
        where->phases[phase].ns[part] = ns;
        where->phases[phase].total_ns += ns;
    }
}

enum xl_status xl_where_measure(struct xl_where *where,
                                const struct xl_model *model,
                                struct xl_plan *plan,
                                const struct xl_trial_load *workload,
                                size_t repeats, struct xl_err *err)
{
    const struct xl_config *config = xl_model_config(model);
    struct xl_state state;
    struct run r = { .plan = plan, .state = &state, .workload = workload };
    *where = (struct xl_where){ .repeats = repeats,
                                .prompt_tokens = workload->n_prompt,
                                .new_tokens = workload->new_tokens };
    struct xl_steady warm_up;
    XL_TRY(xl_state_init(&state, config, err));
    struct xl_trace *traces =
        xl_alloc_zero(repeats * XL_SPEED_COUNT, sizeof *traces);
    double *scratch = xl_alloc_zero(repeats, sizeof *scratch);
    enum xl_status rc = XL_OK;
    r.logits = xl_alloc_zero(config->vocab, sizeof *r.logits);
    if (!traces || !scratch || !r.logits) {
        rc = xl_fail(err, XL_ENOMEM, "out of memory for %zu traces", repeats);
        goto done;
    }
    count_all(where, config, xl_plan_effective(plan));
    XL_TRY_DONE(rc,
                xl_trial_warm_up(plan, model, &state, workload, &warm_up, err));
    for (size_t i = 0; i < repeats; i++)
        run_once(where, &r, traces + i * XL_SPEED_COUNT);
    for (size_t i = 0; i < XL_SPEED_COUNT; i++)
        take_medians(where, i, traces, scratch);
done:
    xl_free(r.logits);
    xl_free(scratch);
    xl_free(traces);
    xl_state_release(&state);
    return rc;
}

/* -- reports -------------------------------------------------------------- */

/* A stage that is done inside another one takes no time of its own. */
static bool is_there(const struct xl_where *where, size_t phase, size_t part)
{
    return where->phases[phase].ns[part] > 0 ||
           where->phases[phase].flops[part] > 0;
}

cJSON *xl_where_json(const struct xl_where *where)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "repeats", (double)where->repeats);
    cJSON_AddNumberToObject(root, "prompt_tokens",
                            (double)where->prompt_tokens);
    cJSON_AddNumberToObject(root, "new_tokens", (double)where->new_tokens);
    for (size_t i = 0; i < XL_SPEED_COUNT; i++) {
        cJSON *phase =
            cJSON_AddObjectToObject(root, xl_speed_name((enum xl_speed)i));
        double total = where->phases[i].total_ns;
        xl_json_add_real(phase, "ns_a_token", total);
        cJSON_AddNumberToObject(phase, "disturbed",
                                (double)where->phases[i].disturbed);
        cJSON *parts = cJSON_AddArrayToObject(phase, "parts");
        for (size_t j = 0; j < XL_PART_COUNT; j++) {
            double ns = where->phases[i].ns[j];
            double flops = where->phases[i].flops[j];
            if (!is_there(where, i, j))
                continue;
            cJSON *part = cJSON_CreateObject();
            cJSON_AddItemToArray(parts, part);
            cJSON_AddStringToObject(part, "part", part_names[j]);
            xl_json_add_real(part, "ns", ns);
            xl_json_add_real(part, "share", ns / total);
            xl_json_add_real(part, "flops", flops);
            xl_json_add_real(part, "gflops",
                             flops > 0 ? flops / ns : (double)NAN);
        }
    }
    return root;
}

void xl_where_markdown(const struct xl_where *where, struct xl_buf *out)
{
    for (size_t i = 0; i < XL_SPEED_COUNT; i++) {
        double total = where->phases[i].total_ns;
        if (total <= 0)
            continue;
        xl_buf_printf(out,
                      "%s%s: %.2f us a token, medians of %zu repetitions (%zu "
                      "disturbed)\n\n| part | us | share | MFLOP | GF/s |\n| "
                      "--- | --- | --- | --- | --- |\n",
                      i ? "\n" : "", xl_speed_name((enum xl_speed)i),
                      total / 1e3, where->repeats, where->phases[i].disturbed);
        for (size_t j = 0; j < XL_PART_COUNT; j++) {
            double ns = where->phases[i].ns[j];
            double flops = where->phases[i].flops[j];
            if (!is_there(where, i, j))
                continue;
            xl_buf_printf(out, "| %s | %.2f | %.1f %% |", part_names[j],
                          ns / 1e3, 100 * ns / total);
            if (flops > 0 && ns > 0)
                xl_buf_printf(out, " %.3f | %.1f |\n", flops / 1e6, flops / ns);
            else
                xl_buf_text(out, " | |\n");
        }
    }
}
