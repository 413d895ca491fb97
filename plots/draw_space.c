/* SPDX-License-Identifier: Apache-2.0
 *
 * The space: which tunables matter, how two of them go together, and what
 * each does to the winner. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/json.h"
#include "plots/chart.h"
#include "plots/data.h"
#include "plots/draw.h"
#include "plots/share.h"

#define GOLDEN     0.6180339887498949
#define JITTER     0.3
#define LEAST_PAIR 0.01 /* share of two tunables that is shown */

enum {
    PANELS = 6,
    TEXT_ROOM = 96,
    MOST_BARS = 14,
    MOST_PAIRS = 4, /* of them for two tunables together */
    CELLS = XL_TUNABLE_VALUES * XL_TUNABLE_VALUES
};

/* "940", "4.71k": four characters of a speed. */
static void compact(char *out, size_t room, double value)
{
    double size = fabs(value);
    if (isnan(value))
        snprintf(out, room, "\xe2\x80\x93");
    else if (size >= 999.5e3)
        snprintf(out, room, "%.3gM", value / 1e6);
    else if (size >= 999.5)
        snprintf(out, room, "%.3gk", value / 1e3);
    else
        snprintf(out, room, "%.3g", value);
}

/* The tunables by what they explain; *n = 0 without enough trials. */
static enum xl_status rank(struct xl_drawing *d, struct xl_share **shares,
                           size_t **order, size_t *n, struct xl_err *err)
{
    size_t room = d->tunables->n + 1;
    *shares = xl_arena_zero(d->arena, room, sizeof **shares);
    *order = xl_arena_zero(d->arena, room, sizeof **order);
    if (!*shares || !*order)
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    XL_TRY(xl_shares_of(*shares, n, d->record, d->tunables, d->arena, err));
    xl_shares_rank(*shares, d->tunables->n, *order);
    return XL_OK;
}

/* -- importance ----------------------------------------------------------- */

struct bar {
    char name[TEXT_ROOM];
    double share, lo, hi;
    bool is_pair;
};

/* The name or names of an item of insight.json. */
static void read_name(struct bar *bar, const cJSON *item)
{
    const cJSON *list = xl_json_member(item, "params");
    const char *one = cJSON_GetStringValue(xl_json_member(item, "param"));
    const char *a = cJSON_GetStringValue(xl_json_member(item, "a"));
    const char *b = cJSON_GetStringValue(xl_json_member(item, "b"));
    if (cJSON_GetArraySize(list) == 2) {
        a = cJSON_GetStringValue(list->child);
        b = cJSON_GetStringValue(list->child->next);
    }
    if (one)
        snprintf(bar->name, sizeof bar->name, "%s", one);
    else
        snprintf(bar->name, sizeof bar->name, "%s \xc3\x97 %s", a ? a : "?",
                 b ? b : "?");
    bar->is_pair = !one;
}

/* Appends items of a list that hold at least a share, up to `most` bars. */
static size_t read_bars(struct bar *bars, size_t n, size_t most, double least,
                        const cJSON *list)
{
    for (const cJSON *item = cJSON_IsArray(list) ? list->child : NULL;
         item && n < most; item = item->next) {
        const cJSON *ci = xl_json_member(item, "ci");
        struct bar *bar = &bars[n];
        *bar = (struct bar){ .share = xl_json_number(item, "share"),
                             .lo = (double)NAN,
                             .hi = (double)NAN };
        if (cJSON_GetArraySize(ci) == 2 && cJSON_IsNumber(ci->child) &&
            cJSON_IsNumber(ci->child->next)) {
            bar->lo = ci->child->valuedouble;
            bar->hi = ci->child->next->valuedouble;
        }
        read_name(bar, item);
        n += bar->share >= least;
    }
    return n;
}

static size_t own_bars(struct bar *bars, const struct xl_drawing *d,
                       const struct xl_share *shares, const size_t *order)
{
    size_t n = 0;
    for (size_t i = 0; i < d->tunables->n && n < MOST_BARS; i++) {
        const struct xl_share *share = &shares[order[i]];
        struct bar *bar = &bars[n++];
        *bar = (struct bar){ .share = share->share,
                             .lo = share->lo,
                             .hi = share->hi };
        snprintf(bar->name, sizeof bar->name, "%s",
                 d->tunables->items[order[i]].name);
    }
    return n;
}

