/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to token ids and back.
 *
 * A folder with tokenizer.json gets the byte-level BPE it describes, with
 * exactly the ids of HuggingFace tokenizers' encode(text).ids; a folder
 * without one gets the byte tokenizer (id = byte value). Immutable once made:
 * thread-safe.
 */
#ifndef XL_TOKENIZER_H
#define XL_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"

struct xl_tokenizer;

enum xl_status xl_tokenizer_open(struct xl_tokenizer **tokenizer,
                                 const char *dir, struct xl_err *err);
void xl_tokenizer_free(struct xl_tokenizer *tokenizer);

/* A growing list of ids; release with xl_free(ids.data). */
struct xl_ids {
    int32_t *data; /* [n] */
    size_t n, room;
};
enum xl_status xl_ids_add(struct xl_ids *ids, int32_t id, struct xl_err *err);
void xl_ids_release(struct xl_ids *ids);

/* Appends the ids of text[0..n) to ids. XL_EUSAGE when the text is not UTF-8
 * and the tokenizer needs it to be. */
enum xl_status xl_tokenizer_encode(const struct xl_tokenizer *tokenizer,
                                   const char *text, size_t n,
                                   struct xl_ids *ids, struct xl_err *err);

/* Appends the bytes that one id stands for; special tokens give their text.
 * An id outside the vocabulary gives nothing. */
void xl_tokenizer_decode(const struct xl_tokenizer *tokenizer, int32_t id,
                         struct xl_buf *out);

/* Is it a special token (end of text, padding)? */
bool xl_tokenizer_is_special(const struct xl_tokenizer *tokenizer, int32_t id);

/* Ids run from 0 to below this. */
size_t xl_tokenizer_vocab(const struct xl_tokenizer *tokenizer);

/* "bpe" or "bytes". */
const char *xl_tokenizer_kind(const struct xl_tokenizer *tokenizer);

/* Decimal ids separated by white space; vocab bounds them. */
enum xl_status xl_ids_parse(const char *text, size_t n, const char *name,
                            size_t vocab, struct xl_ids *ids,
                            struct xl_err *err);

#endif
