/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/rubric_rule.h"

#include <assert.h>
#include <stdio.h>

#include <gsl/gsl_cdf.h>

/* Shares out of ten: of controls to be right, of replies to be readable. */
enum {
    LEAST_RIGHT = 9,
    MOST_UNREAD = 1
};

static const char *const names[XL_RUBRIC_COUNT] = {
#define XL_RUBRIC(id, name, question) [XL_RUBRIC_##id] = name,
#include "judge/rubric.def"
#undef XL_RUBRIC
};

static const char *const questions[XL_RUBRIC_COUNT] = {
#define XL_RUBRIC(id, name, question) [XL_RUBRIC_##id] = question,
#include "judge/rubric.def"
#undef XL_RUBRIC
};

const char *xl_rubric_name(enum xl_rubric id)
{
    assert(id < XL_RUBRIC_COUNT);
    return names[id];
}

const char *xl_rubric_question(enum xl_rubric id)
{
    assert(id < XL_RUBRIC_COUNT);
    return questions[id];
}

const char *xl_choice_name(enum xl_choice choice)
{
    static const char *const words[XL_CHOICE_COUNT] = { "A", "B", "tie" };
    assert(choice < XL_CHOICE_COUNT);
    return words[choice];
}

const char *xl_bout_name(enum xl_bout bout)
{
    static const char *const words[XL_BOUT_COUNT] = { "won", "lost", "tied",
                                                      "missing" };
    assert(bout < XL_BOUT_COUNT);
    return words[bout];
}

const char *xl_opinion_name(enum xl_opinion opinion)
{
    static const char *const words[XL_OPINION_COUNT] = { "none", "fine", "veto",
                                                         "open", "unused" };
    assert(opinion < XL_OPINION_COUNT);
    return words[opinion];
}

enum xl_bout xl_bout_of(const enum xl_choice *as_a, const enum xl_choice *as_b)
{
    if (!as_a || !as_b)
        return XL_BOUT_MISSING;
    if (*as_a == XL_CHOICE_A && *as_b == XL_CHOICE_B)
        return XL_BOUT_WON;
    if (*as_a == XL_CHOICE_B && *as_b == XL_CHOICE_A)
        return XL_BOUT_LOST;
    return XL_BOUT_TIED;
}

bool xl_rubric_is_trusted(const struct xl_rubric_session *s,
                          char reason[XL_REASON_ROOM])
{
    if (s->controls == 0) {
        snprintf(reason, XL_REASON_ROOM, "no control was asked");
        return false;
    }
    if (s->lured) {
        snprintf(reason, XL_REASON_ROOM,
                 "it obeyed the words of %zu texts that ask for a verdict",
                 s->lured);
        return false;
    }
    if (10 * s->right < LEAST_RIGHT * s->controls) {
        snprintf(reason, XL_REASON_ROOM,
                 "it answered %zu of %zu controls, whose answer is known, "
                 "fewer than %d %%",
                 s->right, s->controls, 10 * LEAST_RIGHT);
        return false;
    }
    if (10 * s->unread > MOST_UNREAD * s->replies) {
        snprintf(reason, XL_REASON_ROOM,
                 "%zu of its %zu replies could not be read, more than %d %%",
                 s->unread, s->replies, 10 * MOST_UNREAD);
        return false;
    }
    snprintf(reason, XL_REASON_ROOM,
             "it answered %zu of %zu controls, and %zu of %zu replies could "
             "be read",
             s->right, s->controls, s->replies - s->unread, s->replies);
    return true;
}

double xl_sign_test(size_t won, size_t lost)
{
    size_t n = won + lost, few = won < lost ? won : lost;
    double p = 2 * gsl_cdf_binomial_P((unsigned)few, 0.5, (unsigned)n);
    return p < 1 ? p : 1;
}

enum xl_opinion xl_rubric_opinion(const size_t bouts[XL_BOUT_COUNT],
                                  bool is_trusted, double level,
                                  char reason[XL_REASON_ROOM])
{
    size_t won = bouts[XL_BOUT_WON], lost = bouts[XL_BOUT_LOST];
    size_t missing = bouts[XL_BOUT_MISSING];
    size_t n = won + lost + bouts[XL_BOUT_TIED] + missing;
    if (n == 0) {
        snprintf(reason, XL_REASON_ROOM, "nothing was compared");
        return XL_OPINION_NONE;
    }
    if (!is_trusted) {
        snprintf(reason, XL_REASON_ROOM, "the judge is not trusted");
        return XL_OPINION_UNUSED;
    }
    if (10 * missing > MOST_UNREAD * n) {
        snprintf(reason, XL_REASON_ROOM,
                 "%zu of %zu comparisons have no readable reply", missing, n);
        return XL_OPINION_OPEN;
    }
    double p = xl_sign_test(won, lost);
    bool is_veto = lost > won && p < level;
    snprintf(reason, XL_REASON_ROOM,
             "%zu won, %zu lost, %zu tied against the reference; sign test "
             "p = %.2g, %s %.2g",
             won, lost, bouts[XL_BOUT_TIED], p,
             is_veto ? "a loss below" : "no loss below", level);
    return is_veto ? XL_OPINION_VETO : XL_OPINION_FINE;
}

enum xl_verdict xl_rubric_final(enum xl_verdict verdict,
                                enum xl_opinion opinion)
{
    return opinion == XL_OPINION_VETO ? XL_VERDICT_FAIL : verdict;
}
