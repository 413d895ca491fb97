/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and sizes come from dtype.def. Conversions go element by element
 * through memcpy, so that they may read from any byte of a mapped file;
 * compilers turn that into plain loads. */
#include "kernel/tensor/dtype.h"

#include <assert.h>

static const struct {
    const char *name, *file_name;
    size_t nbytes;
} rows[] = {
#define XL_DTYPE(id, name, file_name, bytes)                                   \
    [XL_##id] = { name, file_name, bytes },
#include "kernel/tensor/dtype.def"
#undef XL_DTYPE
};

const char *xl_dtype_name(enum xl_dtype dtype)
{
    return rows[dtype].name;
}

size_t xl_dtype_bytes(enum xl_dtype dtype)
{
    return rows[dtype].nbytes;
}

const char *xl_dtype_file_name(enum xl_dtype dtype)
{
    return rows[dtype].file_name;
}

enum xl_dtype xl_dtype_from_file(const char *name)
{
    for (size_t i = 0; i < XL_DTYPE_COUNT; i++)
        if (strcmp(rows[i].file_name, name) == 0)
            return (enum xl_dtype)i;
    return XL_DTYPE_COUNT;
}

float xl_f16_to_f32(uint16_t x)
{
    uint32_t sign = (uint32_t)(x & 0x8000) << 16;
    uint32_t exponent = x >> 10 & 0x1f, fraction = x & 0x3ff, bits;
    float out;
    if (exponent == 0) { /* zero or subnormal: fraction * 2^-24, exact */
        out = (float)fraction * 0x1p-24f;
        return sign ? -out : out;
    }
    if (exponent == 0x1f) /* infinity, or a NaN with its payload */
        bits = sign | 0x7f800000u | fraction << 13;
    else
        bits = sign | (exponent + 127 - 15) << 23 | fraction << 13;
    memcpy(&out, &bits, sizeof out);
    return out;
}

static void widen_bf16(float *out, const unsigned char *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t x;
        memcpy(&x, from + 2 * i, sizeof x);
        out[i] = xl_bf16_to_f32(x);
    }
}

static void widen_f16(float *out, const unsigned char *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t x;
        memcpy(&x, from + 2 * i, sizeof x);
        out[i] = xl_f16_to_f32(x);
    }
}

void xl_to_f32(float *out, const void *from, enum xl_dtype dtype, size_t n)
{
    assert(dtype == XL_FP32 || dtype == XL_BF16 || dtype == XL_FP16);
    if (n == 0)
        return;
    if (dtype == XL_BF16)
        widen_bf16(out, from, n);
    else if (dtype == XL_FP16)
        widen_f16(out, from, n);
    else
        memcpy(out, from, n * sizeof *out);
}
