/* SPDX-License-Identifier: Apache-2.0
 *
 * A group of 32 inputs x 16 outputs at a time, lane by lane in plain loops.
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

/* -- one group ------------------------------------------------------------ */

/* 32 inputs x 16 outputs: the weights, their codes, what they read back as. */
struct group {
    size_t n; /* inputs that are there */
    float w[GROUP][LANES];
    float back[GROUP][LANES];
    uint8_t code[GROUP][LANES];
    uint16_t scale[LANES];
};

static void load_group(struct group *g, const struct xl_pack_job *job,
                       size_t panel, size_t first)
{
    size_t n = job->in - first < GROUP ? job->in - first : GROUP;
    size_t size = xl_dtype_bytes(job->dtype);
    memset(g->w, 0, sizeof g->w);
    g->n = n;
    for (size_t j = 0; j < LANES && panel * LANES + j < job->out; j++) {
        const unsigned char *from = job->rows;
        float row[GROUP];
        from += ((panel * LANES + j) * job->in + first) * size;
        xl_to_f32(row, from, job->dtype, n);
        for (size_t i = 0; i < n; i++)
            g->w[i][j] = row[i];
    }
}

static void find_largest(const struct group *g, float largest[LANES])
{
    for (size_t j = 0; j < LANES; j++)
        largest[j] = 0;
    for (size_t i = 0; i < GROUP; i++)
        for (size_t j = 0; j < LANES; j++) {
            float size = fabsf(g->w[i][j]);
            largest[j] = size > largest[j] ? size : largest[j];
        }
}

/* The smallest bf16 that is not below x. */
static uint16_t round_up(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0xffff) >> 16);
}

static void code_int8(struct group *g)
{
    float largest[LANES], scale[LANES], inverse[LANES];
    find_largest(g, largest);
    for (size_t j = 0; j < LANES; j++) {
        g->scale[j] = round_up(largest[j] / 127);
        scale[j] = xl_bf16_to_f32(g->scale[j]);
        inverse[j] = scale[j] > 0 ? 1 / scale[j] : 0;
    }
    for (size_t i = 0; i < GROUP; i++)
        for (size_t j = 0; j < LANES; j++) {
            const float magic = 0x1.8p23f; /* leaves no fraction bits */
            float code = (g->w[i][j] * inverse[j] + magic) - magic;
            code = code > 127 ? 127 : code < -127 ? -127 : code;
            g->code[i][j] = (uint8_t)(int8_t)code;
            g->back[i][j] = code * scale[j];
        }
}

/* Squared error of lane j with that scale, and the least squares scale for
 * the codes it picks: sums over the group. */
struct trial {
    float scale[LANES], error[LANES];
    float top[LANES], bottom[LANES]; /* sum w c, sum c c */
};

static void place_lanes(const float w[LANES], const float inverse[LANES],
                        int32_t place[LANES])
{
    float at[LANES];
    for (size_t j = 0; j < LANES; j++) {
        at[j] = w[j] * inverse[j];
        place[j] = 0;
    }
    for (size_t c = 0; c + 1 < XL_PACK_CODES; c++) {
        float middle =
            (float)(xl_pack_int4_codes[c] + xl_pack_int4_codes[c + 1]) / 2;
        for (size_t j = 0; j < LANES; j++)
            place[j] += at[j] > middle;
    }
}

static void try_scale(const struct group *g, struct trial *t)
{
    float inverse[LANES];
    int32_t place[LANES];
    for (size_t j = 0; j < LANES; j++) {
        t->scale[j] = xl_bf16_to_f32(xl_f32_to_bf16(t->scale[j]));
        inverse[j] = t->scale[j] != 0 ? 1 / t->scale[j] : 0;
        t->error[j] = t->top[j] = t->bottom[j] = 0;
    }
    for (size_t i = 0; i < g->n; i++) {
        place_lanes(g->w[i], inverse, place);
        for (size_t j = 0; j < LANES; j++) {
            float code = xl_pack_int4_codes[place[j]];
            float miss = g->w[i][j] - code * t->scale[j];
            t->error[j] += miss * miss;
            t->top[j] += g->w[i][j] * code;
            t->bottom[j] += code * code;
        }
    }
}

static void keep_better(struct trial *best, const struct trial *t)
{
    for (size_t j = 0; j < LANES; j++) {
        bool better = t->error[j] < best->error[j];
        best->error[j] = better ? t->error[j] : best->error[j];
        best->scale[j] = better ? t->scale[j] : best->scale[j];
    }
}

static void search_scale(const struct group *g, struct trial *best)
{
    /* The largest weight as a multiple of the code range. */
    static const float reach[] = { 1.0f / 127, 1.0f / 113, 1.0f / 104,
                                   1.0f / 120, 1.0f / 97,  1.0f / 135 };
    float largest[LANES];
    find_largest(g, largest);
    for (size_t j = 0; j < LANES; j++) {
        best->scale[j] = 0;
        best->error[j] = INFINITY;
    }
    for (size_t r = 0; r < 2 * sizeof reach / sizeof *reach; r++) {
        struct trial t;
        float factor = reach[r / 2] * (r % 2 ? -1.0f : 1.0f);
        for (size_t j = 0; j < LANES; j++)
            t.scale[j] = largest[j] * factor;
        try_scale(g, &t);
        keep_better(best, &t);
        for (size_t j = 0; j < LANES; j++)
            t.scale[j] = t.bottom[j] > 0 ? t.top[j] / t.bottom[j] : 0;
        try_scale(g, &t);
        keep_better(best, &t);
    }
}

