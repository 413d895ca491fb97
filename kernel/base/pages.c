/* SPDX-License-Identifier: Apache-2.0
 *
 * madvise on the whole pages inside a block. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* madvise */
#endif
#include "kernel/base/pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static void advise(const void *block, size_t nbytes, size_t page, int advice)
{
    uintptr_t begin = ((uintptr_t)block + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)block + nbytes) / page * page;
    if (begin < end) /* advice only: failure changes nothing */
        (void)madvise((void *)begin, end - begin, advice);
}

void xl_pages_huge(const void *block, size_t nbytes)
{
#ifdef MADV_HUGEPAGE
    advise(block, nbytes, XL_PAGES_HUGE_BYTES, MADV_HUGEPAGE);
#else
    (void)block;
    (void)nbytes;
#endif
}

void xl_pages_small(const void *block, size_t nbytes)
{
#ifdef MADV_NOHUGEPAGE
    long page = sysconf(_SC_PAGESIZE);
    if (page > 0)
        advise(block, nbytes, (size_t)page, MADV_NOHUGEPAGE);
#else
    (void)block;
    (void)nbytes;
#endif
}

void xl_pages_drop(const void *mapped, size_t nbytes)
{
    long page = sysconf(_SC_PAGESIZE);
    if (page > 0)
        advise(mapped, nbytes, (size_t)page, MADV_DONTNEED);
}
