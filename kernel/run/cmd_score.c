/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernel/base/alloc.h"
#include "kernel/base/json.h"
#include "kernel/base/cmd_print.h"
#include "kernel/run/input.h"
#include "kernel/run/score.h"
#include "kernel/run/session.h"

enum {
    OPT_TEXT_FILE,
    OPT_TOKENS_FILE,
    OPT_NO_BOS,
    OPT_PER_TOKEN,
    OPT_COUNT
};

static const struct xl_opt rows[OPT_COUNT] = {
    [OPT_TEXT_FILE] = { .name = "text-file",
                        .kind = XL_OPT_TEXT,
                        .arg = "FILE",
                        .help = "text to score; - = standard "
                                "input" },
    [OPT_TOKENS_FILE] = { .name = "tokens-file",
                          .kind = XL_OPT_TEXT,
                          .arg = "FILE",
                          .help = "decimal token ids to score instead" },
    [OPT_NO_BOS] = { .name = "no-bos",
                     .kind = XL_OPT_BOOL,
                     .help = "put no beginning-of-text token in front" },
    [OPT_PER_TOKEN] = { .name = "per-token",
                        .kind = XL_OPT_BOOL,
                        .help = "also print every token's log-probability" },
};

struct summary {
    size_t scored;
    double total, avg, ppl, bits_per_byte; /* NaN = unknown */
};

static struct summary sum_up(const double *logprobs, size_t n, size_t bytes)
{
    struct summary s = { .scored = n,
                         .avg = (double)NAN,
                         .ppl = (double)NAN,
                         .bits_per_byte = (double)NAN };
    for (size_t i = 0; i < n; i++)
        s.total += logprobs[i];
    if (n) {
        s.avg = s.total / (double)n;
        s.ppl = exp(-s.avg);
    }
    if (n && bytes)
        s.bits_per_byte = -s.total / log(2.0) / (double)bytes;
    return s;
}

static enum xl_status print_json(const struct summary *s,
                                 const double *logprobs, struct xl_err *err)
{
    cJSON *root = cJSON_CreateObject();
    xl_json_add_real(root, "tokens", (double)s->scored);
    xl_json_add_real(root, "avg_logprob", s->avg);
    xl_json_add_real(root, "ppl", s->ppl);
    xl_json_add_real(root, "bits_per_byte", s->bits_per_byte);
    cJSON_AddItemToObject(root, "logprobs",
                          cJSON_CreateDoubleArray(logprobs, (int)s->scored));
    return xl_print_json(root, err);
}

static void print_text(const struct summary *s, const struct xl_ids *ids,
                       const double *logprobs, bool per_token)
{
    for (size_t i = 0; per_token && i < s->scored; i++)
        printf("%zu\t%d\t%.6f\n", i + 1, (int)ids->data[i + 1], logprobs[i]);
    printf("tokens         %zu\n", s->scored);
    printf("avg_logprob    %.6f nats a token\n", s->avg);
    printf("perplexity     %.4f\n", s->ppl);
    if (isfinite(s->bits_per_byte))
        printf("bits_per_byte  %.5f\n", s->bits_per_byte);
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    const struct xl_opts *o = &ctx->opts;
    struct xl_session session = { 0 };
    struct xl_ids ids = { 0 };
    double *logprobs = NULL;
    size_t bytes = 0;
    struct xl_input input = {
        .text_file = xl_opt_text(o, XL_GROUP_OWN, OPT_TEXT_FILE),
        .tokens_file = xl_opt_text(o, XL_GROUP_OWN, OPT_TOKENS_FILE),
        .no_bos = xl_opt_bool(o, XL_GROUP_OWN, OPT_NO_BOS),
    };
    enum xl_status rc;

    XL_TRY_DONE(rc, xl_session_open(&session, ctx, err));
    XL_TRY_DONE(rc, xl_input_read(&input, &session, &ids, &bytes, err));
    if (ids.n < 2) {
        rc = xl_fail(err, XL_EUSAGE,
                     "nothing to score: of %zu token%s the first only "
                     "conditions; give more text",
                     ids.n, ids.n == 1 ? "" : "s");
        goto done;
    }
    XL_TRY_DONE(rc, xl_session_plan(&session, ctx, ids.n, err));
    logprobs = xl_alloc_zero(ids.n, sizeof *logprobs);
    if (!logprobs) {
        rc = xl_fail(err, XL_ENOMEM, "out of memory for %zu scores", ids.n);
        goto done;
    }
    XL_TRY_DONE(rc, xl_score_tokens(session.plan, session.model, ids.data,
                                    ids.n, logprobs, err));
    struct summary s = sum_up(logprobs, ids.n - 1, bytes);
    if (ctx->json)
        rc = print_json(&s, logprobs, err);
    else
        print_text(&s, &ids, logprobs,
                   xl_opt_bool(o, XL_GROUP_OWN, OPT_PER_TOKEN));
done:
    xl_free(logprobs);
    xl_ids_release(&ids);
    xl_session_close(&session);
    return rc;
}

const struct xl_cmd xl_cmd_score = {
    .name = "score",
    .summary = "log-probability of given text or tokens",
    .usage = "(--text-file FILE | --tokens-file FILE) [OPTIONS]",
    .example = "xltune score --text-file README.md --json",
    .details = "A token is scored by the logits before it; the first token "
               "only conditions.",
    .rows = rows,
    .n_rows = OPT_COUNT,
    .takes_model = true,
    .run = run,
};
