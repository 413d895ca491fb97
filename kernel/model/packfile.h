/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of packed matrices: packed checkpoints and the cache.
 *
 * Such a file is laid out as safetensors are, so it is checked as they are,
 * with a sealed header (safetensors_int.h). For each matrix it holds
 *
 *     packed.NAME.data     U8 [panels][lines][64], in the layout of pack.h
 *     packed.NAME.scales   BF16 [panels][groups][16], of integer kinds
 *
 * and a note matrix.NAME: kind, outputs, inputs, what packing lost, a hash of
 * data and scales. Data comes first and begins on a page, so that all of it
 * can be used where it is mapped. The notes layout (XL_PACK_VERSION),
 * weight_dtype and head_dtype say how to read it.
 *
 * In a packed checkpoint (model.xlpack in place of model.safetensors) the
 * other tensors follow under their own names; those whose values are in packed
 * matrices are there by name and shape only, of type PACKED.
 *
 *     struct xl_packfile *file;
 *     XL_TRY(xl_packfile_open(&file, files, err)); // files stay the caller's
 *     const struct xl_packfile_matrix *m = xl_packfile_find(file, "head");
 *     ... m->packed, until the files are closed ...
 *     xl_packfile_close(file);
 */
#ifndef XL_PACKFILE_H
#define XL_PACKFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"
#include "kernel/base/hash.h"
#include "kernel/gemm/pack.h"
#include "kernel/model/safetensors.h"

#define XL_PACKFILE_NAME   "model.xlpack"
#define XL_PACKFILE_PREFIX "packed."

struct xl_packfile;
struct xl_pool;

struct xl_packfile_matrix {
    const char *name;
    struct xl_packed packed; /* in the map */
    struct xl_pack_report report;
    char hash[XL_HASH_TEXT]; /* as it should be */
};

/* What the file says of itself. */
struct xl_packfile_facts {
    enum xl_pack_kind weights, head;
    const char *source; /* identity of the checkpoint that was packed */
};

/* Do these files belong to a packed checkpoint? */
bool xl_packfile_is(const struct xl_safetensors *files);

/* Seal, version and kinds. XL_EFORMAT says what to do. */
enum xl_status xl_packfile_read_facts(struct xl_packfile_facts *facts,
                                      const struct xl_safetensors *files,
                                      struct xl_err *err);

/* Checks every matrix against the sizes that its note demands. */
enum xl_status xl_packfile_open(struct xl_packfile **file,
                                const struct xl_safetensors *files,
                                struct xl_err *err);
void xl_packfile_close(struct xl_packfile *file);

/* The map asks for huge pages; from now on for small ones. */
void xl_packfile_small_pages(const struct xl_packfile *file);

/* Before anything has read the weights: a large file whose map has few huge
 * pages, as file systems without large folios leave it, is read by the workers
 * into memory of this process that has them, if twice as much is free. Does
 * something at the first call alone. */
void xl_packfile_settle(struct xl_packfile *file, struct xl_pool *pool);

/* The same whatever its pages; false without memory. */
bool xl_packfile_move(struct xl_packfile *file, struct xl_pool *pool);

const struct xl_packfile_facts *xl_packfile_facts(const struct xl_packfile *f);

/* The layout that this program writes and reads. */
int xl_packfile_layout(void);

size_t xl_packfile_count(const struct xl_packfile *file);
const struct xl_packfile_matrix *xl_packfile_at(const struct xl_packfile *file,
                                                size_t i);

/* NULL when there is none of that name. */
const struct xl_packfile_matrix *
xl_packfile_find(const struct xl_packfile *file, const char *name);

/* Hash of data and scales. */
void xl_packfile_hash(const struct xl_packed *packed, char out[XL_HASH_TEXT]);

/* Reads the matrix; XL_EFORMAT when its hash is another. */
enum xl_status xl_packfile_verify(const struct xl_packfile *file,
                                  const struct xl_packfile_matrix *matrix,
                                  struct xl_err *err);

#endif
