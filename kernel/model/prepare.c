/* SPDX-License-Identifier: Apache-2.0
 *
 * Gate projections stay fp32 whatever weight_dtype says: they are tiny, and
 * the exponential gates amplify their error. */
#include "kernel/model/prepare.h"

#include <assert.h>
#include <stdint.h>

#include "kernel/base/alloc.h"
#include "kernel/base/pages.h"
#include "kernel/model/prepare_int.h"

static bool is_aligned(const void *p, size_t n)
{
    return ((uintptr_t)p & (n - 1)) == 0;
}

enum xl_status xl_build_take(const struct xl_build *b, size_t count,
                             size_t bytes, void **out)
{
    size_t total;
    if (!xl_mul_size(count, bytes, &total) ||
        !(*out = xl_arena_alloc(&b->to->arena, total)))
        return xl_fail(b->err, XL_ENOMEM,
                       "out of memory preparing weights: "
                       "%zu values of %zu bytes",
                       count, bytes);
    b->to->own_bytes += total;
    return XL_OK;
}

/* The tensor as fp32: the map itself when it is that already. */
enum xl_status xl_build_f32(const struct xl_build *b, const struct xl_tensor *t,
                            const float **out)
{
    void *copy;
    size_t n = xl_tensor_count(t);
    *out = t->data;
    if (t->dtype == XL_FP32 && is_aligned(t->data, sizeof(float)))
        return XL_OK;
    XL_TRY(xl_build_take(b, n, sizeof(float), &copy));
    xl_to_f32(copy, t->data, t->dtype, n);
    *out = copy;
    return XL_OK;
}

static enum xl_status as_bf16(const struct xl_build *b,
                              const struct xl_tensor *t, const void **out)
{
    enum {
        PIECE = 1024
    };
    float piece[PIECE];
    void *copy;
    size_t n = xl_tensor_count(t), size = xl_dtype_bytes(t->dtype);
    *out = t->data;
    if (t->dtype == XL_BF16 && is_aligned(t->data, sizeof(uint16_t)))
        return XL_OK;
    XL_TRY(xl_build_take(b, n, sizeof(uint16_t), &copy));
    for (size_t at = 0; at < n; at += PIECE) {
        size_t len = n - at < PIECE ? n - at : PIECE;
        const unsigned char *from = t->data;
        xl_to_f32(piece, from + at * size, t->dtype, len);
        for (size_t i = 0; i < len; i++)
            ((uint16_t *)copy)[at + i] = xl_f32_to_bf16(piece[i]);
    }
    *out = copy;
    return XL_OK;
}

/* -- packing -------------------------------------------------------------- */

/* One tensor, shared out by panels; a report for each worker. */
struct packing {
    struct xl_pack_job job;
    size_t workers;
    struct xl_pack_report *reports; /* [workers] */
};

static void pack_share(void *ctx, size_t worker)
{
    const struct packing *p = ctx;
    struct xl_span span =
        xl_span_of(xl_pack_panels(p->job.out), p->workers, worker);
    xl_pack_run(&p->job, span.begin, span.end, &p->reports[worker]);
}

/* The bytes of the tensor leave memory: the packed copy stands in. */
static enum xl_status pack(const struct xl_build *b, const struct xl_tensor *t,
                           enum xl_pack_kind kind, struct xl_matrix *out)
{
    struct packing p = { .workers = xl_pool_width(b->pool) };
    struct xl_pack_sizes sizes;
    void *scales;
    p.job = (struct xl_pack_job){ .kind = kind,
                                  .out = out->out,
                                  .in = out->in,
                                  .rows = t->data,
                                  .dtype = t->dtype };
    if (!xl_pack_sizes(&sizes, kind, out->out, out->in))
        return xl_fail(b->err, XL_ENOMEM,
                       "a matrix of %zu x %zu weights is too large", out->out,
                       out->in);
    XL_TRY(xl_build_take(b, sizes.data_bytes, 1, &p.job.data));
    XL_TRY(xl_build_take(b, sizes.scale_bytes, 1, &scales));
    p.job.scales = scales;
    p.reports = xl_alloc_zero(p.workers, sizeof *p.reports);
    if (!p.reports)
        return xl_fail(b->err, XL_ENOMEM, "out of memory packing weights");
    xl_pages_huge(p.job.data, sizes.data_bytes);
    xl_pool_run(b->pool, pack_share, &p);
    for (size_t w = 0; w < p.workers; w++)
        xl_pack_add(&out->report, &p.reports[w]);
    xl_free(p.reports);
    xl_pages_drop(t->data, xl_tensor_count(t) * xl_dtype_bytes(t->dtype));
    out->packed = xl_pack_view(&p.job);
    return XL_OK;
}

