/* SPDX-License-Identifier: Apache-2.0
 *
 * Few rows times packed weights: decode, alone or in a batch. Included by the
 * files of a variant.
 *
 * Every line is read from memory once for all rows, widened in registers and
 * used up. Where a product has a short latency, several panels go side by side:
 * their sums are independent chains. Where it is long, groups are summed apart:
 * only their last steps are a chain, the rest overlaps. Panels that go side by
 * side are not neighbours: the job's columns are cut in as many runs, each one
 * long stream of lines, for one that is over after a panel ends before the
 * processor's prefetch has caught up. Rows beyond a register block find the
 * panels, neighbours then, in the second-level cache.
 *
 * Lines are asked for ahead only where the job says so.
 *
 * Each output is one sum over k in order, or that of its groups in order, times
 * their scales for integer kinds, so its bits depend neither on the columns
 * asked for nor on the rows beside it.
 *
 * Measured on one thread of Zen 5, a row of 1024 inputs: groups apart give bf16
 * from the second-level cache 225 instead of 143 GB/s (apart by two groups:
 * 162); fp32 gets 163 instead of 206, as two multiply-adds a cycle end after
 * four. Eight rows of bf16 from the cache lose 8 % by groups apart: parts and
 * sums are more than there are registers. With two threads 400m in bf16
 * decodes 3 % faster by two runs that ask 2048 bytes ahead than by one without
 * where two threads read 42 GB/s, and 9 % slower where they read 105.
 *
 * The includer defines before:
 *
 *     FEW_MOST     rows at most
 *     FEW_ROWS     rows in a register block: 4 or 8
 *     FEW_PANELS   panels side by side, for one or two rows
 *     FEW_BESIDE   panels side by side, for more rows
 *     FEW_APART    are the groups of all kinds summed apart? 0 or 1
 *     FEW_UNIT     inputs in 32 bits of x as few_x writes it
 *     few_x        32-bit values for one row of x, padded to whole groups
 *     few_line     adds a line times x to the sums of all rows
 */
#ifndef XL_PANEL_FEW_H
#define XL_PANEL_FEW_H

#include <assert.h>
#include <string.h>

#include "kernel/gemm/panel_store.h"

enum {
    FEW_CHAINS = FEW_ROWS * FEW_BESIDE, /* not below 2 * FEW_PANELS */
    FEW_STREAMS = FEW_PANELS > FEW_BESIDE ? FEW_PANELS : FEW_BESIDE
};

struct few {
    const struct xl_gemm_job *job;
    const float *x;      /* [block of rows][input][rows] as few_x writes it */
    size_t panel, apart; /* first of those side by side; from one to the next */
    size_t first, real;  /* rows of the block, those that are there */
};

/* Words of x that a row takes. */
static inline size_t few_words(size_t k)
{
    return xl_pack_groups(k) * XL_PACK_GROUP / FEW_UNIT;
}

XL_INLINE void few_group(struct xl_vec *part, const unsigned char *const *lines,
                         const float *x, enum xl_pack_kind kind, size_t rows,
                         size_t panels)
{
    size_t inputs = xl_line_inputs(kind);
    for (size_t l = 0; l < XL_PACK_GROUP / inputs; l++)
        for (size_t p = 0; p < panels; p++)
            few_line(part + p * rows, lines[p] + l * XL_PACK_LINE,
                     x + l * inputs / FEW_UNIT * rows, kind, rows);
}

XL_INLINE void few_panels(const struct few *f, enum xl_pack_kind kind,
                          size_t rows, size_t panels)
{
    const struct xl_packed *w = f->job->packed;
    const size_t line_bytes =
        XL_PACK_GROUP / xl_line_inputs(kind) * XL_PACK_LINE;
    bool scaled = kind == XL_PACK_INT8 || kind == XL_PACK_INT4;
    bool apart = scaled || FEW_APART;
    size_t groups = xl_pack_groups(w->in);
    const size_t ahead = f->job->ahead;
    const unsigned char *lines[FEW_STREAMS];
    struct xl_vec acc[FEW_CHAINS], part[FEW_CHAINS];
    for (size_t p = 0; p < panels; p++)
        lines[p] = (const unsigned char *)w->data +
                   (f->panel + p * f->apart) * groups * line_bytes;
    for (size_t i = 0; i < rows * panels; i++)
        acc[i] = xl_vec_zero();
    for (size_t g = 0; g < groups; g++) {
        for (size_t p = 0; p < panels; p++)
            panel_ask_ahead(f->job, lines[p], line_bytes, ahead, rows);
        const float *x = f->x + g * XL_PACK_GROUP / FEW_UNIT * rows;
        for (size_t i = 0; i < rows * panels; i++)
            part[i] = apart ? xl_vec_zero() : acc[i];
        few_group(part, lines, x, kind, rows, panels);
        for (size_t p = 0; p < panels; p++) {
            size_t panel = f->panel + p * f->apart;
            size_t at = (panel * groups + g) * XL_PACK_LANES;
            struct xl_vec scale =
                scaled ? xl_vec_load_bf16(w->scales + at) : xl_vec_zero();
            for (size_t i = p * rows; i < (p + 1) * rows; i++)
                acc[i] = scaled  ? xl_vec_fma(scale, part[i], acc[i])
                         : apart ? xl_vec_add(acc[i], part[i])
                                 : part[i];
            lines[p] += line_bytes;
        }
    }
    for (size_t p = 0; p < panels; p++)
        for (size_t r = 0; r < rows && r < f->real; r++)
            panel_store_biased(f->job, f->first + r, f->panel + p * f->apart,
                               acc[p * rows + r]);
}

