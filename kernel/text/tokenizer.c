/* SPDX-License-Identifier: Apache-2.0
 *
 * Two kinds: the BPE of tokenizer.json, and bytes, which need no state. */
#include "kernel/text/tokenizer.h"

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/text/text_int.h"

enum {
    BYTES = 256
};
/* The largest known tokenizer.json has half of this. */
#define MAX_FILE_BYTES ((size_t)64 << 20)

struct xl_tokenizer {
    struct xl_bpe *bpe; /* NULL = bytes */
};

/* Leaves *bpe at NULL when there is no such file. */
static enum xl_status open_bpe(struct xl_bpe **bpe, const char *path,
                               struct xl_err *err)
{
    struct xl_buf text;
    struct xl_err missing = { 0 };
    xl_buf_init(&text, MAX_FILE_BYTES);
    enum xl_status rc = xl_io_read(path, &text, &missing);
    if (rc == XL_OK)
        rc = xl_bpe_load(bpe, text.data, text.len, path, err);
    else if (rc == XL_ENOTFOUND)
        rc = XL_OK;
    else
        xl_fail(err, rc, "%s", missing.message);
    xl_buf_release(&text);
    return rc;
}

enum xl_status xl_tokenizer_open(struct xl_tokenizer **tokenizer,
                                 const char *dir, struct xl_err *err)
{
    enum xl_status rc = XL_OK;
    struct xl_tokenizer *made = NULL;
    char *path = NULL;

    *tokenizer = NULL;
    if (!xl_io_is_dir(dir))
        return xl_fail(err, XL_ENOTFOUND, "no folder '%s'", dir);
    path = xl_io_join(dir, "tokenizer.json");
    made = xl_alloc_zero(1, sizeof *made);
    if (!path || !made) {
        rc = xl_fail(err, XL_ENOMEM, "out of memory");
        goto done;
    }
    rc = open_bpe(&made->bpe, path, err);
    if (rc == XL_OK) {
        *tokenizer = made;
        made = NULL;
    }
done:
    xl_free(made);
    xl_free(path);
    return rc;
}

void xl_tokenizer_free(struct xl_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    xl_bpe_free(tokenizer->bpe);
    xl_free(tokenizer);
}

enum xl_status xl_tokenizer_encode(const struct xl_tokenizer *tokenizer,
                                   const char *text, size_t n,
                                   struct xl_ids *ids, struct xl_err *err)
{
    if (tokenizer->bpe)
        return xl_bpe_encode(tokenizer->bpe, text, n, ids, err);
    for (size_t i = 0; i < n; i++)
        XL_TRY(xl_ids_add(ids, (unsigned char)text[i], err));
    return XL_OK;
}

static const struct xl_bpe_token *find(const struct xl_bpe *bpe, int32_t id)
{
    if (id < 0 || (size_t)id >= bpe->n_tokens)
        return NULL;
    return &bpe->tokens[id];
}

void xl_tokenizer_decode(const struct xl_tokenizer *tokenizer, int32_t id,
                         struct xl_buf *out)
{
    if (!tokenizer->bpe) {
        if (id >= 0 && id < BYTES)
            xl_buf_char(out, (char)id);
        return;
    }
    const struct xl_bpe_token *token = find(tokenizer->bpe, id);
    if (token && token->bytes)
        xl_buf_add(out, token->bytes, token->n);
}

bool xl_tokenizer_is_special(const struct xl_tokenizer *tokenizer, int32_t id)
{
    const struct xl_bpe_token *token =
        tokenizer->bpe ? find(tokenizer->bpe, id) : NULL;
    return token && token->special;
}

size_t xl_tokenizer_vocab(const struct xl_tokenizer *tokenizer)
{
    return tokenizer->bpe ? tokenizer->bpe->n_tokens : BYTES;
}

const char *xl_tokenizer_kind(const struct xl_tokenizer *tokenizer)
{
    return tokenizer->bpe ? "bpe" : "bytes";
}
