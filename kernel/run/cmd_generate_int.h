/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two ways to generate share: one prompt, streamed, and a file of
 * prompts, together. For cmd_generate*.c only. */
#ifndef XL_CMD_GENERATE_INT_H
#define XL_CMD_GENERATE_INT_H

#include "kernel/base/cmd.h"
#include "kernel/base/json.h"
#include "kernel/run/generate.h"
#include "kernel/run/session.h"

enum {
    OPT_PROMPT,
    OPT_PROMPT_FILE,
    OPT_BATCH,
    OPT_BATCH_SIZE,
    OPT_MAX_NEW,
    OPT_TEMPERATURE,
    OPT_TOP_K,
    OPT_TOP_P,
    OPT_MIN_P,
    OPT_PENALTY,
    OPT_SEED,
    OPT_STOP,
    OPT_NO_BOS,
    OPT_STATS_LOG,
    OPT_STATS_EVERY,
    OPT_MEM_LOG,
    OPT_COUNT
};

/* What the flags say of any prompt; prompt and n_prompt are left open. */
struct xl_generate_options xl_generate_flags(const struct xl_opts *o,
                                             const struct xl_session *session);

/* The result's object, which the caller may add to; text are its bytes. */
cJSON *xl_generate_json(const struct xl_session *session,
                        const struct xl_generate_options *options,
                        const struct xl_generate_result *result,
                        const struct xl_buf *text);

/* Items a second, NaN without a time. */
double xl_generate_rate(double count, uint64_t ns);

/* generate --batch */
enum xl_status xl_generate_file(struct xl_cmd_ctx *ctx, struct xl_err *err);

#endif
