/* SPDX-License-Identifier: Apache-2.0 */
#include "plots/data.h"

#include <math.h>
#include <string.h>

#include "kernel/base/json.h"

enum {
    MARK_FIELDS = 6
};

static void separate(struct xl_buf *out)
{
    if (out->len && out->data[out->len - 1] != '\n')
        xl_buf_char(out, '\t');
}

void xl_data_number(struct xl_buf *out, double value)
{
    separate(out);
    if (isnan(value))
        xl_buf_text(out, "NaN");
    else
        xl_buf_printf(out, "%.10g", value);
}

/* Control bytes and what is no UTF-8 become blanks. A double quote, which
 * would open a quoted field, becomes a double prime; a backslash, with which
 * gnuplot breaks lines, the set minus that looks like it. */
void xl_data_text(struct xl_buf *out, const char *text)
{
    size_t n = strlen(text);
    separate(out);
    if (n == 0)
        xl_buf_char(out, ' ');
    for (size_t i = 0; i < n;) {
        size_t len = xl_utf8_length(text + i, n - i);
        if (len == 0 || (unsigned char)text[i] < ' ' || text[i] == 0x7f)
            xl_buf_char(out, ' ');
        else if (text[i] == '"')
            xl_buf_text(out, "\xe2\x80\xb3");
        else if (text[i] == '\\')
            xl_buf_text(out, "\xe2\x88\x96");
        else
            xl_buf_add(out, text + i, len);
        i += len ? len : 1;
    }
}

void xl_data_range(struct xl_buf *out, const struct xl_range *range)
{
    xl_data_number(out, range->lo);
    xl_data_number(out, range->hi);
}

void xl_data_end(struct xl_buf *out)
{
    xl_buf_char(out, '\n');
}

void xl_data_block(struct xl_buf *out, const char *name, const char *columns)
{
    if (out->len)
        xl_buf_text(out, "\n\n");
    xl_buf_printf(out, "# %s: %s\n", name, columns);
}

void xl_data_nothing(struct xl_buf *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        xl_data_number(out, (double)NAN);
    xl_data_end(out);
}

void xl_data_series(struct xl_buf *out, const char *name,
                    const struct xl_series *series)
{
    xl_data_block(out, name, "x x_lo x_hi y y_lo y_hi");
    for (size_t i = 0; i < series->n; i++) {
        const struct xl_mark *mark = &series->marks[i];
        const double fields[MARK_FIELDS] = { mark->x, mark->x_lo, mark->x_hi,
                                             mark->y, mark->y_lo, mark->y_hi };
        for (size_t f = 0; f < MARK_FIELDS; f++)
            xl_data_number(out, fields[f]);
        xl_data_end(out);
    }
    if (series->n == 0)
        xl_data_nothing(out, MARK_FIELDS);
}

void xl_data_title(struct xl_buf *out, const char *subtitle,
                   const char *columns)
{
    if (out->len)
        xl_buf_text(out, "\n\n");
    xl_buf_printf(out, "# head: subtitle %s\n", columns);
    xl_data_text(out, subtitle);
}

void xl_data_head(struct xl_buf *out, const struct xl_record *record,
                  const char *columns)
{
    size_t step = xl_chart_stride(record->n_entries);
    struct xl_buf line;
    xl_buf_init(&line, 0);
    xl_buf_text(&line, record->subtitle);
    if (step > 1)
        xl_buf_printf(&line, "%severy %zuth of %zu trials drawn",
                      line.len ? " \xc2\xb7 " : "", step, record->n_entries);
    xl_data_title(out, line.data, columns);
    if (!xl_buf_ok(&line))
        out->failed = true;
    xl_buf_release(&line);
}
