/* SPDX-License-Identifier: Apache-2.0
 *
 * The 16 levels of int4 rest where the comment of pack.c says: one more step
 * of Lloyd's iteration over groups of normal weights does not move them. */
#include <math.h>

#include "kernel/base/alloc.h"
#include "kernel/base/rng.h"
#include "kernel/gemm/pack.h"
#include "kernel/gemm/pack_int.h"
#include "tests/harness/test.h"

enum {
    OUT = 130,
    IN = 512
};

/* The place whose code is nearest to x. */
static size_t place_of(const double codes[XL_PACK_CODES], double x)
{
    size_t place = 0;
    while (place + 1 < XL_PACK_CODES &&
           x > (codes[place] + codes[place + 1]) / 2)
        place++;
    return place;
}

/* One step of Lloyd's iteration over the groups of n weights that packing
 * left in `packed`: the least squares code of each place, stretched until the
 * first is -127. Returns the largest move. */
static double move_codes(const double codes[XL_PACK_CODES], const float *w,
                         const struct xl_packed *packed)
{
    double top[XL_PACK_CODES] = { 0 }, bottom[XL_PACK_CODES] = { 0 }, most = 0;
    size_t groups = xl_pack_groups(packed->in);
    for (size_t j = 0; j < packed->out; j++)
        for (size_t i = 0; i < packed->in; i++) {
            size_t group = j / XL_PACK_LANES * groups + i / XL_PACK_GROUP;
            double scale = (double)xl_bf16_to_f32(
                packed->scales[group * XL_PACK_LANES + j % XL_PACK_LANES]);
            double weight = (double)w[j * packed->in + i];
            size_t place = place_of(codes, weight / scale);
            top[place] += weight * scale;
            bottom[place] += scale * scale;
        }
    double stretch = -127 * bottom[0] / top[0];
    for (size_t c = 0; c < XL_PACK_CODES; c++) {
        double next = stretch * top[c] / bottom[c];
        most = fmax(most, fabs(next - codes[c]));
    }
    return most;
}

/* Normal weights and what int4 makes of them. */
struct sample {
    float *w; /* [OUT][IN] */
    void *data;
    uint16_t *scales;
    struct xl_packed packed;
};

static bool make_sample(struct sample *s)
{
    struct xl_rng rng;
    size_t panels = xl_pack_panels(OUT);
    xl_rng_seed(&rng, 11);
    *s = (struct sample){
        .w = xl_alloc_zero((size_t)OUT * IN, sizeof *s->w),
        .data = xl_alloc(panels * xl_pack_panel_bytes(XL_PACK_INT4, IN)),
        .scales = xl_alloc(panels * xl_pack_groups(IN) * XL_PACK_LANES *
                           sizeof *s->scales),
    };
    if (!s->w || !s->data || !s->scales)
        return false;
    for (size_t i = 0; i < (size_t)OUT * IN; i++)
        s->w[i] = (float)xl_rng_normal(&rng);
    struct xl_pack_job job = { .kind = XL_PACK_INT4,
                               .out = OUT,
                               .in = IN,
                               .rows = s->w,
                               .dtype = XL_FP32,
                               .data = s->data,
                               .scales = s->scales };
    xl_pack_run(&job, 0, panels, NULL);
    s->packed = xl_pack_view(&job);
    return true;
}

static void free_sample(struct sample *s)
{
    xl_free(s->w);
    xl_free(s->data);
    xl_free(s->scales);
}

/* The codes are at rest on normal weights; even steps are not. */
static void codes_rest(struct xl_test *t)
{
    struct sample s;
    double codes[XL_PACK_CODES], even[XL_PACK_CODES];
    for (size_t c = 0; c < XL_PACK_CODES; c++) {
        codes[c] = xl_pack_int4_codes[c];
        even[c] = -127 + 16 * (double)c;
        XL_CHECK(t, c == 0 || codes[c - 1] < codes[c]);
    }
    if (XL_CHECK(t, make_sample(&s))) {
        XL_CHECK_NEAR(t, move_codes(codes, s.w, &s.packed), 0, 1);
        XL_CHECK(t, move_codes(even, s.w, &s.packed) > 3);
    }
    free_sample(&s);
}

const struct xl_test_case xl_suite_pack_codes[] = {
    XL_CASE(codes_rest),
    { 0 },
};
