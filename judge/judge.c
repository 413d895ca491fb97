/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass of the candidate over the text, held row by row against the
 * reference. The text goes in pieces with the state carried, as in use, and
 * at no time are the logits of more than one piece held for the candidate.
 * The reference's are kept for the whole text when they fit: a sweep judges
 * dozens of configurations on one text, and the naive path is slow. */
#include "judge/judge.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "judge/drift.h"
#include "kernel/base/alloc.h"
#include "kernel/base/json.h"

enum {
    MOST_STEPS = 128,
    STEP_SHARE = 8
};

#define CACHE_BYTES ((size_t)256 << 20)
#define PIECE_BYTES ((size_t)128 << 20) /* logits of one piece */

struct xl_judge {
    struct xl_model *model;
    struct xl_ids ids;
    uint8_t *token_bytes; /* [ids.n] or NULL */
    char text_hash[XL_HASH_TEXT];
    size_t vocab, block, steps;
    struct xl_plan *plan;      /* of the reference; NULL once cached */
    struct xl_state reference; /* its state, when it runs in lock-step */
    struct xl_state candidate;
    float *cache;      /* [ids.n][vocab] of the reference, or NULL */
    float *piece_ref;  /* [piece_room][vocab] when there is no cache */
    float *piece;      /* [piece_room][vocab] of the candidate */
    size_t piece_room; /* tokens */
    struct xl_drift *drift;
};

void xl_judge_reference(struct xl_params *params)
{
    static const struct {
        enum xl_param id;
        const char *value;
    } naive[] = {
        { XL_PARAM_BACKEND, "native" },   { XL_PARAM_CELL, "naive" },
        { XL_PARAM_GEMM, "naive" },       { XL_PARAM_WEIGHT_DTYPE, "fp32" },
        { XL_PARAM_STATE_DTYPE, "fp32" }, { XL_PARAM_WORKERS, "1" },
        { XL_PARAM_PREFILL_BLOCK, "64" },
    };
    xl_params_init(params);
    for (size_t i = 0; i < sizeof naive / sizeof *naive; i++) {
        enum xl_status rc = xl_param_parse(naive[i].id, naive[i].value,
                                           &params->value[naive[i].id], NULL);
        assert(rc == XL_OK);
        (void)rc;
    }
}

void xl_judge_free(struct xl_judge *judge)
{
    if (!judge)
        return;
    xl_plan_free(judge->plan);
    xl_state_release(&judge->reference);
    xl_state_release(&judge->candidate);
    xl_drift_free(judge->drift);
    xl_ids_release(&judge->ids);
    xl_free(judge->token_bytes);
    xl_free(judge->cache);
    xl_free(judge->piece_ref);
    xl_free(judge->piece);
    xl_free(judge);
}

/* -- making ---------------------------------------------------------------- */

static float *floats_of(size_t rows, size_t vocab)
{
    size_t n, nbytes;
    if (!xl_mul_size(rows, vocab, &n) ||
        !xl_mul_size(n, sizeof(float), &nbytes))
        return NULL;
    return xl_alloc(nbytes);
}

static enum xl_status copy_text(struct xl_judge *judge,
                                const struct xl_judge_text *text,
                                struct xl_err *err)
{
    size_t n = text->ids.n;
    for (size_t i = 0; i < n; i++)
        XL_TRY(xl_ids_add(&judge->ids, text->ids.data[i], err));
    memcpy(judge->text_hash, text->hash, sizeof judge->text_hash);
    if (!text->token_bytes)
        return XL_OK;
    judge->token_bytes = xl_alloc(n);
    if (!judge->token_bytes)
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu tokens", n);
    memcpy(judge->token_bytes, text->token_bytes, n);
    return XL_OK;
}

/* Runs the reference over the whole text and lets go of its plan. */
static void fill_cache(struct xl_judge *judge)
{
    xl_state_clear(&judge->reference);
    xl_plan_forward(judge->plan, &judge->reference,
                    &(struct xl_pass){ .tokens = judge->ids.data,
                                       .n = judge->ids.n,
                                       .logits = judge->cache });
    xl_plan_free(judge->plan);
    judge->plan = NULL;
}

