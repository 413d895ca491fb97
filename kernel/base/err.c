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
    return status;
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
}

int xl_status_exit_code(enum xl_status status)
{
    return statuses[status].code;
}

const char *xl_status_text(enum xl_status status)
{
    return statuses[status].text;
}
