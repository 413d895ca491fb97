/* SPDX-License-Identifier: Apache-2.0
 *
 * Element types and the conversions between them. bf16 is the upper half of
 * an fp32; rounding is to nearest, ties to even.
 */
#ifndef XL_DTYPE_H
#define XL_DTYPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum xl_dtype {
#define XL_DTYPE(id, name, file_name, bytes) XL_##id,
#include "kernel/tensor/dtype.def"
#undef XL_DTYPE
    XL_DTYPE_COUNT
};

const char *xl_dtype_name(enum xl_dtype dtype);
size_t xl_dtype_bytes(enum xl_dtype dtype);

/* By safetensors name ("BF16"); XL_DTYPE_COUNT when unknown. */
enum xl_dtype xl_dtype_from_file(const char *name);
const char *xl_dtype_file_name(enum xl_dtype dtype);

static inline float xl_bf16_to_f32(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

static inline uint16_t xl_f32_to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40); /* quiet NaN */
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

/* The nearest bf16, ties to even. */
static inline float xl_bf16_round(float x)
{
    return xl_bf16_to_f32(xl_f32_to_bf16(x));
}

float xl_f16_to_f32(uint16_t x);

/* out[0..n) = from[0..n) as fp32; from is FP32, BF16 or FP16 and may be
 * unaligned. */
void xl_to_f32(float *out, const void *from, enum xl_dtype dtype, size_t n);

#endif
