/* SPDX-License-Identifier: Apache-2.0
 *
 * Few rows times packed weights: decode, alone or in a batch. Included by the
 * files of a variant.
 *
 * Every line is read once for all rows, widened in registers and used up.
 * Several panels go side by side: their sums are independent chains, and
 * their streams keep more misses in flight than one would. Each output is one
 * sum over k in order, by group for integer kinds (group sum times scale), so
 * its bits depend neither on the columns asked for nor on the rows beside it.
 *
 * The includer defines before:
 *
 *     FEW_ROWS     rows at most: 4 or 8
 *     FEW_PANELS   panels side by side, for one or two rows
 *     FEW_CHAINS   rows x panels at most, for more rows
 *     few_x        32-bit values for one row of x, padded to whole groups
 *     few_line     adds a line times x to the sums of all rows
 */
#ifndef XL_PANEL_FEW_H
#define XL_PANEL_FEW_H

#include <assert.h>
#include <string.h>

#include "kernel/gemm/panel_store.h"

struct few {
    const struct xl_gemm_job *job;
    const float *x; /* [input][rows] as few_x writes it */
    size_t panel;
};

XL_INLINE void few_group(struct xl_vec *part, const unsigned char *const *lines,
                         const float *x, enum xl_pack_kind kind, size_t rows,
                         size_t panels)
{
    size_t inputs = xl_line_inputs(kind);
    for (size_t l = 0; l < XL_PACK_GROUP / inputs; l++)
        for (size_t p = 0; p < panels; p++)
            few_line(part + p * rows, lines[p] + l * XL_PACK_LINE,
                     x + l * inputs * rows, kind, rows);
}

XL_INLINE void few_panels(const struct few *f, enum xl_pack_kind kind,
                          size_t rows, size_t panels)
{
    const struct xl_packed *w = f->job->packed;
    const size_t line_bytes =
        XL_PACK_GROUP / xl_line_inputs(kind) * XL_PACK_LINE;
    bool scaled = kind == XL_PACK_INT8 || kind == XL_PACK_INT4;
    size_t groups = xl_pack_groups(w->in);
    const unsigned char *lines[FEW_CHAINS];
    struct xl_vec acc[FEW_CHAINS], part[FEW_CHAINS];
    for (size_t p = 0; p < panels; p++)
        lines[p] = (const unsigned char *)w->data +
                   (f->panel + p) * groups * line_bytes;
    for (size_t i = 0; i < rows * panels; i++)
        acc[i] = xl_vec_zero();
    for (size_t g = 0; g < groups; g++) {
        const float *x = f->x + g * XL_PACK_GROUP * rows;
        for (size_t i = 0; i < rows * panels; i++)
            part[i] = scaled ? xl_vec_zero() : acc[i];
        few_group(part, lines, x, kind, rows, panels);
        for (size_t p = 0; p < panels; p++) {
            size_t at = ((f->panel + p) * groups + g) * XL_PACK_LANES;
            struct xl_vec scale =
                scaled ? xl_vec_load_bf16(w->scales + at) : xl_vec_zero();
            for (size_t i = p * rows; i < (p + 1) * rows; i++)
                acc[i] = scaled ? xl_vec_fma(scale, part[i], acc[i]) : part[i];
            lines[p] += line_bytes;
        }
    }
    for (size_t p = 0; p < panels; p++)
        for (size_t r = 0; r < rows && r < f->job->m; r++)
            panel_store_biased(f->job, r, f->panel + p, acc[p * rows + r]);
}

/* All panels of the job's columns, `wide` at a time while there are so many. */
XL_INLINE void few_columns(struct few *f, enum xl_pack_kind kind, size_t rows,
                           size_t wide)
{
    size_t end = xl_pack_panels(f->job->n_end);
    f->panel = f->job->n_begin / XL_PACK_LANES;
    for (; f->panel + wide <= end; f->panel += wide)
        few_panels(f, kind, rows, wide);
    for (; f->panel < end; f->panel++)
        few_panels(f, kind, rows, 1);
}

XL_INLINE void few_kind(struct few *f, enum xl_pack_kind kind)
{
    size_t m = f->job->m;
    if (m == 1)
        few_columns(f, kind, 1, FEW_PANELS);
    else if (m == 2)
        few_columns(f, kind, 2, FEW_PANELS);
    else if (m <= 4)
        few_columns(f, kind, 4, FEW_CHAINS / 4);
    else
        few_columns(f, kind, FEW_ROWS, FEW_CHAINS / FEW_ROWS);
}

/* Floats of scratch for inputs of width k. */
static inline size_t few_scratch(size_t k)
{
    return FEW_ROWS * xl_pack_groups(k) * XL_PACK_GROUP;
}

static inline void few_prepare(struct few *f)
{
    const struct xl_gemm_job *job = f->job;
    size_t rows = job->m == 3 ? 4 : job->m > 4 ? (size_t)FEW_ROWS : job->m;
    size_t width = xl_pack_groups(job->k) * XL_PACK_GROUP;
    f->x = job->scratch;
    assert(job->m <= FEW_ROWS && job->packed->in == job->k);
    for (size_t r = 0; r < rows; r++) {
        float *to = job->scratch + r;
        if (r < job->m)
            few_x(to, rows, job->x + r * job->ldx, job->k, job->packed->kind);
        else
            for (size_t i = 0; i < width; i++)
                to[i * rows] = 0;
    }
}

#endif
