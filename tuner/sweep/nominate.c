/* SPDX-License-Identifier: Apache-2.0
 *
 * Who challenges the defaults. The values of a search cannot say: the best of
 * many is mostly the luckiest, and each was measured at another hour. So those
 * that may be the best play off: each runs rounds against the defaults, where
 * drift falls out, the better quarter goes on with three times the rounds,
 * until two are left. What counts is the mean of the search's value and the
 * rounds, each by its precision. It costs at most a quarter as many rounds as
 * the search has run laps. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/base/alloc.h"
#include "tuner/sweep/finish_int.h"
#include "tuner/sweep/rounds.h"

enum {
    FIELD = 64,       /* that play off at most */
    FINALISTS = 2,    /* that the last stage has */
    KEPT = 4,         /* one in so many goes on */
    GROWTH = 3,       /* of its rounds */
    LEAST_ROUNDS = 3, /* of one in the first stage */
    FIRST_ROUNDS = 8, /* the most of them */
    MOST_ROUNDS = 32, /* of one in any stage */
    SHARE = 4         /* of the search's laps: one in so many as a round */
};
#define REACH     3.0 /* standard errors behind the best that may yet be best */
#define OF_MIDDLE 1.02 /* its error, times spread / sqrt(n) */
#define ROOT2     1.4142135623730951

/* One that plays off. Numbers are logarithms of its ratio to the defaults. */
struct entrant {
    struct xl_contender *who;
    double prior, prior_error;     /* of the search */
    double ratios[XL_RACE_MIDDLE]; /* of all its rounds; no logarithms */
    size_t n;
    double gain, error; /* of both together; NaN = could not run */
};

struct playoff {
    const struct xl_finish *finish;
    struct entrant *field; /* [n], best first after a stage */
    size_t n, left;        /* left: still in it */
    struct xl_err *err;
};

/* -- the simplest --------------------------------------------------------- */

/* Tunables that differ from the defaults: the fewer, the simpler. */
static size_t changes(const struct xl_finish *finish,
                      const struct xl_contender *c)
{
    size_t n = 0;
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        n += c->params.value[i] != finish->base->value[i];
    return n;
}

static bool is_base(const struct xl_finish *finish,
                    const struct xl_contender *c)
{
    return xl_params_equal(&c->params, finish->base);
}

/* By the values of the search: the simplest within the band of the best. */
static struct xl_contender *by_value(const struct xl_finish *finish,
                                     struct xl_contender *items, size_t n,
                                     struct xl_verdicts *v)
{
    struct xl_contender *best = NULL, *simplest = NULL;
    for (size_t i = 0; i < n; i++) {
        struct xl_contender *item = &items[i];
        if (!item->passed || item->is_dropped)
            continue;
        if (!best)
            best = simplest = item;
        if (xl_objective_ratio(item->value, best->value) < 1.0 - XL_DUEL_BAND)
            break;
        v->n_tied++;
        if (changes(finish, item) < changes(finish, simplest))
            simplest = item;
    }
    return simplest;
}

/* -- a stage -------------------------------------------------------------- */

/* Standard error of the logarithm of a middle of n numbers. */
static double error_of(const struct playoff *p, const double *x, size_t n,
                       double middle)
{
    double away[XL_RACE_MIDDLE], spread = p->finish->sweep->race->spread;
    for (size_t i = 0; i < n; i++)
        away[i] = fabs(log(x[i] / middle));
    /* A ratio has the noise of two laps. */
    spread = isfinite(spread) && spread > 0 ? ROOT2 * spread
                                            : 1.4826 * xl_median(away, n);
    return OF_MIDDLE * spread / sqrt((double)n);
}

/* Puts both sources together. */
static void weigh(const struct playoff *p, struct entrant *e)
{
    double middle = xl_middle(e->ratios, e->n);
    double error = error_of(p, e->ratios, e->n, middle);
    e->gain = log(middle);
    e->error = error;
    if (!isfinite(e->prior) || !(e->prior_error > 0) || !(error > 0))
        return;
    double a = 1.0 / (error * error);
    double b = 1.0 / (e->prior_error * e->prior_error);
    e->gain = (a * e->gain + b * e->prior) / (a + b);
    e->error = 1.0 / sqrt(a + b);
}

