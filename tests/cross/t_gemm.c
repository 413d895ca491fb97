/* SPDX-License-Identifier: Apache-2.0
 *
 * Every matrix engine and weight type against naive, on awkward shapes.
 *
 * Tolerance: TOLERANCE |x_i| |w_j|, with Euclidean norms. A sum of 257 terms
 * in fp32 and any order errs by less than 257 x 6e-8 of that, in practice by
 * 3e-7; a wrong or missing term shows as 1e-3 and more. */
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/rng.h"
#include "kernel/gemm/gemm.h"
#include "kernel/gemm/gemm_int.h"
#include "tests/cross/gemm_fixture.h"
#include "tests/harness/test.h"

#define TOLERANCE 2e-6

enum {
    MOST = 257,
    PAD = 5
};

static const size_t sides[] = {
    1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 97, 257
};
static const size_t n_sides = sizeof sides / sizeof sides[0];

/* All engines of the registry and all their variants. */
static const struct xl_gemm *const engines[] = {
    &xl_gemm_naive,       &xl_gemm_vector,        &xl_gemm_wide,
#ifdef XL_X86_VARIANTS
    &xl_gemm_vector_avx2, &xl_gemm_vector_avx512, &xl_gemm_wide_avx2,
    &xl_gemm_wide_avx512,
#endif
    &xl_gemm_openblas,
};
static const size_t n_engines = sizeof engines / sizeof engines[0];

struct operands {
    float *x, *w, *bias, *y, *want, *scratch;
    double *x_norm, *w_norm;
    uint16_t *w_bf16;
};

static void fill(struct operands *o)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, 7);
    for (size_t i = 0; i < MOST * (MOST + PAD); i++)
        o->x[i] = (float)xl_rng_normal(&rng);
    for (size_t i = 0; i < MOST * MOST; i++) {
        float w = (float)xl_rng_normal(&rng);
        o->w_bf16[i] = xl_f32_to_bf16(w);
        o->w[i] = w;
    }
    for (size_t i = 0; i < MOST; i++)
        o->bias[i] = (float)xl_rng_normal(&rng);
}

static size_t most_scratch(void)
{
    size_t most = 1;
    for (size_t i = 0; i < n_engines; i++)
        if (engines[i]->scratch_floats(MOST) > most)
            most = engines[i]->scratch_floats(MOST);
    return most;
}

static bool make_operands(struct operands *o)
{
    size_t n = MOST * (MOST + PAD);
    *o = (struct operands){
        .x = xl_alloc_zero(n, sizeof *o->x),
        .w = xl_alloc_zero(n, sizeof *o->w),
        .bias = xl_alloc_zero(MOST, sizeof *o->bias),
        .y = xl_alloc_zero(n, sizeof *o->y),
        .want = xl_alloc_zero(n, sizeof *o->want),
        .scratch = xl_alloc_zero(most_scratch(), sizeof *o->scratch),
        .x_norm = xl_alloc_zero(MOST, sizeof *o->x_norm),
        .w_norm = xl_alloc_zero(MOST, sizeof *o->w_norm),
        .w_bf16 = xl_alloc_zero(n, sizeof *o->w_bf16),
    };
    bool ok = o->x && o->w && o->bias && o->y && o->want && o->scratch &&
              o->x_norm && o->w_norm && o->w_bf16;
    if (ok)
        fill(o);
    return ok;
}

static void free_operands(struct operands *o)
{
    xl_free(o->x);
    xl_free(o->w);
    xl_free(o->bias);
    xl_free(o->y);
    xl_free(o->want);
    xl_free(o->scratch);
    xl_free(o->x_norm);
    xl_free(o->w_norm);
    xl_free(o->w_bf16);
}

/* x and y have PAD columns more than they use. */
static struct xl_gemm_job make_job(const struct operands *o, size_t m, size_t n,
                                   size_t k, enum xl_dtype dtype)
{
    return (struct xl_gemm_job){
        .m = m,
        .k = k,
        .n_end = n,
        .x = o->x,
        .ldx = k + PAD,
        .w = dtype == XL_BF16 ? (const void *)o->w_bf16 : o->w,
        .w_dtype = dtype,
        .bias = n % 2 ? o->bias : NULL,
        .y = o->y,
        .ldy = n + PAD,
        .scratch = o->scratch,
    };
}

