/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/warm.h"

#include <math.h>
#include <string.h>

#include "tuner/store/query.h"
#include "tuner/sweep/history.h"

/* Variance of what an earlier run says, in that of the results. */
static const double doubt_same = 0.1, doubt_other = 0.3;

/* What running or failing there says here, by the grade of the match; half of
 * it where the weights or the context are others. */
static const double weights[] = {
    [XL_GRADE_NONE] = 0.1,
    [XL_GRADE_FEATURES] = 0.25,
    [XL_GRADE_CACHES] = 0.5,
    [XL_GRADE_EXACT] = 1,
};

static double weight_of_past(const struct xl_warm *warm)
{
    double weight = weights[warm->match.grade];
    weight *= warm->is_same_model ? 1 : 0.5;
    return warm->match.context_steps ? weight / 2 : weight;
}

static enum xl_status compare_model(void *ctx, const struct xl_store_sweep *row,
                                    struct xl_err *err)
{
    struct xl_warm *warm = ctx;
    (void)err;
    warm->is_same_model = strcmp(row->model_hash, warm->model_hash) == 0;
    return XL_OK;
}

static bool has_run(enum xl_trial_state state)
{
    return state == XL_TRIAL_OK || state == XL_TRIAL_PRUNED;
}

/* The point of a row that was measured; false when it says nothing here. */
static bool find_point(const struct xl_warm *warm,
                       const struct xl_history_row *row, uint32_t *point)
{
    return isfinite(row->values[0]) && has_run(row->state) &&
           xl_param_space_point(warm->space, &row->params, point);
}

static bool has_failed(enum xl_trial_state state)
{
    return state == XL_TRIAL_FAILED || state == XL_TRIAL_TIMEOUT ||
           state == XL_TRIAL_OOM || state == XL_TRIAL_WRONG ||
           state == XL_TRIAL_INVALID;
}

static enum xl_status recall(struct xl_warm *warm,
                             const struct xl_history *history,
                             struct xl_strategy *strategy, struct xl_err *err)
{
    struct xl_past past = { .weight = weight_of_past(warm) };
    for (size_t i = 0; i < history->n; i++) {
        const struct xl_history_row *row = &history->rows[i];
        uint32_t point[XL_SPACE_DIMS];
        past.has_failed = has_failed(row->state);
        if ((!past.has_failed && !has_run(row->state)) ||
            !xl_param_space_point(warm->space, &row->params, point))
            continue;
        XL_TRY(xl_strategy_recall(strategy, point, &past, err));
        warm->n_failed += past.has_failed;
    }
    warm->n_left_out =
        history->n_foreign + history->n - warm->n_hints - warm->n_failed;
    return XL_OK;
}

static enum xl_status give_hints(struct xl_warm *warm,
                                 const struct xl_history *history,
                                 struct xl_strategy *strategy,
                                 struct xl_err *err)
{
    struct xl_hint hint = { .group = warm->group,
                            .doubt = warm->is_same_model ? doubt_same
                                                         : doubt_other };
    for (size_t i = 0; i < history->n; i++) {
        uint32_t point[XL_SPACE_DIMS];
        if (!find_point(warm, &history->rows[i], point))
            continue;
        hint.value = history->rows[i].values[0];
        XL_TRY(xl_strategy_hint(strategy, point, &hint, err));
        warm->n_hints++;
    }
    return XL_OK;
}

/* The best of the rows that are no better than the last one; ties by order. */
static const struct xl_history_row *next_best(const struct xl_warm *warm,
                                              const struct xl_history *history,
                                              const struct xl_history_row *last)
{
    const struct xl_history_row *best = NULL;
    uint32_t point[XL_SPACE_DIMS];
    for (size_t i = 0; i < history->n; i++) {
        const struct xl_history_row *row = &history->rows[i];
        if (!find_point(warm, row, point))
            continue;
        bool is_after = !last || row->values[0] < last->values[0] ||
                        (row->values[0] == last->values[0] && row > last);
        if (is_after && (!best || row->values[0] > best->values[0]))
            best = row;
    }
    return best;
}

static enum xl_status suggest_best(const struct xl_warm *warm,
                                   const struct xl_history *history,
                                   struct xl_strategy *strategy,
                                   struct xl_err *err)
{
    const struct xl_history_row *row = NULL;
    for (size_t i = 0; i < XL_WARM_FIRST; i++) {
        uint32_t point[XL_SPACE_DIMS];
        row = next_best(warm, history, row);
        if (!row)
            return XL_OK;
        find_point(warm, row, point);
        XL_TRY(xl_strategy_suggest(strategy, point, err));
    }
    return XL_OK;
}

enum xl_status xl_warm_start(struct xl_warm *warm, struct xl_strategy *strategy,
                             struct xl_err *err)
{
    struct xl_store_opts opts = { .mode = XL_STORE_READ };
    struct xl_store *store = NULL;
    struct xl_history history = { 0 };
    enum xl_status rc;
    warm->n_hints = warm->n_failed = warm->n_left_out = 0;
    XL_TRY_DONE(rc, xl_store_open(&store, warm->path, &opts, err));
    XL_TRY_DONE(rc, xl_store_sweep_find(store, NULL, err));
    XL_TRY_DONE(rc, xl_query_sweep(store, compare_model, warm, err));
    XL_TRY_DONE(rc, xl_history_load(&history, store, warm->objective, err));
    XL_TRY_DONE(rc, give_hints(warm, &history, strategy, err));
    XL_TRY_DONE(rc, recall(warm, &history, strategy, err));
    rc = suggest_best(warm, &history, strategy, err);
done:
    xl_history_release(&history);
    xl_store_close(store);
    return rc;
}
