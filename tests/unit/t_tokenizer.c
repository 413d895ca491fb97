/* SPDX-License-Identifier: Apache-2.0
 *
 * Ids against those recorded from the reference tokenizer (cases.txt and
 * demo-expected), against a merge loop that is too simple to be wrong, and
 * against utf8proc's own normalisation. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/rng.h"
#include "kernel/text/text_int.h"
#include "kernel/text/tokenizer.h"
#include "tests/harness/test.h"

enum {
    MAX_DATA = 1 << 20,
    SHORT_WORD = 40,
    WORDS = 300
};

static struct xl_tokenizer *open_or_fail(struct xl_test *t, const char *dir)
{
    struct xl_tokenizer *tokenizer = NULL;
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, xl_tokenizer_open(&tokenizer, dir, &err), XL_OK, &err);
    return tokenizer;
}

static void write_ids(const struct xl_ids *ids, struct xl_buf *out)
{
    for (size_t i = 0; i < ids->n; i++)
        xl_buf_printf(out, i ? " %d" : "%d", (int)ids->data[i]);
}

/* -- recorded cases ------------------------------------------------------- */

struct texts {
    struct xl_buf text, want, got, decoded, bytes;
};

static void texts_init(struct texts *x)
{
    xl_buf_init(&x->text, 0);
    xl_buf_init(&x->want, 0);
    xl_buf_init(&x->got, 0);
    xl_buf_init(&x->decoded, 0);
    xl_buf_init(&x->bytes, 0);
}

static void texts_clear(struct texts *x)
{
    xl_buf_clear(&x->text);
    xl_buf_clear(&x->want);
    xl_buf_clear(&x->got);
    xl_buf_clear(&x->decoded);
    xl_buf_clear(&x->bytes);
}

static void texts_release(struct texts *x)
{
    xl_buf_release(&x->text);
    xl_buf_release(&x->want);
    xl_buf_release(&x->got);
    xl_buf_release(&x->decoded);
    xl_buf_release(&x->bytes);
}

/* Does the tokenizer give these ids, and do they give this text (unless
 * decoded is empty while the text is not)? */
static bool agrees(const struct xl_tokenizer *tokenizer, struct texts *x)
{
    struct xl_ids ids = { 0 };
    enum xl_status rc =
        xl_tokenizer_encode(tokenizer, x->text.data, x->text.len, &ids, NULL);
    write_ids(&ids, &x->got);
    for (size_t i = 0; i < ids.n; i++)
        xl_tokenizer_decode(tokenizer, ids.data[i], &x->bytes);
    xl_ids_release(&ids);
    bool decodes = (x->decoded.len == 0 && x->text.len > 0) ||
                   (x->bytes.len == x->decoded.len &&
                    memcmp(x->bytes.data, x->decoded.data, x->bytes.len) == 0);
    return rc == XL_OK && strcmp(x->got.data, x->want.data) == 0 && decodes;
}

static void add_hex(struct xl_buf *out, const char *hex, size_t n)
{
    for (size_t i = 0; i + 1 < n; i += 2) {
        char byte[3] = { hex[i], hex[i + 1], '\0' };
        xl_buf_char(out, (char)strtol(byte, NULL, 16));
    }
}

/* text \t ids \t decoded; hexadecimal, decimal, hexadecimal or "-". */
static void read_case(const char *line, struct texts *x)
{
    size_t n = strcspn(line, "\t"), end = strcspn(line, "\n");
    texts_clear(x);
    add_hex(&x->text, line, n);
    const char *ids = line + n + 1;
    size_t n_ids = strcspn(ids, "\t");
    xl_buf_add(&x->want, ids, n_ids);
    add_hex(&x->decoded, ids + n_ids + 1,
            (size_t)(line + end - (ids + n_ids + 1)));
}

static size_t check_file(struct xl_test *t, const char *name,
                         const struct xl_tokenizer *tokenizer)
{
    struct xl_buf path, file;
    struct xl_err err = { 0 };
    struct texts x;
    size_t n = 0;
    xl_buf_init(&path, 0);
    xl_buf_init(&file, MAX_DATA);
    texts_init(&x);
    xl_buf_printf(&path, "tokenizer/%s/cases.txt", name);
    XL_CHECK_STATUS(t, xl_io_read(xl_test_data(path.data), &file, &err), XL_OK,
                    &err);
    for (const char *line = file.data; *line; line += strcspn(line, "\n") + 1) {
        if (*line == '#')
            continue;
        read_case(line, &x);
        xl_test_check(t, agrees(tokenizer, &x), __FILE__, __LINE__,
                      "%s, case %zu: ids %s, not %s", name, n, x.got.data,
                      x.want.data);
        n++;
    }
    texts_release(&x);
    xl_buf_release(&file);
    xl_buf_release(&path);
    return n;
}

