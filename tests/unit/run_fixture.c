/* SPDX-License-Identifier: Apache-2.0
 *
 * Prefill peaks at a middle chunk size and grows with workers; decode hardly
 * depends on either. Every seventh trial is rejected, every eleventh fails. */
#include "tests/unit/run_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/buf.h"
#include "kernel/base/csv.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/rng.h"

enum {
    SAMPLES = 9
};

struct trial {
    const char *backend, *status, *verdict, *reason;
    long long workers, heads, chunk;
    double prefill, decode; /* tok/s; NaN = failed */
};

struct texts {
    struct xl_buf summary, lines, samples, ratings;
};

static struct trial make_trial(const struct xl_run_fixture *fixture, size_t i,
                               struct xl_rng *rng)
{
    static const char *const backends[] = { "parallel", "queued", "actors" };
    struct trial trial = { .status = "ok", .verdict = "pass", .reason = "" };
    trial.backend = backends[xl_rng_below(rng, 3)];
    trial.workers = 1 + (long long)xl_rng_below(rng, 4);
    trial.heads = 1LL << xl_rng_below(rng, 3);
    trial.chunk = 16LL << xl_rng_below(rng, 5);
    if (fixture->wide_space)
        trial.chunk = 8 + (long long)xl_rng_below(rng, 505);
    if (i == 0) {
        trial.backend = "parallel";
        trial.workers = 1;
        trial.heads = 4;
        trial.chunk = 16;
    }
    double away = log2((double)trial.chunk) - 6.3;
    double speedup = pow((double)trial.workers, 0.7);
    trial.prefill = 900 * speedup * exp(-0.12 * away * away) *
                    (1 - 0.04 * (double)trial.heads) *
                    (1 + 0.03 * xl_rng_normal(rng));
    trial.decode = 310 * pow((double)trial.workers, 0.15) *
                   (1 + 0.02 * xl_rng_normal(rng));
    if (i % 7 == 6) {
        trial.verdict = "fail";
        trial.reason = "logits differ from native by 0.0031";
        trial.prefill *= 1.35;
    }
    if (i % 11 == 10 || fixture->all_failed) {
        trial.status = "failed";
        trial.verdict = "";
        trial.reason = "evaluator ended by signal 11";
        trial.prefill = (double)NAN;
        trial.decode = (double)NAN;
    }
    if (fixture->hostile && i % 7 == 6)
        trial.reason = fixture->hostile;
    return trial;
}

static void write_header(const struct xl_run_fixture *fixture,
                         struct texts *out)
{
    xl_buf_text(&out->summary, "backend,workers,heads_per_band,chunk_size,"
                               "prefill_tok_s,decode_tok_s,prefill_s,decode_s");
    if (!fixture->bare)
        xl_buf_text(&out->summary,
                    ",id,status,n,prefill_tok_s_lo,prefill_tok_s_hi,"
                    "decode_tok_s_lo,decode_tok_s_hi,objective,verdict,gemm");
    xl_buf_char(&out->summary, '\n');
    xl_buf_text(&out->samples, "id,phase,index,tok_s\n");
    xl_buf_text(&out->ratings,
                "file,backend,heads_per_band,chunk_size,workers,avg_logprob,"
                "ppl,len_tokens,distinct2,distinct3\n");
}

static void write_summary(const struct xl_run_fixture *fixture, size_t i,
                          const struct trial *trial, struct xl_buf *out)
{
    const char *backend =
        fixture->hostile && i == 1 ? fixture->hostile : trial->backend;
    xl_csv_text(out, backend);
    if (fixture->empty_workers)
        xl_csv_text(out, NULL);
    else
        xl_csv_int(out, trial->workers);
    xl_csv_int(out, trial->heads);
    xl_csv_int(out, trial->chunk);
    xl_csv_real(out, trial->prefill);
    xl_csv_real(out, trial->decode);
    xl_csv_real(out, 512 / trial->prefill);
    xl_csv_real(out, 64 / trial->decode);
    if (!fixture->bare) {
        xl_csv_int(out, (long long)i + 1);
        xl_csv_text(out, trial->status);
        xl_csv_int(out, isnan(trial->decode) ? 0 : SAMPLES);
        xl_csv_real(out, trial->prefill * 0.975);
        xl_csv_real(out, trial->prefill * 1.02);
        xl_csv_real(out, trial->decode * 0.985);
        xl_csv_real(out, trial->decode * 1.012);
        xl_csv_real(out, sqrt(trial->prefill * trial->decode));
        xl_csv_text(out, trial->verdict);
        xl_csv_text(out, i % 2 ? "openblas" : "vector");
    }
    xl_csv_end(out);
}

