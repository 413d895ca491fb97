/* SPDX-License-Identifier: Apache-2.0
 *
 * judge --run: what a run produced. judge --text: one configuration against
 * another on a text of the user's. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "judge/cmd_judge_int.h"
#include "judge/judge.h"
#include "judge/judge_run.h"
#include "judge/panel.h"
#include "judge/ratings.h"
#include "kernel/base/cmd_print.h"
#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/run/session.h"

enum {
    OPT_RUN,
    OPT_LOG_DIR,
    OPT_TEXT,
    OPT_CANDIDATE,
    OPT_REFERENCE,
    OPT_TIER,
    OPT_TOKENS,
    OPT_SEED,
    OPT_OUTPUT,
    OPT_STRICT,
#define XL_RUBRIC_OPT(id, ...) OPT_##id,
#include "judge/cmd_judge_rubric.def"
#undef XL_RUBRIC_OPT
    OPT_COUNT
};

enum {
    MOST_TEXT = 64 << 20,
    TEXT_TOKENS = 2048
};

static const char *const tiers[] = {
#define XL_TIER(id, name, summary) name,
#define XL_GATE(...)
#include "judge/tier.def"
    NULL
};

static const char *const formats[] = { "table", "csv", "jsonl", "json", NULL };

static const struct xl_opt rows[OPT_COUNT] = {
    [OPT_RUN] = { .name = "run",
                  .kind = XL_OPT_TEXT,
                  .arg = "RUN",
                  .help = "the run whose outputs and configurations are "
                          "judged: its folder, its name under --log-dir, or "
                          "'latest'" },
    [OPT_LOG_DIR] = { .name = "log-dir",
                      .kind = XL_OPT_TEXT,
                      .arg = "DIR",
                      .help = "where runs are kept",
                      .fallback = "runs" },
    [OPT_TEXT] = { .name = "text",
                   .kind = XL_OPT_TEXT,
                   .arg = "FILE",
                   .help = "text to judge one configuration on; - = standard "
                           "input" },
    [OPT_CANDIDATE] = { .name = "candidate",
                        .kind = XL_OPT_LIST,
                        .arg = "NAME=VALUE,..",
                        .help = "tunables of the configuration judged, over "
                                "the effective ones; or the folder of "
                                "another checkpoint; of 'judge selftest': "
                                "the number format that faults are planted "
                                "into" },
    [OPT_REFERENCE] = { .name = "reference",
                        .kind = XL_OPT_LIST,
                        .arg = "NAME=VALUE,..",
                        .help = "tunables of the reference, over the naive "
                                "fp32 ones; or a folder" },
    [OPT_TIER] = { .name = "tier",
                   .kind = XL_OPT_TEXT,
                   .arg = "NAME",
                   .help = "gates to pass; left out, what the number formats "
                           "promise",
                   .words = tiers },
    [OPT_TOKENS] = { .name = "tokens",
                     .kind = XL_OPT_INT,
                     .arg = "N",
                     .help =
                         "judge on N tokens at most; left out: all of --text, "
                         "and with --run up to four times the held-out text, "
                         "as a sweep does; the length of a text that is made",
                     .lo = 2,
                     .hi = 1e9 },
    [OPT_SEED] = { .name = "seed",
                   .kind = XL_OPT_INT,
                   .arg = "S",
                   .help = "seed of 'judge text', and of the replies of "
                           "'judge rubric'",
                   .fallback = "1" },
    [OPT_OUTPUT] = { .name = "o",
                     .kind = XL_OPT_TEXT,
                     .arg = "FORMAT",
                     .help = "format of what is printed",
                     .words = formats,
                     .fallback = "table",
                     .alias = "output" },
    [OPT_STRICT] = { .name = "strict",
                     .kind = XL_OPT_BOOL,
                     .help = "exit with 5 when a configuration fails, 7 when "
                             "one is not proved" },
#define XL_RUBRIC_OPT(id, n, k, a, h, f, from, to)                             \
    [OPT_##id] = { .name = n,                                                  \
                   .kind = k,                                                  \
                   .arg = a,                                                   \
                   .help = h,                                                  \
                   .fallback = f,                                              \
                   .lo = from,                                                 \
                   .hi = to },
#include "judge/cmd_judge_rubric.def"
#undef XL_RUBRIC_OPT
};

/* False when it was not given. */
static bool read_tier(const struct xl_opts *opts, enum xl_tier *tier)
{
    bool given = xl_opt_given(opts, XL_GROUP_OWN, OPT_TIER);
    if (given)
        *tier = (enum xl_tier)xl_opt_word(opts, XL_GROUP_OWN, OPT_TIER);
    return given;
}

