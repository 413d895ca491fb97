/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweeps: which tunables are searched, what is equal, what is refused. The
 * model's rules are made up here, so that each answer can be foreseen. */
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/buf.h"
#include "kernel/base/json.h"
#include "kernel/base/rng.h"
#include "tests/harness/test.h"
#include "tuner/space/param_space.h"

enum {
    HEADS = 4,
    CORES = 2,
    NATIVE = 0,
    SERIAL = 1
};

/* native reads neither chunks nor bands; serial no workers. */
static const char *inert(const struct xl_config *config,
                         const struct xl_params *params, enum xl_param id)
{
    int64_t backend = params->value[XL_PARAM_BACKEND];
    (void)config;
    if (backend == NATIVE &&
        (id == XL_PARAM_CHUNK_SIZE || id == XL_PARAM_HEADS_PER_BAND))
        return "native takes no chunks";
    if (backend <= SERIAL && id == XL_PARAM_WORKERS)
        return "it has one thread";
    return NULL;
}

/* Three heads of four make the same two bands as two; blocks come in
 * multiples of 64. */
static void canonical(const struct xl_config *config, struct xl_params *params)
{
    struct xl_params defaults;
    xl_params_init(&defaults);
    if (params->value[XL_PARAM_HEADS_PER_BAND] == 3)
        params->value[XL_PARAM_HEADS_PER_BAND] = 2;
    if (params->value[XL_PARAM_PREFILL_BLOCK] > 64)
        params->value[XL_PARAM_PREFILL_BLOCK] &= ~(int64_t)63;
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        if (inert(config, params, (enum xl_param)i))
            params->value[i] = defaults.value[i];
}

/* Actors cannot run a chunk of 16. */
static enum xl_status check(const struct xl_config *config,
                            const struct xl_params *params, struct xl_err *err)
{
    (void)config;
    if (params->value[XL_PARAM_BACKEND] == 4 &&
        params->value[XL_PARAM_CHUNK_SIZE] == 16)
        return xl_fail(err, XL_EUSAGE, "too small");
    return XL_OK;
}

static struct xl_param_space_options options_of(const struct xl_params *base)
{
    return (struct xl_param_space_options){
        .base = base,
        .heads = HEADS,
        .cores = CORES,
        .rules = { NULL, inert, canonical, check },
    };
}

static struct xl_param_space *make(struct xl_test *t,
                                   const struct xl_param_space_options *o)
{
    struct xl_param_space *ps = NULL;
    struct xl_err err = { 0 };
    enum xl_status rc = xl_param_space_make(&ps, o, &err);
    XL_CHECK_STATUS(t, rc, XL_OK, &err);
    return ps;
}

static const struct xl_dim *find_dim(const struct xl_param_space *ps,
                                     enum xl_param id)
{
    const struct xl_space *space = xl_param_space_space(ps);
    for (size_t d = 0; d < xl_space_n_dims(space); d++)
        if (xl_param_space_param(ps, d) == id)
            return xl_space_dim(space, d);
    return NULL;
}

/* The dimension, or one without values: a check then says what is missing. */
static const struct xl_dim *dim_of(const struct xl_param_space *ps,
                                   enum xl_param id)
{
    static const char *const labels[] = { "" };
    static const struct xl_dim none = { .name = "none", .labels = labels };
    const struct xl_dim *dim = find_dim(ps, id);
    return dim ? dim : &none;
}

/* Writes a space file into the case's folder. */
static const char *write_file(struct xl_test *t, const char *text, size_t n)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/space.json", t->dir);
    FILE *file = fopen(path, "wb");
    XL_CHECK(t, file && fwrite(text, 1, n, file) == n);
    XL_CHECK(t, file && fclose(file) == 0);
    return path;
}

