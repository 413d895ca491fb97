/* SPDX-License-Identifier: Apache-2.0
 *
 * Sequences decoded together against the same sequences decoded alone, bit
 * for bit: every model, engine and weight type, any number of sequences, any
 * order, any workers, also others than those that decoded them alone. The
 * comparison is shown faults that it must catch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/rng.h"
#include "kernel/gemm/gemm.h"
#include "kernel/model/engine.h"
#include "kernel/model/plan_int.h"
#include "tests/harness/test.h"
#include "tests/unit/checkpoint.h"

enum {
    CROWD = 33,
    STEPS = 2,
    MOST_HISTORY = 6
};

/* Sequences with histories of their own, each state twice. */
struct crowd {
    struct xl_test *t;
    const char *name;
    struct xl_model *model;
    size_t vocab;
    struct xl_state start[CROWD], alone[CROWD], together[CROWD];
    int32_t tokens[CROWD][STEPS];
    float *want; /* [STEPS][CROWD][vocab] */
    float *got;  /* [CROWD][vocab] */
};

static bool open_crowd(struct crowd *c, struct xl_test *t, const char *name)
{
    char dir[1024];
    struct xl_err err = { 0 };
    struct xl_rng rng;
    *c = (struct crowd){ .t = t, .name = name };
    if (!XL_CHECK_STATUS(
            t, xl_model_open(&c->model, checkpoint_dir(name, dir), &err), XL_OK,
            &err))
        return false;
    const struct xl_config *config = xl_model_config(c->model);
    c->vocab = config->vocab;
    xl_rng_seed(&rng, 7);
    for (size_t i = 0; i < CROWD; i++) {
        struct xl_state *all[] = { &c->start[i], &c->alone[i],
                                   &c->together[i] };
        for (size_t j = 0; j < 3; j++)
            if (xl_state_init(all[j], config, &err) != XL_OK)
                return XL_CHECK(t, !"a state");
        for (size_t step = 0; step < STEPS; step++)
            c->tokens[i][step] = (int32_t)(xl_rng_next(&rng) % c->vocab);
    }
    c->want = xl_alloc_zero(STEPS * CROWD * c->vocab, sizeof *c->want);
    c->got = xl_alloc_zero(CROWD * c->vocab, sizeof *c->got);
    return XL_CHECK(t, c->want && c->got);
}

static void close_crowd(struct crowd *c)
{
    for (size_t i = 0; i < CROWD; i++) {
        xl_state_release(&c->start[i]);
        xl_state_release(&c->alone[i]);
        xl_state_release(&c->together[i]);
    }
    xl_free(c->want);
    xl_free(c->got);
    xl_model_close(c->model);
}

/* Sequence i has seen i % MOST_HISTORY tokens; some have seen none. */
static void begin(struct crowd *c, struct xl_plan *plan)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, 11);
    for (size_t i = 0; i < CROWD; i++) {
        int32_t history[MOST_HISTORY];
        for (size_t j = 0; j < MOST_HISTORY; j++)
            history[j] = (int32_t)(xl_rng_next(&rng) % c->vocab);
        xl_state_clear(&c->start[i]);
        xl_plan_forward(
            plan, &c->start[i],
            &(struct xl_pass){ .tokens = history, .n = i % MOST_HISTORY });
    }
}

static void step_alone(struct crowd *c, struct xl_plan *plan)
{
    for (size_t i = 0; i < CROWD; i++) {
        xl_state_copy(&c->alone[i], &c->start[i]);
        for (size_t step = 0; step < STEPS; step++)
            xl_plan_forward(
                plan, &c->alone[i],
                &(struct xl_pass){ .tokens = &c->tokens[i][step],
                                   .n = 1,
                                   .logits = c->want +
                                             (step * CROWD + i) * c->vocab });
    }
}

/* A fault done to the states before the last step. */
typedef void spoil(struct xl_state *states[], size_t n);

/* n sequences from `first` on, every `stride`-th of the crowd, so that they
 * sit beside others each time. The sequences that came out differently. */
