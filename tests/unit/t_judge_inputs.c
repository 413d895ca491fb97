/* SPDX-License-Identifier: Apache-2.0
 *
 * A model's own floor goes by what a candidate's engines make of their inputs:
 * engines do what they say, plain code does the same, and a kernel that rounds
 * what its engine keeps is refused where the floor of its tier would let it
 * pass. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "judge/judge.h"
#include "judge/selftest.h"
#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/rng.h"
#include "kernel/model/fault.h"
#include "kernel/model/rounding.h"
#include "kernel/run/synth.h"
#include "tests/harness/test.h"

/* -- engines --------------------------------------------------------------- */

enum {
    OUT = 64,
    IN = 96,
    ROWS = 48,
    FORMATS = 3
};

/* A product of packed weights. */
struct product {
    float x[ROWS * IN], w[OUT * IN], y[ROWS * OUT];
    struct xl_pack_job pack;
    struct xl_packed packed;
};

static bool open_product(struct xl_test *t, struct product *p,
                         enum xl_pack_kind kind)
{
    struct xl_pack_sizes sizes;
    struct xl_rng rng;
    xl_rng_seed(&rng, 5);
    for (size_t i = 0; i < ROWS * IN; i++)
        p->x[i] = (float)xl_rng_normal(&rng);
    for (size_t i = 0; i < OUT * IN; i++)
        p->w[i] = (float)xl_rng_normal(&rng);
    p->pack = (struct xl_pack_job){
        .kind = kind, .out = OUT, .in = IN, .rows = p->w, .dtype = XL_FP32
    };
    bool ok = XL_CHECK(t, xl_pack_sizes(&sizes, kind, OUT, IN));
    if (ok) {
        p->pack.data = xl_alloc_floats(1, sizes.data_bytes / sizeof(float));
        p->pack.scales =
            (void *)xl_alloc_floats(1, sizes.scale_bytes / sizeof(float) + 1);
        ok = XL_CHECK(t, p->pack.data && p->pack.scales);
    }
    if (ok)
        xl_pack_run(&p->pack, 0, xl_pack_panels(OUT), NULL);
    p->packed = xl_pack_view(&p->pack);
    return ok;
}

static void close_product(struct product *p)
{
    xl_free(p->pack.data);
    xl_free(p->pack.scales);
}

static void multiply(struct xl_test *t, struct product *p,
                     const struct xl_gemm *gemm, const float *x, size_t m,
                     bool rounds_w)
{
    float *scratch = xl_alloc_floats(1, gemm->scratch_floats(IN) + 16);
    memset(p->y, 0, sizeof p->y);
    if (XL_CHECK(t, scratch != NULL))
        gemm->run(&(struct xl_gemm_job){ .m = m,
                                         .k = IN,
                                         .n_end = OUT,
                                         .x = x,
                                         .ldx = IN,
                                         .packed = &p->packed,
                                         .y = p->y,
                                         .ldy = OUT,
                                         .scratch = scratch,
                                         .rounds_w = rounds_w });
    xl_free(scratch);
}

/* By which rounding do plain loops come closest to what an engine gives? */
static enum xl_rounding closest(struct xl_test *t, struct product *p,
                                const struct xl_gemm *gemm, size_t m)
{
    static float given[ROWS * OUT], x[ROWS * IN];
    double least = (double)INFINITY;
    enum xl_rounding found = XL_ROUNDING_NONE;
    multiply(t, p, gemm, p->x, m, false);
    memcpy(given, p->y, sizeof given);
    for (int r = 0; r < FORMATS; r++) {
        double error = 0;
        for (size_t i = 0; i < ROWS; i++)
            xl_round_inputs((enum xl_rounding)r, x + i * IN, p->x + i * IN, IN);
        multiply(t, p, xl_gemm_get(XL_GEMM_NAIVE), x, m,
                 r == XL_ROUNDING_BF16 && m > 1);
        for (size_t i = 0; i < m * OUT; i++)
            error += fabs((double)given[i] - (double)p->y[i]);
        if (error < least) {
            least = error;
            found = (enum xl_rounding)r;
        }
    }
    return found;
}

static void engines_round_as_they_say(struct xl_test *t)
{
    static const enum xl_pack_kind kinds[] = { XL_PACK_INT8, XL_PACK_INT4 };
    static struct product p;
    for (size_t k = 0; k < 2; k++) {
        bool ok = open_product(t, &p, kinds[k]);
        for (int g = 0; ok && g < XL_GEMM_COUNT; g++) {
            const struct xl_gemm *gemm = xl_gemm_get((enum xl_gemm_id)g);
            if (gemm->why_not() || !xl_gemm_reads_packed(gemm, kinds[k]))
                continue;
            xl_test_check(t, closest(t, &p, gemm, 1) == gemm->rounds, __FILE__,
                          __LINE__, "%s, a row", gemm->name);
            xl_test_check(t, closest(t, &p, gemm, ROWS) == gemm->rounds,
                          __FILE__, __LINE__, "%s, many rows", gemm->name);
        }
        close_product(&p);
    }
}

/* The quick reference has the plain one's bits with such weights too. */
static void wide_rounds_weights_as_plain_loops_do(struct xl_test *t)
{
    const struct xl_gemm *wide = xl_gemm_get(XL_GEMM_WIDE);
    static struct product p;
    static float want[ROWS * OUT];
    bool ok = open_product(t, &p, XL_PACK_INT8);
    if (ok && xl_gemm_reads_packed(wide, XL_PACK_INT8)) {
        multiply(t, &p, xl_gemm_get(XL_GEMM_NAIVE), p.x, ROWS, true);
        memcpy(want, p.y, sizeof want);
        multiply(t, &p, wide, p.x, ROWS, true);
        XL_CHECK(t, memcmp(want, p.y, sizeof want) == 0);
        multiply(t, &p, wide, p.x, ROWS, false);
        XL_CHECK(t, memcmp(want, p.y, sizeof want) != 0);
    }
    close_product(&p);
}