/* A reference that is not finite can judge nobody. */
static enum xl_status check_cache(const struct xl_judge *judge,
                                  struct xl_err *err)
{
    size_t n = judge->ids.n * judge->vocab;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(judge->cache[i]))
            return xl_fail(err, XL_EMISMATCH,
                           "the reference itself has a "
                           "logit that is not finite, after token %zu of %zu",
                           i / judge->vocab + 1, judge->ids.n);
    return XL_OK;
}

static size_t steps_of(const struct xl_judge_options *options, size_t n)
{
    size_t steps = n / STEP_SHARE < MOST_STEPS ? n / STEP_SHARE : MOST_STEPS;
    if (options->steps)
        steps = options->steps;
    return steps < n ? steps : n;
}

static enum xl_status make_reference(struct xl_judge *judge,
                                     const struct xl_judge_options *options,
                                     struct xl_err *err)
{
    struct xl_params naive;
    size_t n, limit = options->cache_bytes ? options->cache_bytes : CACHE_BYTES;
    xl_judge_reference(&naive);
    XL_TRY(xl_plan_make(&judge->plan, judge->model,
                        options->reference ? options->reference : &naive, err));
    if (!xl_mul_size(judge->ids.n, judge->vocab, &n) ||
        n > limit / sizeof(float))
        return XL_OK;
    judge->cache = floats_of(judge->ids.n, judge->vocab);
    if (!judge->cache)
        return XL_OK; /* lock-step needs less */
    fill_cache(judge);
    return check_cache(judge, err);
}

enum xl_status xl_judge_make(struct xl_judge **out, struct xl_model *model,
                             const struct xl_judge_text *text,
                             const struct xl_judge_options *options,
                             struct xl_err *err)
{
    static const struct xl_judge_options defaults = { 0 };
    const struct xl_config *config = xl_model_config(model);
    enum xl_status rc;
    *out = NULL;
    if (!options)
        options = &defaults;
    if (text->ids.n < 2)
        return xl_fail(err, XL_EUSAGE, "nothing to judge: %zu token",
                       text->ids.n);
    struct xl_judge *judge = xl_alloc_zero(1, sizeof *judge);
    if (!judge)
        return xl_fail(err, XL_ENOMEM, "out of memory making a judge");
    judge->model = model;
    judge->vocab = config->vocab;
    judge->block = options->block;
    judge->steps = steps_of(options, text->ids.n);
    XL_TRY_DONE(rc, copy_text(judge, text, err));
    XL_TRY_DONE(rc, xl_state_init(&judge->reference, config, err));
    XL_TRY_DONE(rc, xl_state_init(&judge->candidate, config, err));
    XL_TRY_DONE(rc, xl_drift_make(&judge->drift, judge->vocab, judge->ids.data,
                                  judge->ids.n, err));
    XL_TRY_DONE(rc, make_reference(judge, options, err));
    *out = judge;
done:
    if (rc != XL_OK)
        xl_judge_free(judge);
    return rc;
}

/* -- judging --------------------------------------------------------------- */

/* The candidate's own pass, unless its logits would take too much room. */
static size_t piece_of(const struct xl_judge *judge,
                       const struct xl_plan *candidate)
{
    const struct xl_params *params = xl_plan_effective(candidate);
    size_t piece = (size_t)params->value[XL_PARAM_PREFILL_BLOCK];
    size_t most = PIECE_BYTES / sizeof(float) / judge->vocab;
    if (piece > most)
        piece = most;
    if (piece > judge->ids.n)
        piece = judge->ids.n;
    return piece ? piece : 1;
}

