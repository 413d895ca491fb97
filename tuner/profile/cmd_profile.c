/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/cmd.h"
#include "kernel/base/json.h"
#include "kernel/base/cmd_print.h"
#include "kernel/model/model.h"
#include "kernel/model/plan.h"
#include "kernel/run/session.h"
#include "tuner/profile/home.h"
#include "tuner/profile/recheck.h"
#include "tuner/profile/shelf.h"

enum {
    OPT_YES,
    OPT_GOLDEN,
    OPT_CONTEXT,
    OPT_ROUNDS,
    OPT_NO_DUEL,
    OPT_COUNT
};
static const struct xl_opt rows[OPT_COUNT] = {
    [OPT_YES] = { .name = "yes",
                  .kind = XL_OPT_BOOL,
                  .help = "really remove, or replace by freeze" },
    [OPT_GOLDEN] = { .name = "golden",
                     .kind = XL_OPT_BOOL,
                     .help = "freeze: into the golden profiles; NAME is the "
                             "backend" },
    [OPT_CONTEXT] = { .name = "context",
                      .kind = XL_OPT_INT,
                      .arg = "N",
                      .help = "prompt tokens to compare with; 0 = unknown",
                      .fallback = "0",
                      .lo = 0,
                      .hi = 1e9 },
    [OPT_ROUNDS] = { .name = "rounds",
                     .kind = XL_OPT_INT,
                     .arg = "R",
                     .help = "check: rounds of the duel; 0 = 16 to 64 as "
                             "needed",
                     .fallback = "0",
                     .lo = 0,
                     .hi = 1e5 },
    [OPT_NO_DUEL] = { .name = "no-duel",
                      .kind = XL_OPT_BOOL,
                      .help = "check: compare keys and values, measure "
                              "nothing" },
};

/* One invocation: its words, and this machine and model to compare with. */
struct job {
    struct xl_cmd_ctx *ctx;
    struct xl_profile_paths paths;
    struct xl_model *model; /* list and check only */
    struct xl_key here;
};

/* -- small pieces --------------------------------------------------------- */

static enum xl_status open_model(struct job *job, struct xl_err *err)
{
    char *dir = NULL;
    const struct xl_opts *opts = &job->ctx->opts;
    enum xl_status rc;
    XL_TRY_DONE(rc, xl_session_model_dir(opts, &dir, err));
    XL_TRY_DONE(rc, xl_model_open(&job->model, dir, err));
    xl_home_key(&job->here, job->model,
                (size_t)xl_opt_int(opts, XL_GROUP_OWN, OPT_CONTEXT));
done:
    xl_free(dir);
    return rc;
}

/* What a profile is worth here. */
struct finding {
    const char *grade; /* a grade's name, or "any" without a key, "damaged" */
    char why[640];     /* the field that differs, or what is wrong */
    bool has_key;
    struct xl_match match;
};

static void judge_item(const struct job *job, const struct xl_best *best,
                       struct finding *finding)
{
    *finding = (struct finding){ .grade = "any", .has_key = best->has_key };
    if (!best->has_key)
        return;
    xl_key_match(&best->key, &job->here, &finding->match);
    finding->grade = xl_grade_name(finding->match.grade);
    bool silent =
        finding->match.grade == XL_GRADE_EXACT && job->here.context == 0;
    if (!silent)
        snprintf(finding->why, sizeof finding->why, "%s",
                 finding->match.differs);
}

/* -- list ----------------------------------------------------------------- */

static cJSON *item_json(const struct xl_shelf_item *item,
                        const struct xl_best *best,
                        const struct finding *finding)
{
    cJSON *object = cJSON_CreateObject();
    xl_json_add_string(object, "name", item->name);
    xl_json_add_string(object, "kind", xl_shelf_name(item->shelf));
    xl_json_add_string(object, "path", item->path);
    xl_json_add_string(object, "match", finding->grade);
    xl_json_add_string(object, "differs",
                       finding->why[0] ? finding->why : NULL);
    xl_json_add_string(object, "verdict", best->verdict);
    xl_json_add_string(object, "created",
                       best->created && best->created[0] ? best->created
                                                         : NULL);
    if (best->has_key)
        cJSON_AddNumberToObject(object, "context", (double)best->key.context);
    else
        cJSON_AddNullToObject(object, "context");
    return object;
}

