/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening and migrating.
 *
 * WAL with synchronous NORMAL: a commit is a write without fsync, which
 * kill -9 cannot undo and power loss can (the last commits, never the file).
 * The log may grow to CHECKPOINT_PAGES before it is folded into the file,
 * because each fold costs two fsyncs.
 *
 * SQLite's busy handler sleeps up to 100 ms, so that a waiting process keeps
 * losing to one that comes back at once. Ours polls every few ms. */
#include "tuner/store/store_int.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/io.h"

enum {
    APPLICATION_ID = 0x584c544e, /* "XLTN" */
    CHECKPOINT_PAGES = 8192,     /* 32 MiB */
    BUSY_MS = 5000,
    LEASE_MS = 30000,
    TEXT_ROOM = 1 << 20
};

/* Row i brings a file of schema i to schema i + 1. */
static const char *const migrations[] = { xl_store_schema };
enum {
    SCHEMA_VERSION = sizeof migrations / sizeof *migrations
};

static void pause_us(long us)
{
    struct timespec span = { .tv_nsec = us * 1000 };
    nanosleep(&span, NULL);
}

static int wait_for_lock(void *ctx, int count)
{
    struct xl_store *store = ctx;
    uint64_t now = xl_clock_ns();
    if (count == 0)
        store->busy_since_ns = now;
    if (now - store->busy_since_ns >= (uint64_t)store->opts.busy_ms * 1000000)
        return 0;
    pause_us(count < 8 ? 50L << count : 2000 + 97 * (count % 13));
    return 1;
}

static enum xl_status exec(struct xl_store *store, const char *sql,
                           struct xl_err *err)
{
    int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? XL_OK : xl_db_fail(store, code, err);
}

static enum xl_status pragma_int(struct xl_store *store, const char *sql,
                                 int64_t *out, struct xl_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    if (code == SQLITE_ROW)
        return XL_OK;
    return xl_db_fail(store, code == SQLITE_DONE ? SQLITE_CORRUPT : code, err);
}

/* The switch to WAL does not wait for other processes by itself. */
static enum xl_status set_wal(struct xl_store *store, struct xl_err *err)
{
    for (int count = 0;; count++) {
        int code = sqlite3_exec(store->db, "PRAGMA journal_mode = WAL", NULL,
                                NULL, NULL);
        if (code == SQLITE_OK)
            return XL_OK;
        if ((code & 0xff) != SQLITE_BUSY || !wait_for_lock(store, count))
            return xl_db_fail(store, code, err);
    }
}

/* Ours, empty, or an error. */
static enum xl_status check_kind(struct xl_store *store, int64_t *version,
                                 struct xl_err *err)
{
    int64_t id = 0, tables = 0;
    XL_TRY(pragma_int(store, "PRAGMA application_id", &id, err));
    XL_TRY(pragma_int(store, "PRAGMA user_version", version, err));
    XL_TRY(
        pragma_int(store, "SELECT count(*) FROM sqlite_schema", &tables, err));
    bool is_empty = id == 0 && *version == 0 && tables == 0;
    if (!is_empty && (id != APPLICATION_ID || *version < 1))
        return xl_fail(err, XL_EFORMAT,
                       "'%s' is a database of another program; name a "
                       "trials.db",
                       store->path);
    if (*version > SCHEMA_VERSION)
        return xl_fail(err, XL_EFORMAT,
                       "'%s' has schema %lld and this program knows up to %d; "
                       "use the newer program that wrote it",
                       store->path, (long long)*version, SCHEMA_VERSION);
    return XL_OK;
}

static enum xl_status run_migrations(struct xl_store *store, struct xl_err *err)
{
    char sql[96];
    int64_t version = 0;
    XL_TRY(check_kind(store, &version, err)); /* again, under the lock */
    for (; version < SCHEMA_VERSION; version++)
        XL_TRY(exec(store, migrations[version], err));
    snprintf(sql, sizeof sql,
             "PRAGMA application_id = %d; PRAGMA user_version = %d",
             APPLICATION_ID, SCHEMA_VERSION);
    return exec(store, sql, err);
}

static enum xl_status migrate(struct xl_store *store, struct xl_err *err)
{
    int64_t version = 0;
    XL_TRY(check_kind(store, &version, err));
    if (version == SCHEMA_VERSION)
        return XL_OK;
    if (version == 0 && store->opts.mode != XL_STORE_CREATE)
        return xl_fail(err, XL_EFORMAT,
                       "'%s' is empty; its sweep ended before it began",
                       store->path);
    if (store->opts.mode == XL_STORE_READ)
        return xl_fail(err, XL_EFORMAT,
                       "'%s' has schema %lld and this program reads %d; "
                       "resume the run once to bring it up to date",
                       store->path, (long long)version, SCHEMA_VERSION);
    XL_TRY(xl_store_begin(store, err));
    return xl_db_leave(store, run_migrations(store, err), err);
}

