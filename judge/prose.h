/* SPDX-License-Identifier: Apache-2.0
 *
 * Text made from a seed: plain sentences, no two alike, as long as wanted.
 * It stands in where a text of a given length is needed and no real one is at
 * hand; what it says has no meaning. The same seed gives the same bytes on
 * every machine.
 */
#ifndef XL_PROSE_H
#define XL_PROSE_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "kernel/model/config.h"
#include "kernel/text/tokenizer.h"

/* Appends whole sentences in paragraphs, at least so many bytes. */
enum xl_status xl_prose(struct xl_buf *out, size_t bytes, uint64_t seed,
                        struct xl_err *err);

/* Appends a text whose ids are exactly so many, the BOS that the model puts
 * in front included. It ends where it has to, not with a sentence. */
enum xl_status xl_prose_exact(struct xl_buf *out,
                              const struct xl_config *config,
                              const struct xl_tokenizer *tokenizer,
                              size_t tokens, uint64_t seed, struct xl_err *err);

#endif
