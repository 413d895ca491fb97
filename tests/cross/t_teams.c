/* SPDX-License-Identifier: Apache-2.0
 *
 * Teams of workers, who share out a stage's rows and columns, take them piece
 * by piece and help each other: a counting engine sees every output made once,
 * whoever comes first; on emulated matrix tiles, whole models have the bits of
 * one worker and are close to the naive engine. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/rng.h"
#include "kernel/gemm/gemm_int.h"
#include "kernel/model/products_int.h"
#include "kernel/model/rounding.h"
#include "tests/cross/gemm_emulated.h"
#include "tests/cross/model_fixture.h"
#include "tests/harness/test.h"

/* -- an engine that counts ------------------------------------------------- */

enum {
    OUTPUTS = 23 * 16 + 5,
    MOST_ROWS = 1100
};

/* A packed row is its number. */
static size_t count_x_bytes(size_t m, size_t k)
{
    (void)k;
    return m * sizeof(float);
}

static size_t count_row_bytes(size_t k)
{
    (void)k;
    return sizeof(float);
}

static void count_pack(const struct xl_gemm_job *job, size_t begin, size_t end,
                       void *to)
{
    (void)job;
    for (size_t r = begin; r < end; r++)
        ((float *)to)[r] = (float)r;
}

static size_t grain_of_2(size_t m, size_t k)
{
    (void)m;
    (void)k;
    return 32;
}

static size_t grain_of_3(size_t m, size_t k)
{
    (void)m;
    (void)k;
    return 48;
}

/* The output of a row and a column, once. */
static float output_of(size_t row, size_t column)
{
    return (float)(row * OUTPUTS + column);
}

static void count_run(const struct xl_gemm_job *job)
{
    const float *row = job->packed_x;
    for (size_t r = 0; r < job->m; r++)
        for (size_t c = job->n_begin; c < job->n_end; c++)
            job->y[r * job->ldy + c] += output_of((size_t)row[r], c) + 1;
}

/* -- every output once ----------------------------------------------------- */

/* A stage of one product, without a model. */
struct bench {
    struct xl_gemm gemm;
    struct xl_prepared head;
    float *no_scratch[32];
    struct xl_plan plan;
    struct xl_queue queue;
    struct xl_stage stage;
    struct xl_matrix w;
    float rows[MOST_ROWS], *y;
};

static void set_bench(struct bench *b, size_t parts, size_t rows,
                      size_t (*grain)(size_t m, size_t k))
{
    b->gemm = (struct xl_gemm){ .name = "counting",
                                .x_bytes = count_x_bytes,
                                .pack_x = count_pack,
                                .x_row_bytes = count_row_bytes,
                                .grain = grain,
                                .run = count_run };
    b->w = (struct xl_matrix){
        .out = OUTPUTS, .in = 64, .is_packed = true, .n_parts = 1
    };
    memset(&b->queue, 0, sizeof b->queue);
    b->plan = (struct xl_plan){ .head = &b->head, .workers = parts };
    b->plan.engines.few = b->plan.engines.many = &b->gemm;
    b->plan.engines.is_packed = true;
    b->plan.scratch.gemm = b->no_scratch;
    b->stage = (struct xl_stage){ .plan = &b->plan,
                                  .n_states = 1,
                                  .rows = rows,
                                  .parts = parts,
                                  .queue = &b->queue };
}

static struct bench *make_bench(struct xl_test *t)
{
    struct bench *b = xl_alloc_zero(1, sizeof *b);
    float *y = xl_alloc_floats(MOST_ROWS, OUTPUTS);
    if (XL_CHECK(t, b && y)) {
        b->y = y;
        return b;
    }
    xl_free(b);
    xl_free(y);
    return NULL;
}

static void free_bench(struct bench *b)
{
    xl_free(b->y);
    xl_free(b);
}

/* All outputs, by workers who take turns at random; how many are wrong. */
static size_t count_wrong(struct bench *b, struct xl_rng *rng)
{
    const struct xl_stage *s = &b->stage;
    struct xl_share shares[16];
    size_t busy[16], n = s->parts, steps = xl_product_steps(&b->w), wrong = 0;
    memset(b->y, 0, s->rows * OUTPUTS * sizeof *b->y);
    xl_rows_pack(s, &b->w, b->y, OUTPUTS, (struct xl_span){ 0, s->rows },
                 (struct xl_span){ 0 }, b->rows);
    for (size_t i = 0; i < n; i++) {
        shares[i] = xl_team_share(s, i, &b->w, steps);
        busy[i] = i;
    }
    while (n) {
        size_t turn = xl_rng_below(rng, n);
        if (xl_share_take(&shares[busy[turn]]))
            xl_share_run(&shares[busy[turn]],
                         &(struct xl_product){ .w = &b->w,
                                               .x = b->y,
                                               .ldx = 64,
                                               .y = b->y,
                                               .ldy = OUTPUTS,
                                               .packed = b->rows });
        else
            busy[turn] = busy[--n];
    }
    for (size_t r = 0; r < s->rows; r++)
        for (size_t c = 0; c < OUTPUTS; c++)
            wrong += b->y[r * OUTPUTS + c] != output_of(r, c) + 1;
    return wrong;
}

