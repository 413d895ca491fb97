/* SPDX-License-Identifier: Apache-2.0
 *
 * What both ways to generate read from the flags and print of a result. */
#include <math.h>

#include "kernel/run/cmd_generate_int.h"
#include "kernel/run/engines_json.h"

static struct xl_sampler_options sampler_options(const struct xl_opts *o)
{
    return (struct xl_sampler_options){
        .temperature = (float)xl_opt_real(o, XL_GROUP_OWN, OPT_TEMPERATURE),
        .top_k = (size_t)xl_opt_int(o, XL_GROUP_OWN, OPT_TOP_K),
        .top_p = (float)xl_opt_real(o, XL_GROUP_OWN, OPT_TOP_P),
        .min_p = (float)xl_opt_real(o, XL_GROUP_OWN, OPT_MIN_P),
        .repetition_penalty = (float)xl_opt_real(o, XL_GROUP_OWN, OPT_PENALTY),
        .seed = (uint64_t)xl_opt_int(o, XL_GROUP_OWN, OPT_SEED),
    };
}

struct xl_generate_options xl_generate_flags(const struct xl_opts *o,
                                             const struct xl_session *session)
{
    return (struct xl_generate_options){
        .max_new = (size_t)xl_opt_int(o, XL_GROUP_OWN, OPT_MAX_NEW),
        .sampler = sampler_options(o),
        .stop = xl_opt_text(o, XL_GROUP_OWN, OPT_STOP),
        .tokenizer = session->tokenizer,
    };
}

static cJSON *ids_json(const int32_t *ids, size_t n)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < n; i++)
        cJSON_AddItemToArray(array, cJSON_CreateNumber(ids[i]));
    return array;
}

double xl_generate_rate(double count, uint64_t ns)
{
    return ns ? count * 1e9 / (double)ns : (double)NAN;
}

cJSON *xl_generate_json(const struct xl_session *session,
                        const struct xl_generate_options *options,
                        const struct xl_generate_result *result,
                        const struct xl_buf *text)
{
    const struct xl_generate_result *r = result;
    cJSON *root = cJSON_CreateObject();
    cJSON_AddItemToObject(root, "prompt_ids",
                          ids_json(options->prompt, options->n_prompt));
    cJSON_AddItemToObject(root, "ids", ids_json(r->ids, r->n));
    xl_json_add_text(root, "text", text->data, text->len);
    cJSON_AddItemToObject(root, "logprobs",
                          cJSON_CreateDoubleArray(r->logprobs, (int)r->n));
    cJSON_AddStringToObject(root, "finish_reason", xl_finish_name(r->finish));
    xl_json_add_real(
        root, "prefill_tok_s",
        xl_generate_rate((double)options->n_prompt, r->prefill_ns));
    xl_json_add_real(root, "decode_tok_s",
                     xl_generate_rate((double)r->decode_steps, r->decode_ns));
    cJSON_AddItemToObject(
        root, "config",
        xl_params_origin_json(xl_plan_effective(session->plan)));
    struct xl_plan_engines engines = xl_plan_engines(
        xl_model_config(session->model), xl_plan_effective(session->plan));
    cJSON_AddItemToObject(root, "engines", xl_engines_json(&engines));
    return root;
}
