/* SPDX-License-Identifier: Apache-2.0
 *
 * The forward pass: a list of stages, each split over the workers by rows
 * (tokens) or by columns (outputs).
 *
 * Prefill runs what is before the cell of a block, and what is after it, each
 * as a region; the cell's own regions are the backend's. Decode is driven by
 * the caller alone: it hands the shares of a stage out as tickets and does
 * itself what no other worker took, so that a neighbour on the machine costs a
 * share, not a time slice a stage. Small stages run without asking anybody. A
 * batch is decode with a row a sequence: its products are those of few rows, in
 * the order of sums of a single row. */
#include "kernel/model/products_int.h"

#include <assert.h>
#include <string.h>

enum {
    SMALL_ROWS = 4 /* rows up to which a small stage is not shared out */
};

/* -- stages --------------------------------------------------------------- */

static const struct xl_forward_arch *arch_of(const struct xl_plan *plan)
{
    return plan->config->arch == XL_ARCH_BLOCK_STACK ? &xl_forward_stack
                                                     : &xl_forward_xlstm;
}

/* x of a row, then y = norm(x): RMSNorm, or, in a block stack, LayerNorm. */
static void embed_row(const struct xl_stage *s, const struct xl_vector *norm,
                      size_t row, float *y)
{
    const struct xl_plan *plan = s->plan;
    size_t width = plan->config->width;
    float *x = plan->scratch.x + row * width;
    struct xl_norm_weights weights = xl_norm_of(plan, norm, 0);
    xl_prepared_embed(plan->weights, (size_t)s->tokens[row], x);
    if (!norm->w)
        memcpy(y, x, width * sizeof *y);
    else if (plan->config->arch == XL_ARCH_BLOCK_STACK)
        plan->row->heads(y, x, &weights, 1, width);
    else
        plan->row->rms(y, x, &weights, width);
}

/* x += z, then y as above. */
static void add_row(const struct xl_stage *s, const struct xl_vector *norm,
                    size_t row, float *y)
{
    const struct xl_plan *plan = s->plan;
    size_t width = plan->config->width;
    float *x = plan->scratch.x + row * width;
    const float *z = plan->scratch.z + row * plan->scratch.z_row;
    struct xl_norm_weights weights = xl_norm_of(plan, norm, 0);
    if (plan->config->arch == XL_ARCH_BLOCK_STACK && norm->w)
        plan->row->add_heads(y, x, z, &weights, 1, width);
    else
        plan->row->add_rms(y, x, z, &weights, width);
}

typedef void row_work(const struct xl_stage *s, const struct xl_vector *norm,
                      size_t row, float *y);

/* Rows of y, to who reads them. Where all read them packed, a strip is packed
 * while it is in the first cache and y is one strip of the worker's own;
 * whoever else multiplies them does so then. */
static void norm_rows(const struct xl_stage *s, size_t worker, row_work *work,
                      const struct xl_normed *to)
{
    const struct xl_plan *plan = s->plan;
    const struct xl_gemm *gemm =
        to->reader ? xl_stage_packer(s, to->reader) : NULL;
    bool passes = gemm && gemm->x_row_bytes && !plan->gemm_keys;
    struct xl_span all = xl_stage_rows(s, worker), rows = all;
    size_t width = plan->config->width;
    for (; rows.begin < all.end; rows.begin = rows.end) {
        size_t left = all.end - rows.begin;
        size_t n = passes && left > XL_GEMM_ROWS ? (size_t)XL_GEMM_ROWS : left;
        float *y = plan->scratch.y + (passes ? all.begin : rows.begin) * width;
        rows.end = rows.begin + n;
        for (size_t r = 0; r < n; r++)
            work(s, to->norm, rows.begin + r, y + r * width);
        if (passes)
            xl_strip_pack(s, to->reader, y, width, rows, (struct xl_span){ 0 },
                          plan->scratch.packed_x);
        else if (gemm)
            xl_rows_pack(s, to->reader, plan->scratch.y, width, rows,
                         (struct xl_span){ 0 }, plan->scratch.packed_x);
        if (to->then)
            to->then(s, worker, to->block, rows, y);
    }
}

