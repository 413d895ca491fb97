/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to check_*.c. */
#ifndef XL_CHECK_INT_H
#define XL_CHECK_INT_H

#include "kernel/run/check.h"

/* Adds a check; NULL when the list is full. The outcome is still open. */
struct xl_check *xl_check_add(struct xl_check_list *list, const char *kind,
                              const char *name, const char *what);

/* Sets error, bound and ok; a planted fault is ok when it is beyond bound. */
void xl_check_settle(struct xl_check *check, double error, double bound);

/* Largest difference over the largest true value; infinity for no numbers. */
double xl_check_distance(const float *got, const double *want, size_t n);

/* Cells, and backends with the tiled one. */
enum xl_status xl_check_cells(struct xl_check_list *list, struct xl_err *err);
enum xl_status xl_check_gemm(struct xl_check_list *list, struct xl_err *err);
enum xl_status xl_check_clock(struct xl_check_list *list, struct xl_err *err);

#endif
