/* SPDX-License-Identifier: Apache-2.0
 *
 * The evaluator's parent side against children that misbehave: each costs one
 * request with a reason, and the next request gets a fresh child. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/io.h"
#include "tests/harness/test.h"
#include "tuner/measure/evaluator.h"

/* What a well-behaved child says until the request of interest. */
#define GREETING                                                               \
    "echo '{\"ready\":true}'; read workload; echo '{\"done\":true}'\n"
#define SAMPLE                                                                 \
    "echo '{\"sample\":{\"rep\":0,\"prefill_ns\":1000,\"decode_ns\":2000,"     \
    "\"prompt_tokens\":5,\"decode_steps\":3,\"ctx_switches\":0}}'\n"

static const int32_t prompt[] = { 1, 2, 3 };

/* Writes an executable script; the caller frees the path. */
static char *write_script(struct xl_test *t, const char *name, const char *body)
{
    struct xl_buf text;
    char *path = xl_io_join(t->dir, name);
    xl_buf_init(&text, 0);
    xl_buf_printf(&text, "#!/bin/sh\n%s", body);
    xl_io_replace(path, text.data, text.len, NULL);
    xl_buf_release(&text);
    XL_CHECK(t, chmod(path, 0700) == 0);
    return path;
}

static enum xl_run_go count_sample(void *ctx,
                                   const struct xl_run_sample *sample)
{
    size_t *n = ctx;
    *n += sample->prompt_tokens == 5 && sample->decode_ns == 2000;
    return XL_RUN_MORE;
}

struct result {
    struct xl_run_end end;
    size_t samples, starts;
    size_t told; /* tokens of the judge, done and all, added up */
    double seconds;
};

static void count_told(void *ctx, const char *what, size_t done, size_t of)
{
    size_t *told = ctx;
    if (strcmp(what, "candidate") == 0)
        *told += done + of;
}

/* Measures twice with the same evaluator; the second end counts. */
static void measure(struct xl_test *t, const char *body, size_t times,
                    struct result *r)
{
    struct xl_evaluator *e;
    struct xl_err err = { 0 };
    struct xl_params params;
    char *program = write_script(t, "child", body);
    struct xl_evaluator_options options = {
        .program = program,
        .model_dir = "none",
        .prompt = prompt,
        .n_prompt = 3,
        .new_tokens = 4,
        .timeout_s = 0.5,
        .watch = { count_told, &r->told },
    };
    struct xl_run_request request = { .params = &params,
                                      .reps = 1,
                                      .on_sample = count_sample,
                                      .ctx = &r->samples };
    uint64_t start = xl_clock_ns();
    *r = (struct result){ .samples = 0 };
    xl_params_init(&params);
    XL_CHECK_STATUS(t, xl_evaluator_make(&e, &options, &err), XL_OK, &err);
    struct xl_runner runner = xl_evaluator_runner(e);
    for (size_t i = 0; i < times; i++)
        XL_CHECK_STATUS(t, runner.measure(runner.ctx, &request, &r->end, &err),
                        XL_OK, &err);
    r->starts = xl_evaluator_starts(e);
    xl_evaluator_free(e);
    r->seconds = (double)(xl_clock_ns() - start) / 1e9;
    xl_free(program);
}

static void good_child_is_kept(struct xl_test *t)
{
    struct result r;
    measure(t,
            GREETING "while read request; do\n" SAMPLE
                     "echo '{\"progress\":{\"what\":\"candidate\",\"done\":7,"
                     "\"of\":9}}'\n"
                     "echo '{\"done\":true,\"load_s\":0.5,\"warm_laps\":3,"
                     "\"warm_apart\":0.25}'\ndone\n",
            3, &r);
    XL_CHECK_EQ(t, r.end.outcome, XL_RUN_OK);
    XL_CHECK_EQ(t, r.samples, 3);
    XL_CHECK_EQ(t, r.starts, 1);
    XL_CHECK_NEAR(t, r.end.load_s, 0.5, 1e-12);
    XL_CHECK(t, r.end.warm_up.laps == 3 && r.end.warm_up.apart == 0.25);
    XL_CHECK_EQ(t, r.told, 3 * (7 + 9));
}

