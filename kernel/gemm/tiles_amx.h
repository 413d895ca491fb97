/* SPDX-License-Identifier: Apache-2.0
 *
 * A block of products on tile registers, in assembly (kernel/tensor/amx.h says
 * why). Included by the files of a variant, before panel_tiles.h. */
#ifndef XL_TILES_AMX_H
#define XL_TILES_AMX_H

#include "kernel/gemm/tiles.h"
#include "kernel/tensor/amx.h"

static inline const char *tiles_why_not(void)
{
    return xl_amx_why_not();
}

static inline void tiles_configure(void)
{
    xl_amx_begin();
}

static inline void tiles_rest(void)
{
    xl_amx_end();
}

/* clang-format off */
#define TILES_MULTIPLY(load_x)                                                \
    "1:\n\t"                                                                  \
    load_x " (%[x0],%[line],1), %%tmm4\n\t"                                   \
    "tileloadd (%[w0],%[line],1), %%tmm6\n\t"                                 \
    "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n\t"                                    \
    load_x " (%[x1],%[line],1), %%tmm5\n\t"                                   \
    "prefetcht1 (%[next0])\n\t"                                               \
    "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n\t"                                    \
    "tileloadd (%[w1],%[line],1), %%tmm7\n\t"                                 \
    "prefetcht1 (%[next1])\n\t"                                               \
    "tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n\t"                                    \
    "tdpbf16ps %%tmm7, %%tmm5, %%tmm3\n\t"                                    \
    "add $1024, %[x0]\n\t"                                                    \
    "add $1024, %[x1]\n\t"                                                    \
    "add $1024, %[w0]\n\t"                                                    \
    "add $1024, %[w1]\n\t"                                                    \
    "add %[step], %[next0]\n\t"                                               \
    "add %[step], %[next1]\n\t"                                               \
    "dec %[n]\n\t"                                                            \
    "jnz 1b"                                                                  \
    : [x0] "+r"(x0), [x1] "+r"(x1), [w0] "+r"(w0), [w1] "+r"(w1),             \
      [next0] "+r"(next0), [next1] "+r"(next1), [n] "+r"(n)                   \
    : [line] "r"(line), [step] "r"(s->step)                                   \
    : "memory", "cc"
/* clang-format on */

static inline void tiles_multiply(const struct tile_steps *s)
{
    const unsigned char *x0 = s->x0, *x1 = s->x1, *w0 = s->w0, *w1 = s->w1;
    const char *next0 = s->next0, *next1 = s->next1;
    char *to = (char *)s->to, *low = to + TILE_ROWS * s->wide;
    size_t line = TILE_LINE, n = s->n;
    if (!s->from)
        __asm__ volatile("tilezero %%tmm0\n\t"
                         "tilezero %%tmm1\n\t"
                         "tilezero %%tmm2\n\t"
                         "tilezero %%tmm3"
                         :
                         :
                         : "memory");
    else
        __asm__ volatile("tileloadd (%[from],%[line],1), %%tmm0\n\t"
                         "tileloadd 2048(%[from],%[line],1), %%tmm1\n\t"
                         "tileloadd 1024(%[from],%[line],1), %%tmm2\n\t"
                         "tileloadd 3072(%[from],%[line],1), %%tmm3"
                         :
                         : [from] "r"(s->from), [line] "r"(line)
                         : "memory");
    if (s->is_fresh)
        __asm__ volatile(TILES_MULTIPLY("tileloadd"));
    else
        __asm__ volatile(TILES_MULTIPLY("tileloaddt1"));
    __asm__ volatile("tilestored %%tmm0, (%[to],%[wide],1)\n\t"
                     "tilestored %%tmm2, (%[low],%[wide],1)\n\t"
                     "tilestored %%tmm1, (%[to1],%[wide],1)\n\t"
                     "tilestored %%tmm3, (%[low1],%[wide],1)"
                     :
                     : [to] "r"(to), [low] "r"(low), [to1] "r"(to + s->second),
                       [low1] "r"(low + s->second), [wide] "r"(s->wide)
                     : "memory");
}

#endif
