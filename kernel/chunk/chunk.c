/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry, one pointer a row of chunk.def, and what the backends share. */
#include "kernel/chunk/chunk.h"

#include <string.h>

#include "kernel/chunk/chunk_int.h"

enum {
    LINE = 64
};

static const struct xl_chunk_backend *const backends[] = {
#define XL_CHUNK(id, name, knobs, summary) [XL_CHUNK_##id] = &xl_chunk_##name,
#include "kernel/chunk/chunk.def"
#undef XL_CHUNK
};

const struct xl_chunk_backend *xl_chunk_get(enum xl_chunk_id id)
{
    return backends[id];
}

size_t xl_chunk_longest(const struct xl_chunk_spec *spec)
{
    size_t most = spec->shape.max_tokens;
    return spec->chunk < most ? spec->chunk : most;
}

size_t xl_chunk_most(const struct xl_chunk_spec *spec)
{
    return (spec->shape.max_tokens + spec->chunk - 1) / spec->chunk;
}

size_t xl_chunk_count(const struct xl_chunk_spec *spec,
                      const struct xl_chunk_job *job)
{
    return (job->tokens + spec->chunk - 1) / spec->chunk;
}

struct xl_span xl_chunk_tokens(const struct xl_chunk_spec *spec,
                               const struct xl_chunk_job *job, size_t index)
{
    size_t begin = index * spec->chunk, left = job->tokens - begin;
    return (struct xl_span){ begin, left < spec->chunk ? job->tokens
                                                       : begin + spec->chunk };
}

struct xl_mlstm_io xl_chunk_io(const struct xl_chunk_spec *spec,
                               const struct xl_chunk_job *job, size_t head,
                               size_t begin)
{
    size_t dk = spec->shape.dk, dv = spec->shape.dv;
    return (struct xl_mlstm_io){
        .dk = dk,
        .dv = dv,
        .q = job->q + begin * job->q_stride + head * dk,
        .k = job->k + begin * job->k_stride + head * dk,
        .v = job->v + begin * job->v_stride + head * dv,
        .q_stride = job->q_stride,
        .k_stride = job->k_stride,
        .v_stride = job->v_stride,
        .igate = job->igate + begin * job->gate_stride + head,
        .fgate = job->fgate + begin * job->gate_stride + head,
        .gate_stride = job->gate_stride,
        .h = job->h + begin * job->h_stride + head * dv,
        .h_stride = job->h_stride,
        .eps = job->eps,
    };
}

struct xl_mlstm_state xl_chunk_state(const struct xl_chunk_spec *spec,
                                     const struct xl_chunk_job *job,
                                     size_t head)
{
    size_t dk = spec->shape.dk, dv = spec->shape.dv;
    return (struct xl_mlstm_state){ job->C + head * dk * dv, job->n + head * dk,
                                    job->m + head };
}

void xl_chunk_finish_head(const struct xl_chunk_job *job, size_t head,
                          struct xl_span tokens)
{
    if (job->finish)
        job->finish(job->finish_ctx, head, tokens);
}

void xl_chunk_advance(const struct xl_chunk_spec *spec,
                      const struct xl_chunk_job *job, size_t head,
                      struct xl_span tokens, const struct xl_mlstm_state *state,
                      float *scratch)
{
    struct xl_mlstm_io io = xl_chunk_io(spec, job, head, tokens.begin);
    size_t len = tokens.end - tokens.begin;
    size_t left = job->tokens - tokens.end;
    io.ahead = left < len ? left : len;
    spec->cell->chunk(&io, len, state, &spec->tiles, XL_CELL_BOTH, scratch);
    xl_chunk_finish_head(job, head, tokens);
}

size_t xl_chunk_lines(size_t nbytes)
{
    return (nbytes + LINE - 1) / LINE * LINE;
}

size_t xl_chunk_cell_bytes(const struct xl_chunk_spec *spec)
{
    const struct xl_chunk_shape *shape = &spec->shape;
    size_t n = spec->cell->scratch_floats(xl_chunk_longest(spec), shape->dk,
                                          shape->dv);
    return xl_chunk_lines(n * sizeof(float));
}

/* C, n, m in this order, each on a line of its own. */
static size_t C_bytes(const struct xl_chunk_spec *spec)
{
    return xl_chunk_lines(spec->shape.dk * spec->shape.dv * sizeof(float));
}

static size_t n_bytes(const struct xl_chunk_spec *spec)
{
    return xl_chunk_lines(spec->shape.dk * sizeof(float));
}

size_t xl_chunk_state_bytes(const struct xl_chunk_spec *spec)
{
    return C_bytes(spec) + n_bytes(spec) + LINE;
}

struct xl_mlstm_state xl_chunk_state_at(const struct xl_chunk_spec *spec,
                                        void *memory)
{
    float *C = memory;
    float *n = C + C_bytes(spec) / sizeof *C;
    return (struct xl_mlstm_state){ C, n, n + n_bytes(spec) / sizeof *n };
}

void xl_chunk_state_copy(const struct xl_chunk_spec *spec,
                         const struct xl_mlstm_state *to,
                         const struct xl_mlstm_state *from)
{
    size_t dk = spec->shape.dk, dv = spec->shape.dv;
    memcpy(to->C, from->C, dk * dv * sizeof *to->C);
    memcpy(to->n, from->n, dk * sizeof *to->n);
    *to->m = *from->m;
}
