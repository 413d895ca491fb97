/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole pages of memory: advice to the kernel, which nothing depends on being
 * taken, and questions.
 */
#ifndef XL_PAGES_H
#define XL_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#define XL_PAGES_HUGE_BYTES ((size_t)1 << 21)

/* Huge pages, please, for memory that is about to be written for the first
 * time, or for a map that is about to be read: reading weights is some 10 %
 * faster. */
void xl_pages_huge(const void *block, size_t nbytes);

/* Pages of the least size, for memory that nothing has touched. */
void xl_pages_small(const void *block, size_t nbytes);

/* Could this process map nbytes more? Limits of its address space count, memory
 * that others use does not. */
bool xl_pages_have_room(size_t nbytes);

/* Part of a file mapped by xl_map_open is not needed for now: its pages leave
 * this process and come back from the file when they are read. Never for
 * other memory, which would lose what it holds. */
void xl_pages_drop(const void *mapped, size_t nbytes);

/* Bytes of this part of a mapped file that lie in huge pages. All of it is
 * brought to memory on the way. nbytes where the system does not say. */
size_t xl_pages_count_huge(const void *mapped, size_t nbytes);

/* Moving a file mapped by xl_map_open to memory of this process in huge pages,
 * at the addresses that it has:
 *
 *     void *to = xl_pages_take(mapped, nbytes); // NULL: no memory
 *     memcpy(to, mapped, nbytes);
 *     xl_pages_put(to, mapped, nbytes);         // takes the map's place
 *
 * Nobody may read the map during xl_pages_put. On failure the map stays. */
void *xl_pages_take(const void *mapped, size_t nbytes);
void xl_pages_put(void *taken, const void *mapped, size_t nbytes);

#endif
