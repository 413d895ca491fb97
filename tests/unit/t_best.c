/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of profiles: written, found again, damaged, written by several at
 * once, named and frozen. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/rng.h"
#include "tests/harness/test.h"
#include "tests/unit/profile_fixture.h"
#include "tuner/profile/shelf.h"

/* -- round trip ----------------------------------------------------------- */

static int64_t random_value(struct xl_rng *rng, enum xl_param id)
{
    const struct xl_param_row *row = xl_param_row(id);
    uint64_t span = (uint64_t)(row->hi - row->lo + 1);
    if (row->kind == XL_KIND_NAME)
        return (int64_t)xl_rng_below(rng, xl_param_n_choices(id));
    int64_t a = row->lo + (int64_t)xl_rng_below(rng, span);
    int64_t b = row->lo + (int64_t)xl_rng_below(rng, span);
    return row->kind == XL_KIND_TILE ? xl_tile_of(a, b) : a;
}

static void what_is_published_is_resolved(struct xl_test *t)
{
    struct xl_world world;
    struct xl_rng rng;
    xl_world_init(&world, t);
    world.in.check = NULL;
    xl_rng_seed(&rng, 7);
    for (int round = 0; round < 10; round++) {
        struct xl_layers layers;
        struct xl_params p;
        xl_params_init(&p);
        for (size_t i = 0; i < XL_PARAM_COUNT; i++)
            p.value[i] = random_value(&rng, (enum xl_param)i);
        cJSON *values = xl_params_to_json(&p);
        char *text = cJSON_PrintUnformatted(values);
        struct xl_world_best best = { .params = text,
                                      .verdict = "pass",
                                      .key = &world.in.key };
        XL_CHECK_STATUS(t, xl_world_publish(&world, &best, &world.err), XL_OK,
                        &world.err);
        XL_CHECK_STATUS(t, xl_world_resolve(&world, &layers), XL_OK,
                        &world.err);
        for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
            XL_CHECK_EQ(t, layers.effective.value[i], p.value[i]);
            XL_CHECK_EQ(t, layers.effective.origin[i].layer, XL_LAYER_MACHINE);
        }
        XL_CHECK_EQ(t, layers.found.n, 1); /* replaced, not added */
        xl_layers_release(&layers);
        cJSON_free(text);
        cJSON_Delete(values);
    }
    xl_world_release(&world);
}

static void paths_come_from_the_environment(struct xl_test *t)
{
    struct xl_world world;
    struct xl_profile_paths paths;
    xl_world_init(&world, t);
    xl_env_fn *env = world.in.env;
    XL_CHECK_EQ(t, xl_profile_paths_init(&paths, "g", env, &world, NULL),
                XL_OK);
    XL_CHECK(t, paths.store == NULL);
    XL_CHECK_TEXT(t, paths.golden, "g");
    xl_profile_paths_release(&paths);
    static const char *const rows[][3] = {
        { "HOME", "/h", "/h/.local/state/xltune/profiles" },
        { "XDG_STATE_HOME", "relative", "/h/.local/state/xltune/profiles" },
        { "XDG_STATE_HOME", "/s", "/s/xltune/profiles" },
        { "XLTUNE_PROFILES", "p", "p" },
    };
    for (size_t i = 0; i < 4; i++) {
        size_t slot = i < 2 ? i : i - 1;
        world.env[slot][0] = rows[i][0];
        world.env[slot][1] = rows[i][1];
        xl_profile_paths_init(&paths, NULL, env, &world, NULL);
        XL_CHECK_TEXT(t, paths.store, rows[i][2]);
        xl_profile_paths_release(&paths);
    }
    xl_world_release(&world);
}

/* -- choosing ------------------------------------------------------------- */

/* Writes runs/NAME/best.json and says which run wins, by its chunk_size. */
static int64_t winner(struct xl_world *world)
{
    struct xl_layers layers;
    int64_t value = -1;
    if (xl_world_resolve(world, &layers) != XL_OK)
        return -2;
    if (layers.machine)
        value = layers.effective.value[XL_PARAM_CHUNK_SIZE];
    xl_layers_release(&layers);
    return value;
}

