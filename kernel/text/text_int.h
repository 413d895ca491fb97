/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the byte-level BPE tokenizer, in the order text meets them:
 * added tokens are cut out (bpe_added.c), the rest is normalised
 * (bpe_normalize.c) and cut into words (bpe_split.c), words become symbols and
 * symbols are merged (bpe_merge.c). bpe.c joins the parts, bpe_load.c makes
 * them from tokenizer.json, bpe_table.c has the hash tables.
 */
#ifndef XL_TEXT_INT_H
#define XL_TEXT_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/arena.h"
#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "kernel/text/tokenizer.h"

/* -- bpe_table.c --------------------------------------------------------------
 */

/* Numbers to numbers. {0} is empty; the key UINT64_MAX is not allowed. */
struct xl_pairs {
    struct xl_pair {
        uint64_t key, value;
    } * slots;      /* [room], key UINT64_MAX = free */
    size_t n, room; /* room is 0 or a power of two */
};

/* Sets the value of key, new or known. */
enum xl_status xl_pairs_put(struct xl_pairs *pairs, uint64_t key,
                            uint64_t value, struct xl_err *err);
/* The value of key, or NULL. */
const uint64_t *xl_pairs_get(const struct xl_pairs *pairs, uint64_t key);
void xl_pairs_release(struct xl_pairs *pairs);

/* Texts to ids. {0} is empty; texts belong to the caller. */
struct xl_words {
    struct xl_word {
        const char *text; /* [n], NULL = free */
        uint32_t n;
        int32_t id;
    } * slots;      /* [room] */
    size_t n, room; /* room is 0 or a power of two */
};

/* Adds a text that is not there yet. */
enum xl_status xl_words_add(struct xl_words *words, const char *text, size_t n,
                            int32_t id, struct xl_err *err);
/* The id of a text, or -1. */
int32_t xl_words_find(const struct xl_words *words, const char *text, size_t n);
void xl_words_release(struct xl_words *words);

/* -- bpe_letters.c: byte-level alphabet and classes of code points ------------
 */

/* The letter that stands for a byte, as UTF-8 in out; its length, 1 or 2. */
size_t xl_letter_of_byte(unsigned char byte, char out[2]);

/* Appends the bytes that text's letters stand for; when a character of it is
 * no such letter, text itself. */
void xl_letters_to_bytes(const char *text, size_t n, struct xl_buf *out);

/* The code point of the valid sequence at text, and its length. */
uint32_t xl_code_point(const char *text, size_t *length);
/* The start of the code point that ends before at > 0. */
size_t xl_code_point_before(const char *text, size_t at);

/* Is it in unicode.def, newer than the reference's normaliser? */
bool xl_is_newcomer(uint32_t cp);

/* White_Space, and what regular expressions call a word character. */
bool xl_is_space(uint32_t cp);
bool xl_is_word(uint32_t cp);

/* -- bpe_normalize.c ----------------------------------------------------------
 */

/* Appends text[0..n), valid UTF-8, in normalisation form C. */
enum xl_status xl_nfc(const char *text, size_t n, struct xl_buf *out,
                      struct xl_err *err);

/* -- bpe_added.c --------------------------------------------------------------
 */

struct xl_added_token {
    int32_t id;
    bool single_word, lstrip, rstrip;
};

/* Patterns to be found leftmost, longest first. {0} is empty. */
struct xl_added {
    struct xl_added_token *tokens; /* [n] */
    size_t n, room;
    struct xl_pairs trie; /* node << 9 | byte -> node; | 256 -> token */
    size_t n_nodes;
    bool begins[256]; /* does a pattern begin with this byte? */
};

/* A pattern equal to an earlier one is never found. */
enum xl_status xl_added_put(struct xl_added *added, const char *pattern,
                            size_t n, const struct xl_added_token *token,
                            struct xl_err *err);
void xl_added_release(struct xl_added *added);

/* Cuts text at the patterns: calls piece with id -1 for text between them
 * (never empty) and with the id for a pattern. */
typedef enum xl_status xl_added_piece(void *ctx, const char *text, size_t n,
                                      int32_t id);
enum xl_status xl_added_cut(const struct xl_added *added, const char *text,
                            size_t n, xl_added_piece *piece, void *ctx);

/* -- bpe_split.c --------------------------------------------------------------
 */

struct xl_split; /* a compiled pattern; immutable */

/* The pattern of GPT-2, as tokenizer.json spells it. */
extern const char xl_split_gpt2[];

/* XL_EFORMAT when the pattern is none that is known here. */
enum xl_status xl_split_make(struct xl_split **split, const char *pattern,
                             struct xl_err *err);
void xl_split_free(struct xl_split *split);

/* Calls word for each match and each stretch between matches, in order. */
typedef enum xl_status xl_split_word(void *ctx, const char *text, size_t n);
enum xl_status xl_split_run(const struct xl_split *split, const char *text,
                            size_t n, xl_split_word *word, void *ctx,
                            struct xl_err *err);

/* -- bpe_merge.c --------------------------------------------------------------
 */

/* Scratch of the merge loop, for one word at a time. {0} is empty. */
struct xl_merge {
    struct xl_merge_symbol {
        int32_t id; /* -1 = merged into the one before */
        int32_t prev, next;
    } * symbols; /* [n], in [room] */
    struct xl_merge_entry {
        uint64_t key; /* rank << 32 | position of the left symbol */
        int32_t id;   /* what the pair becomes */
    } * heap;         /* [n_heap], in [3 * room] */
    size_t n, n_heap, room;
};

/* Empties the word and makes room for n symbols. */
enum xl_status xl_merge_begin(struct xl_merge *merge, size_t n,
                              struct xl_err *err);
void xl_merge_add(struct xl_merge *merge, int32_t id);
/* Merges the symbols by pairs (left << 32 | right -> rank << 32 | id) and
 * appends what is left to ids. */
enum xl_status xl_merge_run(struct xl_merge *merge,
                            const struct xl_pairs *pairs, struct xl_ids *ids,
                            struct xl_err *err);
void xl_merge_release(struct xl_merge *merge);

/* -- bpe.c, bpe_load.c ---------------------------------------------------- */

struct xl_bpe {
    struct xl_arena arena; /* texts of words and tokens */
    struct xl_words vocab; /* as the file spells them */
    struct xl_pairs merges;
    int32_t byte_id[256]; /* the symbol of a byte, -1 = none */
    int32_t unk_id;       /* of bytes without a symbol, -1 = dropped */
    bool fuse_unk, ignore_merges, nfc, prefix_space;
    struct xl_split *split;      /* NULL = one word */
    struct xl_added raw, normal; /* found before and after normalising */
    struct xl_bpe_token {
        const char *bytes; /* [n], NULL = no such token */
        size_t n;
        bool special;
    } * tokens; /* [n_tokens] */
    size_t n_tokens;
};

/* From the text of a tokenizer.json; path stands in messages. */
enum xl_status xl_bpe_load(struct xl_bpe **bpe, const char *text, size_t n,
                           const char *path, struct xl_err *err);
void xl_bpe_free(struct xl_bpe *bpe);

enum xl_status xl_bpe_encode(const struct xl_bpe *bpe, const char *text,
                             size_t n, struct xl_ids *ids, struct xl_err *err);

#endif
