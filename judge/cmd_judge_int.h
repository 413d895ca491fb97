/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files of the command `judge`. */
#ifndef XL_CMD_JUDGE_INT_H
#define XL_CMD_JUDGE_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "judge/judge.h"
#include "judge/judge_run.h"
#include "kernel/base/cmd.h"

/* In the order of the words of -o: table, csv, jsonl, json. */
enum xl_judge_format {
    XL_JUDGE_TABLE,
    XL_JUDGE_CSV,
    XL_JUDGE_JSONL,
    XL_JUDGE_JSON
};

/* What was held against each other: candidate first. */
struct xl_judge_sides {
    const struct xl_params *candidate, *reference;
    const char *paths[2]; /* of the checkpoints */
    size_t enough_tokens; /* that may settle the verdict; 0 = it is settled */
};

/* The folder of a run, as a heap string. A folder is taken as it is: an export
 * without a store, which is no run to the other commands, can be judged. */
enum xl_status xl_judge_find_run(const struct xl_cmd_ctx *ctx,
                                 const char *log_dir, const char *run,
                                 char **dir, struct xl_err *err);

enum xl_status xl_judge_print_run(enum xl_judge_format format,
                                  const struct xl_judged_run *judged,
                                  const char *run_dir, struct xl_err *err);
enum xl_status xl_judge_print_text(enum xl_judge_format format,
                                   const struct xl_judgement *judgement,
                                   const struct xl_judge_sides *sides,
                                   struct xl_err *err);

/* params, tokens: as in struct xl_selftest_spec. */
enum xl_status xl_judge_cmd_selftest(struct xl_cmd_ctx *ctx, const char *params,
                                     size_t tokens, struct xl_err *err);

/* tokens: of each text; 0 = the calibration's own. */
enum xl_status xl_judge_cmd_calibrate(struct xl_cmd_ctx *ctx, size_t tokens,
                                      struct xl_err *err);

/* A text of exactly so many tokens, BOS included, on standard output. */
enum xl_status xl_judge_cmd_text(struct xl_cmd_ctx *ctx, size_t tokens,
                                 uint64_t seed, struct xl_err *err);

/* What 'judge rubric' was told. */
struct xl_judge_rubric {
    const char *run, *api, *model; /* NULL = not given */
    const char *log_dir;           /* where runs are looked for */
    const char *prompts;           /* or NULL */
    size_t passages, prompt_chars, cont_chars, retries;
    double timeout_s;
    int64_t seed;
    bool is_strict;
};

enum xl_status xl_judge_cmd_rubric(struct xl_cmd_ctx *ctx,
                                   const struct xl_judge_rubric *told,
                                   struct xl_err *err);

#endif
