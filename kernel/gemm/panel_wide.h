/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed weights times fp32 rows, sums in double: the wide engine on panels.
 * Included by the files of a variant, after panel_fp32.h, whose packed x it
 * reads, and gemm_wide_kernel.h.
 *
 * A product of two floats is exact in double and each output is one sum over k
 * in order, so few rows and many give the same bits, fused or not, and those
 * are the naive engine's. The judge's reference rests on that.
 *
 * Many rows: x is widened by slices of WIDE_K inputs, a panel's slice of
 * weights stays in L1 while all rows pass by it, and sums wait in scratch
 * between slices. Half the lanes of fp32 bound it to half of its rate. Other
 * kinds of weights than fp32 take this way for any number of rows.
 *
 * fp32 sums of 2 to 32 terms that are then added in double were measured: on
 * the reference model whose queries are nearly orthogonal to all keys, 2 terms
 * gave 2.1e-4, up to 16 terms between 1.2e-4 and 3.4e-4 and up to 32 terms
 * 4.3e-4, depending on where the inputs were cut; double gives 1.8e-4
 * wherever, and 2e-4 is allowed.
 *
 * The includer defines before:
 *
 *     WIDE_ROWS    rows in registers: MANY_STEP or a multiple, for many
 *     WIDE_FEW     rows in registers, for few that are more than one
 */
#ifndef XL_PANEL_WIDE_H
#define XL_PANEL_WIDE_H

#include "kernel/gemm/gemm_wide_kernel.h"
#include "kernel/gemm/panel_fp32.h"

enum {
    WIDE_K = 128,
    WIDE_PANELS = 16, /* whose sums wait at once */
    WIDE_HALVES = XL_PACK_LANES / LANES,
    WIDE_ACC = WIDE_ROWS * WIDE_HALVES,
    WIDE_FEW_ACC = (WIDE_FEW * FEW_BESIDE > FEW_PANELS ? WIDE_FEW * FEW_BESIDE
                                                       : FEW_PANELS) *
                   WIDE_HALVES
};

XL_INLINE wide wide_load(const double *from)
{
    wide x;
    memcpy(&x, from, sizeof x);
    return x;
}

XL_INLINE void wide_store(double *to, wide x)
{
    memcpy(to, &x, sizeof x);
}

XL_INLINE wide wide_set1(double x)
{
    return (wide){ x, x, x, x, x, x, x, x };
}

static inline void wide_copy(double *to, const float *from, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        wide_store(to + i, load(from + i));
    for (; i < n; i++)
        to[i] = (double)from[i];
}

static inline void wide_round(float *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        w[i] = xl_bf16_round(w[i]);
}

/* A row of a panel's sums to y; columns that the job does not have stay. */
static inline void wide_put(const struct xl_gemm_job *job, size_t row,
                            size_t panel, const double *sums)
{
    size_t begin, end, first = panel * XL_PACK_LANES;
    float *y = job->y + row * job->ldy + first;
    panel_cut(job, panel, &begin, &end);
    for (size_t j = begin; j < end; j++)
        y[j] = (float)(job->bias ? sums[j] + (double)job->bias[first + j]
                                 : sums[j]);
}

/* -- few rows ------------------------------------------------------------- */

/* `real` rows from `first` on, of x [input][rows], past some panels. */
struct wide_few {
    const struct xl_gemm_job *job;
    const double *x;
    size_t first, real, panel;
};

