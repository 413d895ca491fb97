/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/strategy/columns.h"

#include <assert.h>
#include <string.h>

#include "kernel/base/alloc.h"

enum {
    MOST_NEAR = 1024 /* neighbours of one point */
};

static float place(const struct xl_dim *dim, uint32_t value)
{
    return dim->kind == XL_DIM_ORDERED ? (float)value / (float)(dim->n - 1)
                                       : (float)value;
}

static enum xl_status reserve(struct xl_columns *c, size_t n,
                              struct xl_err *err)
{
    if (n <= c->room)
        return XL_OK;
    size_t room = c->room * 2 > n ? c->room * 2 : n;
    room = (room + XL_TILE - 1) / XL_TILE * XL_TILE;
    float *u = xl_alloc_zero(room * (c->n_dims + 1), sizeof *u);
    uint64_t *codes =
        xl_realloc(c->codes, c->room * sizeof *codes, room * sizeof *codes);
    if (codes)
        c->codes = codes;
    if (!u || !codes) {
        xl_free(u);
        return xl_fail(err, XL_ENOMEM, "no memory for %zu candidates", room);
    }
    for (size_t d = 0; d < c->n_dims && c->n; d++)
        memcpy(u + d * room, c->u + d * c->room, c->n * sizeof *u);
    xl_free(c->u);
    c->u = u;
    c->room = room;
    return XL_OK;
}

/* Room is there. */
static void append(struct xl_columns *c, const uint32_t *point, uint64_t code)
{
    assert(c->n < c->room);
    for (size_t d = 0; d < c->n_dims; d++) {
        const struct xl_dim *dim = xl_space_dim(c->space, c->dims[d]);
        c->u[d * c->room + c->n] = place(dim, point[c->dims[d]]);
    }
    c->codes[c->n++] = code;
}

enum xl_status xl_columns_init(struct xl_columns *columns,
                               const struct xl_space *space, struct xl_err *err)
{
    struct xl_columns *c = columns;
    uint32_t point[XL_SPACE_DIMS];
    *c = (struct xl_columns){ .space = space };
    for (size_t d = 0; d < xl_space_n_dims(space); d++)
        if (xl_space_dim(space, d)->n > 1)
            c->dims[c->n_dims++] = d;
    c->near = xl_alloc_zero(xl_space_degree(space) + 1, sizeof *c->near);
    if (!c->near)
        return xl_fail(err, XL_ENOMEM, "no memory for candidates");
    c->is_all =
        xl_space_is_counted(space) && xl_space_count(space) <= XL_COLUMNS_ALL;
    if (!c->is_all)
        return XL_OK;
    size_t n = (size_t)xl_space_count(space);
    XL_TRY(reserve(c, n, err));
    for (uint64_t i = 0; i < n; i++) {
        xl_space_at(space, i, point);
        append(c, point, xl_space_code(space, point));
    }
    return XL_OK;
}

void xl_columns_release(struct xl_columns *columns)
{
    xl_free(columns->codes);
    xl_free(columns->u);
    xl_free(columns->near);
    *columns = (struct xl_columns){ 0 };
}

enum xl_status xl_columns_draw(struct xl_columns *columns,
                               struct xl_search *search, size_t n,
                               struct xl_err *err)
{
    uint32_t point[XL_SPACE_DIMS];
    assert(!columns->is_all);
    columns->n = 0;
    columns->epoch++;
    XL_TRY(reserve(columns, n, err));
    for (size_t i = 0; i < n; i++) {
        if (!xl_space_sample(search->space, &search->rng, point))
            break;
        uint64_t code = xl_space_code(search->space, point);
        if (!xl_search_knows(search, code))
            append(columns, point, code);
    }
    return XL_OK;
}

/* At most MOST_NEAR of them, evenly spread. */
static enum xl_status add_some(struct xl_columns *columns,
                               const struct xl_search *search, uint64_t code,
                               enum xl_near near, struct xl_err *err)
{
    uint32_t point[XL_SPACE_DIMS];
    xl_space_decode(columns->space, code, point);
    size_t n = xl_space_neighbours(columns->space, point, near, columns->near);
    size_t step = (n + MOST_NEAR - 1) / MOST_NEAR;
    XL_TRY(reserve(columns, columns->n + MOST_NEAR, err));
    for (size_t i = 0; i < n; i += step) {
        if (xl_search_knows(search, columns->near[i]))
            continue;
        xl_space_decode(columns->space, columns->near[i], point);
        append(columns, point, columns->near[i]);
    }
    return XL_OK;
}

enum xl_status xl_columns_add_near(struct xl_columns *columns,
                                   const struct xl_search *search,
                                   uint64_t code, struct xl_err *err)
{
    assert(!columns->is_all);
    if (xl_space_degree(columns->space) > MOST_NEAR)
        XL_TRY(add_some(columns, search, code, XL_NEAR_ADJACENT, err));
    return add_some(columns, search, code, XL_NEAR_HAMMING, err);
}

void xl_columns_point(const struct xl_columns *columns, uint64_t code,
                      struct xl_lane_point *point)
{
    uint32_t values[XL_SPACE_DIMS];
    xl_space_decode(columns->space, code, values);
    point->n_dims = columns->n_dims;
    for (size_t d = 0; d < columns->n_dims; d++) {
        const struct xl_dim *dim =
            xl_space_dim(columns->space, columns->dims[d]);
        point->x[d] = place(dim, values[columns->dims[d]]);
        point->is_nominal[d] = dim->kind == XL_DIM_NOMINAL;
    }
}
