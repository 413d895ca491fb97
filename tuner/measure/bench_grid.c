/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/measure/bench_grid.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/cmd.h"
#include "kernel/run/session.h"

enum {
    FLAG_ROOM = 48
};

/* A copy of the option values of one group, to write in. */
static struct xl_opt_value *copy_group(struct xl_bench_grid *grid,
                                       const struct xl_opts *opts, size_t group)
{
    size_t n = opts->groups[group].n_rows;
    struct xl_opt_value *copy =
        xl_arena_zero(&grid->arena, n + 1, sizeof *copy);
    if (copy)
        memcpy(copy, opts->values[group], n * sizeof *copy);
    return copy;
}

/* Makes a dimension of the text, or leaves it alone when it is one value. */
static enum xl_status add_dim(struct xl_bench_grid *grid, enum xl_param id,
                              const char *text, bool *is_list,
                              struct xl_err *err)
{
    char flag[FLAG_ROOM];
    for (size_t i = 0; i < grid->n_dims; i++)
        if (grid->dims[i].id == id)
            return xl_fail(err, XL_EUSAGE, "%s is listed twice",
                           xl_param_row(id)->name);
    struct xl_bench_dim *dim = &grid->dims[grid->n_dims];
    snprintf(flag, sizeof flag, "--%s", xl_param_row(id)->name);
    XL_TRY(xl_value_list_parse(&dim->values, &grid->arena, flag, text, err));
    *is_list = dim->values.n > 1 || strcmp(dim->values.items[0], text) != 0;
    if (!*is_list)
        return XL_OK;
    dim->id = id;
    grid->n_dims++;
    grid->n *= dim->values.n;
    if (grid->n > XL_BENCH_GRID_MOST)
        return xl_fail(err, XL_EUSAGE,
                       "the lists span more than %d configurations",
                       XL_BENCH_GRID_MOST);
    return XL_OK;
}

static enum xl_status add_flags(struct xl_bench_grid *grid,
                                const struct xl_opts *opts, struct xl_err *err)
{
    for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
        bool is_list;
        if (xl_opt_given(opts, XL_GROUP_TUNABLES, i))
            XL_TRY(add_dim(grid, (enum xl_param)i,
                           xl_opt_text(opts, XL_GROUP_TUNABLES, i), &is_list,
                           err));
    }
    return XL_OK;
}

/* The tunable of "name=value" and the value; XL_PARAM_COUNT when there is no
 * such tunable, which the resolver will say better. */
static enum xl_param split_pair(const char *pair, const char **value)
{
    char name[FLAG_ROOM];
    size_t n = strcspn(pair, "=");
    if (pair[n] != '=' || n >= sizeof name)
        return XL_PARAM_COUNT;
    memcpy(name, pair, n);
    name[n] = '\0';
    *value = pair + n + 1;
    return xl_param_find(name);
}

/* Lists of --param become dimensions and leave the pairs. A flag of the same
 * tunable stands above the pair. */
static enum xl_status add_pairs(struct xl_bench_grid *grid,
                                const struct xl_opts *opts,
                                struct xl_opt_value *pairs, struct xl_err *err)
{
    const char **kept =
        xl_arena_zero(&grid->arena, pairs->n_texts + 1, sizeof *kept);
    size_t n_kept = 0;
    if (!kept)
        return xl_fail(err, XL_ENOMEM, "out of memory for the lists");
    for (size_t i = 0; i < pairs->n_texts; i++) {
        const char *value;
        bool is_list = false;
        enum xl_param id = split_pair(pairs->texts[i], &value);
        if (id != XL_PARAM_COUNT && *value &&
            !xl_opt_given(opts, XL_GROUP_TUNABLES, id))
            XL_TRY(add_dim(grid, id, value, &is_list, err));
        if (!is_list)
            kept[n_kept++] = pairs->texts[i];
    }
    pairs->texts = kept;
    pairs->n_texts = n_kept;
    pairs->given = n_kept > 0;
    return XL_OK;
}

static enum xl_status build(struct xl_bench_grid *grid,
                            const struct xl_opts *opts, struct xl_err *err)
{
    grid->point = *opts;
    for (size_t group = XL_GROUP_MODEL; group <= XL_GROUP_TUNABLES; group++) {
        grid->point.values[group] = copy_group(grid, opts, group);
        if (!grid->point.values[group])
            return xl_fail(err, XL_ENOMEM, "out of memory for the lists");
    }
    XL_TRY(add_flags(grid, opts, err));
    return add_pairs(grid, opts,
                     &grid->point.values[XL_GROUP_MODEL][XL_MODEL_PARAM], err);
}

enum xl_status xl_bench_grid_init(struct xl_bench_grid *grid,
                                  const struct xl_opts *opts,
                                  struct xl_err *err)
{
    *grid = (struct xl_bench_grid){ .n = 1 };
    xl_arena_init(&grid->arena, 0);
    enum xl_status rc = build(grid, opts, err);
    if (rc != XL_OK)
        xl_bench_grid_release(grid);
    return rc;
}

void xl_bench_grid_release(struct xl_bench_grid *grid)
{
    xl_arena_release(&grid->arena);
    *grid = (struct xl_bench_grid){ 0 };
}

const struct xl_opts *xl_bench_grid_point(struct xl_bench_grid *grid, size_t i)
{
    struct xl_opt_value *values = grid->point.values[XL_GROUP_TUNABLES];
    for (size_t d = grid->n_dims; d-- > 0;) {
        const struct xl_bench_dim *dim = &grid->dims[d];
        grid->texts[dim->id] = dim->values.items[i % dim->values.n];
        i /= dim->values.n;
        values[dim->id] = (struct xl_opt_value){
            .given = true, .n_texts = 1, .texts = &grid->texts[dim->id]
        };
    }
    return &grid->point;
}