static void defaults_cover_the_model(struct xl_test *t)
{
    struct xl_params base;
    xl_params_init(&base);
    struct xl_param_space_options o = options_of(&base);
    o.backends = "all";
    struct xl_param_space *ps = make(t, &o);
    if (!ps)
        return;
    const struct xl_space *space = xl_param_space_space(ps);
    XL_CHECK_EQ(t, dim_of(ps, XL_PARAM_BACKEND)->n, 5);
    XL_CHECK_EQ(t, dim_of(ps, XL_PARAM_CHUNK_SIZE)->n, 8);
    XL_CHECK_EQ(t, dim_of(ps, XL_PARAM_HEADS_PER_BAND)->n, HEADS);
    XL_CHECK_EQ(t, dim_of(ps, XL_PARAM_WORKERS)->n, CORES);
    XL_CHECK_EQ(t, xl_space_raw(space), 5 * 8 * 4 * 2);
    /* native 1, serial 8 chunks x 3 bands, parallel and queued x 2 workers,
     * actors without chunks of 16. */
    XL_CHECK_EQ(t, xl_space_count(space), 1 + 24 + 48 + 48 + 42);
    xl_param_space_free(ps);
}

static void points_and_values_agree(struct xl_test *t)
{
    struct xl_params base;
    xl_params_init(&base);
    base.value[XL_PARAM_PIN] = 1;
    struct xl_param_space_options o = options_of(&base);
    o.backends = "all";
    struct xl_param_space *ps = make(t, &o);
    if (!ps)
        return;
    const struct xl_space *space = xl_param_space_space(ps);
    size_t wrong = 0;
    for (uint64_t i = 0; i < xl_space_count(space); i++) {
        uint32_t point[XL_SPACE_DIMS], back[XL_SPACE_DIMS];
        struct xl_params params, same;
        xl_space_at(space, i, point);
        xl_param_space_params(ps, point, &params);
        same = params;
        canonical(NULL, &same);
        wrong += memcmp(same.value, params.value, sizeof same.value) != 0;
        wrong += check(NULL, &params, NULL) != XL_OK;
        wrong += params.value[XL_PARAM_PIN] != 1;
        wrong += !xl_param_space_point(ps, &params, back) ||
                 xl_space_code(space, back) != xl_space_code(space, point);
        for (uint64_t j = 0; j < i; j++) {
            xl_space_at(space, j, back);
            xl_param_space_params(ps, back, &same);
            wrong += memcmp(same.value, params.value, sizeof same.value) == 0;
        }
    }
    XL_CHECK_EQ(t, wrong, 0);
    /* The built-in defaults are a point; a chunk of 17 is none. */
    uint32_t point[XL_SPACE_DIMS];
    base.value[XL_PARAM_WORKERS] = 2;
    base.value[XL_PARAM_HEADS_PER_BAND] = 3;
    XL_CHECK(t, xl_param_space_point(ps, &base, point));
    base.value[XL_PARAM_CHUNK_SIZE] = 17;
    XL_CHECK(t, !xl_param_space_point(ps, &base, point));
    xl_param_space_free(ps);
}

/* With 2 left out, 3 stands for itself; 2 and 3 stay one when both are in. */
static void alike_values_are_one(struct xl_test *t)
{
    static const struct {
        const char *text;
        uint64_t count;
    } rows[] = {
        { "{\"params\":{\"heads_per_band\":[1,3]}}", 2 },
        { "{\"params\":{\"heads_per_band\":[1,2,3]}}", 2 },
        { "{\"params\":{\"heads_per_band\":[3]}}", 1 },
        { "{\"params\":{\"prefill_block\":[70,80,90,200]}}", 2 },
    };
    struct xl_params base;
    xl_params_init(&base);
    struct xl_param_space_options o = options_of(&base);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        o.file = write_file(t, rows[i].text, strlen(rows[i].text));
        struct xl_param_space *ps = make(t, &o);
        if (ps)
            XL_CHECK_EQ(t, xl_space_count(xl_param_space_space(ps)),
                        rows[i].count);
        xl_param_space_free(ps);
    }
}

