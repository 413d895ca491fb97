/* SPDX-License-Identifier: Apache-2.0
 *
 * The judges of a search, from cheap to final.
 *
 *   screen   the first tokens of the held-out text: may refuse, never passes
 *   full     the held-out text; what it does not settle is asked on more text
 *   holdout  a text that neither of the two reads, for the final winner: a
 *            search that tries much finds what is right on one text by luck
 *
 *     XL_TRY(xl_panel_make(&panel, model, tokenizer, NULL, err));
 *     XL_TRY(xl_panel_config(panel, XL_STAGE_SCREEN, &params, &judged, err));
 *     xl_panel_free(panel);
 *
 * Every command that judges has its judge from here, so that a verdict does
 * not depend on the way to it. A judge is made, and its reference computed,
 * when its stage is first asked for. One thread at a time.
 */
#ifndef XL_PANEL_H
#define XL_PANEL_H

#include "judge/judge.h"
#include "judge/stage.h"

struct xl_panel;

struct xl_panel_options {
    size_t max_tokens; /* of each text: the held-out text first, then made
                          text; 0 = up to four times the held-out text */
    const struct xl_judge_text *text;  /* NULL = those texts; borrowed. One of
                                          the user's is read as it is: whole,
                                          without a screen, and no further */
    const struct xl_params *reference; /* as of struct xl_judge_options */
    size_t workload;    /* tokens of what is measured: a holdout that has them
                           passes nothing sooner; 0 = unknown */
    const char *folder; /* of kept reference logits, or NULL; borrowed */
    struct xl_watch watch;
};

/* Model and tokenizer (NULL: random ids) are borrowed. options may be NULL. */
enum xl_status xl_panel_make(struct xl_panel **panel, struct xl_model *model,
                             const struct xl_tokenizer *tokenizer,
                             const struct xl_panel_options *options,
                             struct xl_err *err);
void xl_panel_free(struct xl_panel *panel);

/* Could a panel of that many tokens (0 as above) prove anything in each of
 * the tiers wanted? XL_EUSAGE with a length that has room, when not. Nothing
 * is run. */
enum xl_status xl_panel_check(const struct xl_model *model,
                              const struct xl_tokenizer *tokenizer,
                              size_t max_tokens,
                              const bool wanted[XL_TIER_COUNT],
                              struct xl_err *err);

/* What to give where that many tokens could prove something of the reference
 * itself: half as many again, for honest rounding needs more than no difference
 * does. */
size_t xl_panel_room(size_t least);

/* The least max_tokens that could. */
enum xl_status xl_panel_least(const struct xl_model *model,
                              const struct xl_tokenizer *tokenizer,
                              const bool wanted[XL_TIER_COUNT], size_t *tokens,
                              struct xl_err *err);

/* The judge of a stage; the panel's. */
enum xl_status xl_panel_judge(struct xl_panel *panel, enum xl_stage stage,
                              struct xl_judge **judge, struct xl_err *err);

/* How much text may settle a verdict that n_tokens have left open: twice that,
 * and at least what has room for a proof in its tier; 0 when it is settled. */
enum xl_status xl_panel_enough(const struct xl_panel *panel,
                               const struct xl_ruling *ruling, size_t n_tokens,
                               size_t *tokens, struct xl_err *err);

enum xl_status xl_panel_subject(struct xl_panel *panel, enum xl_stage stage,
                                const struct xl_subject *subject,
                                enum xl_tier tier, struct xl_judgement *out,
                                struct xl_err *err);

/* In the tier that the configuration's number formats promise. */
enum xl_status xl_panel_config(struct xl_panel *panel, enum xl_stage stage,
                               const struct xl_params *params,
                               struct xl_judgement *out, struct xl_err *err);

#endif
