/* SPDX-License-Identifier: Apache-2.0
 *
 * Candidates of a search, laid out for xl_lanes: the coordinates of all
 * members where they are few, else of a sample with the neighbours of good
 * points. Included only inside tuner/strategy and by tests.
 *
 * An ordered dimension has coordinate index / (n - 1), a nominal one its
 * index; dimensions of one value are left out.
 */
#ifndef XL_COLUMNS_H
#define XL_COLUMNS_H

#include "tuner/strategy/lanes.h"
#include "tuner/strategy/search.h"

enum {
    XL_COLUMNS_ALL = 20480, /* most members that are all candidates */
};

struct xl_columns {
    const struct xl_space *space;
    size_t n_dims; /* with more than one value */
    size_t dims[XL_SPACE_DIMS];
    bool is_all;     /* every member is here, in order of the space */
    size_t n, room;  /* room: a multiple of XL_TILE */
    size_t epoch;    /* how often they were drawn anew */
    uint64_t *codes; /* [n] */
    float *u;        /* [n_dims][room]; padding repeats the last one */
    uint64_t *near;  /* [degree] scratch */
};

/* Release also on failure. All members when they are few, else empty. */
enum xl_status xl_columns_init(struct xl_columns *columns,
                               const struct xl_space *space,
                               struct xl_err *err);
void xl_columns_release(struct xl_columns *columns);

/* Of a space that is not all here: n members drawn anew, none known. */
enum xl_status xl_columns_draw(struct xl_columns *columns,
                               struct xl_search *search, size_t n,
                               struct xl_err *err);

/* Of the same: adds the unknown neighbours of a point that differ in one
 * dimension, the adjacent ones and a spread where they are very many. A column
 * may come twice. */
enum xl_status xl_columns_add_near(struct xl_columns *columns,
                                   const struct xl_search *search,
                                   uint64_t code, struct xl_err *err);

/* The coordinates of a point; weights are left alone. */
void xl_columns_point(const struct xl_columns *columns, uint64_t code,
                      struct xl_lane_point *point);

static inline size_t xl_columns_tiles(const struct xl_columns *columns)
{
    return (columns->n + XL_TILE - 1) / XL_TILE;
}

#endif
