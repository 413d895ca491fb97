/* SPDX-License-Identifier: Apache-2.0
 *
 * The variants behind lanes.h. */
#ifndef XL_LANES_INT_H
#define XL_LANES_INT_H

#include "tuner/strategy/lanes.h"

extern const struct xl_lanes xl_lanes_generic, xl_lanes_avx2, xl_lanes_avx512;

#endif
