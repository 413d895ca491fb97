/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of statuses is err.def; this file only reads it. */
#include "kernel/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int code;
    const char *text;
} statuses[] = {
#define XL_STATUS(id, code, text) [XL_##id] = { code, text },
#include "kernel/base/err.def"
#undef XL_STATUS
};

/* What a message quotes may come from a file or a name that a stranger wrote:
 * it stays on its line and says nothing to a terminal. */
static void hide_controls(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7f)
            *c = '?';
}

enum xl_status xl_fail(struct xl_err *err, enum xl_status status,
                       const char *fmt, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, fmt);
    err->status = status;
    vsnprintf(err->message, sizeof err->message, fmt, args);
    va_end(args);
    hide_controls(err->message);
    return status;
}

enum xl_status xl_err_of_config(enum xl_status rc, struct xl_err *err)
{
    if (rc != XL_EFORMAT)
        return rc;
    if (err)
        err->status = XL_EUSAGE;
    return XL_EUSAGE;
}

void xl_err_prefix(struct xl_err *err, const char *fmt, ...)
{
    if (!err)
        return;
    char text[sizeof err->message];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n + 2 >= sizeof text)
        return;
    size_t at = (size_t)n, rest = strlen(err->message);
    memcpy(text + at, ": ", 2);
    at += 2;
    if (rest > sizeof text - at - 1)
        rest = sizeof text - at - 1; /* a long message loses its end */
    memcpy(text + at, err->message, rest);
    text[at + rest] = '\0';
    memcpy(err->message, text, sizeof text);
    hide_controls(err->message);
}

int xl_status_exit_code(enum xl_status status)
{
    return statuses[status].code;
}

const char *xl_status_text(enum xl_status status)
{
    return statuses[status].text;
}
