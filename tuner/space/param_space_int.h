/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of param_space share. */
#ifndef XL_PARAM_SPACE_INT_H
#define XL_PARAM_SPACE_INT_H

#include "kernel/base/arena.h"
#include "tuner/space/expr.h"
#include "tuner/space/param_space.h"

enum {
    XL_SPACE_CONSTRAINTS = 64
};

/* One swept tunable. */
struct xl_sweep {
    enum xl_param id;
    bool is_asked; /* by file, bounds or backends, not by default */
    size_t n;
    int64_t *values;     /* [n] rising, but for names in order given */
    double *at;          /* [n] on the tunable's scale */
    const char **labels; /* [n] */
};

struct xl_left_out {
    enum xl_param id;
    const char *reason;
};

struct xl_param_space {
    struct xl_arena arena;
    struct xl_space *space;
    struct xl_params base, scratch; /* scratch: of the rules' callbacks */
    struct xl_param_rules rules;
    struct xl_sweep sweeps[XL_PARAM_COUNT]; /* [n_sweeps] in order of ids */
    size_t n_sweeps;
    uint32_t home[XL_PARAM_COUNT]; /* [n_sweeps] */
    struct xl_left_out left_out[2 * XL_PARAM_COUNT];
    size_t n_left_out;
    const struct xl_expr *constraints[XL_SPACE_CONSTRAINTS];
    const char *constraint_texts[XL_SPACE_CONSTRAINTS];
    size_t n_constraints;
    char tile_texts[XL_PARAM_COUNT][XL_VALUE_ROOM]; /* of constraints */
};

/* The sweep of a tunable, or NULL. */
struct xl_sweep *xl_sweep_find(struct xl_param_space *ps, enum xl_param id);

/* Sweeps id over n values, replacing an earlier sweep. XL_EUSAGE for none,
 * too many, or one twice. */
enum xl_status xl_sweep_set(struct xl_param_space *ps, enum xl_param id,
                            const int64_t *values, size_t n, bool is_asked,
                            struct xl_err *err);

/* lo, lo + step, ... and hi, whether a step ends there or not; step 0 = powers
 * of two times lo. */
enum xl_status xl_sweep_range(struct xl_param_space *ps, enum xl_param id,
                              int64_t lo, int64_t hi, int64_t step,
                              bool is_asked, struct xl_err *err);

/* Every choice of a NAME or BOOL tunable. */
enum xl_status xl_sweep_all(struct xl_param_space *ps, enum xl_param id,
                            struct xl_err *err);

/* Do its values count tokens of the prompt? */
bool xl_sweep_counts_tokens(enum xl_param id);

/* Reads a space file. */
enum xl_status xl_space_file_load(struct xl_param_space *ps, const char *path,
                                  struct xl_err *err);

/* The value of a name of constraints; ctx is the struct xl_param_space. */
struct xl_value xl_constraint_value(void *ctx, size_t id);

#endif
