/* SPDX-License-Identifier: Apache-2.0 */
#define LANES  16
#define KERNEL xl_limit_avx512
#include "tuner/measure/limits_loops.h"
