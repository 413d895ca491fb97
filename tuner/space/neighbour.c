/* SPDX-License-Identifier: Apache-2.0
 *
 * What lies near a point. An adjacent neighbour of an ordered dimension is
 * the first member each way, not the next value: spaces recorded elsewhere
 * have holes, and a walk must be able to step over them. */
#include <math.h>
#include <string.h>

#include "tuner/space/space.h"

enum {
    REPAIR_DRAWS = 256
};

struct list {
    const struct xl_space *space;
    uint64_t own, *codes;
    size_t n;
};

/* Only points that canonicalising moved in a second dimension can be reached
 * in two ways. */
static bool is_single_step(const struct xl_space *space, const uint32_t *a,
                           const uint32_t *b)
{
    size_t moved = 0;
    for (size_t d = 0; d < xl_space_n_dims(space); d++)
        moved += a[d] != b[d];
    return moved == 1;
}

/* Adds the member that the point with `value` in dimension d stands for;
 * false when there is none. Members reached twice stay listed once. */
static bool add(struct list *list, const uint32_t *point, size_t d,
                uint32_t value)
{
    uint32_t near[XL_SPACE_DIMS];
    memcpy(near, point, xl_space_n_dims(list->space) * sizeof *near);
    near[d] = value;
    if (!xl_space_canonical(list->space, near))
        return false;
    /* An inert dimension leads back to where the walk is. */
    if (near[d] != value)
        return false;
    uint64_t code = xl_space_code(list->space, near);
    if (code == list->own)
        return false;
    if (!is_single_step(list->space, point, near))
        for (size_t i = 0; i < list->n; i++)
            if (list->codes[i] == code)
                return true;
    list->codes[list->n++] = code;
    return true;
}

static void add_adjacent(struct list *list, const uint32_t *point, size_t d)
{
    uint32_t n = xl_space_dim(list->space, d)->n;
    for (uint32_t v = point[d] + 1; v < n; v++)
        if (add(list, point, d, v))
            break;
    for (uint32_t v = point[d]; v-- > 0;)
        if (add(list, point, d, v))
            break;
}

size_t xl_space_degree(const struct xl_space *space)
{
    size_t degree = 0;
    for (size_t d = 0; d < xl_space_n_dims(space); d++)
        degree += xl_space_dim(space, d)->n - 1;
    return degree;
}

size_t xl_space_neighbours(const struct xl_space *space, const uint32_t *point,
                           enum xl_near near, uint64_t *out)
{
    struct list list = { .space = space,
                         .own = xl_space_code(space, point),
                         .codes = out };
    for (size_t d = 0; d < xl_space_n_dims(space); d++) {
        const struct xl_dim *dim = xl_space_dim(space, d);
        if (near == XL_NEAR_ADJACENT && dim->kind == XL_DIM_ORDERED) {
            add_adjacent(&list, point, d);
            continue;
        }
        for (uint32_t v = 0; v < dim->n; v++)
            if (v != point[d])
                add(&list, point, d, v);
    }
    return list.n;
}

double xl_space_distance(const struct xl_space *space, const uint32_t *a,
                         const uint32_t *b)
{
    double sum = 0;
    for (size_t d = 0; d < xl_space_n_dims(space); d++) {
        const struct xl_dim *dim = xl_space_dim(space, d);
        if (a[d] == b[d])
            continue;
        if (dim->kind == XL_DIM_NOMINAL)
            sum += 1;
        else
            sum += fabs((double)a[d] - (double)b[d]) / (double)(dim->n - 1);
    }
    return sum;
}

/* Draws one of the members that differ in a single dimension, each with equal
 * chance, in one pass and without a list. */
static bool draw_hamming(const struct xl_space *space, struct xl_rng *rng,
                         uint32_t *point)
{
    uint32_t near[XL_SPACE_DIMS], kept[XL_SPACE_DIMS];
    size_t bytes = xl_space_n_dims(space) * sizeof *near;
    uint64_t seen = 0;
    for (size_t d = 0; d < xl_space_n_dims(space); d++) {
        for (uint32_t v = 0; v < xl_space_dim(space, d)->n; v++) {
            memcpy(near, point, bytes);
            near[d] = v;
            if (v == point[d] || !xl_space_canonical(space, near))
                continue;
            if (xl_rng_below(rng, ++seen) == 0)
                memcpy(kept, near, bytes);
        }
    }
    if (seen)
        memcpy(point, kept, bytes);
    return seen > 0;
}

/* As draw_hamming, among one step up or down of ordered dimensions. */
static bool draw_adjacent(const struct xl_space *space, struct xl_rng *rng,
                          uint32_t *point)
{
    uint32_t near[XL_SPACE_DIMS], kept[XL_SPACE_DIMS];
    size_t bytes = xl_space_n_dims(space) * sizeof *near;
    uint64_t seen = 0;
    for (size_t i = 0; i < 2 * xl_space_n_dims(space); i++) {
        size_t d = i / 2;
        const struct xl_dim *dim = xl_space_dim(space, d);
        bool up = i % 2;
        if (dim->kind == XL_DIM_NOMINAL ||
            (up ? point[d] + 1 == dim->n : point[d] == 0))
            continue;
        memcpy(near, point, bytes);
        near[d] = up ? point[d] + 1 : point[d] - 1;
        if (xl_space_canonical(space, near) && xl_rng_below(rng, ++seen) == 0)
            memcpy(kept, near, bytes);
    }
    if (seen)
        memcpy(point, kept, bytes);
    return seen > 0;
}

bool xl_space_repair(const struct xl_space *space, struct xl_rng *rng,
                     uint32_t *point)
{
    uint32_t drawn[XL_SPACE_DIMS], best[XL_SPACE_DIMS];
    size_t bytes = xl_space_n_dims(space) * sizeof *drawn;
    double least = (double)INFINITY;
    if (xl_space_canonical(space, point) || draw_adjacent(space, rng, point) ||
        draw_hamming(space, rng, point))
        return true;
    for (size_t i = 0; i < REPAIR_DRAWS; i++) {
        if (!xl_space_sample(space, rng, drawn))
            return false;
        double far = xl_space_distance(space, drawn, point);
        if (far < least) {
            least = far;
            memcpy(best, drawn, bytes);
        }
    }
    memcpy(point, best, bytes);
    return true;
}
