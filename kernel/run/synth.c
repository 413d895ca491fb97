/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights are drawn as the original code initialises them: embedding and
 * linear layers with standard deviation sqrt(2 / (5 D)), the two projections
 * that write into the residual stream with 2 / (blocks sqrt(D)), input gate
 * bias -10, forget gate bias from 3 to 6 over the heads. Two things differ,
 * so that no value is zero and every weight matters: gate weights are drawn
 * like linear ones (the original starts at 0), norm weights spread around 1.
 *
 * A draw is the sum of four 16-bit uniforms (Irwin-Hall): close to a normal,
 * five times as fast as one, and made of integers only, so the bits do not
 * depend on a math library. The sum is odd by construction, hence never 0.
 * Each tensor has a generator of its own, seeded by the seed and its name. */
#include "kernel/run/synth.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/arena.h"
#include "kernel/base/cmd.h"
#include "kernel/base/cpu.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/out.h"
#include "kernel/base/rng.h"
#include "kernel/model/drawn.h"
#include "kernel/model/pack_model.h"
#include "kernel/model/packfile.h"
#include "kernel/model/weights.h"
#include "kernel/run/checkpoint_dir.h"

enum {
    PIECE = 1 << 14,
    MAX_SHARDS = 1000,
    NAME_ROOM = 64,
    SOURCE_ROOM = 80
};

static const struct preset {
    const char *name;
    size_t width, blocks, heads, vocab;
    bool tied;
} presets[] = {
#define XL_PRESET(name, width, blocks, heads, vocab, tied)                     \
    { name, width, blocks, heads, vocab, tied },
#include "kernel/run/preset.def"
#undef XL_PRESET
};

enum {
    N_PRESETS = sizeof presets / sizeof presets[0]
};

enum xl_status xl_synth_config(struct xl_config *config, const char *preset,
                               struct xl_err *err)
{
    const char *names[N_PRESETS];
    char hint[80];
    for (size_t i = 0; i < N_PRESETS; i++) {
        const struct preset *p = &presets[i];
        names[i] = p->name;
        if (strcmp(p->name, preset) != 0)
            continue;
        size_t ffn = (size_t)((double)p->width * 2.667 + 63) / 64 * 64;
        *config = (struct xl_config){
            .arch = XL_ARCH_XLSTM,
            .vocab = p->vocab,
            .width = p->width,
            .blocks = p->blocks,
            .heads = p->heads,
            .dk = p->width / 2 / p->heads,
            .dv = p->width / p->heads,
            .ffn = ffn,
            .tied = p->tied,
            .out_norm = true,
            .norm_eps = 1e-6f,
            .cell_eps = 1e-6f,
            .gate_cap = 15,
            .logit_cap = 30,
            .has_bos = true,
            .has_eos = true,
            .bos = 0,
            .eos = 2,
            .chunk_size = 64,
        };
        return XL_OK;
    }
    return xl_fail(err, XL_EUSAGE,
                   "unknown preset '%s'%s; there are demo, 125m, 400m, 1b3 "
                   "and 7b",
                   preset,
                   xl_cmd_hint(preset, names, N_PRESETS, hint, sizeof hint));
}

/* -- values --------------------------------------------------------------- */

/* How a tensor's values are drawn, by the end of its name; the first row
 * that fits counts. */
enum init {
    INIT_LINEAR,
    INIT_OUT,
    INIT_NORM,
    INIT_IGATE,
    INIT_FGATE
};

static const struct {
    const char *ending;
    enum init init;
} inits[] = {
    { "igate_preact.bias", INIT_IGATE },
    { "fgate_preact.bias", INIT_FGATE },
    { "out_proj.weight", INIT_OUT },
    { "proj_down.weight", INIT_OUT },
    { "norm_mlstm.weight", INIT_NORM },
    { "norm_ffn.weight", INIT_NORM },
    { "multihead_norm.weight", INIT_NORM },
    { "out_norm.weight", INIT_NORM },
    { "", INIT_LINEAR },
};

static enum init init_of(const char *name)
{
    size_t i = 0, n = strlen(name);
    while (strlen(inits[i].ending) > n ||
           strcmp(name + n - strlen(inits[i].ending), inits[i].ending) != 0)
        i++;
    return inits[i].init;
}

