/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed checkpoints: the bits of the checkpoint they were made of, and files
 * that somebody else wrote. A changed header is refused by its checksum; one
 * with a checksum made to fit must not be believed either. */
#include <assert.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/pool.h"
#include "kernel/base/rng.h"
#include "kernel/model/pack_model.h"
#include "kernel/model/packfile_int.h"
#include "kernel/model/plan.h"
#include "kernel/model/safetensors_int.h"
#include "kernel/run/checkpoint_dir.h"
#include "tests/unit/checkpoint.h"
#include "tests/harness/test.h"

enum {
    PLACES = 200,
    FLIPS = 300,
    TOKENS = 40,
    STEPS = 4,
    MAX_VOCAB = 512
};

/* -- making and running --------------------------------------------------- */

/* DIR/NAME becomes the model, packed. */
static bool pack_as(struct xl_test *t, const char *model,
                    enum xl_pack_kind weights, enum xl_pack_kind head,
                    const char *to)
{
    char dir[1024];
    struct xl_err err = { 0 };
    struct xl_model *from = NULL;
    struct xl_pack_order order = { .weights = weights, .head = head };
    struct xl_pool_options options = { .width = 2 };
    const struct xl_pack_out out = { .dir = to, .force = true };
    checkpoint_dir(model, dir);
    enum xl_status rc = xl_model_open(&from, dir, &err);
    if (rc == XL_OK)
        rc = xl_pool_make(&order.pool, &options, &err);
    if (rc == XL_OK)
        rc = xl_checkpoint_dir_pack(from, &order, &out, &err);
    xl_pool_free(order.pool);
    xl_model_close(from);
    return XL_CHECK_STATUS(t, rc, XL_OK, &err);
}

/* Logits of a prompt and of single steps after it. */
struct outcome {
    size_t vocab;
    float rows[1 + STEPS][MAX_VOCAB];
};

static enum xl_status run(struct xl_model *model,
                          const struct xl_params *params, struct outcome *out,
                          struct xl_err *err)
{
    int32_t tokens[TOKENS];
    struct xl_state state = { 0 };
    struct xl_plan *plan = NULL;
    enum xl_status rc;
    memset(out, 0, sizeof *out);
    out->vocab = xl_model_config(model)->vocab;
    assert(out->vocab <= MAX_VOCAB);
    for (size_t i = 0; i < TOKENS; i++)
        tokens[i] = (int32_t)(i * 7 % out->vocab);
    XL_TRY_DONE(rc, xl_plan_make(&plan, model, params, err));
    XL_TRY_DONE(rc, xl_state_init(&state, xl_model_config(model), err));
    xl_plan_forward(plan, &state,
                    &(struct xl_pass){ .tokens = tokens,
                                       .n = TOKENS,
                                       .logits = out->rows[0],
                                       .last_only = true });
    for (size_t i = 0; i < STEPS; i++)
        xl_plan_forward(plan, &state,
                        &(struct xl_pass){ .tokens = tokens + i,
                                           .n = 1,
                                           .logits = out->rows[1 + i] });
done:
    xl_plan_free(plan);
    xl_state_release(&state);
    return rc;
}

static enum xl_status run_dir(const char *dir, const struct xl_params *params,
                              struct outcome *out, struct xl_err *err)
{
    struct xl_model *model = NULL;
    enum xl_status rc = xl_model_open(&model, dir, err);
    if (rc == XL_OK)
        rc = run(model, params, out, err);
    xl_model_close(model);
    return rc;
}

static bool is_finite(const struct outcome *o)
{
    for (size_t i = 0; i < 1 + STEPS; i++)
        for (size_t j = 0; j < o->vocab; j++)
            if (!isfinite(o->rows[i][j]))
                return false;
    return o->vocab > 0;
}

/* Largest difference; infinite when one is not a number. */
static float distance(const struct outcome *a, const struct outcome *b)
{
    float most = 0;
    for (size_t i = 0; i < 1 + STEPS; i++)
        for (size_t j = 0; j < a->vocab; j++) {
            float d = fabsf(a->rows[i][j] - b->rows[i][j]);
            if (!(d <= most))
                most = isfinite(d) ? d : INFINITY;
        }
    return most;
}

/* -- the same bits -------------------------------------------------------- */

