/* SPDX-License-Identifier: Apache-2.0
 *
 * Trials are sorted by the tunables of both phases; of each run of equal ones
 * the fastest prompt and the fastest decoding are put together. Their medians
 * are the luckiest of many, so what comes of it is only a nomination: it is
 * measured, judged and fought for like any other. */
#include "tuner/sweep/merge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/model/plan.h"
#include "tuner/sweep/attempt.h"

static bool is_shared(size_t param)
{
    return xl_param_row((enum xl_param)param)->phase == XL_PHASE_BOTH;
}

static int compare_shared(const struct xl_params *a, const struct xl_params *b)
{
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        if (is_shared(i) && a->value[i] != b->value[i])
            return a->value[i] < b->value[i] ? -1 : 1;
    return 0;
}

static int by_shared(const void *a, const void *b)
{
    const struct xl_history_row *const *x = a, *const *y = b;
    int order = compare_shared(&(*x)->params, &(*y)->params);
    return order ? order
                 : ((*x)->trial > (*y)->trial) - ((*x)->trial < (*y)->trial);
}

static const struct xl_history_row *faster(const struct xl_history_row *a,
                                           const struct xl_history_row *b,
                                           enum xl_metric speed)
{
    double x = a ? a->reading.value[speed] : (double)NAN;
    double y = b->reading.value[speed];
    return isfinite(y) && !(x >= y) ? b : a;
}

/* What both would be read as: the prompt of one, the rest of the other. */
static double value_of(const struct xl_objective *objective,
                       const struct xl_history_row *prefill,
                       const struct xl_history_row *decode)
{
    struct xl_reading both = decode->reading;
    both.value[XL_METRIC_PREFILL] = prefill->reading.value[XL_METRIC_PREFILL];
    both.value[XL_METRIC_MEMORY] =
        fmax(prefill->reading.value[XL_METRIC_MEMORY],
             decode->reading.value[XL_METRIC_MEMORY]);
    return xl_objective_value(objective, &both);
}

static struct xl_params join(const struct xl_history_row *prefill,
                             const struct xl_history_row *decode)
{
    struct xl_params joined = prefill->params;
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        if (xl_param_row((enum xl_param)i)->phase == XL_PHASE_DECODE)
            joined.value[i] = decode->params.value[i];
    return joined;
}

static bool is_known(const struct xl_history_row *const *rows, size_t n,
                     const struct xl_params *params)
{
    for (size_t i = 0; i < n; i++)
        if (xl_params_equal(&rows[i]->params, params))
            return true;
    return false;
}

static void keep_best(struct xl_merged *merged, size_t *n,
                      const struct xl_merged *made)
{
    size_t at = *n;
    while (at > 0 && merged[at - 1].value < made->value)
        at--;
    if (at == XL_MERGE_MOST)
        return;
    *n += *n < XL_MERGE_MOST;
    memmove(merged + at + 1, merged + at, (*n - at - 1) * sizeof *merged);
    merged[at] = *made;
}

/* Trials [n] that share the tunables of both phases. */
static void merge_group(const struct xl_history_row *const *rows, size_t n,
                        const struct xl_objective *objective, double best,
                        struct xl_merged *merged, size_t *n_merged)
{
    const struct xl_history_row *prefill = NULL, *decode = NULL;
    for (size_t i = 0; i < n; i++) {
        if (rows[i]->state != XL_TRIAL_OK && rows[i]->state != XL_TRIAL_PRUNED)
            continue;
        prefill = faster(prefill, rows[i], XL_METRIC_PREFILL);
        decode = faster(decode, rows[i], XL_METRIC_DECODE);
    }
    if (!prefill || !decode || prefill == decode)
        return;
    struct xl_merged made = {
        .params = join(prefill, decode),
        .prefill = prefill->trial,
        .decode = decode->trial,
        .value = value_of(objective, prefill, decode),
    };
    if (made.value > best && !is_known(rows, n, &made.params))
        keep_best(merged, n_merged, &made);
}

static double best_of(const struct xl_history *history,
                      const struct xl_objective *objective)
{
    double best = -(double)INFINITY;
    for (size_t i = 0; i < history->n; i++) {
        /* As it was measured, which is what merged ones are made of. */
        double value = xl_objective_value(objective, &history->rows[i].reading);
        if (value > best)
            best = value;
    }
    return best;
}

enum xl_status xl_merge_find(const struct xl_history *history,
                             const struct xl_objective *objective,
                             struct xl_merged merged[XL_MERGE_MOST], size_t *n,
                             struct xl_err *err)
{
    *n = 0;
    if (xl_objective_phases(objective) != XL_PHASE_BOTH || history->n < 2)
        return XL_OK;
    const struct xl_history_row **rows =
        xl_alloc_zero(history->n, sizeof(const struct xl_history_row *));
    if (!rows)
        return xl_fail(err, XL_ENOMEM, "no memory for %zu trials", history->n);
    for (size_t i = 0; i < history->n; i++)
        rows[i] = &history->rows[i];
    qsort(rows, history->n, sizeof(const struct xl_history_row *), by_shared);
    double best = best_of(history, objective);
    for (size_t first = 0, end; first < history->n; first = end) {
        for (end = first + 1; end < history->n; end++)
            if (compare_shared(&rows[first]->params, &rows[end]->params))
                break;
        merge_group((const struct xl_history_row *const *)(rows + first),
                    end - first, objective, best, merged, n);
    }
    xl_free(rows);
    return XL_OK;
}

enum xl_status xl_merge_measure(const struct xl_sweep *sweep,
                                const struct xl_param_space *space,
                                size_t *n_measured, struct xl_err *err)
{
    struct xl_history history = { 0 };
    struct xl_merged merged[XL_MERGE_MOST];
    size_t n = 0;
    enum xl_sweep_end end;
    enum xl_status rc = XL_OK;
    *n_measured = 0;
    if (xl_objective_phases(sweep->objective) != XL_PHASE_BOTH)
        return XL_OK;
    XL_TRY_DONE(rc,
                xl_history_load(&history, sweep->store, sweep->objective, err));
    XL_TRY_DONE(rc, xl_merge_find(&history, sweep->objective, merged, &n, err));
    for (size_t i = 0; i < n && !xl_sweep_is_over(sweep, &end); i++) {
        struct xl_params *params = &merged[i].params;
        uint32_t point[XL_SPACE_DIMS];
        xl_plan_canonical(sweep->config, params);
        if (!xl_param_space_point(space, params, point))
            continue;
        XL_TRY_DONE(rc, xl_sweep_measure(sweep, params, "merged", err));
        ++*n_measured;
    }
done:
    xl_history_release(&history);
    return rc;
}