static void write_bars(struct xl_drawing *d, const struct bar *bars, size_t n,
                       size_t n_trials, const char *source)
{
    double top = 0;
    size_t widest = 0;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(bars[i].name);
        top = fmax(top, fmax(bars[i].share, bars[i].hi));
        widest = len > widest ? len : widest;
    }
    xl_data_head(d->data, d->record, "bars top trials source widest");
    xl_data_number(d->data, (double)n);
    xl_data_number(d->data, top);
    xl_data_number(d->data, (double)n_trials);
    xl_data_text(d->data, source);
    xl_data_number(d->data, (double)widest);
    xl_data_end(d->data);
    xl_data_block(d->data, "bars", "row name share lo hi is_pair");
    for (size_t i = 0; i < n; i++) {
        xl_data_number(d->data, (double)i);
        xl_data_text(d->data, bars[i].name);
        xl_data_number(d->data, bars[i].share);
        xl_data_number(d->data, bars[i].lo);
        xl_data_number(d->data, bars[i].hi);
        xl_data_number(d->data, bars[i].is_pair);
        xl_data_end(d->data);
    }
}

static void describe_insight(char *out, size_t room, const cJSON *insight)
{
    double explained = xl_json_number(insight, "explained");
    if (isnan(explained))
        snprintf(out, room, "by the search's model (insight.json)");
    else
        snprintf(out, room,
                 "by the search's model, which predicts %.0f%% of "
                 "the results (insight.json)",
                 100 * explained);
}

enum xl_status xl_draw_importance(struct xl_drawing *d, struct xl_err *err)
{
    const cJSON *insight = d->record->extras[XL_EXTRA_INSIGHT];
    const cJSON *list = xl_json_member(insight, "importance");
    struct bar bars[MOST_BARS];
    struct xl_share *shares;
    size_t *order, n_trials = 0, n;
    n = read_bars(bars, 0, MOST_BARS - MOST_PAIRS, 0, list);
    if (n) {
        double measured = xl_json_number(insight, "measured");
        char source[TEXT_ROOM];
        n = read_bars(bars, n, n + MOST_PAIRS, LEAST_PAIR,
                      xl_json_member(insight, "interactions"));
        describe_insight(source, sizeof source, insight);
        write_bars(d, bars, n,
                   isnan(measured) ? d->record->n_entries : (size_t)measured,
                   source);
        return XL_OK;
    }
    XL_TRY(rank(d, &shares, &order, &n_trials, err));
    n = own_bars(bars, d, shares, order);
    if (n == 0)
        d->why_not = "no tunable varies";
    else if (n_trials == 0)
        d->why_not = "too few trials have a value";
    write_bars(d, bars, n, n_trials,
               "one-way share of the variance of the logarithm");
    return XL_OK;
}

/* -- two tunables --------------------------------------------------------- */

struct cell {
    size_t n, best; /* accepted trials; the entry that is best */
    size_t n_lost;  /* those that were not accepted */
    bool has_winner;
};

static bool is_better(const struct xl_record *record, size_t a, size_t b)
{
    double x = record->entries[a].score, y = record->entries[b].score;
    return record->is_minimised ? x < y : x > y;
}

static void fill_cells(struct cell *cells, const struct xl_record *record,
                       const struct xl_tunable *x, const struct xl_tunable *y)
{
    for (size_t i = 0; i < record->n_entries; i++) {
        const struct xl_entry *entry = &record->entries[i];
        if (entry->outcome == XL_OUTCOME_UNFINISHED || x->value_of[i] < 0 ||
            y->value_of[i] < 0)
            continue;
        struct cell *cell = &cells[(size_t)y->value_of[i] * XL_TUNABLE_VALUES +
                                   (size_t)x->value_of[i]];
        cell->has_winner = cell->has_winner || entry->is_winner;
        if (entry->outcome != XL_OUTCOME_ACCEPTED || isnan(entry->score)) {
            cell->n_lost++;
            continue;
        }
        if (cell->n == 0 || is_better(record, i, cell->best))
            cell->best = i;
        cell->n++;
    }
}

static void write_cell(struct xl_drawing *d, size_t x, size_t y,
                       const struct cell *cell)
{
    const struct xl_entry *entry = &d->record->entries[cell->best];
    char value[32], lo[32], hi[32], interval[80];
    compact(value, sizeof value, entry->score);
    compact(lo, sizeof lo, entry->score_lo);
    compact(hi, sizeof hi, entry->score_hi);
    snprintf(interval, sizeof interval, "%s\xe2\x80\x93%s", lo, hi);
    if (isnan(entry->score_lo))
        snprintf(interval, sizeof interval, "no interval");
    xl_data_number(d->data, (double)x);
    xl_data_number(d->data, (double)y);
    xl_data_number(d->data, entry->score);
    xl_data_number(d->data, entry->score_lo);
    xl_data_number(d->data, entry->score_hi);
    xl_data_number(d->data, (double)cell->n);
    xl_data_number(d->data, cell->has_winner);
    xl_data_text(d->data, value);
    xl_data_text(d->data, interval);
    xl_data_end(d->data);
}

