/* SPDX-License-Identifier: Apache-2.0
 *
 * The hypervolume slices along the last objective (Knowles 2002; While et
 * al. 2006): points in falling order of it add, one after the other, the
 * depth to the next times the volume of those so far in one dimension less.
 * Two dimensions are a staircase. Exponential in objectives only, of which
 * there are four at most. */
#include "tuner/strategy/front.h"

#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"

bool xl_front_dominates(const double *a, const double *b, size_t m)
{
    bool is_better = false;
    for (size_t i = 0; i < m; i++) {
        if (a[i] < b[i])
            return false;
        is_better |= a[i] > b[i];
    }
    return is_better;
}

void xl_front_rank(const double (*points)[XL_STRATEGY_VALUES], size_t n,
                   size_t m, uint32_t *rank)
{
    size_t left = n;
    for (size_t i = 0; i < n; i++)
        rank[i] = UINT32_MAX;
    for (uint32_t front = 0; left; front++) {
        for (size_t i = 0; i < n; i++) {
            bool is_free = rank[i] == UINT32_MAX;
            for (size_t j = 0; j < n && is_free; j++)
                if (rank[j] >= front) /* of this front or not yet placed */
                    is_free = !xl_front_dominates(points[j], points[i], m);
            if (is_free) {
                rank[i] = front;
                left--;
            }
        }
    }
}

/* Sorted by (rank, one value); insertion, for populations. */
static void sort_by(const double (*points)[XL_STRATEGY_VALUES], size_t n,
                    const uint32_t *rank, size_t value, uint32_t *order)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        while (at > 0 && (rank[order[at - 1]] > rank[i] ||
                          (rank[order[at - 1]] == rank[i] &&
                           points[order[at - 1]][value] > points[i][value]))) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = (uint32_t)i;
    }
}

void xl_front_crowd(const double (*points)[XL_STRATEGY_VALUES], size_t n,
                    size_t m, const uint32_t *rank, uint32_t *order,
                    double *crowd)
{
    for (size_t i = 0; i < n; i++)
        crowd[i] = 0;
    for (size_t v = 0; v < m; v++) {
        sort_by(points, n, rank, v, order);
        for (size_t first = 0, last; first < n; first = last + 1) {
            last = first;
            while (last + 1 < n && rank[order[last + 1]] == rank[order[first]])
                last++;
            double range = points[order[last]][v] - points[order[first]][v];
            crowd[order[first]] = crowd[order[last]] = (double)INFINITY;
            for (size_t i = first + 1; i < last && range > 0; i++)
                crowd[order[i]] +=
                    (points[order[i + 1]][v] - points[order[i - 1]][v]) / range;
        }
    }
}

/* -- hypervolume ---------------------------------------------------------- */

struct slices {
    const double (*points)[XL_STRATEGY_VALUES];
    const double *reference;
};

static void sort_falling(const struct slices *s, uint32_t *list, size_t n,
                         size_t value)
{
    for (size_t i = 1; i < n; i++) {
        uint32_t own = list[i];
        size_t at = i;
        while (at > 0 &&
               s->points[list[at - 1]][value] < s->points[own][value]) {
            list[at] = list[at - 1];
            at--;
        }
        list[at] = own;
    }
}

static double staircase(const struct slices *s, uint32_t *list, size_t n)
{
    double volume = 0, high = s->reference[1];
    sort_falling(s, list, n, 0);
    for (size_t i = 0; i < n; i++) {
        const double *p = s->points[list[i]];
        if (p[1] <= high)
            continue;
        volume += (p[0] - s->reference[0]) * (p[1] - high);
        high = p[1];
    }
    return volume;
}

/* Of the first m values; scratch: [m - 2][n] lists below this one. */
static double volume_of(const struct slices *s, uint32_t *list, size_t n,
                        size_t m, uint32_t *scratch) /* NOLINT: recursion */
{
    double volume = 0, most = s->reference[0];
    if (m == 1) {
        for (size_t i = 0; i < n; i++)
            most = fmax(most, s->points[list[i]][0]);
        return most - s->reference[0];
    }
    if (m == 2)
        return staircase(s, list, n);
    sort_falling(s, list, n, m - 1);
    for (size_t i = 0; i < n; i++) {
        double low =
            i + 1 < n ? s->points[list[i + 1]][m - 1] : s->reference[m - 1];
        double depth = s->points[list[i]][m - 1] - low;
        if (depth <= 0)
            continue;
        memcpy(scratch, list, (i + 1) * sizeof *list);
        volume += depth * volume_of(s, scratch, i + 1, m - 1, scratch + n);
    }
    return volume;
}

enum xl_status xl_front_volume(const double (*points)[XL_STRATEGY_VALUES],
                               size_t n, size_t m, const double *reference,
                               double *volume, struct xl_err *err)
{
    struct slices slices = { points, reference };
    uint32_t *lists = xl_alloc_zero((m + 1) * (n + 1), sizeof *lists);
    size_t kept = 0;
    if (!lists)
        return xl_fail(err, XL_ENOMEM, "no memory for a front of %zu", n);
    for (size_t i = 0; i < n; i++) {
        bool is_in = true;
        for (size_t v = 0; v < m; v++)
            is_in &= points[i][v] > reference[v];
        if (is_in)
            lists[kept++] = (uint32_t)i;
    }
    *volume = kept ? volume_of(&slices, lists, kept, m, lists + n) : 0;
    xl_free(lists);
    return XL_OK;
}
