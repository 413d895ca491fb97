/* SPDX-License-Identifier: Apache-2.0
 *
 * The search only nominates: its values are the best of many noisy ones, so
 * they flatter. What counts is the duel. */
#include "tuner/sweep/finish.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/json.h"
#include "kernel/base/minmax.h"
#include "tuner/measure/bench_duel.h"
#include "tuner/store/export.h"
#include "tuner/store/query.h"
#include "tuner/sweep/attempt.h"
#include "tuner/sweep/finish_int.h"
#include "tuner/sweep/merge.h"
#include "tuner/sweep/rounds.h"

static void talk(const struct xl_finish *finish, const char *fmt, ...)
    XL_PRINTF(2, 3);

static void talk(const struct xl_finish *finish, const char *fmt, ...)
{
    char line[256];
    va_list args;
    if (!finish->talk)
        return;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    finish->talk(finish->talk_ctx, line);
}

/* -- the contenders ------------------------------------------------------- */

struct contenders {
    struct xl_contender *items; /* [n], best value first */
    size_t n, room, failed, dropped;
};

/* The gains that the race left in the detail of a result; without them those
 * of its value. */
static void find_gains(const struct xl_store_result *result,
                       struct xl_gains *gains)
{
    double value = result->value < 0 ? -1.0 / result->value : result->value;
    cJSON *detail = result->detail ? cJSON_Parse(result->detail) : NULL;
    const cJSON *list = xl_json_member(detail, XL_GAINS);
    for (int k = 0; k < XL_RACE_SHARES; k++) {
        const cJSON *x = cJSON_GetArrayItem(list, k);
        gains->by[k] = cJSON_IsNumber(x) ? x->valuedouble : value;
    }
    cJSON_Delete(detail);
}

static enum xl_status add_contender(void *ctx, const struct xl_store_trial *row,
                                    struct xl_err *err)
{
    struct contenders *c = ctx;
    bool refused = row->state == XL_TRIAL_WRONG && row->reason &&
                   strncmp(row->reason, XL_REFUSED, strlen(XL_REFUSED)) == 0;
    bool is_dropped = row->state == XL_TRIAL_PRUNED;
    bool measured = (row->state == XL_TRIAL_OK || is_dropped) &&
                    row->has_result && row->result.has_value;
    if (!measured && !refused) {
        c->failed +=
            row->state != XL_TRIAL_QUEUED && row->state != XL_TRIAL_RUNNING;
        return XL_OK;
    }
    if (c->n == c->room) {
        size_t room = c->room ? 2 * c->room : 64;
        struct xl_contender *items =
            xl_realloc(c->items, c->n * sizeof *items, room * sizeof *items);
        if (!items)
            return xl_fail(err, XL_ENOMEM, "out of memory for %zu trials",
                           room);
        c->items = items;
        c->room = room;
    }
    struct xl_contender *item = &c->items[c->n];
    *item = (struct xl_contender){
        .trial = row->id,
        .value = refused ? -HUGE_VAL : row->result.value,
        .n_samples = (size_t)row->n_samples,
        .refused = refused,
        .is_dropped = is_dropped,
    };
    c->dropped += is_dropped;
    if (!refused)
        find_gains(&row->result, &item->gains);
    XL_TRY(xl_sweep_params(row->cfg, &item->params, err));
    c->n++;
    return XL_OK;
}

struct xl_gains xl_finish_bests(const struct xl_contender *items, size_t n,
                                bool is_judged)
{
    struct xl_gains best = { .by = { 0 } };
    for (size_t i = 0; i < n; i++) {
        bool is_in = !items[i].refused && !items[i].is_dropped;
        if (is_in && (items[i].passed || !is_judged))
            xl_gains_raise(&best, &items[i].gains);
    }
    return best;
}

static int better_first(const void *a, const void *b)
{
    const struct xl_contender *x = a, *y = b;
    if (x->behind != y->behind)
        return x->behind > y->behind ? 1 : -1;
    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    return (x->trial > y->trial) - (x->trial < y->trial);
}

/* Best first. */
static void rank(struct contenders *c)
{
    const struct xl_gains best = xl_finish_bests(c->items, c->n, false);
    for (size_t i = 0; i < c->n; i++)
        c->items[i].behind = c->items[i].refused
                                 ? HUGE_VAL
                                 : xl_gains_behind(&c->items[i].gains, &best);
    if (c->n > 0)
        qsort(c->items, c->n, sizeof *c->items, better_first);
}

