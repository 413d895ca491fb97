/* SPDX-License-Identifier: Apache-2.0 */
#define LANES  4
#define KERNEL xl_limit_generic
#include "tuner/measure/limits_loops.h"
