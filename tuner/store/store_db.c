/* SPDX-License-Identifier: Apache-2.0
 *
 * The handle on SQLite: messages, statements, groups. */
#include "tuner/store/store_int.h"

#include <assert.h>

#include "kernel/base/clock.h"

static const char *const statements[XL_STMT_COUNT] = {
#define XL_STATEMENT(id, sql) [XL_STMT_##id] = sql,
#include "tuner/store/statement.def"
#undef XL_STATEMENT
};

/* -- messages ------------------------------------------------------------- */

enum xl_status xl_db_fail(const struct xl_store *store, int code,
                          struct xl_err *err)
{
    const char *path = store->path, *text = sqlite3_errmsg(store->db);
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return xl_fail(err, XL_EBUSY,
                       "store '%s' is busy: another process has held it for "
                       "%d ms; wait for that one or end it, then run again",
                       path, store->opts.busy_ms);
    case SQLITE_FULL:
        return xl_fail(err, XL_EIO,
                       "cannot write '%s': disk full; free space there and "
                       "resume, nothing that was stored is lost",
                       path);
    case SQLITE_READONLY:
        return xl_fail(err, XL_EIO,
                       "cannot write '%s': read-only; make the file and its "
                       "folder writable, or copy the folder",
                       path);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return xl_fail(err, XL_EIO,
                       "cannot open '%s': %s; check the rights of the file "
                       "and its folder",
                       path, text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return xl_fail(err, XL_EFORMAT,
                       "'%s' is damaged: %s; sqlite3 '%s' .recover saves what "
                       "can be read",
                       path, text, path);
    case SQLITE_NOMEM:
        return xl_fail(err, XL_ENOMEM, "cannot use '%s': out of memory", path);
    case SQLITE_IOERR:
        return xl_fail(err, XL_EIO,
                       "cannot read or write '%s': %s; check the disk", path,
                       text);
    default:
        return xl_fail(err, XL_EFAILED, "store '%s': %s", path, text);
    }
}

enum xl_status xl_db_need_sweep(const struct xl_store *store, bool writes,
                                struct xl_err *err)
{
    if (!store->at.sweep)
        return xl_fail(err, XL_EUSAGE, "no sweep of '%s' is taken up",
                       store->path);
    if (writes && store->opts.mode == XL_STORE_READ)
        return xl_fail(err, XL_EUSAGE, "'%s' was opened for reading only",
                       store->path);
    return XL_OK;
}

int64_t xl_db_now(const struct xl_store *store)
{
    return store->opts.now_ms ? store->opts.now_ms(store->opts.clock_ctx)
                              : xl_clock_wall_ms();
}

/* -- statements ----------------------------------------------------------- */

static int bind_cell(sqlite3_stmt *stmt, int at, const struct xl_cell *cell)
{
    switch (cell->kind) {
    case XL_CELL_INT:
        return sqlite3_bind_int64(stmt, at, cell->i);
    case XL_CELL_REAL:
        return sqlite3_bind_double(stmt, at, cell->real);
    case XL_CELL_TEXT:
        return sqlite3_bind_text(stmt, at, cell->text, -1, SQLITE_STATIC);
    case XL_CELL_NULL:
        break;
    }
    return sqlite3_bind_null(stmt, at);
}

enum xl_status xl_db_start(struct xl_store *store, enum xl_stmt id,
                           const struct xl_cell *in, size_t n,
                           struct xl_err *err)
{
    sqlite3_stmt **stmt = &store->stmts[id];
    int code = SQLITE_OK;
    if (store->depth && store->is_doomed)
        return xl_fail(err, XL_EFAILED,
                       "store '%s': an earlier step of the group failed",
                       store->path);
    if (!*stmt)
        code = sqlite3_prepare_v3(store->db, statements[id], -1,
                                  SQLITE_PREPARE_PERSISTENT, stmt, NULL);
    if (code != SQLITE_OK)
        return xl_db_fail(store, code, err);
    assert(!sqlite3_stmt_busy(*stmt));
    for (size_t i = 0; i < n && code == SQLITE_OK; i++)
        code = bind_cell(*stmt, (int)i + 1, &in[i]);
    return code == SQLITE_OK ? XL_OK : xl_db_fail(store, code, err);
}