/* All panels of the job's columns: `wide` runs side by side, then what is left
 * over. */
XL_INLINE void few_columns(struct few *f, enum xl_pack_kind kind, size_t rows,
                           size_t wide)
{
    size_t end = xl_pack_panels(f->job->n_end);
    f->panel = f->job->n_begin / XL_PACK_LANES;
    f->apart = (end - f->panel) / wide;
    for (size_t i = 0; i < f->apart; i++, f->panel++)
        few_panels(f, kind, rows, wide);
    for (f->panel += (wide - 1) * f->apart; f->panel < end; f->panel++)
        few_panels(f, kind, rows, 1);
}

/* Rows of a block that has n left, one of few: 1, 2, 4 or FEW_ROWS. */
static inline size_t few_block_rows(size_t n, bool is_only)
{
    if (is_only && n <= 2)
        return n;
    return n <= 4 ? 4 : (size_t)FEW_ROWS;
}

/* More rows than a block: two or more blocks past the same panels. */
XL_INLINE void few_blocks(struct few *f, enum xl_pack_kind kind, size_t panels)
{
    const float *x = f->x;
    for (f->first = 0; f->first < f->job->m; f->first += FEW_ROWS) {
        size_t left = f->job->m - f->first;
        f->real = left < FEW_ROWS ? left : (size_t)FEW_ROWS;
        if (few_block_rows(f->real, false) == 4)
            few_panels(f, kind, 4, panels);
        else
            few_panels(f, kind, FEW_ROWS, panels);
        f->x += few_block_rows(f->real, false) * few_words(f->job->k);
    }
    f->x = x;
}

XL_INLINE void few_columns_blocks(struct few *f, enum xl_pack_kind kind)
{
    const size_t wide = FEW_BESIDE;
    size_t end = xl_pack_panels(f->job->n_end);
    f->panel = f->job->n_begin / XL_PACK_LANES;
    f->apart = 1;
    for (; f->panel + wide <= end; f->panel += wide)
        few_blocks(f, kind, wide);
    for (; f->panel < end; f->panel++)
        few_blocks(f, kind, 1);
}

XL_INLINE void few_kind(struct few *f, enum xl_pack_kind kind)
{
    size_t m = f->job->m;
    f->first = 0;
    f->real = m;
    if (m == 1)
        few_columns(f, kind, 1, FEW_PANELS);
    else if (m == 2)
        few_columns(f, kind, 2, FEW_PANELS);
    else if (m <= 4)
        few_columns(f, kind, 4, FEW_BESIDE);
    else if (m <= FEW_ROWS)
        few_columns(f, kind, FEW_ROWS, FEW_BESIDE);
    else
        few_columns_blocks(f, kind);
}

/* Floats of scratch for inputs of width k. */
static inline size_t few_scratch(size_t k)
{
    return FEW_MOST * few_words(k);
}

static inline void few_prepare(struct few *f)
{
    const struct xl_gemm_job *job = f->job;
    size_t words = few_words(job->k), rows;
    float *block = job->scratch;
    f->x = job->scratch;
    assert(job->m <= FEW_MOST && job->packed->in == job->k);
    if (job->is_prepared)
        return;
    for (size_t first = 0; first < job->m; first += rows) {
        rows = few_block_rows(job->m - first, job->m <= FEW_ROWS);
        for (size_t r = 0; r < rows; r++) {
            if (first + r < job->m)
                few_x(block + r, rows, job->x + (first + r) * job->ldx, job->k,
                      job->packed->kind);
            else
                for (size_t i = 0; i < words; i++)
                    block[i * rows + r] = 0;
        }
        block += rows * words;
    }
}

#endif
