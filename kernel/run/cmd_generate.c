/* SPDX-License-Identifier: Apache-2.0
 *
 * Text streams as its bytes come: an unfinished UTF-8 sequence at the end of
 * a token is completed by the next one, so bytes are passed through as they
 * are. */
#include "kernel/run/cmd_generate_int.h"
#include "kernel/run/input.h"
#include "kernel/run/step_log.h"
#include "kernel/base/cmd_print.h"

static const struct xl_opt rows[OPT_COUNT] = {
    [OPT_PROMPT] = { .name = "prompt",
                     .kind = XL_OPT_TEXT,
                     .arg = "TEXT",
                     .help = "what to continue" },
    [OPT_PROMPT_FILE] = { .name = "prompt-file",
                          .kind = XL_OPT_TEXT,
                          .arg = "FILE",
                          .help = "the same from a file; - = "
                                  "standard input" },
    [OPT_BATCH] = { .name = "batch",
                    .kind = XL_OPT_TEXT,
                    .arg = "FILE",
                    .help = "continue every line of a file, decoded together; "
                            "FILE.jsonl: objects with prompt or prompt_ids, "
                            "seed, max_new_tokens" },
    [OPT_BATCH_SIZE] = { .name = "batch-size",
                         .kind = XL_OPT_INT,
                         .arg = "B",
                         .help = "most sequences of --batch at once",
                         .fallback = "32",
                         .lo = 1,
                         .hi = 65536 },
    [OPT_MAX_NEW] = { .name = "max-new-tokens",
                      .kind = XL_OPT_INT,
                      .arg = "N",
                      .help = "most tokens to write",
                      .fallback = "64",
                      .lo = 0,
                      .hi = 1e8,
                      .alias = "new" },
    [OPT_TEMPERATURE] = { .name = "temperature",
                          .kind = XL_OPT_REAL,
                          .arg = "T",
                          .help = "0 is greedy",
                          .fallback = "0",
                          .lo = 0,
                          .hi = 100 },
    [OPT_TOP_K] = { .name = "top-k",
                    .kind = XL_OPT_INT,
                    .arg = "K",
                    .help = "keep the K likeliest tokens; 0 = all",
                    .fallback = "0",
                    .lo = 0,
                    .hi = 1e9 },
    [OPT_TOP_P] = { .name = "top-p",
                    .kind = XL_OPT_REAL,
                    .arg = "P",
                    .help = "keep the smallest set whose probability reaches "
                            "P",
                    .fallback = "1",
                    .lo = 0,
                    .hi = 1 },
    [OPT_MIN_P] = { .name = "min-p",
                    .kind = XL_OPT_REAL,
                    .arg = "P",
                    .help = "drop tokens below P times the likeliest",
                    .fallback = "0",
                    .lo = 0,
                    .hi = 1 },
    [OPT_PENALTY] = { .name = "repetition-penalty",
                      .kind = XL_OPT_REAL,
                      .arg = "R",
                      .help = "divide the logit of tokens seen "
                              "before by R",
                      .fallback = "1",
                      .lo = 0.01,
                      .hi = 100 },
    [OPT_SEED] = { .name = "seed",
                   .kind = XL_OPT_INT,
                   .arg = "S",
                   .help = "seed of the sampler",
                   .fallback = "1337" },
    [OPT_STOP] = { .name = "stop",
                   .kind = XL_OPT_TEXT,
                   .arg = "TEXT",
                   .help = "end when this text has been written" },
    [OPT_NO_BOS] = { .name = "no-bos",
                     .kind = XL_OPT_BOOL,
                     .help = "put no beginning-of-text token in front" },
    [OPT_STATS_LOG] = { .name = "stats-log",
                        .kind = XL_OPT_TEXT,
                        .arg = "CSV",
                        .help = "write the time of every step" },
    [OPT_STATS_EVERY] = { .name = "stats-every",
                          .kind = XL_OPT_INT,
                          .arg = "N",
                          .help = "steps a line of the logs",
                          .fallback = "1",
                          .lo = 1,
                          .hi = 1e9 },
    [OPT_MEM_LOG] = { .name = "mem-log",
                      .kind = XL_OPT_TEXT,
                      .arg = "CSV",
                      .help = "write memory readings" },
};

/* What the token callback needs. */
struct stream {
    const struct xl_tokenizer *tokenizer;
    struct xl_step_log log;
    struct xl_buf text; /* all bytes so far */
    bool print;
};

