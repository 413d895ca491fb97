/* SPDX-License-Identifier: Apache-2.0
 *
 * The block stack against outputs of the original PyTorch code (tests/data/
 * models/stack-*): every backend, chunk size, band size and worker count,
 * pieces of the prompt and single steps; stored forms of the sLSTM; and
 * faults that the same comparison must catch. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/cell/slstm.h"
#include "kernel/chunk/chunk.h"
#include "kernel/gemm/gemm.h"
#include "kernel/model/plan.h"
#include "kernel/run/score.h"
#include "tests/harness/test.h"
#include "tests/unit/checkpoint.h"

/* The documented tolerance. */
static const double logit_tolerance = 2e-4;

static const char *const names[] = { "stack-m1s1", "stack-7-1" };
static const int64_t chunks[] = { 1, 16, 17, 48, 64 };

enum {
    MODELS = 2,
    CHUNKS = 5,
    WORKERS = 3
};

/* A model with the recorded outputs of a reference model. */
struct subject {
    struct xl_test *t;
    const char *name;
    struct xl_model *model;
    struct xl_safetensors *reference;
    struct xl_state state;
    const struct xl_tensor *tokens, *logits, *steps;
};

/* The model in `dir` and what is recorded for `name`. */
static bool open_subject(struct subject *s, struct xl_test *t, const char *name,
                         const char *dir)
{
    char file[1200], own[1024];
    struct xl_err err = { 0 };
    *s = (struct subject){ .t = t, .name = name };
    checkpoint_dir(name, own);
    snprintf(file, sizeof file, "%s/reference.safetensors", own);
    enum xl_status rc = xl_model_open(&s->model, dir ? dir : own, &err);
    if (rc == XL_OK)
        rc = xl_safetensors_open_file(&s->reference, file, &err);
    if (rc == XL_OK)
        rc = xl_state_init(&s->state, xl_model_config(s->model), &err);
    if (!XL_CHECK_STATUS(t, rc, XL_OK, &err))
        return false;
    s->tokens = xl_safetensors_find(s->reference, "tokens");
    s->logits = xl_safetensors_find(s->reference, "logits");
    s->steps = xl_safetensors_find(s->reference, "step_logits");
    return XL_CHECK(t, s->tokens && s->logits && s->steps);
}

static void close_subject(struct subject *s)
{
    xl_state_release(&s->state);
    xl_safetensors_close(s->reference);
    xl_model_close(s->model);
}

/* Largest difference so far from the recorded logits; a NaN stays. */
struct against {
    const float *want; /* [n][vocab] */
    double worst;
};

static bool compare_row(void *ctx, size_t position, const float *logits,
                        size_t vocab)
{
    struct against *a = ctx;
    for (size_t i = 0; i < vocab; i++) {
        double d =
            fabs((double)logits[i] - (double)a->want[position * vocab + i]);
        if (!(d <= a->worst))
            a->worst = d;
    }
    return true;
}

/* Error of the logits over the recorded tokens, or the recorded steps. */
static double error_of(struct subject *s, const struct xl_params *params,
                       const struct xl_feed *feed)
{
    struct xl_plan *plan;
    struct xl_err err = { 0 };
    bool step = feed && feed->step;
    struct against a = { .want = (step ? s->steps : s->logits)->data };
    size_t n = (step ? s->steps : s->logits)->shape[0];
    enum xl_status rc = xl_plan_make(&plan, s->model, params, &err);
    if (!XL_CHECK_STATUS(s->t, rc, XL_OK, &err))
        return (double)NAN;
    rc = xl_score_run(plan, s->model, &s->state, s->tokens->data, n, feed,
                      compare_row, &a, &err);
    XL_CHECK_STATUS(s->t, rc, XL_OK, &err);
    xl_plan_free(plan);
    return a.worst;
}

static void check(struct subject *s, const struct xl_params *params,
                  const struct xl_feed *feed, const char *how)
{
    double error = error_of(s, params, feed);
    xl_test_check(s->t, error <= logit_tolerance, __FILE__, __LINE__,
                  "%s, %s: logits off by %.3g", s->name, how, error);
}

