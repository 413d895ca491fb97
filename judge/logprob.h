/* SPDX-License-Identifier: Apache-2.0
 *
 * Log-probability, perplexity, bits per byte. Sums are in double; a token is
 * scored by the logits before it. Pure functions, nats unless named.
 */
#ifndef XL_LOGPROB_H
#define XL_LOGPROB_H

#include <stddef.h>
#include <stdint.h>

#include "judge/scores.h"

/* log(sum(exp(logits))), the maximum taken out. NaN in gives NaN. */
double xl_log_sum_exp(const float *logits, size_t vocab);

/* out[i] = log p(tokens[i + 1]) by row i of logits [n][vocab], i < n - 1. */
void xl_logprob_rows(const float *logits, size_t vocab, const int32_t *tokens,
                     size_t n, double *out);

/* Sets avg_logprob, ppl, bits_per_byte and len_tokens from logprobs [n] and
 * the bytes those tokens stand for (0 = unknown). */
void xl_logprob_scores(const double *logprobs, size_t n, size_t bytes,
                       struct xl_score scores[XL_SCORE_COUNT]);

#endif
