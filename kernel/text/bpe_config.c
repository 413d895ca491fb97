/* SPDX-License-Identifier: Apache-2.0
 *
 * tokenizer.json but for vocabulary, merges and added tokens. What the file
 * asks for and is not done here is refused by name, because ids that are
 * silently different are worse than none. */
#include "kernel/text/bpe_load.h"

#include <string.h>

#include "kernel/base/json.h"

/* -- parts of JSON -------------------------------------------------------- */

const cJSON *xl_bpe_get(const cJSON *object, const char *key)
{
    const cJSON *item = xl_json_member(object, key);
    return cJSON_IsNull(item) ? NULL : item;
}

enum xl_status xl_bpe_check_keys(const cJSON *object, const char *what,
                                 const char *const *keys, size_t n,
                                 struct xl_err *err)
{
    if (!cJSON_IsObject(object))
        return xl_fail(err, XL_EFORMAT, "'%s' must be an object", what);
    for (const cJSON *item = object->child; item; item = item->next) {
        size_t i = 0;
        while (i < n && strcmp(keys[i], item->string) != 0)
            i++;
        if (i == n)
            return xl_fail(err, XL_EFORMAT,
                           "'%s' has the member '%.60s', "
                           "which is not known here",
                           what, item->string);
    }
    return XL_OK;
}
enum xl_status xl_bpe_flag(const cJSON *object, const char *key, bool *out,
                           struct xl_err *err)
{
    enum xl_status rc = xl_json_get_bool(object, key, out, err);
    if (rc == XL_ENOTFOUND)
        return xl_fail(err, XL_EFORMAT, "'%s' is missing", key);
    return rc;
}

enum xl_status xl_bpe_optional_flag(const cJSON *object, const char *key,
                                    bool *out, struct xl_err *err)
{
    enum xl_status rc = xl_json_get_bool(object, key, out, err);
    return rc == XL_ENOTFOUND ? XL_OK : rc;
}

enum xl_status xl_bpe_type(const cJSON *object, const char *what,
                           const char **type, struct xl_err *err)
{
    if (!cJSON_IsObject(object))
        return xl_fail(err, XL_EFORMAT, "'%s' must be an object", what);
    if (xl_json_get_text(object, "type", type, NULL) != XL_OK)
        return xl_fail(err, XL_EFORMAT, "'%s.type' must be a string", what);
    return XL_OK;
}

/* -- normalizer and pre-tokenizer ----------------------------------------- */

/* Depth is bounded by the parser's own limit. */
static enum xl_status load_normalizer(struct xl_bpe *bpe, const cJSON *node,
                                      struct xl_err *err)
{
    static const char *const keys[] = { "type", "normalizers" };
    const char *type;
    if (!node)
        return XL_OK;
    XL_TRY(xl_bpe_type(node, "normalizer", &type, err));
    XL_TRY(XL_CHECK_KEYS(node, "normalizer", keys, err));
    const cJSON *list = xl_bpe_get(node, "normalizers");
    if (strcmp(type, "NFC") == 0 && !list) {
        bpe->nfc = true;
        return XL_OK;
    }
    if (strcmp(type, "Sequence") != 0 || !cJSON_IsArray(list))
        return xl_fail(err, XL_EFORMAT,
                       "'normalizer' of type '%.60s' is "
                       "not supported; null, NFC and a Sequence of NFC are",
                       type);
    for (const cJSON *item = list->child; item; item = item->next)
        XL_TRY(load_normalizer(bpe, item, err));
    return XL_OK;
}

static enum xl_status load_byte_level(struct xl_bpe *bpe, const cJSON *node,
                                      struct xl_err *err)
{
    static const char *const keys[] = { "type", "add_prefix_space",
                                        "trim_offsets", "use_regex" };
    bool use_regex = true, prefix = false;
    XL_TRY(XL_CHECK_KEYS(node, "pre_tokenizer", keys, err));
    XL_TRY(xl_bpe_flag(node, "add_prefix_space", &prefix, err));
    XL_TRY(xl_bpe_optional_flag(node, "use_regex", &use_regex, err));
    if (bpe->split && (use_regex || prefix))
        return xl_fail(err, XL_EFORMAT,
                       "'pre_tokenizer': ByteLevel after "
                       "Split needs 'use_regex' and 'add_prefix_space' false");
    bpe->prefix_space = prefix;
    if (!use_regex)
        return XL_OK;
    return xl_split_make(&bpe->split, xl_split_gpt2, err);
}

static enum xl_status load_split(struct xl_bpe *bpe, const cJSON *node,
                                 struct xl_err *err)
{
    static const char *const keys[] = { "type", "pattern", "behavior",
                                        "invert" };
    const char *pattern = NULL, *behavior = "";
    bool invert = false;
    XL_TRY(XL_CHECK_KEYS(node, "pre_tokenizer", keys, err));
    const cJSON *holder = xl_bpe_get(node, "pattern");
    if (!cJSON_IsObject(holder) ||
        xl_json_get_text(holder, "Regex", &pattern, NULL) != XL_OK)
        return xl_fail(err, XL_EFORMAT,
                       "'pre_tokenizer': the pattern of "
                       "Split must be {\"Regex\": ...}");
    if (xl_json_get_text(node, "behavior", &behavior, NULL) != XL_OK ||
        strcmp(behavior, "Isolated") != 0)
        return xl_fail(err, XL_EFORMAT,
                       "'pre_tokenizer': the behavior of "
                       "Split must be 'Isolated'");
    XL_TRY(xl_bpe_optional_flag(node, "invert", &invert, err));
    if (invert)
        return xl_fail(err, XL_EFORMAT,
                       "'pre_tokenizer': an inverted Split "
                       "is not supported");
    return xl_split_make(&bpe->split, pattern, err);
}