static size_t step_together(struct crowd *c, struct xl_plan *plan, size_t n,
                            size_t first, size_t stride, spoil *fault)
{
    struct xl_state *states[CROWD];
    size_t who[CROWD], wrong = 0;
    bool is_wrong[CROWD] = { false };
    for (size_t i = 0; i < n; i++) {
        who[i] = (first + i * stride) % CROWD;
        states[i] = &c->together[who[i]];
        xl_state_copy(states[i], &c->start[who[i]]);
    }
    for (size_t step = 0; step < STEPS; step++) {
        int32_t tokens[CROWD];
        for (size_t i = 0; i < n; i++)
            tokens[i] = c->tokens[who[i]][step];
        if (fault && step + 1 == STEPS)
            fault(states, n);
        xl_plan_forward_batch(
            plan, states,
            &(struct xl_batch){ .tokens = tokens, .n = n, .logits = c->got });
        for (size_t i = 0; i < n; i++)
            is_wrong[i] = is_wrong[i] ||
                          memcmp(c->got + i * c->vocab,
                                 c->want + (step * CROWD + who[i]) * c->vocab,
                                 c->vocab * sizeof *c->got) != 0;
    }
    for (size_t i = 0; i < n; i++) {
        const struct xl_state *a = &c->alone[who[i]], *b = states[i];
        is_wrong[i] =
            is_wrong[i] || a->tokens != b->tokens ||
            memcmp(a->data, b->data, a->floats * sizeof *a->data) != 0;
        wrong += is_wrong[i];
    }
    return wrong;
}

static bool make(struct crowd *c, const struct xl_params *params,
                 struct xl_plan **plan)
{
    struct xl_err err = { 0 };
    bool ok = XL_CHECK_STATUS(c->t, xl_plan_make(plan, c->model, params, &err),
                              XL_OK, &err);
    if (ok)
        (*plan)->steal_least = 0; /* small stages are shared as large ones */
    return ok;
}

/* The answers alone are taken first, unless an earlier plan's still stand. */
static void check_numbers(struct crowd *c, struct xl_plan *plan,
                          const char *how, bool is_known)
{
    static const size_t numbers[] = { 1, 2, 3, 4, 5, 8, 9, 17, 32, CROWD };
    if (!is_known) {
        begin(c, plan);
        step_alone(c, plan);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        size_t n = numbers[i];
        size_t wrong = step_together(c, plan, n, i, 1 + i % 2, NULL);
        xl_test_check(c->t, wrong == 0, __FILE__, __LINE__,
                      "%s, %s: %zu of %zu sequences differ from those alone",
                      c->name, how, wrong, n);
    }
}

/* The values of a plan. */
struct values {
    int64_t gemm, kind, workers, block, state;
};

static void check_with(struct crowd *c, struct values v, bool is_known)
{
    struct xl_params params;
    struct xl_plan *plan;
    char how[96];
    xl_params_init(&params);
    params.value[XL_PARAM_GEMM] = v.gemm;
    params.value[XL_PARAM_WEIGHT_DTYPE] = v.kind;
    params.value[XL_PARAM_WORKERS] = v.workers;
    params.value[XL_PARAM_PREFILL_BLOCK] = v.block;
    params.value[XL_PARAM_STATE_DTYPE] = v.state;
    snprintf(how, sizeof how, "gemm %s, %s, %d workers, blocks of %d, state %s",
             xl_param_row(XL_PARAM_GEMM)->choices[v.gemm],
             xl_pack_name((enum xl_pack_kind)v.kind), (int)v.workers,
             (int)v.block,
             xl_param_row(XL_PARAM_STATE_DTYPE)->choices[v.state]);
    if (make(c, &params, &plan))
        check_numbers(c, plan, how, is_known);
    xl_plan_free(plan);
}

static void any_engine(struct xl_test *t)
{
    for (size_t i = 0; i < CHECKPOINT_MODELS; i++) {
        struct crowd c;
        struct xl_engines engines;
        if (open_crowd(&c, t, checkpoint_models[i]))
            for (int64_t at = 0; at <= XL_GEMM_COUNT * XL_PACK_COUNT; at++) {
                int64_t gemm = at / XL_PACK_COUNT, kind = at % XL_PACK_COUNT;
                if (xl_engines_choose(&engines, gemm, (enum xl_pack_kind)kind,
                                      NULL) == XL_OK)
                    check_with(
                        &c,
                        (struct values){ gemm, kind, 1 + at % 3, 32, at % 2 },
                        false);
            }
        close_crowd(&c);
    }
}