static enum xl_judge_format read_format(const struct xl_cmd_ctx *ctx)
{
    return ctx->json ? XL_JUDGE_JSON
                     : (enum xl_judge_format)xl_opt_word(
                           &ctx->opts, XL_GROUP_OWN, OPT_OUTPUT);
}

/* The exit code of --strict: the worst verdict decides. */
static enum xl_status be_strict(const struct xl_cmd_ctx *ctx,
                                const struct xl_ruling *worst,
                                struct xl_err *err)
{
    if (!xl_opt_bool(&ctx->opts, XL_GROUP_OWN, OPT_STRICT))
        return XL_OK;
    if (worst->verdict == XL_VERDICT_FAIL)
        return xl_fail(err, XL_EMISMATCH,
                       "a configuration fails tier '%s': "
                       "%s",
                       xl_tier_name(worst->tier), worst->reason);
    if (worst->verdict == XL_VERDICT_INCONCLUSIVE)
        return xl_fail(err, XL_EUNPROVED,
                       "a configuration is not proved in "
                       "tier '%s': %s",
                       xl_tier_name(worst->tier), worst->reason);
    return XL_OK;
}

/* -- a run ----------------------------------------------------------------- */

enum xl_status xl_judge_find_run(const struct xl_cmd_ctx *ctx,
                                 const char *log_dir, const char *run,
                                 char **dir, struct xl_err *err)
{
    if (!xl_io_is_dir(run))
        return ctx->services->find_run(log_dir, run, dir, err);
    *dir = xl_strdup(run);
    return *dir ? XL_OK : xl_fail(err, XL_ENOMEM, "out of memory");
}

static void show_progress(void *ctx, size_t done, size_t total)
{
    (void)ctx;
    fprintf(stderr, "\rjudging output %zu of %zu", done + 1, total);
}

static const struct xl_ruling *worst_of(const struct xl_judged_run *judged)
{
    const struct xl_ruling *worst = &judged->ratings[0].ruling;
    for (size_t i = 1; i < judged->n; i++)
        if (judged->ratings[i].ruling.verdict > worst->verdict)
            worst = &judged->ratings[i].ruling;
    return worst;
}

/* Scores of texts; those of configurations a sweep has kept itself. */
static enum xl_status keep_texts(const struct xl_cmd_ctx *ctx,
                                 const struct xl_judged_run *judged,
                                 const char *run_dir, struct xl_err *err)
{
    size_t n = 0;
    struct xl_found *found =
        xl_alloc_zero(judged->n * XL_SCORE_NONFINITE, sizeof *found);
    if (!found)
        return xl_fail(err, XL_ENOMEM, "out of memory for scores");
    for (size_t i = 0; i < judged->n; i++) {
        const struct xl_rating *r = &judged->ratings[i];
        for (size_t k = 0; k < XL_SCORE_NONFINITE; k++)
            if (r->scores[k].is_known)
                found[n++] = (struct xl_found){
                    .params = &r->params,
                    .name = xl_score_row((enum xl_score_id)k)->name,
                    .value = r->scores[k].value,
                };
    }
    enum xl_status rc = ctx->services->keep_found(run_dir, found, n, err);
    xl_free(found);
    return rc;
}

