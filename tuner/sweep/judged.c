/* SPDX-License-Identifier: Apache-2.0
 *
 * One configuration before the judges: its verdict and scores go to the
 * store, its continuation to RUN/outputs. A configuration that was refused by
 * an earlier start of this sweep stays refused. */
#include <stdio.h>
#include <string.h>

#include "judge/outputs.h"
#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tuner/store/query.h"
#include "tuner/sweep/attempt.h"
#include "tuner/sweep/finish_int.h"

#define N_TOKENS "n_tokens" /* of a judgement, and its score */

/* -- the verdict ---------------------------------------------------------- */

/* What one stage says of one trial. */
struct hearing {
    const struct xl_sweep *sweep;
    int64_t trial;
    enum xl_stage stage;
    cJSON *judgement; /* NULL = could not be judged */
    const char *verdict, *reason;
};

static enum xl_status set_score(const struct hearing *h, const cJSON *item,
                                struct xl_err *err)
{
    const cJSON *value =
        cJSON_IsObject(item) ? xl_json_member(item, "value") : item;
    struct xl_store_score score = { .name = item->string };
    if (cJSON_IsNumber(value)) {
        score.has_value = true;
        score.value = value->valuedouble;
    } else if (cJSON_IsString(value)) {
        score.detail = value->valuestring;
    } else {
        return XL_OK;
    }
    return xl_store_set_score(h->sweep->store, h->trial, &score, err);
}

static bool is_verdict(const cJSON *item)
{
    return strcmp(item->string, "verdict") == 0;
}

/* The scores of a trial are those of the stages before the holdout, whose
 * text all configurations share. */
static enum xl_status set_scores(const struct hearing *h, struct xl_err *err)
{
    const struct xl_store_score stage = { .name = "verdict_stage",
                                          .detail = xl_stage_name(h->stage) };
    const struct xl_store_score why = { .name = "verdict_reason",
                                        .detail = h->reason };
    const struct xl_store_score gate = {
        .name = "verdict",
        .has_value = true,
        .value = strcmp(h->verdict, "pass") == 0 ? 1.0 : 0.0,
        .detail = h->verdict
    };
    bool has_scores = h->stage != XL_STAGE_HOLDOUT && h->judgement;
    for (const cJSON *item = has_scores ? h->judgement->child : NULL; item;
         item = item->next)
        if (!is_verdict(item))
            XL_TRY(set_score(h, item, err));
    XL_TRY(xl_store_set_score(h->sweep->store, h->trial, &stage, err));
    XL_TRY(xl_store_set_score(h->sweep->store, h->trial, &why, err));
    return xl_store_set_score(h->sweep->store, h->trial, &gate, err);
}

static enum xl_status record(const struct hearing *h, struct xl_err *err)
{
    struct xl_store *store = h->sweep->store;
    XL_TRY(xl_store_begin(store, err));
    enum xl_status rc = set_scores(h, err);
    enum xl_status end = xl_store_commit(store, rc == XL_OK ? err : NULL);
    return rc == XL_OK ? end : rc;
}

/* What an earlier hearing of a trial said. */
struct earlier {
    bool is_refused, is_open;
    size_t n_tokens;
};

static bool is_inconclusive(const char *verdict)
{
    return verdict && strcmp(verdict, "inconclusive") == 0;
}

static enum xl_status find_refusal(void *ctx, const struct xl_store_score *row,
                                   struct xl_err *err)
{
    struct earlier *earlier = ctx;
    (void)err;
    if (strcmp(row->name, N_TOKENS) == 0 && row->has_value)
        earlier->n_tokens = (size_t)row->value;
    if (strcmp(row->name, "verdict") != 0)
        return XL_OK;
    earlier->is_refused = row->has_value && row->value < 0.5;
    earlier->is_open = is_inconclusive(row->detail);
    return XL_OK;
}

/* Remembers that the search went on as if the trial were none, for a resumed
 * sweep goes the same way. */
static enum xl_status note_unproved(const struct hearing *h, struct xl_err *err)
{
    const struct xl_store_score mark = { .name = XL_UNPROVED,
                                         .detail = xl_stage_name(h->stage) };
    return xl_store_set_score(h->sweep->store, h->trial, &mark, err);
}

/* Asks the judge. A configuration that cannot be judged has failed: *end,
 * whose answer is the caller's, says why. */
