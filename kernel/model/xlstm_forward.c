/* SPDX-License-Identifier: Apache-2.0
 *
 * Stages of a block of xlstm (arXiv 2503.13427): an mLSTM layer, then a gated
 * feed-forward. */
#include "kernel/cell/norm.h"
#include "kernel/model/products_int.h"

static const struct xl_prepared_block *block_of(const struct xl_stage *s)
{
    return &s->plan->weights->blocks[s->block];
}

/* Many rows: the gates of the worker's rows, for their few columns would all
 * fall to one worker. */
static void project_gates(const struct xl_stage *s, size_t worker, size_t block,
                          struct xl_span rows, const float *y)
{
    const struct xl_prepared_block *b = &s->plan->weights->blocks[block];
    const struct xl_scratch *m = &s->plan->scratch;
    size_t width = s->plan->config->width, heads = s->plan->config->heads;
    struct xl_share share = xl_share_of(s, worker, rows.end - rows.begin, 0);
    share.mine.end = xl_product_steps(&b->igate) + xl_product_steps(&b->fgate);
    struct xl_product p = { .w = &b->igate,
                            .x = y,
                            .ldx = width,
                            .y = m->igate + rows.begin * heads,
                            .ldy = heads };
    xl_share_run(&share, &p);
    p.w = &b->fgate;
    p.y = m->fgate + rows.begin * heads;
    xl_share_run(&share, &p);
    xl_stage_cap_gates(s, rows);
}

static void project_in(const struct xl_stage *s, size_t worker)
{
    const struct xl_prepared_block *b = block_of(s);
    const struct xl_scratch *m = &s->plan->scratch;
    struct xl_outputs all = { .x = m->y,
                              .rows = s->rows,
                              .packed = m->packed_x };
    if (b->qk.n_parts)
        all.list[all.n++] =
            (struct xl_output){ &b->qk, m->q, s->plan->gemm_keys, m->in_row };
    /* Many rows of these take longer than of the others: everyone has some. */
    if (b->qk.n_parts && !xl_stage_is_step(s)) {
        xl_outputs_run(s, &all, worker);
        all.n = 0;
    }
    all.list[all.n++] = (struct xl_output){ &b->in, b->qk.n_parts ? m->v : m->q,
                                            NULL, m->in_row };
    if (xl_stage_is_step(s)) {
        all.list[all.n++] = (struct xl_output){ &b->igate, m->igate, NULL, 0 };
        all.list[all.n++] = (struct xl_output){ &b->fgate, m->fgate, NULL, 0 };
    }
    xl_outputs_run(s, &all, worker);
}

static struct xl_chunk_job cell_job(const struct xl_stage *s, size_t sequence)
{
    const struct xl_config *c = s->plan->config;
    const struct xl_scratch *m = &s->plan->scratch;
    size_t tokens = xl_stage_tokens(s), row = sequence * tokens;
    size_t in = row * m->in_row;
    return (struct xl_chunk_job){ .tokens = tokens,
                                  .q = m->q + in,
                                  .q_stride = m->in_row,
                                  .k = m->k + in,
                                  .k_stride = m->in_row,
                                  .v = m->v + in,
                                  .v_stride = m->in_row,
                                  .igate = m->igate + row * c->heads,
                                  .fgate = m->fgate + row * c->heads,
                                  .gate_stride = c->heads,
                                  .h = m->h + row * m->h_row,
                                  .h_stride = m->h_row,
                                  .eps = c->cell_eps };
}

/* May heads be packed as they are made? Their rows are those of a chunk. */
static bool heads_are_packed(const struct xl_stage *s)
{
    const struct xl_plan *plan = s->plan;
    size_t step = plan->backend->knobs & XL_KNOB_INNER ? plan->spec.inner_tile
                                                       : plan->spec.chunk;
    return step % XL_GEMM_ROWS == 0 && plan->config->dv % XL_PACK_LANES == 0;
}

/* Rows of a head are short and far apart: hardware does not see them come. */
static void fetch_gate(const struct xl_stage *s, size_t at, struct xl_span rows)
{
    const struct xl_scratch *m = &s->plan->scratch;
    for (size_t t = rows.begin; t < rows.end; t++)
        for (size_t x = 0; x < s->plan->config->dv; x += XL_PACK_LANES)
            __builtin_prefetch(m->o + t * m->in_row + at + x, 0, 2);
}

