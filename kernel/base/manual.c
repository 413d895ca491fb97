/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that is not a macro goes through plain() so that no text of a
 * table can be taken for one. */
#include "kernel/base/manual.h"

#include <ctype.h>
#include <string.h>

/* Text as it stands: roff's own characters escaped, dashes that copy. */
static void plain(struct xl_buf *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        xl_buf_text(out, "\\&");
    for (; *text; text++) {
        if (*text == '\\')
            xl_buf_text(out, "\\e");
        else if (*text == '-')
            xl_buf_text(out, "\\-");
        else
            xl_buf_char(out, *text);
        if (*text == '\n' && (text[1] == '.' || text[1] == '\''))
            xl_buf_text(out, "\\&");
    }
}

static void upper(struct xl_buf *out, const char *text)
{
    for (; *text; text++)
        xl_buf_char(out, (char)toupper((unsigned char)*text));
}

static void heading(struct xl_buf *out, const char *title)
{
    xl_buf_text(out, ".SH ");
    upper(out, title);
    xl_buf_char(out, '\n');
}

/* words: those of the group; a row's own go first. */
static void row(struct xl_buf *out, const struct xl_opt *opt,
                const char *const *words)
{
    words = opt->words ? opt->words : words;
    struct xl_buf flag;
    xl_buf_init(&flag, 0);
    xl_opt_flag(&flag, opt->name);
    xl_buf_text(out, ".TP\n.B ");
    plain(out, flag.data);
    xl_buf_release(&flag);
    if (opt->arg) {
        xl_buf_text(out, " \\fI");
        plain(out, opt->arg);
        xl_buf_text(out, "\\fR");
    }
    xl_buf_char(out, '\n');
    plain(out, opt->help);
    if (opt->fallback && opt->fallback[0]) {
        xl_buf_text(out, " [");
        plain(out, opt->fallback);
        xl_buf_char(out, ']');
    }
    for (size_t i = 0; words && words[i]; i++) {
        xl_buf_text(out, i ? ", " : "; one of: ");
        plain(out, words[i]);
    }
    xl_buf_char(out, '\n');
}

static void options(struct xl_buf *out, const struct xl_program *program,
                    const struct xl_cmd *cmd)
{
    struct xl_opt_group groups[XL_OPT_GROUPS];
    size_t n = xl_cmd_groups(program, cmd, groups);
    for (size_t g = 0; g < n; g++) {
        if (groups[g].n_rows)
            heading(out, groups[g].title);
        for (size_t i = 0; i < groups[g].n_rows; i++) {
            const struct xl_opt *opt = &groups[g].rows[i];
            if (!opt->hidden && !xl_opt_is_shadowed(groups, g, opt->name))
                row(out, opt, groups[g].words ? groups[g].words(i) : NULL);
        }
    }
}

static void literal(struct xl_buf *out, const char *text)
{
    xl_buf_text(out, ".nf\n");
    plain(out, text);
    xl_buf_text(out, "\n.fi\n");
}

/* Words that break between lines only where a blank is. */
static void ragged(struct xl_buf *out, const char *text)
{
    xl_buf_text(out, ".nh\n.ad l\n");
    plain(out, text);
    xl_buf_text(out, "\n.ad\n.hy\n");
}

static void title(struct xl_buf *out, const struct xl_program *program,
                  const struct xl_cmd *cmd, const char *summary)
{
    const char *dash = cmd ? "-" : "", *name = cmd ? cmd->name : "";
    xl_buf_text(out, ".TH ");
    upper(out, program->name);
    xl_buf_text(out, dash);
    upper(out, name);
    xl_buf_printf(out, " 1 \"\" \"%s %s\" \"User Commands\"\n.SH NAME\n",
                  program->name, program->version);
    xl_buf_printf(out, "%s%s%s \\- ", program->name, dash, name);
    plain(out, summary);
    xl_buf_char(out, '\n');
}

static void exit_status(struct xl_buf *out)
{
    heading(out, "Exit status");
    for (int code = 0; code < XL_STATUS_COUNT; code++) {
        /* Several reasons share a code: each code once, its first reason. */
        int value = xl_status_exit_code((enum xl_status)code);
        bool is_new = true;
        for (int before = 0; before < code; before++)
            is_new =
                is_new && xl_status_exit_code((enum xl_status)before) != value;
        if (!is_new)
            continue;
        xl_buf_printf(out, ".TP\n.B %d\n", value);
        plain(out, xl_status_text((enum xl_status)code));
        xl_buf_char(out, '\n');
    }
}

static void command_page(struct xl_buf *out, const struct xl_program *program,
                         const struct xl_cmd *cmd)
{
    title(out, program, cmd, cmd->summary);
    heading(out, "Synopsis");
    xl_buf_printf(out, ".B %s %s\n", program->name, cmd->name);
    ragged(out, cmd->usage);
    if (cmd->details) {
        heading(out, "Description");
        plain(out, cmd->details);
        xl_buf_char(out, '\n');
    }
    options(out, program, cmd);
    heading(out, "Example");
    literal(out, cmd->example);
    heading(out, "See also");
    xl_buf_printf(out, ".BR %s (1)\n", program->name);
}

static void program_page(struct xl_buf *out, const struct xl_program *program)
{
    title(out, program, NULL, program->summary);
    heading(out, "Synopsis");
    xl_buf_printf(out, ".B %s\n.I COMMAND\n[OPTIONS]\n", program->name);
    heading(out, "Commands");
    for (size_t i = 0; i < program->n_cmds; i++) {
        if (program->cmds[i]->hidden)
            continue;
        xl_buf_printf(out, ".TP\n.BR %s\\-%s (1)\n", program->name,
                      program->cmds[i]->name);
        plain(out, program->cmds[i]->summary);
        xl_buf_char(out, '\n');
    }
    exit_status(out);
}

void xl_manual_page(const struct xl_program *program, const struct xl_cmd *cmd,
                    struct xl_buf *out)
{
    if (cmd)
        command_page(out, program, cmd);
    else
        program_page(out, program);
}
