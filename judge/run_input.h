/* SPDX-License-Identifier: Apache-2.0
 *
 * What judging a run folder begins with: its record, its outputs, the
 * checkpoint, and the prompt in ids.
 *
 *     struct xl_run_input in = { 0 };
 *     rc = xl_run_input_open(&in, run_dir, NULL, &arena, err);
 *     ...
 *     xl_run_input_close(&in);      also after an error
 */
#ifndef XL_RUN_INPUT_H
#define XL_RUN_INPUT_H

#include <cjson/cJSON.h>

#include "judge/outputs.h"
#include "kernel/base/arena.h"
#include "kernel/run/session.h"

struct xl_run_input {
    cJSON *meta;               /* run_meta.json */
    struct xl_outputs outputs; /* at least one; memory of the arena */
    struct xl_session session; /* model and tokenizer, no plan */
    struct xl_ids prompt;
};

/* model_dir NULL: the checkpoint that run_meta.json names. */
enum xl_status xl_run_input_open(struct xl_run_input *in, const char *run_dir,
                                 const char *model_dir, struct xl_arena *arena,
                                 struct xl_err *err);
void xl_run_input_close(struct xl_run_input *in);

#endif
