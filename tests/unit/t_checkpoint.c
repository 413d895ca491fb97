/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and shapes expected here are written out, not taken from the names
 * table that is under test. */
#include "tests/harness/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/model/model.h"
#include "tests/unit/checkpoint.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* -- the reference models ------------------------------------------------- */

struct expected {
    const char *model;
    size_t vocab, width, blocks, heads, dk, dv, ffn;
    bool use_bias, out_norm, fused;
};
static const struct expected expected[] = {
    { "tiny", 97, 64, 2, 4, 8, 16, 192, false, true, false },
    { "ragged", 131, 160, 3, 5, 16, 32, 256, false, true, false },
    { "biased-bf16-sharded", 257, 128, 3, 8, 8, 16, 384, true, true, false },
    { "fused-nonorm", 64, 96, 2, 3, 32, 32, 256, false, false, true },
};

static void check_block(struct xl_test *t, const struct expected *e,
                        const struct xl_block *b)
{
    size_t qk = e->heads * e->dk, v = e->heads * e->dv;
    const struct {
        const struct xl_tensor *w, *b;
        size_t rows, columns;
        bool bias;
    } rows[] = {
        { &b->norm_mlstm.w, &b->norm_mlstm.b, e->width, 0, e->use_bias },
        { &b->q.w, &b->q.b, qk, e->width, e->use_bias },
        { &b->k.w, &b->k.b, qk, e->width, e->use_bias },
        { &b->v.w, &b->v.b, v, e->width, e->use_bias },
        { &b->o.w, &b->o.b, v, e->width, e->use_bias },
        { &b->igate.w, &b->igate.b, e->heads, e->width, true },
        { &b->fgate.w, &b->fgate.b, e->heads, e->width, true },
        { &b->head_norm.w, &b->head_norm.b, v, 0, e->use_bias },
        { &b->out.w, &b->out.b, e->width, v, e->use_bias },
        { &b->norm_ffn.w, &b->norm_ffn.b, e->width, 0, e->use_bias },
        { &b->gate.w, &b->gate.b, e->ffn, e->width, e->use_bias },
        { &b->up.w, &b->up.b, e->ffn, e->width, e->use_bias },
        { &b->down.w, &b->down.b, e->width, e->ffn, e->use_bias },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        XL_CHECK(t, rows[i].w->data != NULL);
        XL_CHECK_EQ(t, rows[i].w->n_dims, rows[i].columns ? 2 : 1);
        XL_CHECK_EQ(t, rows[i].w->shape[0], rows[i].rows);
        XL_CHECK_EQ(t, rows[i].w->shape[1], rows[i].columns);
        XL_CHECK_EQ(t, rows[i].b->data != NULL, rows[i].bias);
        if (rows[i].bias)
            XL_CHECK_EQ(t, rows[i].b->shape[0], rows[i].rows);
    }
}

static void models_load(struct xl_test *t)
{
    for (size_t i = 0; i < COUNT(expected); i++) {
        const struct expected *e = &expected[i];
        struct checkpoint c;
        struct xl_err err = { 0 };
        char dir[1024];
        if (!XL_CHECK_STATUS(
                t, checkpoint_load(&c, checkpoint_dir(e->model, dir), &err),
                XL_OK, &err))
            continue;
        XL_CHECK_EQ(t, c.config.vocab, e->vocab);
        XL_CHECK_EQ(t, c.config.dk, e->dk);
        XL_CHECK_EQ(t, c.config.dv, e->dv);
        XL_CHECK_EQ(t, c.config.ffn, e->ffn);
        XL_CHECK_EQ(t, c.config.fused, e->fused);
        XL_CHECK_EQ(t, c.config.blocks, e->blocks);
        XL_CHECK_NEAR(t, c.config.gate_cap, 15, 0);
        XL_CHECK_NEAR(t, c.config.logit_cap, 30, 0);
        XL_CHECK(t, c.config.has_bos && c.config.bos == 0);
        XL_CHECK(t, c.config.has_eos && c.config.eos == 2);
        XL_CHECK_EQ(t, c.weights.embedding.shape[0], e->vocab);
        XL_CHECK_EQ(t, c.weights.head.w.shape[1], e->width);
        XL_CHECK_EQ(t, c.weights.out_norm.w.data != NULL, e->out_norm);
        XL_CHECK_EQ(t, c.weights.out_norm.b.data != NULL, e->use_bias);
        for (size_t b = 0; b < e->blocks; b++)
            check_block(t, e, &c.weights.blocks[b]);
        checkpoint_unload(&c);
    }
}