static void each_output_is_made_once(struct xl_test *t)
{
    static const size_t rows[] = { 16, 255, 512, 777, 1037 };
    size_t (*const grains[])(size_t, size_t) = { grain_of_2, grain_of_3, NULL };
    struct bench *b = make_bench(t);
    struct xl_rng rng;
    xl_rng_seed(&rng, 8);
    for (size_t i = 0; b && i < 5 * 3; i++)
        for (size_t parts = 1; parts <= 16; parts += 1 + (parts > 8)) {
            set_bench(b, parts, rows[i % 5], grains[i / 5]);
            size_t wrong = count_wrong(b, &rng);
            xl_test_check(t, wrong == 0, __FILE__, __LINE__,
                          "%zu workers, %zu rows: %zu outputs are wrong", parts,
                          rows[i % 5], wrong);
        }
    if (b)
        free_bench(b);
}

/* What was measured decides; products.c has the figures. */
static void teams_follow_rows_and_workers(struct xl_test *t)
{
    static const struct {
        size_t workers, rows, teams;
    } cases[] = { { 1, 4096, 1 },  { 2, 4096, 1 },  { 3, 4096, 1 },
                  { 4, 511, 1 },   { 4, 512, 2 },   { 6, 768, 3 },
                  { 7, 4096, 1 },  { 8, 512, 2 },   { 8, 1023, 2 },
                  { 8, 1024, 4 },  { 16, 255, 1 },  { 16, 512, 2 },
                  { 16, 2048, 8 }, { 16, 8192, 8 }, { 32, 8192, 16 } };
    struct bench *b = make_bench(t);
    for (size_t i = 0; b && i < sizeof cases / sizeof *cases; i++) {
        set_bench(b, cases[i].workers, cases[i].rows, grain_of_2);
        struct xl_share share = xl_team_share(&b->stage, 0, &b->w, 24);
        XL_CHECK_EQ(t, share.teams, cases[i].teams);
        b->gemm.x_row_bytes = NULL; /* jobs begin at the first row alone */
        share = xl_team_share(&b->stage, 0, &b->w, 24);
        XL_CHECK_EQ(t, share.teams, 1);
    }
    if (b)
        free_bench(b);
}

/* The count above must be able to fail. */
static void double_work_is_seen(struct xl_test *t)
{
    struct bench *b = make_bench(t);
    struct xl_rng rng;
    xl_rng_seed(&rng, 8);
    if (!b)
        return;
    set_bench(b, 4, 512, grain_of_2);
    atomic_store(&b->queue.begun[1].steps, 2); /* a piece nobody makes */
    XL_CHECK_EQ(t, count_wrong(b, &rng), 256 * 32);
    free_bench(b);
}

/* -- models on emulated tiles ---------------------------------------------- */

#ifdef XL_X86_VARIANTS

/* Of the largest logit: sums in another order round other activations. */
static const double tolerance = 2e-2;

struct subject {
    struct xl_fix_model m;
    const struct xl_config *config;
    int32_t tokens[MOST_ROWS];
    float *logits, *want; /* [MOST_ROWS][vocab] */
    float *last_state;    /* of `want` */
};

static bool open_subject(struct subject *s, struct xl_test *t, const char *name)
{
    struct xl_rng rng;
    *s = (struct subject){ 0 };
    if (!xl_fix_model_open(&s->m, t, name, NULL))
        return false;
    s->config = xl_model_config(s->m.model);
    s->logits = xl_alloc_floats(MOST_ROWS, s->config->vocab);
    s->want = xl_alloc_floats(MOST_ROWS, s->config->vocab);
    s->last_state = xl_alloc_floats(1, s->m.state.floats);
    xl_rng_seed(&rng, 5);
    for (size_t i = 0; i < MOST_ROWS; i++)
        s->tokens[i] = (int32_t)xl_rng_below(&rng, s->config->vocab);
    return XL_CHECK(t, s->logits && s->want && s->last_state);
}

static void close_subject(struct subject *s)
{
    xl_free(s->logits);
    xl_free(s->want);
    xl_free(s->last_state);
    xl_fix_model_close(&s->m);
}

