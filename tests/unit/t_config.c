/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/test.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/buf.h"
#include "kernel/model/config.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static enum xl_status parse(struct xl_config *c, const char *text,
                            struct xl_err *err)
{
    return xl_config_parse(c, text, strlen(text), "config.json", err);
}

/* The base with a member more; a later key of the same name is a fault, so
 * the base has only what no case changes. */
static enum xl_status parse_with(struct xl_config *c, const char *base,
                                 const char *more, struct xl_err *err)
{
    char text[2048];
    snprintf(text, sizeof text, "{%s%s%s}", base, more[0] ? ", " : "", more);
    return parse(c, text, err);
}

static const char xlstm[] = "\"model_type\": \"xlstm\", \"vocab_size\": 100";
static const char stack[] = "\"model_type\": \"xlstm_block_stack\", "
                            "\"vocab_size\": 100, \"embedding_dim\": 64";

static void defaults_are_the_published_ones(struct xl_test *t)
{
    struct xl_config c;
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, parse(&c, "{\"model_type\": \"xlstm\"}", &err), XL_OK,
                    &err);
    XL_CHECK_EQ(t, c.vocab, 50304);
    XL_CHECK_EQ(t, c.width, 4096);
    XL_CHECK_EQ(t, c.blocks, 32);
    XL_CHECK_EQ(t, c.heads, 8);
    XL_CHECK_EQ(t, c.dk, 256);
    XL_CHECK_EQ(t, c.dv, 512);
    XL_CHECK_EQ(t, c.ffn, 10944);
    XL_CHECK(t, c.out_norm && !c.tied && !c.use_bias && !c.fused);
    XL_CHECK_NEAR(t, c.gate_cap, 15, 0);
    XL_CHECK_NEAR(t, c.logit_cap, 30, 0);
    XL_CHECK_NEAR(t, c.norm_eps, 1e-6, 1e-12);
    XL_CHECK(t, c.has_bos && c.bos == 0 && c.has_eos && c.eos == 2);
}

/* Widths that the published models have, floor rounding included. */
static void ffn_width_is_rounded_as_published(struct xl_test *t)
{
    static const size_t widths[][2] = { { 4096, 10944 }, { 1024, 2752 },
                                        { 768, 2048 },   { 512, 1408 },
                                        { 256, 704 },    { 128, 384 } };
    for (size_t i = 0; i < COUNT(widths); i++) {
        struct xl_config c;
        struct xl_err err = { 0 };
        char more[64];
        snprintf(more, sizeof more, "\"hidden_size\": %zu", widths[i][0]);
        XL_CHECK_STATUS(t, parse_with(&c, xlstm, more, &err), XL_OK, &err);
        XL_CHECK_EQ(t, c.ffn, widths[i][1]);
    }
}

struct fault {
    const char *more;
    const char *message; /* part of it; NULL = accepted */
};

static void check_faults(struct xl_test *t, const char *base,
                         const struct fault *faults, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct xl_config c;
        struct xl_err err = { 0 };
        enum xl_status rc = parse_with(&c, base, faults[i].more, &err);
        xl_test_check(t, rc == (faults[i].message ? XL_EFORMAT : XL_OK),
                      __FILE__, __LINE__, "%s: status %d, %s", faults[i].more,
                      (int)rc, err.message);
        xl_test_check(
            t, !faults[i].message || strstr(err.message, faults[i].message),
            __FILE__, __LINE__, "%s: message %s", faults[i].more, err.message);
    }
}

