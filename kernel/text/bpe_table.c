/* SPDX-License-Identifier: Apache-2.0
 *
 * Two hash tables with open addressing and linear probing, at most half full.
 * Nothing is ever removed, so there are no tombstones. */
#include "kernel/text/text_int.h"

#include <assert.h>
#include <string.h>

#include "kernel/base/alloc.h"

enum {
    FIRST_ROOM = 64
};

/* The finaliser of splitmix64: every bit of x reaches every bit of the sum. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* -- numbers -------------------------------------------------------------- */

static struct xl_pair *pair_slot(const struct xl_pairs *pairs, uint64_t key)
{
    size_t at = (size_t)mix(key) & (pairs->room - 1);
    while (pairs->slots[at].key != UINT64_MAX && pairs->slots[at].key != key)
        at = (at + 1) & (pairs->room - 1);
    return &pairs->slots[at];
}

static enum xl_status grow_pairs(struct xl_pairs *pairs, struct xl_err *err)
{
    struct xl_pairs wide = { .n = pairs->n,
                             .room =
                                 pairs->room ? 2 * pairs->room : FIRST_ROOM };
    wide.slots = xl_alloc_zero(wide.room, sizeof *wide.slots);
    if (!wide.slots)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    for (size_t i = 0; i < wide.room; i++)
        wide.slots[i].key = UINT64_MAX;
    for (size_t i = 0; i < pairs->room; i++)
        if (pairs->slots[i].key != UINT64_MAX)
            *pair_slot(&wide, pairs->slots[i].key) = pairs->slots[i];
    xl_free(pairs->slots);
    *pairs = wide;
    return XL_OK;
}

enum xl_status xl_pairs_put(struct xl_pairs *pairs, uint64_t key,
                            uint64_t value, struct xl_err *err)
{
    assert(key != UINT64_MAX);
    if (2 * (pairs->n + 1) > pairs->room)
        XL_TRY(grow_pairs(pairs, err));
    struct xl_pair *slot = pair_slot(pairs, key);
    pairs->n += slot->key == UINT64_MAX;
    *slot = (struct xl_pair){ .key = key, .value = value };
    return XL_OK;
}

const uint64_t *xl_pairs_get(const struct xl_pairs *pairs, uint64_t key)
{
    if (pairs->n == 0)
        return NULL;
    const struct xl_pair *slot = pair_slot(pairs, key);
    return slot->key == key ? &slot->value : NULL;
}

void xl_pairs_release(struct xl_pairs *pairs)
{
    xl_free(pairs->slots);
    *pairs = (struct xl_pairs){ 0 };
}

/* -- texts ---------------------------------------------------------------- */

static struct xl_word *word_slot(const struct xl_words *words, const char *text,
                                 size_t n)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    size_t at = (size_t)mix(hash) & (words->room - 1);
    for (;; at = (at + 1) & (words->room - 1)) {
        struct xl_word *slot = &words->slots[at];
        if (!slot->text || (slot->n == n && memcmp(slot->text, text, n) == 0))
            return slot;
    }
}

static enum xl_status grow_words(struct xl_words *words, struct xl_err *err)
{
    struct xl_words wide = { .n = words->n,
                             .room =
                                 words->room ? 2 * words->room : FIRST_ROOM };
    wide.slots = xl_alloc_zero(wide.room, sizeof *wide.slots);
    if (!wide.slots)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    for (size_t i = 0; i < words->room; i++) {
        const struct xl_word *old = &words->slots[i];
        if (old->text)
            *word_slot(&wide, old->text, old->n) = *old;
    }
    xl_free(words->slots);
    *words = wide;
    return XL_OK;
}

enum xl_status xl_words_add(struct xl_words *words, const char *text, size_t n,
                            int32_t id, struct xl_err *err)
{
    if (2 * (words->n + 1) > words->room)
        XL_TRY(grow_words(words, err));
    struct xl_word *slot = word_slot(words, text, n);
    assert(!slot->text && n <= UINT32_MAX);
    *slot = (struct xl_word){ .text = text, .n = (uint32_t)n, .id = id };
    words->n++;
    return XL_OK;
}

int32_t xl_words_find(const struct xl_words *words, const char *text, size_t n)
{
    if (words->n == 0)
        return -1;
    const struct xl_word *slot = word_slot(words, text, n);
    return slot->text ? slot->id : -1;
}

void xl_words_release(struct xl_words *words)
{
    xl_free(words->slots);
    *words = (struct xl_words){ 0 };
}
