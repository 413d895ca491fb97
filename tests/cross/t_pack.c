/* SPDX-License-Identifier: Apache-2.0
 *
 * Packing, and every engine that reads packed weights against naive on the
 * same packed weights, for every kind, on awkward shapes.
 *
 * Tolerance: a part of |x_i| |w_j|, Euclidean norms. Engines in fp32 stay
 * below 2e-6 as in t_gemm.c; engines that round x to bf16, or weights that
 * were scaled to bf16, are allowed that rounding: 2^-8 at most for each of the
 * two, averaged over the sum. vnni rounds x to 127 steps of a group's largest:
 * half a step is 2^-8 of that. wide gives the bits of naive. */
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/cpu.h"
#include "kernel/base/rng.h"
#include "kernel/gemm/gemm.h"
#include "kernel/gemm/gemm_int.h"
#include "kernel/gemm/pack_int.h"
#include "tests/cross/gemm_emulated.h"
#include "tests/cross/gemm_fixture.h"
#include "tests/harness/test.h"

enum {
    MOST = 130,
    MOST_K = 521,
    TALL = 1000, /* more rows than a block of any engine */
    TALL_K = 65,
    PAD = 3
};

/* Every engine that reads packed weights, and how far it may be off. */
static const struct {
    const struct xl_gemm *gemm;
    double tolerance;
} engines[] = {
    { &xl_gemm_naive, 0 },          { &xl_gemm_avx2, 2e-6 },
    { &xl_gemm_avx512, 2e-6 },      { &xl_gemm_avx512bf16, 8.5e-3 },
    { &xl_gemm_amx, 8.5e-3 },       { &xl_gemm_vnni, 8.5e-3 },
    { &xl_gemm_vnni_avx2, 8.5e-3 }, { &xl_gemm_vnni_maddubs, 8.5e-3 },
    { &xl_gemm_wide_avx2, 0 },      { &xl_gemm_wide_avx512, 0 },
#ifdef XL_X86_VARIANTS
    { &xl_gemm_emulated, 8.5e-3 },
#endif
};
static const size_t n_engines = sizeof engines / sizeof engines[0];

struct operands {
    float *x, *w, *bias, *y, *want, *scratch;
    void *data, *packed_x;
    uint16_t *scales;
    struct xl_packed packed;
};

static size_t most_scratch(void)
{
    size_t most = 1;
    for (size_t e = 0; e < n_engines; e++)
        if (engines[e].gemm->scratch_floats(MOST_K) > most)
            most = engines[e].gemm->scratch_floats(MOST_K);
    return most;
}

/* Bytes of any packed x with one of these numbers of rows. */
static size_t most_packed_x(void)
{
    size_t most = 1;
    for (size_t e = 0; e < n_engines; e++) {
        const struct xl_gemm *gemm = engines[e].gemm;
        size_t wide = gemm->x_bytes ? gemm->x_bytes(MOST, MOST_K) : 0;
        size_t tall = gemm->x_bytes ? gemm->x_bytes(TALL, TALL_K) : 0;
        most = wide > most ? wide : most;
        most = tall > most ? tall : most;
    }
    return most;
}

static bool make_operands(struct operands *o)
{
    struct xl_rng rng;
    size_t n = MOST * (MOST_K + PAD), panels = xl_pack_panels(MOST);
    xl_rng_seed(&rng, 11);
    *o = (struct operands){
        .x = xl_alloc_zero(n, sizeof *o->x),
        .w = xl_alloc_zero(n, sizeof *o->w),
        .bias = xl_alloc_zero(MOST, sizeof *o->bias),
        .y = xl_alloc_zero(n, sizeof *o->y),
        .want = xl_alloc_zero(n, sizeof *o->want),
        .scratch = xl_alloc_zero(most_scratch(), sizeof *o->scratch),
        .data = xl_alloc(panels * xl_pack_panel_bytes(XL_PACK_FP32, MOST_K)),
        .packed_x = xl_alloc(most_packed_x()),
        .scales = xl_alloc(panels * xl_pack_groups(MOST_K) * 32),
    };
    bool ok = o->x && o->w && o->bias && o->y && o->want && o->scratch &&
              o->data && o->packed_x && o->scales;
    for (size_t i = 0; ok && i < n; i++) {
        o->x[i] = (float)xl_rng_normal(&rng);
        o->w[i] = (float)xl_rng_normal(&rng);
    }
    for (size_t i = 0; ok && i < MOST; i++)
        o->bias[i] = (float)xl_rng_normal(&rng);
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
    xl_free(o->data);
    xl_free(o->packed_x);
    xl_free(o->scales);
}

