/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing a variant, and the order of its weights: panels of outputs, each
 * [dim in][XL_SLSTM_PANEL], the last one filled with zeros. A step then reads
 * all weights once, from front to back. */
#include "kernel/cell/slstm.h"

#include "kernel/cell/slstm_int.h"

/* Fastest first; the last one is usable everywhere. */
static const struct xl_slstm *const variants[] = {
#ifdef XL_X86_VARIANTS
    &xl_slstm_avx512,
    &xl_slstm_avx2,
#endif
    &xl_slstm_plain,
};

const struct xl_slstm *xl_slstm_get(void)
{
    size_t i = 0;
    while (variants[i]->why_not())
        i++;
    return variants[i];
}

const struct xl_slstm *xl_slstm_at(size_t i)
{
    return i < sizeof variants / sizeof *variants ? variants[i] : NULL;
}

static size_t panels(size_t dim)
{
    return (4 * dim + XL_SLSTM_PANEL - 1) / XL_SLSTM_PANEL;
}

size_t xl_slstm_scratch_floats(size_t dim)
{
    return panels(dim) * XL_SLSTM_PANEL;
}

size_t xl_slstm_packed_floats(size_t dim)
{
    return panels(dim) * XL_SLSTM_PANEL * dim;
}

void xl_slstm_pack(float *to, const float *R, size_t dim, bool is_turned)
{
    size_t outs = 4 * dim;
    for (size_t panel = 0; panel < panels(dim); panel++) {
        for (size_t d = 0; d < dim; d++) {
            for (size_t i = 0; i < XL_SLSTM_PANEL; i++) {
                size_t o = panel * XL_SLSTM_PANEL + i;
                size_t at = is_turned ? d * outs + o : o * dim + d;
                *to++ = o < outs ? R[at] : 0.0f;
            }
        }
    }
}
