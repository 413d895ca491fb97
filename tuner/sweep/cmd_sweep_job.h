/* SPDX-License-Identifier: Apache-2.0
 *
 * A sweep of the command line on its way, and how it begins: the words and
 * the base values, the run folder, the store, the evaluator. One that is taken
 * up again has them from its run_meta.json. */
#ifndef XL_CMD_SWEEP_JOB_H
#define XL_CMD_SWEEP_JOB_H

#include "kernel/base/cmd.h"
#include "tuner/measure/evaluator.h"
#include "tuner/measure/grade.h"
#include "tuner/sweep/cmd_sweep_progress.h"
#include "tuner/sweep/pace.h"
#include "tuner/sweep/ration.h"
#include "tuner/sweep/setup.h"

struct xl_sweep_job {
    struct xl_cmd_ctx *ctx;
    struct xl_opts words; /* a resumed run's own; else unused */
    const char **word_list;
    cJSON *meta; /* run_meta.json of the run */
    struct xl_setup setup;
    char *run_dir;
    int lock; /* on the run folder; -1 = none */
    struct xl_store *store;
    struct xl_evaluator *evaluator;
    struct xl_key key;
    struct xl_machine_grade grade; /* of the machine at the start */
    struct xl_pace pace;           /* starts with the program */
    struct xl_ration ration;
    struct xl_sweep_progress progress;
    cJSON *heard; /* what the judge has passed */
};

/* Everything the sweep needs, from ctx; job is zeroed but for ctx, lock = -1
 * and the start of its pace. Close it also after an error. */
enum xl_status xl_sweep_job_open(struct xl_sweep_job *job, struct xl_err *err);
void xl_sweep_job_close(struct xl_sweep_job *job);

/* The words and base values of a run that is there. */
enum xl_status xl_sweep_job_recall(struct xl_sweep_job *job, const char *run,
                                   struct xl_err *err);
enum xl_status xl_sweep_job_store(struct xl_sweep_job *job, struct xl_err *err);

/* Writes run_meta.json. */
enum xl_status xl_sweep_job_save(const struct xl_sweep_job *job,
                                 struct xl_err *err);

/* Where an option of when to end stands: a run that is taken up again has its
 * own words but for those. */
const struct xl_opts *xl_sweep_job_words(const struct xl_sweep_job *job,
                                         enum xl_sweep_opt opt);

#endif
