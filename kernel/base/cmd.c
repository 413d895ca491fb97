/* SPDX-License-Identifier: Apache-2.0
 *
 * Dispatch and help for every program of the project. */
#include "kernel/base/cmd.h"

#include <stdlib.h>
#include <string.h>

enum {
    USAGE = 7,   /* columns of "Usage: " */
    SUMMARY = 15 /* column in the list of commands */
};

static const struct xl_opt common_rows[XL_COMMON_COUNT] = {
    [XL_COMMON_HELP] = { .name = "help",
                         .kind = XL_OPT_BOOL,
                         .help = "print this help" },
    [XL_COMMON_VERSION] = { .name = "version",
                            .kind = XL_OPT_BOOL,
                            .help = "print version and build" },
    [XL_COMMON_JSON] = { .name = "json",
                         .kind = XL_OPT_BOOL,
                         .help = "print JSON and nothing else" },
    [XL_COMMON_QUIET] = { .name = "quiet",
                          .kind = XL_OPT_BOOL,
                          .help = "no progress on standard error" },
};

size_t xl_cmd_groups(const struct xl_program *program, const struct xl_cmd *cmd,
                     struct xl_opt_group groups[XL_OPT_GROUPS])
{
    groups[XL_GROUP_OWN] = (struct xl_opt_group){ .title = "Options",
                                                  .rows = cmd->rows,
                                                  .n_rows = cmd->n_rows };
    groups[XL_GROUP_COMMON] = (struct xl_opt_group){
        .title = "Everywhere", .rows = common_rows, .n_rows = XL_COMMON_COUNT
    };
    groups[XL_GROUP_MODEL] = program->model;
    groups[XL_GROUP_TUNABLES] = program->tunables;
    return cmd->takes_model ? XL_OPT_GROUPS : XL_GROUP_COMMON + 1;
}

/* "NAME CMD: summary" and an empty line. */
static void heading(struct xl_buf *out, const char *program, const char *cmd,
                    const char *summary)
{
    struct xl_buf text;
    xl_buf_init(&text, 0);
    xl_buf_printf(&text, "%s%s%s: %s", program, cmd ? " " : "", cmd ? cmd : "",
                  summary);
    xl_text_wrap(out, text.data, 0);
    xl_buf_text(out, "\n\n");
    if (!xl_buf_ok(&text))
        out->failed = true;
    xl_buf_release(&text);
}

/* A command has a line of usage for each form; a long one goes on below. */
static void usage_lines(struct xl_buf *out, const struct xl_program *program,
                        const struct xl_cmd *cmd)
{
    size_t column = USAGE + strlen(program->name) + 1 + strlen(cmd->name) + 1;
    struct xl_buf line;
    xl_buf_init(&line, 0);
    for (const char *at = cmd->usage; *at;) {
        size_t n = strcspn(at, "\n");
        bool is_first = at == cmd->usage;
        xl_buf_clear(&line);
        xl_buf_add(&line, at, n);
        if (is_first)
            xl_buf_printf(out, "Usage: %s %s ", program->name, cmd->name);
        else
            xl_buf_printf(out, "%*s", USAGE, "");
        xl_text_wrap(out, line.data, is_first ? column : USAGE);
        xl_buf_char(out, '\n');
        at += n + (at[n] == '\n');
    }
    if (!xl_buf_ok(&line))
        out->failed = true;
    xl_buf_release(&line);
}

static void program_help(const struct xl_program *program, struct xl_buf *out)
{
    heading(out, program->name, NULL, program->summary);
    xl_buf_printf(out, "Usage: %s COMMAND [OPTIONS]\n\nCommands:\n",
                  program->name);
    for (size_t i = 0; i < program->n_cmds; i++)
        if (!program->cmds[i]->hidden) {
            xl_buf_printf(out, "  %-12s ", program->cmds[i]->name);
            xl_text_wrap(out, program->cmds[i]->summary, SUMMARY);
            xl_buf_char(out, '\n');
        }
    xl_buf_printf(out,
                  "\n'%s COMMAND --help' explains one; '%s --version' "
                  "tells the build.\n",
                  program->name, program->name);
}

void xl_cmd_help(const struct xl_program *program, const struct xl_cmd *cmd,
                 struct xl_buf *out)
{
    struct xl_opt_group groups[XL_OPT_GROUPS];
    if (!cmd) {
        program_help(program, out);
        return;
    }
    size_t n = xl_cmd_groups(program, cmd, groups);
    heading(out, program->name, cmd->name, cmd->summary);
    usage_lines(out, program, cmd);
    xl_buf_printf(out, "\nExample:\n  %s\n", cmd->example);
    if (cmd->details) {
        xl_buf_char(out, '\n');
        xl_text_wrap(out, cmd->details, 0);
        xl_buf_char(out, '\n');
    }
    xl_opts_help(groups, n, out);
}

static int end_output(bool ok)
{
    if (ok && fflush(stdout) == 0)
        return 0;
    fputs("cannot write standard output\n", stderr);
    return xl_status_exit_code(XL_EIO);
}

static int print_buf(struct xl_buf *out)
{
    bool ok = xl_buf_ok(out) && fputs(out->data, stdout) >= 0;
    xl_buf_release(out);
    return end_output(ok);
}

