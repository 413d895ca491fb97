/* SPDX-License-Identifier: Apache-2.0
 *
 * The matrix memory in bf16: a step of a cell against the step in fp32 and
 * against the recurrence in double, then whole models and state files.
 *
 * A step rounds each value of C once, by at most U of it, and what was rounded
 * before decays with the rest. So with |C| the recurrence of absolute values,
 * the error of C stays below
 *
 *     E_t = keep_t E_(t-1) (1 + U) + U |C|_t
 *
 * and h, which is of the C before it is rounded, moves by |q| keep_t E_(t-1)
 * over the denominator. Both are allowed SLACK of their size beside, for the
 * arithmetic in fp32. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/rng.h"
#include "kernel/cell/cell_int.h"
#include "kernel/model/plan.h"
#include "kernel/tensor/dtype.h"
#include "tests/harness/test.h"
#include "tests/unit/checkpoint.h"

#define U     (1.0 / 256) /* bf16 has eight bits of significand */
#define SLACK 1e-4
#define EPS   1e-6f

enum {
    STEPS = 48,
    MOST_DK = 512,
    MOST_DV = 512
};

static const struct {
    size_t dk, dv;
} widths[] = { { 1, 1 },   { 16, 16 },   { 15, 17 },   { 31, 31 },
               { 64, 64 }, { 67, 131 },  { 128, 256 }, { 100, 97 },
               { 5, 512 }, { 256, 512 }, { 512, 512 } };

static const struct xl_cell *const cells[] = {
    &xl_cell_naive,
    &xl_cell_tiled,
#ifdef XL_X86_VARIANTS
    &xl_cell_tiled_avx2,
    &xl_cell_tiled_avx512,
#endif
};

enum {
    WIDTHS = sizeof widths / sizeof *widths,
    CELLS = sizeof cells / sizeof *cells
};

/* Inputs of all steps, and the states that walk along them. */
struct walk {
    size_t dk, dv;
    float q[STEPS][MOST_DK], k[STEPS][MOST_DK], v[STEPS][MOST_DV];
    float igate[STEPS], fgate[STEPS];
    float h[MOST_DV], h32[MOST_DV], n[MOST_DK], n32[MOST_DK], m, m32;
    uint16_t C[MOST_DK * MOST_DV];
    float C32[MOST_DK * MOST_DV];
    double C64[MOST_DK * MOST_DV], C_abs[MOST_DK * MOST_DV];
    double E[MOST_DK * MOST_DV], n64[MOST_DK], m64, h64[MOST_DV];
    float scratch[8 * (MOST_DK + MOST_DV)];
};

static void fill(float *x, size_t n, double mean, struct xl_rng *rng)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(mean + xl_rng_normal(rng));
}

static void begin_walk(struct walk *w, size_t dk, size_t dv, double forget)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, 3 + dk * 1000 + dv);
    memset(w, 0, sizeof *w);
    w->dk = dk;
    w->dv = dv;
    for (size_t t = 0; t < STEPS; t++) {
        fill(w->q[t], dk, 0, &rng);
        fill(w->k[t], dk, 0, &rng);
        fill(w->v[t], dv, 0, &rng);
    }
    fill(w->igate, STEPS, 0, &rng);
    fill(w->fgate, STEPS, forget, &rng);
}

static struct xl_mlstm_io io_of(struct walk *w, size_t t, float *h)
{
    return (struct xl_mlstm_io){ .dk = w->dk,
                                 .dv = w->dv,
                                 .eps = EPS,
                                 .q = w->q[t],
                                 .k = w->k[t],
                                 .v = w->v[t],
                                 .igate = &w->igate[t],
                                 .fgate = &w->fgate[t],
                                 .h = h };
}

static void step16(const struct xl_cell *cell, struct walk *w, size_t t)
{
    struct xl_mlstm_io io = io_of(w, t, w->h);
    struct xl_mlstm_state16 state = { w->C, w->n, &w->m };
    cell->step16(&io, &state, w->scratch);
}

/* -- against the step in fp32 --------------------------------------------- */