static enum xl_status judge_run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    const struct xl_opts *o = &ctx->opts;
    char *run_dir = NULL;
    bool talks = !ctx->quiet && isatty(STDERR_FILENO);
    struct xl_judge_run_options options = {
        .max_tokens = (size_t)xl_opt_int(o, XL_GROUP_OWN, OPT_TOKENS),
        .progress = talks ? show_progress : NULL,
    };
    struct xl_judged_run judged = { 0 };
    enum xl_judge_format format = read_format(ctx);
    options.has_tier = read_tier(o, &options.tier);
    XL_TRY(xl_judge_find_run(ctx, xl_opt_text(o, XL_GROUP_OWN, OPT_LOG_DIR),
                             xl_opt_text(o, XL_GROUP_OWN, OPT_RUN), &run_dir,
                             err));
    enum xl_status rc = xl_judge_run(
        &judged, run_dir, xl_opt_text(o, XL_GROUP_MODEL, XL_MODEL_DIR),
        &options, err);
    if (talks)
        fprintf(stderr, "\r%40s\r", "");
    if (rc != XL_OK)
        goto done;
    XL_TRY_DONE(rc, xl_ratings_save(run_dir, judged.ratings, judged.n, err));
    XL_TRY_DONE(rc, keep_texts(ctx, &judged, run_dir, err));
    XL_TRY_DONE(rc, xl_judge_print_run(format, &judged, run_dir, err));
    rc = be_strict(ctx, worst_of(&judged), err);
done:
    xl_free(run_dir);
    xl_judged_run_release(&judged);
    return rc;
}

/* -- a text ---------------------------------------------------------------- */

static bool is_folder(const char *text)
{
    return !strchr(text, '=') && xl_io_exists(text);
}

/* A folder in place of name=value: another checkpoint; or NULL. */
static const char *checkpoint_of(const struct xl_opts *opts, size_t row)
{
    const struct xl_opt_value *value = &opts->values[XL_GROUP_OWN][row];
    for (size_t i = 0; i < value->n_texts; i++)
        if (is_folder(value->texts[i]))
            return value->texts[i];
    return NULL;
}

static enum xl_status set_pairs(struct xl_params *params,
                                const struct xl_opts *opts, size_t row,
                                const char *flag, struct xl_err *err)
{
    const struct xl_opt_value *value = &opts->values[XL_GROUP_OWN][row];
    for (size_t i = 0; i < value->n_texts; i++) {
        if (!is_folder(value->texts[i]))
            XL_TRY(xl_params_set_list(params, value->texts[i], flag, err));
    }
    return XL_OK;
}

static enum xl_status read_text(const struct xl_cmd_ctx *ctx,
                                const struct xl_session *session,
                                struct xl_judge_text *text, struct xl_err *err)
{
    struct xl_buf bytes;
    size_t most = (size_t)xl_opt_int(&ctx->opts, XL_GROUP_OWN, OPT_TOKENS);
    xl_buf_init(&bytes, MOST_TEXT);
    enum xl_status rc = xl_io_read(
        xl_opt_text(&ctx->opts, XL_GROUP_OWN, OPT_TEXT), &bytes, err);
    if (rc == XL_OK)
        rc = xl_judge_text(text, session->model, session->tokenizer, bytes.data,
                           bytes.len, most, err);
    xl_buf_release(&bytes);
    return rc;
}

/* The checkpoint of an option, or the session's. *opened is to be closed. */
static enum xl_status open_side(const struct xl_opts *opts, size_t row,
                                struct xl_model *session,
                                struct xl_model **opened,
                                struct xl_model **model, struct xl_err *err)
{
    const char *dir = checkpoint_of(opts, row);
    if (dir)
        XL_TRY(xl_model_open(opened, dir, err));
    *model = dir ? *opened : session;
    return XL_OK;
}

static const char *path_of(const struct xl_opts *opts, size_t row,
                           const struct xl_session *session)
{
    const char *dir = checkpoint_of(opts, row);
    return dir ? dir : session->model_dir;
}

