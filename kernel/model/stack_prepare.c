/* SPDX-License-Identifier: Apache-2.0
 *
 * Both storage forms of an sLSTM (stack_weights.h) end in one: a matrix with
 * its bias for each head and gate, and the recurrent kernel packed. */
#include "kernel/model/stack_prepare.h"

#include <stdio.h>

#include "kernel/cell/slstm.h"
#include "kernel/model/prepare_int.h"
#include "kernel/model/stack_weights.h"

/* 1 + w: files hold the offset. */
static enum xl_status norm(const struct xl_build *b, const struct xl_norm *from,
                           struct xl_vector *to)
{
    const float *w;
    void *copy;
    size_t n = xl_tensor_count(&from->w);
    *to = (struct xl_vector){ 0 };
    if (!from->w.data)
        return XL_OK;
    XL_TRY(xl_build_f32(b, &from->w, &w));
    XL_TRY(xl_build_take(b, n, sizeof *w, &copy));
    float *scale = copy;
    for (size_t i = 0; i < n; i++)
        scale[i] = 1.0f + w[i];
    to->w = scale;
    if (from->b.data)
        XL_TRY(xl_build_f32(b, &from->b, &to->b));
    return XL_OK;
}

static enum xl_status conv(const struct xl_build *b,
                           const struct xl_linear *from, struct xl_conv *to)
{
    const float *w;
    void *copy;
    *to = (struct xl_conv){ 0 };
    if (!from->w.data)
        return XL_OK;
    to->channels = from->w.shape[0];
    to->kernel = from->w.shape[2];
    XL_TRY(xl_build_f32(b, &from->w, &w));
    XL_TRY(xl_build_f32(b, &from->b, &to->b));
    XL_TRY(xl_build_take(b, xl_tensor_count(&from->w), sizeof *w, &copy));
    xl_conv_turn(copy, w, to->channels, to->kernel);
    to->w = copy;
    return XL_OK;
}

static enum xl_status blocks(const struct xl_build *b,
                             const struct xl_linear *from, struct xl_blocks *to)
{
    *to = (struct xl_blocks){ .block = from->w.shape[1] };
    if (from->b.data)
        XL_TRY(xl_build_f32(b, &from->b, &to->b));
    return xl_build_f32(b, &from->w, &to->w);
}

static enum xl_status matrix(const struct xl_build *b, size_t block,
                             const char *what, const struct xl_linear *from,
                             const struct xl_form *form, struct xl_matrix *to)
{
    struct xl_source source = xl_source_of(block, what, from);
    return xl_build_matrix(b, &source, form, to);
}

static enum xl_status mlstm(const struct xl_build *b, size_t block,
                            const struct xl_stack_mlstm *from,
                            struct xl_stack_ready *to)
{
    const struct xl_form *form = &b->to->form;
    XL_TRY(norm(b, &from->norm, &to->norm));
    XL_TRY(matrix(b, block, "up", &from->up, form, &to->m.up));
    XL_TRY(conv(b, &from->conv, &to->m.conv));
    XL_TRY(blocks(b, &from->q, &to->m.q));
    XL_TRY(blocks(b, &from->k, &to->m.k));
    XL_TRY(blocks(b, &from->v, &to->m.v));
    XL_TRY(
        matrix(b, block, "igate", &from->igate, &xl_form_exact, &to->m.igate));
    XL_TRY(
        matrix(b, block, "fgate", &from->fgate, &xl_form_exact, &to->m.fgate));
    XL_TRY(norm(b, &from->head_norm, &to->m.head_norm));
    XL_TRY(xl_build_f32(b, &from->skip, &to->m.skip));
    return matrix(b, block, "down", &from->down, form, &to->m.down);
}

/* -- sLSTM ---------------------------------------------------------------- */

/* Biases by head, then gate, whichever way the file has them. */
static enum xl_status slstm_bias(const struct xl_build *b,
                                 const struct xl_stack_slstm *from,
                                 size_t heads, float **out)
{
    const float *w;
    void *copy;
    size_t n = xl_tensor_count(&from->bias), dim = n / heads / XL_SLSTM_GATES;
    XL_TRY(xl_build_f32(b, &from->bias, &w));
    XL_TRY(xl_build_take(b, n, sizeof *w, &copy));
    *out = copy;
    for (size_t i = 0; i < n; i++) {
        size_t head = i / dim / XL_SLSTM_GATES;
        size_t gate = i / dim % XL_SLSTM_GATES;
        size_t at = from->is_turned ? i : (gate * heads + head) * dim + i % dim;
        (*out)[i] = w[at];
    }
    return XL_OK;
}

