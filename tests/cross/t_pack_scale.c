/* SPDX-License-Identifier: Apache-2.0
 *
 * Inputs times a power of two give outputs times that power, to the bit: no
 * engine of packed weights takes small inputs for none, or large ones for too
 * large. */
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/rng.h"
#include "kernel/gemm/gemm_int.h"
#include "tests/cross/gemm_emulated.h"
#include "tests/harness/test.h"

enum {
    M = 21,
    N = 40,
    K = 97,
    BINARY_ORDERS = 60 /* up and down: the powers */
};

static const struct xl_gemm *const engines[] = {
    &xl_gemm_avx2,     &xl_gemm_avx512,    &xl_gemm_avx512bf16,
    &xl_gemm_vnni,     &xl_gemm_vnni_avx2, &xl_gemm_vnni_maddubs,
    &xl_gemm_amx,
#ifdef XL_X86_VARIANTS
    &xl_gemm_emulated,
#endif
};

struct operands {
    float x[M * K], w[N * K], y[M * N], scaled[M * N], *scratch;
    void *data;
    uint16_t *scales;
};

static void release(struct operands *o)
{
    if (o) {
        xl_free(o->scratch);
        xl_free(o->data);
        xl_free(o->scales);
    }
    xl_free(o);
}

static struct operands *make(struct xl_test *t)
{
    size_t panels = xl_pack_panels(N), floats = 1;
    struct operands *o = xl_alloc_zero(1, sizeof *o);
    struct xl_rng rng;
    for (size_t e = 0; e < sizeof engines / sizeof *engines; e++)
        if (engines[e]->scratch_floats(K) > floats)
            floats = engines[e]->scratch_floats(K);
    if (!XL_CHECK(t, o != NULL))
        return NULL;
    o->scratch = xl_alloc_floats(1, floats);
    o->data = xl_alloc(panels * xl_pack_panel_bytes(XL_PACK_FP32, K));
    o->scales = xl_alloc(panels * xl_pack_groups(K) * XL_PACK_LANES *
                         sizeof *o->scales);
    if (!XL_CHECK(t, o->scratch && o->data && o->scales)) {
        release(o);
        return NULL;
    }
    xl_rng_seed(&rng, 4);
    for (size_t i = 0; i < N * K; i++)
        o->w[i] = (float)xl_rng_normal(&rng);
    return o;
}

/* y of inputs around 2^order, and its largest size. */
static float multiply(struct operands *o, const struct xl_gemm *gemm,
                      const struct xl_packed *w, int order, float *y)
{
    struct xl_rng rng;
    float most = 0;
    xl_rng_seed(&rng, 9);
    for (size_t i = 0; i < M * K; i++)
        o->x[i] = ldexpf((float)xl_rng_normal(&rng), order);
    gemm->run(&(struct xl_gemm_job){ .m = M,
                                     .k = K,
                                     .n_end = N,
                                     .x = o->x,
                                     .ldx = K,
                                     .packed = w,
                                     .y = y,
                                     .ldy = N,
                                     .scratch = o->scratch });
    for (size_t i = 0; i < M * N; i++) {
        most = fmaxf(most, fabsf(y[i]));
        y[i] = ldexpf(y[i], -order);
    }
    return most;
}

static void check_kind(struct xl_test *t, struct operands *o,
                       enum xl_pack_kind kind)
{
    struct xl_pack_job pack = { .kind = kind,
                                .out = N,
                                .in = K,
                                .rows = o->w,
                                .dtype = XL_FP32,
                                .data = o->data,
                                .scales = o->scales };
    xl_pack_run(&pack, 0, xl_pack_panels(N), NULL);
    struct xl_packed w = xl_pack_view(&pack);
    for (size_t e = 0; e < sizeof engines / sizeof *engines; e++) {
        const struct xl_gemm *gemm = engines[e];
        if (!xl_gemm_reads_packed(gemm, kind) || gemm->why_not())
            continue;
        XL_CHECK(t, multiply(o, gemm, &w, 0, o->y) > 1);
        for (int order = -BINARY_ORDERS; order <= BINARY_ORDERS;
             order += BINARY_ORDERS / 3) {
            multiply(o, gemm, &w, order, o->scaled);
            xl_test_check(t, memcmp(o->y, o->scaled, sizeof o->y) == 0,
                          __FILE__, __LINE__,
                          "%s, %s: inputs around 2^%d give other bits",
                          gemm->name, xl_pack_name(kind), order);
        }
    }
}

static void outputs_scale_with_inputs(struct xl_test *t)
{
    struct operands *o = make(t);
    for (size_t kind = 0; o && kind < XL_PACK_COUNT; kind++)
        check_kind(t, o, (enum xl_pack_kind)kind);
    release(o);
}

const struct xl_test_case xl_suite_pack_scale[] = {
    XL_CASE(outputs_scale_with_inputs),
    { 0 },
};