static void add_run(struct xl_test *t, const char *name, const char *params,
                    const char *created, const struct xl_key *key)
{
    char path[64];
    struct xl_world_best best = {
        .params = params, .verdict = "pass", .created = created, .key = key
    };
    snprintf(path, sizeof path, "runs/%s", name);
    xl_io_make_dirs(xl_world_path(t, path), NULL);
    snprintf(path, sizeof path, "runs/%s/trials.db", name);
    xl_world_write(t, path, "");
    snprintf(path, sizeof path, "runs/%s/best.json", name);
    XL_CHECK_EQ(t, xl_world_save(xl_world_path(t, path), &best, NULL), XL_OK);
}

/* Each added run beats all before it, in the order that find.h promises. */
static void better_fits_win(struct xl_test *t)
{
    static const char *const queued[] = { "--backend", "queued" };
    struct xl_world world;
    xl_world_init(&world, t);
    struct xl_key key = world.in.key;
    XL_CHECK_EQ(t, winner(&world), -1);
    key.hardware.l3_kib = 9;
    add_run(t, "h", "{\"chunk_size\":1}", "2025-09", &key);
    XL_CHECK_EQ(t, winner(&world), 1);
    key = world.in.key;
    key.hardware.cores = 9;
    add_run(t, "g", "{\"chunk_size\":2}", "2025-08", &key);
    XL_CHECK_EQ(t, winner(&world), 2);
    key = world.in.key;
    key.context = 4096;
    add_run(t, "f", "{\"chunk_size\":3}", "2025-07", &key);
    XL_CHECK_EQ(t, winner(&world), 3);
    key.context = 256;
    add_run(t, "e", "{\"chunk_size\":4}", "2025-06", &key);
    XL_CHECK_EQ(t, winner(&world), 4);
    key.context = 512;
    add_run(t, "d", "{\"chunk_size\":5}", "2025-01", &key);
    XL_CHECK_EQ(t, winner(&world), 5);
    add_run(t, "c", "{\"chunk_size\":6}", "2025-05", &key);
    XL_CHECK_EQ(t, winner(&world), 6);
    struct xl_world_best best = { .params = "{\"chunk_size\":7}",
                                  .verdict = "pass",
                                  .created = "2024",
                                  .key = &key };
    XL_CHECK_EQ(t, xl_world_publish(&world, &best, NULL), XL_OK);
    XL_CHECK_EQ(t, winner(&world), 7);
    add_run(t, "b", "{\"chunk_size\":8,\"backend\":\"queued\"}", "2023", &key);
    XL_CHECK_EQ(t, winner(&world), 7);
    xl_world_flags(&world, 2, queued);
    XL_CHECK_EQ(t, winner(&world), 8);
    xl_world_release(&world);
}

/* -- damage --------------------------------------------------------------- */

static void refuses_incomplete_documents(struct xl_test *t)
{
    struct xl_world world;
    struct xl_best best;
    cJSON *root = NULL;
    xl_world_init(&world, t);
    struct xl_world_best good = { .params = "{\"chunk_size\":48}",
                                  .verdict = "pass",
                                  .key = &world.in.key };
    char *path = xl_io_join(t->dir, "best.json");
    XL_CHECK_EQ(t, xl_world_save(path, &good, NULL), XL_OK);
    XL_CHECK_EQ(t, xl_json_load(path, XL_JSON_SMALL, &root, NULL), XL_OK);
    for (int i = 0; i < cJSON_GetArraySize(root); i++) {
        struct xl_err err = { 0 };
        cJSON *less = cJSON_Duplicate(root, true);
        cJSON_DeleteItemFromArray(less, i);
        xl_json_save(path, less, NULL);
        XL_CHECK_STATUS(
            t, xl_best_load(&best, path, XL_BEST_FULL, XL_LAYER_MACHINE, &err),
            XL_EUSAGE, &err);
        XL_CHECK(t, strstr(err.message, "is missing") != NULL &&
                        strstr(err.message, "line "));
        cJSON_Delete(less);
    }
    struct xl_err err = { 0 };
    cJSON_AddTrueToObject(root, "extra");
    xl_json_save(path, root, NULL);
    XL_CHECK_STATUS(
        t, xl_best_load(&best, path, XL_BEST_FULL, XL_LAYER_MACHINE, &err),
        XL_EUSAGE, &err);
    XL_CHECK(t, strstr(err.message, "'extra'") != NULL);
    cJSON_DeleteItemFromObject(root, "extra");
    cJSON *metrics = cJSON_GetObjectItem(root, "metrics");
    cJSON_ReplaceItemInObject(metrics, "decode_tok_s",
                              cJSON_CreateString("fast"));
    xl_json_save(path, root, NULL);
    XL_CHECK_STATUS(
        t, xl_best_load(&best, path, XL_BEST_FULL, XL_LAYER_MACHINE, &err),
        XL_EUSAGE, &err);
    XL_CHECK(t, strstr(err.message, "'decode_tok_s'") != NULL);
    cJSON_Delete(root);
    good.verdict = NULL; /* and save refuses what load would */
    XL_CHECK_STATUS(t, xl_world_save(path, &good, &err), XL_EUSAGE, &err);
    xl_free(path);
    xl_world_release(&world);
}

