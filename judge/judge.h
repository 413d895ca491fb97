/* SPDX-License-Identifier: Apache-2.0
 *
 * Judges configurations against the reference on one text.
 *
 * The reference is the naive fp32 path, in a fixed order. Candidate and
 * reference see the same tokens; every difference is paired. The candidate
 * runs as it is timed: in passes of its own prefill_block, then the last
 * tokens before a verdict one by one through its decode path. Beside the
 * logits its recurrent state is compared, after 1024, 4096, 16384 tokens and
 * at the end.
 *
 * A verdict may fall early: damage shows after the first few hundred tokens
 * (the screen, which never passes anything); what is not proved by the end of
 * the text proper is judged on more, up to the end of what there is. Bounds
 * pay for the number of looks.
 *
 * When nothing but bounds that may follow the model's own floor stand against
 * a candidate, the floor of its tier is measured (judge/own_floor.h), once for
 * a judge: two or three passes of the reference over XL_OWN_FLOOR_TOKENS.
 *
 *     XL_TRY_DONE(rc, xl_judge_heldout(&text, model, tokenizer, 0, err));
 *     XL_TRY_DONE(rc, xl_judge_make(&judge, model, &text, NULL, err));
 *     XL_TRY_DONE(rc, xl_judge_config(judge, &params, xl_tier_of(&params),
 *                                     &judged, err));
 *
 * One thread at a time may use a judge. A wrong candidate is no error: it is
 * a verdict.
 */
#ifndef XL_JUDGE_H
#define XL_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "judge/gate.h"
#include "judge/scores.h"
#include "judge/watch.h"
#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "kernel/base/hash.h"
#include "kernel/model/plan.h"
#include "kernel/model/rounding.h"
#include "kernel/text/tokenizer.h"

/* -- the text -------------------------------------------------------------- */

struct xl_judge_text {
    struct xl_ids ids;
    uint8_t *token_bytes;    /* [ids.n] bytes of each token; NULL = unknown */
    bool is_random;          /* ids drawn from a seed, no language */
    char hash[XL_HASH_TEXT]; /* of the ids */
};

/* Appends the bundled held-out text, as it is on the disk. */
enum xl_status xl_judge_heldout_bytes(struct xl_buf *out, struct xl_err *err);

/* The bundled held-out text in the model's ids, BOS in front; at most
 * max_tokens (0 = all). A vocabulary too small for the text, or no tokenizer
 * (NULL), gives 2048 seeded random ids instead. */
enum xl_status xl_judge_heldout(struct xl_judge_text *text,
                                const struct xl_model *model,
                                const struct xl_tokenizer *tokenizer,
                                size_t max_tokens, struct xl_err *err);

/* A text of the user's, the same way; a small vocabulary is an error. */
enum xl_status xl_judge_text(struct xl_judge_text *text,
                             const struct xl_model *model,
                             const struct xl_tokenizer *tokenizer,
                             const char *bytes, size_t n, size_t max_tokens,
                             struct xl_err *err);

/* So many tokens of prose (judge/prose.h), BOS in front; random ids for a
 * vocabulary too small, or without tokenizer. */
enum xl_status xl_judge_made(struct xl_judge_text *text,
                             const struct xl_model *model,
                             const struct xl_tokenizer *tokenizer,
                             size_t tokens, uint64_t seed, struct xl_err *err);

/* Makes a text at least that many tokens long: what is missing is prose of
 * that seed, or random ids behind random ids. */
enum xl_status xl_judge_extend(struct xl_judge_text *text,
                               const struct xl_model *model,
                               const struct xl_tokenizer *tokenizer,
                               size_t tokens, uint64_t seed,
                               struct xl_err *err);
void xl_judge_text_release(struct xl_judge_text *text);

/* -- the judge ------------------------------------------------------------- */

struct xl_judge;

struct xl_judge_options {
    const struct xl_params *reference; /* NULL = xl_judge_reference */
    size_t block;       /* tokens a block of the intervals; 0 = auto */
    size_t steps;       /* tokens through the decode path before each look;
                           0 = an eighth of them, at most 128 */
    size_t room_bytes;  /* most for the reference's logits; 0 = a quarter
                           of what is free */
    size_t screen;      /* tokens before the first look, which may only
                           refuse; 0 = no such look */
    size_t full;        /* tokens before the first look that may pass; looks
                           follow at twice as many each; 0 = all */
    size_t tries;       /* winners that the text may be asked about, which
                           the bounds pay for; 0 = 1 */
    const char *folder; /* where the reference's logits are kept between
                           processes, or NULL */
    struct xl_watch watch;
};

