/* SPDX-License-Identifier: Apache-2.0
 *
 * Each tunable reaches what a plan runs by: with another value, and wherever
 * the plan does not call it inert, something of the plan is another. A row of
 * param.def without a row here fails. */
#include "tests/harness/test.h"

#include "kernel/model/plan_int.h"

enum reach {
    PLAN,
    ENGINE, /* only where the processor has an engine that reads it */
    POOL    /* it goes into the thread pool, which tells nothing; that it is
             * read is seen by tests/lint/tunables.sh */
};

/* A value of each other than in `base`. */
static const struct {
    const char *base, *other;
    enum reach reach;
} values[XL_PARAM_COUNT] = {
    [XL_PARAM_BACKEND] = { "parallel", "serial", PLAN },
    [XL_PARAM_CHUNK_SIZE] = { "64", "48", PLAN },
    [XL_PARAM_HEADS_PER_BAND] = { "1", "2", PLAN },
    [XL_PARAM_WORKERS] = { "2", "3", PLAN },
    [XL_PARAM_DECODE_WORKERS] = { "2", "1", PLAN },
    [XL_PARAM_STREAMS] = { "1", "2", PLAN },
    [XL_PARAM_INNER_TILE] = { "8", "4", PLAN },
    [XL_PARAM_PREFILL_BLOCK] = { "64", "32", PLAN },
    [XL_PARAM_GEMM] = { "auto", "naive", PLAN },
    [XL_PARAM_CELL] = { "tiled", "naive", PLAN },
    [XL_PARAM_WEIGHT_DTYPE] = { "int8", "bf16", PLAN },
    [XL_PARAM_HEAD_DTYPE] = { "same", "bf16", PLAN },
    [XL_PARAM_STATE_DTYPE] = { "fp32", "bf16", PLAN },
    [XL_PARAM_TILE_AV] = { "8x32", "8x16", PLAN },
    [XL_PARAM_TILE_ATB] = { "8x32", "4x32", PLAN },
    [XL_PARAM_K_BLOCK] = { "0", "64", ENGINE },
    [XL_PARAM_PREFETCH] = { "true", "false", ENGINE },
    [XL_PARAM_DECODE_AHEAD] = { "1", "512", ENGINE },
    [XL_PARAM_PAGES] = { "huge", "small", ENGINE },
    [XL_PARAM_PIN] = { "false", "true", POOL },
    [XL_PARAM_SPIN] = { "2000", "100", POOL },
};

static bool same_engines(const struct xl_engines *a, const struct xl_engines *b)
{
    return a->many == b->many && a->few == b->few &&
           a->is_packed == b->is_packed;
}

static bool same_tiles(const struct xl_mlstm_tiles *a,
                       const struct xl_mlstm_tiles *b)
{
    return a->av_rows == b->av_rows && a->av_columns == b->av_columns &&
           a->atb_rows == b->atb_rows && a->atb_columns == b->atb_columns;
}

static bool same_schedule(const struct xl_chunk_spec *a,
                          const struct xl_chunk_spec *b)
{
    return a->cell == b->cell && a->chunk == b->chunk &&
           a->n_bands == b->n_bands && a->streams == b->streams &&
           a->inner_tile == b->inner_tile &&
           a->shape.max_tokens == b->shape.max_tokens &&
           same_tiles(&a->tiles, &b->tiles);
}

/* All that the forward pass reads, besides the pool. */
static bool same_plan(const struct xl_plan *a, const struct xl_plan *b)
{
    return a->weights == b->weights && a->head == b->head &&
           same_engines(&a->engines, &b->engines) &&
           same_engines(&a->head_engines, &b->head_engines) &&
           a->C_dtype == b->C_dtype && a->backend == b->backend &&
           same_schedule(&a->spec, &b->spec) && a->workers == b->workers &&
           xl_pool_width(a->pool) == xl_pool_width(b->pool) &&
           a->decode_workers == b->decode_workers &&
           a->block_tokens == b->block_tokens && a->k_block == b->k_block &&
           a->no_prefetch == b->no_prefetch &&
           a->decode_ahead == b->decode_ahead;
}

static bool set(struct xl_test *t, struct xl_params *p, enum xl_param id,
                const char *text)
{
    struct xl_err err = { 0 };
    return XL_CHECK_STATUS(t, xl_param_parse(id, text, &p->value[id], &err),
                           XL_OK, &err);
}

