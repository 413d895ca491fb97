/* SPDX-License-Identifier: Apache-2.0
 *
 * Who challenges the defaults. The values of a search cannot say: the best of
 * many is mostly the luckiest, and each was measured at another hour. So those
 * that may be the best play off: each runs rounds against the favourite, where
 * drift falls out, the better quarter goes on with three times the rounds,
 * until two are left. The favourite is the leader of the stage before, at first
 * by its value; in the first stage the mean of value and rounds counts, each by
 * its precision. It costs at most a quarter as many rounds as
 * the search has run laps.
 *
 * The favourite and not the defaults, since those that lead resemble each
 * other: where the machine changes its speed between one play and the next, it
 * moves both sides of each by the same, which it does not where one side holds
 * its weights in a quarter of the memory. */
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
    TURN = 4,         /* of one before it is the next one's turn */
    SEEN = 12,        /* rounds that show their own spread */
    SHARE = 4         /* of the search's laps: one in so many as a round */
};
#define REACH     3.0 /* standard errors behind the best that may yet be best */
#define OF_MIDDLE 1.02 /* its error, times spread / sqrt(n) */
#define ROOT2     1.4142135623730951

/* One that plays off. Numbers are logarithms of its ratio to the favourite. */
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
    const struct xl_contender *favourite;
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
    const struct xl_gains best = xl_finish_bests(items, n, true);
    struct xl_contender *simplest = NULL;
    for (size_t i = 0; i < n; i++) {
        struct xl_contender *item = &items[i];
        if (!item->passed || item->is_dropped)
            continue;
        if (simplest && xl_gains_behind(&item->gains, &best) > XL_DUEL_BAND)
            continue;
        v->n_tied++;
        if (!simplest || changes(finish, item) < changes(finish, simplest))
            simplest = item;
    }
    return simplest;
}

/* A part of the rounds of a stage. */
struct pass {
    size_t stage, number, rounds;
};

/* -- a stage -------------------------------------------------------------- */