static bool on_token(void *ctx, const struct xl_generate_token *token)
{
    struct stream *s = ctx;
    size_t before = s->text.len;
    xl_tokenizer_decode(s->tokenizer, token->id, &s->text);
    xl_step_log_token(&s->log, token);
    if (s->print) {
        fwrite(s->text.data + before, 1, s->text.len - before, stdout);
        fflush(stdout);
    }
    return !ferror(stdout);
}

static void print_rates(const struct xl_ids *prompt,
                        const struct xl_generate_result *r)
{
    fprintf(stderr, "prefill %zu tokens at %.1f tok/s", prompt->n,
            xl_generate_rate((double)prompt->n, r->prefill_ns));
    if (r->decode_steps)
        fprintf(stderr, ", decode %zu steps at %.1f tok/s", r->decode_steps,
                xl_generate_rate((double)r->decode_steps, r->decode_ns));
    fprintf(stderr, " (one run; 'xltune bench' measures)\n");
}

static enum xl_status generate(const struct xl_cmd_ctx *ctx,
                               struct xl_session *session,
                               const struct xl_ids *prompt,
                               struct stream *stream, struct xl_err *err)
{
    struct xl_state state;
    struct xl_generate_result result = { 0 };
    struct xl_generate_options options = xl_generate_flags(&ctx->opts, session);
    options.prompt = prompt->data;
    options.n_prompt = prompt->n;
    options.callback = on_token;
    options.callback_ctx = stream;
    XL_TRY(xl_state_init(&state, xl_model_config(session->model), err));
    enum xl_status rc = xl_generate(session->plan, session->model, &state,
                                    &options, &result, err);
    if (rc == XL_OK && ctx->json)
        rc = xl_print_json(
            xl_generate_json(session, &options, &result, &stream->text), err);
    else if (rc == XL_OK && (putchar('\n') < 0 || fflush(stdout) != 0))
        rc = xl_fail(err, XL_EIO, "cannot write standard output");
    if (rc == XL_OK && !ctx->json && !ctx->quiet)
        print_rates(prompt, &result);
    xl_generate_release(&result);
    xl_state_release(&state);
    return rc;
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    const struct xl_opts *o = &ctx->opts;
    struct xl_session session = { 0 };
    struct xl_ids prompt = { 0 };
    struct stream stream = { .print = !ctx->json };
    struct xl_input input = {
        .text = xl_opt_text(o, XL_GROUP_OWN, OPT_PROMPT),
        .text_file = xl_opt_text(o, XL_GROUP_OWN, OPT_PROMPT_FILE),
        .no_bos = xl_opt_bool(o, XL_GROUP_OWN, OPT_NO_BOS),
    };
    size_t bytes;
    enum xl_status rc;

    if (xl_opt_given(o, XL_GROUP_OWN, OPT_BATCH))
        return xl_generate_file(ctx, err);
    xl_buf_init(&stream.text, 0);
    XL_TRY_DONE(rc, xl_session_open(&session, ctx, err));
    XL_TRY_DONE(rc, xl_input_read(&input, &session, &prompt, &bytes, err));
    XL_TRY_DONE(rc, xl_session_plan(&session, ctx, prompt.n, err));
    XL_TRY_DONE(rc,
                xl_step_log_open(
                    &stream.log, xl_opt_text(o, XL_GROUP_OWN, OPT_STATS_LOG),
                    xl_opt_text(o, XL_GROUP_OWN, OPT_MEM_LOG),
                    (size_t)xl_opt_int(o, XL_GROUP_OWN, OPT_STATS_EVERY), err));
    stream.tokenizer = session.tokenizer;
    rc = generate(ctx, &session, &prompt, &stream, err);
    enum xl_status closed =
        xl_step_log_close(&stream.log, rc == XL_OK ? err : NULL);
    rc = rc == XL_OK ? closed : rc;
done:
    xl_buf_release(&stream.text);
    xl_ids_release(&prompt);
    xl_session_close(&session);
    return rc;
}

const struct xl_cmd xl_cmd_generate = {
    .name = "generate",
    .summary = "text from a prompt, greedy or sampled, streamed",
    .usage = "(--prompt TEXT | --prompt-file FILE | --batch FILE) [OPTIONS]",
    .example = "xltune generate --prompt \"It was a dark night\" "
               "--max-new-tokens 40",
    .rows = rows,
    .n_rows = OPT_COUNT,
    .takes_model = true,
    .run = run,
};
