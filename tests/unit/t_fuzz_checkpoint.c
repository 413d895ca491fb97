/* SPDX-License-Identifier: Apache-2.0
 *
 * Broken checkpoints: shortened, with changed bytes, with lies in the header
 * or in the index, and without memory. Each must end in a clean error, or in
 * success with every shape as it was. */
#include "tests/harness/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/rng.h"
#include "tests/unit/checkpoint.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum {
    PLACES = 200,
    DATA_PLACES = 16,
    FLIPS = 300,
    MAX_FILES = 5
};

static const char *const file_names[] = {
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-00001-of-00003.safetensors",
    "model-00002-of-00003.safetensors",
    "model-00003-of-00003.safetensors",
};

/* -- a copy of a model whose files can be damaged and mended --------------- */

struct patient {
    char dir[300];
    size_t n_files;
    struct file {
        char *path;
        struct xl_buf bytes; /* as they should be */
        size_t header;       /* bytes of length and header; all of JSON */
    } files[MAX_FILES];
};

static size_t header_of(const struct xl_buf *bytes, const char *name)
{
    uint64_t length = 0;
    if (strstr(name, ".json"))
        return bytes->len;
    for (size_t i = 0; i < 8; i++)
        length |= (uint64_t)(unsigned char)bytes->data[i] << (8 * i);
    return (size_t)length + 8;
}

static void admit(struct xl_test *t, struct patient *p, const char *model)
{
    char source[1024];
    struct xl_err err = { 0 };
    *p = (struct patient){ 0 };
    snprintf(p->dir, sizeof p->dir, "%s/%s", t->dir, model);
    XL_CHECK_STATUS(t, xl_io_make_dirs(p->dir, &err), XL_OK, &err);
    checkpoint_dir(model, source);
    for (size_t i = 0; i < COUNT(file_names); i++) {
        char *from = xl_io_join(source, file_names[i]);
        if (xl_io_exists(from) && p->n_files < MAX_FILES) {
            struct file *f = &p->files[p->n_files++];
            xl_buf_init(&f->bytes, 0);
            XL_CHECK_STATUS(t, xl_io_read(from, &f->bytes, &err), XL_OK, &err);
            f->path = xl_io_join(p->dir, file_names[i]);
            f->header = header_of(&f->bytes, file_names[i]);
            XL_CHECK_STATUS(
                t, xl_io_replace(f->path, f->bytes.data, f->bytes.len, &err),
                XL_OK, &err);
        }
        xl_free(from);
    }
}

static void discharge(struct patient *p)
{
    for (size_t i = 0; i < p->n_files; i++) {
        xl_free(p->files[i].path);
        xl_buf_release(&p->files[i].bytes);
    }
}

static void put_byte(const struct file *f, size_t at, unsigned char byte)
{
    int fd = open(f->path, O_WRONLY);
    if (fd < 0 || pwrite(fd, &byte, 1, (off_t)at) != 1)
        perror(f->path);
    close(fd);
}

static void check_refused(struct xl_test *t, const struct patient *p,
                          const struct file *f, size_t at)
{
    struct checkpoint c;
    struct xl_err err = { 0 };
    enum xl_status rc = checkpoint_load(&c, p->dir, &err);
    xl_test_check(t, rc != XL_OK && err.status == rc && err.message[0],
                  __FILE__, __LINE__, "'%s' cut at %zu is accepted", f->path,
                  at);
    if (rc == XL_OK)
        checkpoint_unload(&c);
}

static void truncation_is_seen(struct xl_test *t)
{
    for (size_t m = 0; m < CHECKPOINT_MODELS; m++) {
        struct patient p;
        admit(t, &p, checkpoint_models[m]);
        for (size_t i = 0; i < p.n_files; i++) {
            struct file *f = &p.files[i];
            size_t data = f->bytes.len - f->header;
            /* From long to short: each place needs only a truncate. */
            for (size_t k = 0; data && k < DATA_PLACES; k++) {
                size_t at = f->bytes.len - 1 - k * data / DATA_PLACES;
                XL_CHECK(t, truncate(f->path, (off_t)at) == 0);
                check_refused(t, &p, f, at);
            }
            for (size_t k = PLACES; k > 0; k--) {
                size_t at = (k - 1) * f->header / PLACES;
                XL_CHECK(t, truncate(f->path, (off_t)at) == 0);
                check_refused(t, &p, f, at);
            }
            xl_io_replace(f->path, f->bytes.data, f->bytes.len, NULL);
        }
        discharge(&p);
    }
}

