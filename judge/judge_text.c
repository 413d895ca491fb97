/* SPDX-License-Identifier: Apache-2.0
 *
 * The text a judge reads: ids, how many bytes each stands for, and a hash of
 * the ids, by which verdicts say what they are about. */
#include <string.h>

#include "judge/judge.h"
#include "judge/prose.h"
#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/rng.h"
#include "kernel/run/session.h"

enum {
    RANDOM_TOKENS = 2048,
    RANDOM_SEED = 20240507,
    MOST_TEXT = 64 << 20,
    TOKEN_BYTES = 6, /* of prose; more than a token has on average */
};

static const char heldout_name[] = "judge/text/heldout.txt";

void xl_judge_text_release(struct xl_judge_text *text)
{
    xl_ids_release(&text->ids);
    xl_free(text->token_bytes);
    *text = (struct xl_judge_text){ 0 };
}

static void cut(struct xl_judge_text *text, size_t max_tokens)
{
    if (max_tokens && text->ids.n > max_tokens)
        text->ids.n = max_tokens;
}

static void set_hash(struct xl_judge_text *text)
{
    xl_hash(text->hash, text->ids.data, text->ids.n * sizeof *text->ids.data);
}

static enum xl_status encode(struct xl_judge_text *text,
                             const struct xl_model *model,
                             const struct xl_tokenizer *tokenizer,
                             const char *bytes, size_t n, struct xl_err *err)
{
    const struct xl_config *config = xl_model_config(model);
    struct xl_ids *ids = &text->ids;
    XL_TRY(xl_tokenizer_encode(tokenizer, bytes, n, ids, err));
    if (!config->has_bos ||
        (ids->n > 0 && (int64_t)ids->data[0] == config->bos))
        return XL_OK;
    XL_TRY(xl_ids_add(ids, (int32_t)config->bos, err));
    memmove(ids->data + 1, ids->data, (ids->n - 1) * sizeof *ids->data);
    ids->data[0] = (int32_t)config->bos;
    return XL_OK;
}

static bool fits(const struct xl_ids *ids, size_t vocab)
{
    for (size_t i = 0; i < ids->n; i++)
        if (ids->data[i] < 0 || (size_t)ids->data[i] >= vocab)
            return false;
    return true;
}

/* Unknown where bytes stand in for the tokens of a checkpoint without
 * tokenizer: a token of that vocabulary would be several bytes long. */
static enum xl_status count_bytes(struct xl_judge_text *text,
                                  const struct xl_model *model,
                                  const struct xl_tokenizer *tokenizer,
                                  struct xl_err *err)
{
    struct xl_buf piece;
    size_t n = text->ids.n;
    bool is_stand_in =
        strcmp(xl_tokenizer_kind(tokenizer), "bytes") == 0 &&
        xl_model_config(model)->vocab > 2 * xl_tokenizer_vocab(tokenizer);
    xl_free(text->token_bytes);
    text->token_bytes = NULL;
    if (is_stand_in)
        return XL_OK;
    text->token_bytes = xl_alloc_zero(n + 1, 1);
    if (!text->token_bytes)
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu tokens", n);
    xl_buf_init(&piece, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        xl_buf_clear(&piece);
        xl_tokenizer_decode(tokenizer, text->ids.data[i], &piece);
        text->token_bytes[i] =
            (uint8_t)(piece.len < UINT8_MAX ? piece.len : UINT8_MAX);
    }
    xl_buf_release(&piece);
    return XL_OK;
}

enum xl_status xl_judge_text(struct xl_judge_text *text,
                             const struct xl_model *model,
                             const struct xl_tokenizer *tokenizer,
                             const char *bytes, size_t n, size_t max_tokens,
                             struct xl_err *err)
{
    size_t vocab = xl_model_config(model)->vocab;
    *text = (struct xl_judge_text){ 0 };
    enum xl_status rc = encode(text, model, tokenizer, bytes, n, err);
    if (rc == XL_OK && !fits(&text->ids, vocab))
        rc = xl_fail(err, XL_EUSAGE,
                     "the text has token ids beyond the "
                     "model's vocabulary of %zu",
                     vocab);
    if (rc == XL_OK && text->ids.n < 2)
        rc = xl_fail(err, XL_EUSAGE,
                     "nothing to judge: %zu token; the first "
                     "one only conditions",
                     text->ids.n);
    cut(text, max_tokens);
    if (rc == XL_OK)
        rc = count_bytes(text, model, tokenizer, err);
    set_hash(text);
    if (rc != XL_OK)
        xl_judge_text_release(text);
    return rc;
}

/* -- made texts ------------------------------------------------------------ */

static enum xl_status add_random(struct xl_ids *ids, size_t vocab,
                                 size_t tokens, uint64_t seed,
                                 struct xl_err *err)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, seed);
    while (ids->n < tokens)
        XL_TRY(xl_ids_add(ids, (int32_t)xl_rng_below(&rng, vocab), err));
    return XL_OK;
}

