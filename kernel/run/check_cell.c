/* SPDX-License-Identifier: Apache-2.0
 *
 * Cells and backends on one problem of awkward sizes. The truth is the
 * recurrence in double. */
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/rng.h"
#include "kernel/chunk/chunk.h"
#include "kernel/run/check_int.h"

#define CELL_BOUND 2e-5
#define BF16_BOUND 2e-2

enum {
    HEADS = 3,
    DK = 17,
    DV = 31,
    TOKENS = 53,
    CHUNK = 16,
    QK_ROW = HEADS * DK,
    V_ROW = HEADS * DV,
    C_ALL = HEADS * DK * DV
};

/* Everything lies in one block of floats and one of doubles. */
struct problem {
    float *block, *q, *k, *v, *i, *f, *h, *C, *n, *m;
    double *want; /* [TOKENS][V_ROW] */
};

static void fill(float *x, size_t n, double mean, struct xl_rng *rng)
{
    for (size_t j = 0; j < n; j++)
        x[j] = (float)(mean + xl_rng_normal(rng));
}

static bool make(struct problem *p)
{
    const size_t inputs = TOKENS * (2 * QK_ROW + V_ROW + 2 * HEADS);
    const size_t outputs = TOKENS * V_ROW + C_ALL + QK_ROW + HEADS;
    struct xl_rng rng;
    *p = (struct problem){
        .block = xl_alloc_zero(inputs + outputs, sizeof(float)),
        .want = xl_alloc_zero(TOKENS * V_ROW, sizeof(double)),
    };
    if (!p->block || !p->want)
        return false;
    p->q = p->block;
    p->k = p->q + TOKENS * QK_ROW;
    p->v = p->k + TOKENS * QK_ROW;
    p->i = p->v + TOKENS * V_ROW;
    p->f = p->i + TOKENS * HEADS;
    p->h = p->f + TOKENS * HEADS;
    p->C = p->h + TOKENS * V_ROW;
    p->n = p->C + C_ALL;
    p->m = p->n + QK_ROW;
    xl_rng_seed(&rng, 9);
    fill(p->q, inputs - TOKENS * HEADS, 0, &rng);
    fill(p->f, TOKENS * HEADS, 3, &rng);
    return true;
}

static void release(struct problem *p)
{
    xl_free(p->block);
    xl_free(p->want);
}

/* The recurrence of head h in double, with a state of its own. */
static bool solve_head(struct problem *p, size_t h)
{
    const size_t n = DK * DV + DK + 1 + 2 * DK + DV + DV;
    double *work = xl_alloc_zero(n, sizeof *work);
    if (!work)
        return false;
    double *q = work + DK * DV + DK + 1, *k = q + DK, *v = k + DK,
           *out = v + DV;
    const struct xl_mlstm_f64 cell = { .dk = DK,
                                       .dv = DV,
                                       .eps = (double)1e-6f,
                                       .C = work,
                                       .n = work + DK * DV,
                                       .m = work + DK * DV + DK };
    for (size_t t = 0; t < TOKENS; t++) {
        for (size_t j = 0; j < DK; j++) {
            q[j] = (double)p->q[t * QK_ROW + h * DK + j];
            k[j] = (double)p->k[t * QK_ROW + h * DK + j];
        }
        for (size_t j = 0; j < DV; j++)
            v[j] = (double)p->v[t * V_ROW + h * DV + j];
        xl_mlstm_step_f64(&cell, q, k, v, (double)p->i[t * HEADS + h],
                          (double)p->f[t * HEADS + h], out);
        for (size_t j = 0; j < DV; j++)
            p->want[t * V_ROW + h * DV + j] = out[j];
    }
    xl_free(work);
    return true;
}

