/* SPDX-License-Identifier: Apache-2.0
 *
 * judge rubric: a language model's opinion of a run's outputs. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "judge/asker.h"
#include "judge/cmd_judge_int.h"
#include "judge/http_client.h"
#include "judge/rubric_run.h"
#include "judge/veto.h"
#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/cmd_print.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/stop.h"
#include "kernel/run/session.h"

enum {
    BACKOFF_MS = 500
};

static const int stop_signals[] = { SIGINT, SIGTERM };

/* -- talk ------------------------------------------------------------------ */

static void show_progress(void *ctx, size_t done, size_t total)
{
    const uint64_t *start_ns = ctx;
    double s = (double)(xl_clock_ns() - *start_ns) * 1e-9;
    fprintf(stderr, "\rquestion %zu of %zu", done + 1, total);
    if (done)
        fprintf(stderr, ", %.0f s left   ",
                s / (double)done * (double)(total - done));
}

static void warn_abroad(const struct xl_cmd_ctx *ctx, const char *api)
{
    char text[400];
    if (xl_http_is_loopback(api) || !ctx->services->warn)
        return;
    snprintf(text, sizeof text,
             "'%.200s' is not this machine: prompts and outputs are sent "
             "there, unencrypted",
             api);
    ctx->services->warn(NULL, text);
}

static void print_ratings(const struct xl_rubric_judged *judged)
{
    printf("%-44s %5s", "file", "group");
    for (size_t k = 0; k < XL_RUBRIC_COUNT; k++)
        printf(" %9s", xl_rubric_name((enum xl_rubric)k));
    printf(" %-7s %-12s %-12s\n", "opinion", "verdict", "final");
    for (size_t i = 0; i < judged->n; i++) {
        const struct xl_rubric_rating *r = &judged->ratings[i];
        bool is_veto = r->opinion == XL_OPINION_VETO;
        printf("%-44s %5zu", r->output->output->file, r->output->group);
        for (size_t k = 0; k < XL_RUBRIC_COUNT; k++)
            if (r->has_marks)
                printf(" %9lld", (long long)r->marks.score[k]);
            else
                printf(" %9s", "-");
        printf(" %-7s %-12s %s\n", xl_opinion_name(r->opinion),
               r->has_verdict ? xl_verdict_name(r->verdict) : "-",
               r->has_verdict || is_veto ? xl_verdict_name(r->final) : "-");
        if (r->has_marks)
            printf("    %s\n", r->marks.reason[XL_RUBRIC_OVERALL]);
        if (r->opinion != XL_OPINION_UNUSED)
            printf("    %s\n", r->reason);
    }
}

static void print_session(const struct xl_rubric_judged *judged,
                          const struct xl_veto *veto,
                          const struct xl_asker *asker)
{
    for (size_t i = 0; i < judged->n_controls; i++) {
        const struct xl_rubric_control *c = &judged->controls[i];
        if (!c->is_right)
            printf("control '%s' of passage %zu: must be %s, is %s\n", c->name,
                   c->passage, c->must, c->did);
    }
    printf("the judge '%s' is %s: %s\n", asker->model,
           judged->is_trusted ? "trusted" : "NOT trusted", judged->trust);
    if (judged->winner && judged->winner->opinion == XL_OPINION_VETO)
        printf("the winner is vetoed and no profile any more: it is in "
               "best.vetoed.json, best.json %s%s\n",
               veto->has_incumbent ? "holds what it had beaten" : "is gone",
               veto->is_withdrawn ? ", this machine's profile likewise" : "");
    printf("%zu questions, %zu requests sent, %zu replies found from before\n",
           asker->questions, asker->sent, asker->found);
}

static enum xl_status print_json(const struct xl_rubric_judged *judged,
                                 const char *run_dir, struct xl_err *err)
{
    cJSON *root = cJSON_CreateObject();
    xl_json_add_string(root, "run", run_dir);
    cJSON_AddItemToObject(root, "session", xl_rubric_session_json(judged));
    cJSON *list = cJSON_AddArrayToObject(root, "ratings");
    for (size_t i = 0; i < judged->n; i++)
        cJSON_AddItemToArray(list, xl_rubric_rating_json(judged, i));
    return xl_print_json_line(root, err);
}

/* -- the session ----------------------------------------------------------- */

