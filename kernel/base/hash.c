/* SPDX-License-Identifier: Apache-2.0
 *
 * XXH3 reads about as fast as memory, so hashing a whole checkpoint costs no
 * more than reading it. */
#include "kernel/base/hash.h"

#include <stdint.h>
#include <stdio.h>

#include <xxhash.h>

void xl_hash(char out[XL_HASH_TEXT], const void *bytes, size_t n)
{
    XXH128_hash_t hash = XXH3_128bits(bytes, n);
    snprintf(out, XL_HASH_TEXT, "%016llx%016llx",
             (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}
