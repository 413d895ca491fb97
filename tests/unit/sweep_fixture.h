/* SPDX-License-Identifier: Apache-2.0
 *
 * A sweep without a machine: the real search, race, duel and finish over a
 * runner whose speeds are a known function of the tunables, with noise, drift
 * and faults planted at will, on a clock that moves by what it "measures". */
#ifndef XL_SWEEP_FIXTURE_H
#define XL_SWEEP_FIXTURE_H

#include "kernel/base/rng.h"
#include "kernel/model/config.h"
#include "tests/harness/test.h"
#include "tuner/space/param_space.h"
#include "tuner/sweep/finish.h"

struct xl_fake {
    double (*speed)(const struct xl_fake *fake, const struct xl_params *params);
    /* Of decoding, where it is another one; or NULL. */
    double (*decode)(const struct xl_fake *fake,
                     const struct xl_params *params);
    uint64_t seed;
    double noise;     /* relative, of each sample */
    bool by_place;    /* noise depends on configuration and repetition
                         alone, not on what was measured before */
    double ramp;      /* what speeds gain in an hour of the clock */
    double wander;    /* step of a random walk, relative, each sample */
    double disturbed; /* share of samples that a neighbour slows down */
    double slow; /* speed of the machine's slow mode, relative; 0 = it has one
                    mode only */
    double dwell_s; /* that it stays in a mode, on average */
    /* What share of the slow mode a configuration feels (1 = all of it, as
     * without this function). */
    double (*follows)(const struct xl_fake *fake,
                      const struct xl_params *params);
    size_t samples;        /* taken so far */
    size_t rounds;         /* of duels among them */
    size_t stop_after;     /* stopped at that many samples; 0 = never */
    size_t die_after;      /* killed by SIGKILL at that many */
    int64_t crash_chunk;   /* this chunk_size crashes; 0 = none */
    int64_t lying_chunk;   /* this one runs as chunk_size 1; 0 = none */
    int64_t damaged_chunk; /* the judge refuses it; 0 = none */
    int64_t open_chunk;    /* its whole judge proves nothing; 0 = none */
    uint64_t judge_ns;     /* that the judge takes */
    uint64_t deadline_ns;  /* whatever is asked ends then; 0 = none */
    struct xl_params fast; /* for speeds that single one out */
    double gain;           /* of that one */
    /* Instead of damaged_chunk; or NULL. */
    enum xl_status (*judge)(void *ctx, const struct xl_params *params,
                            enum xl_stage stage, struct xl_run_end *end,
                            struct xl_err *err);
    void *judge_ctx;
    struct xl_beat beat; /* of the judge's request under way */
    /* private */
    struct xl_rng rng;
    double walk;
    uint64_t now_ns;
    struct xl_rng modes;
    uint64_t flip_ns; /* when the mode changes next */
    bool is_slow;
    size_t flips;
};

struct xl_sweep_bench {
    struct xl_test *t;
    struct xl_config config;
    struct xl_params base; /* canonical */
    struct xl_param_space *space;
    struct xl_objective *objective;
    struct xl_fake fake;
    size_t sweeps; /* whole ones so far */
    bool forgets;  /* what the judge has passed */
    bool is_modest;
    bool publishes; /* to XLTUNE_PROFILES */
};

/* space: JSON of a space file, NULL = all tunables; objective: NULL =
 * "prefill". The fake clock runs until the bench is closed. */
bool xl_sweep_bench_open(struct xl_sweep_bench *b, struct xl_test *t,
                         const char *space, const char *objective);
void xl_sweep_bench_close(struct xl_sweep_bench *b);

/* A store in the case's folder and a fresh strategy: one start of a sweep. */
struct xl_sweep_start {
    struct xl_store *store;
    struct xl_strategy *strategy;
    struct xl_race race;
    struct xl_sweep sweep;
    struct xl_machine_grade grade;
    cJSON *heard;
};

struct xl_sweep_plan {
    const char *file, *mode;
    size_t budget, repeats, most; /* most: 0 = no race */
    size_t anchor_every;          /* 0 = no anchor */
    uint64_t seed;
    bool in_memory; /* one transaction, for speed */
};

/* The store's clock, which goes by that of a fake: an xl_store_opts.now_ms. */
int64_t xl_fake_wall_ms(void *fake);

bool xl_sweep_start_open(struct xl_sweep_bench *b, struct xl_sweep_start *s,
                         const struct xl_sweep_plan *plan);
void xl_sweep_start_close(struct xl_sweep_start *s);

/* The steps of `xltune sweep`, each checked to return XL_OK. */
bool xl_sweep_start_grade(struct xl_sweep_bench *b, struct xl_sweep_start *s,
                          size_t rounds);
enum xl_sweep_end xl_sweep_start_search(struct xl_sweep_bench *b,
                                        struct xl_sweep_start *s);
void xl_sweep_start_finish(struct xl_sweep_bench *b, struct xl_sweep_start *s,
                           size_t rounds, struct xl_verdicts *v);

/* -- whole sweeps over configurations that are alike ---------------------- */

enum {
    XL_SWEEP_EVEN = 500,  /* configurations, none of them the defaults */
    XL_SWEEP_GRADING = 16 /* rounds of a grade */
};
extern const char xl_sweep_even_space[];

/* A machine at its beginning: noise of 2 %, speeds that wander and rise, one
 * repetition in twenty slowed by a neighbour. */
void xl_fake_begin(struct xl_fake *fake, uint64_t seed);

bool xl_fake_is_fast(const struct xl_fake *fake,
                     const struct xl_params *params);

/* A speed: 1000 tokens a second, and gain times that of the one singled out. */
double xl_fake_one_is_faster(const struct xl_fake *fake,
                             const struct xl_params *params);

/* Singles one configuration of the space out, another for each seed. */
void xl_sweep_bench_single_out(struct xl_sweep_bench *b, uint64_t seed,
                               double gain);

/* One sweep over the even space by `random`, from the grade to best.json, on
 * the machine as it is set. */
void xl_sweep_bench_sweep(struct xl_sweep_bench *b, uint64_t seed,
                          struct xl_verdicts *v);

/* All trials of a store as text: configuration, state, value, samples. */
void xl_sweep_start_print(struct xl_sweep_bench *b, struct xl_sweep_start *s,
                          struct xl_buf *out);

#endif
