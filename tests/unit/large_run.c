/* SPDX-License-Identifier: Apache-2.0
 *
 * Configurations are the numbers below XL_LARGE_RUN_MOST, written in the mixed
 * base of seven tunables and walked with a stride that shares no factor with
 * their count, so that each comes once and no tunable changes slowly. int4 is
 * wrong, every 97th trial runs out of memory, every 13th is beaten early. */
#include "tests/unit/large_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/buf.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/rng.h"
#include "tuner/store/store.h"

enum {
    STRIDE = 61001,
    SAMPLES_MOST = 32,
    GROUP = 1000, /* trials a transaction */
    MS_A_TRIAL = 400,
    PROMPT = 370,
    NEW = 48
};
static const int64_t BEGAN_MS = 1767225600000; /* 2026-01-01 */

static const struct dim {
    const char *name;
    size_t n;
    const char *values[8]; /* as JSON */
} dims[] = {
    { "backend",
      5,
      { "\"native\"", "\"serial\"", "\"parallel\"", "\"queued\"",
        "\"actors\"" } },
    { "chunk_size", 8, { "8", "16", "32", "64", "96", "128", "192", "256" } },
    { "heads_per_band", 4, { "1", "2", "3", "4" } },
    { "workers", 8, { "1", "2", "3", "4", "6", "8", "12", "16" } },
    { "inner_tile", 4, { "1", "4", "8", "16" } },
    { "prefill_block", 5, { "64", "128", "256", "512", "1024" } },
    { "weight_dtype", 4, { "\"fp32\"", "\"bf16\"", "\"int8\"", "\"int4\"" } },
};
enum {
    N_DIMS = sizeof dims / sizeof *dims,
    INT4 = 3
};
_Static_assert(XL_LARGE_RUN_MOST == 5 * 8 * 4 * 8 * 4 * 5 * 4, "the product");

static const char *const scores[] = {
#define XL_SCORE(id, name, unit, better, span, help) name,
#include "judge/score.def"
#undef XL_SCORE
    "dbpb_lo",
    "dbpb_hi",
};

struct made {
    size_t at[N_DIMS]; /* value of each tunable */
    enum xl_trial_state state;
    double prefill, decode;
};

static struct made make_trial(size_t i, struct xl_rng *rng)
{
    struct made made = { .state = XL_TRIAL_OK };
    size_t number = i * STRIDE % XL_LARGE_RUN_MOST;
    for (size_t d = 0; d < N_DIMS; d++) {
        made.at[d] = number % dims[d].n;
        number /= dims[d].n;
    }
    double away = (double)made.at[1] - 3.4, workers = (double)made.at[3];
    double lighter = 1 + 0.25 * (double)made.at[6];
    made.prefill = 9000 * lighter * exp(-0.03 * away * away) *
                   (1 + 0.08 * workers - 0.011 * workers * workers) *
                   (1 + 0.02 * (double)made.at[5]) *
                   (1 + 0.03 * xl_rng_normal(rng));
    made.decode = 1500 * lighter * (1 + 0.05 * (double)made.at[0]) *
                  (1 + 0.02 * xl_rng_normal(rng));
    if (made.at[6] == INT4)
        made.state = XL_TRIAL_WRONG;
    else if (i % 97 == 96)
        made.state = XL_TRIAL_OOM;
    else if (i % 13 == 12)
        made.state = XL_TRIAL_PRUNED;
    return made;
}

static void print_cfg(const struct made *made, struct xl_buf *out)
{
    xl_buf_clear(out);
    for (size_t d = 0; d < N_DIMS; d++)
        xl_buf_printf(out, "%s\"%s\":%s", d ? "," : "{", dims[d].name,
                      dims[d].values[made->at[d]]);
    xl_buf_text(out, ",\"decode_workers\":0,\"streams\":0,\"gemm\":\"auto\","
                     "\"cell\":\"tiled\",\"head_dtype\":\"same\","
                     "\"state_dtype\":\"fp32\",\"tile_av\":\"8x32\","
                     "\"tile_atb\":\"8x32\",\"pin\":false,\"spin\":2000}");
}

