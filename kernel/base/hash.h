/* SPDX-License-Identifier: Apache-2.0
 *
 * Content identity: 128-bit XXH3 (libxxhash) as 32 hexadecimal digits. It
 * names models, prompts and points; it is not a signature.
 */
#ifndef XL_HASH_H
#define XL_HASH_H

#include <stddef.h>

enum {
    XL_HASH_TEXT = 33
};

/* out: 32 hexadecimal digits and a zero byte. */
void xl_hash(char out[XL_HASH_TEXT], const void *bytes, size_t n);

#endif
