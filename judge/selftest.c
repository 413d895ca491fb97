/* SPDX-License-Identifier: Apache-2.0
 *
 * A fault is planted in one of two places: in the weights of a model opened
 * for it, or in a subject that runs a real plan and, before or after each of
 * its passes, does to tokens, state or logits what a broken kernel would. */
#include "judge/selftest.h"

#include <math.h>
#include <string.h>

#include "judge/judge.h"
#include "kernel/base/alloc.h"
#include "kernel/base/arena.h"
#include "kernel/model/fault.h"

enum {
    TOKENS = 4608,
    SCREEN = 1024,  /* tokens that show most faults */
    EXACT = 512,    /* tokens that the reference repeats */
    DROP_AT = 4096, /* first token dropped */
    DROPPED = 16,
    DROP_EVERY = 64,
    NAN_AT = 300,
    FP16_MOST = 65504,
    SEED = 11
};

/* One model with what a fault needs of it. */
struct victim {
    const char *dir;
    struct xl_model *model;
    struct xl_plan *plan;
    struct xl_arena arena; /* of changed weights */
    size_t vocab;
    float *last; /* [vocab], row before this pass */
    bool has_last;
    float *scratch; /* [dk][dv] */
    double scale;   /* of the fp16 state; 0 = not chosen yet */
    struct xl_state copy;
};

/* -- faults in weights ----------------------------------------------------- */

/* A copy of the tensor in fp32 takes its place; NULL without memory. */
static float *own_values(struct victim *v, struct xl_tensor *tensor)
{
    size_t n = xl_tensor_count(tensor);
    float *copy = xl_arena_zero(&v->arena, n, sizeof *copy);
    if (!copy)
        return NULL;
    xl_to_f32(copy, tensor->data, tensor->dtype, n);
    tensor->data = copy;
    tensor->dtype = XL_FP32;
    return copy;
}

static size_t middle_block(const struct victim *v)
{
    return xl_model_config(v->model)->blocks / 2;
}

/* The columns of the output projection that read head 1. */
static bool zero_head(struct victim *v)
{
    const struct xl_config *c = xl_model_config(v->model);
    struct xl_weights *w = xl_fault_weights(v->model);
    struct xl_tensor *out = &w->blocks[middle_block(v)].out.w;
    size_t in = out->shape[1];
    float *values = own_values(v, out);
    for (size_t row = 0; values && row < out->shape[0]; row++)
        memset(values + row * in + c->dv, 0, c->dv * sizeof *values);
    return values != NULL;
}

static bool fill(struct victim *v, struct xl_tensor *tensor, float value)
{
    float *values = own_values(v, tensor);
    for (size_t i = 0; values && i < xl_tensor_count(tensor); i++)
        values[i] = value;
    return values != NULL;
}

static bool forget_norm(struct victim *v)
{
    struct xl_weights *w = xl_fault_weights(v->model);
    return fill(v, &w->blocks[middle_block(v)].norm_mlstm.w, 1);
}

static bool skip_layer(struct victim *v)
{
    struct xl_weights *w = xl_fault_weights(v->model);
    return fill(v, &w->blocks[middle_block(v)].down.w, 0);
}

static bool stick_gate(struct victim *v)
{
    struct xl_weights *w = xl_fault_weights(v->model);
    return fill(v, &w->blocks[middle_block(v)].o.w, 0);
}

static bool shift_gate(struct victim *v)
{
    struct xl_weights *w = xl_fault_weights(v->model);
    float *bias = own_values(v, &w->blocks[middle_block(v)].fgate.b);
    if (bias)
        bias[1] += 0.1f;
    return bias != NULL;
}

static bool change_scales(struct victim *v)
{
    return xl_fault_scales(v->plan, middle_block(v), 1.02f);
}

/* -- faults around passes -------------------------------------------------- */

static void run(struct victim *v, struct xl_state *state,
                const struct xl_pass *pass)
{
    xl_plan_forward(v->plan, state, pass);
}

static void late_logits(void *ctx, struct xl_state *state,
                        const struct xl_pass *pass)
{
    struct victim *v = ctx;
    size_t row = v->vocab * sizeof *v->last;
    run(v, state, pass);
    float *last = pass->logits + (pass->n - 1) * v->vocab;
    float *kept = v->scratch;
    memcpy(kept, last, row);
    memmove(pass->logits + v->vocab, pass->logits, (pass->n - 1) * row);
    if (v->has_last)
        memcpy(pass->logits, v->last, row);
    memcpy(v->last, kept, row);
    v->has_last = true;
}

