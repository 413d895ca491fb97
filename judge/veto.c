/* SPDX-License-Identifier: Apache-2.0
 *
 * Works on files alone: the winner names what it beat (provenance.versus) and
 * where it was published, judged.json holds the judgement of what it beat, the
 * lines of trials.jsonl its speeds. */
#include "judge/veto.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/buf.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"

#define BEST   "best.json"
#define VETOED "best.vetoed.json"

enum {
    MOST_TRIALS = 1 << 28 /* bytes of trials.jsonl that are read */
};

static const cJSON *part(const cJSON *o, const char *key)
{
    return xl_json_member(o, key);
}

static double trial_of(const cJSON *o, const char *key)
{
    const cJSON *x = part(o, key);
    return cJSON_IsNumber(x) ? x->valuedouble : 0.0;
}

static enum xl_status load(const char *run_dir, const char *name, size_t most,
                           cJSON **root, struct xl_err *err)
{
    char *path = xl_io_join(run_dir, name);
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    enum xl_status rc =
        xl_io_exists(path) ? xl_json_load(path, most, root, err) : XL_OK;
    xl_free(path);
    return rc;
}

static void put(cJSON *o, const char *key, cJSON *item)
{
    cJSON_DeleteItemFromObjectCaseSensitive(o, key);
    cJSON_AddItemToObject(o, key, item);
}

/* -- what the winner had beaten ------------------------------------------- */

/* Its judgement, when it passed. */
static enum xl_status find_quality(const char *run_dir, double trial,
                                   cJSON **quality, struct xl_err *err)
{
    cJSON *judged = NULL, *item;
    const char *verdict = "";
    XL_TRY(load(run_dir, "judged.json", XL_JSON_LARGE, &judged, err));
    const cJSON *list = part(judged, "finalists");
    for (item = list ? list->child : NULL; item; item = item->next)
        if (trial_of(item, "trial") == trial)
            break;
    xl_json_get_text(part(item, "quality"), "verdict", &verdict, NULL);
    if (item && strcmp(verdict, "pass") == 0)
        *quality = cJSON_Duplicate(part(item, "quality"), true);
    cJSON_Delete(judged);
    return XL_OK;
}

static const char *const speeds[] = { "prefill_tok_s", "decode_tok_s",
                                      "prefill_s", "decode_s" };
enum {
    SPEEDS = sizeof speeds / sizeof *speeds
};

static bool take_speeds(cJSON *metrics, const char *line, size_t n,
                        double trial)
{
    cJSON *row = NULL;
    bool is_it = xl_json_parse(line, n, "trials.jsonl", &row, NULL) == XL_OK &&
                 trial_of(row, "id") == trial;
    for (size_t i = 0; is_it && i < SPEEDS; i++)
        if (cJSON_IsNumber(part(row, speeds[i])))
            put(metrics, speeds[i],
                cJSON_Duplicate(part(row, speeds[i]), false));
    cJSON_Delete(row);
    return is_it;
}

/* Its speeds as a trial; null where they are not known. */
static enum xl_status set_metrics(cJSON *best, const char *run_dir,
                                  double trial, struct xl_err *err)
{
    struct xl_buf text;
    cJSON *metrics = cJSON_CreateObject();
    char *path = xl_io_join(run_dir, "trials.jsonl");
    enum xl_status rc = XL_OK;
    for (size_t i = 0; i < SPEEDS; i++)
        cJSON_AddNullToObject(metrics, speeds[i]);
    xl_buf_init(&text, MOST_TRIALS);
    if (path && xl_io_exists(path))
        rc = xl_io_read(path, &text, err);
    for (size_t at = 0; rc == XL_OK && at < text.len;) {
        const char *line = text.data + at;
        const char *end = memchr(line, '\n', text.len - at);
        size_t n = end ? (size_t)(end - line) : text.len - at;
        if (take_speeds(metrics, line, n, trial))
            break;
        at += n + 1;
    }
    put(best, "metrics", metrics);
    xl_buf_release(&text);
    xl_free(path);
    return rc;
}

/* The profile of what the winner had beaten; NULL when it is not known or
 * never passed. */