/* -- floors ---------------------------------------------------------------- */

/* A model more sensitive than the tiers expect. */
struct bench {
    char *dir;
    struct xl_model *model;
    struct xl_judge_text text;
    struct xl_judge *judge;
};

static bool bench_open(struct xl_test *t, struct bench *b)
{
    struct xl_err err = { 0 };
    *b = (struct bench){ .dir = xl_io_join(t->dir, "noise") };
    const struct xl_synth_options options = {
        .preset = "demo", .dir = b->dir, .kind = XL_PACK_BF16, .seed = 7
    };
    enum xl_status rc = xl_synth_write(&options, &err);
    if (rc == XL_OK)
        rc = xl_model_open(&b->model, b->dir, &err);
    if (rc == XL_OK)
        rc = xl_judge_heldout(&b->text, b->model, NULL, 0, &err);
    if (rc == XL_OK)
        rc = xl_judge_make(&b->judge, b->model, &b->text, NULL, &err);
    return XL_CHECK_STATUS(t, rc, XL_OK, &err);
}

static void bench_close(struct bench *b)
{
    xl_judge_free(b->judge);
    xl_judge_text_release(&b->text);
    xl_model_close(b->model);
    xl_free(b->dir);
}

/* An engine that keeps its inputs in fp32. */
static const char *exact_engine(void)
{
    if (!xl_gemm_get(XL_GEMM_AVX512)->why_not())
        return "avx512";
    return xl_gemm_get(XL_GEMM_AVX2)->why_not() ? "naive" : "avx2";
}

/* A kernel that is not what its engine says. */
struct broken {
    const char *dtype;
    struct xl_inputs most;    /* that the tier of this format allows */
    enum xl_rounding rounded; /* its inputs, in secret */
    float scale; /* of a layer's weights, times what it should be */
};

static enum xl_status plant(const struct broken *fault, struct xl_plan *plan,
                            size_t block, struct xl_err *err)
{
    if (fault->scale > 0 && !xl_fault_scales(plan, block, fault->scale))
        return xl_fail(err, XL_EFAILED, "no scales to change");
    return fault->rounded ? xl_plan_round_inputs(plan, fault->rounded, err)
                          : XL_OK;
}

/* The verdict by the floor of its own engine, or of any that the tier allows;
 * of a sound kernel when nothing is planted. */
static enum xl_verdict judge_it(struct xl_test *t, struct bench *b,
                                const struct broken *fault, bool is_planted,
                                bool is_own)
{
    char words[64];
    struct xl_params params;
    struct xl_model *model = NULL; /* its own weights may be changed */
    struct xl_plan *plan = NULL;
    struct xl_judgement j = { .n_tokens = 0 };
    struct xl_err err = { 0 };
    size_t block = xl_model_config(b->model)->blocks / 2;
    snprintf(words, sizeof words, "weight_dtype=%s gemm=%s", fault->dtype,
             exact_engine());
    enum xl_status rc = xl_selftest_params(&params, words, &err);
    if (rc == XL_OK)
        rc = xl_model_open(&model, b->dir, &err);
    if (rc == XL_OK)
        rc = xl_plan_make(&plan, model, &params, &err);
    if (rc == XL_OK && is_planted)
        rc = plant(fault, plan, block, &err);
    if (rc == XL_OK) {
        struct xl_subject subject =
            xl_subject_of_plan(plan, xl_model_config(b->model));
        XL_CHECK_EQ(t, subject.inputs.prefill, XL_ROUNDING_NONE);
        XL_CHECK_EQ(t, subject.inputs.decode, XL_ROUNDING_NONE);
        if (!is_own)
            subject.inputs = fault->most;
        rc =
            xl_judge_subject(b->judge, &subject, xl_tier_of(&params), &j, &err);
    }
    xl_plan_free(plan);
    xl_model_close(model);
    XL_CHECK_STATUS(t, rc, XL_OK, &err);
    return j.ruling.verdict;
}

/* By the floor of whichever engine the tier allows, what does as much damage
 * as rounded inputs do would pass: fp32 inputs rounded to bf16 in secret, a
 * layer's scale that is wrong by 0.6 %. By the floor of their own engine both
 * are refused, and the sound kernel passes. */
static void a_floor_is_that_of_the_engine(struct xl_test *t)
{
    static const struct broken faults[] = {
        { "int8", { XL_ROUNDING_INT8, XL_ROUNDING_INT8 }, .scale = 1.006f },
        { "bf16",
          { XL_ROUNDING_BF16, XL_ROUNDING_BF16 },
          .rounded = XL_ROUNDING_BF16 },
    };
    struct bench b;
    bool ok = bench_open(t, &b);
    for (size_t i = 0; ok && i < sizeof faults / sizeof *faults; i++) {
        const struct broken *fault = &faults[i];
        XL_CHECK_EQ(t, judge_it(t, &b, fault, false, true), XL_VERDICT_PASS);
        XL_CHECK_EQ(t, judge_it(t, &b, fault, true, false), XL_VERDICT_PASS);
        XL_CHECK_EQ(t, judge_it(t, &b, fault, true, true), XL_VERDICT_FAIL);
    }
    bench_close(&b);
}

const struct xl_test_case xl_suite_judge_inputs[] = {
    XL_CASE(engines_round_as_they_say),
    XL_CASE(wide_rounds_weights_as_plain_loops_do),
    XL_CASE(a_floor_is_that_of_the_engine),
    { 0 },
};
