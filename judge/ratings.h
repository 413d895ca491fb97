/* SPDX-License-Identifier: Apache-2.0
 *
 * ratings.csv and ratings.jsonl of a run folder. First the columns that other
 * programs know: file, backend, heads_per_band, chunk_size, workers,
 * avg_logprob, ppl, len_tokens, distinct2, distinct3; then verdict, tier,
 * reason, group, text_hash, n_tokens, every further score of score.def with its
 * interval, and params. Unknown is an empty field in CSV, null in JSON.
 */
#ifndef XL_RATINGS_H
#define XL_RATINGS_H

#include <stddef.h>

#include <cjson/cJSON.h>

#include "judge/gate.h"
#include "judge/scores.h"
#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "kernel/param/param.h"

struct xl_rating {
    const char *file;
    struct xl_params params;
    struct xl_score scores[XL_SCORE_COUNT];
    struct xl_ruling ruling;
    const char *text_hash; /* of the text the configuration was judged on */
    size_t n_tokens;       /* of it, that the verdict took */
    size_t group;          /* outputs with equal ids share a number, from 1 */
};

void xl_ratings_csv(const struct xl_rating *ratings, size_t n,
                    struct xl_buf *out);

void xl_ratings_jsonl(const struct xl_rating *ratings, size_t n,
                      struct xl_buf *out);

/* One rating as an object, columns in the same order; NULL without memory. */
cJSON *xl_rating_json(const struct xl_rating *rating);

/* Writes both files into the run folder, each by temporary file and rename. */
enum xl_status xl_ratings_save(const char *run_dir,
                               const struct xl_rating *ratings, size_t n,
                               struct xl_err *err);

#endif
