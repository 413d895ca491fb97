/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/cmd.h"
#include "kernel/base/json.h"
#include "kernel/base/rng.h"
#include "kernel/run/session.h"
#include "tuner/measure/bench.h"
#include "tuner/measure/host.h"

enum {
    OPT_PROMPT,
    OPT_NEW,
    OPT_REPEATS,
    OPT_SEED,
    OPT_COUNT
};
enum {
    MOST_SIZES = 16,
    MOST_TOKENS = 1 << 24
};

static const struct xl_opt rows[OPT_COUNT] = {
    [OPT_PROMPT] = { .name = "p",
                     .kind = XL_OPT_TEXT,
                     .arg = "N[,N...]",
                     .help = "prompt tokens",
                     .fallback = "512",
                     .alias = "prompt-tokens" },
    [OPT_NEW] = { .name = "n",
                  .kind = XL_OPT_TEXT,
                  .arg = "N[,N...]",
                  .help = "new tokens; 0 = prefill alone",
                  .fallback = "64",
                  .alias = "new-tokens" },
    [OPT_REPEATS] = { .name = "repeats",
                      .kind = XL_OPT_INT,
                      .arg = "R",
                      .help = "repetitions after the warm-up",
                      .fallback = "9",
                      .lo = 1,
                      .hi = 100000 },
    [OPT_SEED] = { .name = "seed",
                   .kind = XL_OPT_INT,
                   .arg = "S",
                   .help = "seed of the random prompt",
                   .fallback = "1337" },
};

struct sizes {
    size_t n;
    size_t items[MOST_SIZES];
};

static enum xl_status parse_sizes(const char *text, const char *flag, size_t lo,
                                  struct sizes *out, struct xl_err *err)
{
    const char *at = text;
    out->n = 0;
    for (;;) {
        char *end;
        unsigned long x = strtoul(at, &end, 10);
        bool ok = end != at && at[0] >= '0' && at[0] <= '9' && x >= lo &&
                  x <= MOST_TOKENS && (*end == '\0' || *end == ',');
        if (!ok || out->n == MOST_SIZES)
            return xl_fail(err, XL_EUSAGE,
                           "'-%s %s' is not a list of up to %d "
                           "sizes from %zu to %d",
                           flag, text, MOST_SIZES, lo, MOST_TOKENS);
        out->items[out->n++] = x;
        if (*end == '\0')
            return XL_OK;
        at = end + 1;
    }
}

/* -- printing ------------------------------------------------------------- */

static void add_phase(cJSON *to, const char *name,
                      const struct xl_bench_phase *phase)
{
    cJSON *o = cJSON_AddObjectToObject(to, name);
    xl_json_add_real(o, "tok_s", phase->tok_s.median);
    cJSON *ci = cJSON_AddArrayToObject(o, "ci");
    double ends[] = { phase->tok_s.lo, phase->tok_s.hi };
    for (size_t i = 0; i < 2; i++)
        cJSON_AddItemToArray(ci, isfinite(ends[i]) ? cJSON_CreateNumber(ends[i])
                                                   : cJSON_CreateNull());
    cJSON *samples = cJSON_AddArrayToObject(o, "samples");
    for (size_t i = 0; i < phase->n && phase->tok_s.n; i++)
        cJSON_AddItemToArray(samples, cJSON_CreateNumber(phase->samples[i]));
    xl_json_add_real(o, "fraction_of_limit", phase->fraction_of_limit);
}

static cJSON *result_json(const struct xl_bench_result *r)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToObject(o, "config", xl_params_to_json(&r->effective));
    cJSON_AddNumberToObject(o, "prompt_tokens", (double)r->prompt_tokens);
    cJSON_AddNumberToObject(o, "new_tokens", (double)r->new_tokens);
    add_phase(o, "prefill", &r->prefill);
    add_phase(o, "decode", &r->decode);
    cJSON *limits = cJSON_AddObjectToObject(o, "limits");
    xl_json_add_real(limits, "read_gb_s", r->limits.read_gb_s);
    xl_json_add_real(limits, "fma_gflops", r->limits.fma_gflops);
    cJSON_AddNullToObject(limits, "tile_bf16_gflops");
    xl_json_add_real(o, "load_s", r->load_s);
    xl_json_add_real(o, "peak_rss_mb", r->peak_rss_mb);
    return o;
}

static void print_phase(const char *name, size_t tokens,
                        const struct xl_bench_phase *p, const char *limit)
{
    if (p->tok_s.n == 0)
        return;
    printf("%-8s %6zu tokens  %10.1f tok/s  [%.1f, %.1f] n=%zu  %5.1f %% of "
           "%s\n",
           name, tokens, p->tok_s.median, p->tok_s.lo, p->tok_s.hi, p->tok_s.n,
           100.0 * p->fraction_of_limit, limit);
}

