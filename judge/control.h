/* SPDX-License-Identifier: Apache-2.0
 *
 * Control texts: passages of a sound text, and what planted damage makes of
 * them. A judge has to tell them apart, or it tells nothing. Pure; the same
 * seed gives the same bytes.
 */
#ifndef XL_CONTROL_H
#define XL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/rubric_prompt.h"
#include "judge/rubric_rule.h"
#include "kernel/base/buf.h"

enum xl_control {
#define XL_CONTROL(id, name, must, is_lure) XL_CONTROL_##id,
#include "judge/control.def"
#undef XL_CONTROL
    XL_CONTROL_COUNT
};

enum {
    XL_CONTROL_PASSAGES = 3
};

const char *xl_control_name(enum xl_control id);
enum xl_bout xl_control_must(enum xl_control id);
bool xl_control_is_lure(enum xl_control id);

/* A prompt and how its author went on, views into the text. */
struct xl_passage {
    struct xl_rubric_text prompt, sound;
};

/* Passage i of XL_CONTROL_PASSAGES, cut at ends of sentences. False when the
 * text is too short to have as many. */
bool xl_control_passage(struct xl_rubric_text text, size_t i,
                        struct xl_passage *out);

/* Prompt i of n, likewise; they may overlap, no two begin alike. */
bool xl_passage_prompt(struct xl_rubric_text text, size_t i, size_t n,
                       struct xl_rubric_text *out);

/* Appends what the control makes of a sound text: about as long. */
void xl_control_make(enum xl_control id, struct xl_rubric_text sound,
                     uint64_t seed, struct xl_buf *out);

#endif