/* Writes bytes without the care of xl_io_replace, for speed. */
static void dump(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        return;
    fwrite(bytes, 1, n, f);
    fclose(f);
}

/* A damaged file, read by each door: right or a clean error, never else. */
static bool survives(struct xl_test *t, struct xl_world *world,
                     const char *path, bool as_machine)
{
    struct xl_best best;
    struct xl_layers layers;
    struct xl_err err = { 0 };
    enum xl_status rc =
        xl_best_load(&best, path, XL_BEST_FULL, XL_LAYER_MACHINE, &err);
    XL_CHECK(t, rc == XL_OK || (rc == XL_EUSAGE && err.message[0] &&
                                strstr(err.message, path)));
    bool loaded = rc == XL_OK;
    if (loaded)
        xl_best_release(&best);
    world->in.file = as_machine ? NULL : path;
    rc = xl_world_resolve(world, &layers);
    XL_CHECK(t, rc == XL_OK || (rc == XL_EUSAGE && world->err.message[0]));
    if (as_machine) /* the own profile may be refused but not be passed over */
        XL_CHECK(t, loaded == (rc == XL_OK));
    if (rc == XL_OK)
        xl_layers_release(&layers);
    return loaded;
}

/* Where the profile of the world's own key is published; the caller's. */
static char *own_path(const struct xl_test *t, const struct xl_world *world)
{
    char name[XL_KEY_NAME], file[XL_KEY_NAME + 16];
    xl_key_name(&world->in.key, name, NULL);
    snprintf(file, sizeof file, "store/%s.json", name);
    return xl_io_join(t->dir, file);
}

static void damaged_files_are_clean_errors(struct xl_test *t)
{
    struct xl_world world;
    struct xl_rng rng;
    struct xl_buf text;
    xl_world_init(&world, t);
    xl_rng_seed(&rng, 3);
    struct xl_world_best good = { .params = "{\"chunk_size\":48,"
                                            "\"backend\":\"serial\"}",
                                  .verdict = "pass",
                                  .key = &world.in.key };
    XL_CHECK_EQ(t, xl_world_publish(&world, &good, NULL), XL_OK);
    char *path = own_path(t, &world);
    xl_buf_init(&text, 0);
    XL_CHECK_EQ(t, xl_io_read(path, &text, NULL), XL_OK);
    XL_CHECK(t, survives(t, &world, path, true));
    world.in.key.context = 64; /* another context is no excuse */
    size_t end = text.len - 1; /* the last brace; a newline follows it */
    for (size_t i = 0; i < 200; i++) {
        dump(path, text.data, i * end / 200);
        XL_CHECK(t, !survives(t, &world, path, i % 2 == 0));
    }
    for (size_t i = 0; i < 400; i++) {
        size_t at = (size_t)xl_rng_below(&rng, text.len);
        char kept = text.data[at];
        text.data[at] = (char)(kept ^ (1 << xl_rng_below(&rng, 8)));
        dump(path, text.data, text.len);
        survives(t, &world, path, i % 2 == 0);
        text.data[at] = kept;
    }
    xl_free(path);
    xl_buf_release(&text);
    xl_world_release(&world);
}