static void forget_state(void *ctx, struct xl_state *state,
                         const struct xl_pass *pass)
{
    uint64_t tokens = state->tokens;
    xl_state_clear(state);
    state->tokens = tokens;
    run(ctx, state, pass);
}

/* The last token is read, but from a copy of the state. */
static void leave_out_last(void *ctx, struct xl_state *state,
                           const struct xl_pass *pass)
{
    struct victim *v = ctx;
    struct xl_pass all = *pass, last = *pass;
    struct xl_state *copy = &v->copy;
    if (pass->n == 1) {
        run(v, state, pass);
        return;
    }
    all.n--;
    last.n = 1;
    last.tokens += all.n;
    last.logits += all.n * v->vocab;
    run(v, state, &all);
    xl_state_copy(copy, state);
    run(v, copy, &last);
    state->tokens++;
}

static void forget_m(void *ctx, struct xl_state *state,
                     const struct xl_pass *pass)
{
    for (size_t b = 0; b < state->blocks; b++)
        if (xl_state_m(state, b))
            memset(xl_state_m(state, b), 0, state->heads * sizeof(float));
    run(ctx, state, pass);
}

static void transpose(float *C, float *scratch, size_t dk, size_t dv)
{
    for (size_t i = 0; i < dk; i++)
        for (size_t j = 0; j < dv; j++)
            scratch[j * dk + i] = C[i * dv + j];
    memcpy(C, scratch, dk * dv * sizeof *C);
}

static void turn_C(void *ctx, struct xl_state *state,
                   const struct xl_pass *pass)
{
    struct victim *v = ctx;
    size_t each = state->dk * state->dv;
    for (size_t b = 0; b < state->blocks; b++)
        for (size_t h = 0; xl_state_C(state, b) && h < state->heads; h++)
            transpose(xl_state_C(state, b) + h * each, v->scratch, state->dk,
                      state->dv);
    run(v, state, pass);
}

/* A dropped token leaves the state, and the row before it, as they were. */
static void drop_before(struct victim *v, struct xl_state *state,
                        const struct xl_pass *pass, size_t end)
{
    size_t at = (size_t)state->tokens;
    for (size_t i = 0; i < pass->n; i++, at++) {
        float *row = pass->logits + i * v->vocab;
        struct xl_pass one = { .tokens = pass->tokens + i,
                               .n = 1,
                               .logits = row };
        if (at >= DROP_AT && at < end && at % DROP_EVERY < DROPPED) {
            memcpy(row, v->last, v->vocab * sizeof *row);
            state->tokens++;
            continue;
        }
        run(v, state, &one);
        memcpy(v->last, row, v->vocab * sizeof *row);
    }
}

static void drop_once(void *ctx, struct xl_state *state,
                      const struct xl_pass *pass)
{
    drop_before(ctx, state, pass, DROP_AT + DROPPED);
}

static void keep_dropping(void *ctx, struct xl_state *state,
                          const struct xl_pass *pass)
{
    drop_before(ctx, state, pass, SIZE_MAX);
}

static void spoil_logit(void *ctx, struct xl_state *state,
                        const struct xl_pass *pass)
{
    struct victim *v = ctx;
    size_t begin = (size_t)state->tokens;
    run(v, state, pass);
    if (begin <= NAN_AT && NAN_AT < begin + pass->n)
        pass->logits[(NAN_AT - begin) * v->vocab + v->vocab / 2] = NAN;
}

/* As fp16 holds it: 11 bits, too large is infinite. */
static float through_fp16(double x)
{
    int exponent;
    double mantissa = frexp(x, &exponent);
    if (fabs(x) > FP16_MOST)
        return x < 0 ? -HUGE_VALF : HUGE_VALF;
    return (float)ldexp(nearbyint(ldexp(mantissa, 11)), exponent - 11);
}

static double largest(const struct xl_state *state)
{
    double most = 0;
    size_t n = state->heads * state->dk * state->dv;
    for (size_t b = 0; b < state->blocks; b++)
        for (size_t i = 0; xl_state_C(state, b) && i < n; i++)
            most = fmax(most, fabs((double)xl_state_C(state, b)[i]));
    return most;
}

