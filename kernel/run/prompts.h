/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of prompts, one a line: plain text, or, when its name ends in
 * .jsonl, an object a line with "prompt" (text) or "prompt_ids" (token ids)
 * and, at will, "seed" and "max_new_tokens". Lines of blanks are left out.
 */
#ifndef XL_PROMPTS_H
#define XL_PROMPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/run/session.h"

struct xl_prompt {
    struct xl_ids ids;
    int64_t seed, max_new; /* -1 = not given */
};

struct xl_prompts {
    struct xl_prompt *list; /* [n] */
    size_t n, room;
};

/* path may be "-", text on standard input. Errors name the line; release
 * after them too. XL_EUSAGE when there is no prompt. */
enum xl_status xl_prompts_read(struct xl_prompts *prompts, const char *path,
                               const struct xl_session *session, bool with_bos,
                               struct xl_err *err);
void xl_prompts_release(struct xl_prompts *prompts);

#endif
