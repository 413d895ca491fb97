/* SPDX-License-Identifier: Apache-2.0
 *
 * fork and exec rather than posix_spawn: the child must change its folder,
 * for which POSIX 2008 has no spawn action. -d keeps start-up files of the
 * user out. The child leads a process group, so that a limit ends whatever
 * it started as well. */
#include "plots/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/clock.h"

enum {
    DEFAULT_LIMIT_MS = 60000,
    TALK_ROOM = 300,
    PATH_ROOM = 4096,
    EXIT_POLL_MS = 5,
    EXIT_NO_EXEC = 127
};

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
           access(path, X_OK) == 0;
}

/* The first program of this name in the absolute folders of PATH. */
static bool find_on_path(const char *name, char *out, size_t room)
{
    const char *list = getenv("PATH");
    while (list && *list) {
        size_t n = strcspn(list, ":");
        int len = snprintf(out, room, "%.*s/%s", (int)n, list, name);
        if (n && list[0] == '/' && len > 0 && (size_t)len < room &&
            is_program(out))
            return true;
        list += n + (list[n] == ':');
    }
    return false;
}

bool xl_gnuplot_find(const char *asked, char *out, size_t room)
{
    char here[PATH_ROOM] = "";
    if (!asked || !strchr(asked, '/'))
        return find_on_path(asked ? asked : "gnuplot", out, room);
    /* Made absolute: the child runs in another folder. */
    if (asked[0] != '/' && !getcwd(here, sizeof here))
        return false;
    int len = snprintf(out, room, "%s%s%s", here, *here ? "/" : "", asked);
    return len > 0 && (size_t)len < room && is_program(out);
}

/* Only calls that are safe after fork; never returns. */
static void become_gnuplot(const struct xl_gnuplot_job *job, int talk)
{
    /* execv promises to leave the words as they are. */
    static const char *const words[] = { "gnuplot", "-d" };
    char *argv[] = { (char *)(uintptr_t)words[0], (char *)(uintptr_t)words[1],
                     (char *)(uintptr_t)job->script, NULL };
    int nothing = open("/dev/null", O_RDWR);
    setpgid(0, 0);
    if (nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 &&
        dup2(nothing, STDOUT_FILENO) >= 0 && dup2(talk, STDERR_FILENO) >= 0 &&
        chdir(job->dir) == 0)
        execv(job->program, argv);
    _exit(EXIT_NO_EXEC);
}

/* What the child says, kept to the first TALK_ROOM bytes on one line. */
struct talk {
    char text[TALK_ROOM];
    size_t len;
};

static void keep(struct talk *talk, const char *piece, size_t n)
{
    for (size_t i = 0; i < n && talk->len + 1 < TALK_ROOM; i++) {
        bool space = (unsigned char)piece[i] <= ' ';
        if (space && (talk->len == 0 || talk->text[talk->len - 1] == ' '))
            continue;
        talk->text[talk->len++] = space ? ' ' : piece[i];
    }
    while (talk->len && talk->text[talk->len - 1] == ' ' && n == 0)
        talk->len--;
    talk->text[talk->len] = '\0';
}

static int left_ms(uint64_t end_ns)
{
    uint64_t now = xl_clock_ns();
    return now >= end_ns ? 0 : (int)((end_ns - now) / 1000000 + 1);
}

/* Reads until the child closes its end; false when time ran out. */
static bool listen_to(int fd, uint64_t end_ns, struct talk *talk)
{
    char piece[512];
    for (;;) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        int ready = poll(&wait, 1, left_ms(end_ns));
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        keep(talk, piece, n > 0 ? (size_t)n : 0);
        if (n <= 0)
            return true;
    }
}

/* Reaps the child; false when time ran out. */
static bool await_exit(pid_t child, uint64_t end_ns, int *status)
{
    for (;;) {
        pid_t got = waitpid(child, status, WNOHANG);
        if (got == child)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        if (left_ms(end_ns) == 0)
            return false;
        poll(NULL, 0, EXIT_POLL_MS);
    }
}

static enum xl_status judge_exit(const struct xl_gnuplot_job *job, int status,
                                 const struct talk *talk, struct xl_err *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return XL_OK;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_EXEC)
        return xl_fail(err, XL_EFAILED, "cannot run '%s' in '%s'", job->program,
                       job->dir);
    if (WIFSIGNALED(status))
        return xl_fail(err, XL_EFAILED, "'%s %s' ended by signal %d",
                       job->program, job->script, WTERMSIG(status));
    return xl_fail(err, XL_EFAILED, "'%s %s' failed: %s", job->program,
                   job->script, talk->text);
}

enum xl_status xl_gnuplot_run(const struct xl_gnuplot_job *job,
                              struct xl_err *err)
{
    int ends[2], status = 0;
    struct talk talk = { 0 };
    unsigned limit_ms = job->limit_ms ? job->limit_ms : DEFAULT_LIMIT_MS;
    uint64_t end_ns = xl_clock_ns() + (uint64_t)limit_ms * 1000000;

    if (pipe(ends) != 0)
        return xl_fail(err, XL_EIO, "cannot make a pipe: %s", strerror(errno));
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    pid_t child = fork();
    if (child == 0)
        become_gnuplot(job, ends[1]);
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return xl_fail(err, XL_EIO, "cannot start '%s': %s", job->program,
                       strerror(errno));
    }
    setpgid(child, child); /* whichever of the two comes first */
    bool in_time =
        listen_to(ends[0], end_ns, &talk) && await_exit(child, end_ns, &status);
    close(ends[0]);
    if (in_time)
        return judge_exit(job, status, &talk, err);
    kill(-child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return xl_fail(err, XL_ETIMEOUT, "'%s %s' ran longer than %u ms",
                   job->program, job->script, limit_ms);
}