/* ByteLevel, or a Sequence of an optional Split and ByteLevel. */
static enum xl_status load_pre_tokenizer(struct xl_bpe *bpe, const cJSON *node,
                                         struct xl_err *err)
{
    const char *type, *first = "", *second = "";
    XL_TRY(xl_bpe_type(node, "pre_tokenizer", &type, err));
    if (strcmp(type, "ByteLevel") == 0)
        return load_byte_level(bpe, node, err);
    const cJSON *list = xl_bpe_get(node, "pretokenizers");
    if (strcmp(type, "Sequence") != 0 || !cJSON_IsArray(list) || !list->child)
        return xl_fail(err, XL_EFORMAT,
                       "'pre_tokenizer' of type '%.60s' is "
                       "not supported; ByteLevel and a Sequence of Split and "
                       "ByteLevel are",
                       type);
    const cJSON *one = list->child, *two = one->next;
    XL_TRY(xl_bpe_type(one, "pre_tokenizer", &first, err));
    if (!two && strcmp(first, "ByteLevel") == 0)
        return load_byte_level(bpe, one, err);
    if (two)
        XL_TRY(xl_bpe_type(two, "pre_tokenizer", &second, err));
    if (!two || two->next || strcmp(first, "Split") != 0 ||
        strcmp(second, "ByteLevel") != 0)
        return xl_fail(err, XL_EFORMAT,
                       "'pre_tokenizer': a Sequence must "
                       "be Split and ByteLevel");
    XL_TRY(load_split(bpe, one, err));
    return load_byte_level(bpe, two, err);
}

/* -- parts that must not change the ids ----------------------------------- */

static enum xl_status check_decoder(const cJSON *node, struct xl_err *err)
{
    const char *type = "null";
    if (node)
        XL_TRY(xl_bpe_type(node, "decoder", &type, err));
    if (strcmp(type, "ByteLevel") != 0)
        return xl_fail(err, XL_EFORMAT,
                       "'decoder' of type '%.60s' is not "
                       "supported; ByteLevel is",
                       type);
    return XL_OK;
}

static bool is_plain_template(const cJSON *node)
{
    const cJSON *single = xl_bpe_get(node, "single");
    const cJSON *item = cJSON_IsArray(single) ? single->child : NULL;
    return item && !item->next && cJSON_IsObject(xl_bpe_get(item, "Sequence"));
}

/* A template that adds tokens is refused: what stands before the text is
 * said by config.json. */
static enum xl_status check_post_processor(const cJSON *node,
                                           struct xl_err *err)
{
    const char *type;
    if (!node)
        return XL_OK;
    XL_TRY(xl_bpe_type(node, "post_processor", &type, err));
    if (strcmp(type, "ByteLevel") == 0)
        return XL_OK;
    if (strcmp(type, "TemplateProcessing") == 0 && is_plain_template(node))
        return XL_OK;
    const cJSON *list = xl_bpe_get(node, "processors");
    if (strcmp(type, "Sequence") == 0 && cJSON_IsArray(list)) {
        for (const cJSON *item = list->child; item; item = item->next)
            XL_TRY(check_post_processor(item, err));
        return XL_OK;
    }
    return xl_fail(err, XL_EFORMAT,
                   "'post_processor' of type '%.60s' that "
                   "adds tokens is not supported; set it to null",
                   type);
}

static enum xl_status check_rest(const cJSON *root, struct xl_err *err)
{
    static const char *const keys[] = {
        "version",        "truncation", "padding",
        "added_tokens",   "normalizer", "pre_tokenizer",
        "post_processor", "decoder",    "model",
    };
    const char *version = "1.0";
    XL_TRY(XL_CHECK_KEYS(root, "the file", keys, err));
    enum xl_status rc = xl_json_get_text(root, "version", &version, err);
    if (rc != XL_OK && rc != XL_ENOTFOUND)
        return rc;
    if (strcmp(version, "1.0") != 0)
        return xl_fail(err, XL_EFORMAT,
                       "'version' is '%.20s'; only '1.0' is "
                       "supported",
                       version);
    if (xl_bpe_get(root, "truncation") || xl_bpe_get(root, "padding"))
        return xl_fail(err, XL_EFORMAT,
                       "'truncation' and 'padding' must be "
                       "null: they change the ids");
    XL_TRY(check_post_processor(xl_bpe_get(root, "post_processor"), err));
    return check_decoder(xl_bpe_get(root, "decoder"), err);
}

enum xl_status xl_bpe_config(struct xl_bpe *bpe, const cJSON *root,
                             struct xl_err *err)
{
    XL_TRY(check_rest(root, err));
    XL_TRY(load_normalizer(bpe, xl_bpe_get(root, "normalizer"), err));
    return load_pre_tokenizer(bpe, xl_bpe_get(root, "pre_tokenizer"), err);
}