XL_INLINE void wide_few_panels(const struct wide_few *f, size_t rows,
                               size_t panels)
{
    const struct xl_packed *w = f->job->packed;
    size_t stride = xl_pack_groups(w->in) * XL_PACK_GROUP * XL_PACK_LANES;
    const float *line = (const float *)w->data + f->panel * stride;
    const double *x = f->x;
    wide acc[WIDE_FEW_ACC];
    for (size_t i = 0; i < rows * panels * WIDE_HALVES; i++)
        acc[i] = wide_set1(0);
    for (size_t k = 0; k < w->in; k++, line += XL_PACK_LANES, x += rows)
        for (size_t i = 0; i < panels * WIDE_HALVES; i++) {
            wide from =
                load(line + i / WIDE_HALVES * stride + i % WIDE_HALVES * LANES);
            for (size_t r = 0; r < rows; r++)
                acc[i * rows + r] += from * wide_set1(x[r]);
        }
    for (size_t p = 0; p < panels; p++)
        for (size_t r = 0; r < rows && r < f->real; r++) {
            double sums[XL_PACK_LANES];
            for (size_t h = 0; h < WIDE_HALVES; h++)
                wide_store(sums + h * LANES,
                           acc[(p * WIDE_HALVES + h) * rows + r]);
            wide_put(f->job, f->first + r, f->panel + p, sums);
        }
}

/* Rows first.. of the job, widened: [input][rows], zeros where none are. */
static inline void wide_few_x(double *to, const struct wide_few *f, size_t rows)
{
    const struct xl_gemm_job *job = f->job;
    for (size_t r = 0; r < rows; r++) {
        const float *x = job->x + (f->first + r) * job->ldx;
        for (size_t k = 0; k < job->k; k++)
            to[k * rows + r] = r < f->real ? (double)x[k] : 0;
    }
}

static inline void run_wide_few(const struct xl_gemm_job *job, double *scratch)
{
    size_t end = xl_pack_panels(job->n_end);
    struct wide_few f = { .job = job, .x = scratch };
    for (; f.first < job->m; f.first += f.real) {
        size_t left = job->m - f.first;
        f.real = left < WIDE_FEW ? left : (size_t)WIDE_FEW;
        wide_few_x(scratch, &f, f.real == 1 ? 1 : (size_t)WIDE_FEW);
        f.panel = job->n_begin / XL_PACK_LANES;
        if (f.real == 1) {
            for (; f.panel + FEW_PANELS <= end; f.panel += FEW_PANELS)
                wide_few_panels(&f, 1, FEW_PANELS);
            for (; f.panel < end; f.panel++)
                wide_few_panels(&f, 1, 1);
            continue;
        }
        for (; f.panel + FEW_BESIDE <= end; f.panel += FEW_BESIDE)
            wide_few_panels(&f, WIDE_FEW, FEW_BESIDE);
        for (; f.panel < end; f.panel++)
            wide_few_panels(&f, WIDE_FEW, 1);
    }
}

/* -- many rows ------------------------------------------------------------ */

/* Slices of x and of a panel, widened, and what the panels' rows sum to. */
struct wide_room {
    float *own_x;
    float *lines; /* [input][lane], of weights that are not fp32 */
    double *x;    /* [row block][input][row] */
    double *w;    /* [input][lane] */
    double *sums; /* [panel][row][lane] */
};

/* rows x one panel: adds x [input][stride] times the panel's slice. */
XL_INLINE void wide_tile(const struct wide_room *room, const double *x,
                         size_t stride, double *sums, const struct many *b,
                         size_t rows)
{
    wide acc[WIDE_ACC];
    const double *w = room->w;
    for (size_t i = 0; i < rows * WIDE_HALVES; i++)
        acc[i] = b->k == 0 ? wide_set1(0) : wide_load(sums + i * LANES);
    for (size_t k = 0; k < b->n_k; k++) {
        wide line[WIDE_HALVES];
        for (size_t h = 0; h < WIDE_HALVES; h++)
            line[h] = wide_load(w + h * LANES);
        for (size_t r = 0; r < rows; r++)
            for (size_t h = 0; h < WIDE_HALVES; h++)
                acc[r * WIDE_HALVES + h] += line[h] * wide_set1(x[r]);
        w += XL_PACK_LANES;
        x += stride;
    }
    for (size_t i = 0; i < rows * WIDE_HALVES; i++)
        wide_store(sums + i * LANES, acc[i]);
}