static void roles_hold_their_tensors(struct xl_test *t)
{
    struct checkpoint c;
    struct xl_err err = { 0 };
    char dir[1024];
    if (!XL_CHECK_STATUS(t,
                         checkpoint_load(&c, checkpoint_dir("tiny", dir), &err),
                         XL_OK, &err))
        return;
    const struct xl_block *b = &c.weights.blocks[1];
    const struct {
        const char *name;
        const struct xl_tensor *role;
    } rows[] = {
        { "backbone.embeddings.weight", &c.weights.embedding },
        { "backbone.out_norm.weight", &c.weights.out_norm.w },
        { "lm_head.weight", &c.weights.head.w },
        { "backbone.blocks.1.norm_mlstm.weight", &b->norm_mlstm.w },
        { "backbone.blocks.1.mlstm_layer.q.weight", &b->q.w },
        { "backbone.blocks.1.mlstm_layer.k.weight", &b->k.w },
        { "backbone.blocks.1.mlstm_layer.v.weight", &b->v.w },
        { "backbone.blocks.1.mlstm_layer.ogate_preact.weight", &b->o.w },
        { "backbone.blocks.1.mlstm_layer.igate_preact.weight", &b->igate.w },
        { "backbone.blocks.1.mlstm_layer.igate_preact.bias", &b->igate.b },
        { "backbone.blocks.1.mlstm_layer.fgate_preact.weight", &b->fgate.w },
        { "backbone.blocks.1.mlstm_layer.fgate_preact.bias", &b->fgate.b },
        { "backbone.blocks.1.mlstm_layer.multihead_norm.weight",
          &b->head_norm.w },
        { "backbone.blocks.1.mlstm_layer.out_proj.weight", &b->out.w },
        { "backbone.blocks.1.norm_ffn.weight", &b->norm_ffn.w },
        { "backbone.blocks.1.ffn.proj_up_gate.weight", &b->gate.w },
        { "backbone.blocks.1.ffn.proj_up.weight", &b->up.w },
        { "backbone.blocks.1.ffn.proj_down.weight", &b->down.w },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct xl_tensor *found =
            xl_safetensors_find(c.files, rows[i].name);
        XL_CHECK(t, found && found->data == rows[i].role->data);
    }
    checkpoint_unload(&c);
}

static void fused_rows_are_cut(struct xl_test *t)
{
    struct checkpoint c;
    struct xl_err err = { 0 };
    char dir[1024];
    if (!XL_CHECK_STATUS(
            t, checkpoint_load(&c, checkpoint_dir("fused-nonorm", dir), &err),
            XL_OK, &err))
        return;
    const struct xl_block *b = &c.weights.blocks[0];
    const struct xl_tensor *qkvo = xl_safetensors_find(
        c.files, "backbone.blocks.0.mlstm_layer.qkv_opreact.weight");
    const struct xl_tensor *gates = xl_safetensors_find(
        c.files, "backbone.blocks.0.mlstm_layer.ifgate_preact.bias");
    const struct xl_tensor *up = xl_safetensors_find(
        c.files, "backbone.blocks.0.ffn.proj_up_gate_z.weight");
    const char *first = qkvo->data;
    XL_CHECK(t, b->q.w.data == first);
    XL_CHECK(t, b->k.w.data == first + 96 * 96 * 4);
    XL_CHECK(t, b->v.w.data == first + 2 * 96 * 96 * 4);
    XL_CHECK(t, b->o.w.data == first + 3 * 96 * 96 * 4);
    XL_CHECK(t, b->igate.b.data == gates->data);
    XL_CHECK(t, b->fgate.b.data == (const char *)gates->data + 3 * 4);
    XL_CHECK(t, b->gate.w.data == up->data);
    XL_CHECK(t, b->up.w.data == (const char *)up->data + 256 * 96 * 4);
    checkpoint_unload(&c);
}

