/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache of packed weights: found again, never trusted, bounded; and what
 * is left when writing packed files fails or is killed. */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/model/model_int.h"
#include "kernel/model/plan.h"
#include "kernel/model/safetensors_int.h"
#include "kernel/run/checkpoint_dir.h"
#include "tests/harness/test.h"
#include "tests/unit/checkpoint.h"

enum {
    TOKENS = 9,
    MAX_VOCAB = 300,
    MAX_FILES = 8,
    FILE_LIMIT = 3000 /* bytes; less than a packed test model takes */
};

/* -- runs ----------------------------------------------------------------- */

struct warnings {
    size_t n;
    char last[1400];
};

static void count_warning(void *ctx, const char *text)
{
    struct warnings *w = ctx;
    w->n++;
    snprintf(w->last, sizeof w->last, "%s", text);
}

/* One process's life: a model is opened with a cache, run and closed. */
struct life {
    struct xl_test *t;
    const char *model; /* its folder */
    struct xl_cache cache;
    struct warnings warnings;
    size_t n_packed; /* matrices that were not found */
    float logits[MAX_VOCAB];
};

static void begin(struct life *life, struct xl_test *t, const char *model,
                  char *dir)
{
    *life = (struct life){ .t = t, .model = model };
    life->cache = (struct xl_cache){ .dir = dir,
                                     .most_bytes = XL_CACHE_MOST_BYTES,
                                     .warn = count_warning,
                                     .warn_ctx = &life->warnings };
}

static void live(struct life *life)
{
    struct xl_model *model = NULL;
    struct xl_plan *plan = NULL;
    struct xl_state state = { 0 };
    struct xl_params params;
    struct xl_err err = { 0 };
    int32_t tokens[TOKENS];
    enum xl_status rc;
    xl_params_init(&params);
    params.value[XL_PARAM_WEIGHT_DTYPE] = XL_PACK_INT4;
    params.value[XL_PARAM_WORKERS] = 1;
    for (int32_t i = 0; i < TOKENS; i++)
        tokens[i] = i;
    memset(life->logits, 0, sizeof life->logits);
    XL_TRY_DONE(rc, xl_model_open(&model, life->model, &err));
    XL_TRY_DONE(rc, xl_model_set_cache(model, &life->cache, &err));
    XL_TRY_DONE(rc, xl_plan_make(&plan, model, &params, &err));
    XL_TRY_DONE(rc, xl_state_init(&state, xl_model_config(model), &err));
    xl_plan_forward(plan, &state,
                    &(struct xl_pass){ .tokens = tokens,
                                       .n = TOKENS,
                                       .logits = life->logits,
                                       .last_only = true });
    life->n_packed = model->blocks[XL_PACK_INT4][true][0].packs.n_packed +
                     model->heads[XL_PACK_INT4][true][0].packs.n_packed;
done:
    XL_CHECK_STATUS(life->t, rc, XL_OK, &err);
    xl_plan_free(plan);
    xl_state_release(&state);
    xl_model_close(model);
}

/* Names in the folder, as paths. */
struct listing {
    char paths[MAX_FILES][700];
    size_t n;
};

static void list(const char *dir, struct listing *l)
{
    DIR *items = opendir(dir);
    l->n = 0;
    for (struct dirent *item; items && (item = readdir(items));)
        if (item->d_name[0] != '.' && l->n < MAX_FILES)
            snprintf(l->paths[l->n++], sizeof l->paths[0], "%s/%s", dir,
                     item->d_name);
    if (items)
        closedir(items);
}

static char *folder(struct xl_test *t, const char *name, char out[400])
{
    snprintf(out, 400, "%s/%s", t->dir, name);
    return out;
}

/* -- found again ---------------------------------------------------------- */

static void kept_and_found(struct xl_test *t)
{
    for (size_t m = 0; m < CHECKPOINT_MODELS; m++) {
        char dir[400], model[1024];
        struct life first, second, without;
        struct listing l;
        checkpoint_dir(checkpoint_models[m], model);
        begin(&first, t, model, folder(t, checkpoint_models[m], dir));
        second = first;
        live(&first);
        XL_CHECK(t, first.n_packed > 1);
        list(dir, &l);
        XL_CHECK_EQ(t, l.n, 2); /* blocks and head, no temporary file */
        live(&second);
        XL_CHECK_EQ(t, second.n_packed, 0);
        XL_CHECK_EQ(t, first.warnings.n + second.warnings.n, 0);
        begin(&without, t, model, NULL);
        live(&without);
        XL_CHECK_EQ(t, without.n_packed, first.n_packed);
        XL_CHECK(t, memcmp(first.logits, without.logits, sizeof first.logits) ==
                        0);
        XL_CHECK(
            t, memcmp(second.logits, without.logits, sizeof first.logits) == 0);
    }
}

