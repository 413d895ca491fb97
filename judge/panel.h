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
 * A judge is made, and its reference computed, when its stage is first asked
 * for. One thread at a time.
 */
#ifndef XL_PANEL_H
#define XL_PANEL_H

#include "judge/judge.h"
#include "judge/stage.h"

struct xl_panel;

struct xl_panel_options {
    size_t max_tokens;  /* of each text: the held-out text first, then made
                           text; 0 = up to four times the held-out text */
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

enum xl_status xl_panel_subject(struct xl_panel *panel, enum xl_stage stage,
                                const struct xl_subject *subject,
                                enum xl_tier tier, struct xl_judgement *out,
                                struct xl_err *err);

/* In the tier that the configuration's number formats promise. */
enum xl_status xl_panel_config(struct xl_panel *panel, enum xl_stage stage,
                               const struct xl_params *params,
                               struct xl_judgement *out, struct xl_err *err);

#endif
