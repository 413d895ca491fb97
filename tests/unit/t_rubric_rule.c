/* SPDX-License-Identifier: Apache-2.0
 *
 * What follows from the rubric judge's replies, and the controls that say
 * whether it is believed. */
#include <math.h>
#include <string.h>

#include "judge/control.h"
#include "judge/rubric_rule.h"
#include "kernel/base/io.h"
#include "tests/harness/test.h"

/* -- rules ----------------------------------------------------------------- */

static void a_win_takes_both_orders(struct xl_test *t)
{
    static const enum xl_bout mirrored[XL_BOUT_COUNT] = {
        [XL_BOUT_WON] = XL_BOUT_LOST,
        [XL_BOUT_LOST] = XL_BOUT_WON,
        [XL_BOUT_TIED] = XL_BOUT_TIED,
        [XL_BOUT_MISSING] = XL_BOUT_MISSING,
    };
    size_t n[XL_BOUT_COUNT] = { 0 };
    for (int a = 0; a <= XL_CHOICE_COUNT; a++)
        for (int b = 0; b <= XL_CHOICE_COUNT; b++) {
            enum xl_choice first = (enum xl_choice)a,
                           second = (enum xl_choice)b;
            const enum xl_choice *p = a < XL_CHOICE_COUNT ? &first : NULL;
            const enum xl_choice *q = b < XL_CHOICE_COUNT ? &second : NULL;
            enum xl_bout bout = xl_bout_of(p, q);
            n[bout]++;
            XL_CHECK_EQ(t, xl_bout_of(q, p), mirrored[bout]);
        }
    XL_CHECK_EQ(t, n[XL_BOUT_WON], 1);
    XL_CHECK_EQ(t, n[XL_BOUT_LOST], 1);
    XL_CHECK_EQ(t, n[XL_BOUT_MISSING], 7);
    enum xl_choice a = XL_CHOICE_A;
    XL_CHECK_EQ(t, xl_bout_of(&a, &a), XL_BOUT_TIED); /* likes the first */
}

/* Against sums of binomial coefficients. */
static void the_sign_test_is_exact(struct xl_test *t)
{
    for (size_t n = 0; n <= 40; n++) {
        double below = 0, all = pow(2, (double)n), coefficient = 1;
        for (size_t few = 0; 2 * few <= n; few++) {
            below += coefficient;
            coefficient *= (double)(n - few) / (double)(few + 1);
            double p = 2 * below / all;
            XL_CHECK_NEAR(t, xl_sign_test(few, n - few), p < 1 ? p : 1, 1e-12);
            XL_CHECK_NEAR(t, xl_sign_test(n - few, few), p < 1 ? p : 1, 1e-12);
        }
    }
}

static void trust_has_to_be_earned(struct xl_test *t)
{
    static const struct {
        struct xl_rubric_session session;
        bool is_trusted;
    } cases[] = {
        { { 0, 0, 0, 0, 0 }, false },    { { 12, 12, 0, 24, 0 }, true },
        { { 12, 11, 0, 24, 0 }, true },  { { 12, 10, 0, 24, 0 }, false },
        { { 10, 9, 0, 50, 5 }, true },   { { 10, 9, 0, 50, 6 }, false },
        { { 12, 11, 1, 24, 0 }, false }, { { 12, 0, 0, 24, 24 }, false },
    };
    char reason[XL_REASON_ROOM];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reason[0] = '\0';
        XL_CHECK(t, xl_rubric_is_trusted(&cases[i].session, reason) ==
                        cases[i].is_trusted);
        XL_CHECK(t, reason[0] != '\0');
    }
}

/* Over every tally of up to 20 comparisons: a veto needs trust, more losses
 * than wins and significance; and the final verdict is never better than the
 * log-prob judge's, and worse only by a veto. */
