/* SPDX-License-Identifier: Apache-2.0
 *
 * Judges what a run folder holds: every output's text under the reference,
 * and every output's configuration as a search judges it (judge/panel.h).
 *
 *     struct xl_judged_run judged;
 *     XL_TRY(xl_judge_run(&judged, "runs/parallel_...", NULL, NULL, err));
 *     xl_ratings_save("runs/parallel_...", judged.ratings, judged.n, err);
 *     xl_judged_run_release(&judged);
 *
 * Parameters and ids come from the ids files in outputs/, the prompt and the
 * model's folder from run_meta.json. Equal texts and equal configurations are
 * worked on once.
 */
#ifndef XL_JUDGE_RUN_H
#define XL_JUDGE_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "judge/ratings.h"
#include "kernel/base/arena.h"
#include "kernel/base/err.h"
#include "kernel/base/hash.h"

struct xl_judge_run_options {
    size_t max_tokens; /* as of struct xl_panel_options */
    bool has_tier;     /* false: each configuration's own */
    enum xl_tier tier;
    /* Called before each output with how many are done; may be NULL. */
    void (*progress)(void *ctx, size_t done, size_t total);
    void *progress_ctx;
};

struct xl_judged_run {
    struct xl_rating *ratings; /* [n] by file name */
    size_t n, n_groups;
    char *model_dir;
    char text_hash[XL_HASH_TEXT];
    size_t text_tokens;   /* that there were to judge on */
    size_t enough_tokens; /* that may settle what is open; 0 = nothing is */
    size_t prompt_tokens;
    bool is_random; /* the judge's text is random ids */
    /* private */
    struct xl_arena arena;
};

/* model_dir NULL: the one run_meta.json names. options may be NULL. On error
 * judged holds nothing. */
enum xl_status xl_judge_run(struct xl_judged_run *judged, const char *run_dir,
                            const char *model_dir,
                            const struct xl_judge_run_options *options,
                            struct xl_err *err);
void xl_judged_run_release(struct xl_judged_run *judged);

#endif