static void packed_has_the_bits_of_the_original(struct xl_test *t)
{
    static const enum xl_pack_kind heads[XL_PACK_COUNT] = {
        [XL_PACK_FP32] = XL_PACK_FP32,
        [XL_PACK_BF16] = XL_PACK_FP32,
        [XL_PACK_INT8] = XL_PACK_INT8,
        [XL_PACK_INT4] = XL_PACK_INT8,
    };
    static struct outcome want, got;
    for (size_t i = 0; i < CHECKPOINT_MODELS * XL_PACK_COUNT; i++) {
        const char *model = checkpoint_models[i / XL_PACK_COUNT];
        enum xl_pack_kind kind = (enum xl_pack_kind)(i % XL_PACK_COUNT);
        char from[1024], to[300];
        struct xl_params params, defaults;
        struct xl_err err = { 0 };
        checkpoint_dir(model, from);
        snprintf(to, sizeof to, "%s/%s", t->dir, model);
        if (!pack_as(t, model, kind, heads[kind], to))
            continue;
        xl_params_init(&defaults);
        defaults.value[XL_PARAM_WORKERS] = 2;
        params = defaults;
        params.value[XL_PARAM_WEIGHT_DTYPE] = kind;
        params.value[XL_PARAM_HEAD_DTYPE] = heads[kind] + 1;
        /* Packed fp32 is read by another engine than rows of fp32. */
        bool same_engine = kind != XL_PACK_FP32 && heads[kind] != XL_PACK_FP32;
        XL_CHECK_STATUS(t, run_dir(from, &params, &want, &err), XL_OK, &err);
        XL_CHECK_STATUS(t, run_dir(to, &defaults, &got, &err), XL_OK, &err);
        XL_CHECK(t, is_finite(&got));
        if (same_engine)
            xl_test_check(t, memcmp(&want, &got, sizeof got) == 0, __FILE__,
                          __LINE__, "%s packed as %s has other bits", model,
                          xl_pack_name(kind));
        XL_CHECK(t, distance(&want, &got) <= 2e-4f);
    }
}

static void kinds_come_from_the_checkpoint(struct xl_test *t)
{
    char dir[300];
    static struct outcome out;
    struct xl_params params;
    struct xl_model *model;
    struct xl_err err = { 0 };
    snprintf(dir, sizeof dir, "%s/p", t->dir);
    if (!pack_as(t, "tiny", XL_PACK_INT4, XL_PACK_INT8, dir) ||
        !XL_CHECK_STATUS(t, xl_model_open(&model, dir, &err), XL_OK, &err))
        return;
    const struct xl_config *config = xl_model_config(model);
    xl_params_init(&params);
    XL_CHECK_STATUS(t, xl_plan_check(config, &params, &err), XL_OK, &err);
    params.value[XL_PARAM_WEIGHT_DTYPE] = XL_PACK_INT8;
    params.origin[XL_PARAM_WEIGHT_DTYPE].layer = XL_LAYER_FLAG;
    XL_CHECK_STATUS(t, run(model, &params, &out, &err), XL_EUSAGE, &err);
    XL_CHECK(t,
             strstr(err.message, "packed with its weights as int4, not int8"));
    params.value[XL_PARAM_WEIGHT_DTYPE] = XL_PACK_INT4;
    XL_CHECK_STATUS(t, run(model, &params, &out, &err), XL_OK, &err);
    /* A profile that nobody named does not argue with the checkpoint. */
    params.value[XL_PARAM_WEIGHT_DTYPE] = XL_PACK_BF16;
    params.origin[XL_PARAM_WEIGHT_DTYPE].layer = XL_LAYER_MACHINE;
    XL_CHECK_STATUS(t, run(model, &params, &out, &err), XL_OK, &err);
    /* A search has nothing to choose. */
    XL_CHECK(t, xl_plan_inert(config, &params, XL_PARAM_HEAD_DTYPE));
    XL_CHECK(t, strstr(xl_plan_inert(config, &params, XL_PARAM_PAGES), "huge"));
    xl_plan_canonical(config, &params);
    XL_CHECK_EQ(t, params.value[XL_PARAM_WEIGHT_DTYPE], XL_PACK_INT4);
    XL_CHECK_EQ(t, params.value[XL_PARAM_HEAD_DTYPE], XL_PACK_INT8 + 1);
    xl_model_close(model);
}

