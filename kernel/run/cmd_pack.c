/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/cmd.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/run/checkpoint_dir.h"
#include "kernel/run/cost.h"
#include "kernel/run/packed_report.h"
#include "kernel/run/session.h"

enum {
    OPT_OUT,
    OPT_FORCE,
    OPT_COUNT
};

static const struct xl_opt rows[OPT_COUNT] = {
    [OPT_OUT] = { .name = "out",
                  .kind = XL_OPT_TEXT,
                  .arg = "DIR",
                  .help = "the same as OUT" },
    [OPT_FORCE] = { .name = "force",
                    .kind = XL_OPT_BOOL,
                    .help = "replace a packed checkpoint that is there" },
};

struct progress {
    uint64_t start_ns, last_ns;
    double total;
};

static void show_progress(void *ctx, uint64_t weights)
{
    struct progress *p = ctx;
    uint64_t now = xl_clock_ns();
    double s = (double)(now - p->start_ns) * 1e-9;
    double part = (double)weights / p->total;
    if (now - p->last_ns < 100000000u && part < 1)
        return;
    p->last_ns = now;
    fprintf(stderr, "\r%3.0f %% of the weights  %.0f s left   ",
            100 * (part < 1 ? part : 1), part < 1 ? s / part - s : 0);
}

struct packing {
    struct xl_cmd_ctx *ctx;
    char *model_dir;
    struct xl_model *model;
    struct xl_pack_out to;
    struct xl_pack_order order;
    struct progress progress;
    double seconds;
};

static enum xl_status pack(struct packing *p, struct xl_err *err)
{
    struct xl_params params;
    struct xl_cost cost;
    const struct xl_config *config = xl_model_config(p->model);
    XL_TRY(p->ctx->services->resolve(&p->ctx->opts, config, 0, &params, err));
    int64_t head = params.value[XL_PARAM_HEAD_DTYPE];
    struct xl_pool_options options = {
        .width = (size_t)params.value[XL_PARAM_WORKERS],
    };
    p->order.weights = (enum xl_pack_kind)params.value[XL_PARAM_WEIGHT_DTYPE];
    p->order.head = head ? (enum xl_pack_kind)(head - 1) : p->order.weights;
    XL_TRY(xl_cost_of(&cost, config, err));
    p->progress.total = (double)cost.matmul_decode;
    p->progress.start_ns = xl_clock_ns();
    if (!p->ctx->quiet && isatty(STDERR_FILENO)) {
        p->order.progress = show_progress;
        p->order.progress_ctx = &p->progress;
    }
    XL_TRY(xl_pool_make(&p->order.pool, &options, err));
    enum xl_status rc =
        xl_checkpoint_dir_pack(p->model, &p->order, &p->to, err);
    xl_pool_free(p->order.pool);
    if (p->progress.last_ns)
        fputc('\n', stderr);
    p->seconds = (double)(xl_clock_ns() - p->progress.start_ns) * 1e-9;
    return rc;
}

static void print_json(const struct packing *p, const struct xl_packfile *file,
                       uint64_t bytes, struct xl_buf *out)
{
    cJSON *root = cJSON_CreateObject();
    xl_json_add_string(root, "model", p->model_dir);
    xl_json_add_string(root, "out", p->to.dir);
    cJSON_AddNumberToObject(root, "file_bytes", (double)bytes);
    xl_json_add_real(root, "seconds", p->seconds);
    cJSON_AddItemToObject(root, "packed", xl_packed_json(file));
    xl_json_print(root, false, out);
    xl_buf_char(out, '\n');
    cJSON_Delete(root);
}

