/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/stop.h"
#include "tuner/store/export.h"
#include "tuner/store/query.h"
#include "tuner/sweep/cmd_sweep_job.h"
#include "tuner/sweep/cmd_sweep_print.h"
#include "tuner/sweep/cmd_sweep_replay.h"
#include "tuner/sweep/finish.h"
#include "tuner/sweep/insight_file.h"
#include "tuner/sweep/provable.h"
#include "tuner/sweep/rounds.h"

enum {
    CONTENDER = 4 /* times the repetitions of an ordinary configuration */
};

static const int stop_signals[] = { SIGINT, SIGTERM, SIGHUP };

/* -- the sweep ------------------------------------------------------------ */

static void to_params(void *ctx, const uint32_t *point,
                      struct xl_params *params)
{
    xl_param_space_params(ctx, point, params);
}

/* The files of the run hold what there is. */
static enum xl_status stopped(const struct xl_sweep_job *job,
                              struct xl_err *err)
{
    int number = atomic_load(xl_stop_signal());
    char text[200];
    (void)xl_export_run(job->store, job->run_dir, NULL); /* the store has all */
    return xl_fail(err, number == SIGTERM ? XL_ETERMINATED : XL_EINTERRUPTED,
                   "stopped%s; what was measured is kept. Go on with: xltune "
                   "sweep --resume %s",
                   xl_sweep_progress_text(&job->progress, text, sizeof text),
                   job->run_dir);
}

/* A sweep without a winner has not done what it was asked for. */
static enum xl_status end_status(const struct xl_sweep_job *job,
                                 const struct xl_verdicts *v,
                                 struct xl_err *err)
{
    bool strict = xl_opt_bool(job->setup.opts, XL_GROUP_OWN, XL_SWEEP_STRICT);
    if (v->n_ok + v->n_refused + v->n_failed == 0 && v->is_cut)
        return xl_fail(err, XL_ETIMEOUT,
                       "the time was up before a configuration was measured; "
                       "go on with: xltune sweep --resume %s",
                       job->run_dir);
    if (v->n_ok == 0 && v->n_refused == 0)
        return xl_fail(err, XL_EFAILED,
                       "no configuration could be measured; "
                       "'xltune runs show %s' lists the reasons",
                       job->run_dir);
    if (!v->winner && v->is_cut)
        return xl_fail(err, XL_EUNPROVED, "%s", v->why);
    if (!v->winner)
        return xl_fail(err, XL_EUNPROVED,
                       "%s; 'xltune judge --run %s' says "
                       "why",
                       v->why, job->run_dir);
    if (strict && !v->proved)
        return xl_fail(err, XL_EUNPROVED, "%s%s",
                       strncmp(v->why, "not proved", 10) ? "not proved: " : "",
                       v->why);
    return XL_OK;
}

/* run_meta.json with the machine's grades and why it ended; NULL = not yet. */
static enum xl_status note_grades(struct xl_sweep_job *job,
                                  const struct xl_machine_grade *end,
                                  const char *why, struct xl_err *err)
{
    cJSON *machine = cJSON_CreateObject();
    cJSON_AddItemToObject(machine, "start", xl_machine_grade_json(&job->grade));
    if (end)
        cJSON_AddItemToObject(machine, "end", xl_machine_grade_json(end));
    cJSON_DeleteItemFromObjectCaseSensitive(job->meta, "machine");
    cJSON_AddItemToObject(job->meta, "machine", machine);
    cJSON_DeleteItemFromObjectCaseSensitive(job->meta, "end");
    if (why)
        cJSON_AddStringToObject(job->meta, "end", why);
    return xl_sweep_job_save(job, err);
}

static enum xl_status grade_machine(struct xl_sweep_job *job,
                                    const struct xl_sweep *sweep,
                                    const struct xl_params *base,
                                    struct xl_err *err)
{
    char text[80];
    struct xl_grading grading = {
        .name = XL_ROUNDS_GRADE_START,
        .params = base,
        .rounds = (size_t)xl_setup_int(&job->setup, XL_SWEEP_GRADE),
        .learn = true,
    };
    XL_TRY(xl_rounds_grade(sweep, &grading, &job->grade, err));
    xl_sweep_progress_clear(&job->progress);
    if (!job->ctx->quiet && grading.rounds)
        fprintf(stderr, "machine  %s\n",
                xl_machine_grade_text(&job->grade, text, sizeof text));
    return note_grades(job, NULL, NULL, err);
}

