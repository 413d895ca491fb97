/* SPDX-License-Identifier: Apache-2.0
 *
 * The choice of a variant. */
#include "kernel/cell/norm.h"

#include "kernel/cell/norm_int.h"

const struct xl_row_ops *xl_row_ops_best(void)
{
#ifdef XL_X86_VARIANTS
    if (!xl_norm_avx512.why_not())
        return &xl_norm_avx512;
    if (!xl_norm_avx2.why_not())
        return &xl_norm_avx2;
#endif
    return &xl_norm_plain;
}

void xl_gate_cap(float *x, size_t n, float cap)
{
    xl_norm_naive.soft_cap(x, n, cap);
}
