/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys are rows: name, kind, bounds, default. Every number is bounded when it
 * is read, so that no product formed later can overflow: a width of at most
 * 2^18 and factors of at most 16 keep dk * dv * heads * blocks below 2^56.
 *
 * Defaults are those of the HuggingFace class for `xlstm` and of the original
 * package for `xlstm_block_stack`. A folder without model_type is taken as
 * `xlstm` only when it states all four sizes, as the files of the original
 * package do. */
#include "kernel/model/config.h"

#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/buf.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/cell/activation.h"

enum {
    MAX_WIDTH = 1 << 18,
    MAX_VOCAB = 1 << 24,
    MAX_HEADS = 1 << 12
};
enum {
    MAX_CONV = 64,
    MAX_ROUND = 1 << 16,
    MAX_QKV_BLOCK = 1 << 12
};

struct raw {
    int64_t vocab, hidden, embedding, layers, blocks, heads, round_to, chunk;
    int64_t conv, slstm_heads, slstm_conv, qkv_block;
    double qk_factor, v_factor, ffn_factor, proj_factor;
    double norm_eps, cell_eps, gate_cap, logit_cap;
    bool use_bias, tied, out_norm, round_up;
};

/* CAP: a missing key gives the default, null gives 0 (no cap). */
enum key_kind {
    KEY_INT,
    KEY_REAL,
    KEY_BOOL,
    KEY_CAP
};

struct key {
    const char *name;
    enum key_kind kind;
    size_t at; /* offset in struct raw */
    double lo, hi, fallback;
};

#define AT(field) offsetof(struct raw, field)
/* clang-format off */
static const struct key xlstm_keys[] = {
    { "vocab_size",                 KEY_INT,  AT(vocab),      1,    MAX_VOCAB,     50304 },
    { "hidden_size",                KEY_INT,  AT(hidden),     1,    MAX_WIDTH,     0 },
    { "embedding_dim",              KEY_INT,  AT(embedding),  1,    MAX_WIDTH,     0 },
    { "num_hidden_layers",          KEY_INT,  AT(layers),     1,    XL_MAX_BLOCKS, 0 },
    { "num_blocks",                 KEY_INT,  AT(blocks),     1,    XL_MAX_BLOCKS, 0 },
    { "num_heads",                  KEY_INT,  AT(heads),      1,    MAX_HEADS,     8 },
    { "ffn_round_up_to_multiple_of", KEY_INT, AT(round_to),   1,    MAX_ROUND,     64 },
    { "chunk_size",                 KEY_INT,  AT(chunk),      1,    1 << 20,       0 },
    { "qk_dim_factor",              KEY_REAL, AT(qk_factor),  1e-6, 16,            0.5 },
    { "v_dim_factor",               KEY_REAL, AT(v_factor),   1e-6, 16,            1 },
    { "ffn_proj_factor",            KEY_REAL, AT(ffn_factor), 1e-6, 16,            2.667 },
    { "norm_eps",                   KEY_REAL, AT(norm_eps),   0,    1,             1e-6 },
    { "eps",                        KEY_REAL, AT(cell_eps),   0,    1,             1e-6 },
    { "gate_soft_cap",              KEY_CAP,  AT(gate_cap),   0,    1e6,           15 },
    { "output_logit_soft_cap",      KEY_CAP,  AT(logit_cap),  0,    1e6,           30 },
    { "use_bias",                   KEY_BOOL, AT(use_bias),   0,    1,             0 },
    { "tie_word_embeddings",        KEY_BOOL, AT(tied),       0,    1,             0 },
    { "add_out_norm",               KEY_BOOL, AT(out_norm),   0,    1,             1 },
};

static const struct key stack_keys[] = {
    { "vocab_size",           KEY_INT,  AT(vocab),     1, MAX_VOCAB,     0 },
    { "hidden_size",          KEY_INT,  AT(hidden),    1, MAX_WIDTH,     0 },
    { "embedding_dim",        KEY_INT,  AT(embedding), 1, MAX_WIDTH,     0 },
    { "num_hidden_layers",    KEY_INT,  AT(layers),    1, XL_MAX_BLOCKS, 0 },
    { "num_blocks",           KEY_INT,  AT(blocks),    1, XL_MAX_BLOCKS, 0 },
    { "bias",                 KEY_BOOL, AT(use_bias),  0, 1,             0 },
    { "tie_weights",          KEY_BOOL, AT(tied),      0, 1,             0 },
    { "add_post_blocks_norm", KEY_BOOL, AT(out_norm),  0, 1,             1 },
};

