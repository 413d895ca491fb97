/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/clock.h"
#include "kernel/base/cmd.h"
#include "kernel/base/json.h"
#include "kernel/base/cmd_print.h"
#include "kernel/run/cost.h"
#include "kernel/run/synth.h"

enum {
    OPT_PRESET,
    OPT_DTYPE,
    OPT_SEED,
    OPT_OUT,
    OPT_SHARDS,
    OPT_COUNT
};

static const char *const presets[] = {
#define XL_PRESET(name, width, blocks, heads, vocab, tied) name,
#include "kernel/run/preset.def"
#undef XL_PRESET
    NULL
};
static const char *const kinds[] = {
#define XL_PACK(id, name, inputs, has_scales) name,
#include "kernel/gemm/pack.def"
#undef XL_PACK
    NULL
};

static const struct xl_opt rows[OPT_COUNT] = {
    [OPT_PRESET] = { .name = "preset",
                     .kind = XL_OPT_TEXT,
                     .arg = "NAME",
                     .help = "size, one of"
#define XL_PRESET(name, width, blocks, heads, vocab, tied) " " name
#include "kernel/run/preset.def"
#undef XL_PRESET
                     ,
                     .offers = presets,
                     .fallback = "demo" },
    [OPT_DTYPE] = { .name = "dtype",
                    .kind = XL_OPT_TEXT,
                    .arg = "TYPE",
                    .help = "how weights are stored:"
#define XL_PACK(id, name, inputs, has_scales) " " name
#include "kernel/gemm/pack.def"
#undef XL_PACK
                    ,
                    .offers = kinds,
                    .fallback = "bf16" },
    [OPT_SEED] = { .name = "seed",
                   .kind = XL_OPT_INT,
                   .arg = "N",
                   .help = "the same seed gives the same bytes",
                   .fallback = "1337",
                   .lo = 0,
                   .hi = 9e15 },
    [OPT_OUT] = { .name = "out",
                  .kind = XL_OPT_TEXT,
                  .arg = "DIR",
                  .help = "folder to write; must hold no checkpoint" },
    [OPT_SHARDS] = { .name = "shards",
                     .kind = XL_OPT_INT,
                     .arg = "N",
                     .help = "files to spread the tensors over",
                     .fallback = "1",
                     .lo = 1,
                     .hi = 1000 },
};

struct progress {
    uint64_t start_ns;
    bool shown;
};

static void show_progress(void *ctx, uint64_t bytes, uint64_t total)
{
    struct progress *p = ctx;
    double s = (double)(xl_clock_ns() - p->start_ns) * 1e-9;
    double part = (double)bytes / (double)total;
    fprintf(stderr, "\r%3.0f %%  %.2f of %.2f GB  %.0f s left   ", 100 * part,
            (double)bytes * 1e-9, (double)total * 1e-9, s / part - s);
    p->shown = true;
}

static enum xl_status read_kind(const char *name, enum xl_pack_kind *kind,
                                struct xl_err *err)
{
    const char *names[XL_PACK_COUNT];
    char hint[80];
    for (size_t i = 0; i < XL_PACK_COUNT; i++) {
        *kind = (enum xl_pack_kind)i;
        names[i] = xl_pack_name(*kind);
        if (strcmp(name, names[i]) == 0)
            return XL_OK;
    }
    return xl_fail(err, XL_EUSAGE,
                   "unknown dtype '%s'%s; there are fp32, bf16, int8 and int4",
                   name,
                   xl_cmd_hint(name, names, XL_PACK_COUNT, hint, sizeof hint));
}

static enum xl_status report(const struct xl_cmd_ctx *ctx,
                             const struct xl_synth_options *options,
                             struct xl_err *err)
{
    struct xl_config config;
    struct xl_cost cost;
    XL_TRY(xl_synth_config(&config, options->preset, err));
    XL_TRY(xl_cost_of(&cost, &config, err));
    if (!ctx->json) {
        printf("%s: %s, %.1f million parameters, %s, seed %" PRIu64 "\n",
               options->dir, options->preset, (double)cost.parameters * 1e-6,
               xl_pack_name(options->kind), options->seed);
        return XL_OK;
    }
    cJSON *root = cJSON_CreateObject();
    xl_json_add_string(root, "model", options->dir);
    cJSON_AddStringToObject(root, "preset", options->preset);
    cJSON_AddStringToObject(root, "dtype", xl_pack_name(options->kind));
    cJSON_AddNumberToObject(root, "seed", (double)options->seed);
    cJSON_AddNumberToObject(root, "shards", (double)options->shards);
    cJSON_AddNumberToObject(root, "parameters", (double)cost.parameters);
    return xl_print_json(root, err);
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    const struct xl_opts *opts = &ctx->opts;
    struct progress progress = { .start_ns = xl_clock_ns() };
    struct xl_synth_options options = {
        .preset = xl_opt_text(opts, XL_GROUP_OWN, OPT_PRESET),
        .dir = xl_opt_text(opts, XL_GROUP_OWN, OPT_OUT),
        .seed = (uint64_t)xl_opt_int(opts, XL_GROUP_OWN, OPT_SEED),
        .shards = (size_t)xl_opt_int(opts, XL_GROUP_OWN, OPT_SHARDS),
        .progress_ctx = &progress,
    };
    if (!options.dir)
        return xl_fail(err, XL_EUSAGE, "'--out DIR' is needed");
    if (!ctx->quiet && isatty(STDERR_FILENO))
        options.progress = show_progress;
    XL_TRY(read_kind(xl_opt_text(opts, XL_GROUP_OWN, OPT_DTYPE), &options.kind,
                     err));
    enum xl_status rc = xl_synth_write(&options, err);
    if (progress.shown)
        fputc('\n', stderr);
    return rc == XL_OK ? report(ctx, &options, err) : rc;
}

const struct xl_cmd xl_cmd_synth = {
    .name = "synth",
    .summary = "writes a random-weight checkpoint of a named size",
    .usage = "--preset NAME --out DIR [--dtype TYPE] [--seed N]",
    .example = "xltune synth --preset 125m --dtype bf16 --out models/125m",
    .details = "For benchmarks only: the weights are noise of the right "
               "size. There is no\ntokenizer.json, so text goes in as bytes "
               "(ids 0 to 255), while new tokens come\nfrom the whole "
               "vocabulary (demo 4096, the others 50304). int8 and int4 give a "
               "packed checkpoint\n(see pack), of the same weights as bf16.",
    .rows = rows,
    .n_rows = OPT_COUNT,
    .run = run,
};
