/* SPDX-License-Identifier: Apache-2.0
 *
 * The parent's side: one request at a time, each with a deadline. Whatever
 * goes wrong in the child becomes the outcome of that request; the next one
 * starts a fresh child. */
#include "tuner/measure/evaluator.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/json.h"
#include "tuner/measure/child.h"

enum {
    DEFAULT_TIMEOUT_S = 600
};

struct xl_evaluator {
    struct xl_evaluator_options options;
    char *program, *model_dir;
    int32_t *prompt;
    struct xl_child child;
    bool is_running;
    size_t starts;
};

const char *xl_run_outcome_name(enum xl_run_outcome outcome)
{
    static const char *const names[] = {
        [XL_RUN_OK] = "ok",
        [XL_RUN_FAILED] = "failed",
        [XL_RUN_TIMEOUT] = "timeout",
        [XL_RUN_OOM] = "oom",
        [XL_RUN_WRONG] = "wrong",
        [XL_RUN_INVALID] = "invalid",
        [XL_RUN_UNPROVED] = "unproved",
        [XL_RUN_STOPPED] = "stopped",
    };
    return names[outcome];
}

static enum xl_run_outcome outcome_of(const char *name)
{
    for (int i = XL_RUN_OK; i <= XL_RUN_STOPPED; i++)
        if (strcmp(xl_run_outcome_name((enum xl_run_outcome)i), name) == 0)
            return (enum xl_run_outcome)i;
    return XL_RUN_FAILED;
}

/* One request on its way. */
struct exchange {
    struct xl_evaluator *evaluator;
    const struct xl_run_request *request; /* NULL unless it measures */
    struct xl_run_end *end;
    uint64_t limit_ns; /* of the whole request; 0 = none */
    struct xl_beat beat;
    uint64_t beat_ns; /* when the next one is due */
    bool is_enough;   /* the caller has said so */
};

static void set_end(struct xl_run_end *end, enum xl_run_outcome outcome,
                    const char *reason)
{
    end->outcome = outcome;
    snprintf(end->reason, sizeof end->reason, "%s", reason);
}

static bool is_past(uint64_t limit_ns)
{
    return limit_ns && xl_clock_ns() >= limit_ns;
}

/* The child did not answer: kills it, and says what became of it. */
static void lose_child(struct exchange *x, enum xl_child_read why)
{
    struct xl_evaluator *e = x->evaluator;
    char how[96], reason[XL_RUN_REASON];
    int code;
    bool hard = why != XL_CHILD_ENDED;
    xl_child_end(&e->child, hard, how, &code);
    e->is_running = false;
    if (why == XL_CHILD_STOPPED) {
        set_end(x->end, XL_RUN_STOPPED, "stopped by a signal");
    } else if (why == XL_CHILD_TIMEOUT && is_past(x->limit_ns)) {
        set_end(x->end, XL_RUN_STOPPED, "the time is up");
    } else if (why == XL_CHILD_TIMEOUT) {
        snprintf(reason, sizeof reason, "no answer within %.0f s",
                 e->options.timeout_s);
        set_end(x->end, XL_RUN_TIMEOUT, reason);
    } else {
        /* Nobody but the kernel, out of memory, sends this signal. */
        bool is_killed = code == 128 + SIGKILL;
        bool memory = is_killed || code == xl_status_exit_code(XL_ENOMEM);
        snprintf(reason, sizeof reason, "the evaluator %s%s", how,
                 is_killed ? ", as when memory runs out" : "");
        set_end(x->end, memory ? XL_RUN_OOM : XL_RUN_FAILED, reason);
    }
}

/* -- answers -------------------------------------------------------------- */

static uint64_t get_u64(const cJSON *object, const char *key)
{
    int64_t x = 0;
    xl_json_get_int(object, key, 0, INT64_MAX, &x, NULL);
    return (uint64_t)x;
}

/* Tells a child that waits whether to go on. */
static void let_go(struct exchange *x)
{
    static const char *const words[] = { "{\"op\":\"more\"}",
                                         "{\"op\":\"enough\"}" };
    /* A child that is gone is noticed when it is read from. */
    (void)xl_child_send(&x->evaluator->child, words[x->is_enough], NULL);
}

