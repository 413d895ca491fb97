/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass of the candidate over the text, held row by row against the
 * reference. The text goes in pieces with the state carried, as in use, and
 * at no time are the logits of more than one piece held for the candidate.
 *
 *     |-- prefill --|steps|  look  |-- prefill --|steps|  look ...
 *
 * Before the steps the state is forked and the same tokens go through the
 * candidate's prefill too: its own two paths must agree. */
#include "judge/judge.h"

#include <math.h>
#include <string.h>

#include "judge/again.h"
#include "judge/drift.h"
#include "judge/interval.h"
#include "judge/own_floor.h"
#include "judge/reach.h"
#include "judge/reference.h"
#include "judge/state_error.h"
#include "judge/twin.h"
#include "kernel/base/alloc.h"
#include "kernel/base/minmax.h"
#include "kernel/base/pool.h"

enum {
    MOST_STEPS = 128,
    STEP_SHARE = 8,
    RAGGED = 11 /* so that the prefill before is no multiple of a chunk */
};

#define PIECE_BYTES ((size_t)128 << 20) /* logits of one piece */

struct xl_judge {
    struct xl_judge_text text;
    const struct xl_config *config; /* of the reference */
    struct xl_model *model;
    struct xl_judge_options options;
    size_t vocab, most_piece, tries;
    struct xl_params naive, reference_params;
    struct xl_reference *reference;
    struct xl_twins twins;
    struct xl_own_floors floors;
    struct xl_pool *pool;                /* of comparing rows */
    struct xl_drift *drift, *twin_drift; /* twin_drift: NULL until needed */
    struct xl_looks looks;
    size_t look_end;   /* of the look under way */
    float *piece;      /* [piece_room][vocab] */
    size_t piece_room; /* tokens */
    float *prefilled;  /* [MOST_STEPS][vocab] */
};

void xl_judge_free(struct xl_judge *judge)
{
    if (!judge)
        return;
    xl_reference_free(judge->reference);
    xl_twins_release(&judge->twins);
    xl_own_floors_release(&judge->floors);
    xl_drift_free(judge->drift);
    xl_drift_free(judge->twin_drift);
    xl_pool_free(judge->pool);
    xl_judge_text_release(&judge->text);
    xl_free(judge->piece);
    xl_free(judge->prefilled);
    xl_free(judge);
}

/* -- making ---------------------------------------------------------------- */

static enum xl_status copy_text(struct xl_judge *judge,
                                const struct xl_judge_text *text,
                                struct xl_err *err)
{
    struct xl_judge_text *copy = &judge->text;
    size_t n = text->ids.n;
    for (size_t i = 0; i < n; i++)
        XL_TRY(xl_ids_add(&copy->ids, text->ids.data[i], err));
    copy->is_random = text->is_random;
    memcpy(copy->hash, text->hash, sizeof copy->hash);
    if (!text->token_bytes)
        return XL_OK;
    copy->token_bytes = xl_alloc(n);
    if (!copy->token_bytes)
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu tokens", n);
    memcpy(copy->token_bytes, text->token_bytes, n);
    return XL_OK;
}

/* Of a reference only what this look, or a floor, asks for is computed. */
static void tell_reference(void *ctx, const char *what, size_t done, size_t of)
{
    const struct xl_judge *judge = ctx;
    size_t floor_end = xl_min(of, XL_OWN_FLOOR_TOKENS);
    xl_watch_tell(&judge->options.watch, what, done,
                  done > judge->look_end ? floor_end : judge->look_end);
}

static enum xl_status make_reference(struct xl_judge *judge, struct xl_err *err)
{
    const struct xl_judge_options *o = &judge->options;
    xl_judge_reference(&judge->naive);
    judge->reference_params = o->reference ? *o->reference : judge->naive;
    struct xl_reference_spec spec = {
        .model = judge->model,
        .params = &judge->reference_params,
        .tokens = judge->text.ids.data,
        .n = judge->text.ids.n,
        .text_hash = judge->text.hash,
        .room_bytes = o->room_bytes,
        .piece = judge->most_piece,
        .folder = o->folder,
        .watch = { tell_reference, judge },
    };
    XL_TRY(xl_reference_make(&judge->reference, &spec, err));
    struct xl_reference_spec own = spec; /* whose rows end where it says */
    own.watch = o->watch;
    spec.params = &judge->naive;
    xl_twins_init(&judge->twins, &spec);
    xl_own_floors_init(&judge->floors, &own,
                       &(struct xl_own_floor_loan){
                           judge->reference, &judge->twins, judge->pool });
    return XL_OK;
}

