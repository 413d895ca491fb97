/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry: one pointer a row of gemm.def. Some engines have faster
 * variants for some processors; the first that is usable stands in. */
#include "kernel/gemm/gemm.h"

#include "kernel/gemm/gemm_int.h"

static const struct xl_gemm *const engines[] = {
#define XL_GEMM(id, name, summary) [XL_GEMM_##id] = &xl_gemm_##name,
#include "kernel/gemm/gemm.def"
#undef XL_GEMM
};

#ifdef XL_X86_VARIANTS
#define VARIANTS(...)                                                          \
    {                                                                          \
        __VA_ARGS__, NULL                                                      \
    }
#else
#define VARIANTS(...)                                                          \
    {                                                                          \
        NULL                                                                   \
    }
#endif

/* What may stand in for an engine: fastest first, NULL at the end. */
static const struct xl_gemm *const variants[][4] = {
    [XL_GEMM_VECTOR] = VARIANTS(&xl_gemm_vector_avx512, &xl_gemm_vector_avx2),
    [XL_GEMM_WIDE] = VARIANTS(&xl_gemm_wide_avx512, &xl_gemm_wide_avx2),
    [XL_GEMM_VNNI] =
        VARIANTS(&xl_gemm_vnni, &xl_gemm_vnni_avx2, &xl_gemm_vnni_maddubs),
    [XL_GEMM_COUNT] = { NULL },
};

size_t xl_gemm_no_scratch(size_t k)
{
    (void)k;
    return 0;
}

const struct xl_gemm *xl_gemm_get(enum xl_gemm_id id)
{
    for (size_t i = 0; variants[id][i]; i++)
        if (!variants[id][i]->why_not())
            return variants[id][i];
    return engines[id];
}
