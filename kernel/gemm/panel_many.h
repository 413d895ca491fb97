/* SPDX-License-Identifier: Apache-2.0
 *
 * Many rows times packed weights: prefill. Included by the files of a
 * variant.
 *
 * Blocks of K_BLOCK inputs: the rows' slice is packed once, [row
 * block][k][row], and stays in L2; a slice of MANY_PANELS panels stays in L1
 * while all rows pass by it. Weights that need it are turned into the
 * multiplier's own type there, once a block of rows. Sums stay in registers
 * over a block of k and in y between blocks: each output is one sum over k in
 * order.
 *
 * The includer defines before:
 *
 *     MANY_UNIT    inputs a multiplier lane takes at once: 1 fp32, 2 bf16
 *     MANY_STEP    rows in a row block are 1, 2 or 3 times this
 *     MANY_PANELS  panels side by side
 *     many_step    acc + line x broadcast(*x)
 *     many_x       32 bits of x: inputs k .. k + MANY_UNIT of a row
 *     many_lines   the panel's lines of these groups, in place or in `room`
 */
#ifndef XL_PANEL_MANY_H
#define XL_PANEL_MANY_H

#include <assert.h>
#include <string.h>

#include "kernel/gemm/panel_store.h"

enum {
    K_BLOCK = 256,
    M_BLOCK = 504, /* a multiple of all row blocks */
    K_LINES = K_BLOCK / MANY_UNIT,
    MANY_ROWS = 3 * MANY_STEP,
    X_FLOATS = M_BLOCK * K_LINES,
    W_FLOATS = K_LINES * XL_PACK_LANES
};

static inline size_t many_scratch(void)
{
    return X_FLOATS + MANY_PANELS * W_FLOATS;
}

/* Rows i .. i + rows of the job, inputs k .. k + n_k. */
struct many {
    const struct xl_gemm_job *job;
    size_t i, rows, k, n_k, lines;
    float *x, *room; /* scratch */
};

static inline size_t many_padded(size_t rows)
{
    return (rows + MANY_STEP - 1) / MANY_STEP * MANY_STEP;
}

/* Rows of the row block that starts at row `at` of the block: the last two
 * share what is left, since a thin block is a slow one. */
static inline size_t many_rows_at(const struct many *b, size_t at)
{
    size_t left = many_padded(b->rows) - at;
    if (left == MANY_ROWS + MANY_STEP)
        return 2 * MANY_STEP;
    return left < MANY_ROWS ? left : (size_t)MANY_ROWS;
}

static inline void many_pack(const struct many *b)
{
    for (size_t at = 0; at < b->rows; at += many_rows_at(b, at)) {
        size_t rows = many_rows_at(b, at);
        float *to = b->x + at * b->lines;
        for (size_t r = 0; r < rows; r++) {
            const float *x = b->job->x + (b->i + at + r) * b->job->ldx + b->k;
            if (at + r < b->rows)
                many_x(to + r, rows, x, b->n_k, b->lines);
            else
                for (size_t l = 0; l < b->lines; l++)
                    to[l * rows + r] = 0;
        }
    }
}

/* One block of outputs: rows x panels vectors at c. */
struct tile {
    const float *x;
    const float *w[MANY_PANELS];
    size_t lines;
    const char *next;             /* weights of the panels after these */
    size_t next_bytes, next_step; /* of a panel; for each line of these */
    float *c;
    size_t ldc;
    bool is_first;
};

XL_INLINE void many_tile(const struct tile *t, size_t rows, size_t panels)
{
    struct xl_vec acc[MANY_ROWS * MANY_PANELS];
    for (size_t r = 0; r < rows; r++)
        for (size_t p = 0; p < panels; p++)
            acc[r * panels + p] =
                t->is_first
                    ? xl_vec_zero()
                    : xl_vec_load(t->c + r * t->ldc + p * XL_PACK_LANES);
    const float *x = t->x, *w0 = t->w[0], *w1 = t->w[panels - 1];
    for (size_t l = 0; l < t->lines; l++) {
        struct xl_vec w[2] = { xl_vec_load(w0), xl_vec_load(w1) };
        for (size_t p = 0; p < panels; p++)
            __builtin_prefetch(t->next + p * t->next_bytes + l * t->next_step);
        for (size_t r = 0; r < rows; r++)
            for (size_t p = 0; p < panels; p++)
                acc[r * panels + p] =
                    many_step(acc[r * panels + p], w[p], x + r);
        w0 += XL_PACK_LANES;
        w1 += XL_PACK_LANES;
        x += rows;
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t p = 0; p < panels; p++)
            xl_vec_store(t->c + r * t->ldc + p * XL_PACK_LANES,
                         acc[r * panels + p]);
}