static void write_labels(struct xl_drawing *d, const char *name,
                         const struct xl_tunable *by)
{
    xl_data_block(d->data, name, "place label");
    for (size_t i = 0; i < by->n_values; i++) {
        xl_data_number(d->data, (double)i);
        xl_data_text(d->data, by->labels[i]);
        xl_data_end(d->data);
    }
}

/* Cells that were tried in vain. */
static void write_lost(struct xl_drawing *d, const struct cell *cells)
{
    size_t n = 0;
    xl_data_block(d->data, "lost cells", "x y n");
    for (size_t i = 0; i < CELLS; i++) {
        if (cells[i].n || cells[i].n_lost == 0)
            continue;
        xl_data_number(d->data, (double)(i % XL_TUNABLE_VALUES));
        xl_data_number(d->data, (double)(i / XL_TUNABLE_VALUES));
        xl_data_number(d->data, (double)cells[i].n_lost);
        xl_data_end(d->data);
        n++;
    }
    if (n == 0) { /* outside the map: gnuplot 5.4 dies of labels at NaN */
        xl_data_number(d->data, -9);
        xl_data_number(d->data, -9);
        xl_data_number(d->data, 0);
        xl_data_end(d->data);
    }
}

static enum xl_status write_heatmap(struct xl_drawing *d,
                                    const struct xl_tunable *x,
                                    const struct xl_tunable *y,
                                    struct xl_err *err)
{
    struct cell *cells = xl_arena_zero(d->arena, CELLS, sizeof *cells);
    const char *label = xl_chart_score_label(d->record, d->arena);
    struct xl_range range = { (double)NAN, (double)NAN };
    size_t n = 0;
    if (!cells || !label)
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    fill_cells(cells, d->record, x, y);
    for (size_t i = 0; i < CELLS; i++) {
        if (cells[i].n == 0)
            continue;
        n++;
        xl_range_widen(&range, d->record->entries[cells[i].best].score);
    }
    xl_data_head(d->data, d->record, "nx ny lo hi cells x_name y_name label");
    xl_data_number(d->data, (double)x->n_values);
    xl_data_number(d->data, (double)y->n_values);
    xl_data_range(d->data, &range);
    xl_data_number(d->data, (double)n);
    xl_data_text(d->data, x->name);
    xl_data_text(d->data, y->name);
    xl_data_text(d->data, label);
    xl_data_end(d->data);
    xl_data_block(d->data, "cells",
                  "x y value lo hi n is_winner text interval");
    for (size_t i = 0; i < CELLS; i++)
        if (cells[i].n)
            write_cell(d, i % XL_TUNABLE_VALUES, i / XL_TUNABLE_VALUES,
                       &cells[i]);
    write_labels(d, "x labels", x);
    write_labels(d, "y labels", y);
    write_lost(d, cells);
    if (n < 2)
        d->why_not = "fewer than two cells hold an accepted trial";
    return XL_OK;
}

/* Do two values of the tunable or more have an accepted trial? */
static bool is_varied(const struct xl_record *record,
                      const struct xl_tunable *by)
{
    int first = -1;
    for (size_t i = 0; i < record->n_entries; i++) {
        const struct xl_entry *entry = &record->entries[i];
        if (entry->outcome != XL_OUTCOME_ACCEPTED || isnan(entry->score) ||
            by->value_of[i] < 0)
            continue;
        if (first >= 0 && by->value_of[i] != first)
            return true;
        first = by->value_of[i];
    }
    return false;
}

/* The first place from `at` in the order whose tunable is varied. */
static size_t next_varied(const struct xl_drawing *d, const size_t *order,
                          size_t at)
{
    while (at < d->tunables->n &&
           !is_varied(d->record, &d->tunables->items[order[at]]))
        at++;
    return at;
}

enum xl_status xl_draw_heatmap(struct xl_drawing *d, struct xl_err *err)
{
    struct xl_share *shares;
    size_t *order, n_trials;
    XL_TRY(rank(d, &shares, &order, &n_trials, err));
    if (d->tunables->n < 2 || n_trials == 0) {
        d->why_not = d->tunables->n < 2 ? "fewer than two tunables vary"
                                        : "too few trials have a value";
        return XL_OK;
    }
    size_t first = next_varied(d, order, 0);
    size_t second = next_varied(d, order, first + 1);
    if (second >= d->tunables->n) {
        d->why_not = "fewer than two tunables vary among accepted trials";
        return XL_OK;
    }
    const struct xl_tunable *x = &d->tunables->items[order[first]];
    const struct xl_tunable *y = &d->tunables->items[order[second]];
    bool swap = y->n_values > x->n_values;
    return write_heatmap(d, swap ? y : x, swap ? x : y, err);
}

/* -- slices --------------------------------------------------------------- */