/* The naive fp32 configuration; its bits do not depend on its workers. */
void xl_judge_reference(struct xl_params *params);

/* The folder for kept logits: "reference" in the cache (kernel/model/cache.h).
 * Heap string, or NULL when there is no cache. */
char *xl_judge_folder(void);

/* Copies the text. The reference runs as far as a judgement looks, once when
 * its logits fit. options may be NULL. */
enum xl_status xl_judge_make(struct xl_judge **judge, struct xl_model *model,
                             const struct xl_judge_text *text,
                             const struct xl_judge_options *options,
                             struct xl_err *err);
void xl_judge_free(struct xl_judge *judge);

/* The whole text, of which a judgement may have read the beginning alone. */
const struct xl_judge_text *xl_judge_reads(const struct xl_judge *judge);

struct xl_judgement {
    struct xl_score scores[XL_SCORE_COUNT];
    struct xl_ruling ruling; /* tier, verdict, reason, gates */
    char text_hash[XL_HASH_TEXT];
    size_t n_tokens; /* positions compared */
    size_t piece;    /* tokens of a prefill pass */
    size_t steps;    /* tokens fed one by one */
    size_t looks;    /* verdicts that could have fallen, this one included */
    bool is_screen;  /* refused by the first look, or nothing but a look */
};

/* What is judged: anything that turns tokens into logits with a state. */
struct xl_subject {
    void *ctx;
    void (*forward)(void *ctx, struct xl_state *state,
                    const struct xl_pass *pass);
    /* The same for a prompt of which the last row alone is wanted, and for
     * tokens of several sequences; NULL = it has no such ways in. */
    void (*prompt)(void *ctx, struct xl_state *state,
                   const struct xl_pass *pass);
    void (*batch)(void *ctx, struct xl_state *const *states,
                  const struct xl_batch *batch);
    const struct xl_config *config; /* of the state; the judge's vocabulary */
    const struct xl_params *params; /* whose formats choose its twin (twin.h);
                                       NULL: it has none */
    struct xl_inputs inputs;        /* what its engines round, for the floor */
    size_t piece;                   /* tokens of a prefill pass */
};

/* Judges in that tier. XL_EMISMATCH when the reference is not finite. */
enum xl_status xl_judge_subject(struct xl_judge *judge,
                                const struct xl_subject *subject,
                                enum xl_tier tier, struct xl_judgement *out,
                                struct xl_err *err);

/* The first look alone: fails, or leaves it open. */
enum xl_status xl_judge_screen(struct xl_judge *judge,
                               const struct xl_subject *subject,
                               enum xl_tier tier, struct xl_judgement *out,
                               struct xl_err *err);

/* Judges a configuration in a tier: mostly that of its number formats
 * (xl_tier_of). An error means it could not be judged at all: it makes no
 * plan. */
enum xl_status xl_judge_config(struct xl_judge *judge,
                               const struct xl_params *candidate,
                               enum xl_tier tier, struct xl_judgement *out,
                               struct xl_err *err);

/* Same for a plan that is already made, of a model like the judge's. */
enum xl_status xl_judge_plan(struct xl_judge *judge, struct xl_plan *candidate,
                             enum xl_tier tier, struct xl_judgement *out,
                             struct xl_err *err);

/* A plan of a model with that configuration: it may be another checkpoint. */
struct xl_subject xl_subject_of_plan(struct xl_plan *plan,
                                     const struct xl_config *config);

/* The verdict on scores that this judge has given in that tier to a candidate
 * with such inputs, and on others beside them. */
enum xl_status xl_judge_rule(struct xl_judge *judge, enum xl_tier tier,
                             const struct xl_inputs *inputs,
                             const struct xl_score *scores,
                             struct xl_ruling *ruling, struct xl_err *err);

/* {"tier", "verdict", "reason", "text_hash", "n_tokens", scores..., "gates"};
 * NULL without memory. */
cJSON *xl_judgement_json(const struct xl_judgement *judgement);

#endif