static void stacks_load(struct xl_test *t)
{
    static const struct {
        const char *model;
        size_t blocks, slstm_at, heads;
    } rows[] = { { "stack-m1s1", 2, 1, 4 }, { "stack-7-1", 8, 7, 2 } };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct checkpoint c;
        struct xl_err err = { 0 };
        char dir[1024];
        if (!XL_CHECK_STATUS(
                t,
                checkpoint_load(&c, checkpoint_dir(rows[i].model, dir), &err),
                XL_OK, &err))
            continue;
        XL_CHECK_EQ(t, c.config.blocks, rows[i].blocks);
        XL_CHECK_EQ(t, c.config.inner, 128);
        XL_CHECK_EQ(t, c.config.ffn, 128);
        XL_CHECK_EQ(t, c.config.dk, 128 / rows[i].heads);
        for (size_t b = 0; b < rows[i].blocks; b++)
            XL_CHECK_EQ(t, c.stack.blocks[b].is_slstm, b == rows[i].slstm_at);
        const struct xl_stack_mlstm *m = &c.stack.blocks[0].m;
        const struct xl_stack_slstm *s = &c.stack.blocks[rows[i].slstm_at].s;
        char name[128];
        XL_CHECK_EQ(t, m->q.w.shape[0], 32);
        XL_CHECK_EQ(t, m->conv.w.shape[2], 4);
        XL_CHECK_EQ(t, m->conv.b.shape[0], 128);
        XL_CHECK_EQ(t, m->igate.w.shape[1], 384);
        XL_CHECK_EQ(t, m->skip.shape[0], 128);
        XL_CHECK_EQ(t, s->recurrent.shape[1], 64);
        XL_CHECK_EQ(t, s->bias.shape[0], 256);
        XL_CHECK_EQ(t, s->is_turned, false);
        XL_CHECK(t, c.stack.post_norm.w.data && c.stack.head.w.data);
        /* The weight named fgate feeds the input gate. */
        snprintf(name, sizeof name,
                 "xlstm_block_stack.blocks.%zu.xlstm.fgate.weight",
                 rows[i].slstm_at);
        XL_CHECK(t, s->in_i.w.data == xl_safetensors_find(c.files, name)->data);
        checkpoint_unload(&c);
    }
}

/* -- variants ------------------------------------------------------------- */

/* Loads dir and compares it with the reference; with_values false when only
 * shapes can agree. */
static void check_equal(struct xl_test *t, const char *dir,
                        const struct checkpoint *reference)
{
    struct checkpoint c;
    struct xl_err err = { 0 };
    if (!XL_CHECK_STATUS(t, checkpoint_load(&c, dir, &err), XL_OK, &err))
        return;
    XL_CHECK(t, checkpoint_same(&c, reference, true));
    checkpoint_unload(&c);
}