static cJSON *make_params(const struct trial *trial)
{
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "backend", trial->backend);
    cJSON_AddNumberToObject(params, "chunk_size", (double)trial->chunk);
    cJSON_AddNumberToObject(params, "heads_per_band", (double)trial->heads);
    cJSON_AddNumberToObject(params, "workers", (double)trial->workers);
    return params;
}

static void write_line(const struct xl_run_fixture *fixture, size_t i,
                       const struct trial *trial, struct xl_buf *out)
{
    cJSON *line = cJSON_CreateObject();
    cJSON *quality = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "backend", trial->backend);
    xl_json_add_real(line, "workers",
                     fixture->empty_workers ? (double)NAN
                                            : (double)trial->workers);
    cJSON_AddNumberToObject(line, "heads_per_band", (double)trial->heads);
    cJSON_AddNumberToObject(line, "chunk_size", (double)trial->chunk);
    xl_json_add_real(line, "prefill_tok_s", trial->prefill);
    xl_json_add_real(line, "decode_tok_s", trial->decode);
    cJSON_AddNumberToObject(line, "id", (double)(i + 1));
    cJSON_AddStringToObject(line, "status", trial->status);
    cJSON_AddStringToObject(quality, "verdict", trial->verdict);
    cJSON_AddItemToObject(line, "quality", quality);
    xl_json_add_string(line, "reason", trial->reason);
    cJSON_AddItemToObject(line, "params", make_params(trial));
    xl_json_print(line, false, out);
    xl_buf_char(out, '\n');
    cJSON_Delete(line);
}

static void write_samples(size_t i, const struct trial *trial,
                          struct xl_rng *rng, struct xl_buf *out)
{
    for (int phase = 0; phase < 2 && !isnan(trial->decode); phase++) {
        for (int s = 0; s < SAMPLES; s++) {
            double middle = phase ? trial->decode : trial->prefill;
            xl_csv_int(out, (long long)i + 1);
            xl_csv_text(out, phase ? "decode" : "prefill");
            xl_csv_int(out, s);
            xl_csv_real(out, middle * (1 + 0.01 * xl_rng_normal(rng)));
            xl_csv_end(out);
        }
    }
}

static void write_rating(const struct trial *trial, struct xl_buf *out)
{
    char file[120];
    snprintf(file, sizeof file, "b=%s__h=%lld__ck=%lld__w=%lld__i=0.txt",
             trial->backend, trial->heads, trial->chunk, trial->workers);
    xl_csv_text(out, file);
    xl_csv_text(out, trial->backend);
    xl_csv_int(out, trial->heads);
    xl_csv_int(out, trial->chunk);
    xl_csv_int(out, trial->workers);
    xl_csv_real(out, -1.2345);
    xl_csv_real(out, 3.4367);
    xl_csv_int(out, 64);
    xl_csv_real(out, 0.875);
    xl_csv_real(out, 0.952);
    xl_csv_end(out);
}

static cJSON *make_meta(const struct xl_run_fixture *fixture)
{
    const char *prompt =
        fixture->hostile ? fixture->hostile : "It was a bright cold day";
    cJSON *meta = cJSON_CreateObject();
    cJSON_AddBoolToObject(meta, "synthetic", true);
    cJSON_AddStringToObject(meta, "backend", "all");
    xl_json_add_string(meta, "model_path",
                       fixture->hostile ? fixture->hostile : "models/demo");
    xl_json_add_string(meta, "prompt", prompt);
    cJSON_AddNumberToObject(meta, "prompt_tokens", 512);
    cJSON_AddNumberToObject(meta, "new", 64);
    cJSON_AddStringToObject(meta, "mode", "ga");
    cJSON_AddStringToObject(meta, "objective", "balanced");
    cJSON_AddNumberToObject(meta, "trials", (double)fixture->n_trials);
    cJSON_AddNumberToObject(meta, "repeats", SAMPLES);
    cJSON_AddNumberToObject(meta, "seed", 1337);
    cJSON_AddStringToObject(meta, "command_line",
                            "xltune sweep --mode ga --backend all --trials 40");
    cJSON *host = cJSON_AddObjectToObject(meta, "host");
    cJSON_AddStringToObject(host, "cpu", "Example CPU at 2.5 GHz");
    cJSON_AddNumberToObject(host, "cores", 4);
    cJSON *isa = cJSON_AddArrayToObject(host, "isa");
    cJSON_AddItemToArray(isa, cJSON_CreateString("avx2"));
    cJSON_AddItemToArray(isa, cJSON_CreateString("fma"));
    cJSON *build = cJSON_AddObjectToObject(meta, "build");
    cJSON_AddStringToObject(build, "compiler", "gcc 12");
    return meta;
}