/* A value is middle + slope * index + spread * draw. */
struct law {
    float middle, slope, spread;
};

static struct law law_of(const char *name, const struct xl_config *config)
{
    double width = (double)config->width, blocks = (double)config->blocks;
    double steps = config->heads > 1 ? (double)config->heads - 1 : 1;
    switch (init_of(name)) {
    case INIT_OUT:
        return (struct law){ 0, 0, (float)(2 / (blocks * sqrt(width))) };
    case INIT_NORM:
        return (struct law){ 1, 0, 0.05f };
    case INIT_IGATE:
        return (struct law){ -10, 0, 0 };
    case INIT_FGATE:
        return (struct law){ 3, (float)(3 / steps), 0 };
    case INIT_LINEAR:
        break;
    }
    return (struct law){ 0, 0, (float)sqrt(2 / (5 * width)) };
}

/* Odd, between -262139 and 262141, of standard deviation DRAW_SPREAD. */
#define DRAW_SPREAD 75674.37f
static int32_t draw(struct xl_rng *rng)
{
    uint64_t bits = xl_rng_next(rng);
    int32_t sum = (int32_t)(bits & 0xffff) + (int32_t)(bits >> 16 & 0xffff) +
                  (int32_t)(bits >> 32 & 0xffff) + (int32_t)(bits >> 48);
    return 2 * sum - 262139;
}

/* FNV-1a: neighbouring names give unrelated seeds. */
static uint64_t seed_of(uint64_t seed, const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash ^ (seed * 0x9e3779b97f4a7c15u);
}

/* Values from..from + n of a tensor; rng stands before the first of them. */
static void draw_values(struct xl_rng *rng, const struct law *law, size_t from,
                        size_t n, enum xl_dtype dtype, void *out)
{
    float scale = law->spread / DRAW_SPREAD, *f32 = out;
    uint16_t *bf16 = out;
    for (size_t i = 0; i < n; i++) {
        float x = law->middle + law->slope * (float)(from + i) +
                  scale * (float)draw(rng);
        if (dtype == XL_BF16)
            bf16[i] = xl_f32_to_bf16(x);
        else
            f32[i] = x;
    }
}

static enum xl_status write_tensor(struct xl_out *out,
                                   const struct xl_safetensors_entry *entry,
                                   const struct xl_config *config,
                                   uint64_t seed, struct xl_err *err)
{
    float piece[PIECE];
    struct xl_rng rng;
    enum xl_dtype dtype = entry->tensor.dtype;
    struct law law = law_of(entry->name, config);
    size_t n = xl_tensor_count(&entry->tensor);
    xl_rng_seed(&rng, seed_of(seed, entry->name));
    for (size_t at = 0; at < n; at += PIECE) {
        size_t count = n - at < PIECE ? n - at : PIECE;
        draw_values(&rng, &law, at, count, dtype, piece);
        XL_TRY(xl_out_write(out, piece, count * xl_dtype_bytes(dtype), err));
    }
    return XL_OK;
}

/* -- files ---------------------------------------------------------------- */

struct synth {
    const struct xl_synth_options *options;
    struct xl_config config;
    struct xl_safetensors_entry *entries; /* [n] */
    size_t n;
    uint64_t bytes, total; /* written, of all */
    cJSON *map;            /* weight_map of the index */
};

/* What integers are packed from is bf16. */
static enum xl_dtype row_dtype(const struct xl_synth_options *options)
{
    return options->kind == XL_PACK_FP32 ? XL_FP32 : XL_BF16;
}

static uint64_t bytes_of(const struct xl_safetensors_entry *entry)
{
    return (uint64_t)xl_tensor_count(&entry->tensor) *
           xl_dtype_bytes(entry->tensor.dtype);
}

