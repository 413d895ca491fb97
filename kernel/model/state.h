/* SPDX-License-Identifier: Apache-2.0
 *
 * Recurrent state of one sequence, as a value: make, clear, copy, save,
 * restore. Its size does not depend on how many tokens it has seen.
 */
#ifndef XL_STATE_H
#define XL_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/model/config.h"

struct xl_state {
    size_t blocks, heads, dk, dv;
    uint64_t tokens; /* tokens seen since clear */
    float *data;     /* one allocation; the views below point into it */
    size_t floats;
};

/* Heap object at its initial value (all zero); xl_state_release frees. */
enum xl_status xl_state_init(struct xl_state *state,
                             const struct xl_config *config,
                             struct xl_err *err);
void xl_state_release(struct xl_state *state);

void xl_state_clear(struct xl_state *state);

/* to must have been made for the same model. */
void xl_state_copy(struct xl_state *to, const struct xl_state *from);

/* Views of one block: C [heads][dk][dv], n [heads][dk], m [heads]. */
float *xl_state_C(const struct xl_state *state, size_t block);
float *xl_state_n(const struct xl_state *state, size_t block);
float *xl_state_m(const struct xl_state *state, size_t block);

/* Safetensors with layer.I.C, layer.I.n, layer.I.m. */
enum xl_status xl_state_save(const struct xl_state *state, const char *path,
                             struct xl_err *err);
enum xl_status xl_state_load(struct xl_state *state, const char *path,
                             struct xl_err *err);

#endif
