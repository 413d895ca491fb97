/* SPDX-License-Identifier: Apache-2.0
 *
 * `xltune sweep --simulate TABLE... --score`: scores a strategy on recorded
 * tables and prints the board, one line a table and their mean. */
#ifndef XL_CMD_SCORE_H
#define XL_CMD_SCORE_H

#include "kernel/base/cmd.h"
#include "tuner/simulate/p_score.h"

/* tables: paths [n], n > 0. Prints JSON when ctx->json. */
enum xl_status xl_cmd_simulate_score(const struct xl_cmd_ctx *ctx,
                                     const char *const *tables, size_t n,
                                     const struct xl_p_score_options *options,
                                     struct xl_err *err);

#endif
