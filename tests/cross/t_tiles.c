/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine of matrix tiles where its loops differ from those of other
 * engines: chunks of panels whose sums wait, panels in pairs that are gated. On
 * emulated tiles, and on real ones where they are.
 */
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/rng.h"
#include "kernel/cell/norm.h"
#include "kernel/gemm/gemm_int.h"
#include "tests/cross/gemm_emulated.h"
#include "tests/cross/gemm_fixture.h"
#include "tests/harness/test.h"

/* Of |x_i| |w_j|: x rounded to bf16, 2^-9 at most, averaged. */
#define TOLERANCE 4e-3

enum {
    M = 548,  /* more than a block of rows, and a part of a block of tiles */
    N = 600,  /* more than a chunk of pairs */
    K = 1350, /* 512 rows of it do not stay in a cache */
    HALF = 304
};

struct operands {
    float *x, *w, *y, *want, *scratch;
    void *data, *packed_x;
    struct xl_packed packed;
};

static const struct xl_gemm *const engines[] = {
#ifdef XL_X86_VARIANTS
    &xl_gemm_emulated,
#endif
    &xl_gemm_amx,
};

static const struct xl_gemm *engine_at(size_t i)
{
    return i < sizeof engines / sizeof *engines && !engines[i]->why_not()
               ? engines[i]
               : NULL;
}

static bool make(struct operands *o, const struct xl_gemm *gemm)
{
    struct xl_rng rng;
    struct xl_pack_sizes sizes;
    xl_rng_seed(&rng, 5);
    *o = (struct operands){ 0 };
    if (!xl_pack_sizes(&sizes, XL_PACK_BF16, N, K))
        return false;
    o->x = xl_alloc_floats(M, K);
    o->w = xl_alloc_floats(N, K);
    o->y = xl_alloc_floats(M, N);
    o->want = xl_alloc_floats(M, N);
    o->scratch = xl_alloc_floats(1, gemm->scratch_floats(K));
    o->data = xl_alloc(sizes.data_bytes);
    o->packed_x = xl_alloc(gemm->x_bytes(M, K));
    if (!o->x || !o->w || !o->y || !o->want || !o->scratch || !o->data ||
        !o->packed_x)
        return false;
    for (size_t i = 0; i < (size_t)M * K; i++)
        o->x[i] = (float)xl_rng_normal(&rng);
    for (size_t i = 0; i < (size_t)N * K; i++)
        o->w[i] = (float)xl_rng_normal(&rng);
    return true;
}

static void release(struct operands *o)
{
    void *const blocks[] = { o->x,       o->w,    o->y,       o->want,
                             o->scratch, o->data, o->packed_x };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        xl_free(blocks[i]);
}

/* The product of the first m rows and k inputs, x packed. */
static struct xl_gemm_job
make_job(struct operands *o, const struct xl_gemm *gemm, size_t m, size_t k)
{
    struct xl_pack_job pack = { .kind = XL_PACK_BF16,
                                .out = N,
                                .in = k,
                                .rows = o->w,
                                .dtype = XL_FP32,
                                .data = o->data };
    struct xl_gemm_job job = { .m = m,
                               .k = k,
                               .n_end = N,
                               .x = o->x,
                               .ldx = k,
                               .packed = &o->packed,
                               .y = o->y,
                               .ldy = N,
                               .scratch = o->scratch };
    xl_pack_run(&pack, 0, xl_pack_panels(N), NULL);
    o->packed = xl_pack_view(&pack);
    memset(o->packed_x, 0xff, gemm->x_bytes(m, k));
    gemm->pack_x(&job, 0, m, o->packed_x);
    job.packed_x = o->packed_x;
    return job;
}

static bool same(const struct operands *o, size_t m)
{
    return memcmp(o->y, o->want, m * N * sizeof *o->y) == 0;
}

/* Largest error of y in some rows and columns beside sums in double. */
static double error_of(const struct operands *o, const struct xl_gemm_job *job)
{
    double worst = 0;
    for (size_t i = 0; i < job->m; i += 7)
        for (size_t j = i % 13; j < N; j += 13) {
            const float *x = job->x + i * job->ldx;
            double want = 0, weights = 0;
            for (size_t c = 0; c < job->k; c++) {
                double w = (double)xl_packed_at(job->packed, j, c);
                want += (double)x[c] * w;
                weights += w * w;
            }
            double error = fabs((double)o->y[i * N + j] - want) /
                           (xl_fix_norm(x, job->k) * sqrt(weights));
            worst = error <= worst ? worst : error;
        }
    return worst;
}