static void release(struct contenders *c)
{
    for (size_t i = 0; i < c->n; i++)
        cJSON_Delete(c->items[i].judgement);
    xl_free(c->items);
}

static struct xl_contender *find(struct contenders *c,
                                 const struct xl_params *params)
{
    for (size_t i = 0; i < c->n; i++)
        if (xl_params_equal(&c->items[i].params, params))
            return &c->items[i];
    return NULL;
}

static void count_verdict(struct xl_verdicts *v, const struct xl_contender *c)
{
    v->n_passed += c->passed;
    v->n_unproved += c->is_open;
    v->n_refused += !c->passed && !c->is_open;
}

/* The whole judge for one, unless it has been asked or the phase is over. */
static enum xl_status judge_one(const struct xl_finish *finish,
                                struct xl_contender *item, enum xl_phase phase,
                                struct xl_verdicts *v, struct xl_err *err)
{
    const atomic_int *stop = finish->sweep->stop;
    const struct xl_pace *pace = finish->sweep->pace;
    if (stop && atomic_load(stop))
        return XL_EINTERRUPTED;
    if (!item || item->refused || item->is_judged)
        return XL_OK;
    enum xl_status rc = xl_pace_is_over(pace, phase)
                            ? XL_ETIMEOUT
                            : xl_finish_judge(finish, item, err);
    if (rc == XL_ETIMEOUT) {
        v->n_unheard++;
        return XL_OK;
    }
    XL_TRY(rc);
    count_verdict(v, item);
    return XL_OK;
}

/* The whole judge for all that could win, best first: until one has passed,
 * what may yet be better than it, and the defaults. */
static enum xl_status judge_contenders(const struct xl_finish *finish,
                                       struct contenders *c,
                                       struct xl_verdicts *v,
                                       struct xl_err *err)
{
    struct xl_gains best = xl_finish_bests(c->items, c->n, true);
    double reach = xl_finish_reach(finish->sweep->race);
    for (size_t i = 0; i < c->n; i++) {
        struct xl_contender *item = &c->items[i];
        bool has_best = best.by[0] > 0;
        bool could_win =
            !item->is_dropped &&
            (!has_best || xl_gains_behind(&item->gains, &best) <= reach);
        /* Without one that passed there is nothing to hold a duel with. */
        enum xl_phase phase = has_best ? XL_PHASE_JUDGE : XL_PHASE_HOLDOUT;
        if (could_win)
            XL_TRY(judge_one(finish, item, phase, v, err));
        if (item->passed && !item->is_dropped)
            xl_gains_raise(&best, &item->gains);
    }
    return judge_one(finish, find(c, finish->base), XL_PHASE_HOLDOUT, v, err);
}

/* The continuations, best first, as far as the time allows. */
static enum xl_status write_outputs(const struct xl_finish *finish,
                                    const struct contenders *c,
                                    struct xl_verdicts *v, struct xl_err *err)
{
    const struct xl_sweep *sweep = finish->sweep;
    for (size_t i = 0; i < c->n; i++) {
        if (sweep->stop && atomic_load(sweep->stop))
            return XL_EINTERRUPTED;
        xl_watch_tell(&sweep->step, "outputs", i, c->n);
        enum xl_status rc = xl_pace_is_over(sweep->pace, XL_PHASE_OUTPUTS)
                                ? XL_ETIMEOUT
                                : xl_finish_output(finish, &c->items[i], err);
        if (rc == XL_ETIMEOUT) {
            v->n_unwritten = c->n - i;
            return XL_OK;
        }
        XL_TRY(rc);
    }
    return XL_OK;
}

/* -- the winner ----------------------------------------------------------- */

static void say(struct xl_verdicts *v, const char *fmt, ...) XL_PRINTF(2, 3);

static void say(struct xl_verdicts *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(v->why, sizeof v->why, fmt, args);
    va_end(args);
}

