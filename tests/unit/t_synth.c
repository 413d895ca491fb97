/* SPDX-License-Identifier: Apache-2.0
 *
 * Random checkpoints, costs and NumPy files. Parameter counts of the 7B and
 * of the 164M model are the published ones. */
#include "tests/harness/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/model/pack_model.h"
#include "kernel/run/checkpoint_dir.h"
#include "kernel/run/cost.h"
#include "kernel/run/inspect_int.h"
#include "kernel/run/npy.h"
#include "kernel/run/synth.h"
#include "tests/unit/checkpoint.h"

static bool write_synth(struct xl_test *t, const char *name, uint64_t seed,
                        enum xl_pack_kind kind, size_t shards, char hash[33])
{
    char dir[300];
    struct xl_err err = { 0 };
    struct checkpoint c;
    snprintf(dir, sizeof dir, "%s/%s", t->dir, name);
    struct xl_synth_options options = { .preset = "demo",
                                        .dir = dir,
                                        .seed = seed,
                                        .kind = kind,
                                        .shards = shards };
    bool ok = XL_CHECK_STATUS(t, xl_synth_write(&options, &err), XL_OK, &err) &&
              XL_CHECK_STATUS(t, checkpoint_load(&c, dir, &err), XL_OK, &err);
    if (!ok)
        return false;
    xl_safetensors_hash(c.files, hash);
    checkpoint_unload(&c);
    XL_CHECK_STATUS(t, xl_synth_write(&options, &err), XL_EUSAGE, &err);
    return true;
}

static void same_seed_same_bytes(struct xl_test *t)
{
    char a[33], b[33], sharded[33], other[33];
    if (!write_synth(t, "a", 7, XL_PACK_BF16, 1, a) ||
        !write_synth(t, "b", 7, XL_PACK_BF16, 0, b) ||
        !write_synth(t, "c", 7, XL_PACK_BF16, 3, sharded) ||
        !write_synth(t, "d", 8, XL_PACK_BF16, 1, other))
        return;
    XL_CHECK_TEXT(t, b, a);
    XL_CHECK_TEXT(t, sharded, a);
    XL_CHECK(t, strcmp(other, a) != 0);
    char path[300];
    snprintf(path, sizeof path, "%s/c/model-00003-of-00003.safetensors",
             t->dir);
    XL_CHECK(t, xl_io_exists(path));
}

/* Drawn and packed at once, or drawn, written and packed: all matrices and
 * all other tensors are the same. */
static void packed_is_as_if_packed_later(struct xl_test *t)
{
    static const enum xl_pack_kind kinds[] = { XL_PACK_INT8, XL_PACK_INT4 };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char rows[300], packed[300], drawn[300], hash[2][33];
        struct xl_err err = { 0 };
        struct xl_model *model = NULL;
        struct xl_pack_order order = { .weights = kinds[k], .head = kinds[k] };
        struct xl_pool_options two = { .width = 2 };
        snprintf(rows, sizeof rows, "%s/rows%zu", t->dir, k);
        snprintf(packed, sizeof packed, "%s/packed%zu", t->dir, k);
        snprintf(drawn, sizeof drawn, "%s/drawn%zu", t->dir, k);
        struct xl_synth_options options = {
            .preset = "demo", .dir = rows, .seed = 3, .kind = XL_PACK_BF16
        };
        const struct xl_pack_out out = { .dir = packed };
        XL_CHECK_STATUS(t, xl_synth_write(&options, &err), XL_OK, &err);
        options.dir = drawn;
        options.kind = kinds[k];
        options.shards = 2;
        XL_CHECK_STATUS(t, xl_synth_write(&options, &err), XL_EUSAGE, &err);
        options.shards = 1;
        XL_CHECK_STATUS(t, xl_synth_write(&options, &err), XL_OK, &err);
        XL_CHECK_STATUS(t, xl_synth_write(&options, &err), XL_EUSAGE, &err);
        XL_CHECK_STATUS(t, xl_pool_make(&order.pool, &two, &err), XL_OK, &err);
        XL_CHECK_STATUS(t, xl_model_open(&model, rows, &err), XL_OK, &err);
        XL_CHECK_STATUS(t, xl_checkpoint_dir_pack(model, &order, &out, &err),
                        XL_OK, &err);
        xl_model_close(model);
        xl_pool_free(order.pool);
        const char *const dirs[] = { packed, drawn };
        for (size_t i = 0; i < 2; i++) {
            XL_CHECK_STATUS(t, xl_model_open(&model, dirs[i], &err), XL_OK,
                            &err);
            xl_safetensors_hash(xl_model_files(model), hash[i]);
            xl_model_close(model);
        }
        XL_CHECK_TEXT(t, hash[1], hash[0]);
    }
}