/* naive's answer and the norms for this job. */
static void prepare(const struct operands *o, const struct xl_gemm_job *job)
{
    struct xl_gemm_job want = *job;
    want.y = o->want;
    xl_gemm_naive.run(&want);
    for (size_t i = 0; i < job->m; i++)
        o->x_norm[i] = xl_fix_norm(job->x + i * job->ldx, job->k);
    for (size_t j = 0; j < job->n_end; j++)
        o->w_norm[j] = xl_fix_norm(o->w + j * job->k, job->k) * 1.01;
}

/* Runs the job in column ranges of at most `part` and compares with want;
 * the columns beyond n must stay as they were. */
static bool agrees(const struct xl_gemm *gemm, const struct operands *o,
                   const struct xl_gemm_job *whole, size_t part)
{
    size_t n = whole->n_end;
    for (size_t i = 0; i < whole->m * whole->ldy; i++)
        o->y[i] = -77.0f;
    for (size_t j = 0; j < n; j += part) {
        struct xl_gemm_job job = *whole;
        job.n_begin = j;
        job.n_end = n - j < part ? n : j + part;
        gemm->run(&job);
    }
    for (size_t i = 0; i < whole->m; i++)
        for (size_t j = 0; j < whole->ldy; j++) {
            double got = (double)o->y[i * whole->ldy + j], want = -77, tol = 0;
            if (j < n) {
                want = (double)o->want[i * whole->ldy + j];
                tol = TOLERANCE * (o->x_norm[i] * o->w_norm[j] + fabs(want));
            }
            if (!(fabs(got - want) <= tol))
                return false;
        }
    return true;
}

static void check_shape(struct xl_test *t, const struct operands *o,
                        const struct xl_gemm_job *job)
{
    size_t n = job->n_end;
    prepare(o, job);
    for (size_t e = 0; e < n_engines; e++) {
        if (engines[e]->why_not())
            continue;
        bool ok = agrees(engines[e], o, job, n) &&
                  (n == 1 || agrees(engines[e], o, job, (n + 2) / 3));
        xl_test_check(t, ok, __FILE__, __LINE__,
                      "%s (%zu), %s weights, m %zu n %zu k %zu",
                      engines[e]->name, e, xl_dtype_name(job->w_dtype), job->m,
                      n, job->k);
    }
}

/* All sides but for products so large that they only repeat the others. */
static void engines_agree(struct xl_test *t)
{
    struct operands o;
    if (XL_CHECK(t, make_operands(&o)))
        for (size_t s = 0; s < n_sides * n_sides * n_sides; s++) {
            size_t m = sides[s % n_sides], n = sides[s / n_sides % n_sides];
            size_t k = sides[s / n_sides / n_sides];
            if (m * n * k > (size_t)1 << 21)
                continue;
            struct xl_gemm_job job = make_job(&o, m, n, k, XL_FP32);
            check_shape(t, &o, &job);
            job = make_job(&o, m, n, k, XL_BF16);
            check_shape(t, &o, &job);
        }
    free_operands(&o);
}

/* k beyond one block of the vector engine, and many rows. */
static void blocks_add_up(struct xl_test *t)
{
    enum {
        M = 70,
        N = 9,
        K = 2100
    };
    struct xl_rng rng;
    float *x = xl_alloc_zero(M * K, sizeof *x), *y = xl_alloc(M * N * 4);
    float *w = xl_alloc_zero(N * K, sizeof *w), *want = xl_alloc(M * N * 4);
    xl_rng_seed(&rng, 3);
    for (size_t i = 0; i < M * K; i++)
        x[i] = (float)xl_rng_normal(&rng);
    for (size_t i = 0; i < N * K; i++)
        w[i] = (float)xl_rng_normal(&rng);
    struct xl_gemm_job job = { .m = M,
                               .k = K,
                               .n_end = N,
                               .x = x,
                               .ldx = K,
                               .w = w,
                               .w_dtype = XL_FP32,
                               .y = want,
                               .ldy = N };
    xl_gemm_naive.run(&job);
    job.y = y;
    for (size_t e = 0; e < n_engines; e++) {
        if (engines[e]->why_not())
            continue;
        double worst = 0;
        engines[e]->run(&job);
        for (size_t i = 0; i < M * N; i++)
            worst = fmax(worst, fabs((double)y[i] - (double)want[i]));
        XL_CHECK_NEAR(t, worst, 0, TOLERANCE * K);
    }
    xl_free(x);
    xl_free(y);
    xl_free(w);
    xl_free(want);
}

