/* SPDX-License-Identifier: Apache-2.0
 *
 * tokenizer.json to a tokenizer. The file is believed in nothing: ids, merges
 * and lengths are checked before anything is built on them. */
#include "kernel/text/text_int.h"

#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/json.h"
#include "kernel/text/bpe_load.h"

enum {
    MAX_ID = (1 << 22) - 1,
    MAX_TOKEN_BYTES = 1 << 16,
    MAX_ADDED_BYTES = 1 << 20,
    MAX_ADDED_TOKEN = 1 << 10,
    ARENA_BLOCK = 1 << 20
};

struct loader {
    struct xl_bpe *bpe;
    struct xl_words added; /* contents of added tokens so far */
    const cJSON *rows;     /* of added_tokens, linked by next */
    int32_t next_id; /* of an added token that the vocabulary does not have */
    struct xl_err *err;
};

/* -- vocabulary ----------------------------------------------------------- */

static enum xl_status get_id(const cJSON *item, const char *token, int32_t *id,
                             struct xl_err *err)
{
    double x = cJSON_IsNumber(item) ? item->valuedouble : -1;
    if (!(x >= 0 && x <= MAX_ID && floor(x) == x))
        return xl_fail(err, XL_EFORMAT,
                       "the id of token '%.60s' must be an "
                       "integer from 0 to %d",
                       token, (int)MAX_ID);
    *id = (int32_t)x;
    return XL_OK;
}

static enum xl_status add_word(struct loader *l, const char *text, int32_t id)
{
    struct xl_words *vocab = &l->bpe->vocab;
    size_t n = strlen(text);
    if (n > MAX_TOKEN_BYTES)
        return xl_fail(l->err, XL_EFORMAT,
                       "token %d has %zu bytes; at most %d "
                       "are allowed",
                       (int)id, n, (int)MAX_TOKEN_BYTES);
    if (xl_words_find(vocab, text, n) >= 0)
        return xl_fail(l->err, XL_EFORMAT,
                       "token '%.60s' stands twice in "
                       "'model.vocab'",
                       text);
    char *copy = xl_arena_text(&l->bpe->arena, text, n);
    if (!copy)
        return xl_fail(l->err, XL_ENOMEM, "out of memory");
    return xl_words_add(vocab, copy, n, id, l->err);
}

static enum xl_status load_vocab(struct loader *l, const cJSON *model)
{
    const cJSON *vocab = xl_bpe_get(model, "vocab");
    if (!cJSON_IsObject(vocab))
        return xl_fail(l->err, XL_EFORMAT, "'model.vocab' must be an object");
    for (const cJSON *item = vocab->child; item; item = item->next) {
        int32_t id = 0;
        XL_TRY(get_id(item, item->string, &id, l->err));
        XL_TRY(add_word(l, item->string, id));
    }
    l->next_id = (int32_t)l->bpe->vocab.n;
    for (unsigned b = 0; b < 256; b++) {
        char letter[2];
        size_t n = xl_letter_of_byte((unsigned char)b, letter);
        l->bpe->byte_id[b] = xl_words_find(&l->bpe->vocab, letter, n);
    }
    return XL_OK;
}

/* -- merges --------------------------------------------------------------- */

struct merge {
    const char *left, *right;
    size_t n_left, n_right;
};

static bool read_pair(const cJSON *item, struct merge *m)
{
    const cJSON *left = cJSON_IsArray(item) ? item->child : NULL;
    const cJSON *right = left ? left->next : NULL;
    if (!cJSON_IsString(left) || !cJSON_IsString(right) || right->next)
        return false;
    *m = (struct merge){ .left = left->valuestring,
                         .n_left = strlen(left->valuestring),
                         .right = right->valuestring,
                         .n_right = strlen(right->valuestring) };
    return true;
}