/* Entries begin..end into one file. */
static enum xl_status write_file(struct synth *s, const char *name,
                                 size_t begin, size_t end, struct xl_err *err)
{
    const struct xl_synth_options *options = s->options;
    struct xl_out out;
    char *path = xl_io_join(options->dir, name);
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    enum xl_status rc = xl_out_open(&out, path, err);
    xl_free(path);
    if (rc != XL_OK)
        return rc;
    rc =
        xl_safetensors_write_header(&out, s->entries + begin, end - begin, err);
    for (size_t i = begin; i < end && rc == XL_OK; i++) {
        rc = write_tensor(&out, &s->entries[i], &s->config, options->seed, err);
        s->bytes += bytes_of(&s->entries[i]);
        cJSON_AddStringToObject(s->map, s->entries[i].name, name);
        if (options->progress)
            options->progress(options->progress_ctx, s->bytes, s->total);
    }
    if (rc == XL_OK)
        rc = xl_out_commit(&out, err);
    xl_out_abandon(&out);
    return rc;
}

/* Each file takes tensors until its share of the bytes is passed. */
static enum xl_status write_shards(struct synth *s, struct xl_err *err)
{
    size_t shards = s->options->shards, begin = 0;
    uint64_t bytes = 0;
    cJSON *root = cJSON_CreateObject();
    cJSON *metadata = cJSON_AddObjectToObject(root, "metadata");
    cJSON_AddNumberToObject(metadata, "total_size", (double)s->total);
    s->map = cJSON_AddObjectToObject(root, "weight_map");
    enum xl_status rc = XL_OK;
    for (size_t i = 0; i < shards && rc == XL_OK; i++) {
        char name[NAME_ROOM];
        size_t end = begin;
        snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", i + 1,
                 shards);
        while (end < s->n - (shards - 1 - i) &&
               (end == begin || i + 1 == shards ||
                bytes < s->total / shards * (i + 1)))
            bytes += bytes_of(&s->entries[end++]);
        rc = write_file(s, name, begin, end, err);
        begin = end;
    }
    if (rc == XL_OK)
        rc = xl_json_save_in(s->options->dir, "model.safetensors.index.json",
                             root, err);
    cJSON_Delete(root);
    return rc;
}

/* Written as text, because HuggingFace's classes tell 1 from 1.0 and refuse an
 * integer where they ask for a real number. */
static void print_config(const struct xl_config *c, const char *dtype,
                         struct xl_buf *out)
{
    xl_buf_printf(out,
                  "{\n"
                  "  \"architectures\": [\"xLSTMForCausalLM\"],\n"
                  "  \"model_type\": \"xlstm\",\n"
                  "  \"use_bias\": false,\n"
                  "  \"norm_reduction_force_float32\": true,\n"
                  "  \"add_out_norm\": true,\n"
                  "  \"norm_eps\": 1e-06,\n"
                  "  \"eps\": 1e-06,\n"
                  "  \"qk_dim_factor\": 0.5,\n"
                  "  \"v_dim_factor\": 1.0,\n"
                  "  \"ffn_proj_factor\": 2.667,\n"
                  "  \"ffn_round_up_to_multiple_of\": 64,\n"
                  "  \"gate_soft_cap\": 15.0,\n"
                  "  \"output_logit_soft_cap\": 30.0,\n"
                  "  \"weight_mode\": \"single\",\n"
                  "  \"chunk_size\": 64,\n"
                  "  \"mode\": \"inference\",\n"
                  "  \"return_last_states\": true,\n"
                  "  \"inference_state_dtype\": \"float32\",\n"
                  "  \"bos_token_id\": 0,\n"
                  "  \"eos_token_id\": 2,\n"
                  "  \"pad_token_id\": 1,\n"
                  "  \"vocab_size\": %zu,\n"
                  "  \"hidden_size\": %zu,\n"
                  "  \"embedding_dim\": %zu,\n"
                  "  \"num_hidden_layers\": %zu,\n"
                  "  \"num_blocks\": %zu,\n"
                  "  \"num_heads\": %zu,\n"
                  "  \"tie_word_embeddings\": %s,\n"
                  "  \"torch_dtype\": \"%s\"\n"
                  "}\n",
                  c->vocab, c->width, c->width, c->blocks, c->blocks, c->heads,
                  c->tied ? "true" : "false", dtype);
}

static enum xl_status write_config(const struct synth *s, struct xl_err *err)
{
    struct xl_buf text;
    char *path = xl_io_join(s->options->dir, "config.json");
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    xl_buf_init(&text, 0);
    print_config(&s->config,
                 row_dtype(s->options) == XL_BF16 ? "bfloat16" : "float32",
                 &text);
    enum xl_status rc = xl_buf_check(&text, path, err);
    if (rc == XL_OK)
        rc = xl_io_replace(path, text.data, text.len, err);
    xl_buf_release(&text);
    xl_free(path);
    return rc;
}

