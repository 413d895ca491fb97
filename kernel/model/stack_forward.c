/* SPDX-License-Identifier: Apache-2.0
 *
 * Stages of a block stack (arXiv 2405.04517): blocks with an mLSTM between an
 * up and a down projection, and blocks with an sLSTM and a feed-forward behind
 * it.
 *
 * Convolution and the block-diagonal q, k, v touch no channel outside their
 * group, so one stage does all of them for a worker's channels. An sLSTM step
 * needs the one before: workers share its heads and walk through all tokens
 * without meeting. */
#include "kernel/cell/activation.h"
#include "kernel/cell/norm.h"
#include "kernel/cell/slstm.h"
#include "kernel/model/products_int.h"
#include "kernel/model/stack_prepare.h"

enum {
    CHANNEL_STEP = 16 /* channels of a cache line */
};

static const struct xl_stack_ready *block_of(const struct xl_stage *s)
{
    return &s->plan->weights->stack[s->block];
}

/* The worker's channels out of n, cut where groups end. */
static struct xl_span channels_of(const struct xl_stage *s, size_t worker,
                                  size_t n, size_t group)
{
    size_t step = (CHANNEL_STEP + group - 1) / group * group;
    struct xl_span span = xl_span_of((n + step - 1) / step, s->parts, worker);
    span.begin *= step;
    span.end *= step;
    return (struct xl_span){ span.begin < n ? span.begin : n,
                             span.end < n ? span.end : n };
}

/* c = silu(conv(x)) for the span's channels of all rows. */
static void convolve(const struct xl_stage *s, const struct xl_conv *conv,
                     const float *x, size_t x_stride, struct xl_span span)
{
    float *c = s->plan->scratch.c;
    size_t tokens = xl_stage_tokens(s);
    enum xl_state_part part =
        block_of(s)->is_slstm ? XL_STATE_SCONV : XL_STATE_CONV;
    for (size_t i = 0; i < s->n_states; i++) {
        struct xl_conv_io io = {
            .rows = tokens,
            .x = x + i * tokens * x_stride,
            .x_stride = x_stride,
            .y = c + i * tokens * conv->channels,
            .y_stride = conv->channels,
            .history = xl_state_at(s->states[i], s->block, part),
        };
        xl_conv_run(conv, &io, span.begin, span.end);
    }
    for (size_t t = 0; t < s->rows; t++)
        xl_activate(XL_ACTIVATION_SWISH, c + t * conv->channels + span.begin,
                    span.end - span.begin);
}

/* -- mLSTM ---------------------------------------------------------------- */

static void expand_mlstm(const struct xl_stage *s, size_t worker)
{
    const struct xl_scratch *m = &s->plan->scratch;
    xl_outputs_run(s,
                   &(struct xl_outputs){
                       .x = m->y,
                       .packed = m->packed_x,
                       .rows = s->rows,
                       .n = 1,
                       .list = { { &block_of(s)->m.up, m->wide, NULL, 0 } } },
                   worker);
}

/* c from x; then q and k from c, v from x. */
static void mix(const struct xl_stage *s, size_t worker)
{
    const struct xl_ready_mlstm *b = &block_of(s)->m;
    const struct xl_scratch *m = &s->plan->scratch;
    size_t inner = s->plan->config->inner;
    struct xl_span span = channels_of(s, worker, inner, b->q.block);
    convolve(s, &b->conv, m->wide, 2 * inner, span);
    for (size_t t = 0; t < s->rows; t++) {
        const float *x = m->wide + t * 2 * inner, *c = m->c + t * inner;
        float *qkv = m->qkv + t * 3 * inner;
        xl_blocks_run(&b->q, c, qkv, span.begin, span.end);
        xl_blocks_run(&b->k, c, qkv + inner, span.begin, span.end);
        xl_blocks_run(&b->v, x, qkv + 2 * inner, span.begin, span.end);
    }
}

/* Few outputs of many inputs: the rows are shared, not the columns. */
static void project_gates(const struct xl_stage *s, size_t worker)
{
    const struct xl_ready_mlstm *b = &block_of(s)->m;
    const struct xl_plan *plan = s->plan;
    struct xl_span span = xl_stage_rows(s, worker);
    size_t heads = plan->config->heads;
    const struct {
        const struct xl_matrix *w;
        float *y;
    } gates[] = { { &b->igate, plan->scratch.igate },
                  { &b->fgate, plan->scratch.fgate } };
    for (size_t i = 0; i < 2 && span.begin < span.end; i++) {
        const struct xl_gemm *gemm = xl_plan_gemm(plan, gates[i].w, true);
        struct xl_gemm_job job = {
            .m = span.end - span.begin,
            .k = gates[i].w->in,
            .n_end = heads,
            .x = plan->scratch.qkv + span.begin * gates[i].w->in,
            .ldx = gates[i].w->in,
            .w = gates[i].w->parts[0].w,
            .w_dtype = gates[i].w->dtype,
            .packed = xl_matrix_packed(gates[i].w),
            .bias = gates[i].w->bias,
            .y = gates[i].y + span.begin * heads,
            .ldy = heads,
            .scratch = plan->scratch.gemm[worker],
        };
        if (xl_stage_is_step(s))
            xl_few_run(gemm, &job);
        else
            gemm->run(&job);
    }
    if (!xl_stage_is_step(s))
        xl_stage_cap_gates(s, span);
}