static bool read_line(const cJSON *item, struct merge *m)
{
    const char *space =
        cJSON_IsString(item) ? strchr(item->valuestring, ' ') : NULL;
    if (!space || strchr(space + 1, ' '))
        return false;
    *m = (struct merge){ .left = item->valuestring,
                         .n_left = (size_t)(space - item->valuestring),
                         .right = space + 1,
                         .n_right = strlen(space + 1) };
    return true;
}

static enum xl_status add_merge(struct loader *l, const struct merge *m,
                                size_t rank, struct xl_buf *joined)
{
    const struct xl_words *vocab = &l->bpe->vocab;
    int32_t left = xl_words_find(vocab, m->left, m->n_left);
    int32_t right = xl_words_find(vocab, m->right, m->n_right);
    xl_buf_clear(joined);
    xl_buf_add(joined, m->left, m->n_left);
    xl_buf_add(joined, m->right, m->n_right);
    XL_TRY(xl_buf_check(joined, "a merged token", l->err));
    int32_t id = xl_words_find(vocab, joined->data, joined->len);
    if (left < 0 || right < 0 || id < 0)
        return xl_fail(l->err, XL_EFORMAT,
                       "merge %zu of '%.60s' needs the "
                       "token '%.60s', which 'model.vocab' does not have",
                       rank, joined->data,
                       left < 0    ? m->left
                       : right < 0 ? m->right
                                   : joined->data);
    return xl_pairs_put(&l->bpe->merges, (uint64_t)left << 32 | (uint64_t)right,
                        (uint64_t)rank << 32 | (uint64_t)id, l->err);
}

/* As in the reference, a pair that is listed twice has its last rank. */
static enum xl_status load_merges(struct loader *l, const cJSON *model)
{
    const cJSON *merges = xl_bpe_get(model, "merges");
    enum xl_status rc = XL_OK;
    struct xl_buf joined;
    size_t rank = 0;

    if (!cJSON_IsArray(merges))
        return xl_fail(l->err, XL_EFORMAT, "'model.merges' must be an array");
    xl_buf_init(&joined, 2 * MAX_TOKEN_BYTES + 1);
    bool lines = cJSON_IsString(merges->child);
    for (const cJSON *item = merges->child; item; item = item->next) {
        struct merge m = { 0 };
        if (lines && cJSON_IsString(item) &&
            strncmp(item->valuestring, "#version", 8) == 0)
            continue;
        if (!(lines ? read_line(item, &m) : read_pair(item, &m))) {
            rc = xl_fail(l->err, XL_EFORMAT,
                         "merge %zu must be two tokens, "
                         "\"a b\" or [\"a\", \"b\"], all alike",
                         rank);
            break;
        }
        XL_TRY_DONE(rc, add_merge(l, &m, rank++, &joined));
    }
done:
    xl_buf_release(&joined);
    return rc;
}

/* -- model ---------------------------------------------------------------- */

static enum xl_status load_unknown(struct loader *l, const cJSON *model)
{
    const char *token = NULL;
    enum xl_status rc = xl_json_get_text(model, "unk_token", &token, l->err);
    l->bpe->unk_id = -1;
    if (rc == XL_ENOTFOUND)
        return XL_OK;
    if (rc != XL_OK)
        return rc;
    l->bpe->unk_id = xl_words_find(&l->bpe->vocab, token, strlen(token));
    if (l->bpe->unk_id >= 0)
        return XL_OK;
    /* Some files say "" for none, which is harmless while every byte has a
     * symbol. */
    for (unsigned b = 0; b < 256; b++)
        if (token[0] || l->bpe->byte_id[b] < 0)
            return xl_fail(l->err, XL_EFORMAT,
                           "'model.unk_token' is '%.60s', "
                           "which 'model.vocab' does not have",
                           token);
    return XL_OK;
}

static enum xl_status refuse_affix(const cJSON *model, const char *key,
                                   struct xl_err *err)
{
    const char *text = "";
    enum xl_status rc = xl_json_get_text(model, key, &text, err);
    if (rc != XL_OK && rc != XL_ENOTFOUND)
        return rc;
    if (text[0])
        return xl_fail(err, XL_EFORMAT,
                       "'model.%s' is '%.60s'; only null is "
                       "supported",
                       key, text);
    return XL_OK;
}

