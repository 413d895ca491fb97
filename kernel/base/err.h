/* SPDX-License-Identifier: Apache-2.0
 *
 * Status codes and error messages.
 *
 * Every function that can fail returns enum xl_status and takes a
 * struct xl_err * last, which may be NULL. Whoever sees the fault writes the
 * message once; callers hand the status up:
 *
 *     if (fd < 0)
 *         return xl_fail(err, XL_EIO, "cannot open '%s': %s", path,
 *                        strerror(errno));
 *     XL_TRY(xl_map_open(&map, path, err));
 *
 * An xl_err is untouched on success. Thread-safe: it has no shared state.
 */
#ifndef XL_ERR_H
#define XL_ERR_H

#if defined(__GNUC__)
#define XL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define XL_PRINTF(fmt, args)
#endif

enum xl_status {
#define XL_STATUS(id, code, text) XL_##id,
#include "kernel/base/err.def"
#undef XL_STATUS
    XL_STATUS_COUNT
};

struct xl_err {
    enum xl_status status;
    char message[1024]; /* fault first, lower case, no full stop */
};

/* Records the fault in err (when not NULL) and returns status. */
enum xl_status xl_fail(struct xl_err *err, enum xl_status status,
                       const char *fmt, ...) XL_PRINTF(3, 4);

/* Puts "prefix: " before the message that err already holds. */
void xl_err_prefix(struct xl_err *err, const char *fmt, ...) XL_PRINTF(2, 3);

/* The status of reading a file of configuration: a malformed one is wrong
 * usage, whoever wrote it. Returns it, and err has it too. */
enum xl_status xl_err_of_config(enum xl_status rc, struct xl_err *err);

/* The process exit code documented for a status. */
int xl_status_exit_code(enum xl_status status);

/* The meaning of a status in a few words; static storage. */
const char *xl_status_text(enum xl_status status);

/* Returns from the calling function when expr is not XL_OK. */
#define XL_TRY(expr)                                                           \
    do {                                                                       \
        enum xl_status xl_try_status_ = (expr);                                \
        if (xl_try_status_ != XL_OK)                                           \
            return xl_try_status_;                                             \
    } while (0)

/* As XL_TRY, for functions with one exit label: sets rc, goes to done. */
#define XL_TRY_DONE(rc, expr)                                                  \
    do {                                                                       \
        (rc) = (expr);                                                         \
        if ((rc) != XL_OK)                                                     \
            goto done;                                                         \
    } while (0)

#endif
