/* SPDX-License-Identifier: Apache-2.0
 *
 * Fields of a key are rows with offsets, so that JSON, hash and comparison
 * cannot disagree about what a key holds. The hash is taken over the JSON form
 * on one line, whose order is the order of the rows. */
#include "tuner/profile/key.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/buf.h"
#include "kernel/base/hash.h"
#include "kernel/base/json.h"
#include "kernel/model/safetensors.h"
#include "kernel/tensor/tensor.h"

struct field {
    const char *name;
    size_t offset;      /* of a uint64_t */
    enum xl_grade left; /* what is left of a match when it differs */
};

#define HARDWARE(name, left)                                                   \
    {                                                                          \
#name, offsetof(struct xl_hardware_key, name), left                    \
    }
#define MODEL(name)                                                            \
    {                                                                          \
#name, offsetof(struct xl_model_key, name), XL_GRADE_NONE              \
    }

static const struct field hardware_fields[] = {
    HARDWARE(l1d_kib, XL_GRADE_FEATURES),  HARDWARE(l2_kib, XL_GRADE_FEATURES),
    HARDWARE(l3_kib, XL_GRADE_FEATURES),   HARDWARE(cores, XL_GRADE_CACHES),
    HARDWARE(memory_gib, XL_GRADE_CACHES),
};
static const struct field model_fields[] = {
    MODEL(width), MODEL(blocks), MODEL(heads), MODEL(dk),
    MODEL(dv),    MODEL(ffn),    MODEL(vocab), MODEL(slstm_blocks),
};

#undef HARDWARE
#undef MODEL

enum {
    N_HARDWARE = sizeof hardware_fields / sizeof *hardware_fields,
    N_MODEL = sizeof model_fields / sizeof *model_fields,
    UNKNOWN_STEPS = 64
};

static const char *const arch_names[] = {
    [XL_ARCH_XLSTM] = "xlstm",
    [XL_ARCH_BLOCK_STACK] = "xlstm_block_stack",
};
enum {
    N_ARCH = sizeof arch_names / sizeof *arch_names
};

static uint64_t field_get(const void *key, const struct field *field)
{
    uint64_t value;
    memcpy(&value, (const char *)key + field->offset, sizeof value);
    return value;
}

static void field_set(void *key, const struct field *field, uint64_t value)
{
    memcpy((char *)key + field->offset, &value, sizeof value);
}

/* -- making keys ---------------------------------------------------------- */

void xl_key_hardware(struct xl_hardware_key *key, const struct xl_cpu *cpu)
{
    const uint64_t gib = (uint64_t)1 << 30;
    *key = (struct xl_hardware_key){ .cores = cpu->cores };
    memcpy(key->isa, cpu->isa, sizeof key->isa);
    if (cpu->has_l1d)
        key->l1d_kib = cpu->l1d_bytes >> 10;
    if (cpu->has_l2)
        key->l2_kib = cpu->l2_bytes >> 10;
    if (cpu->has_l3)
        key->l3_kib = cpu->l3_bytes >> 10;
    if (cpu->has_memory)
        key->memory_gib = (cpu->memory_bytes + gib / 2) / gib;
}

/* What key.h says of dtype. */
static void name_packed(char out[XL_KEY_DTYPE], enum xl_pack_kind weights,
                        enum xl_pack_kind head)
{
    bool one = weights == head;
    snprintf(out, XL_KEY_DTYPE, "packed-%s%s%s", xl_pack_name(weights),
             one ? "" : "-", one ? "" : xl_pack_name(head));
}

static bool is_dtype(const char *text)
{
    char name[XL_KEY_DTYPE];
    for (size_t i = 0; i < XL_DTYPE_COUNT; i++)
        if (strcmp(text, xl_dtype_name((enum xl_dtype)i)) == 0)
            return true;
    for (size_t i = 0; i < XL_PACK_COUNT * XL_PACK_COUNT; i++) {
        name_packed(name, (enum xl_pack_kind)(i / XL_PACK_COUNT),
                    (enum xl_pack_kind)(i % XL_PACK_COUNT));
        if (strcmp(text, name) == 0)
            return true;
    }
    return false;
}

