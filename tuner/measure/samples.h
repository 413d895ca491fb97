/* SPDX-License-Identifier: Apache-2.0
 *
 * The samples of one configuration, or the rounds of a duel, with what
 * disturbed each. Nothing is deleted: samples are wanted until enough quiet
 * ones are there, or twice the number wanted has been taken, or too few quiet
 * ones can come to matter; and the estimate says which it used.
 *
 *     XL_TRY(xl_samples_init(&samples, 9, err));
 *     while (xl_samples_want_more(&samples))
 *         xl_samples_add(&samples, &(struct xl_speeds){ ... });
 *     XL_TRY(xl_samples_estimate(&samples, XL_SPEED_DECODE, &e, err));
 */
#ifndef XL_SAMPLES_H
#define XL_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"
#include "tuner/measure/stats.h"

enum xl_speed {
    XL_SPEED_PREFILL,
    XL_SPEED_DECODE,
    XL_SPEED_COUNT
};

enum {
    XL_SIDES = 2
};

/* One repetition of one configuration, or one round of a duel. */
struct xl_speeds {
    double tok_s[XL_SIDES][XL_SPEED_COUNT]; /* NaN = phase not run; side 1 is
                                               for duels */
    double of_limit[XL_SPEED_COUNT]; /* side 0 over what the limits beside it
                                        allow; NaN = not known */
    double value[XL_SIDES]; /* what both come to, if anybody asks; NaN = not
                               known */
    unsigned dirt;          /* bits of probe.h; 0 = quiet */
};

struct xl_samples {
    struct xl_speeds *rows; /* [n], in the order taken; heap */
    size_t n, most, wanted;
};

enum xl_status xl_samples_init(struct xl_samples *samples, size_t wanted,
                               struct xl_err *err);
void xl_samples_release(struct xl_samples *samples);

/* Ignored when `most` have been taken. */
void xl_samples_add(struct xl_samples *samples, const struct xl_speeds *row);

/* Wants `wanted` more quiet ones than there are; for a second look. */
enum xl_status xl_samples_extend(struct xl_samples *samples, size_t wanted,
                                 struct xl_err *err);

size_t xl_samples_quiet(const struct xl_samples *samples);
bool xl_samples_want_more(const struct xl_samples *samples);

/* Are at least half as many quiet as were wanted? Then estimates use those
 * alone, else all samples. */
bool xl_samples_are_quiet(const struct xl_samples *samples);

/* Is this row used by estimates? */
bool xl_samples_use(const struct xl_samples *samples, size_t row);

/* Median speed of side 0 over the rows in use; n = 0 when none ran. */
enum xl_status xl_samples_estimate(const struct xl_samples *samples, int side,
                                   enum xl_speed speed, double level,
                                   struct xl_estimate *out, struct xl_err *err);

/* The same of `of_limit`. */
enum xl_status xl_samples_of_limit(const struct xl_samples *samples,
                                   enum xl_speed speed, double level,
                                   struct xl_estimate *out, struct xl_err *err);

/* Median ratio of side 0 to side 1 within a row. */
enum xl_status xl_samples_ratio(const struct xl_samples *samples,
                                enum xl_speed speed, double level,
                                struct xl_estimate *out, struct xl_err *err);

/* The same of `value`. */
enum xl_status xl_samples_value(const struct xl_samples *samples, int side,
                                double level, struct xl_estimate *out,
                                struct xl_err *err);
enum xl_status xl_samples_value_ratio(const struct xl_samples *samples,
                                      double level, struct xl_estimate *out,
                                      struct xl_err *err);

const char *xl_speed_name(enum xl_speed speed);

#endif
