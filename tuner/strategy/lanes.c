/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/strategy/lanes_int.h"

#include "kernel/base/cpu.h"

/* Widest first; the last one runs everywhere. */
static const struct {
    const struct xl_lanes *lanes;
    enum xl_isa needs;
} variants[] = {
#ifdef XL_X86_VARIANTS
    { &xl_lanes_avx512, XL_ISA_AVX512F },
    { &xl_lanes_avx2, XL_ISA_AVX2 },
#endif
    { &xl_lanes_generic, XL_ISA_COUNT },
};

enum {
    VARIANTS = sizeof variants / sizeof *variants
};

const struct xl_lanes *xl_lanes_at(size_t i)
{
    for (size_t v = 0; v < VARIANTS; v++)
        if ((v == VARIANTS - 1 || xl_cpu_has(variants[v].needs)) && i-- == 0)
            return variants[v].lanes;
    return NULL;
}

const struct xl_lanes *xl_lanes_pick(void)
{
    return xl_lanes_at(0);
}
