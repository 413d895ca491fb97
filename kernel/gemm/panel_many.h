/* SPDX-License-Identifier: Apache-2.0
 *
 * Many rows times packed weights: prefill. Included by the files of a
 * variant.
 *
 * x is packed first, [row block][k][row], by the caller for several products
 * or here by slices of K_BLOCK inputs. A slice of MANY_PANELS panels stays in
 * L1 or L2 while all rows pass by it. Weights that need it are turned into the
 * multiplier's own type there, once a block of rows. Sums stay in registers
 * over a slice and in y between slices: each output is one sum over k in
 * order, whatever the slices.
 *
 * Slices of x that the caller packed are as long as leaves their weights half
 * of a second-level cache of 512 KiB: going to y and back costs more than
 * streaming x. On Zen 5, 512 rows, against slices of 256: bf16 1024 inputs
 * +5 to +12 %, 2752 +10 %; fp32 +4 to +6 %. All of 10,944 inputs at once lost
 * 20 % in fp32. Fewer rows past the same weights (24 to 264) never won, and
 * lost up to 12 % where weights are turned into another type; keeping the
 * outputs of a few panels in cache over all slices won 2 to 6 % with slices
 * of 256 and nothing with long ones.
 *
 * The includer defines before:
 *
 *     FEW_MOST     rows up to which jobs are not of many rows
 *     MANY_UNIT    inputs a multiplier lane takes at once: 1 fp32, 2 bf16
 *     MANY_STEP    rows in a row block are 1, 2 or 3 times this
 *     MANY_PANELS  panels side by side
 *     many_step    acc + line x broadcast(*x)
 *     many_x       sixteen lanes of a row of x, zeros past its end
 *     many_lines   the panel's lines of these groups, in place or in `room`
 */
#ifndef XL_PANEL_MANY_H
#define XL_PANEL_MANY_H

#include <assert.h>
#include <string.h>

#include "kernel/gemm/panel_store.h"

enum {
    K_BLOCK = 256,
    K_PACKED = 2048 * MANY_UNIT, /* of a slice of x that the caller packed */
    M_BLOCK = 528, /* a multiple of all row blocks; 512 rows are one */
    K_LINES = K_BLOCK / MANY_UNIT,
    MANY_ROWS = 3 * MANY_STEP,
    X_FLOATS = M_BLOCK * K_LINES
};

/* Rows i .. i + rows of the job, inputs k .. k + n_k. */
struct many {
    const struct xl_gemm_job *job;
    size_t i, rows, k, n_k, lines;
    const float *x;      /* row block of row i */
    size_t x_lines;      /* of a row there */
    size_t x_first;      /* line of input k there, or of the first packed */
    float *own_x, *room; /* scratch */
};

static inline size_t many_lines_of(size_t k)
{
    return xl_pack_groups(k) * XL_PACK_GROUP / MANY_UNIT;
}

static inline size_t many_scratch(size_t k)
{
    return X_FLOATS + MANY_PANELS * many_lines_of(k) * XL_PACK_LANES;
}

static inline size_t many_padded(size_t rows)
{
    return (rows + MANY_STEP - 1) / MANY_STEP * MANY_STEP;
}

/* Rows of the row block that starts at row `at` of a block of `rows`: the last
 * two share what is left, since a thin block is a slow one. */
static inline size_t many_rows_at(size_t rows, size_t at)
{
    size_t left = many_padded(rows) - at;
    if (left == MANY_ROWS + MANY_STEP)
        return 2 * MANY_STEP;
    return left < MANY_ROWS ? left : (size_t)MANY_ROWS;
}

/* -- packing x ------------------------------------------------------------ */

/* MANY_STEP rows of x from (row, k) on, n inputs: [line][stride]. */
static inline void many_pack_step(float *to, size_t stride,
                                  const struct xl_gemm_job *job, size_t row,
                                  size_t k, size_t n, size_t lines)
{
    float lanes[MANY_STEP][XL_LANES] = { 0 };
    size_t inputs = (size_t)XL_LANES * MANY_UNIT;
    for (size_t l = 0; l < lines; l += XL_LANES, to += XL_LANES * stride) {
        size_t at = l * MANY_UNIT, left = at < n ? n - at : 0;
        for (size_t r = 0; r < MANY_STEP && row + r < job->m; r++)
            many_x(lanes[r], job->x + (row + r) * job->ldx + k + at,
                   left < inputs ? left : inputs);
        size_t most = lines - l < XL_LANES ? lines - l : (size_t)XL_LANES;
        for (size_t i = 0; i < most; i++)
            for (size_t r = 0; r < MANY_STEP; r++)
                to[i * stride + r] = lanes[r][i];
    }
}

