/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run varied: for each tunable its values in order, and which of them
 * each trial had.
 *
 *     struct xl_tunables list;
 *     XL_TRY(xl_tunables_make(&list, record, &arena, err));
 *     const struct xl_tunable *chunk = xl_tunables_find(&list, "chunk_size");
 *     int v = chunk->value_of[trial];   // -1: the trial did not read it
 *     puts(v < 0 ? "not read" : chunk->labels[v]);
 *
 * Numbers come in ascending order; more than XL_TUNABLE_VALUES different ones
 * are gathered in ranges. Names stand in the order the space lists them, else
 * in that of the alphabet. All memory is the arena's.
 */
#ifndef XL_TUNABLE_H
#define XL_TUNABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/arena.h"
#include "kernel/base/err.h"
#include "plots/record.h"

enum {
    XL_TUNABLE_VALUES = 12
};

struct xl_tunable {
    const char *name;
    const char **labels; /* [n_values] */
    size_t n_values;
    bool is_numeric;
    int *value_of; /* [n_entries of the record] */
};

struct xl_tunables {
    struct xl_tunable *items; /* [n]; each has two values or more */
    size_t n;
};

enum xl_status xl_tunables_make(struct xl_tunables *out,
                                const struct xl_record *record,
                                struct xl_arena *arena, struct xl_err *err);

/* One tunable by name, also when it has one value only; n_values is 0 when
 * no trial read it. */
enum xl_status xl_tunable_make(struct xl_tunable *out,
                               const struct xl_record *record, const char *name,
                               struct xl_arena *arena, struct xl_err *err);

const struct xl_tunable *xl_tunables_find(const struct xl_tunables *list,
                                          const char *name);

/* Appends "backend=queued chunk_size=64" of a trial; what it did not read is
 * left out. */
void xl_tunables_point(const struct xl_tunables *list, size_t entry,
                       struct xl_buf *out);

#endif