static enum xl_status load_model(struct loader *l, const cJSON *model)
{
    static const char *const keys[] = {
        "type",
        "dropout",
        "unk_token",
        "continuing_subword_prefix",
        "end_of_word_suffix",
        "fuse_unk",
        "byte_fallback",
        "ignore_merges",
        "vocab",
        "merges",
    };
    const char *type;
    bool byte_fallback = false;
    XL_TRY(xl_bpe_type(model, "model", &type, l->err));
    if (strcmp(type, "BPE") != 0)
        return xl_fail(l->err, XL_EFORMAT,
                       "'model.type' is '%.60s'; only "
                       "'BPE' is supported",
                       type);
    XL_TRY(XL_CHECK_KEYS(model, "model", keys, l->err));
    const cJSON *dropout = xl_bpe_get(model, "dropout");
    if (dropout && !(cJSON_IsNumber(dropout) && dropout->valuedouble == 0))
        return xl_fail(l->err, XL_EFORMAT,
                       "'model.dropout' must be null: ids "
                       "drawn at random are not supported");
    XL_TRY(refuse_affix(model, "continuing_subword_prefix", l->err));
    XL_TRY(refuse_affix(model, "end_of_word_suffix", l->err));
    XL_TRY(
        xl_bpe_optional_flag(model, "byte_fallback", &byte_fallback, l->err));
    if (byte_fallback)
        return xl_fail(l->err, XL_EFORMAT,
                       "'model.byte_fallback' is true; "
                       "only false is supported");
    XL_TRY(xl_bpe_optional_flag(model, "fuse_unk", &l->bpe->fuse_unk, l->err));
    XL_TRY(xl_bpe_optional_flag(model, "ignore_merges", &l->bpe->ignore_merges,
                                l->err));
    XL_TRY(load_vocab(l, model));
    XL_TRY(load_merges(l, model));
    return load_unknown(l, model);
}

/* -- added tokens --------------------------------------------------------- */

struct added_row {
    const char *text;
    size_t n;
    int32_t id;
    struct xl_added_token token;
    bool normalized, special;
};

static enum xl_status read_added(const cJSON *item, struct added_row *row,
                                 struct xl_err *err)
{
    static const char *const keys[] = {
        "id",     "content",    "single_word", "lstrip",
        "rstrip", "normalized", "special",
    };
    XL_TRY(XL_CHECK_KEYS(item, "added_tokens", keys, err));
    if (xl_json_get_text(item, "content", &row->text, NULL) != XL_OK ||
        !row->text[0])
        return xl_fail(err, XL_EFORMAT,
                       "'added_tokens': 'content' must be "
                       "a string that is not empty");
    row->n = strlen(row->text);
    if (row->n > MAX_ADDED_TOKEN)
        return xl_fail(err, XL_EFORMAT,
                       "an added token has %zu bytes; at most %d are allowed",
                       row->n, (int)MAX_ADDED_TOKEN);
    XL_TRY(get_id(xl_bpe_get(item, "id"), row->text, &row->id, err));
    XL_TRY(xl_bpe_flag(item, "single_word", &row->token.single_word, err));
    XL_TRY(xl_bpe_flag(item, "lstrip", &row->token.lstrip, err));
    XL_TRY(xl_bpe_flag(item, "rstrip", &row->token.rstrip, err));
    XL_TRY(xl_bpe_flag(item, "normalized", &row->normalized, err));
    row->token.id = row->id;
    return xl_bpe_flag(item, "special", &row->special, err);
}

/* A token of the vocabulary keeps its id; others are numbered from the size
 * of the vocabulary on, and the file must say the same. */
