/* SPDX-License-Identifier: Apache-2.0
 *
 * The objective by trial, and what random search would have found by then.
 *
 * The expectation takes the trials that were drawn at random as the
 * distribution of a draw: with F the share of draws no better than v, the
 * best of k draws is no better than v with F(v)^k. Failed and rejected draws
 * count as worse than all others. Where too few trials were random, all are
 * taken: the same trials in random order, which flatters random search, as
 * the search itself found them. */
#include "plots/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/order.h"

#define BAND_LO 0.10
#define BAND_HI 0.90

enum {
    LEAST_RANDOM = 10,
    EXPECTED_MARKS = 200
};

static struct xl_mark score_mark(const struct xl_record *record, size_t i)
{
    const struct xl_entry *entry = &record->entries[i];
    struct xl_mark mark = xl_mark_bare((double)(i + 1), entry->score);
    mark.y_lo = entry->score_lo;
    mark.y_hi = entry->score_hi;
    return mark;
}

static bool is_better(const struct xl_record *record, double a, double b)
{
    return record->is_minimised ? a < b : a > b;
}

static void sort_accepted(struct xl_chart_history *chart,
                          const struct xl_record *record, size_t i)
{
    struct xl_mark mark = score_mark(record, i);
    struct xl_series *best = &chart->best;
    if (xl_entry_is_pruned(&record->entries[i])) {
        xl_series_add(&chart->pruned, mark);
        return;
    }
    xl_series_add(&chart->accepted, mark);
    if (best->n == 0 || is_better(record, mark.y, best->marks[best->n - 1].y))
        xl_series_add(best, mark);
}

static void sort_scores(struct xl_chart_history *chart,
                        const struct xl_record *record)
{
    for (size_t i = 0; i < record->n_entries; i++) {
        const struct xl_entry *entry = &record->entries[i];
        struct xl_mark mark = score_mark(record, i);
        if (entry->is_reference && isnan(chart->reference))
            chart->reference = mark.y;
        if (entry->is_winner && !isnan(mark.y) && chart->winner.n == 0)
            xl_series_add(&chart->winner, mark);
        if (entry->outcome == XL_OUTCOME_UNFINISHED)
            continue;
        if (isnan(mark.y) || entry->outcome == XL_OUTCOME_FAILED)
            xl_series_add(&chart->failed, xl_mark_bare(mark.x, (double)NAN));
        else if (entry->outcome == XL_OUTCOME_REJECTED)
            xl_series_add(&chart->rejected, mark);
        else
            sort_accepted(chart, record, i);
    }
    if (chart->best.n) /* the line goes on to the last trial */
        xl_series_add(&chart->best,
                      xl_mark_bare((double)record->n_entries,
                                   chart->best.marks[chart->best.n - 1].y));
}

/* -- random search -------------------------------------------------------- */

/* Values of draws, worst first; the first n_without have none. */
struct draws {
    double *values; /* [n] */
    size_t n, n_without;
};

static bool is_drawn_at_random(const struct xl_entry *entry)
{
    return strcmp(entry->origin, "uniform") == 0 ||
           strcmp(entry->origin, "random") == 0;
}

static void collect_draws(struct draws *draws, const struct xl_record *record,
                          bool only_random)
{
    draws->n = 0;
    draws->n_without = 0;
    for (size_t i = 0; i < record->n_entries; i++) {
        const struct xl_entry *entry = &record->entries[i];
        if (entry->outcome == XL_OUTCOME_UNFINISHED ||
            (only_random && !is_drawn_at_random(entry)))
            continue;
        if (entry->outcome == XL_OUTCOME_ACCEPTED && !isnan(entry->score))
            draws->values[draws->n++] =
                record->is_minimised ? -entry->score : entry->score;
        else
            draws->n_without++;
    }
    qsort(draws->values, draws->n, sizeof *draws->values, xl_order_reals);
}

/* Share of draws no better than value i; i = n gives 1. */
static double share_below(const struct draws *draws, size_t i)
{
    return (double)(draws->n_without + i) /
           (double)(draws->n + draws->n_without);
}

