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
#include "kernel/chunk/chunk.h"
#include "kernel/model/plan.h"
#include "kernel/run/score.h"
#include "tests/cross/every_config.h"
#include "tests/cross/model_fixture.h"
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
    struct xl_fix_model m;
    const struct xl_tensor *tokens, *logits, *steps;
};

/* The model in `dir` and what is recorded for `name`. */
static bool open_subject(struct subject *s, struct xl_test *t, const char *name,
                         const char *dir)
{
    *s = (struct subject){ 0 };
    if (!xl_fix_model_open(&s->m, t, name, dir))
        return false;
    s->tokens = xl_safetensors_find(s->m.reference, "tokens");
    s->logits = xl_safetensors_find(s->m.reference, "logits");
    s->steps = xl_safetensors_find(s->m.reference, "step_logits");
    return XL_CHECK(t, s->tokens && s->logits && s->steps);
}

/* Error of the logits over the recorded tokens, or the recorded steps. */
static double error_of(struct subject *s, const struct xl_params *params,
                       const struct xl_feed *feed)
{
    struct xl_plan *plan;
    struct xl_err err = { 0 };
    bool step = feed && feed->step;
    struct xl_against a = { .want = (step ? s->steps : s->logits)->data };
    size_t n = (step ? s->steps : s->logits)->shape[0];
    enum xl_status rc = xl_plan_make(&plan, s->m.model, params, &err);
    if (!XL_CHECK_STATUS(s->m.t, rc, XL_OK, &err))
        return (double)NAN;
    rc = xl_score_run(plan, s->m.model, &s->m.state,
                      &(struct xl_score_job){ .tokens = s->tokens->data,
                                              .n = n,
                                              .feed = feed,
                                              .callback = xl_against_row,
                                              .ctx = &a },
                      &err);
    XL_CHECK_STATUS(s->m.t, rc, XL_OK, &err);
    xl_plan_free(plan);
    return a.worst;
}

static void check(struct subject *s, const struct xl_params *params,
                  const struct xl_feed *feed, const char *how)
{
    double error = error_of(s, params, feed);
    xl_test_check(s->m.t, error <= logit_tolerance, __FILE__, __LINE__,
                  "%s, %s: logits off by %.3g", s->m.name, how, error);
}

static void check_whole(void *ctx, const struct xl_params *params,
                        const char *how)
{
    check(ctx, params, NULL, how);
}

static void check_whole_and_steps(void *ctx, const struct xl_params *params,
                                  const char *how)
{
    check(ctx, params, NULL, how);
    check(ctx, params, &(struct xl_feed){ .step = true }, how);
}

