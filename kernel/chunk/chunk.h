/* SPDX-License-Identifier: Apache-2.0
 *
 * Backends: how the mLSTM cell of one layer is scheduled over (chunk x head
 * band) tasks. A backend knows cells and the pool; it knows no weights.
 *
 * Every backend gives the same answer as `native` up to rounding, for every
 * chunk size, band size, worker count and prompt split, and the same bits for
 * the same spec whatever the timing of its threads.
 */
#ifndef XL_CHUNK_H
#define XL_CHUNK_H

#include <stddef.h>

#include "kernel/base/pool.h"
#include "kernel/cell/mlstm.h"

enum xl_chunk_id {
#define XL_CHUNK(id, name, knobs, summary) XL_CHUNK_##id,
#include "kernel/chunk/chunk.def"
#undef XL_CHUNK
    XL_CHUNK_COUNT
};

/* Which tunables a backend reads. */
enum xl_chunk_knob {
    XL_KNOB_CHUNK = 1,
    XL_KNOB_BAND = 2,
    XL_KNOB_WORKERS = 4,
    XL_KNOB_STREAMS = 8,
    XL_KNOB_INNER = 16,
    XL_KNOB_TILES = 32,
};

struct xl_chunk_shape {
    size_t heads, dk, dv;
    size_t max_tokens; /* most tokens one job brings */
};

/* Chosen once, by the plan. All numbers are final: no zeros that mean auto. */
struct xl_chunk_spec {
    const struct xl_cell *cell;
    struct xl_chunk_shape shape;
    size_t chunk;      /* >= 1 */
    size_t n_bands;    /* 1..heads; band b is xl_span_of(heads, n_bands, b) */
    size_t streams;    /* >= 1 */
    size_t inner_tile; /* >= 1 */
    struct xl_mlstm_tiles tiles;
    struct xl_pool *pool; /* its width is the number of workers */
};

/* These tokens of a head's h are there, and whoever wrote them says so. */
typedef void xl_chunk_finish(void *ctx, size_t head, struct xl_span tokens);

/* One layer, `tokens` tokens, all heads. Head h of row t of q starts at
 * q + t * q_stride + h * dk; of v and h at ... + h * dv; its gates are
 * igate[t * gate_stride + h]. State is updated in place. */
struct xl_chunk_job {
    size_t tokens;
    const float *q, *k, *v;
    size_t q_stride, k_stride, v_stride;
    const float *igate, *fgate;
    size_t gate_stride;
    float *h;
    size_t h_stride;
    float eps;
    float *C; /* [heads][dk][dv] */
    float *n; /* [heads][dk] */
    float *m; /* [heads] */
    /* Called once for each token of each head, on any worker; or NULL. */
    xl_chunk_finish *finish;
    void *finish_ctx;
};

struct xl_chunk_backend {
    const char *name; /* of its row in chunk.def */
    unsigned knobs;   /* enum xl_chunk_knob bits */
    /* Bytes of scratch that run needs for any job of the spec's shape. */
    size_t (*scratch_bytes)(const struct xl_chunk_spec *spec);
    /* scratch: that many bytes, aligned to 64; contents need not be kept. */
    void (*run)(const struct xl_chunk_spec *spec,
                const struct xl_chunk_job *job, void *scratch);
};

const struct xl_chunk_backend *xl_chunk_get(enum xl_chunk_id id);

#endif