void xl_key_model(struct xl_model_key *key, const struct xl_config *config,
                  enum xl_dtype dtype)
{
    *key = (struct xl_model_key){ .arch = config->arch,
                                  .width = config->width,
                                  .blocks = config->blocks,
                                  .heads = config->heads,
                                  .dk = config->dk,
                                  .dv = config->dv,
                                  .ffn = config->ffn,
                                  .vocab = config->vocab };
    if (config->is_packed)
        name_packed(key->dtype, config->packed_weights, config->packed_head);
    else
        snprintf(key->dtype, sizeof key->dtype, "%s", xl_dtype_name(dtype));
    if (config->arch != XL_ARCH_BLOCK_STACK)
        return;
    for (size_t i = 0; i < config->blocks && i < XL_MAX_BLOCKS; i++)
        key->slstm_blocks += config->is_slstm[i];
}

enum xl_dtype xl_key_dtype(const struct xl_safetensors *files)
{
    size_t bytes[XL_DTYPE_COUNT] = { 0 }, most = 0;
    for (size_t i = 0; i < xl_safetensors_count(files); i++) {
        const struct xl_tensor *tensor = xl_safetensors_at(files, i);
        bytes[tensor->dtype] +=
            xl_tensor_count(tensor) * xl_dtype_bytes(tensor->dtype);
    }
    for (size_t i = 1; i < XL_DTYPE_COUNT; i++)
        most = bytes[i] > bytes[most] ? i : most;
    return (enum xl_dtype)most;
}

size_t xl_key_context(size_t tokens)
{
    size_t bucket = 1;
    if (tokens == 0)
        return 0;
    while (bucket < tokens && bucket <= SIZE_MAX / 2)
        bucket *= 2;
    return bucket;
}

/* -- JSON ----------------------------------------------------------------- */

static bool add_fields(cJSON *object, const void *key,
                       const struct field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!cJSON_AddNumberToObject(object, fields[i].name,
                                     (double)field_get(key, &fields[i])))
            return false;
    return true;
}

/* The object without its hash. NULL without memory. */
static cJSON *hardware_json(const struct xl_hardware_key *key)
{
    cJSON *object = cJSON_CreateObject();
    cJSON *features = cJSON_AddArrayToObject(object, "features");
    bool ok = features != NULL;
    for (size_t i = 0; i < XL_ISA_COUNT && ok; i++) {
        if (!key->isa[i])
            continue;
        cJSON *name = cJSON_CreateString(xl_isa_name((enum xl_isa)i));
        ok = name && cJSON_AddItemToArray(features, name);
    }
    if (ok && add_fields(object, key, hardware_fields, N_HARDWARE))
        return object;
    cJSON_Delete(object);
    return NULL;
}

static cJSON *model_json(const struct xl_model_key *key)
{
    cJSON *object = cJSON_CreateObject();
    if (cJSON_AddStringToObject(object, "arch", arch_names[key->arch]) &&
        add_fields(object, key, model_fields, N_MODEL))
        return object;
    cJSON_Delete(object);
    return NULL;
}

/* Takes object; more, when not NULL, is hashed after it. */
static enum xl_status hash_and_delete(cJSON *object, const char *more,
                                      char out[XL_KEY_HASH], struct xl_err *err)
{
    char whole[XL_HASH_TEXT];
    struct xl_buf text;
    xl_buf_init(&text, 1 << 16);
    if (object)
        xl_json_print(object, false, &text);
    else
        text.failed = true;
    cJSON_Delete(object);
    xl_buf_text(&text, more ? more : "");
    enum xl_status rc = xl_buf_check(&text, "a key", err);
    if (rc == XL_OK) {
        xl_hash(whole, text.data, text.len);
        memcpy(out, whole, XL_KEY_HASH - 1);
        out[XL_KEY_HASH - 1] = '\0';
    }
    xl_buf_release(&text);
    return rc;
}

enum xl_status xl_key_hardware_hash(const struct xl_hardware_key *key,
                                    char out[XL_KEY_HASH], struct xl_err *err)
{
    return hash_and_delete(hardware_json(key), NULL, out, err);
}

enum xl_status xl_key_model_hash(const struct xl_model_key *key,
                                 char out[XL_KEY_HASH], struct xl_err *err)
{
    return hash_and_delete(model_json(key), key->dtype, out, err);
}

enum xl_status xl_key_name(const struct xl_key *key, char out[XL_KEY_NAME],
                           struct xl_err *err)
{
    char hardware[XL_KEY_HASH], model[XL_KEY_HASH];
    XL_TRY(xl_key_hardware_hash(&key->hardware, hardware, err));
    XL_TRY(xl_key_model_hash(&key->model, model, err));
    snprintf(out, XL_KEY_NAME, "%s-%s-%zu", hardware, model, key->context);
    return XL_OK;
}

