/* SPDX-License-Identifier: Apache-2.0
 *
 * `xltune bench store`: what trials cost apart from measuring. */
#ifndef XL_CMD_OVERHEAD_H
#define XL_CMD_OVERHEAD_H

#include "kernel/base/cmd.h"

/* large: trials of the large store; 0 leaves it out. */
enum xl_status xl_cmd_overhead(const struct xl_cmd_ctx *ctx, size_t large,
                               struct xl_err *err);

#endif
