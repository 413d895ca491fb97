/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/run/continuation.h"

#include "kernel/base/alloc.h"

const char *xl_finish_name(enum xl_finish finish)
{
    static const char *const names[] = { [XL_FINISH_LENGTH] = "length",
                                         [XL_FINISH_EOS] = "eos",
                                         [XL_FINISH_STOP] = "stop",
                                         [XL_FINISH_CALLER] = "caller" };
    return names[finish];
}

void xl_generate_release(struct xl_generate_result *result)
{
    xl_free(result->ids);
    xl_free(result->logprobs);
    *result = (struct xl_generate_result){ 0 };
}
