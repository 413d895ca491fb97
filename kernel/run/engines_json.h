/* SPDX-License-Identifier: Apache-2.0
 *
 * The engines behind `gemm: auto`, as reports have them.
 */
#ifndef XL_ENGINES_JSON_H
#define XL_ENGINES_JSON_H

#include <cjson/cJSON.h>

#include "kernel/model/plan.h"

/* {"prefill": "avx512", "decode": "vnni", "head": "vnni"}; each null when the
 * values cannot run here. */
cJSON *xl_engines_json(const struct xl_plan_engines *engines);

#endif
