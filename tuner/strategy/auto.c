/* SPDX-License-Identifier: Apache-2.0
 *
 * The default. With several objectives it is nsga2. With one it is gp while
 * results are few, then ga, whose population holds the best of them; gp costs
 * milliseconds an ask and gains little once hundreds of results are known.
 *
 * A searcher that goes by what is not there is worse than none, so a choice
 * has to be earned. The share of asks that may choose falls with what choices
 * gave beside draws (worth.h), and while the process foretells nothing of its
 * own results it is an eighth at most. All other asks are drawn, in the order
 * of `random` with the same seed: without the choices this is that search,
 * point for point. A table made against it, where each choice gives the
 * worst, costs it 0.07 of a score that it costs gp 2.5.
 *
 * Where nothing was gained for long the searcher in charge may be wrong about
 * the space, so asks are shared: half of them stay with it, a quarter goes to
 * the other one and a quarter is drawn uniformly. That bounds what a
 * misleading space can cost against random search.
 *
 * A process that is right about all it has seen may still be wrong about what
 * is left, and then nothing refutes it: a hill with the best row on its top is
 * never climbed. Where it expects next to nothing of all members left together,
 * half of its choices are drawn instead: on such hills P rose from -0.27 to
 * -0.12, on recorded tables it stayed. All of them drawn gave -0.06 there, but
 * 0.74 for 0.99 on the table of 400m. */
#include "kernel/base/alloc.h"
#include "tuner/strategy/gp_model.h"
#include "tuner/strategy/worth.h"

enum {
    HAND_OVER = 300,  /* results of gp's phase */
    STALL_EARLY = 40, /* results without gain in it */
    STALL_LATE = 100, /* and after */
    BLIND = 8,        /* one ask in so many may go by a process without skill */
    VAIN = 2,         /* and by one that expects nothing */
};

static const double nothing = 0.01; /* deviations of the costs */

extern const struct xl_strategy_kind xl_strategy_ga;
extern const struct xl_strategy_kind xl_strategy_gp;
extern const struct xl_strategy_kind xl_strategy_nsga2;

enum arm {
    ARM_GP,
    ARM_GA,
    ARM_NSGA2,
    ARM_DRAW, /* has no state */
    ARMS
};

static const struct xl_strategy_kind *const kinds[ARM_DRAW] = {
    [ARM_GP] = &xl_strategy_gp,
    [ARM_GA] = &xl_strategy_ga,
    [ARM_NSGA2] = &xl_strategy_nsga2,
};

struct chooser {
    void *states[ARM_DRAW];
    bool is_used[ARM_DRAW];
    size_t told, stalled;
    bool has_best;
    double best;
    size_t turn; /* asks since the search stalled */
    struct xl_worth worth;
    double due;  /* choices that are due, a share of one with each ask */
    size_t vain; /* choices that promised nothing */
};

static void free_auto(void *state)
{
    struct chooser *c = state;
    if (!c)
        return;
    for (size_t i = 0; i < ARM_DRAW; i++)
        if (c->is_used[i])
            kinds[i]->free(c->states[i]);
    xl_free(c);
}

static enum xl_status make_auto(void **state, struct xl_search *search,
                                struct xl_err *err)
{
    struct chooser *c = xl_alloc_zero(1, sizeof *c);
    *state = c;
    if (!c)
        return xl_fail(err, XL_ENOMEM, "no memory for a strategy");
    bool is_several = search->options.n_values > 1;
    for (size_t i = 0; i < ARM_DRAW; i++) {
        c->is_used[i] = is_several == (i == ARM_NSGA2);
        if (c->is_used[i])
            XL_TRY(kinds[i]->make(&c->states[i], search, err));
    }
    return XL_OK;
}

static enum xl_status tell_auto(void *state, struct xl_search *search,
                                size_t index, bool is_again, struct xl_err *err)
{
    struct chooser *c = state;
    const struct xl_outcome *outcome = &search->records[index].outcome;
    bool is_gain = outcome->status == XL_OUTCOME_OK &&
                   (!c->has_best || outcome->values[0] > c->best);
    if (is_gain) {
        c->has_best = true;
        c->best = outcome->values[0];
        c->turn = 0;
    }
    c->stalled = is_gain ? 0 : c->stalled + !is_again;
    c->told += !is_again;
    if (!is_again)
        xl_worth_tell(&c->worth, &search->records[index]);
    for (size_t i = 0; i < ARM_DRAW; i++)
        if (c->is_used[i] && kinds[i]->tell)
            XL_TRY(kinds[i]->tell(c->states[i], search, index, is_again, err));
    return XL_OK;
}

/* Is this ask one of the share that choosing deserves? */
static bool is_due(struct chooser *c)
{
    double share = xl_worth_share(&c->worth);
    if (xl_gp_model_is_blind(c->states[ARM_GP]))
        share = fmin(share, 1.0 / BLIND);
    c->due += share;
    if (c->due < 1)
        return false;
    c->due -= 1;
    return true;
}

static enum arm choose(struct chooser *c)
{
    if (c->is_used[ARM_NSGA2])
        return ARM_NSGA2;
    bool is_early = c->told < HAND_OVER;
    enum arm own = is_early ? ARM_GP : ARM_GA;
    enum arm other = is_early ? ARM_GA : ARM_GP;
    if (!is_due(c))
        return ARM_DRAW;
    size_t stall = is_early ? STALL_EARLY : STALL_LATE;
    if (c->stalled < stall)
        return own;
    switch (c->turn++ % 4) {
    case 1:
        return other;
    case 3:
        return ARM_DRAW;
    default:
        return own;
    }
}

/* Even if every member left promised as much as the best choice, would all of
 * them together gain next to nothing? */
static bool is_vain(const struct xl_gp_model *model,
                    const struct xl_search *search)
{
    const struct xl_space *space = search->space;
    double left = (double)(xl_space_count(space) - search->n_records);
    return xl_space_is_counted(space) && model->promise * left < nothing;
}

static enum xl_status ask_auto(void *state, struct xl_search *search,
                               struct xl_ask *ask, struct xl_err *err)
{
    struct chooser *c = state;
    enum arm arm = choose(c);
    if (arm == ARM_DRAW)
        return xl_search_draw(search, ask, err);
    XL_TRY(kinds[arm]->ask(c->states[arm], search, ask, err));
    bool is_shared = arm == ARM_GP && is_vain(c->states[ARM_GP], search);
    if (is_shared && c->vain++ % VAIN)
        return xl_search_draw(search, ask, err);
    return XL_OK;
}

const struct xl_strategy_kind xl_strategy_auto = {
    .name = "auto",
    .make = make_auto,
    .free = free_auto,
    .ask = ask_auto,
    .tell = tell_auto,
};
