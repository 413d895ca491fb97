/* SPDX-License-Identifier: Apache-2.0
 *
 * Safetensors: reading mapped checkpoints, writing small files.
 *
 * The header of a file is checked before any size in it is believed: length,
 * JSON, dtype, shape times size against offsets, offsets inside the file, no
 * overlap. Tensors are views into the map and live until close.
 *
 *     struct xl_safetensors *files;
 *     XL_TRY(xl_safetensors_open(&files, dir, err));
 *     const struct xl_tensor *t = xl_safetensors_find(files, "lm_head.weight");
 */
#ifndef XL_SAFETENSORS_H
#define XL_SAFETENSORS_H

#include <stddef.h>

#include "kernel/base/err.h"
#include "kernel/base/out.h"
#include "kernel/tensor/tensor.h"

struct xl_safetensors; /* one file or all shards of a checkpoint */

/* A folder: model.safetensors, or the shards that
 * model.safetensors.index.json lists (each listed tensor must be where the
 * index says), or model_0.safetensors, model_1... */
enum xl_status xl_safetensors_open(struct xl_safetensors **files,
                                   const char *dir, struct xl_err *err);

/* One file by its own path. */
enum xl_status xl_safetensors_open_file(struct xl_safetensors **files,
                                        const char *path, struct xl_err *err);
void xl_safetensors_close(struct xl_safetensors *files);

/* NULL when there is none of that name. */
const struct xl_tensor *xl_safetensors_find(const struct xl_safetensors *files,
                                            const char *name);

/* Its place in the order of names; count when there is none. */
size_t xl_safetensors_index(const struct xl_safetensors *files,
                            const char *name);

/* Iteration in order of name: 0 <= i < count. */
size_t xl_safetensors_count(const struct xl_safetensors *files);
const char *xl_safetensors_name(const struct xl_safetensors *files, size_t i);
const struct xl_tensor *xl_safetensors_at(const struct xl_safetensors *files,
                                          size_t i);

/* A text of the header's __metadata__, or NULL. */
const char *xl_safetensors_note(const struct xl_safetensors *files,
                                const char *key);

/* Bytes of all mapped files together. */
size_t xl_safetensors_bytes(const struct xl_safetensors *files);

/* Identity of the content, 32 hexadecimal digits: hash over names, types,
 * shapes and all data. Costs one read of the checkpoint. */
void xl_safetensors_hash(const struct xl_safetensors *files, char out[33]);

/* Writes one file, tensors in this order; entries[i].tensor.data is read.
 * Names must differ. By temporary file and rename: all or nothing. */
struct xl_safetensors_entry {
    const char *name;
    struct xl_tensor tensor;
};
enum xl_status xl_safetensors_write(const char *path,
                                    const struct xl_safetensors_entry *entries,
                                    size_t n, struct xl_err *err);

/* The part of such a file in front of the data, for callers that make the
 * data as they write it: all tensors must follow in this order, unpadded.
 * entries[i].tensor.data is not read. */
enum xl_status
xl_safetensors_write_header(struct xl_out *out,
                            const struct xl_safetensors_entry *entries,
                            size_t n, struct xl_err *err);

/* The same with notes and a checksum of the header; the data begins on a
 * page of the file. A reader refuses such a header when a byte is changed. */
struct xl_safetensors_note {
    const char *key, *value;
};
enum xl_status
xl_safetensors_write_sealed(struct xl_out *out,
                            const struct xl_safetensors_entry *entries,
                            size_t n, const struct xl_safetensors_note *notes,
                            size_t n_notes, struct xl_err *err);

#endif