static void names_vary(struct xl_test *t)
{
    static const struct {
        const char *model, *from, *to;
        size_t renamed;
    } rows[] = {
        { "tiny", "backbone.", "", 32 },
        { "tiny", "backbone.embeddings.", "embedding.", 1 },
        { "tiny", "embeddings.", "embedding.", 1 },
        { "tiny", "mlstm_layer.q.", "mlstm_layer.query.", 2 },
        { "tiny", "mlstm_layer.k.", "mlstm_layer.key.", 2 },
        { "tiny", "mlstm_layer.v.", "mlstm_layer.value.", 2 },
        { "biased-bf16-sharded", "backbone.", "", 81 },
        { "biased-bf16-sharded", "mlstm_layer.q.", "mlstm_layer.query.", 6 },
        { "fused-nonorm", "backbone.", "", 19 },
        { "stack-m1s1", "xlstm_block_stack.", "", 28 },
        { "stack-7-1", "xlstm_block_stack.", "", 112 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct draft d;
        char name[300];
        snprintf(name, sizeof name, "%s/%zu", t->dir, i);
        if (!draft_init(&d, t, rows[i].model))
            continue;
        XL_CHECK_EQ(t, draft_rename(&d, rows[i].from, rows[i].to),
                    rows[i].renamed);
        draft_write(t, &d, name, rows[i].model, NULL, NULL);
        check_equal(t, name, &d.of);
        draft_release(&d);
    }
}

/* Puts the rows of parts after each other under a new name. */
static void fuse(struct draft *d, const char *scope, const char *const *parts,
                 size_t n, const char *into, const char *ending)
{
    struct xl_tensor whole = { 0 };
    char name[256];
    char *data = xl_arena_alloc(&d->arena, 1 << 20);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s%s%s", scope, parts[i], ending);
        struct xl_safetensors_entry *entry = draft_find(d, name);
        if (!entry)
            return;
        size_t bytes = xl_tensor_count(&entry->tensor) *
                       xl_dtype_bytes(entry->tensor.dtype);
        memcpy(data + at, entry->tensor.data, bytes);
        at += bytes;
        size_t rows = whole.shape[0];
        whole = entry->tensor;
        whole.shape[0] += rows;
        draft_remove(d, name);
    }
    whole.data = data;
    snprintf(name, sizeof name, "%s%s%s", scope, into, ending);
    draft_add(d, name, whole);
}

static void single_and_fused_agree(struct xl_test *t)
{
    static const char *const models[] = { "tiny", "ragged",
                                          "biased-bf16-sharded" };
    static const char *const qkvo[] = { "mlstm_layer.q", "mlstm_layer.k",
                                        "mlstm_layer.v",
                                        "mlstm_layer.ogate_preact" };
    static const char *const gates[] = { "mlstm_layer.igate_preact",
                                         "mlstm_layer.fgate_preact" };
    static const char *const up[] = { "ffn.proj_up_gate", "ffn.proj_up" };
    static const char *const endings[] = { ".weight", ".bias" };
    for (size_t i = 0; i < COUNT(models); i++) {
        struct draft d;
        char out[300];
        if (!draft_init(&d, t, models[i]))
            continue;
        for (size_t b = 0; b < 2 * d.of.config.blocks; b++) {
            char scope[64];
            snprintf(scope, sizeof scope, "backbone.blocks.%zu.", b / 2);
            fuse(&d, scope, qkvo, 4, "mlstm_layer.qkv_opreact", endings[b % 2]);
            fuse(&d, scope, gates, 2, "mlstm_layer.ifgate_preact",
                 endings[b % 2]);
            fuse(&d, scope, up, 2, "ffn.proj_up_gate_z", endings[b % 2]);
        }
        snprintf(out, sizeof out, "%s/%zu", t->dir, i);
        draft_write(t, &d, out, models[i], "\"single\"", "\"fused\"");
        XL_CHECK(t, xl_safetensors_count(d.of.files) > d.n);
        check_equal(t, out, &d.of);
        /* The tensors decide when the configuration says otherwise. */
        draft_write(t, &d, out, models[i], NULL, NULL);
        check_equal(t, out, &d.of);
        draft_release(&d);
    }
}

