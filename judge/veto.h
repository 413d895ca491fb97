/* SPDX-License-Identifier: Apache-2.0
 *
 * What a veto does to the winner of a run: it is kept as best.vetoed.json,
 * which no command takes for a profile; best.json becomes what the winner had
 * beaten, when that passed the judge, else it goes. The same is done to the
 * copy among this machine's profiles, if that is still the one of this run.
 */
#ifndef XL_VETO_H
#define XL_VETO_H

#include <stdbool.h>

#include "kernel/base/err.h"

struct xl_veto {
    const char *by, *reason; /* the judge's name; its words */
    /* Filled in. */
    bool has_incumbent; /* best.json is what the winner had beaten */
    bool is_withdrawn;  /* the copy among the profiles too */
};

/* Safe to repeat: files are replaced whole, the record first. */
enum xl_status xl_veto_winner(const char *run_dir, struct xl_veto *veto,
                              struct xl_err *err);

#endif