/* False when the caller aborts. */
static bool on_sample(struct exchange *x, const cJSON *json)
{
    bool waits = false;
    struct xl_run_sample sample = {
        .rep = (size_t)get_u64(json, "rep"),
        .side = (int)get_u64(json, "side"),
        .prefill_ns = get_u64(json, "prefill_ns"),
        .decode_ns = get_u64(json, "decode_ns"),
        .prompt_tokens = (size_t)get_u64(json, "prompt_tokens"),
        .decode_steps = (size_t)get_u64(json, "decode_steps"),
        .ctx_switches = (int64_t)get_u64(json, "ctx_switches"),
        .peak_rss_bytes = get_u64(json, "peak_rss_bytes"),
        .dirt = (unsigned)get_u64(json, "dirt"),
    };
    const cJSON *steps = xl_json_member(json, "step_ns");
    const cJSON *step = steps ? steps->child : NULL;
    for (size_t i = 0; i < XL_STEP_COUNT && step; i++, step = step->next)
        if (step->valuedouble > 0 && step->valuedouble < 1e18)
            sample.step_ns[i] = (uint64_t)step->valuedouble;
    sample.has_peak_rss = sample.peak_rss_bytes > 0;
    sample.has_foreign = xl_json_get_real(json, "foreign_cpu", 0, 1,
                                          &sample.foreign_cpu, NULL) == XL_OK;
    const struct xl_run_request *r = x->request;
    enum xl_run_go go =
        r && r->on_sample ? r->on_sample(r->ctx, &sample) : XL_RUN_MORE;
    x->is_enough |= go == XL_RUN_ENOUGH;
    xl_json_get_bool(json, "waits", &waits, NULL);
    if (waits && go != XL_RUN_ABORT)
        let_go(x);
    return go != XL_RUN_ABORT;
}

static void on_error(const struct exchange *x, const cJSON *json)
{
    const char *outcome = "failed", *message = "no reason given";
    xl_json_get_text(json, "outcome", &outcome, NULL);
    xl_json_get_text(json, "message", &message, NULL);
    set_end(x->end, outcome_of(outcome), message);
}

static void on_done(const struct exchange *x, cJSON *json)
{
    struct xl_run_end *end = x->end;
    const cJSON *effective = xl_json_member(json, "effective");
    end->outcome = XL_RUN_OK;
    xl_json_get_real(json, "load_s", 0, 1e9, &end->load_s, NULL);
    end->warm_up.laps = (size_t)get_u64(json, "warm_laps");
    xl_json_get_real(json, "warm_apart", 0, 1e9, &end->warm_up.apart, NULL);
    if (effective) {
        xl_params_init(&end->effective);
        end->has_effective =
            xl_params_from_json(&end->effective, effective, XL_LAYER_DEFAULT,
                                "the evaluator", NULL) == XL_OK;
    }
    end->answer = cJSON_DetachItemFromObjectCaseSensitive(json, "answer");
}

static void on_progress(const struct exchange *x, const cJSON *json)
{
    const char *what = "";
    xl_json_get_text(json, "what", &what, NULL);
    xl_watch_tell(&x->evaluator->options.watch, what,
                  (size_t)get_u64(json, "done"), (size_t)get_u64(json, "of"));
}

/* Of two deadlines; 0 is none. */
static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a && (!b || a < b) ? a : b;
}

/* Until when to wait for the next answer. */
static uint64_t next_deadline(const struct exchange *x)
{
    double timeout_s = x->evaluator->options.timeout_s;
    uint64_t deadline = xl_clock_ns() + (uint64_t)(timeout_s * 1e9);
    return sooner(x->limit_ns, deadline);
}

static bool is_alive(struct exchange *x)
{
    if (!x->beat.tell || !is_past(x->beat_ns))
        return true;
    x->beat_ns = xl_clock_ns() + XL_BEAT_NS;
    return x->beat.tell(x->beat.ctx);
}

/* The next line of the child, with a beat now and then while it takes long. */
static enum xl_child_read next_line(struct exchange *x, const char **line,
                                    size_t *n)
{
    struct xl_evaluator *e = x->evaluator;
    uint64_t deadline = next_deadline(x);
    enum xl_child_read got;
    do {
        if (!is_alive(x))
            return XL_CHILD_STOPPED;
        got = xl_child_line(
            &e->child, x->beat.tell ? sooner(deadline, x->beat_ns) : deadline,
            e->options.stop, line, n);
    } while (got == XL_CHILD_TIMEOUT && !is_past(deadline));
    return got;
}

