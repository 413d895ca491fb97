/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the store: the handle, its statements, groups and owners.
 *
 * A statement runs in one of two ways. For effect:
 *
 *     struct xl_cell in[] = { xl_cell_int(id), xl_cell_text(why) };
 *     XL_TRY(xl_db_run(store, XL_STMT_X, in, 2, &changes, err));
 *
 * or for rows: xl_db_start, xl_db_step until is_row is false, xl_db_end
 * (always, also after an error).
 */
#ifndef XL_STORE_INT_H
#define XL_STORE_INT_H

#include <math.h>
#include <sqlite3.h>

#include "kernel/base/buf.h"
#include "tuner/store/store.h"

enum xl_stmt {
#define XL_STATEMENT(id, sql) XL_STMT_##id,
#include "tuner/store/statement.def"
#undef XL_STATEMENT
    XL_STMT_COUNT
};

struct xl_store {
    sqlite3 *db;
    sqlite3_stmt *stmts[XL_STMT_COUNT]; /* NULL = not prepared yet */
    struct xl_store_opts opts;
    char *path;
    struct xl_store_place {
        int64_t sweep, class_id; /* 0 = none taken up */
        int64_t worker;          /* 0 = not registered yet */
        bool minimise;           /* of the sweep */
    } at, at_begin;              /* now; when the open group began */
    size_t depth;                /* open groups */
    bool is_doomed;              /* a call in the open group failed */
    uint64_t busy_since_ns;      /* of the lock that is being waited for */
    struct xl_buf cfg;           /* of the last claim */
};

extern const char xl_store_schema[]; /* schema.sql, built in */

/* -- values --------------------------------------------------------------- */

struct xl_cell {
    enum {
        XL_CELL_NULL,
        XL_CELL_INT,
        XL_CELL_REAL,
        XL_CELL_TEXT
    } kind;
    int64_t i;
    double real;
    const char *text;
};

static inline struct xl_cell xl_cell_int(int64_t i)
{
    return (struct xl_cell){ .kind = XL_CELL_INT, .i = i };
}

static inline struct xl_cell xl_cell_int_if(bool has, int64_t i)
{
    return (struct xl_cell){ .kind = has ? XL_CELL_INT : XL_CELL_NULL, .i = i };
}

/* NULL when it is not known or not finite. */
static inline struct xl_cell xl_cell_real_if(bool has, double real)
{
    return (struct xl_cell){
        .kind = has && isfinite(real) ? XL_CELL_REAL : XL_CELL_NULL,
        .real = real,
    };
}

static inline struct xl_cell xl_cell_text(const char *text)
{
    return (struct xl_cell){ .kind = text ? XL_CELL_TEXT : XL_CELL_NULL,
                             .text = text };
}

/* -- statements ----------------------------------------------------------- */

enum xl_status xl_db_start(struct xl_store *store, enum xl_stmt id,
                           const struct xl_cell *in, size_t n,
                           struct xl_err *err);
enum xl_status xl_db_step(struct xl_store *store, enum xl_stmt id, bool *is_row,
                          struct xl_err *err);
void xl_db_end(struct xl_store *store, enum xl_stmt id);

/* Start, all steps, end. *changes (may be NULL) counts the rows written. */
enum xl_status xl_db_run(struct xl_store *store, enum xl_stmt id,
                         const struct xl_cell *in, size_t n, int64_t *changes,
                         struct xl_err *err);

/* The first column of the first row, or XL_ENOTFOUND without a message. */
enum xl_status xl_db_get_int(struct xl_store *store, enum xl_stmt id,
                             const struct xl_cell *in, size_t n, int64_t *out,
                             struct xl_err *err);

/* Columns of the row a statement stands on. Text is NULL for NULL, and when
 * memory ran out, which the next step reports. */
int64_t xl_db_int(struct xl_store *store, enum xl_stmt id, int column);
double xl_db_real(struct xl_store *store, enum xl_stmt id, int column);
const char *xl_db_text(struct xl_store *store, enum xl_stmt id, int column);
bool xl_db_has(struct xl_store *store, enum xl_stmt id, int column);

/* What SQLite's code means to a user, with file and fix. */
enum xl_status xl_db_fail(const struct xl_store *store, int code,
                          struct xl_err *err);

/* -- groups --------------------------------------------------------------- */

/* Ends the group that xl_store_begin opened with the status rc of what was
 * done in it: commits, or undoes when rc is an error. Returns rc, or why the
 * commit failed. XL_EFENCED and XL_ENOTFOUND commit. */
enum xl_status xl_db_leave(struct xl_store *store, enum xl_status rc,
                           struct xl_err *err);

/* XL_EUSAGE unless a sweep is taken up (and the store may be written). */
enum xl_status xl_db_need_sweep(const struct xl_store *store, bool writes,
                                struct xl_err *err);

int64_t xl_db_now(const struct xl_store *store);

/* -- trials --------------------------------------------------------------- */

/* XL_EFENCED with its message. */
enum xl_status xl_db_fenced(const struct xl_store *store,
                            const struct xl_store_claim *claim,
                            struct xl_err *err);

/* Stores a repetition; the caller has checked the fence. */
enum xl_status xl_db_insert_sample(struct xl_store *store,
                                   const struct xl_store_claim *claim,
                                   const struct xl_store_sample *s,
                                   struct xl_err *err);

/* -- owners --------------------------------------------------------------- */

/* Names a process for ever. */
struct xl_owner {
    char host[128], boot_id[64], pid_ns[64];
    int64_t pid, start_ticks;
};

void xl_owner_self(struct xl_owner *self);

/* Is it certain that the process is gone? Seen from the process self. */
bool xl_owner_is_dead(const struct xl_owner *owner,
                      const struct xl_owner *self);

/* State by its name in the file; false for none. */
bool xl_trial_state_find(const char *name, enum xl_trial_state *state);

#endif