static void add_ratio(cJSON *versus, const char *key, double median)
{
    cJSON *ratio = cJSON_AddObjectToObject(versus, key);
    cJSON_AddNumberToObject(ratio, "median", median);
    cJSON_AddNumberToObject(ratio, "lo", median * 0.97);
    cJSON_AddNumberToObject(ratio, "hi", median * 1.03);
    cJSON_AddNumberToObject(ratio, "n", SAMPLES);
}

static void add_speed(cJSON *metrics, const char *key, double speed)
{
    char name[64];
    const double ci[2] = { speed * 0.975, speed * 1.02 };
    cJSON_AddNumberToObject(metrics, key, speed);
    snprintf(name, sizeof name, "%s_ci", key);
    cJSON_AddItemToObject(metrics, name, cJSON_CreateDoubleArray(ci, 2));
}

static cJSON *make_best(const struct trial *best, size_t index,
                        const struct trial *first)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddItemToObject(root, "params", make_params(best));
    cJSON *metrics = cJSON_AddObjectToObject(root, "metrics");
    add_speed(metrics, "prefill_tok_s", best->prefill);
    add_speed(metrics, "decode_tok_s", best->decode);
    cJSON_AddNumberToObject(metrics, "n", SAMPLES);
    cJSON *quality = cJSON_AddObjectToObject(root, "quality");
    cJSON_AddStringToObject(quality, "verdict", "pass");
    cJSON_AddStringToObject(quality, "tier", "exact");
    cJSON *from = cJSON_AddObjectToObject(root, "provenance");
    cJSON_AddNumberToObject(from, "trial", (double)(index + 1));
    cJSON *versus = cJSON_AddObjectToObject(from, "versus");
    cJSON_AddItemToObject(versus, "params", make_params(first));
    cJSON_AddStringToObject(versus, "why", "faster in every round");
    add_ratio(versus, "prefill_ratio", best->prefill / first->prefill);
    add_ratio(versus, "decode_ratio", best->decode / first->decode);
    return root;
}

static enum xl_status save(const char *dir, const char *name,
                           const struct xl_buf *text, struct xl_err *err)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return xl_io_replace(path, text->data, text->len, err);
}

static enum xl_status save_json(const char *dir, const char *name, cJSON *root,
                                struct xl_err *err)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    enum xl_status rc = xl_json_save(path, root, err);
    cJSON_Delete(root);
    return rc;
}

static enum xl_status save_all(const char *dir,
                               const struct xl_run_fixture *fixture,
                               const struct texts *out, struct xl_err *err)
{
    XL_TRY(save(dir, "summary.csv", &out->summary, err));
    if (fixture->bare)
        return XL_OK;
    XL_TRY(save(dir, "trials.jsonl", &out->lines, err));
    XL_TRY(save(dir, "samples.csv", &out->samples, err));
    XL_TRY(save(dir, "ratings.csv", &out->ratings, err));
    return save_json(dir, "run_meta.json", make_meta(fixture), err);
}

enum xl_status xl_run_fixture_write(const char *dir,
                                    const struct xl_run_fixture *fixture,
                                    struct xl_err *err)
{
    struct texts out;
    struct xl_rng rng;
    struct trial first = { 0 }, best = { 0 };
    size_t best_index = 0;
    double top = 0;
    xl_buf_init(&out.summary, 0);
    xl_buf_init(&out.lines, 0);
    xl_buf_init(&out.samples, 0);
    xl_buf_init(&out.ratings, 0);
    xl_rng_seed(&rng, 11);
    write_header(fixture, &out);
    for (size_t i = 0; i < fixture->n_trials; i++) {
        struct trial trial = make_trial(fixture, i, &rng);
        double score = sqrt(trial.prefill * trial.decode);
        first = i ? first : trial;
        if (strcmp(trial.verdict, "pass") == 0 && score > top) {
            top = score;
            best = trial;
            best_index = i;
        }
        write_summary(fixture, i, &trial, &out.summary);
        write_line(fixture, i, &trial, &out.lines);
        write_samples(i, &trial, &rng, &out.samples);
        write_rating(&trial, &out.ratings);
    }
    enum xl_status rc = xl_io_make_dirs(dir, err);
    if (rc == XL_OK)
        rc = save_all(dir, fixture, &out, err);
    if (rc == XL_OK && top > 0 && !fixture->no_best && !fixture->bare)
        rc = save_json(dir, "best.json", make_best(&best, best_index, &first),
                       err);
    xl_buf_release(&out.summary);
    xl_buf_release(&out.lines);
    xl_buf_release(&out.samples);
    xl_buf_release(&out.ratings);
    return rc;
}

