/* SPDX-License-Identifier: Apache-2.0
 *
 * A child process that speaks lines: started by exec, its standard input and
 * output are pipes, its standard error is ours. Reading has a deadline, so a
 * child that hangs is noticed. One thread at a time.
 */
#ifndef XL_CHILD_H
#define XL_CHILD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"

struct xl_child {
    /* private */
    pid_t pid; /* 0 = none */
    int to, from;
    struct xl_buf in; /* bytes read that are no whole line yet */
    size_t taken;     /* bytes of `in` handed out */
};

/* argv[0] is the program's path; NULL ends it. */
enum xl_status xl_child_start(struct xl_child *child, const char *const *argv,
                              struct xl_err *err);

/* Sends text and a newline. XL_EFAILED when the child is gone. */
enum xl_status xl_child_send(struct xl_child *child, const char *text,
                             struct xl_err *err);

enum xl_child_read {
    XL_CHILD_LINE,
    XL_CHILD_ENDED,   /* its output closed */
    XL_CHILD_TIMEOUT, /* the deadline passed */
    XL_CHILD_STOPPED, /* *stop became true */
};

/* The next line without its newline; good until the next read. deadline_ns is
 * on xl_clock_ns; stop may be NULL. */
enum xl_child_read xl_child_line(struct xl_child *child, uint64_t deadline_ns,
                                 const atomic_int *stop, const char **line,
                                 size_t *n);

/* Kills when `hard`, else closes its input so that it ends by itself; waits.
 * how: "exited with code 3", "was killed by signal 11 (Segmentation fault)".
 * *code gets the exit code or 128 + signal; both may be NULL. */
void xl_child_end(struct xl_child *child, bool hard, char how[96], int *code);

#endif
