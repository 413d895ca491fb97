/* SPDX-License-Identifier: Apache-2.0
 *
 * The one door to the heap.
 *
 * All allocation of the library goes through these calls, so that a test can
 * make the n-th one fail and a size that overflows is refused. Memory from
 * every xl_alloc* is released with xl_free. Thread-safe; the hook is set once,
 * before threads start.
 */
#ifndef XL_ALLOC_H
#define XL_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* Uninitialised memory aligned to 64 bytes, or NULL. Size 0 is allowed. */
void *xl_alloc(size_t nbytes);

/* count * size zeroed bytes, or NULL when that overflows or none is left. */
void *xl_alloc_zero(size_t count, size_t size);

/* rows * columns uninitialised floats, or NULL when that overflows. */
float *xl_alloc_floats(size_t rows, size_t columns);

/* Grows a block from old_bytes to new_bytes, moving it; NULL keeps old. */
void *xl_realloc(void *old, size_t old_bytes, size_t new_bytes);

/* A heap copy of n bytes with a zero byte after them, or NULL. */
char *xl_strndup(const char *text, size_t n);
char *xl_strdup(const char *text);

void xl_free(void *block);

/* *out = a * b; false when the product does not fit. */
bool xl_mul_size(size_t a, size_t b, size_t *out);

/* A test's hook: an allocation fails when it returns true. NULL removes. */
typedef bool xl_alloc_hook(void *ctx, size_t nbytes);
void xl_alloc_set_hook(xl_alloc_hook *hook, void *ctx);

#endif
