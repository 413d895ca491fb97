/* SPDX-License-Identifier: Apache-2.0
 *
 * Gate projections stay fp32 whatever weight_dtype says: they are tiny, and
 * the exponential gates amplify their error. */
#include "kernel/model/prepare.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/pages.h"
#include "kernel/model/packfile_int.h"
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

static enum xl_status check_rows(const struct xl_build *b,
                                 const struct xl_tensor *t)
{
    if (t->dtype != XL_PACKED)
        return XL_OK;
    return xl_fail(b->err, XL_EUSAGE,
                   "the checkpoint is packed and has no rows of weights that "
                   "this needs; take the one that it was packed from");
}

/* The tensor has values from here on. */
static void fetch(const struct xl_build *b, const struct xl_tensor *t)
{
    const struct xl_packs *packs = b->to->form.packs;
    if (packs)
        xl_drawn_fetch(packs->drawn, t);
}

/* The tensor as fp32: the map itself when it is that already. */
enum xl_status xl_build_f32(const struct xl_build *b, const struct xl_tensor *t,
                            const float **out)
{
    void *copy;
    XL_TRY(check_rows(b, t));
    fetch(b, t);
    size_t n = xl_tensor_count(t);
    *out = t->data;
    if (t->dtype == XL_FP32 && is_aligned(t->data, sizeof(float)))
        return XL_OK;
    XL_TRY(xl_build_take(b, n, sizeof(float), &copy));
    xl_to_f32(copy, t->data, t->dtype, n);
    *out = copy;
    return XL_OK;
}