static void print_result(const struct xl_bench_result *r)
{
    print_phase("prefill", r->prompt_tokens, &r->prefill, "fp32 FMA peak");
    print_phase("decode", r->new_tokens, &r->decode, "read bandwidth");
    printf("limits   %.1f GB/s read, %.1f GFLOP/s fp32 FMA; load %.3f s; peak "
           "%.0f MiB\n",
           r->limits.read_gb_s, r->limits.fma_gflops, r->load_s,
           r->peak_rss_mb);
}

/* -- running -------------------------------------------------------------- */

struct bench {
    struct xl_cmd_ctx *ctx;
    struct xl_session session;
    struct sizes prompts, news;
    int32_t *prompt; /* [longest], random ids */
    cJSON *results;
    double load_s;
};

static enum xl_status make_prompt(struct bench *b, struct xl_err *err)
{
    struct xl_rng rng;
    size_t longest = 0, vocab = xl_model_config(b->session.model)->vocab;
    for (size_t i = 0; i < b->prompts.n; i++)
        if (b->prompts.items[i] > longest)
            longest = b->prompts.items[i];
    b->prompt = xl_alloc_zero(longest, sizeof *b->prompt);
    if (!b->prompt)
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu tokens", longest);
    xl_rng_seed(&rng,
                (uint64_t)xl_opt_int(&b->ctx->opts, XL_GROUP_OWN, OPT_SEED));
    for (size_t i = 0; i < longest; i++)
        b->prompt[i] = (int32_t)xl_rng_below(&rng, vocab);
    return XL_OK;
}

static enum xl_status bench_one(struct bench *b, size_t n_prompt,
                                size_t new_tokens, struct xl_err *err)
{
    struct xl_bench_result result;
    uint64_t start = xl_clock_ns();
    XL_TRY(xl_session_plan(&b->session, b->ctx, n_prompt, err));
    double plan_s = (double)(xl_clock_ns() - start) / 1e9;
    struct xl_bench_job job = {
        .plan = b->session.plan,
        .model = b->session.model,
        .workload = { .prompt = b->prompt,
                      .n_prompt = n_prompt,
                      .new_tokens = new_tokens },
        .repeats = (size_t)xl_opt_int(&b->ctx->opts, XL_GROUP_OWN, OPT_REPEATS),
        .load_s = b->load_s + plan_s,
    };
    XL_TRY(xl_bench_run(&job, &result, err));
    if (b->ctx->json)
        cJSON_AddItemToArray(b->results, result_json(&result));
    else
        print_result(&result);
    xl_bench_release(&result);
    return XL_OK;
}

static enum xl_status bench_all(struct bench *b, struct xl_err *err)
{
    for (size_t i = 0; i < b->prompts.n; i++)
        for (size_t j = 0; j < b->news.n; j++)
            XL_TRY(bench_one(b, b->prompts.items[i], b->news.items[j], err));
    return XL_OK;
}

static enum xl_status print_json(cJSON *results, struct xl_err *err)
{
    struct xl_buf out;
    cJSON *root = cJSON_CreateObject();
    cJSON_AddItemToObject(root, "results", results);
    cJSON_AddItemToObject(root, "host", xl_host_json());
    cJSON_AddItemToObject(root, "build", xl_build_json());
    xl_buf_init(&out, 0);
    xl_json_print(root, false, &out);
    cJSON_Delete(root);
    enum xl_status rc = xl_buf_check(&out, "the results", err);
    if (rc == XL_OK)
        printf("%s\n", out.data);
    xl_buf_release(&out);
    return rc;
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct bench b = { .ctx = ctx, .results = cJSON_CreateArray() };
    uint64_t start = xl_clock_ns();
    enum xl_status rc;
    XL_TRY_DONE(rc,
                parse_sizes(xl_opt_text(&ctx->opts, XL_GROUP_OWN, OPT_PROMPT),
                            "p", 1, &b.prompts, err));
    XL_TRY_DONE(rc, parse_sizes(xl_opt_text(&ctx->opts, XL_GROUP_OWN, OPT_NEW),
                                "n", 0, &b.news, err));
    XL_TRY_DONE(rc, xl_session_open(&b.session, ctx, err));
    b.load_s = (double)(xl_clock_ns() - start) / 1e9;
    XL_TRY_DONE(rc, make_prompt(&b, err));
    XL_TRY_DONE(rc, bench_all(&b, err));
    if (ctx->json) {
        rc = print_json(b.results, err);
        b.results = NULL;
    }
done:
    cJSON_Delete(b.results);
    xl_free(b.prompt);
    xl_session_close(&b.session);
    return rc;
}

const struct xl_cmd xl_cmd_bench = {
    .name = "bench",
    .summary = "measures one configuration against this machine's limits",
    .usage = "[-p N[,N...]] [-n N[,N...]] [OPTIONS]",
    .example = "xltune bench -p 512 -n 64 --chunk-size 48 --json",
    .details = "Medians with 95 % intervals over repetitions after a warm-up. "
               "The limits are\nmeasured right before and after with the same "
               "number of workers.",
    .rows = rows,
    .n_rows = OPT_COUNT,
    .takes_model = true,
    .run = run,
};