/* The same step of the widened state; its C rounded must be the other's. */
static bool equals_rounded(const struct xl_cell *cell, struct walk *w, size_t t)
{
    size_t nC = w->dk * w->dv;
    struct xl_mlstm_io io = io_of(w, t, w->h32);
    struct xl_mlstm_state state = { w->C32, w->n32, &w->m32 };
    for (size_t i = 0; i < nC; i++)
        w->C32[i] = xl_bf16_to_f32(w->C[i]);
    memcpy(w->n32, w->n, sizeof w->n);
    w->m32 = w->m;
    cell->steps(&io, 1, &state, w->scratch);
    step16(cell, w, t);
    bool same = w->m == w->m32 && !memcmp(w->n, w->n32, sizeof w->n) &&
                !memcmp(w->h, w->h32, w->dv * sizeof *w->h);
    for (size_t i = 0; i < nC && same; i++)
        same = w->C[i] == xl_f32_to_bf16(w->C32[i]);
    return same;
}

/* The naive cell keeps C in double until it is rounded: no such equality. */
static void step_is_one_of_fp32_rounded(struct xl_test *t)
{
    struct walk *w = xl_alloc(sizeof *w);
    for (size_t c = 1; w && c < CELLS; c++)
        for (size_t i = 0; i < WIDTHS && !cells[c]->why_not(); i++) {
            bool same = true;
            begin_walk(w, widths[i].dk, widths[i].dv, 3);
            for (size_t s = 0; s < 6 && same; s++)
                same = equals_rounded(cells[c], w, s);
            xl_test_check(t, same, __FILE__, __LINE__,
                          "cell %zu, %zux%zu: a step differs", c, w->dk, w->dv);
        }
    XL_CHECK(t, w != NULL);
    xl_free(w);
}

/* -- against the recurrence in double ------------------------------------- */

/* One step of C64, C_abs, E and h64; returns the numerator's bound a column
 * in allowed, [dv], already over the denominator. */
static void step_f64(struct walk *w, size_t t, double *allowed)
{
    double q[MOST_DK], k[MOST_DK], v[MOST_DV], before = w->m64, d = 0;
    struct xl_mlstm_f64 cell = { w->dk,  w->dv,  (double)EPS,
                                 w->C64, w->n64, &w->m64 };
    for (size_t a = 0; a < w->dk; a++) {
        q[a] = (double)w->q[t][a];
        k[a] = (double)w->k[t][a];
    }
    for (size_t b = 0; b < w->dv; b++)
        v[b] = (double)w->v[t][b];
    double igate = (double)w->igate[t], f = (double)w->fgate[t];
    xl_mlstm_step_f64(&cell, q, k, v, igate, f, w->h64);
    double keep = exp(xl_log_sigmoid(f) + before - w->m64);
    double take = exp(igate - w->m64), scale = 1 / sqrt((double)w->dk);
    for (size_t a = 0; a < w->dk; a++)
        d += scale * q[a] * w->n64[a];
    double den = fmax(fabs(d), exp(-w->m64)) + (double)EPS;
    memset(allowed, 0, w->dv * sizeof *allowed);
    for (size_t i = 0; i < w->dk * w->dv; i++) {
        size_t a = i / w->dv, b = i % w->dv;
        double moved = keep * w->E[i];
        w->C_abs[i] = keep * w->C_abs[i] + take * fabs(k[a] * v[b]);
        w->E[i] = moved * (1 + U) + (U + SLACK) * w->C_abs[i];
        allowed[b] += scale * fabs(q[a]) * (moved + SLACK * w->C_abs[i]) / den;
    }
}

/* The steps that left the bound; *of_it is how much of it was used. */
static size_t count_wrong(const struct xl_cell *cell, struct walk *w,
                          double *of_it)
{
    size_t wrong = 0;
    double allowed[MOST_DV];
    for (size_t t = 0; t < STEPS; t++) {
        step_f64(w, t, allowed);
        step16(cell, w, t);
        bool ok = true;
        for (size_t b = 0; b < w->dv; b++) {
            double e = fabs((double)w->h[b] - w->h64[b]);
            ok = ok && e <= allowed[b] + SLACK * fabs(w->h64[b]);
        }
        for (size_t i = 0; i < w->dk * w->dv; i++) {
            double e = fabs((double)xl_bf16_to_f32(w->C[i]) - w->C64[i]);
            ok = ok && e <= w->E[i];
            *of_it = fmax(*of_it, w->E[i] > 0 ? e / w->E[i] : 0);
        }
        wrong += !ok;
    }
    return wrong;
}

