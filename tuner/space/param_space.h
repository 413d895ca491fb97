/* SPDX-License-Identifier: Apache-2.0
 *
 * The space of a sweep: which tunables are searched, over which values, and
 * which points the model and the constraints allow.
 *
 *     struct xl_param_space *ps;
 *     XL_TRY(xl_param_space_make(&ps, &(struct xl_param_space_options){
 *         .base = &params, .heads = config->heads, .cores = cpu.cores,
 *         .rules = { config, xl_plan_inert, xl_plan_canonical,
 *                    xl_plan_check },
 *         .backends = "all" }, err));
 *     XL_TRY(xl_param_space_exercise(ps, &workload, err));
 *     const struct xl_space *space = xl_param_space_space(ps);
 *     ...
 *     xl_param_space_params(ps, ask.point, &params);
 *
 * A space file names the tunables and their values:
 *
 *     { "params": { "chunk_size": {"min": 16, "max": 128, "step": 16},
 *                   "prefill_block": {"min": 128, "max": 512,
 *                                     "scale": "log2"},
 *                   "backend": ["serial", "parallel"], "pin": "all" },
 *       "constraints": ["chunk_size <= 2 * prefill_block"] }
 *
 * Without step and scale a range follows the tunable's own scale. Both ends
 * belong to it, also where no step ends at the upper one. Constraints may name
 * any tunable; of tiles also "tile_av.rows" and "tile_av.columns".
 * One thread at a time.
 */
#ifndef XL_PARAM_SPACE_H
#define XL_PARAM_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "kernel/param/param.h"
#include "tuner/space/space.h"

struct xl_config;

/* The plan's view of values; tests plug their own. Each may be NULL. */
struct xl_param_rules {
    const struct xl_config *config;
    const char *(*inert)(const struct xl_config *config,
                         const struct xl_params *params, enum xl_param id);
    void (*canonical)(const struct xl_config *config, struct xl_params *params);
    enum xl_status (*check)(const struct xl_config *config,
                            const struct xl_params *params, struct xl_err *err);
};

enum xl_bound {
#define XL_BOUND(id, flag, low, high) XL_BOUND_##id,
#include "tuner/space/rule.def"
#undef XL_BOUND
    XL_BOUND_COUNT
};

struct xl_param_space_options {
    const struct xl_params *base; /* values of what is not swept; a value that
                                     came by flag is not swept by default */
    struct xl_param_rules rules;
    size_t heads, cores;
    struct xl_bounds {
        int64_t lo, hi; /* 0 = not given */
    } bounds[XL_BOUND_COUNT];
    const char *backends; /* NAME, NAME,NAME or "all"; NULL = base's */
    const char *file;     /* a space file, or NULL */
    size_t prompt_tokens; /* of the workload; 0 = unknown. By default no two
                             values of what counts tokens reach it */
    unsigned phases;      /* XL_PHASE_* that the objective measures; 0 = both.
                             Tunables of other phases are not swept by
                             default */
};

struct xl_param_space;

/* XL_EUSAGE or XL_EFORMAT with file, line and column of what is wrong. */
enum xl_status xl_param_space_make(struct xl_param_space **ps,
                                   const struct xl_param_space_options *options,
                                   struct xl_err *err);
void xl_param_space_free(struct xl_param_space *ps);

const struct xl_space *xl_param_space_space(const struct xl_param_space *ps);

/* The tunable of a dimension. */
enum xl_param xl_param_space_param(const struct xl_param_space *ps, size_t dim);

/* The values of a point: base, the point's own on top, made canonical. */
void xl_param_space_params(const struct xl_param_space *ps,
                           const uint32_t *point, struct xl_params *params);

/* The member that params stand for; false when a value is not swept over. */
bool xl_param_space_point(const struct xl_param_space *ps,
                          const struct xl_params *params, uint32_t *point);

/* What is measured. */
struct xl_workload {
    size_t prompt_tokens, new_tokens;
    unsigned phases; /* XL_PHASE_* that the objective reads; 0 = both */
};

/* XL_EUSAGE when the workload cannot tell values of a swept tunable apart:
 * they change another phase, or they reach the prompt's length. */
enum xl_status xl_param_space_exercise(const struct xl_param_space *ps,
                                       const struct xl_workload *workload,
                                       struct xl_err *err);

/* The space for people, and {"dims": [{"name", "kind", "values"}], "raw",
 * "points", "exact", "inert": [{"name", "reason", "points"}], "left_out":
 * [{"name", "reason"}], "constraints": []}. NULL without memory. */
void xl_param_space_print(const struct xl_param_space *ps, struct xl_buf *out);
cJSON *xl_param_space_json(const struct xl_param_space *ps);

#endif