/* Prints or collects one item; a damaged file is a line, not the end. */
static enum xl_status list_item(const struct job *job,
                                const struct xl_shelf_item *item, cJSON *list,
                                struct xl_err *err)
{
    struct xl_best best;
    struct finding finding;
    struct xl_err why = { 0 };
    enum xl_status rc = xl_shelf_load(&best, item, &why);
    if (rc == XL_ENOMEM)
        return xl_fail(err, rc, "%s", why.message);
    if (rc == XL_OK) {
        judge_item(job, &best, &finding);
    } else {
        finding = (struct finding){ .grade = "damaged" };
        snprintf(finding.why, sizeof finding.why, "%.600s", why.message);
    }
    if (list)
        cJSON_AddItemToArray(list, item_json(item, &best, &finding));
    else
        printf("%-8s %-32s %-24s %-8s %s\n", xl_shelf_name(item->shelf),
               item->name, finding.grade, best.verdict ? best.verdict : "-",
               finding.why);
    xl_best_release(&best);
    return XL_OK;
}

static enum xl_status list(struct job *job, const char *const *words,
                           struct xl_err *err)
{
    struct xl_shelf_items items;
    bool json = job->ctx->json;
    cJSON *root = json ? cJSON_CreateObject() : NULL;
    cJSON *array = json ? cJSON_AddArrayToObject(root, "profiles") : NULL;
    (void)words;
    enum xl_status rc = open_model(job, err);
    if (rc == XL_OK)
        rc = xl_shelf_list(&items, &job->paths, err);
    if (rc != XL_OK) {
        cJSON_Delete(root);
        return rc;
    }
    if (!json)
        printf("%-8s %-32s %-24s %-8s %s\n", "kind", "name", "match here",
               "verdict", "what differs");
    for (size_t i = 0; i < items.n && rc == XL_OK; i++)
        rc = list_item(job, &items.items[i], array, err);
    xl_shelf_items_release(&items);
    if (rc == XL_OK && json)
        return xl_print_json(root, err);
    cJSON_Delete(root);
    return rc;
}

/* -- show ----------------------------------------------------------------- */

static void show_text(const struct xl_shelf_item *item,
                      const struct xl_best *best)
{
    char text[XL_VALUE_ROOM];
    printf("%-16s %s\n", "path", item->path);
    printf("%-16s %s\n", "kind", xl_shelf_name(item->shelf));
    if (best->verdict)
        printf("%-16s %s\n", "verdict", best->verdict);
    if (best->created && best->created[0])
        printf("%-16s %s\n", "created", best->created);
    if (best->has_key)
        printf("%-16s %zu\n", "context", best->key.context);
    const cJSON *metrics = xl_json_member(best->root, "metrics");
    for (const cJSON *m = metrics ? metrics->child : NULL; m; m = m->next)
        if (cJSON_IsNumber(m))
            printf("%-16s %.6g\n", m->string, m->valuedouble);
    printf("\n");
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        if (best->has[i])
            printf(
                "%-16s %s\n", xl_param_row((enum xl_param)i)->name,
                xl_param_format((enum xl_param)i, best->params.value[i], text));
}

static enum xl_status show(struct job *job, const char *const *words,
                           struct xl_err *err)
{
    struct xl_shelf_item item = { 0 };
    struct xl_best best = { 0 };
    enum xl_status rc;
    XL_TRY_DONE(rc, xl_shelf_locate(&item, &job->paths, words[0], err));
    XL_TRY_DONE(rc, xl_shelf_load(&best, &item, err));
    if (job->ctx->json)
        rc = xl_print_json(cJSON_Duplicate(best.root, true), err);
    else
        show_text(&item, &best);
done:
    xl_best_release(&best);
    xl_shelf_item_release(&item);
    return rc;
}

/* -- freeze --------------------------------------------------------------- */

static enum xl_status freeze(struct job *job, const char *const *words,
                             struct xl_err *err)
{
    struct xl_shelf_item item = { 0 };
    char *path = NULL;
    const struct xl_opts *opts = &job->ctx->opts;
    struct xl_freeze what = {
        .source = &item,
        .name = words[1],
        .golden = xl_opt_bool(opts, XL_GROUP_OWN, OPT_GOLDEN),
        .replace = xl_opt_bool(opts, XL_GROUP_OWN, OPT_YES),
    };
    enum xl_status rc;
    XL_TRY_DONE(rc, xl_shelf_locate(&item, &job->paths, words[0], err));
    XL_TRY_DONE(rc, xl_shelf_freeze(&job->paths, &what, &path, err));
    if (job->ctx->json) {
        cJSON *root = cJSON_CreateObject();
        xl_json_add_string(root, "path", path);
        rc = xl_print_json(root, err);
    } else {
        printf("%s\n", path);
    }
done:
    xl_free(path);
    xl_shelf_item_release(&item);
    return rc;
}

/* -- check ---------------------------------------------------------------- */

/* What check found out. */
struct verdict {
    struct finding finding;
    bool fits, allowed;    /* the key; the values, by the model */
    struct xl_err refused; /* unless allowed */
    bool has_duel;
    struct xl_recheck_end duel;
};

