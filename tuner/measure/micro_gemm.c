/* SPDX-License-Identifier: Apache-2.0
 *
 * y = x W^T on one thread, every engine with every form of weights it reads.
 * Weights smaller than the caches stay there: to see the speed of streaming,
 * as decode does, give a shape such as 1x8192x8192. */
#include "kernel/base/pages.h"
#include "kernel/gemm/gemm.h"
#include "kernel/gemm/pack.h"
#include "tuner/measure/micro.h"

#define MOST_NAIVE 5e7 /* flops of a call */

enum {
    ALIGNMENT = 64,
    NAME_ROOM = 48
};

struct form {
    const struct xl_gemm *gemm;
    bool is_packed;
    enum xl_dtype dtype; /* of rows */
    enum xl_pack_kind kind;
};

struct job {
    const struct xl_gemm *gemm;
    struct xl_packed packed;
    struct xl_gemm_job job;
};

static void call(void *ctx, size_t n)
{
    const struct job *j = ctx;
    for (size_t i = 0; i < n; i++)
        j->gemm->run(&j->job);
}

/* The i-th pair of an engine and a form that it reads. */
static bool find_form(struct form *form, size_t i)
{
    for (size_t e = 0; e < XL_GEMM_COUNT; e++) {
        *form = (struct form){ .gemm = xl_gemm_get((enum xl_gemm_id)e) };
        for (size_t d = 0; d < XL_DTYPE_COUNT; d++) {
            form->dtype = (enum xl_dtype)d;
            if (xl_gemm_reads_rows(form->gemm, form->dtype) && i-- == 0)
                return true;
        }
        form->is_packed = true;
        for (size_t k = 0; k < XL_PACK_COUNT; k++) {
            form->kind = (enum xl_pack_kind)k;
            if (xl_gemm_reads_packed(form->gemm, form->kind) && i-- == 0)
                return true;
        }
    }
    return false;
}

static const char *name_of(const struct form *form, struct xl_arena *arena)
{
    struct xl_buf name;
    xl_buf_init(&name, NAME_ROOM);
    xl_buf_printf(&name, "%s, %s%s", form->gemm->name,
                  form->is_packed ? "packed " : "",
                  form->is_packed ? xl_pack_name(form->kind)
                                  : xl_dtype_name(form->dtype));
    const char *text = xl_arena_text(arena, name.data, name.len);
    xl_buf_release(&name);
    return text ? text : form->gemm->name;
}

static const void *make_rows(struct xl_arena *arena, size_t n,
                             enum xl_dtype dtype)
{
    float *w = xl_micro_floats(arena, n, 2);
    if (!w || dtype == XL_FP32)
        return w;
    uint16_t *half = xl_arena_zero(arena, n, sizeof *half);
    for (size_t i = 0; half && i < n; i++)
        half[i] = xl_f32_to_bf16(w[i]);
    return half;
}

/* The rows, packed; the job keeps the view. False without memory. */
static bool pack(struct job *j, const struct form *form, const void *rows,
                 struct xl_arena *arena)
{
    struct xl_pack_sizes sizes;
    struct xl_pack_job job = { .kind = form->kind,
                               .out = j->job.n_end,
                               .in = j->job.k,
                               .rows = rows,
                               .dtype = XL_FP32 };
    if (!xl_pack_sizes(&sizes, form->kind, job.out, job.in))
        return false;
    job.data = xl_arena_alloc(arena, sizes.data_bytes);
    job.scales = xl_arena_alloc(arena, sizes.scale_bytes + ALIGNMENT);
    if (!job.data || !job.scales)
        return false;
    xl_pages_huge(job.data, sizes.data_bytes); /* as a model's weights */
    xl_pages_huge(job.scales, sizes.scale_bytes);
    xl_pack_run(&job, 0, xl_pack_panels(job.out), NULL);
    j->packed = xl_pack_view(&job);
    j->job.packed = &j->packed;
    j->job.w = NULL;
    return true;
}

static bool make_job(struct job *j, const struct form *form,
                     const size_t sizes[XL_MICRO_SIZES], struct xl_arena *arena)
{
    size_t m = sizes[0], n = sizes[1], k = sizes[2];
    enum xl_dtype dtype = form->is_packed ? XL_FP32 : form->dtype;
    float *x = xl_micro_floats(arena, m * k, 1);
    const void *w = make_rows(arena, n * k, dtype);
    float *y = xl_arena_zero(arena, m * n, sizeof *y);
    float *scratch = xl_arena_zero(arena, form->gemm->scratch_floats(k) + 1,
                                   sizeof *scratch);
    if (!x || !w || !y || !scratch)
        return false;
    *j = (struct job){ .gemm = form->gemm,
                       .job = { .m = m,
                                .k = k,
                                .n_end = n,
                                .x = x,
                                .ldx = k,
                                .w = w,
                                .w_dtype = dtype,
                                .y = y,
                                .ldy = n,
                                .scratch = scratch } };
    return !form->is_packed || pack(j, form, w, arena);
}

static enum xl_status make(struct xl_micro_call *out, size_t variant,
                           const size_t sizes[XL_MICRO_SIZES],
                           struct xl_arena *arena, struct xl_err *err)
{
    double weights = (double)sizes[1] * (double)sizes[2];
    struct form form;
    if (!find_form(&form, variant))
        return XL_ENOTFOUND;
    double bytes = form.is_packed ? xl_pack_weight_bytes(form.kind)
                                  : (double)xl_dtype_bytes(form.dtype);
    struct job *j = xl_arena_zero(arena, 1, sizeof *j);
    if (!j)
        return xl_fail(err, XL_ENOMEM, "out of memory for a product");
    *out = (struct xl_micro_call){
        .name = name_of(&form, arena),
        .why_not = form.gemm->why_not(),
        .call = call,
        .ctx = j,
        .needs = { .flops = 2.0 * (double)sizes[0] * weights,
                   .bytes = bytes * weights,
                   .working_set = bytes * weights,
                   .flops_at = xl_bench_engine_limit(form.gemm->name) },
    };
    if (form.gemm == xl_gemm_get(XL_GEMM_NAIVE) &&
        out->needs.flops > MOST_NAIVE)
        out->why_not = "left out: it would take seconds a call";
    if (!out->why_not && !make_job(j, &form, sizes, arena))
        return xl_fail(err, XL_ENOMEM,
                       "out of memory for matrices of %zux%zux"
                       "%zu",
                       sizes[0], sizes[1], sizes[2]);
    return XL_OK;
}

static size_t workers(const size_t sizes[XL_MICRO_SIZES])
{
    (void)sizes;
    return 1;
}

const struct xl_micro xl_micro_gemm = {
    .name = "gemm",
    .shape = "512x1024x1024",
    .what = "matrix engines",
    .n_sizes = 3,
    .size_names = "rows x outputs x inputs",
    .workers = workers,
    .make = make,
};