static enum xl_status judge_text(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    const struct xl_opts *o = &ctx->opts;
    struct xl_session session = { 0 };
    struct xl_judge_text text = { 0 };
    struct xl_params candidate, reference;
    struct xl_panel_options options = { .text = &text,
                                        .reference = &reference };
    struct xl_judgement judgement;
    struct xl_panel *panel = NULL;
    struct xl_plan *plan = NULL;
    struct xl_model *opened[2] = { NULL, NULL }, *theirs, *ours;
    enum xl_judge_format format = read_format(ctx);
    enum xl_tier tier = XL_TIER_KERNEL;
    bool has_tier = read_tier(o, &tier);
    enum xl_status rc;

    XL_TRY_DONE(rc, xl_session_open(&session, ctx, err));
    XL_TRY_DONE(rc, read_text(ctx, &session, &text, err));
    XL_TRY_DONE(rc, ctx->services->resolve(o, xl_model_config(session.model),
                                           text.ids.n, &candidate, err));
    XL_TRY_DONE(rc,
                set_pairs(&candidate, o, OPT_CANDIDATE, "--candidate", err));
    xl_judge_reference(&reference);
    XL_TRY_DONE(rc,
                set_pairs(&reference, o, OPT_REFERENCE, "--reference", err));
    XL_TRY_DONE(rc, open_side(o, OPT_CANDIDATE, session.model, &opened[0],
                              &theirs, err));
    XL_TRY_DONE(
        rc, open_side(o, OPT_REFERENCE, session.model, &opened[1], &ours, err));
    XL_TRY_DONE(rc, xl_plan_make(&plan, theirs, &candidate, err));
    XL_TRY_DONE(rc,
                xl_panel_make(&panel, ours, session.tokenizer, &options, err));
    if (!has_tier)
        tier = xl_tier_of(&candidate);
    struct xl_subject subject =
        xl_subject_of_plan(plan, xl_model_config(theirs));
    if (theirs != ours)
        subject.params = NULL; /* a twin is of the reference's weights */
    XL_TRY_DONE(rc, xl_panel_subject(panel, XL_STAGE_FULL, &subject, tier,
                                     &judgement, err));
    struct xl_judge_sides sides = {
        .candidate = xl_plan_effective(plan),
        .reference = &reference,
        .paths = { path_of(o, OPT_CANDIDATE, &session),
                   path_of(o, OPT_REFERENCE, &session) },
    };
    XL_TRY_DONE(rc,
                xl_panel_enough(panel, &judgement.ruling, judgement.n_tokens,
                                &sides.enough_tokens, err));
    XL_TRY_DONE(rc, xl_judge_print_text(format, &judgement, &sides, err));
    rc = be_strict(ctx, &judgement.ruling, err);
done:
    xl_panel_free(panel);
    xl_plan_free(plan);
    xl_model_close(opened[0]);
    xl_model_close(opened[1]);
    xl_judge_text_release(&text);
    xl_session_close(&session);
    return rc;
}

static enum xl_status judge_rubric(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    const struct xl_opts *o = &ctx->opts;
    return xl_judge_cmd_rubric(
        ctx,
        &(struct xl_judge_rubric){
            .run = xl_opt_text(o, XL_GROUP_OWN, OPT_RUN),
            .log_dir = xl_opt_text(o, XL_GROUP_OWN, OPT_LOG_DIR),
            .api = xl_opt_text(o, XL_GROUP_OWN, OPT_API),
            .model = xl_opt_text(o, XL_GROUP_OWN, OPT_JUDGE_MODEL),
            .prompts = xl_opt_text(o, XL_GROUP_OWN, OPT_PROMPTS),
            .passages = (size_t)xl_opt_int(o, XL_GROUP_OWN, OPT_PASSAGES),
            .prompt_chars =
                (size_t)xl_opt_int(o, XL_GROUP_OWN, OPT_MOST_PROMPT),
            .cont_chars = (size_t)xl_opt_int(o, XL_GROUP_OWN, OPT_MOST_CONT),
            .retries = (size_t)xl_opt_int(o, XL_GROUP_OWN, OPT_RETRIES),
            .timeout_s = xl_opt_real(o, XL_GROUP_OWN, OPT_TIMEOUT),
            .seed = xl_opt_int(o, XL_GROUP_OWN, OPT_SEED),
            .is_strict = xl_opt_bool(o, XL_GROUP_OWN, OPT_STRICT),
        },
        err);
}