/* "still best", "drifted", "slower", or "foreign"; "fits" without a duel. */
static const char *word_of(const struct verdict *v)
{
    if (!v->fits || !v->allowed)
        return "foreign";
    return v->has_duel ? xl_recheck_name(v->duel.verdict) : "fits";
}

static cJSON *duel_json(const struct xl_recheck_end *duel)
{
    cJSON *o = cJSON_CreateObject();
    const double ends[] = { duel->ratio.lo, duel->ratio.hi };
    xl_json_add_string(o, "objective", duel->objective);
    cJSON_AddBoolToObject(o, "same", duel->is_same);
    xl_json_add_real(o, "ratio",
                     duel->ratio.n ? duel->ratio.median : (double)NAN);
    cJSON *ci = cJSON_AddArrayToObject(o, "ci");
    for (size_t i = 0; i < 2 && duel->ratio.n; i++)
        cJSON_AddItemToArray(ci, cJSON_CreateNumber(ends[i]));
    cJSON_AddNumberToObject(o, "rounds", (double)duel->ratio.n);
    xl_json_add_real(o, "recorded_ratio", duel->recorded);
    return o;
}

static enum xl_status print_check_json(const struct xl_shelf_item *item,
                                       const struct verdict *v,
                                       struct xl_err *err)
{
    cJSON *root = cJSON_CreateObject();
    xl_json_add_string(root, "name", item->name);
    xl_json_add_string(root, "path", item->path);
    xl_json_add_string(root, "verdict", word_of(v));
    xl_json_add_string(root, "match", v->finding.grade);
    xl_json_add_string(root, "differs",
                       v->finding.why[0] ? v->finding.why : NULL);
    cJSON_AddBoolToObject(root, "fits", v->fits);
    cJSON_AddBoolToObject(root, "allowed", v->allowed);
    xl_json_add_string(root, "reason", v->allowed ? NULL : v->refused.message);
    if (v->has_duel)
        cJSON_AddItemToObject(root, "duel", duel_json(&v->duel));
    else
        cJSON_AddNullToObject(root, "duel");
    return xl_print_json(root, err);
}

static void print_check(const struct verdict *v)
{
    const struct xl_recheck_end *d = &v->duel;
    printf("%-8s %s\n", "match", v->finding.grade);
    if (v->finding.why[0])
        printf("%-8s %s\n", "differs", v->finding.why);
    printf("%-8s %s\n", "values", v->allowed ? "allowed" : v->refused.message);
    printf("%-8s %s", "verdict", word_of(v));
    if (v->has_duel && d->is_same)
        printf(": it is what it was compared with");
    else if (v->has_duel)
        printf(": %.3f x what it beat [%.3f, %.3f] by %s in %zu rounds",
               d->ratio.median, d->ratio.lo, d->ratio.hi, d->objective,
               d->ratio.n);
    if (v->has_duel && isfinite(d->recorded))
        printf("; %.3f when it was made", d->recorded);
    printf("\n");
}

static enum xl_status check_status(const struct xl_shelf_item *item,
                                   const struct verdict *v, struct xl_err *err)
{
    if (!v->fits)
        return xl_fail(err, XL_EFAILED, "'%s' does not fit here: %s",
                       item->path, v->finding.why);
    if (!v->allowed)
        return xl_fail(err, XL_EFAILED, "'%s' does not fit this model: %s",
                       item->path, v->refused.message);
    if (v->has_duel && v->duel.verdict == XL_RECHECK_SLOWER)
        return xl_fail(err, XL_ESLOWER, "'%s' is slower now than what it beat",
                       item->path);
    if (v->has_duel && v->duel.verdict == XL_RECHECK_DRIFTED)
        return xl_fail(err, XL_EUNPROVED,
                       "'%s' has drifted: it is not proved faster any more",
                       item->path);
    return XL_OK;
}

static enum xl_status make_verdict(const struct job *job,
                                   const struct xl_best *best,
                                   struct verdict *v, struct xl_err *err)
{
    const struct xl_opts *opts = &job->ctx->opts;
    struct xl_recheck recheck = {
        .model = job->model,
        .best = best,
        .context = (size_t)xl_opt_int(opts, XL_GROUP_OWN, OPT_CONTEXT),
        .rounds = (size_t)xl_opt_int(opts, XL_GROUP_OWN, OPT_ROUNDS),
    };
    judge_item(job, best, &v->finding);
    v->fits = !v->finding.has_key || v->finding.match.grade != XL_GRADE_NONE;
    v->allowed = xl_plan_check(xl_model_config(job->model), &best->params,
                               &v->refused) == XL_OK;
    if (!v->fits || !v->allowed || xl_opt_bool(opts, XL_GROUP_OWN, OPT_NO_DUEL))
        return XL_OK;
    v->has_duel = true;
    return xl_recheck_run(&recheck, &v->duel, err);
}