/* Standard error of the logarithm of a middle of n numbers. */
static double error_of(const struct playoff *p, const double *x, size_t n,
                       double middle)
{
    double away[XL_RACE_MIDDLE], spread = p->finish->sweep->race->spread;
    for (size_t i = 0; i < n; i++)
        away[i] = fabs(log(x[i] / middle));
    double seen = 1.4826 * xl_median(away, n);
    /* A ratio has the noise of two laps; more than that where the machine
     * jumped in the middle of rounds. */
    if (isfinite(spread) && spread > 0)
        seen = n < SEEN ? ROOT2 * spread : fmax(seen, ROOT2 * spread);
    return OF_MIDDLE * seen / sqrt((double)n);
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

static enum xl_status play(struct playoff *p, struct entrant *e,
                           const struct pass *pass)
{
    char name[64];
    struct xl_rounds_end end;
    if (e->who == p->favourite) {
        e->gain = e->error = 0;
        return XL_OK;
    }
    snprintf(name, sizeof name, "playoff %zu.%zu of trial %lld",
             pass->stage + 1, pass->number + 1, (long long)e->who->trial);
    struct xl_rounds job = {
        .name = name,
        .sides = { &e->who->params, &p->favourite->params },
        .rules = { .rounds = pass->rounds },
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

static bool is_tied(const struct entrant *best, const struct entrant *e)
{
    double error = hypot(best->error, e->error);
    return isfinite(e->gain) &&
           best->gain - e->gain <= fmax(XL_DUEL_BAND, error);
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

/* Where the machine jumps, all play some rounds in turn, again and again, so
 * that all see the same of it; each start of a play costs a warm-up. */
static enum xl_status play_stage(struct playoff *p, size_t stage, size_t rounds)
{
    struct pass pass = { .stage = stage, .rounds = rounds };
    if (xl_race_is_jumpy(p->finish->sweep->race))
        pass.rounds = rounds < TURN ? rounds : TURN;
    for (size_t played = 0; played < rounds; played += pass.rounds) {
        if (pass.rounds > rounds - played)
            pass.rounds = rounds - played;
        for (size_t i = 0; i < p->left; i++)
            XL_TRY(play(p, &p->field[i], &pass));
        pass.number++;
    }
    qsort(p->field, p->left, sizeof *p->field, better_first);
    return XL_OK;
}

/* The leader of a stage is the favourite of the next, whose rounds count from
 * there on. */
static enum xl_status play_stages(struct playoff *p, size_t rounds,
                                  struct xl_verdicts *v)
{
    for (size_t stage = 0;; stage++) {
        XL_TRY(play_stage(p, stage, rounds));
        if (p->left <= FINALISTS)
            return XL_OK;
        size_t left = next_field(p->left);
        for (size_t i = left; i < p->left; i++)
            v->n_tied += is_tied(&p->field[0], &p->field[i]);
        p->left = left;
        p->favourite = p->field[0].who;
        for (size_t i = 0; i < left; i++) {
            p->field[i].n = 0;
            p->field[i].prior = (double)NAN;
        }
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

/* What the search says of one, by the share of the anchor's way where it comes
 * nearest to the best: that is the best of its own state of the machine. */
static void set_prior(const struct playoff *p, struct entrant *e,
                      const struct xl_gains *best)
{
    const struct xl_race *race = p->finish->sweep->race;
    double laps =
        1.0 / (double)e->who->n_samples + 1.0 / (double)p->favourite->n_samples;
    e->prior = -xl_gains_behind(&e->who->gains, best);
    e->prior_error = OF_MIDDLE * race->spread *
                     sqrt(laps + 2.0 * ROOT2 / xl_race_anchors(race));
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
    const struct xl_gains best = xl_finish_bests(items, n, true);
    double reach = xl_finish_reach(p->finish->sweep->race);
    for (size_t i = 0; i < n && p->n < FIELD; i++)
        if (items[i].passed && !items[i].is_dropped &&
            xl_gains_behind(&items[i].gains, &best) <= reach)
            p->field[p->n++].who = &items[i];
    if (p->n)
        p->favourite = p->field[0].who;
    for (size_t i = 0; i < p->n; i++)
        set_prior(p, &p->field[i], &best);
    p->left = p->n;
}

/* How many of them are not the defaults. */
static size_t challengers(const struct playoff *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += !is_base(p->finish, p->field[i].who);
    return n;
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
    if (challengers(p) < 2)
        return 0;
    while (rounds > LEAST_ROUNDS && cost(p->n, rounds) > allowed)
        rounds--;
    return rounds;
}

/* -- the nominee ---------------------------------------------------------- */

/* The better finalist but for the defaults, or the simpler one where they tie;
 * the defaults when it lies behind them. */
static struct xl_contender *by_rounds(const struct playoff *p,
                                      struct xl_verdicts *v)
{
    const struct entrant *best = NULL, *base = NULL;
    struct xl_contender *simplest = NULL;
    for (size_t i = 0; i < p->left; i++) {
        const struct entrant *e = &p->field[i];
        if (is_base(p->finish, e->who))
            base = e;
        else if (!best && isfinite(e->gain))
            best = e;
    }
    for (size_t i = 0; i < p->left && best; i++) {
        const struct entrant *e = &p->field[i];
        if (!is_tied(best, e))
            continue;
        v->n_tied++;
        if (e != base && (!simplest || changes(p->finish, e->who) <
                                           changes(p->finish, simplest)))
            simplest = e->who;
    }
    if (!base || !best || !isfinite(base->gain))
        return simplest;
    double error = hypot(best->error, base->error);
    return best->gain + error < base->gain ? base->who : simplest;
}

enum xl_status xl_finish_nominate(const struct xl_finish *finish,
                                  struct xl_contender *items, size_t n,
                                  struct xl_contender **nominee,
                                  struct xl_verdicts *v, struct xl_err *err)
{
    struct playoff p = { .finish = finish, .err = err };
    enum xl_status rc = XL_OK;
    *nominee = NULL;
    p.field = xl_alloc_zero(FIELD, sizeof *p.field);
    if (!p.field)
        return xl_fail(err, XL_ENOMEM, "out of memory for the play-off");
    choose_field(&p, items, n);
    size_t rounds = rounds_for(&p);
    if (rounds) {
        v->n_played = p.n;
        rc = play_stages(&p, rounds, v);
        if (rc == XL_OK)
            *nominee = by_rounds(&p, v);
    }
    if (rc == XL_OK && !*nominee)
        *nominee = by_value(finish, items, n, v);
    xl_free(p.field);
    return rc;
}