static const struct key stack_mlstm_keys[] = {
    { "num_heads",                    KEY_INT,  AT(heads),       1,    MAX_HEADS,     4 },
    { "conv1d_kernel_size",           KEY_INT,  AT(conv),        1,    MAX_CONV,      4 },
    { "qkv_proj_blocksize",           KEY_INT,  AT(qkv_block),   1,    MAX_QKV_BLOCK, 4 },
    { "round_proj_up_to_multiple_of", KEY_INT,  AT(round_to),    1,    MAX_ROUND,     64 },
    { "round_proj_up_dim_up",         KEY_BOOL, AT(round_up),    0,    1,             1 },
    { "proj_factor",                  KEY_REAL, AT(proj_factor), 1e-6, 16,            2 },
};

static const struct key stack_slstm_keys[] = {
    { "num_heads",          KEY_INT,  AT(slstm_heads), 1,    MAX_HEADS, 4 },
    { "conv1d_kernel_size", KEY_INT,  AT(slstm_conv),  0,    MAX_CONV,  4 },
    { "ffn_proj_factor",    KEY_REAL, AT(ffn_factor),  1e-6, 16,        1.3 },
};
/* clang-format on */
#undef AT

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Options that change the arithmetic and have no kernel here. */
static const char *const refused_flags[] = { "add_qk_norm", "add_post_norm" };
static const char *const kernel_keys[] = { "chunkwise_kernel",
                                           "sequence_kernel", "step_kernel" };

/* -- reading keys --------------------------------------------------------- */

/* true and false, also written 1 and 0. */
static enum xl_status read_bool(const cJSON *object, const char *name,
                                bool *out, struct xl_err *err)
{
    const cJSON *item = xl_json_member(object, name);
    if (cJSON_IsNumber(item)) {
        int64_t number = 0;
        enum xl_status rc = xl_json_get_int(object, name, 0, 1, &number, err);
        *out = number != 0;
        return rc;
    }
    return xl_json_get_bool(object, name, out, err);
}

static enum xl_status read_cap(const cJSON *object, const struct key *key,
                               double *out, struct xl_err *err)
{
    const cJSON *item = xl_json_member(object, key->name);
    *out = 0;
    if (cJSON_IsNull(item))
        return XL_OK;
    enum xl_status rc =
        xl_json_get_real(object, key->name, key->lo, key->hi, out, err);
    if (rc == XL_OK && !((float)*out > 0.0f))
        return xl_fail(err, XL_EFORMAT,
                       "'%s' must be above 0, or null for none", key->name);
    return rc;
}

static enum xl_status read_key(const cJSON *object, const struct key *key,
                               struct raw *raw, struct xl_err *err)
{
    void *to = (char *)raw + key->at;
    enum xl_status rc = XL_OK;
    switch (key->kind) {
    case KEY_INT:
        *(int64_t *)to = (int64_t)key->fallback;
        rc = xl_json_get_int(object, key->name, (int64_t)key->lo,
                             (int64_t)key->hi, to, err);
        break;
    case KEY_REAL:
        *(double *)to = key->fallback;
        rc = xl_json_get_real(object, key->name, key->lo, key->hi, to, err);
        break;
    case KEY_BOOL:
        *(bool *)to = key->fallback != 0;
        rc = read_bool(object, key->name, to, err);
        break;
    case KEY_CAP:
        rc = read_cap(object, key, to, err);
        if (rc == XL_ENOTFOUND)
            *(double *)to = key->fallback;
        break;
    }
    return rc == XL_ENOTFOUND ? XL_OK : rc;
}

static enum xl_status read_keys(const cJSON *object, const struct key *keys,
                                size_t n, struct raw *raw, struct xl_err *err)
{
    for (size_t i = 0; i < n; i++)
        XL_TRY(read_key(object, &keys[i], raw, err));
    return XL_OK;
}

/* Two names of one number: either may be missing, both must agree. */
static enum xl_status merge(int64_t a, int64_t b, int64_t fallback,
                            const char *names, size_t *out, struct xl_err *err)
{
    if (a && b && a != b)
        return xl_fail(err, XL_EFORMAT, "%s differ: %lld and %lld", names,
                       (long long)a, (long long)b);
    int64_t value = a ? a : b ? b : fallback;
    if (value == 0)
        return xl_fail(err, XL_EFORMAT, "%s: none is given", names);
    *out = (size_t)value;
    return XL_OK;
}

