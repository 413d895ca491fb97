/* SPDX-License-Identifier: Apache-2.0
 *
 * A vetoed winner: what is left is a profile that passed, or none. */
#include <stdio.h>
#include <string.h>

#include "judge/veto.h"
#include "kernel/base/cpu.h"
#include "kernel/base/json.h"
#include "kernel/model/config.h"
#include "tests/unit/run_fixture.h"
#include "tuner/profile/best.h"

enum {
    CHUNK_WON = 32,
    CHUNK_BEATEN = 64
};

static struct xl_params params_of(int64_t chunk)
{
    struct xl_params p;
    xl_params_init(&p);
    p.value[XL_PARAM_CHUNK_SIZE] = chunk;
    return p;
}

/* Trial 7 won against trial 3; run: of the copy at path. */
static void save_winner(struct xl_test *t, const char *name, const char *run)
{
    struct xl_err err = { 0 };
    struct xl_key key = { .context = 512 };
    struct xl_config config;
    struct xl_cpu cpu;
    char place[300], path[300];
    const struct xl_params won = params_of(CHUNK_WON);
    const struct xl_params beaten = params_of(CHUNK_BEATEN);
    cJSON *metrics = cJSON_Parse("{\"prefill_tok_s\":2,\"decode_tok_s\":2,"
                                 "\"prefill_s\":2,\"decode_s\":2}");
    cJSON *quality = cJSON_Parse("{\"verdict\":\"pass\",\"tier\":\"q4\"}");
    cJSON *from = cJSON_CreateObject();
    cJSON *versus = cJSON_AddObjectToObject(from, "versus");
    snprintf(place, sizeof place, "%s/store.json", t->dir);
    snprintf(path, sizeof path, "%s/%s", t->dir, name);
    cJSON_AddStringToObject(from, "run", run);
    cJSON_AddNumberToObject(from, "trial", 7);
    cJSON_AddStringToObject(from, "published", place);
    cJSON_AddNumberToObject(versus, "trial", 3);
    cJSON_AddItemToObject(versus, "params", xl_params_to_json(&beaten));
    xl_cpu_read(&cpu);
    xl_key_hardware(&key.hardware, &cpu);
    XL_CHECK_STATUS(t,
                    xl_config_load(&config, xl_test_data("models/tiny"), &err),
                    XL_OK, &err);
    xl_key_model(&key.model, &config, XL_FP32);
    struct xl_best_doc doc = { .params = &won,
                               .key = &key,
                               .metrics = metrics,
                               .quality = quality,
                               .provenance = from };
    XL_CHECK_STATUS(t, xl_best_save(path, &doc, &err), XL_OK, &err);
    cJSON_Delete(metrics);
    cJSON_Delete(quality);
    cJSON_Delete(from);
}

static void judged(struct xl_test *t, const char *verdict)
{
    char text[200];
    snprintf(text, sizeof text,
             "{\"finalists\": [{\"trial\": 7, \"quality\": {\"verdict\":"
             " \"pass\"}}, {\"trial\": 3, \"quality\": {\"verdict\": \"%s\","
             " \"tier\": \"kernel\"}}]}",
             verdict);
    xl_case_text(t, "judged.json", text);
    xl_case_text(t, "trials.jsonl",
                 "{\"id\": 7, \"prefill_tok_s\": 9}\n"
                 "{\"id\": 3, \"prefill_tok_s\": 5, \"decode_tok_s\": 4}\n");
}

/* Is the file a profile of what was beaten, with its own figures? */
static void check_incumbent(struct xl_test *t, const char *name)
{
    struct xl_best best;
    struct xl_err err = { 0 };
    char path[300];
    snprintf(path, sizeof path, "%s/%s", t->dir, name);
    if (!XL_CHECK_STATUS(
            t, xl_best_load(&best, path, XL_BEST_FULL, XL_LAYER_MACHINE, &err),
            XL_OK, &err))
        return;
    const cJSON *m = xl_json_member(best.root, "metrics");
    const cJSON *x = xl_json_member(m, "prefill_tok_s");
    XL_CHECK_EQ(t, best.params.value[XL_PARAM_CHUNK_SIZE], CHUNK_BEATEN);
    XL_CHECK(t, xl_best_passed(&best));
    XL_CHECK(t, cJSON_IsNumber(x) && x->valuedouble == 5);
    xl_best_release(&best);
}

static void check_vetoed(struct xl_test *t)
{
    struct xl_best best;
    struct xl_err err = { 0 };
    char path[300];
    snprintf(path, sizeof path, "%s/best.vetoed.json", t->dir);
    if (!XL_CHECK_STATUS(
            t, xl_best_load(&best, path, XL_BEST_FULL, XL_LAYER_MACHINE, &err),
            XL_OK, &err))
        return;
    XL_CHECK_EQ(t, best.params.value[XL_PARAM_CHUNK_SIZE], CHUNK_WON);
    XL_CHECK(t, !xl_best_passed(&best));
    xl_best_release(&best);
}

static struct xl_veto veto(struct xl_test *t)
{
    struct xl_veto v = { .by = "wise:1", .reason = "lost 9 of 10" };
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, xl_veto_winner(t->dir, &v, &err), XL_OK, &err);
    return v;
}

static void what_was_beaten_comes_back(struct xl_test *t)
{
    save_winner(t, "best.json", "r");
    save_winner(t, "store.json", "r");
    judged(t, "pass");
    struct xl_veto v = veto(t);
    XL_CHECK(t, v.has_incumbent && v.is_withdrawn);
    check_incumbent(t, "best.json");
    check_incumbent(t, "store.json");
    check_vetoed(t);
}

/* It never passed, so nothing is left; another run's copy is left alone. */
static void what_never_passed_does_not(struct xl_test *t)
{
    save_winner(t, "best.json", "r");
    save_winner(t, "store.json", "another");
    judged(t, "fail");
    struct xl_veto v = veto(t);
    XL_CHECK(t, !v.has_incumbent && !v.is_withdrawn);
    XL_CHECK(t, !xl_case_has(t, "best.json"));
    XL_CHECK(t, xl_case_has(t, "store.json"));
    check_vetoed(t);
    v = veto(t); /* nothing to do */
    XL_CHECK(t, !v.has_incumbent && !v.is_withdrawn);
}

const struct xl_test_case xl_suite_veto[] = {
    XL_CASE(what_was_beaten_comes_back),
    XL_CASE(what_never_passed_does_not),
    { 0 },
};
