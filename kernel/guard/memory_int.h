/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XL_MEMORY_INT_H
#define XL_MEMORY_INT_H

#include <stdbool.h>
#include <stdint.h>

/* The number after `key` in a file of lines "key value", as it stands. */
bool xl_memory_line(const char *path, const char *key, uint64_t *value);

/* xl_memory_usable, but for the address space, where /proc and /sys lie under
 * `root`, "" on a machine. */
bool xl_memory_usable_under(const char *root, uint64_t *bytes);

#endif
