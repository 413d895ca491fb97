/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "kernel/base/shared.h"
#include "tests/harness/test.h"

/* What is called of a library that every program has. */
struct calls {
    double (*cos)(double);
};

static enum xl_status load_call(const char *file, const char *name,
                                struct calls *calls, struct xl_err *err)
{
    const struct xl_shared_call row = { name, offsetof(struct calls, cos) };
    const struct xl_shared shared = {
        .file = file, .package = "libc6", .calls = &row, .n_calls = 1
    };
    return xl_shared_load(&shared, calls, err);
}

static void libraries_are_opened_by_name(struct xl_test *t)
{
    struct calls calls = { 0 };
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, load_call("libm.so.6", "cos", &calls, &err), XL_OK,
                    &err);
    XL_CHECK_NEAR(t, calls.cos(0), 1, 0);
    XL_CHECK_STATUS(t, load_call("libnowhere.so.9", "cos", &calls, &err),
                    XL_ENOTFOUND, &err);
    XL_CHECK(t, strstr(err.message, "'libnowhere.so.9'") &&
                    strstr(err.message, "libc6"));
    XL_CHECK_STATUS(t, load_call("libm.so.6", "cosine", &calls, &err),
                    XL_ENOTFOUND, &err);
    XL_CHECK(t, strstr(err.message, "'cosine'") != NULL);
}

const struct xl_test_case xl_suite_shared[] = {
    XL_CASE(libraries_are_opened_by_name),
    { 0 },
};
