/* SPDX-License-Identifier: Apache-2.0
 *
 * A number as the shortest text that reads back as the same value.
 *
 *     char text[XL_REAL_ROOM];
 *     xl_buf_add(out, text, xl_real_text(text, 0.1));
 */
#ifndef XL_REAL_H
#define XL_REAL_H

#include <stddef.h>

enum {
    XL_REAL_ROOM = 32
};

/* Writes value, which must be finite, and a closing zero; returns the length.
 * Whole numbers below 2^53 have no exponent. */
size_t xl_real_text(char text[XL_REAL_ROOM], double value);

#endif