static enum xl_status check(const struct xl_judge_rubric *told,
                            struct xl_err *err)
{
    const char *wrong = xl_http_refuses(told->api);
    if (!told->run)
        return xl_fail(err, XL_EUSAGE, "name the run folder with --run");
    if (!told->model)
        return xl_fail(err, XL_EUSAGE,
                       "name the model that judges with --judge-model; "
                       "'ollama list' shows what a server has");
    if (wrong)
        return xl_fail(err, XL_EUSAGE, "--api '%s': %s", told->api, wrong);
    if (told->seed < 0 || told->seed > INT32_MAX)
        return xl_fail(err, XL_EUSAGE, "--seed must be from 0 to %d",
                       INT32_MAX);
    return XL_OK;
}

static enum xl_status open_log(const char *run_dir, struct xl_reply_log **log,
                               struct xl_err *err)
{
    char *path = xl_io_join(run_dir, "rubric/replies.jsonl");
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    enum xl_status rc = xl_reply_log_open(log, path, err);
    xl_free(path);
    return rc;
}

/* A stop by a signal has an exit code of its own, and leaves all answers. */
static enum xl_status say_kept(enum xl_status rc, struct xl_err *err)
{
    if (rc != XL_EINTERRUPTED)
        return rc;
    if (atomic_load(xl_stop_signal()) == SIGTERM)
        rc = XL_ETERMINATED;
    return xl_fail(err, rc,
                   "interrupted; the answers so far are kept, the same "
                   "command goes on");
}

static enum xl_status report(const struct xl_cmd_ctx *ctx,
                             const struct xl_judge_rubric *told,
                             const struct xl_rubric_judged *judged,
                             const struct xl_veto *veto,
                             const struct xl_asker *asker, struct xl_err *err)
{
    if (ctx->json) {
        XL_TRY(print_json(judged, told->run, err));
    } else {
        print_ratings(judged);
        print_session(judged, veto, asker);
    }
    if (!judged->is_trusted)
        return xl_fail(err, XL_EUNPROVED,
                       "the judge '%s' is not trusted, its opinions are not "
                       "used: %s",
                       asker->model, judged->trust);
    if (told->is_strict && judged->n_vetoed)
        return xl_fail(err, XL_EMISMATCH,
                       "the judge '%s' vetoes %zu of %zu outputs", asker->model,
                       judged->n_vetoed, judged->n);
    return XL_OK;
}

static struct xl_rubric_texts_options
which_texts(const struct xl_cmd_ctx *ctx, const struct xl_judge_rubric *told)
{
    return (struct xl_rubric_texts_options){
        .run_dir = told->run,
        .model_dir = xl_opt_text(&ctx->opts, XL_GROUP_MODEL, XL_MODEL_DIR),
        .prompts = told->prompts,
        .passages = told->passages,
    };
}

static void clear_line(bool talks)
{
    if (talks)
        fprintf(stderr, "\r%40s\r", "");
}

/* Marks with their reasons, and the opinion of each configuration. */
static enum xl_status keep_opinions(const struct xl_cmd_ctx *ctx,
                                    const struct xl_rubric_judged *judged,
                                    const char *run_dir, struct xl_err *err)
{
    size_t n = 0;
    struct xl_found *found =
        xl_alloc_zero(judged->n * (XL_RUBRIC_COUNT + 1) + 1, sizeof *found);
    if (!found)
        return xl_fail(err, XL_ENOMEM, "out of memory for opinions");
    for (size_t i = 0; i < judged->n; i++) {
        const struct xl_rubric_rating *r = &judged->ratings[i];
        const struct xl_params *params = &r->output->output->params;
        for (size_t k = 0; k < XL_RUBRIC_COUNT && r->has_marks; k++)
            found[n++] = (struct xl_found){
                .params = params,
                .name = xl_rubric_name((enum xl_rubric)k),
                .value = (double)r->marks.score[k],
                .text = r->marks.reason[k],
            };
        found[n++] = (struct xl_found){ .params = params,
                                        .name = "opinion",
                                        .value = XL_UNKNOWN,
                                        .text = xl_opinion_name(r->opinion) };
    }
    enum xl_status rc = ctx->services->keep_found(run_dir, found, n, err);
    xl_free(found);
    return rc;
}

