/* SPDX-License-Identifier: Apache-2.0
 *
 * The frame around a strategy: budget, suggestions, history, and the refusal
 * of a point that may not be proposed. */
#include "tuner/strategy/strategy.h"

#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/opt.h"
#include "tuner/strategy/search.h"

enum {
    POPULATION = 10,
    GENERATIONS = 5,
    FIRST_QUEUE = 8
};

/* Choices and draws have generators of their own. */
static const uint64_t choices_seed = 0x5851f42d4c957f2du;

#define XL_STRATEGY(id, name, summary)                                         \
    extern const struct xl_strategy_kind xl_strategy_##name;
#include "tuner/strategy/strategy.def"
#undef XL_STRATEGY

struct xl_strategy {
    const struct xl_strategy_kind *kind;
    struct xl_search search;
    void *state;
};

static const struct xl_strategy_kind *const kinds[] = {
#define XL_STRATEGY(id, name, summary) &xl_strategy_##name,
#include "tuner/strategy/strategy.def"
#undef XL_STRATEGY
};

static const char *const names[] = {
#define XL_STRATEGY(id, name, summary) #name,
#include "tuner/strategy/strategy.def"
#undef XL_STRATEGY
};

enum {
    KINDS = sizeof kinds / sizeof *kinds
};

/* -- the list ------------------------------------------------------------- */

const struct xl_strategy_kind *xl_strategy_kind_at(size_t i)
{
    return i < KINDS ? kinds[i] : NULL;
}

const struct xl_strategy_kind *xl_strategy_find(const char *name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(names[i], name) == 0)
            return kinds[i];
    return NULL;
}

const char *xl_strategy_kind_name(const struct xl_strategy_kind *kind)
{
    return kind->name;
}

bool xl_strategy_kind_has_budget(const struct xl_strategy_kind *kind)
{
    return kind->budget != NULL;
}

enum xl_status xl_strategy_choose(const struct xl_strategy_kind **kind,
                                  const char *name, struct xl_err *err)
{
    *kind = xl_strategy_find(name);
    if (*kind)
        return XL_OK;
    const char *near = xl_nearest(name, names, KINDS);
    if (near)
        return xl_fail(err, XL_EUSAGE,
                       "no strategy is named '%s'; nearest is "
                       "'%s'",
                       name, near);
    struct xl_buf all;
    xl_buf_init(&all, 1024);
    for (size_t i = 0; i < KINDS; i++)
        xl_buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    xl_fail(err, XL_EUSAGE, "no strategy is named '%s'; there are %s", name,
            all.data);
    xl_buf_release(&all);
    return XL_EUSAGE;
}

/* -- life ----------------------------------------------------------------- */

enum xl_status xl_strategy_make(struct xl_strategy **strategy,
                                const struct xl_strategy_kind *kind,
                                const struct xl_space *space,
                                const struct xl_strategy_options *options,
                                struct xl_err *err)
{
    struct xl_strategy *made = xl_alloc_zero(1, sizeof *made);
    if (!made)
        return xl_fail(err, XL_ENOMEM, "no memory for a strategy");
    struct xl_search *search = &made->search;
    made->kind = kind;
    search->space = space;
    search->options = *options;
    if (!options->population)
        search->options.population = POPULATION;
    if (!options->generations)
        search->options.generations = GENERATIONS;
    if (!options->n_values)
        search->options.n_values = 1;
    if (!options->budget)
        search->options.budget =
            kind->budget ? kind->budget(&search->options) : SIZE_MAX;
    xl_rng_seed(&search->draws, options->seed);
    xl_rng_seed(&search->rng, options->seed ^ choices_seed);
    enum xl_status rc = XL_OK;
    if (search->options.n_values > XL_STRATEGY_VALUES)
        rc = xl_fail(err, XL_EUSAGE,
                     "%zu objectives are too many; %d are "
                     "possible",
                     search->options.n_values, XL_STRATEGY_VALUES);
    else if (kind->make)
        rc = kind->make(&made->state, search, err);
    if (rc == XL_OK)
        *strategy = made;
    else
        xl_strategy_free(made);
    return rc;
}

void xl_strategy_free(struct xl_strategy *strategy)
{
    if (!strategy)
        return;
    if (strategy->kind->free)
        strategy->kind->free(strategy->state);
    xl_search_release(&strategy->search);
    xl_free(strategy);
}

uint64_t xl_strategy_budget(const struct xl_strategy *strategy)
{
    const struct xl_search *search = &strategy->search;
    uint64_t count = xl_space_count(search->space);
    bool is_counted = xl_space_is_counted(search->space);
    return is_counted && count < search->options.budget
               ? count
               : search->options.budget;
}

/* -- asking --------------------------------------------------------------- */

enum xl_status xl_strategy_suggest(struct xl_strategy *strategy,
                                   const uint32_t *point, struct xl_err *err)
{
    struct xl_search *search = &strategy->search;
    if (!xl_space_has(search->space, point))
        return xl_fail(err, XL_EUSAGE,
                       "the point suggested is no member of "
                       "the space");
    size_t n = search->n_queue;
    if (n == 0 || (n >= FIRST_QUEUE && (n & (n - 1)) == 0)) {
        size_t room = n ? 2 * n : FIRST_QUEUE;
        uint64_t *queue =
            xl_realloc(search->queue, n * sizeof *queue, room * sizeof *queue);
        if (!queue)
            return xl_fail(err, XL_ENOMEM, "no memory for %zu points", room);
        search->queue = queue;
    }
    search->queue[search->n_queue++] = xl_space_code(search->space, point);
    return XL_OK;
}

