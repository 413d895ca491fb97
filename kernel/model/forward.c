/* SPDX-License-Identifier: Apache-2.0
 *
 * The forward pass: a list of stages, each split over the workers by rows
 * (tokens) or by columns (outputs).
 *
 * Prefill runs every stage as a region of its own, since the backend starts
 * regions itself. Decode is driven by the caller alone: it hands the shares of
 * a stage out as tickets and does itself what no other worker took, so that a
 * neighbour on the machine costs a share, not a time slice a stage. Small
 * stages run without asking anybody. A batch is decode with a row a sequence:
 * its products are those of few rows, in the order of sums of a single row.
 * Projections that share an input share a stage: its columns are counted
 * through all of them, and cut at multiples of COLUMN_STEP. */
#include "kernel/model/forward_int.h"

#include <assert.h>
#include <string.h>

enum {
    COLUMN_STEP = 16,
    FEW_ROWS = 4,
    MANY_WORKERS = 8, /* from here on they are cut in teams */
    SMALL_ROWS = 4    /* rows up to which a small stage is not shared out */
};

/* -- products ------------------------------------------------------------- */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

size_t xl_product_steps(const struct xl_matrix *w)
{
    return (w->out + COLUMN_STEP - 1) / COLUMN_STEP;
}

struct xl_share xl_share_of(const struct xl_stage *s, size_t worker,
                            size_t rows, size_t steps)
{
    return (struct xl_share){ .stage = s,
                              .worker = worker,
                              .rows = rows,
                              .mine = xl_span_of(steps, s->parts, worker) };
}

void xl_few_run(const struct xl_gemm *gemm, const struct xl_gemm_job *job)
{
    size_t most = gemm->few_rows ? gemm->few_rows : job->m;
    for (size_t i = 0; i < job->m; i += most) {
        struct xl_gemm_job part = *job;
        part.m = job->m - i < most ? job->m - i : most;
        part.x += i * job->ldx;
        part.y += i * job->ldy;
        gemm->run(&part);
    }
}

/* The engine that reads packed x of the matrix in this pass, or NULL. */
static const struct xl_gemm *packing_engine(const struct xl_stage *s,
                                            const struct xl_matrix *w)
{
    const struct xl_gemm *gemm = xl_plan_gemm(s->plan, w, false);
    if (xl_stage_is_step(s) || s->rows < FEW_ROWS || !w->is_packed)
        return NULL;
    return gemm->x_bytes && gemm->x_bytes(s->rows, w->in) ? gemm : NULL;
}

void xl_stage_pack(const struct xl_stage *s, size_t worker,
                   const struct xl_matrix *w, const float *x, size_t ldx)
{
    const struct xl_gemm *gemm = packing_engine(s, w);
    struct xl_span span = xl_stage_rows(s, worker);
    struct xl_gemm_job job = { .m = s->rows, .k = w->in, .x = x, .ldx = ldx };
    if (gemm && span.begin < span.end)
        gemm->pack_x(&job, span.begin, span.end, s->plan->scratch.packed_x);
}

void xl_columns_pack(const struct xl_share *share, const struct xl_matrix *w,
                     const float *x, size_t ldx, struct xl_span columns,
                     void *to)
{
    const struct xl_stage *s = share->stage;
    const struct xl_gemm *gemm = packing_engine(s, w);
    struct xl_gemm_job job = { .m = s->rows,
                               .k = w->in,
                               .x = x + columns.begin,
                               .ldx = ldx,
                               .k_begin = columns.begin,
                               .k_end = columns.end };
    if (gemm)
        gemm->pack_x(&job, share->first, share->first + share->rows, to);
}

bool xl_share_finishes(const struct xl_share *share, const struct xl_matrix *w)
{
    const struct xl_gemm *gemm = packing_engine(share->stage, w);
    return gemm && gemm->finishes && gemm->x_row_bytes;
}

/* m is more than these rows: those that pad a block of the engine's are another
 * share's, or go nowhere. */
void xl_piece_pack(const struct xl_share *share, const struct xl_matrix *w,
                   const struct xl_gemm_piece *piece, void *to)
{
    const struct xl_stage *s = share->stage;
    const struct xl_gemm *gemm = packing_engine(s, w);
    size_t row = share->first + piece->row;
    struct xl_gemm_job job = { .m = piece->rows + 1,
                               .k = w->in,
                               .x = piece->sums,
                               .ldx = XL_PACK_LANES,
                               .k_begin = piece->column,
                               .k_end = piece->column + piece->columns };
    if (gemm)
        gemm->pack_x(&job, 0, piece->rows,
                     (char *)to + row * gemm->x_row_bytes(w->in));
}

/* Teams that workers are cut in: two, where there are many workers. Measured
 * on 16 cores of a Xeon: writing a line that 16 have read takes 110 ns, 8 have
 * read 70, 4 have read 25. But each team reads all weights: prefill of 400m by
 * 8 workers gains 12 % from two teams, and by 16 loses 10 % by four. */
