/* SPDX-License-Identifier: Apache-2.0
 *
 * samples.csv, one line a repeat. Both shapes are read: a column for each
 * speed (prefill_tok_s, decode_tok_s), or a phase column with one tok_s. */
#include "plots/record_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/opt.h"
#include "plots/grouping.h"

struct sample {
    struct xl_entry *entry;
    double speed;
};

struct shape {
    size_t id, phase, speed; /* columns */
    size_t other;            /* for the mean of two speeds, or (size_t)-1 */
    const char *prefix;      /* of the phase, or NULL */
};

double xl_record_number(const struct xl_csv *csv, size_t row, size_t column)
{
    double value = (double)NAN;
    if (column == (size_t)-1 ||
        !xl_parse_real(csv->rows[row].fields[column], &value))
        return (double)NAN;
    return value;
}

static int by_id(const void *a, const void *b)
{
    const struct xl_entry *const *x = a, *const *y = b;
    return strcmp((*x)->id, (*y)->id);
}

struct xl_entry **xl_record_index(const struct xl_record *record,
                                  struct xl_arena *arena)
{
    struct xl_entry **index =
        xl_arena_zero(arena, record->n_entries + 1, sizeof(struct xl_entry *));
    if (!index)
        return NULL;
    for (size_t i = 0; i < record->n_entries; i++)
        index[i] = &record->entries[i];
    qsort(index, record->n_entries, sizeof(struct xl_entry *), by_id);
    return index;
}

struct xl_entry *xl_record_by_id(struct xl_entry *const *index, size_t n,
                                 const char *id)
{
    struct xl_entry probe = { .id = id };
    const struct xl_entry *key = &probe;
    if (*id == '\0')
        return NULL;
    struct xl_entry *const *hit = bsearch(&key, index, n, sizeof *index, by_id);
    return hit ? *hit : NULL;
}

static int by_entry(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    return (x->entry > y->entry) - (x->entry < y->entry);
}

/* Column of one phase's speed, with the phase's prefix where lines name it. */
static struct shape shape_of(const struct xl_csv *csv, const char *phase,
                             const char *wide)
{
    struct shape shape = { .id = xl_record_column(csv, "id"),
                           .phase = xl_record_column(csv, "phase"),
                           .speed = xl_record_column(csv, wide),
                           .other = (size_t)-1,
                           .prefix = phase };
    if (shape.id == (size_t)-1)
        shape.id = xl_record_column(csv, "trial");
    if (shape.id == (size_t)-1)
        shape.id = xl_record_column(csv, "trial_id");
    if (shape.speed == (size_t)-1 && shape.phase != (size_t)-1)
        shape.speed = xl_record_column(csv, "tok_s");
    else
        shape.phase = (size_t)-1;
    return shape;
}

static size_t gather(const struct xl_record *record, const struct shape *shape,
                     struct xl_entry *const *index, struct sample *out)
{
    const struct xl_csv *csv = &record->samples;
    size_t n = 0;
    for (size_t i = 1; i < csv->n_rows; i++) {
        const char *const *fields = csv->rows[i].fields;
        struct sample sample = { 0 };
        if (record->left_out && record->left_out[i])
            continue;
        if (shape->phase != (size_t)-1 &&
            strcmp(fields[shape->phase], shape->prefix) != 0)
            continue;
        sample.entry =
            xl_record_by_id(index, record->n_entries, fields[shape->id]);
        sample.speed = xl_record_number(csv, i, shape->speed);
        if (shape->other != (size_t)-1)
            sample.speed =
                sqrt(sample.speed * xl_record_number(csv, i, shape->other));
        if (sample.entry && !isnan(sample.speed))
            out[n++] = sample;
    }
    qsort(out, n, sizeof *out, by_entry);
    return n;
}

/* Where the interval of a phase goes. */
struct target {
    size_t lo, hi; /* columns, or XL_COLUMN_COUNT: those of the score */
};

static void fill(const struct xl_record *record, struct xl_entry *entry,
                 double *speeds, size_t n, const struct target *to)
{
    bool is_score = to->lo == XL_COLUMN_COUNT;
    double *lo = is_score ? &entry->score_lo : &entry->values[to->lo];
    double *hi = is_score ? &entry->score_hi : &entry->values[to->hi];
    struct xl_grouping_median middle = xl_grouping_median_of(speeds, n);
    if (isnan(*lo) && isnan(*hi)) {
        /* As the exports do: the range where there is no interval. */
        double by = is_score ? xl_entry_correction(record, entry) : 1;
        bool is_range = is_score && isnan(middle.lo) && n > 1;
        *lo = by * (is_range ? speeds[0] : middle.lo);
        *hi = by * (is_range ? speeds[n - 1] : middle.hi);
    }
    if (isnan(entry->values[XL_COLUMN_N]))
        entry->values[XL_COLUMN_N] = (double)n;
}

