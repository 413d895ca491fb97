/* SPDX-License-Identifier: Apache-2.0
 *
 * Scales that do not mislead: speeds by value start at zero; a scatter spans
 * at least a tenth of its middle, so that noise alone never fills a picture.
 */
#include "plots/chart.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
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

void xl_chart_label(const struct xl_table_group *group, char *out, size_t room)
{
    if (isnan(group->from))
        snprintf(out, room, "not set");
    else if (group->from == 0 && group->to == 0)
        snprintf(out, room, "auto");
    else if (group->from == group->to)
        snprintf(out, room, "%.6g", group->from);
    else
        snprintf(out, room, "%.6g\xe2\x80\x93%.6g", group->from, group->to);
}

static bool make_series(struct xl_series *series, size_t n,
                        struct xl_arena *arena)
{
    *series = (struct xl_series){ .marks = xl_arena_zero(
                                      arena, n + 1, sizeof *series->marks) };
    return series->marks != NULL;
}

static void add(struct xl_series *series, struct xl_mark mark)
{
    series->marks[series->n++] = mark;
}

static struct xl_mark bare(double x, double y)
{
    double none = (double)NAN;
    return (struct xl_mark){ x, none, none, y, none, none };
}

/* -- ranges --------------------------------------------------------------- */

static void widen(struct xl_range *range, double value)
{
    if (isnan(value))
        return;
    if (isnan(range->lo) || value < range->lo)
        range->lo = value;
    if (isnan(range->hi) || value > range->hi)
        range->hi = value;
}

static void widen_all(struct xl_range *x, struct xl_range *y,
                      const struct xl_series *series)
{
    for (size_t i = 0; i < series->n; i++) {
        const struct xl_mark *mark = &series->marks[i];
        widen(x, mark->x);
        widen(x, mark->x_lo);
        widen(x, mark->x_hi);
        widen(y, mark->y);
        widen(y, mark->y_lo);
        widen(y, mark->y_hi);
    }
}

