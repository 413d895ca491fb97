/* SPDX-License-Identifier: Apache-2.0
 *
 * The reference's quick rows: the bits of plain loops, and believed only as
 * long as they are. */
#include <string.h>

#include "judge/judge.h"
#include "judge/reference_int.h"
#include "kernel/gemm/gemm.h"
#include "tests/harness/test.h"

enum {
    TOKENS = XL_REFERENCE_CHECK + 100
};

struct bench {
    struct xl_model *model;
    struct xl_judge_text text;
    struct xl_params params;
    struct xl_reference *reference;
};

/* weights: of the naive reference, as weight_dtype names them. */
static bool bench_open(struct xl_test *t, struct bench *b, const char *name,
                       const char *weights)
{
    struct xl_err err = { 0 };
    *b = (struct bench){ 0 };
    xl_judge_reference(&b->params);
    if (!XL_CHECK_STATUS(t,
                         xl_params_set(&b->params, XL_PARAM_WEIGHT_DTYPE,
                                       weights, XL_LAYER_FLAG, "test", &err),
                         XL_OK, &err) ||
        !XL_CHECK_STATUS(t, xl_model_open(&b->model, xl_test_data(name), &err),
                         XL_OK, &err) ||
        !XL_CHECK_STATUS(
            t, xl_judge_heldout(&b->text, b->model, NULL, TOKENS, &err), XL_OK,
            &err))
        return false;
    struct xl_reference_spec spec = { .model = b->model,
                                      .params = &b->params,
                                      .tokens = b->text.ids.data,
                                      .n = TOKENS,
                                      .text_hash = b->text.hash,
                                      .piece = TOKENS };
    return XL_CHECK_STATUS(t, xl_reference_make(&b->reference, &spec, &err),
                           XL_OK, &err);
}

static void bench_close(struct bench *b)
{
    xl_reference_free(b->reference);
    xl_judge_text_release(&b->text);
    xl_model_close(b->model);
}

static bool same(struct xl_test *t, struct bench *quick, struct bench *plain)
{
    const float *a, *b;
    struct xl_err err = { 0 };
    return XL_CHECK_STATUS(
               t, xl_reference_rows(quick->reference, 0, TOKENS, &a, &err),
               XL_OK, &err) &&
           XL_CHECK_STATUS(
               t, xl_reference_rows(plain->reference, 0, TOKENS, &b, &err),
               XL_OK, &err) &&
           XL_CHECK(
               t,
               memcmp(a, b, TOKENS * plain->reference->vocab * sizeof *a) == 0);
}

static bool has_quick(void)
{
    const struct xl_gemm *wide = xl_gemm_get(XL_GEMM_WIDE);
    return xl_gemm_reads_packed(wide, XL_PACK_FP32) && !wide->why_not();
}

/* Puts a plan with fp32 sums where the quick one was. */
static void plant(struct xl_test *t, struct bench *b)
{
    struct xl_params params = b->params;
    struct xl_err err = { 0 };
    params.value[XL_PARAM_GEMM] = XL_GEMM_VECTOR + 1;
    xl_plan_free(b->reference->quick.plan);
    b->reference->quick.plan = NULL;
    XL_CHECK_STATUS(
        t, xl_plan_make(&b->reference->quick.plan, b->model, &params, &err),
        XL_OK, &err);
}

static void quick_rows_have_the_bits_of_plain_loops(struct xl_test *t)
{
    static const struct {
        const char *model, *weights;
    } rows[] = {
        { "models/tiny", "fp32" },
        { "models/tiny", "int4" },
        { "models/ragged", "fp32" },
        { "models/ragged", "bf16" },
        { "models/ragged", "int8" },
        { "models/ragged", "int4" },
        { "models/fused-nonorm", "fp32" },
        { "models/biased-bf16-sharded", "fp32" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench quick, plain = { 0 };
        if (bench_open(t, &quick, rows[i].model, rows[i].weights) &&
            bench_open(t, &plain, rows[i].model, rows[i].weights)) {
            XL_CHECK_EQ(t, quick.reference->quick.plan != NULL, has_quick());
            xl_quick_release(&plain.reference->quick);
            same(t, &quick, &plain);
            /* Not given up on the way. */
            XL_CHECK_EQ(t, quick.reference->quick.plan != NULL, has_quick());
        }
        bench_close(&quick);
        bench_close(&plain);
    }
}

static void rows_that_differ_at_once_are_not_used(struct xl_test *t)
{
    struct bench quick, plain = { 0 };
    if (has_quick() && bench_open(t, &quick, "models/ragged", "fp32") &&
        bench_open(t, &plain, "models/ragged", "fp32")) {
        xl_quick_release(&plain.reference->quick);
        plant(t, &quick);
        same(t, &quick, &plain);
        XL_CHECK(t, quick.reference->quick.plan == NULL);
        bench_close(&quick);
        bench_close(&plain);
    }
}

static void rows_that_differ_later_judge_nobody(struct xl_test *t)
{
    static const size_t from[] = { 64, XL_REFERENCE_CHECK + 64 };
    for (size_t i = 0; has_quick() && i < 2; i++) {
        struct bench b;
        const float *rows;
        struct xl_err err = { 0 };
        if (bench_open(t, &b, "models/ragged", "fp32") &&
            XL_CHECK_STATUS(
                t, xl_reference_rows(b.reference, 0, from[i], &rows, &err),
                XL_OK, &err)) {
            plant(t, &b);
            XL_CHECK_STATUS(
                t, xl_reference_rows(b.reference, 0, TOKENS, &rows, &err),
                XL_EMISMATCH, &err);
            XL_CHECK(t, strstr(err.message, "not to be trusted") != NULL);
        }
        bench_close(&b);
    }
}

const struct xl_test_case xl_suite_reference[] = {
    XL_CASE(quick_rows_have_the_bits_of_plain_loops),
    XL_CASE(rows_that_differ_at_once_are_not_used),
    XL_CASE(rows_that_differ_later_judge_nobody),
    { 0 },
};