/* HuggingFace's class asks for a real number here, and 1 is none to it. */
static const char *const reals[] = {
    "norm_eps",        "eps",           "qk_dim_factor",         "v_dim_factor",
    "ffn_proj_factor", "gate_soft_cap", "output_logit_soft_cap",
};

static bool is_written_as_real(const char *text, const char *key)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(text, quoted);
    if (!at)
        return false;
    at += strlen(quoted);
    at += strspn(at, " \t");
    return strcspn(at, ".e") < strcspn(at, ",}\n");
}

static void check_reals(struct xl_test *t, const char *dir)
{
    struct xl_buf text;
    struct xl_err err = { 0 };
    char *path = xl_io_join(dir, "config.json");
    xl_buf_init(&text, 0);
    XL_CHECK_STATUS(t, xl_io_read(path, &text, &err), XL_OK, &err);
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        xl_test_check(t, is_written_as_real(text.data, reals[i]), __FILE__,
                      __LINE__, "%s: '%s' is a real number", path, reals[i]);
    xl_buf_release(&text);
    xl_free(path);
}

/* Of rows, of integers, and of what was packed from rows. */
static void reals_are_written_as_reals(struct xl_test *t)
{
    char rows[300], packed[300];
    struct xl_err err = { 0 };
    struct xl_model *model = NULL;
    struct xl_pack_order order = { .weights = XL_PACK_INT8,
                                   .head = XL_PACK_INT8 };
    const struct xl_pool_options two = { .width = 2 };
    snprintf(rows, sizeof rows, "%s/rows", t->dir);
    snprintf(packed, sizeof packed, "%s/packed", t->dir);
    struct xl_synth_options options = { .preset = "demo",
                                        .dir = rows,
                                        .kind = XL_PACK_FP32 };
    const struct xl_pack_out out = { .dir = packed };
    XL_CHECK(t, !is_written_as_real("{\"eps\": 1,\n\"x\": 1.0}", "eps"));
    XL_CHECK_STATUS(t, xl_synth_write(&options, &err), XL_OK, &err);
    check_reals(t, rows);
    XL_CHECK_STATUS(t, xl_pool_make(&order.pool, &two, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_model_open(&model, rows, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_checkpoint_dir_pack(model, &order, &out, &err), XL_OK,
                    &err);
    check_reals(t, packed);
    xl_model_close(model);
    xl_pool_free(order.pool);
}

/* Mean and standard deviation of a tensor; counts its zeros. */
static void measure(const struct xl_tensor *w, double *mean, double *spread,
                    size_t *zeros)
{
    size_t n = xl_tensor_count(w);
    float *x = xl_alloc(n * sizeof *x);
    double sum = 0, squares = 0;
    xl_to_f32(x, w->data, w->dtype, n);
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i];
        *zeros += x[i] == 0.0f;
    }
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += ((double)x[i] - *mean) * ((double)x[i] - *mean);
    *spread = sqrt(squares / (double)n);
    xl_free(x);
}

static void values_follow_their_laws(struct xl_test *t)
{
    struct checkpoint c;
    struct xl_err err = { 0 };
    char hash[33], dir[300];
    double mean, spread, linear = sqrt(2.0 / (5 * 256)), out = 2 / (4 * 16.0);
    size_t zeros = 0;
    snprintf(dir, sizeof dir, "%s/x", t->dir);
    if (!write_synth(t, "x", 1, XL_PACK_FP32, 1, hash) ||
        !XL_CHECK_STATUS(t, checkpoint_load(&c, dir, &err), XL_OK, &err))
        return;
    const struct xl_block *b = &c.weights.blocks[2];
    for (size_t i = 0; i < xl_safetensors_count(c.files); i++)
        measure(xl_safetensors_at(c.files, i), &mean, &spread, &zeros);
    XL_CHECK_EQ(t, zeros, 0);
    const struct xl_tensor *const plain[] = { &b->q.w, &b->up.w, &b->igate.w,
                                              &c.weights.embedding };
    for (size_t i = 0; i < 4; i++) {
        measure(plain[i], &mean, &spread, &zeros);
        XL_CHECK_NEAR(t, mean, 0, linear / 20);
        XL_CHECK_NEAR(t, spread, linear, linear / 20);
    }
    measure(&b->out.w, &mean, &spread, &zeros);
    XL_CHECK_NEAR(t, spread, out, out / 50);
    measure(&b->down.w, &mean, &spread, &zeros);
    XL_CHECK_NEAR(t, spread, out, out / 50);
    measure(&b->norm_ffn.w, &mean, &spread, &zeros);
    XL_CHECK_NEAR(t, mean, 1, 0.02);
    XL_CHECK(t, spread > 0.01 && spread < 0.1);
    float gate[8];
    xl_to_f32(gate, b->fgate.b.data, b->fgate.b.dtype, 8);
    XL_CHECK_NEAR(t, gate[0], 3, 1e-6);
    XL_CHECK_NEAR(t, gate[7], 6, 1e-6);
    XL_CHECK_NEAR(t, gate[3], 3 + 9.0 / 7, 1e-6);
    checkpoint_unload(&c);
}

