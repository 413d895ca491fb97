/* SPDX-License-Identifier: Apache-2.0
 *
 * What happened when: the sweep's trials, its memory, and the steps of one
 * decode. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/chart.h"
#include "plots/data.h"
#include "plots/draw.h"
#include "plots/grouping.h"

#define NONE     ((double)NAN)
#define MEBIBYTE 1048576.0

/* The unit in which a span of time is shown. */
struct unit {
    double ms;
    const char *name;
};

static struct unit unit_of(double span_ms)
{
    static const struct {
        double most;
        struct unit unit;
    } rows[] = {
        { 2e3, { 1, "milliseconds" } },
        { 3e5, { 1e3, "seconds" } },
        { 3e7, { 6e4, "minutes" } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (span_ms < rows[i].most)
            return rows[i].unit;
    return (struct unit){ 3.6e6, "hours" };
}

/* -- the time line of the sweep ------------------------------------------- */

/* When the trial began: created at that moment, or after the one before. */
static double begin_of(const struct xl_entry *entry, double before)
{
    double created = entry->values[XL_COLUMN_CREATED_MS];
    return isnan(before) || created > before ? created : before;
}

/* Draws a block of trials as begin, end, seconds, outcome. */
static size_t write_spans(struct xl_drawing *d, double zero,
                          const struct unit *unit, double *longest)
{
    const struct xl_record *record = d->record;
    size_t step = xl_chart_stride(record->n_entries), n = 0;
    double before = NONE;
    xl_data_block(d->data, "trials", "begin end seconds outcome trial");
    for (size_t i = 0; i < record->n_entries; i++) {
        const struct xl_entry *entry = &record->entries[i];
        double begin = begin_of(entry, before);
        double end = entry->values[XL_COLUMN_ENDED_MS];
        if (isnan(begin) || isnan(end) || end < begin)
            continue;
        before = end;
        *longest = fmax(*longest, (end - begin) / 1000);
        if (n++ % step)
            continue;
        xl_data_number(d->data, (begin - zero) / unit->ms);
        xl_data_number(d->data, (end - zero) / unit->ms);
        xl_data_number(d->data, (end - begin) / 1000);
        xl_data_number(d->data, (double)entry->outcome);
        xl_data_number(d->data, (double)(i + 1));
        xl_data_end(d->data);
    }
    if (n == 0)
        xl_data_nothing(d->data, 5);
    return n;
}

/* What others took of the machine during each sample, and memory. */
static size_t write_samples(struct xl_drawing *d, double zero,
                            const struct unit *time, const char *column,
                            double unit)
{
    const struct xl_csv *csv = &d->record->samples;
    size_t at = csv->n_rows ? xl_record_column(csv, "at_ms") : (size_t)-1;
    size_t value = csv->n_rows ? xl_record_column(csv, column) : (size_t)-1;
    size_t step = xl_chart_stride(csv->n_rows), n = 0;
    xl_data_block(d->data, column, "time value");
    for (size_t i = 1; i < csv->n_rows && at != (size_t)-1; i += step) {
        double when = xl_record_number(csv, i, at);
        double what = xl_record_number(csv, i, value);
        if (isnan(when) || isnan(what))
            continue;
        xl_data_number(d->data, (when - zero) / time->ms);
        xl_data_number(d->data, what / unit);
        xl_data_end(d->data);
        n++;
    }
    if (n == 0)
        xl_data_nothing(d->data, 2);
    return n;
}

static double first_moment(const struct xl_record *record)
{
    double zero = NONE;
    for (size_t i = 0; i < record->n_entries; i++) {
        double at = record->entries[i].values[XL_COLUMN_CREATED_MS];
        if (!isnan(at) && (isnan(zero) || at < zero))
            zero = at;
    }
    return zero;
}

static double last_moment(const struct xl_record *record)
{
    double last = NONE;
    for (size_t i = 0; i < record->n_entries; i++)
        last = fmax(last, record->entries[i].values[XL_COLUMN_ENDED_MS]);
    return last;
}

enum xl_status xl_draw_timeline(struct xl_drawing *d, struct xl_err *err)
{
    struct xl_buf spans;
    double zero = first_moment(d->record), longest = 0;
    double span = last_moment(d->record) - zero;
    struct unit unit = unit_of(span);
    struct xl_buf *out = d->data;
    xl_buf_init(&spans, 0);
    d->data = &spans;
    size_t n = write_spans(d, zero, &unit, &longest);
    size_t n_samples = write_samples(d, zero, &unit, "foreign_cpu", 0.01);
    d->data = out;
    if (n == 0)
        d->why_not = "no trial tells when it ran";
    xl_data_head(out, d->record,
                 "last longest trials samples accepted rejected failed unit");
    xl_data_number(out, span / unit.ms);
    xl_data_number(out, longest);
    xl_data_number(out, (double)n);
    xl_data_number(out, (double)n_samples);
    for (size_t i = 0; i < XL_OUTCOME_UNFINISHED; i++)
        xl_data_number(out, (double)d->record->counts[i]);
    xl_data_text(out, unit.name);
    xl_data_end(out);
    xl_buf_text(out, "\n\n");
    xl_buf_add(out, spans.data, spans.len);
    enum xl_status rc = xl_buf_check(&spans, "the time line", err);
    xl_buf_release(&spans);
    return rc;
}

/* -- memory --------------------------------------------------------------- */

/* memory.csv of one generation: its lines, the largest value, and the span it
 * covers. */
static size_t write_memory(struct xl_drawing *d, double *top, double *last,
                           struct unit *unit)
{
    const struct xl_csv *csv = &d->record->memory;
    size_t ts = csv->n_rows ? xl_record_column(csv, "ts") : (size_t)-1;
    size_t rss = csv->n_rows ? xl_record_column(csv, "rss_mb") : (size_t)-1;
    size_t step = xl_chart_stride(csv->n_rows), n = 0;
    double zero = NONE;
    xl_data_block(d->data, "rss of one generation", "time mib");
    for (size_t i = 1; i < csv->n_rows && ts != (size_t)-1; i++) {
        double when = xl_record_number(csv, i, ts);
        zero = isnan(zero) ? when : zero;
        *last = fmax(*last, 1e3 * (when - zero));
    }
    *unit = unit_of(*last);
    for (size_t i = 1; i < csv->n_rows && ts != (size_t)-1; i += step) {
        double when = xl_record_number(csv, i, ts);
        double what = xl_record_number(csv, i, rss);
        if (isnan(when) || isnan(what))
            continue;
        *top = fmax(*top, what);
        xl_data_number(d->data, 1e3 * (when - zero) / unit->ms);
        xl_data_number(d->data, what);
        xl_data_end(d->data);
        n++;
    }
    if (n == 0)
        xl_data_nothing(d->data, 2);
    return n;
}

static double top_of_samples(const struct xl_record *record, const char *name)
{
    const struct xl_csv *csv = &record->samples;
    size_t column = csv->n_rows ? xl_record_column(csv, name) : (size_t)-1;
    double top = 0;
    for (size_t i = 1; i < csv->n_rows; i++)
        top = fmax(top, xl_record_number(csv, i, column));
    return top;
}

enum xl_status xl_draw_memory(struct xl_drawing *d, struct xl_err *err)
{
    struct xl_buf blocks;
    struct xl_buf *out = d->data;
    double top = 0, last = 0, zero = first_moment(d->record);
    struct unit unit = unit_of(last_moment(d->record) - zero), below;
    xl_buf_init(&blocks, 0);
    d->data = &blocks;
    size_t n_samples =
        write_samples(d, zero, &unit, "peak_rss_bytes", MEBIBYTE);
    size_t n = write_memory(d, &top, &last, &below);
    d->data = out;
    if (n + n_samples == 0)
        d->why_not = "neither samples.csv nor memory.csv has readings";
    xl_data_head(out, d->record,
                 "samples top_samples lines top last unit unit_below");
    xl_data_number(out, (double)n_samples);
    xl_data_number(out, top_of_samples(d->record, "peak_rss_bytes") / MEBIBYTE);
    xl_data_number(out, (double)n);
    xl_data_number(out, top);
    xl_data_number(out, last / below.ms);
    xl_data_text(out, unit.name);
    xl_data_text(out, below.name);
    xl_data_end(out);
    xl_buf_text(out, "\n\n");
    xl_buf_add(out, blocks.data, blocks.len);
    enum xl_status rc = xl_buf_check(&blocks, "memory readings", err);
    xl_buf_release(&blocks);
    return rc;
}

/* -- steps ---------------------------------------------------------------- */

/* The value that a share of n sorted values does not pass. */
static double quantile(const double *sorted, size_t n, double share)
{
    size_t at = (size_t)ceil(share * (double)n);
    return sorted[at > 0 ? at - 1 : 0];
}

enum xl_status xl_draw_steps(struct xl_drawing *d, struct xl_err *err)
{
    const struct xl_csv *csv = &d->record->steps;
    size_t step = csv->n_rows ? xl_record_column(csv, "step") : (size_t)-1;
    size_t dt = csv->n_rows ? xl_record_column(csv, "dt_ms") : (size_t)-1;
    double *times = xl_arena_zero(d->arena, csv->n_rows + 1, sizeof *times);
    struct xl_series series;
    size_t n = 0;
    if (!times || !xl_series_make(&series, csv->n_rows, d->arena))
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    for (size_t i = 1; i < csv->n_rows; i++) {
        double x = xl_record_number(csv, i, step);
        double y = xl_record_number(csv, i, dt);
        if (isnan(x) || isnan(y))
            continue;
        times[n++] = y;
        xl_series_add(&series, xl_mark_bare(x, y));
    }
    if (n == 0) {
        d->why_not = "there is no stats.csv ('generate --stats-log' writes it)";
        return XL_OK;
    }
    struct xl_grouping_median middle = xl_grouping_median_of(times, n);
    double first = series.marks[0].x, last = series.marks[n - 1].x;
    xl_series_thin(&series);
    xl_data_head(d->data, d->record,
                 "first last top n median median_lo median_hi p90 p99 low");
    xl_data_number(d->data, first);
    xl_data_number(d->data, last);
    xl_data_number(d->data, times[n - 1]);
    xl_data_number(d->data, (double)n);
    xl_data_number(d->data, middle.median);
    xl_data_number(d->data, middle.lo);
    xl_data_number(d->data, middle.hi);
    xl_data_number(d->data, quantile(times, n, 0.90));
    xl_data_number(d->data, quantile(times, n, 0.99));
    xl_data_number(d->data, times[0]);
    xl_data_end(d->data);
    xl_data_series(d->data, "steps", &series);
    return XL_OK;
}
