/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over argv. All memory of a parse is one arena, so release is one
 * call and a failed parse leaks nothing. */
#include "kernel/base/opt.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/arena.h"

enum {
    NAME_ROOM = 64,
    NEAR = 3,
    HELP_COLUMN = 30,
    HELP_WIDTH = 80
};

bool xl_parse_int(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long x = strtoll(text, &end, 10);
    if (end == text || *end || errno || text[0] == ' ')
        return false;
    *out = x;
    return true;
}

bool xl_parse_real(const char *text, double *out)
{
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end || !isfinite(x) || text[0] == ' ')
        return false;
    *out = x;
    return true;
}

/* Levenshtein distance of two short words, or NAME_ROOM when one is long. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_ROOM + 1], na = strlen(a), nb = strlen(b);
    if (na > NAME_ROOM || nb > NAME_ROOM)
        return NAME_ROOM;
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[nb];
}

const char *xl_nearest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t least = NEAR + 1;
    for (size_t i = 0; i < n; i++) {
        size_t d = distance(word, names[i]);
        bool prefix = word[0] && word[1] && word[2] &&
                      strncmp(names[i], word, strlen(word)) == 0;
        if (prefix && d > 1)
            d = 1;
        if (d < least && d < strlen(names[i])) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

/* -- parsing -------------------------------------------------------------- */

struct parse {
    struct xl_opts *opts;
    struct xl_arena *arena;
    struct xl_err *err;
    size_t room; /* most texts one option can get: argc */
};

struct hit {
    const struct xl_opt *row;
    struct xl_opt_value *value;
    bool negated;
};

/* Rows may spell a name with underscores; a dash on the line fits both. */
static bool is_name(const char *name, const char *wanted)
{
    if (!name)
        return false;
    while (*name && (*name == *wanted || (*name == '_' && *wanted == '-'))) {
        name++;
        wanted++;
    }
    return *name == '\0' && *wanted == '\0';
}

/* What stands before a name as people type it. */
static const char *dashes(const char *name)
{
    return name[1] ? "--" : "-";
}

void xl_opt_flag(struct xl_buf *out, const char *name)
{
    xl_buf_text(out, dashes(name));
    for (; *name; name++)
        xl_buf_char(out, *name == '_' ? '-' : *name);
}

static struct hit find_row(const struct xl_opts *opts, const char *name)
{
    bool negated = strncmp(name, "no-", 3) == 0;
    for (size_t g = 0; g < opts->n_groups; g++) {
        for (size_t i = 0; i < opts->groups[g].n_rows; i++) {
            const struct xl_opt *row = &opts->groups[g].rows[i];
            struct hit hit = { .row = row, .value = &opts->values[g][i] };
            if (is_name(row->name, name) || is_name(row->alias, name))
                return hit;
            hit.negated = true;
            if (negated && row->kind == XL_OPT_BOOL &&
                is_name(row->name, name + 3))
                return hit;
        }
    }
    return (struct hit){ 0 };
}

static enum xl_status fail_unknown(const struct parse *p, const char *name)
{
    const char *names[512];
    size_t n = 0;
    for (size_t g = 0; g < p->opts->n_groups; g++)
        for (size_t i = 0; i < p->opts->groups[g].n_rows && n < 512; i++)
            if (!p->opts->groups[g].rows[i].hidden)
                names[n++] = p->opts->groups[g].rows[i].name;
    const char *near = xl_nearest(name, names, n);
    if (near)
        return xl_fail(p->err, XL_EUSAGE,
                       "unknown flag '--%s'; nearest is "
                       "'--%s'",
                       name, near);
    return xl_fail(p->err, XL_EUSAGE, "unknown flag '--%s'; --help lists them",
                   name);
}

static enum xl_status store_number(const struct xl_opt *row,
                                   struct xl_opt_value *value, const char *text,
                                   struct xl_err *err)
{
    bool ok = row->kind == XL_OPT_INT ? xl_parse_int(text, &value->i)
                                      : xl_parse_real(text, &value->real);
    if (!ok)
        return xl_fail(err, XL_EUSAGE, "'%s%s %s' is not %s", dashes(row->name),
                       row->name, text,
                       row->kind == XL_OPT_INT ? "an integer" : "a number");
    double x = row->kind == XL_OPT_INT ? (double)value->i : value->real;
    value->real = x;
    if ((row->lo != 0 || row->hi != 0) && (x < row->lo || x > row->hi))
        return xl_fail(err, XL_EUSAGE,
                       "'%s%s %s' is out of bounds: %.10g to %.10g",
                       dashes(row->name), row->name, text, row->lo, row->hi);
    return XL_OK;
}

/* Place of the text among the words; their number when it is none. */
static size_t word_at(const char *const *words, const char *text)
{
    size_t i = 0;
    while (words[i] && strcmp(words[i], text) != 0)
        i++;
    return i;
}

