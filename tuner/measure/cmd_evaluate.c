/* SPDX-License-Identifier: Apache-2.0
 *
 * The child's side of evaluator.h: a loop over requests. It stops when its
 * input ends, and dies with its parent. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "judge/panel.h"
#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/cmd.h"
#include "kernel/base/json.h"
#include "kernel/run/generate.h"
#include "kernel/run/session.h"
#include "tuner/measure/duel_verdict.h"
#include "tuner/measure/trial.h"

enum {
    OPT_MEMORY,
    OPT_PARENT,
    OPT_COUNT
};

#define TELL_NS ((uint64_t)500 * 1000000)

static const struct xl_opt rows[OPT_COUNT] = {
    [OPT_MEMORY] = { .name = "memory-bytes",
                     .kind = XL_OPT_INT,
                     .arg = "N",
                     .help = "limit on address space; 0 = none",
                     .fallback = "0",
                     .lo = 0,
                     .hi = 1e15 },
    [OPT_PARENT] = { .name = "parent",
                     .kind = XL_OPT_INT,
                     .arg = "PID",
                     .help = "end when this process is not the parent" },
};

struct server {
    struct xl_session session;
    struct xl_state state;
    struct xl_ids prompt;
    struct xl_trial_load workload;
    struct xl_fastest fastest;
    struct xl_panel *panel; /* made by the first judge request */
    char *judge_folder;     /* of kept reference logits; heap or NULL */
    uint64_t told_ns;       /* when the parent last heard of the judge */
    struct anchor {
        struct xl_plan *plan; /* kept from trial to trial; NULL = none yet */
        struct xl_params params;
    } anchor;
    char *line; /* of input; heap */
    size_t line_room;
};

/* -- answers -------------------------------------------------------------- */

static void answer(cJSON *json)
{
    struct xl_buf text;
    xl_buf_init(&text, 0);
    xl_json_print(json, false, &text);
    if (xl_buf_ok(&text))
        printf("%s\n", text.data);
    fflush(stdout);
    xl_buf_release(&text);
    cJSON_Delete(json);
}

static void answer_error(enum xl_status status, const struct xl_err *err)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *error = cJSON_AddObjectToObject(json, "error");
    const char *outcome = status == XL_EUSAGE      ? "invalid"
                          : status == XL_ENOMEM    ? "oom"
                          : status == XL_EMISMATCH ? "wrong"
                          : status == XL_ETIMEOUT  ? "timeout"
                                                   : "failed";
    cJSON_AddStringToObject(error, "outcome", outcome);
    xl_json_add_string(error, "message", err->message);
    answer(json);
}

static void answer_sample(const struct xl_run_sample *s, bool waits)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *o = cJSON_AddObjectToObject(json, "sample");
    cJSON_AddNumberToObject(o, "rep", (double)s->rep);
    cJSON_AddNumberToObject(o, "side", s->side);
    cJSON_AddNumberToObject(o, "prefill_ns", (double)s->prefill_ns);
    cJSON_AddNumberToObject(o, "decode_ns", (double)s->decode_ns);
    cJSON_AddNumberToObject(o, "prompt_tokens", (double)s->prompt_tokens);
    cJSON_AddNumberToObject(o, "decode_steps", (double)s->decode_steps);
    cJSON_AddNumberToObject(o, "ctx_switches", (double)s->ctx_switches);
    cJSON_AddNumberToObject(o, "dirt", s->dirt);
    if (s->has_peak_rss)
        cJSON_AddNumberToObject(o, "peak_rss_bytes", (double)s->peak_rss_bytes);
    if (s->has_foreign)
        cJSON_AddNumberToObject(o, "foreign_cpu", s->foreign_cpu);
    if (s->step_ns[0]) {
        cJSON *steps = cJSON_AddArrayToObject(o, "step_ns");
        for (size_t i = 0; i < XL_STEP_COUNT; i++)
            cJSON_AddItemToArray(steps,
                                 cJSON_CreateNumber((double)s->step_ns[i]));
    }
    if (waits)
        cJSON_AddBoolToObject(o, "waits", true);
    answer(json);
}

static cJSON *done_json(void)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddBoolToObject(json, "done", true);
    return json;
}

/* -- requests ------------------------------------------------------------- */

static enum xl_status read_params(const cJSON *request, const char *key,
                                  struct xl_params *params, struct xl_err *err)
{
    xl_params_init(params);
    return xl_params_from_json(params, xl_json_member(request, key),
                               XL_LAYER_FLAG, "the request", err);
}

static enum xl_status make_plan(struct server *s, const cJSON *request,
                                const char *key, struct xl_plan **plan,
                                struct xl_err *err)
{
    struct xl_params params;
    XL_TRY(read_params(request, key, &params, err));
    return xl_plan_make(plan, s->session.model, &params, err);
}

