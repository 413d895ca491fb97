/* SPDX-License-Identifier: Apache-2.0
 *
 * How products walk their weights, and the pages these lie in, change no bit:
 * every weight type, slices from one group of inputs to more than there are,
 * with and without prefetch, huge and small pages. The comparison is shown
 * two weight types that differ. */
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/gemm/gemm.h"
#include "kernel/model/engine.h"
#include "kernel/model/plan.h"
#include "tests/harness/test.h"
#include "tests/unit/checkpoint.h"

enum {
    TOKENS = 65,
    STEPS = 3
};

struct subject {
    struct xl_test *t;
    struct xl_model *model;
    struct xl_state state;
    size_t vocab;
    float *want, *got; /* [TOKENS + STEPS][vocab] */
};

static bool open_subject(struct subject *s, struct xl_test *t, const char *name)
{
    char dir[1024];
    struct xl_err err = { 0 };
    *s = (struct subject){ .t = t };
    enum xl_status rc =
        xl_model_open(&s->model, checkpoint_dir(name, dir), &err);
    if (rc == XL_OK)
        rc = xl_state_init(&s->state, xl_model_config(s->model), &err);
    if (!XL_CHECK_STATUS(t, rc, XL_OK, &err))
        return false;
    s->vocab = xl_model_config(s->model)->vocab;
    s->want = xl_alloc_zero((TOKENS + STEPS) * s->vocab, sizeof *s->want);
    s->got = xl_alloc_zero((TOKENS + STEPS) * s->vocab, sizeof *s->got);
    return XL_CHECK(t, s->want && s->got);
}

static void close_subject(struct subject *s)
{
    xl_free(s->want);
    xl_free(s->got);
    xl_state_release(&s->state);
    xl_model_close(s->model);
}

static void run(struct subject *s, const struct xl_params *params, float *to)
{
    struct xl_err err = { 0 };
    struct xl_plan *plan = NULL;
    int32_t tokens[TOKENS];
    for (size_t i = 0; i < TOKENS; i++)
        tokens[i] = (int32_t)(i * 37 % s->vocab);
    if (!XL_CHECK_STATUS(s->t, xl_plan_make(&plan, s->model, params, &err),
                         XL_OK, &err))
        return;
    xl_state_clear(&s->state);
    struct xl_pass pass = { .tokens = tokens, .n = TOKENS, .logits = to };
    xl_plan_forward(plan, &s->state, &pass);
    pass.n = 1;
    for (size_t i = 0; i < STEPS; i++) {
        pass.logits = to + (TOKENS + i) * s->vocab;
        xl_plan_forward(plan, &s->state, &pass);
    }
    xl_plan_free(plan);
}

static bool same(const struct subject *s)
{
    return memcmp(s->want, s->got,
                  (TOKENS + STEPS) * s->vocab * sizeof *s->got) == 0;
}

static void check_kind(struct subject *s, int64_t kind)
{
    static const int64_t k_blocks[] = { 0, 1, 33, 64, 65536 };
    static const int64_t aheads[] = { 0, 1, 2048, 65536 };
    struct xl_params params;
    xl_params_init(&params);
    params.value[XL_PARAM_WEIGHT_DTYPE] = kind;
    run(s, &params, s->want);
    XL_CHECK(s->t, s->want[0] != 0);
    for (size_t i = 0; i < 5 * 2 * 2; i++) {
        params.value[XL_PARAM_K_BLOCK] = k_blocks[i % 5];
        params.value[XL_PARAM_PREFETCH] = i / 5 % 2;
        params.value[XL_PARAM_PAGES] = (int64_t)(i / 10);
        params.value[XL_PARAM_DECODE_AHEAD] = aheads[i % 4];
        memset(s->got, 0, (TOKENS + STEPS) * s->vocab * sizeof *s->got);
        run(s, &params, s->got);
        xl_test_check(s->t, same(s), __FILE__, __LINE__,
                      "kind %lld, k_block %lld, prefetch %zu, pages %zu",
                      (long long)kind, (long long)k_blocks[i % 5], i / 5 % 2,
                      i / 10);
    }
}