static enum xl_status fill_phase(struct xl_record *record,
                                 const struct shape *shape,
                                 const struct target *to,
                                 struct xl_arena *arena, struct xl_err *err)
{
    const struct xl_csv *csv = &record->samples;
    struct xl_entry **index = xl_record_index(record, arena);
    struct sample *samples = xl_arena_zero(arena, csv->n_rows, sizeof *samples);
    double *speeds = xl_arena_zero(arena, csv->n_rows, sizeof *speeds);
    if (!index || !samples || !speeds)
        return xl_fail(err, XL_ENOMEM, "out of memory for samples");
    size_t n = gather(record, shape, index, samples);
    for (size_t begin = 0, end; begin < n; begin = end) {
        for (end = begin; end < n && samples[end].entry == samples[begin].entry;
             end++)
            speeds[end - begin] = samples[end].speed;
        fill(record, samples[begin].entry, speeds, end - begin, to);
    }
    return XL_OK;
}

static enum xl_status fill_all(struct xl_record *record, struct xl_arena *arena,
                               struct xl_err *err)
{
    const struct target prefill_to = { XL_COLUMN_PREFILL_LO,
                                       XL_COLUMN_PREFILL_HI };
    const struct target decode_to = { XL_COLUMN_DECODE_LO,
                                      XL_COLUMN_DECODE_HI };
    const struct target score_to = { XL_COLUMN_COUNT, XL_COLUMN_COUNT };
    const struct xl_csv *csv = &record->samples;
    struct shape prefill = shape_of(csv, "prefill", "prefill_tok_s");
    struct shape decode = shape_of(csv, "decode", "decode_tok_s");
    bool is_wide = prefill.phase == (size_t)-1 && decode.phase == (size_t)-1;
    if (prefill.id == (size_t)-1)
        return XL_OK;
    if (prefill.speed != (size_t)-1)
        XL_TRY(fill_phase(record, &prefill, &prefill_to, arena, err));
    if (decode.speed != (size_t)-1)
        XL_TRY(fill_phase(record, &decode, &decode_to, arena, err));
    if (is_wide && prefill.speed != (size_t)-1 && decode.speed != (size_t)-1 &&
        strcmp(record->objective, "balanced") == 0) {
        prefill.other = decode.speed;
        XL_TRY(fill_phase(record, &prefill, &score_to, arena, err));
    }
    return XL_OK;
}

/* An objective that is a speed has that speed's interval. */
static void take_intervals(struct xl_record *record)
{
    bool is_decode = strcmp(record->objective, "decode") == 0;
    if (!is_decode && strcmp(record->objective, "prefill") != 0)
        return;
    for (size_t i = 0; i < record->n_entries; i++) {
        struct xl_entry *entry = &record->entries[i];
        double by = xl_entry_correction(record, entry);
        entry->score_lo = by * entry->values[is_decode ? XL_COLUMN_DECODE_LO
                                                       : XL_COLUMN_PREFILL_LO];
        entry->score_hi = by * entry->values[is_decode ? XL_COLUMN_DECODE_HI
                                                       : XL_COLUMN_PREFILL_HI];
    }
}

/* As the medians of the sweep are made: disturbed samples count only where
 * the trial has no others. */
static enum xl_status leave_out(struct xl_record *record,
                                struct xl_arena *arena, struct xl_err *err)
{
    const struct xl_csv *csv = &record->samples;
    size_t id = xl_record_column(csv, "id");
    size_t mark = xl_record_column(csv, "disturbed");
    if (id == (size_t)-1 || mark == (size_t)-1)
        return XL_OK;
    struct xl_entry **index = xl_record_index(record, arena);
    bool *has_quiet = xl_arena_zero(arena, record->n_entries + 1, 1);
    bool *left_out = xl_arena_zero(&record->arena, csv->n_rows, 1);
    if (!index || !has_quiet || !left_out)
        return xl_fail(err, XL_ENOMEM, "out of memory for samples");
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 1; i < csv->n_rows; i++) {
            const char *const *fields = csv->rows[i].fields;
            const struct xl_entry *entry =
                xl_record_by_id(index, record->n_entries, fields[id]);
            bool is_disturbed = strcmp(fields[mark], "true") == 0;
            if (entry && pass == 0 && !is_disturbed)
                has_quiet[entry - record->entries] = true;
            else if (entry && pass == 1 && is_disturbed)
                left_out[i] = has_quiet[entry - record->entries];
        }
    }
    record->left_out = left_out;
    return XL_OK;
}

enum xl_status xl_record_samples(struct xl_record *record, struct xl_err *err)
{
    struct xl_arena arena; /* for sorting; given back */
    XL_TRY(xl_record_csv(record, "samples.csv", &record->samples, err));
    xl_arena_init(&arena, 0);
    enum xl_status rc = XL_OK;
    if (record->samples.n_rows >= 2)
        rc = leave_out(record, &arena, err);
    if (rc == XL_OK && record->samples.n_rows >= 2)
        rc = fill_all(record, &arena, err);
    xl_arena_release(&arena);
    take_intervals(record);
    return rc;
}
