/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a whole checkpoint to know it again would take as long as packing
 * it, so its fingerprint takes samples. Hashes of the packed matrices are
 * checked instead, at memory speed, and load their pages on the way. */
#include "kernel/model/cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/hash.h"
#include "kernel/base/io.h"
#include "kernel/model/packfile_int.h"
#include "kernel/model/safetensors_int.h"

enum {
    SAMPLES = 64,
    SAMPLE_BYTES = 4096,
    NAME_ROOM = 128,
    LINK_ROOM = 512,
    TEXT_ROOM = 1200
};

#define ENDING ".xlpack"

/* -- where ---------------------------------------------------------------- */

enum xl_status xl_cache_init(struct xl_cache *cache, struct xl_err *err)
{
    const char *own = getenv("XLTUNE_CACHE"), *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    *cache = (struct xl_cache){ .least_bytes = XL_CACHE_LEAST_BYTES,
                                .most_bytes = XL_CACHE_MOST_BYTES };
    if (own && own[0]) {
        if (strcmp(own, "off") == 0)
            return XL_OK;
        cache->least_bytes = 0;
        cache->dir = xl_strdup(own);
    } else if (xdg && xdg[0] == '/') {
        cache->dir = xl_io_join(xdg, "xltune");
    } else if (home && home[0] == '/') {
        cache->dir = xl_io_join(home, ".cache/xltune");
    } else {
        return XL_OK;
    }
    return cache->dir ? XL_OK : xl_fail(err, XL_ENOMEM, "out of memory");
}

void xl_cache_release(struct xl_cache *cache)
{
    xl_free(cache->dir);
    cache->dir = NULL;
}

/* -- names ---------------------------------------------------------------- */

/* hash = hash of itself and these bytes */
static void add(char hash[XL_HASH_TEXT], const void *bytes, size_t n)
{
    char link[2][XL_HASH_TEXT];
    memcpy(link[0], hash, XL_HASH_TEXT);
    xl_hash(link[1], bytes, n);
    xl_hash(hash, link, sizeof link);
}

static void add_shard(char hash[XL_HASH_TEXT],
                      const struct xl_safetensors_shard *shard)
{
    char text[LINK_ROOM];
    const struct xl_map *map = &shard->map;
    int n = snprintf(text, sizeof text, "%.300s %zu %lld", shard->name,
                     map->size, (long long)map->modified_ns);
    add(hash, text, (size_t)n);
    add(hash, map->data, shard->header_bytes);
    for (size_t i = 0; map->size > SAMPLE_BYTES && i < SAMPLES; i++) {
        size_t at = (map->size - SAMPLE_BYTES) / (SAMPLES - 1) * i;
        add(hash, map->data + at, SAMPLE_BYTES);
    }
}

static void name_of(char out[NAME_ROOM], const struct xl_safetensors *files,
                    const struct xl_cache_key *key)
{
    char hash[XL_HASH_TEXT];
    const int version = XL_PACKFILE_VERSION;
    xl_hash(hash, &version, sizeof version);
    for (size_t i = 0; i < files->n_shards; i++)
        add_shard(hash, &files->shards[i]);
    snprintf(out, NAME_ROOM, "%s-%s-%s" ENDING, hash, key->part,
             xl_pack_name(key->kind));
}

static bool is_used(const struct xl_cache *cache,
                    const struct xl_safetensors *files)
{
    return cache->dir && xl_safetensors_bytes(files) >= cache->least_bytes;
}

/* The file's path as a heap string, or NULL. */
static char *path_of(const struct xl_cache *cache,
                     const struct xl_safetensors *files,
                     const struct xl_cache_key *key)
{
    char name[NAME_ROOM];
    name_of(name, files, key);
    return xl_io_join(cache->dir, name);
}

/* -- reading -------------------------------------------------------------- */

void xl_cached_close(struct xl_cached *cached)
{
    xl_packfile_close(cached->packed);
    xl_safetensors_close(cached->files);
    *cached = (struct xl_cached){ 0 };
}

void xl_cache_open(const struct xl_cache *cache,
                   const struct xl_safetensors *files,
                   const struct xl_cache_key *key, struct xl_cached *cached)
{
    *cached = (struct xl_cached){ 0 };
    char *path = is_used(cache, files) ? path_of(cache, files, key) : NULL;
    if (path && xl_safetensors_open_file(&cached->files, path, NULL) == XL_OK &&
        xl_packfile_open(&cached->packed, cached->files, NULL) == XL_OK)
        (void)utimensat(AT_FDCWD, path, NULL, 0); /* used just now */
    xl_free(path);
}

