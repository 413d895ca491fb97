/* SPDX-License-Identifier: Apache-2.0
 *
 * How likely candidates run, from which points ran and which failed. Included
 * only inside tuner/strategy and by tests.
 *
 *     XL_TRY(xl_odds_init(&odds, &columns, err));
 *     ...
 *     XL_TRY(xl_odds_follow(&odds, search, err)); // after every tell
 *     double chance = xl_odds_chance(&odds, c);
 *     xl_odds_release(&odds);
 *
 * Failures may have a place or none. Both are believed as far as what was seen
 * bears them out, so that a search keeps away from where all fails and is not
 * led anywhere by failures without reason.
 */
#ifndef XL_ODDS_H
#define XL_ODDS_H

#include "tuner/strategy/columns.h"

struct xl_odds {
    const struct xl_columns *columns;
    const struct xl_lanes *lanes;
    float weight[XL_SPACE_DIMS]; /* how near is near; 0 = all are */
    double trust;                /* that failures have a place, 0..1 */
    size_t n, n_failed;          /* records told */
    size_t fitted;               /* records told at the last fit */
    uint8_t *taken;              /* [taken_room] of each record: enum seen */
    size_t taken_room, n_taken;
    float *ran, *failed; /* [sum_room] sums over records, of each column */
    size_t sum_room, n_columns, epoch;
    bool is_stale; /* sums have to be made anew */
};

/* Columns are used, not owned. Release also on failure. */
enum xl_status xl_odds_init(struct xl_odds *odds,
                            const struct xl_columns *columns,
                            struct xl_err *err);
void xl_odds_release(struct xl_odds *odds);

/* Takes in what the history has that is new, and columns that are. */
enum xl_status xl_odds_follow(struct xl_odds *odds,
                              const struct xl_search *search,
                              struct xl_err *err);

/* Of column c, 0..1. */
double xl_odds_chance(const struct xl_odds *odds, size_t c);

#endif