static enum xl_status make_room(struct xl_judge *judge, size_t piece,
                                struct xl_err *err)
{
    if (piece <= judge->piece_room)
        return XL_OK;
    xl_free(judge->piece);
    xl_free(judge->piece_ref);
    judge->piece_room = 0;
    judge->piece_ref = NULL;
    judge->piece = floats_of(piece, judge->vocab);
    if (!judge->cache)
        judge->piece_ref = floats_of(piece, judge->vocab);
    if (!judge->piece || (!judge->cache && !judge->piece_ref))
        return xl_fail(err, XL_ENOMEM,
                       "out of memory for the logits of %zu "
                       "tokens",
                       piece);
    judge->piece_room = piece;
    return XL_OK;
}

static void judge_piece(struct xl_judge *judge, struct xl_plan *candidate,
                        size_t at, size_t n)
{
    const int32_t *tokens = judge->ids.data + at;
    const float *reference =
        judge->cache ? judge->cache + at * judge->vocab : judge->piece_ref;
    if (!judge->cache)
        xl_plan_forward(judge->plan, &judge->reference,
                        &(struct xl_pass){ .tokens = tokens,
                                           .n = n,
                                           .logits = judge->piece_ref });
    xl_plan_forward(
        candidate, &judge->candidate,
        &(struct xl_pass){ .tokens = tokens, .n = n, .logits = judge->piece });
    for (size_t i = 0; i < n; i++)
        xl_drift_add(judge->drift, reference + i * judge->vocab,
                     judge->piece + i * judge->vocab);
}

enum xl_status xl_judge_plan(struct xl_judge *judge, struct xl_plan *candidate,
                             enum xl_tier tier, struct xl_judgement *out,
                             struct xl_err *err)
{
    size_t n = judge->ids.n, by_step = n - judge->steps;
    size_t piece = piece_of(judge, candidate);
    struct xl_drift_options options = { .block = judge->block,
                                        .token_bytes = judge->token_bytes };
    XL_TRY(make_room(judge, piece, err));
    xl_drift_clear(judge->drift);
    xl_state_clear(&judge->reference);
    xl_state_clear(&judge->candidate);
    for (size_t at = 0; at < n;) {
        size_t left = at < by_step ? by_step - at : 1;
        size_t now = left < piece ? left : piece;
        judge_piece(judge, candidate, at, now);
        at += now;
    }
    *out = (struct xl_judgement){ .n_tokens = n,
                                  .piece = piece,
                                  .steps = judge->steps };
    memcpy(out->text_hash, judge->text_hash, sizeof out->text_hash);
    xl_scores_clear(out->scores);
    XL_TRY(xl_drift_scores(judge->drift, &options, out->scores, err));
    xl_gate_rule(tier, out->scores, &out->ruling);
    return XL_OK;
}

enum xl_status xl_judge_config(struct xl_judge *judge,
                               const struct xl_params *candidate,
                               struct xl_judgement *out, struct xl_err *err)
{
    struct xl_plan *plan;
    XL_TRY(xl_plan_make(&plan, judge->model, candidate, err));
    enum xl_status rc =
        xl_judge_plan(judge, plan, xl_tier_of(candidate), out, err);
    xl_plan_free(plan);
    return rc;
}

/* Scores that only a text has stay out. */
static bool is_of_configuration(enum xl_score_id id)
{
    return id >= XL_SCORE_NONFINITE;
}

cJSON *xl_judgement_json(const struct xl_judgement *judgement)
{
    cJSON *root = xl_ruling_json(&judgement->ruling, judgement->scores);
    cJSON *gates = cJSON_DetachItemFromObjectCaseSensitive(root, "gates");
    cJSON_AddStringToObject(root, "text_hash", judgement->text_hash);
    cJSON_AddNumberToObject(root, "n_tokens", (double)judgement->n_tokens);
    cJSON_AddNumberToObject(root, "piece", (double)judgement->piece);
    cJSON_AddNumberToObject(root, "steps", (double)judgement->steps);
    for (size_t i = 0; i < XL_SCORE_COUNT; i++)
        if (is_of_configuration((enum xl_score_id)i))
            xl_score_add_json(root, (enum xl_score_id)i, &judgement->scores[i]);
    cJSON_AddItemToObject(root, "gates", gates);
    return root;
}
