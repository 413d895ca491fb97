/* SPDX-License-Identifier: Apache-2.0
 *
 * `xltune sweep --simulate`: searches in tables instead of measuring. */
#ifndef XL_CMD_SWEEP_REPLAY_H
#define XL_CMD_SWEEP_REPLAY_H

#include "kernel/base/cmd.h"

/* Do the options ask for a replay or a score? */
bool xl_cmd_sweep_replays(const struct xl_cmd_ctx *ctx);

enum xl_status xl_cmd_sweep_replay(struct xl_cmd_ctx *ctx, struct xl_err *err);

#endif