static void presets_are_as_big_as_named(struct xl_test *t)
{
    static const struct {
        const char *preset;
        double parameters, within;
    } rows[] = {
        { "demo", 5.3e6, 0.1e6 },  { "125m", 125e6, 6e6 },
        { "400m", 400e6, 20e6 },   { "1b3", 1.3e9, 0.06e9 },
        { "7b", 6865424896.0, 0 },
    };
    struct xl_config c;
    struct xl_cost cost;
    struct xl_err err = { 0 };
    for (size_t i = 0; i < 5; i++) {
        XL_CHECK_STATUS(t, xl_synth_config(&c, rows[i].preset, &err), XL_OK,
                        &err);
        XL_CHECK_STATUS(t, xl_cost_of(&cost, &c, &err), XL_OK, &err);
        XL_CHECK_NEAR(t, cost.parameters, rows[i].parameters, rows[i].within);
        XL_CHECK(t, c.width % c.heads == 0 && c.dv == 2 * c.dk);
    }
    XL_CHECK_STATUS(t, xl_synth_config(&c, "1b", &err), XL_EUSAGE, &err);
    XL_CHECK(t, strstr(err.message, "nearest is '1b3'"));
}

static void costs_match_published_figures(struct xl_test *t)
{
    struct xl_config c;
    struct xl_cost cost;
    struct xl_err err = { 0 };
    xl_synth_config(&c, "7b", &err);
    XL_CHECK_STATUS(t, xl_cost_of(&cost, &c, &err), XL_OK, &err);
    XL_CHECK_EQ(t, cost.state_bytes, 4 * 32 * 8 * 131329);
    XL_CHECK_NEAR(t, cost.matmul_decode, 6.66e9, 0.005e9);
    XL_CHECK_NEAR(t, cost.matmul_prefill, 6.45e9, 0.005e9);
    XL_CHECK_NEAR(t, cost.cell_decode_flops, 32 * 5.2e6, 32 * 0.05e6);
    /* 159 MFLOP of cells at chunks of 64. */
    double prefill = xl_cost_prefill_flops(&cost, &c, 64);
    XL_CHECK_NEAR(t, prefill - 2 * (double)cost.matmul_prefill, 159e6, 1e6);
    XL_CHECK_NEAR(t, xl_cost_decode_bytes(&cost, 2), 13.3e9 + 0.269e9, 0.03e9);
    xl_synth_config(&c, "125m", &err);
    c.tied = false;
    c.ffn = 2112; /* the released 164M model */
    XL_CHECK_STATUS(t, xl_cost_of(&cost, &c, &err), XL_OK, &err);
    XL_CHECK_EQ(t, cost.parameters, 164110224);
}

/* The count from a configuration against the files themselves. */
static void costs_count_what_files_hold(struct xl_test *t)
{
    for (size_t i = 0; i < CHECKPOINT_MODELS; i++) {
        struct checkpoint c;
        struct xl_cost cost;
        struct xl_err err = { 0 };
        char dir[1024];
        uint64_t held = 0;
        checkpoint_dir(checkpoint_models[i], dir);
        if (!XL_CHECK_STATUS(t, checkpoint_load(&c, dir, &err), XL_OK, &err))
            continue;
        for (size_t k = 0; k < xl_safetensors_count(c.files); k++)
            held += xl_tensor_count(xl_safetensors_at(c.files, k));
        XL_CHECK_STATUS(t, xl_cost_of(&cost, &c.config, &err), XL_OK, &err);
        XL_CHECK_EQ(t, cost.parameters, held);
        checkpoint_unload(&c);
    }
}

/* Longest line in columns; the report is ASCII. */
static size_t widest(const char *text)
{
    size_t most = 0;
    for (; *text; text += strcspn(text, "\n") + (strchr(text, '\n') != NULL)) {
        size_t n = strcspn(text, "\n");
        most = n > most ? n : most;
    }
    return most;
}