/* Mean and band of the best of k draws, given that one has a value. */
static struct xl_mark expect(const struct draws *draws, double k, double sign)
{
    double none = pow(share_below(draws, 0), k), below = none, mean = 0;
    struct xl_mark mark = xl_mark_bare(k, (double)NAN);
    for (size_t i = 0; i < draws->n; i++) {
        double upto = pow(share_below(draws, i + 1), k);
        double part = (upto - none) / (1 - none);
        mean += draws->values[i] * (upto - below) / (1 - none);
        if (isnan(mark.y_lo) && part >= BAND_LO)
            mark.y_lo = sign * draws->values[i];
        if (isnan(mark.y_hi) && part >= BAND_HI)
            mark.y_hi = sign * draws->values[i];
        below = upto;
    }
    mark.y = sign * mean;
    return mark;
}

static enum xl_status expect_all(struct xl_chart_history *chart,
                                 const struct xl_record *record,
                                 struct xl_arena *arena, struct xl_err *err)
{
    struct draws draws = { .values = xl_arena_zero(arena, record->n_entries + 1,
                                                   sizeof *draws.values) };
    double sign = record->is_minimised ? -1 : 1, last = 0;
    if (!draws.values ||
        !xl_series_make(&chart->expected, EXPECTED_MARKS + 1, arena))
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    collect_draws(&draws, record, true);
    chart->is_random = draws.n >= LEAST_RANDOM;
    if (!chart->is_random)
        collect_draws(&draws, record, false);
    chart->n_random = draws.n + draws.n_without;
    for (size_t i = 0; i <= EXPECTED_MARKS && draws.n >= 2; i++) {
        /* Dense at the left, where the curve bends. */
        double part = (double)i / EXPECTED_MARKS;
        double k = floor(pow((double)record->n_entries, part) + 0.5);
        if (k > last)
            xl_series_add(&chart->expected, expect(&draws, k, sign));
        last = k;
    }
    return XL_OK;
}

/* -- exported ------------------------------------------------------------- */

const char *xl_chart_score_label(const struct xl_record *record,
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

static bool make_all(struct xl_chart_history *chart, size_t n,
                     struct xl_arena *arena)
{
    struct xl_series *const all[] = { &chart->accepted, &chart->rejected,
                                      &chart->pruned, &chart->failed };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!xl_series_make(all[i], n, arena))
            return false;
    return xl_series_make(&chart->best, n + 1, arena) &&
           xl_series_make(&chart->winner, 1, arena);
}

enum xl_status xl_chart_history(struct xl_chart_history *chart,
                                const struct xl_record *record,
                                struct xl_arena *arena, struct xl_err *err)
{
    size_t n = record->n_entries;
    struct xl_range none = { (double)NAN, (double)NAN }, unused = none;
    *chart = (struct xl_chart_history){ .y = none,
                                        .y_accepted = none,
                                        .reference = (double)NAN };
    if (!make_all(chart, n, arena))
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    sort_scores(chart, record);
    XL_TRY(expect_all(chart, record, arena, err));
    chart->y_label = xl_chart_score_label(record, arena);
    if (!chart->y_label)
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    xl_range_widen_all(&unused, &chart->y, &chart->accepted);
    chart->y_accepted = chart->y;
    xl_range_widen_all(&unused, &chart->y_accepted, &chart->expected);
    xl_range_widen(&chart->y_accepted, chart->reference);
    xl_range_settle(&chart->y_accepted);
    xl_range_widen_all(&unused, &chart->y, &chart->pruned);
    xl_range_widen_all(&unused, &chart->y, &chart->rejected);
    xl_range_widen(&chart->y, chart->reference);
    xl_range_settle(&chart->y);
    struct xl_series *const many[] = { &chart->accepted, &chart->rejected,
                                       &chart->pruned, &chart->failed };
    for (size_t i = 0; i < sizeof many / sizeof *many; i++)
        xl_series_thin(many[i]);
    double edge = fmax(0.6, (double)n * 0.02);
    chart->x = (struct xl_range){ 1 - edge, (double)(n ? n : 1) + edge };
    return XL_OK;
}
