/* SPDX-License-Identifier: Apache-2.0
 *
 * generate --batch. Sequences end in any order and are printed in the order of
 * their prompts, each as soon as those before it are out. */
#include <stdio.h>

#include "kernel/base/alloc.h"
#include "kernel/base/cmd_print.h"
#include "kernel/run/batch.h"
#include "kernel/run/cmd_generate_int.h"
#include "kernel/run/prompts.h"

/* The job and what is out of it. */
struct output {
    const struct xl_session *session;
    const struct xl_generate_options *options; /* [n] */
    struct xl_generate_result *results;        /* [n] */
    bool *is_done;                             /* [n] */
    size_t n, printed;
    bool json;
    enum xl_status rc; /* of printing */
    struct xl_err err;
};

static void print_one(struct output *out, size_t index)
{
    const struct xl_generate_result *result = &out->results[index];
    struct xl_buf text;
    xl_buf_init(&text, 0);
    for (size_t i = 0; i < result->n; i++)
        xl_tokenizer_decode(out->session->tokenizer, result->ids[i], &text);
    out->rc = xl_buf_check(&text, "the text", &out->err);
    if (out->rc == XL_OK && out->json) {
        cJSON *root =
            xl_generate_json(out->session, &out->options[index], result, &text);
        cJSON_AddNumberToObject(root, "index", (double)index);
        out->rc = xl_print_json_line(root, &out->err);
    } else if (out->rc == XL_OK) {
        printf("[%zu]", index);
        fwrite(text.data, 1, text.len, stdout);
        putchar('\n');
    }
    if (out->rc == XL_OK && (fflush(stdout) != 0 || ferror(stdout)))
        out->rc = xl_fail(&out->err, XL_EIO, "cannot write standard output");
    xl_buf_release(&text);
}

static void on_done(void *ctx, size_t index,
                    const struct xl_generate_result *result)
{
    struct output *out = ctx;
    (void)result;
    out->is_done[index] = true;
    while (out->printed < out->n && out->is_done[out->printed] &&
           out->rc == XL_OK)
        print_one(out, out->printed++);
}

static void print_rates(size_t n, const struct xl_batch_stats *stats)
{
    fprintf(stderr, "%zu prompts: prefill %zu tokens at %.1f tok/s", n,
            stats->prompt_tokens,
            xl_generate_rate((double)stats->prompt_tokens, stats->prefill_ns));
    if (stats->decode_steps)
        fprintf(
            stderr, ", decode %zu tokens in %zu steps at %.1f tok/s",
            stats->decode_tokens, stats->decode_steps,
            xl_generate_rate((double)stats->decode_tokens, stats->decode_ns));
    fprintf(stderr, " (one run; 'xltune bench' measures)\n");
}

/* Sequence i takes the seed of the flags plus i, unless its line has one. */
static void fill_options(const struct xl_opts *o,
                         const struct xl_session *session,
                         const struct xl_prompts *prompts,
                         struct xl_generate_options *options)
{
    for (size_t i = 0; i < prompts->n; i++) {
        const struct xl_prompt *prompt = &prompts->list[i];
        options[i] = xl_generate_flags(o, session);
        options[i].prompt = prompt->ids.data;
        options[i].n_prompt = prompt->ids.n;
        options[i].sampler.seed += i;
        if (prompt->seed >= 0)
            options[i].sampler.seed = (uint64_t)prompt->seed;
        if (prompt->max_new >= 0)
            options[i].max_new = (size_t)prompt->max_new;
    }
}

static enum xl_status run_all(const struct xl_cmd_ctx *ctx,
                              const struct xl_session *session,
                              const struct xl_prompts *prompts,
                              struct xl_err *err)
{
    const struct xl_opts *o = &ctx->opts;
    size_t n = prompts->n;
    struct xl_generate_options *options = xl_alloc_zero(n, sizeof *options);
    struct output out = { .session = session,
                          .options = options,
                          .results = xl_alloc_zero(n, sizeof *out.results),
                          .is_done = xl_alloc_zero(n, sizeof *out.is_done),
                          .n = n,
                          .json = ctx->json };
    struct xl_batch_stats stats = { 0 };
    enum xl_status rc = XL_ENOMEM;
    if (!options || !out.results || !out.is_done) {
        xl_fail(err, rc, "out of memory for %zu prompts", n);
        goto done;
    }
    fill_options(o, session, prompts, options);
    rc = xl_generate_batch(
        session->plan, session->model,
        &(struct xl_batch_job){
            .options = options,
            .n = n,
            .width = (size_t)xl_opt_int(o, XL_GROUP_OWN, OPT_BATCH_SIZE),
            .done = on_done,
            .done_ctx = &out },
        out.results, &stats, err);
    if (rc == XL_OK && out.rc != XL_OK)
        rc = xl_fail(err, out.rc, "%s", out.err.message);
    if (rc == XL_OK && !ctx->json && !ctx->quiet)
        print_rates(n, &stats);
done:
    if (out.results)
        xl_generate_release_all(out.results, n);
    xl_free(options);
    xl_free(out.results);
    xl_free(out.is_done);
    return rc;
}

static size_t longest(const struct xl_prompts *prompts)
{
    size_t most = 0;
    for (size_t i = 0; i < prompts->n; i++)
        most = prompts->list[i].ids.n > most ? prompts->list[i].ids.n : most;
    return most;
}

enum xl_status xl_generate_file(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    static const int alone[] = { OPT_PROMPT, OPT_PROMPT_FILE, OPT_STATS_LOG,
                                 OPT_STATS_EVERY, OPT_MEM_LOG };
    const struct xl_opts *o = &ctx->opts;
    struct xl_session session = { 0 };
    struct xl_prompts prompts = { 0 };
    enum xl_status rc;
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        if (xl_opt_given(o, XL_GROUP_OWN, (size_t)alone[i]))
            return xl_fail(err, XL_EUSAGE,
                           "--%s is for one prompt and does not go with "
                           "--batch",
                           ctx->cmd->rows[alone[i]].name);
    XL_TRY_DONE(rc, xl_session_open(&session, ctx, err));
    XL_TRY_DONE(
        rc, xl_prompts_read(&prompts, xl_opt_text(o, XL_GROUP_OWN, OPT_BATCH),
                            &session, !xl_opt_bool(o, XL_GROUP_OWN, OPT_NO_BOS),
                            err));
    XL_TRY_DONE(rc, xl_session_plan(&session, ctx, longest(&prompts), err));
    rc = run_all(ctx, &session, &prompts, err);
done:
    xl_prompts_release(&prompts);
    xl_session_close(&session);
    return rc;
}
