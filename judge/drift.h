/* SPDX-License-Identifier: Apache-2.0
 *
 * How far a candidate's logits are from the reference's on the same tokens.
 * Rows are fed in order; only a few numbers a position are kept.
 *
 *     struct xl_drift *drift;
 *     XL_TRY(xl_drift_make(&drift, vocab, tokens, n, err));
 *     for (each position i)
 *         xl_drift_add(drift, reference_row, candidate_row, 1, NULL);
 *     xl_drift_scores(drift, &options, scores);
 *     xl_drift_free(drift);
 *
 * A position with a logit that is NaN or infinite on either side is counted
 * in `nonfinite`; then the other scores are unknown.
 */
#ifndef XL_DRIFT_H
#define XL_DRIFT_H

#include <stddef.h>
#include <stdint.h>

#include "judge/scores.h"
#include "kernel/base/err.h"

struct xl_drift;
struct xl_pool;

/* tokens [n] are the text, borrowed: row i is held against tokens[i + 1]. */
enum xl_status xl_drift_make(struct xl_drift **drift, size_t vocab,
                             const int32_t *tokens, size_t n,
                             struct xl_err *err);
void xl_drift_free(struct xl_drift *drift);

/* Forgets all rows. */
void xl_drift_clear(struct xl_drift *drift);

/* The divergence of the distribution of logits b [vocab] from that of a. */
double xl_drift_kl(const float *a, const float *b, size_t vocab);

/* Logits [n][vocab] of the next n positions, at most as many as are missing.
 * The workers of pool, or the caller alone when it is NULL, share the rows. */
void xl_drift_add(struct xl_drift *drift, const float *reference,
                  const float *candidate, size_t n, struct xl_pool *pool);

struct xl_drift_options {
    size_t block;               /* tokens; 0 = xl_block_auto */
    const uint8_t *token_bytes; /* [n] of each token, or NULL = unknown */
    size_t rows;                /* score the first so many; 0 = all n */
    double level;               /* of one-sided bounds; 0 = 0.05 */
};

/* Sets nonfinite .. kl_drift of score.def from the first rows. Rows missing
 * make them unknown. */
enum xl_status xl_drift_scores(const struct xl_drift *drift,
                               const struct xl_drift_options *options,
                               struct xl_score scores[XL_SCORE_COUNT],
                               struct xl_err *err);

#endif
