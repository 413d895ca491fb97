/* SPDX-License-Identifier: Apache-2.0
 *
 * The store against the world: other processes, kill -9, no memory, no disk,
 * no rights, damaged and foreign files. */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/rng.h"
#include "tests/unit/store_fixture.h"

/* -- several processes ---------------------------------------------------- */

enum {
    SHARED_TRIALS = 2000,
    CLAIMERS = 4
};

static _Noreturn void claim_all(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store *store = xl_fix_open_with(
        t, (struct xl_store_opts){ .mode = XL_STORE_WRITE, .busy_ms = 60000 });
    enum xl_status rc = XL_OK;
    while (rc == XL_OK)
        rc = xl_fix_measure(store, 0, 1, 10, &err);
    if (rc != XL_ENOTFOUND)
        printf("claimer: %s\n", err.message);
    fflush(stdout);
    _exit(rc == XL_ENOTFOUND ? 0 : 1);
}

static void several_claimers(struct xl_test *t)
{
    struct xl_store *store = xl_fix_open(t);
    pid_t pids[CLAIMERS];
    xl_store_begin(store, NULL);
    for (int i = 0; i < SHARED_TRIALS; i++)
        xl_fix_propose(t, store, i);
    XL_CHECK_EQ(t, xl_store_commit(store, NULL), XL_OK);
    xl_store_close(store);
    for (int i = 0; i < CLAIMERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            claim_all(t);
    }
    for (int i = 0; i < CLAIMERS; i++) {
        int status = 1;
        waitpid(pids[i], &status, 0);
        XL_CHECK_EQ(t, status, 0);
    }
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM result"), SHARED_TRIALS);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM attempt"),
                SHARED_TRIALS);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM sample"), SHARED_TRIALS);
    XL_CHECK_EQ(t,
                xl_fix_sql(t, "SELECT count(*) FROM trial WHERE state = "
                              "'ok' AND attempt = 1 AND token = 1"),
                SHARED_TRIALS);
}

/* -- kill -9 -------------------------------------------------------------- */

enum {
    KILLS = 20,
    KILL_TRIALS = 60,
    KILL_REPS = 5,
    MOST_ACKS = 70
};

/* What the store has promised: the writer sends one of these each time a call
 * has returned, and goes on when a byte comes back. rep KILL_REPS stands for
 * the finish. */
struct ack {
    int64_t trial, rep;
};

static void tell(int fd, int64_t trial, int64_t rep)
{
    struct ack ack = { trial, rep };
    char go;
    if (write(fd, &ack, sizeof ack) != (ssize_t)sizeof ack ||
        read(fd, &go, 1) != 1)
        _exit(2);
}

static _Noreturn void write_until_killed(struct xl_test *t, int fd)
{
    struct xl_err err = { 0 };
    struct xl_store *store = xl_fix_open(t);
    struct xl_store_claim claim;
    enum xl_status rc = xl_store_reap(store, NULL, &err);
    for (int i = 0; i < KILL_TRIALS && rc == XL_OK; i++)
        xl_fix_propose(t, store, i);
    while (rc == XL_OK) {
        rc = xl_store_claim(store, 0, &claim, &err);
        for (int64_t rep = claim.n_samples; rc == XL_OK && rep < KILL_REPS;
             rep++) {
            struct xl_store_sample sample = xl_fix_sample(rep);
            rc = xl_store_add_sample(store, &claim, &sample, &err);
            if (rc == XL_OK)
                tell(fd, claim.trial, rep);
        }
        struct xl_store_result result = xl_fix_result(100, 10);
        if (rc == XL_OK)
            rc = xl_store_finish(store, &claim, &result, &err);
        if (rc == XL_OK)
            tell(fd, claim.trial, KILL_REPS);
    }
    if (rc != XL_ENOTFOUND)
        printf("writer: %s\n", err.message);
    fflush(stdout);
    _exit(rc == XL_ENOTFOUND ? 0 : 1);
}

/* Runs a writer and kills it some time after n acks (0 = lets it end). Marks
 * in acked what it was promised; returns its wait status. */