static struct xl_store_metric metric(double middle)
{
    return (struct xl_store_metric){ true, middle, middle * 0.98,
                                     middle * 1.02 };
}

static void fill_samples(struct xl_store_sample *samples, size_t n,
                         const struct made *made, int64_t at_ms,
                         struct xl_rng *rng)
{
    for (size_t k = 0; k < n; k++) {
        double prefill = made->prefill * (1 + 0.02 * xl_rng_normal(rng));
        double decode = made->decode * (1 + 0.02 * xl_rng_normal(rng));
        samples[k] = (struct xl_store_sample){
            .rep = (int64_t)k,
            .prompt_tokens = PROMPT,
            .new_tokens = NEW - 1,
            .has_prefill = true,
            .has_decode = true,
            .has_peak_rss = true,
            .has_foreign_cpu = true,
            .has_ctx = true,
            .is_disturbed = k % 5 == 4,
            .prefill_ns = (int64_t)(1e9 * PROMPT / prefill),
            .decode_ns = (int64_t)(1e9 * (NEW - 1) / decode),
            .prefill_tok_s = prefill,
            .decode_tok_s = decode,
            .peak_rss_bytes = 132272128 + (int64_t)k * 4096,
            .foreign_cpu = 0.02 * xl_rng_unit(rng),
            .ctx_switches = (int64_t)xl_rng_below(rng, 9),
            .at_ms = at_ms + (int64_t)k * 40,
            .detail = "{\"step_ns\":[254830,618340,2854200,2854200]}",
        };
    }
}

static enum xl_status add_scores(struct xl_store *store, int64_t trial,
                                 struct xl_rng *rng, struct xl_err *err)
{
    static const struct xl_store_score words[] = {
        { .name = "tier", .detail = "kernel" },
        { .name = "verdict", .has_value = true, .value = 1, .detail = "pass" },
        { .name = "verdict_reason", .detail = "all gates of the tier hold" },
    };
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++) {
        struct xl_store_score score = { .name = scores[i],
                                        .has_value = true,
                                        .value = 1e-7 * xl_rng_normal(rng) };
        XL_TRY(xl_store_set_score(store, trial, &score, err));
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        XL_TRY(xl_store_set_score(store, trial, &words[i], err));
    return XL_OK;
}

static enum xl_status end_trial(struct xl_store *store,
                                const struct xl_store_claim *claim,
                                const struct made *made,
                                const struct xl_store_sample *samples, size_t n,
                                struct xl_err *err)
{
    if (made->state > XL_TRIAL_PRUNED)
        return xl_store_fail(store, claim, made->state,
                             made->state == XL_TRIAL_WRONG
                                 ? "the judge says fail: hard_flips is 703"
                                 : "the evaluator was killed for memory",
                             false, err);
    struct xl_store_result result = {
        .prefill_tok_s = metric(made->prefill),
        .decode_tok_s = metric(made->decode),
        .prefill_s = metric(PROMPT / made->prefill),
        .decode_s = metric((NEW - 1) / made->decode),
        .n = (int64_t)n,
        .has_value = true,
        .value = sqrt(made->prefill * made->decode),
        .is_pruned = made->state == XL_TRIAL_PRUNED,
        .effective = claim->cfg,
        .samples = samples,
        .n_samples = n,
    };
    return xl_store_finish(store, claim, &result, err);
}

static enum xl_status add_trial(struct xl_store *store,
                                const struct xl_large_run *run, size_t i,
                                struct xl_rng *rng, struct xl_buf *cfg,
                                struct xl_err *err)
{
    struct xl_store_sample samples[SAMPLES_MOST];
    struct xl_store_claim claim;
    struct xl_store_ref ref;
    struct made made = make_trial(i, rng);
    print_cfg(&made, cfg);
    struct xl_store_proposal proposal = { .cfg = cfg->data,
                                          .inert = "streams",
                                          .origin =
                                              i < 64 ? "uniform" : "model" };
    fill_samples(samples, run->n_samples, &made,
                 BEGAN_MS + (int64_t)i * MS_A_TRIAL, rng);
    XL_TRY(xl_store_propose(store, &proposal, &ref, err));
    XL_TRY(xl_store_claim(store, ref.trial, &claim, err));
    XL_TRY(end_trial(store, &claim, &made, samples, run->n_samples, err));
    return made.state == XL_TRIAL_OK ? add_scores(store, ref.trial, rng, err)
                                     : XL_OK;
}

