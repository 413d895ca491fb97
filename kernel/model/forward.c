/* SPDX-License-Identifier: Apache-2.0
 *
 * The forward pass: a list of stages, each split over the workers by rows
 * (tokens) or by columns (outputs).
 *
 * Prefill runs every stage as a region of its own, since the backend starts
 * regions itself. Decode runs all stages of a token inside one region, with a
 * barrier between them: a region costs a wake-up, a barrier does not.
 * Projections that share an input share a stage: its columns are counted
 * through all of them, and cut at multiples of COLUMN_STEP. */
#include <assert.h>
#include <string.h>

#include "kernel/cell/norm.h"
#include "kernel/model/plan_int.h"

enum {
    COLUMN_STEP = 16,
    MAX_PRODUCTS = 6,
    FEW_ROWS = 4
};

/* One product of a stage: y[rows][ldy] = x W^T + b. */
struct product {
    const struct xl_matrix *w;
    float *y;
    size_t ldy;
    const struct xl_gemm *gemm; /* NULL = the stage's */
};

/* What every stage function sees. */
struct stage {
    struct xl_plan *plan;
    struct xl_state *state;
    size_t block;
    const int32_t *tokens;
    size_t rows;        /* tokens of this pass */
    float *logits;      /* [n_logits][vocab] */
    size_t first_logit; /* row of the pass that logits row 0 belongs to */
    size_t n_logits;
    struct xl_trace *trace; /* or NULL; worker 0 marks it */
};

typedef void stage_work(const struct stage *s, size_t worker);

static const struct xl_prepared_block *block_of(const struct stage *s)
{
    return &s->plan->weights->blocks[s->block];
}

static struct xl_span rows_of(const struct stage *s, size_t worker)
{
    return xl_span_of(s->rows, s->plan->workers, worker);
}

/* -- products ------------------------------------------------------------- */

struct product_list {
    const float *x; /* [rows][w->in] */
    size_t rows;
    size_t n;
    struct product products[MAX_PRODUCTS];
};

/* The worker's share of all columns, product by product. */
static void run_products(const struct stage *s, const struct product_list *list,
                         size_t worker)
{
    const struct xl_plan *plan = s->plan;
    const struct xl_gemm *gemm =
        list->rows < FEW_ROWS ? plan->gemm_few : plan->gemm_many;
    size_t steps = 0, before = 0;
    for (size_t i = 0; i < list->n; i++)
        steps += (list->products[i].w->out + COLUMN_STEP - 1) / COLUMN_STEP;
    struct xl_span mine = xl_span_of(steps, plan->workers, worker);
    for (size_t i = 0; i < list->n; i++) {
        const struct product *p = &list->products[i];
        size_t here = (p->w->out + COLUMN_STEP - 1) / COLUMN_STEP;
        size_t begin = mine.begin > before ? mine.begin - before : 0;
        size_t end = mine.end > before ? mine.end - before : 0;
        before += here;
        begin = begin * COLUMN_STEP;
        end = end < here ? end * COLUMN_STEP : p->w->out;
        if (begin >= end)
            continue;
        (p->gemm ? p->gemm : gemm)
            ->run(
                &(struct xl_gemm_job){ .m = list->rows,
                                       .k = p->w->in,
                                       .n_begin = begin,
                                       .n_end = end,
                                       .x = list->x,
                                       .ldx = p->w->in,
                                       .w = p->w->w,
                                       .w_dtype = p->w->dtype,
                                       .bias = p->w->bias,
                                       .y = p->y,
                                       .ldy = p->ldy,
                                       .scratch = plan->scratch.gemm[worker] });
    }
}

/* -- stages --------------------------------------------------------------- */