/* Reads answers until the request has its end. */
static void read_answers(struct exchange *x)
{
    for (;;) {
        const char *line;
        size_t n;
        enum xl_child_read got = next_line(x, &line, &n);
        cJSON *json = NULL;
        if (got != XL_CHILD_LINE) {
            lose_child(x, got);
            return;
        }
        if (xl_json_parse(line, n, "the evaluator's answer", &json, NULL) !=
            XL_OK) {
            lose_child(x, XL_CHILD_STOPPED);
            set_end(x->end, XL_RUN_FAILED, "the evaluator answered no JSON");
            return;
        }
        const cJSON *sample = xl_json_member(json, "sample");
        const cJSON *error = xl_json_member(json, "error");
        const cJSON *news = xl_json_member(json, "progress");
        bool ended = !sample && !news;
        if (news) {
            on_progress(x, news);
        } else if (sample && !on_sample(x, sample)) {
            lose_child(x, XL_CHILD_STOPPED);
            ended = true;
        } else if (error) {
            on_error(x, error);
        } else if (ended) {
            on_done(x, json);
        }
        cJSON_Delete(json);
        if (ended)
            return;
    }
}

/* -- requests ------------------------------------------------------------- */

static void send_and_read(struct exchange *x, const cJSON *request)
{
    struct xl_buf text;
    struct xl_err err = { 0 };
    xl_buf_init(&text, 0);
    xl_json_print(request, false, &text);
    if (!xl_buf_ok(&text))
        set_end(x->end, XL_RUN_FAILED, "out of memory for the request");
    else if (xl_child_send(&x->evaluator->child, text.data, &err) != XL_OK)
        lose_child(x, XL_CHILD_ENDED);
    else
        read_answers(x);
    xl_buf_release(&text);
}

static cJSON *workload_json(const struct xl_evaluator *e)
{
    cJSON *request = cJSON_CreateObject();
    cJSON_AddStringToObject(request, "op", "workload");
    cJSON *prompt = cJSON_AddArrayToObject(request, "prompt");
    for (size_t i = 0; i < e->options.n_prompt; i++)
        cJSON_AddItemToArray(prompt, cJSON_CreateNumber(e->prompt[i]));
    cJSON_AddNumberToObject(request, "new", (double)e->options.new_tokens);
    return request;
}

/* Starts the child and hands it the workload. An outcome other than OK is in
 * x->end; an error means there can be no child at all. */
static enum xl_status start_child(struct exchange *x, struct xl_err *err)
{
    struct xl_evaluator *e = x->evaluator;
    char memory[32], parent[32];
    snprintf(memory, sizeof memory, "%llu",
             (unsigned long long)e->options.memory_bytes);
    snprintf(parent, sizeof parent, "%ld", (long)getpid());
    const char *argv[] = { e->program,   "evaluate",       "--model",
                           e->model_dir, "--memory-bytes", memory,
                           "--parent",   parent,           NULL };
    XL_TRY(xl_child_start(&e->child, argv, err));
    e->is_running = true;
    e->starts++;
    read_answers(x); /* "ready" */
    if (x->end->outcome == XL_RUN_OK) {
        cJSON *workload = workload_json(e);
        send_and_read(x, workload);
        cJSON_Delete(workload);
    }
    return XL_OK;
}

/* request: of a measurement, else NULL. */
static enum xl_status run_request(void *ctx, cJSON *json,
                                  const struct xl_run_request *request,
                                  struct xl_beat beat, struct xl_run_end *end,
                                  struct xl_err *err)
{
    struct xl_evaluator *e = ctx;
    struct exchange x = {
        .evaluator = e,
        .request = request,
        .end = end,
        .beat = beat,
        .beat_ns = xl_clock_ns() + XL_BEAT_NS,
        .limit_ns =
            sooner(request ? request->deadline_ns : 0, e->options.deadline_ns),
    };
    enum xl_status rc = XL_OK;
    *end = (struct xl_run_end){ .outcome = XL_RUN_OK };
    if (!e->is_running)
        rc = start_child(&x, err);
    if (rc == XL_OK && end->outcome == XL_RUN_OK)
        send_and_read(&x, json);
    cJSON_Delete(json);
    return rc;
}

