/* SPDX-License-Identifier: Apache-2.0
 *
 * One layout of weights for prefill and decode.
 *
 * Sixteen outputs make a panel. A panel is a run of 64-byte lines; lane j
 * (32 bits) of a line belongs to output j and holds 1 fp32, 2 bf16, 4 int8 or
 * 8 int4 weights of consecutive inputs. A broadcast of the same inputs times
 * a line is a step of sixteen dot products; the bf16 lines of 32 inputs are a
 * matrix tile as they stand.
 *
 *     fp32   input i                    bits 0..31
 *     bf16   input 2l + h               bits 16h .. 16h + 15
 *     int8   input 4l + b               byte b, two's complement
 *     int4   input 8l + 2i + h          bits 16h + 4i .. 16h + 4i + 3
 *
 * Integer kinds have a bf16 scale for each output and group of 32 inputs:
 * scales [panel][group][16]. A weight is scale x code; the codes of int4 are
 * places in xl_pack_int4_codes. Inputs are padded to whole groups and outputs
 * to whole panels; engines multiply what is padded by zero.
 *
 *     struct xl_pack_sizes sizes;
 *     if (!xl_pack_sizes(&sizes, XL_PACK_INT8, out, in)) ... too large ...
 *     struct xl_pack_job job = { .kind = XL_PACK_INT8, ... };
 *     xl_pack_run(&job, 0, xl_pack_panels(out), &report);
 *     struct xl_packed packed = xl_pack_view(&job);
 */
#ifndef XL_PACK_H
#define XL_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/tensor/dtype.h"

enum xl_pack_kind {
#define XL_PACK(id, name, inputs, scales) XL_PACK_##id,
#include "kernel/gemm/pack.def"
#undef XL_PACK
    XL_PACK_COUNT
};

enum {
    XL_PACK_VERSION = 2, /* of the layout and codes, for files of them */
    XL_PACK_LANES = 16,
    XL_PACK_LINE = 64,
    XL_PACK_GROUP = 32,
    XL_PACK_CODES = 16
};

/* What the sixteen places of int4 stand for: closer together near zero, where
 * weights are dense. All are exact in bf16 and int8. */
extern const int8_t xl_pack_int4_codes[XL_PACK_CODES];

/* A view; it owns nothing. */
struct xl_packed {
    enum xl_pack_kind kind;
    size_t out, in;         /* without padding */
    const void *data;       /* [panel][line][64], aligned to 64 */
    const uint16_t *scales; /* [panel][group][16] bf16, or NULL */
};

const char *xl_pack_name(enum xl_pack_kind kind);
size_t xl_pack_line_inputs(enum xl_pack_kind kind);

/* Bytes of memory a weight takes with its scales, padding left out. */
double xl_pack_weight_bytes(enum xl_pack_kind kind);

static inline size_t xl_pack_panels(size_t out)
{
    return out / XL_PACK_LANES + (out % XL_PACK_LANES != 0);
}

static inline size_t xl_pack_groups(size_t in)
{
    return in / XL_PACK_GROUP + (in % XL_PACK_GROUP != 0);
}

/* Bytes of one panel's lines. */
size_t xl_pack_panel_bytes(enum xl_pack_kind kind, size_t in);

struct xl_pack_sizes {
    size_t data_bytes, scale_bytes;
};

/* false when a size does not fit. */
bool xl_pack_sizes(struct xl_pack_sizes *sizes, enum xl_pack_kind kind,
                   size_t out, size_t in);

/* What packing lost: add reports of several spans with xl_pack_add. */
struct xl_pack_report {
    double error2, weight2; /* sums of squares */
    double worst;           /* largest |packed - given| */
};

void xl_pack_add(struct xl_pack_report *to, const struct xl_pack_report *more);

/* Root mean square of the error over that of the weights; 0 for no weights. */
double xl_pack_rms(const struct xl_pack_report *report);

struct xl_pack_job {
    enum xl_pack_kind kind;
    size_t out, in;
    const void *rows; /* [out][in], may be unaligned */
    enum xl_dtype dtype;
    void *data;       /* data_bytes, aligned to 64 */
    uint16_t *scales; /* scale_bytes, or NULL */
};

/* Packs panels first..end; spans may run on different threads. report may be
 * NULL. */
void xl_pack_run(const struct xl_pack_job *job, size_t first, size_t end,
                 struct xl_pack_report *report);

struct xl_packed xl_pack_view(const struct xl_pack_job *job);

/* One weight as it reads back: slow, the truth for engines. */
float xl_packed_at(const struct xl_packed *packed, size_t out, size_t in);

/* All weights [in] of one output, the same bits. */
void xl_packed_row(const struct xl_packed *packed, size_t out, float *to);

#endif