static int run_writer(struct xl_test *t, size_t n_acks, struct xl_rng *rng,
                      bool acked[KILL_TRIALS + 1][KILL_REPS + 1])
{
    int ends[2], status = -1;
    struct ack ack;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        write_until_killed(t, ends[1]);
    }
    close(ends[1]);
    for (size_t n = 1; read(ends[0], &ack, sizeof ack) == sizeof ack; n++) {
        acked[ack.trial][ack.rep] = true;
        if (send(ends[0], "g", 1, MSG_NOSIGNAL) != 1 || n != n_acks)
            continue;
        for (uint64_t spin = xl_rng_below(rng, 200000); spin; spin--)
            xl_rng_next(rng);
        kill(pid, SIGKILL);
    }
    close(ends[0]);
    waitpid(pid, &status, 0);
    return status;
}

static bool is_kept(const struct xl_test *t, int64_t trial, int64_t rep)
{
    char sql[120];
    if (rep < KILL_REPS)
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM sample WHERE trial_id = %lld AND "
                 "rep = %lld",
                 (long long)trial, (long long)rep);
    else
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM result WHERE trial_id = %lld",
                 (long long)trial);
    return xl_fix_sql(t, sql) == 1;
}

static void killed_writers(struct xl_test *t)
{
    static bool acked[KILL_TRIALS + 1][KILL_REPS + 1];
    struct xl_err err = { 0 };
    struct xl_rng rng;
    size_t killed = 0;
    int status = 0;
    memset(acked, 0, sizeof acked);
    xl_rng_seed(&rng, 20);
    for (int i = 0; i < KILLS; i++) {
        status = run_writer(t, 1 + (size_t)xl_rng_below(&rng, 15), &rng, acked);
        killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        struct xl_store *store = xl_fix_open_with(
            t, (struct xl_store_opts){ .mode = XL_STORE_READ });
        XL_CHECK_STATUS(t, xl_query_verify(store, &err), XL_OK, &err);
        xl_store_close(store);
        for (int64_t trial = 1; trial <= KILL_TRIALS; trial++)
            for (int64_t rep = 0; rep <= KILL_REPS; rep++)
                XL_CHECK(t, !acked[trial][rep] || is_kept(t, trial, rep));
    }
    XL_CHECK_EQ(t, killed, KILLS);
    XL_CHECK_EQ(t, xl_fix_sql(t, "UPDATE trial SET max_attempt = 100"), 0);
    XL_CHECK_EQ(t, run_writer(t, 0, &rng, acked), 0);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM trial"), KILL_TRIALS);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT max(seq) FROM trial"), KILL_TRIALS);
    int64_t lost = xl_fix_sql(
        t, "SELECT count(*) FROM trial WHERE state NOT IN ('ok', 'abandoned')");
    XL_CHECK_EQ(t, lost, 0);
    XL_CHECK_EQ(t,
                xl_fix_sql(t, "SELECT count(*) FROM (SELECT 1 FROM sample "
                              "JOIN result USING (trial_id) GROUP BY "
                              "trial_id HAVING count(*) <> 5 OR max(rep) "
                              "<> 4)"),
                0);
}

/* -- no memory ------------------------------------------------------------ */

/* Counts down over allocations of both SQLite and the library. */
static size_t allocations_left = SIZE_MAX;
static sqlite3_mem_methods real_methods;

static bool fails_now(void)
{
    return xl_test_fail_nth(&allocations_left, 0);
}

static void *failing_malloc(int n)
{
    return fails_now() ? NULL : real_methods.xMalloc(n);
}

static void *failing_realloc(void *old, int n)
{
    return fails_now() ? NULL : real_methods.xRealloc(old, n);
}

static void set_failing_heap(bool on)
{
    sqlite3_shutdown();
    if (on) {
        sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_methods);
        sqlite3_mem_methods failing = real_methods;
        failing.xMalloc = failing_malloc;
        failing.xRealloc = failing_realloc;
        sqlite3_config(SQLITE_CONFIG_MALLOC, &failing);
        /* Small blocks come from a pool of their own; let each one count. */
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
        sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    } else {
        sqlite3_config(SQLITE_CONFIG_MALLOC, &real_methods);
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 1200, 40);
        sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 20);
    }
    sqlite3_initialize();
    xl_alloc_set_hook(on ? xl_test_fail_nth : NULL, &allocations_left);
}