static void embed_and_norm(const struct stage *s, size_t worker)
{
    const struct xl_plan *plan = s->plan;
    const struct xl_vector *norm = &plan->weights->blocks[0].norm_mlstm;
    size_t width = plan->config->width;
    struct xl_span span = rows_of(s, worker);
    for (size_t t = span.begin; t < span.end; t++) {
        float *x = plan->scratch.x + t * width;
        xl_prepared_embed(plan->weights, (size_t)s->tokens[t], x);
        xl_rms_norm(plan->scratch.y + t * width, x, norm->w, norm->b, width,
                    plan->config->norm_eps);
    }
}

static void project_in(const struct stage *s, size_t worker)
{
    const struct xl_prepared_block *b = block_of(s);
    const struct xl_scratch *m = &s->plan->scratch;
    run_products(
        s,
        &(struct product_list){
            .x = m->y,
            .rows = s->rows,
            .n = 6,
            .products = { { &b->q, m->q, b->q.out, s->plan->gemm_keys },
                          { &b->k, m->k, b->k.out, s->plan->gemm_keys },
                          { &b->v, m->v, b->v.out, NULL },
                          { &b->o, m->o, b->o.out, NULL },
                          { &b->igate, m->igate, b->igate.out, NULL },
                          { &b->fgate, m->fgate, b->fgate.out, NULL } } },
        worker);
}

static void cap_gates(const struct stage *s, size_t worker)
{
    const struct xl_config *c = s->plan->config;
    struct xl_span span = rows_of(s, worker);
    size_t at = span.begin * c->heads;
    size_t n = (span.end - span.begin) * c->heads;
    xl_soft_cap(s->plan->scratch.igate + at, n, c->gate_cap);
    xl_soft_cap(s->plan->scratch.fgate + at, n, c->gate_cap);
}

/* One token: the worker's heads, gates capped on the way. */
static void step_heads(const struct stage *s, size_t worker)
{
    const struct xl_plan *plan = s->plan;
    const struct xl_config *c = plan->config;
    const struct xl_scratch *m = &plan->scratch;
    struct xl_span span = xl_span_of(c->heads, plan->workers, worker);
    for (size_t h = span.begin; h < span.end; h++) {
        xl_soft_cap(m->igate + h, 1, c->gate_cap);
        xl_soft_cap(m->fgate + h, 1, c->gate_cap);
        struct xl_mlstm_io io = {
            .dk = c->dk,
            .dv = c->dv,
            .eps = c->cell_eps,
            .q = m->q + h * c->dk,
            .k = m->k + h * c->dk,
            .v = m->v + h * c->dv,
            .h = m->h + h * c->dv,
            .igate = m->igate + h,
            .fgate = m->fgate + h,
        };
        struct xl_mlstm_state state = {
            .C = xl_state_C(s->state, s->block) + h * c->dk * c->dv,
            .n = xl_state_n(s->state, s->block) + h * c->dk,
            .m = xl_state_m(s->state, s->block) + h,
        };
        plan->spec.cell->steps(&io, 1, &state, m->gemm[worker]);
    }
}

static void gate_heads(const struct stage *s, size_t worker)
{
    const struct xl_config *c = s->plan->config;
    const struct xl_vector *norm = &block_of(s)->head_norm;
    struct xl_span span = rows_of(s, worker);
    size_t n = c->heads * c->dv;
    for (size_t t = span.begin; t < span.end; t++) {
        float *h = s->plan->scratch.h + t * n;
        xl_head_norm(h, h, norm->w, norm->b, c->heads, c->dv, c->norm_eps);
        xl_sigmoid_gate(h, s->plan->scratch.o + t * n, n);
    }
}

static void project_out(const struct stage *s, size_t worker)
{
    const struct xl_matrix *out = &block_of(s)->out;
    run_products(
        s,
        &(struct product_list){
            .x = s->plan->scratch.h,
            .rows = s->rows,
            .n = 1,
            .products = { { out, s->plan->scratch.z, out->out, NULL } } },
        worker);
}

