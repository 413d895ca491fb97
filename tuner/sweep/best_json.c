/* SPDX-License-Identifier: Apache-2.0
 *
 * best.json of a run: tunables, the speeds of the duel's rounds (fresh ones:
 * those of the search are biased upwards by having been selected), the
 * verdict, the key, where it all comes from. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/run/engines_json.h"
#include "tuner/profile/best.h"
#include "tuner/profile/find.h"
#include "tuner/profile/home.h"
#include "tuner/sweep/finish_int.h"

static void add_estimate(cJSON *to, const char *name,
                         const struct xl_estimate *e)
{
    char key[40];
    xl_json_add_real(to, name, e->median);
    snprintf(key, sizeof key, "%s_ci", name);
    if (!isfinite(e->lo) || !isfinite(e->hi)) {
        cJSON_AddNullToObject(to, key);
        return;
    }
    const double ends[] = { e->lo, e->hi };
    cJSON_AddItemToObject(to, key, cJSON_CreateDoubleArray(ends, 2));
}

/* What was measured, and by whom: a search may have had a part of the whole. */
static void add_workload(cJSON *to, const struct xl_finish *finish,
                         const struct xl_verdicts *v)
{
    const struct xl_load *part = &finish->sweep->load;
    bool is_part = v->is_of_search && part->prompt_tokens;
    cJSON_AddStringToObject(to, "measured_by",
                            v->is_of_search ? "search" : "duel");
    cJSON_AddNumberToObject(
        to, "prompt_tokens",
        (double)(is_part ? part->prompt_tokens : finish->prompt_tokens));
    cJSON_AddNumberToObject(
        to, "new_tokens",
        (double)(is_part ? part->new_tokens : finish->new_tokens));
    cJSON_AddBoolToObject(to, "whole_workload", !is_part);
}

static cJSON *metrics_json(const struct xl_finish *finish,
                           const struct xl_verdicts *v)
{
    const struct xl_trial_figures *f = &v->figures;
    const struct xl_objective *objective = finish->sweep->objective;
    cJSON *metrics = cJSON_CreateObject();
    add_estimate(metrics, "prefill_tok_s", &f->prefill_tok_s);
    add_estimate(metrics, "decode_tok_s", &f->decode_tok_s);
    add_estimate(metrics, "prefill_s", &f->prefill_s);
    add_estimate(metrics, "decode_s", &f->decode_s);
    cJSON_AddNumberToObject(metrics, "n", (double)f->prefill_tok_s.n);
    cJSON_AddStringToObject(metrics, "objective", xl_objective_name(objective));
    xl_json_add_real(metrics, "value", f->value);
    add_workload(metrics, finish, v);
    return metrics;
}

static void add_ratio(cJSON *to, const char *name, const struct xl_estimate *e)
{
    cJSON *o = cJSON_AddObjectToObject(to, name);
    xl_json_add_real(o, "median", e->median);
    xl_json_add_real(o, "lo", e->lo);
    xl_json_add_real(o, "hi", e->hi);
    cJSON_AddNumberToObject(o, "n", (double)e->n);
}

static cJSON *provenance_json(const struct xl_finish *finish,
                              const struct xl_contender *winner,
                              const struct xl_verdicts *v)
{
    cJSON *from = cJSON_CreateObject();
    const char *slash = strrchr(finish->run_dir, '/');
    const char *name = slash ? slash + 1 : finish->run_dir;
    xl_json_add_string(from, "run", name);
    cJSON_AddNumberToObject(from, "trial", (double)winner->trial);
    cJSON *versus = cJSON_AddObjectToObject(from, "versus");
    cJSON_AddItemToObject(versus, "params", xl_params_to_json(finish->base));
    if (v->base)
        cJSON_AddNumberToObject(versus, "trial", (double)v->base);
    cJSON_AddBoolToObject(versus, "proved", v->proved);
    cJSON_AddBoolToObject(versus, "cut_short", v->is_cut);
    cJSON_AddStringToObject(versus, "why", v->why);
    if (v->value_ratio.n)
        cJSON_AddStringToObject(versus, "verdict",
                                xl_duel_verdict_name(v->duel));
    if (!v->is_default) {
        add_ratio(versus, "prefill_ratio", &v->prefill_ratio);
        add_ratio(versus, "decode_ratio", &v->decode_ratio);
        add_ratio(versus, "objective_ratio", &v->value_ratio);
    }
    cJSON_AddNumberToObject(from, "tied", (double)v->n_tied);
    struct xl_plan_engines engines =
        xl_plan_engines(finish->sweep->config, &v->params);
    cJSON_AddItemToObject(from, "engines", xl_engines_json(&engines));
    cJSON *machine = cJSON_AddObjectToObject(from, "machine");
    if (finish->grade)
        cJSON_AddItemToObject(machine, "start",
                              xl_machine_grade_json(finish->grade));
    cJSON_AddItemToObject(machine, "end", xl_machine_grade_json(&v->grade));
    return from;
}

/* Where to publish it; NULL = nowhere. A winner that is not proved stays in its
 * run, and one that left the machine's profile out does not replace it. */
static enum xl_status choose_place(const struct xl_finish *finish,
                                   const struct xl_verdicts *v, char **place,
                                   struct xl_err *err)
{
    struct xl_profile_paths paths = { 0 };
    *place = NULL;
    if (!finish->publish || !(v->proved || v->is_default))
        return XL_OK;
    XL_TRY(xl_home_paths(&paths, err));
    enum xl_status rc = xl_profile_place(&paths, finish->key, place, err);
    xl_profile_paths_release(&paths);
    if (rc == XL_OK && finish->is_modest && xl_io_exists(*place)) {
        xl_free(*place);
        *place = NULL;
    }
    return rc;
}

static enum xl_status write(const struct xl_finish *finish,
                            const struct xl_best_doc *doc, bool publish,
                            struct xl_err *err)
{
    struct xl_profile_paths paths = { 0 };
    char *path = xl_io_join(finish->run_dir, "best.json");
    enum xl_status rc = path ? xl_best_save(path, doc, err)
                             : xl_fail(err, XL_ENOMEM, "out of memory");
    xl_free(path);
    if (rc != XL_OK || !publish)
        return rc;
    rc = xl_home_paths(&paths, err);
    if (rc == XL_OK)
        rc = xl_profile_publish(&paths, doc, err);
    xl_profile_paths_release(&paths);
    return rc;
}

enum xl_status xl_finish_best(const struct xl_finish *finish,
                              const struct xl_contender *winner,
                              struct xl_verdicts *v, struct xl_err *err)
{
    char *place;
    XL_TRY(choose_place(finish, v, &place, err));
    cJSON *metrics = metrics_json(finish, v);
    cJSON *provenance = provenance_json(finish, winner, v);
    struct xl_best_doc doc = {
        .params = &v->params,
        .key = finish->key,
        .metrics = metrics,
        .quality = winner->judgement,
        .provenance = provenance,
    };
    if (place) /* for who withdraws it */
        xl_json_add_string(provenance, "published", place);
    v->is_published = place != NULL;
    enum xl_status rc = write(finish, &doc, v->is_published, err);
    cJSON_Delete(metrics);
    cJSON_Delete(provenance);
    xl_free(place);
    return rc;
}
