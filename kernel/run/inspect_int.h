/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to kernel/run: what `inspect` has found, and its two pictures. */
#ifndef XL_INSPECT_INT_H
#define XL_INSPECT_INT_H

#include "kernel/base/buf.h"
#include "kernel/model/config.h"
#include "kernel/model/packfile.h"
#include "kernel/model/safetensors.h"
#include "kernel/run/cost.h"

struct xl_inspection {
    char *dir;
    struct xl_config config;
    struct xl_safetensors *files;
    struct xl_packfile *packed; /* of a packed checkpoint, or NULL */
    struct xl_cost cost;
    size_t by_dtype[XL_DTYPE_COUNT]; /* tensors of each type */
    size_t chunk, block; /* chunk_size and prefill_block in effect */
};

/* Bytes of a matrix weight with its scales, by name of weight_dtype; 0 for a
 * name that is not known. */
double xl_inspect_weight_bytes(const char *name);

void xl_inspect_text(const struct xl_inspection *it, struct xl_buf *out);
void xl_inspect_tensors(const struct xl_inspection *it, struct xl_buf *out);
void xl_inspect_wiring(const struct xl_config *config, struct xl_buf *out);

#endif