static enum xl_status check_added_id(struct loader *l,
                                     const struct added_row *row)
{
    int32_t id = xl_words_find(&l->bpe->vocab, row->text, row->n);
    if (id < 0)
        id = l->next_id;
    if (id != row->id)
        return xl_fail(l->err, XL_EFORMAT,
                       "added token '%.60s' has id %d "
                       "where its place gives %d",
                       row->text, (int)row->id, (int)id);
    if (id >= l->next_id)
        l->next_id = id + 1;
    if (xl_words_find(&l->added, row->text, row->n) >= 0)
        return xl_fail(l->err, XL_EFORMAT, "added token '%.60s' stands twice",
                       row->text);
    return xl_words_add(&l->added, row->text, row->n, id, l->err);
}

/* The text a token is found by, and gives when decoded: in form C for tokens
 * that are looked for in normalised text. */
static enum xl_status write_pattern(const struct loader *l,
                                    const struct added_row *row,
                                    struct xl_buf *out)
{
    xl_buf_clear(out);
    if (row->normalized && l->bpe->nfc)
        return xl_nfc(row->text, row->n, out, l->err);
    xl_buf_add(out, row->text, row->n);
    return xl_buf_check(out, "an added token", l->err);
}

static enum xl_status check_added(struct loader *l)
{
    struct added_row row = { 0 };
    size_t total = 0;
    for (const cJSON *item = l->rows; item; item = item->next) {
        XL_TRY(read_added(item, &row, l->err));
        XL_TRY(check_added_id(l, &row));
        total += row.n;
        if (total > MAX_ADDED_BYTES)
            return xl_fail(l->err, XL_EFORMAT,
                           "'added_tokens' hold more than %d bytes of text",
                           (int)MAX_ADDED_BYTES);
    }
    return XL_OK;
}

/* Special ones first: of two patterns that are equal in form C the first one
 * is found. */
static enum xl_status put_patterns(struct loader *l, bool special,
                                   struct xl_buf *pattern)
{
    struct added_row row = { 0 };
    for (const cJSON *item = l->rows; item; item = item->next) {
        XL_TRY(read_added(item, &row, l->err));
        if (row.special != special)
            continue;
        XL_TRY(write_pattern(l, &row, pattern));
        XL_TRY(xl_added_put(row.normalized ? &l->bpe->normal : &l->bpe->raw,
                            pattern->data, pattern->len, &row.token, l->err));
    }
    return XL_OK;
}

/* -- ids to bytes --------------------------------------------------------- */

static enum xl_status make_table(struct loader *l)
{
    struct xl_bpe *bpe = l->bpe;
    int32_t most = -1;
    for (size_t i = 0; i < bpe->vocab.room; i++)
        if (bpe->vocab.slots[i].text && bpe->vocab.slots[i].id > most)
            most = bpe->vocab.slots[i].id;
    if (l->rows && l->next_id - 1 > most)
        most = l->next_id - 1;
    if (most < 0)
        return xl_fail(l->err, XL_EFORMAT, "there are no tokens");
    bpe->n_tokens = (size_t)most + 1;
    bpe->tokens = xl_alloc_zero(bpe->n_tokens, sizeof *bpe->tokens);
    return bpe->tokens ? XL_OK : xl_fail(l->err, XL_ENOMEM, "out of memory");
}

static enum xl_status set_token(struct loader *l, int32_t id, const char *text,
                                size_t n, struct xl_buf *bytes)
{
    struct xl_bpe_token *token = &l->bpe->tokens[id];
    if (token->bytes)
        return xl_fail(l->err, XL_EFORMAT,
                       "two tokens have the id %d, one is '%.60s'", (int)id,
                       text);
    xl_buf_clear(bytes);
    xl_letters_to_bytes(text, n, bytes);
    XL_TRY(xl_buf_check(bytes, "a token", l->err));
    token->n = bytes->len;
    token->bytes = xl_arena_text(&l->bpe->arena, bytes->data, bytes->len);
    return token->bytes ? XL_OK : xl_fail(l->err, XL_ENOMEM, "out of memory");
}

