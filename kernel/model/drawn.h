/* SPDX-License-Identifier: Apache-2.0
 *
 * A model without files, whose tensors are drawn when they are needed and
 * forgotten again: what packs a model larger than memory.
 *
 *     struct xl_drawing drawing = { .draw = draw, .source = "noise" };
 *     XL_TRY(xl_model_draw(&model, &config, entries, n, &drawing, err));
 *     rc = xl_model_pack(model, &order, "out/model.xlpack", err);
 *     xl_model_close(model);
 *
 * Such a model can be packed, not run.
 */
#ifndef XL_DRAWN_H
#define XL_DRAWN_H

#include <stddef.h>

#include "kernel/base/err.h"
#include "kernel/model/config.h"
#include "kernel/model/model.h"
#include "kernel/model/safetensors.h"

struct xl_drawing {
    /* Writes all values of a tensor; may be called more than once, with the
     * same result. */
    void (*draw)(void *ctx, const struct xl_safetensors_entry *entry,
                 void *data);
    void *ctx;
    const char *source; /* identity, for the packed file; outlives the model */
};

/* Entries are copied; their data is not looked at. */
enum xl_status xl_model_draw(struct xl_model **model,
                             const struct xl_config *config,
                             const struct xl_safetensors_entry *entries,
                             size_t n, const struct xl_drawing *drawing,
                             struct xl_err *err);

#endif
