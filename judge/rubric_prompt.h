/* SPDX-License-Identifier: Apache-2.0
 *
 * The body of a request: POST /api/chat with a JSON schema for the reply,
 * temperature 0 and a seed.
 *
 *     struct xl_rubric_ask ask = { .model = "qwen3:8b", .seed = 1,
 *                                  .nonce = nonce, .limits = limits,
 *                                  .prompt = { prompt, strlen(prompt) },
 *                                  .texts = { { text, n } } };
 *     xl_buf_init(&body, 0);
 *     XL_TRY(xl_rubric_body(&ask, XL_ASK_MARKS, &body, err));
 *
 * The judged texts are data: each stands between two lines that hold a fence,
 * a word its author cannot have known. Of a text that is too long the head
 * and the tail are quoted as two pieces, and the request says how much is left
 * out between them; nothing is put into the text itself. Equal asks give equal
 * bytes. Pure.
 */
#ifndef XL_RUBRIC_PROMPT_H
#define XL_RUBRIC_PROMPT_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "judge/rubric.h"
#include "kernel/base/buf.h"
#include "kernel/base/err.h"

struct xl_rubric_text {
    const char *bytes; /* [n], any bytes */
    size_t n;
};

struct xl_rubric_limits {
    size_t prompt_chars, text_chars; /* most that are quoted of each */
    size_t context_tokens;           /* num_ctx: 0 = enough for the ask */
};

enum xl_ask_kind {
    XL_ASK_MARKS, /* rate texts[0] */
    XL_ASK_DUEL   /* compare texts[0] = A with texts[1] = B */
};

struct xl_rubric_ask {
    const char *model, *nonce;
    uint64_t seed;
    struct xl_rubric_limits limits;
    struct xl_rubric_text prompt, texts[2];
};

enum xl_status xl_rubric_body(const struct xl_rubric_ask *ask,
                              enum xl_ask_kind kind, struct xl_buf *out,
                              struct xl_err *err);

/* The schema of the reply; NULL without memory. */
cJSON *xl_rubric_schema(enum xl_ask_kind kind);

/* What is quoted of a text: bytes 0..head and n-tail..n, at most `most`
 * characters together, cut between characters; `left_out` characters stand
 * between them. A byte that is no UTF-8 counts as a character. */
struct xl_rubric_cut {
    size_t head, tail, left_out;
};
struct xl_rubric_cut xl_rubric_cut(struct xl_rubric_text text, size_t most);

/* How many bytes of it are quoted, and the context, a power of two, that holds
 * an ask of so many. */
size_t xl_rubric_quoted(struct xl_rubric_text text, size_t most);
size_t xl_rubric_context(size_t bytes);

#endif
