/* SPDX-License-Identifier: Apache-2.0
 *
 * The engines of x86-64, in builds for other processors: their rows stay in
 * the registry and say why they are not there. */
#include "kernel/gemm/gemm.h"

#include <assert.h>

#include "kernel/gemm/gemm_int.h"

static const char *why_not(void)
{
    return "this build is not for x86-64";
}

static size_t scratch_floats(size_t k)
{
    (void)k;
    return 0;
}

static void run(const struct xl_gemm_job *job)
{
    (void)job;
    assert(!"an engine that says why not does not run");
}

const struct xl_gemm xl_gemm_avx2 = { .name = "avx2",
                                      .summary = "needs x86-64",
                                      .why_not = why_not,
                                      .scratch_floats = scratch_floats,
                                      .run = run };

const struct xl_gemm xl_gemm_avx512 = { .name = "avx512",
                                        .summary = "needs x86-64",
                                        .why_not = why_not,
                                        .scratch_floats = scratch_floats,
                                        .run = run };

const struct xl_gemm xl_gemm_avx512bf16 = { .name = "avx512bf16",
                                            .summary = "needs x86-64",
                                            .why_not = why_not,
                                            .scratch_floats = scratch_floats,
                                            .run = run };

const struct xl_gemm xl_gemm_vnni = { .name = "vnni",
                                      .summary = "needs x86-64",
                                      .why_not = why_not,
                                      .scratch_floats = scratch_floats,
                                      .run = run };

const struct xl_gemm xl_gemm_amx = { .name = "amx",
                                     .summary = "needs x86-64",
                                     .why_not = why_not,
                                     .scratch_floats = scratch_floats,
                                     .run = run };