/* -- never trusted -------------------------------------------------------- */

/* Damages the file; false when this fault does not apply. */
typedef void damage_fn(const char *path, size_t nbytes);

static void put_byte(const char *path, size_t at)
{
    FILE *f = fopen(path, "r+b");
    int byte = 0;
    if (f && fseek(f, (long)at, SEEK_SET) == 0)
        byte = fgetc(f);
    if (f && fseek(f, (long)at, SEEK_SET) == 0)
        fputc(byte ^ 0x40, f);
    if (f)
        fclose(f);
}

static void flip_header(const char *path, size_t nbytes)
{
    (void)nbytes;
    put_byte(path, 200);
}

static void flip_data(const char *path, size_t nbytes)
{
    put_byte(path, nbytes - nbytes / 3);
}

static void cut(const char *path, size_t nbytes)
{
    (void)!truncate(path, (off_t)(nbytes / 2));
}

static void cut_one(const char *path, size_t nbytes)
{
    (void)!truncate(path, (off_t)(nbytes - 1));
}

static void empty(const char *path, size_t nbytes)
{
    (void)nbytes;
    (void)!truncate(path, 0);
}

static void rubbish(const char *path, size_t nbytes)
{
    (void)nbytes;
    static const char text[] = "{\"__metadata__\":{}} is no packed file";
    xl_io_replace(path, text, sizeof text - 1, NULL);
}

/* Of the next version, with a seal that fits. */
static void other_layout(const char *path, size_t nbytes)
{
    char sum[XL_HASH_TEXT], now[40], next[40];
    struct xl_buf bytes;
    (void)nbytes;
    xl_buf_init(&bytes, 0);
    xl_io_read(path, &bytes, NULL);
    size_t length = 0;
    for (size_t i = 0; i < XL_SAFETENSORS_LENGTH; i++)
        length += (size_t)(unsigned char)bytes.data[i] << (8 * i);
    char *header = bytes.data + XL_SAFETENSORS_LENGTH;
    snprintf(now, sizeof now, "\"layout\":\"%d\"", xl_packfile_layout());
    snprintf(next, sizeof next, "\"layout\":\"%d\"", xl_packfile_layout() + 1);
    char *at = strstr(header, now);
    if (at)
        memcpy(at, next, strlen(next));
    xl_safetensors_checksum(header, length, sum);
    memcpy(header + strlen(XL_SAFETENSORS_SEAL), sum, XL_SAFETENSORS_DIGITS);
    xl_io_replace(path, bytes.data, bytes.len, NULL);
    xl_buf_release(&bytes);
}

static void remove_it(const char *path, size_t nbytes)
{
    (void)nbytes;
    unlink(path);
}

static void damaged_files_are_packed_again(struct xl_test *t)
{
    static damage_fn *const faults[] = { flip_header,  flip_data, cut,
                                         cut_one,      empty,     rubbish,
                                         other_layout, remove_it };
    char dir[400], model[1024];
    struct life good, hurt, healed;
    struct listing l;
    checkpoint_dir("tiny", model);
    begin(&good, t, model, folder(t, "cache", dir));
    hurt = healed = good;
    live(&good);
    list(dir, &l);
    XL_CHECK_EQ(t, l.n, 2);
    for (size_t i = 0; i < 2 * sizeof faults / sizeof *faults; i++) {
        struct stat st;
        XL_CHECK(t, stat(l.paths[i % 2], &st) == 0);
        faults[i / 2](l.paths[i % 2], (size_t)st.st_size);
        live(&hurt);
        xl_test_check(t, hurt.n_packed > 0 && hurt.warnings.n == 0, __FILE__,
                      __LINE__, "fault %zu is not seen", i);
        live(&healed);
        xl_test_check(t, healed.n_packed == 0, __FILE__, __LINE__,
                      "after fault %zu the file is not replaced", i);
        XL_CHECK(t, memcmp(hurt.logits, good.logits, sizeof good.logits) == 0);
        XL_CHECK(t,
                 memcmp(healed.logits, good.logits, sizeof good.logits) == 0);
    }
}