/* Chunks and slices, however long, give one sum over k in order. */
static void chunks_keep_bits(struct xl_test *t)
{
    static const size_t ks[] = { 1350, 1024, 96 }, blocks[] = { 512, 96, 704 };
    struct operands o = { 0 };
    const struct xl_gemm *gemm;
    for (size_t e = 0; (gemm = engine_at(e)); e++) {
        bool ok = make(&o, gemm);
        XL_CHECK(t, ok);
        for (size_t i = 0; ok && i < sizeof ks / sizeof *ks; i++) {
            struct xl_gemm_job job = make_job(&o, gemm, M, ks[i]);
            xl_fix_run_parts(gemm, &job, N);
            XL_CHECK(t, error_of(&o, &job) <= TOLERANCE);
            memcpy(o.want, o.y, (size_t)M * N * sizeof *o.y);
            for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++) {
                job.k_block = blocks[b];
                xl_fix_run_parts(gemm, &job, b == 1 ? 101 : N);
                XL_CHECK(t, same(&o, M));
            }
            job.packed_x = NULL;
            xl_fix_run_parts(gemm, &job, N);
            XL_CHECK(t, same(&o, M));
        }
        release(&o);
    }
}

/* The first `wide` columns of want, gated by those HALF further on, as
 * pack_x packs them. */
static void want_gated(struct operands *o, const struct xl_gemm *gemm, size_t m,
                       size_t wide, unsigned char *to)
{
    struct xl_gemm_job job = { .m = m, .k = wide, .x = o->want, .ldx = N };
    for (size_t r = 0; r < m; r++)
        xl_row_ops_best()->swiglu(o->want + r * N, o->want + r * N + HALF,
                                  wide);
    gemm->pack_x(&job, 0, m, to);
}

/* Do rows of packed x agree? What pads them may be anything. */
static bool same_rows(const unsigned char *a, const unsigned char *b, size_t m,
                      size_t wide)
{
    size_t strip = xl_pack_groups(wide) * XL_GEMM_ROWS * XL_PACK_LINE;
    for (size_t r = 0; r < m; r++)
        for (size_t t = 0; t < xl_pack_groups(wide); t++) {
            size_t at = r / XL_GEMM_ROWS * strip +
                        (t * XL_GEMM_ROWS + r % XL_GEMM_ROWS) * XL_PACK_LINE;
            if (memcmp(a + at, b + at, XL_PACK_LINE) != 0)
                return false;
        }
    return true;
}

/* Gated outputs are those that y, gated and packed afterwards, gives. */
static void check_gated(struct xl_test *t, struct operands *o,
                        const struct xl_gemm *gemm, size_t i)
{
    static const size_t ms[] = { 16, 33, 548 };
    size_t wide = i < 6 ? N - HALF : 17 * XL_PACK_LANES; /* half a tile */
    size_t m = ms[i % 3], bytes = gemm->x_bytes(m, wide);
    unsigned char *want = xl_alloc(bytes), *gated = xl_alloc(bytes);
    if (XL_CHECK(t, want && gated)) {
        struct xl_gemm_job job = make_job(o, gemm, m, 524 + 100 * (i % 6));
        job.bias = i % 2 ? o->x : NULL; /* any N numbers */
        xl_fix_run_parts(gemm, &job, N);
        memcpy(o->want, o->y, m * N * sizeof *o->y);
        want_gated(o, gemm, m, wide, want);
        memset(gated, 0xff, bytes);
        job.gated = gated;
        job.gated_k = job.n_end = wide;
        job.pair_n = HALF;
        xl_fix_run_parts(gemm, &job, i % 2 ? 48 : job.n_end);
        XL_CHECK(t, same_rows(gated, want, m, wide));
        gated[0] ^= 1; /* planted */
        XL_CHECK(t, !same_rows(gated, want, m, wide));
    }
    xl_free(want);
    xl_free(gated);
}

static void outputs_are_gated(struct xl_test *t)
{
    struct operands o = { 0 };
    const struct xl_gemm *gemm;
    for (size_t e = 0; (gemm = engine_at(e)); e++) {
        bool ok = make(&o, gemm);
        XL_CHECK(t, ok && gemm->gates);
        for (size_t i = 0; ok && i < 12; i++)
            check_gated(t, &o, gemm, i);
        release(&o);
    }
}

/* Planted: columns of a neighbour are seen. */
static void tile_faults_are_seen(struct xl_test *t)
{
    struct operands o = { 0 };
    const struct xl_gemm *gemm = engine_at(0);
    if (!gemm)
        return;
    if (XL_CHECK(t, make(&o, gemm))) {
        struct xl_gemm_job job = make_job(&o, gemm, 40, 96);
        xl_fix_run_parts(gemm, &job, N);
        XL_CHECK(t, error_of(&o, &job) <= TOLERANCE);
        for (size_t i = 0; i < 40; i++)
            memmove(o.y + i * N, o.y + i * N + 1, (N - 1) * sizeof *o.y);
        XL_CHECK(t, error_of(&o, &job) > TOLERANCE);
    }
    release(&o);
}

const struct xl_test_case xl_suite_tiles[] = {
    XL_CASE(chunks_keep_bits),
    XL_CASE(outputs_are_gated),
    XL_CASE(tile_faults_are_seen),
    { 0 },
};