static void bad_children_cost_one_request(struct xl_test *t)
{
    static const struct {
        const char *name, *body;
        enum xl_run_outcome outcome;
        const char *reason;
    } rows[] = {
        { "crash", GREETING "read r\n" SAMPLE "kill -SEGV $$\n", XL_RUN_FAILED,
          "signal 11" },
        { "exit", GREETING "read r\nexit 1\n", XL_RUN_FAILED, "code 1" },
        { "memory limit", GREETING "read r\nexit 3\n", XL_RUN_OOM, "code 3" },
        { "hang", GREETING "read r\nread forever\nread more\nread more\n",
          XL_RUN_TIMEOUT, "no answer" },
        { "hang before ready", "read r\nread r\n", XL_RUN_TIMEOUT,
          "no answer" },
        { "no JSON", GREETING "read r\necho rubbish\nread r\n", XL_RUN_FAILED,
          "no JSON" },
        { "at once", "exit 7\n", XL_RUN_FAILED, "code 7" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct result r;
        measure(t, rows[i].body, 2, &r);
        xl_test_check(t,
                      r.end.outcome == rows[i].outcome &&
                          strstr(r.end.reason, rows[i].reason),
                      __FILE__, __LINE__, "%s: %s: %s", rows[i].name,
                      xl_run_outcome_name(r.end.outcome), r.end.reason);
        xl_test_check(t, r.starts == 2, __FILE__, __LINE__,
                      "%s: started %zu times", rows[i].name, r.starts);
    }
}

/* A request that ends in an error is no fault of the child: it stays. */
static void error_answer_keeps_the_child(struct xl_test *t)
{
    struct result r;
    measure(t,
            GREETING "while read r; do echo '{\"error\":{\"outcome\":"
                     "\"wrong\",\"message\":\"because\"}}'; done\n",
            2, &r);
    XL_CHECK_EQ(t, r.end.outcome, XL_RUN_WRONG);
    XL_CHECK_TEXT(t, r.end.reason, "because");
    XL_CHECK_EQ(t, r.starts, 1);
}

/* A child that ignores the end of its input is killed, not waited for. */
static void stubborn_child_is_killed(struct xl_test *t)
{
    struct result r;
    char *pid_file = xl_io_join(t->dir, "pid");
    struct xl_buf body, pid;
    xl_buf_init(&body, 0);
    xl_buf_init(&pid, 100);
    xl_buf_printf(&body,
                  "echo $$ > '%s'\n" GREETING "read r\n" SAMPLE
                  "echo '{\"done\":true}'\n"
                  "while :; do read r || :; done\n",
                  pid_file);
    measure(t, body.data, 1, &r);
    XL_CHECK_EQ(t, r.end.outcome, XL_RUN_OK);
    xl_io_read(pid_file, &pid, NULL);
    pid_t child = (pid_t)atoi(pid.data);
    XL_CHECK(t, child > 1 && kill(child, 0) != 0 && errno == ESRCH);
    xl_buf_release(&body);
    xl_buf_release(&pid);
    xl_free(pid_file);
}

static void stop_ends_a_request(struct xl_test *t)
{
    struct xl_evaluator *e;
    struct xl_err err = { 0 };
    struct xl_params params;
    atomic_int stop = 15;
    char *program = write_script(t, "child", GREETING "read r\nread r\n");
    struct xl_evaluator_options options = { .program = program,
                                            .model_dir = "none",
                                            .prompt = prompt,
                                            .n_prompt = 3,
                                            .stop = &stop };
    struct xl_run_request request = { .params = &params, .reps = 1 };
    struct xl_run_end end;
    xl_params_init(&params);
    XL_CHECK_STATUS(t, xl_evaluator_make(&e, &options, &err), XL_OK, &err);
    struct xl_runner runner = xl_evaluator_runner(e);
    XL_CHECK_STATUS(t, runner.measure(runner.ctx, &request, &end, &err), XL_OK,
                    &err);
    XL_CHECK_EQ(t, end.outcome, XL_RUN_STOPPED);
    xl_evaluator_free(e);
    xl_free(program);
}

/* -- beats ------------------------------------------------------------------
 */

/* A clock on which every look at it takes four seconds. */
static uint64_t hasty_clock(void *ctx)
{
    uint64_t *now_ns = ctx;
    return *now_ns += 4000000000u;
}

/* A child that judges until it is let go. */
struct vigil {
    char *gate;  /* a pipe that the child reads from */
    size_t most; /* beats after which it may go on, or is given up */
    bool gives_up;
    size_t beats;
};

static bool on_beat(void *ctx)
{
    struct vigil *v = ctx;
    v->beats++;
    if (v->gives_up)
        return v->beats < v->most;
    if (v->beats != v->most)
        return true;
    FILE *gate = fopen(v->gate, "we");
    if (gate)
        fclose(gate);
    return gate != NULL;
}

static void keep_vigil(struct xl_test *t, struct vigil *v,
                       struct xl_run_end *end)
{
    struct xl_evaluator *e;
    struct xl_err err = { 0 };
    struct xl_params params;
    struct xl_buf body;
    uint64_t now_ns = 0;
    xl_buf_init(&body, 0);
    xl_buf_printf(&body,
                  GREETING "read r\necho '{\"done\":true}'\n"
                           "read r\nread go < '%s'\n"
                           "echo '{\"done\":true}'\nread r\n",
                  v->gate);
    char *program = write_script(t, "child", body.data);
    struct xl_evaluator_options options = { .program = program,
                                            .model_dir = "none",
                                            .prompt = prompt,
                                            .n_prompt = 3,
                                            .timeout_s = 1e8 };
    struct xl_judge_request request = { .params = &params,
                                        .stage = XL_STAGE_FULL };
    xl_params_init(&params);
    XL_CHECK_STATUS(t, xl_evaluator_make(&e, &options, &err), XL_OK, &err);
    struct xl_runner runner = xl_evaluator_runner(e);
    XL_CHECK_STATUS(t, runner.judge(runner.ctx, &request, end, &err), XL_OK,
                    &err);
    XL_CHECK_EQ(t, end->outcome, XL_RUN_OK);
    request.beat = (struct xl_beat){ on_beat, v };
    xl_clock_set_source(hasty_clock, &now_ns);
    XL_CHECK_STATUS(t, runner.judge(runner.ctx, &request, end, &err), XL_OK,
                    &err);
    xl_clock_set_source(NULL, NULL);
    xl_evaluator_free(e);
    xl_buf_release(&body);
    xl_free(program);
}

/* Whoever waits for a child that says nothing is told that time goes by, and
 * may end it. */
static void a_long_silence_has_beats(struct xl_test *t)
{
    struct xl_run_end end;
    struct vigil v = { .gate = xl_io_join(t->dir, "gate"), .most = 3 };
    XL_CHECK_EQ(t, mkfifo(v.gate, 0600), 0);
    keep_vigil(t, &v, &end);
    XL_CHECK_EQ(t, end.outcome, XL_RUN_OK);
    XL_CHECK(t, v.beats >= 3);
    v.beats = 0;
    v.gives_up = true;
    keep_vigil(t, &v, &end);
    XL_CHECK_EQ(t, end.outcome, XL_RUN_STOPPED);
    XL_CHECK_EQ(t, v.beats, 3);
    xl_free(v.gate);
}

static void missing_program_is_an_error(struct xl_test *t)
{
    struct xl_evaluator *e;
    struct xl_err err = { 0 };
    struct xl_params params;
    struct xl_evaluator_options options = { .program = "/nonexistent/xltune",
                                            .model_dir = "none",
                                            .prompt = prompt,
                                            .n_prompt = 3 };
    struct xl_run_request request = { .params = &params, .reps = 1 };
    struct xl_run_end end;
    xl_params_init(&params);
    XL_CHECK_STATUS(t, xl_evaluator_make(&e, &options, &err), XL_OK, &err);
    struct xl_runner runner = xl_evaluator_runner(e);
    XL_CHECK_STATUS(t, runner.measure(runner.ctx, &request, &end, &err),
                    XL_EFAILED, &err);
    XL_CHECK(t, strstr(err.message, "/nonexistent/xltune"));
    xl_evaluator_free(e);
}

const struct xl_test_case xl_suite_evaluator[] = {
    XL_CASE(good_child_is_kept),
    XL_CASE(bad_children_cost_one_request),
    XL_CASE(error_answer_keeps_the_child),
    XL_CASE(stubborn_child_is_killed),
    XL_CASE(stop_ends_a_request),
    XL_CASE(a_long_silence_has_beats),
    XL_CASE(missing_program_is_an_error),
    { 0 },
};