static void flips_keep_shapes(struct xl_test *t)
{
    struct xl_rng rng;
    size_t refused = 0, accepted = 0;
    xl_rng_seed(&rng, 1337);
    for (size_t m = 0; m < CHECKPOINT_MODELS; m++) {
        struct patient p;
        struct checkpoint good, c;
        struct xl_err err = { 0 };
        admit(t, &p, checkpoint_models[m]);
        if (!XL_CHECK_STATUS(t, checkpoint_load(&good, p.dir, &err), XL_OK,
                             &err))
            continue;
        for (size_t k = 0; k < FLIPS * p.n_files; k++) {
            const struct file *f = &p.files[k / FLIPS];
            size_t at = (size_t)xl_rng_below(&rng, f->header);
            unsigned char byte = (unsigned char)f->bytes.data[at];
            put_byte(f, at,
                     byte ^ (unsigned char)(1 + xl_rng_below(&rng, 255)));
            err = (struct xl_err){ 0 };
            enum xl_status rc = checkpoint_load(&c, p.dir, &err);
            if (rc == XL_OK) {
                accepted++;
                XL_CHECK(t, checkpoint_same(&c, &good, true));
                checkpoint_unload(&c);
            } else {
                refused++;
                XL_CHECK(t, err.status == rc && err.message[0]);
            }
            put_byte(f, at, byte);
        }
        /* The mended files load: the loop damaged one byte at a time. */
        if (XL_CHECK_STATUS(t, checkpoint_load(&c, p.dir, &err), XL_OK, &err))
            checkpoint_unload(&c);
        checkpoint_unload(&good);
        discharge(&p);
    }
    XL_CHECK(t, refused > accepted && accepted > 0);
}

/* -- lies in headers ------------------------------------------------------ */

static void write_raw(struct xl_test *t, const char *path, const char *header,
                      uint64_t length, size_t data_bytes)
{
    struct xl_buf bytes;
    struct xl_err err = { 0 };
    xl_buf_init(&bytes, 0);
    for (size_t i = 0; i < 8; i++)
        xl_buf_char(&bytes, (char)(unsigned char)(length >> (8 * i)));
    xl_buf_text(&bytes, header);
    for (size_t i = 0; i < data_bytes; i++)
        xl_buf_char(&bytes, (char)i);
    XL_CHECK_STATUS(t, xl_io_replace(path, bytes.data, bytes.len, &err), XL_OK,
                    &err);
    xl_buf_release(&bytes);
}

#define A8 "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"

static void headers_are_not_believed(struct xl_test *t)
{
    static const struct {
        const char *header, *message; /* message NULL = accepted */
        size_t data;
    } rows[] = {
        { "{" A8 "}", NULL, 8 },
        { "{}", NULL, 0 },
        { "{\"__metadata__\":{\"x\":\"y\"}," A8 "}", NULL, 8 },
        { "{\"a\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}",
          NULL, 8 },
        { "{\"a\":{\"dtype\":\"F16\",\"shape\":[0,7],\"data_offsets\":[0,0]}}",
          NULL, 0 },
        { "{" A8 "}", "lies outside", 7 },
        { "{" A8 "}", "belong to no tensor", 9 },
        { "{" A8 "," A8 "}", "twice", 8 },
        { "{" A8
          ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
          "overlaps", 12 },
        { "{" A8
          ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}",
          "hole", 16 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}",
          "byte count", 8 },
        { "{\"a\":{\"dtype\":\"F99\",\"shape\":[2],\"data_offsets\":[0,8]}}",
          "dtype that is not supported", 8 },
        { "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", "has no dtype", 8 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,2],\"data_offsets\":"
          "[0,8]}}",
          "no shape", 8 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}",
          "no shape", 8 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2.5],\"data_offsets\":[0,8]}}",
          "no shape", 8 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}",
          "no shape", 8 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}",
          "lies outside", 8 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}",
          "data_offsets", 8 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,1e300]}"
          "}",
          "data_offsets", 8 },
        /* 2^62 elements of 4 bytes wrap around to 0 bytes. */
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2147483648,2147483648],"
          "\"data_offsets\":[0,0]}}",
          "byte count", 0 },
        { "{\"a\":7}", "has no dtype", 0 },
        { "[]", "not an object", 0 },
        { "{", "JSON", 0 },
        { "", "JSON", 0 },
    };
    char path[300];
    snprintf(path, sizeof path, "%s/x.safetensors", t->dir);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct xl_safetensors *files;
        struct xl_err err = { 0 };
        write_raw(t, path, rows[i].header, strlen(rows[i].header),
                  rows[i].data);
        enum xl_status rc = xl_safetensors_open_file(&files, path, &err);
        xl_test_check(t, rc == (rows[i].message ? XL_EFORMAT : XL_OK), __FILE__,
                      __LINE__, "row %zu: %s", i, err.message);
        xl_test_check(t,
                      !rows[i].message || strstr(err.message, rows[i].message),
                      __FILE__, __LINE__, "row %zu: %s", i, err.message);
        if (rc == XL_OK)
            xl_safetensors_close(files);
    }
    static const uint64_t lengths[] = { 3, 1000, 1u << 30, UINT64_MAX,
                                        UINT64_MAX - 8 };
    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct xl_safetensors *files;
        struct xl_err err = { 0 };
        write_raw(t, path, "{" A8 "}", lengths[i], 8);
        XL_CHECK_STATUS(t, xl_safetensors_open_file(&files, path, &err),
                        XL_EFORMAT, &err);
        XL_CHECK(t, !files);
    }
}