/* A plan of bf16 weights whose blocks are multiplied by that engine. */
static struct xl_plan *make_plan(struct subject *s, size_t workers,
                                 const struct xl_gemm *gemm)
{
    struct xl_params params;
    struct xl_plan *plan = NULL;
    struct xl_err err = { 0 };
    bool is_naive = gemm == &xl_gemm_naive;
    xl_params_init(&params);
    params.value[XL_PARAM_WEIGHT_DTYPE] = XL_PACK_BF16;
    params.value[XL_PARAM_WORKERS] = (int64_t)workers;
    params.value[XL_PARAM_PREFILL_BLOCK] = MOST_ROWS;
    params.value[XL_PARAM_SPIN] = 1; /* there are fewer cores than workers */
    params.value[XL_PARAM_GEMM] = is_naive ? 1 + XL_GEMM_NAIVE : 0;
    enum xl_status rc = xl_plan_make_on(&plan, s->m.model, &params,
                                        is_naive ? NULL : gemm, &err);
    XL_CHECK_STATUS(s->m.t, rc, XL_OK, &err);
    return plan;
}

static bool prefill(struct subject *s, struct xl_plan *plan, size_t rows)
{
    if (!plan)
        return false;
    xl_state_clear(&s->m.state);
    xl_plan_forward(plan, &s->m.state,
                    &(struct xl_pass){
                        .tokens = s->tokens, .n = rows, .logits = s->logits });
    xl_plan_free(plan);
    return true;
}

/* What the next passes are compared with. */
static void keep(struct subject *s, size_t rows)
{
    memcpy(s->want, s->logits, rows * s->config->vocab * sizeof *s->want);
    memcpy(s->last_state, s->m.state.data, s->m.state.floats * sizeof(float));
}

static void check_same(struct subject *s, size_t rows, size_t workers,
                       const char *how)
{
    size_t bytes = rows * s->config->vocab * sizeof *s->want;
    bool same = memcmp(s->want, s->logits, bytes) == 0 &&
                memcmp(s->last_state, s->m.state.data,
                       s->m.state.floats * sizeof(float)) == 0;
    xl_test_check(s->m.t, same, __FILE__, __LINE__,
                  "%s: %zu workers have other bits of %zu rows", how, workers,
                  rows);
}

/* Against the logits kept, of the largest; NaN is larger than anything. */
static double error_of(const struct subject *s, size_t rows)
{
    double most = 0, error = 0;
    for (size_t i = 0; i < rows * s->config->vocab; i++) {
        double d = fabs((double)s->logits[i] - (double)s->want[i]);
        most = fmax(most, fabs((double)s->want[i]));
        error = d <= error ? error : d;
    }
    return error / most;
}

/* The emulated engine as a plan may meet it. */
enum variant {
    WHOLE,
    NO_GATES,
    NO_GRAIN,
    OTHER_GRAIN,
    VARIANTS
};
static const char *const variant_names[VARIANTS] = { "tiles", "no gates",
                                                     "no grain",
                                                     "other grain" };

static struct xl_gemm engine_of(enum variant variant)
{
    struct xl_gemm gemm = xl_gemm_emulated;
    if (variant == NO_GATES)
        gemm.gates = false;
    if (variant == NO_GRAIN)
        gemm.grain = NULL;
    if (variant == OTHER_GRAIN)
        gemm.grain = grain_of_3;
    return gemm;
}

static bool is_small(void)
{
    return getenv("XL_TEST_SMALL") != NULL;
}

static void check_bits(struct subject *s, size_t rows)
{
    static const size_t workers[] = { 2, 4, 6, 8 };
    struct xl_gemm gemm = engine_of(WHOLE);
    if (!prefill(s, make_plan(s, 1, &gemm), rows))
        return;
    keep(s, rows);
    for (size_t i = is_small() ? 3 : 0; i < 4; i++)
        if (prefill(s, make_plan(s, workers[i], &gemm), rows))
            check_same(s, rows, workers[i], variant_names[WHOLE]);
    for (enum variant v = NO_GATES; v < VARIANTS && !is_small(); v++) {
        gemm = engine_of(v);
        if (prefill(s, make_plan(s, 8, &gemm), rows))
            check_same(s, rows, 8, variant_names[v]);
    }
}

static void check_naive(struct subject *s, size_t rows)
{
    struct xl_plan *plan = make_plan(s, 2, &xl_gemm_naive);
    struct xl_err err = { 0 };
    if (!plan || !XL_CHECK_STATUS(
                     s->m.t, xl_plan_round_inputs(plan, XL_ROUNDING_BF16, &err),
                     XL_OK, &err))
        return;
    prefill(s, plan, rows);
    double error = error_of(s, rows);
    xl_test_check(s->m.t, error <= tolerance, __FILE__, __LINE__,
                  "naive is off by %.3g of the largest logit", error);
    memmove(s->want, s->want + s->config->vocab,
            (rows - 1) * s->config->vocab * sizeof *s->want);
    XL_CHECK(s->m.t, error_of(s, rows) > tolerance); /* planted: another row */
}