/* Moves part into object; false without memory, part is gone either way. */
static bool move_in(cJSON *object, const char *name, cJSON *part)
{
    if (part && cJSON_AddItemToObject(object, name, part))
        return true;
    cJSON_Delete(part);
    return false;
}

cJSON *xl_key_to_json(const struct xl_key *key)
{
    char hardware_hash[XL_KEY_HASH], model_hash[XL_KEY_HASH];
    cJSON *root = cJSON_CreateObject();
    cJSON *hardware = hardware_json(&key->hardware);
    cJSON *model = model_json(&key->model);
    bool ok =
        xl_key_hardware_hash(&key->hardware, hardware_hash, NULL) == XL_OK &&
        xl_key_model_hash(&key->model, model_hash, NULL) == XL_OK &&
        cJSON_AddStringToObject(hardware, "hash", hardware_hash) &&
        cJSON_AddStringToObject(model, "hash", model_hash);
    ok = move_in(root, "hardware", hardware) && ok;
    ok = move_in(root, "model", model) && ok;
    if (ok && cJSON_AddStringToObject(root, "dtype", key->model.dtype) &&
        cJSON_AddNumberToObject(root, "context", (double)key->context))
        return root;
    cJSON_Delete(root);
    return NULL;
}

/* A missing member is as wrong as a bad one. */
static enum xl_status required(enum xl_status rc, const char *name,
                               struct xl_err *err)
{
    if (rc != XL_ENOTFOUND)
        return rc;
    return xl_fail(err, XL_EFORMAT, "'%s' of the key is missing", name);
}

static enum xl_status read_fields(void *key, const cJSON *object,
                                  const struct field *fields, size_t n,
                                  struct xl_err *err)
{
    for (size_t i = 0; i < n; i++) {
        int64_t value = 0;
        const char *name = fields[i].name;
        XL_TRY(required(
            xl_json_get_int(object, name, 0, INT64_C(1) << 50, &value, err),
            name, err));
        field_set(key, &fields[i], (uint64_t)value);
    }
    return XL_OK;
}

static enum xl_status read_feature(struct xl_hardware_key *key,
                                   const cJSON *item, struct xl_err *err)
{
    const char *name = cJSON_GetStringValue(item);
    for (size_t i = 0; i < XL_ISA_COUNT && name; i++) {
        if (strcmp(name, xl_isa_name((enum xl_isa)i)) == 0) {
            key->isa[i] = true;
            return XL_OK;
        }
    }
    return xl_fail(err, XL_EFORMAT, "unknown feature '%s' in the key",
                   name ? name : "?");
}

static enum xl_status check_hash(const cJSON *object, const char *want,
                                 const char *part, struct xl_err *err)
{
    const char *hash = NULL;
    XL_TRY(required(xl_json_get_text(object, "hash", &hash, err), "hash", err));
    if (strcmp(hash, want) == 0)
        return XL_OK;
    return xl_fail(err, XL_EFORMAT,
                   "the fields of '%s' in the key do not "
                   "give its hash",
                   part);
}

static enum xl_status read_hardware(struct xl_hardware_key *key,
                                    const cJSON *object, struct xl_err *err)
{
    char hash[XL_KEY_HASH];
    const cJSON *features = xl_json_member(object, "features");
    if (!cJSON_IsArray(features))
        return xl_fail(err, XL_EFORMAT,
                       "'hardware' of the key must be an "
                       "object with a list 'features'");
    for (const cJSON *item = features->child; item; item = item->next)
        XL_TRY(read_feature(key, item, err));
    XL_TRY(read_fields(key, object, hardware_fields, N_HARDWARE, err));
    XL_TRY(xl_key_hardware_hash(key, hash, err));
    return check_hash(object, hash, "hardware", err);
}

static enum xl_status read_model(struct xl_model_key *key, const cJSON *object,
                                 struct xl_err *err)
{
    char hash[XL_KEY_HASH];
    const char *arch = NULL;
    size_t i = 0;
    if (!cJSON_IsObject(object))
        return xl_fail(err, XL_EFORMAT,
                       "'model' of the key must be an "
                       "object");
    XL_TRY(required(xl_json_get_text(object, "arch", &arch, err), "arch", err));
    while (i < N_ARCH && strcmp(arch, arch_names[i]) != 0)
        i++;
    if (i == N_ARCH)
        return xl_fail(err, XL_EFORMAT, "unknown arch '%s' in the key", arch);
    key->arch = (enum xl_arch)i;
    XL_TRY(read_fields(key, object, model_fields, N_MODEL, err));
    XL_TRY(xl_key_model_hash(key, hash, err));
    return check_hash(object, hash, "model", err);
}

