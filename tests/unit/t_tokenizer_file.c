/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are not what they should be: every one is a clean error or a
 * tokenizer that works. */
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/text/text_int.h"
#include "kernel/text/tokenizer.h"
#include "tests/harness/test.h"

static const char mini[] =
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,"
    "\"added_tokens\":[{\"id\":0,\"content\":\"<e>\",\"single_word\":false,"
    "\"lstrip\":false,\"rstrip\":true,\"normalized\":false,\"special\":true},"
    "{\"id\":7,\"content\":\"e\\u0301\",\"single_word\":true,\"lstrip\":true,"
    "\"rstrip\":false,\"normalized\":true,\"special\":false}],"
    "\"normalizer\":{\"type\":\"NFC\"},"
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
    "\"trim_offsets\":true,\"use_regex\":true},"
    "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\"},"
    "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":\"<u>\","
    "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
    "\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":false,"
    "\"vocab\":{\"<e>\":0,\"<u>\":1,\"a\":2,\"b\":3,\"\xc4\xa0\":4,\"ab\":5,"
    "\"\xc4\xa0"
    "ab\":6},"
    "\"merges\":[[\"a\",\"b\"],[\"\xc4\xa0\",\"ab\"]]}}";

static const char sample[] = "ab ab<e>  abc e\xcc\x81 \xc3\xa9 zz<e>b";

static void write_sample(const struct xl_bpe *bpe, struct xl_buf *out)
{
    struct xl_ids ids = { 0 };
    if (xl_bpe_encode(bpe, sample, strlen(sample), &ids, NULL) == XL_OK)
        for (size_t i = 0; i < ids.n; i++)
            xl_buf_printf(out, " %d", (int)ids.data[i]);
    xl_ids_release(&ids);
}

/* Loads a copy of just these bytes and the zero byte that a buffer ends in, so
 * that reading past them is seen. */
static enum xl_status load(const char *text, size_t n, struct xl_buf *out,
                           struct xl_err *err)
{
    struct xl_bpe *bpe = NULL;
    char *copy = malloc(n + 1);
    if (!copy)
        return XL_ENOMEM;
    memcpy(copy, text, n);
    copy[n] = '\0';
    enum xl_status rc = xl_bpe_load(&bpe, copy, n, "x/tokenizer.json", err);
    if (rc == XL_OK)
        write_sample(bpe, out);
    xl_bpe_free(bpe);
    free(copy);
    return rc;
}

static void mini_file_works(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_buf out;
    xl_buf_init(&out, 0);
    XL_CHECK_STATUS(t, load(mini, strlen(mini), &out, &err), XL_OK, &err);
    /* ab, _ab, <e> with its spaces, ab, c, e-acute with its space twice, _,
     * z, z, <e>, b */
    XL_CHECK_TEXT(t, out.data, " 5 6 0 5 1 7 7 4 1 1 0 3");
    xl_buf_release(&out);
}

static void every_beginning_is_refused(struct xl_test *t)
{
    struct xl_buf out;
    xl_buf_init(&out, 0);
    for (size_t n = 0; n < strlen(mini); n++) {
        struct xl_err err = { 0 };
        XL_CHECK_STATUS(t, load(mini, n, &out, &err), XL_EFORMAT, &err);
        XL_CHECK(t, strstr(err.message, "x/tokenizer.json"));
    }
    XL_CHECK_TEXT(t, out.data, "");
    xl_buf_release(&out);
}

static void flipped_bytes_do_no_harm(struct xl_test *t)
{
    static const unsigned char masks[] = { 0x01, 0x02, 0x10, 0x20, 0x80 };
    struct xl_buf out;
    size_t refused = 0;
    xl_buf_init(&out, 0);
    for (size_t i = 0; i < strlen(mini) * sizeof masks; i++) {
        char text[sizeof mini];
        struct xl_err err = { 0 };
        memcpy(text, mini, sizeof mini);
        size_t at = i / sizeof masks;
        text[at] = (char)(text[at] ^ masks[i % sizeof masks]);
        xl_buf_clear(&out);
        enum xl_status rc = load(text, strlen(mini), &out, &err);
        XL_CHECK(t, rc == XL_OK || (rc == XL_EFORMAT && err.message[0]));
        refused += rc != XL_OK;
    }
    XL_CHECK(t, refused > strlen(mini) * sizeof masks / 2);
    xl_buf_release(&out);
}

/* The demo's file, at places all over it. */
static void demo_file_truncated(struct xl_test *t)
{
    struct xl_buf file, out;
    xl_buf_init(&file, 1 << 20);
    xl_buf_init(&out, 0);
    xl_io_read(xl_test_source("models/demo/tokenizer.json"), &file, NULL);
    for (size_t i = 0; i < 60 && file.len; i++) {
        struct xl_err err = { 0 };
        XL_CHECK_STATUS(t, load(file.data, file.len * i / 60, &out, &err),
                        XL_EFORMAT, &err);
    }
    xl_buf_release(&out);
    xl_buf_release(&file);
}

/* -- one thing changed ---------------------------------------------------- */

