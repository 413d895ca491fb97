/* SPDX-License-Identifier: Apache-2.0
 *
 * Added tokens are found by a trie of bytes, leftmost first and then longest.
 * Their flags follow HuggingFace tokenizers to the letter, also where that
 * looks odd: a match refused by single_word is skipped whole, and a token that
 * strips the spaces to its right may be followed by one found inside them. */
#include "kernel/text/text_int.h"

#include <assert.h>

#include "kernel/base/alloc.h"

enum {
    FIRST_ROOM = 16
};

static uint64_t edge(size_t node, unsigned byte)
{
    return (uint64_t)node << 9 | byte;
}
#define TOKEN_HERE 256u

static enum xl_status keep_token(struct xl_added *added,
                                 const struct xl_added_token *token,
                                 struct xl_err *err)
{
    if (added->n == added->room) {
        size_t room = added->room ? 2 * added->room : FIRST_ROOM;
        struct xl_added_token *tokens = xl_realloc(
            added->tokens, added->n * sizeof *tokens, room * sizeof *tokens);
        if (!tokens)
            return xl_fail(err, XL_ENOMEM, "out of memory");
        added->tokens = tokens;
        added->room = room;
    }
    added->tokens[added->n++] = *token;
    return XL_OK;
}

enum xl_status xl_added_put(struct xl_added *added, const char *pattern,
                            size_t n, const struct xl_added_token *token,
                            struct xl_err *err)
{
    size_t node = 0;
    assert(n > 0);
    for (size_t i = 0; i < n; i++) {
        uint64_t key = edge(node, (unsigned char)pattern[i]);
        const uint64_t *next = xl_pairs_get(&added->trie, key);
        node = next ? (size_t)*next : ++added->n_nodes;
        if (!next)
            XL_TRY(xl_pairs_put(&added->trie, key, node, err));
    }
    if (xl_pairs_get(&added->trie, edge(node, TOKEN_HERE)))
        return XL_OK;
    XL_TRY(xl_pairs_put(&added->trie, edge(node, TOKEN_HERE), added->n, err));
    added->begins[(unsigned char)pattern[0]] = true;
    return keep_token(added, token, err);
}

void xl_added_release(struct xl_added *added)
{
    xl_free(added->tokens);
    xl_pairs_release(&added->trie);
    *added = (struct xl_added){ 0 };
}

/* The longest pattern at text, its length in *length; NULL without one. */
static const struct xl_added_token *longest(const struct xl_added *added,
                                            const char *text, size_t n,
                                            size_t *length)
{
    const struct xl_added_token *found = NULL;
    size_t node = 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t *next =
            xl_pairs_get(&added->trie, edge(node, (unsigned char)text[i]));
        if (!next)
            break;
        node = (size_t)*next;
        const uint64_t *here =
            xl_pairs_get(&added->trie, edge(node, TOKEN_HERE));
        if (here) {
            found = &added->tokens[*here];
            *length = i + 1;
        }
    }
    return found;
}

static bool touches_word(const char *text, size_t n, size_t start, size_t stop)
{
    size_t length;
    return (start > 0 &&
            xl_is_word(xl_code_point(text + xl_code_point_before(text, start),
                                     &length))) ||
           (stop < n && xl_is_word(xl_code_point(text + stop, &length)));
}

/* The start of the spaces before at, not looking beyond floor. */
static size_t spaces_begin(const char *text, size_t at, size_t floor)
{
    size_t length;
    while (at > floor) {
        size_t before = xl_code_point_before(text, at);
        if (!xl_is_space(xl_code_point(text + before, &length)))
            break;
        at = before;
    }
    return at;
}

static size_t spaces_end(const char *text, size_t n, size_t at)
{
    size_t length;
    while (at < n && xl_is_space(xl_code_point(text + at, &length)))
        at += length;
    return at;
}

enum xl_status xl_added_cut(const struct xl_added *added, const char *text,
                            size_t n, xl_added_piece *piece, void *ctx)
{
    size_t cut = 0, at = 0;      /* cut: what lies before it is given out */
    size_t run = 0, run_end = 0; /* spaces known from an earlier match */
    while (at < n && added->n) {
        size_t length = 0, start = at;
        const struct xl_added_token *token =
            added->begins[(unsigned char)text[at]]
                ? longest(added, text + at, n - at, &length)
                : NULL;
        at += token ? length : 1;
        size_t stop = at;
        if (!token ||
            (token->single_word && touches_word(text, n, start, stop)))
            continue;
        if (token->lstrip)
            start = spaces_begin(text, start, cut);
        if (token->rstrip && !(run <= stop && stop < run_end)) {
            run = stop;
            run_end = spaces_end(text, n, stop);
        }
        if (token->rstrip)
            stop = run_end;
        if (cut < start)
            XL_TRY(piece(ctx, text + cut, start - cut, -1));
        XL_TRY(piece(ctx, text + start, stop > start ? stop - start : 0,
                     token->id));
        cut = stop;
    }
    return cut < n ? piece(ctx, text + cut, n - cut, -1) : XL_OK;
}
