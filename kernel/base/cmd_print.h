/* SPDX-License-Identifier: Apache-2.0
 *
 * What a command gives to standard output, as one whole text or document.
 * Errors of writing that only show when the stream is closed are reported by
 * xl_cmd_main.
 */
#ifndef XL_CMD_PRINT_H
#define XL_CMD_PRINT_H

#include <cjson/cJSON.h>

#include "kernel/base/buf.h"

/* Prints the text and releases the buffer, also on error. */
enum xl_status xl_print_text(struct xl_buf *text, struct xl_err *err);

/* Prints one JSON document and deletes it: indented for a person at a
 * terminal, on one line for a program. NULL counts as out of memory. */
enum xl_status xl_print_json(cJSON *root, struct xl_err *err);

/* The same on one line wherever it goes: a record of NDJSON. */
enum xl_status xl_print_json_line(cJSON *root, struct xl_err *err);

#endif