static void every_backend(struct xl_test *t)
{
    static const int64_t bands[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    for (size_t i = 0; i < MODELS; i++) {
        struct subject s;
        if (open_subject(&s, t, names[i], NULL)) {
            const struct xl_schedules all = {
                .chunks = chunks,
                .n_chunks = CHUNKS,
                .bands = bands,
                .n_bands = xl_model_config(s.m.model)->heads,
            };
            if (XL_CHECK(t, all.n_bands <= sizeof bands / sizeof *bands))
                xl_each_schedule(&all, check_whole, &s);
        }
        xl_fix_model_close(&s.m);
    }
}

static void every_engine(struct xl_test *t)
{
    for (size_t i = 0; i < MODELS; i++) {
        struct subject s;
        if (open_subject(&s, t, names[i], NULL))
            xl_each_engine(check_whole_and_steps, &s);
        xl_fix_model_close(&s.m);
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
        xl_fix_model_close(&s.m);
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
        xl_fix_model_close(&s.m);
    }
}

/* -- changed checkpoints -------------------------------------------------- */

/* The tensor with its last two of three dimensions swapped. */
static struct xl_tensor turn(struct draft *d, const struct xl_tensor *from,
                             size_t batch, size_t rows, size_t columns)
{
    struct xl_tensor to = *from;
    size_t n = xl_tensor_count(from);
    float *out = xl_arena_zero(&d->arena, n, sizeof *out);
    for (size_t i = 0; i < n && out && batch; i++) {
        size_t b = i / (rows * columns), r = i / columns % rows;
        size_t at = (b * columns + i % columns) * rows + r;
        out[at] = ((const float *)from->data)[i];
    }
    to.data = out;
    return to;
}

/* Recurrent kernel and bias as the other backend of the original stores
 * them: [NH][4 DH][DH] becomes [NH][DH][4 DH], and [4][NH][DH], as rows of DH,
 * becomes [NH][4][DH]. */
static void turn_slstm(struct xl_test *t, struct draft *d)
{
    const char *scope = "xlstm_block_stack.blocks.1.xlstm.slstm_cell";
    char name[96];
    snprintf(name, sizeof name, "%s._recurrent_kernel_", scope);
    struct xl_safetensors_entry *R = draft_find(d, name);
    snprintf(name, sizeof name, "%s._bias_", scope);
    struct xl_safetensors_entry *b = draft_find(d, name);
    if (!XL_CHECK(t, R && b))
        return;
    size_t heads = R->tensor.shape[0], dim = R->tensor.shape[2];
    R->tensor = turn(d, &R->tensor, heads, 4 * dim, dim);
    R->tensor.shape[1] = dim;
    R->tensor.shape[2] = 4 * dim;
    const float *from = b->tensor.data;
    float *to = xl_arena_zero(&d->arena, 4 * heads * dim, sizeof *to);
    for (size_t i = 0; i < 4 * heads * dim && to; i++) {
        size_t gate = i / dim / heads, head = i / dim % heads;
        to[(head * 4 + gate) * dim + i % dim] = from[i];
    }
    b->tensor.data = to;
}

enum change {
    UNCHANGED,
    TURNED,        /* the other storage form: the same model */
    BIAS_TURNED,   /* only half of it: a fault */
    GATES_SWAPPED, /* i and f of the sLSTM: a fault */
    NO_SKIP        /* a fault */
};

static double error_with(struct xl_test *t, enum change change,
                         const struct xl_feed *feed)
{
    struct draft d;
    struct subject s;
    struct xl_params params;
    double error = (double)NAN;
    if (!draft_init(&d, t, names[0]))
        return error;
    if (change == TURNED)
        turn_slstm(t, &d);
    if (change == BIAS_TURNED) {
        char name[96] = "xlstm_block_stack.blocks.1.xlstm.slstm_cell._bias_";
        struct xl_tensor *b = &draft_find(&d, name)->tensor;
        *b = turn(&d, b, 1, 4, b->shape[0] / 4);
    }
    if (change == GATES_SWAPPED) {
        XL_CHECK_EQ(t, draft_rename(&d, ".xlstm.igate.", ".xlstm.swap."), 1);
        XL_CHECK_EQ(t, draft_rename(&d, ".xlstm.fgate.", ".xlstm.igate."), 1);
        XL_CHECK_EQ(t, draft_rename(&d, ".xlstm.swap.", ".xlstm.fgate."), 1);
    }
    if (change == NO_SKIP) {
        struct xl_tensor *skip =
            &draft_find(&d, "xlstm_block_stack.blocks.0.xlstm.learnable_skip")
                 ->tensor;
        skip->data =
            xl_arena_zero(&d.arena, xl_tensor_count(skip), sizeof(float));
    }
    draft_write(t, &d, t->dir, names[0], NULL, NULL);
    xl_params_init(&params);
    if (open_subject(&s, t, names[0], t->dir))
        error = error_of(&s, &params, feed);
    xl_fix_model_close(&s.m);
    draft_release(&d);
    return error;
}

static void both_storage_forms(struct xl_test *t)
{
    XL_CHECK(t, error_with(t, UNCHANGED, NULL) <= logit_tolerance);
    XL_CHECK(t, error_with(t, TURNED, NULL) <= logit_tolerance);
    XL_CHECK(t, error_with(t, TURNED, &(struct xl_feed){ .step = true }) <=
                    logit_tolerance);
}

static void wrong_weights_are_seen(struct xl_test *t)
{
    XL_CHECK(t, error_with(t, BIAS_TURNED, NULL) > logit_tolerance);
    XL_CHECK(t, error_with(t, GATES_SWAPPED, NULL) > logit_tolerance);
    XL_CHECK(t,
             error_with(t, GATES_SWAPPED, &(struct xl_feed){ .step = true }) >
                 logit_tolerance);
    XL_CHECK(t, error_with(t, NO_SKIP, NULL) > logit_tolerance);
}

/* -- state ---------------------------------------------------------------- */

/* Half of the tokens, then the rest; error of the rest. */
static double error_after(struct subject *s, struct xl_plan *plan,
                          void (*between)(struct subject *s))
{
    enum {
        HALF = 41
    };
    size_t n = s->logits->shape[0], vocab = s->logits->shape[1];
    const int32_t *tokens = s->tokens->data;
    float *rows = xl_alloc_zero(n * vocab, sizeof *rows);
    struct xl_against a = { .want = s->logits->data };
    xl_state_clear(&s->m.state);
    xl_plan_forward(plan, &s->m.state,
                    &(struct xl_pass){ .tokens = tokens, .n = HALF });
    between(s);
    xl_plan_forward(plan, &s->m.state,
                    &(struct xl_pass){ .tokens = tokens + HALF,
                                       .n = n - HALF,
                                       .logits = rows });
    for (size_t i = HALF; i < n; i++)
        xl_against_row(&a, i, rows + (i - HALF) * vocab, vocab);
    xl_free(rows);
    return a.worst;
}

static void nothing(struct subject *s)
{
    (void)s;
}

static void save_and_load(struct subject *s)
{
    char path[300];
    struct xl_err err = { 0 };
    size_t bytes = s->m.state.floats * sizeof *s->m.state.data;
    float *before = xl_alloc(bytes);
    memcpy(before, s->m.state.data, bytes);
    snprintf(path, sizeof path, "%s/state.safetensors", s->m.t->dir);
    XL_CHECK_STATUS(s->m.t, xl_state_save(&s->m.state, path, &err), XL_OK,
                    &err);
    xl_state_clear(&s->m.state);
    XL_CHECK_STATUS(s->m.t, xl_state_load(&s->m.state, path, &err), XL_OK,
                    &err);
    XL_CHECK(s->m.t, memcmp(before, s->m.state.data, bytes) == 0);
    xl_free(before);
}

static void copy_and_back(struct subject *s)
{
    struct xl_state other;
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(s->m.t,
                    xl_state_init(&other, xl_model_config(s->m.model), &err),
                    XL_OK, &err);
    xl_state_copy(&other, &s->m.state);
    xl_state_clear(&s->m.state);
    xl_state_copy(&s->m.state, &other);
    xl_state_release(&other);
}

static void drop(struct subject *s, enum xl_state_part part)
{
    for (size_t block = 0; block < s->m.state.blocks; block++) {
        struct xl_tensor view = xl_state_view(&s->m.state, block, part);
        if (view.data)
            memset(xl_state_at(&s->m.state, block, part), 0,
                   xl_tensor_count(&view) * sizeof(float));
    }
}

#define XL_STATE(id, name, kind, d0, d1, d2)                                   \
    static void drop_##id(struct subject *s)                                   \
    {                                                                          \
        drop(s, XL_STATE_##id);                                                \
    }
#include "kernel/model/state.def"
#undef XL_STATE

/* Whatever part of the state is lost, one of the models shows it; all but n of
 * the mLSTM, which stays below exp(-m) in both of them: t_mlstm holds it. */
static void state_is_whole(struct xl_test *t)
{
    static const struct {
        void (*between)(struct subject *s);
        bool is_fault;
        const char *name;
    } cases[] = {
        { nothing, false, "nothing" },
        { save_and_load, false, "saved" },
        { copy_and_back, false, "copied" },
#define XL_STATE(id, name, kind, d0, d1, d2)                                   \
    { drop_##id, XL_STATE_##id != XL_STATE_N, #id },
#include "kernel/model/state.def"
#undef XL_STATE
    };
    enum {
        CASES = sizeof cases / sizeof *cases
    };
    double worst[CASES] = { 0 };
    for (size_t m = 0; m < MODELS; m++) {
        struct subject s;
        struct xl_params params;
        struct xl_plan *plan = NULL;
        struct xl_err err = { 0 };
        xl_params_init(&params);
        if (open_subject(&s, t, names[m], NULL) &&
            XL_CHECK_STATUS(t, xl_plan_make(&plan, s.m.model, &params, &err),
                            XL_OK, &err))
            for (size_t i = 0; i < CASES; i++)
                worst[i] =
                    fmax(worst[i], error_after(&s, plan, cases[i].between));
        xl_plan_free(plan);
        xl_fix_model_close(&s.m);
    }
    for (size_t i = 0; i < CASES; i++)
        xl_test_check(t, (worst[i] > logit_tolerance) == cases[i].is_fault,
                      __FILE__, __LINE__, "%s: off by %.3g", cases[i].name,
                      worst[i]);
}

static void state_files_name_all_parts(struct xl_test *t)
{
    static const char *const there[] = {
        "layer.0.C",       "layer.0.n",       "layer.0.m",
        "layer.0.conv",    "layer.1.conv",    "layer.1.slstm.h",
        "layer.1.slstm.c", "layer.1.slstm.n", "layer.1.slstm.m",
    };
    enum {
        PARTS = sizeof there / sizeof *there
    };
    struct subject s;
    struct xl_safetensors *file = NULL;
    struct xl_err err = { 0 };
    char path[300];
    if (open_subject(&s, t, names[0], NULL)) {
        save_and_load(&s);
        snprintf(path, sizeof path, "%s/state.safetensors", t->dir);
        XL_CHECK_STATUS(t, xl_safetensors_open_file(&file, path, &err), XL_OK,
                        &err);
        XL_CHECK_EQ(t, xl_safetensors_count(file), PARTS);
        for (size_t i = 0; i < PARTS; i++)
            XL_CHECK(t, xl_safetensors_find(file, there[i]) != NULL);
    }
    xl_safetensors_close(file);
    xl_fix_model_close(&s.m);
}

/* -- a stack without mLSTM ------------------------------------------------ */

static void no_mlstm_makes_chunks_inert(struct xl_test *t)
{
    struct subject s;
    struct xl_params a, b;
    if (open_subject(&s, t, names[0], NULL)) {
        struct xl_config config = *xl_model_config(s.m.model);
        xl_params_init(&a);
        XL_CHECK(t, !xl_plan_inert(&config, &a, XL_PARAM_CHUNK_SIZE));
        config.is_slstm[0] = true;
        XL_CHECK(t, xl_plan_inert(&config, &a, XL_PARAM_CHUNK_SIZE) != NULL);
        XL_CHECK(t, xl_plan_inert(&config, &a, XL_PARAM_BACKEND) != NULL);
        XL_CHECK(t, !xl_plan_inert(&config, &a, XL_PARAM_WORKERS));
        b = a;
        b.value[XL_PARAM_CHUNK_SIZE] = 16;
        b.value[XL_PARAM_BACKEND] = XL_CHUNK_SERIAL;
        xl_plan_canonical(&config, &a);
        xl_plan_canonical(&config, &b);
        XL_CHECK(t, memcmp(a.value, b.value, sizeof a.value) == 0);
    }
    xl_fix_model_close(&s.m);
}

/* The sLSTM block of the smaller model alone: whole against single steps. */
static void slstm_alone_runs(struct xl_test *t)
{
    const char *from = "\"num_blocks\": 2,\n \"slstm_at\": [\n  1\n ]";
    const char *to = "\"num_blocks\": 1,\n \"slstm_at\": \"all\"";
    struct draft d;
    struct subject s;
    struct xl_params params;
    struct xl_err err = { 0 };
    if (!draft_init(&d, t, names[0]))
        return;
    for (size_t i = d.n; i-- > 0;)
        if (strstr(d.entries[i].name, "blocks.0."))
            draft_remove(&d, d.entries[i].name);
    draft_rename(&d, "blocks.1.", "blocks.0.");
    draft_write(t, &d, t->dir, names[0], from, to);
    xl_params_init(&params);
    if (open_subject(&s, t, names[0], t->dir)) {
        struct xl_plan *plan = NULL;
        size_t vocab = s.logits->shape[1], n = s.tokens->shape[0];
        float *rows = xl_alloc_zero(n * vocab, sizeof *rows);
        struct xl_against a = { .want = rows };
        XL_CHECK_STATUS(t, xl_plan_make(&plan, s.m.model, &params, &err), XL_OK,
                        &err);
        xl_plan_forward(plan, &s.m.state,
                        &(struct xl_pass){
                            .tokens = s.tokens->data, .n = n, .logits = rows });
        xl_score_run(
            plan, s.m.model, &s.m.state,
            &(struct xl_score_job){ .tokens = s.tokens->data,
                                    .n = n,
                                    .feed = &(struct xl_feed){ .step = true },
                                    .callback = xl_against_row,
                                    .ctx = &a },
            &err);
        XL_CHECK(t, a.worst <= logit_tolerance);
        xl_plan_free(plan);
        xl_free(rows);
    }
    xl_fix_model_close(&s.m);
    draft_release(&d);
}

const struct xl_test_case xl_suite_stack[] = {
    XL_CASE(every_backend),
    XL_CASE(every_engine),
    XL_CASE(pieces_and_steps),
    XL_CASE(small_blocks),
    XL_CASE(both_storage_forms),
    XL_CASE(wrong_weights_are_seen),
    XL_CASE(state_is_whole),
    XL_CASE(state_files_name_all_parts),
    XL_CASE(no_mlstm_makes_chunks_inert),
    XL_CASE(slstm_alone_runs),
    { 0 },
};
