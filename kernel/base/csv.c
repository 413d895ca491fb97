/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/base/csv.h"

#include <math.h>
#include <string.h>

#include "kernel/base/real.h"

static void add_quoted(struct xl_buf *out, const char *text)
{
    xl_buf_char(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            xl_buf_char(out, '"');
        xl_buf_char(out, *text);
    }
    xl_buf_char(out, '"');
}

/* Every field ends in a comma; xl_csv_end turns the last one into the end of
 * the line, so an empty first field keeps its place. */
void xl_csv_text(struct xl_buf *out, const char *text)
{
    if (text && (text[0] == '\0' || strpbrk(text, ",\"\r\n#")))
        add_quoted(out, text);
    else if (text)
        xl_buf_text(out, text);
    xl_buf_char(out, ',');
}

void xl_csv_real(struct xl_buf *out, double value)
{
    char text[XL_REAL_ROOM];
    if (isfinite(value))
        xl_buf_add(out, text, xl_real_text(text, value));
    xl_buf_char(out, ',');
}

void xl_csv_int(struct xl_buf *out, long long value)
{
    xl_buf_printf(out, "%lld,", value);
}

void xl_csv_end(struct xl_buf *out)
{
    if (out->len && out->data[out->len - 1] == ',')
        out->data[out->len - 1] = '\n';
    else
        xl_buf_char(out, '\n');
}

/* -- reading -------------------------------------------------------------- */

struct reader {
    char *text; /* [n], then '\0' */
    const char *name;
    size_t n, at;
    struct xl_arena *arena;
    struct xl_err *err;
};

static bool is_line_end(const struct reader *r)
{
    return r->at >= r->n || r->text[r->at] == '\n' ||
           (r->text[r->at] == '\r' && r->at + 1 < r->n &&
            r->text[r->at + 1] == '\n');
}

static void skip_line_end(struct reader *r)
{
    if (r->at < r->n && r->text[r->at] == '\r')
        r->at++;
    if (r->at < r->n)
        r->at++;
}

/* The field's own bytes are overwritten: what a quote doubled closes up. */
static enum xl_status read_quoted(struct reader *r, const char **out)
{
    size_t start = r->at, len = 0;
    char *field = r->text + start;
    for (r->at++; r->at < r->n; r->at++) {
        if (r->text[r->at] != '"') {
            field[len++] = r->text[r->at];
        } else if (r->at + 1 < r->n && r->text[r->at + 1] == '"') {
            field[len++] = '"';
            r->at++;
        } else {
            r->at++;
            field[len] = '\0'; /* at the closing quote or before it */
            *out = field;
            return XL_OK;
        }
    }
    return xl_fail(r->err, XL_EFORMAT,
                   "malformed CSV in '%s': the quote at "
                   "byte %zu never closes",
                   r->name, start);
}

static enum xl_status read_field(struct reader *r, const char **out)
{
    if (r->at < r->n && r->text[r->at] == '"')
        return read_quoted(r, out);
    *out = r->text + r->at;
    while (!is_line_end(r) && r->text[r->at] != ',')
        r->at++;
    return XL_OK;
}

/* Ends the field before r->at, past the comma or the end of the line. */
static bool end_field(struct reader *r)
{
    size_t end = r->at;
    bool is_comma = end < r->n && r->text[end] == ',';
    if (is_comma)
        r->at++;
    else
        skip_line_end(r);
    r->text[end] = '\0';
    return is_comma;
}

/* Fields of the line at r->at: counted by commas outside quotes first. */
static size_t count_fields(const struct reader *r)
{
    size_t n = 1;
    bool quoted = false;
    for (size_t i = r->at; i < r->n; i++) {
        if (r->text[i] == '"')
            quoted = !quoted;
        else if (r->text[i] == '\n' && !quoted)
            break;
        n += r->text[i] == ',' && !quoted;
    }
    return n;
}

static enum xl_status read_row(struct reader *r, struct xl_csv_row *row)
{
    size_t room = count_fields(r);
    *row = (struct xl_csv_row){ .fields = xl_arena_zero(r->arena, room,
                                                        sizeof *row->fields) };
    if (!row->fields)
        return xl_fail(r->err, XL_ENOMEM, "out of memory reading '%s'",
                       r->name);
    for (;;) {
        if (row->n_fields == room)
            return xl_fail(r->err, XL_EFORMAT,
                           "malformed CSV in '%s' near "
                           "byte %zu: stray quote",
                           r->name, r->at);
        XL_TRY(read_field(r, &row->fields[row->n_fields]));
        row->n_fields++;
        if (!is_line_end(r) && r->text[r->at] != ',')
            return xl_fail(r->err, XL_EFORMAT,
                           "malformed CSV in '%s' near byte "
                           "%zu: text after a quoted field",
                           r->name, r->at);
        if (!end_field(r))
            return XL_OK;
    }
}

enum xl_status xl_csv_parse(const char *text, size_t n, const char *name,
                            struct xl_arena *arena, struct xl_csv *csv,
                            struct xl_err *err)
{
    /* Fields are ended and unquoted inside one copy of the text. */
    struct reader r = { .text = xl_arena_text(arena, text, n),
                        .n = n,
                        .name = name,
                        .arena = arena,
                        .err = err };
    size_t lines = 1;
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    *csv = (struct xl_csv){ .rows = xl_arena_zero(arena, lines,
                                                  sizeof *csv->rows) };
    if (!r.text || !csv->rows)
        return xl_fail(err, XL_ENOMEM, "out of memory reading '%s'", name);
    while (r.at < r.n) {
        if (is_line_end(&r)) {
            skip_line_end(&r);
        } else if (r.text[r.at] == '#') {
            while (!is_line_end(&r))
                r.at++;
            skip_line_end(&r);
        } else {
            XL_TRY(read_row(&r, &csv->rows[csv->n_rows]));
            csv->n_rows++;
        }
    }
    return XL_OK;
}