static enum xl_status op_workload(struct server *s, const cJSON *request,
                                  struct xl_err *err)
{
    const cJSON *prompt = xl_json_member(request, "prompt");
    int64_t new_tokens = 0;
    XL_TRY(xl_json_get_int(request, "new", 0, 1 << 30, &new_tokens, err));
    s->prompt.n = 0;
    for (const cJSON *id = prompt ? prompt->child : NULL; id; id = id->next)
        XL_TRY(xl_ids_add(&s->prompt, (int32_t)id->valuedouble, err));
    XL_TRY(xl_session_check_ids(&s->session, &s->prompt, err));
    s->workload = (struct xl_trial_load){ .prompt = s->prompt.data,
                                          .n_prompt = s->prompt.n,
                                          .new_tokens = (size_t)new_tokens,
                                          .fastest = &s->fastest };
    answer(done_json());
    return XL_OK;
}

/* What one request measures. */
struct contest {
    struct xl_plan *plans[2]; /* side 1: opponent or anchor, or NULL */
    size_t anchor_every;      /* 0: side 1 is an opponent */
    size_t first_rep, reps;
    struct xl_trial_load load; /* of the workload, all or a part */
    struct xl_steady warm_up;  /* of side 0 */
};

/* The next line without its end, or NULL when there is none. */
static const char *read_line(struct server *s, size_t *n)
{
    ssize_t got = getline(&s->line, &s->line_room, stdin);
    if (got <= 0)
        return NULL;
    *n = (size_t)got;
    if (s->line[*n - 1] == '\n')
        s->line[--*n] = '\0';
    return s->line;
}

/* May the next round run? At the end of input nobody wants one. */
static bool may_go_on(struct server *s)
{
    size_t n;
    const char *line = read_line(s, &n);
    return line && strcmp(line, "{\"op\":\"more\"}") == 0;
}

static enum xl_status run_side(struct server *s, const struct contest *c,
                               size_t rep, size_t side, bool waits,
                               struct xl_err *err)
{
    struct xl_run_sample sample;
    XL_TRY(xl_trial_run(c->plans[side], s->session.model, &s->state, &c->load,
                        &sample, err));
    sample.rep = rep;
    sample.side = (int)side;
    answer_sample(&sample, waits);
    return XL_OK;
}

/* Both sides once, the one that went second first; or the one side, with its
 * anchor before it where that is due. */
static enum xl_status run_round(struct server *s, const struct contest *c,
                                size_t rep, bool waits, struct xl_err *err)
{
    if (c->plans[1] && !c->anchor_every) {
        size_t first = xl_round_first(rep);
        XL_TRY(run_side(s, c, rep, first, false, err));
        return run_side(s, c, rep, 1 - first, waits, err);
    }
    if (c->anchor_every && rep % c->anchor_every == 0)
        XL_TRY(run_side(s, c, rep, 1, false, err));
    return run_side(s, c, rep, 0, waits, err);
}

static enum xl_status run_rounds(struct server *s, struct contest *c,
                                 struct xl_err *err)
{
    size_t n_cold = c->plans[1] && !c->anchor_every ? 2 : 1;
    for (size_t i = n_cold; i-- > 0;) /* side 0 last: its warm-up is kept */
        XL_TRY(xl_trial_warm_up(c->plans[i], s->session.model, &s->state,
                                &c->load, &c->warm_up, err));
    for (size_t i = 0; i < c->reps; i++) {
        bool waits = i + 1 < c->reps;
        XL_TRY(run_round(s, c, c->first_rep + i, waits, err));
        if (waits && !may_go_on(s))
            break;
    }
    return XL_OK;
}

/* The anchor's plan: that of the last request when it is the same. */
static enum xl_status make_anchor(struct server *s, const cJSON *request,
                                  const struct xl_trial_load *load,
                                  struct xl_err *err)
{
    struct anchor *a = &s->anchor;
    struct xl_params params;
    struct xl_steady warm_up;
    XL_TRY(read_params(request, "against", &params, err));
    if (a->plan && !xl_params_equal(&a->params, &params))
        return xl_fail(err, XL_EUSAGE, "the anchor may not change");
    if (a->plan)
        return XL_OK;
    XL_TRY(xl_plan_make(&a->plan, s->session.model, &params, err));
    a->params = params;
    return xl_trial_warm_up(a->plan, s->session.model, &s->state, load,
                            &warm_up, err);
}