static void bounds_choose_values(struct xl_test *t)
{
    struct xl_params base;
    struct xl_err err = { 0 };
    struct xl_param_space *ps = NULL;
    xl_params_init(&base);
    struct xl_param_space_options o = options_of(&base);
    o.bounds[XL_BOUND_CHUNK_SIZE] = (struct xl_bounds){ 20, 30 };
    o.bounds[XL_BOUND_HEADS_PER_BAND] = (struct xl_bounds){ .hi = 8 };
    ps = make(t, &o);
    if (ps) {
        const struct xl_dim *chunks = dim_of(ps, XL_PARAM_CHUNK_SIZE);
        XL_CHECK_TEXT(t, chunks->labels[0], "20");
        XL_CHECK(t, chunks->n >= 4);
        XL_CHECK_EQ(t, dim_of(ps, XL_PARAM_HEADS_PER_BAND)->n, HEADS);
        XL_CHECK(t, !find_dim(ps, XL_PARAM_BACKEND));
        xl_param_space_free(ps);
    }
    o.bounds[XL_BOUND_CHUNK_SIZE] = (struct xl_bounds){ 64, 16 };
    XL_CHECK_EQ(t, xl_param_space_make(&ps, &o, &err), XL_EUSAGE);
    XL_CHECK(t, strstr(err.message, "--chunks-min 64"));
    o.bounds[XL_BOUND_CHUNK_SIZE] = (struct xl_bounds){ 0, 0 };
    o.bounds[XL_BOUND_HEADS_PER_BAND] = (struct xl_bounds){ 5, 6 };
    XL_CHECK_EQ(t, xl_param_space_make(&ps, &o, &err), XL_EUSAGE);
    XL_CHECK(t, strstr(err.message, "4 heads"));
    o.bounds[XL_BOUND_HEADS_PER_BAND] = (struct xl_bounds){ 0, 0 };
    o.backends = "serial,paralel";
    XL_CHECK_EQ(t, xl_param_space_make(&ps, &o, &err), XL_EUSAGE);
    XL_CHECK(t, strstr(err.message, "'parallel'"));
    o.backends = "serial,actors";
    xl_params_set(&base, XL_PARAM_CHUNK_SIZE, "32", XL_LAYER_FLAG,
                  "--chunk-size", NULL);
    ps = make(t, &o);
    if (ps) {
        XL_CHECK(t, !find_dim(ps, XL_PARAM_CHUNK_SIZE));
        XL_CHECK_EQ(t, dim_of(ps, XL_PARAM_BACKEND)->n, 2);
        xl_param_space_free(ps);
    }
    o.bounds[XL_BOUND_CHUNK_SIZE] = (struct xl_bounds){ 16, 64 };
    XL_CHECK_EQ(t, xl_param_space_make(&ps, &o, &err), XL_EUSAGE);
    XL_CHECK(t, strstr(err.message, "set by a flag"));
}

/* Whoever names an end wants it tried, whether a step ends there or not. */
static void ranges_reach_their_ends(struct xl_test *t)
{
    static const char ragged[] =
        "{\"params\": {\"chunk_size\": {\"min\": 8, \"max\": 30, \"step\": 8},"
        " \"prefill_block\": {\"min\": 48, \"max\": 100, \"scale\": "
        "\"log2\"}, \"workers\": {\"min\": 2, \"max\": 2}}}";
    struct xl_params base;
    xl_params_init(&base);
    struct xl_param_space_options o = options_of(&base);
    o.bounds[XL_BOUND_CHUNK_SIZE] = (struct xl_bounds){ 8, 64 };
    struct xl_param_space *ps = make(t, &o);
    if (ps) {
        const struct xl_dim *chunks = dim_of(ps, XL_PARAM_CHUNK_SIZE);
        XL_CHECK_EQ(t, chunks->n, 5); /* 8 24 40 56 64 */
        XL_CHECK_TEXT(t, chunks->labels[3], "56");
        XL_CHECK_TEXT(t, chunks->labels[4], "64");
        xl_param_space_free(ps);
    }
    o.bounds[XL_BOUND_CHUNK_SIZE] = (struct xl_bounds){ 0, 0 };
    o.file = write_file(t, ragged, sizeof ragged - 1);
    ps = make(t, &o);
    if (ps) {
        const struct xl_dim *chunks = dim_of(ps, XL_PARAM_CHUNK_SIZE);
        const struct xl_dim *blocks = dim_of(ps, XL_PARAM_PREFILL_BLOCK);
        XL_CHECK_EQ(t, chunks->n, 4); /* 8 16 24 30 */
        XL_CHECK_TEXT(t, chunks->labels[3], "30");
        XL_CHECK_EQ(t, blocks->n, 3); /* 48 96 100 */
        XL_CHECK_TEXT(t, blocks->labels[2], "100");
        XL_CHECK_EQ(t, dim_of(ps, XL_PARAM_WORKERS)->n, 1);
        xl_param_space_free(ps);
    }
}