static void packed_is_not_packed_again(struct xl_test *t)
{
    char dir[300], other[300];
    struct xl_model *model;
    struct xl_err err = { 0 };
    const struct xl_pack_order order = { .weights = XL_PACK_INT8 };
    const struct xl_pack_out out = { .dir = other };
    snprintf(dir, sizeof dir, "%s/p", t->dir);
    snprintf(other, sizeof other, "%s/q", t->dir);
    if (!pack_as(t, "tiny", XL_PACK_INT4, XL_PACK_INT8, dir) ||
        !XL_CHECK_STATUS(t, xl_model_open(&model, dir, &err), XL_OK, &err))
        return;
    XL_CHECK_STATUS(t, xl_checkpoint_dir_pack(model, &order, &out, &err),
                    XL_EUSAGE, &err);
    XL_CHECK(t, strstr(err.message, "packed already"));
    XL_CHECK(t, !xl_io_exists(other));
    xl_model_close(model);
}

/* -- damaged files -------------------------------------------------------- */

/* A packed file whose bytes can be changed and put back. */
struct patient {
    char dir[300], path[400];
    struct xl_buf bytes;
    size_t header; /* with its length */
};

static bool admit(struct xl_test *t, struct patient *p, const char *model,
                  enum xl_pack_kind kind)
{
    struct xl_err err = { 0 };
    snprintf(p->dir, sizeof p->dir, "%s/p", t->dir);
    snprintf(p->path, sizeof p->path, "%s/" XL_PACKFILE_NAME, p->dir);
    xl_buf_init(&p->bytes, 0);
    if (!pack_as(t, model, kind, kind, p->dir) ||
        !XL_CHECK_STATUS(t, xl_io_read(p->path, &p->bytes, &err), XL_OK, &err))
        return false;
    p->header = XL_SAFETENSORS_LENGTH;
    for (size_t i = 0; i < XL_SAFETENSORS_LENGTH; i++)
        p->header += (size_t)(unsigned char)p->bytes.data[i] << (8 * i);
    return XL_CHECK(t, p->header % 4096 == 0 && p->header < p->bytes.len);
}

static void put_bytes(struct xl_test *t, const struct patient *p, size_t at,
                      const void *bytes, size_t n)
{
    int fd = open(p->path, O_WRONLY);
    XL_CHECK(t, fd >= 0 && pwrite(fd, bytes, n, (off_t)at) == (ssize_t)n);
    close(fd);
}

static enum xl_status open_it(const struct patient *p, struct xl_err *err)
{
    struct xl_model *model = NULL;
    enum xl_status rc = xl_model_open(&model, p->dir, err);
    xl_model_close(model);
    return rc;
}

static void truncation_is_seen(struct xl_test *t)
{
    struct patient p;
    if (!admit(t, &p, "tiny", XL_PACK_INT4))
        return;
    for (size_t k = 2 * PLACES; k > 0; k--) {
        struct xl_err err = { 0 };
        size_t data = p.bytes.len - p.header;
        size_t at = k > PLACES ? p.header + (k - 1 - PLACES) * data / PLACES
                               : (k - 1) * p.header / PLACES;
        XL_CHECK(t, truncate(p.path, (off_t)at) == 0);
        enum xl_status rc = open_it(&p, &err);
        xl_test_check(t, rc == XL_EFORMAT && err.message[0], __FILE__, __LINE__,
                      "cut at %zu: status %d", at, (int)rc);
    }
    xl_buf_release(&p.bytes);
}

static void flips_in_the_header_are_seen(struct xl_test *t)
{
    struct patient p;
    struct xl_rng rng;
    struct xl_err err = { 0 };
    xl_rng_seed(&rng, 1337);
    if (!admit(t, &p, "stack-m1s1", XL_PACK_INT8))
        return;
    for (size_t k = 0; k < FLIPS; k++) {
        size_t at = (size_t)xl_rng_below(&rng, p.header);
        unsigned char was = (unsigned char)p.bytes.data[at];
        unsigned char byte = was ^ (unsigned char)(1 + xl_rng_below(&rng, 255));
        err = (struct xl_err){ 0 };
        put_bytes(t, &p, at, &byte, 1);
        xl_test_check(t, open_it(&p, &err) == XL_EFORMAT && err.message[0],
                      __FILE__, __LINE__, "flip at %zu is not seen", at);
        put_bytes(t, &p, at, &was, 1);
    }
    XL_CHECK_STATUS(t, open_it(&p, &err), XL_OK, &err);
    xl_buf_release(&p.bytes);
}

