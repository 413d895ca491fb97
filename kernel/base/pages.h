/* SPDX-License-Identifier: Apache-2.0
 *
 * Advice to the kernel about whole pages of memory. Nothing depends on it
 * being taken.
 */
#ifndef XL_PAGES_H
#define XL_PAGES_H

#include <stddef.h>

#define XL_PAGES_HUGE_BYTES ((size_t)1 << 21)

/* Huge pages, please, for memory that is about to be written for the first
 * time, or for a map that is about to be read: reading weights is some 10 %
 * faster. */
void xl_pages_huge(const void *block, size_t nbytes);

/* Pages of the least size, for memory that nothing has touched. */
void xl_pages_small(const void *block, size_t nbytes);

/* Part of a file mapped by xl_map_open is not needed for now: its pages leave
 * this process and come back from the file when they are read. Never for
 * other memory, which would lose what it holds. */
void xl_pages_drop(const void *mapped, size_t nbytes);

#endif
