/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of limits.c, compiled once for each instruction set. */
#ifndef XL_LIMITS_KERNEL_H
#define XL_LIMITS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Operations in registers for some rounds; returns the flops done. *sink gets
 * a value that depends on all of them. */
typedef double xl_limit_flops(size_t rounds, float *sink);

struct xl_limit_kernel {
    xl_limit_flops *fma;
    /* Reads n words in 1, 4 or 8 streams; the odd tail of less than 128 words
     * is left out. */
    void (*read)(const uint64_t *data, size_t n, size_t streams,
                 uint64_t *sink);
};

extern const struct xl_limit_kernel xl_limit_generic, xl_limit_avx2,
    xl_limit_avx512;

/* For processors with AVX512_BF16. */
xl_limit_flops xl_limit_dot_bf16;

/* Has the operating system let this process use tiles, and do they compute
 * what they should? Only for processors with AMX_TILE and AMX_BF16. */
bool xl_limit_tile_ready(void);
xl_limit_flops xl_limit_tile_bf16;

#endif
