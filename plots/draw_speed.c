/* SPDX-License-Identifier: Apache-2.0
 *
 * The charts of speeds alone, which gnuplot and our own SVG writer share. */
#include <math.h>
#include <string.h>

#include "plots/chart.h"
#include "plots/data.h"
#include "plots/draw.h"
#include "plots/svg.h"

enum {
    GROUP_FIELDS = 10,
    TICKS = 10
};

/* -- by one tunable ------------------------------------------------------- */

/* Height of the maximum's number: above its interval. */
static double label_height(const struct xl_grouping_group *group)
{
    return isnan(group->max_hi) ? group->max : group->max_hi;
}

static void add_groups(const struct xl_chart_by_value *chart, const char *name,
                       const struct xl_grouping *table, struct xl_buf *out)
{
    xl_data_block(out, name,
                  "place label n max max_lo max_hi median median_lo "
                  "median_hi label_y");
    for (size_t g = 0; g < table->n_groups; g++) {
        const struct xl_grouping_group *group = &table->groups[g];
        xl_data_number(out, (double)g);
        xl_data_text(out, xl_chart_label(chart, group));
        xl_data_number(out, (double)group->n);
        xl_data_number(out, group->max);
        xl_data_number(out, group->max_lo);
        xl_data_number(out, group->max_hi);
        xl_data_number(out, group->median);
        xl_data_number(out, group->median_lo);
        xl_data_number(out, group->median_hi);
        xl_data_number(out, label_height(group));
        xl_data_end(out);
    }
    if (table->n_groups == 0)
        xl_data_nothing(out, GROUP_FIELDS);
}

static void write_by_value(const struct xl_chart_by_value *chart,
                           struct xl_drawing *d)
{
    static const char *const names[XL_CHART_PANELS][3] = {
        { "decode groups", "decode accepted", "decode rejected" },
        { "prefill groups", "prefill accepted", "prefill rejected" },
    };
    xl_data_head(d->data, d->record, "places top_decode top_prefill");
    xl_data_number(d->data, (double)chart->n_places);
    for (size_t p = 0; p < XL_CHART_PANELS; p++)
        xl_data_number(d->data, chart->panels[p].top);
    xl_data_end(d->data);
    for (size_t p = 0; p < XL_CHART_PANELS; p++) {
        add_groups(chart, names[p][0], &chart->panels[p].table, d->data);
        xl_data_series(d->data, names[p][1], &chart->panels[p].trials);
        xl_data_series(d->data, names[p][2], &chart->panels[p].rejected);
    }
}

enum xl_status xl_draw_by_value(struct xl_drawing *d, struct xl_err *err)
{
    struct xl_chart_by_value chart;
    struct xl_tunable by;
    XL_TRY(xl_tunable_make(&by, d->record, d->row->by, d->arena, err));
    XL_TRY(xl_chart_by_value(&chart, d->record, &by, d->arena, err));
    if (by.n_values == 0)
        d->why_not = "no trial tells its value";
    else if (chart.panels[0].top == 0 && chart.panels[1].top == 0)
        d->why_not = "no trial has a speed";
    write_by_value(&chart, d);
    xl_svg_by_value(&chart, d->row, d->svg);
    return XL_OK;
}

/* -- prefill against decode ----------------------------------------------- */

enum xl_status xl_draw_prefill_vs_decode(struct xl_drawing *d,
                                         struct xl_err *err)
{
    struct xl_chart_scatter chart;
    struct xl_buf *out = d->data;
    XL_TRY(xl_chart_scatter(&chart, d->record, d->arena, err));
    xl_data_head(out, d->record,
                 "x_lo x_hi y_lo y_hi accepted rejected failed has_default "
                 "has_winner");
    xl_data_range(out, &chart.x);
    xl_data_range(out, &chart.y);
    xl_data_number(out, (double)chart.accepted.total);
    xl_data_number(out, (double)chart.rejected.total);
    xl_data_number(out, (double)d->record->counts[XL_OUTCOME_FAILED]);
    xl_data_number(out, (double)chart.reference.n);
    xl_data_number(out, (double)chart.winner.n);
    xl_data_end(out);
    xl_data_series(out, "accepted", &chart.accepted);
    xl_data_series(out, "rejected", &chart.rejected);
    xl_data_series(out, "front", &chart.front);
    xl_data_series(out, "stairs", &chart.stairs);
    xl_data_series(out, "reference", &chart.reference);
    xl_data_series(out, "winner", &chart.winner);
    if (chart.accepted.n + chart.rejected.n == 0)
        d->why_not = "no trial has both speeds";
    xl_svg_scatter(&chart, d->row, d->svg);
    return XL_OK;
}

/* -- history -------------------------------------------------------------- */