static size_t count_teams(const struct xl_stage *s, const struct xl_matrix *w)
{
    const struct xl_gemm *gemm = packing_engine(s, w);
    if (!gemm || !gemm->x_row_bytes || s->parts < MANY_WORKERS ||
        s->parts % 2 != 0)
        return 1;
    return s->rows < s->parts * XL_GEMM_ROWS ? 1 : 2;
}

struct xl_share xl_team_share(const struct xl_stage *s, size_t worker,
                              const struct xl_matrix *w, size_t steps)
{
    size_t teams = count_teams(s, w), size = s->parts / teams;
    size_t captain = worker / size * size;
    struct xl_share share = { .stage = s, .worker = worker, .rows = s->rows };
    share.mine = xl_span_of(steps, size, worker % size);
    if (teams > 1) {
        share.first = xl_stage_rows(s, captain).begin;
        share.rows = xl_stage_rows(s, captain + size - 1).end - share.first;
    }
    return share;
}

/* By one job when the matrix is packed, by one a part it touches when it is
 * rows. */
void xl_columns_run(const struct xl_share *share, const struct xl_product *p,
                    struct xl_span columns)
{
    const struct xl_plan *plan = share->stage->plan;
    bool is_step = xl_stage_is_step(share->stage);
    const struct xl_gemm *gemm =
        p->gemm ? p->gemm
                : xl_plan_gemm(plan, p->w, is_step || share->rows < FEW_ROWS);
    const struct xl_gemm *packing = packing_engine(share->stage, p->w);
    bool is_packed = p->packed && packing && gemm->pack_x == packing->pack_x;
    size_t row = share->first;
    const char *packed = p->packed;
    if (is_packed && row)
        packed += row * packing->x_row_bytes(p->w->in);
    for (size_t i = 0; i < (p->w->is_packed ? 1 : p->w->n_parts); i++) {
        const struct xl_matrix_part *part = &p->w->parts[i];
        size_t end = p->w->is_packed ? p->w->out : part->at + part->out;
        size_t first = larger(columns.begin, part->at);
        if (first >= columns.end || first >= end)
            continue;
        struct xl_gemm_job job = {
            .m = share->rows,
            .k = p->w->in,
            .n_begin = first - part->at,
            .n_end = (columns.end < end ? columns.end : end) - part->at,
            .x = p->x + row * p->ldx,
            .ldx = p->ldx,
            .w = part->w,
            .w_dtype = p->w->dtype,
            .packed = xl_matrix_packed(p->w),
            .bias = p->w->bias ? p->w->bias + part->at : NULL,
            .y = p->y + row * p->ldy + part->at,
            .ldy = p->ldy,
            .scratch = plan->scratch.gemm[share->worker],
            .packed_x = is_packed ? packed : NULL,
            .next_n = p->next_n,
            .k_block = plan->k_block,
            .no_prefetch = plan->no_prefetch,
            .ahead = is_step ? plan->decode_ahead : 0,
            .finish = p->finish,
            .finish_ctx = p->finish_ctx,
            .pair_n = p->pair_n,
        };
        if (is_step)
            xl_few_run(gemm, &job);
        else
            gemm->run(&job);
    }
}

void xl_share_run(struct xl_share *share, const struct xl_product *p)
{
    const struct xl_span *mine = &share->mine;
    size_t here = xl_product_steps(p->w), before = share->before;
    size_t begin = mine->begin > before ? mine->begin - before : 0;
    size_t end = mine->end > before ? mine->end - before : 0;
    share->before += here;
    begin = begin * COLUMN_STEP;
    end = end < here ? end * COLUMN_STEP : p->w->out;
    if (begin < end)
        xl_columns_run(share, p, (struct xl_span){ begin, end });
}

void xl_outputs_run(const struct xl_stage *s, const struct xl_outputs *all,
                    size_t worker)
{
    size_t steps = 0;
    for (size_t i = 0; i < all->n; i++)
        steps += xl_product_steps(all->list[i].w);
    struct xl_share share =
        all->packed && all->n == 1
            ? xl_team_share(s, worker, all->list[0].w, steps)
            : xl_share_of(s, worker, all->rows, steps);
    for (size_t i = 0; i < all->n; i++) {
        const struct xl_output *o = &all->list[i];
        xl_share_run(
            &share, &(struct xl_product){ .w = o->w,
                                          .x = all->x,
                                          .ldx = all->ldx ? all->ldx : o->w->in,
                                          .y = o->y,
                                          .ldy = o->ldy ? o->ldy : o->w->out,
                                          .gemm = o->gemm,
                                          .packed = all->packed });
    }
}

/* -- stages --------------------------------------------------------------- */

static const struct xl_forward_arch *arch_of(const struct xl_plan *plan)
{
    return plan->config->arch == XL_ARCH_BLOCK_STACK ? &xl_forward_stack
                                                     : &xl_forward_xlstm;
}