/* -- files of a case ------------------------------------------------------ */

void xl_case_read(struct xl_test *t, const char *name, struct xl_buf *out)
{
    char path[512];
    struct xl_err err = { 0 };
    snprintf(path, sizeof path, "%s/%s", t->dir, name);
    xl_buf_init(out, 0);
    XL_CHECK_STATUS(t, xl_io_read(path, out, &err), XL_OK, &err);
}

void xl_case_write(struct xl_test *t, const char *name, const char *bytes,
                   size_t n)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", t->dir, name);
    FILE *file = fopen(path, "wb"); /* xl_io_replace would sync: slow */
    XL_CHECK(t, file && fwrite(bytes, 1, n, file) == n);
    if (file)
        XL_CHECK(t, fclose(file) == 0);
}

void xl_case_text(struct xl_test *t, const char *name, const char *text)
{
    xl_case_write(t, name, text, strlen(text));
}

bool xl_case_has(struct xl_test *t, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", t->dir, name);
    return xl_io_exists(path);
}

void xl_case_run(struct xl_test *t, const struct xl_run_fixture *fixture)
{
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, xl_run_fixture_write(t->dir, fixture, &err), XL_OK,
                    &err);
}

static cJSON *make_phase(struct xl_rng *rng, size_t n, double ratio)
{
    cJSON *phase = cJSON_CreateObject();
    cJSON *sides = cJSON_AddArrayToObject(phase, "sides");
    const double ci[2] = { ratio - 0.005, ratio + 0.005 };
    cJSON_AddNumberToObject(phase, "ratio", ratio);
    cJSON_AddItemToObject(phase, "ci", cJSON_CreateDoubleArray(ci, 2));
    cJSON_AddNumberToObject(phase, "n", (double)(n - n / 5));
    cJSON_AddStringToObject(phase, "verdict",
                            ratio > 1 ? "faster" : "equal within 0.5 %");
    for (int side = 0; side < 2; side++) {
        cJSON *one = cJSON_CreateObject();
        cJSON *samples = cJSON_AddArrayToObject(one, "samples");
        cJSON_AddItemToArray(sides, one);
        for (size_t i = 0; i < n; i++)
            cJSON_AddItemToArray(
                samples, cJSON_CreateNumber(1000 * (side ? 1 : ratio) *
                                            (1 + 0.01 * xl_rng_normal(rng))));
    }
    return phase;
}

void xl_case_duel(struct xl_test *t, size_t n, const char *first)
{
    const char *const names[2] = { first, "defaults" };
    struct xl_rng rng;
    struct xl_buf text;
    cJSON *root = cJSON_CreateObject();
    cJSON *environment = cJSON_AddObjectToObject(root, "environment");
    cJSON *by = cJSON_AddArrayToObject(environment, "disturbed_by");
    cJSON *sides = cJSON_AddArrayToObject(root, "sides");
    xl_rng_seed(&rng, 7);
    cJSON_AddNumberToObject(root, "level", 0.95);
    cJSON_AddBoolToObject(environment, "quiet", true);
    for (size_t i = 0; i < n; i++) {
        cJSON *words = cJSON_CreateArray();
        if (i % 5 == 4)
            cJSON_AddItemToArray(words, cJSON_CreateString("steal"));
        cJSON_AddItemToArray(by, words);
    }
    for (size_t i = 0; i < 2; i++) {
        cJSON *side = cJSON_CreateObject();
        xl_json_add_string(side, "name", names[i]);
        cJSON_AddItemToArray(sides, side);
    }
    cJSON_AddItemToObject(root, "decode", make_phase(&rng, n, 1.03));
    cJSON_AddItemToObject(root, "prefill", make_phase(&rng, n, 1));
    cJSON_AddNumberToObject(root, "prompt_tokens", 512);
    cJSON_AddNumberToObject(root, "new_tokens", 64);
    xl_buf_init(&text, 0);
    xl_json_print(root, true, &text);
    xl_case_write(t, "duel.json", text.data, text.len);
    xl_buf_release(&text);
    cJSON_Delete(root);
}