static void gives_the_recorded_ids(struct xl_test *t)
{
    static const char *const names[] = { "flags", "prefix", "whole", "plain" };
    struct xl_tokenizer *demo = open_or_fail(t, xl_test_source("models/demo"));
    XL_CHECK(t, check_file(t, "demo", demo) > 200);
    xl_tokenizer_free(demo);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct xl_buf dir;
        xl_buf_init(&dir, 0);
        xl_buf_printf(&dir, "tokenizer/%s", names[i]);
        struct xl_tokenizer *tokenizer =
            open_or_fail(t, xl_test_data(dir.data));
        XL_CHECK(t, check_file(t, names[i], tokenizer) > 150);
        xl_tokenizer_free(tokenizer);
        xl_buf_release(&dir);
    }
}

static void checker_sees_wrong_ids(struct xl_test *t)
{
    struct xl_tokenizer *demo = open_or_fail(t, xl_test_source("models/demo"));
    struct texts x;
    texts_init(&x);
    read_case("48656c6c6f\t41 509 80\t48656c6c6f\n", &x);
    XL_CHECK(t, agrees(demo, &x));
    read_case("48656c6c6f\t41 509 81\t48656c6c6f\n", &x);
    XL_CHECK(t, !agrees(demo, &x));
    read_case("48656c6c6f\t41 509 80\t48656c6c70\n", &x);
    XL_CHECK(t, !agrees(demo, &x));
    texts_release(&x);
    xl_tokenizer_free(demo);
}

/* -- the demo model's cases ----------------------------------------------- */

/* cJSON ends a string at NUL, so an escaped NUL travels as U+E000. */
static void hide_nul(char *json)
{
    for (char *at = json; (at = strstr(at, "\\u0000")); at += 6)
        at[2] = 'e';
}

static void add_unhidden(struct xl_buf *out, const char *text)
{
    for (; *text; text++) {
        bool is_nul = strncmp(text, "\xee\x80\x80", 3) == 0;
        xl_buf_char(out, is_nul ? '\0' : *text);
        text += is_nul ? 2 : 0;
    }
}

static void gives_the_expected_ids(struct xl_test *t)
{
    struct xl_tokenizer *demo = open_or_fail(t, xl_test_source("models/demo"));
    struct xl_err err = { 0 };
    struct xl_buf file;
    struct texts x;
    cJSON *root = NULL;
    texts_init(&x);
    xl_buf_init(&file, MAX_DATA);
    XL_CHECK_STATUS(
        t,
        xl_io_read(xl_test_data("demo-expected/tokenizer.json"), &file, &err),
        XL_OK, &err);
    hide_nul(file.data);
    XL_CHECK_STATUS(t,
                    xl_json_parse(file.data, file.len, "expected", &root, &err),
                    XL_OK, &err);
    XL_CHECK(t, cJSON_GetArraySize(root) >= 25);
    for (const cJSON *row = root ? root->child : NULL; row; row = row->next) {
        const char *text = "", *decoded = "";
        texts_clear(&x);
        xl_json_get_text(row, "text", &text, NULL);
        xl_json_get_text(row, "decoded", &decoded, NULL);
        add_unhidden(&x.text, text);
        add_unhidden(&x.decoded, decoded);
        const cJSON *ids = cJSON_GetObjectItem(row, "ids");
        for (const cJSON *id = ids->child; id; id = id->next)
            xl_buf_printf(&x.want, id == ids->child ? "%d" : " %d",
                          id->valueint);
        xl_test_check(t, agrees(demo, &x), __FILE__, __LINE__,
                      "'%s' gives %s, not %s", text, x.got.data, x.want.data);
    }
    cJSON_Delete(root);
    xl_buf_release(&file);
    texts_release(&x);
    xl_tokenizer_free(demo);
}

/* -- a merge loop to compare with ----------------------------------------- */

