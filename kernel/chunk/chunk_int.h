/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to kernel/chunk: the backends, and what they share: a head's view
 * of a job, spans of chunks and bands, and carving of scratch.
 */
#ifndef XL_CHUNK_INT_H
#define XL_CHUNK_INT_H

#include "kernel/chunk/chunk.h"

#define XL_CHUNK(id, name, knobs, summary)                                     \
    extern const struct xl_chunk_backend xl_chunk_##name;
#include "kernel/chunk/chunk.def"
#undef XL_CHUNK

/* Tokens of a chunk that scratch must hold: no more than a job brings. */
size_t xl_chunk_longest(const struct xl_chunk_spec *spec);

/* Most chunks a job of the spec's shape has. */
size_t xl_chunk_most(const struct xl_chunk_spec *spec);

/* Tokens of chunk `index`. */
struct xl_span xl_chunk_tokens(const struct xl_chunk_spec *spec,
                               const struct xl_chunk_job *job, size_t index);

/* Number of chunks of this job. */
size_t xl_chunk_count(const struct xl_chunk_spec *spec,
                      const struct xl_chunk_job *job);

/* One head's inputs and outputs from token `begin` on; its state. */
struct xl_mlstm_io xl_chunk_io(const struct xl_chunk_spec *spec,
                               const struct xl_chunk_job *job, size_t head,
                               size_t begin);
struct xl_mlstm_state xl_chunk_state(const struct xl_chunk_spec *spec,
                                     const struct xl_chunk_job *job,
                                     size_t head);

/* Outputs, then state, of these tokens for one head whose state is given. */
void xl_chunk_advance(const struct xl_chunk_spec *spec,
                      const struct xl_chunk_job *job, size_t head,
                      struct xl_span tokens, const struct xl_mlstm_state *state,
                      float *scratch);

/* These tokens of the head's h are written. */
void xl_chunk_finish_head(const struct xl_chunk_job *job, size_t head,
                          struct xl_span tokens);

/* Bytes rounded up to whole cache lines. */
size_t xl_chunk_lines(size_t nbytes);

/* Bytes of cell scratch for one worker. */
size_t xl_chunk_cell_bytes(const struct xl_chunk_spec *spec);

/* A state of one head in memory of a backend's own. */
size_t xl_chunk_state_bytes(const struct xl_chunk_spec *spec);
struct xl_mlstm_state xl_chunk_state_at(const struct xl_chunk_spec *spec,
                                        void *memory);
void xl_chunk_state_copy(const struct xl_chunk_spec *spec,
                         const struct xl_mlstm_state *to,
                         const struct xl_mlstm_state *from);

#endif
