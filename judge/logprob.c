/* SPDX-License-Identifier: Apache-2.0
 *
 * log p(x) = z_x - log sum exp z, with z the logits before x is fed. The
 * maximum leaves the sum before exp, so nothing overflows; sums are in double
 * because at 50,000 terms fp32 loses four digits. */
#include "judge/logprob.h"

#include <math.h>

#include "judge/interval.h"
#include "kernel/cell/norm.h"

double xl_log_sum_exp(const float *logits, size_t vocab)
{
    return xl_row_ops_best()->log_sum_exp(logits, vocab);
}

void xl_logprob_rows(const float *logits, size_t vocab, const int32_t *tokens,
                     size_t n, double *out)
{
    for (size_t i = 0; i + 1 < n; i++) {
        const float *row = logits + i * vocab;
        out[i] = (double)row[tokens[i + 1]] - xl_log_sum_exp(row, vocab);
    }
}

void xl_logprob_scores(const double *logprobs, size_t n, size_t bytes,
                       struct xl_score scores[XL_SCORE_COUNT])
{
    struct xl_score mean = xl_block_ratio(logprobs, NULL, n, xl_block_auto(n),
                                          xl_interval_level(1));
    scores[XL_SCORE_LEN_TOKENS] = xl_score_point((double)n, n);
    scores[XL_SCORE_AVG_LOGPROB] = mean;
    if (!mean.is_known) {
        scores[XL_SCORE_PPL] = mean;
        scores[XL_SCORE_BITS_PER_BYTE] = mean;
        return;
    }
    scores[XL_SCORE_PPL] = xl_score_point(exp(-mean.value), n);
    scores[XL_SCORE_BITS_PER_BYTE] =
        bytes ? xl_score_point(
                    -mean.value * (double)n / (log(2.0) * (double)bytes), n)
              : xl_score_unknown("bytes of the text are not known");
}