static cJSON *request_json(const char *op, const struct xl_params *params)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "op", op);
    cJSON_AddItemToObject(json, "params", xl_params_to_json(params));
    return json;
}

static enum xl_status measure(void *ctx, const struct xl_run_request *request,
                              struct xl_run_end *end, struct xl_err *err)
{
    bool is_duel = request->against && !request->anchor_every;
    cJSON *json = request_json(is_duel ? "duel" : "measure", request->params);
    if (request->against)
        cJSON_AddItemToObject(json, "against",
                              xl_params_to_json(request->against));
    if (request->anchor_every)
        cJSON_AddNumberToObject(json, "anchor_every",
                                (double)request->anchor_every);
    cJSON_AddNumberToObject(json, "first_rep", (double)request->first_rep);
    cJSON_AddNumberToObject(json, "reps", (double)request->reps);
    if (request->load.prompt_tokens) {
        cJSON_AddNumberToObject(json, "prompt_tokens",
                                (double)request->load.prompt_tokens);
        cJSON_AddNumberToObject(json, "new", (double)request->load.new_tokens);
    }
    return run_request(ctx, json, request, request->beat, end, err);
}

static enum xl_status judge(void *ctx, const struct xl_judge_request *request,
                            struct xl_run_end *end, struct xl_err *err)
{
    const struct xl_evaluator *e = ctx;
    cJSON *json = request_json("judge", request->params);
    cJSON_AddNumberToObject(json, "tokens", (double)e->options.judge_tokens);
    cJSON_AddStringToObject(json, "stage", xl_stage_name(request->stage));
    return run_request(ctx, json, NULL, request->beat, end, err);
}

static enum xl_status output(void *ctx, const struct xl_params *params,
                             struct xl_run_end *end, struct xl_err *err)
{
    return run_request(ctx, request_json("output", params), NULL,
                       (struct xl_beat){ 0 }, end, err);
}

struct xl_runner xl_evaluator_runner(struct xl_evaluator *evaluator)
{
    return (struct xl_runner){
        .ctx = evaluator, .measure = measure, .judge = judge, .output = output
    };
}

/* -- life ----------------------------------------------------------------- */

static char *own_program(void)
{
    /* The link names the file even when it was started by a relative path. */
    return xl_strdup("/proc/self/exe");
}

enum xl_status xl_evaluator_make(struct xl_evaluator **out,
                                 const struct xl_evaluator_options *options,
                                 struct xl_err *err)
{
    *out = NULL;
    struct xl_evaluator *e = xl_alloc_zero(1, sizeof *e);
    if (!e)
        return xl_fail(err, XL_ENOMEM, "out of memory for the evaluator");
    e->options = *options;
    if (e->options.timeout_s <= 0)
        e->options.timeout_s = DEFAULT_TIMEOUT_S;
    e->program = options->program ? xl_strdup(options->program) : own_program();
    e->model_dir = xl_strdup(options->model_dir);
    e->prompt = xl_alloc_zero(options->n_prompt + 1, sizeof *e->prompt);
    if (!e->program || !e->model_dir || !e->prompt) {
        xl_evaluator_free(e);
        return xl_fail(err, XL_ENOMEM, "out of memory for the evaluator");
    }
    if (options->n_prompt)
        memcpy(e->prompt, options->prompt,
               options->n_prompt * sizeof *e->prompt);
    *out = e;
    return XL_OK;
}

void xl_evaluator_free(struct xl_evaluator *e)
{
    if (!e)
        return;
    if (e->is_running)
        xl_child_end(&e->child, false, NULL, NULL);
    xl_free(e->program);
    xl_free(e->model_dir);
    xl_free(e->prompt);
    xl_free(e);
}

void xl_evaluator_set_judge_tokens(struct xl_evaluator *evaluator,
                                   size_t tokens)
{
    evaluator->options.judge_tokens = tokens;
}

size_t xl_evaluator_starts(const struct xl_evaluator *evaluator)
{
    return evaluator->starts;
}
