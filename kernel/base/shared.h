/* SPDX-License-Identifier: Apache-2.0
 *
 * Libraries that are opened by name when they are needed, so that commands
 * that do not need them start without them.
 *
 *     struct calls {
 *         double (*cos)(double);
 *     } calls;
 *     static const struct xl_shared_call rows[] = {
 *         { "cos", offsetof(struct calls, cos) },
 *     };
 *     static const struct xl_shared math = {
 *         .file = "libm.so.6", .package = "libc6", .calls = rows, .n_calls = 1
 *     };
 *     XL_TRY(xl_shared_load(&math, &calls, err));
 */
#ifndef XL_SHARED_H
#define XL_SHARED_H

#include <stddef.h>

#include "kernel/base/err.h"

/* A function of the library, and where in a struct of function pointers its
 * address goes. */
struct xl_shared_call {
    const char *name;
    size_t at;
};

struct xl_shared {
    const char *file;    /* as the dynamic linker finds it */
    const char *package; /* Debian's, for who has to install it */
    const struct xl_shared_call *calls; /* [n_calls] */
    size_t n_calls;
};

/* Fills the struct at `calls`. The library stays until the process ends.
 * XL_ENOTFOUND, naming the package, when it or a function of it is missing. */
enum xl_status xl_shared_load(const struct xl_shared *shared, void *calls,
                              struct xl_err *err);

#endif