/* What the words ask for. */
static struct xl_ration_facts ration_facts(const struct xl_sweep_job *job)
{
    const struct xl_setup *setup = &job->setup;
    const struct xl_pace *pace = &job->pace;
    size_t repeats = (size_t)xl_setup_int(setup, XL_SWEEP_REPEATS);
    size_t most = (size_t)xl_setup_int(setup, XL_SWEEP_MAX_REPEATS);
    bool is_fixed = xl_opt_bool(setup->opts, XL_GROUP_OWN, XL_SWEEP_NO_RACE);
    return (struct xl_ration_facts){
        .budget_s =
            pace->end_ns ? (double)(pace->end_ns - pace->start_ns) / 1e9 : 0.0,
        .trials = (size_t)xl_strategy_budget(setup->strategy),
        .whole = { setup->prompt.n, (size_t)xl_setup_int(setup, XL_SWEEP_NEW) },
        .repeats = repeats,
        .most = is_fixed ? 0
                : most   ? most
                         : CONTENDER * repeats,
        .judge_tokens = (size_t)xl_setup_int(setup, XL_SWEEP_JUDGE_TOKENS),
        .is_fixed = is_fixed ||
                    xl_opt_given(setup->opts, XL_GROUP_OWN, XL_SWEEP_REPEATS),
    };
}

static void say_ration(const struct xl_ration *ration,
                       const struct xl_ration_facts *facts)
{
    const struct xl_load *part = &ration->load, *all = &facts->whole;
    if (part->prompt_tokens)
        fprintf(stderr,
                "ration   the search measures %zu of %zu tokens of prompt and "
                "%zu of %zu new, %zu times; the duel all of them; the judge "
                "reads %zu\n",
                part->prompt_tokens, all->prompt_tokens, part->new_tokens,
                all->new_tokens, ration->repeats, ration->judge_tokens);
}

/* What a trial and the judge need at least. */
static enum xl_status sound(const struct xl_sweep_job *job,
                            const struct xl_params *base,
                            struct xl_ration_facts *facts, struct xl_err *err)
{
    const struct xl_runner runner = xl_evaluator_runner(job->evaluator);
    XL_TRY(xl_sweep_provable_least(&job->setup, &facts->judge_least, err));
    XL_TRY(xl_ration_sound(&runner, base, facts, err));
    return atomic_load(xl_stop_signal()) ? XL_EINTERRUPTED : XL_OK;
}

/* Was the search under way? It measures what its first trials measured. */
static enum xl_status has_trials(const struct xl_sweep_job *job, bool *yes,
                                 struct xl_err *err)
{
    size_t counts[XL_TRIAL_STATE_COUNT];
    *yes = false;
    XL_TRY(xl_query_counts(job->store, counts, err));
    for (size_t i = 0; i < XL_TRIAL_STATE_COUNT; i++)
        *yes = *yes || counts[i] > 0;
    return XL_OK;
}

/* What the search spends on one configuration: as the run began, or chosen now
 * when it was killed before that was written. */
static enum xl_status set_ration(struct xl_sweep_job *job,
                                 const struct xl_params *base,
                                 struct xl_err *err)
{
    struct xl_ration *ration = &job->ration;
    struct xl_ration_facts facts = ration_facts(job);
    const cJSON *noted = xl_json_member(job->meta, "ration");
    bool is_set = noted != NULL;
    if (!is_set)
        XL_TRY(has_trials(job, &is_set, err));
    if (facts.budget_s > 0 && !is_set)
        XL_TRY(sound(job, base, &facts, err));
    xl_sweep_progress_clear(&job->progress);
    xl_ration_choose(ration, &facts);
    xl_ration_read(ration, noted);
    job->pace.whole = ration->whole;
    xl_evaluator_set_judge_tokens(job->evaluator, ration->judge_tokens);
    if (!job->ctx->quiet)
        say_ration(ration, &facts);
    if (is_set)
        return XL_OK;
    cJSON_AddItemToObject(job->meta, "ration", xl_ration_json(ration));
    return xl_sweep_job_save(job, err);
}

/* Writes what the search has learnt and says it. */
static enum xl_status tell_insight(const struct xl_sweep_job *job,
                                   struct xl_err *err)
{
    struct xl_insight_source source = {
        .run_dir = job->run_dir,
        .store = job->store,
        .space = job->setup.space,
        .objective = job->setup.objective,
        .seed = (uint64_t)xl_setup_int(&job->setup, XL_SWEEP_SEED),
    };
    struct xl_buf words;
    xl_buf_init(&words, 0);
    enum xl_status rc = xl_insight_file(&source, &words, err);
    if (rc == XL_OK && !job->ctx->json && words.len)
        xl_sweep_print_wrapped(words.data);
    xl_buf_release(&words);
    return rc;
}