static enum xl_status check_divides(const char *what, size_t whole,
                                    const char *by, size_t parts,
                                    struct xl_err *err)
{
    if (whole == 0 || whole % parts != 0)
        return xl_fail(err, XL_EFORMAT,
                       "%s of %zu does not divide by %s of %zu", what, whole,
                       by, parts);
    return XL_OK;
}

/* A token id, or the first of a list. missing: used when there is no key;
 * null and an empty list mean none. */
static enum xl_status read_token(const cJSON *root, const char *name,
                                 size_t vocab, int64_t missing, bool *has,
                                 int64_t *id, struct xl_err *err)
{
    const cJSON *item = xl_json_member(root, name);
    double x = item ? 0 : (double)missing;
    *has = false;
    if (cJSON_IsArray(item) && cJSON_GetArraySize(item) == 0)
        return XL_OK;
    if (cJSON_IsArray(item))
        item = item->child;
    if (cJSON_IsNull(item))
        return XL_OK;
    if (item) {
        x = item->valuedouble;
        if (!cJSON_IsNumber(item) || !(x >= 0 && x < (double)vocab) ||
            x != floor(x))
            return xl_fail(err, XL_EFORMAT,
                           "'%s' must be a token id below the vocabulary's "
                           "size of %zu",
                           name, vocab);
    }
    *has = x >= 0 && x < (double)vocab;
    *id = *has ? (int64_t)x : 0;
    return XL_OK;
}

/* -- the two architectures ------------------------------------------------ */

static enum xl_status refuse_unsupported(const cJSON *root, struct xl_err *err)
{
    for (size_t i = 0; i < COUNT(refused_flags); i++) {
        bool on = false;
        enum xl_status rc = read_bool(root, refused_flags[i], &on, err);
        if (rc != XL_OK && rc != XL_ENOTFOUND)
            return rc;
        if (on)
            return xl_fail(err, XL_EFORMAT, "'%s' is not supported",
                           refused_flags[i]);
    }
    for (size_t i = 0; i < COUNT(kernel_keys); i++) {
        const char *kernel = "";
        enum xl_status rc =
            xl_json_get_text(root, kernel_keys[i], &kernel, err);
        if (rc != XL_OK && rc != XL_ENOTFOUND)
            return rc;
        if (strstr(kernel, "siging"))
            return xl_fail(err, XL_EFORMAT,
                           "'%s' is '%.60s': a sigmoid input gate is not "
                           "supported",
                           kernel_keys[i], kernel);
    }
    return XL_OK;
}

static enum xl_status read_weight_mode(struct xl_config *config,
                                       const cJSON *root, struct xl_err *err)
{
    const char *mode = "single";
    enum xl_status rc = xl_json_get_text(root, "weight_mode", &mode, err);
    if (rc != XL_OK && rc != XL_ENOTFOUND)
        return rc;
    config->fused = strcmp(mode, "fused") == 0;
    if (!config->fused && strcmp(mode, "single") != 0)
        return xl_fail(err, XL_EFORMAT,
                       "'weight_mode' is '%.40s', not single or fused", mode);
    return XL_OK;
}

static enum xl_status read_sizes(struct xl_config *config,
                                 const struct raw *raw, bool has_defaults,
                                 struct xl_err *err)
{
    XL_TRY(merge(raw->hidden, raw->embedding, has_defaults ? 4096 : 0,
                 "'hidden_size' and 'embedding_dim'", &config->width, err));
    XL_TRY(merge(raw->layers, raw->blocks, has_defaults ? 32 : 0,
                 "'num_hidden_layers' and 'num_blocks'", &config->blocks, err));
    return merge(raw->vocab, 0, 0, "'vocab_size'", &config->vocab, err);
}

static void copy_common(struct xl_config *config, const struct raw *raw)
{
    config->heads = (size_t)raw->heads;
    config->use_bias = raw->use_bias;
    config->tied = raw->tied;
    config->out_norm = raw->out_norm;
    config->chunk_size = (size_t)raw->chunk;
}

