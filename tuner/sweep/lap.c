/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/lap.h"

#include <math.h>

#include "kernel/base/alloc.h"
#include "tuner/sweep/reading.h"

#define LEVEL 0.95

static double seconds(uint64_t ns)
{
    return ns ? (double)ns / 1e9 : (double)NAN;
}

void xl_lap_of_run(struct xl_lap *lap, const struct xl_run_sample *s)
{
    xl_reading_of_run(&lap->reading, s);
    lap->prefill_s = seconds(s->prompt_tokens ? s->prefill_ns : 0);
    lap->decode_s = seconds(s->decode_steps ? s->decode_ns : 0);
    lap->dirt = s->dirt;
}

void xl_lap_of_row(struct xl_lap *lap, const struct xl_store_sample *row)
{
    xl_reading_of_row(&lap->reading, row);
    lap->prefill_s = seconds(row->has_prefill ? (uint64_t)row->prefill_ns : 0);
    lap->decode_s = seconds(row->has_decode ? (uint64_t)row->decode_ns : 0);
    lap->dirt = row->is_disturbed;
}

double xl_reading_gain(const struct xl_objective *objective,
                       const struct xl_reading *reading)
{
    double value = xl_objective_value(objective, reading);
    double gain = value < 0 ? -1.0 / value : value;
    return gain > 0 && isfinite(gain) ? gain : (double)NAN;
}

enum xl_status xl_laps_add(struct xl_laps *laps, const struct xl_lap *lap,
                           struct xl_err *err)
{
    if (laps->n == laps->room) {
        size_t room = laps->room ? 2 * laps->room : 16;
        struct xl_lap *items = xl_realloc(laps->items, laps->n * sizeof *items,
                                          room * sizeof *items);
        if (!items)
            return xl_fail(err, XL_ENOMEM, "out of memory for %zu samples",
                           room);
        laps->items = items;
        laps->room = room;
    }
    laps->items[laps->n++] = *lap;
    return XL_OK;
}

void xl_laps_release(struct xl_laps *laps)
{
    xl_free(laps->items);
    *laps = (struct xl_laps){ 0 };
}

size_t xl_laps_quiet(const struct xl_laps *laps)
{
    size_t quiet = 0;
    for (size_t i = 0; i < laps->n; i++)
        quiet += laps->items[i].dirt == 0;
    return quiet;
}

bool xl_laps_use(const struct xl_laps *laps, size_t i)
{
    return laps->items[i].dirt == 0 || 2 * xl_laps_quiet(laps) < laps->n;
}

/* -- figures -------------------------------------------------------------- */

/* One number of the laps in use. */
static struct xl_estimate estimate(const struct xl_lap *used, size_t n,
                                   double (*get)(const struct xl_lap *lap),
                                   double *scratch)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        double x = get(&used[i]);
        if (isfinite(x))
            scratch[m++] = x;
    }
    return xl_estimate_median(scratch, m, LEVEL);
}

static double get_prefill(const struct xl_lap *lap)
{
    return lap->reading.value[XL_METRIC_PREFILL];
}

static double get_decode(const struct xl_lap *lap)
{
    return lap->reading.value[XL_METRIC_DECODE];
}

static double get_prefill_s(const struct xl_lap *lap)
{
    return lap->prefill_s;
}

static double get_decode_s(const struct xl_lap *lap)
{
    return lap->decode_s;
}

static enum xl_status fill(struct xl_trial_figures *f,
                           const struct xl_lap *used, size_t n,
                           const struct xl_objective *objective,
                           struct xl_err *err)
{
    struct xl_reading *readings = xl_alloc_zero(n + 1, sizeof *readings);
    double *scratch = xl_alloc_zero(n + 1, sizeof *scratch);
    bool ok = readings && scratch;
    for (size_t i = 0; ok && i < n; i++)
        readings[i] = used[i].reading;
    if (ok) {
        f->prefill_tok_s = estimate(used, n, get_prefill, scratch);
        f->decode_tok_s = estimate(used, n, get_decode, scratch);
        f->prefill_s = estimate(used, n, get_prefill_s, scratch);
        f->decode_s = estimate(used, n, get_decode_s, scratch);
        xl_reading_median(&f->reading, readings, n, scratch);
        f->value = xl_objective_value(objective, &f->reading);
        xl_objective_values(objective, &f->reading, f->values);
    }
    xl_free(readings);
    xl_free(scratch);
    return ok ? XL_OK
              : xl_fail(err, XL_ENOMEM, "out of memory for %zu samples", n);
}

enum xl_status xl_laps_figures(const struct xl_laps *laps,
                               const struct xl_objective *objective,
                               struct xl_trial_figures *figures,
                               struct xl_err *err)
{
    struct xl_laps used = { 0 };
    enum xl_status rc = XL_OK;
    *figures = (struct xl_trial_figures){ .value = (double)NAN };
    for (size_t i = 0; i < laps->n && rc == XL_OK; i++)
        if (xl_laps_use(laps, i))
            rc = xl_laps_add(&used, &laps->items[i], err);
    if (rc == XL_OK)
        rc = fill(figures, used.items, used.n, objective, err);
    xl_laps_release(&used);
    return rc;
}
