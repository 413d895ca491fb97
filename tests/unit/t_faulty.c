/* SPDX-License-Identifier: Apache-2.0
 *
 * A sweep whose configurations crash, hang, exhaust memory, lie about what
 * they ran or report wrong numbers, one in three at random. The children are
 * real processes that speak the evaluator's protocol; what is timed is made
 * up, so the right winner is known. */
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/io.h"
#include "tests/unit/sweep_fixture.h"
#include "tuner/measure/evaluator.h"
#include "tuner/store/query.h"

enum {
    CHUNKS = 10,
    BLOCKS = 4
};
static const int64_t chunks[CHUNKS] = { 8, 16, 24, 32, 40, 48, 56, 72, 80, 96 };
static const int64_t blocks[BLOCKS] = { 64, 128, 192, 256 };

static const char space[] =
    "{\"params\": {\"chunk_size\": [8, 16, 24, 32, 40, 48, 56, 72, 80, 96],"
    " \"prefill_block\": [64, 128, 192, 256]}}";

/* What a configuration does, and how it is to be recorded. */
static const struct fault {
    const char *name;
    enum xl_trial_state state;
    const char *reason;
    const char *script;
} faults[] = {
    { "crash", XL_TRIAL_FAILED, "signal 11", "kill -SEGV $$" },
    { "exit", XL_TRIAL_FAILED, "code 1", "exit 1" },
    /* The grandchild is an orphan unless it goes with its group. */
    { "hang", XL_TRIAL_TIMEOUT, "no answer", "sleep 1000 & note $!; wait" },
    { "memory", XL_TRIAL_OOM, "code 3",
      "(ulimit -v 40000; x=xxxxxxxx; while :; do x=$x$x; done); exit 3" },
    { "killed", XL_TRIAL_OOM, "signal 9", "kill -KILL $$" },
    { "other values", XL_TRIAL_WRONG, "asked for",
      "p=$(echo \"$p\" | sed 's/\"chunk_size\":[0-9]*/\"chunk_size\":1/')" },
    { "wrong numbers", XL_TRIAL_WRONG, "logits",
      "echo '{\"error\":{\"outcome\":\"wrong\",\"message\":\"logits differ\"}}'"
      "; continue" },
    { "no time", XL_TRIAL_WRONG, "took no time", "zero=1" },
    { "rubbish", XL_TRIAL_FAILED, "no JSON", "echo rubbish; read -r more" },
};
enum {
    N_FAULTS = sizeof faults / sizeof *faults
};

/* The children note their ids; {} is theirs to know about. A word after each
 * round, as evaluator.h says. */
static const char script[] =
    "exec 2>/dev/null\n"
    "note() { echo $1 >>'%s'; }\n"
    "note $$\n"
    "seed=$$\n"
    "echo '{\"ready\":true}'; read -r workload; echo '{\"done\":true}'\n"
    "number() { v=${1#*\\\"$2\\\":}; [ \"$v\" = \"$1\" ] && v=0\n"
    "    v=${v%%%%[,\\}]*}; }\n"
    "lap() { number \"$2\" chunk_size; c=$v; number \"$2\" prefill_block\n"
    "    seed=$(((seed * 1103515245 + 12345) %% 2147483648))\n"
    "    ns=$(((1000000 + (c > 48 ? c - 48 : 48 - c) * 4000 +\n"
    "        (256 - v > 0 ? 256 - v : v - 256) * 500) *\n"
    "        (1000 + seed / 65536 %% 11 - 5) / 1000))\n"
    "    [ $zero ] && [ $1 = 0 ] && ns=0\n"
    "    echo \"{\\\"sample\\\":{\\\"rep\\\":$i,\\\"side\\\":$1,\"\\\n"
    "\"\\\"prefill_ns\\\":$ns,\\\"decode_ns\\\":$ns,\\\"prompt_tokens\\\":5,"
    "\"\\\n"
    "\"\\\"decode_steps\\\":3,\\\"ctx_switches\\\":0$3}}\"; }\n"
    "while read -r r; do\n"
    "    p=${r#*\\\"params\\\":}; p=${p%%%%\\}*}\\}; zero=\n"
    "    a=${r#*\\\"against\\\":}; a=${a%%%%\\}*}\\}\n"
    "    case $r in *'\"op\":\"judge\"'*)\n"
    "        echo '{\"done\":true,\"answer\":{\"verdict\":\"pass\","
    "\"tier\":\"kernel\",\"reason\":\"ok\"}}'; continue ;; esac\n"
    "    number \"$p\" chunk_size; c=$v; number \"$p\" prefill_block\n"
    "    case $c/$v in\n%s    esac\n"
    "    number \"$r\" first_rep; i=$v; number \"$r\" reps; end=$((i + v))\n"
    "    number \"$r\" anchor_every; every=$v\n"
    "    while :; do\n"
    "        waits=; [ $((i + 1)) -lt $end ] && waits=,\\\"waits\\\":true\n"
    "        case $r in *'\"op\":\"duel\"'*)\n"
    "            lap $((i %% 2 ? 1 : 0)) \"$([ $((i %% 2)) = 1 ] && echo "
    "\"$a\" || echo \"$p\")\"\n"
    "            lap $((i %% 2 ? 0 : 1)) \"$([ $((i %% 2)) = 1 ] && echo "
    "\"$p\" || echo \"$a\")\" $waits ;;\n"
    "        *)\n"
    "            [ $every -gt 0 ] && [ $((i %% every)) = 0 ] && lap 1 \"$a\"\n"
    "            lap 0 \"$p\" $waits ;;\n"
    "        esac\n"
    "        i=$((i + 1))\n"
    "        [ $waits ] || break\n"
    "        read -r word; [ \"$word\" = '{\"op\":\"more\"}' ] || break\n"
    "    done\n"
    "    echo \"{\\\"done\\\":true,\\\"load_s\\\":0,\\\"effective\\\":$p}\"\n"
    "done\n";

