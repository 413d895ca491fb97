/* SPDX-License-Identifier: Apache-2.0
 *
 * Children of known points, for searches that breed. Included only inside
 * tuner/strategy and by tests. */
#ifndef XL_VARY_H
#define XL_VARY_H

#include "tuner/strategy/search.h"

/* Dimensions with more than one value. */
size_t xl_vary_free(const struct xl_space *space);

/* A child of two codes, which may be one: crossover value by value, then
 * mutation. It may be illegal, known, or a parent again. */
void xl_vary_breed(struct xl_search *search, uint64_t a, uint64_t b,
                   struct xl_ask *ask);

/* Moves ask->point to a member that is not known, itself or near; false when
 * there is none. near: xl_space_degree of scratch. */
bool xl_vary_settle(struct xl_search *search, uint64_t *near,
                    struct xl_ask *ask);

#endif
