/* SPDX-License-Identifier: Apache-2.0
 *
 * What is generated from the tables: completion, manual pages and the list of
 * tunables. The build installs them, a test compares them. */
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/completion.h"
#include "kernel/base/io.h"
#include "kernel/base/manual.h"
#include "kernel/base/cmd_print.h"
#include "kernel/param/param_doc.h"

enum {
    PAGE_ROOM = 1 << 20
};

/* -- completion ----------------------------------------------------------- */

static enum xl_status completion(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct xl_buf out;
    if (ctx->opts.n_args != 1)
        return xl_fail(err, XL_EUSAGE,
                       "one shell is wanted: bash, zsh or fish");
    xl_buf_init(&out, PAGE_ROOM);
    enum xl_status rc =
        xl_completion(ctx->program, ctx->opts.args[0], &out, err);
    if (rc == XL_OK)
        return xl_print_text(&out, err);
    xl_buf_release(&out);
    return rc;
}

const struct xl_cmd xl_cmd_completion = {
    .name = "completion",
    .summary = "prints a completion script for bash, zsh or fish",
    .usage = "bash | zsh | fish",
    .example = "xltune completion bash",
    .details = "For this shell alone: source <(xltune completion bash). "
               "Installing the program puts the scripts where shells look.",
    .takes_words = true,
    .run = completion,
};

/* -- manual --------------------------------------------------------------- */

enum {
    OPT_OUT,
    OPT_PARAMS,
    OPT_COUNT
};

static const struct xl_opt rows[OPT_COUNT] = {
    [OPT_OUT] = { .name = "out",
                  .kind = XL_OPT_TEXT,
                  .arg = "DIR",
                  .help = "write all pages and completions to a folder" },
    [OPT_PARAMS] = { .name = "params",
                     .kind = XL_OPT_BOOL,
                     .help = "print the table of tunables as Markdown" },
};

static const struct xl_cmd *find(const struct xl_program *program,
                                 const char *name)
{
    for (size_t i = 0; i < program->n_cmds; i++)
        if (!program->cmds[i]->hidden &&
            strcmp(program->cmds[i]->name, name) == 0)
            return program->cmds[i];
    return NULL;
}

/* Writes and releases text. */
static enum xl_status put(const char *dir, const char *name,
                          struct xl_buf *text, struct xl_err *err)
{
    char *path = xl_io_join(dir, name);
    enum xl_status rc = xl_buf_check(text, name, err);
    if (rc == XL_OK && !path)
        rc = xl_fail(err, XL_ENOMEM, "out of memory");
    if (rc == XL_OK)
        rc = xl_io_replace(path, text->data, text->len, err);
    xl_free(path);
    xl_buf_release(text);
    return rc;
}

static enum xl_status write_page(const struct xl_program *program,
                                 const struct xl_cmd *cmd, const char *dir,
                                 struct xl_err *err)
{
    struct xl_buf text;
    char name[128];
    snprintf(name, sizeof name, "%s%s%s.1", program->name, cmd ? "-" : "",
             cmd ? cmd->name : "");
    xl_buf_init(&text, PAGE_ROOM);
    xl_manual_page(program, cmd, &text);
    return put(dir, name, &text, err);
}

static enum xl_status write_all(const struct xl_program *program,
                                const char *dir, struct xl_err *err)
{
    const char *const *shells = xl_completion_shells();
    XL_TRY(xl_io_make_dirs(dir, err));
    XL_TRY(write_page(program, NULL, dir, err));
    for (size_t i = 0; i < program->n_cmds; i++)
        if (!program->cmds[i]->hidden)
            XL_TRY(write_page(program, program->cmds[i], dir, err));
    for (size_t i = 0; shells[i]; i++) {
        struct xl_buf text;
        char name[128];
        snprintf(name, sizeof name, "%s.%s", program->name, shells[i]);
        xl_buf_init(&text, PAGE_ROOM);
        XL_TRY(xl_completion(program, shells[i], &text, err));
        XL_TRY(put(dir, name, &text, err));
    }
    return XL_OK;
}

static enum xl_status manual(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    const char *dir = xl_opt_text(&ctx->opts, XL_GROUP_OWN, OPT_OUT);
    const struct xl_cmd *cmd = NULL;
    struct xl_buf out;

    if (dir)
        return write_all(ctx->program, dir, err);
    if (ctx->opts.n_args > 0) {
        cmd = find(ctx->program, ctx->opts.args[0]);
        if (!cmd)
            return xl_fail(err, XL_EUSAGE,
                           "no manual page for '%s'; 'xltune "
                           "--help' lists the commands",
                           ctx->opts.args[0]);
    }
    xl_buf_init(&out, PAGE_ROOM);
    if (xl_opt_bool(&ctx->opts, XL_GROUP_OWN, OPT_PARAMS))
        xl_param_doc(&out);
    else
        xl_manual_page(ctx->program, cmd, &out);
    return xl_print_text(&out, err);
}

const struct xl_cmd xl_cmd_manual = {
    .name = "manual",
    .summary = "prints a manual page, or the table of tunables",
    .usage = "[COMMAND | --params | --out DIR]",
    .example = "xltune manual sweep",
    .details = "The pages are roff: 'xltune manual sweep | man -l -' shows "
               "one. They are made from the tables that parse the command "
               "line.",
    .rows = rows,
    .n_rows = OPT_COUNT,
    .takes_words = true,
    .run = manual,
};
