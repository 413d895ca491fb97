/* SPDX-License-Identifier: Apache-2.0
 *
 * bench in its three forms: a grid of configurations, a duel of two, and the
 * kernels by themselves (cmd_bench_kernel.c). */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/cmd.h"
#include "kernel/base/json.h"
#include "kernel/base/cmd_print.h"
#include "kernel/base/rng.h"
#include "kernel/run/session.h"
#include "tuner/measure/bench.h"
#include "tuner/measure/bench_duel.h"
#include "tuner/measure/bench_grid.h"
#include "tuner/measure/bench_int.h"
#include "tuner/measure/bench_report.h"
#include "tuner/measure/host.h"
#include "tuner/measure/value_list.h"
#include "tuner/sweep/cmd_overhead.h"

enum {
    MOST_TOKENS = 1 << 24,
    MOST_BATCH = 1024,
    LIVE_PLANS = 8 /* open at a time, and so interleaved */
};

static const char *const formats[] = {
#define XL_BENCH_FORMAT(id, name) name,
#include "tuner/measure/bench_format.def"
#undef XL_BENCH_FORMAT
    NULL
};

static const struct xl_opt rows[XL_BENCH_OPTS] = {
    [XL_BENCH_OPT_PROMPT] = { .name = "p",
                              .kind = XL_OPT_TEXT,
                              .arg = "N[,N...]",
                              .help = "prompt tokens; lists and ranges",
                              .fallback = "512",
                              .alias = "prompt-tokens" },
    [XL_BENCH_OPT_NEW] = { .name = "n",
                           .kind = XL_OPT_TEXT,
                           .arg = "N[,N...]",
                           .help = "new tokens; 0 = prefill alone",
                           .fallback = "64",
                           .alias = "new-tokens" },
    [XL_BENCH_OPT_BATCH] = { .name = "batch",
                             .kind = XL_OPT_TEXT,
                             .arg = "N[,N...]",
                             .help = "sequences that decode at once and share "
                                     "each pass over the weights; their tokens "
                                     "count together",
                             .fallback = "1" },
    [XL_BENCH_OPT_REPEATS] = { .name = "repeats",
                               .kind = XL_OPT_INT,
                               .arg = "R",
                               .help = "undisturbed repetitions wanted; for "
                                       "--vs rounds, left out: 16 to 64 as "
                                       "needed",
                               .fallback = "9",
                               .lo = 1,
                               .hi = 100000 },
    [XL_BENCH_OPT_SEED] = { .name = "seed",
                            .kind = XL_OPT_INT,
                            .arg = "S",
                            .help = "seed of the random prompt",
                            .fallback = "1337" },
    [XL_BENCH_OPT_OUTPUT] = { .name = "o",
                              .kind = XL_OPT_TEXT,
                              .arg = "FORMAT",
                              .help = "format of the results",
                              .words = formats,
                              .fallback = "md",
                              .alias = "output" },
    [XL_BENCH_OPT_VS] = { .name = "vs",
                          .kind = XL_OPT_LIST,
                          .arg = "A [B]",
                          .help = "duel: the configuration in effect against "
                                  "A, or A against B; each a file, a profile "
                                  "name, 'defaults' or name=value,..." },
    [XL_BENCH_OPT_PLOT] = { .name = "plot",
                            .kind = XL_OPT_TEXT,
                            .arg = "DIR",
                            .help = "duel: write duel.json there and draw it; "
                                    "in a run folder it becomes part of the "
                                    "run's report" },
    [XL_BENCH_OPT_STRICT] = { .name = "strict",
                              .kind = XL_OPT_BOOL,
                              .help = "exit 8 when the machine is not quiet, "
                                      "7 when a duel proves nothing" },
    [XL_BENCH_OPT_FLOPS] = { .name = "flops",
                             .kind = XL_OPT_BOOL,
                             .help = "where the time of a token goes, by part "
                                     "of the model",
                             .alias = "where" },
    [XL_BENCH_OPT_SHAPE] = { .name = "shape",
                             .kind = XL_OPT_TEXT,
                             .arg = "AxBxC",
                             .help = "of bench kernel: its sizes" },
};

