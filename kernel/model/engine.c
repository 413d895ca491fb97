/* SPDX-License-Identifier: Apache-2.0
 *
 * Preference is by measurement (two Zen 5 cores, 4096 x 4096, beside the
 * limits). Many rows: fp32 at 90 % of the FMA peak in avx512, 49 % in
 * openblas; bf16 dot products give twice that peak where a processor has
 * them. One row: avx512 reads fp32 and bf16 at 99 % of a plain read and keeps
 * x in fp32; avx512bf16 is level with it there and takes two thirds of its
 * time for eight rows or more. Integer kinds reach 90 % of it in vnni and 70 to
 * 85 % widened in avx512bf16; rounding the row to int8 moved avg_logprob by
 * 0.0007 nats. */
#include "kernel/model/engine.h"

#include "kernel/base/buf.h"

/* Engines to try for each kind and phase, best first. */
enum {
    CHOICES = 5
};
static const enum xl_gemm_id many[][CHOICES] = {
    [XL_PACK_FP32] = { XL_GEMM_AVX512, XL_GEMM_OPENBLAS, XL_GEMM_VECTOR,
                       XL_GEMM_NAIVE, XL_GEMM_NAIVE },
    [XL_PACK_BF16] = { XL_GEMM_AMX, XL_GEMM_AVX512BF16, XL_GEMM_AVX512,
                       XL_GEMM_AVX2, XL_GEMM_VECTOR },
    [XL_PACK_INT8] = { XL_GEMM_AMX, XL_GEMM_AVX512BF16, XL_GEMM_AVX512,
                       XL_GEMM_AVX2, XL_GEMM_NAIVE },
    [XL_PACK_INT4] = { XL_GEMM_AMX, XL_GEMM_AVX512BF16, XL_GEMM_AVX512,
                       XL_GEMM_AVX2, XL_GEMM_NAIVE },
};
static const enum xl_gemm_id few[][CHOICES] = {
    [XL_PACK_FP32] = { XL_GEMM_AVX512, XL_GEMM_VECTOR, XL_GEMM_NAIVE,
                       XL_GEMM_NAIVE, XL_GEMM_NAIVE },
    [XL_PACK_BF16] = { XL_GEMM_AVX512BF16, XL_GEMM_AVX512, XL_GEMM_AVX2,
                       XL_GEMM_VECTOR, XL_GEMM_NAIVE },
    [XL_PACK_INT8] = { XL_GEMM_VNNI, XL_GEMM_AVX512BF16, XL_GEMM_AVX512,
                       XL_GEMM_AVX2, XL_GEMM_NAIVE },
    [XL_PACK_INT4] = { XL_GEMM_VNNI, XL_GEMM_AVX512BF16, XL_GEMM_AVX512,
                       XL_GEMM_AVX2, XL_GEMM_NAIVE },
};

enum xl_dtype xl_engine_dtype(enum xl_pack_kind kind)
{
    return kind == XL_PACK_FP32   ? XL_FP32
           : kind == XL_PACK_BF16 ? XL_BF16
                                  : XL_DTYPE_COUNT;
}

static bool reads(const struct xl_gemm *gemm, enum xl_pack_kind kind,
                  bool is_packed)
{
    enum xl_dtype dtype = xl_engine_dtype(kind);
    if (is_packed)
        return xl_gemm_reads_packed(gemm, kind);
    return dtype < XL_DTYPE_COUNT && xl_gemm_reads_rows(gemm, dtype);
}

static const struct xl_gemm *best(const enum xl_gemm_id list[CHOICES],
                                  enum xl_pack_kind kind, bool is_packed)
{
    for (size_t i = 0; i < CHOICES; i++) {
        const struct xl_gemm *gemm = xl_gemm_get(list[i]);
        if (reads(gemm, kind, is_packed) && !gemm->why_not())
            return gemm;
    }
    return NULL;
}

/* The form that the best engine for many rows reads decides for both. */
static void choose_best(struct xl_engines *engines, enum xl_pack_kind kind)
{
    const struct xl_gemm *packed = best(many[kind], kind, true);
    engines->is_packed = packed && packed != xl_gemm_get(XL_GEMM_NAIVE);
    if (xl_engine_dtype(kind) == XL_DTYPE_COUNT)
        engines->is_packed = true;
    engines->many = best(many[kind], kind, engines->is_packed);
    engines->few = best(few[kind], kind, engines->is_packed);
}

const struct xl_gemm *xl_engines_wide(const struct xl_engines *engines)
{
    const struct xl_gemm *wide = xl_gemm_get(XL_GEMM_WIDE);
    const struct xl_gemm *naive = xl_gemm_get(XL_GEMM_NAIVE);
    return engines->many != naive &&
                   reads(wide, XL_PACK_FP32, engines->is_packed)
               ? wide
               : naive;
}

/* " fp32 bf16 int8": the kinds that it reads in either form. */
static void list_kinds(const struct xl_gemm *gemm, struct xl_buf *out)
{
    for (size_t i = 0; i < XL_PACK_COUNT; i++) {
        enum xl_pack_kind kind = (enum xl_pack_kind)i;
        if (reads(gemm, kind, true) || reads(gemm, kind, false))
            xl_buf_printf(out, " %s", xl_pack_name(kind));
    }
}

enum xl_status xl_engines_choose(struct xl_engines *engines, int64_t choice,
                                 enum xl_pack_kind kind, struct xl_err *err)
{
    *engines = (struct xl_engines){ 0 };
    if (choice == 0) {
        choose_best(engines, kind);
        return XL_OK;
    }
    const struct xl_gemm *gemm = xl_gemm_get((enum xl_gemm_id)(choice - 1));
    const char *why = gemm->why_not();
    if (why)
        return xl_fail(err, XL_EUSAGE, "this configuration cannot run here: %s",
                       why);
    engines->many = engines->few = gemm;
    /* The naive engine is the truth because it reads what is stored. */
    engines->is_packed =
        !reads(gemm, kind, false) ||
        (gemm != xl_gemm_get(XL_GEMM_NAIVE) && reads(gemm, kind, true));
    if (reads(gemm, kind, engines->is_packed))
        return XL_OK;
    struct xl_buf kinds;
    xl_buf_init(&kinds, 0);
    list_kinds(gemm, &kinds);
    enum xl_status rc =
        xl_fail(err, XL_EUSAGE, "engine '%s' does not read %s weights, only%s",
                gemm->name, xl_pack_name(kind),
                xl_buf_ok(&kinds) ? kinds.data : " others");
    xl_buf_release(&kinds);
    return rc;
}
