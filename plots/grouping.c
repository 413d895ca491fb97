/* SPDX-License-Identifier: Apache-2.0
 *
 * Sort once, walk once. Ranks of the median's interval follow the binomial
 * distribution with p = 1/2 (Conover, Practical Nonparametric Statistics). */
#include "plots/grouping.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/order.h"

enum {
    EXACT_UP_TO = 1000,
    WIDE_FACTOR = 16
};

size_t xl_grouping_rank(size_t n)
{
    if (n > EXACT_UP_TO) /* 0.5^n underflows; the normal limit is close */
        return (size_t)((double)n / 2 - 0.98 * sqrt((double)n));
    double term = pow(0.5, (double)n), below = term;
    size_t k = 0;
    while (below <= 0.025) {
        k++;
        term *= (double)(n - k + 1) / (double)k;
        below += term;
    }
    return k;
}

struct xl_grouping_median xl_grouping_median_of(double *values, size_t n)
{
    struct xl_grouping_median out = { (double)NAN, (double)NAN, (double)NAN };
    if (n == 0)
        return out;
    qsort(values, n, sizeof *values, xl_order_reals);
    out.median =
        n % 2 ? values[n / 2] : values[n / 2 - 1] / 2 + values[n / 2] / 2;
    size_t rank = xl_grouping_rank(n);
    if (rank > 0) {
        out.lo = values[rank - 1];
        out.hi = values[n - rank];
    }
    return out;
}

/* -- grouping ------------------------------------------------------------- */

/* Keys ascending, NaN last; equal ones in the caller's order. */
struct slot {
    struct xl_grouping_item item;
    size_t place; /* in the caller's order */
};

static int by_key(const void *a, const void *b)
{
    const struct slot *s = a, *u = b;
    bool s_nan = isnan(s->item.key), u_nan = isnan(u->item.key);
    if (s_nan != u_nan)
        return s_nan - u_nan;
    if (!s_nan && s->item.key != u->item.key)
        return s->item.key > u->item.key ? 1 : -1;
    return (s->place > u->place) - (s->place < u->place);
}

static size_t count_keys(const struct slot *slots, size_t n)
{
    size_t keys = 0;
    for (size_t i = 0; i < n; i++)
        keys += !isnan(slots[i].item.key) &&
                (i == 0 || slots[i].item.key != slots[i - 1].item.key);
    return keys;
}

/* How keys become ranges. width 0: every key is a group of its own. */
struct ranges {
    double first, width;
    bool doubling;
};

static struct ranges choose_ranges(const struct slot *slots, size_t n,
                                   size_t max_groups)
{
    if (count_keys(slots, n) <= max_groups)
        return (struct ranges){ 0 };
    size_t last = n;
    while (last > 1 && isnan(slots[last - 1].item.key))
        last--;
    double lo = slots[0].item.key, hi = slots[last - 1].item.key;
    if (lo >= 1 && hi / lo >= WIDE_FACTOR)
        return (struct ranges){ .doubling = true, .width = 1 };
    double width = (hi - lo) / (double)max_groups;
    /* Whole keys get whole ranges: 1-4, 5-8, not 1-4.2. */
    width = width > 1 ? ceil(width + 1e-9) : width * (1 + 1e-9);
    return (struct ranges){ .first = lo, .width = width };
}

static double range_of(const struct ranges *ranges, double key)
{
    if (ranges->width == 0 || isnan(key))
        return key;
    if (ranges->doubling)
        return floor(log2(key));
    return floor((key - ranges->first) / ranges->width);
}

static bool is_same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void fill_group(struct xl_grouping_group *group,
                       const struct slot *slots, size_t n, double *scratch)
{
    struct xl_grouping_item best = { .value = (double)NAN,
                                     .lo = (double)NAN,
                                     .hi = (double)NAN };
    size_t counted = 0;
    for (size_t i = 0; i < n; i++) {
        const struct xl_grouping_item *item = &slots[i].item;
        if (isnan(item->value))
            continue;
        scratch[counted++] = item->value;
        if (isnan(best.value) || item->value > best.value)
            best = *item;
    }
    struct xl_grouping_median middle = xl_grouping_median_of(scratch, counted);
    *group = (struct xl_grouping_group){
        .from = slots[0].item.key,
        .to = slots[n - 1].item.key,
        .n = counted,
        .max = best.value,
        .max_lo = best.lo,
        .max_hi = best.hi,
        .median = middle.median,
        .median_lo = middle.lo,
        .median_hi = middle.hi,
    };
}

static void walk(struct xl_grouping *table, const struct slot *slots, size_t n,
                 size_t max_groups, double *scratch)
{
    struct ranges ranges = choose_ranges(slots, n, max_groups);
    for (size_t begin = 0, end; begin < n; begin = end) {
        double range = range_of(&ranges, slots[begin].item.key);
        end = begin;
        while (end < n &&
               is_same(range_of(&ranges, slots[end].item.key), range)) {
            table->group_of[slots[end].place] = table->n_groups;
            end++;
        }
        fill_group(&table->groups[table->n_groups++], slots + begin,
                   end - begin, scratch);
    }
}

enum xl_status xl_grouping_make(struct xl_grouping *table,
                                const struct xl_grouping_item *items, size_t n,
                                size_t max_groups, struct xl_arena *arena,
                                struct xl_err *err)
{
    struct slot *slots = xl_arena_zero(arena, n + 1, sizeof *slots);
    double *scratch = xl_arena_zero(arena, n + 1, sizeof *scratch);
    *table = (struct xl_grouping){
        .groups = xl_arena_zero(arena, n + 1, sizeof *table->groups),
        .group_of = xl_arena_zero(arena, n + 1, sizeof *table->group_of),
    };
    if (!slots || !scratch || !table->groups || !table->group_of)
        return xl_fail(err, XL_ENOMEM, "out of memory grouping %zu trials", n);
    for (size_t i = 0; i < n; i++)
        slots[i] = (struct slot){ .item = items[i], .place = i };
    qsort(slots, n, sizeof *slots, by_key);
    walk(table, slots, n, max_groups, scratch);
    return XL_OK;
}

/* -- front ---------------------------------------------------------------- */

struct spot {
    double x, y;
    size_t index;
};

/* Rightmost first, among those the highest, among those the first given. */
static int by_x_down(const void *a, const void *b)
{
    const struct spot *p = a, *q = b;
    if (p->x != q->x)
        return p->x < q->x ? 1 : -1;
    if (p->y != q->y)
        return p->y < q->y ? 1 : -1;
    return (p->index > q->index) - (p->index < q->index);
}

size_t xl_grouping_front(const double *x, const double *y, size_t n,
                         size_t *front)
{
    struct spot *spots = xl_alloc_zero(n + 1, sizeof *spots);
    size_t kept = 0, found = 0;
    double top = -(double)INFINITY;
    if (!spots)
        return SIZE_MAX;
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i]) && !isnan(y[i]))
            spots[kept++] = (struct spot){ x[i], y[i], i };
    qsort(spots, kept, sizeof *spots, by_x_down);
    for (size_t i = 0; i < kept; i++) {
        if (spots[i].y <= top)
            continue;
        top = spots[i].y;
        front[found++] = spots[i].index;
    }
    for (size_t i = 0; i < found / 2; i++) {
        size_t other = front[i];
        front[i] = front[found - 1 - i];
        front[found - 1 - i] = other;
    }
    xl_free(spots);
    return found;
}
