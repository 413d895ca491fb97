/* SPDX-License-Identifier: Apache-2.0
 *
 * Text for HTML, SVG and data URIs.
 */
#ifndef XL_HTML_H
#define XL_HTML_H

#include <stddef.h>

#include "kernel/base/buf.h"

/* Appends text with all that markup could read escaped, fit for content and
 * quoted attributes; bytes that are no UTF-8 or no character of HTML become
 * U+FFFD. NULL adds nothing. */
void xl_html_text(struct xl_buf *out, const char *text);

/* Appends bytes in base64. */
void xl_html_base64(struct xl_buf *out, const void *bytes, size_t n);

/* Appends a speed as people read it: four digits and no exponent below a
 * million; a dash for NaN. */
void xl_html_speed(struct xl_buf *out, double value);

#endif