static void it_may_veto_and_never_rescue(struct xl_test *t)
{
    char reason[XL_REASON_ROOM];
    size_t vetoes = 0, wrong = 0;
    for (size_t won = 0; won <= 20; won++)
        for (size_t lost = 0; won + lost <= 20; lost++)
            for (int k = 0; k < 6; k++) {
                size_t bouts[XL_BOUT_COUNT] = { [XL_BOUT_WON] = won,
                                                [XL_BOUT_LOST] = lost,
                                                [XL_BOUT_TIED] = 4,
                                                [XL_BOUT_MISSING] =
                                                    (size_t)(k % 3) };
                enum xl_opinion opinion =
                    xl_rubric_opinion(bouts, k < 3, 0.05, reason);
                bool is_veto = opinion == XL_OPINION_VETO;
                vetoes += is_veto;
                wrong += is_veto && (k >= 3 || lost <= won ||
                                     xl_sign_test(won, lost) >= 0.05);
                wrong += k == 0 && lost >= won + 6 && won == 0 && !is_veto;
                for (int v = 0; v <= XL_VERDICT_FAIL; v++) {
                    enum xl_verdict was = (enum xl_verdict)v;
                    enum xl_verdict is = xl_rubric_final(was, opinion);
                    wrong += is < was || (is != was && !is_veto) ||
                             (is_veto && is != XL_VERDICT_FAIL);
                }
            }
    XL_CHECK_EQ(t, wrong, 0);
    XL_CHECK(t, vetoes > 50);
    for (int o = 0; o < XL_OPINION_COUNT; o++)
        XL_CHECK_EQ(t, xl_rubric_final(XL_VERDICT_FAIL, (enum xl_opinion)o),
                    XL_VERDICT_FAIL);
    size_t none[XL_BOUT_COUNT] = { 0 };
    XL_CHECK_EQ(t, xl_rubric_opinion(none, true, 0.05, reason),
                XL_OPINION_NONE);
}

/* -- controls -------------------------------------------------------------- */

static size_t letters(struct xl_rubric_text text, size_t n[256])
{
    size_t words = 0;
    memset(n, 0, 256 * sizeof *n);
    for (size_t i = 0; i < text.n; i++) {
        bool is_space = strchr(" \n\t", text.bytes[i]) != NULL;
        bool was_space = i == 0 || strchr(" \n\t", text.bytes[i - 1]) != NULL;
        words += !is_space && was_space;
        if (!is_space)
            n[(unsigned char)text.bytes[i]]++;
    }
    return words;
}

static void controls_are_damaged_as_they_say(struct xl_test *t)
{
    struct xl_buf file, made, again;
    struct xl_err err = { 0 };
    size_t before[256], after[256];
    xl_buf_init(&file, 0);
    xl_buf_init(&made, 0);
    xl_buf_init(&again, 0);
    XL_CHECK_STATUS(
        t, xl_io_read(xl_test_source("judge/text/heldout.txt"), &file, &err),
        XL_OK, &err);
    struct xl_rubric_text text = { file.data, file.len };
    for (size_t i = 0; i < XL_CONTROL_PASSAGES; i++) {
        struct xl_passage passage = { 0 };
        XL_CHECK(t, xl_control_passage(text, i, &passage));
        XL_CHECK(t, passage.prompt.n >= 500 && passage.sound.n >= 600 &&
                        passage.sound.n < 1500);
        XL_CHECK(t, passage.prompt.bytes + passage.prompt.n ==
                        passage.sound.bytes);
        size_t words = letters(passage.sound, before);
        for (int id = 0; id < XL_CONTROL_COUNT; id++) {
            xl_buf_clear(&made);
            xl_buf_clear(&again);
            xl_control_make((enum xl_control)id, passage.sound, 3, &made);
            xl_control_make((enum xl_control)id, passage.sound, 3, &again);
            XL_CHECK_TEXT(t, made.data, again.data);
            bool is_equal =
                made.len == passage.sound.n &&
                memcmp(made.data, passage.sound.bytes, made.len) == 0;
            XL_CHECK(t, is_equal == (id == XL_CONTROL_SAME));
            XL_CHECK(t, (xl_control_must((enum xl_control)id) ==
                         XL_BOUT_TIED) == is_equal);
        }
        xl_buf_clear(&made);
        xl_control_make(XL_CONTROL_SHUFFLED, passage.sound, 3, &made);
        XL_CHECK_EQ(
            t, letters((struct xl_rubric_text){ made.data, made.len }, after),
            words);
        XL_CHECK(t, memcmp(before, after, sizeof before) == 0);
        xl_buf_clear(&made);
        xl_control_make(XL_CONTROL_LOOPED, passage.sound, 3, &made);
        XL_CHECK(t, made.len >= passage.sound.n &&
                        made.len < passage.sound.n + 40);
    }
    text.n = 1000;
    struct xl_passage none;
    XL_CHECK(t, !xl_control_passage(text, 0, &none));
    xl_buf_release(&file);
    xl_buf_release(&made);
    xl_buf_release(&again);
}

const struct xl_test_case xl_suite_rubric_rule[] = {
    XL_CASE(a_win_takes_both_orders),
    XL_CASE(the_sign_test_is_exact),
    XL_CASE(trust_has_to_be_earned),
    XL_CASE(it_may_veto_and_never_rescue),
    XL_CASE(controls_are_damaged_as_they_say),
    { 0 },
};
