/* SPDX-License-Identifier: Apache-2.0 */
#define LANES 4
#define NAME  "generic"
#define TABLE xl_lanes_generic
#include "tuner/strategy/lanes_loops.h"
