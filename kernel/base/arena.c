/* SPDX-License-Identifier: Apache-2.0
 *
 * A list of heap blocks, newest first; the newest one is bumped. */
#include "kernel/base/arena.h"

#include <stdint.h>
#include <string.h>

#include "kernel/base/alloc.h"

enum {
    ALIGNMENT = 64,
    DEFAULT_BLOCK = 64 * 1024
};

struct xl_arena_block {
    struct xl_arena_block *older;
    size_t used, size;
    char *data; /* [size], aligned to 64 bytes */
};

void xl_arena_init(struct xl_arena *arena, size_t block_bytes)
{
    arena->head = NULL;
    arena->block_bytes = block_bytes ? block_bytes : DEFAULT_BLOCK;
}

static void drop_head(struct xl_arena *arena)
{
    struct xl_arena_block *block = arena->head;
    arena->head = block->older;
    xl_free(block->data);
    xl_free(block);
}

void xl_arena_release(struct xl_arena *arena)
{
    while (arena->head)
        drop_head(arena);
}

static struct xl_arena_block *push_block(struct xl_arena *arena, size_t need)
{
    size_t size = need > arena->block_bytes ? need : arena->block_bytes;
    struct xl_arena_block *block = xl_alloc(sizeof *block);
    char *data = xl_alloc(size);
    if (!block || !data) {
        xl_free(block);
        xl_free(data);
        return NULL;
    }
    *block = (struct xl_arena_block){ .older = arena->head,
                                      .size = size,
                                      .data = data };
    arena->head = block;
    return block;
}

void *xl_arena_alloc(struct xl_arena *arena, size_t nbytes)
{
    if (nbytes > SIZE_MAX - ALIGNMENT)
        return NULL;
    size_t need = (nbytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct xl_arena_block *block = arena->head;
    if (!block || block->size - block->used < need)
        block = push_block(arena, need);
    if (!block)
        return NULL;
    void *out = block->data + block->used;
    block->used += need;
    return out;
}

void *xl_arena_zero(struct xl_arena *arena, size_t count, size_t size)
{
    size_t nbytes;
    if (!xl_mul_size(count, size, &nbytes))
        return NULL;
    void *out = xl_arena_alloc(arena, nbytes);
    if (out)
        memset(out, 0, nbytes);
    return out;
}

char *xl_arena_text(struct xl_arena *arena, const char *text, size_t n)
{
    char *copy = n < SIZE_MAX ? xl_arena_alloc(arena, n + 1) : NULL;
    if (!copy)
        return NULL;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

struct xl_arena_mark xl_arena_mark(const struct xl_arena *arena)
{
    return (struct xl_arena_mark){ .block = arena->head,
                                   .used =
                                       arena->head ? arena->head->used : 0 };
}

void xl_arena_rewind(struct xl_arena *arena, struct xl_arena_mark mark)
{
    while (arena->head != mark.block)
        drop_head(arena);
    if (!arena->head)
        return;
#ifndef NDEBUG
    memset(arena->head->data + mark.used, 0xdd, arena->head->used - mark.used);
#endif
    arena->head->used = mark.used;
}
