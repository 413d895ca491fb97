/* SPDX-License-Identifier: Apache-2.0
 *
 * Command-line options from tables.
 *
 * A command declares rows; parsing, --help, man pages and completion read
 * them. Several groups of rows may be parsed together (a command's own,
 * those of every command, the tunables):
 *
 *     enum { OPT_PROMPT, OPT_NEW };
 *     static const struct xl_opt rows[] = {
 *         [OPT_PROMPT] = { "prompt", XL_OPT_TEXT, "TEXT", "what to continue" },
 *         [OPT_NEW] = { "new", XL_OPT_INT, "N", "tokens to write",
 *                       .lo = 1, .hi = 1e9, .fallback = "64" },
 *     };
 *     ...
 *     int64_t n = xl_opt_int(opts, group, OPT_NEW);
 *
 * Accepted: --flag value, --flag=value, underscores for dashes, "--" ends the
 * options. An unknown flag names the nearest known one. Booleans take no
 * value; --no-NAME clears them when the row itself does not begin with "no-".
 */
#ifndef XL_OPT_H
#define XL_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"

enum xl_opt_kind {
    XL_OPT_BOOL,
    XL_OPT_INT,
    XL_OPT_REAL,
    XL_OPT_TEXT,
    XL_OPT_LIST /* text that may be given more than once */
};

struct xl_opt {
    const char *name; /* without dashes in front */
    enum xl_opt_kind kind;
    const char *arg;      /* placeholder in help; NULL for booleans */
    const char *help;     /* one sentence, lower case, no full stop */
    const char *fallback; /* value when not given; NULL = none */
    double lo, hi;        /* bounds of INT and REAL; both 0 = unbounded */
    const char *alias;    /* a second name, or NULL */
    bool hidden;          /* left out of help */
    /* The only words that TEXT takes, ended by NULL; NULL = any text. */
    const char *const *words;
    /* Words that completion offers where the command itself checks them or
     * takes others too; ended by NULL, or NULL. */
    const char *const *offers;
};

struct xl_opt_group {
    const char *title; /* heading in help */
    const struct xl_opt *rows;
    size_t n_rows;
    /* The words row i takes, ended by NULL, or NULL; the member may be NULL. */
    const char *const *(*words)(size_t row);
};

enum {
    XL_OPT_GROUPS = 4
};

/* The result of a parse. Texts point into argv or the rows. */
struct xl_opts {
    const struct xl_opt_group *groups; /* [n_groups] */
    size_t n_groups;
    struct xl_opt_value {
        bool given;
        size_t n_texts;
        const char **texts; /* [n_texts], in order given */
        int64_t i;
        double real;
    } * values[XL_OPT_GROUPS]; /* [n_groups][n_rows] */
    size_t n_args;
    const char **args; /* what is no option, in order */
    /* private */
    void *memory;
};

/* XL_EUSAGE with a sentence when the words do not fit the rows. */
enum xl_status xl_opts_parse(struct xl_opts *opts,
                             const struct xl_opt_group *groups, size_t n_groups,
                             int argc, const char *const *argv,
                             struct xl_err *err);
void xl_opts_release(struct xl_opts *opts);

/* Was it on the command line? */
bool xl_opt_given(const struct xl_opts *opts, size_t group, size_t row);

/* The value given, or the fallback, or NULL / 0 / false. */
const char *xl_opt_text(const struct xl_opts *opts, size_t group, size_t row);
int64_t xl_opt_int(const struct xl_opts *opts, size_t group, size_t row);
double xl_opt_real(const struct xl_opts *opts, size_t group, size_t row);
bool xl_opt_bool(const struct xl_opts *opts, size_t group, size_t row);

/* Place in the row's words of the value given or of the fallback; a row with
 * words has one or the other. */
size_t xl_opt_word(const struct xl_opts *opts, size_t group, size_t row);

/* Appends the option list of help: a heading and a line or two a row. A row
 * whose name an earlier group has is left out: that one is parsed. */
void xl_opts_help(const struct xl_opt_group *groups, size_t n_groups,
                  struct xl_buf *out);

/* Is a row of group g hidden by one of the same name in a group before? */
bool xl_opt_is_shadowed(const struct xl_opt_group *groups, size_t g,
                        const char *name);

/* Appends a flag as people type it: "-p", "--chunk-size". */
void xl_opt_flag(struct xl_buf *out, const char *name);

/* Appends text in lines of at most 80 columns that begin at `column`; the
 * first is taken to stand there already. White space is one blank. */
void xl_text_wrap(struct xl_buf *out, const char *text, size_t column);

/* The name in names[0..n) nearest to word, or NULL when none is near. */
const char *xl_nearest(const char *word, const char *const *names, size_t n);

/* Whole-text numbers: false when there is anything else in the text. */
bool xl_parse_int(const char *text, int64_t *out);
bool xl_parse_real(const char *text, double *out);

#endif
