/* SPDX-License-Identifier: Apache-2.0
 *
 * Leaving disturbed samples out biases nothing: what makes a sample disturbed
 * is read from the kernel's counters and from the limits beside it, never from
 * its speed. */
#include "tuner/measure/samples.h"

#include <math.h>

#include "kernel/base/alloc.h"

enum {
    OVERTIME = 2 /* samples taken at most, times those wanted */
};

const char *xl_speed_name(enum xl_speed speed)
{
    static const char *const names[] = {
        [XL_SPEED_PREFILL] = "prefill", [XL_SPEED_DECODE] = "decode"
    };
    return names[speed];
}

static enum xl_status out_of_memory(size_t n, struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM, "out of memory for %zu samples", n);
}

enum xl_status xl_samples_init(struct xl_samples *samples, size_t wanted,
                               struct xl_err *err)
{
    *samples = (struct xl_samples){ 0 };
    return xl_samples_extend(samples, wanted, err);
}

void xl_samples_release(struct xl_samples *samples)
{
    xl_free(samples->rows);
    *samples = (struct xl_samples){ 0 };
}

enum xl_status xl_samples_extend(struct xl_samples *samples, size_t wanted,
                                 struct xl_err *err)
{
    size_t most = (xl_samples_quiet(samples) + wanted) * OVERTIME;
    size_t old = samples->most * sizeof *samples->rows, bytes;
    most = most > samples->n + wanted ? most : samples->n + wanted;
    if (!xl_mul_size(most + 1, sizeof *samples->rows, &bytes))
        return out_of_memory(most, err);
    struct xl_speeds *rows =
        samples->rows ? xl_realloc(samples->rows, old + sizeof *rows, bytes)
                      : xl_alloc_zero(most + 1, sizeof *rows);
    if (!rows)
        return out_of_memory(most, err);
    samples->rows = rows;
    samples->wanted = xl_samples_quiet(samples) + wanted;
    samples->most = most;
    return XL_OK;
}

void xl_samples_add(struct xl_samples *samples, const struct xl_speeds *row)
{
    if (samples->n < samples->most)
        samples->rows[samples->n++] = *row;
}

size_t xl_samples_quiet(const struct xl_samples *samples)
{
    size_t quiet = 0;
    for (size_t i = 0; i < samples->n; i++)
        quiet += samples->rows[i].dirt == 0;
    return quiet;
}

bool xl_samples_want_more(const struct xl_samples *samples)
{
    size_t quiet = xl_samples_quiet(samples), left = samples->most - samples->n;
    if (left == 0 || quiet >= samples->wanted)
        return false;
    /* On a machine that is never quiet more samples do not help. */
    return samples->n < samples->wanted ||
           2 * (quiet + left) >= samples->wanted;
}

bool xl_samples_are_quiet(const struct xl_samples *samples)
{
    return 2 * xl_samples_quiet(samples) >= samples->wanted;
}

bool xl_samples_use(const struct xl_samples *samples, size_t row)
{
    return samples->rows[row].dirt == 0 || !xl_samples_are_quiet(samples);
}

/* What an estimate is made of: a row's number, NaN = none. */
struct pick {
    int side;
    enum xl_speed speed; /* COUNT = the value */
    bool is_ratio, is_of_limit;
};

static double number_of(const struct xl_speeds *row, enum xl_speed speed,
                        int side)
{
    return speed == XL_SPEED_COUNT ? row->value[side] : row->tok_s[side][speed];
}

static double value_of(const struct xl_speeds *row, const struct pick *pick)
{
    if (pick->is_of_limit)
        return row->of_limit[pick->speed];
    double x = number_of(row, pick->speed, pick->side);
    return pick->is_ratio ? x / number_of(row, pick->speed, 1) : x;
}

static enum xl_status estimate(const struct xl_samples *samples,
                               const struct pick *pick, double level,
                               struct xl_estimate *out, struct xl_err *err)
{
    double *x = xl_alloc_zero(samples->n + 1, sizeof *x);
    size_t n = 0;
    if (!x)
        return out_of_memory(samples->n, err);
    for (size_t i = 0; i < samples->n; i++) {
        double value = value_of(&samples->rows[i], pick);
        if (xl_samples_use(samples, i) && isfinite(value))
            x[n++] = value;
    }
    *out = xl_estimate_median(x, n, level);
    xl_free(x);
    return XL_OK;
}

enum xl_status xl_samples_estimate(const struct xl_samples *samples, int side,
                                   enum xl_speed speed, double level,
                                   struct xl_estimate *out, struct xl_err *err)
{
    struct pick pick = { .side = side, .speed = speed };
    return estimate(samples, &pick, level, out, err);
}

enum xl_status xl_samples_of_limit(const struct xl_samples *samples,
                                   enum xl_speed speed, double level,
                                   struct xl_estimate *out, struct xl_err *err)
{
    struct pick pick = { .speed = speed, .is_of_limit = true };
    return estimate(samples, &pick, level, out, err);
}

enum xl_status xl_samples_ratio(const struct xl_samples *samples,
                                enum xl_speed speed, double level,
                                struct xl_estimate *out, struct xl_err *err)
{
    struct pick pick = { .speed = speed, .is_ratio = true };
    return estimate(samples, &pick, level, out, err);
}

enum xl_status xl_samples_value(const struct xl_samples *samples, int side,
                                double level, struct xl_estimate *out,
                                struct xl_err *err)
{
    struct pick pick = { .side = side, .speed = XL_SPEED_COUNT };
    return estimate(samples, &pick, level, out, err);
}

enum xl_status xl_samples_value_ratio(const struct xl_samples *samples,
                                      double level, struct xl_estimate *out,
                                      struct xl_err *err)
{
    struct pick pick = { .speed = XL_SPEED_COUNT, .is_ratio = true };
    return estimate(samples, &pick, level, out, err);
}