static enum xl_status parse_xlstm(struct xl_config *config, const cJSON *root,
                                  bool has_defaults, struct xl_err *err)
{
    struct raw raw = { 0 };
    XL_TRY(read_keys(root, xlstm_keys, COUNT(xlstm_keys), &raw, err));
    XL_TRY(refuse_unsupported(root, err));
    XL_TRY(read_weight_mode(config, root, err));
    XL_TRY(read_sizes(config, &raw, has_defaults, err));
    copy_common(config, &raw);

    double width = (double)config->width, round_to = (double)raw.round_to;
    size_t qk = (size_t)(width * raw.qk_factor);
    size_t v = (size_t)(width * raw.v_factor);
    XL_TRY(check_divides("query and key width", qk, "'num_heads'",
                         config->heads, err));
    XL_TRY(check_divides("value width", v, "'num_heads'", config->heads, err));
    config->dk = qk / config->heads;
    config->dv = v / config->heads;
    /* Not a true round-up: this is what the released code computes. */
    config->ffn =
        (size_t)(round_to *
                 floor((width * raw.ffn_factor + round_to - 1) / round_to));
    config->norm_eps = (float)raw.norm_eps;
    config->cell_eps = (float)raw.cell_eps;
    config->gate_cap = (float)raw.gate_cap;
    config->logit_cap = (float)raw.logit_cap;
    XL_TRY(read_token(root, "bos_token_id", config->vocab, 0, &config->has_bos,
                      &config->bos, err));
    return read_token(root, "eos_token_id", config->vocab, 2, &config->has_eos,
                      &config->eos, err);
}

static enum xl_status read_slstm_at(struct xl_config *config, const cJSON *root,
                                    struct xl_err *err)
{
    const cJSON *at = xl_json_member(root, "slstm_at");
    bool all = cJSON_IsString(at) && strcmp(at->valuestring, "all") == 0;
    for (size_t i = 0; i < config->blocks; i++)
        config->is_slstm[i] = all;
    if (!at || cJSON_IsNull(at) || all)
        return XL_OK;
    if (!cJSON_IsArray(at))
        return xl_fail(err, XL_EFORMAT,
                       "'slstm_at' must be a list of blocks or \"all\"");
    for (const cJSON *item = at->child; item; item = item->next) {
        double x = item->valuedouble;
        if (!cJSON_IsNumber(item) || x != floor(x) ||
            !(x >= 0 && x < (double)config->blocks))
            return xl_fail(err, XL_EFORMAT,
                           "'slstm_at' must hold block numbers below %zu",
                           config->blocks);
        config->is_slstm[(size_t)x] = true;
    }
    return XL_OK;
}

static enum xl_status read_slstm_kinds(struct xl_config *config,
                                       const cJSON *slstm, struct xl_err *err)
{
    const char *act = "gelu", *function = "slstm";
    enum xl_status rc = xl_json_get_text(slstm, "ffn_act", &act, err);
    if (rc == XL_OK || rc == XL_ENOTFOUND)
        rc = xl_json_get_text(slstm, "function", &function, err);
    if (rc != XL_OK && rc != XL_ENOTFOUND)
        return rc;
    if (strcmp(function, "slstm") != 0)
        return xl_fail(err, XL_EFORMAT,
                       "'function' is '%.40s'; only slstm is supported",
                       function);
    if (xl_activation_find(act) == XL_ACTIVATION_COUNT)
        return xl_fail(err, XL_EFORMAT,
                       "'ffn_act' is '%.40s', which is unknown", act);
    memcpy(config->ffn_act, act, strlen(act) + 1);
    return XL_OK;
}

/* The inner widths, rounded as the original package rounds them. */
static void set_stack_widths(struct xl_config *config, const struct raw *raw,
                             bool has_ffn)
{
    double round_to = (double)raw->round_to, width = (double)config->width;
    double steps = width * raw->proj_factor / round_to;
    steps = raw->round_up ? ceil(steps) : floor(steps);
    config->inner = (size_t)(round_to * steps);
    config->ffn =
        has_ffn ? (size_t)(64.0 * ceil(raw->ffn_factor * width / 64.0)) : 0;
}

static enum xl_status check_stack(struct xl_config *config, struct xl_err *err)
{
    bool any_mlstm = false, any_slstm = false;
    for (size_t i = 0; i < config->blocks; i++) {
        any_slstm = any_slstm || config->is_slstm[i];
        any_mlstm = any_mlstm || !config->is_slstm[i];
    }
    if (any_slstm)
        XL_TRY(check_divides("'embedding_dim'", config->width,
                             "the sLSTM 'num_heads'", config->slstm_heads,
                             err));
    if (!any_mlstm)
        return XL_OK;
    XL_TRY(check_divides("inner width", config->inner, "'num_heads'",
                         config->heads, err));
    return check_divides("inner width", config->inner, "'qkv_proj_blocksize'",
                         config->qkv_block, err);
}

static enum xl_status section(const cJSON *root, const char *name,
                              const cJSON **out, struct xl_err *err)
{
    *out = xl_json_member(root, name);
    if (*out && !cJSON_IsNull(*out) && !cJSON_IsObject(*out))
        return xl_fail(err, XL_EFORMAT, "'%s' must be an object", name);
    return XL_OK;
}