/* What the duel proved, in words. */
static void say_duel(struct xl_verdicts *v, const struct xl_rounds_end *end)
{
    const struct xl_estimate *r = &end->duel.ratio[XL_DUEL_VALUE];
    if (end->outcome != XL_RUN_OK)
        say(v, "the duel could not be held: %.150s", end->reason);
    else if (!v->proved && end->is_cut)
        say(v,
            "not proved: the time was up after %zu rounds of the duel; ratio "
            "%.3f [%.3f, %.3f]",
            end->duel.samples.n, r->n ? r->median : 1.0, r->n ? r->lo : 0.0,
            r->n ? r->hi : HUGE_VAL);
    else if (v->proved)
        say(v,
            "faster than the defaults in a duel of %zu rounds: ratio %.3f "
            "[%.3f, %.3f]",
            r->n, r->median, r->lo, r->hi);
    else if (r->coverage < end->duel.level)
        say(v, "%zu rounds are too few to prove anything; ratio %.3f", r->n,
            r->median);
    else if (v->duel == XL_DUEL_EQUAL)
        say(v,
            "a tie with the defaults, which are simpler: ratio %.3f [%.3f, "
            "%.3f] in %zu rounds",
            r->median, r->lo, r->hi, r->n);
    else
        say(v, "not proved faster: ratio %.3f [%.3f, %.3f] in %zu rounds",
            r->median, r->lo, r->hi, r->n);
}

static enum xl_status note_duel(const struct xl_finish *finish,
                                const struct xl_rounds_end *end,
                                struct xl_verdicts *v, struct xl_err *err)
{
    const struct xl_objective *objective = finish->sweep->objective;
    v->prefill_ratio = end->duel.ratio[XL_SPEED_PREFILL];
    v->decode_ratio = end->duel.ratio[XL_SPEED_DECODE];
    v->value_ratio = end->duel.ratio[XL_DUEL_VALUE];
    v->duel = end->duel.verdicts[XL_DUEL_VALUE];
    v->proved = end->outcome == XL_RUN_OK && v->duel == XL_DUEL_FASTER;
    v->is_cut |= end->is_cut;
    say_duel(v, end);
    return xl_laps_figures(&end->laps[0], objective, &v->figures, err);
}

/* The defaults stay; their figures are those of the duel's rounds, or of the
 * search when there was none. */
static enum xl_status keep_defaults(const struct xl_finish *finish,
                                    const struct xl_contender *base,
                                    const struct xl_laps *laps,
                                    struct xl_verdicts *v, struct xl_err *err)
{
    const struct xl_objective *objective = finish->sweep->objective;
    v->is_default = true;
    if (laps && laps->n)
        return xl_laps_figures(laps, objective, &v->figures, err);
    v->is_of_search = true;
    return xl_sweep_figures(finish->sweep->store, base->trial, objective,
                            &v->figures, err);
}

/* The rounds as `bench --vs` tells its own: duel.json, which has a picture. */
static enum xl_status save_duel(const struct xl_finish *finish,
                                const struct xl_rounds *rounds,
                                const struct xl_contender *of,
                                const struct xl_duel *duel, struct xl_err *err)
{
    char name[40];
    const char *const names[XL_SIDES] = { name, "the defaults" };
    cJSON *root = xl_bench_duel_json(duel);
    cJSON *list = cJSON_AddArrayToObject(root, "sides");
    snprintf(name, sizeof name, "trial %" PRId64, of->trial);
    for (size_t i = 0; i < XL_SIDES; i++) {
        cJSON *side = cJSON_CreateObject();
        cJSON_AddItemToArray(list, side);
        cJSON_AddStringToObject(side, "name", names[i]);
        cJSON_AddItemToObject(side, "config",
                              xl_params_to_json(rounds->sides[i]));
    }
    cJSON_AddNumberToObject(root, "prompt_tokens",
                            (double)finish->prompt_tokens);
    enum xl_status rc =
        xl_json_save_in(finish->run_dir, "duel.json", root, err);
    cJSON_Delete(root);
    return rc;
}