/* One matrix for each head and gate, cut from those of all heads. */
static enum xl_status slstm_inputs(const struct xl_build *b, size_t block,
                                   const struct xl_stack_slstm *from,
                                   struct xl_ready_slstm *to)
{
    const struct xl_linear *gates[XL_SLSTM_GATES] = { &from->in_i, &from->in_f,
                                                      &from->in_z,
                                                      &from->in_o };
    size_t heads = from->in_i.w.shape[0], dim = from->in_i.w.shape[1];
    float *bias;
    void *list;
    XL_TRY(slstm_bias(b, from, heads, &bias));
    XL_TRY(xl_build_take(b, heads * XL_SLSTM_GATES, sizeof *to->in, &list));
    to->in = list;
    for (size_t i = 0; i < heads * XL_SLSTM_GATES; i++) {
        size_t head = i / XL_SLSTM_GATES, gate = i % XL_SLSTM_GATES;
        struct xl_linear one = { .w = gates[gate]->w };
        const char *data = one.w.data;
        one.w.data = data + head * dim * dim * xl_dtype_bytes(one.w.dtype);
        one.w.n_dims = 2;
        one.w.shape[0] = one.w.shape[1] = dim;
        char what[48];
        snprintf(what, sizeof what, "in.%zu.%zu", head, gate);
        XL_TRY(matrix(b, block, what, &one,
                      gate < 2 ? &xl_form_exact : &b->to->form, &to->in[i]));
        to->in[i].bias = bias + i * dim;
    }
    return XL_OK;
}

static enum xl_status slstm_recurrent(const struct xl_build *b,
                                      const struct xl_stack_slstm *from,
                                      struct xl_ready_slstm *to)
{
    const float *w;
    void *list, *copy;
    size_t heads = from->in_i.w.shape[0], dim = from->in_i.w.shape[1];
    XL_TRY(xl_build_f32(b, &from->recurrent, &w));
    XL_TRY(xl_build_take(b, heads, sizeof *to->recurrent, &list));
    to->recurrent = list;
    for (size_t head = 0; head < heads; head++) {
        XL_TRY(xl_build_take(b, xl_slstm_packed_floats(dim), sizeof *w, &copy));
        xl_slstm_pack(copy, w + head * XL_SLSTM_GATES * dim * dim, dim,
                      from->is_turned);
        to->recurrent[head] = copy;
    }
    return XL_OK;
}

static enum xl_status slstm(const struct xl_build *b, size_t block,
                            const struct xl_stack_slstm *from,
                            struct xl_stack_ready *to)
{
    const struct xl_form *form = &b->to->form;
    XL_TRY(norm(b, &from->norm, &to->norm));
    XL_TRY(conv(b, &from->conv, &to->s.conv));
    XL_TRY(slstm_inputs(b, block, from, &to->s));
    XL_TRY(slstm_recurrent(b, from, &to->s));
    XL_TRY(norm(b, &from->head_norm, &to->s.head_norm));
    XL_TRY(norm(b, &from->norm_ffn, &to->s.norm_ffn));
    if (!from->norm_ffn.w.data)
        return XL_OK;
    XL_TRY(matrix(b, block, "up", &from->ffn_up, form, &to->s.up));
    return matrix(b, block, "down", &from->ffn_down, form, &to->s.down);
}

static enum xl_status prepare_all(const struct xl_build *b,
                                  const struct xl_config *config,
                                  const struct xl_stack_weights *weights)
{
    b->to->stack =
        xl_arena_zero(&b->to->arena, config->blocks, sizeof *b->to->stack);
    if (!b->to->stack)
        return xl_fail(b->err, XL_ENOMEM, "out of memory for %zu blocks",
                       config->blocks);
    for (size_t i = 0; i < config->blocks; i++) {
        const struct xl_stack_block *from = &weights->blocks[i];
        struct xl_stack_ready *to = &b->to->stack[i];
        to->is_slstm = from->is_slstm;
        XL_TRY(from->is_slstm ? slstm(b, i, &from->s, to)
                              : mlstm(b, i, &from->m, to));
    }
    XL_TRY(norm(b, &weights->post_norm, &b->to->out_norm));
    return xl_build_embedding(b, &weights->embedding);
}

enum xl_status xl_stack_prepare(struct xl_prepared *prepared,
                                const struct xl_config *config,
                                const struct xl_stack_weights *weights,
                                const struct xl_form *form,
                                struct xl_pool *pool, struct xl_err *err)
{
    struct xl_build b = { .to = prepared, .pool = pool, .err = err };
    *prepared = (struct xl_prepared){ .form = *form };
    xl_arena_init(&prepared->arena, (size_t)1 << 20);
    enum xl_status rc = prepare_all(&b, config, weights);
    if (rc != XL_OK)
        xl_prepare_release(prepared);
    return rc;
}
