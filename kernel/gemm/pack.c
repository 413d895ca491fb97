/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops are pack_kernel.h, once per instruction set.
 *
 * int8 takes the smallest bf16 scale that reaches the group's largest weight.
 * int4 has 16 uneven codes and tries a few scales of either sign, each refined
 * once by least squares; the smallest squared error wins. On normal weights
 * that leaves 7.3 % rms, against 9.0 % for even steps with one scale.
 *
 * The codes are where Lloyd's iteration comes to rest on groups of normal
 * weights: each group takes its best scale, each weight the nearest level,
 * each level moves to the mean of its weights (least squares over all groups),
 * and all are stretched until the first is -127. The first is the group's
 * largest weight more often than not, and of either sign since scales have
 * one; the others lie closer together near zero, where weights are dense.
 * t_pack.c moves them once more and sees them stay. */
#include "kernel/gemm/pack.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/cpu.h"
#include "kernel/gemm/pack_int.h"

enum {
    LANES = XL_PACK_LANES,
    GROUP = XL_PACK_GROUP
};

static const struct {
    const char *name;
    size_t inputs;
    bool has_scales;
} rows[] = {
#define XL_PACK(id, name, inputs, scales)                                      \
    [XL_PACK_##id] = { name, inputs, scales },
#include "kernel/gemm/pack.def"
#undef XL_PACK
};

const int8_t xl_pack_int4_codes[XL_PACK_CODES] = {
    -127, -102, -80, -63, -48, -34, -21, -9, 2, 14, 25, 37, 51, 66, 84, 108,
};

const char *xl_pack_name(enum xl_pack_kind kind)
{
    return rows[kind].name;
}

size_t xl_pack_line_inputs(enum xl_pack_kind kind)
{
    return rows[kind].inputs;
}

double xl_pack_weight_bytes(enum xl_pack_kind kind)
{
    double scale = rows[kind].has_scales ? 2.0 / GROUP : 0;
    return 4.0 / (double)rows[kind].inputs + scale;
}

size_t xl_pack_panel_bytes(enum xl_pack_kind kind, size_t in)
{
    size_t lines = GROUP / rows[kind].inputs;
    return xl_pack_groups(in) * lines * XL_PACK_LINE;
}

bool xl_pack_sizes(struct xl_pack_sizes *sizes, enum xl_pack_kind kind,
                   size_t out, size_t in)
{
    size_t lines = GROUP / rows[kind].inputs, panel, groups;
    *sizes = (struct xl_pack_sizes){ 0 };
    if (!xl_mul_size(xl_pack_groups(in), lines * XL_PACK_LINE, &panel) ||
        !xl_mul_size(panel, xl_pack_panels(out), &sizes->data_bytes))
        return false;
    if (!rows[kind].has_scales)
        return true;
    return xl_mul_size(xl_pack_groups(in), LANES * sizeof(uint16_t), &groups) &&
           xl_mul_size(groups, xl_pack_panels(out), &sizes->scale_bytes);
}

/* -- reports -------------------------------------------------------------- */

void xl_pack_add(struct xl_pack_report *to, const struct xl_pack_report *more)
{
    to->error2 += more->error2;
    to->weight2 += more->weight2;
    if (more->worst > to->worst)
        to->worst = more->worst;
}

double xl_pack_rms(const struct xl_pack_report *report)
{
    return report->weight2 > 0 ? sqrt(report->error2 / report->weight2) : 0;
}

/* -- packing -------------------------------------------------------------- */

static xl_pack_fn *best_variant(void)
{
#ifdef XL_X86_VARIANTS
    if (xl_cpu_has(XL_ISA_AVX512F) && xl_cpu_has(XL_ISA_AVX512BW) &&
        xl_cpu_has(XL_ISA_AVX512VL))
        return xl_pack_avx512;
    if (xl_cpu_has(XL_ISA_AVX2))
        return xl_pack_avx2;
#endif
    return xl_pack_plain;
}

void xl_pack_run(const struct xl_pack_job *job, size_t first, size_t end,
                 struct xl_pack_report *report)
{
    struct xl_pack_job all = *job;
    assert(end <= xl_pack_panels(job->out));
    if (!rows[job->kind].has_scales)
        all.scales = NULL;
    best_variant()(&all, first, end, report);
}

struct xl_packed xl_pack_view(const struct xl_pack_job *job)
{
    return (struct xl_packed){ .kind = job->kind,
                               .out = job->out,
                               .in = job->in,
                               .data = job->data,
                               .scales = rows[job->kind].has_scales
                                             ? job->scales
                                             : NULL };
}

/* -- reading back --------------------------------------------------------- */

/* Input i of a lane. */
static float value_of(enum xl_pack_kind kind, uint32_t lane, size_t i,
                      float scale)
{
    float w;
    switch (kind) {
    case XL_PACK_BF16:
        return xl_bf16_to_f32((uint16_t)(lane >> (16 * i)));
    case XL_PACK_INT8:
        return scale * (float)(int8_t)(lane >> (8 * i));
    case XL_PACK_INT4:
        return scale *
               xl_pack_int4_codes[lane >> (16 * (i % 2) + 4 * (i / 2)) & 15];
    default:
        memcpy(&w, &lane, sizeof w);
        return w;
    }
}

static float scale_at(const struct xl_packed *packed, size_t out, size_t group)
{
    size_t groups = xl_pack_groups(packed->in);
    if (!packed->scales)
        return 1;
    group += out / LANES * groups;
    return xl_bf16_to_f32(packed->scales[group * LANES + out % LANES]);
}

static uint32_t lane_at(const struct xl_packed *packed, size_t out, size_t line)
{
    uint32_t lane;
    const unsigned char *from = packed->data;
    from += out / LANES * xl_pack_panel_bytes(packed->kind, packed->in);
    from += line * XL_PACK_LINE + out % LANES * sizeof lane;
    memcpy(&lane, from, sizeof lane);
    return lane;
}

float xl_packed_at(const struct xl_packed *packed, size_t out, size_t in)
{
    size_t inputs = rows[packed->kind].inputs;
    return value_of(packed->kind, lane_at(packed, out, in / inputs),
                    in % inputs, scale_at(packed, out, in / GROUP));
}

void xl_packed_row(const struct xl_packed *packed, size_t out, float *to)
{
    size_t inputs = rows[packed->kind].inputs, n = packed->in;
    for (size_t in = 0; in < n; in += inputs) {
        uint32_t lane = lane_at(packed, out, in / inputs);
        float scale = scale_at(packed, out, in / GROUP);
        size_t left = n - in < inputs ? n - in : inputs;
        for (size_t i = 0; i < left; i++)
            to[in + i] = value_of(packed->kind, lane, i, scale);
    }
}
