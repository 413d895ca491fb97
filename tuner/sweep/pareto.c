/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/pareto.h"

#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "tuner/strategy/front.h"

typedef double values[XL_STRATEGY_VALUES];

/* Measured rows, in parallel. */
struct measured {
    values *points; /* [n] */
    size_t *rows;   /* [n] of the history */
    size_t n;
};

static void take(struct measured *m, const struct xl_history *history,
                 size_t n_values)
{
    for (size_t i = 0; i < history->n; i++) {
        const struct xl_history_row *row = &history->rows[i];
        bool is_ok = row->state == XL_TRIAL_OK || row->state == XL_TRIAL_PRUNED;
        for (size_t v = 0; v < n_values; v++)
            is_ok = is_ok && isfinite(row->values[v]);
        if (!is_ok)
            continue;
        memcpy(m->points[m->n], row->values, sizeof row->values);
        m->rows[m->n++] = i;
    }
}

/* Each objective onto 0..1; one that is the same everywhere counts as 1. */
static void scale(struct measured *m, size_t n_values)
{
    for (size_t v = 0; v < n_values; v++) {
        double lo = (double)INFINITY, hi = -(double)INFINITY;
        for (size_t i = 0; i < m->n; i++) {
            lo = fmin(lo, m->points[i][v]);
            hi = fmax(hi, m->points[i][v]);
        }
        for (size_t i = 0; i < m->n; i++)
            m->points[i][v] = hi > lo ? (m->points[i][v] - lo) / (hi - lo) : 1;
    }
}

/* Is row i beaten, or the same as an earlier one? */
static bool is_beaten(const struct measured *m, size_t i, size_t n_values)
{
    for (size_t j = 0; j < m->n; j++) {
        if (xl_front_dominates(m->points[j], m->points[i], n_values))
            return true;
        if (j < i &&
            memcmp(m->points[j], m->points[i], n_values * sizeof(double)) == 0)
            return true;
    }
    return false;
}

static void keep_front(struct xl_pareto *out, struct measured *m,
                       size_t n_values)
{
    for (size_t i = 0; i < m->n; i++) {
        if (is_beaten(m, i, n_values))
            continue;
        size_t at = out->n++;
        for (; at > 0; at--) {
            size_t before = out->rows[at - 1];
            if (m->points[before][0] >= m->points[i][0])
                break;
            out->rows[at] = before;
        }
        out->rows[at] = i;
    }
}

enum xl_status xl_pareto_find(struct xl_pareto *pareto,
                              const struct xl_history *history,
                              size_t n_objectives, struct xl_err *err)
{
    struct measured m = {
        .points = xl_alloc_zero(history->n + 1, sizeof *m.points),
        .rows = xl_alloc_zero(history->n + 1, sizeof *m.rows),
    };
    static const values worst = { 0 };
    enum xl_status rc = XL_OK;
    *pareto = (struct xl_pareto){ .rows = xl_alloc_zero(history->n + 1,
                                                        sizeof *pareto->rows) };
    if (!m.points || !m.rows || !pareto->rows) {
        rc = xl_fail(err, XL_ENOMEM, "no memory for a front");
    } else {
        take(&m, history, n_objectives);
        scale(&m, n_objectives);
        keep_front(pareto, &m, n_objectives);
        rc = xl_front_volume((const double(*)[XL_STRATEGY_VALUES])m.points, m.n,
                             n_objectives, worst, &pareto->volume, err);
        for (size_t i = 0; i < pareto->n; i++)
            pareto->rows[i] = m.rows[pareto->rows[i]];
    }
    xl_free(m.points);
    xl_free(m.rows);
    if (rc != XL_OK)
        xl_pareto_release(pareto);
    return rc;
}

void xl_pareto_release(struct xl_pareto *pareto)
{
    xl_free(pareto->rows);
    *pareto = (struct xl_pareto){ 0 };
}