struct bench {
    struct xl_cmd_ctx *ctx;
    struct xl_session session;
    enum xl_bench_format format;
    size_t n_prompts, n_news, n_batches;
    size_t prompts[XL_VALUE_LIST_MOST], news[XL_VALUE_LIST_MOST];
    size_t batches[XL_VALUE_LIST_MOST];
    int32_t *prompt; /* [longest], random ids */
    double load_s;
    struct xl_bench_grid grid;
    struct xl_bench_result *results; /* [n_cells] */
    struct xl_bench_cell *cells;     /* [n_cells] */
    size_t n_cells, n_done;
    struct plan {
        struct xl_plan *plan;
        struct xl_params params; /* asked for */
        double load_s;
    } plans[LIVE_PLANS];
    size_t n_plans;
    struct xl_fastest fastest;
};

/* -- arguments ------------------------------------------------------------ */

static enum xl_status read_sizes(struct bench *b, size_t option, int64_t lo,
                                 int64_t hi, size_t *n,
                                 size_t out[XL_VALUE_LIST_MOST],
                                 struct xl_err *err)
{
    struct xl_arena arena;
    struct xl_value_list list;
    char flag[16];
    snprintf(flag, sizeof flag, "%s%s", rows[option].name[1] ? "--" : "-",
             rows[option].name);
    xl_arena_init(&arena, 0);
    enum xl_status rc = xl_value_list_parse(
        &list, &arena, flag, xl_opt_text(&b->ctx->opts, XL_GROUP_OWN, option),
        err);
    if (rc == XL_OK)
        rc = xl_value_list_sizes(&list, flag, lo, hi, out, err);
    *n = list.n;
    xl_arena_release(&arena);
    return rc;
}

static enum xl_status make_prompt(struct bench *b, struct xl_err *err)
{
    struct xl_rng rng;
    size_t longest = 0, vocab = xl_model_config(b->session.model)->vocab;
    for (size_t i = 0; i < b->n_prompts; i++)
        longest = b->prompts[i] > longest ? b->prompts[i] : longest;
    b->prompt = xl_alloc_zero(longest, sizeof *b->prompt);
    if (!b->prompt)
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu tokens", longest);
    xl_rng_seed(&rng, (uint64_t)xl_opt_int(&b->ctx->opts, XL_GROUP_OWN,
                                           XL_BENCH_OPT_SEED));
    for (size_t i = 0; i < longest; i++)
        b->prompt[i] = (int32_t)xl_rng_below(&rng, vocab);
    return XL_OK;
}

static enum xl_status prepare(struct bench *b, struct xl_err *err)
{
    uint64_t start = xl_clock_ns();
    size_t word = xl_opt_word(&b->ctx->opts, XL_GROUP_OWN, XL_BENCH_OPT_OUTPUT);
    b->format = b->ctx->json ? XL_BENCH_JSON : (enum xl_bench_format)word;
    XL_TRY(read_sizes(b, XL_BENCH_OPT_PROMPT, 1, MOST_TOKENS, &b->n_prompts,
                      b->prompts, err));
    XL_TRY(read_sizes(b, XL_BENCH_OPT_NEW, 0, MOST_TOKENS, &b->n_news, b->news,
                      err));
    XL_TRY(read_sizes(b, XL_BENCH_OPT_BATCH, 1, MOST_BATCH, &b->n_batches,
                      b->batches, err));
    XL_TRY(xl_bench_grid_init(&b->grid, &b->ctx->opts, err));
    XL_TRY(xl_session_open(&b->session, b->ctx, err));
    b->load_s = (double)(xl_clock_ns() - start) / 1e9;
    return make_prompt(b, err);
}

static void show_progress(void *ctx, size_t done, size_t total)
{
    const struct bench *b = ctx;
    if (b->ctx->quiet || !isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r%zu of %zu repetitions%s", done, total,
            done >= total ? "\n" : "");
}

