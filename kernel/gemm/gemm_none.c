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

static void run(const struct xl_gemm_job *job)
{
    (void)job;
    assert(!"an engine that says why not does not run");
}

#define ABSENT(engine)                                                         \
    {                                                                          \
        .name = engine, .why_not = why_not,                                    \
        .scratch_floats = xl_gemm_no_scratch, .run = run                       \
    }

const struct xl_gemm xl_gemm_avx2 = ABSENT("avx2");
const struct xl_gemm xl_gemm_avx512 = ABSENT("avx512");
const struct xl_gemm xl_gemm_avx512bf16 = ABSENT("avx512bf16");
const struct xl_gemm xl_gemm_vnni = ABSENT("vnni");
const struct xl_gemm xl_gemm_amx = ABSENT("amx");
