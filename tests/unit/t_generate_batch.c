/* SPDX-License-Identifier: Apache-2.0
 *
 * Prompts continued together against xl_generate on each: the same tokens,
 * log-probs and reasons to end, bit for bit, for every width; what is shared
 * is run once; a failed allocation leaves nothing behind. */
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/run/batch.h"
#include "kernel/run/generate.h"
#include "tests/harness/test.h"
#include "tests/unit/checkpoint.h"

enum {
    MOST = 12,
    ROOM = 80,
    BLOCK = 16
};

/* A model, a plan and prompts. */
struct bench {
    struct xl_test *t;
    struct xl_model *model;
    struct xl_plan *plan;
    struct xl_state state;
    int32_t prompts[MOST][ROOM];
    struct xl_generate_options options[MOST];
    struct xl_generate_result want[MOST], got[MOST];
    size_t n;
};

static bool open_bench(struct bench *b, struct xl_test *t, const char *name)
{
    char dir[1024];
    struct xl_err err = { 0 };
    struct xl_params params;
    *b = (struct bench){ .t = t };
    xl_params_init(&params);
    params.value[XL_PARAM_PREFILL_BLOCK] = BLOCK;
    enum xl_status rc =
        xl_model_open(&b->model, checkpoint_dir(name, dir), &err);
    if (rc == XL_OK)
        rc = xl_plan_make(&b->plan, b->model, &params, &err);
    if (rc == XL_OK)
        rc = xl_state_init(&b->state, xl_model_config(b->model), &err);
    return XL_CHECK_STATUS(t, rc, XL_OK, &err);
}

static void close_bench(struct bench *b)
{
    xl_generate_release_all(b->want, b->n);
    xl_generate_release_all(b->got, b->n);
    xl_state_release(&b->state);
    xl_plan_free(b->plan);
    xl_model_close(b->model);
}

/* Prompts that begin alike for `common` tokens; every third repeats the one
 * before it; lengths, ends and seeds differ. */
static void make_prompts(struct bench *b, size_t n, size_t common)
{
    size_t vocab = xl_model_config(b->model)->vocab;
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        size_t like = i % 3 == 2 ? i - 1 : i;
        size_t length = common + 1 + like * 5 % 23;
        for (size_t j = 0; j < length; j++)
            b->prompts[i][j] =
                (int32_t)((j * 7 + 3 + (j < common ? 0 : like + 1)) % vocab);
        b->options[i] = (struct xl_generate_options){
            .prompt = b->prompts[i],
            .n_prompt = length,
            .max_new = i * 3 % 11,
            .sampler = { .temperature = i % 2 ? 0.9f : 0,
                         .top_k = 20,
                         .repetition_penalty = 1.1f,
                         .seed = 100 + i },
        };
    }
}

static void run_alone(struct bench *b)
{
    struct xl_err err = { 0 };
    for (size_t i = 0; i < b->n; i++)
        XL_CHECK_STATUS(b->t,
                        xl_generate(b->plan, b->model, &b->state,
                                    &b->options[i], &b->want[i], &err),
                        XL_OK, &err);
}

static bool same(const struct xl_generate_result *a,
                 const struct xl_generate_result *b)
{
    return a->n == b->n && a->finish == b->finish &&
           a->decode_steps == b->decode_steps &&
           memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0 &&
           memcmp(a->logprobs, b->logprobs, a->n * sizeof *a->logprobs) == 0;
}

/* The sequences that differ from those alone. */
static size_t run_together(struct bench *b, size_t width,
                           struct xl_batch_stats *stats)
{
    struct xl_err err = { 0 };
    struct xl_batch_job job = { .options = b->options,
                                .n = b->n,
                                .width = width };
    size_t wrong = 0;
    XL_CHECK_STATUS(
        b->t, xl_generate_batch(b->plan, b->model, &job, b->got, stats, &err),
        XL_OK, &err);
    for (size_t i = 0; i < b->n; i++)
        wrong += !same(&b->want[i], &b->got[i]);
    xl_generate_release_all(b->got, b->n);
    return wrong;
}

static void any_width(struct xl_test *t)
{
    static const size_t widths[] = { 0, 1, 2, 3, 5, MOST, 100 };
    static const size_t common[] = { 0, BLOCK - 1, BLOCK, 2 * BLOCK + 3 };
    for (size_t m = 0; m < CHECKPOINT_MODELS; m++) {
        struct bench b;
        if (!open_bench(&b, t, checkpoint_models[m]))
            continue;
        for (size_t c = 0; c < sizeof common / sizeof *common; c++) {
            make_prompts(&b, MOST, common[c]);
            run_alone(&b);
            for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
                size_t wrong = run_together(&b, widths[w], NULL);
                xl_test_check(t, wrong == 0, __FILE__, __LINE__,
                              "%s, width %zu, %zu in common: %zu differ",
                              checkpoint_models[m], widths[w], common[c],
                              wrong);
            }
            xl_generate_release_all(b.want, b.n);
        }
        close_bench(&b);
    }
}

/* Sequences leave at different steps, by the end token or by length. */
static void ends_are_those_alone(struct xl_test *t)
{
    struct bench b;
    if (open_bench(&b, t, "tiny")) {
        make_prompts(&b, MOST, 4);
        for (size_t i = 0; i < b.n; i++) {
            b.options[i].max_new = 40;
            b.options[i].sampler =
                (struct xl_sampler_options){ .temperature = 2, .seed = i };
        }
        run_alone(&b);
        size_t ends[XL_FINISH_CALLER + 1] = { 0 };
        for (size_t i = 0; i < b.n; i++)
            ends[b.want[i].finish]++;
        XL_CHECK(t, ends[XL_FINISH_EOS] > 0 && ends[XL_FINISH_LENGTH] > 0);
        XL_CHECK_EQ(t, run_together(&b, 5, NULL), 0);
    }
    close_bench(&b);
}

