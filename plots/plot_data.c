/* SPDX-License-Identifier: Apache-2.0
 *
 * Data files for gnuplot. Every block has at least one line, if only of NaN:
 * gnuplot counts blocks by their lines. Texts lose what could end a field;
 * gnuplot never evaluates a field. */
#include "plots/plot_int.h"

#include <math.h>
#include <string.h>

#include "kernel/base/json.h"

enum {
    MARK_FIELDS = 6,
    GROUP_FIELDS = 10,
    TICKS = 10
};

static void add_number(struct xl_buf *out, double value, char end)
{
    if (isnan(value))
        xl_buf_text(out, "NaN");
    else
        xl_buf_printf(out, "%.10g", value);
    xl_buf_char(out, end);
}

/* Control bytes and what is no UTF-8 become blanks. A double quote, which
 * would open a quoted field, becomes a double prime; a backslash, with which
 * gnuplot breaks lines, the set minus that looks like it. */
static void add_text(struct xl_buf *out, const char *text, char end)
{
    size_t n = strlen(text);
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
    xl_buf_char(out, end);
}

static void begin_block(struct xl_buf *out, const char *names)
{
    if (out->len)
        xl_buf_text(out, "\n\n");
    xl_buf_printf(out, "# %s\n", names);
}

static void add_nothing(struct xl_buf *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_number(out, (double)NAN, i + 1 < n ? '\t' : '\n');
}

static void add_series(struct xl_buf *out, const char *name,
                       const struct xl_series *series)
{
    begin_block(out, name);
    xl_buf_text(out, "# x x_lo x_hi y y_lo y_hi\n");
    for (size_t i = 0; i < series->n; i++) {
        const struct xl_mark *mark = &series->marks[i];
        add_number(out, mark->x, '\t');
        add_number(out, mark->x_lo, '\t');
        add_number(out, mark->x_hi, '\t');
        add_number(out, mark->y, '\t');
        add_number(out, mark->y_lo, '\t');
        add_number(out, mark->y_hi, '\n');
    }
    if (series->n == 0)
        add_nothing(out, MARK_FIELDS);
}

/* -- speed by a tunable --------------------------------------------------- */

/* Height of the maximum's number: above its interval. */
static double label_height(const struct xl_table_group *group)
{
    return isnan(group->max_hi) ? group->max : group->max_hi;
}

static void add_groups(struct xl_buf *out, const char *name,
                       const struct xl_table *table)
{
    char label[64];
    begin_block(out, name);
    xl_buf_text(out, "# place label n max max_lo max_hi median median_lo "
                     "median_hi label_y\n");
    for (size_t g = 0; g < table->n_groups; g++) {
        const struct xl_table_group *group = &table->groups[g];
        xl_chart_label(group, label, sizeof label);
        add_number(out, (double)g, '\t');
        add_text(out, label, '\t');
        add_number(out, (double)group->n, '\t');
        add_number(out, group->max, '\t');
        add_number(out, group->max_lo, '\t');
        add_number(out, group->max_hi, '\t');
        add_number(out, group->median, '\t');
        add_number(out, group->median_lo, '\t');
        add_number(out, group->median_hi, '\t');
        add_number(out, label_height(group), '\n');
    }
    if (table->n_groups == 0)
        add_nothing(out, GROUP_FIELDS);
}

void xl_plot_data_by_value(const struct xl_chart_by_value *chart,
                           const struct xl_record *record, struct xl_buf *out)
{
    static const char *const names[XL_CHART_PANELS][3] = {
        { "decode groups", "decode accepted", "decode rejected" },
        { "prefill groups", "prefill accepted", "prefill rejected" },
    };
    begin_block(out, "places top_decode top_prefill subtitle");
    add_number(out, (double)chart->n_places, '\t');
    for (size_t p = 0; p < XL_CHART_PANELS; p++)
        add_number(out, chart->panels[p].top, '\t');
    add_text(out, record->subtitle, '\n');
    for (size_t p = 0; p < XL_CHART_PANELS; p++) {
        add_groups(out, names[p][0], &chart->panels[p].table);
        add_series(out, names[p][1], &chart->panels[p].trials);
        add_series(out, names[p][2], &chart->panels[p].rejected);
    }
}

/* -- the others ----------------------------------------------------------- */

static void add_range(struct xl_buf *out, const struct xl_range *range)
{
    add_number(out, range->lo, '\t');
    add_number(out, range->hi, '\t');
}

void xl_plot_data_scatter(const struct xl_chart_scatter *chart,
                          const struct xl_record *record, struct xl_buf *out)
{
    begin_block(out, "x_lo x_hi y_lo y_hi accepted rejected failed has_default "
                     "has_winner subtitle");
    add_range(out, &chart->x);
    add_range(out, &chart->y);
    add_number(out, (double)chart->accepted.n, '\t');
    add_number(out, (double)chart->rejected.n, '\t');
    add_number(out, (double)record->counts[XL_OUTCOME_FAILED], '\t');
    add_number(out, (double)chart->reference.n, '\t');
    add_number(out, (double)chart->winner.n, '\t');
    add_text(out, record->subtitle, '\n');
    add_series(out, "accepted", &chart->accepted);
    add_series(out, "rejected", &chart->rejected);
    add_series(out, "front", &chart->front);
    add_series(out, "stairs", &chart->stairs);
    add_series(out, "reference", &chart->reference);
    add_series(out, "winner", &chart->winner);
}

void xl_plot_data_history(const struct xl_chart_history *chart,
                          const struct xl_record *record, struct xl_buf *out)
{
    begin_block(out, "x_lo x_hi y_lo y_hi reference accepted rejected failed "
                     "has_winner step y_label subtitle");
    add_range(out, &chart->x);
    add_range(out, &chart->y);
    add_number(out, chart->reference, '\t');
    add_number(out, (double)chart->accepted.n, '\t');
    add_number(out, (double)chart->rejected.n, '\t');
    add_number(out, (double)chart->failed.n, '\t');
    add_number(out, (double)chart->winner.n, '\t');
    add_number(out, xl_chart_step(chart->y.hi - chart->y.lo, TICKS), '\t');
    add_text(out, chart->y_label, '\t');
    add_text(out, record->subtitle, '\n');
    add_series(out, "accepted", &chart->accepted);
    add_series(out, "rejected", &chart->rejected);
    add_series(out, "best so far", &chart->best);
    add_series(out, "failed", &chart->failed);
    add_series(out, "winner", &chart->winner);
}