struct change {
    const char *from, *to;
    const char *message; /* a part of it; NULL = still a good file */
};

static const struct change changes[] = {
    { "\"BPE\"", "\"WordPiece\"", "'WordPiece'" },
    { "\"dropout\":null", "\"dropout\":0.1", "model.dropout" },
    { "\"dropout\":null", "\"dropout\":0.0", NULL },
    { "\"<u>\",\"cont", "\"<v>\",\"cont", "model.unk_token" },
    { "\"<u>\",\"cont", "null,\"cont", NULL },
    { "prefix\":null", "prefix\":\"##\"", "continuing_subword_prefix" },
    { "prefix\":null", "prefix\":\"\"", NULL },
    { "suffix\":null", "suffix\":\"</w>\"", "end_of_word_suffix" },
    { "fallback\":false", "fallback\":true", "byte_fallback" },
    { "ignore_merges\":false", "ignore_merges\":1", "ignore_merges" },
    { "ignore_merges\":false", "ignore_merges\":true", NULL },
    { "\"fuse_unk\"", "\"fuse_unc\"", "'fuse_unc'" },
    { "\"truncation\":null", "\"truncation\":{}", "truncation" },
    { "\"version\":\"1.0\"", "\"version\":\"2.0\"", "version" },
    { "\"padding\"", "\"pudding\"", "'pudding'" },
    { "\"NFC\"", "\"NFKC\"", "'NFKC'" },
    { "{\"type\":\"NFC\"}", "null", NULL },
    { "{\"type\":\"NFC\"}", "{\"type\":\"Sequence\",\"normalizers\":[]}",
      NULL },
    { "{\"type\":\"NFC\"}",
      "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFD\"}]}", "'NFD'" },
    { "{\"type\":\"ByteLevel\",\"add", "{\"type\":\"Metaspace\",\"add",
      "'Metaspace'" },
    { "\"add_prefix_space\":false,", "", "add_prefix_space" },
    { "use_regex\":true", "use_regex\":false", NULL },
    { "\"decoder\":{\"type\":\"ByteLevel\"}", "\"decoder\":null", "decoder" },
    { "\"post_processor\":null",
      "\"post_processor\":{\"type\":"
      "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<e>\"}},"
      "{\"Sequence\":{\"id\":\"A\"}}]}",
      "post_processor" },
    { "\"post_processor\":null",
      "\"post_processor\":{\"type\":"
      "\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\"}}]}",
      NULL },
    { "\"a\":2", "\"a\":3", "two tokens have the id 3" },
    { "\"a\":2", "\"a\":-1", "token 'a'" },
    { "\"a\":2", "\"a\":2.5", "token 'a'" },
    { "\"a\":2", "\"a\":1e300", "token 'a'" },
    { "\"a\":2", "\"a\":4194304", "token 'a'" },
    { "\"a\":2", "\"a\":\"2\"", "token 'a'" },
    { "\"b\":3", "\"a\":3", "'a'" },
    { "\"b\":3", "\"c\":3", "'b'" },
    { "\"ab\":5", "\"ba\":5", "'ab'" },
    { "[\"a\",\"b\"]", "[\"a\",\"b\",\"a\"]", "merge 0" },
    { "[\"a\",\"b\"]", "\"a b\"", "merge 1" },
    { "[\"a\",\"b\"]", "[\"a\",2]", "merge 0" },
    { "\"merges\":[", "\"merges\":[[],", "merge 0" },
    { "[[\"a\",\"b\"],[\"\xc4\xa0\",\"ab\"]]",
      "[\"#version: 0.2\",\"a b\",\"\xc4\xa0 ab\"]", NULL },
    { "[[\"a\",\"b\"],[\"\xc4\xa0\",\"ab\"]]", "[\"a  b\"]", "merge 0" },
    { "[[\"a\",\"b\"],[\"\xc4\xa0\",\"ab\"]]", "{}", "model.merges" },
    { "\"id\":7", "\"id\":8", "has id 8 where its place gives 7" },
    { "\"id\":0", "\"id\":2", "has id 2 where its place gives 0" },
    { "\"content\":\"e\\u0301\"", "\"content\":\"<e>\"", "'<e>'" },
    { "\"content\":\"e\\u0301\"", "\"content\":\"\"", "content" },
    { "\"content\":\"e\\u0301\"", "\"content\":\"e\\u0000\"", "NUL" },
    { "\"special\":true", "\"special\":1", "special" },
    { ",\"special\":true", "", "special" },
    { "\"rstrip\":true", "\"rstrap\":true", "'rstrap'" },
    { "\"added_tokens\":[", "\"added_tokens\":[3,", "added_tokens" },
};

/* mini with the first `from` replaced; released by the caller. */
static void change_mini(const struct change *change, struct xl_buf *out)
{
    const char *at = strstr(mini, change->from);
    xl_buf_init(out, 0);
    if (!at)
        return;
    xl_buf_add(out, mini, (size_t)(at - mini));
    xl_buf_text(out, change->to);
    xl_buf_text(out, at + strlen(change->from));
}

