/* SPDX-License-Identifier: Apache-2.0
 *
 * How sure: the samples of the finalists, the limits of the machine, and what
 * speed costs in quality. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/order.h"
#include "plots/chart.h"
#include "plots/data.h"
#include "plots/draw.h"
#include "plots/grouping.h"

#define UNKNOWN ((double)NAN)
#define GOLDEN  0.6180339887498949
#define JITTER  0.36
#define FENCE   1.5 /* of the box, as Tukey draws whiskers */

enum {
    FINALISTS = 8,
    SAMPLES_SHOWN = 400
};

/* -- box plots of the finalists ------------------------------------------- */

struct finalist {
    const struct xl_entry *entry;
    size_t index;
    double correction;
    double *values; /* [n] of the objective, corrected, sorted */
    size_t n;
};

static bool is_better(const struct xl_record *record, const struct xl_entry *a,
                      const struct xl_entry *b)
{
    return record->is_minimised ? a->score < b->score : a->score > b->score;
}

/* The best accepted trials, best first; the default comes last if it is none
 * of them. */
static size_t choose(struct finalist *out, const struct xl_record *record)
{
    const struct xl_entry *reference = xl_record_reference(record);
    size_t n = 0;
    for (size_t i = 0; i < record->n_entries; i++) {
        const struct xl_entry *entry = &record->entries[i];
        size_t at = n < FINALISTS ? n : FINALISTS;
        if (entry->outcome != XL_OUTCOME_ACCEPTED || isnan(entry->score))
            continue;
        for (; at > 0 && is_better(record, entry, out[at - 1].entry); at--)
            if (at < FINALISTS)
                out[at] = out[at - 1];
        if (at < FINALISTS)
            out[at] = (struct finalist){ .entry = entry, .index = i };
        n += n < FINALISTS;
    }
    for (size_t i = 0; i < n; i++)
        if (out[i].entry == reference)
            return n;
    if (reference && !isnan(reference->score) &&
        reference->outcome == XL_OUTCOME_ACCEPTED)
        out[n++] =
            (struct finalist){ .entry = reference,
                               .index = (size_t)(reference - record->entries) };
    return n;
}

static enum xl_status gather(struct finalist *list, size_t n,
                             struct xl_drawing *d, struct xl_err *err)
{
    const struct xl_csv *csv = &d->record->samples;
    size_t id, prefill, decode;
    for (size_t f = 0; f < n; f++) {
        list[f].correction = xl_entry_correction(d->record, list[f].entry);
        list[f].values =
            xl_arena_zero(d->arena, SAMPLES_SHOWN, sizeof *list[f].values);
        if (!list[f].values)
            return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    }
    if (csv->n_rows == 0)
        return XL_OK;
    id = xl_record_column(csv, "id");
    prefill = xl_record_column(csv, "prefill_tok_s");
    decode = xl_record_column(csv, "decode_tok_s");
    for (size_t i = 1; i < csv->n_rows && id != (size_t)-1; i++) {
        double value =
            xl_record_objective(d->record, xl_record_number(csv, i, prefill),
                                xl_record_number(csv, i, decode));
        if (isnan(value) || (d->record->left_out && d->record->left_out[i]))
            continue;
        for (size_t f = 0; f < n; f++)
            if (list[f].n < SAMPLES_SHOWN &&
                strcmp(csv->rows[i].fields[id], list[f].entry->id) == 0)
                list[f].values[list[f].n++] = value * list[f].correction;
    }
    for (size_t f = 0; f < n; f++)
        qsort(list[f].values, list[f].n, sizeof *list[f].values,
              xl_order_reals);
    return XL_OK;
}

/* Linear between the sorted values, as R's type 7. */
static double quantile(const double *sorted, size_t n, double share)
{
    double at = share * (double)(n - 1), below = floor(at);
    size_t i = (size_t)below;
    double next = i + 1 < n ? sorted[i + 1] : sorted[i];
    return sorted[i] + (at - below) * (next - sorted[i]);
}

