/* SPDX-License-Identifier: Apache-2.0
 *
 * Recorded measurements as a space whose members are the rows, so that a
 * search can be replayed without measuring.
 *
 *     struct xl_table *table;
 *     XL_TRY(xl_table_load(&table, "gemm.json", err));
 *     struct xl_table_row row = xl_table_at(table, point);
 *     xl_table_free(table);
 *
 * Two forms are read. Our CSV: a first line "# objective=NAME
 * direction=min|max", a header, then parameter columns and, last, `value`,
 * which is empty or a word where a configuration failed. And Kernel Tuner's
 * cache: JSON with tune_params_keys and cache, where a failed configuration
 * has a word for its objective or a member __error__; the closing braces may
 * be missing. A member objective_higher_is_better says which way is better;
 * without one, rates are better when large and all else when small.
 */
#ifndef XL_TABLE_H
#define XL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "kernel/base/err.h"
#include "tuner/space/space.h"
#include "tuner/strategy/strategy.h"

struct xl_table;

struct xl_table_row {
    enum xl_outcome_status status;
    double value; /* as recorded; of OK rows */
};

enum xl_status xl_table_load(struct xl_table **table, const char *path,
                             struct xl_err *err);

/* Same, from text; name stands in messages. */
enum xl_status xl_table_parse(struct xl_table **table, const char *text,
                              size_t n, const char *name, struct xl_err *err);
void xl_table_free(struct xl_table *table);

/* Counted; its count is the number of rows. */
const struct xl_space *xl_table_space(const struct xl_table *table);

const char *xl_table_objective(const struct xl_table *table);
bool xl_table_is_max(const struct xl_table *table);

/* The row of a member. */
struct xl_table_row xl_table_at(const struct xl_table *table,
                                const uint32_t *point);

/* The same, as a strategy is told it: larger is better. */
struct xl_outcome xl_table_outcome(const struct xl_table *table,
                                   const uint32_t *point);

/* {"name": value, ...} with values of the types that were read. NULL without
 * memory. */
cJSON *xl_table_params(const struct xl_table *table, const uint32_t *point);

#endif