static enum xl_status read_load(const struct server *s, const cJSON *request,
                                struct xl_trial_load *load, struct xl_err *err)
{
    int64_t prompt = (int64_t)s->prompt.n, most = prompt;
    int64_t new_tokens = (int64_t)s->workload.new_tokens;
    *load = s->workload;
    if (!cJSON_HasObjectItem(request, "prompt_tokens"))
        return XL_OK;
    XL_TRY(xl_json_get_int(request, "prompt_tokens", 1, most, &prompt, err));
    XL_TRY(xl_json_get_int(request, "new", 0, new_tokens, &new_tokens, err));
    load->n_prompt = (size_t)prompt;
    load->new_tokens = (size_t)new_tokens;
    return XL_OK;
}

static enum xl_status make_sides(struct server *s, const cJSON *request,
                                 bool is_duel, struct contest *c,
                                 struct xl_err *err)
{
    int64_t first = 0, reps = 0, every = 0;
    XL_TRY(xl_json_get_int(request, "first_rep", 0, 1 << 30, &first, err));
    XL_TRY(xl_json_get_int(request, "reps", 0, 1 << 30, &reps, err));
    if (xl_json_member(request, "anchor_every"))
        XL_TRY(
            xl_json_get_int(request, "anchor_every", 1, 1 << 30, &every, err));
    c->first_rep = (size_t)first;
    c->reps = (size_t)reps;
    c->anchor_every = (size_t)every;
    XL_TRY(read_load(s, request, &c->load, err));
    if (every)
        XL_TRY(make_anchor(s, request, &c->load, err));
    XL_TRY(make_plan(s, request, "params", &c->plans[0], err));
    if (is_duel)
        return make_plan(s, request, "against", &c->plans[1], err);
    c->plans[1] = every ? s->anchor.plan : NULL;
    return XL_OK;
}

static enum xl_status op_measure(struct server *s, const cJSON *request,
                                 bool is_duel, struct xl_err *err)
{
    struct contest c = { .reps = 0 };
    uint64_t start = xl_clock_ns();
    enum xl_status rc;
    XL_TRY_DONE(rc, make_sides(s, request, is_duel, &c, err));
    double load_s = (double)(xl_clock_ns() - start) / 1e9;
    XL_TRY_DONE(rc, run_rounds(s, &c, err));
    cJSON *json = done_json();
    cJSON_AddItemToObject(json, "effective",
                          xl_params_to_json(xl_plan_effective(c.plans[0])));
    cJSON_AddNumberToObject(json, "load_s", load_s);
    cJSON_AddNumberToObject(json, "warm_laps", (double)c.warm_up.laps);
    cJSON_AddNumberToObject(json, "warm_apart", c.warm_up.apart);
    answer(json);
done:
    xl_plan_free(c.plans[0]);
    if (is_duel)
        xl_plan_free(c.plans[1]);
    return rc;
}

/* Tells the parent, which may be waiting for minutes, not too often. */
static void tell_progress(void *ctx, const char *what, size_t done, size_t of)
{
    struct server *s = ctx;
    uint64_t now = xl_clock_ns();
    if (now - s->told_ns < TELL_NS)
        return;
    s->told_ns = now;
    cJSON *json = cJSON_CreateObject();
    cJSON *o = cJSON_AddObjectToObject(json, "progress");
    cJSON_AddStringToObject(o, "what", what);
    cJSON_AddNumberToObject(o, "done", (double)done);
    cJSON_AddNumberToObject(o, "of", (double)of);
    answer(json);
}

static enum xl_status make_panel(struct server *s, const cJSON *request,
                                 struct xl_err *err)
{
    int64_t tokens = 0;
    if (s->panel)
        return XL_OK;
    XL_TRY(xl_json_get_int(request, "tokens", 0, 1 << 30, &tokens, err));
    s->judge_folder = xl_judge_folder();
    struct xl_panel_options options = { .max_tokens = (size_t)tokens,
                                        .workload = s->prompt.n +
                                                    s->workload.new_tokens,
                                        .folder = s->judge_folder,
                                        .watch = { tell_progress, s } };
    return xl_panel_make(&s->panel, s->session.model, s->session.tokenizer,
                         &options, err);
}

static enum xl_status op_judge(struct server *s, const cJSON *request,
                               struct xl_err *err)
{
    struct xl_params params;
    struct xl_judgement judgement;
    const char *name = "";
    XL_TRY(read_params(request, "params", &params, err));
    XL_TRY(xl_json_get_text(request, "stage", &name, err));
    enum xl_stage stage = xl_stage_find(name);
    if (stage == XL_STAGE_COUNT)
        return xl_fail(err, XL_EUSAGE, "unknown stage '%s'", name);
    XL_TRY(make_panel(s, request, err));
    XL_TRY(xl_panel_config(s->panel, stage, &params, &judgement, err));
    cJSON *json = done_json();
    cJSON_AddItemToObject(json, "answer", xl_judgement_json(&judgement));
    answer(json);
    return XL_OK;
}

