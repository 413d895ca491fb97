/* SPDX-License-Identifier: Apache-2.0
 *
 * Files from outside with random damage: each must be read, or refused with
 * one line that says why. What reads memory it should not is for the
 * sanitizers to see. Checkpoints have their own suites (fuzz_checkpoint,
 * packfile).
 *
 * XL_FUZZ_ROUNDS is how many damaged files of each kind; the seed is fixed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/arena.h"
#include "kernel/base/csv.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/rng.h"
#include "kernel/model/config.h"
#include "kernel/param/param.h"
#include "kernel/text/tokenizer.h"
#include "tests/harness/test.h"
#include "tuner/profile/best.h"
#include "tuner/space/param_space.h"
#include "tuner/space/table.h"

enum {
    ROUNDS = 400,
    MOST_WOUNDS = 4
};

/* -- damage --------------------------------------------------------------- */

/* What parsers trip over. */
static const char *const splinters[] = {
    "",
    "0",
    "-1",
    "1e999",
    "-0.0",
    "1e-400",
    "18446744073709551616",
    "9223372036854775807",
    "nan",
    "null",
    "true",
    "{}",
    "[]",
    "[[[[[[[[[[[[[[[[",
    "{\"a\":",
    "\"",
    "\\",
    "\\ud800",
    "\\u0000",
    "\xff",
    "\xf0\x9f\x98\x80",
    ",",
    ",,",
    ":",
    "\n",
    "\x1b[2J",
    "\\u001b[2J",
    "\r",
    "#",
    "\"\"",
    "1x1",
    "../../etc/passwd",
};
#define SPLINTERS (sizeof splinters / sizeof *splinters)

/* Puts `piece` in the place of the bytes at..end. */
static void put(struct xl_buf *text, size_t at, size_t end, const char *piece,
                size_t n)
{
    struct xl_buf out;
    xl_buf_init(&out, 0);
    xl_buf_add(&out, text->data, at);
    xl_buf_add(&out, piece, n);
    xl_buf_add(&out, text->data + end, text->len - end);
    xl_buf_release(text);
    *text = out;
}

static void wound(struct xl_buf *text, struct xl_rng *rng)
{
    size_t at = (size_t)xl_rng_below(rng, text->len + 1);
    size_t left = text->len - at, most = left < 40 ? left : 40;
    size_t end = at + (size_t)xl_rng_below(rng, most + 1);
    const char *splinter = splinters[xl_rng_below(rng, SPLINTERS)];
    switch (xl_rng_below(rng, 5)) {
    case 0: /* a bit */
        if (left)
            text->data[at] =
                (char)(text->data[at] ^ (1 << xl_rng_below(rng, 8)));
        break;
    case 1: /* the end */
        put(text, at, text->len, "", 0);
        break;
    case 2: /* something twice */
        put(text, at, at, text->data + at, end - at);
        break;
    case 3: /* a splinter among them */
        put(text, at, at, splinter, strlen(splinter));
        break;
    default: /* a splinter, or nothing, in their place */
        put(text, at, end, splinter, strlen(splinter));
        break;
    }
}

/* -- readers -------------------------------------------------------------- */

/* A damaged file, in memory and, for readers of paths, on disk. */
struct victim {
    const char *text, *path, *dir;
    size_t n;
};

typedef enum xl_status reader(const struct victim *v, struct xl_err *err);

static enum xl_status read_json(const struct victim *v, struct xl_err *err)
{
    cJSON *root;
    enum xl_status rc = xl_json_parse(v->text, v->n, v->path, &root, err);
    cJSON_Delete(root);
    return rc;
}

static enum xl_status read_csv(const struct victim *v, struct xl_err *err)
{
    struct xl_arena arena;
    struct xl_csv csv;
    xl_arena_init(&arena, 0);
    enum xl_status rc = xl_csv_parse(v->text, v->n, v->path, &arena, &csv, err);
    xl_arena_release(&arena);
    return rc;
}

static enum xl_status read_config(const struct victim *v, struct xl_err *err)
{
    struct xl_config config;
    return xl_config_parse(&config, v->text, v->n, v->path, err);
}

static enum xl_status read_layer(const struct victim *v, struct xl_err *err)
{
    struct xl_params params;
    xl_params_init(&params);
    return xl_params_parse(&params, v->text, v->n, v->path, XL_LAYER_FLAG, NULL,
                           err);
}

static enum xl_status read_best(const struct victim *v, struct xl_err *err)
{
    struct xl_best best;
    enum xl_status rc =
        xl_best_load(&best, v->path, XL_BEST_FULL, XL_LAYER_MACHINE, err);
    xl_best_release(&best);
    return rc;
}

static enum xl_status read_table(const struct victim *v, struct xl_err *err)
{
    struct xl_table *table = NULL;
    enum xl_status rc = xl_table_parse(&table, v->text, v->n, v->path, err);
    xl_table_free(table);
    return rc;
}

static enum xl_status read_space(const struct victim *v, struct xl_err *err)
{
    struct xl_params base;
    struct xl_param_space *space = NULL;
    xl_params_init(&base);
    const struct xl_param_space_options options = {
        .base = &base, .heads = 4, .cores = 2, .file = v->path
    };
    enum xl_status rc = xl_param_space_make(&space, &options, err);
    xl_param_space_free(space);
    return rc;
}

static enum xl_status read_tokenizer(const struct victim *v, struct xl_err *err)
{
    static const char words[] = "The quick <s> brown\xc3\xa9 fox\n";
    struct xl_tokenizer *tokenizer = NULL;
    struct xl_ids ids = { 0 };
    enum xl_status rc = xl_tokenizer_open(&tokenizer, v->dir, err);
    if (rc == XL_OK)
        rc = xl_tokenizer_encode(tokenizer, words, sizeof words - 1, &ids, err);
    xl_ids_release(&ids);
    xl_tokenizer_free(tokenizer);
    return rc;
}

