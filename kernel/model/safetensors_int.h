/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to kernel/model: the inside of open safetensors files.
 *
 * A sealed header begins with a checksum of the rest of it, so that a changed
 * byte is seen before anything is read:
 *
 *     {"__metadata__":{"checksum":"<32 hexadecimal digits>", ...
 *
 * The digits are the hash of the whole header with zeros in their place.
 */
#ifndef XL_SAFETENSORS_INT_H
#define XL_SAFETENSORS_INT_H

#include <stdbool.h>

#include "kernel/base/arena.h"
#include "kernel/base/hash.h"
#include "kernel/base/io.h"
#include "kernel/model/safetensors.h"

enum {
    XL_SAFETENSORS_LENGTH = 8, /* bytes of the header's length */
    XL_SAFETENSORS_DIGITS = XL_HASH_TEXT - 1
};

#define XL_SAFETENSORS_SEAL "{\"__metadata__\":{\"checksum\":\""

struct xl_safetensors_item {
    const char *name; /* memory of the arena */
    struct xl_tensor tensor;
    size_t file, begin, end; /* bytes in the data of that file */
};

struct xl_safetensors_shard {
    const char *path, *name; /* name is the end of path; of the arena */
    struct xl_map map;
    size_t header_bytes; /* with its length */
    bool is_sealed;
};

struct xl_safetensors {
    struct xl_arena arena;
    struct xl_safetensors_shard *shards; /* [n_shards] */
    size_t n_shards, shards_room;
    struct xl_safetensors_item *entries; /* [n], by name once open returned */
    size_t n, entries_room;
    struct xl_safetensors_note *notes; /* [n_notes], memory of the arena */
    size_t n_notes;
};

/* Brings all entries in order of name; a name must be there once. */
enum xl_status xl_safetensors_sort(struct xl_safetensors *files,
                                   const char *where, struct xl_err *err);

/* The checksum of a sealed header, of at least a seal's length. */
void xl_safetensors_checksum(const char *header, size_t n,
                             char out[XL_HASH_TEXT]);

#endif
