/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a profile still worth having? It meets again, on this machine and today,
 * what it once beat, in a duel by the objective it was made for. */
#ifndef XL_RECHECK_H
#define XL_RECHECK_H

#include "kernel/model/model.h"
#include "tuner/measure/duel.h"
#include "tuner/profile/best.h"

struct xl_recheck {
    struct xl_model *model;
    const struct xl_best *best;
    size_t context; /* prompt tokens; 0 = the profile's own */
    size_t rounds;  /* of the duel; 0 = as many as it takes */
};

enum xl_recheck_verdict {
    XL_RECHECK_BEST,    /* faster than what it beat, or the same as that */
    XL_RECHECK_DRIFTED, /* not proved faster any more */
    XL_RECHECK_SLOWER,  /* proved slower */
};

struct xl_recheck_end {
    enum xl_recheck_verdict verdict;
    bool is_same;             /* the profile is what it met: no duel */
    struct xl_estimate ratio; /* now, by the objective */
    double recorded;          /* when it was made; NaN = not known */
    char objective[120];
};

enum xl_status xl_recheck_run(const struct xl_recheck *recheck,
                              struct xl_recheck_end *end, struct xl_err *err);

const char *xl_recheck_name(enum xl_recheck_verdict verdict);

#endif