static enum xl_status hold_duel(const struct xl_finish *finish,
                                struct xl_contender *base,
                                struct xl_contender **of, struct xl_verdicts *v,
                                struct xl_err *err)
{
    struct xl_rounds rounds = {
        .name = XL_ROUNDS_DUEL,
        .sides = { &(*of)->params, finish->base },
        .rules = { .rounds = finish->rounds, .is_challenge = true },
        .phase = XL_PHASE_DUEL,
        .is_whole = true,
    };
    struct xl_rounds_end end;
    enum xl_status rc = xl_rounds_run(finish->sweep, &rounds, &end, err);
    if (rc == XL_OK && end.outcome == XL_RUN_STOPPED)
        rc = XL_EINTERRUPTED;
    if (rc == XL_OK)
        rc = note_duel(finish, &end, v, err);
    if (rc == XL_OK && end.outcome == XL_RUN_OK)
        rc = save_duel(finish, &rounds, *of, &end.duel, err);
    if (rc == XL_OK && !v->proved && base && base->passed) {
        *of = base;
        rc = keep_defaults(finish, base, &end.laps[1], v, err);
    }
    xl_rounds_release(&end);
    return rc;
}

/* Decides between the nominee and the defaults. The winner is *of after it. */
static enum xl_status contest(const struct xl_finish *finish,
                              struct contenders *c, struct xl_contender **of,
                              struct xl_verdicts *v, struct xl_err *err)
{
    struct xl_contender *base = find(c, finish->base);
    v->base = base ? base->trial : 0;
    if (*of != base) {
        talk(finish, "duel of the best against the defaults");
        return hold_duel(finish, base, of, v, err);
    }
    if (v->n_tied > 1)
        say(v, "the defaults tie with the best of all measured");
    else
        say(v, "the defaults were the fastest of all measured");
    return keep_defaults(finish, base, NULL, v, err);
}

static void note_judgement(struct xl_verdicts *v, const struct xl_contender *w)
{
    const struct {
        const char *key;
        char *to;
        size_t room;
    } texts[] = {
        { "tier", v->tier, sizeof v->tier },
        { "verdict", v->verdict, sizeof v->verdict },
        { "reason", v->reason, sizeof v->reason },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *text = "";
        xl_json_get_text(w->judgement, texts[i].key, &text, NULL);
        snprintf(texts[i].to, texts[i].room, "%s", text);
    }
}

static enum xl_status note_event(const struct xl_finish *finish,
                                 const struct xl_contender *winner,
                                 const struct xl_verdicts *v,
                                 struct xl_err *err)
{
    struct xl_store_event event = { .trial = winner->trial,
                                    .kind = "promote",
                                    .text = v->why };
    return xl_store_event(finish->sweep->store, &event, err);
}

/* Puts a contender that would win before the holdout text. */
static enum xl_status hold_out(const struct xl_finish *finish,
                               struct xl_contender *item, struct xl_verdicts *v,
                               struct xl_err *err)
{
    if (!item || !item->passed || item->is_held_out)
        return XL_OK;
    if (xl_pace_is_over(finish->sweep->pace, XL_PHASE_HOLDOUT))
        return XL_ETIMEOUT;
    v->n_held_out++;
    XL_TRY(xl_finish_holdout(finish, item, err));
    v->n_passed--;
    count_verdict(v, item);
    return XL_OK;
}

/* The nominee that the holdout text bears out, or NULL. What was dropped
 * comes back once one is refused that may have beaten it. XL_ETIMEOUT when the
 * time was up before it was heard. */
static enum xl_status elect(const struct xl_finish *finish,
                            struct contenders *c, struct xl_verdicts *v,
                            struct xl_contender **winner, struct xl_err *err)
{
    for (;;) {
        v->n_tied = v->n_unheard = 0;
        XL_TRY(judge_contenders(finish, c, v, err));
        XL_TRY(xl_finish_nominate(finish, c->items, c->n, winner, v, err));
        if (*winner && !(*winner)->is_held_out &&
            v->n_held_out == XL_HOLDOUT_TRIES)
            *winner = NULL;
        XL_TRY(hold_out(finish, *winner, v, err));
        if (!*winner || (*winner)->passed)
            return XL_OK;
        for (size_t i = 0; i < c->n; i++)
            c->items[i].is_dropped = false;
    }
}

/* Nobody is promoted unproved, the defaults neither: the way on is a sweep
 * with more text. */
static void say_nobody(const struct contenders *c, struct xl_verdicts *v)
{
    const char *where = v->n_held_out ? " on the holdout text" : "";
    size_t read = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].is_open)
            read = xl_max(read, c->items[i].n_tokens);
    if (v->n_unproved)
        say(v,
            "no configuration passed the judge%s; %zu are not proved to do no "
            "damage on %zu tokens, which more text may change: sweep again "
            "with --judge-tokens %zu",
            where, v->n_unproved, read, 2 * read);
    else
        say(v, "no configuration passed the judge%s", where);
}