static struct xl_chunk_job cell_job(const struct xl_stage *s, size_t sequence)
{
    const struct xl_config *c = s->plan->config;
    const struct xl_scratch *m = &s->plan->scratch;
    size_t tokens = xl_stage_tokens(s), row = sequence * tokens;
    const float *qkv = m->qkv + row * 3 * c->inner;
    return (struct xl_chunk_job){ .tokens = tokens,
                                  .q = qkv,
                                  .q_stride = 3 * c->inner,
                                  .k = qkv + c->inner,
                                  .k_stride = 3 * c->inner,
                                  .v = qkv + 2 * c->inner,
                                  .v_stride = 3 * c->inner,
                                  .igate = m->igate + row * c->heads,
                                  .fgate = m->fgate + row * c->heads,
                                  .gate_stride = c->heads,
                                  .h = m->h + row * c->inner,
                                  .h_stride = c->inner,
                                  .eps = c->cell_eps };
}

/* h = (norm(h) + skip c) silu(z) */
static void finish_head(const struct xl_stage *s, size_t head,
                        struct xl_span rows)
{
    const struct xl_plan *plan = s->plan;
    const struct xl_ready_mlstm *b = &block_of(s)->m;
    size_t inner = plan->config->inner, dv = plan->config->dv, at = head * dv;
    struct xl_norm_weights norm = xl_norm_of(plan, &b->head_norm, at);
    const float *skip = b->skip + at;
    for (size_t row = rows.begin; row < rows.end; row++) {
        const float *c = plan->scratch.c + row * inner + at;
        const float *z = plan->scratch.wide + (2 * row + 1) * inner + at;
        float *h = plan->scratch.h + row * inner + at;
        plan->row->heads(h, h, &norm, 1, dv);
        for (size_t j = 0; j < dv; j++)
            h[j] += skip[j] * c[j];
        xl_activate_gated(XL_ACTIVATION_SWISH, h, z, h, dv);
    }
}

static void contract_mlstm(const struct xl_stage *s, size_t worker)
{
    const struct xl_scratch *m = &s->plan->scratch;
    xl_outputs_run(s,
                   &(struct xl_outputs){ .x = m->h,
                                         .rows = s->rows,
                                         .n = 1,
                                         .list = { { &block_of(s)->m.down, m->z,
                                                     NULL, m->z_row } } },
                   worker);
}

/* -- sLSTM ---------------------------------------------------------------- */

static void convolve_slstm(const struct xl_stage *s, size_t worker)
{
    const struct xl_conv *conv = &block_of(s)->s.conv;
    size_t width = s->plan->config->width;
    if (conv->kernel)
        convolve(s, conv, s->plan->scratch.y, width,
                 channels_of(s, worker, width, 1));
}

/* Gates i and f of the convolved input, z and o of the input itself, into
 * [T][heads][gates][DH]. */
static void project_slstm(const struct xl_stage *s, size_t worker)
{
    const struct xl_ready_slstm *b = &block_of(s)->s;
    const struct xl_config *config = s->plan->config;
    const struct xl_scratch *m = &s->plan->scratch;
    size_t n = config->slstm_heads * XL_SLSTM_GATES;
    size_t dim = config->width / config->slstm_heads;
    struct xl_share share =
        xl_share_of(s, worker, s->rows, n * xl_product_steps(&b->in[0]));
    for (size_t i = 0; i < n; i++) {
        bool is_convolved = b->conv.kernel && i % XL_SLSTM_GATES < 2;
        const float *x = is_convolved ? m->c : m->y;
        xl_share_run(&share,
                     &(struct xl_product){ .w = &b->in[i],
                                           .x = x + i / XL_SLSTM_GATES * dim,
                                           .ldx = config->width,
                                           .y = m->wide + i * dim,
                                           .ldy = n * dim });
    }
}

/* All tokens of a sequence, one head. */
static void run_slstm_head(const struct xl_stage *s, size_t sequence,
                           size_t head, float *scratch)
{
    const struct xl_ready_slstm *b = &block_of(s)->s;
    const struct xl_config *config = s->plan->config;
    const struct xl_scratch *m = &s->plan->scratch;
    const struct xl_state *from = s->states[sequence];
    size_t width = config->width, dim = width / config->slstm_heads;
    size_t tokens = xl_stage_tokens(s), row = sequence * tokens;
    size_t at = head * dim;
    struct xl_slstm_io io = {
        .dim = dim,
        .in = m->wide + (row * width + at) * XL_SLSTM_GATES,
        .in_stride = width * XL_SLSTM_GATES,
        .recurrent = b->recurrent[head],
        .h = m->z + row * m->z_row + at,
        .h_stride = m->z_row,
    };
    struct xl_slstm_state state = {
        .h = xl_state_at(from, s->block, XL_STATE_SLSTM_H) + at,
        .c = xl_state_at(from, s->block, XL_STATE_SLSTM_C) + at,
        .n = xl_state_at(from, s->block, XL_STATE_SLSTM_N) + at,
        .m = xl_state_at(from, s->block, XL_STATE_SLSTM_M) + at,
    };
    struct xl_norm_weights norm = xl_norm_of(s->plan, &b->head_norm, at);
    xl_slstm_get()->steps(&io, tokens, &state, scratch);
    for (size_t t = 0; t < tokens; t++)
        s->plan->row->heads(io.h + t * m->z_row, io.h + t * m->z_row, &norm, 1,
                            dim);
}

