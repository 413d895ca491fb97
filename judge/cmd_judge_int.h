/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files of the command `judge`. */
#ifndef XL_CMD_JUDGE_INT_H
#define XL_CMD_JUDGE_INT_H

#include <cjson/cJSON.h>

#include "kernel/base/cmd.h"

enum xl_status xl_judge_cmd_selftest(struct xl_cmd_ctx *ctx,
                                     struct xl_err *err);

/* One JSON document and a newline on standard output. */
enum xl_status xl_judge_print_json(const cJSON *root, struct xl_err *err);

#endif