/* Does it change the plan of that backend? */
static bool changes_plan(struct xl_test *t, struct xl_model *model,
                         const struct xl_params *base, enum xl_param id,
                         const char *other)
{
    struct xl_plan *a = NULL, *b = NULL;
    struct xl_params changed = *base;
    struct xl_err err = { 0 };
    bool ok =
        set(t, &changed, id, other) &&
        XL_CHECK_STATUS(t, xl_plan_make(&a, model, base, &err), XL_OK, &err) &&
        XL_CHECK_STATUS(t, xl_plan_make(&b, model, &changed, &err), XL_OK,
                        &err);
    bool differs = ok && !same_plan(a, b);
    xl_plan_free(a);
    xl_plan_free(b);
    return differs;
}

/* Backends under which it is not inert; each plan must be another. */
static size_t check_one(struct xl_test *t, struct xl_model *model,
                        struct xl_params base, enum xl_param id)
{
    size_t checked = 0;
    const struct xl_config *config = xl_model_config(model);
    for (int64_t backend = 0; backend < XL_CHUNK_COUNT; backend++) {
        if (id != XL_PARAM_BACKEND)
            base.value[XL_PARAM_BACKEND] = backend;
        if (xl_plan_inert(config, &base, id))
            continue;
        checked++;
        xl_test_check(t, changes_plan(t, model, &base, id, values[id].other),
                      __FILE__, __LINE__, "%s %s or %s is one plan",
                      xl_param_row(id)->name, values[id].base,
                      values[id].other);
    }
    return checked;
}

/* A model of odd sizes and the default values; NULL: the case has failed. */
static struct xl_model *open_model(struct xl_test *t, struct xl_params *params)
{
    struct xl_model *model = NULL;
    struct xl_err err = { 0 };
    xl_params_init(params);
    XL_CHECK_STATUS(t,
                    xl_model_open(&model, xl_test_data("models/ragged"), &err),
                    XL_OK, &err);
    return model;
}

static void each_tunable_changes_the_plan(struct xl_test *t)
{
    struct xl_params base;
    struct xl_model *model = open_model(t, &base);
    if (!model)
        return;
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        if (xl_test_check(t, values[i].other != NULL, __FILE__, __LINE__,
                          "'%s' of param.def has a row here",
                          xl_param_row((enum xl_param)i)->name))
            set(t, &base, (enum xl_param)i, values[i].base);
    for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
        enum xl_param id = (enum xl_param)i;
        if (values[i].other && values[i].reach != POOL)
            xl_test_check(t,
                          check_one(t, model, base, id) > 0 ||
                              values[i].reach == ENGINE,
                          __FILE__, __LINE__, "'%s' is inert everywhere",
                          xl_param_row(id)->name);
    }
    xl_model_close(model);
}

/* What reports call the engines is what plans run. */
static void engines_are_told_by_name(struct xl_test *t)
{
    struct xl_params params;
    struct xl_model *model = open_model(t, &params);
    if (!model)
        return;
    for (int64_t kind = 0; kind < XL_PACK_COUNT; kind++)
        for (int64_t gemm = 0; gemm <= XL_GEMM_COUNT; gemm++) {
            struct xl_plan *plan = NULL;
            params.value[XL_PARAM_WEIGHT_DTYPE] = kind;
            params.value[XL_PARAM_HEAD_DTYPE] = 1 + (kind + 1) % XL_PACK_COUNT;
            params.value[XL_PARAM_GEMM] = gemm;
            struct xl_plan_engines e =
                xl_plan_engines(xl_model_config(model), &params);
            bool ok = xl_plan_make(&plan, model, &params, NULL) == XL_OK;
            XL_CHECK_EQ(t, ok, e.prefill != NULL);
            if (ok && e.prefill) {
                XL_CHECK_TEXT(t, e.prefill, plan->engines.many->name);
                XL_CHECK_TEXT(t, e.decode, plan->engines.few->name);
                XL_CHECK_TEXT(t, e.head, plan->head_engines.few->name);
            }
            xl_plan_free(plan);
        }
    xl_model_close(model);
}

const struct xl_test_case xl_suite_plan[] = {
    XL_CASE(engines_are_told_by_name),
    XL_CASE(each_tunable_changes_the_plan),
    { 0 },
};
