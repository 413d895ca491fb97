/* SPDX-License-Identifier: Apache-2.0
 *
 * The merge loop of BPE: symbols are a linked list, pairs that can merge wait
 * in a binary heap by rank and then by position. A word of n symbols costs
 * O(n log n); an entry that a later merge has overtaken is known by its pair
 * no longer giving its id. */
#include "kernel/text/text_int.h"

#include <assert.h>

#include "kernel/base/alloc.h"

enum {
    FIRST_ROOM = 64
};

enum xl_status xl_merge_begin(struct xl_merge *merge, size_t n,
                              struct xl_err *err)
{
    merge->n = merge->n_heap = 0;
    if (n <= merge->room)
        return XL_OK;
    if (n > INT32_MAX / 8)
        return xl_fail(err, XL_EUSAGE, "a word of %zu bytes is too long", n);
    size_t room = merge->room ? merge->room : FIRST_ROOM;
    while (room < n)
        room *= 2;
    xl_merge_release(merge);
    merge->symbols = xl_alloc_zero(room, sizeof *merge->symbols);
    merge->heap = xl_alloc_zero(3 * room, sizeof *merge->heap);
    if (!merge->symbols || !merge->heap) {
        xl_merge_release(merge);
        return xl_fail(err, XL_ENOMEM, "out of memory");
    }
    merge->room = room;
    return XL_OK;
}

void xl_merge_release(struct xl_merge *merge)
{
    xl_free(merge->symbols);
    xl_free(merge->heap);
    *merge = (struct xl_merge){ 0 };
}

void xl_merge_add(struct xl_merge *merge, int32_t id)
{
    assert(merge->n < merge->room);
    merge->symbols[merge->n++].id = id;
}

static void push(struct xl_merge *merge, struct xl_merge_entry entry)
{
    size_t at = merge->n_heap++;
    assert(at < 3 * merge->room);
    for (; at && entry.key < merge->heap[(at - 1) / 2].key; at = (at - 1) / 2)
        merge->heap[at] = merge->heap[(at - 1) / 2];
    merge->heap[at] = entry;
}

static struct xl_merge_entry pop(struct xl_merge *merge)
{
    struct xl_merge_entry top = merge->heap[0];
    struct xl_merge_entry last = merge->heap[--merge->n_heap];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= merge->n_heap)
            break;
        if (child + 1 < merge->n_heap &&
            merge->heap[child + 1].key < merge->heap[child].key)
            child++;
        if (last.key <= merge->heap[child].key)
            break;
        merge->heap[at] = merge->heap[child];
        at = child;
    }
    merge->heap[at] = last;
    return top;
}

/* rank << 32 | id of the pair that begins at symbol left, or NULL. */
static const uint64_t *pair_at(const struct xl_merge *merge,
                               const struct xl_pairs *pairs, int32_t left)
{
    if (left < 0 || merge->symbols[left].next < 0)
        return NULL;
    const struct xl_merge_symbol *a = &merge->symbols[left];
    const struct xl_merge_symbol *b = &merge->symbols[a->next];
    return xl_pairs_get(pairs, (uint64_t)a->id << 32 | (uint64_t)b->id);
}

static void push_pair(struct xl_merge *merge, const struct xl_pairs *pairs,
                      int32_t left)
{
    const uint64_t *found = pair_at(merge, pairs, left);
    if (found)
        push(merge, (struct xl_merge_entry){
                        .key = (*found >> 32) << 32 | (uint64_t)left,
                        .id = (int32_t)(*found & UINT32_MAX) });
}

static void join(struct xl_merge *merge, int32_t left, int32_t id)
{
    struct xl_merge_symbol *a = &merge->symbols[left];
    struct xl_merge_symbol *b = &merge->symbols[a->next];
    a->id = id;
    a->next = b->next;
    b->id = -1;
    if (a->next >= 0)
        merge->symbols[a->next].prev = left;
}

enum xl_status xl_merge_run(struct xl_merge *merge,
                            const struct xl_pairs *pairs, struct xl_ids *ids,
                            struct xl_err *err)
{
    size_t n = merge->n;
    for (size_t i = 0; i < n; i++) {
        merge->symbols[i].prev = (int32_t)i - 1;
        merge->symbols[i].next = i + 1 < n ? (int32_t)i + 1 : -1;
    }
    for (size_t i = 0; i + 1 < n; i++)
        push_pair(merge, pairs, (int32_t)i);
    while (merge->n_heap) {
        struct xl_merge_entry top = pop(merge);
        int32_t left = (int32_t)(top.key & UINT32_MAX);
        if (merge->symbols[left].id < 0)
            continue;
        const uint64_t *now = pair_at(merge, pairs, left);
        if (!now || (int32_t)(*now & UINT32_MAX) != top.id)
            continue;
        join(merge, left, top.id);
        push_pair(merge, pairs, merge->symbols[left].prev);
        push_pair(merge, pairs, left);
    }
    for (size_t i = 0; i < n; i++)
        if (merge->symbols[i].id >= 0)
            XL_TRY(xl_ids_add(ids, merge->symbols[i].id, err));
    return XL_OK;
}
