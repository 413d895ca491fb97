/* SPDX-License-Identifier: Apache-2.0
 *
 * Which earlier runs a search begins from when it looks for them itself. */
#include "tuner/sweep/kin.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tests/harness/test.h"

/* One run folder: what of its key is another one, and what it is called. */
struct made {
    const char *stamp, *tag;
    uint64_t cores, l3_kib, heads; /* 0 = as here */
    size_t context;
    const char *file; /* that holds the key; NULL = none does */
};

static struct xl_key key_here(struct xl_test *t)
{
    struct xl_key key = { .context = 1024 };
    struct xl_config config;
    struct xl_cpu cpu;
    struct xl_err err = { 0 };
    xl_cpu_read(&cpu);
    XL_CHECK_STATUS(t,
                    xl_config_load(&config, xl_test_data("models/tiny"), &err),
                    XL_OK, &err);
    xl_key_hardware(&key.hardware, &cpu);
    xl_key_model(&key.model, &config, XL_FP32);
    return key;
}

static void write_key(const char *path, const struct xl_key *key)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddItemToObject(root, "key", xl_key_to_json(key));
    xl_json_save(path, root, NULL);
    cJSON_Delete(root);
}

static void make_run(struct xl_test *t, const struct made *made)
{
    struct xl_key key = key_here(t);
    char dir[512], path[600];
    if (made->cores)
        key.hardware.cores = made->cores;
    if (made->l3_kib)
        key.hardware.l3_kib = made->l3_kib;
    if (made->heads)
        key.model.heads = made->heads;
    key.context = made->context;
    snprintf(dir, sizeof dir, "%s/native_20250101_%s_%s", t->dir, made->stamp,
             made->tag);
    XL_CHECK_EQ(t, mkdir(dir, 0755), 0);
    snprintf(path, sizeof path, "%s/trials.db", dir);
    XL_CHECK_EQ(t, xl_io_replace(path, "", 0, NULL), XL_OK);
    snprintf(path, sizeof path, "%s/run_meta.json", dir);
    if (made->file)
        snprintf(path, sizeof path, "%s/%s", dir, made->file);
    if (made->file)
        write_key(path, &key);
    else
        XL_CHECK_EQ(t, xl_io_replace(path, "{\"key\": 3", 9, NULL), XL_OK);
}

/* The tags of what is found, "b, a" and so on. */
static void find(struct xl_test *t, const struct xl_key *key, char tags[64])
{
    struct xl_kin kin;
    struct xl_err err = { 0 };
    size_t at = 0;
    tags[0] = '\0';
    XL_CHECK_STATUS(t, xl_kin_find(&kin, t->dir, key, &err), XL_OK, &err);
    for (size_t i = 0; i < kin.n; i++)
        at += (size_t)snprintf(tags + at, 64 - at, "%s%s", i ? ", " : "",
                               strrchr(kin.runs[i].path, '_') + 1);
    xl_kin_release(&kin);
}

static void nearest_come_first(struct xl_test *t)
{
    struct xl_key here = key_here(t);
    uint64_t cores = here.hardware.cores + 2, l3 = here.hardware.l3_kib + 64;
    const struct made runs[] = {
        { "000001", "caches", 0, l3, 0, 1024, "run_meta.json" },
        { "000002", "cores", cores, 0, 0, 1024, "run_meta.json" },
        { "000009", "model", 0, 0, here.model.heads + 1, 1024, "best.json" },
        { "000008", "broken", 0, 0, 0, 1024, NULL },
        { "000004", "far", 0, 0, 0, 4096, "run_meta.json" },
        { "000003", "old", 0, 0, 0, 1024, "best.json" },
        { "000005", "new", 0, 0, 0, 1024, "run_meta.json" },
    };
    static const char *const want[] = {
        "caches",        "cores, caches",      "cores, caches",
        "cores, caches", "far, cores, caches", "old, far, cores",
        "new, old, far",
    };
    char tags[64];
    find(t, &here, tags);
    XL_CHECK_TEXT(t, tags, "");
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        make_run(t, &runs[i]);
        find(t, &here, tags);
        XL_CHECK_TEXT(t, tags, want[i]);
    }
    /* Elsewhere the same runs lie in another order. */
    here.context = 4096;
    find(t, &here, tags);
    XL_CHECK_TEXT(t, tags, "far, new, old");
    here.model.width++;
    find(t, &here, tags);
    XL_CHECK_TEXT(t, tags, "");
}

static void no_folder_holds_none(struct xl_test *t)
{
    struct xl_key here = key_here(t);
    struct xl_kin kin;
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, xl_kin_find(&kin, "/nowhere/runs", &here, &err), XL_OK,
                    &err);
    XL_CHECK_EQ(t, kin.n, 0);
}

const struct xl_test_case xl_suite_kin[] = {
    XL_CASE(nearest_come_first),
    XL_CASE(no_folder_holds_none),
    { 0 },
};