/* Whether the hash of any matrix is wrong. */
static bool is_damaged(struct xl_test *t, const struct patient *p)
{
    struct xl_safetensors *files;
    struct xl_packfile *file;
    struct xl_err err = { 0 };
    bool damaged = false;
    if (!XL_CHECK_STATUS(t, xl_safetensors_open(&files, p->dir, &err), XL_OK,
                         &err))
        return false;
    if (XL_CHECK_STATUS(t, xl_packfile_open(&file, files, &err), XL_OK, &err)) {
        XL_CHECK(t, xl_packfile_count(file) > 1);
        for (size_t i = 0; i < xl_packfile_count(file); i++)
            damaged = damaged ||
                      xl_packfile_verify(file, xl_packfile_at(file, i), NULL) ==
                          XL_EFORMAT;
        xl_packfile_close(file);
    }
    xl_safetensors_close(files);
    return damaged;
}

/* Bits of data mean something whatever they are: such a file runs, to wrong
 * numbers, and reading it whole tells. */
static void flips_in_the_data_are_survived(struct xl_test *t)
{
    struct patient p;
    struct xl_rng rng;
    struct xl_params params;
    static struct outcome out;
    size_t damaged = 0;
    xl_rng_seed(&rng, 7);
    xl_params_init(&params);
    params.value[XL_PARAM_WORKERS] = 1;
    if (!admit(t, &p, "tiny", XL_PACK_INT4))
        return;
    XL_CHECK(t, !is_damaged(t, &p));
    for (size_t k = 0; k < FLIPS; k++) {
        struct xl_err err = { 0 };
        size_t at =
            p.header + (size_t)xl_rng_below(&rng, p.bytes.len - p.header);
        unsigned char was = (unsigned char)p.bytes.data[at];
        unsigned char byte = was ^ (unsigned char)(1 + xl_rng_below(&rng, 255));
        put_bytes(t, &p, at, &byte, 1);
        if (k % 10 == 0)
            XL_CHECK_STATUS(t, run_dir(p.dir, &params, &out, &err), XL_OK,
                            &err);
        damaged += is_damaged(t, &p);
        put_bytes(t, &p, at, &was, 1);
    }
    XL_CHECK(t, !is_damaged(t, &p));
    XL_CHECK(t, damaged > FLIPS / 4); /* the others hit plain tensors */
    xl_buf_release(&p.bytes);
}

/* -- forged headers ------------------------------------------------------- */

/* Replaces the first `from` behind the seal by `to` of the same length and
 * seals the header again. */
static bool forge(struct xl_test *t, struct patient *p, const char *from,
                  const char *to)
{
    char sum[XL_HASH_TEXT];
    size_t n = strlen(from), length = p->header - XL_SAFETENSORS_LENGTH;
    char *header = xl_strndup(p->bytes.data + XL_SAFETENSORS_LENGTH, length);
    char *at = strstr(header, from);
    bool found = xl_test_check(t, at && strlen(to) == n, __FILE__, __LINE__,
                               "'%s' is in the header", from);
    if (found) {
        memcpy(at, to, n);
        xl_safetensors_checksum(header, length, sum);
        memcpy(header + strlen(XL_SAFETENSORS_SEAL), sum,
               XL_SAFETENSORS_DIGITS);
        put_bytes(t, p, XL_SAFETENSORS_LENGTH, header, length);
    }
    xl_free(header);
    return found;
}