static enum xl_status set_words(struct loader *l, struct xl_buf *bytes)
{
    const struct xl_words *vocab = &l->bpe->vocab;
    for (size_t i = 0; i < vocab->room; i++) {
        const struct xl_word *word = &vocab->slots[i];
        if (word->text)
            XL_TRY(set_token(l, word->id, word->text, word->n, bytes));
    }
    return XL_OK;
}

static enum xl_status set_added(struct loader *l, struct xl_buf *pattern,
                                struct xl_buf *bytes)
{
    struct added_row row = { 0 };
    for (const cJSON *item = l->rows; item; item = item->next) {
        XL_TRY(read_added(item, &row, l->err));
        XL_TRY(write_pattern(l, &row, pattern));
        struct xl_bpe_token *token = &l->bpe->tokens[row.id];
        if (xl_words_find(&l->bpe->vocab, row.text, row.n) >= 0)
            token->bytes = NULL;
        XL_TRY(set_token(l, row.id, pattern->data, pattern->len, bytes));
        token->special = row.special;
    }
    return XL_OK;
}

static enum xl_status load_tokens(struct loader *l, const cJSON *root)
{
    const cJSON *list = xl_bpe_get(root, "added_tokens");
    struct xl_buf pattern, bytes;
    if (list && !cJSON_IsArray(list))
        return xl_fail(l->err, XL_EFORMAT, "'added_tokens' must be an array");
    l->rows = list ? list->child : NULL;
    XL_TRY(check_added(l));
    XL_TRY(make_table(l));
    xl_buf_init(&pattern, 0);
    xl_buf_init(&bytes, 0);
    enum xl_status rc = put_patterns(l, true, &pattern);
    if (rc == XL_OK)
        rc = put_patterns(l, false, &pattern);
    if (rc == XL_OK)
        rc = set_words(l, &bytes);
    if (rc == XL_OK)
        rc = set_added(l, &pattern, &bytes);
    xl_buf_release(&bytes);
    xl_buf_release(&pattern);
    return rc;
}

/* -- the whole file ------------------------------------------------------- */

static enum xl_status load_root(struct loader *l, const cJSON *root)
{
    if (!cJSON_IsObject(root))
        return xl_fail(l->err, XL_EFORMAT, "the file must hold an object");
    XL_TRY(xl_bpe_config(l->bpe, root, l->err));
    XL_TRY(load_model(l, xl_bpe_get(root, "model")));
    return load_tokens(l, root);
}

/* The parser ends a string at an escaped NUL, so a file that has one is not
 * read as it stands. */
static enum xl_status refuse_nul(const char *text, size_t n, struct xl_err *err)
{
    for (size_t i = 0; i + 1 < n; i++) {
        if (text[i] != '\\')
            continue;
        if (n - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0)
            return xl_fail(err, XL_EFORMAT,
                           "a string at byte %zu has a NUL "
                           "character",
                           i);
        i++;
    }
    return XL_OK;
}

enum xl_status xl_bpe_load(struct xl_bpe **bpe, const char *text, size_t n,
                           const char *path, struct xl_err *err)
{
    cJSON *root = NULL;
    *bpe = NULL;
    XL_TRY(xl_json_parse(text, n, path, &root, err));
    struct loader l = { .err = err, .bpe = xl_alloc_zero(1, sizeof *l.bpe) };
    enum xl_status rc = XL_OK;
    if (l.bpe)
        xl_arena_init(&l.bpe->arena, ARENA_BLOCK);
    else
        rc = xl_fail(err, XL_ENOMEM, "out of memory");
    if (rc == XL_OK)
        rc = refuse_nul(text, n, err);
    if (rc == XL_OK)
        rc = load_root(&l, root);
    if (rc != XL_OK) {
        xl_bpe_free(l.bpe);
        xl_err_prefix(err, "'%s'", path);
    } else {
        *bpe = l.bpe;
    }
    xl_words_release(&l.added);
    cJSON_Delete(root);
    return rc;
}