static enum xl_status see(void *ctx, const struct xl_store_trial *row,
                          struct xl_err *err)
{
    (void)err;
    *(size_t *)ctx += strlen(row->cfg);
    return XL_OK;
}

/* A little of everything. */
static enum xl_status whole_life(const char *path, struct xl_err *err)
{
    static const struct xl_store_sweep sweep = { .name = "s" };
    static const struct xl_store_proposal p = { .cfg = "{\"a\":1}",
                                                .origin = "x" };
    struct xl_store_opts opts = { .mode = XL_STORE_CREATE };
    struct xl_store_score score = { .name = "verdict", .detail = "pass" };
    struct xl_store_event event = { .kind = "end", .text = "all" };
    struct xl_store_ref ref;
    struct xl_store *store = NULL;
    size_t seen = 0;
    enum xl_status rc = xl_store_open(&store, path, &opts, err);
    if (rc == XL_OK)
        rc = xl_store_sweep_begin(store, &sweep, err);
    if (rc == XL_OK)
        rc = xl_store_propose(store, &p, &ref, err);
    if (rc == XL_OK && ref.state == XL_TRIAL_RUNNING)
        rc = xl_store_reap(store, NULL, err);
    if (rc == XL_OK && ref.state != XL_TRIAL_OK)
        rc = xl_fix_measure(store, 0, 2, 5, err);
    if (rc == XL_OK)
        rc = xl_store_set_score(store, ref.trial, &score, err);
    if (rc == XL_OK)
        rc = xl_store_event(store, &event, err);
    if (rc == XL_OK)
        rc = xl_query_front(store, see, &seen, err);
    if (rc == XL_OK)
        rc = xl_query_best(store, 3, see, &seen, err);
    xl_store_close(store);
    return rc;
}

static void no_memory(struct xl_test *t)
{
    struct xl_err err = { 0 };
    enum xl_status rc = XL_ENOMEM;
    const char *path = xl_fix_path(t, "trials.db");
    size_t failed = 0;
    bool did_fail = true;
    set_failing_heap(true);
    /* Ever wider steps: the disk, not the heap, takes the time. */
    for (size_t n = 0, i = 0; did_fail; n += 1 + n / 16, i++) {
        allocations_left = n;
        err = (struct xl_err){ 0 };
        rc = whole_life(path, &err);
        did_fail = allocations_left > n;
        allocations_left = SIZE_MAX;
        failed += rc != XL_OK;
        /* SQLite gets by without some of its blocks. */
        XL_CHECK_STATUS(t, rc, rc == XL_OK ? XL_OK : XL_ENOMEM, &err);
        XL_CHECK(t, rc == XL_OK || strstr(err.message, "memory"));
        /* What is left behind is a store; its trial may still be leased. */
        rc = i % 8 ? XL_OK : whole_life(path, &err);
        XL_CHECK(t, rc == XL_OK || rc == XL_ENOTFOUND);
        unlink(path);
        unlink(xl_fix_path(t, "trials.db-wal"));
        unlink(xl_fix_path(t, "trials.db-shm"));
    }
    set_failing_heap(false);
    XL_CHECK(t, !did_fail);
    XL_CHECK(t, failed > 60);
}

/* -- no disk, no rights --------------------------------------------------- */

static bool is_one_line(const char *message)
{
    return message[0] && !strchr(message, '\n') && strstr(message, "trials.db");
}

static void full_disk(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store_claim claim;
    struct xl_store *store = xl_fix_open_with(
        t, (struct xl_store_opts){ .mode = XL_STORE_CREATE, .max_pages = 40 });
    int64_t rep = 0;
    enum xl_status rc = XL_OK;
    xl_fix_propose(t, store, 1);
    XL_CHECK_STATUS(t, xl_store_claim(store, 0, &claim, &err), XL_OK, &err);
    for (; rc == XL_OK && rep < 100000; rep++) {
        struct xl_store_sample sample = xl_fix_sample(rep);
        rc = xl_store_add_sample(store, &claim, &sample, &err);
    }
    XL_CHECK_STATUS(t, rc, XL_EIO, &err);
    XL_CHECK(t, is_one_line(err.message) && strstr(err.message, "disk full"));
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM sample"), rep - 1);
    XL_CHECK_STATUS(t, xl_query_verify(store, &err), XL_OK, &err);
    xl_store_close(store);
    store = xl_fix_open(t); /* space again: goes on where it stood */
    struct xl_store_sample sample = xl_fix_sample(rep - 1);
    XL_CHECK_STATUS(t, xl_store_add_sample(store, &claim, &sample, &err), XL_OK,
                    &err);
    xl_store_close(store);
}

