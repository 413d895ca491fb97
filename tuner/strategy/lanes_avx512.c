/* SPDX-License-Identifier: Apache-2.0 */
#define LANES 16
#define NAME  "avx512"
#define TABLE xl_lanes_avx512
#include "tuner/strategy/lanes_loops.h"
