/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/rounds.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/clock.h"
#include "kernel/base/json.h"
#include "tuner/store/query.h"

#define SCOPE "rounds"

enum {
    LEAST = 8, /* rounds that a time limit leaves */
    GRADE_LIMIT_S = 30
};

/* A duel on its way. */
struct contest {
    const struct xl_sweep *sweep;
    const struct xl_rounds *rounds;
    struct xl_rounds_end *end;
    cJSON *kept;                  /* [[lap, lap], ...] */
    struct xl_lap laps[XL_SIDES]; /* of the round in flight */
    bool has[XL_SIDES];
    uint64_t start_ns;
    size_t ran; /* rounds, not those that were kept */
    enum xl_status rc;
    struct xl_err *err;
};

/* -- rounds as JSON ------------------------------------------------------- */

static cJSON *lap_json(const struct xl_lap *lap)
{
    cJSON *o = cJSON_CreateObject();
    for (size_t m = 0; m < XL_METRIC_COUNT; m++)
        if (isfinite(lap->reading.value[m]))
            cJSON_AddNumberToObject(o, xl_metric_name((enum xl_metric)m),
                                    lap->reading.value[m]);
    xl_json_add_real(o, "prefill_s", lap->prefill_s);
    xl_json_add_real(o, "decode_s", lap->decode_s);
    cJSON_AddNumberToObject(o, "dirt", lap->dirt);
    return o;
}

static void read_lap(struct xl_lap *lap, const cJSON *o)
{
    double dirt = xl_json_number(o, "dirt");
    for (size_t m = 0; m < XL_METRIC_COUNT; m++)
        lap->reading.value[m] =
            xl_json_number(o, xl_metric_name((enum xl_metric)m));
    lap->prefill_s = xl_json_number(o, "prefill_s");
    lap->decode_s = xl_json_number(o, "decode_s");
    lap->dirt = dirt > 0 ? (unsigned)dirt : 0;
}

static enum xl_status keep_round(struct contest *c)
{
    struct xl_buf text;
    cJSON *round = cJSON_CreateArray();
    for (int side = 0; side < XL_SIDES; side++)
        cJSON_AddItemToArray(round, lap_json(&c->laps[side]));
    cJSON_AddItemToArray(c->kept, round);
    xl_buf_init(&text, 0);
    xl_json_print(c->kept, false, &text);
    struct xl_store_fact fact = { .scope = SCOPE,
                                  .key = c->rounds->name,
                                  .value = text.data };
    enum xl_status rc = xl_buf_check(&text, "the rounds", c->err);
    if (rc == XL_OK)
        rc = xl_store_set_fact(c->sweep->store, &fact, c->err);
    xl_buf_release(&text);
    return rc;
}

/* -- one round ------------------------------------------------------------ */

static void tell_round(const struct contest *c)
{
    static const char *const names[XL_PHASES] = {
        [XL_PHASE_GRADE_START] = "machine, rounds",
        [XL_PHASE_PLAYOFF] = "play-off, rounds",
        [XL_PHASE_DUEL] = "duel, rounds",
        [XL_PHASE_GRADE_END] = "machine, rounds",
    };
    const struct xl_samples *samples = &c->end->duel.samples;
    const char *name = names[c->rounds->phase];
    xl_watch_tell(&c->sweep->step, name ? name : "rounds",
                  xl_samples_quiet(samples), samples->wanted);
}

/* Takes the laps of a round into the duel. */
static enum xl_status take_round(struct contest *c)
{
    struct xl_speeds row = { .dirt = c->laps[0].dirt | c->laps[1].dirt };
    for (size_t side = 0; side < XL_SIDES; side++) {
        struct xl_lap *lap = &c->laps[side];
        row.tok_s[side][XL_SPEED_PREFILL] =
            lap->reading.value[XL_METRIC_PREFILL];
        row.tok_s[side][XL_SPEED_DECODE] = lap->reading.value[XL_METRIC_DECODE];
        row.value[side] = xl_reading_gain(c->sweep->objective, &lap->reading);
        lap->dirt = row.dirt; /* a round counts as a whole */
        XL_TRY(xl_laps_add(&c->end->laps[side], lap, c->err));
        c->has[side] = false;
    }
    xl_duel_add(&c->end->duel, &row);
    return XL_OK;
}

/* Would another round end after the phase? */
static bool is_cut(struct contest *c)
{
    uint64_t taken = xl_clock_ns() - c->start_ns;
    uint64_t round = c->ran ? taken / c->ran : 0;
    if (!xl_pace_has(c->sweep->pace, c->rounds->phase, round))
        c->end->is_cut = true;
    return c->end->is_cut;
}

static bool is_late(struct contest *c)
{
    if (c->rounds->limit_ns && c->end->duel.samples.n >= LEAST &&
        xl_clock_ns() - c->start_ns >= c->rounds->limit_ns)
        return true;
    return is_cut(c);
}

static enum xl_run_go on_sample(void *ctx, const struct xl_run_sample *s)
{
    struct contest *c = ctx;
    const atomic_int *stop = c->sweep->stop;
    size_t side = s->side == 1;
    xl_lap_of_run(&c->laps[side], s);
    c->has[side] = true;
    if (c->has[0] && c->has[1]) {
        c->ran++;
        c->rc = keep_round(c);
        if (c->rc == XL_OK)
            c->rc = take_round(c);
        tell_round(c);
        if (c->rc == XL_OK &&
            (!xl_duel_wants_round(&c->end->duel) || is_late(c)))
            return XL_RUN_ENOUGH;
    }
    if (c->rc != XL_OK || (stop && atomic_load(stop)))
        return XL_RUN_ABORT;
    return XL_RUN_MORE;
}