static const char whole[] =
    "{\n  \"params\": {\n"
    "    \"chunk_size\": {\"min\": 16, \"max\": 128, \"step\": 16},\n"
    "    \"prefill_block\": {\"min\": 32, \"max\": 256, \"scale\": "
    "\"log2\"},\n"
    "    \"backend\": [\"serial\", \"parallel\"],\n"
    "    \"tile_av\": [\"8x32\", \"4x16\"],\n"
    "    \"pin\": [true, false],\n"
    "    \"workers\": [1, 2]\n"
    "  },\n"
    "  \"constraints\": [\"chunk_size <= 2 * prefill_block\",\n"
    "    \"tile_av.rows < 8 or workers == 1\", \"tile_av != '4x16' or pin\"]\n"
    "}\n";

static void files_name_the_space(struct xl_test *t)
{
    struct xl_params base;
    xl_params_init(&base);
    struct xl_param_space_options o = options_of(&base);
    o.file = write_file(t, whole, sizeof whole - 1);
    struct xl_param_space *ps = make(t, &o);
    if (!ps)
        return;
    const struct xl_space *space = xl_param_space_space(ps);
    XL_CHECK_EQ(t, dim_of(ps, XL_PARAM_CHUNK_SIZE)->n, 8);
    XL_CHECK_EQ(t, dim_of(ps, XL_PARAM_PREFILL_BLOCK)->n, 4);
    XL_CHECK(t, !find_dim(ps, XL_PARAM_HEADS_PER_BAND));
    uint64_t want = 0;
    for (int chunk = 16; chunk <= 128; chunk += 16)
        for (int block = 32; block <= 256; block *= 2)
            for (int parallel = 0; parallel < 2; parallel++)
                for (int big = 0; big < 2; big++)
                    for (int pin = 0; pin < 2; pin++)
                        for (int w = 1; w <= 2; w++)
                            /* The serial backend's workers are inert: one
                             * point, and no constraint on them. */
                            want += chunk <= 2 * block &&
                                    (parallel ? !big || w == 1 : w == 1) &&
                                    (big || pin);
    XL_CHECK_EQ(t, xl_space_count(space), want);
    /* Flags that bound a tunable stand above the file. */
    o.bounds[XL_BOUND_CHUNK_SIZE] = (struct xl_bounds){ 64, 64 };
    xl_param_space_free(ps);
    ps = make(t, &o);
    if (ps)
        XL_CHECK_EQ(t, dim_of(ps, XL_PARAM_CHUNK_SIZE)->n, 1);
    xl_param_space_free(ps);
}

/* Twelve million points are not walked: one in forty is legal, counted by a
 * sample and drawn by rejection, every one as likely. */
