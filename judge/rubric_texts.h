/* SPDX-License-Identifier: Apache-2.0
 *
 * The texts that a rubric judge reads about a run: the run's outputs, what the
 * reference writes for the same prompt, and, for every configuration that
 * writes something else, both continuations of further prompts. One prompt
 * shows nothing about a configuration; the sign test takes several.
 *
 *     struct xl_rubric_texts texts;
 *     XL_TRY(xl_rubric_texts_open(&texts, &options, err));
 *     rc = xl_rubric_texts_write(&texts, &options, err);
 *     xl_rubric_texts_release(&texts);
 *
 * All is greedy and by the reference's fixed order, so the same run gives the
 * same texts again. A sampled output is marked, not compared.
 */
#ifndef XL_RUBRIC_TEXTS_H
#define XL_RUBRIC_TEXTS_H

#include <stdbool.h>
#include <stddef.h>

#include "judge/rubric_prompt.h"
#include "judge/run_input.h"
#include "kernel/base/arena.h"

struct xl_rubric_texts_options {
    const char *run_dir;
    const char *model_dir; /* NULL: the one run_meta.json names */
    const char *prompts;   /* a file of further prompts, or NULL: passages */
    size_t passages;       /* of the held-out text, as further prompts */
};

/* One of the run's outputs. */
struct xl_rubric_output {
    const struct xl_output *output;
    struct xl_rubric_text text;
    size_t group;  /* equal texts share a number, from 1 */
    size_t config; /* equal parameters share a number, from 0 */
};

/* A candidate's continuation and the reference's, of one prompt. */
struct xl_rubric_pair {
    size_t config;
    struct xl_rubric_text prompt, candidate, reference;
    bool is_equal;
};

struct xl_rubric_texts {
    struct xl_rubric_text prompt;     /* the run's */
    struct xl_rubric_text heldout;    /* sound text, for controls */
    struct xl_rubric_output *outputs; /* [n_outputs] by file name */
    struct xl_rubric_pair *pairs;     /* [n_pairs] */
    size_t n_outputs, n_groups, n_configs, n_pairs;
    size_t n_differing; /* configurations that write something else */
    const char *model_dir;
    /* private */
    struct xl_run_input in;
    struct xl_arena arena;
};

/* Reads the run: prompt, outputs, held-out text. */
enum xl_status
xl_rubric_texts_open(struct xl_rubric_texts *texts,
                     const struct xl_rubric_texts_options *options,
                     struct xl_err *err);

/* Has the model write what is compared: the slow part. Release after an error
 * too. */
enum xl_status
xl_rubric_texts_write(struct xl_rubric_texts *texts,
                      const struct xl_rubric_texts_options *options,
                      struct xl_err *err);
void xl_rubric_texts_release(struct xl_rubric_texts *texts);

#endif
