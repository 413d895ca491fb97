/* SPDX-License-Identifier: Apache-2.0
 *
 * tile.h by the matrix tile unit: two tiles of rows times two of columns.
 * Included by tile.h only. */
#ifndef XL_TILE_AMX_H
#define XL_TILE_AMX_H

#if defined(__AMX_BF16__)
#include "kernel/base/cpu.h"
#include "kernel/tensor/amx.h"
#include "kernel/tensor/tile_form.h"

static inline const char *xl_tile_why_not(void)
{
    const char *lack =
        xl_cpu_lacks(XL_HAS_AVX512F | XL_HAS_AVX512BW | XL_HAS_AVX512BF16);
    return lack ? lack : xl_amx_why_not();
}

static inline void xl_tile_begin(void)
{
    xl_amx_begin();
}

static inline void xl_tile_end(void)
{
    xl_amx_end();
}

/* out[32][out_row] = rows times columns. Between begin and end. */
static inline void xl_tile_multiply(const struct xl_tiles *t, float *out,
                                    size_t out_row)
{
    const unsigned char *a0 = t->rows[0], *a1 = t->rows[1];
    const unsigned char *b0 = t->columns[0], *b1 = t->columns[1];
    size_t line = XL_TILE_LINE, wide = out_row * sizeof *out, n = t->n;
    char *low = (char *)(out + XL_TILE_ROWS * out_row);
    __asm__ volatile(
        "tilezero %%tmm0\n\t"
        "tilezero %%tmm1\n\t"
        "tilezero %%tmm2\n\t"
        "tilezero %%tmm3\n\t"
        "1:\n\t"
        "tileloadd (%[a0],%[line],1), %%tmm4\n\t"
        "tileloadd (%[b0],%[line],1), %%tmm6\n\t"
        "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n\t"
        "tileloadd (%[a1],%[line],1), %%tmm5\n\t"
        "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n\t"
        "tileloadd (%[b1],%[line],1), %%tmm7\n\t"
        "tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n\t"
        "tdpbf16ps %%tmm7, %%tmm5, %%tmm3\n\t"
        "add $1024, %[a0]\n\t"
        "add $1024, %[a1]\n\t"
        "add $1024, %[b0]\n\t"
        "add $1024, %[b1]\n\t"
        "dec %[n]\n\t"
        "jnz 1b\n\t"
        "tilestored %%tmm0, (%[out],%[wide],1)\n\t"
        "tilestored %%tmm1, 64(%[out],%[wide],1)\n\t"
        "tilestored %%tmm2, (%[low],%[wide],1)\n\t"
        "tilestored %%tmm3, 64(%[low],%[wide],1)"
        :
        [a0] "+r"(a0), [a1] "+r"(a1), [b0] "+r"(b0), [b1] "+r"(b1), [n] "+r"(n)
        : [line] "r"(line), [wide] "r"(wide), [out] "r"(out), [low] "r"(low)
        : "memory", "cc");
}

#endif

#endif