/* Packs the first n x k weights and gives their product with m rows. */
static struct xl_gemm_job make_job(struct operands *o, size_t m, size_t n,
                                   size_t k, enum xl_pack_kind kind)
{
    struct xl_pack_job job = { .kind = kind,
                               .out = n,
                               .in = k,
                               .rows = o->w,
                               .dtype = XL_FP32,
                               .data = o->data,
                               .scales = o->scales };
    xl_pack_run(&job, 0, xl_pack_panels(n), NULL);
    o->packed = xl_pack_view(&job);
    return (struct xl_gemm_job){
        .m = m,
        .k = k,
        .n_end = n,
        .x = o->x,
        .ldx = k + PAD,
        .packed = &o->packed,
        .bias = n % 2 ? o->bias : NULL,
        .y = o->y,
        .ldy = n + PAD,
        .scratch = o->scratch,
    };
}

/* The largest error against want as a part of the norms; infinity when a
 * column beyond n was touched. */
static double error_of(const struct operands *o, const struct xl_gemm_job *job)
{
    double worst = 0;
    for (size_t i = 0; i < job->m; i++)
        for (size_t j = 0; j < job->ldy; j++) {
            double got = (double)o->y[i * job->ldy + j];
            if (j >= job->n_end) {
                worst = got == -77.0 ? worst : (double)INFINITY;
                continue;
            }
            double want = (double)o->want[i * job->ldy + j];
            double size = xl_fix_norm(job->x + i * job->ldx, job->k) *
                              xl_fix_norm(o->w + j * job->k, job->k) +
                          fabs(want);
            double error = fabs(got - want) / size;
            worst = error <= worst ? worst : error;
        }
    return worst;
}

static bool same_bits(const struct operands *o, const struct xl_gemm_job *job)
{
    for (size_t i = 0; i < job->m; i++)
        if (memcmp(o->y + i * job->ldy, o->want + i * job->ldy,
                   job->n_end * sizeof *o->y) != 0)
            return false;
    return true;
}

/* x packed in three spans of rows, or of inputs, the last first. */
static void pack_spans(const struct operands *o, struct xl_gemm_job job,
                       const struct xl_gemm *gemm, bool by_k)
{
    const float *x = job.x;
    size_t n = by_k ? job.k : job.m, steps = (n + 15) / XL_GEMM_ROWS;
    memset(o->packed_x, 0xff, gemm->x_bytes(job.m, job.k));
    for (size_t i = 3; i-- > 0;) {
        size_t begin = steps * i / 3 * XL_GEMM_ROWS;
        size_t end = i < 2 ? steps * (i + 1) / 3 * XL_GEMM_ROWS : n;
        job.k_begin = by_k ? begin : 0;
        job.k_end = by_k ? end : 0;
        job.x = x + job.k_begin;
        if (begin < end)
            gemm->pack_x(&job, by_k ? 0 : begin, by_k ? job.m : end,
                         o->packed_x);
    }
}

/* x packed beforehand, other slices, prefetched or not: the same bits. */
static void check_packed_x(struct xl_test *t, const struct operands *o,
                           const struct xl_gemm_job *job,
                           const struct xl_gemm *gemm)
{
    static const size_t k_blocks[6] = { 0, 64, 512, 0, 64, 512 };
    if (!gemm->x_bytes || gemm->x_bytes(job->m, job->k) == 0)
        return;
    for (size_t i = 0; i < 6; i++) {
        struct xl_gemm_job part = *job;
        if (i % 3 == 0)
            pack_spans(o, *job, gemm, i > 0);
        part.x = NULL;
        part.packed_x = o->packed_x;
        part.k_block = k_blocks[i];
        part.no_prefetch = i % 3 == 1;
        xl_fix_run_parts(gemm, &part, i % 3 ? job->n_end : job->n_end / 3 + 1);
        xl_test_check(t, same_bits(o, &part), __FILE__, __LINE__,
                      "%s, m %zu n %zu k %zu, packed x %zu", gemm->name, job->m,
                      job->n_end, job->k, i);
    }
}

