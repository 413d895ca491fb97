/* SPDX-License-Identifier: Apache-2.0
 *
 * One continuation on its way, apart from the model: what becomes of the
 * logits after its last token. The loops of generate.c and batch.c run the
 * model and hand each sequence its row. For kernel/run only.
 *
 *     XL_TRY(xl_sequence_begin(&s, config, options, &result, err));
 *     while (xl_sequence_take(&s, logits, since_ns))
 *         ... run xl_sequence_last(&s) through the model ...
 *     xl_sequence_end(&s);
 */
#ifndef XL_SEQUENCE_H
#define XL_SEQUENCE_H

#include "kernel/base/buf.h"
#include "kernel/model/config.h"
#include "kernel/run/continuation.h"

struct xl_sequence {
    const struct xl_config *config;
    const struct xl_generate_options *options;
    struct xl_generate_result *result;
    /* private */
    struct xl_sampler *sampler;
    struct xl_buf tail; /* end of the text so far, to look for stop in */
};

/* Makes room for the result and notes the prompt. On error result holds
 * nothing; xl_sequence_end may be called all the same. */
enum xl_status xl_sequence_begin(struct xl_sequence *s,
                                 const struct xl_config *config,
                                 const struct xl_generate_options *options,
                                 struct xl_generate_result *result,
                                 struct xl_err *err);

/* Takes the next token from the logits; true when generation goes on. The
 * token's time counts from since_ns. */
bool xl_sequence_take(struct xl_sequence *s, const float *logits,
                      uint64_t since_ns);

/* The token that was taken last; there is one. */
const int32_t *xl_sequence_last(const struct xl_sequence *s);

/* Frees what the sequence holds; the result stays. */
void xl_sequence_end(struct xl_sequence *s);

#endif
