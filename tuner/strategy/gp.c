/* SPDX-License-Identifier: Apache-2.0
 *
 * Bayesian optimisation with a Gaussian process over the legal points: a few
 * uniform draws, then always the unknown candidate of greatest expected
 * improvement, weighted by how likely it runs. Costs are logarithms where all
 * values have one sign, so that the process models ratios. What failed is
 * known and never proposed again, and says nothing of cost. Proposals that are
 * not told yet count as the worst cost seen ("constant liar", Ginsbourger et
 * al.), so that open proposals spread. Where most fail, a process of three
 * results only knows how far corners are: until there are enough, every other
 * proposal is drawn.
 *
 * The chance to run (odds.h) is too high where failures lie beyond a slope, for
 * what is smooth cannot turn at an edge. So the more of the latest results
 * failed (beyond one in seven), the higher the power it is raised to, as far as
 * failures have a place at all: where half of the space failed beyond a slope,
 * proposals that failed fell from 62 to about 35 in 100. */
#include "kernel/base/alloc.h"
#include "tuner/strategy/gp_model.h"

enum {
    STARTS = 8,
    STARTS_HINTED = 3,
    RECENT = 20, /* results */
    CAUTION = 7, /* added to the power of the chance to run if all failed */
};

static const double usual = 0.15; /* failures that change nothing */

static void free_gp(void *state)
{
    if (!state)
        return;
    xl_gp_model_release(state);
    xl_free(state);
}

static enum xl_status make_gp(void **state, struct xl_search *search,
                              struct xl_err *err)
{
    struct xl_gp_model *model = xl_alloc_zero(1, sizeof *model);
    *state = model;
    if (!model)
        return xl_fail(err, XL_ENOMEM, "no memory for a strategy");
    return xl_gp_model_init(model, search, err);
}

/* Share of failures among the latest results. */
static double recent_failures(const struct xl_search *search)
{
    size_t n = 0, failed = 0;
    for (size_t i = search->n_records; i-- > 0 && n < RECENT;) {
        if (!search->records[i].is_told)
            continue;
        n++;
        failed += !xl_record_is_ok(&search->records[i]);
    }
    return n ? (double)failed / (double)n : 0;
}

static bool choose(struct xl_gp_model *model, const struct xl_search *search,
                   struct xl_ask *ask)
{
    const struct xl_surrogate *s = xl_gp_model_surrogate(model);
    double surety = model->odds.trust * model->odds.trust;
    double beyond = fmax(0, recent_failures(search) - usual);
    double power = 1 + CAUTION * surety * beyond;
    double best = xl_surrogate_best(s), most = -1;
    uint64_t code = XL_SPACE_NONE;
    bool may_fail = s->failures > 0 || search->has_warnings;
    for (size_t c = 0; c < model->columns.n; c++) {
        double gain = xl_expected_improvement(best, xl_surrogate_mean(s, c),
                                              xl_surrogate_sd(s, c));
        if (may_fail)
            gain *= pow(xl_odds_chance(&model->odds, c), power);
        if (gain > most && !xl_search_shuns(search, model->columns.codes[c])) {
            most = gain;
            code = model->columns.codes[c];
        }
    }
    if (code == XL_SPACE_NONE)
        return false;
    model->promise = most;
    xl_space_decode(search->space, code, ask->point);
    ask->how = "improvement";
    return true;
}

static bool is_early(const struct xl_search *search)
{
    size_t starts = search->n_hints ? STARTS_HINTED : STARTS, n_ok = 0, told;
    if (search->n_records < starts)
        return true;
    for (told = 0; told < search->n_records && n_ok < starts; told++)
        n_ok += xl_record_is_ok(&search->records[told]);
    return n_ok < starts && search->asked % 2;
}

static enum xl_status ask_gp(void *state, struct xl_search *search,
                             struct xl_ask *ask, struct xl_err *err)
{
    struct xl_gp_model *model = state;
    model->promise = (double)INFINITY;
    if (is_early(search) || xl_scale_find(search) == XL_SCALE_NONE)
        return xl_search_draw(search, ask, err);
    XL_TRY(xl_gp_model_follow(model, search, err));
    if (choose(model, search, ask))
        return XL_OK;
    return xl_search_draw(search, ask, err);
}

const struct xl_strategy_kind xl_strategy_gp = {
    .name = "gp",
    .make = make_gp,
    .free = free_gp,
    .ask = ask_gp,
};