static void take_ratios(const struct playoff *p, struct entrant *e,
                        const struct xl_duel *duel)
{
    for (size_t i = 0; i < duel->samples.n && e->n < XL_RACE_MIDDLE; i++) {
        const struct xl_speeds *row = &duel->samples.rows[i];
        double ratio = row->value[0] / row->value[1];
        if (xl_samples_use(&duel->samples, i) && isfinite(ratio))
            e->ratios[e->n++] = ratio;
    }
    weigh(p, e);
}

static enum xl_status play(struct playoff *p, struct entrant *e, size_t stage,
                           size_t rounds)
{
    char name[64];
    struct xl_rounds_end end;
    snprintf(name, sizeof name, "playoff %zu of trial %lld", stage + 1,
             (long long)e->who->trial);
    struct xl_rounds job = {
        .name = name,
        .sides = { &e->who->params, p->finish->base },
        .rules = { .rounds = rounds },
        .phase = XL_PHASE_PLAYOFF,
    };
    enum xl_status rc = xl_rounds_run(p->finish->sweep, &job, &end, p->err);
    if (rc == XL_OK && end.outcome == XL_RUN_STOPPED)
        rc = XL_EINTERRUPTED;
    if (rc == XL_OK && end.outcome == XL_RUN_OK)
        take_ratios(p, e, &end.duel);
    else
        e->gain = e->error = (double)NAN;
    xl_rounds_release(&end);
    return rc;
}

static int better_first(const void *a, const void *b)
{
    const struct entrant *x = a, *y = b;
    bool has_x = isfinite(x->gain), has_y = isfinite(y->gain);
    if (has_x != has_y)
        return has_x ? -1 : 1;
    if (has_x && x->gain != y->gain)
        return x->gain < y->gain ? 1 : -1;
    return (x->who->trial > y->who->trial) - (x->who->trial < y->who->trial);
}

/* How many of n go on, and with how many rounds each. */
static size_t next_field(size_t n)
{
    size_t next = (n + KEPT - 1) / KEPT;
    return next > FINALISTS ? next : FINALISTS;
}

static size_t next_rounds(size_t rounds)
{
    return rounds * GROWTH < MOST_ROUNDS ? rounds * GROWTH : MOST_ROUNDS;
}

static enum xl_status play_stages(struct playoff *p, size_t rounds)
{
    for (size_t stage = 0;; stage++) {
        for (size_t i = 0; i < p->left; i++)
            XL_TRY(play(p, &p->field[i], stage, rounds));
        qsort(p->field, p->left, sizeof *p->field, better_first);
        if (p->left <= FINALISTS)
            return XL_OK;
        p->left = next_field(p->left);
        rounds = next_rounds(rounds);
    }
}

/* Rounds of a play-off of n. */
static size_t cost(size_t n, size_t rounds)
{
    size_t sum = n * rounds;
    while (n > FINALISTS) {
        n = next_field(n);
        rounds = next_rounds(rounds);
        sum += n * rounds;
    }
    return sum;
}

/* -- the field ------------------------------------------------------------ */

/* What the search says of one: its value against the anchor's at the start. */
static void set_prior(const struct playoff *p, struct entrant *e)
{
    const struct xl_race *race = p->finish->sweep->race;
    double level = xl_objective_value(race->rules.objective, &race->level);
    double ratio = xl_objective_ratio(e->who->value, level);
    double anchors = xl_race_anchors(race);
    e->prior = log(ratio);
    e->prior_error = OF_MIDDLE * race->spread *
                     sqrt(1.0 / (double)e->who->n_samples + ROOT2 / anchors);
}

