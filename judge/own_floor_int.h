/* SPDX-License-Identifier: Apache-2.0
 *
 * Between judge/own_floor*.c. */
#ifndef XL_OWN_FLOOR_INT_H
#define XL_OWN_FLOOR_INT_H

#include "judge/own_floor.h"
#include "kernel/base/hash.h"

/* Scores and blocks from the file of that model and text, and of the floor's
 * tier and inputs, when it was written with this check; n_blocks is set. */
bool xl_own_floor_load(struct xl_own_floor *floor,
                       const struct xl_reference_spec *spec,
                       const char check[XL_HASH_TEXT]);

/* That may fail silently, for it only costs time later. */
void xl_own_floor_save(const struct xl_own_floor *floor,
                       const struct xl_reference_spec *spec,
                       const char check[XL_HASH_TEXT]);

#endif
