/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/run/engines_json.h"

#include "kernel/base/json.h"

cJSON *xl_engines_json(const struct xl_plan_engines *engines)
{
    cJSON *o = cJSON_CreateObject();
    xl_json_add_string(o, "prefill", engines->prefill);
    xl_json_add_string(o, "decode", engines->decode);
    xl_json_add_string(o, "head", engines->head);
    return o;
}
