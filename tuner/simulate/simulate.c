/* SPDX-License-Identifier: Apache-2.0
 *
 * One loop: ask, look up, tell. */
#include "tuner/simulate/simulate.h"

#include <math.h>

#include "kernel/base/json.h"
#include "tuner/strategy/patience.h"
#include "tuner/strategy/strategy.h"

static enum xl_status run(struct xl_strategy *strategy,
                          const struct xl_table *table,
                          struct xl_patience *patience, xl_simulate_sink *sink,
                          void *ctx, struct xl_err *err)
{
    struct xl_simulate_event event = { .table = table };
    struct xl_ask ask;
    while (!xl_patience_is_out(patience)) {
        XL_TRY(xl_strategy_ask(strategy, &ask, err));
        if (ask.end)
            return XL_OK;
        struct xl_outcome outcome = xl_table_outcome(table, ask.point);
        bool is_ok = outcome.status == XL_OUTCOME_OK;
        XL_TRY(xl_strategy_tell(strategy, ask.point, &outcome, err));
        XL_TRY(
            xl_patience_tell(patience, is_ok ? outcome.values : NULL, 1, err));
        event.eval++;
        event.ask = &ask;
        event.row = xl_table_at(table, ask.point);
        if (event.row.status == XL_OUTCOME_OK &&
            (!event.has_best ||
             (xl_table_is_max(table) ? event.row.value > event.best
                                     : event.row.value < event.best))) {
            event.has_best = true;
            event.best = event.row.value;
        }
        XL_TRY(sink(ctx, &event, err));
    }
    return XL_OK;
}

enum xl_status xl_simulate_run(const struct xl_table *table,
                               const struct xl_simulate_options *options,
                               xl_simulate_sink *sink, void *ctx,
                               struct xl_err *err)
{
    const struct xl_strategy_kind *kind;
    struct xl_strategy *strategy;
    struct xl_patience patience = { .most = options->patience };
    uint64_t rows = xl_space_count(xl_table_space(table));
    XL_TRY(xl_strategy_choose(&kind, options->mode, err));
    XL_TRY(xl_strategy_make(
        &strategy, kind, xl_table_space(table),
        &(struct xl_strategy_options){
            .seed = options->seed,
            .budget = options->trials ? options->trials : (size_t)rows,
            .population = options->population,
        },
        err));
    enum xl_status rc = run(strategy, table, &patience, sink, ctx, err);
    xl_patience_release(&patience);
    xl_strategy_free(strategy);
    return rc;
}

void xl_simulate_line(const struct xl_simulate_event *event, struct xl_buf *out)
{
    static const char *const words[] = {
        [XL_OUTCOME_OK] = "ok",
        [XL_OUTCOME_FAILED] = "failed",
        [XL_OUTCOME_INVALID] = "invalid",
    };
    bool is_ok = event->row.status == XL_OUTCOME_OK;
    cJSON *line = cJSON_CreateObject();
    cJSON_AddNumberToObject(line, "eval", (double)event->eval);
    cJSON_AddItemToObject(line, "params",
                          xl_table_params(event->table, event->ask->point));
    xl_json_add_real(line, "value", is_ok ? event->row.value : (double)NAN);
    xl_json_add_real(line, "best", event->has_best ? event->best : (double)NAN);
    cJSON_AddStringToObject(line, "status", words[event->row.status]);
    xl_json_print(line, false, out);
    xl_buf_char(out, '\n');
    cJSON_Delete(line);
}
