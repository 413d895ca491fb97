/* SPDX-License-Identifier: Apache-2.0
 *
 * What this machine can do at best, measured now: read bandwidth and fp32
 * multiply-adds. Every speed is reported beside the limit it runs into.
 */
#ifndef XL_LIMITS_H
#define XL_LIMITS_H

#include <stddef.h>

#include "kernel/base/err.h"

struct xl_limits {
    double read_gb_s;  /* all workers reading memory no cache holds */
    double fma_gflops; /* all workers, registers only, 2 flops an FMA */
};

/* Takes about 0.2 s with that many workers; best of several short runs. */
enum xl_status xl_limits_measure(struct xl_limits *limits, size_t workers,
                                 struct xl_err *err);

#endif