/* The same sizes, names and times, other weights. */
static void other_weights_are_not_taken(struct xl_test *t)
{
    char dir[400], from[1024], to[400], file[500];
    struct life before, after;
    struct stat st;
    struct xl_buf bytes;
    struct xl_err err = { 0 };
    static const char *const names[] = { "config.json", "model.safetensors" };
    checkpoint_dir("tiny", from);
    XL_CHECK_STATUS(t, xl_io_make_dirs(folder(t, "model", to), &err), XL_OK,
                    &err);
    for (size_t i = 0; i < 2; i++) {
        xl_buf_init(&bytes, 0);
        char *path = xl_io_join(from, names[i]);
        XL_CHECK_STATUS(t, xl_io_read(path, &bytes, &err), XL_OK, &err);
        snprintf(file, sizeof file, "%s/%s", to, names[i]);
        xl_io_replace(file, bytes.data, bytes.len, NULL);
        xl_buf_release(&bytes);
        xl_free(path);
    }
    begin(&before, t, to, folder(t, "cache", dir));
    after = before;
    live(&before);
    XL_CHECK(t, stat(file, &st) == 0);
    for (off_t at = st.st_size - 4000; at < st.st_size; at += 50)
        put_byte(file, (size_t)at);
    const struct timespec times[] = { st.st_atim, st.st_mtim };
    XL_CHECK(t, utimensat(AT_FDCWD, file, times, 0) == 0);
    live(&after);
    XL_CHECK(t, after.n_packed == before.n_packed && after.n_packed > 0);
    XL_CHECK(t, memcmp(before.logits, after.logits, sizeof after.logits) != 0);
}

/* -- bounded -------------------------------------------------------------- */

static void small_checkpoints_are_left_alone(struct xl_test *t)
{
    char dir[400], model[1024];
    struct life life;
    checkpoint_dir("tiny", model);
    begin(&life, t, model, folder(t, "cache", dir));
    life.cache.least_bytes = XL_CACHE_LEAST_BYTES;
    live(&life);
    XL_CHECK(t, !xl_io_exists(dir) && life.warnings.n == 0);
}

static void longest_unused_go_first(struct xl_test *t)
{
    static const char *const models[] = { "tiny", "ragged", "fused-nonorm" };
    char dir[400], model[1024];
    struct listing l;
    struct stat st;
    struct life life;
    uint64_t total = 0, first = 0;
    for (size_t m = 0; m < 3; m++) {
        checkpoint_dir(models[m], model);
        begin(&life, t, model, folder(t, "cache", dir));
        if (m == 2)
            life.cache.most_bytes = total;
        live(&life);
        list(dir, &l);
        total = 0;
        for (size_t i = 0; i < l.n; i++) {
            /* Older for every model, whatever the clock's resolution. */
            XL_CHECK(t, stat(l.paths[i], &st) == 0);
            struct timespec past[] = { st.st_mtim, st.st_mtim };
            past[0].tv_sec = past[1].tv_sec = st.st_mtim.tv_sec - 100;
            utimensat(AT_FDCWD, l.paths[i], past, 0);
            total += (uint64_t)st.st_size;
        }
        if (m == 0)
            first = total;
    }
    XL_CHECK(t, total <= life.cache.most_bytes && first > 0);
    checkpoint_dir("fused-nonorm", model);
    begin(&life, t, model, dir);
    live(&life);
    XL_CHECK_EQ(t, life.n_packed, 0);
    checkpoint_dir("tiny", model);
    begin(&life, t, model, dir);
    live(&life);
    XL_CHECK(t, life.n_packed > 0);
}

static void what_cannot_be_kept_is_warned_of(struct xl_test *t)
{
    char dir[400], model[1024], file[400];
    struct life life;
    checkpoint_dir("tiny", model);
    begin(&life, t, model, folder(t, "cache", dir));
    life.cache.most_bytes = 10;
    live(&life);
    XL_CHECK_EQ(t, life.warnings.n, 2);
    XL_CHECK(t, strstr(life.warnings.last, "may hold"));
    XL_CHECK(t, strstr(life.warnings.last, "XLTUNE_CACHE"));
    xl_io_replace(folder(t, "file", file), "x", 1, NULL);
    begin(&life, t, model, folder(t, "file/cache", dir));
    live(&life);
    XL_CHECK_EQ(t, life.warnings.n, 2);
}