/* x += z, then y = norm(x) for the next layer; norm NULL = none follows. */
static void add_and_norm(const struct stage *s, size_t worker,
                         const struct xl_vector *norm)
{
    const struct xl_plan *plan = s->plan;
    size_t width = plan->config->width;
    struct xl_span span = rows_of(s, worker);
    for (size_t t = span.begin; t < span.end; t++) {
        float *x = plan->scratch.x + t * width;
        xl_add_rows(x, plan->scratch.z + t * width, width);
        if (norm && norm->w)
            xl_rms_norm(plan->scratch.y + t * width, x, norm->w, norm->b, width,
                        plan->config->norm_eps);
        else
            memcpy(plan->scratch.y + t * width, x, width * sizeof *x);
    }
}

static void add_mlstm(const struct stage *s, size_t worker)
{
    add_and_norm(s, worker, &block_of(s)->norm_ffn);
}

static void expand(const struct stage *s, size_t worker)
{
    const struct xl_prepared_block *b = block_of(s);
    const struct xl_scratch *m = &s->plan->scratch;
    run_products(s,
                 &(struct product_list){
                     .x = m->y,
                     .rows = s->rows,
                     .n = 2,
                     .products = { { &b->gate, m->g, b->gate.out, NULL },
                                   { &b->up, m->u, b->up.out, NULL } } },
                 worker);
}

static void activate(const struct stage *s, size_t worker)
{
    struct xl_span span =
        xl_span_of(s->rows * s->plan->config->ffn, s->plan->workers, worker);
    xl_swiglu(s->plan->scratch.g + span.begin, s->plan->scratch.u + span.begin,
              span.end - span.begin);
}

static void contract(const struct stage *s, size_t worker)
{
    const struct xl_matrix *down = &block_of(s)->down;
    run_products(
        s,
        &(struct product_list){
            .x = s->plan->scratch.g,
            .rows = s->rows,
            .n = 1,
            .products = { { down, s->plan->scratch.z, down->out, NULL } } },
        worker);
}

static void add_ffn(const struct stage *s, size_t worker)
{
    const struct xl_prepared *w = s->plan->weights;
    bool last = s->block + 1 == s->plan->config->blocks;
    add_and_norm(s, worker,
                 last ? &w->out_norm : &w->blocks[s->block + 1].norm_mlstm);
}

static void head(const struct stage *s, size_t worker)
{
    const struct xl_plan *plan = s->plan;
    const struct xl_matrix *w = &plan->weights->head;
    const float *x = plan->scratch.y + s->first_logit * plan->config->width;
    run_products(s,
                 &(struct product_list){
                     .x = x,
                     .rows = s->n_logits,
                     .n = 1,
                     .products = { { w, s->logits, w->out, NULL } } },
                 worker);
}

static void cap_logits(const struct stage *s, size_t worker)
{
    struct xl_span span = xl_span_of(s->n_logits * s->plan->config->vocab,
                                     s->plan->workers, worker);
    xl_soft_cap(s->logits + span.begin, span.end - span.begin,
                s->plan->config->logit_cap);
}

/* -- running stages ------------------------------------------------------- */

struct stage_row {
    stage_work *work; /* NULL ends a list */
    enum xl_part part;
};

/* The stages of one block before and after the cell. */
static const struct stage_row before_cell[] = {
    { project_in, XL_PART_PROJECT },
    { 0 },
};
static const struct stage_row after_cell[] = {
    { gate_heads, XL_PART_HEAD_NORM }, { project_out, XL_PART_OUT },
    { add_mlstm, XL_PART_ADD },        { expand, XL_PART_FFN_UP },
    { activate, XL_PART_FFN_ACT },     { contract, XL_PART_FFN_DOWN },
    { add_ffn, XL_PART_ADD },          { 0 },
};
static const struct stage_row at_end[] = {
    { head, XL_PART_HEAD },
    { cap_logits, XL_PART_HEAD },
    { 0 },
};

struct region {
    const struct stage *stage;
    stage_work *work;
};

static void region_work(void *ctx, size_t worker)
{
    const struct region *r = ctx;
    r->work(r->stage, worker);
}

