/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the body of a reply of POST /api/chat. Nothing in it is believed: it
 * has to be whole, be one JSON document, and its message has to be one object
 * of exactly the schema's keys, types and ranges. Anything else is XL_EFORMAT
 * with a reason, never a guess. Pure.
 */
#ifndef XL_RUBRIC_REPLY_H
#define XL_RUBRIC_REPLY_H

#include <stddef.h>

#include "judge/rubric.h"
#include "kernel/base/err.h"

enum xl_status xl_rubric_read_marks(const char *body, size_t n,
                                    struct xl_rubric_marks *marks,
                                    struct xl_err *err);
enum xl_status xl_rubric_read_duel(const char *body, size_t n,
                                   struct xl_rubric_duel *duel,
                                   struct xl_err *err);

/* The server's own word for what went wrong, {"error": "..."}, as one clean
 * line; "" when there is none. */
void xl_rubric_read_error(const char *body, size_t n,
                          char out[XL_RUBRIC_REASON]);

/* Copies text as one line: control characters become blanks, and it is cut
 * between characters to fit. */
void xl_rubric_clean(char *out, size_t room, const char *text);

#endif
