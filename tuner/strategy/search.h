/* SPDX-License-Identifier: Apache-2.0
 *
 * What every strategy stands on: the space, the generator, and the history of
 * points proposed and told. Included only inside tuner/strategy and by tests.
 *
 * A strategy is a const struct at the end of its file. The frame calls ask
 * only while the budget lasts, refuses a point that is known already or no
 * member, and keeps the history; a strategy keeps what else it needs in a
 * state of its own.
 */
#ifndef XL_SEARCH_H
#define XL_SEARCH_H

#include "kernel/base/rng.h"
#include "tuner/strategy/strategy.h"

#define XL_SEARCH_UNKNOWN UINT32_MAX /* no such record */

/* Why a point is known. */
enum xl_source {
    XL_SOURCE_TOLD,      /* without a proposal */
    XL_SOURCE_SUGGESTED, /* by whoever searches */
    XL_SOURCE_HINTED,    /* by xl_search_hinted */
    XL_SOURCE_DRAWN,     /* by xl_search_draw, whatever was known */
    XL_SOURCE_CHOSEN,    /* by a strategy, from what was known */
};

/* One known point. */
struct xl_record {
    uint64_t code;
    size_t number; /* of its proposal; SIZE_MAX = told without one */
    enum xl_source source;
    bool is_told;
    struct xl_outcome outcome; /* when told */
};

/* Was it measured? */
static inline bool xl_record_is_ok(const struct xl_record *r)
{
    return r->is_told && r->outcome.status == XL_OUTCOME_OK;
}

/* What somebody expects of a point; see xl_strategy_hint. */
struct xl_hint_row {
    uint64_t code;
    uint32_t group;
    double value, doubt;
};

/* What an earlier run knows of a point; see xl_strategy_recall. */
struct xl_past_row {
    uint64_t code;
    struct xl_past past;
};

struct xl_search {
    const struct xl_space *space;
    struct xl_strategy_options options; /* zeros replaced */
    struct xl_rng rng;                  /* of choices */
    struct xl_rng draws;   /* of xl_search_draw alone: what it draws is what
                              `random` of this seed would draw next */
    enum xl_source source; /* of the ask under way */
    size_t asked;

    struct xl_record *records; /* [n_records], in the order they got known */
    size_t n_records;

    struct xl_hint_row *hints; /* [n_hints] */
    size_t n_hints, hinted;    /* hinted: how many of them were asked for */

    struct xl_past_row *pasts; /* [n_pasts] by code, rising */
    size_t n_pasts;
    bool has_warnings; /* some of them failed */

    /* private */
    size_t record_room;
    uint32_t *slots; /* [n_slots] index of a record + 1, by code */
    size_t n_slots;
    uint64_t *rest; /* [n_rest] members not known when the list was made */
    size_t n_rest;
    bool has_rest;
    uint64_t *queue; /* [n_queue] suggested codes, from queue_at */
    size_t n_queue, queue_at;
};

struct xl_strategy_kind {
    const char *name;

    /* The default budget; NULL = the whole space. */
    size_t (*budget)(const struct xl_strategy_options *options);

    /* A state, or NULL with XL_OK when the strategy needs none. */
    enum xl_status (*make)(void **state, struct xl_search *search,
                           struct xl_err *err);
    void (*free)(void *state);

    /* Fills point and whence; ask->end = XL_ASK_SPACE when nothing is left. */
    enum xl_status (*ask)(void *state, struct xl_search *search,
                          struct xl_ask *ask, struct xl_err *err);

    /* After the history has taken the outcome of records[index]; may be
     * NULL. is_again: a second tell of this point. */
    enum xl_status (*tell)(void *state, struct xl_search *search, size_t index,
                           bool is_again, struct xl_err *err);
};

/* The record of a code, or XL_SEARCH_UNKNOWN. */
uint32_t xl_search_find(const struct xl_search *search, uint64_t code);

/* Known members cannot be proposed any more. */
static inline bool xl_search_knows(const struct xl_search *search,
                                   uint64_t code)
{
    return xl_search_find(search, code) != XL_SEARCH_UNKNOWN;
}

/* What earlier runs know of a code, or NULL. */
const struct xl_past *xl_search_past(const struct xl_search *search,
                                     uint64_t code);

/* May a choice not propose it? What is known, and what an earlier run of much
 * the same kind saw fail. */
bool xl_search_shuns(const struct xl_search *search, uint64_t code);

/* The record of code, added when it is new. */
enum xl_status xl_search_add(struct xl_search *search, uint64_t code,
                             uint32_t *index, struct xl_err *err);

/* Draws uniformly among the members that are not known; while at most half of
 * them are, the next of an order that the seed alone decides. ask->end becomes
 * XL_ASK_SPACE when there are none (or none was found in a space that is not
 * counted). */
enum xl_status xl_search_draw(struct xl_search *search, struct xl_ask *ask,
                              struct xl_err *err);

/* For strategies that cannot weigh hints: the best hint that is not known, of
 * each group in turn, while few were asked for. False when it is over. */
bool xl_search_hinted(struct xl_search *search, struct xl_ask *ask);

/* The best of the first `end` records that were measured, best first: at most
 * `most` of them, their numbers in out. Returns how many. */
size_t xl_search_best(const struct xl_search *search, size_t most, size_t end,
                      uint32_t *out);

/* The budget of a kind that goes by generations. */
size_t xl_search_generations(const struct xl_strategy_options *options);

/* XL_EUSAGE when the population has fewer than 2 or more than most members. */
enum xl_status xl_search_check_population(const struct xl_search *search,
                                          size_t most, struct xl_err *err);

/* Takes a past; of two of one code the weightier one counts, or the worse. */
enum xl_status xl_search_recall(struct xl_search *search, uint64_t code,
                                const struct xl_past *past, struct xl_err *err);

void xl_search_release(struct xl_search *search);

#endif
