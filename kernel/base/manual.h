/* SPDX-License-Identifier: Apache-2.0
 *
 * Manual pages from the tables that parse the command line.
 *
 *     xl_manual_page(program, NULL, &out);   the program's page
 *     xl_manual_page(program, cmd, &out);    that of one command
 *
 * The text is roff with the man macros: "xltune.1", "xltune-sweep.1".
 */
#ifndef XL_MANUAL_H
#define XL_MANUAL_H

#include "kernel/base/cmd.h"

void xl_manual_page(const struct xl_program *program, const struct xl_cmd *cmd,
                    struct xl_buf *out);

#endif
