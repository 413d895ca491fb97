/* SPDX-License-Identifier: Apache-2.0
 *
 * best.json: the configuration that won, what it was measured at, and what it
 * is good for. A loadable profile.
 *
 *     { "schema": "xltune-profile/1", "params": {...}, "metrics": {...},
 *       "quality": {"verdict": "pass", ...}, "key": {...},
 *       "provenance": {"run":, "trial":, "versus":, "created":, ...} }
 *
 * A golden profile has the same form; only "schema" and "params" are required
 * of it. Files are replaced whole, so a reader sees the old or the new one.
 */
#ifndef XL_BEST_H
#define XL_BEST_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "kernel/param/param.h"
#include "tuner/profile/key.h"

#define XL_BEST_SCHEMA "xltune-profile/1"

/* What a sweep hands in. The trees stay the caller's. metrics holds at least
 * prefill_tok_s, decode_tok_s, prefill_s and decode_s (number or null);
 * quality a "verdict"; provenance what the run knows ("run", "trial",
 * "versus", ...; "created" is added when it is missing). */
struct xl_best_doc {
    const struct xl_params *params;
    const bool *included; /* [XL_PARAM_COUNT]; NULL = every tunable */
    const struct xl_key *key;
    const cJSON *metrics, *quality, *provenance;
};

/* XL_EUSAGE when a part is missing or malformed; nothing is written then. */
enum xl_status xl_best_save(const char *path, const struct xl_best_doc *doc,
                            struct xl_err *err);

enum xl_best_kind {
    XL_BEST_FULL,
    XL_BEST_GOLDEN
};

/* A file read back. Texts belong to root. */
struct xl_best {
    cJSON *root;
    struct xl_params params; /* those in the file have origin PATH:LINE and
                                the layer asked for; others are defaults */
    bool has[XL_PARAM_COUNT];
    bool has_key; /* false for a golden profile without one */
    struct xl_key key;
    const char *verdict; /* NULL = none */
    const char *created; /* "" = unknown */
};

/* Reads and checks everything: schema, members, tunables and their bounds,
 * metrics, key. XL_ENOTFOUND when there is no such file; XL_EUSAGE names file,
 * line and column of the fault. On failure best is empty. */
enum xl_status xl_best_load(struct xl_best *best, const char *path,
                            enum xl_best_kind kind, enum xl_layer layer,
                            struct xl_err *err);
void xl_best_release(struct xl_best *best);

/* Did the quality gate pass it? */
bool xl_best_passed(const struct xl_best *best);

#endif
