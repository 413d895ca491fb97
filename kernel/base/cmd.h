/* SPDX-License-Identifier: Apache-2.0
 *
 * Subcommands as rows.
 *
 * A command is one const struct at the end of its cmd_*.c; the program's
 * table lists them. xl_cmd_main parses the words by the rows, prints help,
 * runs the command, prints its error and returns the exit code, so a command
 * only does its work:
 *
 *     static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err);
 *     const struct xl_cmd xl_cmd_inspect = {
 *         .name = "inspect", .summary = "what a checkpoint holds",
 *         .usage = "--model DIR", .example = "xltune inspect --json",
 *         .rows = rows, .n_rows = sizeof rows / sizeof rows[0],
 *         .takes_model = true, .run = run,
 *     };
 *
 * Standard output is the product, standard error the talk.
 */
#ifndef XL_CMD_H
#define XL_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "kernel/base/err.h"
#include "kernel/base/opt.h"

struct xl_services; /* what floors above offer: kernel/run/session.h */

/* Option groups of a parse, in this order. The last two are there only for
 * commands with takes_model. */
enum {
    XL_GROUP_OWN,
    XL_GROUP_COMMON,
    XL_GROUP_MODEL,
    XL_GROUP_TUNABLES
};

/* Rows of XL_GROUP_COMMON. */
enum {
    XL_COMMON_HELP,
    XL_COMMON_VERSION,
    XL_COMMON_JSON,
    XL_COMMON_QUIET,
    XL_COMMON_COUNT
};

struct xl_program;

struct xl_cmd_ctx {
    const struct xl_program *program;
    const struct xl_cmd *cmd;
    struct xl_opts opts;
    const struct xl_services *services;
    bool json;  /* one JSON document on standard output, nothing else */
    bool quiet; /* no progress */
    const char *command_line; /* all words, for records */
    int argc;                 /* the words after the command's name */
    const char *const *argv;
};

struct xl_cmd {
    const char *name;
    const char *summary;      /* one line, lower case */
    const char *usage;        /* what stands after the name */
    const char *example;      /* one command a reader can paste */
    const char *details;      /* paragraph of help, or NULL */
    const char *const *verbs; /* first words it takes, ended by NULL, or NULL */
    const struct xl_opt *rows;
    size_t n_rows;
    bool takes_model; /* also the model and tunable groups */
    bool takes_words; /* words that are no flags, and it has no verbs */
    bool hidden;
    enum xl_status (*run)(struct xl_cmd_ctx *ctx, struct xl_err *err);
};

struct xl_program {
    const char *name, *version, *summary;
    const struct xl_cmd *const *cmds; /* [n_cmds] */
    size_t n_cmds;
    struct xl_opt_group model, tunables;
    const struct xl_services *services;
    const char *(*version_details)(void); /* more lines of --version */
};

/* argv as main got it. Returns the exit code. */
int xl_cmd_main(const struct xl_program *program, int argc, char **argv);

/* The option groups of a command; returns how many. */
size_t xl_cmd_groups(const struct xl_program *program, const struct xl_cmd *cmd,
                     struct xl_opt_group groups[XL_OPT_GROUPS]);

/* Whole help of one command, or of the program when cmd is NULL. */
void xl_cmd_help(const struct xl_program *program, const struct xl_cmd *cmd,
                 struct xl_buf *out);

/* "; nearest is 'x'" for an argument that is none of names, or "". The text
 * is written to out. */
const char *xl_cmd_hint(const char *word, const char *const *names, size_t n,
                        char *out, size_t room);

#endif