/* -- the duel ------------------------------------------------------------- */

static enum xl_status find_kept(void *ctx, const struct xl_store_fact *fact,
                                struct xl_err *err)
{
    struct contest *c = ctx;
    (void)err;
    if (strcmp(fact->scope, SCOPE) == 0 &&
        strcmp(fact->key, c->rounds->name) == 0) {
        cJSON_Delete(c->kept);
        c->kept = cJSON_Parse(fact->value);
    }
    return XL_OK;
}

/* The rounds that an earlier start of this duel ran, one look after the other
 * as they were run. */
static enum xl_status replay(struct contest *c)
{
    struct xl_duel *duel = &c->end->duel;
    for (const cJSON *r = c->kept->child; r && !duel->is_over; r = r->next) {
        read_lap(&c->laps[0], cJSON_GetArrayItem(r, 0));
        read_lap(&c->laps[1], cJSON_GetArrayItem(r, 1));
        XL_TRY(take_round(c));
        if (r->next && !xl_duel_wants_round(duel))
            XL_TRY(xl_duel_look(duel, c->err));
    }
    return XL_OK;
}

/* As many rounds as the next look takes. */
static enum xl_status run_request(struct contest *c)
{
    const struct xl_runner *runner = &c->sweep->runner;
    struct xl_rounds_end *end = c->end;
    struct xl_run_end run;
    struct xl_run_request request = {
        .params = c->rounds->sides[0],
        .against = c->rounds->sides[1],
        .first_rep = end->duel.samples.n,
        .reps = xl_duel_room(&end->duel),
        .load = c->rounds->is_whole ? (struct xl_load){ 0 } : c->sweep->load,
        .on_sample = on_sample,
        .ctx = c,
    };
    uint64_t start_ns = xl_clock_ns();
    size_t ran = c->ran;
    tell_round(c);
    XL_TRY(runner->measure(runner->ctx, &request, &run, c->err));
    XL_TRY(c->rc);
    if (run.outcome == XL_RUN_OK)
        xl_pace_lap(c->sweep->pace, xl_clock_ns() - start_ns,
                    XL_SIDES * (c->ran - ran), c->rounds->is_whole);
    if (run.outcome == XL_RUN_STOPPED &&
        xl_sweep_stopped(c->sweep) == XL_ETIMEOUT) {
        end->is_cut = true;
        return XL_OK;
    }
    end->outcome = run.outcome;
    memcpy(end->reason, run.reason, sizeof end->reason);
    if (run.outcome == XL_RUN_OK && xl_duel_wants_round(&end->duel) &&
        !is_late(c) && end->duel.samples.n == request.first_rep) {
        end->outcome = XL_RUN_FAILED;
        snprintf(end->reason, sizeof end->reason, "no round came back");
    }
    return XL_OK;
}

static enum xl_status hold(struct contest *c)
{
    struct xl_duel *duel = &c->end->duel;
    XL_TRY(xl_query_facts(c->sweep->store, find_kept, c, c->err));
    if (!cJSON_IsArray(c->kept)) {
        cJSON_Delete(c->kept);
        c->kept = cJSON_CreateArray();
    }
    XL_TRY(replay(c));
    while (!duel->is_over && c->end->outcome == XL_RUN_OK) {
        if (xl_duel_wants_round(duel) && !is_late(c))
            XL_TRY(run_request(c));
        else
            XL_TRY(xl_duel_look(duel, c->err));
    }
    return XL_OK;
}

enum xl_status xl_rounds_run(const struct xl_sweep *sweep,
                             const struct xl_rounds *rounds,
                             struct xl_rounds_end *end, struct xl_err *err)
{
    struct contest c = { .sweep = sweep,
                         .rounds = rounds,
                         .end = end,
                         .start_ns = xl_clock_ns(),
                         .err = err };
    *end = (struct xl_rounds_end){ .outcome = XL_RUN_OK };
    XL_TRY(xl_duel_init(&end->duel, &rounds->rules, err));
    enum xl_status rc = hold(&c);
    cJSON_Delete(c.kept);
    return rc;
}

void xl_rounds_release(struct xl_rounds_end *end)
{
    xl_duel_release(&end->duel);
    for (size_t i = 0; i < XL_SIDES; i++)
        xl_laps_release(&end->laps[i]);
}

/* -- grading -------------------------------------------------------------- */

enum xl_status xl_rounds_grade(const struct xl_sweep *sweep,
                               const struct xl_grading *grading,
                               struct xl_machine_grade *grade,
                               struct xl_err *err)
{
    struct xl_rounds rounds = {
        .name = grading->name,
        .sides = { grading->params, grading->params },
        .rules = { .rounds = grading->rounds },
        .limit_ns = (uint64_t)GRADE_LIMIT_S * 1000000000u,
        .phase = grading->phase,
    };
    struct xl_rounds_end end;
    *grade = (struct xl_machine_grade){ .letter = '-' };
    if (grading->rounds == 0)
        return XL_OK;
    enum xl_status rc = xl_rounds_run(sweep, &rounds, &end, err);
    if (rc == XL_OK && end.outcome == XL_RUN_STOPPED)
        rc = XL_EINTERRUPTED;
    if (rc == XL_OK && end.outcome == XL_RUN_OK) {
        xl_machine_grade_of(grade, &end.duel);
        if (grading->learn)
            xl_race_grade(sweep->race, end.laps, XL_SIDES);
    }
    xl_rounds_release(&end);
    return rc;
}