static struct xl_sweep make_sweep(struct xl_sweep_job *job,
                                  const struct xl_params *base,
                                  struct xl_race *race)
{
    /* Memory is what all plans hold, so the anchor's may not be among them. */
    bool has_anchor =
        !xl_objective_reads(job->setup.objective, XL_METRIC_MEMORY);
    return (struct xl_sweep){
        .store = job->store,
        .strategy = job->setup.strategy,
        .runner = xl_evaluator_runner(job->evaluator),
        .config = xl_model_config(job->setup.session.model),
        .objective = job->setup.objective,
        .race = race,
        .anchor = has_anchor ? base : NULL,
        .anchor_every = (size_t)xl_setup_int(&job->setup, XL_SWEEP_ANCHOR),
        .load = job->ration.load,
        .pace = &job->pace,
        .patience =
            (size_t)xl_opt_int(xl_sweep_job_words(job, XL_SWEEP_PATIENCE),
                               XL_GROUP_OWN, XL_SWEEP_PATIENCE),
        .heard = job->heard,
        .stop = xl_stop_signal(),
        .to_params = to_params,
        .params_ctx = job->setup.space,
        .news = xl_sweep_progress_news,
        .news_ctx = &job->progress,
        .step = { xl_sweep_progress_step, &job->progress },
    };
}

static struct xl_finish make_finish(struct xl_sweep_job *job,
                                    const struct xl_sweep *sweep,
                                    const struct xl_params *base)
{
    return (struct xl_finish){
        .sweep = sweep,
        .run_dir = job->run_dir,
        .base = base,
        .space = job->setup.space,
        .key = &job->key,
        .publish = true,
        .is_modest =
            xl_opt_bool(job->setup.opts, XL_GROUP_MODEL, XL_MODEL_NO_BEST),
        .rounds = (size_t)xl_setup_int(&job->setup, XL_SWEEP_ROUNDS),
        .grade = &job->grade,
        .grade_rounds = (size_t)xl_setup_int(&job->setup, XL_SWEEP_GRADE),
        .prompt_tokens = job->setup.prompt.n,
        .new_tokens = (size_t)xl_setup_int(&job->setup, XL_SWEEP_NEW),
        .talk = xl_sweep_progress_talk,
        .talk_ctx = &job->progress,
    };
}

static enum xl_status report(struct xl_sweep_job *job,
                             const struct xl_verdicts *verdicts,
                             const char *end, struct xl_err *err)
{
    struct xl_sweep_report report = { .run_dir = job->run_dir,
                                      .space = job->setup.space,
                                      .store = job->store,
                                      .verdicts = verdicts,
                                      .end = end,
                                      .grade = &job->grade };
    XL_TRY(note_grades(job, &verdicts->grade, end, err));
    XL_TRY(job->ctx->json ? xl_sweep_print_json(&report, err)
                          : xl_sweep_print(&report, err));
    XL_TRY(tell_insight(job, err));
    return end_status(job, verdicts, err);
}

static enum xl_status search(struct xl_sweep_job *job, struct xl_sweep *sweep,
                             enum xl_sweep_end *end, struct xl_err *err)
{
    if (job->grade.letter != '-')
        sweep->resolvable = job->grade.resolvable;
    xl_sweep_progress_start(&job->progress); /* trials a minute from here on */
    enum xl_status rc = xl_sweep_search(sweep, end, err);
    xl_sweep_progress_clear(&job->progress);
    return rc == XL_OK && *end == XL_END_STOPPED ? XL_EINTERRUPTED : rc;
}

static enum xl_status run_job(struct xl_sweep_job *job, struct xl_err *err)
{
    struct xl_params base = job->setup.base;
    struct xl_verdicts verdicts;
    enum xl_sweep_end end = XL_END_BUDGET;
    struct xl_race race;
    char why[80];
    job->progress = (struct xl_sweep_progress){
        .space = job->setup.space,
        .unit = xl_objective_unit(job->setup.objective),
        .quiet = job->ctx->quiet,
        .deadline_ns = job->pace.end_ns,
    };
    xl_sweep_progress_start(&job->progress);
    xl_sweep_progress_step(&job->progress, "plan of the defaults", 0, 1);
    job->heard = cJSON_CreateObject();
    xl_plan_canonical(xl_model_config(job->setup.session.model), &base);
    enum xl_status rc = set_ration(job, &base, err);
    struct xl_sweep sweep = make_sweep(job, &base, &race);
    struct xl_finish finish = make_finish(job, &sweep, &base);
    xl_race_init(&race,
                 &(struct xl_race_rules){ .objective = job->setup.objective,
                                          .repeats = job->ration.repeats,
                                          .most = job->ration.most });
    if (rc == XL_OK)
        rc = grade_machine(job, &sweep, &base, err);
    if (rc == XL_OK)
        rc = search(job, &sweep, &end, err);
    if (rc == XL_OK)
        rc = xl_finish_run(&finish, &verdicts, err);
    xl_sweep_progress_clear(&job->progress);
    if (rc == XL_EINTERRUPTED)
        return stopped(job, err);
    XL_TRY(rc);
    xl_sweep_end_text(end, sweep.patience, why, sizeof why);
    return report(job, &verdicts, why, err);
}