/* All engines but OpenBLAS promise the same bits for every column range and
 * for each row alone. */
static bool keeps_bits(const struct xl_gemm *gemm, const struct operands *o,
                       const struct xl_gemm_job *whole)
{
    struct xl_gemm_job job = *whole;
    job.y = o->want;
    gemm->run(&job);
    for (size_t i = 0; i < whole->m; i++)
        for (size_t j = 0; j < whole->n_end; j++) {
            job = *whole;
            job.m = 1;
            job.x += i * job.ldx;
            job.n_begin = j;
            job.n_end = j + 1;
            gemm->run(&job);
            if (memcmp(&job.y[j], &o->want[i * whole->ldy + j],
                       sizeof *job.y) != 0)
                return false;
        }
    return true;
}

static void engines_keep_bits(struct xl_test *t)
{
    static const size_t shapes[][3] = {
        { 1, 17, 33 }, { 2, 9, 64 }, { 7, 31, 257 }, { 33, 16, 97 }
    };
    struct operands o;
    if (XL_CHECK(t, make_operands(&o)))
        for (size_t e = 1; e + 1 < n_engines; e++)
            for (size_t s = 0; s < 8; s++) {
                const size_t *shape = shapes[s / 2];
                struct xl_gemm_job job =
                    make_job(&o, shape[0], shape[1], shape[2],
                             s % 2 ? XL_BF16 : XL_FP32);
                if (!engines[e]->why_not())
                    XL_CHECK(t, keeps_bits(engines[e], &o, &job));
            }
    free_operands(&o);
}

/* -- planted faults: the checks above must reject these ------------------- */

static void run_without_tail(const struct xl_gemm_job *job)
{
    struct xl_gemm_job part = *job;
    if (job->k % 16 == 0) {
        xl_gemm_naive.run(job);
        return;
    }
    part.bias = NULL;
    for (size_t i = 0; i < job->m; i++)
        for (size_t j = job->n_begin; j < job->n_end; j++) {
            part.k = job->k / 16 * 16;
            part.w = (const float *)job->w + j * job->k;
            part.m = 1;
            part.x = job->x + i * job->ldx;
            part.y = job->y + i * job->ldy + j;
            part.n_begin = 0;
            part.n_end = 1;
            xl_gemm_naive.run(&part);
        }
}

static void run_without_bias(const struct xl_gemm_job *job)
{
    struct xl_gemm_job part = *job;
    part.bias = NULL;
    xl_gemm_naive.run(&part);
}

static void run_too_far(const struct xl_gemm_job *job)
{
    xl_gemm_naive.run(job);
    job->y[job->n_end] = 0;
}

/* Right to the last bit but one when there are several rows. */
static void run_by_rows(const struct xl_gemm_job *job)
{
    xl_gemm_naive.run(job);
    if (job->m > 1)
        job->y[job->n_begin] = nextafterf(job->y[job->n_begin], INFINITY);
}

static void faults_are_seen(struct xl_test *t)
{
    static const struct xl_gemm faulty[] = { { .run = run_without_tail },
                                             { .run = run_without_bias },
                                             { .run = run_too_far } };
    struct operands o;
    if (XL_CHECK(t, make_operands(&o))) {
        struct xl_gemm_job job = make_job(&o, 3, 17, 33, XL_FP32);
        prepare(&o, &job);
        XL_CHECK(t, agrees(&xl_gemm_naive, &o, &job, 17));
        for (size_t i = 0; i < 3; i++)
            XL_CHECK(t, !agrees(&faulty[i], &o, &job, 17));
        XL_CHECK(t, keeps_bits(&xl_gemm_naive, &o, &job));
        XL_CHECK(
            t, !keeps_bits(&(struct xl_gemm){ .run = run_by_rows }, &o, &job));
    }
    free_operands(&o);
}