static void forged_headers_are_not_believed(struct xl_test *t)
{
    static const struct {
        const char *from, *to, *message; /* message NULL = no harm done */
    } rows[] = {
        { "\"source\"", "\"sourcf\"", "does not say what it holds" },
        { "\"layout\":\"", "\"Layout\":\"", "no packed checkpoint" },
        { "\"weight_dtype\":\"int4\"", "\"weight_dtype\":\"int5\"",
          "does not say what it holds" },
        { "\"weight_dtype\":\"int4\"", "\"weight_dtype\":\"int8\"",
          "has no int8 matrix" },
        { "matrix.head\":\"int4", "matrix.head\":\"int8", "'head'" },
        { "matrix.head\":\"int4", "matrix.head\":\"fp32", "'head'" },
        { "matrix.head\":\"int4 9", "matrix.head\":\"int4 8", NULL },
        { "matrix.head\":\"int4 9", "matrix.head\":\"int4 -", "'head'" },
        { "matrix.head\":\"int4 9", "matrix.head\":\"int4 x", "'head'" },
        { "\"matrix.head\"", "\"matrix.heaf\"", "'heaf'" },
        { "\"matrix.head\"", "\"nothin.head\"", "no int4 matrix 'head'" },
        { "packed.head.data", "packed.heaf.data", "'head'" },
        { "packed.head.scales", "packed.heaf.scales", "'head'" },
    };
    struct patient p;
    struct xl_params params;
    static struct outcome out;
    if (!admit(t, &p, "tiny", XL_PACK_INT4))
        return;
    xl_params_init(&params);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_err err = { 0 };
        if (!forge(t, &p, rows[i].from, rows[i].to))
            continue;
        enum xl_status rc = run_dir(p.dir, &params, &out, &err);
        if (rows[i].message)
            xl_test_check(
                t, rc == XL_EFORMAT && strstr(err.message, rows[i].message),
                __FILE__, __LINE__, "row %zu: %d %s", i, (int)rc, err.message);
        else
            XL_CHECK(t, rc == XL_OK || rc == XL_EFORMAT);
        put_bytes(t, &p, 0, p.bytes.data, p.header);
    }
    xl_buf_release(&p.bytes);
}

static void other_layouts_are_named(struct xl_test *t)
{
    char from[64], to[64];
    struct patient p;
    struct xl_err err = { 0 };
    if (!admit(t, &p, "tiny", XL_PACK_INT4))
        return;
    snprintf(from, sizeof from, "\"layout\":\"%d\"", xl_packfile_layout());
    snprintf(to, sizeof to, "\"layout\":\"%d\"", xl_packfile_layout() + 1);
    if (forge(t, &p, from, to)) {
        XL_CHECK_STATUS(t, open_it(&p, &err), XL_EFORMAT, &err);
        snprintf(to, sizeof to, "has packed layout %d, this program reads %d",
                 xl_packfile_layout() + 1, xl_packfile_layout());
        XL_CHECK(t, strstr(err.message, to));
        XL_CHECK(t, strstr(err.message, "xltune pack"));
    }
    xl_buf_release(&p.bytes);
}

/* Values that only their name stands for, where values are needed. */
static void names_are_no_values(struct xl_test *t)
{
    static const char *const wanted[] = { "embed", "norm", "gate" };
    struct xl_err err = { 0 };
    struct xl_packs none = { 0 };
    struct xl_packs *const list[] = { &none };
    struct xl_params params;
    static struct outcome out;
    xl_params_init(&params);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char path[400];
        struct draft d;
        struct xl_packfile_content content = {
            .facts = { .weights = XL_PACK_BF16, .source = "forged" },
            .packs = list,
            .n_packs = 1,
        };
        size_t n = 0;
        if (!draft_init(&d, t, "tiny"))
            return;
        for (size_t j = 0; j < d.n; j++)
            if (strstr(d.entries[j].name, wanted[i])) {
                d.entries[j].tensor.dtype = XL_PACKED;
                n++;
            }
        XL_CHECK(t, n > 0);
        content.plain = d.entries;
        content.n_plain = d.n;
        draft_write(t, &d, t->dir, "tiny", NULL, NULL);
        snprintf(path, sizeof path, "%s/" XL_PACKFILE_NAME, t->dir);
        XL_CHECK_STATUS(t, xl_packfile_write(path, &content, &err), XL_OK,
                        &err);
        enum xl_status rc = run_dir(t->dir, &params, &out, &err);
        xl_test_check(t, rc == XL_EFORMAT || rc == XL_EUSAGE, __FILE__,
                      __LINE__, "'%s' by name alone: %d", wanted[i], (int)rc);
        draft_release(&d);
    }
}