static void check_engine(struct xl_test *t, const struct operands *o,
                         const struct xl_gemm_job *job, size_t e)
{
    const struct xl_gemm *gemm = engines[e].gemm;
    size_t n = job->n_end, parts[] = { n, (n + 2) / 3, 5 };
    struct xl_gemm_job want = *job;
    want.y = o->want;
    xl_gemm_naive.run(&want);
    xl_fix_run_parts(gemm, job, n);
    double error = error_of(o, job);
    xl_test_check(t, error <= engines[e].tolerance, __FILE__, __LINE__,
                  "%s, %s weights, m %zu n %zu k %zu: error %.2g", gemm->name,
                  xl_pack_name(job->packed->kind), job->m, n, job->k, error);
    memcpy(o->want, o->y, job->m * job->ldy * sizeof *o->y);
    for (size_t p = 1; p < sizeof parts / sizeof *parts; p++) {
        xl_fix_run_parts(gemm, job, parts[p]);
        xl_test_check(t, same_bits(o, job), __FILE__, __LINE__,
                      "%s, %s weights, m %zu n %zu k %zu in parts of %zu",
                      gemm->name, xl_pack_name(job->packed->kind), job->m, n,
                      job->k, parts[p]);
    }
    check_packed_x(t, o, job, gemm);
}

static void packed_engines_agree(struct xl_test *t)
{
    static const size_t ms[] = { 1, 2, 3, 5, 8, 9, 15, 31, 64, 97 };
    static const size_t ns[] = { 1, 15, 16, 17, 31, 33, 97, 127 };
    static const size_t ks[] = { 1, 17, 31, 32, 33, 64, 97, 257, 521 };
    struct operands o;
    if (XL_CHECK(t, make_operands(&o)))
        for (size_t s = 0; s < 10 * 8 * 9; s++) {
            size_t m = ms[s % 10], n = ns[s / 10 % 8], k = ks[s / 80];
            if (m * n * k > (size_t)1 << 19)
                continue;
            for (size_t kind = 0; kind < XL_PACK_COUNT; kind++) {
                struct xl_gemm_job job =
                    make_job(&o, m, n, k, (enum xl_pack_kind)kind);
                for (size_t e = 1; e < n_engines; e++)
                    if (xl_gemm_reads_packed(engines[e].gemm,
                                             job.packed->kind) &&
                        !engines[e].gemm->why_not())
                        check_engine(t, &o, &job, e);
            }
        }
    free_operands(&o);
}

/* Rows enough for several blocks of them, or columns. */
static void blocks_of_rows_agree(struct xl_test *t)
{
    struct operands o;
    if (XL_CHECK(t, make_operands(&o)))
        for (size_t s = 0; s < n_engines * XL_PACK_COUNT; s++) {
            enum xl_pack_kind kind = (enum xl_pack_kind)(s / n_engines);
            const struct xl_gemm *gemm = engines[s % n_engines].gemm;
            if (!xl_gemm_reads_packed(gemm, kind) || gemm->why_not())
                continue;
            struct xl_gemm_job job = make_job(&o, TALL, 33, TALL_K, kind);
            check_engine(t, &o, &job, s % n_engines);
            job = make_job(&o, 20, 2 * MOST + 40, TALL_K, kind);
            check_engine(t, &o, &job, s % n_engines);
        }
    free_operands(&o);
}

/* Sums in double have the bits of naive, sums in fp32 have not. */
static void bound_tells_double(struct xl_test *t)
{
    struct operands o;
    if (XL_CHECK(t, make_operands(&o)))
        for (size_t e = 1; e < n_engines; e++) {
            const struct xl_gemm *gemm = engines[e].gemm;
            struct xl_gemm_job job = make_job(&o, 31, 97, 521, XL_PACK_FP32);
            if (!xl_gemm_reads_packed(gemm, XL_PACK_FP32) || gemm->why_not())
                continue;
            xl_gemm_naive.run(&job);
            memcpy(o.want, o.y, job.m * job.ldy * sizeof *o.y);
            xl_fix_run_parts(gemm, &job, job.n_end);
            XL_CHECK_EQ(t, same_bits(&o, &job), engines[e].tolerance == 0);
        }
    free_operands(&o);
}