static void steps_stay_in_the_bound(struct xl_test *t)
{
    static const double forgets[] = { 3, 9, -2 };
    struct walk *w = xl_alloc(sizeof *w);
    for (size_t at = 0; w && at < CELLS * WIDTHS * 3; at++) {
        size_t c = at % CELLS, i = at / CELLS % WIDTHS;
        double forget = forgets[at / CELLS / WIDTHS], of_it = 0;
        if (cells[c]->why_not() || widths[i].dk * widths[i].dv > 1 << 15)
            continue;
        begin_walk(w, widths[i].dk, widths[i].dv, forget);
        size_t wrong = count_wrong(cells[c], w, &of_it);
        xl_test_check(t, wrong == 0 && of_it > 0.1, __FILE__, __LINE__,
                      "cell %zu, %zux%zu, forget %g: %zu steps out of the "
                      "bound, of which %.2f was used",
                      c, w->dk, w->dv, forget, wrong, of_it);
    }
    XL_CHECK(t, w != NULL);
    xl_free(w);
}

/* -- planted faults ------------------------------------------------------- */

/* The best cell of the table here. */
static void honest(const struct xl_mlstm_io *io,
                   const struct xl_mlstm_state16 *state, float *scratch)
{
    xl_cell_get(XL_CELL_TILED)->step16(io, state, scratch);
}

/* The last value loses its last bit. */
static void cut(const struct xl_mlstm_io *io,
                const struct xl_mlstm_state16 *state, float *scratch)
{
    honest(io, state, scratch);
    for (size_t i = 0; i < io->dk * io->dv; i++)
        state->C[i] &= 0xfffe;
}

static void leave_a_value(const struct xl_mlstm_io *io,
                          const struct xl_mlstm_state16 *state, float *scratch)
{
    uint16_t last = state->C[io->dk * io->dv - 1];
    honest(io, state, scratch);
    state->C[io->dk * io->dv - 1] = last;
}

static void faults_are_seen(struct xl_test *t)
{
    struct walk *w = xl_alloc(sizeof *w);
    struct xl_cell faulty[] = { *xl_cell_get(XL_CELL_TILED),
                                *xl_cell_get(XL_CELL_TILED) };
    double of_it = 0;
    faulty[0].step16 = cut;
    faulty[1].step16 = leave_a_value;
    for (size_t i = 0; w && i < 2; i++) {
        begin_walk(w, 31, 31, 3);
        XL_CHECK(t, !equals_rounded(&faulty[i], w, 0));
        begin_walk(w, 31, 31, 3);
        XL_CHECK(t, count_wrong(&faulty[i], w, &of_it) > 0);
    }
    XL_CHECK(t, w != NULL);
    xl_free(w);
}

/* A NaN of C, and one of v, stay in C and reach h. */
static void nan_is_not_lost(struct xl_test *t)
{
    struct walk *w = xl_alloc(sizeof *w);
    for (size_t c = 0; w && c < CELLS; c++) {
        if (cells[c]->why_not())
            continue;
        begin_walk(w, 17, 31, 3);
        w->C[30] = 0x7f81;
        w->v[0][2] = NAN;
        step16(cells[c], w, 0);
        XL_CHECK(t, isnan(xl_bf16_to_f32(w->C[30])) && isnan(w->h[30]));
        XL_CHECK(t, isnan(xl_bf16_to_f32(w->C[2])) && isnan(w->h[2]));
        XL_CHECK(t, !isnan(w->h[3]));
    }
    XL_CHECK(t, w != NULL);
    xl_free(w);
}

/* -- models --------------------------------------------------------------- */

/* A model with plans of both state types. */
struct pair {
    struct xl_model *model;
    struct xl_plan *wide, *half;
    struct xl_state a, b;
    size_t vocab;
    float *logits; /* [2][vocab] */
};