/* Margins, a least span, and no speeds below zero. */
static void settle(struct xl_range *range)
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
static size_t collect(const struct xl_record *record, enum xl_column column,
                      const struct metric *metric, struct xl_table_item *items,
                      size_t *sources)
{
    size_t n = 0;
    for (size_t i = 0; i < record->n_entries; i++) {
        const struct xl_entry *entry = &record->entries[i];
        struct xl_table_item item = { .key = entry->values[column],
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
                                 enum xl_column column, struct xl_arena *arena,
                                 struct xl_err *err)
{
    size_t room = record->n_entries + 1;
    struct xl_table_item *items = xl_arena_zero(arena, room, sizeof *items);
    size_t *sources = xl_arena_zero(arena, room, sizeof *sources);
    if (!items || !sources || !make_series(&panel->trials, room, arena) ||
        !make_series(&panel->rejected, room, arena))
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    size_t n = collect(record, column, metric, items, sources);
    XL_TRY(xl_table_make(&panel->table, items, n, XL_CHART_GROUPS, arena, err));
    for (size_t i = 0; i < n; i++) {
        const struct xl_entry *entry = &record->entries[sources[i]];
        double x = (double)panel->table.group_of[i] + jitter(i);
        double value = entry->values[metric->value];
        if (isnan(value) || entry->outcome == XL_OUTCOME_FAILED)
            continue;
        add(entry->outcome == XL_OUTCOME_ACCEPTED ? &panel->trials
                                                  : &panel->rejected,
            bare(x, value));
        panel->top = fmax(panel->top, fmax(value, items[i].hi));
    }
    return XL_OK;
}

enum xl_status xl_chart_by_value(struct xl_chart_by_value *chart,
                                 const struct xl_record *record,
                                 enum xl_column column, struct xl_arena *arena,
                                 struct xl_err *err)
{
    *chart = (struct xl_chart_by_value){ 0 };
    for (size_t p = 0; p < XL_CHART_PANELS; p++) {
        struct xl_chart_panel *panel = &chart->panels[p];
        XL_TRY(make_panel(panel, record, &metrics[p], column, arena, err));
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
            add(&chart->accepted, mark);
        else if (entry->outcome == XL_OUTCOME_REJECTED)
            add(&chart->rejected, mark);
        if (entry->is_reference && chart->reference.n == 0)
            add(&chart->reference, mark);
        if (entry->is_winner && chart->winner.n == 0)
            add(&chart->winner, mark);
    }
}

static enum xl_status find_front(struct xl_chart_scatter *chart,
                                 struct xl_arena *arena, struct xl_err *err)
{
    size_t n = chart->accepted.n;
    double *x = xl_arena_zero(arena, n + 1, sizeof *x);
    double *y = xl_arena_zero(arena, n + 1, sizeof *y);
    size_t *front = xl_arena_zero(arena, n + 1, sizeof *front);
    if (!x || !y || !front || !make_series(&chart->front, n, arena) ||
        !make_series(&chart->stairs, 2 * n + 2, arena))
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    for (size_t i = 0; i < n; i++) {
        x[i] = chart->accepted.marks[i].x;
        y[i] = chart->accepted.marks[i].y;
    }
    size_t found = xl_table_front(x, y, n, front);
    if (found == SIZE_MAX)
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    for (size_t i = 0; i < found; i++)
        add(&chart->front, chart->accepted.marks[front[i]]);
    return XL_OK;
}

/* The outline of what is beaten: from the left edge along the front down to
 * the bottom edge. */
static void build_stairs(struct xl_chart_scatter *chart)
{
    const struct xl_series *front = &chart->front;
    double left = chart->x.lo;
    for (size_t i = 0; i < front->n; i++) {
        add(&chart->stairs, bare(left, front->marks[i].y));
        left = front->marks[i].x;
        add(&chart->stairs, bare(left, front->marks[i].y));
    }
    if (front->n)
        add(&chart->stairs, bare(left, chart->y.lo));
}

enum xl_status xl_chart_scatter(struct xl_chart_scatter *chart,
                                const struct xl_record *record,
                                struct xl_arena *arena, struct xl_err *err)
{
    size_t n = record->n_entries;
    struct xl_range none = { (double)NAN, (double)NAN };
    *chart = (struct xl_chart_scatter){ .x = none, .y = none };
    if (!make_series(&chart->accepted, n, arena) ||
        !make_series(&chart->rejected, n, arena) ||
        !make_series(&chart->reference, 1, arena) ||
        !make_series(&chart->winner, 1, arena))
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    sort_speeds(chart, record);
    XL_TRY(find_front(chart, arena, err));
    widen_all(&chart->x, &chart->y, &chart->accepted);
    widen_all(&chart->x, &chart->y, &chart->rejected);
    widen_all(&chart->x, &chart->y, &chart->reference);
    settle(&chart->x);
    settle(&chart->y);
    build_stairs(chart);
    return XL_OK;
}

/* -- history -------------------------------------------------------------- */

static struct xl_mark score_mark(const struct xl_record *record, size_t i)
{
    const struct xl_entry *entry = &record->entries[i];
    struct xl_mark mark = bare((double)(i + 1), entry->score);
    for (size_t p = 0; p < XL_CHART_PANELS; p++) {
        const char *name = p == 0 ? "decode" : "prefill";
        if (strcmp(record->objective, name) != 0)
            continue;
        mark.y_lo = entry->values[metrics[p].lo];
        mark.y_hi = entry->values[metrics[p].hi];
    }
    return mark;
}

static void sort_scores(struct xl_chart_history *chart,
                        const struct xl_record *record)
{
    double best = (double)NAN;
    for (size_t i = 0; i < record->n_entries; i++) {
        const struct xl_entry *entry = &record->entries[i];
        struct xl_mark mark = score_mark(record, i);
        if (entry->is_reference && isnan(chart->reference))
            chart->reference = mark.y;
        if (entry->is_winner && !isnan(mark.y) && chart->winner.n == 0)
            add(&chart->winner, mark);
        if (entry->outcome == XL_OUTCOME_UNFINISHED)
            continue;
        if (isnan(mark.y) || entry->outcome == XL_OUTCOME_FAILED) {
            add(&chart->failed, bare(mark.x, (double)NAN));
        } else if (entry->outcome == XL_OUTCOME_REJECTED) {
            add(&chart->rejected, mark);
        } else {
            add(&chart->accepted, mark);
            if (isnan(best) ||
                (record->is_minimised ? mark.y < best : mark.y > best)) {
                best = mark.y;
                add(&chart->best, bare(mark.x, best));
            }
        }
    }
    if (chart->best.n) /* the line goes on to the last trial */
        add(&chart->best, bare((double)record->n_entries, best));
}

static const char *score_label(const struct xl_record *record,
                               struct xl_arena *arena)
{
    const char *name = record->objective;
    char text[160];
    if (strcmp(name, "decode") == 0 || strcmp(name, "prefill") == 0)
        snprintf(text, sizeof text, "%s (tok/s)", name);
    else if (strcmp(name, "balanced") == 0)
        snprintf(text, sizeof text, "geometric mean of both (tok/s)");
    else
        snprintf(text, sizeof text, "objective '%.60s'%s", name,
                 record->is_minimised ? " (less is better)" : "");
    return xl_arena_text(arena, text, strlen(text));
}

enum xl_status xl_chart_history(struct xl_chart_history *chart,
                                const struct xl_record *record,
                                struct xl_arena *arena, struct xl_err *err)
{
    size_t n = record->n_entries;
    struct xl_range unused, none = { (double)NAN, (double)NAN };
    *chart = (struct xl_chart_history){ .y = none, .reference = (double)NAN };
    if (!make_series(&chart->accepted, n, arena) ||
        !make_series(&chart->rejected, n, arena) ||
        !make_series(&chart->failed, n, arena) ||
        !make_series(&chart->best, n + 1, arena) ||
        !make_series(&chart->winner, 1, arena))
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    sort_scores(chart, record);
    chart->y_label = score_label(record, arena);
    if (!chart->y_label)
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    unused = none;
    widen_all(&unused, &chart->y, &chart->accepted);
    widen_all(&unused, &chart->y, &chart->rejected);
    widen(&chart->y, chart->reference);
    settle(&chart->y);
    double edge = fmax(0.6, (double)n * 0.02);
    chart->x = (struct xl_range){ 1 - edge, (double)(n ? n : 1) + edge };
    return XL_OK;
}