static enum xl_status make_incumbent(const cJSON *winner, const char *run_dir,
                                     const struct xl_veto *veto,
                                     cJSON **incumbent, struct xl_err *err)
{
    const cJSON *from = part(winner, "provenance");
    const cJSON *versus = part(from, "versus");
    const cJSON *params = part(versus, "params");
    double trial = trial_of(versus, "trial");
    cJSON *quality = NULL;
    *incumbent = NULL;
    if (!params || !(trial > 0) || trial == trial_of(from, "trial"))
        return XL_OK;
    XL_TRY(find_quality(run_dir, trial, &quality, err));
    if (!quality)
        return XL_OK;
    cJSON *root = cJSON_Duplicate(winner, true);
    cJSON *origin = cJSON_CreateObject();
    char why[256];
    snprintf(why, sizeof why, "the judge '%.60s' vetoed trial %.0f, which won",
             veto->by, trial_of(from, "trial"));
    put(root, "params", cJSON_Duplicate(params, true));
    put(root, "quality", quality);
    cJSON_AddItemToObject(origin, "run",
                          cJSON_Duplicate(part(from, "run"), true));
    cJSON_AddItemToObject(origin, "created",
                          cJSON_Duplicate(part(from, "created"), true));
    cJSON_AddNumberToObject(origin, "trial", trial);
    xl_json_add_string(origin, "why", why);
    put(root, "provenance", origin);
    enum xl_status rc = set_metrics(root, run_dir, trial, err);
    if (rc == XL_OK)
        *incumbent = root;
    else
        cJSON_Delete(root);
    return rc;
}

/* -- files ---------------------------------------------------------------- */

static enum xl_status save(const char *path, const cJSON *root,
                           struct xl_err *err)
{
    if (root)
        return xl_json_save(path, root, err);
    if (remove(path) == 0)
        return XL_OK;
    return xl_fail(err, XL_EIO, "cannot remove '%s': %s", path,
                   strerror(errno));
}

/* Is the published copy still the one that this run left there? */
static bool is_ours(const char *place, const cJSON *winner)
{
    cJSON *other = NULL;
    const char *a = "", *b = "";
    const cJSON *from = part(winner, "provenance");
    if (!xl_io_exists(place) ||
        xl_json_load(place, XL_JSON_LARGE, &other, NULL) != XL_OK)
        return false;
    const cJSON *there = part(other, "provenance");
    xl_json_get_text(from, "run", &a, NULL);
    xl_json_get_text(there, "run", &b, NULL);
    bool is_same = a[0] && strcmp(a, b) == 0 &&
                   trial_of(from, "trial") == trial_of(there, "trial");
    cJSON_Delete(other);
    return is_same;
}

/* The winner with the verdict that it has now. */
static enum xl_status save_vetoed(const char *run_dir, const cJSON *winner,
                                  const struct xl_veto *veto,
                                  struct xl_err *err)
{
    cJSON *root = cJSON_Duplicate(winner, true);
    cJSON *quality = cJSON_IsObject(part(root, "quality"))
                         ? cJSON_GetObjectItemCaseSensitive(root, "quality")
                         : cJSON_AddObjectToObject(root, "quality");
    put(quality, "verdict", cJSON_CreateString("fail"));
    put(quality, "vetoed_by", cJSON_CreateString(veto->by));
    put(quality, "veto", cJSON_CreateString(veto->reason));
    enum xl_status rc = xl_json_save_in(run_dir, VETOED, root, err);
    cJSON_Delete(root);
    return rc;
}

enum xl_status xl_veto_winner(const char *run_dir, struct xl_veto *veto,
                              struct xl_err *err)
{
    cJSON *winner = NULL, *incumbent = NULL;
    const char *place = "";
    char *path = NULL;
    enum xl_status rc;
    veto->has_incumbent = veto->is_withdrawn = false;
    XL_TRY(load(run_dir, BEST, XL_JSON_LARGE, &winner, err));
    if (!winner)
        return XL_OK;
    XL_TRY_DONE(rc, make_incumbent(winner, run_dir, veto, &incumbent, err));
    XL_TRY_DONE(rc, save_vetoed(run_dir, winner, veto, err));
    path = xl_io_join(run_dir, BEST);
    if (!path)
        XL_TRY_DONE(rc, xl_fail(err, XL_ENOMEM, "out of memory"));
    /* The copy first: while best.json names it, a second try finds it. */
    xl_json_get_text(part(winner, "provenance"), "published", &place, NULL);
    veto->is_withdrawn = place[0] && is_ours(place, winner);
    if (veto->is_withdrawn)
        XL_TRY_DONE(rc, save(place, incumbent, err));
    XL_TRY_DONE(rc, save(path, incumbent, err));
    veto->has_incumbent = incumbent != NULL;
done:
    cJSON_Delete(winner);
    cJSON_Delete(incumbent);
    xl_free(path);
    return rc;
}
