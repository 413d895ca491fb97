/* SPDX-License-Identifier: Apache-2.0
 *
 * Both sides run in one process, in rounds; who goes first alternates, so
 * drift and position fall on both alike. Only ratios within a round are
 * compared, and their interval is the sign test's. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "tuner/measure/trial.h"
#include "tuner/sweep/finish_int.h"
#include "tuner/sweep/reading.h"

#define LEVEL 0.95

enum {
    PREFILL,
    DECODE,
    VALUE,
    KINDS
};

/* Speeds by kind, side and round; NaN until measured. */
struct rounds {
    const struct xl_objective *objective;
    size_t n;
    double *speed[KINDS][2]; /* each [n] */
    double *seconds[KINDS][2];
};

static double *empty_series(size_t n)
{
    double *x = xl_alloc_zero(n + 1, sizeof *x);
    for (size_t i = 0; x && i < n; i++)
        x[i] = (double)NAN;
    return x;
}

static enum xl_status make_rounds(struct rounds *r, size_t n,
                                  struct xl_err *err)
{
    r->n = n;
    for (int k = 0; k < KINDS; k++) {
        for (int side = 0; side < 2; side++) {
            r->speed[k][side] = empty_series(n);
            r->seconds[k][side] = empty_series(n);
            if (!r->speed[k][side] || !r->seconds[k][side])
                return xl_fail(err, XL_ENOMEM, "out of memory for %zu rounds",
                               n);
        }
    }
    return XL_OK;
}

static void release_rounds(struct rounds *r)
{
    for (int k = 0; k < KINDS; k++) {
        for (int side = 0; side < 2; side++) {
            xl_free(r->speed[k][side]);
            xl_free(r->seconds[k][side]);
        }
    }
}

static bool note_round(void *ctx, const struct xl_run_sample *s)
{
    struct rounds *r = ctx;
    if (s->rep >= r->n || s->side < 0 || s->side > 1)
        return false;
    struct xl_reading reading;
    xl_reading_of_run(&reading, s);
    double prefill = xl_sample_prefill_tok_s(s);
    double decode = xl_sample_decode_tok_s(s);
    r->speed[PREFILL][s->side][s->rep] = prefill;
    r->speed[DECODE][s->side][s->rep] = decode;
    r->speed[VALUE][s->side][s->rep] =
        xl_objective_value(r->objective, &reading);
    r->seconds[PREFILL][s->side][s->rep] = (double)s->prefill_ns / 1e9;
    r->seconds[DECODE][s->side][s->rep] =
        s->decode_steps ? (double)s->decode_ns / 1e9 : (double)NAN;
    return true;
}

/* Median of the finite values; x keeps its order, sorted is scratch. */
static struct xl_estimate estimate(const double *x, size_t n, double *sorted)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]))
            sorted[m++] = x[i];
    return xl_estimate_median(sorted, m, LEVEL);
}

static struct xl_estimate ratio(const struct rounds *r, int kind,
                                double *scratch)
{
    size_t m = 0;
    for (size_t i = 0; i < r->n; i++) {
        double q =
            xl_objective_ratio(r->speed[kind][0][i], r->speed[kind][1][i]);
        if (isfinite(q))
            scratch[m++] = q;
    }
    return xl_estimate_median(scratch, m, LEVEL);
}

static struct xl_trial_figures figures(const struct rounds *r, int side,
                                       double *scratch)
{
    struct xl_trial_figures f = {
        .prefill_tok_s = estimate(r->speed[PREFILL][side], r->n, scratch),
        .decode_tok_s = estimate(r->speed[DECODE][side], r->n, scratch),
        .prefill_s = estimate(r->seconds[PREFILL][side], r->n, scratch),
        .decode_s = estimate(r->seconds[DECODE][side], r->n, scratch),
    };
    f.value = estimate(r->speed[VALUE][side], r->n, scratch).median;
    return f;
}

enum xl_status xl_finish_duel(const struct xl_finish *finish,
                              const struct xl_params *a,
                              const struct xl_params *b, struct xl_duel *duel,
                              struct xl_err *err)
{
    struct rounds r = { .objective = finish->sweep->objective };
    struct xl_run_request request = {
        .params = a,
        .against = b,
        .reps = finish->rounds,
        .on_sample = note_round,
        .ctx = &r,
    };
    const struct xl_runner *runner = &finish->sweep->runner;
    struct xl_run_end end;
    double *scratch = empty_series(finish->rounds);
    enum xl_status rc;
    *duel = (struct xl_duel){ .outcome = XL_RUN_FAILED };
    XL_TRY_DONE(rc, make_rounds(&r, finish->rounds, err));
    if (!scratch) {
        rc = xl_fail(err, XL_ENOMEM, "out of memory for a duel");
        goto done;
    }
    XL_TRY_DONE(rc, runner->measure(runner->ctx, &request, &end, err));
    duel->outcome = end.outcome;
    memcpy(duel->reason, end.reason, sizeof duel->reason);
    if (end.outcome != XL_RUN_OK)
        goto done;
    duel->a = figures(&r, 0, scratch);
    duel->b = figures(&r, 1, scratch);
    duel->prefill_ratio = ratio(&r, PREFILL, scratch);
    duel->decode_ratio = ratio(&r, DECODE, scratch);
    duel->value_ratio = ratio(&r, VALUE, scratch);
done:
    release_rounds(&r);
    xl_free(scratch);
    return rc;
}
