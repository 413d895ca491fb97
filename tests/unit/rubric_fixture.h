/* SPDX-License-Identifier: Apache-2.0
 *
 * Replies as a server in Ollama's form gives them.
 */
#ifndef XL_RUBRIC_FIXTURE_H
#define XL_RUBRIC_FIXTURE_H

#include "judge/rubric.h"
#include "kernel/base/buf.h"

/* {"model": .., "message": {"role": .., "content": "<content>"}, ..} */
void xl_reply_around(const char *content, struct xl_buf *out);

/* Whole replies: every mark `score`; a choice. */
void xl_reply_marks(int score, struct xl_buf *out);
void xl_reply_duel(enum xl_choice choice, struct xl_buf *out);

#endif