static void run_region(const struct stage *s, stage_work *work,
                       enum xl_part part)
{
    struct region r = { .stage = s, .work = work };
    xl_pool_run(s->plan->pool, region_work, &r);
    xl_trace_mark(s->trace, part);
}

static void run_regions(const struct stage *s, const struct stage_row *rows)
{
    for (; rows->work; rows++)
        run_region(s, rows->work, rows->part);
}

static void run_cell(const struct stage *s)
{
    const struct xl_plan *plan = s->plan;
    const struct xl_config *c = plan->config;
    const struct xl_scratch *m = &plan->scratch;
    plan->backend->run(
        &plan->spec,
        &(struct xl_chunk_job){ .tokens = s->rows,
                                .q = m->q,
                                .q_stride = c->heads * c->dk,
                                .k = m->k,
                                .k_stride = c->heads * c->dk,
                                .v = m->v,
                                .v_stride = c->heads * c->dv,
                                .igate = m->igate,
                                .fgate = m->fgate,
                                .gate_stride = c->heads,
                                .h = m->h,
                                .h_stride = c->heads * c->dv,
                                .eps = c->cell_eps,
                                .C = xl_state_C(s->state, s->block),
                                .n = xl_state_n(s->state, s->block),
                                .m = xl_state_m(s->state, s->block) },
        m->chunk);
    xl_trace_mark(s->trace, XL_PART_CELL);
}

static void run_prefill(struct stage *s)
{
    run_region(s, embed_and_norm, XL_PART_EMBED);
    for (s->block = 0; s->block < s->plan->config->blocks; s->block++) {
        run_regions(s, before_cell);
        run_region(s, cap_gates, XL_PART_CELL);
        run_cell(s);
        run_regions(s, after_cell);
    }
    if (s->n_logits)
        run_regions(s, at_end);
}

/* Every worker goes through the same list and meets after each stage. */
static void meet(const struct stage *s, size_t worker, stage_work *work,
                 enum xl_part part)
{
    work(s, worker);
    xl_pool_barrier(s->plan->pool);
    if (worker == 0)
        xl_trace_mark(s->trace, part);
}

static void meet_all(const struct stage *s, size_t worker,
                     const struct stage_row *rows)
{
    for (; rows->work; rows++)
        meet(s, worker, rows->work, rows->part);
}

static void decode_work(void *ctx, size_t worker)
{
    const struct stage *shared = ctx;
    struct stage s = *shared; /* each worker counts blocks by itself */
    meet(&s, worker, embed_and_norm, XL_PART_EMBED);
    for (s.block = 0; s.block < s.plan->config->blocks; s.block++) {
        meet_all(&s, worker, before_cell);
        meet(&s, worker, step_heads, XL_PART_CELL);
        meet_all(&s, worker, after_cell);
    }
    if (s.n_logits)
        meet_all(&s, worker, at_end);
}

/* One block of tokens, at most plan->block_tokens. */
static void run_block(struct stage *s)
{
    xl_trace_begin(s->trace);
    if (s->rows == 1)
        xl_pool_run(s->plan->pool, decode_work, s);
    else
        run_prefill(s);
    s->state->tokens += s->rows;
}

void xl_plan_forward(struct xl_plan *plan, struct xl_state *state,
                     const struct xl_pass *pass)
{
    size_t vocab = plan->config->vocab;
    assert(state->blocks == plan->config->blocks);
    for (size_t at = 0; at < pass->n;) {
        size_t left = pass->n - at;
        size_t rows = left < plan->block_tokens ? left : plan->block_tokens;
        bool last = at + rows == pass->n;
        struct stage s = { .plan = plan,
                           .state = state,
                           .rows = rows,
                           .tokens = pass->tokens + at,
                           .trace = pass->trace };
        if (pass->logits && !pass->last_only) {
            s.logits = pass->logits + at * vocab;
            s.n_logits = rows;
        } else if (pass->logits && last) {
            s.logits = pass->logits;
            s.first_logit = rows - 1;
            s.n_logits = 1;
        }
        run_block(&s);
        at += rows;
    }
}