/* Pairs of head and sequence, head by head: R stays in cache. */
static void run_slstm(const struct xl_stage *s, size_t worker)
{
    size_t n = s->plan->config->slstm_heads * s->n_states;
    struct xl_span span = xl_span_of(n, s->parts, worker);
    for (size_t i = span.begin; i < span.end; i++)
        run_slstm_head(s, i % s->n_states, i / s->n_states,
                       s->plan->scratch.gemm[worker]);
}

static void add_slstm(const struct xl_stage *s, size_t worker)
{
    xl_stage_add(s, worker,
                 &(struct xl_normed){ .norm = &block_of(s)->s.norm_ffn });
}

static void expand_ffn(const struct xl_stage *s, size_t worker)
{
    const struct xl_scratch *m = &s->plan->scratch;
    xl_outputs_run(s,
                   &(struct xl_outputs){
                       .x = m->y,
                       .rows = s->rows,
                       .n = 1,
                       .list = { { &block_of(s)->s.up, m->wide, NULL, 0 } } },
                   worker);
}

static void activate_ffn(const struct xl_stage *s, size_t worker)
{
    const struct xl_config *config = s->plan->config;
    const struct xl_scratch *m = &s->plan->scratch;
    enum xl_activation activation = xl_activation_find(config->ffn_act);
    struct xl_span span = channels_of(s, worker, config->ffn, 1);
    for (size_t t = 0; t < s->rows; t++) {
        const float *g = m->wide + t * 2 * config->ffn + span.begin;
        xl_activate_gated(activation, m->c + t * config->ffn + span.begin, g,
                          g + config->ffn, span.end - span.begin);
    }
}

static void contract_ffn(const struct xl_stage *s, size_t worker)
{
    const struct xl_scratch *m = &s->plan->scratch;
    xl_outputs_run(s,
                   &(struct xl_outputs){ .x = m->c,
                                         .rows = s->rows,
                                         .n = 1,
                                         .list = { { &block_of(s)->s.down, m->z,
                                                     NULL, m->z_row } } },
                   worker);
}

/* -- blocks --------------------------------------------------------------- */

static const struct xl_stage_row before_cell[] = {
    { expand_mlstm, XL_PART_PROJECT, false },
    { mix, XL_PART_PROJECT, false },
    { project_gates, XL_PART_PROJECT, false },
    { 0 },
};
static const struct xl_stage_row after_cell[] = {
    { contract_mlstm, XL_PART_OUT, false },
    { xl_stage_end, XL_PART_ADD, true },
    { 0 },
};
static const struct xl_stage_row slstm_stages[] = {
    { convolve_slstm, XL_PART_PROJECT, false },
    { project_slstm, XL_PART_PROJECT, false },
    { run_slstm, XL_PART_CELL, false },
    { 0 },
};
static const struct xl_stage_row ffn_stages[] = {
    { add_slstm, XL_PART_ADD, false },
    { expand_ffn, XL_PART_FFN_UP, false },
    { activate_ffn, XL_PART_FFN_ACT, false },
    { contract_ffn, XL_PART_FFN_DOWN, false },
    { xl_stage_end, XL_PART_ADD, true },
    { 0 },
};
static const struct xl_stage_row no_ffn_stages[] = {
    { xl_stage_end, XL_PART_ADD, true },
    { 0 },
};

static struct xl_block_stages layer(const struct xl_stage *s)
{
    const struct xl_stack_ready *b = block_of(s);
    if (!b->is_slstm)
        return (struct xl_block_stages){ before_cell, true, after_cell };
    return (struct xl_block_stages){ slstm_stages, false,
                                     b->s.norm_ffn.w ? ffn_stages
                                                     : no_ffn_stages };
}

static const struct xl_vector *norm_before(const struct xl_plan *plan,
                                           size_t block)
{
    const struct xl_prepared *w = plan->weights;
    return block < plan->config->blocks ? &w->stack[block].norm : &w->out_norm;
}

static const struct xl_matrix *reader(const struct xl_plan *plan, size_t block)
{
    const struct xl_stack_ready *b = &plan->weights->stack[block];
    return block < plan->config->blocks && !b->is_slstm ? &b->m.up : NULL;
}

const struct xl_forward_arch xl_forward_stack = {
    .layer = layer,
    .cell_job = cell_job,
    .norm = norm_before,
    .reader = reader,
    .finish_head = finish_head,
};
