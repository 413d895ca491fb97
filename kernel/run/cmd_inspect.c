/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "kernel/base/alloc.h"
#include "kernel/base/arena.h"
#include "kernel/base/cmd.h"
#include "kernel/base/json.h"
#include "kernel/model/stack_weights.h"
#include "kernel/model/weights.h"
#include "kernel/param/param.h"
#include "kernel/run/inspect_int.h"
#include "kernel/run/packed_report.h"
#include "kernel/run/session.h"

enum {
    OPT_TENSORS,
    OPT_WIRING,
    OPT_VERIFY,
    OPT_COUNT
};

static const struct xl_opt rows[OPT_COUNT] = {
    [OPT_TENSORS] = { .name = "tensors",
                      .kind = XL_OPT_BOOL,
                      .help = "list every tensor" },
    [OPT_WIRING] = { .name = "wiring",
                     .kind = XL_OPT_BOOL,
                     .help = "draw how a block is put together" },
    [OPT_VERIFY] = { .name = "verify",
                     .kind = XL_OPT_BOOL,
                     .help = "read a packed checkpoint whole and check it" },
};

/* Binding shows that the tensors fit; the roles are not kept. */
static enum xl_status bind(struct xl_inspection *it, struct xl_err *err)
{
    struct xl_arena arena;
    struct xl_weights weights;
    struct xl_stack_weights stack;
    xl_arena_init(&arena, 0);
    enum xl_status rc =
        it->config.arch == XL_ARCH_XLSTM
            ? xl_weights_bind(&weights, &it->config, it->files, &arena, err)
            : xl_stack_weights_bind(&stack, &it->config, it->files, &arena,
                                    err);
    if (rc != XL_OK)
        xl_err_prefix(err, "'%s'", it->dir);
    xl_arena_release(&arena);
    return rc;
}

/* Every matrix against its hash. */
static enum xl_status verify(const struct xl_inspection *it, struct xl_err *err)
{
    if (!it->packed)
        return xl_fail(err, XL_EUSAGE,
                       "'%s' is not packed: it has no hashes to verify",
                       it->dir);
    for (size_t i = 0; i < xl_packfile_count(it->packed); i++)
        XL_TRY(
            xl_packfile_verify(it->packed, xl_packfile_at(it->packed, i), err));
    return XL_OK;
}

static enum xl_status look(struct xl_inspection *it,
                           const struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct xl_params params;
    XL_TRY(xl_session_model_dir(&ctx->opts, &it->dir, err));
    XL_TRY(xl_config_load(&it->config, it->dir, err));
    XL_TRY(xl_safetensors_open(&it->files, it->dir, err));
    XL_TRY(bind(it, err));
    if (it->config.is_packed)
        XL_TRY(xl_packfile_open(&it->packed, it->files, err));
    if (xl_opt_bool(&ctx->opts, XL_GROUP_OWN, OPT_VERIFY))
        XL_TRY(verify(it, err));
    XL_TRY(xl_cost_of(&it->cost, &it->config, err));
    XL_TRY(ctx->services->resolve(&ctx->opts, &it->config, 0, &params, err));
    it->chunk = (size_t)params.value[XL_PARAM_CHUNK_SIZE];
    it->block = (size_t)params.value[XL_PARAM_PREFILL_BLOCK];
    for (size_t i = 0; i < xl_safetensors_count(it->files); i++)
        it->by_dtype[xl_safetensors_at(it->files, i)->dtype]++;
    return XL_OK;
}

/* -- JSON ----------------------------------------------------------------- */

static void add_count(cJSON *object, const char *key, uint64_t n)
{
    cJSON_AddNumberToObject(object, key, (double)n);
}

static void add_token(cJSON *object, const char *key, bool has, int64_t id)
{
    if (has)
        cJSON_AddNumberToObject(object, key, (double)id);
    else
        cJSON_AddNullToObject(object, key);
}

/* Shortest decimal digits of a float, so that 1e-6f prints as 1e-06. */
static void add_float(cJSON *object, const char *key, float x, bool none)
{
    char text[32];
    double value = 0;
    snprintf(text, sizeof text, "%.7g", (double)x);
    if (none || !xl_parse_real(text, &value))
        cJSON_AddNullToObject(object, key);
    else
        cJSON_AddNumberToObject(object, key, value);
}

static void add_config(cJSON *root, const struct xl_config *c)
{
    cJSON *o = cJSON_AddObjectToObject(root, "config");
    add_count(o, "vocab", c->vocab);
    add_count(o, "width", c->width);
    add_count(o, "blocks", c->blocks);
    add_count(o, "heads", c->heads);
    add_count(o, "dk", c->dk);
    add_count(o, "dv", c->dv);
    add_count(o, "ffn", c->ffn);
    cJSON_AddBoolToObject(o, "use_bias", c->use_bias);
    cJSON_AddBoolToObject(o, "tied", c->tied);
    cJSON_AddBoolToObject(o, "out_norm", c->out_norm);
    cJSON_AddBoolToObject(o, "fused", c->fused);
    add_float(o, "norm_eps", c->norm_eps, false);
    add_float(o, "cell_eps", c->cell_eps, false);
    add_float(o, "gate_cap", c->gate_cap, c->gate_cap <= 0);
    add_float(o, "logit_cap", c->logit_cap, c->logit_cap <= 0);
    add_token(o, "bos", c->has_bos, c->bos);
    add_token(o, "eos", c->has_eos, c->eos);
    if (c->arch == XL_ARCH_XLSTM)
        return;
    add_count(o, "inner", c->inner);
    add_count(o, "conv_kernel", c->conv_kernel);
    add_count(o, "slstm_heads", c->slstm_heads);
    add_count(o, "slstm_conv_kernel", c->slstm_conv_kernel);
    add_count(o, "qkv_block", c->qkv_block);
    cJSON_AddStringToObject(o, "ffn_act", c->ffn_act);
    cJSON *at = cJSON_AddArrayToObject(o, "slstm_at");
    for (size_t i = 0; i < c->blocks; i++)
        if (c->is_slstm[i])
            cJSON_AddItemToArray(at, cJSON_CreateNumber((double)i));
}

