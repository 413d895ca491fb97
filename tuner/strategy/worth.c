/* SPDX-License-Identifier: Apache-2.0
 *
 * A choice is ranked among the draws, the best rank counting most: a model is
 * used for the few points beyond all others, and may fail often on the way.
 * Without any knowledge ranks are even and scores are 1 on average, whatever
 * the values and however many configurations fail. A mean below 1 says that
 * the model is wrong where it is sure, the more so the further below; four
 * scores of 1 stand for what was not seen yet. */
#include "tuner/strategy/worth.h"

#include <math.h>

enum {
    LEAST_DRAWN = 3, /* to compare with */
    UNSEEN = 4,      /* scores of 1 */
    STEEP = 3,       /* power */
};

static const double least_share = 1.0 / 32; /* a model may get better */

double xl_worth_score(size_t n, size_t better, size_t same)
{
    double sum = 0;
    for (size_t rank = better; rank <= better + same; rank++)
        for (size_t j = rank; j <= n; j++)
            sum += 1 / (double)(j + 1);
    return sum / (double)(same + 1);
}

static double value_of(const struct xl_record *record)
{
    return xl_record_is_ok(record) ? record->outcome.values[0]
                                   : -(double)INFINITY;
}

void xl_worth_tell(struct xl_worth *worth, const struct xl_record *record)
{
    double value = value_of(record);
    size_t n = worth->n_drawn < XL_WORTH_DRAWN ? worth->n_drawn
                                               : (size_t)XL_WORTH_DRAWN;
    size_t better = 0, same = 0;
    if (record->source == XL_SOURCE_DRAWN)
        worth->drawn[worth->n_drawn++ % XL_WORTH_DRAWN] = value;
    if (record->source != XL_SOURCE_CHOSEN || n < LEAST_DRAWN)
        return;
    for (size_t i = 0; i < n; i++) {
        better += worth->drawn[i] > value;
        same += worth->drawn[i] == value;
    }
    worth->scores[worth->n_chosen++ % XL_WORTH_CHOSEN] =
        xl_worth_score(n, better, same);
}

double xl_worth_share(const struct xl_worth *worth)
{
    size_t n = worth->n_chosen < XL_WORTH_CHOSEN ? worth->n_chosen
                                                 : (size_t)XL_WORTH_CHOSEN;
    double sum = UNSEEN;
    for (size_t i = 0; i < n; i++)
        sum += worth->scores[i];
    double mean = sum / (double)(n + UNSEEN);
    return mean >= 1 ? 1 : fmax(least_share, pow(mean, STEEP));
}
