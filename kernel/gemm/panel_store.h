/* SPDX-License-Identifier: Apache-2.0
 *
 * Sixteen outputs of a panel into y: whole vectors inside the job's columns,
 * lane by lane where the columns cut the panel. Included by the files of a
 * variant.
 */
#ifndef XL_PANEL_STORE_H
#define XL_PANEL_STORE_H

#include "kernel/gemm/gemm.h"
#include "kernel/tensor/vec.h"

/* Does the panel lie within the job's columns? */
XL_INLINE bool panel_is_whole(const struct xl_gemm_job *job, size_t panel)
{
    size_t first = panel * XL_PACK_LANES;
    return first >= job->n_begin && first + XL_PACK_LANES <= job->n_end;
}

/* Lanes begin..end of the panel are columns of the job. */
static inline void panel_cut(const struct xl_gemm_job *job, size_t panel,
                             size_t *begin, size_t *end)
{
    size_t first = panel * XL_PACK_LANES;
    *begin = job->n_begin > first ? job->n_begin - first : 0;
    *end = job->n_end - first < XL_PACK_LANES ? job->n_end - first
                                              : (size_t)XL_PACK_LANES;
}

/* Asks for the lines that `bytes` at `from` touch. */
XL_INLINE void panel_ask(const unsigned char *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += XL_PACK_LINE)
        __builtin_prefetch(from + i);
}

/* Asks for bytes that so many rows will read, `ahead` bytes from here; less
 * than a line: nothing. */
XL_INLINE void panel_ask_ahead(const struct xl_gemm_job *job,
                               const unsigned char *here, size_t bytes,
                               size_t ahead, size_t rows)
{
    if (ahead < XL_PACK_LINE)
        return;
    if (rows > 1 || !job->asks_past)
        panel_ask(here + ahead, bytes);
    else
        for (size_t i = 0; i < bytes; i += XL_PACK_LINE)
            __builtin_prefetch(here + ahead + i, 0, 0);
}

/* Where the weights are that follow n_k inputs from k on of the panels before
 * `next`: in this slice, the next slice, or the next job; else NULL. */
static inline const char *panel_after(const struct xl_gemm_job *job,
                                      size_t next, size_t k, size_t n_k)
{
    const struct xl_packed *w = job->packed;
    size_t inputs = xl_pack_line_inputs(w->kind);
    if (next >= xl_pack_panels(job->n_end)) {
        next = job->n_begin / XL_PACK_LANES;
        k += n_k;
    }
    if (k >= job->k) {
        next = job->next_n / XL_PACK_LANES;
        k = 0;
    }
    if (job->no_prefetch || (k == 0 && next == 0))
        return NULL;
    return (const char *)w->data + next * xl_pack_panel_bytes(w->kind, w->in) +
           k / inputs * XL_PACK_LINE;
}

static inline void panel_store_cut(const struct xl_gemm_job *job, size_t row,
                                   size_t panel, struct xl_vec sums)
{
    float lanes[XL_PACK_LANES];
    size_t begin, end, first = panel * XL_PACK_LANES;
    panel_cut(job, panel, &begin, &end);
    xl_vec_store(lanes, sums);
    for (size_t j = begin; j < end; j++)
        job->y[row * job->ldy + first + j] =
            job->bias ? lanes[j] + job->bias[first + j] : lanes[j];
}

/* y = sums + bias */
XL_INLINE void panel_store_biased(const struct xl_gemm_job *job, size_t row,
                                  size_t panel, struct xl_vec sums)
{
    size_t first = panel * XL_PACK_LANES;
    if (!panel_is_whole(job, panel)) {
        panel_store_cut(job, row, panel, sums);
        return;
    }
    if (job->bias)
        sums = xl_vec_add(sums, xl_vec_load(job->bias + first));
    xl_vec_store(job->y + row * job->ldy + first, sums);
}

static inline void panel_add_bias(const struct xl_gemm_job *job)
{
    if (!job->bias)
        return;
    for (size_t i = 0; i < job->m; i++)
        for (size_t j = job->n_begin; j < job->n_end; j++)
            job->y[i * job->ldy + j] += job->bias[j];
}

#endif