/* What a URI would read as "ro", a question and more. */
#define LOCKED "r%6f?#"

/* In a child without the rights of root: 0 = as it should be. */
static int try_read_only(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store *store = NULL;
    size_t counts[XL_TRIAL_STATE_COUNT];
    const char *path = xl_fix_path(t, LOCKED "/trials.db");
    struct xl_store_opts opts = { .mode = XL_STORE_WRITE };
    if (geteuid() == 0 && setuid(65534) != 0)
        return 1;
    enum xl_status rc = xl_store_open(&store, path, &opts, &err);
    if (rc == XL_OK)
        rc = xl_store_sweep_begin(
            store, &(struct xl_store_sweep){ .name = "new" }, &err);
    xl_store_close(store);
    if (rc != XL_EIO || !is_one_line(err.message))
        return 2;
    opts.mode = XL_STORE_READ;
    if (xl_store_open(&store, path, &opts, &err) != XL_OK)
        return 3;
    rc = xl_store_sweep_find(store, NULL, &err);
    if (rc == XL_OK)
        rc = xl_query_counts(store, counts, &err);
    xl_store_close(store);
    return rc == XL_OK && counts[XL_TRIAL_OK] == 1 ? 0 : 4;
}

static void read_only(struct xl_test *t)
{
    struct xl_err err = { 0 };
    int status = -1;
    mkdir(xl_fix_path(t, LOCKED), 0755);
    XL_CHECK_STATUS(t, whole_life(xl_fix_path(t, LOCKED "/trials.db"), &err),
                    XL_OK, &err);
    chmod(xl_fix_path(t, LOCKED "/trials.db"), 0444);
    XL_CHECK_STATUS(
        t, xl_io_replace(xl_fix_path(t, LOCKED "/trials.db-wal"), "", 0, &err),
        XL_OK, &err); /* a log of nothing */
    chmod(xl_fix_path(t, LOCKED), 0555);
    chmod(t->dir, 0755);
    pid_t pid = fork();
    if (pid == 0)
        _exit(try_read_only(t));
    waitpid(pid, &status, 0);
    XL_CHECK_EQ(t, WEXITSTATUS(status), 0);
    XL_CHECK(t, WIFEXITED(status));
    chmod(xl_fix_path(t, LOCKED), 0755);
}

/* -- files that are no store ---------------------------------------------- */

static enum xl_status open_it(const char *path, enum xl_store_mode mode,
                              struct xl_err *err)
{
    struct xl_store *store = NULL;
    struct xl_store_opts opts = { .mode = mode };
    enum xl_status rc = xl_store_open(&store, path, &opts, err);
    xl_store_close(store);
    return rc;
}

