/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache of packed weights: what packing at load has made is kept in a
 * folder and mapped the next time.
 *
 * A file is found by the checkpoint's fingerprint (names, sizes and times of
 * its files, their headers and samples of their data), the packed layout's
 * version, the part of the model and the kind of weights. It is used only
 * when header and hashes are sound, and written beside and renamed, so any
 * number of processes may share a folder. Files are dropped, longest unused
 * first, when all together pass a limit. Nothing here fails: what cannot be
 * read is packed again, what cannot be written is warned of.
 *
 *     struct xl_cache cache;
 *     XL_TRY(xl_cache_init(&cache, err));
 *     XL_TRY(xl_model_set_cache(model, &cache, err));
 *     xl_cache_release(&cache);
 */
#ifndef XL_CACHE_H
#define XL_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/gemm/pack.h"
#include "kernel/model/packfile.h"
#include "kernel/model/safetensors.h"

/* Where there is no folder of the user's own choice. */
#define XL_CACHE_LEAST_BYTES ((size_t)64 << 20)
#define XL_CACHE_MOST_BYTES  ((uint64_t)16 << 30)

struct xl_cache {
    char *dir;           /* heap; NULL = no cache */
    size_t least_bytes;  /* smaller checkpoints are not worth it */
    uint64_t most_bytes; /* of all files together */
    void (*warn)(void *ctx, const char *text); /* or NULL */
    void *warn_ctx;
};

/* As the environment says: XLTUNE_CACHE=off is none, XLTUNE_CACHE=DIR is that
 * folder, for every checkpoint; else $XDG_CACHE_HOME/xltune or
 * ~/.cache/xltune, for checkpoints of XL_CACHE_LEAST_BYTES and more. */
enum xl_status xl_cache_init(struct xl_cache *cache, struct xl_err *err);
void xl_cache_release(struct xl_cache *cache);

struct xl_cache_key {
    const char *part; /* "blocks", "head" */
    enum xl_pack_kind kind;
};

/* An open file of the cache. */
struct xl_cached {
    struct xl_safetensors *files; /* or NULL */
    struct xl_packfile *packed;   /* or NULL */
};

/* packed stays NULL when there is nothing to use. */
void xl_cache_open(const struct xl_cache *cache,
                   const struct xl_safetensors *files,
                   const struct xl_cache_key *key, struct xl_cached *cached);
void xl_cached_close(struct xl_cached *cached);

struct xl_packs; /* packfile_int.h */

/* Keeps all matrices of packs, then drops what is too much. */
void xl_cache_store(const struct xl_cache *cache,
                    const struct xl_safetensors *files,
                    const struct xl_cache_key *key, struct xl_packs *packs);

#endif