enum xl_status xl_strategy_hint(struct xl_strategy *strategy,
                                const uint32_t *point,
                                const struct xl_hint *hint, struct xl_err *err)
{
    struct xl_search *search = &strategy->search;
    if (!xl_space_has(search->space, point) || search->asked ||
        hint->group >= XL_STRATEGY_GROUPS || !isfinite(hint->value) ||
        !(hint->doubt >= 0))
        return xl_fail(err, XL_EUSAGE, "a hint that cannot be taken");
    size_t n = search->n_hints;
    if (n == 0 || (n >= FIRST_QUEUE && (n & (n - 1)) == 0)) {
        size_t room = n ? 2 * n : FIRST_QUEUE;
        struct xl_hint_row *hints =
            xl_realloc(search->hints, n * sizeof *hints, room * sizeof *hints);
        if (!hints)
            return xl_fail(err, XL_ENOMEM, "no memory for %zu hints", room);
        search->hints = hints;
    }
    search->hints[search->n_hints++] = (struct xl_hint_row){
        .code = xl_space_code(search->space, point),
        .group = hint->group,
        .value = hint->value,
        .doubt = hint->doubt,
    };
    return XL_OK;
}

enum xl_status xl_strategy_recall(struct xl_strategy *strategy,
                                  const uint32_t *point,
                                  const struct xl_past *past,
                                  struct xl_err *err)
{
    struct xl_search *search = &strategy->search;
    if (!xl_space_has(search->space, point) || search->asked ||
        !(past->weight > 0 && past->weight <= 1))
        return xl_fail(err, XL_EUSAGE, "a past that cannot be taken");
    return xl_search_recall(search, xl_space_code(search->space, point), past,
                            err);
}

static bool take_suggested(struct xl_search *search, struct xl_ask *ask)
{
    while (search->queue_at < search->n_queue) {
        uint64_t code = search->queue[search->queue_at++];
        if (xl_search_knows(search, code))
            continue;
        xl_space_decode(search->space, code, ask->point);
        search->source = XL_SOURCE_SUGGESTED;
        ask->how = "suggested";
        return true;
    }
    return false;
}

enum xl_status xl_strategy_ask(struct xl_strategy *strategy, struct xl_ask *ask,
                               struct xl_err *err)
{
    struct xl_search *search = &strategy->search;
    uint32_t index;
    *ask = (struct xl_ask){ .number = search->asked, .how = "" };
    if (search->asked >= search->options.budget) {
        ask->end = XL_ASK_BUDGET;
        return XL_OK;
    }
    search->source = XL_SOURCE_CHOSEN;
    if (!take_suggested(search, ask))
        XL_TRY(strategy->kind->ask(strategy->state, search, ask, err));
    if (ask->end)
        return XL_OK;
    ask->code = xl_space_code(search->space, ask->point);
    if (xl_search_knows(search, ask->code) ||
        !xl_space_has(search->space, ask->point))
        return xl_fail(err, XL_EFAILED,
                       "strategy '%s' proposed a point that "
                       "it may not propose (proposal %zu)",
                       strategy->kind->name, ask->number);
    XL_TRY(xl_search_add(search, ask->code, &index, err));
    search->records[index].number = search->asked++;
    search->records[index].source = search->source;
    return XL_OK;
}

enum xl_status xl_strategy_tell(struct xl_strategy *strategy,
                                const uint32_t *point,
                                const struct xl_outcome *outcome,
                                struct xl_err *err)
{
    struct xl_search *search = &strategy->search;
    uint32_t index;
    if (!xl_space_has(search->space, point))
        return xl_fail(err, XL_EUSAGE,
                       "the point told is no member of the "
                       "space");
    XL_TRY(xl_search_add(search, xl_space_code(search->space, point), &index,
                         err));
    struct xl_record *record = &search->records[index];
    bool is_again = record->is_told;
    record->is_told = true;
    record->outcome = *outcome;
    for (size_t i = 0; i < search->options.n_values; i++)
        if (outcome->status == XL_OUTCOME_OK && !isfinite(outcome->values[i]))
            record->outcome.status = XL_OUTCOME_FAILED;
    if (!strategy->kind->tell)
        return XL_OK;
    return strategy->kind->tell(strategy->state, search, index, is_again, err);
}

bool xl_strategy_best(const struct xl_strategy *strategy, uint32_t *point,
                      double *value)
{
    const struct xl_search *search = &strategy->search;
    const struct xl_record *best = NULL;
    for (size_t i = 0; i < search->n_records; i++) {
        const struct xl_record *r = &search->records[i];
        if (r->is_told && r->outcome.status == XL_OUTCOME_OK &&
            (!best || r->outcome.values[0] > best->outcome.values[0]))
            best = r;
    }
    if (!best)
        return false;
    xl_space_decode(search->space, best->code, point);
    *value = best->outcome.values[0];
    return true;
}
