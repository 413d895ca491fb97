/* SPDX-License-Identifier: Apache-2.0
 *
 * How `xltune sweep` gets on, to standard error and only on a terminal: one
 * line that is written over, or a line a trial where that cannot be. What
 * takes longer than a second says how far it is. */
#ifndef XL_CMD_SWEEP_PROGRESS_H
#define XL_CMD_SWEEP_PROGRESS_H

#include "tuner/space/param_space.h"
#include "tuner/sweep/sweep.h"

struct xl_sweep_progress {
    const struct xl_param_space *space;
    const char *unit; /* of the objective's value; "" or NULL = none */
    bool quiet;
    uint64_t deadline_ns; /* of the sweep; 0 = none */
    /* private */
    bool is_shown, is_live;
    size_t width, measured, done, budget;
    double best;
    uint64_t start_ns, drawn_ns;
    struct xl_progress_step {
        char what[40];
        size_t first, last; /* done at its start, done now */
        uint64_t start_ns;
    } step;
};

/* After the fields above are set. */
void xl_sweep_progress_start(struct xl_sweep_progress *progress);

/* Leaves the terminal's line to what is printed next. */
void xl_sweep_progress_clear(const struct xl_sweep_progress *progress);

/* " after 12 of 60 configurations, best 40577 tok/s"; "" before the first. */
const char *xl_sweep_progress_text(const struct xl_sweep_progress *progress,
                                   char *out, size_t room);

/* For xl_sweep.news and xl_finish.talk; ctx is the progress. */
void xl_sweep_progress_news(void *ctx, const struct xl_sweep_news *news);
void xl_sweep_progress_talk(void *ctx, const char *line);

/* For xl_watch: repetitions, rounds, tokens of the judge. */
void xl_sweep_progress_step(void *ctx, const char *what, size_t done,
                            size_t of);

#endif
