/* SPDX-License-Identifier: Apache-2.0
 *
 * What a packed checkpoint decides: how its weights are held. Values that no
 * user named become those; values that a user named must be those.
 */
#ifndef XL_STORED_H
#define XL_STORED_H

#include "kernel/base/err.h"
#include "kernel/model/config.h"
#include "kernel/param/param.h"

/* weight_dtype and head_dtype as the checkpoint has them, with layer
 * "checkpoint", where their layer is no higher. Other checkpoints change
 * nothing. */
void xl_stored_apply(const struct xl_config *config, struct xl_params *params);

/* The same whatever the layer, for points of a search. */
void xl_stored_force(const struct xl_config *config, struct xl_params *params);

/* Why there is nothing to choose, or NULL. Static storage. */
const char *xl_stored_inert(const struct xl_config *config, enum xl_param id);

/* XL_EUSAGE when the values ask for other kinds than the checkpoint has. */
enum xl_status xl_stored_check(const struct xl_config *config,
                               const struct xl_params *params,
                               struct xl_err *err);

#endif
