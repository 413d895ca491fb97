/* SPDX-License-Identifier: Apache-2.0
 *
 * distinct-n (Li et al. 2016): different n-grams over all n-grams. Unknown,
 * not 0, for a text shorter than n. Words are what white space separates.
 */
#ifndef XL_DISTINCT_H
#define XL_DISTINCT_H

#include <stddef.h>
#include <stdint.h>

#include "judge/scores.h"
#include "kernel/base/err.h"

/* distinct-n of ids[0..count), 1 <= n <= 8. */
enum xl_status xl_distinct_ids(const int32_t *ids, size_t count, size_t n,
                               struct xl_score *out, struct xl_err *err);

/* Sets the distinct scores of a text and of its ids, the share of n-grams of
 * ids that repeat earlier ones (Welleck et al. 2019), and distinct-n over what
 * as many draws from a vocabulary of that size would give (Liu et al. 2022),
 * which does not favour short texts; vocab 0 = unknown. */
enum xl_status xl_distinct_scores(const char *text, size_t n_text,
                                  const int32_t *ids, size_t n_ids,
                                  size_t vocab,
                                  struct xl_score scores[XL_SCORE_COUNT],
                                  struct xl_err *err);

#endif
