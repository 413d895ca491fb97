/* SPDX-License-Identifier: Apache-2.0
 *
 * One walk over all commands and rows; a shell is a set of functions that
 * write what the walk meets. What a flag takes follows from its row: the words
 * of its group, a file or folder by its placeholder, or anything. */
#include "kernel/base/completion.h"

#include <string.h>

/* A flag of a command, with what it takes. */
struct flag {
    const struct xl_opt *opt;
    const char *const *words; /* ended by NULL, or NULL */
    bool takes_path;
};

typedef void flag_fn(struct xl_buf *out, const struct xl_program *program,
                     const struct xl_cmd *cmd, const struct flag *flag);

static bool takes_path(const struct xl_opt *opt)
{
    static const char *const placeholders[] = { "FILE",  "DIR", "PATH",
                                                "CSV",   "DB",  "RUN",
                                                "TABLE", "NPY", "SAFETENSORS" };
    size_t n = sizeof placeholders / sizeof *placeholders;
    for (size_t i = 0; opt->arg && i < n; i++)
        if (strncmp(opt->arg, placeholders[i], strlen(placeholders[i])) == 0)
            return true;
    return false;
}

/* The words of any group's row of that name: a command that has its own
 * --backend takes the same words as the tunable. */
static const char *const *words_of(const struct xl_opt_group *groups, size_t n,
                                   const struct xl_opt *opt)
{
    if (opt->words || opt->offers)
        return opt->words ? opt->words : opt->offers;
    for (size_t g = 0; g < n; g++)
        for (size_t i = 0; groups[g].words && i < groups[g].n_rows; i++)
            if (strcmp(groups[g].rows[i].name, opt->name) == 0)
                return groups[g].words(i);
    return NULL;
}

static void each_flag(struct xl_buf *out, const struct xl_program *program,
                      const struct xl_cmd *cmd, flag_fn *fn)
{
    struct xl_opt_group groups[XL_OPT_GROUPS];
    size_t n = xl_cmd_groups(program, cmd, groups);
    for (size_t g = 0; g < n; g++) {
        for (size_t i = 0; i < groups[g].n_rows; i++) {
            const struct xl_opt *opt = &groups[g].rows[i];
            struct flag flag = { .opt = opt, .takes_path = takes_path(opt) };
            if (opt->hidden || xl_opt_is_shadowed(groups, g, opt->name))
                continue;
            flag.words = words_of(groups, n, opt);
            fn(out, program, cmd, &flag);
        }
    }
}

static void add_words(struct xl_buf *out, const char *const *words)
{
    for (size_t i = 0; words && words[i]; i++)
        xl_buf_printf(out, "%s%s", i ? " " : "", words[i]);
}

static void command_names(struct xl_buf *out, const struct xl_program *program)
{
    const char *blank = "";
    for (size_t i = 0; i < program->n_cmds; i++) {
        if (program->cmds[i]->hidden)
            continue;
        xl_buf_printf(out, "%s%s", blank, program->cmds[i]->name);
        blank = " ";
    }
}

/* Text inside single quotes, which every one of the shells ends and reopens
 * around a quote; marks are put behind a backslash. */
static void quoted(struct xl_buf *out, const char *text, const char *marks)
{
    for (; *text; text++) {
        if (*text == '\'') {
            xl_buf_text(out, "'\\''");
            continue;
        }
        if (strchr(marks, *text))
            xl_buf_char(out, '\\');
        xl_buf_char(out, *text == '\n' ? ' ' : *text);
    }
}

/* -- bash ----------------------------------------------------------------- */

static void bash_name(struct xl_buf *out, const struct xl_program *program,
                      const struct xl_cmd *cmd, const struct flag *flag)
{
    (void)program;
    (void)cmd;
    xl_buf_char(out, ' ');
    xl_opt_flag(out, flag->opt->name);
}