/* -- packed --------------------------------------------------------------- */

static void draw_tensor(void *ctx, const struct xl_safetensors_entry *entry,
                        void *data)
{
    const struct synth *s = ctx;
    struct xl_rng rng;
    struct law law = law_of(entry->name, &s->config);
    xl_rng_seed(&rng, seed_of(s->options->seed, entry->name));
    draw_values(&rng, &law, 0, xl_tensor_count(&entry->tensor),
                entry->tensor.dtype, data);
}

static void packed_so_far(void *ctx, uint64_t weights)
{
    const struct synth *s = ctx;
    uint64_t bytes = weights * xl_dtype_bytes(XL_BF16);
    s->options->progress(s->options->progress_ctx,
                         bytes < s->total ? bytes : s->total, s->total);
}

static enum xl_status pack(struct synth *s, struct xl_model *model,
                           struct xl_err *err)
{
    const struct xl_pool_options options = { .width = xl_cpu_cores() };
    struct xl_pack_order order = { .weights = s->options->kind,
                                   .head = s->options->kind,
                                   .progress_ctx = s };
    char *path = xl_io_join(s->options->dir, XL_PACKFILE_NAME);
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    if (s->options->progress)
        order.progress = packed_so_far;
    enum xl_status rc = xl_pool_make(&order.pool, &options, err);
    if (rc == XL_OK)
        rc = xl_model_pack(model, &order, path, err);
    xl_pool_free(order.pool);
    xl_free(path);
    return rc;
}

static enum xl_status write_packed(struct synth *s, struct xl_err *err)
{
    char source[SOURCE_ROOM];
    const struct xl_drawing drawing = { .draw = draw_tensor,
                                        .ctx = s,
                                        .source = source };
    struct xl_model *model;
    snprintf(source, sizeof source, "synth %s, seed %llu", s->options->preset,
             (unsigned long long)s->options->seed);
    XL_TRY(xl_model_draw(&model, &s->config, s->entries, s->n, &drawing, err));
    enum xl_status rc = pack(s, model, err);
    xl_model_close(model);
    return rc;
}

/* -- all ------------------------------------------------------------------ */

static bool is_packed(const struct xl_synth_options *options)
{
    return options->kind == XL_PACK_INT8 || options->kind == XL_PACK_INT4;
}

static enum xl_status check_options(const struct xl_synth_options *options,
                                    struct xl_err *err)
{
    if (is_packed(options) && options->shards > 1)
        return xl_fail(err, XL_EUSAGE,
                       "a packed checkpoint is one file; leave --shards out");
    if (options->shards > MAX_SHARDS)
        return xl_fail(err, XL_EUSAGE, "at most %d shards", MAX_SHARDS);
    return XL_OK;
}

enum xl_status xl_synth_write(const struct xl_synth_options *options,
                              struct xl_err *err)
{
    struct synth s = { .options = options };
    struct xl_arena arena;
    enum xl_status rc;

    xl_arena_init(&arena, 0);
    XL_TRY_DONE(rc, check_options(options, err));
    XL_TRY_DONE(rc, xl_synth_config(&s.config, options->preset, err));
    XL_TRY_DONE(rc, xl_checkpoint_dir_make(options->dir, err));
    XL_TRY_DONE(rc, xl_weights_list(&s.config, &arena, &s.entries, &s.n, err));
    for (size_t i = 0; i < s.n; i++) {
        s.entries[i].tensor.dtype = row_dtype(options);
        s.total += bytes_of(&s.entries[i]);
    }
    if (is_packed(options))
        rc = write_packed(&s, err);
    else if (options->shards > s.n)
        rc = xl_fail(err, XL_EUSAGE, "%zu shards for %zu tensors",
                     options->shards, s.n);
    else if (options->shards > 1)
        rc = write_shards(&s, err);
    else
        rc = write_file(&s, "model.safetensors", 0, s.n, err);
    if (rc == XL_OK)
        rc = write_config(&s, err);
done:
    xl_arena_release(&arena);
    return rc;
}
