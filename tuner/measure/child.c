/* SPDX-License-Identifier: Apache-2.0
 *
 * posix_spawn after closing nothing by hand: every descriptor of this project
 * is opened close-on-exec. The child gets a process group of its own, so that
 * Ctrl-C reaches it through us only. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2, strsignal */
#endif
#include "tuner/measure/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/clock.h"
#include "kernel/base/io.h"

enum {
    READ_STEP = 1 << 14,
    POLL_MS = 100,
    GRACE_MS = 2000
};
#define LINE_MAX_BYTES ((size_t)64 << 20)

extern char **environ;

static int spawn(pid_t *pid, const char *const *argv, int in, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    int failed = posix_spawn(pid, argv[0], &actions, &attr,
                             (char *const *)(size_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return failed;
}

enum xl_status xl_child_start(struct xl_child *child, const char *const *argv,
                              struct xl_err *err)
{
    int in[2], out[2];
    *child = (struct xl_child){ .to = -1, .from = -1 };
    xl_buf_init(&child->in, LINE_MAX_BYTES);
    if (pipe2(in, O_CLOEXEC) != 0)
        return xl_fail(err, XL_EFAILED, "cannot make a pipe: %s",
                       strerror(errno));
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return xl_fail(err, XL_EFAILED, "cannot make a pipe: %s",
                       strerror(errno));
    }
    int failed = spawn(&child->pid, argv, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    child->to = in[1];
    child->from = out[0];
    if (!failed)
        return XL_OK;
    child->pid = 0;
    xl_child_end(child, true, NULL, NULL);
    return xl_fail(err, XL_EFAILED, "cannot start '%s': %s", argv[0],
                   strerror(failed));
}

/* Writes without SIGPIPE: the signal is ignored by whoever runs children. */
enum xl_status xl_child_send(struct xl_child *child, const char *text,
                             struct xl_err *err)
{
    if (xl_io_write_fd(child->to, text, strlen(text)) &&
        xl_io_write_fd(child->to, "\n", 1))
        return XL_OK;
    return xl_fail(err, XL_EFAILED, "the evaluator is gone: %s",
                   strerror(errno));
}

/* A whole line among the bytes that are there already? */
static bool take_line(struct xl_child *child, const char **line, size_t *n)
{
    char *start = child->in.data + child->taken;
    size_t left = child->in.len - child->taken;
    char *end = memchr(start, '\n', left);
    if (!end)
        return false;
    *end = '\0';
    *line = start;
    *n = (size_t)(end - start);
    child->taken += *n + 1;
    return true;
}

/* Moves the unfinished line to the front. */
static void drop_taken(struct xl_child *child)
{
    size_t left = child->in.len - child->taken;
    memmove(child->in.data, child->in.data + child->taken, left);
    child->in.len = left;
    child->taken = 0;
}

enum xl_child_read xl_child_line(struct xl_child *child, uint64_t deadline_ns,
                                 const atomic_int *stop, const char **line,
                                 size_t *n)
{
    char piece[READ_STEP];
    for (;;) {
        if (take_line(child, line, n))
            return XL_CHILD_LINE;
        if (child->taken)
            drop_taken(child);
        if (stop && atomic_load(stop))
            return XL_CHILD_STOPPED;
        if (xl_clock_ns() >= deadline_ns)
            return XL_CHILD_TIMEOUT;
        struct pollfd wait = { .fd = child->from, .events = POLLIN };
        if (poll(&wait, 1, POLL_MS) <= 0)
            continue;
        ssize_t got = read(child->from, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return XL_CHILD_ENDED;
        xl_buf_add(&child->in, piece, (size_t)got);
        if (!xl_buf_ok(&child->in))
            return XL_CHILD_ENDED;
    }
}

/* Has the child ended? It stays a zombie, so its number stays taken. */
static bool has_ended(pid_t pid, bool wait)
{
    siginfo_t info = { 0 };
    int flags = WEXITED | WNOWAIT | (wait ? 0 : WNOHANG);
    if (waitid(P_PID, (id_t)pid, &info, flags) != 0)
        return errno != EINTR;
    return info.si_pid == pid;
}

/* Waits for the end; after the grace period the child is killed. What it
 * started is in its process group and goes with it. */
static int reap(pid_t pid, bool hard)
{
    int status = 0;
    uint64_t deadline = xl_clock_ns() + (uint64_t)GRACE_MS * 1000000u;
    if (hard)
        kill(pid, SIGKILL);
    while (!has_ended(pid, hard)) {
        if (!hard && xl_clock_ns() >= deadline) {
            kill(pid, SIGKILL);
            hard = true;
        } else if (!hard) {
            poll(NULL, 0, 1);
        }
    }
    kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

void xl_child_end(struct xl_child *child, bool hard, char how[96], int *code)
{
    if (child->to >= 0)
        close(child->to);
    int status = child->pid ? reap(child->pid, hard) : 0;
    if (child->from >= 0)
        close(child->from);
    xl_buf_release(&child->in);
    if (how && WIFSIGNALED(status))
        snprintf(how, 96, "was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (how)
        snprintf(how, 96, "exited with code %d", WEXITSTATUS(status));
    if (code)
        *code =
            WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    *child = (struct xl_child){ .to = -1, .from = -1 };
}