/* insight.json of a run that is there, anew. */
static enum xl_status run_insight(struct xl_cmd_ctx *ctx, const char *run,
                                  struct xl_err *err)
{
    struct xl_sweep_job job = { .ctx = ctx, .lock = -1 };
    struct xl_buf text;
    xl_buf_init(&text, 0);
    enum xl_status rc = xl_sweep_job_recall(&job, run, err);
    if (rc == XL_OK)
        rc = xl_sweep_job_store(&job, err);
    if (rc == XL_OK)
        rc = tell_insight(&job, err);
    char *path = rc == XL_OK && ctx->json
                     ? xl_io_join(job.run_dir, XL_INSIGHT_FILE)
                     : NULL;
    if (path && (rc = xl_io_read(path, &text, err)) == XL_OK)
        fputs(text.data, stdout);
    xl_free(path);
    xl_buf_release(&text);
    xl_sweep_job_close(&job);
    return rc;
}

/* The earlier runs that the search begins from. */
static void say_warm(const struct xl_sweep_job *job)
{
    const cJSON *list = job->setup.warm;
    for (const cJSON *n = list ? list->child : NULL; n; n = n->next) {
        const char *run = "", *differs = "", *fault = NULL;
        int64_t hints = 0;
        xl_json_get_text(n, "run", &run, NULL);
        xl_json_get_text(n, "differs", &differs, NULL);
        xl_json_get_int(n, "hints", 0, INT64_MAX, &hints, NULL);
        if (xl_json_get_text(n, "fault", &fault, NULL) == XL_OK)
            fprintf(stderr, "warm     passed over %s: %s\n", run, fault);
        else
            fprintf(stderr, "warm     %lld hints of %s%s%s\n", (long long)hints,
                    run, *differs ? "; " : "", differs);
    }
}

static enum xl_status run_sweep(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct xl_sweep_job job = { .ctx = ctx,
                                .lock = -1,
                                .pace.start_ns = xl_clock_ns() };
    xl_stop_catch(stop_signals, sizeof stop_signals / sizeof *stop_signals);
    enum xl_status rc = xl_sweep_job_open(&job, err);
    if (rc == XL_OK) {
        if (!ctx->quiet)
            fprintf(stderr,
                    "run %s: prompt of %zu tokens, %lld new, up to "
                    "%llu configurations\n",
                    job.run_dir, job.setup.prompt.n,
                    (long long)xl_setup_int(&job.setup, XL_SWEEP_NEW),
                    (unsigned long long)xl_strategy_budget(job.setup.strategy));
        if (!ctx->quiet)
            say_warm(&job);
        rc = run_job(&job, err);
    }
    xl_sweep_job_close(&job);
    return rc;
}

static enum xl_status dry_run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct xl_setup setup;
    struct xl_buf out;
    xl_buf_init(&out, 0);
    enum xl_status rc = xl_setup_make(&setup, ctx, &ctx->opts, NULL, err);
    if (rc == XL_OK && ctx->json) {
        cJSON *json = xl_param_space_json(setup.space);
        xl_json_print(json, false, &out);
        xl_buf_char(&out, '\n');
        cJSON_Delete(json);
    } else if (rc == XL_OK) {
        xl_param_space_print(setup.space, &out);
    }
    if (rc == XL_OK)
        rc = xl_buf_check(&out, "the space", err);
    if (rc == XL_OK)
        fputs(out.data, stdout);
    xl_buf_release(&out);
    xl_setup_release(&setup);
    return rc;
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    if (xl_cmd_sweep_replays(ctx))
        return xl_cmd_sweep_replay(ctx, err);
    const char *seen = xl_opt_text(&ctx->opts, XL_GROUP_OWN, XL_SWEEP_INSIGHT);
    if (seen)
        return run_insight(ctx, seen, err);
    if (xl_opt_bool(&ctx->opts, XL_GROUP_OWN, XL_SWEEP_DRY_RUN))
        return dry_run(ctx, err);
    return run_sweep(ctx, err);
}

const struct xl_cmd xl_cmd_sweep = {
    .name = "sweep",
    .summary = "searches for the fastest configuration that is harmless",
    .usage = "[--mode NAME] [--backend NAME|all] [OPTIONS]",
    .example = "xltune sweep --backend all --prompt-file prompt.txt",
    .details =
        "Measures configurations on one prompt, keeps every sample in the run\n"
        "folder, judges what each configuration writes, and lets the best "
        "meet\n"
        "the defaults in a duel. The winner is applied by later runs. Ctrl-C\n"
        "keeps what was measured and says how to go on.",
    .rows = xl_sweep_rows,
    .n_rows = XL_SWEEP_OPTS,
    .takes_model = true,
    .run = run,
};