static inline void many_tile_any(const struct tile *t, size_t rows,
                                 size_t panels)
{
    if (panels == 1 && rows == MANY_ROWS)
        many_tile(t, MANY_ROWS, 1);
    else if (panels == 1 && rows == 2 * MANY_STEP)
        many_tile(t, 2 * MANY_STEP, 1);
    else if (panels == 1)
        many_tile(t, MANY_STEP, 1);
    else if (rows == MANY_ROWS)
        many_tile(t, MANY_ROWS, MANY_PANELS);
    else if (rows == 2 * MANY_STEP)
        many_tile(t, 2 * MANY_STEP, MANY_PANELS);
    else
        many_tile(t, MANY_STEP, MANY_PANELS);
}

/* Through a copy of the block: rows or columns that y does not have. */
static inline void many_tile_cut(const struct many *b, struct tile *t,
                                 size_t at, size_t panel, size_t panels)
{
    float c[MANY_ROWS * MANY_PANELS * XL_PACK_LANES] = { 0 };
    const struct xl_gemm_job *job = b->job;
    size_t rows = many_rows_at(b, at), ldc = panels * XL_PACK_LANES;
    size_t real = b->rows - at < rows ? b->rows - at : rows;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t r = 0; r < real; r++)
            for (size_t p = 0; p < panels; p++) {
                size_t begin, end;
                panel_cut(job, panel + p, &begin, &end);
                float *y = job->y + (b->i + at + r) * job->ldy +
                           (panel + p) * XL_PACK_LANES + begin;
                float *here = c + r * ldc + p * XL_PACK_LANES + begin;
                if (pass == 0 && t->is_first)
                    continue;
                memcpy(pass ? y : here, pass ? here : y,
                       (end - begin) * sizeof *y);
            }
        t->c = c;
        t->ldc = ldc;
        if (pass == 0)
            many_tile_any(t, rows, panels);
    }
}

/* All rows of the block past `panels` panels. */
static inline void many_panels(const struct many *b, size_t panel,
                               size_t panels)
{
    const struct xl_gemm_job *job = b->job;
    bool whole = true;
    struct tile t = { .lines = b->lines, .is_first = b->k == 0 };
    t.next_bytes = xl_pack_panel_bytes(job->packed->kind, job->k);
    t.next_step = (size_t)MANY_UNIT * XL_PACK_LINE /
                  xl_pack_line_inputs(job->packed->kind);
    t.next = (const char *)job->packed->data + (panel + panels) * t.next_bytes +
             b->k / MANY_UNIT * t.next_step;
    if (panel + 2 * panels > xl_pack_panels(job->n_end))
        t.next = job->packed->data; /* none follow */
    for (size_t p = 0; p < panels; p++) {
        whole = whole && panel_is_whole(job, panel + p);
        t.w[p] = many_lines(job->packed, panel + p, b->k / XL_PACK_GROUP,
                            b->lines, b->room + p * W_FLOATS);
    }
    for (size_t at = 0; at < b->rows; at += many_rows_at(b, at)) {
        size_t rows = many_rows_at(b, at);
        t.x = b->x + at * b->lines;
        if (!whole || at + rows > b->rows) {
            many_tile_cut(b, &t, at, panel, panels);
            continue;
        }
        t.c = job->y + (b->i + at) * job->ldy + panel * XL_PACK_LANES;
        t.ldc = job->ldy;
        many_tile_any(&t, rows, panels);
    }
}

static inline void many_block(const struct many *b)
{
    size_t panel = b->job->n_begin / XL_PACK_LANES;
    size_t end = xl_pack_panels(b->job->n_end);
    many_pack(b);
    for (; panel + MANY_PANELS <= end; panel += MANY_PANELS)
        many_panels(b, panel, MANY_PANELS);
    for (; panel < end; panel++)
        many_panels(b, panel, 1);
}

static inline void run_many(const struct xl_gemm_job *job, float *scratch)
{
    struct many b = { .job = job, .x = scratch, .room = scratch + X_FLOATS };
    assert(job->packed->in == job->k);
    for (b.i = 0; b.i < job->m; b.i += M_BLOCK) {
        b.rows = job->m - b.i < M_BLOCK ? job->m - b.i : (size_t)M_BLOCK;
        for (b.k = 0; b.k < job->k; b.k += K_BLOCK) {
            b.n_k = job->k - b.k < K_BLOCK ? job->k - b.k : (size_t)K_BLOCK;
            b.lines = xl_pack_groups(b.n_k) * XL_PACK_GROUP / MANY_UNIT;
            many_block(&b);
        }
    }
    panel_add_bias(job);
}

#endif