/* Runs a backend with a cell over two splits of the tokens; NaN = no memory. */
static double distance(struct problem *p,
                       const struct xl_chunk_backend *backend,
                       const struct xl_cell *cell, struct xl_pool *pool)
{
    const struct xl_chunk_spec spec = { .cell = cell,
                                        .shape = { HEADS, DK, DV, TOKENS },
                                        .chunk = CHUNK,
                                        .n_bands = 2,
                                        .streams = 2,
                                        .inner_tile = 8,
                                        .tiles = { 8, 32, 8, 32 },
                                        .pool = pool };
    void *scratch = xl_alloc(backend->scratch_bytes(&spec));
    if (!scratch)
        return (double)NAN;
    memset(p->h, 0, (TOKENS * V_ROW + C_ALL + QK_ROW + HEADS) * sizeof *p->h);
    for (size_t t = 0; t < TOKENS;) {
        size_t n = t ? TOKENS - t : TOKENS / 3;
        struct xl_chunk_job job = { .tokens = n,
                                    .q = p->q + t * QK_ROW,
                                    .k = p->k + t * QK_ROW,
                                    .v = p->v + t * V_ROW,
                                    .q_stride = QK_ROW,
                                    .k_stride = QK_ROW,
                                    .v_stride = V_ROW,
                                    .igate = p->i + t * HEADS,
                                    .fgate = p->f + t * HEADS,
                                    .gate_stride = HEADS,
                                    .h = p->h + t * V_ROW,
                                    .h_stride = V_ROW,
                                    .eps = 1e-6f,
                                    .C = p->C,
                                    .n = p->n,
                                    .m = p->m };
        backend->run(&spec, &job, scratch);
        t += n;
    }
    xl_free(scratch);
    return xl_check_distance(p->h, p->want, TOKENS * V_ROW);
}

static void check_cell(struct xl_check_list *list, struct problem *p,
                       const struct xl_cell *cell, double bound,
                       struct xl_pool *pool)
{
    static const enum xl_chunk_id ways[] = { XL_CHUNK_NATIVE, XL_CHUNK_SERIAL };
    static const char *const names[] = { "steps", "chunks" };
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        struct xl_check *check =
            xl_check_add(list, "cell", cell->name, names[w]);
        if (check && !(check->why_not = cell->why_not()))
            xl_check_settle(check,
                            distance(p, xl_chunk_get(ways[w]), cell, pool),
                            ways[w] == XL_CHUNK_NATIVE ? CELL_BOUND : bound);
    }
}

static void check_all(struct xl_check_list *list, struct problem *p,
                      struct xl_pool *pool)
{
    const struct xl_cell *tiled = xl_cell_get(XL_CELL_TILED);
    for (size_t c = 0; c < XL_CELL_COUNT; c++)
        check_cell(list, p, xl_cell_get((enum xl_cell_id)c),
                   c == XL_CELL_BF16 ? BF16_BOUND : CELL_BOUND, pool);
    for (size_t b = 0; b < XL_CHUNK_COUNT; b++) {
        const struct xl_chunk_backend *backend =
            xl_chunk_get((enum xl_chunk_id)b);
        xl_check_settle(xl_check_add(list, "backend", backend->name, NULL),
                        distance(p, backend, tiled, pool), CELL_BOUND);
    }
    struct xl_check *fault =
        xl_check_add(list, "backend", "serial", "one forget gate off by 0.01");
    if (!fault)
        return;
    fault->is_fault = true;
    p->f[TOKENS / 2 * HEADS] += 0.01f;
    xl_check_settle(fault,
                    distance(p, xl_chunk_get(XL_CHUNK_SERIAL), tiled, pool),
                    CELL_BOUND);
}

enum xl_status xl_check_cells(struct xl_check_list *list, struct xl_err *err)
{
    struct problem p;
    struct xl_pool *pool = NULL;
    bool ok = make(&p);
    for (size_t h = 0; ok && h < HEADS; h++)
        ok = solve_head(&p, h);
    enum xl_status rc =
        ok ? xl_pool_make(&pool, &(struct xl_pool_options){ .width = 2 }, err)
           : xl_fail(err, XL_ENOMEM, "cannot check kernels: out of memory");
    if (rc == XL_OK) {
        check_all(list, &p, pool);
        xl_pool_free(pool);
    }
    release(&p);
    return rc;
}