static void large_spaces_are_drawn_from(struct xl_test *t)
{
    enum {
        DRAWS = 2000
    };
    static const char text[] =
        "{\"params\": {\"chunk_size\": {\"min\": 1, \"max\": 1000, \"step\": "
        "1},"
        " \"inner_tile\": {\"min\": 1, \"max\": 64, \"step\": 1},"
        " \"spin\": {\"min\": 1, \"max\": 200, \"step\": 1}},"
        " \"constraints\": [\"chunk_size + spin <= 100\"]}";
    struct xl_params base, params;
    struct xl_rng rng;
    uint32_t point[XL_SPACE_DIMS];
    double chunks = 0, tiles = 0;
    xl_params_init(&base);
    struct xl_param_space_options o = options_of(&base);
    o.file = write_file(t, text, sizeof text - 1);
    struct xl_param_space *ps = make(t, &o);
    if (!ps)
        return;
    const struct xl_space *space = xl_param_space_space(ps);
    XL_CHECK(t, !xl_space_is_counted(space));
    XL_CHECK_EQ(t, xl_space_raw(space), 1000 * 64 * 200);
    XL_CHECK_NEAR(t, (double)xl_space_count(space), 4950 * 64, 4950 * 6.4);
    xl_rng_seed(&rng, 3);
    for (size_t i = 0; i < DRAWS; i++) {
        XL_CHECK(t, xl_space_sample(space, &rng, point));
        xl_param_space_params(ps, point, &params);
        int64_t chunk = params.value[XL_PARAM_CHUNK_SIZE];
        XL_CHECK(t, chunk + params.value[XL_PARAM_SPIN] <= 100);
        chunks += (double)chunk / DRAWS;
        tiles += (double)params.value[XL_PARAM_INNER_TILE] / DRAWS;
    }
    /* Five standard errors of the mean. */
    XL_CHECK_NEAR(t, chunks, 166650.0 / 4950, 2.6);
    XL_CHECK_NEAR(t, tiles, 32.5, 2.1);
    xl_param_space_free(ps);
}

static void file_faults_have_a_place(struct xl_test *t)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        { "[]", "an object" },
        { "{\n \"param\": {}}", ":2:2: unknown key 'param'; nearest is "
                                "'params'" },
        { "{\"params\": {}}", ":1:2: 'params' must" },
        { "{\"params\":\n{\"chunk_siz\": [1]}}",
          ":2:2: no tunable is named 'chunk_siz'; nearest is 'chunk_size'" },
        { "{\"params\":{\"chunk_size\": []}}", ":1:12: chunk_size has 0" },
        { "{\"params\":{\"chunk_size\": [16, 16]}}", "the value 16 twice" },
        { "{\"params\":{\"chunk_size\": [16.5]}}", "whole number" },
        { "{\"params\":{\"chunk_size\": [0]}}", "out of bounds" },
        { "{\"params\":{\"chunk_size\": 16}}", "takes a list" },
        { "{\"params\":{\"chunk_size\": \"all\"}}", "takes a list" },
        { "{\"params\":{\"chunk_size\": {\"min\": 4}}}", "needs 'max'" },
        { "{\"params\":{\"chunk_size\": {\"min\": 9, \"max\": 8}}}",
          "larger than" },
        { "{\"params\":{\"chunk_size\": {\"min\": 1, \"max\": 9, \"by\": 2}}}",
          "unknown key 'by'" },
        { "{\"params\":{\"chunk_size\": {\"min\": 1, \"max\": 9, \"step\": "
          "0}}}",
          "'step' must" },
        { "{\"params\":{\"chunk_size\": {\"min\": 1, \"max\": 9, \"scale\": "
          "\"log\"}}}",
          "no scale" },
        { "{\"params\":{\"chunk_size\": {\"min\": 1, \"max\": 9, \"step\": 2, "
          "\"scale\": \"log2\"}}}",
          "not both" },
        { "{\"params\":{\"workers\": {\"min\": 0, \"max\": 4, \"scale\": "
          "\"log2\"}}}",
          "powers of two" },
        { "{\"params\":{\"spin\": {\"min\": 1, \"max\": 9999999, \"step\": "
          "1}}}",
          "larger step" },
        { "{\"params\":{\"backend\": {\"min\": 1, \"max\": 9}}}",
          "has no range" },
        { "{\"params\":{\"backend\": [\"seral\"]}}", "'serial'" },
        { "{\"params\":{\"tile_av\": [\"8\"]}}", "two sizes" },
        { "{\"params\":{\"pin\": [1, true]}}", "twice" },
        { "{\"params\":{\"pin\": [null]}}", "whole number" },
        { "{\"params\":{\"pin\":\"all\"},\n\"constraints\":3}",
          ":2:1: 'constraints' must" },
        { "{\"params\":{\"pin\":\"all\"},\"constraints\":[3]}",
          "constraint 1 is no text" },
        { "{\"params\":{\"pin\":\"all\"},\"constraints\":[\"1\",\"pin <\"]}",
          "constraint 2: column 6: expected" },
        { "{\"params\":{\"pin\":\"all\"},\"constraints\":[\"pin < 0\"]}",
          "no point of the space is legal" },
        { "{\"params\":{\"pin\":\"all\"},\"constraints\":[\"pin.rows\"]}",
          "no tunable is named 'pin.rows'" },
        { "{\"params\":{\"chunk-size\":[1],\"chunk_size\":[2]}}",
          "named twice" },
    };
    struct xl_params base;
    xl_params_init(&base);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_param_space *ps = NULL;
        struct xl_err err = { 0 };
        struct xl_param_space_options o = options_of(&base);
        o.file = write_file(t, rows[i].text, strlen(rows[i].text));
        enum xl_status rc = xl_param_space_make(&ps, &o, &err);
        xl_test_check(t, rc != XL_OK && strstr(err.message, rows[i].message),
                      __FILE__, __LINE__, "'%s' gives '%s'", rows[i].text,
                      err.message);
        if (rc == XL_OK)
            xl_param_space_free(ps);
    }
}