struct plan {
    int fault[CHUNKS][BLOCKS]; /* index of faults, -1 = sound */
    size_t n_faulty;
    int64_t chunk, block; /* of the fastest that is sound */
    bool all_hang;
};

static double cost(int64_t chunk, int64_t block)
{
    return fabs((double)(chunk - 48)) * 4 + fabs((double)(256 - block)) * 0.5;
}

/* One in three at random, and each kind at least once. */
static void plan_faults(struct plan *plan, uint64_t seed)
{
    struct xl_rng rng;
    double least = HUGE_VAL;
    xl_rng_seed(&rng, seed);
    for (size_t i = 0; i < CHUNKS * BLOCKS; i++) {
        size_t c = i / BLOCKS, b = i % BLOCKS;
        bool is_faulty = i < N_FAULTS || xl_rng_below(&rng, 3) == 0;
        int kind = i < N_FAULTS ? (int)i : (int)xl_rng_below(&rng, N_FAULTS);
        if (plan->all_hang)
            kind = 2;
        plan->fault[c][b] = is_faulty || plan->all_hang ? kind : -1;
        plan->n_faulty += plan->fault[c][b] >= 0;
        if (plan->fault[c][b] < 0 && cost(chunks[c], blocks[b]) < least) {
            least = cost(chunks[c], blocks[b]);
            plan->chunk = chunks[c];
            plan->block = blocks[b];
        }
    }
}

/* The child's program; its path, the caller's to free. */
static char *write_child(struct xl_test *t, const struct plan *plan,
                         const char *pids)
{
    struct xl_buf cases, text;
    char *path = xl_io_join(t->dir, "child");
    xl_buf_init(&cases, 0);
    xl_buf_init(&text, 0);
    for (size_t c = 0; c < CHUNKS; c++)
        for (size_t b = 0; b < BLOCKS; b++)
            if (plan->fault[c][b] >= 0)
                xl_buf_printf(&cases, "    %d/%d) %s ;;\n", (int)chunks[c],
                              (int)blocks[b], faults[plan->fault[c][b]].script);
    xl_buf_text(&text, "#!/bin/sh\n");
    xl_buf_printf(&text, script, pids, cases.data);
    xl_io_replace(path, text.data, text.len, NULL);
    XL_CHECK(t, chmod(path, 0700) == 0);
    xl_buf_release(&cases);
    xl_buf_release(&text);
    return path;
}

/* -- what came of it ------------------------------------------------------ */

struct ledger {
    struct xl_test *t;
    const struct plan *plan;
    size_t failed, open;
};

static int fault_of(const struct plan *plan, const struct xl_params *p)
{
    for (size_t c = 0; c < CHUNKS; c++)
        for (size_t b = 0; b < BLOCKS; b++)
            if (p->value[XL_PARAM_CHUNK_SIZE] == chunks[c] &&
                p->value[XL_PARAM_PREFILL_BLOCK] == blocks[b])
                return plan->fault[c][b];
    return -1;
}

static enum xl_status check_row(void *ctx, const struct xl_store_trial *row,
                                struct xl_err *err)
{
    struct ledger *l = ctx;
    struct xl_params params;
    XL_TRY(xl_sweep_params(row->cfg, &params, err));
    int fault = fault_of(l->plan, &params);
    l->open += row->state == XL_TRIAL_QUEUED || row->state == XL_TRIAL_RUNNING;
    if (fault < 0 || l->plan->all_hang)
        return XL_OK;
    l->failed++;
    xl_test_check(l->t,
                  row->state == faults[fault].state && row->reason &&
                      strstr(row->reason, faults[fault].reason),
                  __FILE__, __LINE__, "%s: %s: %s", faults[fault].name,
                  xl_trial_state_name(row->state), row->reason);
    return XL_OK;
}

/* Does it run? One that ended and whose parent has not asked for it yet does
 * not. */
static bool is_running(pid_t pid)
{
    char path[40], text[400] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    const char *name_end = n ? strrchr(text, ')') : NULL;
    return name_end && strlen(name_end) > 2 && name_end[2] != 'Z';
}

