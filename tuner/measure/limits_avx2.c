/* SPDX-License-Identifier: Apache-2.0 */
#define LANES  8
#define KERNEL xl_limit_avx2
#include "tuner/measure/limits_loops.h"
