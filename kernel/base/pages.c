/* SPDX-License-Identifier: Apache-2.0
 *
 * madvise on the whole pages inside a block; what /proc/self/smaps says of
 * maps; mremap in place of a map. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* madvise, mremap */
#endif
#include "kernel/base/pages.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
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

bool xl_pages_have_room(size_t nbytes)
{
    void *room = mmap(NULL, nbytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return false;
    munmap(room, nbytes);
    return true;
}

void xl_pages_drop(const void *mapped, size_t nbytes)
{
    long page = sysconf(_SC_PAGESIZE);
    if (page > 0)
        advise(mapped, nbytes, (size_t)page, MADV_DONTNEED);
}

/* -- maps of files -------------------------------------------------------- */

static uint64_t field_kb(const char *line, const char *name)
{
    uint64_t kb = 0;
    size_t n = strlen(name);
    if (strncmp(line, name, n) != 0 || sscanf(line + n, "%" SCNu64, &kb) != 1)
        return 0;
    return kb;
}

/* A byte of each huge page, so that maps of them come about. */
static void touch(const unsigned char *mapped, size_t nbytes)
{
    volatile unsigned char sink = 0;
    for (size_t at = 0; at < nbytes; at += XL_PAGES_HUGE_BYTES)
        sink = mapped[at];
    (void)sink;
}

size_t xl_pages_count_huge(const void *mapped, size_t nbytes)
{
    char line[512];
    uint64_t kb = 0;
    bool is_ours = false;
    uintptr_t first = (uintptr_t)mapped, last = first + nbytes;
    touch(mapped, nbytes);
    FILE *maps = fopen("/proc/self/smaps", "r");
    if (!maps)
        return nbytes;
    while (fgets(line, sizeof line, maps)) {
        uintptr_t begin, end;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2)
            is_ours = begin >= first && begin < last;
        else if (is_ours)
            kb += field_kb(line, "FilePmdMapped:") +
                  field_kb(line, "AnonHugePages:");
    }
    fclose(maps);
    return (size_t)kb * 1024;
}

/* Whole pages. */
static size_t in_pages(size_t nbytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (nbytes + page - 1) / page * page;
}

void *xl_pages_take(const void *mapped, size_t nbytes)
{
#ifdef MREMAP_FIXED
    size_t page = XL_PAGES_HUGE_BYTES, size = in_pages(nbytes);
    size_t off = (uintptr_t)mapped % page, all = size + 2 * page;
    char *room = mmap(NULL, all, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return NULL;
    /* As far into a huge page as the map is: they move whole. */
    size_t skip = (page - (uintptr_t)room % page) % page + off;
    if (skip)
        munmap(room, skip);
    munmap(room + skip + size, all - skip - size);
    xl_pages_huge(room + skip, size);
    return room + skip;
#else
    (void)mapped;
    (void)nbytes;
    return NULL;
#endif
}

void xl_pages_put(void *taken, const void *mapped, size_t nbytes)
{
#ifdef MREMAP_FIXED
    size_t size = in_pages(nbytes);
    void *place = (void *)(uintptr_t)mapped;
    (void)mprotect(taken, size, PROT_READ);
    if (mremap(taken, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place) ==
        MAP_FAILED)
        munmap(taken, size);
#else
    (void)taken;
    (void)mapped;
    (void)nbytes;
#endif
}
