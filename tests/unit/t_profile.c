/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys, their matching, and the layers. Files of profiles are in t_best.c. */
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tests/harness/test.h"
#include "tests/unit/profile_fixture.h"

/* -- keys ----------------------------------------------------------------- */

static void key_ignores_names_and_rounds(struct xl_test *t)
{
    struct xl_cpu cpu = { .cores = 2, .has_memory = true };
    struct xl_hardware_key a, b;
    char hash_a[XL_KEY_HASH], hash_b[XL_KEY_HASH];
    snprintf(cpu.model, sizeof cpu.model, "one");
    cpu.memory_bytes = ((uint64_t)16 << 30) - 400000000;
    xl_key_hardware(&a, &cpu);
    snprintf(cpu.model, sizeof cpu.model, "another");
    cpu.memory_bytes = ((uint64_t)16 << 30) + 1;
    xl_key_hardware(&b, &cpu);
    XL_CHECK_EQ(t, a.memory_gib, 16);
    XL_CHECK(t, xl_key_hardware_hash(&a, hash_a, NULL) == XL_OK &&
                    xl_key_hardware_hash(&b, hash_b, NULL) == XL_OK);
    XL_CHECK_TEXT(t, hash_a, hash_b);
    b.cores = 3;
    xl_key_hardware_hash(&b, hash_b, NULL);
    XL_CHECK(t, strcmp(hash_a, hash_b) != 0);
}

static void key_buckets_contexts(struct xl_test *t)
{
    static const size_t pairs[][2] = { { 0, 0 },      { 1, 1 },
                                       { 2, 2 },      { 3, 4 },
                                       { 512, 512 },  { 513, 1024 },
                                       { 5000, 8192 } };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        XL_CHECK_EQ(t, xl_key_context(pairs[i][0]), pairs[i][1]);
}

static void key_survives_json(struct xl_test *t)
{
    struct xl_world world;
    struct xl_key back;
    struct xl_match match;
    struct xl_err err = { 0 };
    xl_world_init(&world, t);
    cJSON *object = xl_key_to_json(&world.in.key);
    XL_CHECK_STATUS(t, xl_key_from_json(&back, object, &err), XL_OK, &err);
    xl_key_match(&back, &world.in.key, &match);
    XL_CHECK_EQ(t, match.grade, XL_GRADE_EXACT);
    XL_CHECK_TEXT(t, match.differs, "");
    /* A field changed by hand is no longer covered by the hash. */
    cJSON *model = cJSON_GetObjectItem(object, "model");
    cJSON_SetNumberValue(cJSON_GetObjectItem(model, "width"), 65);
    XL_CHECK_STATUS(t, xl_key_from_json(&back, object, &err), XL_EFORMAT, &err);
    XL_CHECK(t, strstr(err.message, "hash") != NULL);
    cJSON_Delete(object);
    xl_world_release(&world);
}

static void key_json_misses_nothing(struct xl_test *t)
{
    static const char *const parts[] = { "hardware", "model", NULL };
    struct xl_world world;
    xl_world_init(&world, t);
    for (size_t p = 0; p < 3; p++) {
        cJSON *whole = xl_key_to_json(&world.in.key);
        const cJSON *part =
            parts[p] ? cJSON_GetObjectItem(whole, parts[p]) : whole;
        for (int i = 0; i < cJSON_GetArraySize(part); i++) {
            struct xl_key back;
            struct xl_err err = { 0 };
            cJSON *less = cJSON_Duplicate(whole, true);
            cJSON *from = parts[p] ? cJSON_GetObjectItem(less, parts[p]) : less;
            cJSON_DeleteItemFromArray(from, i);
            XL_CHECK_STATUS(t, xl_key_from_json(&back, less, &err), XL_EFORMAT,
                            &err);
            cJSON_Delete(less);
        }
        cJSON_Delete(whole);
    }
    xl_world_release(&world);
}