/* Ordinary checkpoints have no such type. */
static void packed_names_need_a_packed_file(struct xl_test *t)
{
    struct checkpoint other;
    struct draft d;
    struct xl_err err = { 0 };
    if (!draft_init(&d, t, "tiny"))
        return;
    for (size_t i = 0; i < d.n; i++)
        if (strstr(d.entries[i].name, "out_proj"))
            d.entries[i].tensor.dtype = XL_PACKED;
    draft_write(t, &d, t->dir, "tiny", NULL, NULL);
    XL_CHECK_STATUS(t, checkpoint_load(&other, t->dir, &err), XL_EFORMAT, &err);
    XL_CHECK(t, strstr(err.message, "is of type packed"));
    draft_release(&d);
}

static void a_pipe_does_not_hold_up(struct xl_test *t)
{
    char path[400];
    struct xl_map map;
    struct xl_err err = { 0 };
    snprintf(path, sizeof path, "%s/" XL_PACKFILE_NAME, t->dir);
    XL_CHECK(t, mkfifo(path, 0600) == 0);
    XL_CHECK_STATUS(t, xl_map_open(&map, path, &err), XL_EIO, &err);
    XL_CHECK(t, strstr(err.message, "not a regular file"));
    XL_CHECK(t, !map.data && !map.size);
}

/* -- pages ---------------------------------------------------------------- */

/* Bytes and addresses stay when a file moves to memory of the process. */
static void moving_keeps_the_bytes(struct xl_test *t)
{
    char path[300], file[400];
    struct xl_err err = { 0 };
    struct xl_pool *pool = NULL;
    struct xl_safetensors *files = NULL;
    struct xl_packfile *packed = NULL;
    snprintf(path, sizeof path, "%s/moved", t->dir);
    if (!pack_as(t, checkpoint_models[0], XL_PACK_INT8, XL_PACK_INT4, path))
        return;
    snprintf(file, sizeof file, "%s/" XL_PACKFILE_NAME, path);
    enum xl_status rc = xl_safetensors_open_file(&files, file, &err);
    if (rc == XL_OK)
        rc = xl_pool_make(&pool, &(struct xl_pool_options){ .width = 2 }, &err);
    if (rc == XL_OK)
        rc = xl_packfile_open(&packed, files, &err);
    if (XL_CHECK_STATUS(t, rc, XL_OK, &err)) {
        const struct xl_map *map = &files->shards[0].map;
        char before[XL_HASH_TEXT], after[XL_HASH_TEXT];
        xl_hash(before, map->data, map->size);
        xl_packfile_settle(packed, pool); /* too small: it stays */
        XL_CHECK(t, xl_packfile_move(packed, pool));
        XL_CHECK(t, truncate(file, 0) == 0); /* nothing is read from it */
        xl_hash(after, map->data, map->size);
        XL_CHECK_TEXT(t, after, before);
    }
    xl_packfile_close(packed);
    xl_safetensors_close(files);
    xl_pool_free(pool);
}

/* -- no memory ------------------------------------------------------------ */

static void every_allocation_may_fail(struct xl_test *t)
{
    struct patient p;
    bool done = false;
    size_t n;
    if (!admit(t, &p, "tiny", XL_PACK_INT4))
        return;
    for (n = 0; !done && n < 20000; n++) {
        struct xl_err err = { 0 };
        size_t left = n;
        xl_alloc_set_hook(xl_test_fail_nth, &left);
        enum xl_status rc = open_it(&p, &err);
        xl_alloc_set_hook(NULL, NULL);
        done = left <= n; /* no allocation was failed */
        XL_CHECK_STATUS(t, rc, done ? XL_OK : XL_ENOMEM, &err);
    }
    XL_CHECK(t, done && n > 8);
    xl_buf_release(&p.bytes);
}

const struct xl_test_case xl_suite_packfile[] = {
    XL_CASE(packed_has_the_bits_of_the_original),
    XL_CASE(kinds_come_from_the_checkpoint),
    XL_CASE(packed_is_not_packed_again),
    XL_CASE(truncation_is_seen),
    XL_CASE(flips_in_the_header_are_seen),
    XL_CASE(flips_in_the_data_are_survived),
    XL_CASE(forged_headers_are_not_believed),
    XL_CASE(other_layouts_are_named),
    XL_CASE(names_are_no_values),
    XL_CASE(packed_names_need_a_packed_file),
    XL_CASE(a_pipe_does_not_hold_up),
    XL_CASE(moving_keeps_the_bytes),
    XL_CASE(every_allocation_may_fail),
    { 0 },
};