/* A broken file of somebody else must be heard of, but stop nobody. */
static void foreign_damage_is_a_note(struct xl_test *t)
{
    struct xl_world world;
    struct xl_layers layers;
    xl_world_init(&world, t);
    xl_world_write(t, "store/0000-1111-512.json", "{\n \"schema\":");
    xl_world_write(t, "store/x.json.123.tmp", "left by a writer that died");
    XL_CHECK_STATUS(t, xl_world_resolve(&world, &layers), XL_OK, &world.err);
    XL_CHECK(t, strstr(layers.notes.data, "0000-1111-512.json") &&
                    strstr(layers.notes.data, "line 2") &&
                    !strstr(layers.notes.data, "123"));
    xl_layers_release(&layers);
    xl_world_release(&world);
}

/* -- several at once ------------------------------------------------------ */

enum {
    WRITERS = 4,
    WRITES = 12
};

static void write_often(struct xl_world *world, int writer)
{
    char params[64];
    struct xl_world_best best = { .params = params,
                                  .verdict = "pass",
                                  .key = &world->in.key };
    int bad = 0;
    snprintf(params, sizeof params, "{\"chunk_size\":%d,\"prefill_block\":%d}",
             writer + 1, writer + 1);
    for (int i = 0; i < WRITES; i++)
        bad += xl_world_publish(world, &best, NULL) != XL_OK;
    _exit(bad ? 1 : 0);
}

static void writers_never_mix(struct xl_test *t)
{
    struct xl_world world;
    int running = WRITERS, status = 0, seen = 0;
    xl_world_init(&world, t);
    for (int i = 0; i < WRITERS; i++)
        if (fork() == 0)
            write_often(&world, i);
    while (running) {
        struct xl_layers layers;
        if (waitpid(-1, &status, WNOHANG) > 0) {
            XL_CHECK_EQ(t, status, 0);
            running--;
        }
        if (!XL_CHECK_STATUS(t, xl_world_resolve(&world, &layers), XL_OK,
                             &world.err))
            continue;
        const struct xl_params *p = &layers.effective;
        if (layers.machine) {
            XL_CHECK_EQ(t, p->value[XL_PARAM_CHUNK_SIZE],
                        p->value[XL_PARAM_PREFILL_BLOCK]);
            seen++;
        }
        XL_CHECK(t, layers.found.n <= 1 && layers.notes.len == 0);
        xl_layers_release(&layers);
    }
    XL_CHECK(t, seen > 0);
    xl_world_release(&world);
}

/* -- no memory ------------------------------------------------------------ */

struct quota {
    size_t left;
};

static struct quota *json_quota; /* cJSON's hooks take no context */

static bool spend(struct quota *quota)
{
    if (quota->left == 0)
        return false;
    quota->left--;
    return true;
}

static bool refuse(void *ctx, size_t nbytes)
{
    (void)nbytes;
    return !spend(ctx);
}

static void *json_alloc(size_t n)
{
    return spend(json_quota) ? xl_alloc(n) : NULL;
}

/* Both sources of memory draw from one quota; returns what run returned. */
static enum xl_status starve(size_t allowed, struct xl_world *world,
                             const struct xl_world_best *doc, const char *path)
{
    struct quota quota = { .left = allowed };
    struct xl_layers layers;
    struct xl_best best;
    cJSON_Hooks hooks = { .malloc_fn = json_alloc, .free_fn = xl_free };
    json_quota = &quota;
    cJSON_InitHooks(&hooks);
    xl_alloc_set_hook(refuse, &quota);
    enum xl_status rc =
        xl_best_load(&best, path, XL_BEST_FULL, XL_LAYER_MACHINE, &world->err);
    if (rc == XL_OK) {
        xl_best_release(&best);
        rc = xl_world_resolve(world, &layers);
        if (rc == XL_OK)
            xl_layers_release(&layers);
    }
    if (rc == XL_OK)
        rc = xl_world_save(path, doc, &world->err);
    xl_alloc_set_hook(NULL, NULL);
    cJSON_InitHooks(NULL);
    return rc;
}

