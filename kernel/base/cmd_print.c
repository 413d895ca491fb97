/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/base/cmd_print.h"

#include <stdio.h>
#include <unistd.h>

#include "kernel/base/json.h"

enum xl_status xl_print_text(struct xl_buf *text, struct xl_err *err)
{
    enum xl_status rc = xl_buf_check(text, "standard output", err);
    if (rc == XL_OK && fputs(text->data, stdout) < 0)
        rc = xl_fail(err, XL_EIO, "cannot write standard output");
    xl_buf_release(text);
    return rc;
}

static enum xl_status print(cJSON *root, bool indented, struct xl_err *err)
{
    struct xl_buf text;
    if (!root)
        return xl_fail(err, XL_ENOMEM, "cannot print JSON: out of memory");
    xl_buf_init(&text, 0);
    xl_json_print(root, indented, &text);
    xl_buf_char(&text, '\n');
    cJSON_Delete(root);
    return xl_print_text(&text, err);
}

enum xl_status xl_print_json(cJSON *root, struct xl_err *err)
{
    return print(root, isatty(STDOUT_FILENO) == 1, err);
}

enum xl_status xl_print_json_line(cJSON *root, struct xl_err *err)
{
    return print(root, false, err);
}