static void write_box(struct xl_drawing *d, size_t place,
                      const struct finalist *f)
{
    struct xl_buf point;
    char name[80];
    struct xl_grouping_median middle = xl_grouping_median_of(f->values, f->n);
    double q1 = quantile(f->values, f->n, 0.25);
    double q3 = quantile(f->values, f->n, 0.75);
    double low = q1, high = q3, fence = FENCE * (q3 - q1);
    for (size_t i = 0; i < f->n; i++) {
        if (f->values[i] >= q1 - fence)
            low = fmin(low, f->values[i]);
        if (f->values[i] <= q3 + fence)
            high = fmax(high, f->values[i]);
    }
    const char *role = f->entry->is_winner      ? "winner"
                       : f->entry->is_reference ? "default"
                                                : "";
    snprintf(name, sizeof name, "%.40s", f->entry->id);
    xl_buf_init(&point, 0);
    xl_tunables_point(d->tunables, f->index, &point);
    const double fields[] = { (double)place, low,       q1,
                              middle.median, q3,        high,
                              middle.lo,     middle.hi, (double)f->n };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        xl_data_number(d->data, fields[i]);
    xl_data_text(d->data, name);
    xl_data_text(d->data, role);
    xl_data_text(d->data, point.data);
    xl_data_end(d->data);
    if (!xl_buf_ok(&point))
        d->data->failed = true;
    xl_buf_release(&point);
}

enum xl_status xl_draw_finalists(struct xl_drawing *d, struct xl_err *err)
{
    struct finalist list[FINALISTS + 1];
    struct xl_range range = { UNKNOWN, UNKNOWN };
    const char *label = xl_chart_score_label(d->record, d->arena);
    size_t n = choose(list, d->record), kept = 0;
    if (!label)
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    XL_TRY(gather(list, n, d, err));
    for (size_t f = 0; f < n; f++) {
        if (list[f].n == 0)
            continue;
        xl_range_widen(&range, list[f].values[0]);
        xl_range_widen(&range, list[f].values[list[f].n - 1]);
        list[kept++] = list[f];
    }
    if (kept == 0) {
        d->why_not = n ? "no samples of the best trials are recorded"
                       : "no trial was accepted";
        return XL_OK;
    }
    xl_range_settle(&range);
    xl_data_head(d->data, d->record, "finalists y_lo y_hi label");
    xl_data_number(d->data, (double)kept);
    xl_data_range(d->data, &range);
    xl_data_text(d->data, label);
    xl_data_end(d->data);
    xl_data_block(d->data, "boxes",
                  "place low q1 median q3 high median_lo median_hi n id role "
                  "point");
    for (size_t f = 0; f < kept; f++)
        write_box(d, f, &list[f]);
    xl_data_block(d->data, "samples", "place value");
    for (size_t f = 0; f < kept; f++) {
        for (size_t i = 0; i < list[f].n; i++) {
            double part = (double)i * GOLDEN;
            xl_data_number(d->data,
                           (double)f + (part - floor(part) - 0.5) * JITTER);
            xl_data_number(d->data, list[f].values[i]);
            xl_data_end(d->data);
        }
    }
    return XL_OK;
}

/* -- speed against quality ------------------------------------------------ */

/* Bits a byte over many orders of size and both signs: asinh of the value in
 * units of FINE, which is linear near zero and logarithmic beyond. */
#define FINE    1e-5
#define NO_GATE DBL_MAX

static double stretch(double dbpb)
{
    return asinh(dbpb / FINE);
}

struct gate {
    const char *tier;
    double bound;
};

enum {
    GATES = 16
};

/* The bounds of this score, a tier each; tiers with the same bound share. */
static size_t list_gates(struct gate *gates)
{
    static const char *const tiers[] = {
#define XL_TIER(id, name, summary) name,
#define XL_GATE(...)
#include "judge/tier.def"
    };
    static const struct {
        const char *score;
        double bounds[GATES];
    } rows[] = {
#define NONE NO_GATE
#define XL_TIER(id, name, summary)
#define XL_GATE(score, how, need, why, ...) { #score, { __VA_ARGS__ } },
#include "judge/tier.def"
#undef NONE
    };
    size_t n = 0;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        if (strcmp(rows[r].score, "DBPB") != 0)
            continue;
        for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++)
            if (rows[r].bounds[i] < NO_GATE)
                gates[n++] = (struct gate){ tiers[i], rows[r].bounds[i] };
    }
    return n;
}