/* Shared by one team, by two, three and four. */
static void models_have_the_bits_of_one_worker(struct xl_test *t)
{
    static const char *const names[] = { "biased-bf16-sharded", "stack-m1s1" };
    static const size_t rows[] = { 1037, 777 };
    const char *why = xl_gemm_emulated.why_not();
    if (why) {
        XL_CHECK(t, why[0] != '\0'); /* emulated tiles use other vectors */
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        struct subject s;
        if (open_subject(&s, t, names[i])) {
            for (size_t r = 0; r < (is_small() ? 1 : 2); r++)
                check_bits(&s, rows[r]);
            check_naive(&s, 512);
        }
        close_subject(&s);
    }
}

/* -- a feed-forward by one worker of a team -------------------------------- */

static void run_stage(const struct xl_stage *s, enum xl_part part, size_t first)
{
    const struct xl_stage_row *row = xl_forward_xlstm.layer(s).after;
    while (row->part != part)
        row++;
    memset(s->queue, 0, sizeof *s->queue);
    for (size_t i = 0; i < s->parts; i++)
        row->work(s, (first + i) % s->parts);
}

/* z of normed rows when that worker comes first, and finds all to be done; in
 * s->logits. */
static void feed_forward(struct subject *s, struct xl_plan *plan, size_t rows,
                         size_t first)
{
    const struct xl_config *c = s->config;
    if (!plan)
        return;
    struct xl_scratch *m = &plan->scratch;
    struct xl_stage stage = { .plan = plan,
                              .n_states = 1,
                              .rows = rows,
                              .parts = plan->workers,
                              .queue = m->queues };
    struct xl_rng rng;
    xl_rng_seed(&rng, 3);
    for (size_t i = 0; i < rows * c->width; i++)
        m->y[i] = (float)xl_rng_normal(&rng);
    memset(m->z, 0xff, rows * c->width * sizeof *m->z);
    memset(m->g, 0xff, rows * m->ffn_row * sizeof *m->g);
    memset(m->packed_ffn, 0xff, plan->engines.many->x_bytes(MOST_ROWS, c->ffn));
    xl_rows_pack(&stage, &plan->weights->blocks->gate_up, m->y, c->width,
                 (struct xl_span){ 0, rows }, (struct xl_span){ 0 },
                 m->packed_x);
    run_stage(&stage, XL_PART_FFN_UP, first);
    run_stage(&stage, XL_PART_FFN_DOWN, first);
    memcpy(s->logits, m->z, rows * c->width * sizeof *m->z);
    xl_plan_free(plan);
}

/* Whoever comes first makes his team's pieces, then all of the others'. */
static void one_worker_helps_all_teams(struct xl_test *t)
{
    static const size_t workers[] = { 8, 6, 4 }, rows = 1037;
    const char *why = xl_gemm_emulated.why_not();
    struct subject s;
    if (why || !open_subject(&s, t, "biased-bf16-sharded")) {
        XL_CHECK(t, why && why[0] != '\0');
        return;
    }
    struct xl_gemm gemm = engine_of(WHOLE);
    size_t bytes = rows * s.config->width * sizeof(float);
    feed_forward(&s, make_plan(&s, 1, &gemm), rows, 0);
    memcpy(s.want, s.logits, bytes);
    for (enum variant v = WHOLE; v < VARIANTS; v++) {
        gemm = engine_of(v);
        for (size_t w = 0; w < (is_small() ? 1 : 3); w++)
            for (size_t first = 0; first < workers[w];
                 first += workers[w] / 2 + 1) {
                feed_forward(&s, make_plan(&s, workers[w], &gemm), rows, first);
                xl_test_check(t, memcmp(s.want, s.logits, bytes) == 0, __FILE__,
                              __LINE__,
                              "%s: other bits when worker %zu of %zu is first",
                              variant_names[v], first, workers[w]);
            }
    }
    close_subject(&s);
}

#endif

const struct xl_test_case xl_suite_teams[] = {
    XL_CASE(each_output_is_made_once),
    XL_CASE(teams_follow_rows_and_workers),
    XL_CASE(double_work_is_seen),
#ifdef XL_X86_VARIANTS
    XL_CASE(models_have_the_bits_of_one_worker),
    XL_CASE(one_worker_helps_all_teams),
#endif
    { 0 },
};
