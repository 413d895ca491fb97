/* SPDX-License-Identifier: Apache-2.0
 *
 * All members in order of their codes. When the budget is smaller than the
 * space, the order goes round the members in strides of the golden section,
 * made coprime with their number: every prefix is spread evenly, and no
 * member comes twice before all have come. */
#include "tuner/strategy/search.h"

#include "kernel/base/alloc.h"

enum {
    SKIPS = 1 << 20
};

struct grid {
    uint64_t n, stride, at; /* places; each is i * stride modulo n */
    uint64_t tried;
};

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static enum xl_status make_grid(void **state, struct xl_search *search,
                                struct xl_err *err)
{
    struct grid *grid = xl_alloc_zero(1, sizeof *grid);
    if (!grid)
        return xl_fail(err, XL_ENOMEM, "no memory for a strategy");
    const struct xl_space *space = search->space;
    bool is_counted = xl_space_is_counted(space);
    grid->n = is_counted ? xl_space_count(space) : xl_space_raw(space);
    grid->stride = 1;
    if (search->options.budget < grid->n) {
        grid->stride = (uint64_t)((double)grid->n * 0.6180339887498949);
        while (grid->stride < 2 || common_divisor(grid->n, grid->stride) != 1)
            grid->stride++;
    }
    *state = grid;
    return XL_OK;
}

/* The member at the next place, when there is one. */
static bool take_place(struct grid *grid, const struct xl_space *space,
                       uint32_t *point)
{
    uint64_t place = grid->at;
    grid->tried++;
    grid->at = (grid->at + grid->stride) % grid->n;
    if (xl_space_is_counted(space)) {
        xl_space_at(space, place, point);
        return true;
    }
    xl_space_decode(space, place, point);
    return xl_space_has(space, point);
}

static enum xl_status ask_grid(void *state, struct xl_search *search,
                               struct xl_ask *ask, struct xl_err *err)
{
    struct grid *grid = state;
    (void)err;
    ask->how = "grid";
    for (size_t skips = 0; grid->tried < grid->n && skips < SKIPS; skips++)
        if (take_place(grid, search->space, ask->point) &&
            !xl_search_knows(search, xl_space_code(search->space, ask->point)))
            return XL_OK;
    ask->end = XL_ASK_SPACE;
    return XL_OK;
}

const struct xl_strategy_kind xl_strategy_grid = {
    .name = "grid",
    .make = make_grid,
    .free = xl_free,
    .ask = ask_grid,
};
