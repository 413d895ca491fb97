/* SPDX-License-Identifier: Apache-2.0
 *
 * Norms and gates, one AVX-512 register a vector: the kernel is norm_kernel.h,
 * the compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/cell/norm.h"

#include "kernel/base/cpu.h"
#include "kernel/cell/norm_kernel.h"

static const char *why_not(void)
{
    return xl_cpu_has(XL_ISA_AVX512F) ? NULL : "the processor has no avx512f";
}

static void rms(float *y, const float *x, const struct xl_norm_weights *weights,
                size_t n)
{
    run_rms(y, x, weights, n);
}

static void add_rms(float *y, float *x, const float *z,
                    const struct xl_norm_weights *weights, size_t n)
{
    run_add_rms(y, x, z, weights, n);
}

static void norm_heads(float *y, const float *x,
                       const struct xl_norm_weights *weights, size_t heads,
                       size_t dv)
{
    run_heads(y, x, weights, heads, dv);
}

static void add_heads(float *y, float *x, const float *z,
                      const struct xl_norm_weights *weights, size_t heads,
                      size_t dv)
{
    add_row(x, z, heads * dv);
    run_heads(y, x, weights, heads, dv);
}

static void soft_cap(float *x, size_t n, float cap)
{
    run_soft_cap(x, n, cap);
}

static void sigmoid_gate(float *y, const float *o, size_t n)
{
    run_sigmoid_gate(y, o, n);
}

static void swiglu(float *gate, const float *up, size_t n)
{
    run_swiglu(gate, up, n);
}

static double log_sum_exp(const float *x, size_t n)
{
    return run_log_sum_exp(x, n);
}

static float largest(const float *x, size_t n)
{
    return find_largest(x, n);
}

const struct xl_row_ops xl_norm_avx512 = {
    .name = "avx512",
    .why_not = why_not,
    .rms = rms,
    .add_rms = add_rms,
    .heads = norm_heads,
    .add_heads = add_heads,
    .soft_cap = soft_cap,
    .sigmoid_gate = sigmoid_gate,
    .swiglu = swiglu,
    .log_sum_exp = log_sum_exp,
    .largest = largest,
};
