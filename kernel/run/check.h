/* SPDX-License-Identifier: Apache-2.0
 *
 * Do this build's kernels compute what they should on this machine?
 *
 * Every variant that is usable here runs a small awkward problem and is held
 * to another way of computing it: cells to the recurrence in double, backends
 * to one step after another, matrix engines to sums in double of the weights
 * as they read back. Each checker must also refuse a planted fault, so that
 * one that cannot fail is seen.
 *
 *     struct xl_check_list list;
 *     XL_TRY(xl_check_kernels(&list, err));
 *     for (size_t i = 0; i < list.n; i++)
 *         if (!list.checks[i].why_not && !list.checks[i].ok) ...
 */
#ifndef XL_CHECK_H
#define XL_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"

enum {
    XL_CHECKS_MOST = 128
};

struct xl_check {
    const char *kind;    /* "cell", "backend", "gemm", "clock" */
    char name[48];       /* of the variant, with what it read */
    const char *why_not; /* not usable here; NULL = was run */
    bool is_fault;       /* planted: ok when it was refused */
    double error, bound; /* as a part of the size of the true values */
    bool ok;
};

struct xl_check_list {
    size_t n;
    struct xl_check checks[XL_CHECKS_MOST];
};

/* Fills the list; XL_ENOMEM when there is no room for the problems. */
enum xl_status xl_check_kernels(struct xl_check_list *list, struct xl_err *err);

#endif