static void what_is_not_done_is_refused(struct xl_test *t)
{
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const struct change *change = &changes[i];
        struct xl_err err = { 0 };
        struct xl_buf text, out;
        xl_buf_init(&out, 0);
        change_mini(change, &text);
        XL_CHECK(t, text.len > 0);
        enum xl_status rc = load(text.data, text.len, &out, &err);
        xl_test_check(t, rc == (change->message ? XL_EFORMAT : XL_OK), __FILE__,
                      __LINE__, "'%s' to '%s': status %d, %s", change->from,
                      change->to, (int)rc, err.message);
        if (change->message)
            xl_test_check(t,
                          strstr(err.message, change->message) != NULL &&
                              strstr(err.message, "x/tokenizer.json"),
                          __FILE__, __LINE__, "'%s' to '%s' says: %s",
                          change->from, change->to, err.message);
        xl_buf_release(&out);
        xl_buf_release(&text);
    }
}

static void deep_and_wide_files_are_refused(struct xl_test *t)
{
    static const char *const open[] = { "[", "{\"model\":",
                                        "{\"normalizer\":{"
                                        "\"type\":\"Sequence\","
                                        "\"normalizers\":[" };
    struct xl_err err = { 0 };
    struct xl_buf text, out;
    xl_buf_init(&text, 0);
    xl_buf_init(&out, 0);
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        xl_buf_clear(&text);
        for (int depth = 0; depth < 100000; depth++)
            xl_buf_text(&text, open[i]);
        XL_CHECK_STATUS(t, load(text.data, text.len, &out, &err), XL_EFORMAT,
                        &err);
    }
    char *wide = malloc(70001);
    memset(wide, 'a', 70000);
    wide[70000] = '\0';
    struct xl_buf word;
    xl_buf_init(&word, 0);
    xl_buf_printf(&word, "\"%s\":2", wide);
    struct change change = { "\"a\":2", word.data, NULL };
    xl_buf_release(&text);
    change_mini(&change, &text);
    XL_CHECK_STATUS(t, load(text.data, text.len, &out, &err), XL_EFORMAT, &err);
    XL_CHECK(t, strstr(err.message, "70000 bytes"));
    free(wide);
    xl_buf_release(&word);
    xl_buf_release(&out);
    xl_buf_release(&text);
}

/* -- folders and memory --------------------------------------------------- */

static void folder_must_be_there(struct xl_test *t)
{
    struct xl_tokenizer *tokenizer = NULL;
    struct xl_err err = { 0 };
    char *path = xl_io_join(t->dir, "tokenizer.json");
    char *missing = xl_io_join(t->dir, "missing");
    XL_CHECK_STATUS(t, xl_tokenizer_open(&tokenizer, missing, &err),
                    XL_ENOTFOUND, &err);
    XL_CHECK(t, !tokenizer && strstr(err.message, missing));
    xl_io_replace(path, "", 0, NULL);
    XL_CHECK_STATUS(t, xl_tokenizer_open(&tokenizer, t->dir, &err), XL_EFORMAT,
                    &err);
    XL_CHECK(t, !tokenizer && strstr(err.message, path));
    xl_io_replace(path, mini, strlen(mini), NULL);
    XL_CHECK_STATUS(t, xl_tokenizer_open(&tokenizer, t->dir, &err), XL_OK,
                    &err);
    XL_CHECK_TEXT(t, xl_tokenizer_kind(tokenizer), "bpe");
    xl_tokenizer_free(tokenizer);
    xl_free(missing);
    xl_free(path);
}

/* Some failures are lived with: without memory for its fast form the pattern
 * is matched slowly. So the loop ends where no allocation was failed. */
static void memory_may_run_out(struct xl_test *t)
{
    bool was_struck = true;
    size_t n = 0;
    for (; n < 2000 && was_struck; n++) {
        struct xl_bpe *bpe = NULL;
        struct xl_ids ids = { 0 };
        struct xl_err err = { 0 };
        size_t left = n;
        xl_alloc_set_hook(xl_test_fail_nth, &left);
        enum xl_status rc = xl_bpe_load(&bpe, mini, strlen(mini), "x", &err);
        if (rc == XL_OK)
            rc = xl_bpe_encode(bpe, sample, strlen(sample), &ids, &err);
        xl_alloc_set_hook(NULL, NULL);
        was_struck = left > n;
        XL_CHECK(t, rc == XL_OK || (rc == XL_ENOMEM && err.message[0]));
        XL_CHECK(t, was_struck || rc == XL_OK);
        xl_ids_release(&ids);
        xl_bpe_free(bpe);
    }
    XL_CHECK(t, !was_struck && n > 20);
}

const struct xl_test_case xl_suite_tokenizer_file[] = {
    XL_CASE(mini_file_works),
    XL_CASE(every_beginning_is_refused),
    XL_CASE(flipped_bytes_do_no_harm),
    XL_CASE(demo_file_truncated),
    XL_CASE(what_is_not_done_is_refused),
    XL_CASE(deep_and_wide_files_are_refused),
    XL_CASE(folder_must_be_there),
    XL_CASE(memory_may_run_out),
    { 0 },
};