/* y = norm(x): RMSNorm, or, in a block stack, LayerNorm. */
static void norm_row(const struct xl_plan *plan, const struct xl_vector *norm,
                     size_t row)
{
    size_t width = plan->config->width;
    const float *x = plan->scratch.x + row * width;
    float *y = plan->scratch.y + row * width;
    struct xl_norm_weights weights = xl_norm_of(plan, norm, 0);
    if (!norm->w)
        memcpy(y, x, width * sizeof *y);
    else if (plan->config->arch == XL_ARCH_BLOCK_STACK)
        plan->row->heads(y, x, &weights, 1, width);
    else
        plan->row->rms(y, x, &weights, width);
}

/* y, the input of a block, for the first of its products. */
static void pack_input(const struct xl_stage *s, size_t worker, size_t block)
{
    const struct xl_plan *plan = s->plan;
    const struct xl_matrix *w = arch_of(plan)->reader(plan, block);
    if (w)
        xl_stage_pack(s, worker, w, plan->scratch.y, plan->config->width);
}

static void embed_and_norm(const struct xl_stage *s, size_t worker)
{
    const struct xl_plan *plan = s->plan;
    const struct xl_vector *norm = arch_of(plan)->norm(plan, 0);
    struct xl_span span = xl_stage_rows(s, worker);
    for (size_t t = span.begin; t < span.end; t++) {
        xl_prepared_embed(plan->weights, (size_t)s->tokens[t],
                          plan->scratch.x + t * plan->config->width);
        norm_row(plan, norm, t);
    }
    pack_input(s, worker, 0);
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
                  const struct xl_vector *norm)
{
    const struct xl_plan *plan = s->plan;
    bool is_stack = plan->config->arch == XL_ARCH_BLOCK_STACK;
    struct xl_norm_weights weights = xl_norm_of(plan, norm, 0);
    size_t width = plan->config->width;
    struct xl_span span = xl_stage_rows(s, worker);
    for (size_t t = span.begin; t < span.end; t++) {
        float *x = plan->scratch.x + t * width;
        float *y = plan->scratch.y + t * width;
        const float *z = plan->scratch.z + t * width;
        if (is_stack && norm->w)
            plan->row->add_heads(y, x, z, &weights, 1, width);
        else
            plan->row->add_rms(y, x, z, &weights, width);
    }
}

void xl_stage_end(const struct xl_stage *s, size_t worker)
{
    xl_stage_add(s, worker, arch_of(s->plan)->norm(s->plan, s->block + 1));
    pack_input(s, worker, s->block + 1);
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

static const struct xl_stage_row at_end[] = {
    { head, XL_PART_HEAD, false },
    { cap_logits, XL_PART_HEAD, false },
    { 0 },
};

struct region {
    const struct xl_stage *stage;
    xl_stage_work *work;
};

static void region_work(void *ctx, size_t worker)
{
    const struct region *r = ctx;
    r->work(r->stage, worker);
}

static void run_region(const struct xl_stage *s, xl_stage_work *work,
                       enum xl_part part)
{
    struct region r = { .stage = s, .work = work };
    xl_pool_run(s->plan->pool, region_work, &r);
    xl_trace_mark(s->trace, part);
}

static void run_regions(const struct xl_stage *s,
                        const struct xl_stage_row *rows)
{
    for (; rows->work; rows++)
        run_region(s, rows->work, rows->part);
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

/* Backends know fp32 only: a state of bf16 is widened for the pass. */
static void run_cell(const struct xl_stage *s)
{
    const struct xl_plan *plan = s->plan;
    bool is_bf16 = plan->C_dtype == XL_BF16;
    struct xl_chunk_job job = arch_of(plan)->cell_job(s, 0);
    job.C = is_bf16 ? plan->scratch.C : xl_state_C(s->states[0], s->block);
    job.n = xl_state_n(s->states[0], s->block);
    job.m = xl_state_m(s->states[0], s->block);
    if (is_bf16)
        run_region(s, widen_C, XL_PART_CELL);
    plan->backend->run(&plan->spec, &job, plan->scratch.chunk);
    xl_trace_mark(s->trace, XL_PART_CELL);
    if (is_bf16)
        run_region(s, narrow_C, XL_PART_CELL);
}

static void run_prefill(struct xl_stage *s)
{
    run_region(s, embed_and_norm, XL_PART_EMBED);
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
}

/* One token of each sequence: the worker's pairs of sequence and head. */
static void step_heads(const struct xl_stage *s, size_t worker)
{
    size_t heads = s->plan->config->heads;
    struct xl_span span = xl_span_of(s->n_states * heads, s->parts, worker);
    for (size_t i = span.begin; i < span.end; i++)
        step_head(s, i / heads, i % heads, s->plan->scratch.gemm[worker]);
}

/* One stage of decode: a step of the pool, or, when it is small, a call. */
static void step_stage(struct xl_stage *s, const struct xl_stage_row *row)
{
    struct region r = { .stage = s, .work = row->work };
    size_t parts = s->parts;
    if (row->is_small && s->rows < SMALL_ROWS) {
        s->parts = 1;
        row->work(s, 0);
    } else {
        xl_pool_step(s->plan->pool, parts, region_work, &r);
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
    static const struct xl_stage_row first[] = {
        { embed_and_norm, XL_PART_EMBED, true }, { 0 }
    };
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
