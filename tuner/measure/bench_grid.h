/* SPDX-License-Identifier: Apache-2.0
 *
 * The configurations that a command line of lists asks for: every tunable
 * flag (or --param) whose value is a list becomes a dimension, and the grid
 * is their product, first dimension slowest.
 *
 *     XL_TRY(xl_bench_grid_init(&grid, &ctx->opts, err));
 *     for (size_t i = 0; i < grid.n; i++)
 *         ... resolve(xl_bench_grid_point(&grid, i), ...) ...
 *     xl_bench_grid_release(&grid);
 */
#ifndef XL_BENCH_GRID_H
#define XL_BENCH_GRID_H

#include "kernel/base/opt.h"
#include "kernel/param/param.h"
#include "tuner/measure/value_list.h"

enum {
    XL_BENCH_GRID_MOST = 4096
};

struct xl_bench_grid {
    size_t n; /* points; 1 when nothing is a list */
    size_t n_dims;
    struct xl_bench_dim {
        enum xl_param id;
        struct xl_value_list values;
    } dims[XL_PARAM_COUNT];
    /* private */
    struct xl_arena arena;
    struct xl_opts point; /* the options of one point */
    const char *texts[XL_PARAM_COUNT];
};

/* opts: parsed with the groups of a command with takes_model; used until
 * release. Values are checked when a point is resolved. */
enum xl_status xl_bench_grid_init(struct xl_bench_grid *grid,
                                  const struct xl_opts *opts,
                                  struct xl_err *err);
void xl_bench_grid_release(struct xl_bench_grid *grid);

/* The options as if point i had been written out; good until the next call. */
const struct xl_opts *xl_bench_grid_point(struct xl_bench_grid *grid, size_t i);

#endif
