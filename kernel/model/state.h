/* SPDX-License-Identifier: Apache-2.0
 *
 * Recurrent state of one sequence, as a value: make, clear, copy, save,
 * restore. Its size does not depend on how many tokens it has seen.
 *
 * A block holds the parts of state.def that its kind has; the rest are NULL.
 * All parts are fp32; C alone may be held as bf16 too, in the first half of its
 * place. A plan holds the states it runs in the type of its state_dtype, so a
 * caller only makes, copies and saves them. Files are fp32 always.
 */
#ifndef XL_STATE_H
#define XL_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/model/config.h"
#include "kernel/tensor/tensor.h"

enum xl_state_part {
#define XL_STATE(id, name, kind, d0, d1, d2) XL_STATE_##id,
#include "kernel/model/state.def"
#undef XL_STATE
    XL_STATE_PARTS
};

struct xl_state {
    size_t blocks, heads, dk, dv;
    uint64_t tokens;       /* tokens seen since clear */
    enum xl_dtype C_dtype; /* XL_FP32, or XL_BF16 */
    float *data;           /* one allocation; the views below point into it */
    size_t floats;
    /* private */
    struct xl_tensor *parts; /* [blocks][XL_STATE_PARTS] */
};

/* Heap object at its initial value (all zero); xl_state_release frees. */
enum xl_status xl_state_init(struct xl_state *state,
                             const struct xl_config *config,
                             struct xl_err *err);
void xl_state_release(struct xl_state *state);

void xl_state_clear(struct xl_state *state);

/* to must have been made for the same model. */
void xl_state_copy(struct xl_state *to, const struct xl_state *from);

/* Holds C as XL_FP32 or XL_BF16 from now on: rounds or widens it in place. */
void xl_state_hold(struct xl_state *state, enum xl_dtype C_dtype);

/* A part of one block as a view, data NULL when the block has none. */
struct xl_tensor xl_state_view(const struct xl_state *state, size_t block,
                               enum xl_state_part part);

/* Its floats alone, in the shapes of state.def; C must be held as fp32. */
float *xl_state_at(const struct xl_state *state, size_t block,
                   enum xl_state_part part);
float *xl_state_C(const struct xl_state *state, size_t block);
uint16_t *xl_state_C16(const struct xl_state *state, size_t block);
float *xl_state_n(const struct xl_state *state, size_t block);
float *xl_state_m(const struct xl_state *state, size_t block);

/* Safetensors with layer.I.C, layer.I.n, layer.I.m and so on. */
enum xl_status xl_state_save(const struct xl_state *state, const char *path,
                             struct xl_err *err);
enum xl_status xl_state_load(struct xl_state *state, const char *path,
                             struct xl_err *err);

#endif