static void tied_heads(struct xl_test *t)
{
    struct checkpoint tied;
    struct draft d;
    struct xl_err err = { 0 };
    static const char off[] = "\"tie_word_embeddings\": false";
    static const char on[] = "\"tie_word_embeddings\": true";
    if (!draft_init(&d, t, "tiny"))
        return;
    draft_write(t, &d, t->dir, "tiny", off, on);
    XL_CHECK_STATUS(t, checkpoint_load(&tied, t->dir, &err), XL_EFORMAT, &err);
    XL_CHECK(t, strstr(err.message, "differs from the embedding"));
    draft_find(&d, "lm_head.weight")->tensor.data = d.of.weights.embedding.data;
    for (int written_out = 1; written_out >= 0; written_out--) {
        if (!written_out)
            draft_remove(&d, "lm_head.weight");
        draft_write(t, &d, t->dir, "tiny", off, on);
        if (XL_CHECK_STATUS(t, checkpoint_load(&tied, t->dir, &err), XL_OK,
                            &err)) {
            XL_CHECK(t,
                     tied.weights.head.w.data == tied.weights.embedding.data);
            checkpoint_unload(&tied);
        }
    }
    draft_write(t, &d, t->dir, "tiny", NULL, NULL);
    XL_CHECK_STATUS(t, checkpoint_load(&tied, t->dir, &err), XL_EFORMAT, &err);
    XL_CHECK(t, strstr(err.message, "'lm_head.weight' is missing"));
    draft_release(&d);
}

static void turned_recurrent_kernel(struct xl_test *t)
{
    struct checkpoint turned;
    struct draft d;
    struct xl_err err = { 0 };
    if (!draft_init(&d, t, "stack-m1s1"))
        return;
    struct xl_tensor *kernel =
        &draft_find(&d, "xlstm_block_stack.blocks.1.xlstm.slstm_cell."
                        "_recurrent_kernel_")
             ->tensor;
    kernel->shape[1] = 16;
    kernel->shape[2] = 64;
    draft_write(t, &d, t->dir, "stack-m1s1", NULL, NULL);
    if (XL_CHECK_STATUS(t, checkpoint_load(&turned, t->dir, &err), XL_OK,
                        &err)) {
        XL_CHECK(t, turned.stack.blocks[1].s.is_turned);
        checkpoint_unload(&turned);
    }
    kernel->shape[1] = kernel->shape[2] = 32;
    draft_write(t, &d, t->dir, "stack-m1s1", NULL, NULL);
    XL_CHECK_STATUS(t, checkpoint_load(&turned, t->dir, &err), XL_EFORMAT,
                    &err);
    draft_release(&d);
}

/* -- faults --------------------------------------------------------------- */

static void faults_are_all_told(struct xl_test *t)
{
    struct checkpoint broken;
    struct draft d;
    struct xl_err err = { 0 };
    if (!draft_init(&d, t, "tiny"))
        return;
    draft_remove(&d, "backbone.blocks.1.norm_ffn.weight");
    draft_rename(&d, "out_norm", "out_nrom");
    struct xl_tensor *q =
        &draft_find(&d, "backbone.blocks.0.mlstm_layer.q.weight")->tensor;
    q->shape[0] = 64;
    q->shape[1] = 32;
    draft_write(t, &d, t->dir, "tiny", NULL, NULL);
    XL_CHECK_STATUS(t, checkpoint_load(&broken, t->dir, &err), XL_EFORMAT,
                    &err);
    static const char *const told[] = {
        "'backbone.blocks.1.norm_ffn.weight' is missing",
        "'backbone.out_norm.weight' is missing",
        "'backbone.out_nrom.weight' is left over",
        "'backbone.blocks.0.mlstm_layer.q.weight' is [64, 32], not [32, 64]",
    };
    for (size_t i = 0; i < COUNT(told); i++)
        XL_CHECK(t, strstr(err.message, told[i]));
    XL_CHECK(t, !strstr(err.message, "more"));
    struct xl_model *model;
    char start[sizeof t->dir + 8];
    snprintf(start, sizeof start, "'%s': ", t->dir);
    XL_CHECK_STATUS(t, xl_model_open(&model, t->dir, &err), XL_EFORMAT, &err);
    XL_CHECK(t, strncmp(err.message, start, strlen(start)) == 0);
    draft_rename(&d, ".mlstm_layer.", ".layer.");
    draft_write(t, &d, t->dir, "tiny", NULL, NULL);
    XL_CHECK_STATUS(t, checkpoint_load(&broken, t->dir, &err), XL_EFORMAT,
                    &err);
    /* 2 x 10 missing, 20 left over, and 3 of the four above. */
    size_t listed = 0, more = 0;
    for (const char *at = err.message; (at = strstr(at, " is ")); at++)
        listed++;
    const char *tail = strstr(err.message, "; and ");
    XL_CHECK(t, tail && sscanf(tail, "; and %zu more", &more) == 1);
    XL_CHECK(t, listed >= 10);
    XL_CHECK_EQ(t, listed + more, 43);
    draft_release(&d);
}