/* -- the registry --------------------------------------------------------- */

static void registry_follows_its_list(struct xl_test *t)
{
    static const char *const names[] = {
#define XL_GEMM(id, name, summary) #name,
#include "kernel/gemm/gemm.def"
#undef XL_GEMM
    };
    for (size_t i = 0; i < XL_GEMM_COUNT; i++) {
        const struct xl_gemm *gemm = xl_gemm_get((enum xl_gemm_id)i);
        XL_CHECK_TEXT(t, gemm->name, names[i]);
        XL_CHECK(t, gemm->reads_rows || gemm->reads_packed);
        if (gemm->reads_rows) /* the others need a processor's extension */
            XL_CHECK(t, gemm->why_not() == NULL);
    }
}

/* -- element types -------------------------------------------------------- */

/* fp16 by its definition: sign, exponent, fraction. */
static double f16_value(uint16_t x)
{
    int exponent = x >> 10 & 31, fraction = x & 1023;
    double size = exponent == 0 ? ldexp(fraction, -24)
                                : ldexp(1024 + fraction, exponent - 15 - 10);
    return x & 0x8000 ? -size : size;
}

static void dtypes_convert(struct xl_test *t)
{
    size_t wrong = 0;
    for (uint32_t x = 0; x < 0x10000; x++) {
        float got = xl_f16_to_f32((uint16_t)x), wide;
        unsigned char bytes[3];
        memcpy(bytes + 1, &(uint16_t){ (uint16_t)x }, 2);
        xl_to_f32(&wide, bytes + 1, XL_FP16, 1);
        wrong += memcmp(&got, &wide, sizeof got) != 0;
        if ((x >> 10 & 31) == 31)
            wrong += x & 1023 ? !isnan(got) : !isinf(got);
        else
            wrong += (double)got != f16_value((uint16_t)x) ||
                     !signbit(got) != !(x & 0x8000);
    }
    XL_CHECK_EQ(t, wrong, 0);
    for (size_t i = 0; i < XL_DTYPE_COUNT; i++) {
        enum xl_dtype dtype = (enum xl_dtype)i;
        XL_CHECK_EQ(t, xl_dtype_from_file(xl_dtype_file_name(dtype)), dtype);
    }
    XL_CHECK_EQ(t, xl_dtype_from_file("F8"), XL_DTYPE_COUNT);
    XL_CHECK_EQ(t, xl_dtype_bytes(XL_BF16), 2);
}

/* bf16 to the nearest, ties to even. */
static void bf16_rounds(struct xl_test *t)
{
    XL_CHECK_EQ(t, xl_f32_to_bf16(1.0f), 0x3f80);
    XL_CHECK_EQ(t, xl_f32_to_bf16(0x1.01p0f), 0x3f80);    /* tie, to even */
    XL_CHECK_EQ(t, xl_f32_to_bf16(0x1.03p0f), 0x3f82);    /* tie, to even */
    XL_CHECK_EQ(t, xl_f32_to_bf16(0x1.01002p0f), 0x3f81); /* just above */
    XL_CHECK_EQ(t, xl_f32_to_bf16(-INFINITY), 0xff80);
    XL_CHECK(t, isnan(xl_bf16_to_f32(xl_f32_to_bf16(NAN))));
}

const struct xl_test_case xl_suite_gemm[] = {
    XL_CASE(engines_agree),
    XL_CASE(blocks_add_up),
    XL_CASE(engines_keep_bits),
    XL_CASE(faults_are_seen),
    XL_CASE(registry_follows_its_list),
    XL_CASE(dtypes_convert),
    XL_CASE(bf16_rounds),
    { 0 },
};
