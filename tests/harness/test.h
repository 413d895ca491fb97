/* SPDX-License-Identifier: Apache-2.0
 *
 * The test harness. A file t_<module>.c holds static case functions, each
 * with its row right below, and ends with its suite; tests/suites.def lists
 * the suites.
 *
 *     static void adds(struct xl_test *t)
 *     {
 *         XL_CHECK(t, 1 + 1 == 2);
 *         XL_CHECK_EQ(t, add(1, 1), 2);
 *     }
 *
 *     const struct xl_test_case xl_suite_sum[] = {
 *         XL_CASE(adds),
 *         { 0 },
 *     };
 *
 * A case with no check fails: a test that asserts nothing is a defect.
 */
#ifndef XL_TEST_H
#define XL_TEST_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"

struct xl_test {
    const char *suite, *name;
    size_t checks, failures;
    char dir[256]; /* an empty folder for the case's files */
};

struct xl_test_case {
    const char *name;
    void (*run)(struct xl_test *t);
};

/* The row of a case: its function says what is proved. */
#define XL_CASE(function)                                                      \
    {                                                                          \
#function, function                                                    \
    }

/* Counts a check; prints file, line and text when it does not hold. */
bool xl_test_check(struct xl_test *t, bool ok, const char *file, int line,
                   const char *fmt, ...) XL_PRINTF(5, 6);

#define XL_CHECK(t, cond)                                                      \
    xl_test_check((t), (cond), __FILE__, __LINE__, "%s", #cond)

#define XL_CHECK_EQ(t, got, want)                                              \
    xl_test_check_eq((t), (long long)(got), (long long)(want), __FILE__,       \
                     __LINE__, #got)

#define XL_CHECK_NEAR(t, got, want, tol)                                       \
    xl_test_check_near((t), (double)(got), (double)(want), (double)(tol),      \
                       __FILE__, __LINE__, #got)

#define XL_CHECK_TEXT(t, got, want)                                            \
    xl_test_check_text((t), (got), (want), __FILE__, __LINE__, #got)

/* Checks a status; prints the error's message when it is another. */
#define XL_CHECK_STATUS(t, got, want, err)                                     \
    xl_test_check((t), (got) == (want), __FILE__, __LINE__,                    \
                  "status of %s; message: %s", #got, (err)->message)

bool xl_test_check_eq(struct xl_test *t, long long got, long long want,
                      const char *file, int line, const char *what);
bool xl_test_check_near(struct xl_test *t, double got, double want, double tol,
                        const char *file, int line, const char *what);
bool xl_test_check_text(struct xl_test *t, const char *got, const char *want,
                        const char *file, int line, const char *what);

/* For xl_alloc_set_hook: of the allocations from now on number *left, counted
 * from 0, fails, and no other. */
bool xl_test_fail_nth(void *left, size_t nbytes);

/* Writes a file of the case's folder, and the folders on the way to it. Its
 * path; static buffer, good until the next call. */
const char *xl_test_write(struct xl_test *t, const char *name,
                          const char *text);

/* "<tests>/data/<name>"; static buffer, good until the next call. */
const char *xl_test_data(const char *name);

/* "<source tree>/<name>"; static buffer, good until the next call. */
const char *xl_test_source(const char *name);

#endif
