/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of values on a command line: "32,64", "bf16,fp32", and ranges of
 * whole numbers, "8-64+8" (steps), "8-128*2" (factors), "1-4". Doubles are
 * left out, the order is kept.
 */
#ifndef XL_VALUE_LIST_H
#define XL_VALUE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/arena.h"
#include "kernel/base/err.h"

enum {
    XL_VALUE_LIST_MOST = 256
};

struct xl_value_list {
    size_t n;
    const char *items[XL_VALUE_LIST_MOST]; /* memory of the arena */
};

/* flag stands in messages ("--chunk-size"). XL_EUSAGE for an empty item, a
 * range that does not end, more than XL_VALUE_LIST_MOST items. */
enum xl_status xl_value_list_parse(struct xl_value_list *list,
                                   struct xl_arena *arena, const char *flag,
                                   const char *text, struct xl_err *err);

/* The items as whole numbers of lo to hi. */
enum xl_status xl_value_list_sizes(const struct xl_value_list *list,
                                   const char *flag, int64_t lo, int64_t hi,
                                   size_t out[XL_VALUE_LIST_MOST],
                                   struct xl_err *err);

#endif