static enum xl_status check_word(const struct xl_opt *row, const char *text,
                                 struct xl_err *err)
{
    size_t n = 0;
    if (row->words[word_at(row->words, text)])
        return XL_OK;
    while (row->words[n])
        n++;
    const char *near = xl_nearest(text, row->words, n);
    struct xl_buf all;
    xl_buf_init(&all, 0);
    for (size_t i = 0; i < n; i++)
        xl_buf_printf(&all, "%s%s", i ? ", " : "", row->words[i]);
    enum xl_status rc =
        near ? xl_fail(err, XL_EUSAGE,
                       "'%s%s %s' is unknown; nearest is '%s' of %s",
                       dashes(row->name), row->name, text, near, all.data)
             : xl_fail(err, XL_EUSAGE, "'%s%s %s' is unknown; it takes %s",
                       dashes(row->name), row->name, text, all.data);
    xl_buf_release(&all);
    return rc;
}

static enum xl_status store(const struct parse *p, const struct hit *hit,
                            const char *text)
{
    struct xl_opt_value *value = hit->value;
    value->given = true;
    if (hit->row->kind == XL_OPT_BOOL) {
        value->i = !hit->negated;
        return XL_OK;
    }
    if (hit->row->kind == XL_OPT_INT || hit->row->kind == XL_OPT_REAL)
        XL_TRY(store_number(hit->row, value, text, p->err));
    if (hit->row->words)
        XL_TRY(check_word(hit->row, text, p->err));
    if (!value->texts)
        value->texts = xl_arena_zero(p->arena, p->room, sizeof *value->texts);
    if (!value->texts)
        return xl_fail(p->err, XL_ENOMEM, "out of memory");
    if (hit->row->kind != XL_OPT_LIST)
        value->n_texts = 0;
    value->texts[value->n_texts++] = text;
    return XL_OK;
}

/* One "--name[=value]" word; *next is argv[i + 1] or NULL, set to NULL when
 * it was taken as the value. */
static enum xl_status parse_flag(const struct parse *p, const char *word,
                                 const char **next)
{
    char name[NAME_ROOM];
    const char *equals = strchr(word, '=');
    size_t n = equals ? (size_t)(equals - word) : strlen(word);
    if (n >= sizeof name)
        return xl_fail(p->err, XL_EUSAGE, "unknown flag '--%.40s...'", word);
    for (size_t i = 0; i < n; i++)
        name[i] = word[i] == '_' ? '-' : word[i];
    name[n] = '\0';
    struct hit hit = find_row(p->opts, name);
    if (!hit.row)
        return fail_unknown(p, name);
    if (hit.row->kind == XL_OPT_BOOL) {
        if (equals)
            return xl_fail(p->err, XL_EUSAGE, "'%s%s' takes no value",
                           dashes(name), name);
        return store(p, &hit, NULL);
    }
    if (equals)
        return store(p, &hit, equals + 1);
    if (!*next)
        return xl_fail(p->err, XL_EUSAGE, "'%s%s' needs a value: %s",
                       dashes(name), name, hit.row->arg);
    const char *text = *next;
    *next = NULL;
    return store(p, &hit, text);
}

static const char *long_name(const char *word)
{
    /* -p and -n are the two short flags of bench; -h is help everywhere. */
    if (strcmp(word, "-h") == 0)
        return "help";
    if (word[0] == '-' && word[1] == '-' && word[2])
        return word + 2;
    if (word[0] == '-' && word[1] >= 'a' && word[1] <= 'z' && !word[2])
        return word + 1;
    return NULL;
}

static enum xl_status parse_words(const struct parse *p, int argc,
                                  const char *const *argv)
{
    bool options = true;
    for (int i = 0; i < argc; i++) {
        const char *name = options ? long_name(argv[i]) : NULL;
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (name) {
            const char *next = i + 1 < argc ? argv[i + 1] : NULL;
            const char *before = next;
            XL_TRY(parse_flag(p, name, &next));
            i += before && !next;
        } else {
            p->opts->args[p->opts->n_args++] = argv[i];
        }
    }
    return XL_OK;
}

static enum xl_status apply_fallbacks(const struct parse *p)
{
    for (size_t g = 0; g < p->opts->n_groups; g++) {
        for (size_t i = 0; i < p->opts->groups[g].n_rows; i++) {
            const struct xl_opt *row = &p->opts->groups[g].rows[i];
            struct xl_opt_value *value = &p->opts->values[g][i];
            if (value->given || !row->fallback || row->kind == XL_OPT_BOOL ||
                row->kind == XL_OPT_TEXT || row->kind == XL_OPT_LIST)
                continue;
            XL_TRY(store_number(row, value, row->fallback, p->err));
        }
    }
    return XL_OK;
}