/* Up to few_rows rows: whatever stands beside a row, its bits stay. */
static void check_rows(struct xl_test *t, struct operands *o,
                       const struct xl_gemm *gemm, struct xl_gemm_job job)
{
    size_t m = job.m;
    xl_fix_run_parts(gemm, &job, job.n_end);
    memcpy(o->want, o->y, m * job.ldy * sizeof *o->y);
    job.m = 1;
    for (size_t i = 0; i < m; i++, job.x += job.ldx, job.y += job.ldy)
        gemm->run(&job);
    job.y = o->y;
    job.m = m;
    xl_test_check(t, same_bits(o, &job), __FILE__, __LINE__,
                  "%s, %s weights, %zu rows", gemm->name,
                  xl_pack_name(job.packed->kind), m);
}

static void rows_keep_bits(struct xl_test *t)
{
    static const size_t ms[] = { 1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 31, 97 };
    const size_t n_ms = sizeof ms / sizeof *ms;
    struct operands o;
    if (XL_CHECK(t, make_operands(&o)))
        for (size_t s = 0; s < n_engines * XL_PACK_COUNT * n_ms; s++) {
            const struct xl_gemm *gemm = engines[s % n_engines].gemm;
            enum xl_pack_kind kind = s / n_engines % XL_PACK_COUNT;
            size_t m = ms[s / n_engines / XL_PACK_COUNT];
            if (!xl_gemm_reads_packed(gemm, kind) || gemm->why_not() ||
                (gemm->few_rows && m > gemm->few_rows))
                continue;
            check_rows(t, &o, gemm, make_job(&o, m, 97, 97, kind));
        }
    free_operands(&o);
}

/* -- packing -------------------------------------------------------------- */

/* What packing may lose, root mean square, on normal weights. */
static const double rms_bound[] = {
    [XL_PACK_FP32] = 0,
    [XL_PACK_BF16] = 1.8e-3,
    [XL_PACK_INT8] = 6e-3,
    [XL_PACK_INT4] = 7.4e-2,
};

/* A row read at once has the bits of its weights read one by one. */
static bool reads_rows(const struct operands *o, size_t n, size_t k)
{
    float *row = xl_alloc_floats(k, 1);
    bool same = row != NULL;
    for (size_t j = 0; same && j < n; j++) {
        xl_packed_row(&o->packed, j, row);
        for (size_t i = 0; i < k; i++) {
            float w = xl_packed_at(&o->packed, j, i);
            same = same && memcmp(&w, &row[i], sizeof w) == 0;
        }
    }
    xl_free(row);
    return same;
}

/* Rows read back within the bound, and the report says what is true. */
static bool reads_back(const struct operands *o, size_t n, size_t k,
                       const struct xl_pack_report *report)
{
    double error2 = 0, weight2 = 0, worst = 0;
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < k; i++) {
            double w = (double)o->w[j * k + i];
            double miss = fabs((double)xl_packed_at(&o->packed, j, i) - w);
            error2 += miss * miss;
            weight2 += w * w;
            worst = fmax(worst, miss);
        }
    double rms = sqrt(error2 / weight2), said = xl_pack_rms(report);
    return rms <= rms_bound[o->packed.kind] && fabs(rms - said) <= 1e-4 * rms &&
           fabs(worst - report->worst) < 1e-6;
}