const char *xl_cmd_hint(const char *word, const char *const *names, size_t n,
                        char *out, size_t room)
{
    const char *near = xl_nearest(word, names, n);
    if (near)
        snprintf(out, room, "; nearest is '%s'", near);
    else
        out[0] = '\0';
    return out;
}

static int report(const struct xl_program *program, const struct xl_cmd *cmd,
                  const struct xl_err *err)
{
    fprintf(stderr, "%s%s%s: %s\n", program->name, cmd ? " " : "",
            cmd ? cmd->name : "",
            err->message[0] ? err->message : xl_status_text(err->status));
    return xl_status_exit_code(err->status);
}

static const struct xl_cmd *find_cmd(const struct xl_program *program,
                                     const char *name, struct xl_err *err)
{
    const char *names[64];
    size_t n = 0;
    for (size_t i = 0; i < program->n_cmds; i++) {
        if (strcmp(program->cmds[i]->name, name) == 0)
            return program->cmds[i];
        if (!program->cmds[i]->hidden && n < 64)
            names[n++] = program->cmds[i]->name;
    }
    char hint[80];
    xl_fail(err, XL_EUSAGE, "unknown command '%s'%s; --help lists them", name,
            xl_cmd_hint(name, names, n, hint, sizeof hint));
    return NULL;
}

/* Wherever the word stands: who asks for help need not get the rest right. */
static bool asks(int argc, char **argv, const char *word)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], word) == 0)
            return true;
    return false;
}

/* A word that a command does not read is more likely a slip than nothing. */
static enum xl_status check_words(const struct xl_cmd *cmd,
                                  const struct xl_opts *opts,
                                  struct xl_err *err)
{
    if (opts->n_args == 0 || cmd->verbs || cmd->takes_words)
        return XL_OK;
    return xl_fail(err, XL_EUSAGE, "unexpected '%s': '%s' takes flags only",
                   opts->args[0], cmd->name);
}

static int run_cmd(const struct xl_program *program, const struct xl_cmd *cmd,
                   int argc, char **argv)
{
    struct xl_opt_group groups[XL_OPT_GROUPS];
    struct xl_err err = { 0 };
    struct xl_buf line;
    size_t n = xl_cmd_groups(program, cmd, groups);
    struct xl_cmd_ctx ctx = { .program = program,
                              .cmd = cmd,
                              .services = program->services,
                              .argc = argc,
                              .argv = (const char *const *)argv };

    enum xl_status rc = xl_opts_parse(&ctx.opts, groups, n, argc,
                                      (const char *const *)argv, &err);
    if (rc == XL_OK && (rc = check_words(cmd, &ctx.opts, &err)) != XL_OK)
        xl_opts_release(&ctx.opts);
    if (rc != XL_OK)
        return report(program, cmd, &err);
    xl_buf_init(&line, 1 << 20);
    xl_buf_printf(&line, "%s %s", program->name, cmd->name);
    for (int i = 0; i < argc; i++)
        xl_buf_printf(&line, " %s", argv[i]);
    ctx.command_line = line.data;
    ctx.json = xl_opt_bool(&ctx.opts, XL_GROUP_COMMON, XL_COMMON_JSON);
    ctx.quiet = xl_opt_bool(&ctx.opts, XL_GROUP_COMMON, XL_COMMON_QUIET);
    rc = cmd->run(&ctx, &err);
    if (rc == XL_OK && fflush(stdout) != 0)
        rc = xl_fail(&err, XL_EIO, "cannot write standard output");
    xl_opts_release(&ctx.opts);
    xl_buf_release(&line);
    if (rc == XL_OK)
        return 0;
    err.status = rc;
    return report(program, cmd, &err);
}

static int print_version(const struct xl_program *program)
{
    printf("%s %s\n", program->name, program->version);
    if (program->version_details)
        fputs(program->version_details(), stdout);
    return end_output(true);
}

int xl_cmd_main(const struct xl_program *program, int argc, char **argv)
{
    struct xl_err err = { 0 };
    struct xl_buf help;
    const char *first = argc > 1 ? argv[1] : "--help";
    bool topic = strcmp(first, "help") == 0 && argc > 2;

    xl_buf_init(&help, 1 << 20);
    if (strcmp(first, "--version") == 0 || strcmp(first, "version") == 0)
        return print_version(program);
    if (!topic && (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 ||
                   strcmp(first, "help") == 0)) {
        xl_cmd_help(program, NULL, &help);
        int code = print_buf(&help);
        return argc > 1 ? code : xl_status_exit_code(XL_EUSAGE);
    }
    const struct xl_cmd *cmd = find_cmd(program, topic ? argv[2] : first, &err);
    if (!cmd)
        return report(program, NULL, &err);
    argc -= 2;
    argv += 2;
    if (topic || asks(argc, argv, "--help") || asks(argc, argv, "-h")) {
        xl_cmd_help(program, cmd, &help);
        return print_buf(&help);
    }
    if (asks(argc, argv, "--version"))
        return print_version(program);
    return run_cmd(program, cmd, argc, argv);
}