static void every_allocation_may_fail(struct xl_test *t)
{
    struct xl_world world;
    struct xl_best best;
    size_t n = 0;
    xl_world_init(&world, t);
    struct xl_world_best good = { .params = "{\"heads_per_band\":16}",
                                  .verdict = "pass",
                                  .key = &world.in.key };
    XL_CHECK_EQ(t, xl_world_publish(&world, &good, NULL), XL_OK);
    char *path = own_path(t, &world);
    for (; n < 20000; n++) {
        world.err = (struct xl_err){ 0 };
        if (starve(n, &world, &good, path) == XL_OK)
            break;
        XL_CHECK(t, world.err.message[0] != '\0');
        /* The file is never replaced by a part of the document. */
        XL_CHECK_STATUS(t,
                        xl_best_load(&best, path, XL_BEST_FULL,
                                     XL_LAYER_MACHINE, &world.err),
                        XL_OK, &world.err);
        xl_best_release(&best);
    }
    XL_CHECK(t, n > 50 && n < 20000);
    xl_free(path);
    xl_world_release(&world);
}

/* -- names ---------------------------------------------------------------- */

static enum xl_status freeze(const struct xl_world *world, const char *word,
                             const struct xl_freeze *how, struct xl_err *err)
{
    struct xl_shelf_item item;
    struct xl_freeze freeze = *how;
    char *path = NULL;
    XL_TRY(xl_shelf_locate(&item, &world->paths, word, err));
    freeze.source = &item;
    enum xl_status rc = xl_shelf_freeze(&world->paths, &freeze, &path, err);
    xl_free(path);
    xl_shelf_item_release(&item);
    return rc;
}

static void freezing_makes_a_profile(struct xl_test *t)
{
    struct xl_world world;
    struct xl_layers layers;
    struct xl_err err = { 0 };
    xl_world_init(&world, t);
    add_run(t, "r1", "{\"chunk_size\":48,\"backend\":\"serial\"}", NULL,
            &world.in.key);
    struct xl_freeze how = { .name = "fast" };
    XL_CHECK_STATUS(t, freeze(&world, "r1", &how, &err), XL_OK, &err);
    world.in.profile = "fast";
    world.in.no_best = true;
    XL_CHECK_STATUS(t, xl_world_resolve(&world, &layers), XL_OK, &world.err);
    XL_CHECK_EQ(t, layers.effective.value[XL_PARAM_CHUNK_SIZE], 48);
    XL_CHECK_EQ(t, layers.effective.origin[XL_PARAM_CHUNK_SIZE].layer,
                XL_LAYER_PROFILE);
    xl_layers_release(&layers);
    XL_CHECK_STATUS(t, freeze(&world, "r1", &how, &err), XL_EUSAGE, &err);
    how.replace = true;
    XL_CHECK_STATUS(t, freeze(&world, xl_world_path(t, "runs/r1"), &how, &err),
                    XL_OK, &err);
    how.name = "../x";
    XL_CHECK_STATUS(t, freeze(&world, "r1", &how, &err), XL_EUSAGE, &err);
    /* Golden profiles are named by the backend they are for. */
    how = (struct xl_freeze){ .name = "parallel",
                              .golden = true,
                              .replace = true };
    XL_CHECK_STATUS(t, freeze(&world, "r1", &how, &err), XL_EUSAGE, &err);
    how.name = "serial";
    XL_CHECK_STATUS(t, freeze(&world, "r1", &how, &err), XL_OK, &err);
    world.in.profile = NULL;
    world.env[0][0] = "XLTUNE_BACKEND";
    world.env[0][1] = "serial";
    XL_CHECK_STATUS(t, xl_world_resolve(&world, &layers), XL_OK, &world.err);
    XL_CHECK_EQ(t, layers.effective.value[XL_PARAM_CHUNK_SIZE], 48);
    XL_CHECK_EQ(t, layers.effective.origin[XL_PARAM_CHUNK_SIZE].layer,
                XL_LAYER_GOLDEN);
    xl_layers_release(&layers);
    xl_world_release(&world);
}

static void freezing_refuses_the_unproved(struct xl_test *t)
{
    struct xl_world world;
    struct xl_err err = { 0 };
    xl_world_init(&world, t);
    struct xl_world_best bad = { .params = "{}",
                                 .verdict = "fail",
                                 .key = &world.in.key };
    const char *path = xl_world_path(t, "bad.json");
    XL_CHECK_EQ(t, xl_world_save(path, &bad, NULL), XL_OK);
    struct xl_freeze how = { .name = "fast" };
    XL_CHECK_STATUS(t, freeze(&world, path, &how, &err), XL_EUSAGE, &err);
    XL_CHECK(t, strstr(err.message, "'fail', not 'pass'") != NULL);
    XL_CHECK(t, !xl_io_exists(xl_world_path(t, "configs/fast.json")));
    xl_world_release(&world);
}