static cJSON *output_json(const struct server *s,
                          const struct xl_generate_result *result)
{
    struct xl_buf text;
    cJSON *json = done_json();
    cJSON *out = cJSON_AddObjectToObject(json, "answer");
    cJSON *ids = cJSON_AddArrayToObject(out, "ids");
    xl_buf_init(&text, 0);
    for (size_t i = 0; i < result->n; i++) {
        cJSON_AddItemToArray(ids, cJSON_CreateNumber(result->ids[i]));
        xl_tokenizer_decode(s->session.tokenizer, result->ids[i], &text);
    }
    xl_json_add_text(out, "text", text.data, text.len);
    xl_buf_release(&text);
    return json;
}

static enum xl_status op_output(struct server *s, const cJSON *request,
                                struct xl_err *err)
{
    struct xl_plan *plan;
    struct xl_generate_result result;
    struct xl_generate_options options = {
        .prompt = s->workload.prompt,
        .n_prompt = s->workload.n_prompt,
        .max_new = s->workload.new_tokens,
    };
    XL_TRY(make_plan(s, request, "params", &plan, err));
    enum xl_status rc =
        xl_generate(plan, s->session.model, &s->state, &options, &result, err);
    xl_plan_free(plan);
    if (rc != XL_OK)
        return rc;
    answer(output_json(s, &result));
    xl_generate_release(&result);
    return XL_OK;
}

static enum xl_status serve_one(struct server *s, const char *line, size_t n)
{
    struct xl_err err = { 0 };
    cJSON *request = NULL;
    const char *op = "";
    enum xl_status rc = xl_json_parse(line, n, "the request", &request, &err);
    if (rc == XL_OK)
        rc = xl_json_get_text(request, "op", &op, &err);
    if (rc == XL_OK && strcmp(op, "workload") == 0)
        rc = op_workload(s, request, &err);
    else if (rc == XL_OK && strcmp(op, "measure") == 0)
        rc = op_measure(s, request, false, &err);
    else if (rc == XL_OK && strcmp(op, "duel") == 0)
        rc = op_measure(s, request, true, &err);
    else if (rc == XL_OK && strcmp(op, "judge") == 0)
        rc = op_judge(s, request, &err);
    else if (rc == XL_OK && strcmp(op, "output") == 0)
        rc = op_output(s, request, &err);
    else if (rc == XL_OK)
        rc = xl_fail(&err, XL_EUSAGE, "unknown op '%s'", op);
    if (rc != XL_OK)
        answer_error(rc, &err);
    cJSON_Delete(request);
    return XL_OK;
}

/* -- life ----------------------------------------------------------------- */

static void limit_memory(int64_t bytes)
{
    struct rlimit limit = { .rlim_cur = (rlim_t)bytes,
                            .rlim_max = (rlim_t)bytes };
    if (bytes > 0)
        setrlimit(RLIMIT_AS, &limit);
}

static void serve(struct server *s)
{
    const char *line;
    size_t n;
    printf("{\"ready\":true}\n");
    fflush(stdout);
    while ((line = read_line(s, &n)))
        serve_one(s, line, n);
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct server s = { 0 };
    enum xl_status rc;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (xl_opt_given(&ctx->opts, XL_GROUP_OWN, OPT_PARENT) &&
        xl_opt_int(&ctx->opts, XL_GROUP_OWN, OPT_PARENT) != getppid())
        return XL_OK; /* the parent was gone before we could say so */
    limit_memory(xl_opt_int(&ctx->opts, XL_GROUP_OWN, OPT_MEMORY));
    rc = xl_session_open(&s.session, ctx, err);
    if (rc == XL_OK)
        rc = xl_state_init(&s.state, xl_model_config(s.session.model), err);
    if (rc == XL_OK)
        serve(&s);
    else
        answer_error(rc, err);
    free(s.line);
    xl_plan_free(s.anchor.plan);
    xl_panel_free(s.panel);
    xl_free(s.judge_folder);
    xl_state_release(&s.state);
    xl_ids_release(&s.prompt);
    xl_session_close(&s.session);
    return rc;
}

const struct xl_cmd xl_cmd_evaluate = {
    .name = "evaluate",
    .summary = "runs trials for a sweep: requests in, samples out",
    .usage = "--model DIR",
    .example = "xltune evaluate --model models/demo",
    .rows = rows,
    .n_rows = OPT_COUNT,
    .takes_model = true,
    .hidden = true,
    .run = run,
};
