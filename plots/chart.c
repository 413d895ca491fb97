/* SPDX-License-Identifier: Apache-2.0
 *
 * Scales that do not mislead: speeds by value start at zero; a scatter spans
 * at least a tenth of its middle, so that noise alone never fills a picture.
 */
#include "plots/chart.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define GOLDEN     0.6180339887498949 /* spreads jitter evenly */
#define LEAST_SPAN 0.10               /* of the middle of a range */
#define MARGIN     0.08               /* of the span, at each end */
#define JITTER     0.22               /* of the distance of two places */

double xl_chart_step(double span, size_t count)
{
    double raw = span / (double)(count ? count : 1);
    if (!(raw > 0) || !isfinite(raw))
        return 1;
    double power = pow(10, floor(log10(raw)));
    double part = raw / power;
    return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

const char *xl_chart_label(const struct xl_chart_by_value *chart,
                           const struct xl_grouping_group *group)
{
    size_t value = isnan(group->from) ? SIZE_MAX : (size_t)group->from;
    if (value >= chart->by->n_values)
        return "not read";
    if (chart->by->is_numeric && strcmp(chart->by->labels[value], "0") == 0)
        return "auto";
    return chart->by->labels[value];
}

bool xl_series_make(struct xl_series *series, size_t n, struct xl_arena *arena)
{
    *series = (struct xl_series){ .marks = xl_arena_zero(
                                      arena, n + 1, sizeof *series->marks) };
    return series->marks != NULL;
}

void xl_series_add(struct xl_series *series, struct xl_mark mark)
{
    series->marks[series->n++] = mark;
    series->total = series->n;
}

size_t xl_chart_stride(size_t n)
{
    return n <= XL_CHART_MOST ? 1 : (n + XL_CHART_MOST - 1) / XL_CHART_MOST;
}

void xl_series_thin(struct xl_series *series)
{
    size_t step = xl_chart_stride(series->n), kept = 0;
    for (size_t i = 0; i < series->n; i += step)
        series->marks[kept++] = series->marks[i];
    series->n = kept;
}

struct xl_mark xl_mark_bare(double x, double y)
{
    double none = (double)NAN;
    return (struct xl_mark){ x, none, none, y, none, none };
}

/* -- ranges --------------------------------------------------------------- */

void xl_range_widen(struct xl_range *range, double value)
{
    if (isnan(value))
        return;
    if (isnan(range->lo) || value < range->lo)
        range->lo = value;
    if (isnan(range->hi) || value > range->hi)
        range->hi = value;
}

void xl_range_widen_all(struct xl_range *x, struct xl_range *y,
                        const struct xl_series *series)
{
    for (size_t i = 0; i < series->n; i++) {
        const struct xl_mark *mark = &series->marks[i];
        xl_range_widen(x, mark->x);
        xl_range_widen(x, mark->x_lo);
        xl_range_widen(x, mark->x_hi);
        xl_range_widen(y, mark->y);
        xl_range_widen(y, mark->y_lo);
        xl_range_widen(y, mark->y_hi);
    }
}

/* Margins, a least span, and no speeds below zero. */
void xl_range_settle(struct xl_range *range)
{
    if (isnan(range->lo))
        *range = (struct xl_range){ 0, 1 };
    double middle = (range->lo + range->hi) / 2;
    double span = range->hi - range->lo;
    double least = fabs(middle) * LEAST_SPAN;
    bool is_positive = range->lo >= 0;
    if (least == 0)
        least = 1;
    if (span < least) {
        range->lo = middle - least / 2;
        range->hi = middle + least / 2;
        span = least;
    }
    range->lo -= span * MARGIN;
    range->hi += span * MARGIN;
    if (is_positive && range->lo < 0)
        range->lo = 0;
}

/* -- speed by a tunable --------------------------------------------------- */

struct metric {
    enum xl_column value, lo, hi;
};

static const struct metric metrics[XL_CHART_PANELS] = {
    { XL_COLUMN_DECODE_TOK_S, XL_COLUMN_DECODE_LO, XL_COLUMN_DECODE_HI },
    { XL_COLUMN_PREFILL_TOK_S, XL_COLUMN_PREFILL_LO, XL_COLUMN_PREFILL_HI },
};

static double jitter(size_t i)
{
    double part = (double)i * GOLDEN;
    return (part - floor(part) - 0.5) * JITTER;
}

/* Every finished trial makes its place; accepted ones are counted there. */
static size_t collect(const struct xl_record *record,
                      const struct xl_tunable *by, const struct metric *metric,
                      struct xl_grouping_item *items, size_t *sources)
{
    size_t n = 0;
    for (size_t i = 0; i < record->n_entries; i++) {
        const struct xl_entry *entry = &record->entries[i];
        int value = by->value_of[i];
        struct xl_grouping_item item = { .key = value < 0 ? (double)NAN
                                                          : (double)value,
                                         .value = (double)NAN,
                                         .lo = (double)NAN,
                                         .hi = (double)NAN };
        if (entry->outcome == XL_OUTCOME_ACCEPTED) {
            item.value = entry->values[metric->value];
            item.lo = entry->values[metric->lo];
            item.hi = entry->values[metric->hi];
        }
        if (entry->outcome != XL_OUTCOME_UNFINISHED) {
            items[n] = item;
            sources[n++] = i;
        }
    }
    return n;
}

static enum xl_status make_panel(struct xl_chart_panel *panel,
                                 const struct xl_record *record,
                                 const struct metric *metric,
                                 const struct xl_tunable *by,
                                 struct xl_arena *arena, struct xl_err *err)
{
    size_t room = record->n_entries + 1;
    struct xl_grouping_item *items = xl_arena_zero(arena, room, sizeof *items);
    size_t *sources = xl_arena_zero(arena, room, sizeof *sources);
    if (!items || !sources || !xl_series_make(&panel->trials, room, arena) ||
        !xl_series_make(&panel->rejected, room, arena))
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    size_t n = collect(record, by, metric, items, sources);
    XL_TRY(
        xl_grouping_make(&panel->table, items, n, XL_CHART_GROUPS, arena, err));
    for (size_t i = 0; i < n; i++) {
        const struct xl_entry *entry = &record->entries[sources[i]];
        double x = (double)panel->table.group_of[i] + jitter(i);
        double value = entry->values[metric->value];
        if (isnan(value) || entry->outcome == XL_OUTCOME_FAILED)
            continue;
        xl_series_add(entry->outcome == XL_OUTCOME_ACCEPTED ? &panel->trials
                                                            : &panel->rejected,
                      xl_mark_bare(x, value));
        panel->top = fmax(panel->top, fmax(value, items[i].hi));
    }
    xl_series_thin(&panel->trials);
    xl_series_thin(&panel->rejected);
    return XL_OK;
}

enum xl_status xl_chart_by_value(struct xl_chart_by_value *chart,
                                 const struct xl_record *record,
                                 const struct xl_tunable *by,
                                 struct xl_arena *arena, struct xl_err *err)
{
    *chart = (struct xl_chart_by_value){ .by = by };
    for (size_t p = 0; p < XL_CHART_PANELS; p++) {
        struct xl_chart_panel *panel = &chart->panels[p];
        XL_TRY(make_panel(panel, record, &metrics[p], by, arena, err));
        if (panel->table.n_groups > chart->n_places)
            chart->n_places = panel->table.n_groups;
    }
    return XL_OK;
}

/* -- prefill against decode ----------------------------------------------- */

static struct xl_mark speeds_of(const struct xl_entry *entry)
{
    const double *v = entry->values;
    return (struct xl_mark){
        .x = v[XL_COLUMN_PREFILL_TOK_S],
        .x_lo = v[XL_COLUMN_PREFILL_LO],
        .x_hi = v[XL_COLUMN_PREFILL_HI],
        .y = v[XL_COLUMN_DECODE_TOK_S],
        .y_lo = v[XL_COLUMN_DECODE_LO],
        .y_hi = v[XL_COLUMN_DECODE_HI],
    };
}

static void sort_speeds(struct xl_chart_scatter *chart,
                        const struct xl_record *record)
{
    for (size_t i = 0; i < record->n_entries; i++) {
        const struct xl_entry *entry = &record->entries[i];
        struct xl_mark mark = speeds_of(entry);
        if (isnan(mark.x) || isnan(mark.y))
            continue;
        if (entry->outcome == XL_OUTCOME_ACCEPTED)
            xl_series_add(&chart->accepted, mark);
        else if (entry->outcome == XL_OUTCOME_REJECTED)
            xl_series_add(&chart->rejected, mark);
        if (entry->is_reference && chart->reference.n == 0)
            xl_series_add(&chart->reference, mark);
        if (entry->is_winner && chart->winner.n == 0)
            xl_series_add(&chart->winner, mark);
    }
}

static enum xl_status find_front(struct xl_chart_scatter *chart,
                                 struct xl_arena *arena, struct xl_err *err)
{
    size_t n = chart->accepted.n;
    double *x = xl_arena_zero(arena, n + 1, sizeof *x);
    double *y = xl_arena_zero(arena, n + 1, sizeof *y);
    size_t *front = xl_arena_zero(arena, n + 1, sizeof *front);
    if (!x || !y || !front || !xl_series_make(&chart->front, n, arena) ||
        !xl_series_make(&chart->stairs, 2 * n + 2, arena))
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    for (size_t i = 0; i < n; i++) {
        x[i] = chart->accepted.marks[i].x;
        y[i] = chart->accepted.marks[i].y;
    }
    size_t found = xl_grouping_front(x, y, n, front);
    if (found == SIZE_MAX)
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    for (size_t i = 0; i < found; i++)
        xl_series_add(&chart->front, chart->accepted.marks[front[i]]);
    return XL_OK;
}

/* The outline of what is beaten: from the left edge along the front down to
 * the bottom edge. */
static void build_stairs(struct xl_chart_scatter *chart)
{
    const struct xl_series *front = &chart->front;
    double left = chart->x.lo;
    for (size_t i = 0; i < front->n; i++) {
        xl_series_add(&chart->stairs, xl_mark_bare(left, front->marks[i].y));
        left = front->marks[i].x;
        xl_series_add(&chart->stairs, xl_mark_bare(left, front->marks[i].y));
    }
    if (front->n)
        xl_series_add(&chart->stairs, xl_mark_bare(left, chart->y.lo));
}

enum xl_status xl_chart_scatter(struct xl_chart_scatter *chart,
                                const struct xl_record *record,
                                struct xl_arena *arena, struct xl_err *err)
{
    size_t n = record->n_entries;
    struct xl_range none = { (double)NAN, (double)NAN };
    *chart = (struct xl_chart_scatter){ .x = none, .y = none };
    if (!xl_series_make(&chart->accepted, n, arena) ||
        !xl_series_make(&chart->rejected, n, arena) ||
        !xl_series_make(&chart->reference, 1, arena) ||
        !xl_series_make(&chart->winner, 1, arena))
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    sort_speeds(chart, record);
    XL_TRY(find_front(chart, arena, err));
    xl_range_widen_all(&chart->x, &chart->y, &chart->accepted);
    xl_range_widen_all(&chart->x, &chart->y, &chart->rejected);
    xl_range_widen_all(&chart->x, &chart->y, &chart->reference);
    xl_range_settle(&chart->x);
    xl_range_settle(&chart->y);
    build_stairs(chart);
    xl_series_thin(&chart->accepted);
    xl_series_thin(&chart->rejected);
    return XL_OK;
}