enum xl_status xl_build_embedding(const struct xl_build *b,
                                  const struct xl_tensor *embedding)
{
    b->to->embedding = *embedding;
    return check_rows(b, embedding);
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
    XL_TRY(check_rows(b, t));
    fetch(b, t);
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
static void pack_part(const struct xl_build *b, struct packing *p,
                      const struct xl_tensor *t, struct xl_matrix *out)
{
    fetch(b, t);
    memset(p->reports, 0, p->workers * sizeof *p->reports);
    p->job.out = t->shape[0];
    p->job.rows = t->data;
    p->job.dtype = t->dtype;
    xl_pool_run(b->pool, pack_share, p);
    for (size_t w = 0; w < p->workers; w++)
        xl_pack_add(&out->report, &p->reports[w]);
    xl_pages_drop(t->data, xl_tensor_count(t) * xl_dtype_bytes(t->dtype));
}

/* The parts' panels follow each other, each as if packed alone. */
static enum xl_status pack_now(const struct xl_build *b,
                               const struct xl_source *source,
                               enum xl_pack_kind kind, struct xl_matrix *out)
{
    struct packing p = { .workers = xl_pool_width(b->pool) };
    struct xl_pack_sizes sizes, before;
    void *data, *scales;
    if (!xl_pack_sizes(&sizes, kind, out->out, out->in))
        return xl_fail(b->err, XL_ENOMEM,
                       "'%s' of %zu x %zu weights is too large", source->name,
                       out->out, out->in);
    XL_TRY(xl_build_take(b, sizes.data_bytes, 1, &data));
    XL_TRY(xl_build_take(b, sizes.scale_bytes, 1, &scales));
    p.reports = xl_alloc_zero(p.workers, sizeof *p.reports);
    if (!p.reports)
        return xl_fail(b->err, XL_ENOMEM, "out of memory packing weights");
    if (b->to->form.has_small_pages)
        xl_pages_small(data, sizes.data_bytes);
    else
        xl_pages_huge(data, sizes.data_bytes);
    for (size_t i = 0; i < source->n; i++) {
        /* No larger than the whole, which fits. */
        (void)xl_pack_sizes(&before, kind, out->parts[i].at, out->in);
        p.job = (struct xl_pack_job){ .kind = kind, .in = out->in };
        p.job.data = (char *)data + before.data_bytes;
        p.job.scales = (uint16_t *)scales + before.scale_bytes / 2;
        pack_part(b, &p, &source->parts[i]->w, out);
    }
    xl_free(p.reports);
    p.job.out = out->out;
    p.job.data = data;
    p.job.scales = scales;
    out->packed = xl_pack_view(&p.job);
    return XL_OK;
}

/* As found in a packed file, or packed now. */
static enum xl_status pack(const struct xl_build *b,
                           const struct xl_source *source,
                           enum xl_pack_kind kind, struct xl_matrix *out)
{
    struct xl_packs *packs = b->to->form.packs;
    bool found = false;
    if (packs)
        XL_TRY(xl_packs_find(packs, source, kind, out, &found, b->err));
    if (!found)
        XL_TRY(pack_now(b, source, kind, out));
    return packs ? xl_packs_add(packs, source, out, b->err) : XL_OK;
}

/* -- matrices ------------------------------------------------------------- */

struct xl_source xl_source_of(size_t block, const char *what,
                              const struct xl_linear *linear)
{
    struct xl_source source = { .n = 1, .parts = { linear } };
    snprintf(source.name, sizeof source.name, "block.%zu.%s", block, what);
    return source;
}

/* One part: the file's own where it is fp32, else a copy with zeros for
 * parts without a bias. */
static enum xl_status bias(const struct xl_build *b,
                           const struct xl_source *source,
                           struct xl_matrix *out)
{
    void *copy;
    bool any = false;
    for (size_t i = 0; i < source->n; i++)
        any = any || source->parts[i]->b.data;
    if (!any)
        return XL_OK;
    if (source->n == 1)
        return xl_build_f32(b, &source->parts[0]->b, &out->bias);
    XL_TRY(xl_build_take(b, out->out, sizeof *out->bias, &copy));
    memset(copy, 0, out->out * sizeof *out->bias);
    for (size_t i = 0; i < source->n; i++) {
        const struct xl_tensor *t = &source->parts[i]->b;
        if (!t->data)
            continue;
        fetch(b, t);
        xl_to_f32((float *)copy + out->parts[i].at, t->data, t->dtype,
                  out->parts[i].out);
    }
    out->bias = copy;
    return XL_OK;
}

static void lay_out(const struct xl_source *source, struct xl_matrix *out)
{
    assert(source->n >= 1 && source->n <= XL_MATRIX_PARTS);
    out->n_parts = source->n;
    out->in = source->parts[0]->w.shape[1];
    for (size_t i = 0; i < source->n; i++) {
        struct xl_matrix_part *part = &out->parts[i];
        part->at = xl_matrix_next(out->out);
        part->out = source->parts[i]->w.shape[0];
        out->out = part->at + part->out;
        assert(source->parts[i]->w.shape[1] == out->in);
    }
}

static enum xl_status rows(const struct xl_build *b,
                           const struct xl_source *source,
                           enum xl_pack_kind kind, struct xl_matrix *out)
{
    assert(kind == XL_PACK_FP32 || kind == XL_PACK_BF16);
    for (size_t i = 0; i < source->n; i++) {
        const struct xl_tensor *t = &source->parts[i]->w;
        const float *w;
        if (kind == XL_PACK_BF16) {
            XL_TRY(as_bf16(b, t, &out->parts[i].w));
            continue;
        }
        XL_TRY(xl_build_f32(b, t, &w));
        out->parts[i].w = w;
    }
    return XL_OK;
}

enum xl_status xl_build_matrix(const struct xl_build *b,
                               const struct xl_source *source,
                               const struct xl_form *form,
                               struct xl_matrix *out)
{
    *out = (struct xl_matrix){
        .dtype = form->kind == XL_PACK_BF16 ? XL_BF16 : XL_FP32,
        .is_packed = form->is_packed,
    };
    lay_out(source, out);
    XL_TRY(bias(b, source, out));
    if (form->is_packed)
        return pack(b, source, form->kind, out);
    return rows(b, source, form->kind, out);
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

/* q, k, v and o read one input. In fp32, q and k stand apart, for they are
 * summed in double. */
static enum xl_status prepare_in(const struct xl_build *b, size_t block,
                                 const struct xl_block *from,
                                 struct xl_prepared_block *to)
{
    struct xl_source in = xl_source_of(block, "qkvo", &from->q);
    if (b->to->form.kind != XL_PACK_FP32) {
        in.n = 4;
        in.parts[1] = &from->k;
        in.parts[2] = &from->v;
        in.parts[3] = &from->o;
        return xl_build_matrix(b, &in, &b->to->form, &to->in);
    }
    struct xl_source qk = xl_source_of(block, "qk", &from->q);
    qk.n = 2;
    qk.parts[1] = &from->k;
    XL_TRY(xl_build_matrix(b, &qk, &b->to->form, &to->qk));
    in = xl_source_of(block, "vo", &from->v);
    in.n = 2;
    in.parts[1] = &from->o;
    return xl_build_matrix(b, &in, &b->to->form, &to->in);
}

static enum xl_status prepare_block(const struct xl_build *b, size_t block,
                                    const struct xl_block *from,
                                    struct xl_prepared_block *to)
{
    const struct xl_form *form = &b->to->form;
    const struct {
        const char *what;
        const struct xl_linear *from;
        struct xl_matrix *to;
        const struct xl_form *form;
    } linears[] = {
        { "igate", &from->igate, &to->igate, &xl_form_exact },
        { "fgate", &from->fgate, &to->fgate, &xl_form_exact },
        { "out", &from->out, &to->out, form },
        { "down", &from->down, &to->down, form },
    };
    XL_TRY(prepare_in(b, block, from, to));
    for (size_t i = 0; i < sizeof linears / sizeof *linears; i++) {
        struct xl_source source =
            xl_source_of(block, linears[i].what, linears[i].from);
        XL_TRY(xl_build_matrix(b, &source, linears[i].form, linears[i].to));
    }
    struct xl_source gate_up = xl_source_of(block, "gate_up", &from->gate);
    gate_up.n = 2;
    gate_up.parts[1] = &from->up;
    XL_TRY(xl_build_matrix(b, &gate_up, form, &to->gate_up));
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
        XL_TRY(prepare_block(b, i, &weights->blocks[i], &b->to->blocks[i]));
    XL_TRY(vector(b, &weights->out_norm, &b->to->out_norm));
    return xl_build_embedding(b, &weights->embedding);
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
    struct xl_source source = { .name = "head", .n = 1, .parts = { head } };
    *prepared = (struct xl_prepared){ .form = *form };
    xl_arena_init(&prepared->arena, (size_t)1 << 20);
    enum xl_status rc = xl_build_matrix(&b, &source, form, &prepared->head);
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