enum xl_status xl_draw_convergence(struct xl_drawing *d, struct xl_err *err)
{
    struct xl_chart_history chart;
    struct xl_buf *out = d->data;
    XL_TRY(xl_chart_history(&chart, d->record, d->arena, err));
    xl_data_head(out, d->record,
                 "x_lo x_hi y_lo y_hi reference accepted has_winner step "
                 "n_random is_random y_label");
    xl_data_range(out, &chart.x);
    xl_data_range(out, &chart.y_accepted);
    xl_data_number(out, chart.reference);
    xl_data_number(out, (double)chart.accepted.total);
    xl_data_number(out, (double)chart.winner.n);
    xl_data_number(
        out, xl_chart_step(chart.y_accepted.hi - chart.y_accepted.lo, TICKS));
    xl_data_number(out, (double)chart.n_random);
    xl_data_number(out, chart.is_random);
    xl_data_text(out, chart.y_label);
    xl_data_end(out);
    xl_data_series(out, "accepted", &chart.accepted);
    xl_data_series(out, "best so far", &chart.best);
    xl_data_series(out, "random search", &chart.expected);
    xl_data_series(out, "winner", &chart.winner);
    if (chart.accepted.n == 0)
        d->why_not = "no trial was accepted";
    xl_svg_history(&chart, d->row, d->svg);
    return XL_OK;
}

/* -- trials in order ------------------------------------------------------ */

enum {
    STATUSES = 10
};

/* The rows of the strip: accepted, rejected, then every other status. */
struct strip {
    const char *names[STATUSES];
    size_t counts[STATUSES], n;
};

static const char *status_of(const struct xl_entry *entry)
{
    if (entry->outcome == XL_OUTCOME_REJECTED)
        return "rejected";
    if (entry->outcome == XL_OUTCOME_ACCEPTED)
        return xl_entry_is_pruned(entry) ? "pruned" : "accepted";
    return *entry->status ? entry->status : xl_outcome_name(entry->outcome);
}

static size_t row_of(struct strip *strip, const char *name)
{
    for (size_t i = 0; i < strip->n; i++)
        if (strcmp(strip->names[i], name) == 0)
            return i;
    if (strip->n == STATUSES) /* the last row gathers the rest */
        return STATUSES - 1;
    strip->names[strip->n] = name;
    return strip->n++;
}

static void write_strip(struct xl_drawing *d, struct strip *strip)
{
    const struct xl_record *record = d->record;
    size_t step = xl_chart_stride(record->n_entries);
    xl_data_block(d->data, "status", "x row outcome");
    for (size_t i = 0; i < record->n_entries; i++) {
        const struct xl_entry *entry = &record->entries[i];
        size_t row = row_of(strip, status_of(entry));
        if (strip->counts[row]++ % step)
            continue;
        xl_data_number(d->data, (double)(i + 1));
        xl_data_number(d->data, (double)row);
        xl_data_number(d->data, (double)entry->outcome);
        xl_data_end(d->data);
    }
    xl_data_block(d->data, "status rows", "row name n");
    for (size_t i = 0; i < strip->n; i++) {
        xl_data_number(d->data, (double)i);
        xl_data_text(d->data, strip->names[i]);
        xl_data_number(d->data, (double)strip->counts[i]);
        xl_data_end(d->data);
    }
}

enum xl_status xl_draw_trials(struct xl_drawing *d, struct xl_err *err)
{
    struct xl_chart_history chart;
    struct strip strip = { .n = 2, .names = { "accepted", "rejected" } };
    struct xl_buf *out = d->data;
    if (d->record->n_entries == 0) {
        d->why_not = "no trial was made";
        return XL_OK;
    }
    XL_TRY(xl_chart_history(&chart, d->record, d->arena, err));
    for (size_t i = 0; i < d->record->n_entries; i++)
        row_of(&strip, status_of(&d->record->entries[i]));
    xl_data_head(out, d->record,
                 "x_lo x_hi y_lo y_hi accepted rejected pruned has_winner "
                 "step statuses y_label");
    xl_data_range(out, &chart.x);
    xl_data_range(out, &chart.y);
    xl_data_number(out, (double)chart.accepted.total);
    xl_data_number(out, (double)chart.rejected.total);
    xl_data_number(out, (double)chart.pruned.total);
    xl_data_number(out, (double)chart.winner.n);
    xl_data_number(out, xl_chart_step(chart.y.hi - chart.y.lo, TICKS));
    xl_data_number(out, (double)strip.n);
    xl_data_text(out, chart.y_label);
    xl_data_end(out);
    xl_data_series(out, "accepted", &chart.accepted);
    xl_data_series(out, "rejected", &chart.rejected);
    xl_data_series(out, "pruned", &chart.pruned);
    xl_data_series(out, "winner", &chart.winner);
    write_strip(d, &strip);
    return XL_OK;
}
