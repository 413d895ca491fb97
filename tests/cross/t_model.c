/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole model against outputs of the original PyTorch code (tests/data/
 * models/NAME/reference.safetensors): every backend, chunk size, band size
 * and worker count, pieces of the prompt, single steps; logits and states. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/chunk/chunk.h"
#include "kernel/gemm/gemm.h"
#include "kernel/model/plan_int.h"
#include "kernel/run/score.h"
#include "kernel/text/sampler.h"
#include "tests/cross/every_config.h"
#include "tests/cross/model_fixture.h"
#include "tests/harness/test.h"

/* The documented tolerances. */
static const double logit_tolerance = 2e-4;
static const double state_tolerance = 1e-3; /* of the largest of the tensor */

static const char *const names[] = { "tiny", "ragged", "biased-bf16-sharded",
                                     "fused-nonorm" };
static const size_t lengths[] = { 1, 2, 7, 63, 64, 65, 200 };
static const int64_t chunks[] = { 1, 16, 17, 48, 64, 512 };

enum {
    MODELS = 4,
    LENGTHS = 7,
    CHUNKS = 6
};

static const struct xl_tensor *recorded(const struct xl_fix_model *s,
                                        size_t length, const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "t%zu.%s", length, what);
    return xl_safetensors_find(s->reference, name);
}

/* The larger of two errors; a NaN is larger than anything and stays. */
static double larger(double worst, double error)
{
    return isnan(worst) || error <= worst ? worst : error;
}

/* Largest error of the state, relative to the largest recorded value; 0 when
 * none is recorded for this length. */
static double state_error(const struct xl_fix_model *s, size_t length)
{
    double worst = 0;
    for (size_t block = 0; block < s->state.blocks; block++) {
        const float *got[] = { xl_state_C(&s->state, block),
                               xl_state_n(&s->state, block),
                               xl_state_m(&s->state, block) };
        for (size_t part = 0; part < 3; part++) {
            char what[48];
            snprintf(what, sizeof what, "state.%zu.%c", block, "Cnm"[part]);
            const struct xl_tensor *want = recorded(s, length, what);
            double most = 0, error = 0;
            for (size_t i = 0; want && i < xl_tensor_count(want); i++) {
                double x = (double)((const float *)want->data)[i];
                error = larger(error, fabs((double)got[part][i] - x));
                most = fmax(most, fabs(x));
            }
            worst = larger(worst, error / fmax(most, 1e-30));
        }
    }
    return worst;
}

static void check_length(struct xl_fix_model *s, struct xl_plan *plan,
                         size_t length, const struct xl_feed *feed,
                         const char *how)
{
    struct xl_err err = { 0 };
    const struct xl_tensor *tokens = recorded(s, length, "tokens");
    const struct xl_tensor *logits = recorded(s, length, "logits");
    if (!XL_CHECK(s->t, tokens && logits))
        return;
    struct xl_against a = { .want = logits->data };
    enum xl_status rc =
        xl_score_run(plan, s->model, &s->state,
                     &(struct xl_score_job){ .tokens = tokens->data,
                                             .n = length,
                                             .feed = feed,
                                             .callback = xl_against_row,
                                             .ctx = &a },
                     &err);
    XL_CHECK_STATUS(s->t, rc, XL_OK, &err);
    double state = state_error(s, length);
    xl_test_check(s->t, a.worst <= logit_tolerance && state <= state_tolerance,
                  __FILE__, __LINE__,
                  "%s, %zu tokens, %s: logits off by %.3g, state by %.3g",
                  s->name, length, how, a.worst, state);
}

static void check_config(struct xl_fix_model *s, const struct xl_params *params,
                         const struct xl_feed *feed, const char *how)
{
    struct xl_plan *plan;
    struct xl_err err = { 0 };
    enum xl_status rc = xl_plan_make(&plan, s->model, params, &err);
    if (!XL_CHECK_STATUS(s->t, rc, XL_OK, &err))
        return;
    for (size_t i = 0; i < LENGTHS; i++)
        check_length(s, plan, lengths[i], feed, how);
    xl_plan_free(plan);
}

