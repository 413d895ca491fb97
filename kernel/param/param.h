/* SPDX-License-Identifier: Apache-2.0
 *
 * Tunables: values with their origin.
 *
 * param.def is the only list. A set of values is an array indexed by
 * enum xl_param; every value knows the layer it came from.
 *
 *     struct xl_params params;
 *     xl_params_init(&params);
 *     XL_TRY(xl_params_set(&params, XL_PARAM_CHUNK_SIZE, "48",
 *                          XL_LAYER_FLAG, "--chunk-size", err));
 *     size_t chunk = (size_t)params.value[XL_PARAM_CHUNK_SIZE];
 *
 * A set is a plain value: copy it by assignment.
 */
#ifndef XL_PARAM_H
#define XL_PARAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "kernel/base/opt.h"

enum xl_param {
#define XL_PARAM(id, name, kind, choices, def, lo, hi, scale, phase, help)     \
    XL_PARAM_##id,
#include "kernel/param/param.def"
#undef XL_PARAM
    XL_PARAM_COUNT
};

enum xl_layer {
#define XL_LAYER(id, name) XL_LAYER_##id,
#include "kernel/param/layer.def"
#undef XL_LAYER
    XL_LAYER_COUNT
};

enum xl_param_kind {
    XL_KIND_INT,
    XL_KIND_BOOL,
    XL_KIND_TILE,
    XL_KIND_NAME
};
enum xl_param_scale {
    XL_SCALE_LINEAR,
    XL_SCALE_LOG2
};
enum xl_param_phase {
    XL_PHASE_PREFILL = 1,
    XL_PHASE_DECODE = 2,
    XL_PHASE_BOTH = 3
};

struct xl_param_row {
    const char *name; /* with underscores, as in JSON */
    enum xl_param_kind kind;
    const char *fallback;
    int64_t lo, hi; /* of the value, or of each side of a tile */
    enum xl_param_scale scale;
    enum xl_param_phase phase;
    const char *const *choices; /* of NAME, ended by NULL; else NULL */
    const char *help;
};

enum {
    XL_ORIGIN_ROOM = 200,
    XL_VALUE_ROOM = 32
};

struct xl_params {
    int64_t value[XL_PARAM_COUNT]; /* NAME: index of the choice; TILE: see
                                      xl_tile_rows; BOOL: 0 or 1 */
    struct xl_origin {
        enum xl_layer layer;
        char where[XL_ORIGIN_ROOM]; /* file:line, variable, flag */
    } origin[XL_PARAM_COUNT];
};

const struct xl_param_row *xl_param_row(enum xl_param id);
const char *xl_layer_name(enum xl_layer layer);

/* Number of choices of a NAME row; 0 for the other kinds. */
size_t xl_param_n_choices(enum xl_param id);

/* The id of a name (dashes or underscores), or XL_PARAM_COUNT. */
enum xl_param xl_param_find(const char *name);

/* All values at their defaults. */
void xl_params_init(struct xl_params *params);

/* The same values, wherever they come from. */
bool xl_params_equal(const struct xl_params *a, const struct xl_params *b);

/* Checks a text against the row; XL_EUSAGE names bounds or nearest choice. */
enum xl_status xl_param_parse(enum xl_param id, const char *text,
                              int64_t *value, struct xl_err *err);

/* The text that parses to value; out gets at most XL_VALUE_ROOM bytes. */
const char *xl_param_format(enum xl_param id, int64_t value,
                            char out[XL_VALUE_ROOM]);

/* Is value legal for the row? */
bool xl_param_legal(enum xl_param id, int64_t value);

/* Parses and stores with origin. */
enum xl_status xl_params_set(struct xl_params *params, enum xl_param id,
                             const char *text, enum xl_layer layer,
                             const char *where, struct xl_err *err);

/* Overlays a JSON file: either a flat object of tunables or a profile, whose
 * member "params" is one. Keys that `ignored` names (NULL-terminated, may be
 * NULL) are skipped at top level. Unknown keys and bad values are errors with
 * file, line and column. XL_ENOTFOUND when there is no such file. */
enum xl_status xl_params_load(struct xl_params *params, const char *path,
                              enum xl_layer layer, const char *const *ignored,
                              struct xl_err *err);

/* Same, from text; path stands in messages and origins. */
enum xl_status xl_params_parse(struct xl_params *params, const char *text,
                               size_t n, const char *path, enum xl_layer layer,
                               const char *const *ignored, struct xl_err *err);

/* Overlays an object that is already parsed; where stands as origin. */
enum xl_status xl_params_from_json(struct xl_params *params,
                                   const cJSON *object, enum xl_layer layer,
                                   const char *where, struct xl_err *err);

/* Overlays XLTUNE_<NAME> variables, read by get; NULL = getenv. */
typedef const char *xl_env_fn(void *ctx, const char *name);
enum xl_status xl_params_from_env(struct xl_params *params, xl_env_fn *get,
                                  void *ctx, struct xl_err *err);

/* XL_EUSAGE when a variable begins with XLTUNE_ and is none of ours; names the
 * nearest. environment: "NAME=value" texts, NULL ends them. */
enum xl_status xl_params_check_env(char *const *environment,
                                   struct xl_err *err);

/* Sets one tunable as a flag does, from the first n bytes of pair, which are
 * "name=value"; where is what errors and the value's origin say of it. */
enum xl_status xl_params_set_pair(struct xl_params *params, const char *pair,
                                  size_t n, const char *where,
                                  struct xl_err *err);

/* Same for a list of pairs, with commas or blanks between them. */
enum xl_status xl_params_set_list(struct xl_params *params, const char *list,
                                  const char *where, struct xl_err *err);

/* Overlays the tunable flags and every --param name=value (texts[0..n)). */
enum xl_status xl_params_from_flags(struct xl_params *params,
                                    const struct xl_opts *opts, size_t group,
                                    const char *const *texts, size_t n,
                                    struct xl_err *err);

/* Adds value of id to object as JSON's own type: number, bool or string. */
void xl_param_add_json(cJSON *object, enum xl_param id, int64_t value);

/* {"name": value, ...} for all tunables. NULL without memory. */
cJSON *xl_params_to_json(const struct xl_params *params);

/* {"name": {"value":, "origin":}, ...}. NULL without memory. */
cJSON *xl_params_origin_json(const struct xl_params *params);

/* Option rows of all tunables, for help and parsing; static storage. */
struct xl_opt_group xl_params_opt_group(void);

/* Sides of a tile value. */
static inline int64_t xl_tile_of(int64_t rows, int64_t columns)
{
    return rows << 16 | columns;
}
static inline int64_t xl_tile_rows(int64_t tile)
{
    return tile >> 16;
}
static inline int64_t xl_tile_columns(int64_t tile)
{
    return tile & 0xffff;
}

#endif