static bool make_plan(struct xl_test *t, struct xl_model *model,
                      const char *dtype, int64_t workers, struct xl_plan **plan)
{
    struct xl_err err = { 0 };
    struct xl_params params;
    xl_params_init(&params);
    params.value[XL_PARAM_STATE_DTYPE] = strcmp(dtype, "bf16") == 0;
    params.value[XL_PARAM_WORKERS] = workers;
    return XL_CHECK_STATUS(t, xl_plan_make(plan, model, &params, &err), XL_OK,
                           &err);
}

static bool open_pair(struct pair *p, struct xl_test *t, const char *name)
{
    char dir[1024];
    struct xl_err err = { 0 };
    *p = (struct pair){ 0 };
    if (!XL_CHECK_STATUS(
            t, xl_model_open(&p->model, checkpoint_dir(name, dir), &err), XL_OK,
            &err))
        return false;
    const struct xl_config *config = xl_model_config(p->model);
    p->vocab = config->vocab;
    p->logits = xl_alloc_zero(2 * p->vocab, sizeof *p->logits);
    return XL_CHECK(t, p->logits) &&
           make_plan(t, p->model, "fp32", 2, &p->wide) &&
           make_plan(t, p->model, "bf16", 2, &p->half) &&
           XL_CHECK(t, xl_state_init(&p->a, config, NULL) == XL_OK &&
                           xl_state_init(&p->b, config, NULL) == XL_OK);
}

static void close_pair(struct pair *p)
{
    xl_state_release(&p->a);
    xl_state_release(&p->b);
    xl_plan_free(p->wide);
    xl_plan_free(p->half);
    xl_free(p->logits);
    xl_model_close(p->model);
}

/* A prompt of `prompt` tokens in one pass, then single steps up to `all`. */
static void feed(struct xl_plan *plan, struct xl_state *state, size_t vocab,
                 size_t prompt, size_t all, float *logits)
{
    int32_t tokens[256];
    for (size_t i = 0; i < all; i++)
        tokens[i] = (int32_t)((i * 37 + 5) % vocab);
    xl_state_clear(state);
    for (size_t at = 0, n = prompt ? prompt : 1; at < all; at += n, n = 1)
        xl_plan_forward(plan, state,
                        &(struct xl_pass){ .tokens = tokens + at,
                                           .n = n,
                                           .logits = logits,
                                           .last_only = true });
}

static double largest_of(const float *x, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)x[i]));
    return largest;
}

static double largest_difference(const float *a, const float *b, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst))
            worst = d;
    }
    return worst;
}

/* Models of random weights, where 0.01 of the largest logit was seen. */
static void models_stay_close(struct xl_test *t)
{
    static const size_t prompts[] = { 0, 1, 63, 100, 129 };
    for (size_t i = 0; i < CHECKPOINT_MODELS; i++) {
        struct pair p;
        if (open_pair(&p, t, checkpoint_models[i]))
            for (size_t j = 0; j < sizeof prompts / sizeof *prompts; j++) {
                float *x = p.logits, *y = x + p.vocab;
                feed(p.wide, &p.a, p.vocab, prompts[j], 130, x);
                feed(p.half, &p.b, p.vocab, prompts[j], 130, y);
                double off = largest_difference(x, y, p.vocab);
                double largest = largest_of(x, p.vocab);
                bool has_C = xl_state_view(&p.a, 0, XL_STATE_C).data != NULL;
                xl_test_check(t, off <= 0.03 * largest && (off > 0 || !has_C),
                              __FILE__, __LINE__,
                              "%s, prompt %zu: logits off by %g "
                              "of %g",
                              checkpoint_models[i], prompts[j], off, largest);
            }
        close_pair(&p);
    }
}