/* -- writing -------------------------------------------------------------- */

static void warn(const struct xl_cache *cache, const char *why)
{
    char text[TEXT_ROOM];
    if (!cache->warn)
        return;
    snprintf(text, sizeof text,
             "packed weights are not kept for the next start: %s; set "
             "XLTUNE_CACHE to another folder or to off",
             why);
    cache->warn(cache->warn_ctx, text);
}

static uint64_t bytes_of(const struct xl_packs *packs)
{
    uint64_t total = 0;
    for (size_t i = 0; i < packs->n; i++) {
        const struct xl_packed *p = &packs->items[i].packed;
        struct xl_pack_sizes sizes;
        (void)xl_pack_sizes(&sizes, p->kind, p->out, p->in);
        total += (uint64_t)sizes.data_bytes + sizes.scale_bytes;
    }
    return total;
}

/* What would be left of the disk must be as much again. */
static enum xl_status check_room(const struct xl_cache *cache, uint64_t bytes,
                                 struct xl_err *err)
{
    struct statvfs disk;
    if (bytes > cache->most_bytes)
        return xl_fail(err, XL_EIO, "%.1f GB are more than the cache may hold",
                       (double)bytes * 1e-9);
    if (statvfs(cache->dir, &disk) == 0 &&
        (uint64_t)disk.f_bavail * disk.f_frsize / 2 < bytes)
        return xl_fail(err, XL_EIO, "'%s' has too little room for %.1f GB",
                       cache->dir, (double)bytes * 1e-9);
    return XL_OK;
}

/* The longest unused file of the cache but `kept`; returns the bytes of all,
 * *oldest is a heap string or NULL. */
static uint64_t look_around(DIR *items, const char *kept, char **oldest)
{
    struct timespec least = { 0 };
    uint64_t total = 0;
    rewinddir(items);
    for (struct dirent *item; (item = readdir(items));) {
        struct stat st;
        size_t n = strlen(item->d_name);
        if (n < sizeof ENDING ||
            strcmp(item->d_name + n - (sizeof ENDING - 1), ENDING) != 0 ||
            fstatat(dirfd(items), item->d_name, &st, 0) != 0)
            continue;
        total += (uint64_t)st.st_size;
        bool older = !*oldest || st.st_mtim.tv_sec < least.tv_sec ||
                     (st.st_mtim.tv_sec == least.tv_sec &&
                      st.st_mtim.tv_nsec < least.tv_nsec);
        if (strcmp(item->d_name, kept) == 0 || !older)
            continue;
        xl_free(*oldest);
        *oldest = xl_strdup(item->d_name);
        least = st.st_mtim;
    }
    return total;
}

static void trim(const struct xl_cache *cache, const char *kept)
{
    DIR *items = opendir(cache->dir);
    bool more = items != NULL;
    while (more) {
        char *oldest = NULL;
        more = look_around(items, kept, &oldest) > cache->most_bytes && oldest;
        if (more)
            more = unlinkat(dirfd(items), oldest, 0) == 0;
        xl_free(oldest);
    }
    if (items)
        closedir(items);
}

static enum xl_status store(const struct xl_cache *cache, const char *path,
                            const struct xl_cache_key *key,
                            struct xl_packs *packs, struct xl_err *err)
{
    const struct xl_packfile_content content = {
        .facts = { .weights = key->kind, .head = key->kind, .source = "cache" },
        .packs = &packs,
        .n_packs = 1,
    };
    XL_TRY(xl_io_make_dirs(cache->dir, err));
    xl_io_tidy(cache->dir);
    XL_TRY(check_room(cache, bytes_of(packs), err));
    XL_TRY(xl_packfile_write(path, &content, err));
    trim(cache, strrchr(path, '/') + 1);
    return XL_OK;
}

void xl_cache_store(const struct xl_cache *cache,
                    const struct xl_safetensors *files,
                    const struct xl_cache_key *key, struct xl_packs *packs)
{
    struct xl_err err = { 0 };
    if (!is_used(cache, files))
        return;
    char *path = path_of(cache, files, key);
    if (!path)
        warn(cache, "out of memory");
    else if (store(cache, path, key, packs, &err) != XL_OK)
        warn(cache, err.message);
    xl_free(path);
}
