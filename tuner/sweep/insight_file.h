/* SPDX-License-Identifier: Apache-2.0
 *
 * insight.json of a run: what its search has learnt of the space, for reports
 * and for people.
 *
 *     {"objective", "measured", "failed", "space", "explained",
 *      "importance":   [{"param", "share", "ci": [lo, hi]}],
 *      "interactions": [{"a", "b", "share", "ci"}],
 *      "predictions":  [{"params": {}, "value", "ci"}],
 *      "stop": {"expected_gain", "chance", "advice"},
 *      "front": {"hypervolume", "points": [{"trial", "params", "values"}]}}
 *
 * front: of several objectives only.
 */
#ifndef XL_INSIGHT_FILE_H
#define XL_INSIGHT_FILE_H

#include "kernel/base/buf.h"
#include "tuner/space/param_space.h"
#include "tuner/store/store.h"
#include "tuner/sweep/objective.h"

#define XL_INSIGHT_FILE "insight.json"

struct xl_insight_source {
    const char *run_dir;
    struct xl_store *store; /* the sweep taken up */
    const struct xl_param_space *space;
    const struct xl_objective *objective; /* of several, the first counts */
    uint64_t seed;
};

/* Writes insight.json and appends the words for people. Where too little was
 * measured to say anything the file has empty lists and the advice says so. */
enum xl_status xl_insight_file(const struct xl_insight_source *source,
                               struct xl_buf *words, struct xl_err *err);

#endif
