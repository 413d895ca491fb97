/* SPDX-License-Identifier: Apache-2.0
 *
 * From measured trials to a winner: every configuration is judged, the best
 * that passes meets the defaults in a duel of interleaved rounds, and only if
 * it is faster beyond doubt does it replace them in best.json.
 */
#ifndef XL_FINISH_H
#define XL_FINISH_H

#include "tuner/measure/duel_verdict.h"
#include "tuner/measure/grade.h"
#include "tuner/profile/key.h"
#include "tuner/space/param_space.h"
#include "tuner/sweep/sweep.h"

/* What the end of a sweep found. */
struct xl_verdicts {
    size_t n_ok, n_failed;      /* trials measured; trials that failed */
    size_t n_dropped;           /* measured and beaten after a few samples */
    size_t n_passed, n_refused; /* by the judge; others: only screened */
    size_t n_unproved;          /* measured; the text leaves them open */
    size_t n_held_out;          /* asked on the holdout text */
    int64_t winner;             /* trial id; 0 = none passed */
    int64_t base;               /* trial of the defaults; 0 = not measured */
    struct xl_params params;    /* of best.json */
    bool is_default;            /* the defaults were kept */
    bool proved;                /* the winner beat them beyond doubt */
    bool is_published;          /* into this machine's profiles */
    bool is_cut;                /* judge or duel had too little time */
    size_t n_unheard;           /* that could have won, not judged in time */
    size_t n_unwritten;         /* outputs for which there was no time */
    char why[200];              /* one sentence about that */
    struct xl_trial_figures figures; /* fresh, from the duel's rounds, or */
    bool is_of_search;               /* of the search, and its workload */
    size_t n_played; /* that played off; 0 = the values told them apart */
    size_t n_tied;   /* with the best: within 0.5 %, or what was measured cannot
                        tell them apart */
    enum xl_duel_verdict duel; /* of the winner against the defaults */
    struct xl_estimate prefill_ratio, decode_ratio, value_ratio;
    struct xl_machine_grade grade;           /* of the machine at the end */
    char tier[16], verdict[16], reason[256]; /* of the judge */
};

struct xl_finish {
    const struct xl_sweep *sweep;
    const char *run_dir;
    const struct xl_params *base; /* the defaults it must beat, canonical */
    const struct xl_param_space *space; /* that bests of phases are put
                                           together in, or NULL */
    const struct xl_key *key;
    size_t rounds; /* of the duel; 0 = as many as it takes */
    const struct xl_machine_grade
        *grade;          /* of the machine at the start, or NULL */
    size_t grade_rounds; /* to grade it by at the end; 0 = do not */
    size_t prompt_tokens, new_tokens; /* of the whole workload */
    bool publish;   /* put the winner into this machine's profiles */
    bool is_modest; /* but not in place of one, which it has not met */
    void (*talk)(void *ctx, const char *line); /* progress, or NULL */
    void *talk_ctx;
};

/* Writes scores into the store, outputs/ and best.json into the run folder,
 * and exports it. XL_EINTERRUPTED when stopped: everything so far is kept. */
enum xl_status xl_finish_run(const struct xl_finish *finish,
                             struct xl_verdicts *verdicts, struct xl_err *err);

#endif