/* The state is kept in fp16 times a scale that made the most of the range
 * when the first pass ended. */
static void keep_in_fp16(void *ctx, struct xl_state *state,
                         const struct xl_pass *pass)
{
    struct victim *v = ctx;
    size_t n = state->heads * state->dk * state->dv;
    run(v, state, pass);
    if (v->scale <= 0)
        v->scale = FP16_MOST / largest(state);
    for (size_t b = 0; b < state->blocks; b++)
        for (size_t i = 0; xl_state_C(state, b) && i < n; i++) {
            float *x = xl_state_C(state, b) + i;
            *x =
                (float)((double)through_fp16((double)*x * v->scale) / v->scale);
        }
}

/* -- other ways in --------------------------------------------------------- */

static void pass_on(void *ctx, struct xl_state *state,
                    const struct xl_pass *pass)
{
    run(ctx, state, pass);
}

static void skip_half(void *ctx, struct xl_state *state,
                      const struct xl_pass *pass)
{
    struct xl_pass less = *pass;
    less.n -= pass->n / 2;
    less.tokens += pass->n / 2;
    state->tokens += pass->n / 2;
    run(ctx, state, &less);
}

static void pass_batch_on(void *ctx, struct xl_state *const *states,
                          const struct xl_batch *batch)
{
    struct victim *v = ctx;
    xl_plan_forward_batch(v->plan, states, batch);
}

static void skip_neighbours(void *ctx, struct xl_state *const *states,
                            const struct xl_batch *batch)
{
    struct victim *v = ctx;
    struct xl_batch first = *batch;
    first.n = 1;
    memset(batch->logits, 0, batch->n * v->vocab * sizeof *batch->logits);
    xl_plan_forward_batch(v->plan, states, &first);
}

/* -- the list -------------------------------------------------------------- */

/* How each fault is planted: one of these. */
static const struct planting {
    bool (*weights)(struct victim *v);  /* before the plan is made */
    bool (*prepared)(struct victim *v); /* after */
    void (*forward)(void *ctx, struct xl_state *state,
                    const struct xl_pass *pass);
    void (*prompt)(void *ctx, struct xl_state *state,
                   const struct xl_pass *pass);
    void (*batch)(void *ctx, struct xl_state *const *states,
                  const struct xl_batch *batch);
    bool needs_long; /* TOKENS of text */
} plantings[XL_SELFTEST_COUNT] = {
    [XL_FAULT_HEAD] = { .weights = zero_head },
    [XL_FAULT_GATE_BIAS] = { .weights = shift_gate },
    [XL_FAULT_NORM] = { .weights = forget_norm },
    [XL_FAULT_LAYER] = { .weights = skip_layer },
    [XL_FAULT_GATE] = { .weights = stick_gate },
    [XL_FAULT_STALE] = { .forward = leave_out_last },
    [XL_FAULT_SCALE] = { .prepared = change_scales },
    [XL_FAULT_HEAD_Q4] = { .weights = zero_head },
    [XL_FAULT_SCALE_Q4] = { .prepared = change_scales },
    [XL_FAULT_GATE_Q4] = { .weights = shift_gate },
    [XL_FAULT_OFF_BY_ONE] = { .forward = late_logits },
    [XL_FAULT_NO_STATE] = { .forward = forget_state },
    [XL_FAULT_NO_M] = { .forward = forget_m },
    [XL_FAULT_TRANSPOSED] = { .forward = turn_C },
    [XL_FAULT_DROPPED] = { .forward = drop_once, .needs_long = true },
    [XL_FAULT_DROPPING] = { .forward = keep_dropping, .needs_long = true },
    [XL_FAULT_PROMPT] = { .prompt = skip_half },
    [XL_FAULT_NEIGHBOUR] = { .batch = skip_neighbours },
    [XL_FAULT_NAN_LOGIT] = { .forward = spoil_logit },
    [XL_FAULT_FP16] = { .forward = keep_in_fp16 },
};

enum {
    NO_GATE = XL_GATE_COUNT
};