static void check_backend(struct subject *s, enum xl_chunk_id backend)
{
    struct xl_params params;
    unsigned knobs = xl_chunk_get(backend)->knobs;
    int64_t heads = (int64_t)xl_model_config(s->model)->heads;
    size_t n_chunks = knobs & XL_KNOB_CHUNK ? CHUNKS : 1;
    int64_t n_bands = knobs & XL_KNOB_BAND ? heads : 1;
    xl_params_init(&params);
    params.value[XL_PARAM_BACKEND] = (int64_t)backend;
    for (size_t c = 0; c < n_chunks; c++) {
        for (int64_t band = 1; band <= n_bands; band++) {
            for (int64_t workers = 1; workers <= WORKERS; workers++) {
                char how[96];
                params.value[XL_PARAM_CHUNK_SIZE] = chunks[c];
                params.value[XL_PARAM_HEADS_PER_BAND] = band;
                params.value[XL_PARAM_WORKERS] = workers;
                snprintf(how, sizeof how, "%s chunk %d band %d workers %d",
                         xl_chunk_get(backend)->name, (int)chunks[c],
                         (int)band, (int)workers);
                check(s, &params, NULL, how);
            }
        }
    }
}

static void every_backend(struct xl_test *t)
{
    for (size_t i = 0; i < MODELS; i++) {
        struct subject s;
        if (open_subject(&s, t, names[i], NULL))
            for (int b = 0; b < XL_CHUNK_COUNT; b++)
                check_backend(&s, (enum xl_chunk_id)b);
        close_subject(&s);
    }
}

static void every_engine(struct xl_test *t)
{
    for (size_t i = 0; i < MODELS; i++) {
        struct subject s;
        if (!open_subject(&s, t, names[i], NULL))
            continue;
        for (int64_t gemm = 0; gemm <= XL_GEMM_COUNT; gemm++) {
            for (int64_t cell = 0; cell < XL_CELL_COUNT; cell++) {
                struct xl_params params;
                char how[64];
                xl_params_init(&params);
                params.value[XL_PARAM_GEMM] = gemm;
                params.value[XL_PARAM_CELL] = cell;
                snprintf(how, sizeof how, "gemm %s cell %s",
                         xl_param_row(XL_PARAM_GEMM)->choices[gemm],
                         xl_param_row(XL_PARAM_CELL)->choices[cell]);
                check(&s, &params, NULL, how);
                check(&s, &params, &(struct xl_feed){ .step = true }, how);
            }
        }
        close_subject(&s);
    }
}

static void pieces_and_steps(struct xl_test *t)
{
    static const struct xl_feed feeds[] = { { .split = 1 },
                                            { .split = 2 },
                                            { .split = 7 },
                                            { .split = 64 },
                                            { .step = true } };
    for (size_t i = 0; i < MODELS; i++) {
        struct subject s;
        if (!open_subject(&s, t, names[i], NULL))
            continue;
        for (int64_t at = 0; at < XL_CHUNK_COUNT * WORKERS; at++) {
            struct xl_params params;
            char how[64];
            xl_params_init(&params);
            params.value[XL_PARAM_BACKEND] = at / WORKERS;
            params.value[XL_PARAM_WORKERS] = at % WORKERS + 1;
            for (size_t f = 0; f < sizeof feeds / sizeof *feeds; f++) {
                snprintf(how, sizeof how, "backend %d workers %d split %zu",
                         (int)(at / WORKERS), (int)(at % WORKERS + 1),
                         feeds[f].split);
                check(&s, &params, &feeds[f], how);
            }
        }
        close_subject(&s);
    }
}

static void small_blocks(struct xl_test *t)
{
    for (size_t i = 0; i < MODELS; i++) {
        struct subject s;
        if (!open_subject(&s, t, names[i], NULL))
            continue;
        for (int64_t block = 1; block <= 64; block *= 4) {
            struct xl_params params;
            xl_params_init(&params);
            params.value[XL_PARAM_PREFILL_BLOCK] = block;
            check(&s, &params, NULL, "small prefill_block");
        }
        close_subject(&s);
    }
}

const struct xl_test_case xl_suite_stack[] = {
    { "every_backend", every_backend },
    { "every_engine", every_engine },
    { "pieces_and_steps", pieces_and_steps },
    { "small_blocks", small_blocks },
    { 0 },
};