enum xl_status xl_build_matrix(const struct xl_build *b,
                               const struct xl_linear *linear,
                               const struct xl_form *form,
                               struct xl_matrix *out)
{
    *out = (struct xl_matrix){
        .dtype = form->kind == XL_PACK_BF16 ? XL_BF16 : XL_FP32,
        .out = linear->w.shape[0],
        .in = linear->w.shape[1],
        .is_packed = form->is_packed,
    };
    if (linear->b.data)
        XL_TRY(xl_build_f32(b, &linear->b, &out->bias));
    if (form->is_packed)
        return pack(b, &linear->w, form->kind, out);
    assert(form->kind == XL_PACK_FP32 || form->kind == XL_PACK_BF16);
    if (form->kind == XL_PACK_BF16)
        return as_bf16(b, &linear->w, &out->w);
    const float *w;
    XL_TRY(xl_build_f32(b, &linear->w, &w));
    out->w = w;
    return XL_OK;
}

static enum xl_status vector(const struct xl_build *b,
                             const struct xl_norm *norm, struct xl_vector *out)
{
    *out = (struct xl_vector){ 0 };
    if (norm->w.data)
        XL_TRY(xl_build_f32(b, &norm->w, &out->w));
    if (norm->b.data)
        XL_TRY(xl_build_f32(b, &norm->b, &out->b));
    return XL_OK;
}

static enum xl_status prepare_block(const struct xl_build *b,
                                    const struct xl_block *from,
                                    struct xl_prepared_block *to)
{
    const struct xl_form *form = &b->to->form;
    /* In full precision they are summed in double, from rows. */
    const struct xl_form *keys =
        form->kind == XL_PACK_FP32 ? &xl_form_exact : form;
    const struct {
        const struct xl_linear *from;
        struct xl_matrix *to;
        const struct xl_form *form;
    } linears[] = {
        { &from->q, &to->q, keys },
        { &from->k, &to->k, keys },
        { &from->v, &to->v, form },
        { &from->o, &to->o, form },
        { &from->igate, &to->igate, &xl_form_exact },
        { &from->fgate, &to->fgate, &xl_form_exact },
        { &from->out, &to->out, form },
        { &from->gate, &to->gate, form },
        { &from->up, &to->up, form },
        { &from->down, &to->down, form },
    };
    for (size_t i = 0; i < sizeof linears / sizeof *linears; i++)
        XL_TRY(xl_build_matrix(b, linears[i].from, linears[i].form,
                               linears[i].to));
    XL_TRY(vector(b, &from->norm_mlstm, &to->norm_mlstm));
    XL_TRY(vector(b, &from->head_norm, &to->head_norm));
    return vector(b, &from->norm_ffn, &to->norm_ffn);
}

static enum xl_status prepare_all(const struct xl_build *b,
                                  const struct xl_config *config,
                                  const struct xl_weights *weights)
{
    b->to->blocks =
        xl_arena_zero(&b->to->arena, config->blocks, sizeof *b->to->blocks);
    if (!b->to->blocks)
        return xl_fail(b->err, XL_ENOMEM, "out of memory for %zu blocks",
                       config->blocks);
    for (size_t i = 0; i < config->blocks; i++)
        XL_TRY(prepare_block(b, &weights->blocks[i], &b->to->blocks[i]));
    XL_TRY(vector(b, &weights->out_norm, &b->to->out_norm));
    b->to->embedding = weights->embedding;
    return XL_OK;
}

enum xl_status xl_prepare(struct xl_prepared *prepared,
                          const struct xl_config *config,
                          const struct xl_weights *weights,
                          const struct xl_form *form, struct xl_pool *pool,
                          struct xl_err *err)
{
    struct xl_build b = { .to = prepared, .pool = pool, .err = err };
    *prepared = (struct xl_prepared){ .form = *form };
    xl_arena_init(&prepared->arena, (size_t)1 << 20);
    enum xl_status rc = prepare_all(&b, config, weights);
    if (rc != XL_OK)
        xl_prepare_release(prepared);
    return rc;
}

enum xl_status xl_prepare_head(struct xl_prepared *prepared,
                               const struct xl_linear *head,
                               const struct xl_form *form, struct xl_pool *pool,
                               struct xl_err *err)
{
    struct xl_build b = { .to = prepared, .pool = pool, .err = err };
    *prepared = (struct xl_prepared){ .form = *form };
    xl_arena_init(&prepared->arena, (size_t)1 << 20);
    enum xl_status rc = xl_build_matrix(&b, head, form, &prepared->head);
    if (rc != XL_OK)
        xl_prepare_release(prepared);
    return rc;
}

void xl_prepare_release(struct xl_prepared *prepared)
{
    xl_arena_release(&prepared->arena);
    *prepared = (struct xl_prepared){ 0 };
}

void xl_prepared_embed(const struct xl_prepared *prepared, size_t id,
                       float *out)
{
    const struct xl_tensor *t = &prepared->embedding;
    size_t width = t->shape[1];
    const unsigned char *from = t->data;
    xl_to_f32(out, from + id * width * xl_dtype_bytes(t->dtype), t->dtype,
              width);
}