static enum xl_status check(struct job *job, const char *const *words,
                            struct xl_err *err)
{
    struct xl_shelf_item item = { 0 };
    struct xl_best best = { 0 };
    struct verdict verdict = { .has_duel = false };
    enum xl_status rc;
    XL_TRY_DONE(rc, open_model(job, err));
    XL_TRY_DONE(rc, xl_shelf_locate(&item, &job->paths, words[0], err));
    XL_TRY_DONE(rc, xl_shelf_load(&best, &item, err));
    XL_TRY_DONE(rc, make_verdict(job, &best, &verdict, err));
    if (job->ctx->json)
        XL_TRY_DONE(rc, print_check_json(&item, &verdict, err));
    else
        print_check(&verdict);
    rc = check_status(&item, &verdict, err);
done:
    xl_best_release(&best);
    xl_shelf_item_release(&item);
    return rc;
}

/* -- remove --------------------------------------------------------------- */

static enum xl_status remove_profile(struct job *job, const char *const *words,
                                     struct xl_err *err)
{
    struct xl_shelf_item item = { 0 };
    enum xl_status rc;
    XL_TRY_DONE(rc, xl_shelf_locate(&item, &job->paths, words[0], err));
    if (!xl_opt_bool(&job->ctx->opts, XL_GROUP_OWN, OPT_YES)) {
        rc = xl_fail(err, XL_EUSAGE, "would remove '%s'; say --yes to do it",
                     item.path);
        goto done;
    }
    XL_TRY_DONE(rc, xl_shelf_remove(&item, err));
    if (job->ctx->json) {
        cJSON *root = cJSON_CreateObject();
        xl_json_add_string(root, "removed", item.path);
        rc = xl_print_json(root, err);
    } else {
        printf("removed %s\n", item.path);
    }
done:
    xl_shelf_item_release(&item);
    return rc;
}

/* -- the command ---------------------------------------------------------- */

static const struct action {
    const char *name, *takes;
    size_t n_words;
    enum xl_status (*run)(struct job *job, const char *const *words,
                          struct xl_err *err);
} actions[] = {
    { "list", "no words", 0, list },
    { "show", "a name or a path", 1, show },
    { "freeze", "a run or best.json, and a name", 2, freeze },
    { "check", "a name or a path", 1, check },
    { "remove", "a name", 1, remove_profile },
};
enum {
    N_ACTIONS = sizeof actions / sizeof *actions
};
/* The same names, for completion and hints. */
static const char *const verbs[] = { "list",  "show",   "freeze",
                                     "check", "remove", NULL };
_Static_assert(sizeof verbs / sizeof *verbs == N_ACTIONS + 1,
               "a verb for each action");

static enum xl_status find_action(const struct xl_opts *opts,
                                  const struct action **action,
                                  struct xl_err *err)
{
    const char *word = opts->n_args ? opts->args[0] : "list";
    char hint[80];
    for (size_t i = 0; i < N_ACTIONS; i++) {
        if (strcmp(word, actions[i].name) != 0)
            continue;
        *action = &actions[i];
        if ((opts->n_args ? opts->n_args - 1 : 0) == actions[i].n_words)
            return XL_OK;
        return xl_fail(err, XL_EUSAGE, "'profile %s' takes %s", word,
                       actions[i].takes);
    }
    return xl_fail(err, XL_EUSAGE, "unknown action '%s'%s", word,
                   xl_cmd_hint(word, verbs, N_ACTIONS, hint, sizeof hint));
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    const struct action *action = NULL;
    struct job job = { .ctx = ctx };
    XL_TRY(find_action(&ctx->opts, &action, err));
    XL_TRY(xl_home_paths(&job.paths, err));
    enum xl_status rc =
        action->run(&job, ctx->opts.n_args ? ctx->opts.args + 1 : NULL, err);
    xl_model_close(job.model);
    xl_profile_paths_release(&job.paths);
    return rc;
}

const struct xl_cmd xl_cmd_profile = {
    .name = "profile",
    .summary = "list, show, freeze, check and remove profiles",
    .usage = "list | show NAME | freeze RUN NAME | check NAME | remove NAME",
    .example = "xltune profile freeze runs/parallel_20250101_120000 fast",
    .details =
        "A NAME is that of a file in ./configs, of a profile of this "
        "machine, of a\ngolden profile or of a run, 'latest' of these, or "
        "a path. freeze "
        "writes ./configs/NAME.json,\nwhich --profile NAME then uses. "
        "check says whether a profile is still\nbest on "
        "this machine: it meets what it once beat in a duel (exit 7 "
        "when it\nis not proved faster any more, 6 when it is slower), "
        "or is foreign (exit 1),\nwith the first field that differs.",
    .verbs = verbs,
    .rows = rows,
    .n_rows = OPT_COUNT,
    .takes_model = true,
    .run = run,
};