/* -- a grid --------------------------------------------------------------- */

static void close_plans(struct bench *b)
{
    for (size_t i = 0; i < b->n_plans; i++)
        xl_plan_free(b->plans[i].plan);
    b->n_plans = 0;
}

/* The open plan for these values, or NULL. */
static const struct plan *find_plan(const struct bench *b,
                                    const struct xl_params *params)
{
    for (size_t i = 0; i < b->n_plans; i++)
        if (xl_params_equal(&b->plans[i].params, params))
            return &b->plans[i];
    return NULL;
}

static enum xl_status open_plan(struct bench *b, const struct xl_params *params,
                                struct xl_err *err)
{
    struct plan *p = &b->plans[b->n_plans];
    uint64_t start = xl_clock_ns();
    p->params = *params;
    XL_TRY(xl_plan_make(&p->plan, b->session.model, params, err));
    p->load_s = (double)(xl_clock_ns() - start) / 1e9;
    b->n_plans++;
    return XL_OK;
}

/* Measures the cells gathered since the last call, then closes their plans. */
static enum xl_status measure_block(struct bench *b, struct xl_err *err)
{
    struct xl_bench_job job = {
        .model = b->session.model,
        .cells = b->cells + b->n_done,
        .n_cells = b->n_cells - b->n_done,
        .repeats = (size_t)xl_opt_int(&b->ctx->opts, XL_GROUP_OWN,
                                      XL_BENCH_OPT_REPEATS),
        .progress = show_progress,
        .progress_ctx = b,
    };
    if (job.n_cells)
        XL_TRY(xl_bench_run(&job, b->results + b->n_done, err));
    b->n_done = b->n_cells;
    close_plans(b);
    return XL_OK;
}

/* All numbers of new tokens and sequences for one prompt length and point of
 * the grid. */
static enum xl_status add_cells(struct bench *b, const struct xl_opts *opts,
                                size_t n_prompt, struct xl_err *err)
{
    struct xl_params params;
    XL_TRY(b->ctx->services->resolve(opts, xl_model_config(b->session.model),
                                     n_prompt, &params, err));
    if (!find_plan(b, &params)) {
        if (b->n_plans == LIVE_PLANS)
            XL_TRY(measure_block(b, err));
        XL_TRY(open_plan(b, &params, err));
    }
    const struct plan *p = find_plan(b, &params);
    for (size_t i = 0; i < b->n_news * b->n_batches; i++)
        b->cells[b->n_cells++] = (struct xl_bench_cell){
            .plan = p->plan,
            .workload = { .prompt = b->prompt,
                          .n_prompt = n_prompt,
                          .new_tokens = b->news[i / b->n_batches],
                          .batch = b->batches[i % b->n_batches],
                          .fastest = &b->fastest },
            .load_s = b->load_s + p->load_s,
        };
    return XL_OK;
}

static enum xl_status measure_grid(struct bench *b, struct xl_err *err)
{
    size_t most = b->grid.n * b->n_prompts * b->n_news * b->n_batches;
    if (most > XL_BENCH_GRID_MOST)
        return xl_fail(err, XL_EUSAGE, "the lists span %zu rows, more than %d",
                       most, XL_BENCH_GRID_MOST);
    b->cells = xl_alloc_zero(most + 1, sizeof *b->cells);
    b->results = xl_alloc_zero(most + 1, sizeof *b->results);
    if (!b->cells || !b->results)
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu rows", most);
    for (size_t i = 0; i < b->grid.n; i++)
        for (size_t j = 0; j < b->n_prompts; j++)
            XL_TRY(add_cells(b, xl_bench_grid_point(&b->grid, i), b->prompts[j],
                             err));
    return measure_block(b, err);
}

