/* SPDX-License-Identifier: Apache-2.0
 *
 * The two loops of limits.c, compiled once for each instruction set. */
#ifndef XL_LIMITS_KERNEL_H
#define XL_LIMITS_KERNEL_H

#include <stddef.h>
#include <stdint.h>

struct xl_limit_kernel {
    /* Multiply-adds in `rounds` rounds; returns flops done. */
    double (*fma)(size_t rounds, float *sink);
    /* Reads n words (a multiple of 64) in four streams. */
    void (*read)(const uint64_t *data, size_t n, uint64_t *sink);
};

extern const struct xl_limit_kernel xl_limit_generic, xl_limit_avx2,
    xl_limit_avx512;

#endif