static struct xl_bpe *load_demo(struct xl_test *t)
{
    struct xl_bpe *bpe = NULL;
    struct xl_err err = { 0 };
    struct xl_buf file;
    xl_buf_init(&file, MAX_DATA);
    xl_io_read(xl_test_source("models/demo/tokenizer.json"), &file, NULL);
    XL_CHECK_STATUS(t, xl_bpe_load(&bpe, file.data, file.len, "demo", &err),
                    XL_OK, &err);
    xl_buf_release(&file);
    return bpe;
}

/* The definition: merge the first pair of the least rank until none is left. */
static size_t merge_simply(const struct xl_pairs *merges, int32_t *ids,
                           size_t n)
{
    for (;;) {
        uint64_t best = UINT64_MAX;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            const uint64_t *found = xl_pairs_get(
                merges, (uint64_t)ids[i] << 32 | (uint64_t)ids[i + 1]);
            if (found && *found < best) {
                best = *found;
                at = i;
            }
        }
        if (best == UINT64_MAX)
            return n;
        ids[at] = (int32_t)(best & UINT32_MAX);
        memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
        n--;
    }
}

static void merges_in_rank_order(struct xl_test *t)
{
    static const char letters[] = "eeeetttaaaooinshrdlu";
    struct xl_bpe *bpe = load_demo(t);
    struct xl_merge merge = { 0 };
    struct xl_rng rng;
    xl_rng_seed(&rng, 7);
    for (int word = 0; word < WORDS && bpe; word++) {
        int32_t simple[SHORT_WORD];
        struct xl_ids ids = { 0 };
        size_t n = 1 + (size_t)xl_rng_below(&rng, SHORT_WORD);
        xl_merge_begin(&merge, n, NULL);
        for (size_t i = 0; i < n; i++) {
            unsigned char c =
                (unsigned char)letters[xl_rng_below(&rng, sizeof letters - 1)];
            simple[i] = bpe->byte_id[c];
            xl_merge_add(&merge, simple[i]);
        }
        XL_CHECK_EQ(t, xl_merge_run(&merge, &bpe->merges, &ids, NULL), XL_OK);
        n = merge_simply(&bpe->merges, simple, n);
        XL_CHECK_EQ(t, ids.n, n);
        XL_CHECK(t, memcmp(ids.data, simple, n * sizeof *simple) == 0);
        xl_ids_release(&ids);
    }
    xl_merge_release(&merge);
    xl_bpe_free(bpe);
}

/* A word of a million letters must not take a million squared. */
static void long_words_end(struct xl_test *t)
{
    static const char *const units[] = {
        "the", " ", "a", "\t", "\xcc\x81\xcc\xa3", "!", "'s"
    };
    enum {
        LONG = 200 * 1000
    };
    struct xl_tokenizer *demo = open_or_fail(t, xl_test_source("models/demo"));
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        struct xl_buf text, back;
        struct xl_ids ids = { 0 };
        struct xl_err err = { 0 };
        xl_buf_init(&text, 0);
        xl_buf_init(&back, 0);
        while (text.len < LONG)
            xl_buf_text(&text, units[u]);
        XL_CHECK_STATUS(
            t, xl_tokenizer_encode(demo, text.data, text.len, &ids, &err),
            XL_OK, &err);
        for (size_t i = 0; i < ids.n; i++)
            xl_tokenizer_decode(demo, ids.data[i], &back);
        XL_CHECK_EQ(t, back.len, text.len);
        xl_ids_release(&ids);
        xl_buf_release(&back);
        xl_buf_release(&text);
    }
    xl_tokenizer_free(demo);
}

/* -- normalisation -------------------------------------------------------- */

static void random_text(struct xl_rng *rng, size_t n, struct xl_buf *out)
{
    static const utf8proc_int32_t starts[] = {
        'a',    'e',    'o',   'A',    0xe9,   0x212b, 0x1100, 0x1161, 0x11a8,
        0xac00, 0x30ab, 0x915, 0xfb01, 0x1e9b, 0x2126, 0x3b1,  0x1f80, 0x9c7,
    };
    static const utf8proc_int32_t marks[] = {
        0x301, 0x300, 0x323, 0x327, 0x345, 0x338, 0x3099, 0x93c,
        0x9be, 0x334, 0x5b0, 0x64b, 0xf71, 0xf72, 0x1dce, 0x20dd,
    };
    size_t n_starts = sizeof starts / sizeof *starts;
    size_t n_marks = sizeof marks / sizeof *marks;
    for (size_t i = 0; i < n; i++) {
        utf8proc_uint8_t bytes[4];
        bool mark = xl_rng_below(rng, 40) != 0 && i > 0;
        utf8proc_int32_t cp = mark ? marks[xl_rng_below(rng, n_marks)]
                                   : starts[xl_rng_below(rng, n_starts)];
        if (xl_rng_below(rng, 4) == 0)
            cp = starts[xl_rng_below(rng, n_starts)];
        xl_buf_add(out, bytes, (size_t)utf8proc_encode_char(cp, bytes));
    }
}