static void write_gates(struct xl_drawing *d)
{
    struct gate gates[GATES];
    size_t n = list_gates(gates);
    xl_data_block(d->data, "gates", "x bound tiers");
    for (size_t begin = 0, end; begin < n; begin = end) {
        char names[120] = "";
        size_t at = 0;
        for (end = begin; end < n && gates[end].bound == gates[begin].bound;
             end++) {
            int len = snprintf(names + at, sizeof names - at, "%s%s",
                               end > begin ? ", " : "", gates[end].tier);
            at = len > 0 && at + (size_t)len < sizeof names ? at + (size_t)len
                                                            : at;
        }
        xl_data_number(d->data, stretch(gates[begin].bound));
        xl_data_number(d->data, gates[begin].bound);
        xl_data_text(d->data, names);
        xl_data_end(d->data);
    }
}

static void write_ticks(struct xl_drawing *d)
{
    static const double ticks[] = { -1,   -0.1, -0.01, -1e-3, -1e-4, -1e-5, 0,
                                    1e-5, 1e-4, 1e-3,  0.01,  0.1,   1 };
    xl_data_block(d->data, "ticks", "x label");
    for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++) {
        char label[32];
        snprintf(label, sizeof label, "%g", ticks[i]);
        xl_data_number(d->data, stretch(ticks[i]));
        xl_data_text(d->data, label);
        xl_data_end(d->data);
    }
}

enum {
    KINDS = 4 /* accepted, rejected, reference, winner */
};

static struct xl_mark quality_mark(const struct xl_entry *entry)
{
    const double *v = entry->values;
    return (struct xl_mark){ .x = stretch(v[XL_COLUMN_DBPB]),
                             .x_lo = stretch(v[XL_COLUMN_DBPB_LO]),
                             .x_hi = stretch(v[XL_COLUMN_DBPB_HI]),
                             .y = entry->score,
                             .y_lo = entry->score_lo,
                             .y_hi = entry->score_hi };
}

static bool sort_quality(struct xl_series *kinds,
                         const struct xl_record *record, struct xl_arena *arena)
{
    for (size_t k = 0; k < KINDS; k++)
        if (!xl_series_make(&kinds[k], record->n_entries, arena))
            return false;
    for (size_t i = 0; i < record->n_entries; i++) {
        const struct xl_entry *entry = &record->entries[i];
        struct xl_mark mark = quality_mark(entry);
        if (isnan(mark.x) || isnan(mark.y))
            continue;
        if (entry->outcome == XL_OUTCOME_ACCEPTED)
            xl_series_add(&kinds[0], mark);
        else if (entry->outcome == XL_OUTCOME_REJECTED)
            xl_series_add(&kinds[1], mark);
        if (entry->is_reference && kinds[2].n == 0)
            xl_series_add(&kinds[2], mark);
        if (entry->is_winner && kinds[3].n == 0)
            xl_series_add(&kinds[3], mark);
    }
    return true;
}

enum xl_status xl_draw_quality(struct xl_drawing *d, struct xl_err *err)
{
    static const char *const names[KINDS] = { "accepted", "rejected",
                                              "reference", "winner" };
    struct xl_series kinds[KINDS];
    struct xl_range x = { stretch(-2e-5), stretch(0.02) },
                    y = { UNKNOWN, UNKNOWN };
    const char *label = xl_chart_score_label(d->record, d->arena);
    if (!label || !sort_quality(kinds, d->record, d->arena))
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    if (kinds[0].n + kinds[1].n == 0) {
        d->why_not = "no trial was compared with the reference on a text";
        return XL_OK;
    }
    for (size_t k = 0; k < 2; k++)
        xl_range_widen_all(&x, &y, &kinds[k]);
    double margin = (x.hi - x.lo) * 0.04;
    x = (struct xl_range){ x.lo - margin, x.hi + margin };
    xl_range_settle(&y);
    xl_data_head(d->data, d->record,
                 "x_lo x_hi y_lo y_hi accepted rejected has_default "
                 "has_winner label");
    xl_data_range(d->data, &x);
    xl_data_range(d->data, &y);
    for (size_t k = 0; k < KINDS; k++)
        xl_data_number(d->data, (double)kinds[k].total);
    xl_data_text(d->data, label);
    xl_data_end(d->data);
    for (size_t k = 0; k < KINDS; k++) {
        xl_series_thin(&kinds[k]);
        xl_data_series(d->data, names[k], &kinds[k]);
    }
    write_gates(d);
    write_ticks(d);
    return XL_OK;
}