/* A kill takes effect a moment later. */
static bool is_gone(pid_t pid)
{
    for (int i = 0; i < 500 && is_running(pid); i++)
        poll(NULL, 0, 10);
    return !is_running(pid);
}

/* Every process that the children noted is gone. */
static void check_no_orphans(struct xl_test *t, const char *pids)
{
    struct xl_buf text;
    size_t n = 0;
    xl_buf_init(&text, 0);
    xl_io_read(pids, &text, NULL);
    for (char *at = text.data, *next; at && *at; at = next + 1, n++) {
        pid_t pid = (pid_t)strtol(at, &next, 10);
        xl_test_check(t, pid > 1 && is_gone(pid), __FILE__, __LINE__,
                      "process %d is left", (int)pid);
        if (next == at || *next == '\0')
            break;
    }
    XL_CHECK(t, n > 0);
    xl_buf_release(&text);
}

struct faulty {
    struct plan plan;
    struct xl_sweep_bench bench;
    struct xl_sweep_start start;
    struct xl_evaluator *evaluator;
    char *pids, *child;
};

static bool open_faulty(struct faulty *f, struct xl_test *t, double timeout_s)
{
    static const int32_t prompt[] = { 1, 2, 3 };
    struct xl_err err = { 0 };
    struct xl_sweep_plan plan = { .file = "a.db",
                                  .mode = "random",
                                  .repeats = 3,
                                  .most = 6,
                                  .anchor_every = 4,
                                  .seed = 3 };
    bool ok = xl_sweep_bench_open(&f->bench, t, space, NULL);
    xl_clock_set_source(NULL, NULL); /* the children are real */
    ok = ok && xl_sweep_start_open(&f->bench, &f->start, &plan);
    f->pids = xl_io_join(t->dir, "pids");
    f->child = write_child(t, &f->plan, f->pids);
    struct xl_evaluator_options options = { .program = f->child,
                                            .model_dir = "none",
                                            .prompt = prompt,
                                            .n_prompt = 3,
                                            .new_tokens = 4,
                                            .timeout_s = timeout_s };
    enum xl_status rc = xl_evaluator_make(&f->evaluator, &options, &err);
    f->start.sweep.runner = xl_evaluator_runner(f->evaluator);
    f->start.sweep.runner.output = NULL;
    return XL_CHECK_STATUS(t, rc, XL_OK, &err) && ok;
}

static void close_faulty(struct faulty *f)
{
    xl_evaluator_free(f->evaluator);
    check_no_orphans(f->bench.t, f->pids);
    xl_sweep_start_close(&f->start);
    xl_sweep_bench_close(&f->bench);
    xl_free(f->pids);
    xl_free(f->child);
}

static void check_ledger(struct faulty *f, size_t failed)
{
    struct xl_err err = { 0 };
    struct ledger ledger = { .t = f->bench.t, .plan = &f->plan };
    XL_CHECK_STATUS(
        f->bench.t,
        xl_query_trials(f->start.store, 0, check_row, &ledger, &err), XL_OK,
        &err);
    XL_CHECK_EQ(f->bench.t, ledger.failed, failed);
    XL_CHECK(f->bench.t, ledger.open == 0 || f->plan.all_hang);
}

static void the_right_one_wins(struct xl_test *t)
{
    struct faulty f = { 0 };
    struct xl_verdicts v = { 0 };
    plan_faults(&f.plan, 11);
    XL_CHECK(t, 3 * f.plan.n_faulty >= CHUNKS * BLOCKS);
    if (open_faulty(&f, t, 5.0)) {
        XL_CHECK_EQ(t, xl_sweep_start_search(&f.bench, &f.start), XL_END_SPACE);
        xl_sweep_start_finish(&f.bench, &f.start, 0, &v);
        check_ledger(&f, f.plan.n_faulty);
        XL_CHECK_EQ(t, v.n_failed, f.plan.n_faulty);
        XL_CHECK(t, v.proved);
        XL_CHECK_EQ(t, v.params.value[XL_PARAM_CHUNK_SIZE], f.plan.chunk);
        XL_CHECK_EQ(t, v.params.value[XL_PARAM_PREFILL_BLOCK], f.plan.block);
    }
    close_faulty(&f);
}

/* Everything hangs and no repetition has a limit worth the name: the budget
 * of time ends the sweep all the same. */
static void the_deadline_holds(struct xl_test *t)
{
    struct faulty f = { .plan = { .all_hang = true } };
    struct xl_pace pace;
    plan_faults(&f.plan, 11);
    if (open_faulty(&f, t, 1e6)) {
        xl_pace_init(&pace, xl_clock_ns(), 0.2);
        f.start.sweep.pace = &pace;
        XL_CHECK_EQ(t, xl_sweep_start_search(&f.bench, &f.start), XL_END_TIME);
        check_ledger(&f, 0);
    }
    close_faulty(&f);
}

const struct xl_test_case xl_suite_faulty[] = {
    XL_CASE(the_right_one_wins),
    XL_CASE(the_deadline_holds),
    { 0 },
};