static void match_is_graded(struct xl_test *t)
{
    struct xl_world world;
    struct xl_match m;
    xl_world_init(&world, t);
    struct xl_key here = world.in.key;
#define DIFFERS(member, change, grade_, text)                                  \
    do {                                                                       \
        struct xl_key other = here;                                            \
        other.member change;                                                   \
        xl_key_match(&other, &here, &m);                                       \
        XL_CHECK_EQ(t, m.grade, XL_GRADE_##grade_);                            \
        XL_CHECK(t, strstr(m.differs, text) != NULL);                          \
    } while (0)
    DIFFERS(hardware.cores, += 2, CACHES, "cores is 4, here 2");
    DIFFERS(hardware.memory_gib, *= 2, CACHES, "memory_gib is 16, here 8");
    DIFFERS(hardware.l1d_kib, += 1, FEATURES, "l1d_kib");
    DIFFERS(hardware.l2_kib, += 1, FEATURES, "l2_kib");
    DIFFERS(hardware.l3_kib, += 1, FEATURES, "l3_kib");
    DIFFERS(hardware.isa[XL_ISA_AVX2], = false, NONE, "avx2 is here");
    DIFFERS(hardware.isa[XL_ISA_AMX_BF16], = true, NONE, "amx_bf16 is there");
    DIFFERS(model.arch, = XL_ARCH_BLOCK_STACK, NONE, "arch");
    DIFFERS(model.width, += 1, NONE, "width is 65, here 64");
    DIFFERS(model.blocks, += 1, NONE, "blocks");
    DIFFERS(model.heads, += 1, NONE, "heads");
    DIFFERS(model.dk, += 1, NONE, "dk");
    DIFFERS(model.dv, += 1, NONE, "dv");
    DIFFERS(model.ffn, += 1, NONE, "ffn");
    DIFFERS(model.vocab, += 1, NONE, "vocab");
    DIFFERS(model.slstm_blocks, += 1, NONE, "slstm_blocks");
    DIFFERS(model.dtype[0], = 'g', NONE, "dtype is gf16, here bf16");
    DIFFERS(context, = 2048, EXACT, "context is 2048, here 512");
#undef DIFFERS
    XL_CHECK_EQ(t, m.context_steps, 2);
    /* The weakest field is the one that is named. */
    struct xl_key other = here;
    other.hardware.cores = 9;
    other.hardware.l2_kib = 7;
    xl_key_match(&other, &here, &m);
    XL_CHECK_EQ(t, m.grade, XL_GRADE_FEATURES);
    XL_CHECK(t, strstr(m.differs, "l2_kib") != NULL);
    other.context = 0; /* unknown: further than any that is known */
    xl_key_match(&other, &here, &m);
    XL_CHECK_EQ(t, m.context_steps, 64);
    xl_world_release(&world);
}

/* Packed checkpoints are told apart by how they are packed. */
static void packed_models_differ(struct xl_test *t)
{
    static const enum xl_pack_kind kinds[][2] = {
        { XL_PACK_INT8, XL_PACK_INT8 },
        { XL_PACK_INT4, XL_PACK_INT4 },
        { XL_PACK_INT4, XL_PACK_INT8 },
    };
    static const char *const names[] = { "packed-int8", "packed-int4",
                                         "packed-int4-int8" };
    struct xl_world world;
    struct xl_key keys[3], back;
    struct xl_match m;
    struct xl_err err = { 0 };
    xl_world_init(&world, t);
    for (size_t i = 0; i < 3; i++) {
        struct xl_config config = world.config;
        config.is_packed = true;
        config.packed_weights = kinds[i][0];
        config.packed_head = kinds[i][1];
        keys[i] = world.in.key;
        xl_key_model(&keys[i].model, &config, XL_U8);
        XL_CHECK_TEXT(t, keys[i].model.dtype, names[i]);
        cJSON *json = xl_key_to_json(&keys[i]);
        XL_CHECK_STATUS(t, xl_key_from_json(&back, json, &err), XL_OK, &err);
        cJSON_Delete(json);
        xl_key_match(&back, &keys[i], &m);
        XL_CHECK_EQ(t, m.grade, XL_GRADE_EXACT);
    }
    for (size_t i = 0; i < 3; i++) {
        xl_key_match(&keys[i], &keys[(i + 1) % 3], &m);
        XL_CHECK_EQ(t, m.grade, XL_GRADE_NONE);
        XL_CHECK(t, strstr(m.differs, "dtype is packed-int") != NULL);
    }
    xl_world_release(&world);
}

/* -- layers --------------------------------------------------------------- */

/* What put makes a layer set chunk_size to. */
static const int values[XL_LAYER_COUNT] = {
    [XL_LAYER_DEFAULT] = 64, [XL_LAYER_GOLDEN] = 17,  [XL_LAYER_MACHINE] = 18,
    [XL_LAYER_ENV] = 19,     [XL_LAYER_PROFILE] = 20, [XL_LAYER_CONFIG] = 21,
    [XL_LAYER_FLAG] = 22,
};

/* A checkpoint sets only how its weights are held: t_packfile. */
static enum xl_layer below(enum xl_layer layer)
{
    return layer == XL_LAYER_ENV ? XL_LAYER_MACHINE
                                 : (enum xl_layer)(layer - 1);
}

static void put(struct xl_world *world, struct xl_test *t, enum xl_layer layer)
{
    static char config_path[512];
    static const char *const flags[] = { "--chunk-size", "22" };
    struct xl_world_best best = { .params = "{\"chunk_size\":18}",
                                  .verdict = "pass",
                                  .key = &world->in.key };
    switch (layer) {
    case XL_LAYER_GOLDEN:
        xl_world_write(t, "golden/parallel.json",
                       "{\"schema\":\"xltune-profile/1\",\n\"params\":{\n"
                       "\"chunk_size\":17}}");
        break;
    case XL_LAYER_MACHINE:
        xl_world_publish(world, &best, NULL);
        break;
    case XL_LAYER_ENV:
        world->env[0][0] = "XLTUNE_CHUNK_SIZE";
        world->env[0][1] = "19";
        break;
    case XL_LAYER_PROFILE:
        xl_world_write(t, "configs/mine.json", "\n\n{\"chunk_size\":20}");
        world->in.profile = "mine";
        break;
    case XL_LAYER_CONFIG:
        snprintf(config_path, sizeof config_path, "%s",
                 xl_world_write(t, "c.json",
                                "{\"params\":\n"
                                "{\"chunk_size\":21}}"));
        world->in.file = config_path;
        break;
    case XL_LAYER_FLAG:
        xl_world_flags(world, 2, flags);
        break;
    default:
        break;
    }
}

/* What the origin of chunk_size must say for a layer of put. */
static const char *const wheres[XL_LAYER_COUNT] = {
    [XL_LAYER_DEFAULT] = "built in",
    [XL_LAYER_GOLDEN] = "/golden/parallel.json:3",
    [XL_LAYER_MACHINE] = "/store/",
    [XL_LAYER_ENV] = "XLTUNE_CHUNK_SIZE",
    [XL_LAYER_PROFILE] = "/configs/mine.json:3",
    [XL_LAYER_CONFIG] = "/c.json:2",
    [XL_LAYER_FLAG] = "--chunk",
};

static void check_top(struct xl_test *t, struct xl_world *world,
                      enum xl_layer top)
{
    struct xl_layers layers;
    if (!XL_CHECK_STATUS(t, xl_world_resolve(world, &layers), XL_OK,
                         &world->err))
        return;
    const struct xl_params *p = &layers.effective;
    XL_CHECK_EQ(t, p->origin[XL_PARAM_CHUNK_SIZE].layer, top);
    XL_CHECK_EQ(t, p->value[XL_PARAM_CHUNK_SIZE], values[top]);
    XL_CHECK(t, strstr(p->origin[XL_PARAM_CHUNK_SIZE].where, wheres[top]));
    xl_layers_release(&layers);
}

static void empty_store(const struct xl_world *world)
{
    struct xl_names names;
    char path[600];
    xl_names_list(&names, world->paths.store, NULL);
    for (size_t i = 0; i < names.n; i++) {
        snprintf(path, sizeof path, "%s/%s.json", world->paths.store,
                 names.items[i]);
        remove(path);
    }
    xl_names_release(&names);
}

static void each_layer_beats_the_one_below(struct xl_test *t)
{
    struct xl_world world;
    for (size_t top = XL_LAYER_GOLDEN; top < XL_LAYER_COUNT; top++) {
        struct xl_layers layers;
        if (top == XL_LAYER_CHECKPOINT)
            continue;
        xl_world_init(&world, t);
        check_top(t, &world, XL_LAYER_DEFAULT);
        put(&world, t, below((enum xl_layer)top));
        check_top(t, &world, below((enum xl_layer)top));
        put(&world, t, (enum xl_layer)top);
        check_top(t, &world, (enum xl_layer)top);
        /* The lower one is shadowed, not lost. */
        xl_world_resolve(&world, &layers);
        XL_CHECK(t, xl_layers_sets(&layers, below((enum xl_layer)top),
                                   XL_PARAM_CHUNK_SIZE));
        xl_layers_release(&layers);
        empty_store(&world);
        xl_world_release(&world);
    }
}

static void all_layers_at_once(struct xl_test *t)
{
    struct xl_world world;
    xl_world_init(&world, t);
    for (size_t i = 0; i < XL_LAYER_COUNT; i++) {
        if (i == XL_LAYER_CHECKPOINT)
            continue;
        put(&world, t, (enum xl_layer)i);
        check_top(t, &world, (enum xl_layer)i);
    }
    xl_world_release(&world);
}

static void no_best_leaves_the_machine_out(struct xl_test *t)
{
    struct xl_world world;
    struct xl_layers layers;
    xl_world_init(&world, t);
    put(&world, t, XL_LAYER_MACHINE);
    world.in.no_best = true;
    check_top(t, &world, XL_LAYER_DEFAULT);
    world.in.no_best = false;
    check_top(t, &world, XL_LAYER_MACHINE);
    XL_CHECK_EQ(t, xl_world_resolve(&world, &layers), XL_OK);
    XL_CHECK(t, layers.machine && layers.notes.len == 0);
    XL_CHECK(t, strstr(layers.details.data, "exact") != NULL);
    xl_layers_release(&layers);
    xl_world_release(&world);
}

static int64_t value_of(struct xl_test *t, struct xl_world *world,
                        enum xl_param id, enum xl_layer layer)
{
    struct xl_layers layers;
    if (!XL_CHECK_STATUS(t, xl_world_resolve(world, &layers), XL_OK,
                         &world->err))
        return -1;
    int64_t value = layers.effective.value[id];
    XL_CHECK_EQ(t, layers.effective.origin[id].layer, layer);
    xl_layers_release(&layers);
    return value;
}

static void backend_in_effect_chooses_golden(struct xl_test *t)
{
    static const char *const serial[] = { "--backend", "serial" };
    struct xl_world world;
    xl_world_init(&world, t);
    xl_world_write(t, "golden/serial.json",
                   "{\"schema\":\"xltune-profile/1\",\"params\":"
                   "{\"backend\":\"native\",\"chunk_size\":33}}");
    xl_world_write(t, "golden/queued.json",
                   "{\"schema\":\"xltune-profile/1\",\"params\":"
                   "{\"chunk_size\":34}}");
    XL_CHECK_EQ(t, value_of(t, &world, XL_PARAM_CHUNK_SIZE, XL_LAYER_DEFAULT),
                64);
    struct xl_world_best best = { .params = "{\"backend\":\"queued\"}",
                                  .verdict = "pass",
                                  .key = &world.in.key };
    XL_CHECK_EQ(t, xl_world_publish(&world, &best, NULL), XL_OK);
    XL_CHECK_EQ(t, value_of(t, &world, XL_PARAM_CHUNK_SIZE, XL_LAYER_GOLDEN),
                34);
    xl_world_flags(&world, 2, serial);
    XL_CHECK_EQ(t, value_of(t, &world, XL_PARAM_CHUNK_SIZE, XL_LAYER_GOLDEN),
                33);
    /* A golden profile cannot change the backend that chose it. */
    world.in.no_best = true;
    xl_world_flags(&world, 0, NULL);
    xl_world_write(t, "golden/parallel.json",
                   "{\"schema\":\"xltune-profile/1\",\"params\":"
                   "{\"backend\":\"native\",\"heads_per_band\":16}}");
    XL_CHECK_EQ(t, value_of(t, &world, XL_PARAM_BACKEND, XL_LAYER_DEFAULT), 2);
    XL_CHECK_EQ(t,
                value_of(t, &world, XL_PARAM_HEADS_PER_BAND, XL_LAYER_DEFAULT),
                0); /* the model has 4 */
    xl_world_flags(&world, 2, serial);
    XL_CHECK_EQ(t, value_of(t, &world, XL_PARAM_BACKEND, XL_LAYER_FLAG), 1);
    xl_world_release(&world);
}

/* Resolving must fail as the user's fault and say all of these words. */
static void must_refuse(struct xl_test *t, struct xl_world *world,
                        const char *a, const char *b, const char *c)
{
    struct xl_layers layers;
    enum xl_status rc = xl_world_resolve(world, &layers);
    XL_CHECK_STATUS(t, rc, XL_EUSAGE, &world->err);
    if (rc == XL_OK)
        xl_layers_release(&layers);
    bool said = strstr(world->err.message, a) &&
                strstr(world->err.message, b) && strstr(world->err.message, c);
    xl_test_check(t, said, __FILE__, __LINE__, "'%s', '%s', '%s' in: %s", a, b,
                  c, world->err.message);
}

static void named_files_must_be_right(struct xl_test *t)
{
    struct xl_world world;
    xl_world_init(&world, t);
    world.in.file = xl_world_path(t, "nowhere.json");
    must_refuse(t, &world, "nowhere.json", "cannot open", "");
    world.in.file = xl_world_write(t, "c.json", "{\n  \"chunk_sise\": 3}");
    must_refuse(t, &world, "c.json", "line 2 column 3",
                "nearest is 'chunk_size'");
    world.in.file = xl_world_write(t, "c.json", "{\"chunk_size\":\n 0.5}");
    must_refuse(t, &world, "c.json", "line 1 column 2", "integer");
    world.in.file = xl_world_write(t, "c.json", "{\"chunk_size\": 5000}");
    must_refuse(t, &world, "c.json", "line 1 column 2", "out of bounds");
    world.in.file = xl_world_write(t, "c.json", "{\"chunk_size\": 32,\n}");
    must_refuse(t, &world, "c.json", "line 2 column", "JSON");
    world.in.file = NULL;
    xl_world_write(t, "configs/fast.json", "{}");
    world.in.profile = "fst";
    must_refuse(t, &world, "no profile 'fst'", "configs/fst.json",
                "nearest is 'fast'");
    world.in.profile = "../configs/fast";
    must_refuse(t, &world, "no name", "--config", "");
    world.in.profile = NULL;
    world.env[0][0] = "XLTUNE_BACKEND";
    world.env[0][1] = "serail";
    must_refuse(t, &world, "XLTUNE_BACKEND", "nearest is 'serial'", "");
    xl_world_release(&world);
}

static void golden_files_must_be_right(struct xl_test *t)
{
    struct xl_world world;
    struct xl_layers layers;
    xl_world_init(&world, t);
    xl_world_write(t, "golden/parallel.json",
                   "{\"schema\":\"xltune-profile/1\",\"params\":\n"
                   "{\"chunk_size\":9999}}");
    must_refuse(t, &world, "golden/parallel.json", "line 2 column 2", "bounds");
    xl_world_write(t, "golden/parallel.json",
                   "{\"schema\":\"xltune-profile/2\",\"params\":{}}");
    must_refuse(t, &world, "golden/parallel.json", "line 1 column 2", "schema");
    remove(xl_world_path(t, "golden/parallel.json"));
    must_refuse(t, &world, "golden/parallel.json", "cannot open", "");
    xl_free(world.paths.golden);
    world.paths.golden = NULL;
    XL_CHECK_EQ(t, xl_world_resolve(&world, &layers), XL_OK);
    XL_CHECK(t, strstr(layers.notes.data, "golden") != NULL);
    xl_layers_release(&layers);
    xl_world_release(&world);
}

static void values_the_model_refuses(struct xl_test *t)
{
    static const char *const flag[] = { "--heads-per-band=16" };
    static const char *const small[] = { "--chunk-size=16" };
    struct xl_world world;
    struct xl_layers layers;
    xl_world_init(&world, t);
    struct xl_world_best best = {
        .params = "{\"heads_per_band\":16,\"chunk_size\":128,"
                  "\"inner_tile\":32}",
        .verdict = "pass",
        .key = &world.in.key
    };
    /* Nobody named it: left out with a note, the rest kept. */
    XL_CHECK_EQ(t, xl_world_publish(&world, &best, NULL), XL_OK);
    XL_CHECK_STATUS(t, xl_world_resolve(&world, &layers), XL_OK, &world.err);
    const struct xl_params *p = &layers.effective;
    XL_CHECK_EQ(t, p->value[XL_PARAM_HEADS_PER_BAND], 0);
    XL_CHECK_EQ(t, p->value[XL_PARAM_CHUNK_SIZE], 128);
    XL_CHECK_EQ(t, p->value[XL_PARAM_INNER_TILE], 32);
    XL_CHECK(t, strstr(layers.notes.data, "heads_per_band 16") &&
                    strstr(layers.notes.data, "exceeds the heads"));
    XL_CHECK(t, layers.left_out[XL_LAYER_MACHINE][XL_PARAM_HEADS_PER_BAND]);
    xl_layers_release(&layers);
    /* A flag that takes a value's company away takes the value with it. */
    xl_world_flags(&world, 1, small);
    XL_CHECK_EQ(t, value_of(t, &world, XL_PARAM_INNER_TILE, XL_LAYER_DEFAULT),
                8);
    XL_CHECK_EQ(t, value_of(t, &world, XL_PARAM_CHUNK_SIZE, XL_LAYER_FLAG), 16);
    /* Somebody named it: an error that says where. */
    xl_world_flags(&world, 1, flag);
    must_refuse(t, &world, "--heads", "exceeds the heads", "");
    xl_world_flags(&world, 0, NULL);
    world.in.file = xl_world_write(t, "c.json", "{\n\"heads_per_band\": 16}");
    must_refuse(t, &world, "c.json:2", "exceeds the heads", "");
    xl_world_release(&world);
}

static void unproved_profiles_are_refused(struct xl_test *t)
{
    struct xl_world world;
    struct xl_layers layers;
    xl_world_init(&world, t);
    struct xl_world_best best = { .params = "{\"chunk_size\":48}",
                                  .verdict = "fail",
                                  .key = &world.in.key };
    XL_CHECK_STATUS(t, xl_world_publish(&world, &best, &world.err), XL_EUSAGE,
                    &world.err);
    XL_CHECK(t, strstr(world.err.message, "'fail', not 'pass'") != NULL);
    xl_io_make_dirs(xl_world_path(t, "runs/r1"), NULL);
    xl_world_write(t, "runs/r1/trials.db", "");
    XL_CHECK_EQ(
        t, xl_world_save(xl_world_path(t, "runs/r1/best.json"), &best, NULL),
        XL_OK);
    XL_CHECK_EQ(t, xl_world_resolve(&world, &layers), XL_OK);
    XL_CHECK_EQ(t, layers.effective.value[XL_PARAM_CHUNK_SIZE], 64);
    XL_CHECK(t, strstr(layers.notes.data, "r1/best.json") &&
                    strstr(layers.notes.data, "'fail', not 'pass'"));
    XL_CHECK(t, layers.machine == NULL);
    xl_layers_release(&layers);
    world.in.file = xl_world_path(t, "runs/r1/best.json");
    must_refuse(t, &world, "best.json", "line ", "'fail', not 'pass'");
    best.verdict = "pass";
    xl_world_save(xl_world_path(t, "runs/r1/best.json"), &best, NULL);
    XL_CHECK_EQ(t, value_of(t, &world, XL_PARAM_CHUNK_SIZE, XL_LAYER_CONFIG),
                48);
    world.in.file = NULL;
    XL_CHECK_EQ(t, value_of(t, &world, XL_PARAM_CHUNK_SIZE, XL_LAYER_MACHINE),
                48);
    /* An export without a store is no run. */
    remove(xl_world_path(t, "runs/r1/trials.db"));
    XL_CHECK_EQ(t, xl_world_resolve(&world, &layers), XL_OK);
    XL_CHECK(t, layers.machine == NULL);
    xl_layers_release(&layers);
    xl_world_release(&world);
}

static void weaker_matches_say_why(struct xl_test *t)
{
    struct xl_world world;
    struct xl_layers layers;
    xl_world_init(&world, t);
    struct xl_key theirs = world.in.key;
    struct xl_world_best best = { .params = "{\"chunk_size\":48}",
                                  .verdict = "pass",
                                  .key = &theirs };
    theirs.model.width++;
    XL_CHECK_EQ(t, xl_world_publish(&world, &best, NULL), XL_OK);
    XL_CHECK_EQ(t, xl_world_resolve(&world, &layers), XL_OK);
    XL_CHECK_EQ(t, layers.effective.value[XL_PARAM_CHUNK_SIZE], 64);
    XL_CHECK(t, layers.notes.len == 0 &&
                    strstr(layers.details.data, "width is 65, here 64"));
    xl_layers_release(&layers);
    theirs = world.in.key;
    theirs.hardware.cores = 8;
    XL_CHECK_EQ(t, xl_world_publish(&world, &best, NULL), XL_OK);
    XL_CHECK_EQ(t, xl_world_resolve(&world, &layers), XL_OK);
    XL_CHECK_EQ(t, layers.effective.value[XL_PARAM_CHUNK_SIZE], 48);
    XL_CHECK(t, strstr(layers.notes.data, "cores is 8, here 2") != NULL);
    xl_layers_release(&layers);
    xl_world_release(&world);
}

/* A golden profile measured with this shape of model stands before the starting
 * values of its backend, where the machine is of its class. */
static void golden_profiles_fit_by_class(struct xl_test *t)
{
    struct xl_world world;
    struct xl_layers layers;
    char name[80], hash[XL_KEY_HASH], path[300];
    xl_world_init(&world, t);
    xl_world_write(t, "golden/parallel.json",
                   "{\"schema\":\"xltune-profile/1\",\"params\":"
                   "{\"chunk_size\":34}}");
    struct xl_key theirs = world.in.key;
    struct xl_world_best best = { .params = "{\"backend\":\"parallel\","
                                            "\"chunk_size\":96,\"workers\":7}",
                                  .verdict = "pass",
                                  .key = &theirs };
    XL_CHECK_EQ(t, xl_key_model_hash(&theirs.model, hash, NULL), XL_OK);
    snprintf(name, sizeof name, "golden/parallel-%s.json", hash);
    snprintf(path, sizeof path, "%s", xl_world_path(t, name));
    XL_CHECK_EQ(t, xl_world_save(path, &best, NULL), XL_OK);
    XL_CHECK_EQ(t, value_of(t, &world, XL_PARAM_CHUNK_SIZE, XL_LAYER_GOLDEN),
                96);
    XL_CHECK_EQ(t, value_of(t, &world, XL_PARAM_WORKERS, XL_LAYER_GOLDEN), 7);
    /* Other cores: what counts them stays behind. */
    theirs.hardware.cores = 8;
    XL_CHECK_EQ(t, xl_world_save(path, &best, NULL), XL_OK);
    XL_CHECK_EQ(t, value_of(t, &world, XL_PARAM_CHUNK_SIZE, XL_LAYER_GOLDEN),
                96);
    XL_CHECK_EQ(t, value_of(t, &world, XL_PARAM_WORKERS, XL_LAYER_DEFAULT), 0);
    XL_CHECK_EQ(t, xl_world_resolve(&world, &layers), XL_OK);
    XL_CHECK(t, strstr(layers.details.data, "cores is 8, here 2"));
    xl_layers_release(&layers);
    /* Other instruction sets: the starting values. */
    theirs.hardware.isa[XL_ISA_AVX2] = !theirs.hardware.isa[XL_ISA_AVX2];
    XL_CHECK_EQ(t, xl_world_save(path, &best, NULL), XL_OK);
    XL_CHECK_EQ(t, value_of(t, &world, XL_PARAM_CHUNK_SIZE, XL_LAYER_GOLDEN),
                34);
    XL_CHECK_EQ(t, xl_world_resolve(&world, &layers), XL_OK);
    XL_CHECK(t, strstr(layers.details.data, "does not fit: feature avx2"));
    xl_layers_release(&layers);
    xl_world_release(&world);
}

const struct xl_test_case xl_suite_profile[] = {
    XL_CASE(key_ignores_names_and_rounds),
    XL_CASE(key_buckets_contexts),
    XL_CASE(key_survives_json),
    XL_CASE(key_json_misses_nothing),
    XL_CASE(match_is_graded),
    XL_CASE(packed_models_differ),
    XL_CASE(each_layer_beats_the_one_below),
    XL_CASE(all_layers_at_once),
    XL_CASE(no_best_leaves_the_machine_out),
    XL_CASE(backend_in_effect_chooses_golden),
    XL_CASE(named_files_must_be_right),
    XL_CASE(golden_files_must_be_right),
    XL_CASE(values_the_model_refuses),
    XL_CASE(unproved_profiles_are_refused),
    XL_CASE(weaker_matches_say_why),
    XL_CASE(golden_profiles_fit_by_class),
    { 0 },
};