enum xl_status xl_opts_parse(struct xl_opts *opts,
                             const struct xl_opt_group *groups, size_t n_groups,
                             int argc, const char *const *argv,
                             struct xl_err *err)
{
    assert(n_groups <= XL_OPT_GROUPS);
    *opts = (struct xl_opts){ .groups = groups, .n_groups = n_groups };
    struct xl_arena *arena = xl_alloc(sizeof *arena);
    if (!arena)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    xl_arena_init(arena, 0);
    opts->memory = arena;
    struct parse p = {
        .opts = opts, .arena = arena, .err = err, .room = (size_t)argc + 1
    };
    bool ok =
        (opts->args = xl_arena_zero(arena, p.room, sizeof *opts->args)) != NULL;
    for (size_t g = 0; g < n_groups && ok; g++) {
        opts->values[g] =
            xl_arena_zero(arena, groups[g].n_rows + 1, sizeof *opts->values[g]);
        ok = opts->values[g] != NULL;
    }
    enum xl_status rc = ok ? parse_words(&p, argc, argv)
                           : xl_fail(err, XL_ENOMEM, "out of memory");
    if (rc == XL_OK)
        rc = apply_fallbacks(&p);
    if (rc != XL_OK)
        xl_opts_release(opts);
    return rc;
}

void xl_opts_release(struct xl_opts *opts)
{
    if (opts->memory) {
        xl_arena_release(opts->memory);
        xl_free(opts->memory);
    }
    *opts = (struct xl_opts){ 0 };
}

bool xl_opt_given(const struct xl_opts *opts, size_t group, size_t row)
{
    return opts->values[group][row].given;
}

const char *xl_opt_text(const struct xl_opts *opts, size_t group, size_t row)
{
    const struct xl_opt_value *value = &opts->values[group][row];
    if (value->n_texts)
        return value->texts[value->n_texts - 1];
    return opts->groups[group].rows[row].fallback;
}

size_t xl_opt_word(const struct xl_opts *opts, size_t group, size_t row)
{
    return word_at(opts->groups[group].rows[row].words,
                   xl_opt_text(opts, group, row));
}

int64_t xl_opt_int(const struct xl_opts *opts, size_t group, size_t row)
{
    return opts->values[group][row].i;
}

double xl_opt_real(const struct xl_opts *opts, size_t group, size_t row)
{
    return opts->values[group][row].real;
}

bool xl_opt_bool(const struct xl_opts *opts, size_t group, size_t row)
{
    return opts->values[group][row].i != 0;
}

/* -- help ----------------------------------------------------------------- */

void xl_text_wrap(struct xl_buf *out, const char *text, size_t column)
{
    size_t at = column;
    text += strspn(text, " \n");
    while (*text) {
        size_t word = strcspn(text, " \n");
        if (at > column && at + 1 + word > HELP_WIDTH) {
            xl_buf_printf(out, "\n%*s", (int)column, "");
            at = column;
        } else if (at > column) {
            xl_buf_char(out, ' ');
            at++;
        }
        xl_buf_add(out, text, word);
        at += word;
        text += word;
        text += strspn(text, " \n");
    }
}

static void help_row(struct xl_buf *out, const struct xl_opt *row)
{
    size_t start = out->len;
    xl_buf_text(out, "  ");
    xl_opt_flag(out, row->name);
    if (row->arg)
        xl_buf_printf(out, " %s", row->arg);
    size_t used = out->len - start;
    if (used + 2 > HELP_COLUMN)
        xl_buf_printf(out, "\n%*s", HELP_COLUMN, "");
    else
        xl_buf_printf(out, "%*s", (int)(HELP_COLUMN - used), "");
    struct xl_buf text;
    xl_buf_init(&text, 0);
    xl_buf_text(&text, row->help);
    if (row->fallback && row->fallback[0])
        xl_buf_printf(&text, " [%s]", row->fallback);
    xl_text_wrap(out, text.data, HELP_COLUMN);
    xl_buf_release(&text);
    xl_buf_char(out, '\n');
}

bool xl_opt_is_shadowed(const struct xl_opt_group *groups, size_t g,
                        const char *name)
{
    for (size_t before = 0; before < g; before++)
        for (size_t i = 0; i < groups[before].n_rows; i++)
            if (strcmp(groups[before].rows[i].name, name) == 0)
                return true;
    return false;
}

void xl_opts_help(const struct xl_opt_group *groups, size_t n_groups,
                  struct xl_buf *out)
{
    for (size_t g = 0; g < n_groups; g++) {
        if (groups[g].n_rows == 0)
            continue;
        xl_buf_printf(out, "\n%s:\n", groups[g].title);
        for (size_t i = 0; i < groups[g].n_rows; i++) {
            const struct xl_opt *row = &groups[g].rows[i];
            if (!row->hidden && !xl_opt_is_shadowed(groups, g, row->name))
                help_row(out, row);
        }
    }
}
