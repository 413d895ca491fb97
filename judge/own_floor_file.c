/* SPDX-License-Identifier: Apache-2.0
 *
 * FOLDER/<hash>.floor: a header, the scores, the errors of each block. The
 * name is the hash of what decides them: the model's content, the text, the
 * tier, how inputs are rounded, this format. As with the reference's rows, the
 * arithmetic of another build is not to be seen in a name, so the file is
 * believed only when the first rounded rows have the hash they had. */
#include <string.h>

#include "judge/own_floor_int.h"
#include "kernel/base/alloc.h"
#include "kernel/base/buf.h"
#include "kernel/base/io.h"

enum {
    FORMAT = 2,
    PARTS = 2 /* blocks against the reference, and against the twin */
};

static const char magic[8] = "xlfloor";

struct header {
    char magic[8];
    uint64_t tokens, blocks, scores;
    char name[XL_HASH_TEXT], check[XL_HASH_TEXT], hash[XL_HASH_TEXT];
    char pad[5];
};

/* The file's path, and its name in the header; NULL when there is none. */
static char *find_path(const struct xl_reference_spec *spec,
                       const struct xl_own_floor *floor, struct header *h)
{
    const char *model = xl_model_hash(spec->model);
    char *path = NULL;
    struct xl_buf text;
    if (!spec->folder || !model || !model[0])
        return NULL;
    xl_buf_init(&text, 0);
    xl_buf_printf(&text, "floor %d %d %s %s %zu %s %d %d", FORMAT,
                  XL_OWN_FLOOR_TOKENS, model, spec->text_hash, spec->n,
                  xl_tier_name(floor->tier), (int)floor->inputs.prefill,
                  (int)floor->inputs.decode);
    if (xl_buf_ok(&text)) {
        xl_hash(h->name, text.data, text.len);
        xl_buf_clear(&text);
        xl_buf_printf(&text, "%s.floor", h->name);
    }
    if (xl_buf_ok(&text))
        path = xl_io_join(spec->folder, text.data);
    xl_buf_release(&text);
    return path;
}

static size_t body_bytes(size_t blocks)
{
    return XL_SCORE_COUNT * sizeof(double) +
           PARTS * blocks * sizeof(struct xl_state_error);
}

static void take(struct xl_own_floor *floor, const struct header *h,
                 const unsigned char *body)
{
    for (size_t i = 0; i < XL_SCORE_COUNT; i++, body += sizeof(double)) {
        double value;
        memcpy(&value, body, sizeof value);
        floor->scores[i] = xl_score_point(value, (size_t)h->tokens);
    }
    memcpy(floor->blocks, body,
           PARTS * floor->n_blocks * sizeof *floor->blocks);
    floor->tokens = (size_t)h->tokens;
}

bool xl_own_floor_load(struct xl_own_floor *floor,
                       const struct xl_reference_spec *spec,
                       const char check[XL_HASH_TEXT])
{
    struct header want = { 0 }, h;
    struct xl_map map = { 0 };
    size_t body = body_bytes(floor->n_blocks);
    char hash[XL_HASH_TEXT];
    char *path = find_path(spec, floor, &want);
    bool fits = path && xl_map_open(&map, path, NULL) == XL_OK &&
                map.size == sizeof h + body;
    if (fits) {
        memcpy(&h, map.data, sizeof h);
        xl_hash(hash, map.data + sizeof h, body);
        fits = memcmp(h.magic, magic, sizeof magic) == 0 &&
               h.blocks == floor->n_blocks && h.scores == XL_SCORE_COUNT &&
               h.tokens > 0 && memcmp(h.name, want.name, sizeof hash) == 0 &&
               memcmp(h.check, check, sizeof hash) == 0 &&
               memcmp(h.hash, hash, sizeof hash) == 0;
    }
    if (fits)
        take(floor, &h, map.data + sizeof h);
    xl_map_close(&map);
    xl_free(path);
    return fits;
}

void xl_own_floor_save(const struct xl_own_floor *floor,
                       const struct xl_reference_spec *spec,
                       const char check[XL_HASH_TEXT])
{
    struct header h = { .tokens = floor->tokens,
                        .blocks = floor->n_blocks,
                        .scores = XL_SCORE_COUNT };
    size_t body = body_bytes(floor->n_blocks);
    char *path = find_path(spec, floor, &h);
    unsigned char *bytes = xl_alloc_zero(1, sizeof h + body);
    if (path && bytes && xl_io_make_dirs(spec->folder, NULL) == XL_OK) {
        unsigned char *at = bytes + sizeof h;
        for (size_t i = 0; i < XL_SCORE_COUNT; i++, at += sizeof(double)) {
            const struct xl_score *s = &floor->scores[i];
            double value = s->is_known ? s->value : XL_UNKNOWN;
            memcpy(at, &value, sizeof value);
        }
        memcpy(at, floor->blocks,
               PARTS * floor->n_blocks * sizeof *floor->blocks);
        memcpy(h.magic, magic, sizeof magic);
        memcpy(h.check, check, sizeof h.check);
        xl_hash(h.hash, bytes + sizeof h, body);
        memcpy(bytes, &h, sizeof h);
        (void)xl_io_replace(path, bytes, sizeof h + body, NULL);
    }
    xl_free(bytes);
    xl_free(path);
}
