/* SPDX-License-Identifier: Apache-2.0
 *
 * One configuration before the judge: its verdict and scores go to the store,
 * its continuation to RUN/outputs. A configuration that was judged by an
 * earlier start of this sweep keeps its verdict. */
#include <string.h>

#include "judge/outputs.h"
#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tuner/store/query.h"
#include "tuner/sweep/finish_int.h"

/* -- the verdict ---------------------------------------------------------- */

static enum xl_status set_score(const struct xl_finish *finish, int64_t trial,
                                const cJSON *item, struct xl_err *err)
{
    const cJSON *value = cJSON_IsObject(item)
                             ? cJSON_GetObjectItemCaseSensitive(item, "value")
                             : item;
    struct xl_store_score score = { .name = item->string };
    if (cJSON_IsNumber(value)) {
        score.has_value = true;
        score.value = value->valuedouble;
    } else if (cJSON_IsString(value)) {
        score.detail = value->valuestring;
    } else {
        return XL_OK;
    }
    return xl_store_set_score(finish->sweep->store, trial, &score, err);
}

static enum xl_status record(const struct xl_finish *finish,
                             const struct xl_contender *c, const char *verdict,
                             const char *reason, struct xl_err *err)
{
    struct xl_store *store = finish->sweep->store;
    struct xl_store_score gate = { .name = "verdict",
                                   .has_value = true,
                                   .value = c->passed ? 1.0 : 0.0,
                                   .detail = verdict };
    struct xl_store_score why = { .name = "verdict_reason", .detail = reason };
    XL_TRY(xl_store_begin(store, err));
    enum xl_status rc = XL_OK;
    for (const cJSON *item = c->judgement ? c->judgement->child : NULL;
         item && rc == XL_OK; item = item->next)
        if (strcmp(item->string, "verdict") != 0)
            rc = set_score(finish, c->trial, item, err);
    if (rc == XL_OK)
        rc = xl_store_set_score(store, c->trial, &why, err);
    if (rc == XL_OK)
        rc = xl_store_set_score(store, c->trial, &gate, err);
    enum xl_status end = xl_store_commit(store, rc == XL_OK ? err : NULL);
    return rc == XL_OK ? end : rc;
}

struct earlier {
    bool found, passed;
};

static enum xl_status find_verdict(void *ctx, const struct xl_store_score *row,
                                   struct xl_err *err)
{
    struct earlier *e = ctx;
    (void)err;
    if (strcmp(row->name, "verdict") == 0) {
        e->found = true;
        e->passed = row->has_value && row->value > 0.5;
    }
    return XL_OK;
}

/* -- the continuation ----------------------------------------------------- */

static enum xl_status save_output(const struct xl_finish *finish,
                                  const struct xl_contender *c,
                                  const cJSON *answer, struct xl_err *err)
{
    const cJSON *ids = cJSON_GetObjectItemCaseSensitive(answer, "ids");
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

static enum xl_status write_output(const struct xl_finish *finish,
                                   const struct xl_contender *c,
                                   struct xl_err *err)
{
    const struct xl_runner *runner = &finish->sweep->runner;
    struct xl_run_end end;
    if (!runner->output)
        return XL_OK;
    XL_TRY(runner->output(runner->ctx, &c->params, &end, err));
    enum xl_status rc = end.outcome == XL_RUN_STOPPED ? XL_EINTERRUPTED : XL_OK;
    if (end.outcome == XL_RUN_OK && end.answer)
        rc = save_output(finish, c, end.answer, err);
    cJSON_Delete(end.answer);
    return rc;
}

/* -- both ----------------------------------------------------------------- */

enum xl_status xl_finish_judge(const struct xl_finish *finish,
                               struct xl_contender *c, struct xl_err *err)
{
    const struct xl_runner *runner = &finish->sweep->runner;
    struct earlier earlier = { 0 };
    struct xl_run_end end;
    const char *verdict = "fail", *reason = NULL;
    XL_TRY(xl_query_scores(finish->sweep->store, c->trial, find_verdict,
                           &earlier, err));
    if (earlier.found && !earlier.passed)
        return XL_OK;
    XL_TRY(runner->judge(runner->ctx, &c->params, &end, err));
    if (end.outcome == XL_RUN_STOPPED)
        return XL_EINTERRUPTED;
    c->judgement = end.answer;
    if (end.outcome == XL_RUN_OK && c->judgement) {
        xl_json_get_text(c->judgement, "verdict", &verdict, NULL);
        xl_json_get_text(c->judgement, "reason", &reason, NULL);
    }
    c->passed = strcmp(verdict, "pass") == 0;
    XL_TRY(record(finish, c, verdict,
                  end.outcome == XL_RUN_OK ? reason : end.reason, err));
    return write_output(finish, c, err);
}