/* h = norm(h) sigmoid(o) */
static void finish_head(const struct xl_stage *s, size_t head,
                        struct xl_span rows)
{
    enum {
        AHEAD = 4
    };
    const struct xl_prepared_block *b = block_of(s);
    const struct xl_config *c = s->plan->config;
    const struct xl_scratch *m = &s->plan->scratch;
    size_t n = m->h_row, at = head * c->dv, asked = rows.begin;
    struct xl_norm_weights norm = xl_norm_of(s->plan, &b->head_norm, at);
    for (size_t t = rows.begin; t < rows.end; t++) {
        size_t most = rows.end - t < AHEAD ? rows.end : t + AHEAD;
        fetch_gate(s, at, (struct xl_span){ asked, most });
        asked = most;
        float *h = m->h + t * n + at;
        s->plan->row->gated_heads(h, h, m->o + t * m->in_row + at, &norm, 1,
                                  c->dv);
    }
    if (heads_are_packed(s))
        xl_rows_pack(s, &b->out, m->h + at, n, rows,
                     (struct xl_span){ at, at + c->dv }, m->packed_x);
}

static void project_out(const struct xl_stage *s, size_t worker)
{
    const struct xl_matrix *out = &block_of(s)->out;
    const struct xl_scratch *m = &s->plan->scratch;
    xl_outputs_run(s,
                   &(struct xl_outputs){
                       .x = m->h,
                       .ldx = m->h_row,
                       .packed = heads_are_packed(s) ? m->packed_x : NULL,
                       .rows = s->rows,
                       .n = 1,
                       .list = { { out, m->z, NULL, m->z_row } } },
                   worker);
}

static void add_mlstm(const struct xl_stage *s, size_t worker)
{
    const struct xl_prepared_block *b = block_of(s);
    xl_stage_add(
        s, worker,
        &(struct xl_normed){ .norm = &b->norm_ffn, .reader = &b->gate_up });
}

/* silu(gate) up of these columns, where the gates were; is_last: none follow.
 */
static void expand_columns(struct xl_share *share, struct xl_span columns,
                           bool is_last)
{
    const struct xl_stage *s = share->stage;
    const struct xl_prepared_block *b = block_of(s);
    const struct xl_scratch *m = &s->plan->scratch;
    size_t up = b->gate_up.parts[1].at, n = columns.end - columns.begin;
    struct xl_product p = { .w = &b->gate_up,
                            .x = m->y,
                            .ldx = s->plan->config->width,
                            .packed = m->packed_x,
                            .next_n = up + columns.begin,
                            .y = m->g,
                            .ldy = m->ffn_row };
    xl_columns_run(share, &p, columns);
    p.next_n = is_last ? 0 : columns.end;
    xl_columns_run(share, &p,
                   (struct xl_span){ up + columns.begin, up + columns.end });
    for (size_t t = share->first; t < share->first + share->rows; t++)
        s->plan->row->swiglu(m->g + t * m->ffn_row + columns.begin,
                             m->u + t * m->ffn_row + columns.begin, n);
    xl_rows_pack(s, &b->down, m->g + columns.begin, m->ffn_row,
                 (struct xl_span){ share->first, share->first + share->rows },
                 columns, m->packed_ffn);
}

/* The same, where the engine gates both parts while it has them in its first
 * cache. */
static void expand_pieces(struct xl_share *share, struct xl_span columns)
{
    const struct xl_stage *s = share->stage;
    const struct xl_prepared_block *b = block_of(s);
    if (columns.begin < columns.end)
        xl_columns_run(
            share,
            &(struct xl_product){ .w = &b->gate_up,
                                  .x = s->plan->scratch.y,
                                  .ldx = s->plan->config->width,
                                  .packed = s->plan->scratch.packed_x,
                                  .next_n = xl_share_next(share),
                                  .gated = s->plan->scratch.packed_ffn,
                                  .gated_k = b->down.in,
                                  .pair_n = b->gate_up.parts[1].at },
            columns);
}

static void expand_blocks(struct xl_share *share, struct xl_span columns)
{
    enum {
        BLOCK = 8 * XL_PACK_LANES
    };
    size_t ffn = share->stage->plan->config->ffn;
    size_t step = xl_stage_is_step(share->stage) ? ffn : (size_t)BLOCK;
    for (size_t at = columns.begin; at < columns.end; at += step) {
        size_t left = columns.end - at, n = left < step ? left : step;
        expand_columns(share, (struct xl_span){ at, at + n }, left <= step);
    }
}