static void check_one(void *ctx, const struct xl_params *params,
                      const char *how)
{
    check_config(ctx, params, NULL, how);
}

/* Under a sanitizer the one ragged model stands for all four. */
static bool is_small(void)
{
    return getenv("XL_TEST_SMALL") != NULL;
}

static void every_backend(struct xl_test *t)
{
    for (size_t i = is_small() ? 1 : 0; i < (is_small() ? 2 : MODELS); i++) {
        struct xl_fix_model s;
        if (xl_fix_model_open(&s, t, names[i], NULL)) {
            int64_t heads = (int64_t)xl_model_config(s.model)->heads;
            const int64_t bands[] = { 1, heads < 3 ? heads : 3, heads };
            const struct xl_schedules all = { .chunks = chunks,
                                              .n_chunks = CHUNKS,
                                              .bands = bands,
                                              .n_bands = 3 };
            xl_each_schedule(&all, check_one, &s);
        }
        xl_fix_model_close(&s);
    }
}

static void every_engine(struct xl_test *t)
{
    for (size_t i = 0; i < MODELS; i++) {
        struct xl_fix_model s;
        if (xl_fix_model_open(&s, t, names[i], NULL))
            xl_each_engine(check_one, &s);
        xl_fix_model_close(&s);
    }
}

/* The largest error of the logits over 64 tokens. */
static double error_with(struct xl_fix_model *s, const struct xl_params *params)
{
    struct xl_plan *plan;
    struct xl_err err = { 0 };
    struct xl_against a = { .want = recorded(s, 64, "logits")->data };
    enum xl_status rc = xl_plan_make(&plan, s->model, params, &err);
    if (!XL_CHECK_STATUS(s->t, rc, XL_OK, &err))
        return (double)NAN;
    rc = xl_score_run(
        plan, s->model, &s->state,
        &(struct xl_score_job){ .tokens = recorded(s, 64, "tokens")->data,
                                .n = 64,
                                .callback = xl_against_row,
                                .ctx = &a },
        &err);
    XL_CHECK_STATUS(s->t, rc, XL_OK, &err);
    xl_plan_free(plan);
    return a.worst;
}

/* What a weight type may do to the logits of these models; the same weights
 * in the plain loops of naive must do nearly the same. */
static void every_weight_type(struct xl_test *t)
{
    static const double bound[] = { 2e-4, 0.3, 0.5, 4 };
    enum {
        KINDS = sizeof bound / sizeof *bound
    };
    for (size_t i = 0; i < MODELS * KINDS * KINDS; i++) {
        struct xl_fix_model s;
        struct xl_params params;
        int64_t kind = (int64_t)(i % KINDS);
        int64_t head = (int64_t)(i / KINDS % KINDS);
        double most = bound[kind > head ? kind : head];
        const char *name = names[i / KINDS / KINDS];
        if (strcmp(name, "fused-nonorm") == 0 || strcmp(name, "ragged") == 0)
            continue; /* they blow up any rounding: naive is off by 2 as well */
        if (!xl_fix_model_open(&s, t, name, NULL))
            continue;
        xl_params_init(&params);
        params.value[XL_PARAM_WEIGHT_DTYPE] = kind;
        params.value[XL_PARAM_HEAD_DTYPE] = head + 1;
        double error = error_with(&s, &params);
        params.value[XL_PARAM_GEMM] = XL_GEMM_NAIVE + 1;
        double plain = error_with(&s, &params);
        xl_test_check(t,
                      error <= most && plain <= most &&
                          fabs(error - plain) <= most / 2,
                      __FILE__, __LINE__,
                      "%s, weights %s, head %s: off by %.3g, naive by %.3g",
                      s.name, xl_pack_name((enum xl_pack_kind)kind),
                      xl_pack_name((enum xl_pack_kind)head), error, plain);
        if (kind > XL_PACK_BF16) /* the type is really used */
            XL_CHECK(t, error > bound[XL_PACK_FP32]);
        xl_fix_model_close(&s);
    }
}

