/* SPDX-License-Identifier: Apache-2.0
 *
 * run_meta.json: first the keys that other programs know, then everything
 * needed to repeat or resume the run. */

#include "kernel/base/clock.h"
#include "kernel/base/hash.h"
#include "kernel/base/json.h"
#include "tuner/measure/host.h"
#include "tuner/sweep/setup.h"

enum {
    META_SCHEMA = 1
};

/* [least, most] of what is really searched; the fixed value twice when it is
 * not. */
static void add_bounds(cJSON *bounds, const struct xl_setup *setup,
                       const char *name, enum xl_param id)
{
    const struct xl_space *space = xl_param_space_space(setup->space);
    double lo = (double)setup->base.value[id], hi = lo;
    for (size_t d = 0; d < xl_space_n_dims(space); d++) {
        if (xl_param_space_param(setup->space, d) != id)
            continue;
        const struct xl_dim *dim = xl_space_dim(space, d);
        xl_parse_real(dim->labels[0], &lo);
        xl_parse_real(dim->labels[dim->n - 1], &hi);
    }
    cJSON *pair = cJSON_AddArrayToObject(bounds, name);
    cJSON_AddItemToArray(pair, cJSON_CreateNumber(lo));
    cJSON_AddItemToArray(pair, cJSON_CreateNumber(hi));
}

static void add_prompt(cJSON *meta, const struct xl_setup *setup)
{
    char hash[XL_HASH_TEXT];
    const char *file = xl_setup_text(setup, XL_SWEEP_PROMPT_FILE);
    xl_hash(hash, setup->prompt.data,
            setup->prompt.n * sizeof *setup->prompt.data);
    if (file)
        cJSON_AddStringToObject(meta, "prompt_file", file);
    else
        cJSON_AddNullToObject(meta, "prompt_file");
    cJSON_AddStringToObject(meta, "prompt_hash", hash);
    cJSON_AddNumberToObject(meta, "prompt_tokens", (double)setup->prompt.n);
    cJSON *ids = cJSON_AddArrayToObject(meta, "prompt_ids");
    for (size_t i = 0; i < setup->prompt.n; i++)
        cJSON_AddItemToArray(ids, cJSON_CreateNumber(setup->prompt.data[i]));
}

static void add_words(cJSON *meta, const struct xl_cmd_ctx *ctx)
{
    cJSON_AddStringToObject(meta, "command_line", ctx->command_line);
    cJSON *words = cJSON_AddArrayToObject(meta, "words");
    for (int i = 0; i < ctx->argc; i++)
        cJSON_AddItemToArray(words, cJSON_CreateString(ctx->argv[i]));
}

cJSON *xl_setup_meta(const struct xl_setup *setup, const struct xl_cmd_ctx *ctx)
{
    cJSON *meta = cJSON_CreateObject();
    static const struct {
        const char *key;
        enum xl_sweep_opt opt;
    } numbers[] = {
        { "generations", XL_SWEEP_GENERATIONS },
        { "population", XL_SWEEP_POPULATION },
        { "trials", XL_SWEEP_TRIALS },
        { "repeats", XL_SWEEP_REPEATS },
    };
    cJSON_AddStringToObject(meta, "backend", xl_setup_backend(setup));
    cJSON_AddStringToObject(meta, "model_path", setup->session.model_dir);
    xl_json_add_string(meta, "prompt", setup->prompt_text);
    cJSON_AddNumberToObject(meta, "new",
                            (double)xl_setup_int(setup, XL_SWEEP_NEW));
    cJSON_AddStringToObject(meta, "mode", xl_setup_text(setup, XL_SWEEP_MODE));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        cJSON_AddNumberToObject(meta, numbers[i].key,
                                (double)xl_setup_int(setup, numbers[i].opt));
    cJSON *bounds = cJSON_AddObjectToObject(meta, "bounds");
    add_bounds(bounds, setup, "heads", XL_PARAM_HEADS_PER_BAND);
    add_bounds(bounds, setup, "chunks", XL_PARAM_CHUNK_SIZE);
    add_bounds(bounds, setup, "workers", XL_PARAM_WORKERS);
    cJSON_AddNumberToObject(meta, "seed",
                            (double)xl_setup_int(setup, XL_SWEEP_SEED));

    cJSON_AddNumberToObject(meta, "schema_version", META_SCHEMA);
    cJSON_AddStringToObject(meta, "objective",
                            xl_objective_name(setup->objective));
    cJSON_AddNumberToObject(meta, "started_ms", (double)xl_clock_wall_ms());
    add_words(meta, ctx);
    cJSON_AddItemToObject(meta, "base", xl_params_to_json(&setup->base));
    cJSON_AddItemToObject(meta, "config", xl_params_origin_json(&setup->base));
    cJSON_AddStringToObject(meta, "model_hash",
                            xl_model_hash(setup->session.model));
    add_prompt(meta, setup);
    cJSON_AddItemToObject(meta, "key", xl_key_to_json(&setup->key));
    cJSON_AddNumberToObject(meta, "roofline", (double)setup->n_roofline);
    cJSON_AddItemToObject(meta, "warm", cJSON_Duplicate(setup->warm, true));
    cJSON_AddItemToObject(meta, "space", xl_param_space_json(setup->space));
    cJSON_AddItemToObject(meta, "host", xl_host_json());
    cJSON_AddItemToObject(meta, "build", xl_build_json());
    cJSON_AddItemToObject(meta, "versions", xl_versions_json());
    return meta;
}