/* One worker alone, against any workers together. */
static void any_workers_and_blocks(struct xl_test *t)
{
    static const int64_t blocks[] = { 1, 3, 16, 512 };
    for (size_t i = 0; i < CHECKPOINT_MODELS; i++) {
        struct crowd c;
        if (open_crowd(&c, t, checkpoint_models[i]))
            for (int64_t at = 0; at < 12; at++) {
                int64_t type = at / 3 % 2;
                struct values v = { 0, type, 1 + at % 3, blocks[at / 3], type };
                check_with(&c, v, v.workers != 1);
            }
        close_crowd(&c);
    }
}

/* -- planted faults ------------------------------------------------------- */

/* One sequence's state comes from its neighbour. */
static void leak(struct xl_state *states[], size_t n)
{
    xl_state_copy(states[0], states[n - 1]);
}

/* The smallest leak there is: one value of one block. */
static void leak_a_value(struct xl_state *states[], size_t n)
{
    for (size_t i = 0; i < states[0]->floats; i++) {
        float *mine = &states[0]->data[i];
        if (states[n - 1]->data[i] != *mine) {
            *mine = states[n - 1]->data[i];
            return;
        }
    }
}

static void cross(struct xl_state *states[], size_t n)
{
    struct xl_state *first = states[0];
    states[0] = states[n - 1];
    states[n - 1] = first;
}

static void faults_are_seen(struct xl_test *t)
{
    const struct {
        spoil *fault;
        size_t wrong;
    } faults[] = {
        { NULL, 0 }, { leak, 1 }, { leak_a_value, 1 }, { cross, 2 }
    };
    for (size_t i = 0; i < CHECKPOINT_MODELS; i++) {
        struct crowd c;
        struct xl_params params;
        struct xl_plan *plan = NULL;
        xl_params_init(&params);
        if (open_crowd(&c, t, checkpoint_models[i]) &&
            make(&c, &params, &plan)) {
            begin(&c, plan);
            step_alone(&c, plan);
            for (size_t f = 0; f < sizeof faults / sizeof *faults; f++)
                XL_CHECK_EQ(t,
                            step_together(&c, plan, 6, 1, 1, faults[f].fault),
                            faults[f].wrong);
        }
        xl_plan_free(plan);
        close_crowd(&c);
    }
}

/* Without logits the states still go on; of nothing, nothing changes. */
static void logits_may_be_left_out(struct xl_test *t)
{
    struct crowd c;
    struct xl_params params;
    struct xl_plan *plan = NULL;
    xl_params_init(&params);
    if (open_crowd(&c, t, "tiny") && make(&c, &params, &plan)) {
        struct xl_state *states[] = { &c.together[0], &c.together[1] };
        int32_t tokens[] = { 1, 2 };
        begin(&c, plan);
        for (size_t i = 0; i < 2; i++)
            xl_state_copy(states[i], &c.start[i]);
        xl_plan_forward_batch(plan, states,
                              &(struct xl_batch){ .tokens = tokens, .n = 2 });
        xl_plan_forward_batch(plan, states, &(struct xl_batch){ .n = 0 });
        for (size_t i = 0; i < 2; i++) {
            xl_state_copy(&c.alone[i], &c.start[i]);
            xl_plan_forward(plan, &c.alone[i],
                            &(struct xl_pass){ .tokens = &tokens[i], .n = 1 });
            XL_CHECK_EQ(t, states[i]->tokens, i + 1);
            XL_CHECK(t, memcmp(states[i]->data, c.alone[i].data,
                               c.alone[i].floats * sizeof(float)) == 0);
        }
    }
    xl_plan_free(plan);
    close_crowd(&c);
}

const struct xl_test_case xl_suite_batch[] = {
    XL_CASE(any_engine),
    XL_CASE(any_workers_and_blocks),
    XL_CASE(faults_are_seen),
    XL_CASE(logits_may_be_left_out),
    { 0 },
};