static void code_int4(struct group *g)
{
    struct trial best;
    float inverse[LANES];
    int32_t place[LANES];
    search_scale(g, &best);
    for (size_t j = 0; j < LANES; j++) {
        g->scale[j] = xl_f32_to_bf16(best.scale[j]);
        inverse[j] = best.scale[j] != 0 ? 1 / best.scale[j] : 0;
    }
    for (size_t i = 0; i < GROUP; i++) {
        place_lanes(g->w[i], inverse, place);
        for (size_t j = 0; j < LANES; j++) {
            g->code[i][j] = (uint8_t)place[j];
            g->back[i][j] = best.scale[j] * xl_pack_int4_codes[place[j]];
        }
    }
}

/* -- lines ---------------------------------------------------------------- */

/* The group's lines, as 32-bit lanes. */
static void store_lines(const struct group *g, enum xl_pack_kind kind,
                        unsigned char *to)
{
    size_t inputs = rows[kind].inputs;
    for (size_t l = 0; l < GROUP / inputs; l++) {
        uint32_t line[LANES] = { 0 };
        for (size_t i = 0; i < inputs; i++)
            for (size_t j = 0; j < LANES; j++) {
                uint32_t bits = g->code[l * inputs + i][j];
                size_t shift = 8 * i;
                if (kind == XL_PACK_FP32)
                    memcpy(&bits, &g->w[l][j], sizeof bits);
                if (kind == XL_PACK_BF16)
                    bits = xl_f32_to_bf16(g->w[l * inputs + i][j]);
                if (kind == XL_PACK_BF16)
                    shift = 16 * i;
                if (kind == XL_PACK_INT4)
                    shift = 16 * (i % 2) + 4 * (i / 2);
                line[j] |= bits << shift;
            }
        memcpy(to + l * XL_PACK_LINE, line, sizeof line);
    }
}

static void code_group(struct group *g, enum xl_pack_kind kind)
{
    if (kind == XL_PACK_INT8) {
        code_int8(g);
    } else if (kind == XL_PACK_INT4) {
        code_int4(g);
    } else {
        for (size_t i = 0; i < GROUP; i++)
            for (size_t j = 0; j < LANES; j++) {
                float w = g->w[i][j];
                g->code[i][j] = 0;
                g->back[i][j] = kind == XL_PACK_BF16
                                    ? xl_bf16_to_f32(xl_f32_to_bf16(w))
                                    : w;
            }
    }
}

/* Sums lane by lane, of the inputs that are there. */
static void report_group(const struct group *g, struct xl_pack_report *report)
{
    float error2[LANES] = { 0 }, weight2[LANES] = { 0 }, worst = 0;
    for (size_t i = 0; i < g->n; i++)
        for (size_t j = 0; j < LANES; j++) {
            float miss = fabsf(g->back[i][j] - g->w[i][j]);
            error2[j] += miss * miss;
            weight2[j] += g->w[i][j] * g->w[i][j];
            worst = miss > worst ? miss : worst;
        }
    struct xl_pack_report here = { .worst = (double)worst };
    for (size_t j = 0; j < LANES; j++) {
        here.error2 += (double)error2[j];
        here.weight2 += (double)weight2[j];
    }
    xl_pack_add(report, &here);
}

void xl_pack_run(const struct xl_pack_job *job, size_t first, size_t end,
                 struct xl_pack_report *report)
{
    size_t groups = xl_pack_groups(job->in);
    size_t group_bytes = GROUP / rows[job->kind].inputs * XL_PACK_LINE;
    assert(end <= xl_pack_panels(job->out));
    for (size_t at = first * groups; at < end * groups; at++) {
        struct group g;
        load_group(&g, job, at / groups, at % groups * GROUP);
        code_group(&g, job->kind);
        if (report)
            report_group(&g, report);
        store_lines(&g, job->kind,
                    (unsigned char *)job->data + at * group_bytes);
        if (rows[job->kind].has_scales)
            memcpy(job->scales + at * LANES, g.scale, sizeof g.scale);
    }
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

float xl_packed_at(const struct xl_packed *packed, size_t out, size_t in)
{
    size_t inputs = rows[packed->kind].inputs, panel = out / LANES;
    size_t panel_bytes = xl_pack_panel_bytes(packed->kind, packed->in);
    const unsigned char *line = packed->data;
    uint32_t lane;
    line += panel * panel_bytes + in / inputs * XL_PACK_LINE;
    memcpy(&lane, line + out % LANES * sizeof lane, sizeof lane);
    if (packed->kind == XL_PACK_FP32) {
        float w;
        memcpy(&w, &lane, sizeof w);
        return w;
    }
    if (packed->kind == XL_PACK_BF16)
        return xl_bf16_to_f32((uint16_t)(lane >> (16 * (in % 2))));
    size_t group = panel * xl_pack_groups(packed->in) + in / GROUP;
    float scale = xl_bf16_to_f32(packed->scales[group * LANES + out % LANES]);
    if (packed->kind == XL_PACK_INT8)
        return scale * (float)(int8_t)(lane >> (8 * (in % 4)));
    size_t i = in % 8;
    return scale *
           xl_pack_int4_codes[lane >> (16 * (i % 2) + 4 * (i / 2)) & 15];
}
