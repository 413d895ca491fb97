/* SPDX-License-Identifier: Apache-2.0
 *
 * What a language model behind an endpoint is asked about texts, and what its
 * replies may be. The words of requests are built in rubric_prompt, replies
 * are read in rubric_reply, verdicts are made in rubric_rule: all three pure.
 */
#ifndef XL_RUBRIC_H
#define XL_RUBRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xl_rubric {
#define XL_RUBRIC(id, name, question) XL_RUBRIC_##id,
#include "judge/rubric.def"
#undef XL_RUBRIC
    XL_RUBRIC_COUNT
};

enum {
    XL_RUBRIC_LEAST = 1,
    XL_RUBRIC_MOST = 10,
    XL_RUBRIC_REASON = 400 /* bytes of a reason, zero byte included */
};

/* One text's marks. A reason is one line of clean UTF-8. */
struct xl_rubric_marks {
    int64_t score[XL_RUBRIC_COUNT]; /* XL_RUBRIC_LEAST..XL_RUBRIC_MOST */
    char reason[XL_RUBRIC_COUNT][XL_RUBRIC_REASON];
};

enum xl_choice {
    XL_CHOICE_A,
    XL_CHOICE_B,
    XL_CHOICE_TIE,
    XL_CHOICE_COUNT
};

/* Which of two texts is the better continuation. */
struct xl_rubric_duel {
    enum xl_choice choice;
    char reason[XL_RUBRIC_REASON];
};

const char *xl_rubric_name(enum xl_rubric id);
const char *xl_rubric_question(enum xl_rubric id);

/* "A", "B", "tie". */
const char *xl_choice_name(enum xl_choice choice);

#endif
