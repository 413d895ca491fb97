/* SPDX-License-Identifier: Apache-2.0
 *
 * Oracles of several suites, by plain sums in long double.
 */
#ifndef XL_TEST_BRUTE_H
#define XL_TEST_BRUTE_H

#include <stddef.h>
#include <stdint.h>

/* Log-probability, in nats, of token `id` by logits row [vocab]. */
double xl_brute_logprob(const float *row, size_t vocab, int32_t id);

#endif
