/* SPDX-License-Identifier: Apache-2.0 */
#include "plots/html.h"

#include <math.h>
#include <string.h>

#include "kernel/base/json.h"

static const char *escape_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void xl_html_text(struct xl_buf *out, const char *text)
{
    size_t n = text ? strlen(text) : 0;
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        size_t len = xl_utf8_length(text + i, n - i);
        const char *escape = escape_of(text[i]);
        bool control = (c < ' ' && c != '\n' && c != '\t') || c == 0x7f;
        if (len == 0 || control)
            xl_buf_text(out, "\xef\xbf\xbd");
        else if (escape)
            xl_buf_text(out, escape);
        else
            xl_buf_add(out, text + i, len);
        i += len ? len : 1;
    }
}

void xl_html_base64(struct xl_buf *out, const void *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = bytes;
    for (size_t i = 0; i < n; i += 3) {
        unsigned b = i + 1 < n ? in[i + 1] : 0, c = i + 2 < n ? in[i + 2] : 0;
        unsigned word = (unsigned)in[i] << 16 | b << 8 | c;
        char four[4] = { digits[word >> 18], digits[word >> 12 & 63],
                         i + 1 < n ? digits[word >> 6 & 63] : '=',
                         i + 2 < n ? digits[word & 63] : '=' };
        xl_buf_add(out, four, sizeof four);
    }
}

void xl_html_speed(struct xl_buf *out, double value)
{
    double size = fabs(value);
    if (isnan(value))
        xl_buf_text(out, "\xe2\x80\x93");
    else if (size >= 1e6 || (size > 0 && size < 0.01))
        xl_buf_printf(out, "%.3g", value);
    else
        xl_buf_printf(out, "%.*f",
                      size >= 1000  ? 0
                      : size >= 100 ? 1
                      : size >= 10  ? 2
                                    : 3,
                      value);
}