/* An engine is refused for weights it does not read, and says which. */
static void unread_weights_are_refused(struct xl_test *t)
{
    struct xl_config config = { .heads = 4, .blocks = 1 };
    struct xl_params params;
    struct xl_err err = { 0 };
    xl_params_init(&params);
    params.value[XL_PARAM_GEMM] = XL_GEMM_VECTOR + 1;
    XL_CHECK_EQ(t, xl_plan_check(&config, &params, &err), XL_OK);
    params.value[XL_PARAM_HEAD_DTYPE] = XL_PACK_INT4 + 1;
    XL_CHECK_EQ(t, xl_plan_check(&config, &params, &err), XL_EUSAGE);
    XL_CHECK_TEXT(t, err.message,
                  "engine 'vector' does not read int4 weights, only fp32 bf16");
}

static void pieces_and_steps(struct xl_test *t)
{
    const struct {
        struct xl_feed feed;
        const char *how;
    } feeds[] = {
        { { .split = 7 }, "split 7" },
        { { .split = 64 }, "split 64" },
        { { .step = true }, "step" },
    };
    for (size_t i = 0; i < MODELS; i++) {
        struct xl_fix_model s;
        if (!xl_fix_model_open(&s, t, names[i], NULL))
            continue;
        for (int b = 0; b < XL_CHUNK_COUNT; b++) {
            struct xl_params params;
            xl_params_init(&params);
            params.value[XL_PARAM_BACKEND] = b;
            for (size_t f = 0; f < sizeof feeds / sizeof *feeds; f++)
                check_config(&s, &params, &feeds[f].feed, feeds[f].how);
        }
        xl_fix_model_close(&s);
    }
}

static void small_blocks(struct xl_test *t)
{
    for (size_t i = 0; i < MODELS; i++) {
        struct xl_fix_model s;
        if (!xl_fix_model_open(&s, t, names[i], NULL))
            continue;
        for (int64_t block = 1; block <= 64; block *= 4) {
            struct xl_params params;
            xl_params_init(&params);
            params.value[XL_PARAM_PREFILL_BLOCK] = block;
            check_config(&s, &params, NULL, "small prefill_block");
        }
        xl_fix_model_close(&s);
    }
}

/* Who decodes changes no bit, and no more than all workers do. */
static void decode_workers_change_no_bit(struct xl_test *t)
{
    struct xl_fix_model s;
    struct xl_err err = { 0 };
    if (!xl_fix_model_open(&s, t, "ragged", NULL))
        return;
    const struct xl_tensor *tokens = recorded(&s, 63, "tokens");
    size_t vocab = xl_model_config(s.model)->vocab;
    float *rows = xl_alloc_zero(5 * vocab, sizeof *rows);
    for (size_t wanted = 0; wanted < 5 && rows; wanted++) {
        struct xl_params params;
        struct xl_plan *plan = NULL;
        xl_params_init(&params);
        params.value[XL_PARAM_WORKERS] = 3;
        params.value[XL_PARAM_DECODE_WORKERS] = (int64_t)wanted;
        if (!XL_CHECK_STATUS(t, xl_plan_make(&plan, s.model, &params, &err),
                             XL_OK, &err))
            break;
        if (wanted % 2)
            plan->steal_least = 0; /* small stages are shared as large ones */
        XL_CHECK_EQ(t, xl_plan_effective(plan)->value[XL_PARAM_DECODE_WORKERS],
                    wanted && wanted < 3 ? wanted : 3);
        xl_state_clear(&s.state);
        for (size_t i = 0; i < 63; i++)
            xl_plan_forward(
                plan, &s.state,
                &(struct xl_pass){ .tokens = (const int32_t *)tokens->data + i,
                                   .n = 1,
                                   .logits = rows + wanted * vocab });
        XL_CHECK(t, memcmp(rows, rows + wanted * vocab, vocab * sizeof *rows) ==
                        0);
        xl_plan_free(plan);
    }
    XL_CHECK(t, rows && rows[0] != 0);
    xl_free(rows);
    xl_fix_model_close(&s);
}

