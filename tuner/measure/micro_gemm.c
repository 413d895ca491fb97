/* SPDX-License-Identifier: Apache-2.0
 *
 * y = x W^T on one thread. Weights smaller than the caches stay there: to see
 * the speed of streaming, as decode does, give a shape such as 1x8192x8192. */
#include "kernel/gemm/gemm.h"
#include "tuner/measure/micro.h"

static const struct {
    enum xl_gemm_id id;
    enum xl_dtype dtype;
    const char *name;
} variants[] = {
    { XL_GEMM_NAIVE, XL_FP32, "naive fp32" },
    { XL_GEMM_WIDE, XL_FP32, "wide fp32" },
    { XL_GEMM_VECTOR, XL_FP32, "vector fp32" },
    { XL_GEMM_VECTOR, XL_BF16, "vector bf16" },
    { XL_GEMM_OPENBLAS, XL_FP32, "openblas fp32" },
    { XL_GEMM_OPENBLAS, XL_BF16, "openblas bf16" },
};

struct job {
    const struct xl_gemm *gemm;
    struct xl_gemm_job job;
};

static void call(void *ctx, size_t n)
{
    const struct job *j = ctx;
    for (size_t i = 0; i < n; i++)
        j->gemm->run(&j->job);
}

static void *weights(struct xl_arena *arena, size_t n, enum xl_dtype dtype)
{
    float *w = xl_micro_floats(arena, n, 2);
    uint16_t *half;
    if (!w || dtype == XL_FP32)
        return w;
    half = xl_arena_zero(arena, n, sizeof *half);
    for (size_t i = 0; half && i < n; i++)
        half[i] = xl_f32_to_bf16(w[i]);
    return half;
}

static enum xl_status make(struct xl_micro_call *out, size_t variant,
                           const size_t sizes[XL_MICRO_SIZES],
                           struct xl_arena *arena, struct xl_err *err)
{
    size_t m = sizes[0], n = sizes[1], k = sizes[2];
    if (variant >= sizeof variants / sizeof *variants)
        return XL_ENOTFOUND;
    enum xl_dtype dtype = variants[variant].dtype;
    const struct xl_gemm *gemm = xl_gemm_get(variants[variant].id);
    *out = (struct xl_micro_call){
        .name = variants[variant].name,
        .why_not = gemm->why_not(),
        .call = call,
        .needs = { .flops = 2.0 * (double)m * (double)n * (double)k,
                   .bytes = (double)(n * k * xl_dtype_bytes(dtype)),
                   .flops_at = xl_bench_engine_limit(gemm->name) },
    };
    if (out->why_not)
        return XL_OK;
    struct job *j = xl_arena_zero(arena, 1, sizeof *j);
    float *x = xl_micro_floats(arena, m * k, 1);
    void *w = weights(arena, n * k, dtype);
    float *y = xl_arena_zero(arena, m * n, sizeof *y);
    float *scratch =
        xl_arena_zero(arena, gemm->scratch_floats(k) + 1, sizeof *scratch);
    if (!j || !x || !w || !y || !scratch)
        return xl_fail(err, XL_ENOMEM,
                       "out of memory for matrices of %zux%zux"
                       "%zu",
                       m, n, k);
    *j = (struct job){ .gemm = gemm,
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
    out->ctx = j;
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