static void normalises_like_utf8proc(struct xl_test *t)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, 11);
    for (size_t i = 0; i < 400; i++) {
        struct xl_buf text, ours;
        xl_buf_init(&text, 0);
        xl_buf_init(&ours, 0);
        random_text(&rng, 1 + i, &text);
        /* A run of marks long enough to be counted. */
        for (size_t k = 0; k < (i % 5 ? 0 : 50); k++)
            xl_buf_text(&text, k % 2 ? "\xcc\x81" : "\xcc\xa3");
        utf8proc_uint8_t *theirs =
            utf8proc_NFC((const utf8proc_uint8_t *)text.data);
        XL_CHECK_EQ(t, xl_nfc(text.data, text.len, &ours, NULL), XL_OK);
        XL_CHECK_TEXT(t, ours.data, (const char *)theirs);
        free(theirs);
        xl_buf_release(&ours);
        xl_buf_release(&text);
    }
}

/* Every code point that stands for itself comes back whole. */
static void every_code_point_comes_back(struct xl_test *t)
{
    struct xl_tokenizer *demo = open_or_fail(t, xl_test_source("models/demo"));
    struct xl_buf text, back;
    struct xl_err err = { 0 };
    xl_buf_init(&text, 0);
    xl_buf_init(&back, 0);
    for (utf8proc_int32_t from = 0; from < 0x110000; from += 0x1000) {
        struct xl_ids ids = { 0 };
        xl_buf_clear(&text);
        xl_buf_clear(&back);
        for (utf8proc_int32_t cp = from; cp < from + 0x1000; cp++) {
            utf8proc_uint8_t bytes[5] = { 0 };
            if (cp >= 0xd800 && cp < 0xe000)
                continue;
            utf8proc_ssize_t len = utf8proc_encode_char(cp, bytes);
            xl_nfc((const char *)bytes, (size_t)len, &text, &err);
            xl_buf_char(&text, '.');
        }
        XL_CHECK_STATUS(
            t, xl_tokenizer_encode(demo, text.data, text.len, &ids, &err),
            XL_OK, &err);
        for (size_t i = 0; i < ids.n; i++)
            xl_tokenizer_decode(demo, ids.data[i], &back);
        XL_CHECK(t, back.len == text.len &&
                        memcmp(back.data, text.data, text.len) == 0);
        xl_ids_release(&ids);
    }
    xl_buf_release(&back);
    xl_buf_release(&text);
    xl_tokenizer_free(demo);
}

/* -- the rest ------------------------------------------------------------- */

static void special_tokens_are_known(struct xl_test *t)
{
    struct xl_tokenizer *demo = open_or_fail(t, xl_test_source("models/demo"));
    struct xl_buf out;
    xl_buf_init(&out, 0);
    XL_CHECK_TEXT(t, xl_tokenizer_kind(demo), "bpe");
    XL_CHECK_EQ(t, xl_tokenizer_vocab(demo), 4088);
    XL_CHECK(t, xl_tokenizer_is_special(demo, 0));
    XL_CHECK(t, xl_tokenizer_is_special(demo, 1));
    XL_CHECK(t, !xl_tokenizer_is_special(demo, 4087));
    XL_CHECK(t, !xl_tokenizer_is_special(demo, -1));
    XL_CHECK(t, !xl_tokenizer_is_special(demo, 4088));
    xl_tokenizer_decode(demo, -1, &out);
    xl_tokenizer_decode(demo, 4088, &out);
    XL_CHECK_TEXT(t, out.data, "");
    xl_tokenizer_decode(demo, 0, &out);
    XL_CHECK_TEXT(t, out.data, "<|endoftext|>");
    xl_buf_release(&out);
    xl_tokenizer_free(demo);
}