static void names_are_found_and_removed(struct xl_test *t)
{
    struct xl_world world;
    struct xl_shelf_item item;
    struct xl_shelf_items all;
    struct xl_best best;
    struct xl_err err = { 0 };
    char name[XL_KEY_NAME], prefix[8] = "";
    xl_world_init(&world, t);
    struct xl_world_best good = { .params = "{}",
                                  .verdict = "pass",
                                  .key = &world.in.key };
    xl_world_publish(&world, &good, NULL);
    xl_world_write(t, "configs/flat.json", "{\"chunk_size\": 48}");
    xl_key_name(&world.in.key, name, NULL);
    memcpy(prefix, name, 6);
    XL_CHECK_EQ(t, xl_shelf_list(&all, &world.paths, &err), XL_OK);
    XL_CHECK_EQ(t, all.n, 7); /* flat, the published one, five golden */
    xl_shelf_items_release(&all);
    XL_CHECK_STATUS(t, xl_shelf_locate(&item, &world.paths, prefix, &err),
                    XL_OK, &err);
    XL_CHECK_TEXT(t, item.name, name);
    XL_CHECK_EQ(t, xl_shelf_remove(&item, &err), XL_OK);
    XL_CHECK(t, !xl_io_exists(item.path));
    xl_shelf_item_release(&item);
    XL_CHECK_STATUS(t, xl_shelf_locate(&item, &world.paths, "flatt", &err),
                    XL_EUSAGE, &err);
    XL_CHECK(t, strstr(err.message, "nearest is 'flat'") != NULL);
    XL_CHECK_EQ(t, xl_shelf_locate(&item, &world.paths, "flat", &err), XL_OK);
    XL_CHECK_STATUS(t, xl_shelf_load(&best, &item, &err), XL_OK, &err);
    XL_CHECK(t, best.has[XL_PARAM_CHUNK_SIZE] && !best.has[XL_PARAM_PIN]);
    xl_best_release(&best);
    xl_shelf_item_release(&item);
    xl_world_release(&world);
}

/* -- what is shipped ------------------------------------------------------ */

static void shipped_profiles_are_right(struct xl_test *t)
{
    struct xl_world world;
    xl_world_init(&world, t);
    xl_free(world.paths.golden);
    world.paths.golden = xl_strdup(xl_test_source("tuner/profile/golden"));
    for (size_t i = 0; i < xl_param_n_choices(XL_PARAM_BACKEND); i++) {
        struct xl_layers layers;
        const char *backend = xl_param_row(XL_PARAM_BACKEND)->choices[i];
        const char *const words[] = { "--backend", backend };
        size_t n = 0;
        xl_world_flags(&world, 2, words);
        if (!XL_CHECK_STATUS(t, xl_world_resolve(&world, &layers), XL_OK,
                             &world.err))
            continue;
        for (size_t p = 0; p < XL_PARAM_COUNT; p++)
            n += xl_layers_sets(&layers, XL_LAYER_GOLDEN, (enum xl_param)p);
        XL_CHECK(t, n > 0 && layers.notes.len == 0);
        xl_layers_release(&layers);
    }
    xl_world_release(&world);
}

const struct xl_test_case xl_suite_best[] = {
    XL_CASE(what_is_published_is_resolved),
    XL_CASE(paths_come_from_the_environment),
    XL_CASE(better_fits_win),
    XL_CASE(refuses_incomplete_documents),
    XL_CASE(damaged_files_are_clean_errors),
    XL_CASE(foreign_damage_is_a_note),
    XL_CASE(writers_never_mix),
    XL_CASE(every_allocation_may_fail),
    XL_CASE(freezing_makes_a_profile),
    XL_CASE(freezing_refuses_the_unproved),
    XL_CASE(names_are_found_and_removed),
    XL_CASE(shipped_profiles_are_right),
    { 0 },
};