/* A worker makes the same columns of both parts, and gates and packs a
 * block of them while it is in its cache: no other core reads them in fp32. */
static void expand(const struct xl_stage *s, size_t worker)
{
    const struct xl_prepared_block *b = block_of(s);
    size_t ffn = s->plan->config->ffn;
    struct xl_share share =
        xl_team_share(s, worker, &b->gate_up, xl_pack_panels(ffn));
    bool in_pieces = xl_share_gates(&share, &b->gate_up, &b->down);
    while (xl_share_take(&share)) {
        size_t end = share.mine.end * XL_PACK_LANES;
        struct xl_span columns = { share.mine.begin * XL_PACK_LANES,
                                   end < ffn ? end : ffn };
        if (in_pieces)
            expand_pieces(&share, columns);
        else
            expand_blocks(&share, columns);
    }
}

static void contract(const struct xl_stage *s, size_t worker)
{
    const struct xl_matrix *down = &block_of(s)->down;
    xl_outputs_run(
        s,
        &(struct xl_outputs){ .x = s->plan->scratch.g,
                              .packed = s->plan->scratch.packed_ffn,
                              .rows = s->rows,
                              .ldx = s->plan->scratch.ffn_row,
                              .n = 1,
                              .list = { { down, s->plan->scratch.z, NULL,
                                          s->plan->scratch.z_row } } },
        worker);
}

/* The stages of one block before and after the cell. */
static const struct xl_stage_row before_cell[] = {
    { project_in, XL_PART_PROJECT, false },
    { 0 },
};
static const struct xl_stage_row after_cell[] = {
    { project_out, XL_PART_OUT, false }, { add_mlstm, XL_PART_ADD, true },
    { expand, XL_PART_FFN_UP, false },   { contract, XL_PART_FFN_DOWN, false },
    { xl_stage_end, XL_PART_ADD, true }, { 0 },
};
static struct xl_block_stages layer(const struct xl_stage *s)
{
    (void)s;
    return (struct xl_block_stages){ before_cell, true, after_cell };
}

static const struct xl_vector *norm_before(const struct xl_plan *plan,
                                           size_t block)
{
    const struct xl_prepared *w = plan->weights;
    return block < plan->config->blocks ? &w->blocks[block].norm_mlstm
                                        : &w->out_norm;
}

static const struct xl_matrix *reader(const struct xl_plan *plan, size_t block)
{
    return block < plan->config->blocks ? &plan->weights->blocks[block].in
                                        : NULL;
}

static struct xl_next product_next(const struct xl_matrix *w)
{
    return (struct xl_next){ .w = w, .steps = xl_product_steps(w) };
}

static struct xl_next block_next(const struct xl_stage *s, size_t block)
{
    if (block == s->plan->config->blocks)
        return s->n_logits ? product_next(&s->plan->head->head)
                           : (struct xl_next){ 0 };
    const struct xl_prepared_block *b = &s->plan->weights->blocks[block];
    const struct xl_matrix *first = b->qk.n_parts ? &b->qk : &b->in;
    struct xl_next next = product_next(first);
    next.steps += xl_product_steps(&b->igate) + xl_product_steps(&b->fgate);
    if (b->qk.n_parts)
        next.steps += xl_product_steps(&b->in);
    return next;
}

static struct xl_next next_of(const struct xl_stage *s, enum xl_part part)
{
    switch (part) {
    case XL_PART_PROJECT:
        return (struct xl_next){ .is_cell = true };
    case XL_PART_CELL:
        return product_next(&block_of(s)->out);
    case XL_PART_OUT:
        return (struct xl_next){ .w = &block_of(s)->gate_up,
                                 .steps =
                                     xl_pack_panels(s->plan->config->ffn) };
    case XL_PART_FFN_UP:
        return product_next(&block_of(s)->down);
    case XL_PART_FFN_DOWN:
        return block_next(s, s->block + 1);
    default:
        return (struct xl_next){ 0 };
    }
}

const struct xl_forward_arch xl_forward_xlstm = {
    .layer = layer,
    .cell_job = cell_job,
    .norm = norm_before,
    .reader = reader,
    .gates = project_gates,
    .finish_head = finish_head,
    .next = next_of,
};