static void bash_value(struct xl_buf *out, const struct xl_program *program,
                       const struct xl_cmd *cmd, const struct flag *flag)
{
    (void)program;
    if (flag->opt->kind == XL_OPT_BOOL)
        return;
    xl_buf_printf(out, "    %s:", cmd->name);
    xl_opt_flag(out, flag->opt->name);
    xl_buf_text(out, ") ");
    if (flag->words) {
        xl_buf_text(out, "words='");
        add_words(out, flag->words);
        xl_buf_char(out, '\'');
    } else {
        xl_buf_printf(out, "%s", flag->takes_path ? "path=1" : "any=1");
    }
    xl_buf_text(out, " ;;\n");
}

static void xl_complete_bash(struct xl_buf *out, const struct xl_program *p)
{
    xl_buf_printf(out,
                  "# bash completion for %s\n_%s() {\n"
                  "  local cur=${COMP_WORDS[COMP_CWORD]} cmd=${COMP_WORDS[1]}\n"
                  "  local prev=${COMP_WORDS[COMP_CWORD-1]} words= path= any=\n"
                  "  COMPREPLY=()\n"
                  "  if [ \"$cur\" = = ]; then\n    cur=\n"
                  "  elif [ \"$prev\" = = ]; then\n"
                  "    prev=${COMP_WORDS[COMP_CWORD-2]}\n  fi\n"
                  "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                  "    COMPREPLY=($(compgen -W '",
                  p->name, p->name);
    command_names(out, p);
    xl_buf_text(out, " help --help --version' -- \"$cur\"))\n    return\n  fi\n"
                     "  case $cmd:$prev in\n");
    for (size_t i = 0; i < p->n_cmds; i++)
        if (!p->cmds[i]->hidden)
            each_flag(out, p, p->cmds[i], bash_value);
    xl_buf_text(out, "    help:help) words='");
    command_names(out, p);
    xl_buf_text(out, "' ;;\n    *) case $cmd in\n");
    for (size_t i = 0; i < p->n_cmds; i++) {
        if (p->cmds[i]->hidden)
            continue;
        xl_buf_printf(out, "      %s) words='", p->cmds[i]->name);
        add_words(out, p->cmds[i]->verbs);
        each_flag(out, p, p->cmds[i], bash_name);
        xl_buf_text(out, "' ;;\n");
    }
    xl_buf_printf(out,
                  "      esac ;;\n  esac\n"
                  "  if [ -n \"$path\" ]; then\n"
                  "    compopt -o filenames 2>/dev/null\n"
                  "    COMPREPLY=($(compgen -f -- \"$cur\"))\n"
                  "  elif [ -z \"$any\" ]; then\n"
                  "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                  "  fi\n}\ncomplete -o default -F _%s %s\n",
                  p->name, p->name);
}

/* -- zsh ------------------------------------------------------------------ */

static void zsh_flag(struct xl_buf *out, const struct xl_program *program,
                     const struct xl_cmd *cmd, const struct flag *flag)
{
    static const char marks[] = "[]:\\";
    const struct xl_opt *opt = flag->opt;
    (void)program;
    (void)cmd;
    xl_buf_printf(out, "        '%s", opt->kind == XL_OPT_LIST ? "*" : "");
    xl_opt_flag(out, opt->name);
    xl_buf_char(out, '[');
    quoted(out, opt->help, marks);
    xl_buf_char(out, ']');
    if (opt->kind != XL_OPT_BOOL) {
        xl_buf_char(out, ':');
        quoted(out, opt->arg ? opt->arg : "value", marks);
        xl_buf_char(out, ':');
        if (flag->words) {
            xl_buf_char(out, '(');
            add_words(out, flag->words);
            xl_buf_char(out, ')');
        } else if (flag->takes_path) {
            xl_buf_text(out, "_files");
        }
    }
    xl_buf_text(out, "' \\\n");
}

static void xl_complete_zsh(struct xl_buf *out, const struct xl_program *p)
{
    xl_buf_printf(out,
                  "#compdef %s\n_%s() {\n  local -a commands\n"
                  "  commands=(\n",
                  p->name, p->name);
    for (size_t i = 0; i < p->n_cmds; i++) {
        if (p->cmds[i]->hidden)
            continue;
        xl_buf_printf(out, "    '%s:", p->cmds[i]->name);
        quoted(out, p->cmds[i]->summary, ":\\");
        xl_buf_text(out, "'\n");
    }
    xl_buf_text(out, "  )\n  if (( CURRENT == 2 )); then\n"
                     "    _describe command commands\n    return\n  fi\n"
                     "  local name=$words[2]\n"
                     "  shift words\n  (( CURRENT-- ))\n"
                     "  case $name in\n");
    for (size_t i = 0; i < p->n_cmds; i++) {
        const struct xl_cmd *cmd = p->cmds[i];
        if (cmd->hidden)
            continue;
        xl_buf_printf(out, "    %s)\n      _arguments \\\n", cmd->name);
        each_flag(out, p, cmd, zsh_flag);
        if (cmd->verbs) {
            xl_buf_text(out, "        '1:what:(");
            add_words(out, cmd->verbs);
            xl_buf_text(out, ")' \\\n");
        }
        xl_buf_text(out, "        '*:file:_files' ;;\n");
    }
    xl_buf_printf(out, "  esac\n}\n_%s \"$@\"\n", p->name);
}

/* -- fish ----------------------------------------------------------------- */

static void fish_flag(struct xl_buf *out, const struct xl_program *program,
                      const struct xl_cmd *cmd, const struct flag *flag)
{
    const struct xl_opt *opt = flag->opt;
    struct xl_buf name;
    xl_buf_init(&name, 0);
    xl_opt_flag(&name, opt->name);
    bool is_long = name.data[1] == '-';
    xl_buf_printf(out,
                  "complete -c %s -n '__fish_seen_subcommand_from %s' -%s %s "
                  "-d '",
                  program->name, cmd->name, is_long ? "l" : "s",
                  name.data + (is_long ? 2 : 1));
    xl_buf_release(&name);
    quoted(out, opt->help, "\\");
    xl_buf_char(out, '\'');
    if (flag->words) {
        xl_buf_text(out, " -x -a '");
        add_words(out, flag->words);
        xl_buf_char(out, '\'');
    } else if (opt->kind != XL_OPT_BOOL) {
        xl_buf_printf(out, " -%s", flag->takes_path ? "r -F" : "x");
    }
    xl_buf_char(out, '\n');
}

static void xl_complete_fish(struct xl_buf *out, const struct xl_program *p)
{
    xl_buf_printf(out, "# fish completion for %s\ncomplete -c %s -f\n", p->name,
                  p->name);
    for (size_t i = 0; i < p->n_cmds; i++) {
        const struct xl_cmd *cmd = p->cmds[i];
        if (cmd->hidden)
            continue;
        xl_buf_printf(out, "complete -c %s -n __fish_use_subcommand -a %s -d '",
                      p->name, cmd->name);
        quoted(out, cmd->summary, "\\");
        xl_buf_text(out, "'\n");
        if (cmd->verbs) {
            xl_buf_printf(out,
                          "complete -c %s -n "
                          "'__fish_seen_subcommand_from %s' -a '",
                          p->name, cmd->name);
            add_words(out, cmd->verbs);
            xl_buf_text(out, "'\n");
        }
        each_flag(out, p, cmd, fish_flag);
    }
}

/* -- the shells ----------------------------------------------------------- */

const char *const *xl_completion_shells(void)
{
    static const char *const names[] = {
#define XL_SHELL(name) #name,
#include "kernel/base/completion.def"
#undef XL_SHELL
        NULL
    };
    return names;
}

enum xl_status xl_completion(const struct xl_program *program,
                             const char *shell, struct xl_buf *out,
                             struct xl_err *err)
{
    static void (*const write[])(struct xl_buf *, const struct xl_program *) = {
#define XL_SHELL(name) xl_complete_##name,
#include "kernel/base/completion.def"
#undef XL_SHELL
    };
    const char *const *names = xl_completion_shells();
    for (size_t i = 0; names[i]; i++) {
        if (strcmp(names[i], shell) == 0) {
            write[i](out, program);
            return XL_OK;
        }
    }
    struct xl_buf all;
    xl_buf_init(&all, 0);
    add_words(&all, names);
    xl_fail(err, XL_EUSAGE, "no completion for '%s'; there is: %s", shell,
            all.data);
    xl_buf_release(&all);
    return XL_EUSAGE;
}