static enum xl_status add_all(struct xl_store *store,
                              const struct xl_large_run *run,
                              struct xl_err *err)
{
    struct xl_buf cfg;
    struct xl_rng rng;
    enum xl_status rc = XL_OK;
    xl_buf_init(&cfg, 0);
    xl_rng_seed(&rng, 5);
    for (size_t i = 0; i < run->n_trials && rc == XL_OK; i += GROUP) {
        rc = xl_store_begin(store, err);
        for (size_t k = i; k < i + GROUP && k < run->n_trials && rc == XL_OK;
             k++)
            rc = add_trial(store, run, k, &rng, &cfg, err);
        enum xl_status end = xl_store_commit(store, rc == XL_OK ? err : NULL);
        rc = rc == XL_OK ? end : rc;
    }
    xl_buf_release(&cfg);
    return rc;
}

static int64_t clock_of(void *ctx)
{
    int64_t *now_ms = ctx;
    return *now_ms += 1;
}

static enum xl_status write_store(const struct xl_large_run *run,
                                  struct xl_err *err)
{
    int64_t now_ms = BEGAN_MS;
    struct xl_store *store = NULL;
    struct xl_store_opts opts = { .mode = XL_STORE_CREATE,
                                  .now_ms = clock_of,
                                  .clock_ctx = &now_ms };
    const char *slash = strrchr(run->dir, '/');
    struct xl_store_sweep sweep = { .name = slash ? slash + 1 : run->dir,
                                    .space = "{}",
                                    .sampler = "{\"mode\":\"random\"}",
                                    .objective = "balanced",
                                    .build_id = "xltune",
                                    .model_hash = "" };
    char path[4200];
    snprintf(path, sizeof path, "%s/trials.db", run->dir);
    XL_TRY(xl_store_open(&store, path, &opts, err));
    enum xl_status rc = xl_store_sweep_begin(store, &sweep, err);
    if (rc == XL_OK)
        rc = add_all(store, run, err);
    xl_store_close(store);
    return rc;
}

static enum xl_status write_meta(const struct xl_large_run *run,
                                 struct xl_err *err)
{
    char path[4200];
    cJSON *meta = cJSON_CreateObject();
    cJSON_AddBoolToObject(meta, "synthetic", true);
    cJSON_AddStringToObject(meta, "backend", "all");
    cJSON_AddStringToObject(meta, "model_path", "models/demo");
    cJSON_AddStringToObject(meta, "mode", "random");
    cJSON_AddStringToObject(meta, "objective", "balanced");
    cJSON_AddNumberToObject(meta, "trials", (double)run->n_trials);
    cJSON_AddNumberToObject(meta, "repeats", (double)run->n_samples);
    cJSON_AddNumberToObject(meta, "prompt_tokens", PROMPT);
    cJSON_AddNumberToObject(meta, "new", NEW);
    snprintf(path, sizeof path, "%s/run_meta.json", run->dir);
    enum xl_status rc = xl_json_save(path, meta, err);
    cJSON_Delete(meta);
    return rc;
}

enum xl_status xl_large_run_make(const struct xl_large_run *run,
                                 struct xl_err *err)
{
    if (run->n_trials > XL_LARGE_RUN_MOST || run->n_samples > SAMPLES_MOST)
        return xl_fail(err, XL_EUSAGE, "at most %d trials of %d samples",
                       XL_LARGE_RUN_MOST, SAMPLES_MOST);
    XL_TRY(xl_io_make_dirs(run->dir, err));
    XL_TRY(write_store(run, err));
    return write_meta(run, err);
}