static enum xl_status print_grid(const struct bench *b, struct xl_err *err)
{
    struct xl_buf out;
    cJSON *host = xl_host_json(), *build = xl_build_json();
    xl_buf_init(&out, 0);
    xl_bench_render(b->format, b->results, b->n_done, host, build, &out);
    cJSON_Delete(host);
    cJSON_Delete(build);
    enum xl_status rc = xl_buf_check(&out, "the results", err);
    if (rc == XL_OK)
        fputs(out.data, stdout);
    xl_buf_release(&out);
    return rc;
}

static enum xl_status run_grid(struct bench *b, struct xl_err *err)
{
    size_t noisy = 0;
    XL_TRY(measure_grid(b, err));
    XL_TRY(print_grid(b, err));
    for (size_t i = 0; i < b->n_done; i++)
        noisy += !xl_samples_are_quiet(&b->results[i].samples);
    if (noisy && xl_opt_bool(&b->ctx->opts, XL_GROUP_OWN, XL_BENCH_OPT_STRICT))
        return xl_fail(err, XL_EUNFIT,
                       "the machine was not quiet: %zu of %zu results had too "
                       "few undisturbed samples",
                       noisy, b->n_done);
    return XL_OK;
}

/* -- a duel --------------------------------------------------------------- */

static enum xl_status open_sides(struct bench *b,
                                 const struct xl_duel_sides *sides,
                                 struct xl_err *err)
{
    struct xl_params base;
    if (b->grid.n_dims || b->n_prompts > 1 || b->n_news > 1 || b->n_batches > 1)
        return xl_fail(err, XL_EUSAGE,
                       "--vs compares two configurations on one workload; "
                       "lists have no place in it");
    XL_TRY(b->ctx->services->resolve(&b->ctx->opts,
                                     xl_model_config(b->session.model),
                                     b->prompts[0], &base, err));
    for (size_t i = 0; i < XL_SIDES; i++) {
        struct xl_params params = base;
        size_t unnamed = XL_SIDES - sides->n; /* the first is then as it is */
        if (i >= unnamed)
            XL_TRY(xl_duel_side_apply(sides->texts[i - unnamed], &params, err));
        XL_TRY(open_plan(b, &params, err));
    }
    return XL_OK;
}

static void print_duel(const struct xl_duel *duel,
                       const char *const names[XL_SIDES])
{
    size_t quiet = xl_samples_quiet(&duel->samples);
    printf("| phase | %s, tok/s | %s, tok/s | ratio | %.1f %% interval | n | "
           "first is |\n| --- | --- | --- | --- | --- | --- | --- |\n",
           names[0], names[1], 100 * duel->level);
    for (size_t i = 0; i < XL_SPEED_COUNT; i++)
        if (duel->ratio[i].n)
            printf("| %s | %.1f | %.1f | %.4f | %.4f to %.4f | %zu | %s |\n",
                   xl_speed_name((enum xl_speed)i), duel->sides[0][i].median,
                   duel->sides[1][i].median, duel->ratio[i].median,
                   duel->ratio[i].lo, duel->ratio[i].hi, duel->ratio[i].n,
                   xl_duel_verdict_name(duel->verdicts[i]));
    printf("\n%zu rounds, %zu disturbed, %zu look%s%s.\n", duel->samples.n,
           duel->samples.n - quiet, duel->looks, duel->looks == 1 ? "" : "s",
           xl_samples_are_quiet(&duel->samples)
               ? ""
               : "; the machine was not quiet, all rounds are used");
}

static cJSON *duel_json(const struct bench *b, const struct xl_duel *duel,
                        const char *const names[XL_SIDES])
{
    cJSON *root = xl_bench_duel_json(duel);
    cJSON *list = cJSON_AddArrayToObject(root, "sides");
    for (size_t i = 0; i < XL_SIDES; i++) {
        cJSON *side = cJSON_CreateObject();
        cJSON_AddItemToArray(list, side);
        xl_json_add_string(side, "name", names[i]);
        cJSON_AddItemToObject(
            side, "config",
            xl_params_to_json(xl_plan_effective(b->plans[i].plan)));
    }
    cJSON_AddNumberToObject(root, "prompt_tokens", (double)b->prompts[0]);
    cJSON_AddNumberToObject(root, "new_tokens", (double)b->news[0]);
    cJSON_AddNumberToObject(root, "batch", (double)b->batches[0]);
    cJSON_AddItemToObject(root, "host", xl_host_json());
    cJSON_AddItemToObject(root, "build", xl_build_json());
    return root;
}

