/* SPDX-License-Identifier: Apache-2.0
 *
 * What the rows of a store hold, for those who write them (store.h) and those
 * who read them (query.h). Texts are borrowed: a writer's until the call
 * returns, a reader's until its callback returns.
 */
#ifndef XL_STORE_ROW_H
#define XL_STORE_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xl_trial_state {
#define XL_TRIAL_STATE(id, name, meaning) XL_TRIAL_##id,
#include "tuner/store/state.def"
#undef XL_TRIAL_STATE
    XL_TRIAL_STATE_COUNT
};

const char *xl_trial_state_name(enum xl_trial_state state);

struct xl_store_sweep {
    const char *name;      /* unique in the file; the run folder's name */
    const char *space;     /* the search space, JSON; "" when none */
    const char *sampler;   /* strategy, seed and settings, JSON or text */
    const char *objective; /* what `value` of a result means */
    bool minimise;         /* a smaller value is better */
    const char *build_id;
    const char *model_hash;
    const char *class_id;    /* machines that may measure; "" = this one */
    const char *fingerprint; /* what class_id is a hash of; NULL = "" */
};

struct xl_store_proposal {
    const char *cfg;      /* canonical parameters, one JSON object */
    const char *cfg_hash; /* of cfg; NULL = xl_hash of its text */
    const char *inert;    /* tunables not read, "a,b"; NULL = none */
    const char *origin;   /* why it is proposed: "elite"; NULL = unsaid */
    const char *parents;  /* trial ids as a JSON array; NULL = none */
    bool has_generation;
    int64_t generation;
    int64_t prio;        /* larger is claimed first */
    int64_t max_attempt; /* claims that may die before it is abandoned;
                            0 = 3 */
};

/* One measured repetition. What was not read has its `has` bit clear. */
struct xl_store_sample {
    int64_t rep; /* from 0, unique in the trial */
    int64_t prompt_tokens, new_tokens;
    bool has_prefill, has_decode, has_peak_rss, has_foreign_cpu, has_ctx;
    bool is_disturbed; /* kept, but not part of the medians */
    int64_t prefill_ns, decode_ns;
    double prefill_tok_s, decode_tok_s;
    int64_t peak_rss_bytes;
    double foreign_cpu;   /* share of the machine others used, 0..1 */
    int64_t ctx_switches; /* involuntary */
    int64_t at_ms;        /* 0 = now */
    const char *detail;   /* further readings as a JSON object, or NULL */
};

struct xl_store_metric {
    bool has;
    double median, lo, hi; /* lo, hi not finite = no interval */
};

struct xl_store_result {
    struct xl_store_metric prefill_tok_s, decode_tok_s, prefill_s, decode_s;
    int64_t n; /* repetitions behind the medians */
    bool has_value;
    double value;          /* the objective */
    bool is_pruned;        /* state pruned, not ok */
    const char *effective; /* tunables as really used, JSON; NULL = unsaid */
    const char *detail;    /* more about it as a JSON object, or NULL */
    const struct xl_store_sample *samples; /* [n_samples], stored with it in */
    size_t n_samples;                      /* the same transaction */
};

struct xl_store_score {
    const char *name; /* "avg_logprob", "verdict", ... */
    bool has_value;
    double value;
    const char *detail; /* text; of "verdict" it is what summary.csv shows */
};

struct xl_store_fact {
    const char *scope; /* "host", "build", "model", "prompt", "run" */
    const char *key, *value;
};

struct xl_store_event {
    int64_t trial;    /* 0 = about the sweep */
    const char *kind; /* one word: "start", "resume", "gate", "duel" */
    const char *text;
    int64_t at_ms; /* written as now; filled in by readers */
};

#endif