static void packed_weights_err_as_reported(struct xl_test *t)
{
    struct operands o;
    if (!XL_CHECK(t, make_operands(&o)))
        goto done;
    for (size_t kind = 0; kind < XL_PACK_COUNT; kind++) {
        struct xl_gemm_job job = make_job(&o, 1, 97, 257, kind);
        struct xl_pack_report report = { 0 }, other = { 0 };
        struct xl_pack_job pack = { .kind = (enum xl_pack_kind)kind,
                                    .out = 97,
                                    .in = 257,
                                    .rows = o.w,
                                    .dtype = XL_FP32,
                                    .data = o.data,
                                    .scales = o.scales };
        xl_pack_run(&pack, 3, 7, &report); /* spans in any order */
        xl_pack_run(&pack, 0, 3, &other);
        xl_pack_add(&report, &other);
        xl_test_check(t, reads_back(&o, job.n_end, job.k, &report), __FILE__,
                      __LINE__, "%s: rms %.4g, worst %.4g",
                      xl_pack_name(pack.kind), xl_pack_rms(&report),
                      report.worst);
        XL_CHECK(t, reads_rows(&o, job.n_end, job.k));
        if (kind >= XL_PACK_INT8) { /* planted: scales one group off */
            o.packed.scales = o.scales + XL_PACK_LANES;
            XL_CHECK(t, !reads_back(&o, job.n_end, job.k, &report));
        }
    }
done:
    free_operands(&o);
}

/* Every variant that this processor runs gives the bits of the plain one. */
static const struct {
    xl_pack_fn *fn;
    enum xl_isa isa;
} variants[] = {
#ifdef XL_X86_VARIANTS
    { xl_pack_avx2, XL_ISA_AVX2 },
    { xl_pack_avx512, XL_ISA_AVX512VL },
#endif
    { xl_pack_run, XL_ISA_COUNT }, /* the one that is chosen */
};

static void check_variants(struct xl_test *t, enum xl_pack_kind kind,
                           const float *w, size_t out, size_t in)
{
    struct xl_pack_sizes sizes;
    XL_CHECK(t, xl_pack_sizes(&sizes, kind, out, in));
    unsigned char *data = xl_alloc(2 * sizes.data_bytes);
    uint16_t *scales = xl_alloc(2 * sizes.scale_bytes);
    struct xl_pack_report want = { 0 };
    struct xl_pack_job job = { .kind = kind, .out = out, .in = in, .rows = w };
    job.dtype = XL_FP32;
    job.data = data;
    job.scales = sizes.scale_bytes ? scales : NULL;
    xl_pack_plain(&job, 0, xl_pack_panels(out), &want);
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
        struct xl_pack_report got = { 0 };
        if (variants[v].isa < XL_ISA_COUNT && !xl_cpu_has(variants[v].isa))
            continue;
        job.data = data + sizes.data_bytes;
        if (job.scales)
            job.scales = scales + sizes.scale_bytes / 2;
        memset(job.data, 0x55, sizes.data_bytes);
        variants[v].fn(&job, 0, xl_pack_panels(out), &got);
        xl_test_check(t,
                      memcmp(data, job.data, sizes.data_bytes) == 0 &&
                          (!job.scales || memcmp(scales, job.scales,
                                                 sizes.scale_bytes) == 0) &&
                          memcmp(&want, &got, sizeof got) == 0,
                      __FILE__, __LINE__,
                      "variant %zu packs %zu x %zu %s otherwise", v, out, in,
                      xl_pack_name(kind));
    }
    xl_free(data);
    xl_free(scales);
}