static void walks_change_no_bit(struct xl_test *t)
{
    static const char *const names[] = { "tiny", "ragged" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct subject s;
        if (!open_subject(&s, t, names[i]))
            continue;
        for (int64_t kind = 0; kind < XL_PACK_COUNT; kind++)
            check_kind(&s, kind);
        close_subject(&s);
    }
}

static void comparisons_can_fail(struct xl_test *t)
{
    struct subject s;
    struct xl_params params;
    if (!open_subject(&s, t, "tiny"))
        return;
    xl_params_init(&params);
    run(&s, &params, s.want);
    params.value[XL_PARAM_WEIGHT_DTYPE] = XL_PACK_BF16;
    run(&s, &params, s.got);
    XL_CHECK(t, !same(&s));
    close_subject(&s);
}

/* Slices are whole groups of weights, and the plan says which it took. */
static void slices_are_whole_groups(struct xl_test *t)
{
    static const int64_t asked[] = { 0, 1, 32, 33, 65536 };
    static const int64_t used[] = { 0, 32, 32, 64, 65536 };
    struct subject s;
    if (!open_subject(&s, t, "tiny"))
        return;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        struct xl_params params;
        struct xl_err err = { 0 };
        struct xl_plan *plan = NULL;
        xl_params_init(&params);
        params.value[XL_PARAM_WEIGHT_DTYPE] = XL_PACK_INT8;
        params.value[XL_PARAM_K_BLOCK] = asked[i];
        if (XL_CHECK_STATUS(t, xl_plan_make(&plan, s.model, &params, &err),
                            XL_OK, &err))
            XL_CHECK_EQ(t, xl_plan_effective(plan)->value[XL_PARAM_K_BLOCK],
                        used[i]);
        xl_plan_free(plan);
        xl_plan_canonical(xl_model_config(s.model), &params);
        XL_CHECK(t, params.value[XL_PARAM_K_BLOCK] == used[i] ||
                        params.value[XL_PARAM_K_BLOCK] == 0);
    }
    close_subject(&s);
}

/* Rows have neither slices nor pages of their own; packed inputs have all. */
static void rows_make_walks_inert(struct xl_test *t)
{
    static const enum xl_param ids[] = { XL_PARAM_K_BLOCK, XL_PARAM_PREFETCH,
                                         XL_PARAM_DECODE_AHEAD,
                                         XL_PARAM_PAGES };
    struct subject s;
    if (!open_subject(&s, t, "tiny"))
        return;
    const struct xl_config *config = xl_model_config(s.model);
    struct xl_params rows, packed;
    xl_params_init(&rows);
    packed = rows;
    rows.value[XL_PARAM_GEMM] = 1 + XL_GEMM_VECTOR;
    packed.value[XL_PARAM_GEMM] = 1 + XL_GEMM_AVX2;
    bool has_avx2 = !xl_gemm_get(XL_GEMM_AVX2)->why_not();
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        XL_CHECK(t, xl_plan_inert(config, &rows, ids[i]) != NULL);
        XL_CHECK(t, !has_avx2 || !xl_plan_inert(config, &packed, ids[i]));
    }
    packed.value[XL_PARAM_GEMM] = 1 + XL_GEMM_VNNI;
    packed.value[XL_PARAM_WEIGHT_DTYPE] = XL_PACK_INT8;
    if (!xl_gemm_get(XL_GEMM_VNNI)->why_not()) {
        XL_CHECK(t, xl_plan_inert(config, &packed, XL_PARAM_K_BLOCK) != NULL);
        XL_CHECK(t, !xl_plan_inert(config, &packed, XL_PARAM_PAGES));
    }
    close_subject(&s);
}

const struct xl_test_case xl_suite_walk[] = {
    XL_CASE(walks_change_no_bit),
    XL_CASE(comparisons_can_fail),
    XL_CASE(slices_are_whole_groups),
    XL_CASE(rows_make_walks_inert),
    { 0 },
};