static enum xl_status report_duel(struct bench *b, const struct xl_duel *duel,
                                  const struct xl_duel_sides *sides,
                                  struct xl_err *err)
{
    const char *dir =
        xl_opt_text(&b->ctx->opts, XL_GROUP_OWN, XL_BENCH_OPT_PLOT);
    const char *names[XL_SIDES] = { "in effect", sides->texts[0] };
    if (sides->n == XL_SIDES) {
        names[0] = sides->texts[0];
        names[1] = sides->texts[1];
    }
    cJSON *root = duel_json(b, duel, names);
    enum xl_status rc = dir ? xl_bench_plot(b->ctx, dir, root, err) : XL_OK;
    if (rc == XL_OK &&
        (b->format == XL_BENCH_JSON || b->format == XL_BENCH_NDJSON))
        return xl_print_json(root, err);
    cJSON_Delete(root);
    if (rc == XL_OK)
        print_duel(duel, names);
    return rc;
}

/* The sides of "--vs A,B" and of "--vs A B", whose B is a word of its own. */
static enum xl_status parse_sides(const struct xl_opts *opts,
                                  struct xl_duel_sides *sides,
                                  struct xl_err *err)
{
    const struct xl_opt_value *vs =
        &opts->values[XL_GROUP_OWN][XL_BENCH_OPT_VS];
    const char *both[XL_SIDES] = { 0 };
    if (opts->n_args == 0)
        return xl_duel_sides_parse(sides, vs->texts, vs->n_texts, err);
    if (vs->n_texts + opts->n_args > XL_SIDES)
        return xl_fail(err, XL_EUSAGE, "--vs names more than two sides");
    both[0] = vs->texts[0];
    both[1] = opts->args[0];
    return xl_duel_sides_parse(sides, both, XL_SIDES, err);
}

static enum xl_status run_duel(struct bench *b, struct xl_err *err)
{
    const struct xl_opts *opts = &b->ctx->opts;
    struct xl_duel_sides sides;
    struct xl_duel duel = { 0 };
    enum xl_status rc;
    XL_TRY(parse_sides(opts, &sides, err));
    XL_TRY_DONE(rc, open_sides(b, &sides, err));
    struct xl_bench_duel_job job = {
        .model = b->session.model,
        .plans = { b->plans[0].plan, b->plans[1].plan },
        .workload = { .prompt = b->prompt,
                      .n_prompt = b->prompts[0],
                      .new_tokens = b->news[0],
                      .batch = b->batches[0],
                      .fastest = &b->fastest },
        .progress = show_progress,
        .progress_ctx = b,
    };
    if (xl_opt_given(opts, XL_GROUP_OWN, XL_BENCH_OPT_REPEATS))
        job.rounds =
            (size_t)xl_opt_int(opts, XL_GROUP_OWN, XL_BENCH_OPT_REPEATS);
    XL_TRY_DONE(rc, xl_bench_duel_run(&job, &duel, err));
    XL_TRY_DONE(rc, report_duel(b, &duel, &sides, err));
    rc = xl_bench_duel_status(
        &duel, xl_opt_bool(opts, XL_GROUP_OWN, XL_BENCH_OPT_STRICT), err);
done:
    xl_duel_release(&duel);
    xl_duel_sides_release(&sides);
    return rc;
}

/* -- all ------------------------------------------------------------------ */

static void release(struct bench *b)
{
    for (size_t i = 0; b->results && i < b->n_cells; i++)
        xl_bench_release(&b->results[i]);
    xl_free(b->results);
    xl_free(b->cells);
    close_plans(b);
    xl_bench_grid_release(&b->grid);
    xl_free(b->prompt);
    xl_session_close(&b->session);
}