static void xlstm_rules(struct xl_test *t)
{
    static const struct fault faults[] = {
        { "\"hidden_size\": 64, \"embedding_dim\": 64", NULL },
        { "\"embedding_dim\": 64, \"hidden_size\": null", NULL },
        { "\"hidden_size\": 64, \"embedding_dim\": 32", "differ: 64 and 32" },
        { "\"num_blocks\": 3, \"num_hidden_layers\": 2", "differ" },
        { "\"num_heads\": 3", "does not divide" },
        { "\"hidden_size\": 96, \"num_heads\": 64", "does not divide" },
        { "\"qk_dim_factor\": 0.0001", "does not divide" },
        { "\"hidden_size\": 0", "'hidden_size'" },
        { "\"hidden_size\": -64", "'hidden_size'" },
        { "\"hidden_size\": 1e18", "'hidden_size'" },
        { "\"hidden_size\": 64.5", "'hidden_size'" },
        { "\"hidden_size\": \"64\"", "'hidden_size'" },
        { "\"hidden_size\": [64]", "'hidden_size'" },
        { "\"num_blocks\": 1025", "'num_blocks'" },
        { "\"num_heads\": 1e9", "'num_heads'" },
        { "\"qk_dim_factor\": 1e300", "'qk_dim_factor'" },
        { "\"v_dim_factor\": -1", "'v_dim_factor'" },
        { "\"ffn_proj_factor\": 17", "'ffn_proj_factor'" },
        { "\"ffn_round_up_to_multiple_of\": 0", "'ffn_round_up" },
        { "\"norm_eps\": -1e-6", "'norm_eps'" },
        { "\"gate_soft_cap\": 0", "'gate_soft_cap' must be above 0" },
        { "\"gate_soft_cap\": -15", "'gate_soft_cap'" },
        { "\"output_logit_soft_cap\": 0.0", "'output_logit_soft_cap'" },
        { "\"gate_soft_cap\": 1e-60", "'gate_soft_cap'" },
        { "\"weight_mode\": \"mixed\"", "'weight_mode'" },
        { "\"add_qk_norm\": true", "'add_qk_norm' is not supported" },
        { "\"add_post_norm\": true", "'add_post_norm' is not supported" },
        { "\"add_qk_norm\": false, \"add_post_norm\": null", NULL },
        { "\"chunkwise_kernel\": \"chunkwise--triton_xl_chunk_siging\"",
          "sigmoid input gate" },
        { "\"step_kernel\": \"native_siging\"", "'step_kernel'" },
        { "\"step_kernel\": \"triton\"", NULL },
        { "\"use_bias\": 1, \"tie_word_embeddings\": 0", NULL },
        { "\"use_bias\": 2", "'use_bias'" },
        { "\"use_bias\": \"yes\"", "'use_bias'" },
        { "\"use_bias\": null", NULL },
        { "\"bos_token_id\": 100", "'bos_token_id'" },
        { "\"bos_token_id\": -1", "'bos_token_id'" },
        { "\"bos_token_id\": true", "'bos_token_id'" },
        { "\"eos_token_id\": [99, 3]", NULL },
        { "\"eos_token_id\": [\"2\"]", "'eos_token_id'" },
        { "\"nobody_knows\": {\"this\": [1, null]}", NULL },
    };
    check_faults(t, xlstm, faults, COUNT(faults));
}

static void stack_rules(struct xl_test *t)
{
    static const struct fault faults[] = {
        { "\"num_blocks\": 2", NULL },
        { "", "'num_blocks'" },
        { "\"num_blocks\": 2, \"slstm_at\": \"all\"", NULL },
        { "\"num_blocks\": 2, \"slstm_at\": [2]", "'slstm_at'" },
        { "\"num_blocks\": 2, \"slstm_at\": [-1]", "'slstm_at'" },
        { "\"num_blocks\": 2, \"slstm_at\": [0.5]", "'slstm_at'" },
        { "\"num_blocks\": 2, \"slstm_at\": \"none\"", "'slstm_at'" },
        { "\"num_blocks\": 2, \"mlstm\": {\"num_heads\": 3}",
          "does not divide" },
        { "\"num_blocks\": 2, \"mlstm\": {\"qkv_proj_blocksize\": 3}",
          "does not divide" },
        { "\"num_blocks\": 2, \"slstm_at\": [0], \"slstm\": {\"num_heads\": 5}",
          "does not divide" },
        { "\"num_blocks\": 2, \"mlstm\": 7", "'mlstm' must be an object" },
        { "\"num_blocks\": 2, \"mlstm\": {\"conv1d_kernel_size\": 65}",
          "'conv1d_kernel_size'" },
        { "\"num_blocks\": 2, \"slstm\": {\"conv1d_kernel_size\": 0}", NULL },
        { "\"num_blocks\": 2, \"slstm\": {\"function\": \"lstm\"}",
          "'function'" },
        { "\"num_blocks\": 2, \"slstm\": {\"ffn_act\": \"tanh\"}",
          "'ffn_act'" },
        { "\"num_blocks\": 2, \"mlstm_block\": {}", "'mlstm_block'" },
    };
    check_faults(t, stack, faults, COUNT(faults));
}