static void the_environment_says_where(struct xl_test *t)
{
    static const struct {
        const char *own, *xdg, *home, *want; /* want NULL = off */
        size_t least;
    } rows[] = {
        { "off", "/x", "/h", NULL, 0 },
        { "/own", "/x", "/h", "/own", 0 },
        { "", "/x", "/h", "/x/xltune", XL_CACHE_LEAST_BYTES },
        { NULL, NULL, "/h", "/h/.cache/xltune", XL_CACHE_LEAST_BYTES },
        { NULL, "relative", "/h", "/h/.cache/xltune", XL_CACHE_LEAST_BYTES },
        { NULL, NULL, NULL, NULL, 0 },
    };
    static const char *const names[] = { "XLTUNE_CACHE", "XDG_CACHE_HOME",
                                         "HOME" };
    char *kept[3];
    for (size_t i = 0; i < 3; i++)
        kept[i] = getenv(names[i]) ? xl_strdup(getenv(names[i])) : NULL;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        const char *const values[] = { rows[r].own, rows[r].xdg, rows[r].home };
        struct xl_cache cache;
        struct xl_err err = { 0 };
        for (size_t i = 0; i < 3; i++)
            if (values[i])
                setenv(names[i], values[i], 1);
            else
                unsetenv(names[i]);
        XL_CHECK_STATUS(t, xl_cache_init(&cache, &err), XL_OK, &err);
        if (rows[r].want && XL_CHECK(t, cache.dir)) {
            XL_CHECK_TEXT(t, cache.dir, rows[r].want);
            XL_CHECK_EQ(t, cache.least_bytes, rows[r].least);
        } else {
            XL_CHECK(t, !cache.dir);
        }
        xl_cache_release(&cache);
    }
    for (size_t i = 0; i < 3; i++) {
        if (kept[i])
            setenv(names[i], kept[i], 1);
        xl_free(kept[i]);
    }
}

/* -- no room, no time ----------------------------------------------------- */

static enum xl_status pack_tiny(const char *to, struct xl_err *err)
{
    char dir[1024];
    struct xl_model *model = NULL;
    struct xl_pack_order order = { .weights = XL_PACK_BF16,
                                   .head = XL_PACK_BF16 };
    struct xl_pool_options one = { .width = 1 };
    const struct xl_pack_out out = { .dir = to };
    checkpoint_dir("tiny", dir);
    enum xl_status rc = xl_model_open(&model, dir, err);
    if (rc == XL_OK)
        rc = xl_pool_make(&order.pool, &one, err);
    if (rc == XL_OK)
        rc = xl_checkpoint_dir_pack(model, &order, &out, err);
    xl_pool_free(order.pool);
    xl_model_close(model);
    return rc;
}

/* No file may grow past n bytes. */
static void limit_files(rlim_t n)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = n;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void a_full_disk_leaves_nothing(struct xl_test *t)
{
    char dir[400];
    struct xl_err err = { 0 };
    struct sigaction ignore = { .sa_handler = SIG_IGN }, kept;
    sigaction(SIGXFSZ, &ignore, &kept);
    limit_files(FILE_LIMIT);
    enum xl_status rc = pack_tiny(folder(t, "out", dir), &err);
    limit_files(RLIM_INFINITY);
    sigaction(SIGXFSZ, &kept, NULL);
    XL_CHECK_STATUS(t, rc, XL_EIO, &err);
    XL_CHECK(t, strstr(err.message, "cannot write"));
    XL_CHECK(t, !xl_io_exists(dir));
    XL_CHECK_STATUS(t, pack_tiny(dir, &err), XL_OK, &err);
}

/* The signal of a file that grows too large kills in the middle of writing. */
static void a_killed_run_leaves_no_checkpoint(struct xl_test *t)
{
    char dir[400];
    int status = 0;
    struct listing l;
    struct xl_model *model;
    struct xl_err err = { 0 };
    folder(t, "out", dir);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit no_core = { 0, 0 };
        struct sigaction fatal = { .sa_handler = SIG_DFL };
        setrlimit(RLIMIT_CORE, &no_core);
        sigaction(SIGXFSZ, &fatal, NULL);
        limit_files(FILE_LIMIT);
        _exit(pack_tiny(dir, &err) == XL_OK ? 0 : 1);
    }
    XL_CHECK(t, child > 0 && waitpid(child, &status, 0) == child);
    XL_CHECK(t, WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    list(dir, &l);
    XL_CHECK(t, l.n == 1 && strstr(l.paths[0], ".tmp"));
    enum xl_status rc = xl_model_open(&model, dir, &err);
    XL_CHECK(t, rc != XL_OK && err.message[0]);
    XL_CHECK_STATUS(t, pack_tiny(dir, &err), XL_OK, &err);
    list(dir, &l);
    for (size_t i = 0; i < l.n; i++)
        XL_CHECK(t, !strstr(l.paths[i], ".tmp"));
    XL_CHECK_STATUS(t, xl_model_open(&model, dir, &err), XL_OK, &err);
    xl_model_close(model);
}

const struct xl_test_case xl_suite_pack_cache[] = {
    XL_CASE(kept_and_found),
    XL_CASE(damaged_files_are_packed_again),
    XL_CASE(other_weights_are_not_taken),
    XL_CASE(small_checkpoints_are_left_alone),
    XL_CASE(longest_unused_go_first),
    XL_CASE(what_cannot_be_kept_is_warned_of),
    XL_CASE(the_environment_says_where),
    XL_CASE(a_full_disk_leaves_nothing),
    XL_CASE(a_killed_run_leaves_no_checkpoint),
    { 0 },
};
