/* SPDX-License-Identifier: Apache-2.0
 *
 * Sixteen fp32 lanes, for leaf kernels that are compiled once per
 * instruction set: one AVX-512 register, two AVX2 registers, or plain loops.
 *
 *     struct xl_vec acc = xl_vec_zero();
 *     for (; k + XL_LANES <= n; k += XL_LANES)
 *         acc = xl_vec_fma(xl_vec_load(x + k), xl_vec_load(w + k), acc);
 *     float sum = xl_vec_sum(acc);
 *
 * The compiler flags of the including file choose the implementation, so this
 * and the vec_*.h it includes are the places that ask for them by #if. Lane
 * arithmetic and the order of a sum are the same everywhere; only the plain
 * variant rounds the product of a multiply-add. Include it in files of a
 * variant only.
 */
#ifndef XL_VEC_H
#define XL_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernel/base/cpu.h"

enum {
    XL_LANES = 16
};

/* Kernels take their block shape as constant arguments, which is only worth
 * anything when the call is gone: the size heuristics must not decide. A loop
 * that needs all registers stands alone. */
#if defined(__GNUC__)
#define XL_INLINE static inline __attribute__((always_inline))
#define XL_ALONE  static __attribute__((noinline))
#else
#define XL_INLINE static inline
#define XL_ALONE  static
#endif

/* Sanitizers put checks around each lane of the plain variant: as functions of
 * their own its operations compile in seconds instead of minutes. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define XL_PLAIN static __attribute__((noinline, unused))
#else
#define XL_PLAIN XL_INLINE
#endif

/* The loop below is written out early, so that an array of sums that it walks
 * stays in registers: at most 16 turns, of a constant number. */
#if defined(__clang__)
#define XL_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define XL_UNROLL _Pragma("GCC unroll 16")
#else
#define XL_UNROLL
#endif

#if defined(__AVX512F__)
#include "kernel/tensor/vec_avx512.h"
#elif defined(__AVX2__) && defined(__FMA__)
#include "kernel/tensor/vec_avx2.h"
#else
#include "kernel/tensor/vec_plain.h"
#endif

#include "kernel/tensor/vec_bf16.h"

/* Why the including file's variant cannot run here; NULL when it can. */
static inline const char *xl_vec_why_not(void)
{
#if defined(__AVX512F__)
    return xl_cpu_has(XL_ISA_AVX512F) ? NULL : "the processor has no avx512f";
#elif defined(__AVX2__) && defined(__FMA__)
    bool usable = xl_cpu_has(XL_ISA_AVX2) && xl_cpu_has(XL_ISA_FMA);
    return usable ? NULL : "the processor has no avx2 with fma";
#else
    return NULL;
#endif
}

/* The first n lanes, zeros in the others. */
XL_INLINE struct xl_vec xl_vec_first(struct xl_vec a, size_t n)
{
#if defined(__AVX512F__)
    return (struct xl_vec){ _mm512_maskz_mov_ps(xl_vec_mask(n), a.x) };
#else
    float lanes[XL_LANES];
    xl_vec_store(lanes, a);
    return xl_vec_load_n(lanes, n);
#endif
}

#include "kernel/tensor/vec_sum.h"

/* exp(x) after Cephes: x = n ln 2 + r, a polynomial of degree 7 in r, scaled
 * by 2^n. Below -87.3 the result is 0; x must not pass 88; a NaN stays one.
 * Measured over the floats of [-87.3, 0]: at most 1.2e-7 relative, 1.3 units
 * in the last place, in all three implementations. */
XL_INLINE struct xl_vec xl_vec_exp(struct xl_vec x)
{
    const float least = -87.3f, log2e = 1.44269504f;
    const float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
    static const float c[] = { 1.9875691500e-4f, 1.3981999507e-3f,
                               8.3334519073e-3f, 4.1665795894e-2f,
                               1.6666665459e-1f, 5.0000001201e-1f };
    struct xl_vec n, r, p = xl_vec_set1(c[0]);
    n = xl_vec_round(xl_vec_mul(x, xl_vec_set1(log2e)));
    r = xl_vec_fma(n, xl_vec_set1(-ln2_high), x);
    r = xl_vec_fma(n, xl_vec_set1(-ln2_low), r);
    for (size_t i = 1; i < sizeof c / sizeof c[0]; i++)
        p = xl_vec_fma(p, r, xl_vec_set1(c[i]));
    p = xl_vec_fma(xl_vec_mul(r, r), p, xl_vec_add(r, xl_vec_set1(1)));
    return xl_vec_zero_below(xl_vec_scale2(p, n), x, least);
}

/* 1 + exp(-x), the denominator of a sigmoid. */
XL_INLINE struct xl_vec xl_vec_one_plus_exp(struct xl_vec x)
{
    struct xl_vec negative = xl_vec_mul(x, xl_vec_set1(-1));
    struct xl_vec e = xl_vec_exp(xl_vec_min(xl_vec_set1(87), negative));
    return xl_vec_add(e, xl_vec_set1(1));
}

/* x sigmoid(x) y */
XL_INLINE struct xl_vec xl_vec_swiglu(struct xl_vec x, struct xl_vec y)
{
    return xl_vec_mul(xl_vec_div(x, xl_vec_one_plus_exp(x)), y);
}

#endif
