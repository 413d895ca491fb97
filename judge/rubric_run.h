/* SPDX-License-Identifier: Apache-2.0
 *
 * A session with a rubric judge about a run: controls first, then marks for
 * every different output and comparisons with the reference; and its files.
 *
 *     struct xl_rubric_judged judged;
 *     XL_TRY(xl_rubric_judge(&judged, &texts, &asker, NULL, err));
 *     XL_TRY(xl_rubric_save(&judged, run_dir, err));
 *     xl_rubric_judged_release(&judged);
 *
 * A judge that fails its controls is asked no more: there are ratings without
 * marks, and no opinion.
 */
#ifndef XL_RUBRIC_RUN_H
#define XL_RUBRIC_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "judge/asker.h"
#include "judge/control.h"
#include "judge/rubric_rule.h"
#include "judge/rubric_texts.h"

/* A comparison or a mark with a known answer, and what came. */
struct xl_rubric_control {
    const char *name; /* xl_control_name, or "marks" */
    size_t passage;
    const char *must, *did;
    bool is_right;
};

enum {
    /* Of each passage every row of control.def, and one pair of marks. */
    XL_RUBRIC_CONTROLS = XL_CONTROL_PASSAGES * (XL_CONTROL_COUNT + 1)
};

struct xl_rubric_rating {
    const struct xl_rubric_output *output;
    bool has_marks;
    struct xl_rubric_marks marks;
    const size_t *bouts; /* [XL_BOUT_COUNT] of its configuration */
    enum xl_opinion opinion;
    char reason[XL_REASON_ROOM];
    bool has_verdict;               /* ratings.jsonl knows the file */
    enum xl_verdict verdict, final; /* of the log-prob judge; of both */
};

struct xl_rubric_judged {
    struct xl_rubric_session session;
    struct xl_rubric_control controls[XL_RUBRIC_CONTROLS];
    size_t n_controls;
    bool is_trusted;
    char trust[XL_REASON_ROOM];
    struct xl_rubric_rating *ratings;      /* [n], as texts->outputs */
    size_t n, n_vetoed;                    /* ratings; those vetoed */
    const struct xl_rubric_rating *winner; /* of best.json; NULL = none */
    /* private */
    const struct xl_asker *asker;
    const struct xl_rubric_texts *texts;
    size_t (*bouts)[XL_BOUT_COUNT]; /* [texts->n_configs] */
};

/* Called before each question with how many are done; may be NULL. */
struct xl_rubric_progress {
    void (*tell)(void *ctx, size_t done, size_t total);
    void *ctx;
};

/* texts and asker are read as long as judged is used. */
enum xl_status xl_rubric_judge(struct xl_rubric_judged *judged,
                               const struct xl_rubric_texts *texts,
                               struct xl_asker *asker, const char *run_dir,
                               const struct xl_rubric_progress *progress,
                               struct xl_err *err);
void xl_rubric_judged_release(struct xl_rubric_judged *judged);

/* The word that fences are made of, 32 hexadecimal digits: the one of an
 * earlier session about this run, else a new random one, on the disk when
 * this returns. Makes the folder RUN/rubric. */
enum xl_status xl_rubric_nonce(const char *run_dir, char nonce[XL_HASH_TEXT],
                               struct xl_err *err);

/* The columns of ratings_ollama.csv; NULL without memory. */
cJSON *xl_rubric_rating_json(const struct xl_rubric_judged *judged, size_t i);

/* Server, model, controls, trust: RUN/rubric/session.json. */
cJSON *xl_rubric_session_json(const struct xl_rubric_judged *judged);

/* ratings_ollama.csv, ratings_ollama.jsonl, rubric/session.json. */
enum xl_status xl_rubric_save(const struct xl_rubric_judged *judged,
                              const char *run_dir, struct xl_err *err);

#endif