static void add_cost(cJSON *root, const struct xl_inspection *it)
{
    const struct xl_cost *cost = &it->cost;
    const char *const *choice = xl_param_row(XL_PARAM_WEIGHT_DTYPE)->choices;
    add_count(root, "state_bytes", cost->state_bytes);
    cJSON *prefill = cJSON_AddObjectToObject(root, "prefill");
    add_count(prefill, "matmul_weights", cost->matmul_prefill);
    add_count(prefill, "chunk_size", it->chunk);
    add_count(prefill, "prefill_block", it->block);
    xl_json_add_real(prefill, "flops_per_token",
                     xl_cost_prefill_flops(cost, &it->config, it->chunk));
    cJSON *decode = cJSON_AddObjectToObject(root, "decode");
    add_count(decode, "matmul_weights", cost->matmul_decode);
    xl_json_add_real(decode, "flops_per_token", xl_cost_decode_flops(cost));
    cJSON *types = cJSON_AddObjectToObject(root, "by_weight_dtype");
    for (; *choice; choice++) {
        double bytes = xl_inspect_weight_bytes(*choice);
        if (bytes <= 0)
            continue;
        cJSON *o = cJSON_AddObjectToObject(types, *choice);
        xl_json_add_real(o, "matmul_bytes",
                         (double)cost->matmul_decode * bytes);
        xl_json_add_real(o, "decode_bytes_per_token",
                         xl_cost_decode_bytes(cost, bytes));
        xl_json_add_real(o, "prefill_bytes_per_token",
                         xl_cost_prefill_bytes(cost, bytes, it->block));
    }
}

static void add_tensors(cJSON *root, const struct xl_safetensors *files)
{
    cJSON *list = cJSON_AddArrayToObject(root, "tensors");
    for (size_t i = 0; i < xl_safetensors_count(files); i++) {
        const struct xl_tensor *t = xl_safetensors_at(files, i);
        const char *name = xl_safetensors_name(files, i);
        cJSON *o = cJSON_CreateObject();
        xl_json_add_string(o, "name", name);
        cJSON_AddStringToObject(o, "dtype", xl_dtype_name(t->dtype));
        cJSON *shape = cJSON_AddArrayToObject(o, "shape");
        for (size_t d = 0; d < t->n_dims; d++)
            cJSON_AddItemToArray(shape,
                                 cJSON_CreateNumber((double)t->shape[d]));
        cJSON_AddItemToArray(list, o);
    }
}

static void print_json(const struct xl_inspection *it, bool tensors,
                       struct xl_buf *out)
{
    cJSON *root = cJSON_CreateObject();
    xl_json_add_string(root, "model", it->dir);
    cJSON_AddStringToObject(
        root, "arch",
        it->config.arch == XL_ARCH_XLSTM ? "xlstm" : "xlstm_block_stack");
    add_config(root, &it->config);
    add_count(root, "parameters", it->cost.parameters);
    add_count(root, "file_bytes", xl_safetensors_bytes(it->files));
    add_count(root, "tensor_count", xl_safetensors_count(it->files));
    cJSON *types = cJSON_AddObjectToObject(root, "dtypes");
    for (size_t i = 0; i < XL_DTYPE_COUNT; i++)
        if (it->by_dtype[i])
            add_count(types, xl_dtype_name((enum xl_dtype)i), it->by_dtype[i]);
    add_cost(root, it);
    if (it->packed)
        cJSON_AddItemToObject(root, "packed", xl_packed_json(it->packed));
    if (tensors)
        add_tensors(root, it->files);
    xl_json_print(root, false, out);
    xl_buf_char(out, '\n');
    cJSON_Delete(root);
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct xl_inspection it = { 0 };
    struct xl_buf out;
    bool tensors = xl_opt_bool(&ctx->opts, XL_GROUP_OWN, OPT_TENSORS);
    enum xl_status rc;

    xl_buf_init(&out, 0);
    XL_TRY_DONE(rc, look(&it, ctx, err));
    if (ctx->json) {
        print_json(&it, tensors, &out);
    } else {
        xl_inspect_text(&it, &out);
        if (it.packed)
            xl_packed_text(it.packed, tensors, &out);
        if (xl_opt_bool(&ctx->opts, XL_GROUP_OWN, OPT_WIRING))
            xl_inspect_wiring(&it.config, &out);
        if (tensors)
            xl_inspect_tensors(&it, &out);
    }
    XL_TRY_DONE(rc, xl_buf_check(&out, "the report", err));
    fputs(out.data, stdout);
done:
    xl_buf_release(&out);
    xl_packfile_close(it.packed);
    xl_safetensors_close(it.files);
    xl_free(it.dir);
    return rc;
}

const struct xl_cmd xl_cmd_inspect = {
    .name = "inspect",
    .summary = "what a checkpoint holds: configuration, tensors, costs",
    .usage = "[--model DIR] [--tensors] [--wiring] [--verify]",
    .example = "xltune inspect --model models/demo --wiring",
    .details = "Checks the whole checkpoint as a run would. Costs follow "
               "from the sizes: a\nmultiply and an add are two operations. Of "
               "a packed "
               "checkpoint it prints what packing\nlost, matrix by matrix with "
               "--tensors.",
    .rows = rows,
    .n_rows = OPT_COUNT,
    .takes_model = true,
    .run = run,
};