/* The package's own nested sections would be misread as defaults. */
static enum xl_status refuse_nested(const cJSON *root, struct xl_err *err)
{
    static const char *const nested[] = { "mlstm_block", "slstm_block" };
    for (size_t i = 0; i < COUNT(nested); i++)
        if (xl_json_member(root, nested[i]))
            return xl_fail(err, XL_EFORMAT,
                           "'%s' is not supported; write 'mlstm' and 'slstm'",
                           nested[i]);
    return XL_OK;
}

static enum xl_status parse_stack(struct xl_config *config, const cJSON *root,
                                  struct xl_err *err)
{
    const cJSON *mlstm, *slstm;
    struct raw raw = { 0 };
    XL_TRY(refuse_nested(root, err));
    XL_TRY(section(root, "mlstm", &mlstm, err));
    XL_TRY(section(root, "slstm", &slstm, err));
    XL_TRY(read_keys(root, stack_keys, COUNT(stack_keys), &raw, err));
    XL_TRY(
        read_keys(mlstm, stack_mlstm_keys, COUNT(stack_mlstm_keys), &raw, err));
    XL_TRY(
        read_keys(slstm, stack_slstm_keys, COUNT(stack_slstm_keys), &raw, err));
    XL_TRY(read_sizes(config, &raw, false, err));
    copy_common(config, &raw);
    const cJSON *factor = xl_json_member(slstm, "ffn_proj_factor");
    set_stack_widths(config, &raw, !cJSON_IsNull(factor));
    config->post_norm = config->out_norm;
    config->conv_kernel = (size_t)raw.conv;
    config->slstm_heads = (size_t)raw.slstm_heads;
    config->slstm_conv_kernel = (size_t)raw.slstm_conv;
    config->qkv_block = (size_t)raw.qkv_block;
    config->norm_eps = 1e-5f;
    config->cell_eps = 1e-6f;
    XL_TRY(read_slstm_at(config, root, err));
    XL_TRY(read_slstm_kinds(config, slstm, err));
    XL_TRY(check_stack(config, err));
    config->dk = config->dv = config->inner / config->heads;
    XL_TRY(read_token(root, "bos_token_id", config->vocab, -1, &config->has_bos,
                      &config->bos, err));
    return read_token(root, "eos_token_id", config->vocab, -1, &config->has_eos,
                      &config->eos, err);
}

static enum xl_status parse_root(struct xl_config *config, const cJSON *root,
                                 struct xl_err *err)
{
    const char *type = "xlstm";
    if (!cJSON_IsObject(root))
        return xl_fail(err, XL_EFORMAT, "not a JSON object");
    enum xl_status rc = xl_json_get_text(root, "model_type", &type, err);
    if (rc != XL_OK && rc != XL_ENOTFOUND)
        return rc;
    if (strcmp(type, "xlstm_block_stack") == 0) {
        config->arch = XL_ARCH_BLOCK_STACK;
        return parse_stack(config, root, err);
    }
    if (strcmp(type, "xlstm") != 0)
        return xl_fail(err, XL_EFORMAT,
                       "'model_type' is '%.60s'; xlstm and xlstm_block_stack "
                       "are supported",
                       type);
    config->arch = XL_ARCH_XLSTM;
    bool has_type = rc == XL_OK;
    if (!has_type && (!cJSON_HasObjectItem(root, "vocab_size") ||
                      !cJSON_HasObjectItem(root, "num_heads")))
        return xl_fail(err, XL_EFORMAT, "'model_type' is missing");
    return parse_xlstm(config, root, has_type, err);
}

enum xl_status xl_config_parse(struct xl_config *config, const char *text,
                               size_t n, const char *name, struct xl_err *err)
{
    cJSON *root;
    *config = (struct xl_config){ 0 };
    XL_TRY(xl_json_parse(text, n, name, &root, err));
    enum xl_status rc = parse_root(config, root, err);
    if (rc != XL_OK)
        xl_err_prefix(err, "malformed configuration '%s'", name);
    cJSON_Delete(root);
    return rc;
}

enum xl_status xl_config_load(struct xl_config *config, const char *dir,
                              struct xl_err *err)
{
    struct xl_buf text;
    *config = (struct xl_config){ 0 };
    char *path = xl_io_join(dir, "config.json");
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    xl_buf_init(&text, XL_JSON_SMALL);
    enum xl_status rc = xl_io_read(path, &text, err);
    if (rc == XL_OK)
        rc = xl_config_parse(config, text.data, text.len, path, err);
    xl_buf_release(&text);
    xl_free(path);
    return rc;
}
