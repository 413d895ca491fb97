/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files of the command `judge`. */
#ifndef XL_CMD_JUDGE_INT_H
#define XL_CMD_JUDGE_INT_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "kernel/base/cmd.h"

enum xl_status xl_judge_cmd_selftest(struct xl_cmd_ctx *ctx,
                                     struct xl_err *err);

/* tokens: of each text; 0 = the calibration's own. */
enum xl_status xl_judge_cmd_calibrate(struct xl_cmd_ctx *ctx, size_t tokens,
                                      struct xl_err *err);

/* A text of exactly so many tokens, BOS included, on standard output. */
enum xl_status xl_judge_cmd_text(struct xl_cmd_ctx *ctx, size_t tokens,
                                 uint64_t seed, struct xl_err *err);

#endif