/* Greedy steps after the longest sequence, as the original did them. */
static void greedy_continuation(struct xl_test *t)
{
    for (size_t i = 0; i < MODELS; i++) {
        struct xl_fix_model s;
        struct xl_params params;
        struct xl_plan *plan = NULL;
        struct xl_err err = { 0 };
        xl_params_init(&params);
        if (!xl_fix_model_open(&s, t, names[i], NULL) ||
            !XL_CHECK_STATUS(t, xl_plan_make(&plan, s.model, &params, &err),
                             XL_OK, &err))
            continue;
        size_t vocab = xl_model_config(s.model)->vocab;
        const struct xl_tensor *prompt = recorded(&s, 200, "tokens");
        const struct xl_tensor *want =
            xl_safetensors_find(s.reference, "greedy.tokens");
        const struct xl_tensor *logits =
            xl_safetensors_find(s.reference, "greedy.logits");
        float *row = xl_alloc_zero(vocab, sizeof *row);
        struct xl_against a = { .want = logits->data };
        const int32_t *tokens = want->data;
        xl_plan_forward(plan, &s.state,
                        &(struct xl_pass){ .tokens = prompt->data,
                                           .n = 200,
                                           .logits = row,
                                           .last_only = true });
        for (size_t step = 0; step < want->shape[0]; step++) {
            XL_CHECK_EQ(t, xl_argmax(row, vocab), tokens[step]);
            xl_plan_forward(plan, &s.state,
                            &(struct xl_pass){ .tokens = &tokens[step],
                                               .n = 1,
                                               .logits = row });
            xl_against_row(&a, step, row, vocab);
        }
        xl_test_check(t, a.worst <= logit_tolerance, __FILE__, __LINE__,
                      "%s: greedy logits off by %.3g", s.name, a.worst);
        xl_free(row);
        xl_plan_free(plan);
        xl_fix_model_close(&s);
    }
}

/* The checks above must be able to fail: a shifted row, a zeroed head and a
 * doubled state are refused by the same comparisons. */
static void comparisons_can_fail(struct xl_test *t)
{
    struct xl_fix_model s;
    struct xl_params params;
    struct xl_plan *plan = NULL;
    struct xl_err err = { 0 };
    xl_params_init(&params);
    if (!xl_fix_model_open(&s, t, "tiny", NULL) ||
        !XL_CHECK_STATUS(t, xl_plan_make(&plan, s.model, &params, &err), XL_OK,
                         &err))
        return;
    const struct xl_tensor *tokens = recorded(&s, 65, "tokens");
    const struct xl_tensor *logits = recorded(&s, 65, "logits");
    size_t vocab = xl_model_config(s.model)->vocab;
    struct xl_against shifted = { .want = (const float *)logits->data + vocab };
    xl_score_run(plan, s.model, &s.state,
                 &(struct xl_score_job){ .tokens = tokens->data,
                                         .n = 64,
                                         .callback = xl_against_row,
                                         .ctx = &shifted },
                 &err);
    XL_CHECK(t, !(shifted.worst <= logit_tolerance));
    xl_score_run(plan, s.model, &s.state,
                 &(struct xl_score_job){
                     .tokens = tokens->data,
                     .n = 65,
                     .callback = xl_against_row,
                     .ctx = &(struct xl_against){ .want = logits->data } },
                 &err);
    XL_CHECK(t, state_error(&s, 65) <= state_tolerance);
    s.state.data[3] *= 2;
    XL_CHECK(t, !(state_error(&s, 65) <= state_tolerance));
    s.state.data[3] = (float)NAN;
    XL_CHECK(t, !(state_error(&s, 65) <= state_tolerance));
    xl_plan_free(plan);
    xl_fix_model_close(&s);
}

const struct xl_test_case xl_suite_model[] = {
    XL_CASE(every_backend),
    XL_CASE(every_engine),
    XL_CASE(every_weight_type),
    XL_CASE(unread_weights_are_refused),
    XL_CASE(pieces_and_steps),
    XL_CASE(small_blocks),
    XL_CASE(decode_workers_change_no_bit),
    XL_CASE(greedy_continuation),
    XL_CASE(comparisons_can_fail),
    { 0 },
};