static enum xl_status run_where(struct bench *b, struct xl_err *err)
{
    if (b->batches[0] > 1)
        return xl_fail(err, XL_EUSAGE,
                       "--flops follows one sequence; leave --batch out");
    XL_TRY(open_sides(b, &(struct xl_duel_sides){ 0 }, err));
    return xl_bench_where(b->ctx, b->session.model, b->plans[0].plan,
                          &(struct xl_trial_load){ .prompt = b->prompt,
                                                   .n_prompt = b->prompts[0],
                                                   .new_tokens = b->news[0],
                                                   .fastest = &b->fastest },
                          err);
}

static enum xl_status run_model(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct bench *b = xl_alloc_zero(1, sizeof *b); /* too large for a stack */
    if (!b)
        return xl_fail(err, XL_ENOMEM, "out of memory for a measurement");
    b->ctx = ctx;
    enum xl_status rc = prepare(b, err);
    if (rc == XL_OK) {
        if (xl_opt_given(&ctx->opts, XL_GROUP_OWN, XL_BENCH_OPT_VS))
            rc = run_duel(b, err);
        else if (xl_opt_bool(&ctx->opts, XL_GROUP_OWN, XL_BENCH_OPT_FLOPS))
            rc = run_where(b, err);
        else
            rc = run_grid(b, err);
    }
    release(b);
    xl_free(b);
    return rc;
}

static enum xl_status run_store(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    int64_t large = 1000000;
    bool is_number =
        ctx->opts.n_args < 2 || xl_parse_int(ctx->opts.args[1], &large);
    if (!is_number || large < 0 || ctx->opts.n_args > 2)
        return xl_fail(err, XL_EUSAGE,
                       "bench store takes the number of trials of a large "
                       "store, 0 for none");
    return xl_cmd_overhead(ctx, (size_t)large, err);
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    bool is_duel = xl_opt_given(&ctx->opts, XL_GROUP_OWN, XL_BENCH_OPT_VS);
    if (ctx->opts.n_args == 0 || is_duel)
        return run_model(ctx, err);
    if (strcmp(ctx->opts.args[0], "kernel") == 0)
        return xl_bench_kernel(ctx, err);
    if (strcmp(ctx->opts.args[0], "store") == 0)
        return run_store(ctx, err);
    return xl_fail(err, XL_EUSAGE,
                   "'%s' is nothing bench measures; it takes options, "
                   "'kernel NAME' or 'store [TRIALS]'",
                   ctx->opts.args[0]);
}

#define XL_MICRO(id, name, shape, what) "\n" name ": " what "."

const struct xl_cmd xl_cmd_bench = {
    .name = "bench",
    .summary = "measures configurations against this machine's limits",
    .usage = "[-p N[,N...]] [-n N[,N...]] [--batch N[,N...]] [--vs A [B]] "
             "[OPTIONS]\n"
             "       xltune bench kernel NAME [--shape AxBxC] [OPTIONS]\n"
             "       xltune bench store [TRIALS] [--json]",
    .example = "xltune bench -p 128,512 -n 64 --chunk-size 32,64 -o md",
    .details =
        "Medians with 95 % intervals over repetitions after a warm-up. A "
        "tunable that is\ngiven a list or a range (32,64 or 8-64+8 or 8-128*2) "
        "is measured at each value;\nall configurations take turns. Each speed "
        "stands beside the limit it runs into,\nmeasured with as many workers "
        "right before and right after each sample. Samples\nthat neighbours "
        "disturbed are kept, counted and repeated.\n\nKernels that bench "
        "measures by themselves, with --shape:"
#include "tuner/measure/micro.def"
        "\n\nbench store measures what trials cost apart from measuring: "
        "searches over the\nstore with trials that take no time, several "
        "processes on one store, and what a\nstore of TRIALS (1000000 when "
        "left out, 0 = none) answers.",
    .rows = rows,
    .n_rows = XL_BENCH_OPTS,
    .takes_model = true,
    .takes_words = true,
    .run = run,
};
#undef XL_MICRO