static void set_most_piece(struct xl_judge *judge)
{
    size_t most = PIECE_BYTES / sizeof(float) / judge->vocab;
    if (most > judge->text.ids.n)
        most = judge->text.ids.n;
    judge->most_piece = most > MOST_STEPS ? most : MOST_STEPS;
}

enum xl_status xl_judge_make(struct xl_judge **out, struct xl_model *model,
                             const struct xl_judge_text *text,
                             const struct xl_judge_options *options,
                             struct xl_err *err)
{
    enum xl_status rc;
    *out = NULL;
    if (text->ids.n < 2)
        return xl_fail(err, XL_EUSAGE, "nothing to judge: %zu token",
                       text->ids.n);
    struct xl_judge *judge = xl_alloc_zero(1, sizeof *judge);
    if (!judge)
        return xl_fail(err, XL_ENOMEM, "out of memory making a judge");
    judge->model = model;
    judge->config = xl_model_config(model);
    judge->vocab = judge->config->vocab;
    if (options)
        judge->options = *options;
    judge->tries = judge->options.tries ? judge->options.tries : 1;
    XL_TRY_DONE(rc, copy_text(judge, text, err));
    XL_TRY_DONE(
        rc, xl_pool_make(&judge->pool, &(struct xl_pool_options){ 0 }, err));
    xl_looks_plan(&judge->looks, judge->text.ids.n, judge->options.screen,
                  judge->options.full);
    set_most_piece(judge);
    XL_TRY_DONE(rc,
                xl_drift_make(&judge->drift, judge->vocab, judge->text.ids.data,
                              judge->text.ids.n, err));
    judge->prefilled = xl_alloc_floats(MOST_STEPS, judge->vocab);
    if (!judge->prefilled) {
        rc = xl_fail(err, XL_ENOMEM, "out of memory making a judge");
        goto done;
    }
    XL_TRY_DONE(rc, make_reference(judge, err));
    judge->options.reference = NULL; /* borrowed, and not needed any more */
    *out = judge;
done:
    if (rc != XL_OK)
        xl_judge_free(judge);
    return rc;
}

const struct xl_judge_text *xl_judge_reads(const struct xl_judge *judge)
{
    return &judge->text;
}

/* -- one judgement --------------------------------------------------------- */

/* A judgement under way. */
struct trial {
    struct xl_judge *judge;
    const struct xl_subject *subject;
    struct xl_state state, fork;
    bool same_shape; /* as the reference's state */
    size_t at, piece, steps;
    struct xl_again again;
    double step_kl;            /* sum over steps */
    struct xl_reference *twin; /* of rounded weights, or NULL */
    struct xl_state_error *blocks, *twin_blocks; /* worst of each block */
    struct xl_judgement *out;
};

static enum xl_status open_twin(struct trial *t, struct xl_err *err)
{
    struct xl_judge *judge = t->judge;
    if (!t->subject->params)
        return XL_OK;
    XL_TRY(xl_twins_get(&judge->twins, t->subject->params, &t->twin, err));
    if (t->twin && !judge->twin_drift)
        XL_TRY(xl_drift_make(&judge->twin_drift, judge->vocab,
                             judge->text.ids.data, judge->text.ids.n, err));
    if (t->twin) {
        xl_reference_rewind(t->twin);
        xl_drift_clear(judge->twin_drift);
    }
    return XL_OK;
}

static enum xl_status open_trial(struct trial *t, struct xl_err *err)
{
    struct xl_judge *judge = t->judge;
    const struct xl_config *config = t->subject->config;
    if (config->vocab != judge->vocab)
        return xl_fail(err, XL_EUSAGE,
                       "the candidate has a vocabulary of %zu, the reference "
                       "of %zu",
                       config->vocab, judge->vocab);
    XL_TRY(xl_state_init(&t->state, config, err));
    XL_TRY(xl_state_init(&t->fork, config, err));
    if (t->subject->prompt && t->subject->batch)
        XL_TRY(xl_again_init(&t->again, config, err));
    t->blocks = xl_alloc_zero(2 * judge->config->blocks, sizeof *t->blocks);
    if (!t->blocks)
        return xl_fail(err, XL_ENOMEM, "out of memory for a judgement");
    t->twin_blocks = t->blocks + judge->config->blocks;
    t->piece = t->subject->piece;
    if (t->piece > judge->most_piece)
        t->piece = judge->most_piece;
    if (t->piece == 0)
        t->piece = 1;
    size_t room = t->piece;
    if (room > judge->piece_room) {
        xl_free(judge->piece);
        judge->piece_room = 0;
        judge->piece = xl_alloc_floats(room, judge->vocab);
        if (!judge->piece)
            return xl_fail(err, XL_ENOMEM,
                           "out of memory for the logits of %zu tokens", room);
        judge->piece_room = room;
    }
    xl_drift_clear(judge->drift);
    xl_reference_rewind(judge->reference);
    return open_twin(t, err);
}

