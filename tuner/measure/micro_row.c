/* SPDX-License-Identifier: Apache-2.0
 *
 * Norms, caps and gates of one row on one thread. Operations that work in
 * place get their input copied back before each call, or repeated gating
 * would end in numbers too small to be normal; the copy is part of the time
 * and of the bytes. */
#include <string.h>

#include "kernel/cell/norm.h"
#include "tuner/measure/micro.h"

struct job {
    const struct xl_row_ops *ops;
    size_t heads, dv, n;
    float *y, *x; /* [n], written */
    const float *source, *z;
    struct xl_norm_weights weights;
};

static void call_rms(void *ctx, size_t n)
{
    const struct job *j = ctx;
    for (size_t i = 0; i < n; i++)
        j->ops->rms(j->y, j->source, &j->weights, j->n);
}

static void call_add_rms(void *ctx, size_t n)
{
    const struct job *j = ctx;
    for (size_t i = 0; i < n; i++) {
        memcpy(j->x, j->source, j->n * sizeof *j->x);
        j->ops->add_rms(j->y, j->x, j->z, &j->weights, j->n);
    }
}

static void call_heads(void *ctx, size_t n)
{
    const struct job *j = ctx;
    for (size_t i = 0; i < n; i++)
        j->ops->heads(j->y, j->source, &j->weights, j->heads, j->dv);
}

static void call_soft_cap(void *ctx, size_t n)
{
    const struct job *j = ctx;
    for (size_t i = 0; i < n; i++) {
        memcpy(j->x, j->source, j->n * sizeof *j->x);
        j->ops->soft_cap(j->x, j->n, 15.0f);
    }
}

static void call_sigmoid(void *ctx, size_t n)
{
    const struct job *j = ctx;
    for (size_t i = 0; i < n; i++) {
        memcpy(j->x, j->source, j->n * sizeof *j->x);
        j->ops->sigmoid_gate(j->x, j->z, j->n);
    }
}

static void call_swiglu(void *ctx, size_t n)
{
    const struct job *j = ctx;
    for (size_t i = 0; i < n; i++) {
        memcpy(j->x, j->source, j->n * sizeof *j->x);
        j->ops->swiglu(j->x, j->z, j->n);
    }
}

static const struct {
    const char *name;
    void (*call)(void *ctx, size_t n);
    double rows; /* of n floats that a call reads or writes */
} variants[] = {
    { "rms norm", call_rms, 3 },
    { "copy, add, rms norm", call_add_rms, 7 },
    { "head norm", call_heads, 3 },
    { "copy, soft cap", call_soft_cap, 4 },
    { "copy, sigmoid gate", call_sigmoid, 5 },
    { "copy, swiglu", call_swiglu, 5 },
};

static enum xl_status make(struct xl_micro_call *out, size_t variant,
                           const size_t sizes[XL_MICRO_SIZES],
                           struct xl_arena *arena, struct xl_err *err)
{
    size_t n = sizes[0] * sizes[1];
    if (variant >= sizeof variants / sizeof *variants)
        return XL_ENOTFOUND;
    struct job *j = xl_arena_zero(arena, 1, sizeof *j);
    float *y = xl_arena_zero(arena, n, sizeof *y);
    float *x = xl_arena_zero(arena, n, sizeof *x);
    float *source = xl_micro_floats(arena, n, 1);
    float *z = xl_micro_floats(arena, n, 2);
    float *w = xl_micro_floats(arena, n, 3);
    if (!j || !y || !x || !source || !z || !w)
        return xl_fail(err, XL_ENOMEM, "out of memory for a row of %zu", n);
    *j = (struct job){ .ops = xl_row_ops_best(),
                       .heads = sizes[0],
                       .dv = sizes[1],
                       .n = n,
                       .y = y,
                       .x = x,
                       .source = source,
                       .z = z,
                       .weights = { .w = w, .eps = 1e-6f } };
    *out = (struct xl_micro_call){
        .name = variants[variant].name,
        .call = variants[variant].call,
        .ctx = j,
        .needs = { .bytes = variants[variant].rows * 4 * (double)n,
                   .working_set = 5 * 4 * (double)n,
                   .flops_at = XL_LIMIT_FMA },
    };
    return XL_OK;
}

static size_t workers(const size_t sizes[XL_MICRO_SIZES])
{
    (void)sizes;
    return 1;
}

const struct xl_micro xl_micro_row = {
    .name = "row",
    .shape = "8x512",
    .what = "norms, caps and gates of one row",
    .n_sizes = 2,
    .size_names = "heads x dv",
    .workers = workers,
    .make = make,
};