static const struct test {
    const char *name, *params;
    int tier; /* of what is sound; -1 = that of the number formats */
    int gate; /* that claims a fault; NO_GATE = must pass */
} tests[XL_SELFTEST_COUNT] = {
#define XL_SOUND(id, name, params, tier)                                       \
    [XL_SOUND_##id] = { name, params, XL_TIER_##tier, NO_GATE },
#define XL_FAULT(id, name, params, gate)                                       \
    [XL_FAULT_##id] = { name, params, -1, XL_GATE_##gate },
#include "judge/fault.def"
};

/* -- running --------------------------------------------------------------- */

static void release(struct victim *v)
{
    xl_plan_free(v->plan);
    xl_state_release(&v->copy);
    xl_model_close(v->model);
    xl_arena_release(&v->arena);
    xl_free(v->last);
    xl_free(v->scratch);
}

enum xl_status xl_selftest_params(struct xl_params *params, const char *words,
                                  struct xl_err *err)
{
    if (strcmp(words, "reference") == 0) {
        xl_judge_reference(params);
        return XL_OK;
    }
    xl_params_init(params);
    return xl_params_set_list(params, words, "the self-test", err);
}

static enum xl_status plant(struct victim *v, const struct planting *planting,
                            const struct xl_params *params, struct xl_err *err)
{
    XL_TRY(xl_model_open(&v->model, v->dir, err));
    const struct xl_config *c = xl_model_config(v->model);
    size_t room = c->dk * c->dv > c->vocab ? c->dk * c->dv : c->vocab;
    if ((planting->weights || planting->prepared) &&
        !xl_fault_weights(v->model))
        return xl_fail(err, XL_EUSAGE,
                       "the self-test plants faults in models of the type "
                       "'xlstm'");
    v->vocab = c->vocab;
    v->last = xl_alloc_zero(c->vocab, sizeof *v->last);
    v->scratch = xl_alloc_zero(room, sizeof *v->scratch);
    XL_TRY(xl_state_init(&v->copy, c, err));
    if (!v->last || !v->scratch || (planting->weights && !planting->weights(v)))
        return xl_fail(err, XL_ENOMEM, "out of memory planting a fault");
    XL_TRY(xl_plan_make(&v->plan, v->model, params, err));
    if (planting->prepared && !planting->prepared(v))
        return xl_fail(err, XL_EFAILED, "the weights have no scales");
    return XL_OK;
}

/* The row's configuration, in that number format if one is given; false when
 * the row is of another, or a sound build of its own. */
static enum xl_status set_params(const struct test *test, const char *format,
                                 struct xl_params *params, bool *is_of_it,
                                 struct xl_err *err)
{
    int64_t *weights = &params->value[XL_PARAM_WEIGHT_DTYPE];
    XL_TRY(xl_selftest_params(params, test->params, err));
    *is_of_it = true;
    if (!format)
        return XL_OK;
    int64_t own = *weights;
    XL_TRY(xl_params_set_list(params, format, "the self-test", err));
    if (test->gate == NO_GATE)
        *is_of_it = test->params[0] == '\0';
    else if (strstr(test->params, xl_param_row(XL_PARAM_WEIGHT_DTYPE)->name))
        *is_of_it = own == *weights;
    return XL_OK;
}

static void note(const struct test *test, const struct xl_judgement *j,
                 struct xl_selftest_result *result)
{
    const struct xl_ruling *ruling = &j->ruling;
    bool claimed = test->gate == NO_GATE;
    for (size_t i = 0; i < XL_GATE_COUNT; i++) {
        const struct xl_gate_result *gate = &ruling->gates[i];
        const struct xl_score *s = &j->scores[xl_gate_row(i)->score];
        bool refuses = gate->applies && gate->verdict == XL_VERDICT_FAIL;
        result->n_gates += refuses;
        if ((int)i != test->gate)
            continue;
        claimed = refuses;
        result->claim = xl_score_row(xl_gate_row(i)->score)->name;
        result->is_known = s->is_known;
        result->value = s->value;
        result->bound = gate->bound;
    }
    result->tier = ruling->tier;
    result->verdict = ruling->verdict;
    result->tokens = j->n_tokens;
    result->ok =
        test->gate == NO_GATE ? ruling->verdict == XL_VERDICT_PASS : claimed;
    memcpy(result->said, ruling->reason, sizeof result->said);
}

/* Faults in passes take a row of logits for each token, which prompts have
 * not. */
static struct xl_subject subject_of(struct victim *v,
                                    const struct planting *planting)
{
    struct xl_subject subject =
        xl_subject_of_plan(v->plan, xl_model_config(v->model));
    subject.ctx = v;
    subject.forward = planting->forward ? planting->forward : pass_on;
    subject.prompt = planting->prompt    ? planting->prompt
                     : planting->forward ? NULL
                                         : pass_on;
    subject.batch = planting->batch ? planting->batch : pass_batch_on;
    return subject;
}

static enum xl_status run_test(struct xl_judge *judge,
                               const struct xl_selftest_spec *spec,
                               enum xl_selftest_id id,
                               struct xl_selftest_result *result,
                               struct xl_err *err)
{
    const struct test *test = &tests[id];
    const struct planting *planting = &plantings[id];
    struct victim v = { .dir = spec->model_dir };
    struct xl_params params;
    struct xl_judgement judgement;
    bool is_of_it;
    *result = (struct xl_selftest_result){ .name = test->name };
    XL_TRY(set_params(test, spec->params, &params, &is_of_it, err));
    if (planting->needs_long && spec->tokens && spec->tokens < TOKENS)
        is_of_it = false;
    result->is_left_out = result->ok = !is_of_it;
    if (!is_of_it)
        return XL_OK;
    xl_arena_init(&v.arena, 0);
    enum xl_status rc = plant(&v, planting, &params, err);
    if (rc == XL_OK) {
        enum xl_tier tier = test->tier < 0 || spec->params
                                ? xl_tier_of(&params)
                                : (enum xl_tier)test->tier;
        struct xl_subject subject = subject_of(&v, planting);
        rc = xl_judge_subject(judge, &subject, tier, &judgement, err);
    }
    if (rc == XL_OK) {
        note(test, &judgement, result);
        if (spec->params && result->claim) {
            result->ok = result->verdict == XL_VERDICT_FAIL;
            result->is_known = false; /* of the gate that refused it */
        }
    }
    release(&v);
    return rc;
}

/* A judge for all, and one of a short text for what repeats the reference. */
struct judges {
    struct xl_model *model;
    struct xl_judge *all, *exact;
};

static enum xl_status make_judges(struct judges *judges,
                                  const struct xl_selftest_spec *spec,
                                  struct xl_err *err)
{
    size_t tokens = spec->tokens ? spec->tokens : TOKENS;
    struct xl_tokenizer *tokenizer = NULL;
    struct xl_judge_text text = { 0 };
    const struct xl_judge_options options = { .screen = SCREEN };
    enum xl_status rc;
    XL_TRY_DONE(rc, xl_model_open(&judges->model, spec->model_dir, err));
    XL_TRY_DONE(rc, xl_tokenizer_open(&tokenizer, spec->model_dir, err));
    XL_TRY_DONE(rc, xl_judge_heldout(&text, judges->model, tokenizer,
                                     spec->tokens, err));
    XL_TRY_DONE(rc, xl_judge_extend(&text, judges->model, tokenizer, tokens,
                                    SEED, err));
    XL_TRY_DONE(
        rc, xl_judge_make(&judges->all, judges->model, &text, &options, err));
    text.ids.n = text.ids.n < EXACT ? text.ids.n : (size_t)EXACT;
    rc = xl_judge_make(&judges->exact, judges->model, &text, NULL, err);
done:
    xl_judge_text_release(&text);
    xl_tokenizer_free(tokenizer);
    return rc;
}

enum xl_status
xl_judge_selftest(const struct xl_selftest_spec *spec,
                  struct xl_selftest_result results[XL_SELFTEST_COUNT],
                  struct xl_err *err)
{
    struct judges judges = { 0 };
    enum xl_status rc = make_judges(&judges, spec, err);
    for (size_t i = 0; i < XL_SELFTEST_COUNT && rc == XL_OK; i++) {
        bool exact = tests[i].tier == XL_TIER_EXACT;
        if (spec->progress)
            spec->progress(spec->progress_ctx, tests[i].name);
        rc = run_test(exact ? judges.exact : judges.all, spec, i, &results[i],
                      err);
        if (rc != XL_OK)
            xl_err_prefix(err, "self-test '%s'", tests[i].name);
    }
    xl_judge_free(judges.all);
    xl_judge_free(judges.exact);
    xl_model_close(judges.model);
    return rc;
}