/* What follows the norm in front of a block, or of the head. */
static struct xl_normed normed_for(const struct xl_stage *s, size_t block)
{
    const struct xl_plan *plan = s->plan;
    const struct xl_forward_arch *arch = arch_of(plan);
    bool has_gates = block < plan->config->blocks && !xl_stage_is_step(s);
    return (struct xl_normed){ .norm = arch->norm(plan, block),
                               .reader = arch->reader(plan, block),
                               .block = block,
                               .then = has_gates ? arch->gates : NULL };
}

static void embed_and_norm(const struct xl_stage *s, size_t worker)
{
    struct xl_normed to = normed_for(s, 0);
    norm_rows(s, worker, embed_row, &to);
}

void xl_stage_cap_gates(const struct xl_stage *s, struct xl_span rows)
{
    const struct xl_config *c = s->plan->config;
    size_t at = rows.begin * c->heads;
    size_t n = (rows.end - rows.begin) * c->heads;
    xl_gate_cap(s->plan->scratch.igate + at, n, c->gate_cap);
    xl_gate_cap(s->plan->scratch.fgate + at, n, c->gate_cap);
}

void xl_stage_add(const struct xl_stage *s, size_t worker,
                  const struct xl_normed *to)
{
    norm_rows(s, worker, add_row, to);
}

void xl_stage_end(const struct xl_stage *s, size_t worker)
{
    struct xl_normed to = normed_for(s, s->block + 1);
    xl_stage_add(s, worker, &to);
}

static void head(const struct xl_stage *s, size_t worker)
{
    const struct xl_plan *plan = s->plan;
    const struct xl_matrix *w = &plan->head->head;
    const float *x = plan->scratch.y + s->first_logit * plan->config->width;
    xl_outputs_run(
        s,
        &(struct xl_outputs){ .x = x,
                              .rows = s->n_logits,
                              .n = 1,
                              .list = { { w, s->logits, NULL, 0 } } },
        worker);
}

static void cap_logits(const struct xl_stage *s, size_t worker)
{
    struct xl_span span =
        xl_span_of(s->n_logits * s->plan->config->vocab, s->parts, worker);
    s->plan->row->soft_cap(s->logits + span.begin, span.end - span.begin,
                           s->plan->config->logit_cap);
}

/* -- running stages ------------------------------------------------------- */

static const struct xl_stage_row first[] = {
    { embed_and_norm, XL_PART_EMBED, true },
    { 0 },
};
static const struct xl_stage_row at_end[] = {
    { head, XL_PART_HEAD, false },
    { cap_logits, XL_PART_HEAD, false },
    { 0 },
};

/* Stages that follow one another: each worker goes through all of them, and
 * meets the others in between. */
struct region {
    const struct xl_stage *stage;
    const struct xl_stage_row *rows;
};

static void region_work(void *ctx, size_t worker)
{
    const struct region *r = ctx;
    const struct xl_plan *plan = r->stage->plan;
    struct xl_stage s = *r->stage;
    for (size_t i = 0; r->rows[i].work; i++) {
        if (i)
            xl_pool_barrier(plan->pool);
        if (i && worker == 0)
            xl_trace_mark(s.trace, r->rows[i - 1].part);
        s.queue = plan->scratch.queues + i;
        r->rows[i].work(&s, worker);
    }
}

static void run_regions(const struct xl_stage *s,
                        const struct xl_stage_row *rows)
{
    const struct xl_plan *plan = s->plan;
    struct region r = { .stage = s, .rows = rows };
    size_t n = 0;
    for (; rows[n].work; n++)
        for (size_t team = 0; team < XL_TEAMS; team++)
            atomic_store(&plan->scratch.queues[n].begun[team].steps, 0);
    assert(n > 0 && n <= XL_STAGES);
    xl_pool_run(plan->pool, region_work, &r);
    xl_trace_mark(s->trace, rows[n - 1].part);
}

/* The worker's rows of C of all heads, each of dv. */
static struct xl_span C_rows(const struct xl_stage *s, size_t worker)
{
    const struct xl_config *c = s->plan->config;
    return xl_span_of(c->heads * c->dk, s->parts, worker);
}

