/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside export: the trial at hand, and its lines in trials.jsonl and
 * summary.csv (export_line.c); the pass over all trials is export.c. */
#ifndef XL_EXPORT_INT_H
#define XL_EXPORT_INT_H

#include <cjson/cJSON.h>

#include "kernel/base/arena.h"
#include "kernel/base/buf.h"
#include "tuner/store/query.h"

/* A field of either form; nothing is null or empty. */
struct xl_export_cell {
    enum {
        XL_CELL_NOTHING,
        XL_CELL_NUMBER,
        XL_CELL_BOOL,
        XL_CELL_WORDS
    } kind;
    double number; /* finite; of a BOOL not 0 = true */
    const char *words;
};

enum {
    XL_EXPORT_METRICS = 4,
    XL_EXPORT_VERDICT = 0, /* of the shown scores */
    XL_EXPORT_SHOWN = 6
};

/* Scores that pictures and reports show; trials.jsonl has them all. */
extern const char *const xl_export_shown[XL_EXPORT_SHOWN];

struct xl_export_line {
    const struct xl_store_trial *trial;
    cJSON *params, *effective; /* effective may be NULL */
    /* NULL = no result */
    const struct xl_store_metric *metrics[XL_EXPORT_METRICS];
    struct xl_export_cell shown[XL_EXPORT_SHOWN];
    struct xl_buf samples, quality; /* JSON, without the brackets */
    struct xl_arena *arena;         /* for texts that live as long as this */
};

struct xl_export_cell xl_export_number(bool has, double value);
void xl_export_csv_cell(struct xl_buf *out, const struct xl_export_cell *cell);
void xl_export_json_cell(struct xl_buf *out, const struct xl_export_cell *cell);

/* A comma unless it is the first of its object, the key and the colon. */
void xl_export_key(struct xl_buf *out, const char *key);

/* A stored text that should be JSON; NULL when it is absent. */
enum xl_status xl_export_parse(const struct xl_store_trial *trial,
                               const char *what, const char *text, cJSON **out,
                               struct xl_err *err);

enum xl_status xl_export_put_json(const struct xl_export_line *line,
                                  struct xl_buf *out, struct xl_err *err);
void xl_export_put_summary(const struct xl_export_line *line,
                           struct xl_buf *out);
void xl_export_summary_header(struct xl_buf *out);

enum xl_status xl_export_no_memory(struct xl_err *err);

#endif