/* Everything is open: greet, write, ask, save, report. */
static enum xl_status hold_session(struct xl_cmd_ctx *ctx,
                                   const struct xl_judge_rubric *told,
                                   const struct xl_rubric_texts_options *which,
                                   struct xl_rubric_texts *texts,
                                   struct xl_asker *asker, struct xl_err *err)
{
    struct xl_rubric_judged judged;
    bool talks = !ctx->quiet && isatty(STDERR_FILENO);
    XL_TRY(xl_asker_greet(asker, err));
    if (talks)
        fputs("writing what is compared", stderr);
    enum xl_status rc = xl_rubric_texts_write(texts, which, err);
    clear_line(talks);
    XL_TRY(rc);
    uint64_t start_ns = xl_clock_ns();
    struct xl_rubric_progress progress = { show_progress, &start_ns };
    rc = xl_rubric_judge(&judged, texts, asker, told->run,
                         talks ? &progress : NULL, err);
    clear_line(talks);
    XL_TRY(rc);
    struct xl_veto veto = { .by = told->model };
    rc = xl_rubric_save(&judged, told->run, err);
    if (rc == XL_OK)
        rc = keep_opinions(ctx, &judged, told->run, err);
    if (rc == XL_OK && judged.winner &&
        judged.winner->opinion == XL_OPINION_VETO) {
        veto.reason = judged.winner->reason;
        rc = xl_veto_winner(told->run, &veto, err);
    }
    if (rc == XL_OK)
        rc = report(ctx, told, &judged, &veto, asker, err);
    xl_rubric_judged_release(&judged);
    return rc;
}

static struct xl_asker make_asker(const struct xl_judge_rubric *told,
                                  struct xl_http *http, const char *nonce,
                                  struct xl_reply_log *log)
{
    return (struct xl_asker){ .send = xl_asker_http,
                              .send_ctx = http,
                              .base = told->api,
                              .model = told->model,
                              .nonce = nonce,
                              .seed = (uint64_t)told->seed,
                              .limits = { .prompt_chars = told->prompt_chars,
                                          .text_chars = told->cont_chars },
                              .retries = told->retries,
                              .backoff_ms = BACKOFF_MS,
                              .stop = xl_stop_signal(),
                              .log = log };
}

/* told: with the folder of the run. */
static enum xl_status judge_folder(struct xl_cmd_ctx *ctx,
                                   const struct xl_judge_rubric *told,
                                   struct xl_err *err)
{
    char nonce[XL_HASH_TEXT];
    struct xl_http *http = NULL;
    struct xl_reply_log *log = NULL;
    struct xl_rubric_texts texts = { 0 };
    struct xl_rubric_texts_options which = which_texts(ctx, told);
    struct xl_http_options options = {
        .base = told->api,
        .timeout_ms = (uint64_t)(told->timeout_s * 1000),
        .hint = "start the server there, or name another with --api",
        .stop = xl_stop_signal(),
    };
    enum xl_status rc;
    xl_stop_catch(stop_signals, sizeof stop_signals / sizeof *stop_signals);
    warn_abroad(ctx, told->api);
    XL_TRY_DONE(rc, xl_http_open(&http, &options, err));
    XL_TRY_DONE(rc, xl_rubric_texts_open(&texts, &which, err));
    XL_TRY_DONE(rc, xl_rubric_nonce(told->run, nonce, err));
    XL_TRY_DONE(rc, open_log(told->run, &log, err));
    struct xl_asker asker = make_asker(told, http, nonce, log);
    rc = say_kept(hold_session(ctx, told, &which, &texts, &asker, err), err);
done:
    xl_reply_log_close(log);
    xl_rubric_texts_release(&texts);
    xl_http_close(http);
    return rc;
}

enum xl_status xl_judge_cmd_rubric(struct xl_cmd_ctx *ctx,
                                   const struct xl_judge_rubric *told,
                                   struct xl_err *err)
{
    struct xl_judge_rubric here = *told;
    char *dir;
    XL_TRY(check(told, err));
    XL_TRY(xl_judge_find_run(ctx, told->log_dir, told->run, &dir, err));
    here.run = dir;
    enum xl_status rc = judge_folder(ctx, &here, err);
    xl_free(dir);
    return rc;
}