static void text_must_be_utf8(struct xl_test *t)
{
    static const char *const bad[] = { "a\xff", "\xc0\x80", "\xed\xa0\x80",
                                       "\xf4\x90\x80\x80", "\xe2\x82" };
    struct xl_tokenizer *demo = open_or_fail(t, xl_test_source("models/demo"));
    struct xl_ids ids = { 0 };
    xl_ids_add(&ids, 5, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct xl_err err = { 0 };
        XL_CHECK_STATUS(
            t, xl_tokenizer_encode(demo, bad[i], strlen(bad[i]), &ids, &err),
            XL_EUSAGE, &err);
        XL_CHECK_EQ(t, ids.n, 1);
    }
    xl_ids_release(&ids);
    xl_tokenizer_free(demo);
}

static void bytes_are_their_own_ids(struct xl_test *t)
{
    struct xl_tokenizer *bytes = open_or_fail(t, t->dir);
    struct xl_ids ids = { 0 };
    struct xl_buf out;
    char all[256];
    xl_buf_init(&out, 0);
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    XL_CHECK_TEXT(t, xl_tokenizer_kind(bytes), "bytes");
    XL_CHECK_EQ(t, xl_tokenizer_vocab(bytes), 256);
    XL_CHECK_EQ(t, xl_tokenizer_encode(bytes, all, sizeof all, &ids, NULL),
                XL_OK);
    XL_CHECK_EQ(t, ids.n, 256);
    for (size_t i = 0; i < ids.n; i++) {
        XL_CHECK_EQ(t, ids.data[i], i);
        xl_tokenizer_decode(bytes, ids.data[i], &out);
    }
    xl_tokenizer_decode(bytes, 256, &out);
    XL_CHECK(t, out.len == 256 && memcmp(out.data, all, 256) == 0);
    XL_CHECK(t, !xl_tokenizer_is_special(bytes, 0));
    xl_ids_release(&ids);
    xl_buf_release(&out);
    xl_tokenizer_free(bytes);
}

static void letters_are_a_bijection(struct xl_test *t)
{
    for (unsigned b = 0; b < 256; b++) {
        struct xl_buf out;
        char letter[2];
        size_t n = xl_letter_of_byte((unsigned char)b, letter);
        xl_buf_init(&out, 0);
        XL_CHECK_EQ(t, xl_utf8_length(letter, n), n);
        xl_letters_to_bytes(letter, n, &out);
        XL_CHECK(t, out.len == 1 && (unsigned char)out.data[0] == b);
        xl_buf_release(&out);
    }
}

static void ids_are_parsed_strictly(struct xl_test *t)
{
    static const char *const bad[] = {
        "-1", "1,2", "12x", "100", "0x1", "1.0", "99999999999999999999",
        "+1", "a"
    };
    static const char good[] = " 0\n99\t007 \r\n12";
    struct xl_ids ids = { 0 };
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, xl_ids_parse(good, strlen(good), "f", 100, &ids, &err),
                    XL_OK, &err);
    XL_CHECK_EQ(t, ids.n, 4);
    XL_CHECK(t, ids.data[1] == 99 && ids.data[2] == 7 && ids.data[3] == 12);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct xl_buf text;
        xl_buf_init(&text, 0);
        xl_buf_printf(&text, "1 %s 2", bad[i]);
        XL_CHECK_STATUS(
            t, xl_ids_parse(text.data, text.len, "f.txt", 100, &ids, &err),
            XL_EFORMAT, &err);
        XL_CHECK(t, strstr(err.message, "f.txt") && ids.n == 4);
        xl_buf_release(&text);
    }
    xl_ids_release(&ids);
}

const struct xl_test_case xl_suite_tokenizer[] = {
    XL_CASE(gives_the_recorded_ids),
    XL_CASE(checker_sees_wrong_ids),
    XL_CASE(gives_the_expected_ids),
    XL_CASE(merges_in_rank_order),
    XL_CASE(long_words_end),
    XL_CASE(normalises_like_utf8proc),
    XL_CASE(every_code_point_comes_back),
    XL_CASE(special_tokens_are_known),
    XL_CASE(text_must_be_utf8),
    XL_CASE(bytes_are_their_own_ids),
    XL_CASE(letters_are_a_bijection),
    XL_CASE(ids_are_parsed_strictly),
    { 0 },
};
