/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "kernel/base/cmd_print.h"
#include "kernel/base/json.h"
#include "kernel/run/input.h"
#include "kernel/run/npy.h"
#include "kernel/run/score.h"
#include "kernel/run/session.h"
#include "kernel/text/sampler.h"

enum {
    OPT_TOKENS_FILE,
    OPT_OUT,
    OPT_STATE_OUT,
    OPT_SPLIT,
    OPT_STEP,
    OPT_COUNT
};

static const struct xl_opt rows[OPT_COUNT] = {
    [OPT_TOKENS_FILE] = { .name = "tokens-file",
                          .kind = XL_OPT_TEXT,
                          .arg = "FILE",
                          .help = "decimal token ids separated "
                                  "by white space" },
    [OPT_OUT] = { .name = "out",
                  .kind = XL_OPT_TEXT,
                  .arg = "NPY",
                  .help = "where to write the logits, float32 [tokens, "
                          "vocabulary]" },
    [OPT_STATE_OUT] = { .name = "state-out",
                        .kind = XL_OPT_TEXT,
                        .arg = "SAFETENSORS",
                        .help = "where to write the state after the last "
                                "token" },
    [OPT_SPLIT] = { .name = "split",
                    .kind = XL_OPT_INT,
                    .arg = "N",
                    .help = "feed pieces of N tokens, carrying state; 0 = "
                            "whole blocks",
                    .fallback = "0",
                    .lo = 0,
                    .hi = 1e9 },
    [OPT_STEP] = { .name = "step",
                   .kind = XL_OPT_BOOL,
                   .help = "feed one token at a time through the decode "
                           "path" },
};

/* The file of logits, and what --json says of them. */
struct writer {
    struct xl_npy npy;
    double least, largest; /* of all logits */
    bool is_finite;
    size_t rows;
    int32_t next; /* the likeliest after the last token */
    enum xl_status rc;
    struct xl_err *err;
};

static bool write_row(void *ctx, size_t position, const float *logits,
                      size_t vocab)
{
    struct writer *w = ctx;
    (void)position;
    for (size_t i = 0; i < vocab; i++) {
        double x = (double)logits[i];
        w->is_finite = w->is_finite && isfinite(x);
        w->least = fmin(w->least, x);
        w->largest = fmax(w->largest, x);
    }
    w->next = (int32_t)xl_argmax(logits, vocab);
    w->rows++;
    w->rc = xl_npy_row(&w->npy, logits, w->err);
    return w->rc == XL_OK;
}

static enum xl_status print_json(const struct writer *w, const char *out,
                                 const char *state_out, size_t vocab,
                                 struct xl_err *err)
{
    cJSON *root = cJSON_CreateObject();
    xl_json_add_real(root, "tokens", (double)w->rows);
    xl_json_add_real(root, "vocab", (double)vocab);
    xl_json_add_string(root, "out", out);
    xl_json_add_string(root, "state_out", state_out);
    xl_json_add_real(root, "min", w->least);
    xl_json_add_real(root, "max", w->largest);
    cJSON_AddBoolToObject(root, "finite", w->is_finite);
    xl_json_add_real(root, "next_id", (double)w->next);
    return xl_print_json_line(root, err);
}

static enum xl_status write_all(const struct xl_cmd_ctx *ctx,
                                const struct xl_session *session,
                                const struct xl_ids *ids, const char *out,
                                struct xl_err *err)
{
    const struct xl_opts *o = &ctx->opts;
    const char *state_out = xl_opt_text(o, XL_GROUP_OWN, OPT_STATE_OUT);
    size_t vocab = xl_model_config(session->model)->vocab;
    struct xl_feed feed = {
        .split = (size_t)xl_opt_int(o, XL_GROUP_OWN, OPT_SPLIT),
        .step = xl_opt_bool(o, XL_GROUP_OWN, OPT_STEP),
    };
    struct writer w = {
        .least = HUGE_VAL, .largest = -HUGE_VAL, .is_finite = true, .err = err
    };
    struct xl_state state;
    enum xl_status rc;
    XL_TRY(xl_state_init(&state, xl_model_config(session->model), err));
    XL_TRY_DONE(rc, xl_npy_open(&w.npy, out, ids->n, vocab, err));
    XL_TRY_DONE(rc, xl_score_run(session->plan, session->model, &state,
                                 &(struct xl_score_job){ .tokens = ids->data,
                                                         .n = ids->n,
                                                         .feed = &feed,
                                                         .callback = write_row,
                                                         .ctx = &w },
                                 err));
    XL_TRY_DONE(rc, w.rc);
    XL_TRY_DONE(rc, xl_npy_commit(&w.npy, err));
    if (state_out)
        rc = xl_state_save(&state, state_out, err);
    if (rc == XL_OK && ctx->json)
        rc = print_json(&w, out, state_out, vocab, err);
done:
    xl_npy_abandon(&w.npy);
    xl_state_release(&state);
    return rc;
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    const struct xl_opts *o = &ctx->opts;
    const char *out = xl_opt_text(o, XL_GROUP_OWN, OPT_OUT);
    struct xl_session session = { 0 };
    struct xl_ids ids = { 0 };
    struct xl_input input = { .tokens_file = xl_opt_text(o, XL_GROUP_OWN,
                                                         OPT_TOKENS_FILE) };
    size_t bytes;
    enum xl_status rc;
    if (!out)
        return xl_fail(err, XL_EUSAGE, "--out names the file to write");
    XL_TRY_DONE(rc, xl_session_open(&session, ctx, err));
    XL_TRY_DONE(rc, xl_input_read(&input, &session, &ids, &bytes, err));
    if (ids.n == 0) {
        rc = xl_fail(err, XL_EUSAGE, "'%s' holds no token ids",
                     input.tokens_file);
        goto done;
    }
    XL_TRY_DONE(rc, xl_session_plan(&session, ctx, ids.n, err));
    rc = write_all(ctx, &session, &ids, out, err);
done:
    xl_ids_release(&ids);
    xl_session_close(&session);
    return rc;
}

const struct xl_cmd xl_cmd_logits = {
    .name = "logits",
    .summary = "raw logits and states, for other programs to check",
    .usage = "--tokens-file FILE --out O.npy [OPTIONS]",
    .example = "xltune logits --tokens-file ids.txt --out y.npy "
               "--state-out s.safetensors",
    .rows = rows,
    .n_rows = OPT_COUNT,
    .takes_model = true,
    .run = run,
};
