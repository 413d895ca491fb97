/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry: one pointer a row of gemm.def. The vector engine has faster
 * variants for some processors; the first that is usable stands in for it. */
#include "kernel/gemm/gemm.h"

#include "kernel/gemm/gemm_int.h"

static const struct xl_gemm *const engines[] = {
#define XL_GEMM(id, name, summary) [XL_GEMM_##id] = &xl_gemm_##name,
#include "kernel/gemm/gemm.def"
#undef XL_GEMM
};

/* Fastest first, NULL at the end. */
static const struct xl_gemm *const vectors[] = {
#ifdef XL_X86_VARIANTS
    &xl_gemm_vector_avx512,
    &xl_gemm_vector_avx2,
#endif
    NULL,
};

const struct xl_gemm *xl_gemm_get(enum xl_gemm_id id)
{
    if (id == XL_GEMM_VECTOR)
        for (size_t i = 0; vectors[i]; i++)
            if (!vectors[i]->why_not())
                return vectors[i];
    return engines[id];
}
