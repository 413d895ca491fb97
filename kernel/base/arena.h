/* SPDX-License-Identifier: Apache-2.0
 *
 * Bump allocator: many small blocks with one life.
 *
 *     struct xl_arena arena;
 *     xl_arena_init(&arena, 0);
 *     float *x = xl_arena_alloc(&arena, n * sizeof *x);
 *     ...
 *     xl_arena_release(&arena);
 *
 * Blocks are aligned to 64 bytes and live until rewind or release. One arena
 * belongs to one model or one request, and to one thread at a time. Debug
 * builds poison what a rewind gives back.
 */
#ifndef XL_ARENA_H
#define XL_ARENA_H

#include <stddef.h>

struct xl_arena {
    /* private */
    struct xl_arena_block *head;
    size_t block_bytes;
};

struct xl_arena_mark {
    /* private */
    struct xl_arena_block *block;
    size_t used;
};

/* block_bytes: size of each piece taken from the heap; 0 = 64 KiB. */
void xl_arena_init(struct xl_arena *arena, size_t block_bytes);
void xl_arena_release(struct xl_arena *arena);

/* nbytes of uninitialised memory, or NULL. */
void *xl_arena_alloc(struct xl_arena *arena, size_t nbytes);

/* count * size zeroed bytes, or NULL (also when the product overflows). */
void *xl_arena_zero(struct xl_arena *arena, size_t count, size_t size);

/* A copy of text[0..n) with a zero byte after it, or NULL. */
char *xl_arena_text(struct xl_arena *arena, const char *text, size_t n);

/* Everything allocated after the mark is given back by rewind. */
struct xl_arena_mark xl_arena_mark(const struct xl_arena *arena);
void xl_arena_rewind(struct xl_arena *arena, struct xl_arena_mark mark);

#endif