static const char *const verbs[] = { "selftest", "calibrate", "text", "rubric",
                                     NULL };

static const char *first_text(const struct xl_opts *opts, size_t row)
{
    const struct xl_opt_value *value = &opts->values[XL_GROUP_OWN][row];
    return value->n_texts ? value->texts[0] : NULL;
}

static enum xl_status run_verb(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    const char *word = ctx->opts.args[0];
    char hint[80];
    if (ctx->opts.n_args > 1)
        return xl_fail(err, XL_EUSAGE, "'judge %s' takes no '%s'", word,
                       ctx->opts.args[1]);
    size_t tokens = (size_t)xl_opt_int(&ctx->opts, XL_GROUP_OWN, OPT_TOKENS);
    if (strcmp(word, "calibrate") == 0)
        return xl_judge_cmd_calibrate(ctx, tokens, err);
    if (strcmp(word, "text") == 0)
        return xl_judge_cmd_text(
            ctx, tokens ? tokens : TEXT_TOKENS,
            (uint64_t)xl_opt_int(&ctx->opts, XL_GROUP_OWN, OPT_SEED), err);
    if (strcmp(word, "selftest") == 0)
        return xl_judge_cmd_selftest(ctx, first_text(&ctx->opts, OPT_CANDIDATE),
                                     tokens, err);
    if (strcmp(word, "rubric") == 0)
        return judge_rubric(ctx, err);
    return xl_fail(err, XL_EUSAGE, "unknown action '%s'%s", word,
                   xl_cmd_hint(word, verbs, sizeof verbs / sizeof *verbs - 1,
                               hint, sizeof hint));
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    if (ctx->opts.n_args)
        return run_verb(ctx, err);
    bool has_run = xl_opt_given(&ctx->opts, XL_GROUP_OWN, OPT_RUN);
    bool has_text = xl_opt_given(&ctx->opts, XL_GROUP_OWN, OPT_TEXT);
    if (has_run == has_text)
        return xl_fail(err, XL_EUSAGE,
                       "give one of --run RUN, --text FILE, selftest");
    return has_run ? judge_run(ctx, err) : judge_text(ctx, err);
}

const struct xl_cmd xl_cmd_judge = {
    .name = "judge",
    .summary = "scores a run's outputs and configurations, or one "
               "configuration on a text",
    .verbs = verbs,
    .usage = "(selftest | calibrate | text | rubric --run RUN | --run RUN | "
             "--text FILE [--candidate NAME=VALUE,..]) [OPTIONS]",
    .example = "xltune judge --run runs/parallel_20240507_120000",
    .details = "Every configuration is compared with the naive fp32 path on "
               "the same tokens: its logits, its distribution, its loss, with "
               "intervals. A tier's gates make the verdict: pass, fail, or "
               "inconclusive when the text is too short to tell, and then how "
               "much may do. With --run, "
               "each output is also scored under the reference, and "
               "ratings.csv and ratings.jsonl are written into the folder. "
               "'judge selftest' plants faults into running computations and "
               "shows that each is refused by the gate that claims it. "
               "'judge calibrate' measures what sound builds show, which "
               "the bounds stand on. 'judge text' writes a text of exactly "
               "N tokens, no sentence twice, from a seed. "
               "'judge rubric' has a language model on a server in Ollama's "
               "form rate a run's outputs and compare them with the "
               "reference's; it may veto a configuration, never rescue one.",
    .rows = rows,
    .n_rows = OPT_COUNT,
    .takes_model = true,
    .run = run,
};