double xl_finish_reach(const struct xl_race *race)
{
    double repeats = (double)race->rules.repeats;
    double reach = isfinite(race->spread) ? REACH * race->spread / sqrt(repeats)
                                          : XL_DUEL_BAND;
    return fmax(reach, XL_DUEL_BAND);
}

/* Those whose value may be that of the best but for noise. */
static void choose_field(struct playoff *p, struct xl_contender *items,
                         size_t n)
{
    double least = 1.0 - xl_finish_reach(p->finish->sweep->race);
    double best = (double)NAN;
    for (size_t i = 0; i < n && p->n < FIELD; i++) {
        if (!items[i].passed || items[i].is_dropped)
            continue;
        if (!isfinite(best))
            best = items[i].value;
        if (xl_objective_ratio(items[i].value, best) < least)
            break;
        if (!is_base(p->finish, &items[i]))
            p->field[p->n++].who = &items[i];
    }
    for (size_t i = 0; i < p->n; i++)
        set_prior(p, &p->field[i]);
    p->left = p->n;
}

/* Rounds of the first stage for each of the field, which gets smaller until
 * they are enough; 0 = no play-off. */
static size_t rounds_for(struct playoff *p)
{
    const struct xl_sweep *sweep = p->finish->sweep;
    size_t fits = xl_pace_rounds(sweep->pace, XL_PHASE_PLAYOFF);
    size_t allowed = sweep->race->taken / SHARE, rounds = FIRST_ROUNDS;
    if (allowed > fits)
        allowed = fits;
    while (p->n > 1 && cost(p->n, LEAST_ROUNDS) > allowed)
        p->n--;
    p->left = p->n;
    if (p->n < 2)
        return 0;
    while (rounds > LEAST_ROUNDS && cost(p->n, rounds) > allowed)
        rounds--;
    return rounds;
}

/* -- the nominee ---------------------------------------------------------- */

static bool is_tied(const struct entrant *best, double gain, double error)
{
    return best->gain - gain <= fmax(XL_DUEL_BAND, hypot(best->error, error));
}

/* The best, or the simplest of the finalists that tie with it; the defaults
 * when it lies behind them. */
static struct xl_contender *by_rounds(const struct playoff *p,
                                      struct xl_contender *base,
                                      struct xl_verdicts *v)
{
    const struct entrant *best = &p->field[0];
    struct xl_contender *simplest = best->who;
    if (!isfinite(best->gain))
        return NULL;
    for (size_t i = 0; i < p->n; i++) {
        const struct entrant *e = &p->field[i];
        if (!isfinite(e->gain) || !is_tied(best, e->gain, e->error))
            continue;
        v->n_tied++;
        if (i < p->left &&
            changes(p->finish, e->who) < changes(p->finish, simplest))
            simplest = e->who;
    }
    v->n_tied += base && is_tied(best, 0.0, 0.0);
    bool is_behind = best->gain + best->error < 0;
    return base && is_behind ? base : simplest;
}

enum xl_status xl_finish_nominate(const struct xl_finish *finish,
                                  struct xl_contender *items, size_t n,
                                  struct xl_contender **nominee,
                                  struct xl_verdicts *v, struct xl_err *err)
{
    struct playoff p = { .finish = finish, .err = err };
    struct xl_contender *base = NULL;
    enum xl_status rc = XL_OK;
    *nominee = NULL;
    for (size_t i = 0; i < n && !base; i++)
        if (is_base(finish, &items[i]) && items[i].passed)
            base = &items[i];
    p.field = xl_alloc_zero(FIELD, sizeof *p.field);
    if (!p.field)
        return xl_fail(err, XL_ENOMEM, "out of memory for the play-off");
    choose_field(&p, items, n);
    size_t rounds = rounds_for(&p);
    if (rounds) {
        v->n_played = p.n;
        rc = play_stages(&p, rounds);
        if (rc == XL_OK)
            *nominee = by_rounds(&p, base, v);
    }
    if (rc == XL_OK && !*nominee)
        *nominee = by_value(finish, items, n, v);
    xl_free(p.field);
    return rc;
}