static void widen_C(const struct xl_stage *s, size_t worker)
{
    const uint16_t *from = xl_state_C16(s->states[0], s->block);
    struct xl_span rows = C_rows(s, worker);
    size_t dv = s->plan->config->dv;
    for (size_t i = rows.begin * dv; i < rows.end * dv; i++)
        s->plan->scratch.C[i] = xl_bf16_to_f32(from[i]);
}

static void narrow_C(const struct xl_stage *s, size_t worker)
{
    uint16_t *to = xl_state_C16(s->states[0], s->block);
    struct xl_span rows = C_rows(s, worker);
    size_t dv = s->plan->config->dv;
    for (size_t i = rows.begin * dv; i < rows.end * dv; i++)
        to[i] = xl_f32_to_bf16(s->plan->scratch.C[i]);
}

static const struct xl_stage_row widen[] = { { widen_C, XL_PART_CELL, false },
                                             { 0 } };
static const struct xl_stage_row narrow[] = { { narrow_C, XL_PART_CELL, false },
                                              { 0 } };

static void finish_head(void *ctx, size_t head, struct xl_span tokens)
{
    const struct xl_stage *s = ctx;
    arch_of(s->plan)->finish_head(s, head, tokens);
}

/* Backends know fp32 only: a state of bf16 is widened for the pass. */
static void run_cell(struct xl_stage *s)
{
    const struct xl_plan *plan = s->plan;
    bool is_bf16 = plan->C_dtype == XL_BF16;
    struct xl_chunk_job job = arch_of(plan)->cell_job(s, 0);
    job.C = is_bf16 ? plan->scratch.C : xl_state_C(s->states[0], s->block);
    job.n = xl_state_n(s->states[0], s->block);
    job.m = xl_state_m(s->states[0], s->block);
    job.finish = finish_head;
    job.finish_ctx = s;
    if (is_bf16)
        run_regions(s, widen);
    plan->backend->run(&plan->spec, &job, plan->scratch.chunk);
    xl_trace_mark(s->trace, XL_PART_CELL);
    if (is_bf16)
        run_regions(s, narrow);
}

static void run_prefill(struct xl_stage *s)
{
    run_regions(s, first);
    for (s->block = 0; s->block < s->plan->config->blocks; s->block++) {
        struct xl_block_stages l = arch_of(s->plan)->layer(s);
        run_regions(s, l.before);
        if (l.has_cell)
            run_cell(s);
        run_regions(s, l.after);
    }
    if (s->n_logits)
        run_regions(s, at_end);
}

/* One token of a sequence, one head, gates capped on the way. */
static void step_head(const struct xl_stage *s, size_t sequence, size_t h,
                      float *scratch)
{
    const struct xl_plan *plan = s->plan;
    const struct xl_config *c = plan->config;
    struct xl_chunk_job job = arch_of(plan)->cell_job(s, sequence);
    size_t gate = sequence * c->heads + h;
    xl_gate_cap(plan->scratch.igate + gate, 1, c->gate_cap);
    xl_gate_cap(plan->scratch.fgate + gate, 1, c->gate_cap);
    struct xl_mlstm_io io = {
        .dk = c->dk,
        .dv = c->dv,
        .eps = c->cell_eps,
        .q = job.q + h * c->dk,
        .k = job.k + h * c->dk,
        .v = job.v + h * c->dv,
        .h = job.h + h * c->dv,
        .igate = job.igate + h,
        .fgate = job.fgate + h,
    };
    const struct xl_state *from = s->states[sequence];
    size_t at = h * c->dk * c->dv;
    float *n = xl_state_n(from, s->block) + h * c->dk;
    float *m = xl_state_m(from, s->block) + h;
    if (plan->C_dtype == XL_BF16) {
        struct xl_mlstm_state16 state = { xl_state_C16(from, s->block) + at, n,
                                          m };
        plan->spec.cell->step16(&io, &state, scratch);
    } else {
        struct xl_mlstm_state state = { xl_state_C(from, s->block) + at, n, m };
        plan->spec.cell->steps(&io, 1, &state, scratch);
    }
    arch_of(plan)->finish_head(s, h,
                               (struct xl_span){ sequence, sequence + 1 });
}

