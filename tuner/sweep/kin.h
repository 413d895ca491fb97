/* SPDX-License-Identifier: Apache-2.0
 *
 * Earlier runs that a search can begin from: those under a folder whose key
 * (machine, shape of model, context) is the one here or related to it, nearest
 * first.
 *
 *     struct xl_kin kin;
 *     XL_TRY(xl_kin_find(&kin, "runs", &key, err));
 *     for (size_t i = 0; i < kin.n; i++)
 *         ... kin.runs[i].path, kin.runs[i].match.differs ...
 *     xl_kin_release(&kin);
 */
#ifndef XL_KIN_H
#define XL_KIN_H

#include "tuner/profile/key.h"

enum {
    XL_KIN_MOST = 3,
};

struct xl_kin {
    size_t n;
    struct xl_kin_run {
        char *path; /* of the run folder */
        struct xl_match match;
        size_t age; /* 0 = the newest of all runs in the folder */
    } runs[XL_KIN_MOST];
};

/* How the key of the run in a folder matches the one here; as of no key at all
 * when its run_meta.json and best.json name none that can be read. */
void xl_kin_match(const char *run, const struct xl_key *here,
                  struct xl_match *match);

/* A better grade first, then the nearer context, then the newer run. Runs of
 * another model or other instruction sets are no kin, nor are runs whose
 * run_meta.json and best.json name no key that can be read. A folder that is
 * missing holds none. */
enum xl_status xl_kin_find(struct xl_kin *kin, const char *log_dir,
                           const struct xl_key *here, struct xl_err *err);
void xl_kin_release(struct xl_kin *kin);

#endif