/* From the file as it was written. */
static enum xl_status report(const struct packing *p, struct xl_err *err)
{
    struct xl_safetensors *files = NULL;
    struct xl_packfile *file = NULL;
    struct xl_buf out;
    enum xl_status rc;
    xl_buf_init(&out, 0);
    XL_TRY_DONE(rc, xl_safetensors_open(&files, p->to.dir, err));
    XL_TRY_DONE(rc, xl_packfile_open(&file, files, err));
    uint64_t bytes = xl_safetensors_bytes(files);
    if (p->ctx->json) {
        print_json(p, file, bytes, &out);
    } else {
        xl_buf_printf(&out, "%s: %.1f MB, of %.1f MB in '%s', in %.1f s\n",
                      p->to.dir, (double)bytes * 1e-6,
                      (double)xl_safetensors_bytes(xl_model_files(p->model)) *
                          1e-6,
                      p->model_dir, p->seconds);
        xl_packed_text(file, true, &out);
    }
    XL_TRY_DONE(rc, xl_buf_check(&out, "the report", err));
    fputs(out.data, stdout);
done:
    xl_buf_release(&out);
    xl_packfile_close(file);
    xl_safetensors_close(files);
    return rc;
}

/* IN and OUT may stand as words, or behind --model and --out. */
static enum xl_status check_words(const struct xl_opts *o, struct xl_err *err)
{
    bool has_model = xl_opt_text(o, XL_GROUP_MODEL, XL_MODEL_DIR) != NULL;
    bool has_out = xl_opt_text(o, XL_GROUP_OWN, OPT_OUT) != NULL;
    if (!o->n_args && !has_out)
        return xl_fail(err, XL_EUSAGE,
                       "no folder to write: say 'pack IN OUT', or '--out DIR'");
    if (o->n_args > 2 || (o->n_args && has_out) ||
        (o->n_args == 2 && has_model))
        return xl_fail(err, XL_EUSAGE,
                       "too many folders: say 'pack IN OUT', or 'pack --model "
                       "IN --out OUT'");
    return XL_OK;
}

static enum xl_status find_model(const struct xl_opts *o, char **dir,
                                 struct xl_err *err)
{
    if (o->n_args < 2)
        return xl_session_model_dir(o, dir, err);
    if (!xl_io_is_dir(o->args[0]))
        return xl_fail(err, XL_ENOTFOUND,
                       "'%s' is no checkpoint folder; name the one with "
                       "config.json",
                       o->args[0]);
    *dir = xl_strdup(o->args[0]);
    return *dir ? XL_OK : xl_fail(err, XL_ENOMEM, "out of memory");
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    const struct xl_opts *o = &ctx->opts;
    struct packing p = {
        .ctx = ctx,
        .to = { .dir = xl_opt_text(o, XL_GROUP_OWN, OPT_OUT),
                .force = xl_opt_bool(o, XL_GROUP_OWN, OPT_FORCE) },
    };
    enum xl_status rc;
    XL_TRY(check_words(o, err));
    if (o->n_args)
        p.to.dir = o->args[o->n_args - 1];
    XL_TRY_DONE(rc, find_model(o, &p.model_dir, err));
    XL_TRY_DONE(rc, xl_model_open(&p.model, p.model_dir, err));
    XL_TRY_DONE(rc, pack(&p, err));
    rc = report(&p, err);
done:
    xl_model_close(p.model);
    xl_free(p.model_dir);
    return rc;
}

const struct xl_cmd xl_cmd_pack = {
    .name = "pack",
    .summary = "writes a checkpoint whose weights are packed already",
    .usage = "IN OUT [--weight-dtype bf16|int8|int4|fp32] "
             "[--head-dtype TYPE] [--force]",
    .example = "xltune pack models/demo demo-int4 --weight-dtype int4",
    .details =
        "IN is a checkpoint folder, OUT the folder to write. A packed "
        "checkpoint is mapped\nand runs at once: nothing is converted or "
        "copied at the start. It holds its weights\nin the one type that it "
        "was packed with; every command takes it by --model.\nPrints for "
        "each matrix what packing lost. The folder is a checkpoint only when "
        "it\nis complete.",
    .rows = rows,
    .n_rows = OPT_COUNT,
    .takes_model = true,
    .takes_words = true,
    .run = run,
};