static inline void wide_slice(const struct many *b,
                              const struct wide_room *room, size_t panel,
                              double *sums)
{
    const float *w = many_lines(b->job->packed, panel, b->k / XL_PACK_GROUP,
                                b->lines, room->lines);
    if (b->job->rounds_w && w == room->lines)
        wide_round(room->lines, b->n_k * XL_PACK_LANES);
    wide_copy(room->w, w, b->n_k * XL_PACK_LANES);
    size_t rows, n;
    for (size_t at = 0; at < b->rows; at += rows) {
        rows = many_rows_at(b->rows, at);
        const double *x = room->x + at * b->n_k;
        for (size_t r = 0; r < rows; r += n) {
            double *to = sums + (at + r) * XL_PACK_LANES;
            n = rows - r < WIDE_ROWS ? (size_t)MANY_STEP : (size_t)WIDE_ROWS;
            if (n == WIDE_ROWS)
                wide_tile(room, x + r, rows, to, b, WIDE_ROWS);
            else
                wide_tile(room, x + r, rows, to, b, MANY_STEP);
        }
    }
}

static inline void wide_x(const struct many *b, double *to)
{
    size_t rows;
    for (size_t at = 0; at < b->rows; at += rows) {
        rows = many_rows_at(b->rows, at);
        wide_copy(to + at * b->n_k, b->x + at * b->x_lines + b->x_first * rows,
                  rows * b->n_k);
    }
}

/* All rows of the block past panels first..end, at most WIDE_PANELS. */
static inline void wide_block(struct many *b, const struct wide_room *room,
                              size_t first, size_t end)
{
    const struct xl_gemm_job *job = b->job;
    size_t lanes = many_padded(b->rows) * XL_PACK_LANES;
    for (b->k = 0; b->k < job->k; b->k += WIDE_K) {
        b->n_k = job->k - b->k < WIDE_K ? job->k - b->k : (size_t)WIDE_K;
        b->lines = many_lines_of(b->n_k);
        many_find_x(b);
        wide_x(b, room->x);
        for (size_t p = first; p < end; p++)
            wide_slice(b, room, p, room->sums + (p - first) * lanes);
    }
    for (size_t p = first; p < end; p++)
        for (size_t r = 0; r < b->rows; r++)
            wide_put(job, b->i + r, p,
                     room->sums + (p - first) * lanes + r * XL_PACK_LANES);
}

static inline void run_wide_many(const struct xl_gemm_job *job, double *scratch)
{
    struct wide_room room = { .x = scratch };
    room.w = room.x + M_BLOCK * WIDE_K;
    room.sums = room.w + WIDE_K * XL_PACK_LANES;
    room.own_x = (float *)(room.sums + WIDE_PANELS * M_BLOCK * XL_PACK_LANES);
    room.lines = room.own_x + M_BLOCK * WIDE_K;
    struct many b = { .job = job, .own_x = room.own_x };
    size_t end = xl_pack_panels(job->n_end);
    for (b.i = 0; b.i < job->m; b.i += M_BLOCK) {
        b.rows = job->m - b.i < M_BLOCK ? job->m - b.i : (size_t)M_BLOCK;
        size_t panel = job->n_begin / XL_PACK_LANES, n;
        for (; panel < end; panel += n) {
            n = end - panel < WIDE_PANELS ? end - panel : (size_t)WIDE_PANELS;
            wide_block(&b, &room, panel, panel + n);
        }
    }
}

/* -- both, and rows of weights -------------------------------------------- */

static inline size_t wide_scratch(size_t k)
{
    size_t few = WIDE_FEW * k * sizeof(double);
    size_t many = (M_BLOCK * WIDE_K + WIDE_K * XL_PACK_LANES +
                   WIDE_PANELS * M_BLOCK * XL_PACK_LANES) *
                      sizeof(double) +
                  (M_BLOCK + XL_PACK_LANES) * WIDE_K * sizeof(float);
    return (few > many ? few : many) / sizeof(float);
}

static inline void run_wide_panels(const struct xl_gemm_job *job)
{
    void *scratch = job->scratch;
    if (!job->packed)
        run_wide(job);
    else if (job->m == 0 || job->n_begin == job->n_end)
        return;
    else if (job->m <= FEW_MOST && job->packed->kind == XL_PACK_FP32)
        run_wide_few(job, scratch);
    else
        run_wide_many(job, scratch);
}

#endif