/* The time was up before anybody could challenge the defaults. */
static enum xl_status keep_unheard(const struct xl_finish *finish,
                                   struct contenders *c,
                                   struct xl_contender **winner,
                                   struct xl_verdicts *v, struct xl_err *err)
{
    struct xl_contender *base = find(c, finish->base);
    v->is_cut = true;
    *winner = base && base->passed ? base : NULL;
    say(v, "not proved: the time was up before the %s",
        v->n_passed ? "duel" : "judge was done");
    v->base = base ? base->trial : 0;
    return *winner ? keep_defaults(finish, base, NULL, v, err) : XL_OK;
}

static enum xl_status meet_defaults(const struct xl_finish *finish,
                                    struct contenders *c,
                                    struct xl_contender **winner,
                                    struct xl_verdicts *v, struct xl_err *err)
{
    enum xl_status rc = hold_out(finish, find(c, finish->base), v, err);
    if (rc != XL_OK && rc != XL_ETIMEOUT)
        return rc;
    return contest(finish, c, winner, v, err);
}

static enum xl_status choose(const struct xl_finish *finish,
                             struct contenders *c, struct xl_verdicts *v,
                             struct xl_err *err)
{
    struct xl_contender *winner;
    enum xl_status rc = elect(finish, c, v, &winner, err);
    if (rc == XL_ETIMEOUT ||
        (rc == XL_OK && !winner && (v->n_unheard || v->is_cut)))
        rc = keep_unheard(finish, c, &winner, v, err);
    XL_TRY(rc);
    if (!winner && !v->is_cut)
        say_nobody(c, v);
    if (!winner)
        return XL_OK;
    if (!v->is_default)
        XL_TRY(meet_defaults(finish, c, &winner, v, err));
    v->winner = winner->trial;
    v->params = winner->params;
    note_judgement(v, winner);
    struct xl_grading grading = { .name = XL_ROUNDS_GRADE_END,
                                  .params = finish->base,
                                  .rounds = finish->grade_rounds,
                                  .phase = XL_PHASE_GRADE_END };
    XL_TRY(xl_rounds_grade(finish->sweep, &grading, &v->grade, err));
    XL_TRY(note_event(finish, winner, v, err));
    return xl_finish_best(finish, winner, v, err);
}

/* The configurations that have to be there before a winner is looked for. */
static enum xl_status complete(const struct xl_finish *finish,
                               struct xl_err *err)
{
    size_t n_merged = 0;
    XL_TRY(xl_sweep_measure(finish->sweep, finish->base, "defaults", err));
    if (!finish->space)
        return XL_OK;
    if (xl_pace_is_over(finish->sweep->pace, XL_PHASE_JUDGE))
        return XL_OK;
    XL_TRY(xl_merge_measure(finish->sweep, finish->space, &n_merged, err));
    if (n_merged)
        talk(finish, "measured the bests of both phases put together: %zu",
             n_merged);
    return XL_OK;
}

enum xl_status xl_finish_run(const struct xl_finish *finish,
                             struct xl_verdicts *v, struct xl_err *err)
{
    struct contenders c = { 0 };
    struct xl_store *store = finish->sweep->store;
    *v = (struct xl_verdicts){ .grade.letter = '-' };
    enum xl_status rc = complete(finish, err);
    if (rc == XL_ETIMEOUT) {
        v->is_cut = true;
        rc = XL_OK;
    }
    if (rc == XL_OK)
        rc = xl_query_trials(store, 0, add_contender, &c, err);
    if (rc == XL_OK) {
        rank(&c);
        for (size_t i = 0; i < c.n; i++)
            v->n_refused += c.items[i].refused;
        v->n_ok = c.n - v->n_refused;
        v->n_dropped = c.dropped;
        v->n_failed = c.failed;
        talk(finish, "judging the best of %zu configurations", c.n);
        rc = choose(finish, &c, v, err);
    }
    if (rc == XL_OK)
        rc = xl_finish_judged(finish, c.items, c.n, err);
    if (rc == XL_OK)
        rc = write_outputs(finish, &c, v, err);
    enum xl_status exported =
        xl_export_run(store, finish->run_dir, rc == XL_OK ? err : NULL);
    release(&c);
    return rc == XL_OK ? exported : rc;
}