static enum xl_status hear(struct hearing *h,
                           const struct xl_judge_request *request,
                           struct xl_run_end *end, struct xl_err *err)
{
    const struct xl_runner *runner = &h->sweep->runner;
    uint64_t start_ns = xl_clock_ns();
    XL_TRY(runner->judge(runner->ctx, request, end, err));
    if (h->stage == XL_STAGE_FULL && end->outcome == XL_RUN_OK)
        xl_pace_judge(h->sweep->pace, xl_clock_ns() - start_ns);
    h->verdict = "fail";
    h->reason = end->reason;
    h->judgement = end->answer;
    if (end->outcome != XL_RUN_OK || !h->judgement)
        return XL_OK;
    xl_json_get_text(h->judgement, "verdict", &h->verdict, NULL);
    xl_json_get_text(h->judgement, "reason", &h->reason, NULL);
    cJSON_DeleteItemFromObjectCaseSensitive(h->judgement, "stage");
    cJSON_AddStringToObject(h->judgement, "stage", xl_stage_name(h->stage));
    return XL_OK;
}

/* What passed the whole judge as a trial has passed at the end too: it is the
 * same process with the same text, tokens and gates, and the key holds every
 * tunable. What failed or was left open is in the store and never gets here; a
 * sweep that was resumed asks again. */
static enum xl_status keep_pass(const struct hearing *h,
                                const struct xl_params *params,
                                struct xl_err *err)
{
    struct xl_buf key;
    if (!h->sweep->heard || h->stage != XL_STAGE_FULL)
        return XL_OK;
    xl_buf_init(&key, 0);
    enum xl_status rc = xl_sweep_print_params(params, &key, err);
    if (rc == XL_OK && !cJSON_HasObjectItem(h->sweep->heard, key.data))
        cJSON_AddItemToObject(h->sweep->heard, key.data,
                              cJSON_Duplicate(h->judgement, true));
    xl_buf_release(&key);
    return rc;
}

/* Takes an earlier pass; h->judgement stays NULL when there is none. */
static enum xl_status
take_pass(struct hearing *h, const struct xl_params *params, struct xl_err *err)
{
    struct xl_buf key;
    xl_buf_init(&key, 0);
    enum xl_status rc = xl_sweep_print_params(params, &key, err);
    if (rc == XL_OK)
        h->judgement =
            cJSON_Duplicate(xl_json_member(h->sweep->heard, key.data), true);
    xl_buf_release(&key);
    if (!h->judgement)
        return rc;
    xl_json_get_text(h->judgement, "verdict", &h->verdict, NULL);
    xl_json_get_text(h->judgement, "reason", &h->reason, NULL);
    return rc;
}

enum xl_status xl_sweep_gate(const struct xl_sweep *sweep, int64_t trial,
                             const struct xl_judge_request *request,
                             struct xl_run_end *end, struct xl_err *err)
{
    struct hearing h = { .sweep = sweep,
                         .trial = trial,
                         .stage = request->stage };
    struct xl_run_end heard;
    XL_TRY(hear(&h, request, &heard, err));
    bool failed = strcmp(h.verdict, "fail") == 0;
    bool is_open =
        h.stage != XL_STAGE_SCREEN && !failed && strcmp(h.verdict, "pass") != 0;
    enum xl_status rc = XL_OK;
    if (heard.outcome != XL_RUN_OK) {
        end->outcome = heard.outcome;
        memcpy(end->reason, heard.reason, sizeof end->reason);
    } else if (failed || is_open) {
        end->outcome = is_open ? XL_RUN_UNPROVED : XL_RUN_WRONG;
        snprintf(end->reason, sizeof end->reason, XL_REFUSED "%s: %.200s",
                 h.verdict, h.reason ? h.reason : "");
        rc = record(&h, err);
        if (rc == XL_OK && is_open)
            rc = note_unproved(&h, err);
    } else {
        rc = keep_pass(&h, request->params, err);
    }
    cJSON_Delete(heard.answer);
    return rc;
}

/* -- the continuation ----------------------------------------------------- */

static enum xl_status save_output(const struct xl_finish *finish,
                                  const struct xl_contender *c,
                                  const cJSON *answer, struct xl_err *err)
{
    const cJSON *ids = xl_json_member(answer, "ids");
    const char *text = "";
    int n = cJSON_GetArraySize(ids);
    xl_json_get_text(answer, "text", &text, NULL);
    int32_t *tokens = xl_alloc_zero((size_t)n + 1, sizeof *tokens);
    char *dir = xl_io_join(finish->run_dir, "outputs");
    enum xl_status rc;
    if (!tokens || !dir) {
        rc = xl_fail(err, XL_ENOMEM, "out of memory for an output");
        goto done;
    }
    size_t at = 0;
    for (const cJSON *id = ids ? ids->child : NULL; id; id = id->next)
        tokens[at++] = (int32_t)id->valuedouble;
    struct xl_output output = {
        .params = c->params,
        .ids = tokens,
        .n_ids = at,
        .text = text,
        .n_text = strlen(text),
        .prompt_tokens = finish->prompt_tokens,
        .is_greedy = true,
    };
    rc = xl_outputs_save(dir, &output, NULL, err);
done:
    xl_free(tokens);
    xl_free(dir);
    return rc;
}