static bool has_same_shape(const struct xl_config *a, const struct xl_config *b)
{
    return a->arch == b->arch && a->blocks == b->blocks &&
           a->heads == b->heads && a->dk == b->dk && a->dv == b->dv &&
           a->width == b->width && a->inner == b->inner &&
           a->conv_kernel == b->conv_kernel &&
           a->slstm_conv_kernel == b->slstm_conv_kernel &&
           memcmp(a->is_slstm, b->is_slstm, sizeof a->is_slstm) == 0;
}

static void forward(const struct trial *t, struct xl_state *state, size_t at,
                    size_t n, float *logits)
{
    t->subject->forward(
        t->subject->ctx, state,
        &(struct xl_pass){
            .tokens = t->judge->text.ids.data + at, .n = n, .logits = logits });
}

/* One pass of n tokens, compared. */
static enum xl_status run_piece(struct trial *t, size_t n, struct xl_err *err)
{
    struct xl_judge *judge = t->judge;
    const float *reference;
    XL_TRY(xl_reference_rows(judge->reference, t->at, n, &reference, err));
    forward(t, &t->state, t->at, n, judge->piece);
    xl_drift_add(judge->drift, reference, judge->piece, n, judge->pool);
    if (t->twin) {
        XL_TRY(xl_reference_rows(t->twin, t->at, n, &reference, err));
        xl_drift_add(judge->twin_drift, reference, judge->piece, n,
                     judge->pool);
    }
    t->at += n;
    xl_watch_tell(&judge->options.watch, "judge, tokens of the candidate",
                  t->at, judge->look_end);
    return XL_OK;
}

static void set_state(struct trial *t, enum xl_score_id first,
                      const struct xl_state_error *e)
{
    struct xl_score *s = &t->out->scores[first];
    s[0] = xl_score_point(e->C, t->at);
    s[1] = xl_score_point(e->n, t->at);
    s[2] = xl_score_point(e->m, t->at);
}

/* Where the state is compared, beside the end: marks of a reference, and the
 * scores that are of one of them alone. */
static const struct {
    size_t at;
    enum xl_score_id first;
} columns[] = { { 1 << 10, XL_SCORE_STATE_C_1K },
                { 1 << 12, XL_SCORE_STATE_C_4K },
                { 1 << 14, XL_SCORE_STATE_C_16K } };

enum {
    COLUMNS = sizeof columns / sizeof *columns
};

static bool is_mark(const struct trial *t)
{
    size_t k = 0;
    while (k < COLUMNS && columns[k].at != t->at)
        k++;
    return k < COLUMNS || t->at == t->judge->text.ids.n;
}

/* Compares the state when the text has come to a mark. */
static void compare_state(struct trial *t)
{
    const struct xl_judge *judge = t->judge;
    if (!is_mark(t) || !t->same_shape)
        return;
    xl_state_hold(&t->state, XL_FP32); /* exact, and so is the way back */
    struct xl_state_error e = xl_state_errors(
        xl_reference_state(judge->reference, t->at), &t->state, t->blocks);
    size_t n_blocks = judge->config->blocks;
    for (size_t k = 0; k < COLUMNS; k++)
        if (columns[k].at == t->at)
            set_state(t, columns[k].first, &e);
    e = xl_state_error_worst(t->blocks, n_blocks);
    set_state(t, XL_SCORE_STATE_C, &e);
    if (!t->twin)
        return;
    xl_state_errors(xl_reference_state(t->twin, t->at), &t->state,
                    t->twin_blocks);
    e = xl_state_error_worst(t->twin_blocks, n_blocks);
    set_state(t, XL_SCORE_TWIN_STATE_C, &e);
}

