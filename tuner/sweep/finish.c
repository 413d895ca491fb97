/* SPDX-License-Identifier: Apache-2.0
 *
 * The search only nominates: its values are the best of many noisy ones, so
 * they flatter. What counts is the duel. */
#include "tuner/sweep/finish.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/json.h"
#include "tuner/store/export.h"
#include "tuner/store/query.h"
#include "tuner/sweep/finish_int.h"

#define LEVEL 0.95

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
    size_t n, room, failed;
};

static enum xl_status add_contender(void *ctx, const struct xl_store_trial *row,
                                    struct xl_err *err)
{
    struct contenders *c = ctx;
    if (row->state != XL_TRIAL_OK || !row->has_result ||
        !row->result.has_value) {
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
    *item =
        (struct xl_contender){ .trial = row->id, .value = row->result.value };
    XL_TRY(xl_sweep_params(row->cfg, &item->params, err));
    c->n++;
    return XL_OK;
}

static int better_first(const void *a, const void *b)
{
    const struct xl_contender *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    return (x->trial > y->trial) - (x->trial < y->trial);
}

static void release(struct contenders *c)
{
    for (size_t i = 0; i < c->n; i++)
        cJSON_Delete(c->items[i].judgement);
    xl_free(c->items);
}

static bool same_values(const struct xl_params *a, const struct xl_params *b)
{
    return memcmp(a->value, b->value, sizeof a->value) == 0;
}

static struct xl_contender *find(struct contenders *c,
                                 const struct xl_params *params)
{
    for (size_t i = 0; i < c->n; i++)
        if (same_values(&c->items[i].params, params))
            return &c->items[i];
    return NULL;
}

static enum xl_status judge_all(const struct xl_finish *finish,
                                struct contenders *c, struct xl_verdicts *v,
                                struct xl_err *err)
{
    for (size_t i = 0; i < c->n; i++) {
        const atomic_int *stop = finish->sweep->stop;
        if (stop && atomic_load(stop))
            return XL_EINTERRUPTED;
        XL_TRY(xl_finish_judge(finish, &c->items[i], err));
        v->n_passed += c->items[i].passed;
        v->n_refused += !c->items[i].passed;
    }
    return XL_OK;
}

/* -- the winner ----------------------------------------------------------- */

static struct xl_contender *best_passed(struct contenders *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].passed)
            return &c->items[i];
    return NULL;
}

static void keep_defaults(struct xl_verdicts *v, const struct xl_duel *duel,
                          const char *why)
{
    v->is_default = true;
    if (duel)
        v->figures = duel->b;
    snprintf(v->why, sizeof v->why, "%s", why);
}

/* Why a duel proved nothing. */
static void say_why(struct xl_verdicts *v, const struct xl_duel *duel)
{
    const struct xl_estimate *r = &duel->value_ratio;
    if (duel->outcome != XL_RUN_OK)
        snprintf(v->why, sizeof v->why, "the duel could not be held: %.150s",
                 duel->reason);
    else if (r->coverage < LEVEL)
        snprintf(v->why, sizeof v->why,
                 "%zu rounds are too few to prove anything; ratio %.3f", r->n,
                 r->median);
    else
        snprintf(v->why, sizeof v->why,
                 "not proved faster: ratio %.3f [%.3f, %.3f] in %zu rounds",
                 r->median, r->lo, r->hi, r->n);
}

/* Holds the duel and decides. The winner is *of after it. */
static enum xl_status contest(const struct xl_finish *finish,
                              struct contenders *c, struct xl_contender **of,
                              struct xl_verdicts *v, struct xl_err *err)
{
    struct xl_contender *base = find(c, finish->base);
    struct xl_duel duel;
    v->base = base ? base->trial : 0;
    if (*of == base) {
        keep_defaults(v, NULL, "the defaults were the fastest of all measured");
        return xl_sweep_figures(finish->sweep->store, base->trial,
                                finish->sweep->objective, &v->figures, err);
    }
    talk(finish, "duel of the best against the defaults, %zu rounds",
         finish->rounds);
    XL_TRY(xl_finish_duel(finish, &(*of)->params, finish->base, &duel, err));
    if (duel.outcome == XL_RUN_STOPPED)
        return XL_EINTERRUPTED;
    v->prefill_ratio = duel.prefill_ratio;
    v->decode_ratio = duel.decode_ratio;
    v->value_ratio = duel.value_ratio;
    v->figures = duel.a;
    v->proved = duel.outcome == XL_RUN_OK && duel.value_ratio.lo > 1.0 &&
                duel.value_ratio.coverage >= LEVEL;
    if (v->proved) {
        snprintf(v->why, sizeof v->why,
                 "faster than the defaults in a duel "
                 "of %zu rounds",
                 duel.value_ratio.n);
        return XL_OK;
    }
    say_why(v, &duel);
    if (base && base->passed) {
        char why[sizeof v->why];
        memcpy(why, v->why, sizeof why);
        keep_defaults(v, &duel, why);
        *of = base;
    }
    return XL_OK;
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

static enum xl_status choose(const struct xl_finish *finish,
                             struct contenders *c, struct xl_verdicts *v,
                             struct xl_err *err)
{
    struct xl_contender *winner = best_passed(c);
    if (!winner) {
        snprintf(v->why, sizeof v->why, "no configuration passed the judge");
        return XL_OK;
    }
    XL_TRY(contest(finish, c, &winner, v, err));
    v->winner = winner->trial;
    v->params = winner->params;
    note_judgement(v, winner);
    XL_TRY(note_event(finish, winner, v, err));
    return xl_finish_best(finish, winner, v, err);
}

enum xl_status xl_finish_run(const struct xl_finish *finish,
                             struct xl_verdicts *v, struct xl_err *err)
{
    struct contenders c = { 0 };
    struct xl_store *store = finish->sweep->store;
    *v = (struct xl_verdicts){ 0 };
    enum xl_status rc =
        xl_sweep_measure(finish->sweep, finish->base, "defaults", err);
    if (rc == XL_OK)
        rc = xl_query_trials(store, 0, add_contender, &c, err);
    if (rc == XL_OK) {
        qsort(c.items, c.n, sizeof *c.items, better_first);
        v->n_ok = c.n;
        v->n_failed = c.failed;
        talk(finish, "judging %zu configurations", c.n);
        rc = judge_all(finish, &c, v, err);
    }
    if (rc == XL_OK)
        rc = choose(finish, &c, v, err);
    enum xl_status exported =
        xl_export_run(store, finish->run_dir, rc == XL_OK ? err : NULL);
    release(&c);
    return rc == XL_OK ? exported : rc;
}