/* Does the entry differ from the winner in this tunable alone? */
static bool is_on_slice(const struct xl_tunables *list, size_t entry,
                        size_t winner, size_t along)
{
    for (size_t t = 0; t < list->n; t++) {
        const struct xl_tunable *item = &list->items[t];
        if (t != along && item->value_of[entry] != item->value_of[winner] &&
            item->value_of[entry] >= 0 && item->value_of[winner] >= 0)
            return false;
    }
    return true;
}

static void write_point(struct xl_drawing *d, double x, size_t i)
{
    const struct xl_entry *entry = &d->record->entries[i];
    xl_data_number(d->data, x);
    xl_data_number(d->data, entry->score);
    xl_data_number(d->data, entry->score_lo);
    xl_data_number(d->data, entry->score_hi);
    xl_data_number(d->data, entry->outcome == XL_OUTCOME_ACCEPTED);
    xl_data_number(d->data, entry->values[XL_COLUMN_N]);
    xl_data_end(d->data);
}

/* The trials that hold all else as the winner has it, in order of the value;
 * returns how many. */
static size_t write_slice(struct xl_drawing *d, size_t along, size_t winner)
{
    const struct xl_tunable *by = &d->tunables->items[along];
    size_t n = 0;
    xl_data_block(d->data, "slice", "place value lo hi accepted n");
    for (size_t v = 0; v < by->n_values; v++) {
        for (size_t i = 0; i < d->record->n_entries; i++) {
            if (by->value_of[i] != (int)v ||
                isnan(d->record->entries[i].score) ||
                !is_on_slice(d->tunables, i, winner, along))
                continue;
            write_point(d, (double)v, i);
            n++;
        }
    }
    if (n == 0)
        xl_data_nothing(d->data, 6);
    return n;
}

static void write_others(struct xl_drawing *d, const struct xl_tunable *by)
{
    size_t step = xl_chart_stride(d->record->n_entries), n = 0;
    xl_data_block(d->data, "all trials", "place value lo hi accepted n");
    for (size_t i = 0; i < d->record->n_entries; i += step) {
        double part = (double)i * GOLDEN;
        if (by->value_of[i] < 0 || isnan(d->record->entries[i].score))
            continue;
        write_point(d, by->value_of[i] + (part - floor(part) - 0.5) * JITTER,
                    i);
        n++;
    }
    if (n == 0)
        xl_data_nothing(d->data, 6);
}

static size_t winner_index(const struct xl_record *record)
{
    const struct xl_entry *winner = xl_record_winner(record);
    return winner ? (size_t)(winner - record->entries) : record->n_entries;
}

static size_t widest_label(const struct xl_tunable *by)
{
    size_t widest = 0;
    for (size_t v = 0; v < by->n_values; v++) {
        size_t n = strlen(by->labels[v]);
        widest = n > widest ? n : widest;
    }
    return widest;
}

static void write_panels(struct xl_drawing *d, const size_t *order, size_t n,
                         size_t winner)
{
    for (size_t p = 0; p < n; p++) {
        const struct xl_tunable *by = &d->tunables->items[order[p]];
        xl_data_block(d->data, "panel", "name values winner widest");
        xl_data_text(d->data, by->name);
        xl_data_number(d->data, (double)by->n_values);
        xl_data_number(d->data, (double)by->value_of[winner]);
        xl_data_number(d->data, (double)widest_label(by));
        xl_data_end(d->data);
        write_labels(d, "labels", by);
        write_others(d, by);
        write_slice(d, order[p], winner);
    }
}

enum xl_status xl_draw_slices(struct xl_drawing *d, struct xl_err *err)
{
    size_t winner = winner_index(d->record), *order, n_trials;
    struct xl_share *shares;
    struct xl_range range = { (double)NAN, (double)NAN };
    const char *label = xl_chart_score_label(d->record, d->arena);
    if (!label)
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    XL_TRY(rank(d, &shares, &order, &n_trials, err));
    size_t n = d->tunables->n < PANELS ? d->tunables->n : PANELS;
    if (winner == d->record->n_entries || n == 0 ||
        isnan(d->record->entries[winner].score)) {
        d->why_not =
            n ? "there is no winner among the trials" : "no tunable varies";
        return XL_OK;
    }
    for (size_t i = 0; i < d->record->n_entries; i++)
        xl_range_widen(&range, d->record->entries[i].score);
    xl_range_settle(&range);
    xl_data_head(d->data, d->record, "panels y_lo y_hi winner label");
    xl_data_number(d->data, (double)n);
    xl_data_range(d->data, &range);
    xl_data_number(d->data, d->record->entries[winner].score);
    xl_data_text(d->data, label);
    xl_data_end(d->data);
    write_panels(d, order, n, winner);
    return XL_OK;
}
