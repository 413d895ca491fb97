/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/reply_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/arena.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"

enum {
    MOST_LINE = 16 << 20 /* a reply of 1 MiB, escaped */
};

struct known {
    const char *key, *reply; /* of the arena */
};

struct xl_reply_log {
    int fd;
    char *path;
    struct known *known; /* [n] */
    size_t n, room;
    struct xl_arena arena;
};

void xl_reply_log_close(struct xl_reply_log *log)
{
    if (!log)
        return;
    if (log->fd >= 0)
        close(log->fd);
    xl_arena_release(&log->arena);
    xl_free(log->known);
    xl_free(log->path);
    xl_free(log);
}

const char *xl_reply_log_find(const struct xl_reply_log *log, const char *key)
{
    for (size_t i = 0; i < log->n; i++)
        if (strcmp(log->known[i].key, key) == 0)
            return log->known[i].reply;
    return NULL;
}

static enum xl_status remember(struct xl_reply_log *log, const char *key,
                               const char *reply, size_t n, struct xl_err *err)
{
    if (log->n == log->room) {
        size_t room = log->room ? log->room * 2 : 64;
        struct known *known = xl_realloc(log->known, log->room * sizeof *known,
                                         room * sizeof *known);
        if (!known)
            return xl_fail(err, XL_ENOMEM, "out of memory for replies");
        log->known = known;
        log->room = room;
    }
    struct known *k = &log->known[log->n];
    k->key = xl_arena_text(&log->arena, key, strlen(key));
    k->reply = xl_arena_text(&log->arena, reply, n);
    if (!k->key || !k->reply)
        return xl_fail(err, XL_ENOMEM, "out of memory for replies");
    log->n++;
    return XL_OK;
}

/* -- reading --------------------------------------------------------------- */

static enum xl_status read_line(struct xl_reply_log *log, const char *line,
                                size_t n, size_t number, struct xl_err *err)
{
    cJSON *root = NULL;
    const char *key, *reply, *trouble;
    if (xl_json_parse(line, n, "a reply", &root, NULL) != XL_OK ||
        xl_json_get_text(root, "key", &key, NULL) != XL_OK ||
        xl_json_get_text(root, "reply", &reply, NULL) != XL_OK) {
        cJSON_Delete(root);
        return xl_fail(err, XL_EFORMAT,
                       "'%s' line %zu is no reply; remove the file to ask "
                       "anew",
                       log->path, number);
    }
    enum xl_status rc = XL_OK;
    if (xl_json_get_text(root, "trouble", &trouble, NULL) == XL_ENOTFOUND)
        rc = remember(log, key, reply, strlen(reply), err);
    cJSON_Delete(root);
    return rc;
}

/* Whole lines; *whole is how many bytes they are. */
static enum xl_status read_lines(struct xl_reply_log *log,
                                 const struct xl_buf *text, size_t *whole,
                                 struct xl_err *err)
{
    size_t at = 0, number = 0;
    for (const char *end;
         (end = memchr(text->data + at, '\n', text->len - at));) {
        size_t n = (size_t)(end - text->data) - at;
        XL_TRY(read_line(log, text->data + at, n, ++number, err));
        at += n + 1;
    }
    *whole = at;
    return XL_OK;
}

static enum xl_status fail_io(const struct xl_reply_log *log, const char *what,
                              struct xl_err *err)
{
    return xl_fail(err, XL_EIO, "cannot %s '%s': %s", what, log->path,
                   strerror(errno));
}

static enum xl_status lock(struct xl_reply_log *log, struct xl_err *err)
{
    struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(log->fd, F_SETLK, &all) == 0)
        return XL_OK;
    if (errno == EACCES || errno == EAGAIN)
        return xl_fail(err, XL_EBUSY, "another process judges into '%s'",
                       log->path);
    return fail_io(log, "lock", err);
}

static enum xl_status load(struct xl_reply_log *log, struct xl_err *err)
{
    struct xl_buf text;
    char piece[1 << 14];
    size_t whole = 0;
    ssize_t n;
    enum xl_status rc = XL_OK;
    xl_buf_init(&text, 0);
    while ((n = read(log->fd, piece, sizeof piece)) > 0)
        xl_buf_add(&text, piece, (size_t)n);
    if (n < 0)
        rc = fail_io(log, "read", err);
    if (rc == XL_OK)
        rc = xl_buf_check(&text, log->path, err);
    if (rc == XL_OK)
        rc = read_lines(log, &text, &whole, err);
    if (rc == XL_OK && whole < text.len &&
        ftruncate(log->fd, (off_t)whole) != 0)
        rc = fail_io(log, "cut", err);
    xl_buf_release(&text);
    return rc;
}

enum xl_status xl_reply_log_open(struct xl_reply_log **out, const char *path,
                                 struct xl_err *err)
{
    struct xl_reply_log *log = xl_alloc_zero(1, sizeof *log);
    enum xl_status rc;
    if (!log)
        return xl_fail(err, XL_ENOMEM, "out of memory for replies");
    xl_arena_init(&log->arena, 0);
    log->path = xl_strdup(path);
    log->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (!log->path)
        rc = xl_fail(err, XL_ENOMEM, "out of memory for replies");
    else
        rc = log->fd < 0 ? fail_io(log, "open", err) : lock(log, err);
    if (rc == XL_OK)
        rc = load(log, err);
    if (rc == XL_OK)
        *out = log;
    else
        xl_reply_log_close(log);
    return rc;
}

/* -- writing --------------------------------------------------------------- */

/* False when a text found no memory: nothing is printed then. */
static bool print_record(const struct xl_reply_record *r, struct xl_buf *line)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "key", r->key);
    cJSON_AddStringToObject(root, "kind", r->kind);
    bool ok = xl_json_add_string(root, "about", r->about);
    cJSON_AddNumberToObject(root, "code", r->code);
    ok = ok && xl_json_add_string(root, "trouble", r->trouble);
    ok = ok && xl_json_add_text(root, "reply", r->reply, r->n);
    if (ok)
        xl_json_print(root, false, line);
    xl_buf_char(line, '\n');
    cJSON_Delete(root);
    return ok;
}

enum xl_status xl_reply_log_add(struct xl_reply_log *log,
                                const struct xl_reply_record *record,
                                struct xl_err *err)
{
    struct xl_buf line;
    xl_buf_init(&line, MOST_LINE);
    enum xl_status rc =
        print_record(record, &line)
            ? xl_buf_check(&line, "a reply's record", err)
            : xl_fail(err, XL_ENOMEM, "out of memory for a reply's record");
    if (rc == XL_OK && (!xl_io_write_fd(log->fd, line.data, line.len) ||
                        !xl_io_sync_fd(log->fd)))
        rc = fail_io(log, "write", err);
    xl_buf_release(&line);
    if (rc == XL_OK && !record->trouble)
        rc = remember(log, record->key, record->reply, record->n, err);
    return rc;
}
