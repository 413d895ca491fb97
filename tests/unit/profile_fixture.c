/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/profile_fixture.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/io.h"
#include "kernel/base/json.h"

static const char *const backends[] = { "native", "serial", "parallel",
                                        "queued", "actors" };

const char *xl_world_path(const struct xl_test *t, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", t->dir, name);
    return path;
}

const char *xl_world_write(const struct xl_test *t, const char *name,
                           const char *text)
{
    const char *path = xl_world_path(t, name);
    xl_io_replace(path, text, strlen(text), NULL);
    return path;
}

static const char *read_variable(void *ctx, const char *name)
{
    const struct xl_world *world = ctx;
    for (size_t i = 0; i < XL_WORLD_VARIABLES && world->env[i][0]; i++)
        if (strcmp(world->env[i][0], name) == 0)
            return world->env[i][1];
    return NULL;
}

static enum xl_status check(const struct xl_config *config,
                            const struct xl_params *params, struct xl_err *err)
{
    if (params->value[XL_PARAM_HEADS_PER_BAND] > (int64_t)config->heads)
        return xl_fail(err, XL_EUSAGE, "heads_per_band exceeds the heads");
    if (params->value[XL_PARAM_INNER_TILE] == 32 &&
        params->value[XL_PARAM_CHUNK_SIZE] < 128)
        return xl_fail(err, XL_EUSAGE, "inner_tile 32 needs large chunks");
    return XL_OK;
}

static char *make_folder(const struct xl_test *t, const char *name)
{
    char *path = xl_io_join(t->dir, name);
    xl_io_make_dirs(path, NULL);
    return path;
}

static void fill_key(struct xl_world *world)
{
    struct xl_cpu cpu = {
        .cores = 2, .has_l1d = true, .has_l2 = true, .has_memory = true
    };
    cpu.isa[XL_ISA_AVX2] = cpu.isa[XL_ISA_FMA] = true;
    cpu.l1d_bytes = 32 << 10;
    cpu.l2_bytes = 1 << 20;
    cpu.memory_bytes = (uint64_t)8 << 30;
    xl_key_hardware(&world->in.key.hardware, &cpu);
    xl_key_model(&world->in.key.model, &world->config, XL_BF16);
    world->in.key.context = 512;
}

void xl_world_init(struct xl_world *world, const struct xl_test *t)
{
    *world = (struct xl_world){
        .paths = { .store = make_folder(t, "store"),
                   .runs = make_folder(t, "runs"),
                   .configs = make_folder(t, "configs"),
                   .golden = make_folder(t, "golden") },
        .config = { .arch = XL_ARCH_XLSTM,
                    .width = 64,
                    .blocks = 2,
                    .heads = XL_WORLD_HEADS,
                    .dk = 8,
                    .dv = 16,
                    .ffn = 192,
                    .vocab = 256 },
    };
    world->in = (struct xl_layers_in){ .env = read_variable,
                                       .env_ctx = world,
                                       .paths = &world->paths,
                                       .config = &world->config,
                                       .check = check };
    fill_key(world);
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        char name[64];
        snprintf(name, sizeof name, "golden/%s.json", backends[i]);
        xl_world_write(t, name,
                       "{\"schema\":\"xltune-profile/1\",\"params\":{}}");
    }
}

void xl_world_release(struct xl_world *world)
{
    if (world->has_opts)
        xl_opts_release(&world->opts);
    xl_profile_paths_release(&world->paths);
}

void xl_world_flags(struct xl_world *world, int n, const char *const *words)
{
    static struct xl_opt_group group;
    group = xl_params_opt_group();
    if (world->has_opts)
        xl_opts_release(&world->opts);
    world->has_opts =
        xl_opts_parse(&world->opts, &group, 1, n, words, NULL) == XL_OK;
    world->in.opts = world->has_opts ? &world->opts : NULL;
}

/* Hands the parts of a document to save or publish. */
static enum xl_status with_doc(const char *path, const struct xl_world *world,
                               const struct xl_world_best *best,
                               struct xl_err *err)
{
    struct xl_params params;
    bool included[XL_PARAM_COUNT];
    cJSON *metrics = cJSON_Parse("{\"prefill_tok_s\":1000,\"decode_tok_s\":"
                                 "99.5,\"prefill_s\":0.5,\"decode_s\":null}");
    cJSON *quality = cJSON_CreateObject(), *provenance = cJSON_CreateObject();
    cJSON *values = cJSON_Parse(best->params);
    struct xl_best_doc doc = { .params = &params,
                               .included = included,
                               .key = best->key,
                               .metrics = metrics,
                               .quality = quality,
                               .provenance = provenance };
    if (best->verdict)
        cJSON_AddStringToObject(quality, "verdict", best->verdict);
    if (best->created)
        cJSON_AddStringToObject(provenance, "created", best->created);
    xl_params_init(&params);
    enum xl_status rc =
        xl_params_from_json(&params, values, XL_LAYER_FLAG, "test", err);
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        included[i] = params.origin[i].layer == XL_LAYER_FLAG;
    if (rc == XL_OK)
        rc = path ? xl_best_save(path, &doc, err)
                  : xl_profile_publish(&world->paths, &doc, err);
    cJSON_Delete(metrics);
    cJSON_Delete(quality);
    cJSON_Delete(provenance);
    cJSON_Delete(values);
    return rc;
}

enum xl_status xl_world_save(const char *path, const struct xl_world_best *best,
                             struct xl_err *err)
{
    return with_doc(path, NULL, best, err);
}

enum xl_status xl_world_publish(const struct xl_world *world,
                                const struct xl_world_best *best,
                                struct xl_err *err)
{
    return with_doc(NULL, world, best, err);
}

enum xl_status xl_world_resolve(struct xl_world *world,
                                struct xl_layers *layers)
{
    world->err = (struct xl_err){ 0 };
    return xl_layers_resolve(layers, &world->in, &world->err);
}