static void ffn_width_must_agree(struct xl_test *t)
{
    struct checkpoint changed;
    struct draft d;
    struct xl_err err = { 0 };
    if (!draft_init(&d, t, "tiny"))
        return;
    /* 128 instead of 192 everywhere: taken from the tensors. */
    for (size_t i = 0; i < d.n; i++) {
        struct xl_tensor *w = &d.entries[i].tensor;
        bool down = strstr(d.entries[i].name, "proj_down");
        if (down || strstr(d.entries[i].name, "proj_up"))
            w->shape[down] = 128;
    }
    draft_write(t, &d, t->dir, "tiny", NULL, NULL);
    if (XL_CHECK_STATUS(t, checkpoint_load(&changed, t->dir, &err), XL_OK,
                        &err)) {
        XL_CHECK_EQ(t, changed.config.ffn, 128);
        checkpoint_unload(&changed);
    }
    draft_find(&d, "backbone.blocks.1.ffn.proj_up.weight")->tensor.shape[0] =
        192;
    draft_write(t, &d, t->dir, "tiny", NULL, NULL);
    XL_CHECK_STATUS(t, checkpoint_load(&changed, t->dir, &err), XL_EFORMAT,
                    &err);
    XL_CHECK(t, strstr(err.message, "blocks.1.ffn.proj_up.weight' is [192, "
                                    "64], not [128, 64]"));
    draft_release(&d);
}

static void hash_ignores_files(struct xl_test *t)
{
    struct draft d;
    struct xl_err err = { 0 };
    struct xl_safetensors *one;
    char sharded[33], single[33], path[300];
    if (!draft_init(&d, t, "biased-bf16-sharded"))
        return;
    xl_safetensors_hash(d.of.files, sharded);
    draft_write(t, &d, t->dir, "biased-bf16-sharded", NULL, NULL);
    XL_CHECK_STATUS(t, xl_safetensors_open(&one, t->dir, &err), XL_OK, &err);
    xl_safetensors_hash(one, single);
    XL_CHECK_TEXT(t, single, sharded);
    xl_safetensors_close(one);
    /* One changed byte gives another. */
    unsigned char bytes[256];
    memcpy(bytes, d.entries[0].tensor.data, sizeof bytes);
    bytes[17] ^= 1;
    d.n = 1;
    d.entries[0].tensor.n_dims = 1;
    d.entries[0].tensor.shape[0] = 128;
    snprintf(path, sizeof path, "%s/x.safetensors", t->dir);
    for (int i = 0; i < 2; i++) {
        XL_CHECK_STATUS(t, xl_safetensors_write(path, d.entries, 1, &err),
                        XL_OK, &err);
        XL_CHECK_STATUS(t, xl_safetensors_open_file(&one, path, &err), XL_OK,
                        &err);
        xl_safetensors_hash(one, i ? single : sharded);
        xl_safetensors_close(one);
        d.entries[0].tensor.data = bytes;
    }
    XL_CHECK(t, strcmp(single, sharded) != 0);
    draft_release(&d);
}

const struct xl_test_case xl_suite_checkpoint[] = {
    XL_CASE(models_load),         XL_CASE(roles_hold_their_tensors),
    XL_CASE(fused_rows_are_cut),  XL_CASE(stacks_load),
    XL_CASE(names_vary),          XL_CASE(single_and_fused_agree),
    XL_CASE(tied_heads),          XL_CASE(turned_recurrent_kernel),
    XL_CASE(faults_are_all_told), XL_CASE(ffn_width_must_agree),
    XL_CASE(hash_ignores_files),  { 0 },
};
