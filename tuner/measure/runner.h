/* SPDX-License-Identifier: Apache-2.0
 *
 * Where configurations are run: the face between a sweep and whatever runs a
 * trial. The real one is the evaluator child (evaluator.h); a replay table
 * and tests bring their own.
 *
 * A failed trial is no error of the runner: it is an outcome with a reason.
 * An error means that the runner itself cannot go on.
 */
#ifndef XL_RUNNER_H
#define XL_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "judge/stage.h"
#include "kernel/base/err.h"
#include "kernel/param/param.h"
#include "tuner/measure/steady.h"

enum xl_run_outcome {
    XL_RUN_OK,
    XL_RUN_FAILED, /* crashed or reported an error */
    XL_RUN_TIMEOUT,
    XL_RUN_OOM,
    XL_RUN_WRONG,    /* ran other values than asked for, or wrong numbers */
    XL_RUN_INVALID,  /* refused before it ran */
    XL_RUN_UNPROVED, /* measured, not proved to do no damage */
    XL_RUN_STOPPED,  /* the callback or a signal ended it */
};

/* Percentiles kept of the times of single tokens. */
enum xl_step {
#define XL_STEP(percent) XL_STEP_##percent,
#include "tuner/measure/step.def"
#undef XL_STEP
    XL_STEP_COUNT
};

/* One repetition: the prompt through the model, then new_tokens tokens. */
struct xl_run_sample {
    size_t rep;
    uint64_t prefill_ns, decode_ns;
    size_t prompt_tokens, decode_steps;
    bool has_foreign, has_peak_rss;
    double foreign_cpu;
    int64_t ctx_switches;
    unsigned dirt; /* what disturbed it: bits of probe.h; 0 = quiet */
    uint64_t peak_rss_bytes;
    uint64_t step_ns[XL_STEP_COUNT]; /* of the decoded tokens; 0 = unknown */
    int side; /* 0: what is measured; 1: what it is held against */
};

/* What the caller wants after a sample. */
enum xl_run_go {
    XL_RUN_MORE,
    XL_RUN_ENOUGH, /* no further repetition; the measurement ends well */
    XL_RUN_ABORT,  /* at once: the outcome is STOPPED */
};
typedef enum xl_run_go xl_run_sample_fn(void *ctx,
                                        const struct xl_run_sample *sample);

/* Told again and again while a request is on its way, whatever the child does
 * meanwhile: every XL_BEAT_NS, for whoever holds a lease to renew it. False =
 * abort at once: the outcome is STOPPED. tell NULL = nobody. */
struct xl_beat {
    bool (*tell)(void *ctx);
    void *ctx;
};
#define XL_BEAT_NS ((uint64_t)10 * 1000000000)

/* Of the workload, its first tokens and so many new ones; none = all of it. */
struct xl_load {
    size_t prompt_tokens, new_tokens;
};

/* Repetitions of one configuration; of two in a duel, both once a round, the
 * first place changing hands; or of one with an anchor, which runs once before
 * the first and then before every anchor_every-th repetition. */
struct xl_run_request {
    const struct xl_params *params;  /* canonical; side 0 */
    const struct xl_params *against; /* side 1: opponent or anchor; or NULL */
    size_t anchor_every;             /* 0: `against` is an opponent */
    size_t first_rep, reps;          /* reps: the most to run */
    struct xl_load load;
    uint64_t deadline_ns; /* on xl_clock_ns: end with STOPPED; 0 = none */
    xl_run_sample_fn *on_sample;
    void *ctx;
    struct xl_beat beat;
};

/* A configuration before the judges. */
struct xl_judge_request {
    const struct xl_params *params; /* canonical */
    enum xl_stage stage;
    struct xl_beat beat;
};

enum {
    XL_RUN_REASON = 256
};

struct xl_run_end {
    enum xl_run_outcome outcome;
    char reason[XL_RUN_REASON];
    struct xl_params effective; /* valid when OK and has_effective */
    bool has_effective;
    double load_s;            /* time to make the plan */
    struct xl_steady warm_up; /* of side 0; no repetitions = not known */
    cJSON *answer;            /* of judge and output; the caller's to delete */
};

struct xl_runner {
    void *ctx;
    enum xl_status (*measure)(void *ctx, const struct xl_run_request *request,
                              struct xl_run_end *end, struct xl_err *err);
    /* Judges a configuration: end->answer is xl_judgement_json's object. */
    enum xl_status (*judge)(void *ctx, const struct xl_judge_request *request,
                            struct xl_run_end *end, struct xl_err *err);
    /* Greedy continuation: end->answer is {"ids": [...], "text": "..."}. */
    enum xl_status (*output)(void *ctx, const struct xl_params *params,
                             struct xl_run_end *end, struct xl_err *err);
};

const char *xl_run_outcome_name(enum xl_run_outcome outcome);

#endif
