/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to ids: tokens that are matched on the raw text are cut out, each
 * stretch between them is normalised by itself, tokens that are matched on
 * normalised text are cut out of it, and what is left is split into words
 * whose bytes are merged. Normalising by stretches matters: a combining mark
 * after a special token does not join it. */
#include "kernel/text/text_int.h"

#include "kernel/base/alloc.h"
#include "kernel/base/json.h"

/* One call of encode. */
struct encoder {
    const struct xl_bpe *bpe;
    struct xl_ids *ids;
    struct xl_buf normal;   /* the stretch in form C */
    struct xl_buf prefixed; /* a piece with a space in front */
    struct xl_buf letters;  /* a word as the vocabulary spells it */
    struct xl_merge merge;
    struct xl_err *err;
};

/* The id of the word as one token, or -1. */
static enum xl_status whole_word(struct encoder *e, const char *text, size_t n,
                                 int32_t *id)
{
    xl_buf_clear(&e->letters);
    for (size_t i = 0; i < n; i++) {
        char letter[2];
        size_t len = xl_letter_of_byte((unsigned char)text[i], letter);
        xl_buf_add(&e->letters, letter, len);
    }
    XL_TRY(xl_buf_check(&e->letters, "a word", e->err));
    *id = xl_words_find(&e->bpe->vocab, e->letters.data, e->letters.len);
    return XL_OK;
}

static enum xl_status encode_word(void *ctx, const char *text, size_t n)
{
    struct encoder *e = ctx;
    const struct xl_bpe *bpe = e->bpe;
    int32_t id = -1;
    if (bpe->ignore_merges)
        XL_TRY(whole_word(e, text, n, &id));
    if (id >= 0)
        return xl_ids_add(e->ids, id, e->err);
    XL_TRY(xl_merge_begin(&e->merge, n, e->err));
    bool after_unknown = false;
    for (size_t i = 0; i < n; i++) {
        id = bpe->byte_id[(unsigned char)text[i]];
        bool is_unknown = id < 0;
        if (!is_unknown)
            xl_merge_add(&e->merge, id);
        else if (bpe->unk_id >= 0 && !(bpe->fuse_unk && after_unknown))
            xl_merge_add(&e->merge, bpe->unk_id);
        after_unknown = is_unknown;
    }
    return xl_merge_run(&e->merge, &bpe->merges, e->ids, e->err);
}

static enum xl_status normal_piece(void *ctx, const char *text, size_t n,
                                   int32_t id)
{
    struct encoder *e = ctx;
    if (id >= 0)
        return xl_ids_add(e->ids, id, e->err);
    if (e->bpe->prefix_space && text[0] != ' ') {
        xl_buf_clear(&e->prefixed);
        xl_buf_char(&e->prefixed, ' ');
        xl_buf_add(&e->prefixed, text, n);
        XL_TRY(xl_buf_check(&e->prefixed, "the text", e->err));
        text = e->prefixed.data;
        n = e->prefixed.len;
    }
    if (!e->bpe->split)
        return encode_word(e, text, n);
    return xl_split_run(e->bpe->split, text, n, encode_word, e, e->err);
}

static enum xl_status raw_piece(void *ctx, const char *text, size_t n,
                                int32_t id)
{
    struct encoder *e = ctx;
    if (id >= 0)
        return xl_ids_add(e->ids, id, e->err);
    if (e->bpe->nfc) {
        xl_buf_clear(&e->normal);
        XL_TRY(xl_nfc(text, n, &e->normal, e->err));
        text = e->normal.data;
        n = e->normal.len;
    }
    return xl_added_cut(&e->bpe->normal, text, n, normal_piece, e);
}

static enum xl_status check_text(const char *text, size_t n, struct xl_err *err)
{
    size_t length;
    for (size_t i = 0; i < n; i += length) {
        length = xl_utf8_length(text + i, n - i);
        if (length == 0)
            return xl_fail(err, XL_EUSAGE,
                           "text is not UTF-8 at byte %zu; "
                           "this tokenizer needs UTF-8",
                           i);
    }
    return XL_OK;
}

enum xl_status xl_bpe_encode(const struct xl_bpe *bpe, const char *text,
                             size_t n, struct xl_ids *ids, struct xl_err *err)
{
    size_t before = ids->n;
    struct encoder e = { .bpe = bpe, .ids = ids, .err = err };
    XL_TRY(check_text(text, n, err));
    xl_buf_init(&e.normal, 0);
    xl_buf_init(&e.prefixed, 0);
    xl_buf_init(&e.letters, 0);
    enum xl_status rc = xl_added_cut(&bpe->raw, text, n, raw_piece, &e);
    xl_merge_release(&e.merge);
    xl_buf_release(&e.letters);
    xl_buf_release(&e.prefixed);
    xl_buf_release(&e.normal);
    if (rc != XL_OK)
        ids->n = before;
    return rc;
}

void xl_bpe_free(struct xl_bpe *bpe)
{
    if (!bpe)
        return;
    xl_split_free(bpe->split);
    xl_added_release(&bpe->raw);
    xl_added_release(&bpe->normal);
    xl_pairs_release(&bpe->merges);
    xl_words_release(&bpe->vocab);
    xl_free(bpe->tokens);
    xl_arena_release(&bpe->arena);
    xl_free(bpe);
}
