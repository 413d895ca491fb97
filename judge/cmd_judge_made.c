/* SPDX-License-Identifier: Apache-2.0
 *
 * judge calibrate, judge text. */
#include <stdio.h>

#include "judge/calibrate.h"
#include "judge/cmd_judge_int.h"
#include "judge/prose.h"
#include "judge/scores.h"
#include "kernel/base/cmd_print.h"
#include "kernel/base/alloc.h"
#include "kernel/base/json.h"
#include "kernel/run/session.h"

/* -- calibrate ------------------------------------------------------------- */

static void print_floor(enum xl_tier tier, enum xl_score_id id,
                        const struct xl_floor *f)
{
    printf("%-7s %-15s %10.3g %10.3g %10.3g  %s\n", xl_tier_name(tier),
           xl_score_row(id)->name, f->floor, xl_floor_bound(f), f->bound,
           xl_floor_holds(f) ? "" : "too tight");
}

static cJSON *floor_json(enum xl_tier tier, enum xl_score_id id,
                         const struct xl_floor *f)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "tier", xl_tier_name(tier));
    cJSON_AddStringToObject(o, "score", xl_score_row(id)->name);
    xl_json_add_real(o, "floor", f->floor);
    xl_json_add_real(o, "least_bound", xl_floor_bound(f));
    xl_json_add_real(o, "bound", f->bound);
    cJSON_AddBoolToObject(o, "holds", xl_floor_holds(f));
    cJSON_AddStringToObject(o, "worst", f->worst);
    return o;
}

enum xl_status xl_judge_cmd_calibrate(struct xl_cmd_ctx *ctx, size_t tokens,
                                      struct xl_err *err)
{
    struct xl_floor floors[XL_TIER_COUNT][XL_GATE_COUNT];
    struct xl_calibrate_spec spec = { .tokens = tokens };
    size_t tight = 0;
    char *dir;
    XL_TRY(xl_session_model_dir(&ctx->opts, &dir, err));
    spec.model_dir = dir;
    enum xl_status rc = xl_calibrate(&spec, floors, err);
    xl_free(dir);
    XL_TRY(rc);
    cJSON *list = ctx->json ? cJSON_CreateArray() : NULL;
    if (!list)
        printf("%-7s %-15s %10s %10s %10s\n", "tier", "score", "floor", "least",
               "bound");
    for (size_t i = 0; i < XL_TIER_COUNT * XL_GATE_COUNT; i++) {
        enum xl_tier tier = (enum xl_tier)(i / XL_GATE_COUNT);
        const struct xl_floor *f = &floors[tier][i % XL_GATE_COUNT];
        enum xl_score_id id =
            xl_gate_row((enum xl_gate_id)(i % XL_GATE_COUNT))->score;
        if (!f->is_known)
            continue;
        tight += !xl_floor_holds(f);
        if (list)
            cJSON_AddItemToArray(list, floor_json(tier, id, f));
        else
            print_floor(tier, id, f);
    }
    if (list)
        rc = xl_print_json_line(list, err);
    if (rc == XL_OK && tight)
        return xl_fail(err, XL_EUNPROVED,
                       "%zu bounds stand below twice the noise of sound "
                       "builds of this model on this machine",
                       tight);
    return rc;
}

/* -- text ------------------------------------------------------------------ */

enum xl_status xl_judge_cmd_text(struct xl_cmd_ctx *ctx, size_t tokens,
                                 uint64_t seed, struct xl_err *err)
{
    struct xl_session session = { 0 };
    struct xl_buf text;
    xl_buf_init(&text, 0);
    enum xl_status rc = xl_session_open(&session, ctx, err);
    if (rc == XL_OK)
        rc = xl_prose_exact(&text, xl_model_config(session.model),
                            session.tokenizer, tokens, seed, err);
    if (rc == XL_OK)
        fwrite(text.data, 1, text.len, stdout);
    xl_buf_release(&text);
    xl_session_close(&session);
    return rc;
}