static void workers_change_no_bit(struct xl_test *t)
{
    for (size_t i = 0; i < CHECKPOINT_MODELS; i++) {
        struct pair p;
        if (open_pair(&p, t, checkpoint_models[i])) {
            float *x = p.logits, *y = x + p.vocab;
            feed(p.half, &p.a, p.vocab, 70, 90, x);
            for (int64_t workers = 1; workers <= 3; workers += 2) {
                struct xl_plan *plan = NULL;
                if (make_plan(t, p.model, "bf16", workers, &plan))
                    feed(plan, &p.b, p.vocab, 70, 90, y);
                XL_CHECK(t, memcmp(x, y, p.vocab * sizeof *x) == 0);
                XL_CHECK(t, memcmp(p.a.data, p.b.data,
                                   p.a.floats * sizeof *p.a.data) == 0);
                xl_plan_free(plan);
            }
        }
        close_pair(&p);
    }
}

/* -- holding and saving --------------------------------------------------- */

/* Widening is exact and undone by rounding; rounding is to nearest. */
static void holding_goes_back_and_forth(struct xl_test *t)
{
    struct pair p;
    if (open_pair(&p, t, "tiny")) {
        feed(p.wide, &p.a, p.vocab, 20, 20, p.logits);
        xl_state_copy(&p.b, &p.a);
        xl_state_hold(&p.b, XL_BF16);
        size_t nC = p.a.heads * p.a.dk * p.a.dv;
        for (size_t i = 0; i < nC; i++)
            XL_CHECK_EQ(t, xl_state_C16(&p.b, 0)[i],
                        xl_f32_to_bf16(xl_state_C(&p.a, 0)[i]));
        XL_CHECK_EQ(t, xl_state_view(&p.b, 0, XL_STATE_C).dtype, XL_BF16);
        XL_CHECK_EQ(t, xl_state_view(&p.b, 0, XL_STATE_N).dtype, XL_FP32);
        xl_state_copy(&p.a, &p.b);
        xl_state_hold(&p.a, XL_FP32);
        XL_CHECK(t, xl_state_C(&p.a, 0)[7] ==
                        xl_bf16_to_f32(xl_state_C16(&p.b, 0)[7]));
        xl_state_hold(&p.a, XL_BF16);
        XL_CHECK(t, memcmp(p.a.data, p.b.data, p.a.floats * sizeof *p.a.data) ==
                        0);
    }
    close_pair(&p);
}

/* A file is fp32 whatever the state was; what follows has the same bits. */
static void saved_states_go_on(struct xl_test *t)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/xl_state16_%ld.safetensors",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (long)getpid());
    for (size_t i = 0; i < CHECKPOINT_MODELS; i++) {
        struct pair p;
        struct xl_err err = { 0 };
        int32_t token = 3;
        if (open_pair(&p, t, checkpoint_models[i])) {
            float *x = p.logits, *y = x + p.vocab;
            feed(p.half, &p.a, p.vocab, 9, 12, x);
            XL_CHECK_STATUS(t, xl_state_save(&p.a, path, &err), XL_OK, &err);
            XL_CHECK_EQ(t, p.a.C_dtype, XL_BF16);
            xl_state_hold(&p.b, XL_BF16);
            XL_CHECK_STATUS(t, xl_state_load(&p.b, path, &err), XL_OK, &err);
            XL_CHECK_EQ(t, p.b.C_dtype, XL_FP32);
            struct xl_pass one = { .tokens = &token, .n = 1, .logits = x };
            xl_plan_forward(p.half, &p.a, &one);
            one.logits = y;
            xl_plan_forward(p.half, &p.b, &one);
            XL_CHECK(t, memcmp(x, y, p.vocab * sizeof *x) == 0);
            XL_CHECK(t, memcmp(p.a.data, p.b.data,
                               p.a.floats * sizeof *p.a.data) == 0);
        }
        close_pair(&p);
    }
    unlink(path);
}

const struct xl_test_case xl_suite_state16[] = {
    XL_CASE(step_is_one_of_fp32_rounded),
    XL_CASE(steps_stay_in_the_bound),
    XL_CASE(faults_are_seen),
    XL_CASE(nan_is_not_lost),
    XL_CASE(models_stay_close),
    XL_CASE(workers_change_no_bit),
    XL_CASE(holding_goes_back_and_forth),
    XL_CASE(saved_states_go_on),
    { 0 },
};