enum xl_status xl_finish_output(const struct xl_finish *finish,
                                const struct xl_contender *c,
                                struct xl_err *err)
{
    const struct xl_runner *runner = &finish->sweep->runner;
    struct xl_run_end end;
    if (!runner->output)
        return XL_OK;
    XL_TRY(runner->output(runner->ctx, &c->params, &end, err));
    enum xl_status rc =
        end.outcome == XL_RUN_STOPPED ? xl_sweep_stopped(finish->sweep) : XL_OK;
    if (end.outcome == XL_RUN_OK && end.answer)
        rc = save_output(finish, c, end.answer, err);
    cJSON_Delete(end.answer);
    return rc;
}

/* -- contenders ----------------------------------------------------------- */

/* What contends has been measured: nobody can take it. */
static enum xl_status hear_contender(struct hearing *h,
                                     const struct xl_contender *c,
                                     struct xl_run_end *end, struct xl_err *err)
{
    const struct xl_judge_request request = { .params = &c->params,
                                              .stage = h->stage };
    return hear(h, &request, end, err);
}

static size_t tokens_of(const struct hearing *h)
{
    double n = xl_json_number(h->judgement, N_TOKENS);
    return n > 0 ? (size_t)n : 0;
}

enum xl_status xl_finish_judge(const struct xl_finish *finish,
                               struct xl_contender *c, struct xl_err *err)
{
    struct hearing h = { .sweep = finish->sweep,
                         .trial = c->trial,
                         .stage = XL_STAGE_FULL };
    struct xl_run_end end = { .outcome = XL_RUN_OK };
    struct earlier earlier = { 0 };
    c->is_judged = true;
    XL_TRY(xl_query_scores(finish->sweep->store, c->trial, find_refusal,
                           &earlier, err));
    c->is_open = earlier.is_open;
    c->n_tokens = earlier.n_tokens;
    if (earlier.is_refused)
        return XL_OK;
    if (finish->sweep->heard)
        XL_TRY(take_pass(&h, &c->params, err));
    if (!h.judgement)
        XL_TRY(hear_contender(&h, c, &end, err));
    if (end.outcome == XL_RUN_STOPPED)
        return xl_sweep_stopped(finish->sweep);
    c->judgement = h.judgement;
    c->n_tokens = tokens_of(&h);
    c->passed = strcmp(h.verdict, "pass") == 0;
    c->is_open = is_inconclusive(h.verdict);
    return record(&h, err);
}

enum xl_status xl_finish_holdout(const struct xl_finish *finish,
                                 struct xl_contender *c, struct xl_err *err)
{
    struct hearing h = { .sweep = finish->sweep,
                         .trial = c->trial,
                         .stage = XL_STAGE_HOLDOUT };
    struct xl_run_end end;
    XL_TRY(hear_contender(&h, c, &end, err));
    if (end.outcome == XL_RUN_STOPPED)
        return xl_sweep_stopped(finish->sweep);
    c->is_held_out = true;
    c->n_tokens = tokens_of(&h);
    c->passed = strcmp(h.verdict, "pass") == 0;
    c->is_open = is_inconclusive(h.verdict);
    enum xl_status rc = record(&h, err);
    if (h.judgement && c->judgement)
        cJSON_AddItemToObject(c->judgement, "holdout", h.judgement);
    else
        cJSON_Delete(h.judgement);
    return rc;
}

enum xl_status xl_finish_judged(const struct xl_finish *finish,
                                const struct xl_contender *items, size_t n,
                                struct xl_err *err)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(root, "finalists");
    for (size_t i = 0; i < n; i++) {
        if (!items[i].judgement)
            continue;
        cJSON *item = cJSON_CreateObject();
        cJSON_AddItemToArray(list, item);
        cJSON_AddNumberToObject(item, "trial", (double)items[i].trial);
        cJSON_AddItemToObject(item, "params",
                              xl_params_to_json(&items[i].params));
        cJSON_AddItemToObject(item, "quality",
                              cJSON_Duplicate(items[i].judgement, true));
    }
    enum xl_status rc =
        list ? xl_json_save_in(finish->run_dir, "judged.json", root, err)
             : xl_fail(err, XL_ENOMEM, "out of memory");
    cJSON_Delete(root);
    return rc;
}
