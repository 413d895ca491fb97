/* SPDX-License-Identifier: Apache-2.0
 *
 * A sentence is a row of prose.def with its places filled by words drawn at
 * random; one that was made before is drawn again. There are some 10^9 of
 * them. A text of exactly N tokens is cut out of a longer one: the number of
 * ids of a beginning grows by one at a time but for the last few bytes, so
 * the cut is found by trying places around the N-th token. */
#include "judge/prose.h"

#include <stdbool.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/rng.h"

enum {
    MOST_BYTES = 64 << 20,
    SENTENCE_ROOM = 512,
    PARAGRAPH = 6,   /* sentences, on average */
    TRIES = 200,     /* for a sentence that is new */
    CUTS = 64,       /* places tried on either side of the N-th token */
    TOKEN_BYTES = 5, /* more than a token has on average */
};

struct words {
    char kind;
    const char *list; /* separated by '|' */
};

static const struct words kinds[] = {
#define XL_PROSE_WORDS(kind, words) { kind, words },
#include "judge/prose.def"
};

static const char *const sentences[] = {
#define XL_PROSE_SENTENCE(text) text,
#include "judge/prose.def"
};

enum {
    N_KINDS = sizeof kinds / sizeof *kinds,
    N_SENTENCES = sizeof sentences / sizeof *sentences
};

/* -- sentences ------------------------------------------------------------- */

struct writer {
    struct xl_rng rng;
    struct xl_buf sentence;
    uint64_t *made; /* [n] hashes of sentences */
    size_t n, room;
};

static void add_word(struct writer *w, const char *list)
{
    size_t n = 1;
    for (const char *at = list; *at; at++)
        n += *at == '|';
    size_t skip = (size_t)xl_rng_below(&w->rng, n);
    while (skip--)
        list = strchr(list, '|') + 1;
    xl_buf_add(&w->sentence, list, strcspn(list, "|"));
}

static void add_place(struct writer *w, char kind)
{
    if (kind == '#') {
        xl_buf_printf(&w->sentence, "%d", 2 + (int)xl_rng_below(&w->rng, 98));
        return;
    }
    for (size_t i = 0; i < N_KINDS; i++)
        if (kinds[i].kind == kind)
            add_word(w, kinds[i].list);
}

/* The first letter, behind an opening quote if there is one. */
static void set_capital(struct xl_buf *sentence)
{
    char *at = sentence->data;
    at += *at == '"';
    if (*at >= 'a' && *at <= 'z')
        *at = (char)(*at - 'a' + 'A');
}

static void draw_sentence(struct writer *w)
{
    const char *at = sentences[xl_rng_below(&w->rng, N_SENTENCES)];
    xl_buf_clear(&w->sentence);
    while (*at) {
        size_t plain = strcspn(at, "%");
        xl_buf_add(&w->sentence, at, plain);
        at += plain;
        if (*at) {
            add_place(w, at[1]);
            at += 2;
        }
    }
    if (xl_buf_ok(&w->sentence))
        set_capital(&w->sentence);
}

/* FNV-1a; a collision only costs another draw. */
static uint64_t hash_of(const struct xl_buf *text)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < text->len; i++)
        hash = (hash ^ (unsigned char)text->data[i]) * 1099511628211u;
    return hash;
}

static bool is_new(const struct writer *w, uint64_t hash)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->made[i] == hash)
            return false;
    return true;
}

static enum xl_status remember(struct writer *w, uint64_t hash,
                               struct xl_err *err)
{
    if (w->n == w->room) {
        size_t room = w->room ? 2 * w->room : 256;
        uint64_t *made =
            xl_realloc(w->made, w->room * sizeof *made, room * sizeof *made);
        if (!made)
            return xl_fail(err, XL_ENOMEM, "out of memory making a text");
        w->made = made;
        w->room = room;
    }
    w->made[w->n++] = hash;
    return XL_OK;
}

static enum xl_status next_sentence(struct writer *w, struct xl_err *err)
{
    for (size_t i = 0; i < TRIES; i++) {
        draw_sentence(w);
        uint64_t hash = hash_of(&w->sentence);
        if (is_new(w, hash))
            return remember(w, hash, err);
    }
    return xl_fail(err, XL_EFAILED, "no new sentence in %d draws", TRIES);
}

