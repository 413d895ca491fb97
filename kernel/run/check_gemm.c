/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix engines on rows and on packed weights of every kind. An engine that
 * does not read fp32 weights rounds its inputs too, to bf16 or int8. */

#include "kernel/base/alloc.h"
#include "kernel/base/rng.h"
#include "kernel/gemm/gemm.h"
#include "kernel/run/check_int.h"

#define EXACT_BOUND   1e-5
#define ROUNDED_BOUND 2e-2

enum {
    FEW = 5,
    M = 37, /* many: more than a tile of rows, and a part of one */
    N = 35,
    K = 67
};

struct problem {
    float *x, *w, *y, *scratch;
    double *want;
    void *data;
    uint16_t *scales;
    struct xl_packed packed;
};

static size_t most_scratch(void)
{
    size_t most = 1;
    for (size_t e = 0; e < XL_GEMM_COUNT; e++) {
        size_t n = xl_gemm_get((enum xl_gemm_id)e)->scratch_floats(K);
        most = n > most ? n : most;
    }
    return most;
}

static bool make(struct problem *p)
{
    struct xl_rng rng;
    struct xl_pack_sizes sizes;
    if (!xl_pack_sizes(&sizes, XL_PACK_FP32, N, K))
        return false;
    xl_rng_seed(&rng, 3);
    *p = (struct problem){
        .x = xl_alloc_zero(M * K, sizeof *p->x),
        .w = xl_alloc_zero(N * K, sizeof *p->w),
        .y = xl_alloc_zero(M * N, sizeof *p->y),
        .scratch = xl_alloc_zero(most_scratch(), sizeof *p->scratch),
        .want = xl_alloc_zero(M * N, sizeof *p->want),
        .data = xl_alloc(sizes.data_bytes),
        .scales =
            xl_alloc_zero(xl_pack_panels(N) * xl_pack_groups(K) * XL_PACK_LANES,
                          sizeof *p->scales),
    };
    if (!p->x || !p->w || !p->y || !p->scratch || !p->want || !p->data ||
        !p->scales)
        return false;
    for (size_t i = 0; i < M * K; i++)
        p->x[i] = (float)xl_rng_normal(&rng);
    for (size_t i = 0; i < N * K; i++)
        p->w[i] = (float)xl_rng_normal(&rng);
    return true;
}

static void release(struct problem *p)
{
    void *const blocks[] = { p->x,    p->w,    p->y,     p->scratch,
                             p->want, p->data, p->scales };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        xl_free(blocks[i]);
}

static struct xl_pack_job pack_job(const struct problem *p,
                                   enum xl_pack_kind kind)
{
    return (struct xl_pack_job){ .kind = kind,
                                 .out = N,
                                 .in = K,
                                 .rows = p->w,
                                 .dtype = XL_FP32,
                                 .data = p->data,
                                 .scales = p->scales };
}

/* packed NULL = the rows. */
static void fill_want(struct problem *p, const struct xl_packed *packed)
{
    for (size_t i = 0; i < M; i++) {
        for (size_t j = 0; j < N; j++) {
            double sum = 0;
            for (size_t c = 0; c < K; c++) {
                float w = packed ? xl_packed_at(packed, j, c) : p->w[j * K + c];
                sum += (double)p->x[i * K + c] * (double)w;
            }
            p->want[i * N + j] = sum;
        }
    }
}

static double distance_of(struct problem *p, const struct xl_gemm *gemm,
                          const struct xl_packed *packed, size_t m)
{
    gemm->run(&(struct xl_gemm_job){ .m = m,
                                     .k = K,
                                     .n_end = N,
                                     .x = p->x,
                                     .ldx = K,
                                     .w = packed ? NULL : p->w,
                                     .w_dtype = XL_FP32,
                                     .packed = packed,
                                     .y = p->y,
                                     .ldy = N,
                                     .scratch = p->scratch });
    return xl_check_distance(p->y, p->want, m * N);
}

/* Few rows and many: engines have a kernel for each. */
static double distance(struct problem *p, const struct xl_gemm *gemm,
                       const struct xl_packed *packed)
{
    double few = distance_of(p, gemm, packed, FEW);
    double many = distance_of(p, gemm, packed, M);
    return few > many ? few : many;
}

static void check_one(struct xl_check_list *list, struct problem *p,
                      const struct xl_gemm *gemm,
                      const struct xl_packed *packed)
{
    bool is_exact = xl_gemm_reads_rows(gemm, XL_FP32) ||
                    xl_gemm_reads_packed(gemm, XL_PACK_FP32);
    struct xl_check *check = xl_check_add(
        list, "gemm", gemm->name, packed ? xl_pack_name(packed->kind) : "rows");
    if (check && !(check->why_not = gemm->why_not()))
        xl_check_settle(check, distance(p, gemm, packed),
                        is_exact ? EXACT_BOUND : ROUNDED_BOUND);
}

/* One weight of the last product is another than the engine multiplies. */
static void check_fault(struct xl_check_list *list, struct problem *p)
{
    const struct xl_gemm *gemm = xl_gemm_get(XL_GEMM_VECTOR);
    struct xl_check *check =
        xl_check_add(list, "gemm", gemm->name, "one weight of 2345 wrong");
    if (!check)
        return;
    check->is_fault = true;
    fill_want(p, NULL);
    p->w[N * K / 2] += 0.01f;
    xl_check_settle(check, distance(p, gemm, NULL), EXACT_BOUND);
    p->w[N * K / 2] -= 0.01f;
}

enum xl_status xl_check_gemm(struct xl_check_list *list, struct xl_err *err)
{
    struct problem p;
    if (!make(&p)) {
        release(&p);
        return xl_fail(err, XL_ENOMEM, "cannot check kernels: out of memory");
    }
    fill_want(&p, NULL);
    for (size_t e = 0; e < XL_GEMM_COUNT; e++) {
        const struct xl_gemm *gemm = xl_gemm_get((enum xl_gemm_id)e);
        if (xl_gemm_reads_rows(gemm, XL_FP32))
            check_one(list, &p, gemm, NULL);
    }
    for (size_t kind = 0; kind < XL_PACK_COUNT; kind++) {
        struct xl_pack_job job = pack_job(&p, (enum xl_pack_kind)kind);
        xl_pack_run(&job, 0, xl_pack_panels(N), NULL);
        p.packed = xl_pack_view(&job);
        fill_want(&p, &p.packed);
        for (size_t e = 0; e < XL_GEMM_COUNT; e++) {
            const struct xl_gemm *gemm = xl_gemm_get((enum xl_gemm_id)e);
            if (xl_gemm_reads_packed(gemm, job.kind))
                check_one(list, &p, gemm, &p.packed);
        }
    }
    check_fault(list, &p);
    release(&p);
    return XL_OK;
}