/* Rows begin..end of the block of b; begin at a whole MANY_STEP. */
static inline void many_pack(const struct many *b, float *to, size_t begin,
                             size_t end)
{
    size_t rows;
    for (size_t at = 0; at < b->rows && at < end; at += rows) {
        rows = many_rows_at(b->rows, at);
        size_t r = begin > at ? begin - at : 0;
        for (; r < rows && at + r < end; r += MANY_STEP)
            many_pack_step(to + at * b->x_lines + b->x_first * rows + r, rows,
                           b->job, b->i + at + r, b->k, b->n_k, b->lines);
    }
}

static inline size_t many_x_bytes(size_t m, size_t k)
{
    return m <= FEW_MOST ? 0
                         : many_padded(m) * many_lines_of(k) * sizeof(float);
}

static inline void many_pack_x(const struct xl_gemm_job *job, size_t begin,
                               size_t end, void *to)
{
    size_t k_end = job->k_end ? job->k_end : job->k;
    struct many b = { .job = job, .n_k = k_end - job->k_begin };
    b.x_lines = many_lines_of(job->k);
    b.x_first = job->k_begin / MANY_UNIT;
    b.lines = (k_end == job->k ? b.x_lines : k_end / MANY_UNIT) - b.x_first;
    static_assert(M_BLOCK % MANY_STEP == 0 && XL_GEMM_ROWS % MANY_STEP == 0,
                  "steps of rows end where blocks and spans do");
    for (; b.i < end; b.i += M_BLOCK) {
        b.rows = job->m - b.i < M_BLOCK ? job->m - b.i : (size_t)M_BLOCK;
        if (b.i + b.rows > begin)
            many_pack(&b, (float *)to + b.i * b.x_lines,
                      begin > b.i ? begin - b.i : 0, end - b.i);
    }
}

/* -- products ------------------------------------------------------------- */

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
    size_t rows = many_rows_at(b->rows, at), ldc = panels * XL_PACK_LANES;
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
    t.next = panel_after(job, panel + panels, b->k, b->n_k);
    if (!t.next) {
        t.next = (const char *)b->x;
        t.next_bytes = t.next_step = 0;
    }
    for (size_t p = 0; p < panels; p++) {
        whole = whole && panel_is_whole(job, panel + p);
        t.w[p] = many_lines(job->packed, panel + p, b->k / XL_PACK_GROUP,
                            b->lines, b->room + p * b->lines * XL_PACK_LANES);
    }
    for (size_t at = 0; at < b->rows; at += many_rows_at(b->rows, at)) {
        size_t rows = many_rows_at(b->rows, at);
        t.x = b->x + at * b->x_lines + b->x_first * rows;
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
    for (; panel + MANY_PANELS <= end; panel += MANY_PANELS)
        many_panels(b, panel, MANY_PANELS);
    for (; panel < end; panel++)
        many_panels(b, panel, 1);
}

/* Where the slice's x is: what the caller packed, or packed here. */
static inline void many_find_x(struct many *b)
{
    const struct xl_gemm_job *job = b->job;
    if (job->packed_x) {
        b->x_lines = many_lines_of(job->k);
        b->x = (const float *)job->packed_x + b->i * b->x_lines;
        b->x_first = b->k / MANY_UNIT;
        return;
    }
    b->x_lines = b->lines;
    b->x_first = 0;
    many_pack(b, b->own_x, 0, b->rows);
    b->x = b->own_x;
}

static inline void run_many(const struct xl_gemm_job *job, float *scratch)
{
    struct many b = { .job = job,
                      .own_x = scratch,
                      .room = scratch + X_FLOATS };
    size_t k_block = K_BLOCK;
    if (job->packed_x)
        k_block = job->k_block ? xl_pack_groups(job->k_block) * XL_PACK_GROUP
                               : (size_t)K_PACKED;
    assert(job->packed->in == job->k);
    for (b.i = 0; b.i < job->m; b.i += M_BLOCK) {
        b.rows = job->m - b.i < M_BLOCK ? job->m - b.i : (size_t)M_BLOCK;
        for (b.k = 0; b.k < job->k; b.k += k_block) {
            b.n_k = job->k - b.k < k_block ? job->k - b.k : k_block;
            b.lines = many_lines_of(b.n_k);
            many_find_x(&b);
            many_block(&b);
        }
    }
    panel_add_bias(job);
}

#endif