/* One token of each sequence: the worker's pairs of sequence and head. */
static void step_heads(const struct xl_stage *s, size_t worker)
{
    size_t heads = s->plan->config->heads;
    struct xl_span span = xl_span_of(s->n_states * heads, s->parts, worker);
    for (size_t i = span.begin; i < span.end; i++)
        step_head(s, i / heads, i % heads, s->plan->scratch.gemm[worker]);
}

struct step {
    const struct xl_stage *stage;
    const struct xl_stage_row *row;
};

static void step_work(void *ctx, size_t worker)
{
    const struct step *step = ctx;
    step->row->work(step->stage, worker);
}

static struct xl_pool_next step_next(void *ctx, size_t worker)
{
    const struct step *step = ctx;
    const struct xl_forward_arch *arch = arch_of(step->stage->plan);
    struct xl_next next = { 0 };
    if (arch->next)
        next = arch->next(step->stage, step->row->part);
    return xl_next_of(step->stage, worker, &next);
}

/* One stage of decode: a step of the pool, or, when it is small, a call. */
static void step_stage(struct xl_stage *s, const struct xl_stage_row *row)
{
    struct step step = { .stage = s, .row = row };
    size_t parts = s->parts;
    if (row->is_small && s->rows < SMALL_ROWS) {
        s->parts = 1;
        row->work(s, 0);
    } else {
        if (++s->plan->stages == 0)
            s->plan->stages = 1;
        xl_pool_step(s->plan->pool, parts, step_work, step_next, &step);
    }
    s->parts = parts;
    xl_trace_mark(s->trace, row->part);
}

static void step_stages(struct xl_stage *s, const struct xl_stage_row *rows)
{
    for (; rows->work; rows++)
        step_stage(s, rows);
}

static void run_decode(struct xl_stage *s)
{
    static const struct xl_stage_row cell[] = {
        { step_heads, XL_PART_CELL, false }, { 0 }
    };
    s->parts = s->plan->decode_workers;
    step_stages(s, first);
    for (s->block = 0; s->block < s->plan->config->blocks; s->block++) {
        struct xl_block_stages l = arch_of(s->plan)->layer(s);
        step_stages(s, l.before);
        if (l.has_cell)
            step_stages(s, cell);
        step_stages(s, l.after);
    }
    if (s->n_logits)
        step_stages(s, at_end);
}

/* One block of tokens, at most plan->block_tokens. */
static void run_block(struct xl_stage *s)
{
    xl_trace_begin(s->trace);
    if (xl_stage_is_step(s))
        run_decode(s);
    else
        run_prefill(s);
    for (size_t i = 0; i < s->n_states; i++)
        s->states[i]->tokens += xl_stage_tokens(s);
}

void xl_plan_forward(struct xl_plan *plan, struct xl_state *state,
                     const struct xl_pass *pass)
{
    size_t vocab = plan->config->vocab;
    assert(state->blocks == plan->config->blocks);
    xl_state_hold(state, plan->C_dtype);
    for (size_t at = 0; at < pass->n;) {
        size_t left = pass->n - at;
        size_t rows = left < plan->block_tokens ? left : plan->block_tokens;
        bool last = at + rows == pass->n;
        struct xl_stage s = { .plan = plan,
                              .states = &state,
                              .n_states = 1,
                              .rows = rows,
                              .parts = plan->workers,
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

void xl_plan_forward_batch(struct xl_plan *plan, struct xl_state *const *states,
                           const struct xl_batch *batch)
{
    size_t vocab = plan->config->vocab, rows;
    for (size_t i = 0; i < batch->n; i++)
        xl_state_hold(states[i], plan->C_dtype);
    for (size_t at = 0; at < batch->n; at += rows) {
        size_t left = batch->n - at;
        rows = left < plan->block_tokens ? left : plan->block_tokens;
        struct xl_stage s = { .plan = plan,
                              .states = states + at,
                              .n_states = rows,
                              .rows = rows,
                              .parts = plan->workers,
                              .tokens = batch->tokens + at,
                              .trace = batch->trace };
        if (batch->logits) {
            s.logits = batch->logits + at * vocab;
            s.n_logits = rows;
        }
        run_block(&s);
    }
}