static enum xl_status configure(struct xl_store *store, struct xl_err *err)
{
    char sql[200];
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_handler(store->db, wait_for_lock, store);
    XL_TRY(exec(store,
                "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
                "PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY",
                err));
    if (store->opts.mode == XL_STORE_READ)
        return XL_OK;
    snprintf(sql, sizeof sql,
             "PRAGMA synchronous = %s; PRAGMA wal_autocheckpoint = %d",
             store->opts.sync_full ? "FULL" : "NORMAL", CHECKPOINT_PAGES);
    XL_TRY(exec(store, sql, err));
    if (store->opts.max_pages > 0) {
        snprintf(sql, sizeof sql, "PRAGMA max_page_count = %lld",
                 (long long)store->opts.max_pages);
        XL_TRY(exec(store, sql, err));
    }
    return set_wal(store, err);
}

static enum xl_status open_file(struct xl_store *store, const char *name,
                                int flags, struct xl_err *err)
{
    int64_t version;
    int code =
        sqlite3_open_v2(name, &store->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (!store->db)
        return xl_fail(err, XL_ENOMEM, "cannot open '%s': out of memory",
                       store->path);
    if (code != SQLITE_OK)
        return xl_db_fail(store, code, err);
    XL_TRY(configure(store, err));
    XL_TRY(migrate(store, err));
    return pragma_int(store, "PRAGMA schema_version", &version, err);
}

/* Does a log beside the file hold commits that the file lacks? */
static bool has_log(const struct xl_store *store)
{
    struct stat st;
    struct xl_buf log;
    xl_buf_init(&log, TEXT_ROOM);
    xl_buf_printf(&log, "%s-wal", store->path);
    bool has = !xl_buf_ok(&log) || (stat(log.data, &st) == 0 && st.st_size > 0);
    xl_buf_release(&log);
    return has;
}

/* A reader of a WAL file needs a -shm file beside it. In a folder where none
 * can be made the file alone may be read, when it is complete. */
static enum xl_status open_immutable(struct xl_store *store, struct xl_err *err)
{
    struct xl_buf uri;
    xl_buf_init(&uri, TEXT_ROOM);
    xl_buf_text(&uri, "file:");
    for (const char *c = store->path; *c; c++) {
        if (strchr("%?#", *c))
            xl_buf_printf(&uri, "%%%02X", (unsigned)(unsigned char)*c);
        else
            xl_buf_char(&uri, *c);
    }
    xl_buf_text(&uri, "?immutable=1");
    enum xl_status rc = xl_buf_check(&uri, store->path, err);
    if (rc == XL_OK) {
        sqlite3_close(store->db);
        store->db = NULL;
        rc = open_file(store, uri.data, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
                       err);
    }
    xl_buf_release(&uri);
    return rc;
}

static enum xl_status open_by_mode(struct xl_store *store, struct xl_err *err)
{
    static const int flags[] = {
        [XL_STORE_READ] = SQLITE_OPEN_READONLY,
        [XL_STORE_WRITE] = SQLITE_OPEN_READWRITE,
        [XL_STORE_CREATE] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
    };
    struct xl_err first = { 0 };
    enum xl_store_mode mode = store->opts.mode;
    if (mode != XL_STORE_CREATE && !xl_io_exists(store->path))
        return xl_fail(err, XL_ENOTFOUND, "cannot open '%s': no such file",
                       store->path);
    enum xl_status rc = open_file(store, store->path, flags[mode], &first);
    if (rc == XL_EIO && mode == XL_STORE_READ && !has_log(store))
        return open_immutable(store, err);
    if (rc != XL_OK && err)
        *err = first;
    return rc;
}

enum xl_status xl_store_open(struct xl_store **store, const char *path,
                             const struct xl_store_opts *opts,
                             struct xl_err *err)
{
    struct xl_store *made = xl_alloc_zero(1, sizeof *made);
    *store = NULL;
    if (!made)
        return xl_fail(err, XL_ENOMEM, "cannot open '%s': out of memory", path);
    made->opts = *opts;
    if (made->opts.busy_ms <= 0)
        made->opts.busy_ms = BUSY_MS;
    if (made->opts.lease_ms <= 0)
        made->opts.lease_ms = LEASE_MS;
    xl_buf_init(&made->cfg, TEXT_ROOM);
    made->path = xl_strdup(path);
    enum xl_status rc =
        made->path
            ? open_by_mode(made, err)
            : xl_fail(err, XL_ENOMEM, "cannot open '%s': out of memory", path);
    if (rc == XL_OK)
        *store = made;
    else
        xl_store_close(made);
    return rc;
}

void xl_store_close(struct xl_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < XL_STMT_COUNT; i++)
        sqlite3_finalize(store->stmts[i]);
    sqlite3_close(store->db);
    xl_buf_release(&store->cfg);
    xl_free(store->path);
    xl_free(store);
}
