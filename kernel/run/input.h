/* SPDX-License-Identifier: Apache-2.0
 *
 * Text or token ids that a command is given: as a word, a file, or ids. */
#ifndef XL_INPUT_H
#define XL_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/run/session.h"

/* Exactly one source is set. Files may be "-" for standard input. */
struct xl_input {
    const char *text;        /* the text itself */
    const char *text_file;   /* path of a text */
    const char *tokens_file; /* path of decimal ids */
    bool no_bos;             /* for text: no BOS in front */
};

/* Appends the ids; *bytes gets the text's length, 0 for ids. XL_EUSAGE when
 * none or several sources are given. */
enum xl_status xl_input_read(const struct xl_input *input,
                             const struct xl_session *session,
                             struct xl_ids *ids, size_t *bytes,
                             struct xl_err *err);

#endif
