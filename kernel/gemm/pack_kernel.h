/* SPDX-License-Identifier: Apache-2.0
 *
 * Packing, compiled once per instruction set by pack_<isa>.c: a group of 32
 * inputs x 16 outputs at a time, lane by lane in plain loops. Nothing is
 * contracted or reordered, so every variant gives the same bits. */
#ifndef XL_PACK_KERNEL_H
#define XL_PACK_KERNEL_H

#include <math.h>
#include <string.h>

#include "kernel/gemm/pack_int.h"

enum {
    LANES = XL_PACK_LANES,
    GROUP = XL_PACK_GROUP
};

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t int_lanes __attribute__((vector_size(LANES * sizeof(int32_t))));

/* 32 inputs x 16 outputs: the weights, their codes, what they read back as. */
struct group {
    size_t n; /* inputs that are there */
    float w[GROUP][LANES];
    float back[GROUP][LANES];
    uint8_t code[GROUP][LANES];
    uint16_t scale[LANES];
};

static inline void load_group(struct group *g, const struct xl_pack_job *job,
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

static inline void find_largest(const struct group *g, float largest[LANES])
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
static inline uint16_t round_up(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0xffff) >> 16);
}

static inline void code_int8(struct group *g)
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

static inline lanes load_lanes(const float from[LANES])
{
    lanes x;
    memcpy(&x, from, sizeof x);
    return x;
}

/* The code nearest to each lane. Written with vectors: left to itself, the
 * compiler spends six times as long in here. */
static inline int_lanes nearest(lanes at)
{
    int_lanes code = { 0 };
    code += xl_pack_int4_codes[0];
    for (size_t c = 0; c + 1 < XL_PACK_CODES; c++) {
        int low = xl_pack_int4_codes[c], high = xl_pack_int4_codes[c + 1];
        float middle = (float)(low + high) / 2;
        code += (at > middle) & (high - low); /* true is -1 */
    }
    return code;
}

static inline int_lanes place_of(lanes at)
{
    int_lanes place = { 0 };
    for (size_t c = 0; c + 1 < XL_PACK_CODES; c++) {
        int low = xl_pack_int4_codes[c], high = xl_pack_int4_codes[c + 1];
        place -= at > (float)(low + high) / 2;
    }
    return place;
}

static inline void try_scale(const struct group *g, struct trial *t)
{
    float inverse[LANES];
    lanes error = { 0 }, top = { 0 }, bottom = { 0 };
    for (size_t j = 0; j < LANES; j++) {
        t->scale[j] = xl_bf16_round(t->scale[j]);
        inverse[j] = t->scale[j] != 0 ? 1 / t->scale[j] : 0;
    }
    lanes scale = load_lanes(t->scale), by = load_lanes(inverse);
    for (size_t i = 0; i < g->n; i++) {
        lanes w = load_lanes(g->w[i]);
        lanes code = __builtin_convertvector(nearest(w * by), lanes);
        lanes miss = w - code * scale;
        error += miss * miss;
        top += w * code;
        bottom += code * code;
    }
    memcpy(t->error, &error, sizeof error);
    memcpy(t->top, &top, sizeof top);
    memcpy(t->bottom, &bottom, sizeof bottom);
}

static inline void keep_better(struct trial *best, const struct trial *t)
{
    for (size_t j = 0; j < LANES; j++) {
        bool better = t->error[j] < best->error[j];
        best->error[j] = better ? t->error[j] : best->error[j];
        best->scale[j] = better ? t->scale[j] : best->scale[j];
    }
}

static inline void search_scale(const struct group *g, struct trial *best)
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

static inline void code_int4(struct group *g)
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
        int_lanes at = place_of(load_lanes(g->w[i]) * load_lanes(inverse));
        memcpy(place, &at, sizeof place);
        for (size_t j = 0; j < LANES; j++) {
            g->code[i][j] = (uint8_t)place[j];
            g->back[i][j] = best.scale[j] * xl_pack_int4_codes[place[j]];
        }
    }
}

/* -- lines ---------------------------------------------------------------- */

/* The group's lines, as 32-bit lanes. */
static inline void store_lines(const struct group *g, enum xl_pack_kind kind,
                               unsigned char *to)
{
    size_t inputs = xl_pack_line_inputs(kind);
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

static inline void code_group(struct group *g, enum xl_pack_kind kind)
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
                g->back[i][j] = kind == XL_PACK_BF16 ? xl_bf16_round(w) : w;
            }
    }
}

/* Sums lane by lane, of the inputs that are there. */
static inline void report_group(const struct group *g,
                                struct xl_pack_report *report)
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

static inline void pack_groups(const struct xl_pack_job *job, size_t first,
                               size_t end, struct xl_pack_report *report)
{
    size_t groups = xl_pack_groups(job->in);
    size_t group_bytes = GROUP / xl_pack_line_inputs(job->kind) * XL_PACK_LINE;
    for (size_t at = first * groups; at < end * groups; at++) {
        struct group g;
        load_group(&g, job, at / groups, at % groups * GROUP);
        code_group(&g, job->kind);
        if (report)
            report_group(&g, report);
        store_lines(&g, job->kind,
                    (unsigned char *)job->data + at * group_bytes);
        if (job->scales)
            memcpy(job->scales + at * LANES, g.scale, sizeof g.scale);
    }
}

#endif