/* -- workloads ------------------------------------------------------------ */

static void workloads_must_tell_points_apart(struct xl_test *t)
{
    static const struct {
        const char *backends, *text;
        size_t prompt, new_tokens;
        unsigned phases;
        const char *message; /* NULL: fine */
    } rows[] = {
        { "all", NULL, 6, 64, XL_PHASE_BOTH, NULL },
        { "all", NULL, 33, 64, XL_PHASE_BOTH, NULL },
        { "all", NULL, 112, 64, XL_PHASE_BOTH, NULL },
        { "all", NULL, 512, 64, XL_PHASE_BOTH, NULL },
        { "all", NULL, 512, 1, XL_PHASE_PREFILL, NULL },
        { "all", NULL, 512, 1, XL_PHASE_BOTH, "--new 2" },
        { "all", NULL, 6, 64, XL_PHASE_BOTH, "act alike" },
        { "all", NULL, 112, 64, XL_PHASE_BOTH, "act alike" },
        { "all", NULL, 113, 64, XL_PHASE_BOTH, NULL },
        { NULL, NULL, 512, 64, XL_PHASE_DECODE, NULL },
        { "all", NULL, 512, 64, XL_PHASE_DECODE, "backend changes prefill" },
        { NULL, "{\"params\":{\"chunk_size\":[16,32]}}", 512, 64,
          XL_PHASE_DECODE, "chunk_size changes prefill only" },
        { NULL, "{\"params\":{\"chunk_size\":[40,64]}}", 64, 64, XL_PHASE_BOTH,
          "at least 80 tokens" },
        { "native", "{\"params\":{\"chunk_size\":[16,32]}}", 512, 64,
          XL_PHASE_BOTH, "native takes no chunks" },
        { NULL, "{\"params\":{\"prefill_block\":[64,128,256]}}", 100, 64,
          XL_PHASE_BOTH, "prefill_block act alike" },
    };
    struct xl_params base;
    xl_params_init(&base);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_param_space_options o = options_of(&base);
        struct xl_err err = { 0 };
        o.backends = rows[i].backends;
        o.phases = rows[i].phases;
        o.prompt_tokens = i < 3 ? rows[i].prompt : 0; /* made for it */
        if (rows[i].text)
            o.file = write_file(t, rows[i].text, strlen(rows[i].text));
        struct xl_param_space *ps = make(t, &o);
        if (!ps)
            continue;
        enum xl_status rc = xl_param_space_exercise(
            ps,
            &(struct xl_workload){ .prompt_tokens = rows[i].prompt,
                                   .new_tokens = rows[i].new_tokens,
                                   .phases = rows[i].phases },
            &err);
        if (!rows[i].message)
            XL_CHECK_STATUS(t, rc, XL_OK, &err);
        else
            xl_test_check(
                t, rc == XL_EUSAGE && strstr(err.message, rows[i].message),
                __FILE__, __LINE__, "row %zu gives '%s'", i, err.message);
        xl_param_space_free(ps);
    }
}

