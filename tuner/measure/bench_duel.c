/* SPDX-License-Identifier: Apache-2.0
 *
 * The duel of duel.h on plans of this process. */
#include "tuner/measure/bench_duel.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"

enum {
    NAME_ROOM = 64,
    TEXT_ROOM = 256
};

/* -- rounds --------------------------------------------------------------- */

static enum xl_status run_round(const struct xl_bench_duel_job *job,
                                struct xl_state *state, struct xl_duel *duel,
                                struct xl_err *err)
{
    struct xl_speeds row = { .value = { (double)NAN, (double)NAN } };
    size_t first = xl_round_first(duel->samples.n);
    for (size_t i = 0; i < XL_SIDES; i++) {
        size_t side = (first + i) % XL_SIDES;
        struct xl_run_sample sample;
        XL_TRY(xl_trial_run(job->plans[side], job->model, state, &job->workload,
                            &sample, err));
        row.tok_s[side][XL_SPEED_PREFILL] = xl_sample_prefill_tok_s(&sample);
        row.tok_s[side][XL_SPEED_DECODE] = xl_sample_decode_tok_s(&sample);
        if (job->value)
            row.value[side] = job->value(job->value_ctx, &sample);
        row.dirt |= sample.dirt;
    }
    xl_duel_add(duel, &row);
    if (job->progress)
        job->progress(job->progress_ctx, duel->samples.n, duel->samples.wanted);
    return XL_OK;
}

static enum xl_status run_looks(const struct xl_bench_duel_job *job,
                                struct xl_state *state, struct xl_duel *duel,
                                struct xl_err *err)
{
    struct xl_steady warm_up;
    for (size_t i = 0; i < XL_SIDES; i++)
        XL_TRY(xl_trial_warm_up(job->plans[i], job->model, state,
                                &job->workload, &warm_up, err));
    while (!duel->is_over) {
        while (xl_duel_wants_round(duel))
            XL_TRY(run_round(job, state, duel, err));
        XL_TRY(xl_duel_look(duel, err));
    }
    return XL_OK;
}

enum xl_status xl_bench_duel_run(const struct xl_bench_duel_job *job,
                                 struct xl_duel *duel, struct xl_err *err)
{
    struct xl_duel_rules rules = { .rounds = job->rounds,
                                   .is_challenge = job->is_challenge };
    struct xl_state state;
    *duel = (struct xl_duel){ .is_over = false };
    XL_TRY(xl_state_init(&state, xl_model_config(job->model), err));
    enum xl_status rc = xl_duel_init(duel, &rules, err);
    if (rc == XL_OK)
        rc = run_looks(job, &state, duel, err);
    xl_state_release(&state);
    return rc;
}

/* -- verdicts ------------------------------------------------------------- */

enum xl_status xl_bench_duel_status(const struct xl_duel *duel, bool strict,
                                    struct xl_err *err)
{
    if (strict && !xl_samples_are_quiet(&duel->samples))
        return xl_fail(err, XL_EUNFIT,
                       "the machine was not quiet: %zu of %zu rounds were "
                       "disturbed",
                       duel->samples.n - xl_samples_quiet(&duel->samples),
                       duel->samples.n);
    for (size_t i = 0; i < XL_SPEED_COUNT; i++)
        if (duel->verdicts[i] == XL_DUEL_SLOWER)
            return xl_fail(err, XL_ESLOWER,
                           "the first is slower in %s: ratio %.4f [%.4f, %.4f]",
                           xl_speed_name((enum xl_speed)i),
                           duel->ratio[i].median, duel->ratio[i].lo,
                           duel->ratio[i].hi);
    if (strict && !xl_duel_is_decided(duel))
        return xl_fail(err, XL_EUNPROVED,
                       "the rounds do not resolve which is faster");
    return XL_OK;
}

/* -- sides ---------------------------------------------------------------- */