enum xl_status xl_key_from_json(struct xl_key *key, const cJSON *object,
                                struct xl_err *err)
{
    struct xl_key next = { 0 };
    const char *dtype = NULL;
    int64_t context = 0;
    if (!cJSON_IsObject(object))
        return xl_fail(err, XL_EFORMAT, "the key must be an object");
    XL_TRY(
        required(xl_json_get_text(object, "dtype", &dtype, err), "dtype", err));
    if (!is_dtype(dtype))
        return xl_fail(err, XL_EFORMAT, "unknown dtype '%s' in the key", dtype);
    snprintf(next.model.dtype, sizeof next.model.dtype, "%s", dtype);
    XL_TRY(required(
        xl_json_get_int(object, "context", 0, INT64_C(1) << 40, &context, err),
        "context", err));
    next.context = (size_t)context;
    if (xl_key_context(next.context) != next.context)
        return xl_fail(err, XL_EFORMAT,
                       "'context' of the key must be a power "
                       "of two");
    XL_TRY(
        read_hardware(&next.hardware, xl_json_member(object, "hardware"), err));
    XL_TRY(read_model(&next.model, xl_json_member(object, "model"), err));
    *key = next;
    return XL_OK;
}

/* -- matching ------------------------------------------------------------- */

const char *xl_grade_name(enum xl_grade grade)
{
    static const char *const names[] = {
        [XL_GRADE_NONE] = "none",
        [XL_GRADE_FEATURES] = "same features",
        [XL_GRADE_CACHES] = "same features and caches",
        [XL_GRADE_EXACT] = "exact",
    };
    return names[grade];
}

/* The first difference that leaves the least is the one to name. */
static void weaken(struct xl_match *match, enum xl_grade left, const char *name,
                   uint64_t theirs, uint64_t here)
{
    if (left >= match->grade)
        return;
    match->grade = left;
    snprintf(match->differs, sizeof match->differs,
             "%s is %" PRIu64 ", here %" PRIu64, name, theirs, here);
}

static void compare_fields(struct xl_match *match, const void *theirs,
                           const void *here, const struct field *fields,
                           size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t a = field_get(theirs, &fields[i]);
        uint64_t b = field_get(here, &fields[i]);
        if (a != b)
            weaken(match, fields[i].left, fields[i].name, a, b);
    }
}

static void compare_names(struct xl_match *match, const char *field,
                          const char *theirs, const char *here)
{
    if (strcmp(theirs, here) == 0 || match->grade == XL_GRADE_NONE)
        return;
    match->grade = XL_GRADE_NONE;
    snprintf(match->differs, sizeof match->differs, "%s is %s, here %s", field,
             theirs, here);
}

static void compare_features(struct xl_match *match, const bool *theirs,
                             const bool *here)
{
    for (size_t i = 0; i < XL_ISA_COUNT; i++) {
        if (theirs[i] == here[i] || match->grade == XL_GRADE_NONE)
            continue;
        match->grade = XL_GRADE_NONE;
        snprintf(match->differs, sizeof match->differs, "feature %s is %s",
                 xl_isa_name((enum xl_isa)i),
                 here[i] ? "here, not there" : "there, not here");
    }
}

static size_t context_steps(size_t a, size_t b)
{
    size_t steps = 0;
    if (a == b)
        return 0;
    if (a == 0 || b == 0)
        return UNKNOWN_STEPS;
    for (; a < b; a *= 2)
        steps++;
    for (; b < a; b *= 2)
        steps++;
    return steps;
}

void xl_key_match(const struct xl_key *theirs, const struct xl_key *here,
                  struct xl_match *match)
{
    *match = (struct xl_match){ .grade = XL_GRADE_EXACT };
    compare_names(match, "arch", arch_names[theirs->model.arch],
                  arch_names[here->model.arch]);
    compare_fields(match, &theirs->model, &here->model, model_fields, N_MODEL);
    compare_names(match, "dtype", theirs->model.dtype, here->model.dtype);
    compare_features(match, theirs->hardware.isa, here->hardware.isa);
    compare_fields(match, &theirs->hardware, &here->hardware, hardware_fields,
                   N_HARDWARE);
    match->context_steps = context_steps(theirs->context, here->context);
    if (match->context_steps && !match->differs[0])
        snprintf(match->differs, sizeof match->differs,
                 "context is %zu, here %zu", theirs->context, here->context);
}
