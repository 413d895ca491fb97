/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/brute.h"

#include <math.h>

double xl_brute_logprob(const float *row, size_t vocab, int32_t id)
{
    long double sum = 0, top = (long double)row[0];
    for (size_t i = 1; i < vocab; i++)
        if ((long double)row[i] > top)
            top = (long double)row[i];
    for (size_t i = 0; i < vocab; i++)
        sum += expl((long double)row[i] - top);
    return (double)((long double)row[id] - top - logl(sum));
}
