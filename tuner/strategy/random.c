/* SPDX-License-Identifier: Apache-2.0
 *
 * Uniform over the members, without replacement: the baseline that every
 * other strategy has to beat. A budget that covers the space makes it an
 * enumeration in random order. */
#include "tuner/strategy/search.h"

static enum xl_status ask_random(void *state, struct xl_search *search,
                                 struct xl_ask *ask, struct xl_err *err)
{
    (void)state;
    return xl_search_draw(search, ask, err);
}

const struct xl_strategy_kind xl_strategy_random = {
    .name = "random",
    .ask = ask_random,
};
