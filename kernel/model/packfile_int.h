/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to kernel/model: writing files of packed matrices, and the matrices
 * that a model has packed or found packed. */
#ifndef XL_PACKFILE_INT_H
#define XL_PACKFILE_INT_H

#include "kernel/base/out.h"
#include "kernel/model/drawn_int.h"
#include "kernel/model/pack_model.h"
#include "kernel/model/packfile.h"
#include "kernel/model/prepare_int.h"

/* Of the file: the layout of a panel, and how names map to weights. */
enum {
    XL_PACKFILE_VERSION = 100 * XL_PACK_VERSION + 1
};

#define XL_PACKFILE_NOTE "matrix."

/* One packed matrix and the rows of the checkpoint that it stands for. */
struct xl_packs_item {
    char name[XL_SOURCE_NAME];
    struct xl_packed packed;
    struct xl_pack_report report;
    char hash[XL_HASH_TEXT]; /* "" until it is computed */
    size_t n_parts;
    struct xl_tensor parts[XL_MATRIX_PARTS];
};

/* Where preparing looks for matrices before it packs them, and the list of
 * all that it asked for. */
struct xl_packs {
    const struct xl_packfile *file; /* or NULL */
    bool must_find; /* the checkpoint is packed: there is nothing else */
    bool verify;    /* a matrix whose hash is wrong counts as not found */
    const struct xl_drawn *drawn; /* whose rows must be fetched, or NULL */
    struct xl_packs_item *items;  /* [n] */
    size_t n, room;
    size_t n_packed; /* that were not found */
    void (*progress)(void *ctx, uint64_t weights);
    void *progress_ctx;
    uint64_t weights; /* so far */
};

void xl_packs_release(struct xl_packs *packs);

/* Fills out->packed and out->report with what the file has; *found tells.
 * XL_EFORMAT when it must have it and has not. */
enum xl_status xl_packs_find(struct xl_packs *packs,
                             const struct xl_source *source,
                             enum xl_pack_kind kind, struct xl_matrix *out,
                             bool *found, struct xl_err *err);

/* Adds a matrix to the list. */
enum xl_status xl_packs_add(struct xl_packs *packs,
                            const struct xl_source *source,
                            const struct xl_matrix *matrix, struct xl_err *err);

struct xl_packfile_content {
    struct xl_packfile_facts facts;
    struct xl_packs *const *packs; /* [n_packs]; hashes are filled in */
    size_t n_packs;
    const struct xl_safetensors_entry *plain; /* [n_plain] */
    size_t n_plain;
    const struct xl_drawn *drawn; /* that plain tensors are of, or NULL */
};

/* Writes the whole file; all or nothing. */
enum xl_status xl_packfile_write(const char *path,
                                 const struct xl_packfile_content *content,
                                 struct xl_err *err);

#endif
