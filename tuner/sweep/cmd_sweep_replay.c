/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/cmd_sweep_replay.h"

#include <stdio.h>

#include "tuner/simulate/cmd_score.h"
#include "tuner/simulate/simulate.h"
#include "tuner/sweep/setup.h"

static enum xl_status print_event(void *ctx,
                                  const struct xl_simulate_event *event,
                                  struct xl_err *err)
{
    struct xl_buf *line = ctx;
    xl_buf_clear(line);
    xl_simulate_line(event, line);
    XL_TRY(xl_buf_check(line, "a line", err));
    fputs(line->data, stdout);
    return XL_OK;
}

static enum xl_status simulate(struct xl_cmd_ctx *ctx, const char *path,
                               struct xl_err *err)
{
    const struct xl_opts *o = &ctx->opts;
    bool sized = xl_opt_given(o, XL_GROUP_OWN, XL_SWEEP_POPULATION);
    struct xl_simulate_options options = {
        .mode = xl_opt_text(o, XL_GROUP_OWN, XL_SWEEP_MODE),
        .trials = (size_t)xl_opt_int(o, XL_GROUP_OWN, XL_SWEEP_TRIALS),
        .seed = (uint64_t)xl_opt_int(o, XL_GROUP_OWN, XL_SWEEP_SEED),
        .population =
            sized ? (size_t)xl_opt_int(o, XL_GROUP_OWN, XL_SWEEP_POPULATION)
                  : 0,
        .patience = (size_t)xl_opt_int(o, XL_GROUP_OWN, XL_SWEEP_PATIENCE),
    };
    struct xl_table *table;
    struct xl_buf line;
    XL_TRY(xl_table_load(&table, path, err));
    xl_buf_init(&line, 0);
    enum xl_status rc =
        xl_simulate_run(table, &options, print_event, &line, err);
    xl_buf_release(&line);
    xl_table_free(table);
    return rc;
}

static enum xl_status score(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    const struct xl_opts *o = &ctx->opts;
    const struct xl_opt_value *tables =
        &o->values[XL_GROUP_OWN][XL_SWEEP_SIMULATE];
    bool sized = xl_opt_given(o, XL_GROUP_OWN, XL_SWEEP_POPULATION);
    struct xl_p_score_options options = {
        .mode = xl_opt_text(o, XL_GROUP_OWN, XL_SWEEP_MODE),
        .seeds = (size_t)xl_opt_int(o, XL_GROUP_OWN, XL_SWEEP_SEEDS),
        .within = xl_opt_real(o, XL_GROUP_OWN, XL_SWEEP_WITHIN) / 100,
        .trials = (size_t)xl_opt_int(o, XL_GROUP_OWN, XL_SWEEP_TRIALS),
        .first_seed = (uint64_t)xl_opt_int(o, XL_GROUP_OWN, XL_SWEEP_SEED),
        .population =
            sized ? (size_t)xl_opt_int(o, XL_GROUP_OWN, XL_SWEEP_POPULATION)
                  : 0,
    };
    if (!tables->n_texts)
        return xl_fail(err, XL_EUSAGE,
                       "--score needs a table; name it with --simulate");
    return xl_cmd_simulate_score(ctx, tables->texts, tables->n_texts, &options,
                                 err);
}

bool xl_cmd_sweep_replays(const struct xl_cmd_ctx *ctx)
{
    return xl_opt_bool(&ctx->opts, XL_GROUP_OWN, XL_SWEEP_SCORE) ||
           xl_opt_text(&ctx->opts, XL_GROUP_OWN, XL_SWEEP_SIMULATE);
}

enum xl_status xl_cmd_sweep_replay(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    if (xl_opt_bool(&ctx->opts, XL_GROUP_OWN, XL_SWEEP_SCORE))
        return score(ctx, err);
    return simulate(
        ctx, xl_opt_text(&ctx->opts, XL_GROUP_OWN, XL_SWEEP_SIMULATE), err);
}
