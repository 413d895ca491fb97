/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a model as a packed checkpoint (packfile.h).
 *
 *     struct xl_pack_order order = {
 *         .weights = XL_PACK_INT4, .head = XL_PACK_INT8, .pool = pool,
 *     };
 *     XL_TRY(xl_model_pack(model, &order, "out/model.xlpack", err));
 *
 * The packed matrices are held in memory until they are written: those of the
 * wanted kinds, not the checkpoint's own, which may be drawn (drawn.h).
 */
#ifndef XL_PACK_MODEL_H
#define XL_PACK_MODEL_H

#include "kernel/base/err.h"
#include "kernel/base/pool.h"
#include "kernel/gemm/pack.h"
#include "kernel/model/model.h"

struct xl_pack_order {
    enum xl_pack_kind weights, head;
    struct xl_pool *pool;
    /* After each matrix, weights packed so far; or NULL. */
    void (*progress)(void *ctx, uint64_t weights);
    void *progress_ctx;
};

/* Writes the file, all or nothing. XL_EUSAGE for a model that is packed
 * already in another way. */
enum xl_status xl_model_pack(struct xl_model *model,
                             const struct xl_pack_order *order,
                             const char *path, struct xl_err *err);

#endif