/* Ids of prose behind those there are. */
static enum xl_status add_prose(struct xl_ids *ids,
                                const struct xl_tokenizer *tokenizer,
                                size_t tokens, uint64_t seed,
                                struct xl_err *err)
{
    struct xl_buf prose;
    struct xl_ids more = { 0 };
    size_t wanted = tokens - ids->n;
    enum xl_status rc;
    xl_buf_init(&prose, MOST_TEXT);
    XL_TRY_DONE(rc, xl_prose(&prose, wanted * TOKEN_BYTES, seed, err));
    XL_TRY_DONE(
        rc, xl_tokenizer_encode(tokenizer, prose.data, prose.len, &more, err));
    if (more.n < wanted) {
        rc = xl_fail(err, XL_EFAILED,
                     "%zu bytes of prose are %zu tokens, too few for %zu",
                     prose.len, more.n, wanted);
        goto done;
    }
    for (size_t i = 0; i < wanted && rc == XL_OK; i++)
        rc = xl_ids_add(ids, more.data[i], err);
done:
    xl_buf_release(&prose);
    xl_ids_release(&more);
    return rc;
}

enum xl_status xl_judge_extend(struct xl_judge_text *text,
                               const struct xl_model *model,
                               const struct xl_tokenizer *tokenizer,
                               size_t tokens, uint64_t seed, struct xl_err *err)
{
    size_t vocab = xl_model_config(model)->vocab;
    bool is_random = text->is_random || !tokenizer;
    enum xl_status rc = XL_OK;
    if (text->ids.n >= tokens)
        return XL_OK;
    if (is_random)
        rc = add_random(&text->ids, vocab, tokens, seed, err);
    else
        rc = add_prose(&text->ids, tokenizer, tokens, seed, err);
    if (rc == XL_OK && !is_random && !fits(&text->ids, vocab))
        rc = xl_fail(err, XL_EUSAGE,
                     "prose has token ids beyond the model's vocabulary of %zu",
                     vocab);
    if (rc == XL_OK && text->token_bytes)
        rc = count_bytes(text, model, tokenizer, err);
    set_hash(text);
    return rc;
}

static enum xl_status make(struct xl_judge_text *text,
                           const struct xl_model *model,
                           const struct xl_tokenizer *tokenizer, size_t tokens,
                           uint64_t seed, struct xl_err *err)
{
    const struct xl_config *config = xl_model_config(model);
    enum xl_status rc = XL_OK;
    *text = (struct xl_judge_text){ .is_random = !tokenizer };
    if (config->has_bos && tokenizer)
        rc = xl_ids_add(&text->ids, (int32_t)config->bos, err);
    if (rc == XL_OK)
        rc = xl_judge_extend(text, model, tokenizer, tokens, seed, err);
    if (rc == XL_OK && tokenizer && !text->token_bytes)
        rc = count_bytes(text, model, tokenizer, err);
    if (rc != XL_OK)
        xl_judge_text_release(text);
    return rc;
}

enum xl_status xl_judge_made(struct xl_judge_text *text,
                             const struct xl_model *model,
                             const struct xl_tokenizer *tokenizer,
                             size_t tokens, uint64_t seed, struct xl_err *err)
{
    struct xl_err unfit = { 0 };
    enum xl_status rc = make(text, model, tokenizer, tokens, seed, &unfit);
    if (rc == XL_EUSAGE)
        return make(text, model, NULL, tokens, seed, err);
    return rc == XL_OK ? rc : xl_fail(err, rc, "%s", unfit.message);
}

static enum xl_status draw(struct xl_judge_text *text,
                           const struct xl_model *model, size_t max_tokens,
                           struct xl_err *err)
{
    bool is_short = max_tokens && max_tokens < RANDOM_TOKENS;
    return xl_judge_made(text, model, NULL,
                         is_short ? max_tokens : RANDOM_TOKENS, RANDOM_SEED,
                         err);
}

/* -- the bundled text ------------------------------------------------------ */

enum xl_status xl_judge_heldout_bytes(struct xl_buf *out, struct xl_err *err)
{
    char *path = xl_session_shipped(heldout_name);
    if (!path)
        return xl_fail(err, XL_ENOTFOUND,
                       "the bundled text '%s' is not where "
                       "it was installed",
                       heldout_name);
    enum xl_status rc = xl_io_read(path, out, err);
    xl_free(path);
    return rc;
}

enum xl_status xl_judge_heldout(struct xl_judge_text *text,
                                const struct xl_model *model,
                                const struct xl_tokenizer *tokenizer,
                                size_t max_tokens, struct xl_err *err)
{
    struct xl_buf bytes;
    struct xl_err unfit = { 0 };
    *text = (struct xl_judge_text){ 0 };
    if (!tokenizer)
        return draw(text, model, max_tokens, err);
    xl_buf_init(&bytes, MOST_TEXT);
    enum xl_status rc = xl_judge_heldout_bytes(&bytes, err);
    if (rc == XL_OK) {
        rc = xl_judge_text(text, model, tokenizer, bytes.data, bytes.len,
                           max_tokens, &unfit);
        if (rc == XL_EUSAGE)
            rc = draw(text, model, max_tokens, err);
        else if (rc != XL_OK)
            xl_fail(err, rc, "%s", unfit.message);
    }
    xl_buf_release(&bytes);
    return rc;
}