/* A header of odd length puts floats at odd addresses. */
static void unaligned_data_is_read(struct xl_test *t)
{
    struct xl_safetensors *files;
    struct xl_err err = { 0 };
    char path[300];
    float x[2];
    static const unsigned char bytes[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    snprintf(path, sizeof path, "%s/x.safetensors", t->dir);
    for (size_t pad = 0; pad < 4; pad++) {
        char header[128];
        snprintf(header, sizeof header, "{" A8 "}%*s", (int)pad, "");
        write_raw(t, path, header, strlen(header), 8);
        if (!XL_CHECK_STATUS(t, xl_safetensors_open_file(&files, path, &err),
                             XL_OK, &err))
            continue;
        const struct xl_tensor *a = xl_safetensors_find(files, "a");
        xl_to_f32(x, a->data, a->dtype, 2);
        XL_CHECK(t, memcmp(x, bytes, sizeof bytes) == 0);
        XL_CHECK(t, !xl_safetensors_find(files, "b"));
        xl_safetensors_close(files);
    }
}

static void wide_headers_find_doubles(struct xl_test *t)
{
    struct xl_buf header;
    struct xl_safetensors *files;
    struct xl_err err = { 0 };
    char path[300];
    snprintf(path, sizeof path, "%s/x.safetensors", t->dir);
    for (int twice = 0; twice < 2; twice++) {
        xl_buf_init(&header, 0);
        for (int i = 0; i < 3000; i++)
            xl_buf_printf(&header,
                          "%s\"t%d\":{\"dtype\":\"F32\",\"shape\":[0],"
                          "\"data_offsets\":[0,0]}",
                          i ? "," : "{", twice && i == 2999 ? 5 : i);
        xl_buf_char(&header, '}');
        write_raw(t, path, header.data, header.len, 0);
        enum xl_status rc = xl_safetensors_open_file(&files, path, &err);
        XL_CHECK_STATUS(t, rc, twice ? XL_EFORMAT : XL_OK, &err);
        if (rc == XL_OK)
            XL_CHECK_EQ(t, xl_safetensors_count(files), 3000);
        if (rc == XL_OK)
            xl_safetensors_close(files);
        xl_buf_release(&header);
    }
    XL_CHECK(t, strstr(err.message, "'t5' is there twice"));
}

/* -- shards --------------------------------------------------------------- */

static void indexes_are_checked(struct xl_test *t)
{
    static const struct {
        const char *index, *message; /* message NULL = accepted */
    } rows[] = {
        { "{\"weight_map\":{\"a\":\"x.safetensors\",\"b\":\"y.safetensors\"}}",
          NULL },
        { "{\"weight_map\":{\"a\":\"x.safetensors\"}}", NULL },
        { "{\"weight_map\":{\"a\":\"y.safetensors\",\"b\":\"x.safetensors\"}}",
          "is not in" },
        { "{\"weight_map\":{\"a\":\"x.safetensors\",\"c\":\"x.safetensors\"}}",
          "'c' is not in" },
        { "{\"weight_map\":{\"a\":\"x.safetensors\",\"b\":\"z.safetensors\"}}",
          "cannot open" },
        { "{\"weight_map\":{\"a\":\"../d/x.safetensors\"}}", "in no file of" },
        { "{\"weight_map\":{\"a\":\"./x.safetensors\"}}", "in no file of" },
        { "{\"weight_map\":{\"a\":\"/etc/x.safetensors\"}}", "in no file of" },
        { "{\"weight_map\":{\"a\":\"..safetensors\"}}", "in no file of" },
        { "{\"weight_map\":{\"a\":\"\"}}", "in no file of" },
        { "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "in no file of" },
        { "{\"weight_map\":{\"a\":7}}", "in no file of" },
        { "{\"weight_map\":{\"a\":null}}", "in no file of" },
        { "{\"weight_map\":{\"a\":\"w.safetensors\","
          "\"b\":\"x.safetensors\"}}",
          "twice" },
        { "{\"weight_map\":{}}", "no weight_map" },
        { "{\"weight_map\":[]}", "no weight_map" },
        { "{}", "no weight_map" },
        { "[]", "no weight_map" },
        { "", "JSON" },
    };
    char path[300];
    static const char *const shards[][2] = {
        { "x", "{" A8 "}" },
        { "w", "{" A8 "}" },
        { "y", "{\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8"
               "]}}" },
    };
    for (size_t i = 0; i < COUNT(shards); i++) {
        snprintf(path, sizeof path, "%s/%s.safetensors", t->dir, shards[i][0]);
        write_raw(t, path, shards[i][1], strlen(shards[i][1]), 8);
    }
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", t->dir);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct xl_safetensors *files;
        struct xl_err err = { 0 };
        xl_io_replace(path, rows[i].index, strlen(rows[i].index), NULL);
        enum xl_status rc = xl_safetensors_open(&files, t->dir, &err);
        xl_test_check(t, (rc == XL_OK) == !rows[i].message, __FILE__, __LINE__,
                      "row %zu: %s", i, err.message);
        xl_test_check(t,
                      !rows[i].message || strstr(err.message, rows[i].message),
                      __FILE__, __LINE__, "row %zu: %s", i, err.message);
        if (rc == XL_OK)
            xl_safetensors_close(files);
    }
}

static void numbered_files_are_found(struct xl_test *t)
{
    struct xl_safetensors *files;
    struct xl_err err = { 0 };
    char path[300];
    XL_CHECK_STATUS(t, xl_safetensors_open(&files, t->dir, &err), XL_ENOTFOUND,
                    &err);
    XL_CHECK(t, strstr(err.message, "model_0.safetensors"));
    for (int i = 0; i < 3; i++) {
        char header[128];
        snprintf(header, sizeof header,
                 "{\"t%d\":{\"dtype\":\"BF16\",\"shape\":[4],"
                 "\"data_offsets\":[0,8]}}",
                 i % 2);
        snprintf(path, sizeof path, "%s/model_%d.safetensors", t->dir, i);
        write_raw(t, path, header, strlen(header), 8);
        enum xl_status rc = xl_safetensors_open(&files, t->dir, &err);
        XL_CHECK_STATUS(t, rc, i < 2 ? XL_OK : XL_EFORMAT, &err);
        if (rc != XL_OK)
            continue;
        XL_CHECK_EQ(t, xl_safetensors_count(files), i + 1);
        XL_CHECK_EQ(t, xl_safetensors_bytes(files),
                    (i + 1) * (8 + (int)strlen(header) + 8));
        xl_safetensors_close(files);
    }
    snprintf(path, sizeof path, "%s/nowhere", t->dir);
    XL_CHECK_STATUS(t, xl_safetensors_open(&files, path, &err), XL_ENOTFOUND,
                    &err);
}

/* -- no memory ------------------------------------------------------------ */

/* Fails the allocation after `left` more, and those after it unless once. */
struct famine {
    size_t left;
    bool once, hit;
};

static bool fail_nth(void *ctx, size_t nbytes)
{
    struct famine *f = ctx;
    (void)nbytes;
    if (f->left > 0 || (f->once && f->hit)) {
        f->left -= f->left > 0;
        return false;
    }
    f->hit = true;
    return true;
}

static void starve(struct xl_test *t, const char *dir, bool once)
{
    bool hit = true;
    size_t n;
    for (n = 0; hit && n < 2000; n++) {
        struct checkpoint c;
        struct xl_err err = { 0 };
        struct famine famine = { .left = n, .once = once };
        xl_alloc_set_hook(fail_nth, &famine);
        enum xl_status rc = checkpoint_load(&c, dir, &err);
        xl_alloc_set_hook(NULL, NULL);
        hit = famine.hit;
        XL_CHECK_STATUS(t, rc, hit ? XL_ENOMEM : XL_OK, &err);
        if (rc == XL_OK)
            checkpoint_unload(&c);
    }
    XL_CHECK(t, !hit && n > 8);
}

static void every_allocation_may_fail(struct xl_test *t)
{
    for (size_t m = 0; m < CHECKPOINT_MODELS; m++) {
        char dir[1024];
        checkpoint_dir(checkpoint_models[m], dir);
        starve(t, dir, true);
        starve(t, dir, false);
    }
}

const struct xl_test_case xl_suite_fuzz_checkpoint[] = {
    XL_CASE(truncation_is_seen),
    XL_CASE(flips_keep_shapes),
    XL_CASE(headers_are_not_believed),
    XL_CASE(unaligned_data_is_read),
    XL_CASE(wide_headers_find_doubles),
    XL_CASE(indexes_are_checked),
    XL_CASE(numbered_files_are_found),
    XL_CASE(every_allocation_may_fail),
    { 0 },
};
