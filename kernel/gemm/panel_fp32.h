/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed weights of every kind times fp32 rows, by fused multiply-adds:
 * compiled once per instruction set by gemm_avx2.c and gemm_avx512.c.
 *
 * Few rows and many give the same bits for fp32 and bf16 weights; for integer
 * kinds few rows scale the sum of a group, many rows scale each weight, which
 * rounds differently. */
#ifndef XL_PANEL_FP32_H
#define XL_PANEL_FP32_H

#include <string.h>

#include "kernel/gemm/line.h"

/* -- few rows ------------------------------------------------------------- */

enum {
    FEW_UNIT = 1
};

static inline void few_x(float *to, size_t stride, const float *x, size_t k,
                         enum xl_pack_kind kind)
{
    size_t padded = xl_pack_groups(k) * XL_PACK_GROUP;
    (void)kind;
    for (size_t i = 0; i < padded; i++)
        to[i * stride] = i < k ? x[i] : 0;
}

XL_INLINE void few_line(struct xl_vec *sums, const void *line, const float *x,
                        enum xl_pack_kind kind, size_t rows)
{
    struct xl_vec w[XL_LINE_MOST];
    xl_line_widen(w, line, kind);
    for (size_t i = 0; i < xl_line_inputs(kind); i++)
        for (size_t r = 0; r < rows; r++)
            sums[r] = xl_vec_fma(w[i], xl_vec_set1(x[i * rows + r]), sums[r]);
}

/* -- many rows ------------------------------------------------------------ */

enum {
    MANY_UNIT = 1
};

XL_INLINE struct xl_vec many_step(struct xl_vec acc, struct xl_vec w,
                                  const float *x)
{
    return xl_vec_fma(w, xl_vec_set1(*x), acc);
}

/* n <= 16 inputs. */
static inline void many_x(float to[XL_LANES], const float *x, size_t n)
{
    xl_vec_store(to, n < XL_LANES ? xl_vec_load_n(x, n) : xl_vec_load(x));
}

XL_INLINE void widen_lines(const struct xl_packed *w, size_t panel,
                           size_t group, size_t n, float *to,
                           enum xl_pack_kind kind)
{
    size_t inputs = xl_line_inputs(kind), lines = XL_PACK_GROUP / inputs;
    size_t at = panel * xl_pack_groups(w->in) + group;
    const unsigned char *from = w->data;
    from += at * lines * XL_PACK_LINE;
    for (size_t g = 0; g < n; g++, at++) {
        struct xl_vec scale = xl_vec_set1(1);
        if (kind == XL_PACK_INT8 || kind == XL_PACK_INT4)
            scale = xl_vec_load_bf16(w->scales + at * XL_PACK_LANES);
        for (size_t l = 0; l < lines; l++, from += XL_PACK_LINE) {
            struct xl_vec out[XL_LINE_MOST];
            xl_line_widen(out, from, kind);
            for (size_t i = 0; i < inputs; i++, to += XL_PACK_LANES)
                xl_vec_store(to, kind == XL_PACK_BF16
                                     ? out[i]
                                     : xl_vec_mul(out[i], scale));
        }
    }
}

static inline const float *many_lines(const struct xl_packed *w, size_t panel,
                                      size_t group, size_t lines, float *room)
{
    size_t groups = xl_pack_groups(w->in), n = lines / XL_PACK_GROUP;
    if (w->kind == XL_PACK_FP32)
        return (const float *)w->data +
               (panel * groups + group) * XL_PACK_GROUP * XL_PACK_LANES;
    if (w->kind == XL_PACK_BF16)
        widen_lines(w, panel, group, n, room, XL_PACK_BF16);
    else if (w->kind == XL_PACK_INT8)
        widen_lines(w, panel, group, n, room, XL_PACK_INT8);
    else
        widen_lines(w, panel, group, n, room, XL_PACK_INT4);
    return room;
}

#include "kernel/gemm/panel_few.h"
#include "kernel/gemm/panel_many.h"

static inline size_t panel_scratch(size_t k)
{
    size_t few = few_scratch(k), many = many_scratch(k);
    return few > many ? few : many;
}

static inline void run_few(const struct xl_gemm_job *job)
{
    struct few f = { .job = job };
    few_prepare(&f);
    switch (job->packed->kind) {
    case XL_PACK_FP32:
        few_kind(&f, XL_PACK_FP32);
        break;
    case XL_PACK_BF16:
        few_kind(&f, XL_PACK_BF16);
        break;
    case XL_PACK_INT8:
        few_kind(&f, XL_PACK_INT8);
        break;
    default:
        few_kind(&f, XL_PACK_INT4);
        break;
    }
}

static inline void run_panels(const struct xl_gemm_job *job)
{
    if (job->m == 0 || job->n_begin == job->n_end)
        return;
    if (job->m <= FEW_MOST)
        run_few(job);
    else
        run_many(job, job->scratch);
}

#endif