/* The next position before `end` where the state is compared, or end. */
static size_t next_stop(const struct trial *t, size_t end)
{
    for (size_t k = 0; k < COLUMNS; k++)
        if (columns[k].at > t->at && columns[k].at < end)
            return columns[k].at;
    return end;
}

/* Two passes say that the state is carried, if they are as long as a prompt's
 * own; one is, however short. */
static void note_beginning(struct trial *t, size_t n)
{
    size_t row = (n - 1) * t->judge->vocab;
    size_t passes = t->piece == t->subject->piece ? 2 : 1;
    if (t->again.row && t->at <= passes * t->piece && !t->steps)
        xl_again_note(&t->again, &t->state, t->judge->piece + row);
}

static enum xl_status prefill_to(struct trial *t, size_t end,
                                 struct xl_err *err)
{
    while (t->at < end) {
        size_t left = next_stop(t, end) - t->at;
        size_t n = left < t->piece ? left : t->piece;
        XL_TRY(run_piece(t, n, err));
        note_beginning(t, n);
        compare_state(t);
    }
    return XL_OK;
}

/* Tokens one by one, after the same ones as a prefill from a fork. */
static enum xl_status step_to(struct trial *t, size_t end, struct xl_err *err)
{
    struct xl_judge *judge = t->judge;
    size_t begin = t->at;
    xl_state_copy(&t->fork, &t->state);
    for (size_t at = begin; at < end;) {
        size_t n = end - at < t->piece ? end - at : t->piece;
        forward(t, &t->fork, at, n,
                judge->prefilled + (at - begin) * judge->vocab);
        at += n;
    }
    while (t->at < end) {
        size_t row = t->at - begin;
        XL_TRY(run_piece(t, 1, err));
        t->step_kl += xl_drift_kl(judge->prefilled + row * judge->vocab,
                                  judge->piece, judge->vocab);
        t->steps++;
        compare_state(t);
    }
    return XL_OK;
}

static size_t steps_of(const struct trial *t, size_t tokens)
{
    size_t wanted = t->judge->options.steps;
    size_t steps = xl_min(wanted ? wanted : tokens / STEP_SHARE, MOST_STEPS);
    if (!wanted && steps > 2 * RAGGED)
        steps -= RAGGED;
    return xl_min(steps, tokens);
}

/* What the arithmetic adds to the rounding of the weights. */
static enum xl_status set_twin_scores(const struct trial *t,
                                      const struct xl_drift_options *options,
                                      struct xl_err *err)
{
    struct xl_score scores[XL_SCORE_COUNT];
    xl_scores_clear(scores);
    XL_TRY(xl_drift_scores(t->judge->twin_drift, options, scores, err));
    t->out->scores[XL_SCORE_TWIN_KL] = scores[XL_SCORE_KL_MEAN];
    t->out->scores[XL_SCORE_TWIN_DLOSS] = scores[XL_SCORE_DLOSS];
    t->out->scores[XL_SCORE_TWIN_TOP1] = scores[XL_SCORE_TOP1];
    return XL_OK;
}

enum xl_status xl_judge_rule(struct xl_judge *judge, enum xl_tier tier,
                             const struct xl_inputs *inputs,
                             const struct xl_score *scores,
                             struct xl_ruling *ruling, struct xl_err *err)
{
    const struct xl_own_floor *floor;
    xl_gate_rule(tier, scores, NULL, ruling);
    if (!xl_ruling_wants_floor(ruling, scores))
        return XL_OK;
    XL_TRY(xl_own_floors_get(&judge->floors, tier, inputs, &floor, err));
    if (floor)
        xl_gate_rule(tier, scores, floor->scores, ruling);
    return XL_OK;
}

/* Of a sensitive model every block is held to its own floor as well. */
static enum xl_status rule_blocks(struct trial *t, enum xl_tier tier,
                                  struct xl_err *err)
{
    struct xl_score *scores = t->out->scores;
    const struct xl_own_floor *floor = NULL;
    xl_gate_rule(tier, scores, NULL, &t->out->ruling);
    if (scores[XL_SCORE_STATE_C].is_known &&
        xl_ruling_wants_floor(&t->out->ruling, scores))
        XL_TRY(xl_own_floors_get(&t->judge->floors, tier, &t->subject->inputs,
                                 &floor, err));
    if (floor)
        xl_own_floor_hold(floor, tier, t->blocks,
                          t->twin ? t->twin_blocks : NULL, scores);
    return XL_OK;
}