static void pack_variants_agree(struct xl_test *t)
{
    static const size_t shapes[][2] = {
        { 1, 1 }, { 15, 31 }, { 16, 32 }, { 33, 67 }, { 128, 512 },
    };
    struct operands o;
    if (!XL_CHECK(t, make_operands(&o)))
        return;
    o.w[3] = 0x1p-130f; /* below the normal numbers */
    for (size_t i = 512; i < 1100; i++)
        o.w[i] = 0; /* groups without a scale */
    for (size_t k = 0; k < XL_PACK_COUNT; k++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            check_variants(t, (enum xl_pack_kind)k, o.w, shapes[s][0],
                           shapes[s][1]);
    free_operands(&o);
}

/* Weights that packing has no freedom with come back exactly. */
static void packs_edges(struct xl_test *t)
{
    static const float rows[3] = { 0, -127, 1e-12f };
    _Alignas(64) unsigned char data[2048];
    uint16_t scales[16];
    for (size_t kind = 0; kind < XL_PACK_COUNT; kind++) {
        struct xl_pack_job job = { .kind = (enum xl_pack_kind)kind,
                                   .out = 3,
                                   .in = 1,
                                   .rows = rows,
                                   .dtype = XL_FP32,
                                   .data = data,
                                   .scales = scales };
        xl_pack_run(&job, 0, 1, NULL);
        struct xl_packed packed = xl_pack_view(&job);
        XL_CHECK_EQ(t, xl_packed_at(&packed, 0, 0), 0);
        XL_CHECK_NEAR(t, xl_packed_at(&packed, 1, 0), -127, 0.5);
        XL_CHECK_NEAR(t, xl_packed_at(&packed, 2, 0), 1e-12, 5e-15);
        struct xl_pack_sizes sizes;
        XL_CHECK(t, xl_pack_sizes(&sizes, job.kind, 3, 1));
        XL_CHECK_EQ(t, sizes.data_bytes, xl_pack_panel_bytes(job.kind, 1));
        XL_CHECK(t, !xl_pack_sizes(&sizes, job.kind, SIZE_MAX / 4, 1000));
    }
    XL_CHECK_NEAR(t, xl_pack_weight_bytes(XL_PACK_INT8), 1.0625, 0);
    XL_CHECK_NEAR(t, xl_pack_weight_bytes(XL_PACK_INT4), 0.5625, 0);
}

/* -- planted faults ------------------------------------------------------- */

static void run_next_scale(const struct xl_gemm_job *job)
{
    struct xl_packed packed = *job->packed;
    struct xl_gemm_job part = *job;
    packed.scales += XL_PACK_LANES;
    part.packed = &packed;
    part.n_end -= XL_PACK_LANES; /* the last panel has no scales after it */
    xl_gemm_naive.run(job);
    xl_gemm_naive.run(&part);
}

static void run_swapped_pair(const struct xl_gemm_job *job)
{
    xl_gemm_naive.run(job);
    for (size_t i = 0; i < job->m; i++)
        for (size_t j = job->n_begin; j < job->n_end; j++) {
            const float *x = job->x + i * job->ldx;
            float w0 = xl_packed_at(job->packed, j, 0);
            float w1 = xl_packed_at(job->packed, j, 1);
            job->y[i * job->ldy + j] += (x[0] - x[1]) * (w1 - w0);
        }
}

/* As if the first group of moved codes were not moved back. */
static void run_moved_codes(const struct xl_gemm_job *job)
{
    xl_gemm_naive.run(job);
    for (size_t i = 0; i < job->m; i++) {
        float sum = 0;
        for (size_t g = 0; g < XL_PACK_GROUP && g < job->k; g++)
            sum += job->x[i * job->ldx + g];
        for (size_t j = job->n_begin; j < job->n_end; j++)
            job->y[i * job->ldy + j] +=
                128 * sum *
                xl_bf16_to_f32(job->packed->scales[j % XL_PACK_LANES]);
    }
}

static void run_too_far(const struct xl_gemm_job *job)
{
    xl_gemm_naive.run(job);
    job->y[job->n_end] = 0;
}

static void packed_faults_are_seen(struct xl_test *t)
{
    static const struct xl_gemm faulty[] = { { .run = run_next_scale },
                                             { .run = run_swapped_pair },
                                             { .run = run_moved_codes },
                                             { .run = run_too_far } };
    const double loosest = 9e-3;
    struct operands o;
    if (XL_CHECK(t, make_operands(&o))) {
        struct xl_gemm_job job = make_job(&o, 3, 33, 97, XL_PACK_INT8);
        struct xl_gemm_job want = job;
        want.y = o.want;
        xl_gemm_naive.run(&want);
        xl_fix_run_parts(&xl_gemm_naive, &job, job.n_end);
        XL_CHECK(t, error_of(&o, &job) <= 0 && same_bits(&o, &job));
        for (size_t i = 0; i < sizeof faulty / sizeof *faulty; i++) {
            xl_fix_run_parts(&faulty[i], &job, job.n_end);
            XL_CHECK(t, error_of(&o, &job) > loosest);
        }
    }
    free_operands(&o);
}

const struct xl_test_case xl_suite_pack[] = {
    XL_CASE(packed_weights_err_as_reported),
    XL_CASE(packs_edges),
    XL_CASE(pack_variants_agree),
    XL_CASE(packed_engines_agree),
    XL_CASE(blocks_of_rows_agree),
    XL_CASE(bound_tells_double),
    XL_CASE(rows_keep_bits),
    XL_CASE(packed_faults_are_seen),
    { 0 },
};