static void values_are_read(struct xl_test *t)
{
    struct xl_config c;
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(
        t,
        parse_with(&c, xlstm,
                   "\"embedding_dim\": 60, \"num_blocks\": 7, \"num_heads\": "
                   "3, \"qk_dim_factor\": 0.51, \"v_dim_factor\": 0.8, "
                   "\"gate_soft_cap\": null, \"output_logit_soft_cap\": 2.5, "
                   "\"eos_token_id\": [7, 8], \"bos_token_id\": null, "
                   "\"weight_mode\": \"fused\", \"chunk_size\": 32",
                   &err),
        XL_OK, &err);
    XL_CHECK_EQ(t, c.width, 60);
    XL_CHECK_EQ(t, c.blocks, 7);
    XL_CHECK_EQ(t, c.dk, 10); /* int(30.6) / 3 */
    XL_CHECK_EQ(t, c.dv, 16);
    XL_CHECK_NEAR(t, c.gate_cap, 0, 0);
    XL_CHECK_NEAR(t, c.logit_cap, 2.5, 0);
    XL_CHECK(t, c.has_eos && c.eos == 7 && !c.has_bos && c.fused);
    XL_CHECK_EQ(t, c.chunk_size, 32);
    XL_CHECK_STATUS(t,
                    parse_with(&c, stack,
                               "\"num_blocks\": 3, \"slstm_at\": [2, 0], "
                               "\"add_post_blocks_norm\": false, \"bias\": "
                               "true, \"slstm\": {\"ffn_proj_factor\": null}",
                               &err),
                    XL_OK, &err);
    XL_CHECK(t, c.is_slstm[0] && !c.is_slstm[1] && c.is_slstm[2]);
    XL_CHECK(t, !c.post_norm && c.use_bias && c.ffn == 0);
    XL_CHECK(t, !c.has_bos && !c.has_eos);
    XL_CHECK_EQ(t, c.inner, 128);
    XL_CHECK_NEAR(t, c.norm_eps, 1e-5, 1e-11);
}

static void absurd_text(struct xl_test *t)
{
    static const char *const texts[] = {
        "",
        "[]",
        "7",
        "null",
        "{",
        "{}",
        "{\"model_type\": \"llama\"}",
        "{\"model_type\": 3}",
        "{\"model_type\": \"xlstm\", \"vocab_size\": 1e999}",
        "{\"model_type\": \"xlstm\", \"vocab_size\": NaN}",
        "{\"model_type\": \"xlstm\", \"num_heads\": 4, \"num_heads\": 8}",
        "{\"model_type\": \"xlstm\"} x",
    };
    struct xl_config c;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct xl_err err = { 0 };
        XL_CHECK_STATUS(t, parse(&c, texts[i], &err), XL_EFORMAT, &err);
        XL_CHECK(t, strstr(err.message, "config.json"));
    }
    struct xl_buf deep;
    struct xl_err err = { 0 };
    xl_buf_init(&deep, 0);
    for (size_t i = 0; i < 200000; i++)
        xl_buf_text(&deep, i % 2 ? "{\"a\":" : "[");
    XL_CHECK_STATUS(t, parse(&c, deep.data, &err), XL_EFORMAT, &err);
    xl_buf_release(&deep);
}

const struct xl_test_case xl_suite_config[] = {
    XL_CASE(defaults_are_the_published_ones),
    XL_CASE(ffn_width_is_rounded_as_published),
    XL_CASE(xlstm_rules),
    XL_CASE(stack_rules),
    XL_CASE(values_are_read),
    XL_CASE(absurd_text),
    { 0 },
};