static void reports_say_what_there_is(struct xl_test *t)
{
    struct xl_params base;
    struct xl_buf text;
    xl_params_init(&base);
    xl_buf_init(&text, 0);
    struct xl_param_space_options o = options_of(&base);
    o.backends = "native,serial";
    o.phases = XL_PHASE_BOTH;
    struct xl_param_space *ps = make(t, &o);
    if (!ps)
        return;
    xl_param_space_print(ps, &text);
    XL_CHECK(t, strstr(text.data, "2 values: native serial"));
    XL_CHECK(t, strstr(text.data, "chunk_size: native takes no chunks"));
    XL_CHECK(t, strstr(text.data, "128 combinations, 25 distinct"));
    cJSON *json = xl_param_space_json(ps);
    XL_CHECK_EQ(t, cJSON_GetObjectItem(json, "points")->valuedouble, 25);
    XL_CHECK_EQ(t, cJSON_GetObjectItem(json, "raw")->valuedouble, 128);
    XL_CHECK(t, cJSON_IsTrue(cJSON_GetObjectItem(json, "exact")));
    XL_CHECK_EQ(t, cJSON_GetArraySize(cJSON_GetObjectItem(json, "dims")), 4);
    XL_CHECK_EQ(t, cJSON_GetArraySize(cJSON_GetObjectItem(json, "inert")), 3);
    cJSON_Delete(json);
    xl_param_space_free(ps);
    xl_buf_release(&text);
}

/* -- hostile files -------------------------------------------------------- */

static bool feed(struct xl_test *t, const char *text, size_t n)
{
    struct xl_params base;
    struct xl_param_space *ps = NULL;
    struct xl_err err = { 0 };
    xl_params_init(&base);
    struct xl_param_space_options o = options_of(&base);
    o.file = write_file(t, text, n);
    enum xl_status rc = xl_param_space_make(&ps, &o, &err);
    XL_CHECK_EQ(t, rc == XL_OK, ps != NULL);
    XL_CHECK_EQ(t, rc != XL_OK, err.message[0] != '\0');
    xl_param_space_free(ps);
    return rc == XL_OK;
}

static void hostile_files_end_cleanly(struct xl_test *t)
{
    struct xl_rng rng;
    char text[sizeof whole];
    size_t n = sizeof whole - 1;
    for (size_t i = 0; i < 200; i++)
        XL_CHECK(t, !feed(t, whole, (n - 2) * i / 200));
    xl_rng_seed(&rng, 11);
    for (size_t i = 0; i < 300; i++) {
        memcpy(text, whole, sizeof whole);
        text[xl_rng_below(&rng, n)] ^= (char)(1 << xl_rng_below(&rng, 8));
        feed(t, text, n);
    }
    XL_CHECK(t, feed(t, whole, n));
}

static void survives_failed_allocations(struct xl_test *t)
{
    struct xl_params base;
    bool done = false;
    xl_params_init(&base);
    struct xl_param_space_options o = options_of(&base);
    o.backends = "all";
    for (size_t n = 0; n < 300 && !done; n++) {
        struct xl_param_space *ps = NULL;
        struct xl_err err = { 0 };
        size_t left = n;
        xl_alloc_set_hook(xl_test_fail_nth, &left);
        enum xl_status rc = xl_param_space_make(&ps, &o, &err);
        xl_alloc_set_hook(NULL, NULL);
        done = left <= n; /* no allocation was failed */
        XL_CHECK_STATUS(t, rc, done ? XL_OK : XL_ENOMEM, &err);
        xl_param_space_free(ps);
    }
    XL_CHECK(t, done);
}

const struct xl_test_case xl_suite_param_space[] = {
    XL_CASE(defaults_cover_the_model),
    XL_CASE(points_and_values_agree),
    XL_CASE(alike_values_are_one),
    XL_CASE(bounds_choose_values),
    XL_CASE(ranges_reach_their_ends),
    XL_CASE(files_name_the_space),
    XL_CASE(large_spaces_are_drawn_from),
    XL_CASE(file_faults_have_a_place),
    XL_CASE(workloads_must_tell_points_apart),
    XL_CASE(reports_say_what_there_is),
    XL_CASE(hostile_files_end_cleanly),
    XL_CASE(survives_failed_allocations),
    { 0 },
};
