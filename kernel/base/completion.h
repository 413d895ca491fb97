/* SPDX-License-Identifier: Apache-2.0
 *
 * Shell completion from the tables that parse the command line: commands,
 * their first words, flags, and the words or files that flags take.
 *
 *     XL_TRY(xl_completion(program, "bash", &out, err));
 *
 * XL_EUSAGE names the shells there are.
 */
#ifndef XL_COMPLETION_H
#define XL_COMPLETION_H

#include "kernel/base/cmd.h"

enum xl_status xl_completion(const struct xl_program *program,
                             const char *shell, struct xl_buf *out,
                             struct xl_err *err);

/* The shells' names, ended by NULL. */
const char *const *xl_completion_shells(void);

#endif
