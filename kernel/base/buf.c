/* SPDX-License-Identifier: Apache-2.0
 *
 * Doubles when full. The empty buffer points at a static "" so that data is
 * never NULL. */
#include "kernel/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"

enum {
    FIRST_ROOM = 256
};
#define DEFAULT_MAX ((size_t)1 << 30)

static char empty_text[1]; /* never written: room is 0 while data is this */

void xl_buf_init(struct xl_buf *buf, size_t max)
{
    *buf =
        (struct xl_buf){ .data = empty_text, .max = max ? max : DEFAULT_MAX };
}

void xl_buf_release(struct xl_buf *buf)
{
    if (buf->room)
        xl_free(buf->data);
    xl_buf_init(buf, buf->max);
}

void xl_buf_clear(struct xl_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->room)
        buf->data[0] = '\0';
}

/* Makes room for n more bytes and the closing zero. */
static bool reserve(struct xl_buf *buf, size_t n)
{
    if (buf->failed || n > buf->max || buf->len > buf->max - n) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->len + n + 1;
    if (need <= buf->room)
        return true;
    size_t room = buf->room ? buf->room : FIRST_ROOM;
    while (room < need)
        room *= 2;
    char *old = buf->room ? buf->data : NULL;
    char *data = xl_realloc(old, buf->len, room);
    if (!data) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->room = room;
    return true;
}

void xl_buf_add(struct xl_buf *buf, const void *bytes, size_t n)
{
    if (!reserve(buf, n))
        return;
    if (n)
        memcpy(buf->data + buf->len, bytes, n);
    buf->len += n;
    buf->data[buf->len] = '\0';
}

void xl_buf_text(struct xl_buf *buf, const char *text)
{
    xl_buf_add(buf, text, strlen(text));
}

void xl_buf_char(struct xl_buf *buf, char c)
{
    xl_buf_add(buf, &c, 1);
}

void xl_buf_printf(struct xl_buf *buf, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    if (n >= 0 && reserve(buf, (size_t)n)) {
        vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, again);
        buf->len += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void xl_buf_shell_word(struct xl_buf *buf, const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyz"
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=:@%+,-";
    if (*word && word[strspn(word, plain)] == '\0') {
        xl_buf_text(buf, word);
        return;
    }
    xl_buf_char(buf, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            xl_buf_text(buf, "'\\''");
        else
            xl_buf_char(buf, *word);
    }
    xl_buf_char(buf, '\'');
}

bool xl_buf_ok(const struct xl_buf *buf)
{
    return !buf->failed;
}

enum xl_status xl_buf_check(const struct xl_buf *buf, const char *what,
                            struct xl_err *err)
{
    if (!buf->failed)
        return XL_OK;
    return xl_fail(err, XL_ENOMEM,
                   "cannot hold %s: no memory or over %zu bytes", what,
                   buf->max);
}
