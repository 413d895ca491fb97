/* SPDX-License-Identifier: Apache-2.0
 *
 * What workers read first in the next stage of decode; for kernel/model only.
 */
#ifndef XL_FORWARD_NEXT_INT_H
#define XL_FORWARD_NEXT_INT_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/pool.h"

struct xl_matrix;
struct xl_stage;

/* A product whose columns are cut of so many steps, the cell, or nothing. Small
 * stages that come before it are left out. */
struct xl_next {
    const struct xl_matrix *w; /* NULL = no product */
    size_t steps;
    bool is_cell;
};

/* The worker's share of that. */
struct xl_pool_next xl_next_of(const struct xl_stage *s, size_t worker,
                               const struct xl_next *next);

#endif