static enum xl_status add_side(struct xl_duel_sides *sides, const char *text,
                               size_t n, struct xl_err *err)
{
    if (sides->n == XL_SIDES)
        return xl_fail(err, XL_EUSAGE, "--vs names more than two sides");
    if (n == 0)
        return xl_fail(err, XL_EUSAGE, "--vs names a side without a word");
    char *copy = xl_strndup(text, n);
    if (!copy)
        return xl_fail(err, XL_ENOMEM, "out of memory for --vs");
    sides->texts[sides->n++] = copy;
    return XL_OK;
}

static bool is_pair(const char *text, size_t n)
{
    return memchr(text, '=', n) != NULL;
}

/* Length of the side that text begins with: a run of pairs, or one item. */
static size_t side_length(const char *text)
{
    size_t n = strcspn(text, ",");
    while (is_pair(text, n) && text[n] == ',' &&
           is_pair(text + n + 1, strcspn(text + n + 1, ",")))
        n += 1 + strcspn(text + n + 1, ",");
    return n;
}

enum xl_status xl_duel_sides_parse(struct xl_duel_sides *sides,
                                   const char *const *texts, size_t n,
                                   struct xl_err *err)
{
    enum xl_status rc = XL_OK;
    *sides = (struct xl_duel_sides){ 0 };
    for (size_t i = 0; i < n && rc == XL_OK; i++) {
        const char *at = texts[i];
        for (bool more = true; more && rc == XL_OK;) {
            size_t length = side_length(at);
            rc = add_side(sides, at, length, err);
            at += length;
            more = *at == ',';
            at += more;
        }
    }
    if (rc != XL_OK)
        xl_duel_sides_release(sides);
    return rc;
}

void xl_duel_sides_release(struct xl_duel_sides *sides)
{
    for (size_t i = 0; i < XL_SIDES; i++)
        xl_free(sides->texts[i]);
    *sides = (struct xl_duel_sides){ 0 };
}

static enum xl_status apply_pair(const char *pair, size_t n,
                                 struct xl_params *params, struct xl_err *err)
{
    char name[NAME_ROOM], value[NAME_ROOM];
    const char *equals = memchr(pair, '=', n);
    size_t n_name = equals ? (size_t)(equals - pair) : n;
    size_t n_value = n - n_name - (equals != NULL);
    if (!equals || n_name >= sizeof name || n_value >= sizeof value)
        return xl_fail(err, XL_EUSAGE, "'%.*s' of --vs is not name=value",
                       (int)n, pair);
    memcpy(name, pair, n_name);
    name[n_name] = '\0';
    memcpy(value, equals + 1, n_value);
    value[n_value] = '\0';
    enum xl_param id = xl_param_find(name);
    if (id == XL_PARAM_COUNT)
        return xl_fail(err, XL_EUSAGE, "'%s' of --vs is no tunable", name);
    return xl_params_set(params, id, value, XL_LAYER_FLAG, "--vs", err);
}

enum xl_status xl_duel_side_apply(const char *side, struct xl_params *params,
                                  struct xl_err *err)
{
    char path[TEXT_ROOM + 32];
    if (strcmp(side, "defaults") == 0) {
        xl_params_init(params);
        return XL_OK;
    }
    if (xl_io_exists(side))
        return xl_params_load(params, side, XL_LAYER_CONFIG, NULL, err);
    if (is_pair(side, strlen(side))) {
        for (const char *at = side; *at;) {
            size_t n = strcspn(at, ",");
            XL_TRY(apply_pair(at, n, params, err));
            at += n + (at[n] == ',');
        }
        return XL_OK;
    }
    if (strlen(side) >= TEXT_ROOM)
        return xl_fail(err, XL_EUSAGE, "the path in --vs is too long");
    snprintf(path, sizeof path, "configs/%s.json", side);
    if (xl_io_exists(path))
        return xl_params_load(params, path, XL_LAYER_PROFILE, NULL, err);
    return xl_fail(err, XL_EUSAGE,
                   "--vs '%s' is neither a file, nor ./configs/%s.json, nor a "
                   "list of name=value",
                   side, side);
}