static void foreign_files(struct xl_test *t)
{
    struct xl_err err = { 0 };
    const char *path = xl_fix_path(t, "trials.db");
    XL_CHECK_STATUS(t, open_it(path, XL_STORE_READ, &err), XL_ENOTFOUND, &err);
    XL_CHECK_STATUS(t, open_it(path, XL_STORE_WRITE, &err), XL_ENOTFOUND, &err);
    XL_CHECK(t, !xl_io_exists(path));
    xl_io_replace(path, "", 0, NULL);
    XL_CHECK_STATUS(t, open_it(path, XL_STORE_READ, &err), XL_EFORMAT, &err);
    XL_CHECK_STATUS(t, open_it(path, XL_STORE_WRITE, &err), XL_EFORMAT, &err);
    XL_CHECK_STATUS(t, open_it(path, XL_STORE_CREATE, &err), XL_OK, &err);
    XL_CHECK_EQ(t, xl_fix_sql(t, "PRAGMA application_id"), 0x584c544e);
    XL_CHECK_EQ(t, xl_fix_sql(t, "PRAGMA user_version"), 1);
    xl_fix_sql(t, "PRAGMA user_version = 2");
    XL_CHECK_STATUS(t, open_it(path, XL_STORE_READ, &err), XL_EFORMAT, &err);
    XL_CHECK_STATUS(t, open_it(path, XL_STORE_CREATE, &err), XL_EFORMAT, &err);
    XL_CHECK(t, strstr(err.message, "newer") != NULL);
    xl_fix_sql(t, "PRAGMA user_version = 1");
    xl_fix_sql(t, "PRAGMA application_id = 7");
    XL_CHECK_STATUS(t, open_it(path, XL_STORE_CREATE, &err), XL_EFORMAT, &err);
    xl_io_replace(path, "hello, this is no database", 26, NULL);
    XL_CHECK_STATUS(t, open_it(path, XL_STORE_CREATE, &err), XL_EFORMAT, &err);
    unlink(path);
    XL_CHECK_EQ(t, xl_fix_sql(t, "CREATE TABLE mine (x)"), 0);
    XL_CHECK_STATUS(t, open_it(path, XL_STORE_CREATE, &err), XL_EFORMAT, &err);
    XL_CHECK_STATUS(t, open_it(t->dir, XL_STORE_READ, &err), XL_EIO, &err);
}

/* Without the fsync of xl_io_replace, which would be most of the time. */
static void put_file(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    if (file) {
        fwrite(bytes, 1, n, file);
        fclose(file);
    }
}

/* Opens, reads all, checks all. */
static enum xl_status read_all(const char *path, struct xl_err *err)
{
    struct xl_store *store = NULL;
    size_t seen = 0;
    struct xl_store_opts opts = { .mode = XL_STORE_READ };
    enum xl_status rc = xl_store_open(&store, path, &opts, err);
    if (rc == XL_OK)
        rc = xl_store_sweep_find(store, NULL, err);
    if (rc == XL_OK)
        rc = xl_query_trials(store, 0, see, &seen, err);
    if (rc == XL_OK)
        rc = xl_query_best(store, 3, see, &seen, err);
    if (rc == XL_OK)
        rc = xl_query_verify(store, err);
    xl_store_close(store);
    return rc;
}

static void damaged_files(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_buf whole;
    struct xl_rng rng;
    size_t refused = 0;
    const char *path = xl_fix_path(t, "cut.db");
    struct xl_store *store = xl_fix_open(t);
    xl_store_begin(store, NULL);
    for (int i = 0; i < 60; i++)
        xl_fix_measure(store, xl_fix_propose(t, store, i), 3, i, &err);
    xl_store_commit(store, NULL);
    xl_store_close(store);
    xl_buf_init(&whole, 0);
    xl_io_read(xl_fix_path(t, "trials.db"), &whole, &err);
    XL_CHECK(t, whole.len > 50000);
    xl_rng_seed(&rng, 3);
    for (size_t i = 0; i < 100; i++) {
        put_file(path, whole.data, whole.len * i / 100);
        err = (struct xl_err){ 0 };
        XL_CHECK(t, read_all(path, &err) != XL_OK);
        XL_CHECK(t, err.message[0] && strstr(err.message, "cut.db"));
    }
    for (size_t i = 0; i < 200; i++) {
        size_t at = i < 100 ? i : (size_t)xl_rng_below(&rng, whole.len);
        char kept = whole.data[at];
        whole.data[at] = (char)(kept ^ (1 << xl_rng_below(&rng, 8)));
        put_file(path, whole.data, whole.len);
        err = (struct xl_err){ 0 };
        enum xl_status rc = read_all(path, &err);
        refused += rc != XL_OK;
        XL_CHECK(t, rc == XL_OK || err.message[0]);
        whole.data[at] = kept;
    }
    XL_CHECK(t, refused > 20);
    xl_buf_release(&whole);
}

const struct xl_test_case xl_suite_store_faults[] = {
    XL_CASE(several_claimers), XL_CASE(killed_writers),
    XL_CASE(no_memory),        XL_CASE(full_disk),
    XL_CASE(read_only),        XL_CASE(foreign_files),
    XL_CASE(damaged_files),    { 0 },
};