/* The comparison sees a sequence with another's seed. */
static void another_seed_is_seen(struct xl_test *t)
{
    struct bench b;
    if (open_bench(&b, t, "tiny")) {
        make_prompts(&b, MOST, 4);
        b.options[3].max_new = 10;
        run_alone(&b);
        b.options[3].sampler.seed++;
        XL_CHECK_EQ(t, run_together(&b, 4, NULL), 1);
    }
    close_bench(&b);
}

/* Equal prompts are run once, common blocks too; passes are shared. */
static void shared_tokens_run_once(struct xl_test *t)
{
    struct bench b;
    struct xl_batch_stats stats;
    if (open_bench(&b, t, "tiny")) {
        make_prompts(&b, 4, 2 * BLOCK + 3);
        size_t rest = 0;
        for (size_t i = 0; i < b.n; i++) {
            b.options[i].max_new = 6;
            b.options[i].ignore_eos = true;
            if (i != 2) /* it repeats prompt 1 */
                rest += b.options[i].n_prompt - 2 * BLOCK;
        }
        run_alone(&b);
        XL_CHECK_EQ(t, run_together(&b, 4, &stats), 0);
        XL_CHECK_EQ(t, stats.prompt_tokens, 2 * BLOCK + rest);
        XL_CHECK_EQ(t, stats.decode_steps, 5);
        XL_CHECK_EQ(t, stats.decode_tokens, 20);
        XL_CHECK(t, stats.prefill_ns > 0 && stats.decode_ns > 0);
        XL_CHECK_EQ(t, run_together(&b, 1, &stats), 0);
        XL_CHECK_EQ(t, stats.decode_steps, 20);
    }
    close_bench(&b);
}

struct order {
    size_t n, index[MOST];
};

static void note(void *ctx, size_t index,
                 const struct xl_generate_result *result)
{
    struct order *order = ctx;
    (void)result;
    order->index[order->n++] = index;
}

/* Each sequence is told of once, shorter ones first. */
static void ends_are_told(struct xl_test *t)
{
    struct bench b;
    struct order order = { 0 };
    struct xl_err err = { 0 };
    if (open_bench(&b, t, "tiny")) {
        make_prompts(&b, 3, 4);
        for (size_t i = 0; i < b.n; i++) {
            b.options[i].max_new = 9 - 3 * i;
            b.options[i].ignore_eos = true;
        }
        XL_CHECK_STATUS(
            t,
            xl_generate_batch(b.plan, b.model,
                              &(struct xl_batch_job){ .options = b.options,
                                                      .n = b.n,
                                                      .done = note,
                                                      .done_ctx = &order },
                              b.got, NULL, &err),
            XL_OK, &err);
        XL_CHECK_EQ(t, order.n, 3);
        for (size_t i = 0; i < 3; i++)
            XL_CHECK_EQ(t, order.index[i], 2 - i);
    }
    close_bench(&b);
}

static void bad_prompts_are_errors(struct xl_test *t)
{
    struct bench b;
    struct xl_err err = { 0 };
    if (open_bench(&b, t, "tiny")) {
        struct xl_batch_job job = { .options = b.options, .width = 2 };
        XL_CHECK_EQ(t,
                    xl_generate_batch(b.plan, b.model, &job, b.got, NULL, &err),
                    XL_OK);
        make_prompts(&b, 5, 4);
        b.options[3].n_prompt = 0;
        job.n = b.n;
        XL_CHECK_EQ(t,
                    xl_generate_batch(b.plan, b.model, &job, b.got, NULL, &err),
                    XL_EUSAGE);
        for (size_t i = 0; i < b.n; i++)
            XL_CHECK(t, !b.got[i].ids && !b.got[i].logprobs);
    }
    close_bench(&b);
}

struct countdown {
    size_t left;
    bool struck;
};

static bool strike(void *ctx, size_t nbytes)
{
    struct countdown *c = ctx;
    (void)nbytes;
    if (c->left-- != 0)
        return false;
    c->struck = true;
    c->left = (size_t)-1;
    return true;
}

static void memory_may_run_out(struct xl_test *t)
{
    struct bench b;
    if (open_bench(&b, t, "tiny")) {
        make_prompts(&b, 4, 2 * BLOCK);
        struct xl_batch_job job = { .options = b.options, .n = 4, .width = 2 };
        struct countdown c = { .struck = true };
        for (size_t i = 0; c.struck && i < 1000; i++) {
            struct xl_err err = { 0 };
            c = (struct countdown){ .left = i };
            xl_alloc_set_hook(strike, &c);
            enum xl_status rc =
                xl_generate_batch(b.plan, b.model, &job, b.got, NULL, &err);
            xl_alloc_set_hook(NULL, NULL);
            XL_CHECK_STATUS(t, rc, c.struck ? XL_ENOMEM : XL_OK, &err);
            XL_CHECK(t, !c.struck || !b.got[0].ids);
        }
        XL_CHECK(t, !c.struck);
    }
    close_bench(&b);
}

const struct xl_test_case xl_suite_generate_batch[] = {
    XL_CASE(any_width),
    XL_CASE(ends_are_those_alone),
    XL_CASE(another_seed_is_seen),
    XL_CASE(shared_tokens_run_once),
    XL_CASE(ends_are_told),
    XL_CASE(bad_prompts_are_errors),
    XL_CASE(memory_may_run_out),
    { 0 },
};
