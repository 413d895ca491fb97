/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to kernel/model: the addresses at which drawn tensors lie. */
#ifndef XL_DRAWN_INT_H
#define XL_DRAWN_INT_H

#include "kernel/base/arena.h"
#include "kernel/model/drawn.h"

struct xl_drawn {
    struct xl_drawing drawing;
    unsigned char *base; /* addresses for all tensors, memory on demand */
    const struct xl_safetensors *files;
};

/* Files that hold the entries at reserved addresses, all zero. */
enum xl_status xl_drawn_files(struct xl_drawn *drawn,
                              struct xl_safetensors **files,
                              const struct xl_safetensors_entry *entries,
                              size_t n, struct xl_err *err);

/* The tensor, which may be part of one that is listed, has its values when
 * this returns. Nothing to do when drawn is NULL. */
void xl_drawn_fetch(const struct xl_drawn *drawn, const struct xl_tensor *t);

#endif