enum xl_status xl_prose(struct xl_buf *out, size_t bytes, uint64_t seed,
                        struct xl_err *err)
{
    struct writer w = { .made = NULL };
    enum xl_status rc = XL_OK;
    size_t begin = out->len;
    xl_rng_seed(&w.rng, seed);
    xl_buf_init(&w.sentence, SENTENCE_ROOM);
    while (rc == XL_OK && xl_buf_ok(out) && out->len - begin < bytes) {
        rc = next_sentence(&w, err);
        xl_buf_add(out, w.sentence.data, w.sentence.len);
        bool ends = xl_rng_below(&w.rng, PARAGRAPH) == 0;
        xl_buf_text(out, ends ? "\n\n" : " ");
    }
    if (rc == XL_OK)
        rc = xl_buf_check(&w.sentence, "a sentence", err);
    if (rc == XL_OK)
        rc = xl_buf_check(out, "the text", err);
    xl_buf_release(&w.sentence);
    xl_free(w.made);
    return rc;
}

/* -- exactly so many tokens ------------------------------------------------ */

/* Ids of the first n bytes. */
static enum xl_status count_ids(const struct xl_tokenizer *tokenizer,
                                const char *text, size_t n, size_t *count,
                                struct xl_err *err)
{
    struct xl_ids ids = { 0 };
    enum xl_status rc = xl_tokenizer_encode(tokenizer, text, n, &ids, err);
    *count = ids.n;
    xl_ids_release(&ids);
    return rc;
}

/* Bytes of the first n ids. */
static enum xl_status measure_ids(const struct xl_tokenizer *tokenizer,
                                  const struct xl_buf *text, size_t n,
                                  size_t *bytes, struct xl_err *err)
{
    struct xl_ids ids = { 0 };
    struct xl_buf decoded;
    enum xl_status rc =
        xl_tokenizer_encode(tokenizer, text->data, text->len, &ids, err);
    xl_buf_init(&decoded, MOST_BYTES);
    if (rc == XL_OK && ids.n < n)
        rc = xl_fail(err, XL_EFAILED,
                     "%zu bytes of prose are %zu tokens, too few for %zu",
                     text->len, ids.n, n);
    for (size_t i = 0; rc == XL_OK && i < n; i++)
        xl_tokenizer_decode(tokenizer, ids.data[i], &decoded);
    *bytes = decoded.len;
    xl_buf_release(&decoded);
    xl_ids_release(&ids);
    return rc;
}

/* A cut whose beginning has n ids, near `guess`. Prose is ASCII. */
static enum xl_status find_cut(const struct xl_tokenizer *tokenizer,
                               const struct xl_buf *text, size_t n,
                               size_t guess, size_t *cut, struct xl_err *err)
{
    for (size_t i = 0; i < CUTS; i++) {
        size_t away = (i + 1) / 2, count = 0;
        *cut = i % 2 ? guess - (away < guess ? away : guess) : guess + away;
        if (*cut > text->len)
            continue;
        XL_TRY(count_ids(tokenizer, text->data, *cut, &count, err));
        if (count == n)
            return XL_OK;
    }
    return xl_fail(err, XL_EFAILED, "no beginning of the text has %zu tokens",
                   n);
}

enum xl_status xl_prose_exact(struct xl_buf *out,
                              const struct xl_config *config,
                              const struct xl_tokenizer *tokenizer,
                              size_t tokens, uint64_t seed, struct xl_err *err)
{
    struct xl_buf text;
    size_t n = tokens - (config->has_bos ? 1 : 0), guess = 0, cut = 0;
    if (tokens < 2)
        return xl_fail(err, XL_EUSAGE, "a text needs 2 tokens at least");
    xl_buf_init(&text, MOST_BYTES);
    enum xl_status rc = xl_prose(&text, n * TOKEN_BYTES + 64, seed, err);
    if (rc == XL_OK)
        rc = measure_ids(tokenizer, &text, n, &guess, err);
    if (rc == XL_OK)
        rc = find_cut(tokenizer, &text, n, guess, &cut, err);
    if (rc == XL_OK) {
        xl_buf_add(out, text.data, cut);
        rc = xl_buf_check(out, "the text", err);
    }
    xl_buf_release(&text);
    return rc;
}