static void inspection_fits_the_screen(struct xl_test *t)
{
    for (size_t i = 0; i < CHECKPOINT_MODELS; i++) {
        struct checkpoint c;
        struct xl_err err = { 0 };
        struct xl_buf out;
        char dir[1024], here[] = ".";
        checkpoint_dir(checkpoint_models[i], dir);
        if (!XL_CHECK_STATUS(t, checkpoint_load(&c, dir, &err), XL_OK, &err))
            continue;
        struct xl_inspection it = { .dir = here,
                                    .config = c.config,
                                    .files = c.files,
                                    .chunk = 64,
                                    .block = 512 };
        xl_cost_of(&it.cost, &it.config, &err);
        xl_buf_init(&out, 0);
        xl_inspect_text(&it, &out);
        xl_inspect_wiring(&it.config, &out);
        XL_CHECK(t, widest(out.data) <= 80 && out.len > 500);
        xl_inspect_tensors(&it, &out);
        for (size_t k = 0; k < xl_safetensors_count(c.files); k++)
            XL_CHECK(t, strstr(out.data, xl_safetensors_name(c.files, k)));
        xl_synth_config(&it.config, "7b", &err);
        xl_cost_of(&it.cost, &it.config, &err);
        xl_buf_clear(&out);
        xl_inspect_text(&it, &out);
        xl_inspect_wiring(&it.config, &out);
        XL_CHECK(t, widest(out.data) <= 80);
        XL_CHECK(t, strstr(out.data, "6.87 G parameters"));
        XL_CHECK(t, strstr(out.data, "134 MB"));
        xl_buf_release(&out);
        checkpoint_unload(&c);
    }
}

static void npy_bytes(struct xl_test *t)
{
    static const char dict[] =
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    static const float rows[2][3] = { { 1, -2, 0.5f }, { 4, 5, 1e-30f } };
    unsigned char want[128 + sizeof rows];
    struct xl_npy npy;
    struct xl_buf got;
    struct xl_err err = { 0 };
    char *path = xl_io_join(t->dir, "o.npy");
    memset(want, ' ', 128);
    memcpy(want, "\x93NUMPY\x01\x00\x76\x00", 10); /* 118 = 128 - 10 */
    memcpy(want + 10, dict, sizeof dict - 1);
    want[127] = '\n';
    memcpy(want + 128, rows, sizeof rows);
    XL_CHECK_STATUS(t, xl_npy_open(&npy, path, 2, 3, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_npy_row(&npy, rows[0], &err), XL_OK, &err);
    XL_CHECK(t, !xl_io_exists(path));
    XL_CHECK_STATUS(t, xl_npy_row(&npy, rows[1], &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_npy_commit(&npy, &err), XL_OK, &err);
    xl_npy_abandon(&npy);
    xl_buf_init(&got, 0);
    XL_CHECK_STATUS(t, xl_io_read(path, &got, &err), XL_OK, &err);
    XL_CHECK_EQ(t, got.len, sizeof want);
    XL_CHECK(t, got.len == sizeof want &&
                    memcmp(got.data, want, sizeof want) == 0);
    xl_buf_release(&got);
    xl_free(path);
}

static void npy_is_all_or_nothing(struct xl_test *t)
{
    static const float row[2] = { 1, 2 };
    struct xl_npy npy;
    struct xl_err err = { 0 };
    char *path = xl_io_join(t->dir, "o.npy");
    XL_CHECK_STATUS(t, xl_npy_open(&npy, path, 2, 2, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_npy_row(&npy, row, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_npy_commit(&npy, &err), XL_EFAILED, &err);
    xl_npy_abandon(&npy);
    XL_CHECK(t, !xl_io_exists(path));
    xl_free(path);
    path = xl_io_join(t->dir, "missing/o.npy");
    XL_CHECK_STATUS(t, xl_npy_open(&npy, path, 1, 2, &err), XL_EIO, &err);
    xl_free(path);
}

const struct xl_test_case xl_suite_synth[] = {
    XL_CASE(packed_is_as_if_packed_later),
    XL_CASE(same_seed_same_bytes),
    XL_CASE(reals_are_written_as_reals),
    XL_CASE(values_follow_their_laws),
    XL_CASE(presets_are_as_big_as_named),
    XL_CASE(costs_match_published_figures),
    XL_CASE(costs_count_what_files_hold),
    XL_CASE(inspection_fits_the_screen),
    XL_CASE(npy_bytes),
    XL_CASE(npy_is_all_or_nothing),
    { 0 },
};
