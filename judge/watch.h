/* SPDX-License-Identifier: Apache-2.0
 *
 * Whoever waits for a judge may want to know how far it is.
 */
#ifndef XL_WATCH_H
#define XL_WATCH_H

#include <stddef.h>

/* Told now and then that so many are done of so many; `what` names them. tell
 * NULL = nobody watches. */
struct xl_watch {
    void (*tell)(void *ctx, const char *what, size_t done, size_t of);
    void *ctx;
};

static inline void xl_watch_tell(const struct xl_watch *watch, const char *what,
                                 size_t done, size_t of)
{
    if (watch->tell)
        watch->tell(watch->ctx, what, done, of);
}

#endif