enum xl_status xl_db_step(struct xl_store *store, enum xl_stmt id, bool *is_row,
                          struct xl_err *err)
{
    int code = sqlite3_step(store->stmts[id]);
    *is_row = code == SQLITE_ROW;
    if (code == SQLITE_ROW || code == SQLITE_DONE)
        return XL_OK;
    return xl_db_fail(store, code, err);
}

void xl_db_end(struct xl_store *store, enum xl_stmt id)
{
    if (!store->stmts[id])
        return;
    sqlite3_reset(store->stmts[id]); /* its code was seen by the step */
    sqlite3_clear_bindings(store->stmts[id]);
}

enum xl_status xl_db_run(struct xl_store *store, enum xl_stmt id,
                         const struct xl_cell *in, size_t n, int64_t *changes,
                         struct xl_err *err)
{
    bool is_row = true;
    enum xl_status rc = xl_db_start(store, id, in, n, err);
    while (rc == XL_OK && is_row)
        rc = xl_db_step(store, id, &is_row, err);
    if (rc == XL_OK && changes)
        *changes = sqlite3_changes64(store->db);
    xl_db_end(store, id);
    return rc;
}

enum xl_status xl_db_get_int(struct xl_store *store, enum xl_stmt id,
                             const struct xl_cell *in, size_t n, int64_t *out,
                             struct xl_err *err)
{
    bool is_row = false;
    enum xl_status rc = xl_db_start(store, id, in, n, err);
    if (rc == XL_OK)
        rc = xl_db_step(store, id, &is_row, err);
    if (rc == XL_OK && is_row)
        *out = xl_db_int(store, id, 0);
    xl_db_end(store, id);
    return rc == XL_OK && !is_row ? XL_ENOTFOUND : rc;
}

int64_t xl_db_int(struct xl_store *store, enum xl_stmt id, int column)
{
    return sqlite3_column_int64(store->stmts[id], column);
}

double xl_db_real(struct xl_store *store, enum xl_stmt id, int column)
{
    return sqlite3_column_double(store->stmts[id], column);
}

const char *xl_db_text(struct xl_store *store, enum xl_stmt id, int column)
{
    return (const char *)sqlite3_column_text(store->stmts[id], column);
}

bool xl_db_has(struct xl_store *store, enum xl_stmt id, int column)
{
    return sqlite3_column_type(store->stmts[id], column) != SQLITE_NULL;
}

/* -- groups --------------------------------------------------------------- */

enum xl_status xl_store_begin(struct xl_store *store, struct xl_err *err)
{
    bool reads = store->opts.mode == XL_STORE_READ;
    if (store->depth == 0) {
        XL_TRY(xl_db_run(store,
                         reads ? XL_STMT_BEGIN_READ : XL_STMT_BEGIN_WRITE, NULL,
                         0, NULL, err));
        store->is_doomed = false;
        store->at_begin = store->at;
    }
    store->depth++;
    return XL_OK;
}

/* After some errors SQLite has ended the transaction by itself. */
static void undo(struct xl_store *store)
{
    store->at = store->at_begin;
    store->is_doomed = false;
    if (!sqlite3_get_autocommit(store->db))
        xl_db_run(store, XL_STMT_ROLLBACK, NULL, 0, NULL, NULL);
}

enum xl_status xl_db_leave(struct xl_store *store, enum xl_status rc,
                           struct xl_err *err)
{
    assert(store->depth);
    if (rc != XL_OK && rc != XL_EFENCED && rc != XL_ENOTFOUND)
        store->is_doomed = true;
    if (--store->depth)
        return rc;
    if (store->is_doomed) {
        undo(store);
        return rc;
    }
    enum xl_status commit =
        xl_db_run(store, XL_STMT_COMMIT, NULL, 0, NULL, err);
    if (commit == XL_OK)
        return rc;
    undo(store);
    return commit;
}

enum xl_status xl_store_commit(struct xl_store *store, struct xl_err *err)
{
    enum xl_status rc = XL_OK;
    if (store->is_doomed)
        rc = xl_fail(err, XL_EFAILED,
                     "store '%s': a step of the group failed, nothing of it "
                     "is stored",
                     store->path);
    return xl_db_leave(store, rc, err);
}