/* -- targets -------------------------------------------------------------- */

static const char space_text[] =
    "{ \"params\": { \"chunk_size\": {\"min\": 16, \"max\": 128, \"step\": "
    "16},\n \"prefill_block\": {\"min\": 128, \"max\": 512, \"scale\": "
    "\"log2\"},\n \"tile_av\": [\"8x32\", \"4x16\"], \"backend\": "
    "[\"serial\", \"parallel\"], \"pin\": \"all\" },\n \"constraints\": "
    "[\"chunk_size <= 2 * prefill_block\", \"tile_av.rows < 9\"] }\n";
static const char layer_text[] =
    "{\n  \"params\": { \"chunk_size\": 48, \"gemm\": \"naive\",\n"
    "    \"tile_av\": \"8x32\", \"pin\": true }\n}\n";

/* From the tree's files or from text, in a file of that name. */
static const struct target {
    const char *name, *file, *text;
    reader *read;
} targets[] = {
    { "best.json", "runs/example/best.json", NULL, read_best },
    { "config.json", "models/demo/config.json", NULL, read_config },
    { "stack.json", "tests/data/models/stack-m1s1/config.json", NULL,
      read_config },
    { "tokenizer.json", "tests/data/tokenizer/plain/tokenizer.json", NULL,
      read_tokenizer },
    { "table.csv", "tests/data/table_small.csv", NULL, read_table },
    { "table.json", "tests/data/kernel_tuner_small.json", NULL, read_table },
    { "summary.csv", "tests/data/table_small.csv", NULL, read_csv },
    { "space.json", NULL, space_text, read_space },
    { "layer.json", NULL, layer_text, read_layer },
    { "any.json", NULL, space_text, read_json },
};

static void load_seed(struct xl_test *t, const struct target *target,
                      struct xl_buf *seed)
{
    struct xl_err err = { 0 };
    xl_buf_clear(seed);
    if (target->text)
        xl_buf_text(seed, target->text);
    else
        XL_CHECK_STATUS(t, xl_io_read(xl_test_source(target->file), seed, &err),
                        XL_OK, &err);
}

/* A new file, not synced: one that is cut and written again is, by ext4. */
static bool write_plain(const char *path, const struct xl_buf *text)
{
    remove(path);
    FILE *file = fopen(path, "wb");
    if (!file)
        return false;
    bool ok = fwrite(text->data, 1, text->len, file) == text->len;
    return fclose(file) == 0 && ok;
}

static bool is_one_line(const char *message)
{
    for (size_t i = 0; message[i]; i++)
        if ((unsigned char)message[i] < 0x20 || message[i] == 0x7f)
            return false;
    return message[0] != '\0';
}

/* Reads one victim; counts what is refused. */
static size_t attack(struct xl_test *t, const struct target *target,
                     const struct xl_buf *text, size_t round)
{
    char *path = xl_io_join(t->dir, target->name);
    struct xl_err err = { 0 };
    const struct victim v = {
        .text = text->data, .n = text->len, .path = path, .dir = t->dir
    };
    XL_CHECK(t, write_plain(path, text));
    enum xl_status rc = target->read(&v, &err);
    xl_test_check(t,
                  rc == XL_OK || (err.status == rc && is_one_line(err.message)),
                  __FILE__, __LINE__, "%s, round %zu: status %d, '%s'",
                  target->name, round, (int)rc, err.message);
    xl_free(path);
    return rc != XL_OK;
}

/* One damage that every reader takes, and one that none does. */
static void check_extremes(struct xl_test *t, const struct target *target,
                           struct xl_buf *seed)
{
    xl_buf_char(seed, '\n');
    xl_test_check(t, attack(t, target, seed, 0) == 0, __FILE__, __LINE__,
                  "%s: refused with one more line end", target->name);
    put(seed, 0, seed->len, "\"", 1);
    xl_test_check(t, attack(t, target, seed, 0) == 1, __FILE__, __LINE__,
                  "%s: a lone quote is taken for one", target->name);
}

static void check_target(struct xl_test *t, const struct target *target,
                         size_t rounds)
{
    struct xl_buf seed, text;
    struct xl_rng rng;
    size_t refused = 0;
    xl_buf_init(&seed, 0);
    xl_buf_init(&text, 0);
    load_seed(t, target, &seed);
    XL_CHECK_EQ(t, attack(t, target, &seed, 0), 0);
    xl_rng_seed(&rng, 1337);
    for (size_t round = 1; round <= rounds; round++) {
        xl_buf_clear(&text);
        xl_buf_add(&text, seed.data, seed.len);
        size_t wounds = 1 + (size_t)xl_rng_below(&rng, MOST_WOUNDS);
        for (size_t i = 0; i < wounds; i++)
            wound(&text, &rng);
        refused += attack(t, target, &text, round);
    }
    /* Fewer rounds, which may all end alike, are the first of these. */
    xl_test_check(t, rounds < ROUNDS || (refused > 0 && refused < rounds),
                  __FILE__, __LINE__, "%s: %zu of %zu refused", target->name,
                  refused, rounds);
    check_extremes(t, target, &seed);
    xl_buf_release(&seed);
    xl_buf_release(&text);
}

static void damage_is_refused_or_harmless(struct xl_test *t)
{
    const char *given = getenv("XL_FUZZ_ROUNDS");
    size_t rounds = given ? (size_t)strtoul(given, NULL, 10) : ROUNDS;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        check_target(t, &targets[i], rounds);
}

const struct xl_test_case xl_suite_fuzz_files[] = {
    { "damage_is_refused_or_harmless", damage_is_refused_or_harmless },
    { 0 },
};
