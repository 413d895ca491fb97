/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing byte buffer with a stated maximum, for text that is being built.
 *
 *     struct xl_buf buf;
 *     xl_buf_init(&buf, 1 << 20);
 *     xl_buf_printf(&buf, "%d tokens", n);
 *     if (xl_buf_ok(&buf)) ... buf.data, buf.len ...
 *     xl_buf_release(&buf);
 *
 * Failure (no memory, maximum passed) is sticky: later appends do nothing and
 * xl_buf_ok tells. data always ends in a zero byte that len does not count.
 */
#ifndef XL_BUF_H
#define XL_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"

struct xl_buf {
    char *data; /* [len], then '\0'; "" before the first append */
    size_t len;
    /* private */
    size_t room, max;
    bool failed;
};

/* max: most bytes it may ever hold; 0 = 1 GiB. */
void xl_buf_init(struct xl_buf *buf, size_t max);
void xl_buf_release(struct xl_buf *buf);

/* Empties the buffer and forgets a failure; keeps the memory. */
void xl_buf_clear(struct xl_buf *buf);

void xl_buf_add(struct xl_buf *buf, const void *bytes, size_t n);
void xl_buf_text(struct xl_buf *buf, const char *text);
void xl_buf_char(struct xl_buf *buf, char c);
void xl_buf_printf(struct xl_buf *buf, const char *fmt, ...) XL_PRINTF(2, 3);

/* As a shell reads it back for one word: in quotes where that takes them. */
void xl_buf_shell_word(struct xl_buf *buf, const char *word);

bool xl_buf_ok(const struct xl_buf *buf);

/* XL_ENOMEM naming what was being built, when the buffer failed. */
enum xl_status xl_buf_check(const struct xl_buf *buf, const char *what,
                            struct xl_err *err);

#endif