/* The verdict on what has been seen. */
static enum xl_status rule(struct trial *t, enum xl_tier tier,
                           struct xl_err *err)
{
    struct xl_judge *judge = t->judge;
    struct xl_judgement *out = t->out;
    struct xl_drift_options options = {
        .block = judge->options.block,
        .token_bytes = judge->text.token_bytes,
        .rows = t->at,
        .level = xl_interval_level(judge->looks.n * judge->tries),
    };
    XL_TRY(xl_drift_scores(judge->drift, &options, out->scores, err));
    if (t->twin)
        XL_TRY(set_twin_scores(t, &options, err));
    if (t->steps)
        out->scores[XL_SCORE_STEP_KL] =
            xl_score_point(t->step_kl / (double)t->steps, t->steps);
    out->n_tokens = t->at;
    out->steps = t->steps;
    out->piece = t->piece;
    if (out->looks++ == 0 && t->at > t->again.at)
        xl_again_run(&t->again, t->subject, judge->text.ids.data, out->scores);
    XL_TRY(rule_blocks(t, tier, err));
    XL_TRY(xl_judge_rule(judge, tier, &t->subject->inputs, out->scores,
                         &out->ruling, err));
    out->is_screen = t->at < judge->looks.least_pass;
    if (out->is_screen)
        xl_ruling_hold(&out->ruling, t->at);
    return XL_OK;
}

static enum xl_status run_looks(struct trial *t, enum xl_tier tier,
                                size_t n_looks, struct xl_err *err)
{
    struct xl_judge *judge = t->judge;
    for (size_t i = 0; i < n_looks; i++) {
        size_t end = judge->looks.ends[i];
        judge->look_end = end;
        size_t steps = steps_of(t, end - t->at);
        XL_TRY(prefill_to(t, end - steps, err));
        XL_TRY(step_to(t, end, err));
        XL_TRY(rule(t, tier, err));
        if (t->out->ruling.verdict != XL_VERDICT_INCONCLUSIVE)
            break;
    }
    return XL_OK;
}

static enum xl_status judge_looks(struct xl_judge *judge,
                                  const struct xl_subject *subject,
                                  enum xl_tier tier, size_t n_looks,
                                  struct xl_judgement *out, struct xl_err *err)
{
    struct trial t = {
        .judge = judge,
        .subject = subject,
        .same_shape = has_same_shape(judge->config, subject->config),
        .out = out,
    };
    *out = (struct xl_judgement){ 0 };
    memcpy(out->text_hash, judge->text.hash, sizeof out->text_hash);
    xl_scores_clear(out->scores);
    enum xl_status rc = open_trial(&t, err);
    if (rc == XL_OK)
        rc = run_looks(&t, tier, n_looks, err);
    xl_state_release(&t.state);
    xl_state_release(&t.fork);
    xl_again_release(&t.again);
    xl_free(t.blocks);
    return rc;
}

enum xl_status xl_judge_subject(struct xl_judge *judge,
                                const struct xl_subject *subject,
                                enum xl_tier tier, struct xl_judgement *out,
                                struct xl_err *err)
{
    return judge_looks(judge, subject, tier, judge->looks.n, out, err);
}

enum xl_status xl_judge_plan(struct xl_judge *judge, struct xl_plan *candidate,
                             enum xl_tier tier, struct xl_judgement *out,
                             struct xl_err *err)
{
    struct xl_subject subject = xl_subject_of_plan(candidate, judge->config);
    return xl_judge_subject(judge, &subject, tier, out, err);
}

enum xl_status xl_judge_config(struct xl_judge *judge,
                               const struct xl_params *candidate,
                               enum xl_tier tier, struct xl_judgement *out,
                               struct xl_err *err)
{
    struct xl_plan *plan;
    XL_TRY(xl_plan_make(&plan, judge->model, candidate, err));
    enum xl_status rc = xl_judge_plan(judge, plan, tier, out, err);
    xl_plan_free(plan);
    return rc;
}

enum xl_status xl_judge_screen(struct xl_judge *judge,
                               const struct xl_subject *subject,
                               enum xl_tier tier, struct xl_judgement *out,
                               struct xl_err *err)
{
    XL_TRY(judge_looks(judge, subject, tier, 1, out, err));
    xl_ruling_hold(&out->ruling, out->n_tokens);
    out->is_screen = true;
    return XL_OK;
}
