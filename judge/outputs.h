/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder RUN/outputs: the continuation of each distinct configuration,
 * once. NAME.txt holds the text, NAME.ids.json beside it the truth:
 *
 *     {"params": {...}, "ids": [...], "prompt_tokens": N, "greedy": true}
 *
 * NAME is b=BACKEND__h=HEADS__ck=CHUNK[__w=WORKERS]__i=N, for people; reading
 * back goes by the ids file alone.
 */
#ifndef XL_OUTPUTS_H
#define XL_OUTPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/arena.h"
#include "kernel/base/err.h"
#include "kernel/param/param.h"

/* Bytes that hold any name, and any file name. */
enum {
    XL_OUTPUT_NAME = 176,
    XL_OUTPUT_FILE = 192
};

struct xl_output {
    const char *file; /* NAME.txt */
    struct xl_params params;
    const int32_t *ids; /* [n_ids] */
    size_t n_ids;
    const char *text; /* [n_text], decoded bytes */
    size_t n_text;
    size_t prompt_tokens;
    bool is_greedy;
};

struct xl_output_name {
    const char *backend;
    int64_t heads_per_band, chunk_size;
    int64_t workers; /* 0 = left out of the name */
    size_t index;
};

/* Bytes of the backend that are no letter, digit, '-' or '.' become %XX, so
 * that a name never leaves its folder; a long one is cut. */
void xl_output_name(char out[XL_OUTPUT_NAME],
                    const struct xl_output_name *name);

/* Writes both files into dir (made when missing), the ids first, under the
 * first index that is free or holds this very output already. file
 * (XL_OUTPUT_FILE bytes, may be NULL) gets NAME.txt; output->file is not
 * read. */
enum xl_status xl_outputs_save(const char *dir, const struct xl_output *output,
                               char *file, struct xl_err *err);

struct xl_outputs {
    size_t n;
    struct xl_output *items; /* [n] by name, memory of the arena */
};

/* Reads every output of dir. XL_ENOTFOUND when there is no such folder. */
enum xl_status xl_outputs_load(const char *dir, struct xl_arena *arena,
                               struct xl_outputs *out, struct xl_err *err);

#endif
