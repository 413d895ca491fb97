/* SPDX-License-Identifier: Apache-2.0 */
#define LANES 8
#define NAME  "avx2"
#define TABLE xl_lanes_avx2
#include "tuner/strategy/lanes_loops.h"
