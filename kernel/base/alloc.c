/* SPDX-License-Identifier: Apache-2.0
 *
 * 64 bytes is the cache line and the widest vector; every block starts on
 * one, so kernels never see a split first load. */
#include "kernel/base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALIGNMENT = 64
};

static xl_alloc_hook *alloc_hook; /* set once by a test, before threads */
static void *alloc_hook_ctx;

void *xl_alloc(size_t nbytes)
{
    if (alloc_hook && alloc_hook(alloc_hook_ctx, nbytes))
        return NULL;
    if (nbytes > SIZE_MAX - ALIGNMENT)
        return NULL;
    size_t padded = (nbytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return aligned_alloc(ALIGNMENT, padded ? padded : ALIGNMENT);
}

void *xl_alloc_zero(size_t count, size_t size)
{
    size_t nbytes;
    if (!xl_mul_size(count, size, &nbytes))
        return NULL;
    void *block = xl_alloc(nbytes);
    if (block)
        memset(block, 0, nbytes);
    return block;
}

float *xl_alloc_floats(size_t rows, size_t columns)
{
    size_t n, nbytes;
    if (!xl_mul_size(rows, columns, &n) ||
        !xl_mul_size(n, sizeof(float), &nbytes))
        return NULL;
    return xl_alloc(nbytes);
}

void *xl_realloc(void *old, size_t old_bytes, size_t new_bytes)
{
    void *block = xl_alloc(new_bytes);
    if (!block)
        return NULL;
    if (old)
        memcpy(block, old, old_bytes < new_bytes ? old_bytes : new_bytes);
    xl_free(old);
    return block;
}

char *xl_strndup(const char *text, size_t n)
{
    char *copy = xl_alloc(n + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *xl_strdup(const char *text)
{
    return xl_strndup(text, strlen(text));
}

void xl_free(void *block)
{
    free(block);
}

bool xl_mul_size(size_t a, size_t b, size_t *out)
{
    if (b && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

void xl_alloc_set_hook(xl_alloc_hook *hook, void *ctx)
{
    alloc_hook = hook;
    alloc_hook_ctx = ctx;
}
