/* SPDX-License-Identifier: Apache-2.0
 *
 * A run as its exported files tell it: what pictures and the report read.
 *
 *     struct xl_record record;
 *     XL_TRY(xl_record_load(&record, "runs/parallel_20250101_120000", err));
 *     ... record.entries[i].values[XL_COLUMN_DECODE_TOK_S] ...
 *     xl_record_release(&record);
 *
 * Trials come from summary.csv, or from trials.jsonl where there is no
 * summary; each fills what the other leaves open, and the lines are not read
 * where a new summary and best.json tell all. samples.csv gives intervals
 * and counts that neither has. A file that is missing is a note; a file that
 * is damaged is an error. The record owns all its memory.
 */
#ifndef XL_RECORD_H
#define XL_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/arena.h"
#include "kernel/base/csv.h"
#include "kernel/base/err.h"
#include "kernel/base/json.h"

enum xl_column {
#define XL_COLUMN(id, name) XL_COLUMN_##id,
#include "plots/column.def"
#undef XL_COLUMN
    XL_COLUMN_COUNT
};

enum xl_outcome {
    XL_OUTCOME_ACCEPTED,   /* measured, and no judge objects */
    XL_OUTCOME_REJECTED,   /* measured, but its output may not win */
    XL_OUTCOME_FAILED,     /* no measurement */
    XL_OUTCOME_UNFINISHED, /* still waiting or running */
    XL_OUTCOME_COUNT
};

/* Files that some pictures need and a run may lack. */
enum xl_extra {
    XL_EXTRA_INSIGHT, /* insight.json: importance of the tunables */
    XL_EXTRA_MODEL,   /* model.json: what 'inspect --json' prints */
    XL_EXTRA_JUDGED,  /* judged.json: judgements of those that could win */
    XL_EXTRA_BENCH,   /* bench.json: what 'bench --json' prints */
    XL_EXTRA_DUEL,    /* duel.json: what 'bench --vs --json' prints */
    XL_EXTRA_COUNT
};

enum {
    XL_RECORD_NOTES = 8
};

/* One trial. Texts are "" and numbers NaN where the files say nothing. */
struct xl_entry {
    const char *id, *backend, *status, *verdict, *reason, *origin, *tier;
    const char *judged; /* the judge's reason for its verdict */
    double values[XL_COLUMN_COUNT];
    double score;              /* value of the objective */
    double score_lo, score_hi; /* its interval */
    enum xl_outcome outcome;
    bool is_winner, is_reference;
    const char **extras; /* [n_extras] of the record */
};

struct xl_record {
    const char *dir, *name;   /* as given; its last part */
    struct xl_entry *entries; /* [n_entries], in the order of the file */
    size_t n_entries;
    size_t counts[XL_OUTCOME_COUNT];
    const char **extra_names; /* further columns of summary.csv */
    size_t n_extras;
    cJSON *meta, *best; /* run_meta.json and best.json, or NULL */
    /* Tables: the first row is the header; no rows = no such file. */
    struct xl_csv ratings, samples, steps, memory;
    /* [samples.n_rows] Rows that a neighbour disturbed and that do not count,
     * as their trial has others; NULL = all count. */
    const bool *left_out;
    cJSON *extras[XL_EXTRA_COUNT]; /* further objects of the folder, or NULL */
    const char *objective;         /* its name */
    bool is_minimised;             /* a smaller score is better */
    const char *subtitle;          /* model, prompt, machine in one line */
    const char *notes[XL_RECORD_NOTES]; /* [n_notes] what is missing */
    size_t n_notes;
    /* private */
    bool lacks_memory; /* a text could not be kept */
    bool has_quality;  /* summary.csv has the columns of column.def */
    struct xl_arena arena;
};

/* XL_ENOTFOUND when the folder holds no trials file at all. */
enum xl_status xl_record_load(struct xl_record *record, const char *dir,
                              struct xl_err *err);
void xl_record_release(struct xl_record *record);

/* The files of enum xl_extra alone, from a folder that need not hold a run. */
enum xl_status xl_record_load_extras(struct xl_record *record, const char *dir,
                                     struct xl_err *err);

/* The folder meant by run: a path, or a name under log_dir; NULL and "latest"
 * mean the newest run there. *dir is a heap string (xl_free). */
enum xl_status xl_record_locate(const char *run, const char *log_dir,
                                char **dir, struct xl_err *err);

/* A field of samples.csv and the like as a number; NaN when it is none. */
double xl_record_number(const struct xl_csv *csv, size_t row, size_t column);

/* Column of a header by name, or (size_t)-1. */
size_t xl_record_column(const struct xl_csv *csv, const char *name);

/* The objective of these speeds as they were measured; NaN when it is made of
 * other things. */
double xl_record_objective(const struct xl_record *record, double prefill,
                           double decode);

/* What turns it into the trial's score: the search compares speeds corrected
 * for the drift of the machine. 1 when that is not known. */
double xl_entry_correction(const struct xl_record *record,
                           const struct xl_entry *entry);

/* All entries sorted by id, memory of the arena; NULL without memory. */
struct xl_entry **xl_record_index(const struct xl_record *record,
                                  struct xl_arena *arena);

/* The entry of this id, or NULL. index: entries sorted by id. */
struct xl_entry *xl_record_by_id(struct xl_entry *const *index, size_t n,
                                 const char *id);

/* Was it measured with fewer repetitions, for being slow? */
bool xl_entry_is_pruned(const struct xl_entry *entry);

/* "accepted" and the like; static storage. */
const char *xl_outcome_name(enum xl_outcome outcome);

/* The winner, the reference, or NULL. */
const struct xl_entry *xl_record_winner(const struct xl_record *record);
const struct xl_entry *xl_record_reference(const struct xl_record *record);

#endif
