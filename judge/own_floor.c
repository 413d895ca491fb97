/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows are held against each other as they come. Those that the judge's own
 * reference and twin keep are read there: they are the same, for a row depends
 * on nothing that comes after it. */
#include "judge/own_floor_int.h"

#include <math.h>

#include "judge/drift.h"
#include "judge/judge.h"
#include "kernel/base/alloc.h"
#include "kernel/base/minmax.h"

/* What a tier rounds; weights NULL = nothing. */
static const struct rounded {
    const char *weights; /* of weight_dtype */
    enum xl_rounding inputs;
} rounded[XL_TIER_COUNT] = {
#define XL_ROUND(tier, weights, inputs)                                        \
    [XL_TIER_##tier] = { weights, XL_ROUNDING_##inputs },
#include "judge/tier.def"
};

/* Three readers of one text: each is the one before with more rounded. Rows
 * of BOTH are read first, for the check. */
enum {
    PLAIN,
    TWIN, /* weights */
    BOTH, /* weights and inputs */
    READERS
};

struct work {
    const struct xl_own_floor *of; /* tier and inputs */
    struct xl_pool *pool;
    struct xl_reference_spec spec;
    struct xl_params params;               /* of rounded weights */
    struct xl_reference *readers[READERS]; /* TWIN may be NULL */
    struct xl_reference *own[READERS];     /* of them, made here */
    struct xl_drift *drifts[READERS]; /* of BOTH from the others; or NULL */
    struct xl_state_error *states[READERS]; /* [blocks] of the floor */
    size_t steps;   /* tokens at the end that are rounded as steps */
    double step_kl; /* summed over them */
};

static void release(struct work *w)
{
    for (size_t i = 0; i < READERS; i++) {
        xl_reference_free(w->own[i]);
        xl_drift_free(w->drifts[i]);
    }
}

static enum xl_rounding coarser(enum xl_rounding a, enum xl_rounding b)
{
    return a > b ? a : b;
}

/* Steps go on from what prefill has left: what they show is at least that. */
static enum xl_status open_reader(struct work *w, size_t i, struct xl_err *err)
{
    struct xl_reference_spec spec = w->spec;
    if (i != PLAIN)
        spec.params = &w->params;
    if (i == BOTH) {
        const struct xl_inputs *inputs = &w->of->inputs;
        spec.rounding = inputs->prefill;
        spec.step_rounding = coarser(inputs->prefill, inputs->decode);
        spec.steps = w->steps;
    }
    XL_TRY(xl_reference_make(&w->own[i], &spec, err));
    w->readers[i] = w->own[i];
    return XL_OK;
}

static enum xl_status set_specs(struct work *w,
                                const struct xl_reference_spec *spec,
                                struct xl_err *err)
{
    size_t n = xl_min(spec->n, XL_OWN_FLOOR_TOKENS);
    size_t begin = n - xl_min(n / 8, XL_OWN_FLOOR_STEPS);
    w->steps = n - begin / XL_REFERENCE_PASS * XL_REFERENCE_PASS;
    w->spec = *spec;
    w->spec.n = n;
    w->spec.piece = XL_REFERENCE_PASS;
    w->spec.room_bytes = 1; /* rows pass by */
    w->spec.folder = NULL;
    w->params = *spec->params;
    return xl_param_parse(XL_PARAM_WEIGHT_DTYPE, rounded[w->of->tier].weights,
                          &w->params.value[XL_PARAM_WEIGHT_DTYPE], err);
}

/* A reader that BOTH is held against: the judge's when it keeps its rows. */
static enum xl_status open_other(struct work *w, size_t i,
                                 struct xl_reference *lent, struct xl_err *err)
{
    if (lent && xl_reference_keeps(lent))
        w->readers[i] = lent;
    else
        XL_TRY(open_reader(w, i, err));
    return xl_drift_make(&w->drifts[i], xl_model_config(w->spec.model)->vocab,
                         w->spec.tokens, w->spec.n, err);
}

static enum xl_status open_others(struct work *w,
                                  const struct xl_own_floors *floors,
                                  struct xl_err *err)
{
    struct xl_reference *twin = NULL;
    XL_TRY(open_other(w, PLAIN, floors->loan.reference, err));
    if (w->of->tier < XL_TIER_Q8)
        return XL_OK;
    if (floors->loan.twins)
        XL_TRY(xl_twins_get(floors->loan.twins, &w->params, &twin, err));
    return open_other(w, TWIN, twin, err);
}

/* -- reading --------------------------------------------------------------- */

static enum xl_status compare_rows(struct work *w, size_t at, size_t n,
                                   struct xl_err *err)
{
    size_t vocab = xl_model_config(w->spec.model)->vocab;
    const float *got, *want = NULL;
    XL_TRY(xl_reference_rows(w->readers[BOTH], at, n, &got, err));
    for (size_t i = 0; i < BOTH; i++) {
        if (!w->readers[i])
            continue;
        XL_TRY(xl_reference_rows(w->readers[i], at, n, &want, err));
        xl_drift_add(w->drifts[i], want, got, n, w->pool);
    }
    for (size_t i = 0; i < n && at + w->steps >= w->spec.n; i++)
        w->step_kl += xl_drift_kl(want + i * vocab, got + i * vocab, vocab);
    return XL_OK;
}

static void compare_states(struct work *w, size_t at)
{
    const struct xl_state *got = xl_reference_state(w->readers[BOTH], at);
    for (size_t i = 0; i < BOTH; i++)
        if (w->readers[i])
            xl_state_errors(xl_reference_state(w->readers[i], at), got,
                            w->states[i]);
}

static enum xl_status read_all(struct work *w, struct xl_err *err)
{
    size_t marks[XL_REFERENCE_MARKS], n = w->spec.n;
    size_t n_marks = xl_reference_marks(n, marks);
    for (size_t at = 0; at < n; at += XL_REFERENCE_PASS) {
        size_t left = n - at, most = XL_REFERENCE_PASS;
        XL_TRY(compare_rows(w, at, left < most ? left : most, err));
    }
    for (size_t i = 0; i < n_marks; i++)
        compare_states(w, marks[i]);
    return XL_OK;
}

/* -- scores ---------------------------------------------------------------- */

static enum xl_status score(const struct work *w, size_t reader,
                            struct xl_score scores[XL_SCORE_COUNT],
                            struct xl_err *err)
{
    const struct xl_drift_options options = { 0 };
    struct xl_state_error e = xl_state_error_worst(
        w->states[reader], xl_model_config(w->spec.model)->blocks);
    size_t n = w->spec.n;
    xl_scores_clear(scores);
    XL_TRY(xl_drift_scores(w->drifts[reader], &options, scores, err));
    scores[XL_SCORE_STATE_C] = xl_score_point(e.C, n);
    scores[XL_SCORE_STATE_N] = xl_score_point(e.n, n);
    scores[XL_SCORE_STATE_M] = xl_score_point(e.m, n);
    scores[XL_SCORE_STATE_GAIN] = xl_score_point(e.gain, n);
    return XL_OK;
}

static enum xl_status set_scores(const struct work *w,
                                 struct xl_own_floor *floor, struct xl_err *err)
{
    static const struct {
        enum xl_score_id twin, of;
    } pairs[] = {
        { XL_SCORE_TWIN_KL, XL_SCORE_KL_MEAN },
        { XL_SCORE_TWIN_DLOSS, XL_SCORE_DLOSS },
        { XL_SCORE_TWIN_TOP1, XL_SCORE_TOP1 },
        { XL_SCORE_TWIN_STATE_C, XL_SCORE_STATE_C },
        { XL_SCORE_TWIN_STATE_N, XL_SCORE_STATE_N },
        { XL_SCORE_TWIN_STATE_M, XL_SCORE_STATE_M },
        { XL_SCORE_TWIN_STATE_GAIN, XL_SCORE_STATE_GAIN },
    };
    struct xl_score twin[XL_SCORE_COUNT];
    XL_TRY(score(w, PLAIN, floor->scores, err));
    XL_TRY(score(w, w->readers[TWIN] ? TWIN : PLAIN, twin, err));
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        floor->scores[pairs[i].twin] = twin[pairs[i].of];
    floor->scores[XL_SCORE_STEP_KL] =
        xl_score_point(w->step_kl / (double)w->steps, w->steps);
    floor->tokens = w->spec.n;
    return XL_OK;
}

static enum xl_status take_blocks(struct xl_own_floor *floor, size_t n,
                                  struct xl_err *err)
{
    floor->n_blocks = n;
    floor->blocks = xl_alloc_zero(2 * n, sizeof *floor->blocks);
    if (!floor->blocks)
        return xl_fail(err, XL_ENOMEM, "out of memory for a model's floor");
    floor->twin_blocks = floor->blocks + n;
    return XL_OK;
}

/* The hash of the first rounded rows, by which a kept floor is believed. */
static enum xl_status set_check(struct work *w, char check[XL_HASH_TEXT],
                                struct xl_err *err)
{
    size_t most = XL_REFERENCE_PASS, n = w->spec.n < most ? w->spec.n : most;
    const float *rows;
    XL_TRY(open_reader(w, BOTH, err));
    XL_TRY(xl_reference_rows(w->readers[BOTH], 0, n, &rows, err));
    xl_hash(check, rows,
            n * xl_model_config(w->spec.model)->vocab * sizeof *rows);
    return XL_OK;
}

static enum xl_status measure(struct xl_own_floors *floors,
                              struct xl_own_floor *floor, struct xl_err *err)
{
    struct xl_reference_spec all = floors->spec, *spec = &all;
    struct work w = { .of = floor, .pool = floors->loan.pool };
    char check[XL_HASH_TEXT];
    enum xl_status rc;
    size_t blocks = xl_model_config(spec->model)->blocks;
    spec->params = &floors->params;
    XL_TRY_DONE(rc, take_blocks(floor, blocks, err));
    w.states[PLAIN] = floor->blocks;
    w.states[TWIN] = floor->twin_blocks;
    XL_TRY_DONE(rc, set_specs(&w, spec, err));
    XL_TRY_DONE(rc, set_check(&w, check, err));
    if (xl_own_floor_load(floor, spec, check))
        goto done;
    XL_TRY_DONE(rc, open_others(&w, floors, err));
    XL_TRY_DONE(rc, read_all(&w, err));
    XL_TRY_DONE(rc, set_scores(&w, floor, err));
    xl_own_floor_save(floor, spec, check);
done:
    release(&w);
    return rc;
}

/* -- those of a judge ------------------------------------------------------ */

void xl_own_floors_init(struct xl_own_floors *floors,
                        const struct xl_reference_spec *spec,
                        const struct xl_own_floor_loan *loan)
{
    struct xl_params naive;
    xl_judge_reference(&naive);
    *floors = (struct xl_own_floors){
        .spec = *spec,
        .params = *spec->params,
        .loan = *loan,
        .is_naive = xl_params_equal(spec->params, &naive),
    };
}

static void release_floor(struct xl_own_floor *floor)
{
    xl_free(floor->blocks);
    *floor = (struct xl_own_floor){ 0 };
}

void xl_own_floors_release(struct xl_own_floors *floors)
{
    for (size_t i = 0; i < floors->n; i++)
        release_floor(&floors->items[i]);
    floors->n = 0;
}

/* A place for what is not measured yet. */
static struct xl_own_floor *take_place(struct xl_own_floors *floors)
{
    if (floors->n == XL_OWN_FLOORS)
        release_floor(&floors->items[--floors->n]);
    return &floors->items[floors->n];
}

static struct xl_own_floor *find(struct xl_own_floors *floors,
                                 enum xl_tier tier,
                                 const struct xl_inputs *inputs)
{
    for (size_t i = 0; i < floors->n; i++) {
        struct xl_own_floor *floor = &floors->items[i];
        if (floor->tier == tier && floor->inputs.prefill == inputs->prefill &&
            floor->inputs.decode == inputs->decode)
            return floor;
    }
    return NULL;
}

/* What a candidate rounds beyond its tier is its own. */
static struct xl_inputs allowed(enum xl_tier tier,
                                const struct xl_inputs *inputs)
{
    enum xl_rounding most = rounded[tier].inputs;
    return (struct xl_inputs){
        .prefill = inputs->prefill < most ? inputs->prefill : most,
        .decode = inputs->decode < most ? inputs->decode : most,
    };
}

enum xl_status xl_own_floors_get(struct xl_own_floors *floors,
                                 enum xl_tier tier,
                                 const struct xl_inputs *inputs,
                                 const struct xl_own_floor **out,
                                 struct xl_err *err)
{
    struct xl_inputs of = allowed(tier, inputs);
    *out = NULL;
    if (!rounded[tier].weights || !floors->is_naive)
        return XL_OK;
    struct xl_own_floor *floor = find(floors, tier, &of);
    if (!floor) {
        floor = take_place(floors);
        *floor = (struct xl_own_floor){ .tier = tier, .inputs = of };
        enum xl_status rc = measure(floors, floor, err);
        if (rc != XL_OK) {
            release_floor(floor);
            return rc;
        }
        floors->n++;
    }
    *out = floor;
    return XL_OK;
}

/* The gates of a state, against the reference or its twin. */
static const struct gates {
    enum xl_gate_id C, n, gain;
    enum xl_score_id over, worst_gain;
} plain_gates = { XL_GATE_STATE_C, XL_GATE_STATE_N, XL_GATE_STATE_GAIN,
                  XL_SCORE_STATE_OVER, XL_SCORE_STATE_GAIN },
  twin_gates = { XL_GATE_TWIN_STATE_C, XL_GATE_TWIN_STATE_N,
                 XL_GATE_TWIN_STATE_GAIN, XL_SCORE_TWIN_STATE_OVER,
                 XL_SCORE_TWIN_STATE_GAIN };

static void hold(const struct gates *gates, enum xl_tier tier,
                 const struct xl_state_error *errors,
                 const struct xl_state_error *floors, size_t n,
                 struct xl_score scores[XL_SCORE_COUNT])
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        const struct xl_state_error *e = &errors[i], *f = &floors[i];
        worst = fmax(worst, e->C / xl_gate_bound(gates->C, tier, f->C));
        worst = fmax(worst, e->n / xl_gate_bound(gates->n, tier, f->n));
        worst =
            fmax(worst, e->gain / xl_gate_bound(gates->gain, tier, f->gain));
    }
    scores[gates->over] = xl_score_point(worst, n);
    scores[gates->worst_gain] =
        xl_score_point(xl_state_error_worst(errors, n).gain, n);
}

void xl_own_floor_hold(const struct xl_own_floor *floor, enum xl_tier tier,
                       const struct xl_state_error *blocks,
                       const struct xl_state_error *twin_blocks,
                       struct xl_score scores[XL_SCORE_COUNT])
{
    hold(&plain_gates, tier, blocks, floor->blocks, floor->n_blocks, scores);
    if (twin_blocks)
        hold(&twin_gates, tier, twin_blocks, floor->twin_blocks,
             floor->n_blocks, scores);
}
