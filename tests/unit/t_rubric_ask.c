/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking: what is tried again, what is kept, what is not asked twice. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "judge/asker.h"
#include "kernel/base/alloc.h"
#include "tests/harness/test.h"
#include "tests/unit/http_fixture.h"
#include "tests/unit/rubric_fixture.h"
#include "tests/unit/run_fixture.h"

enum {
    RETRIES = 2,
    QUESTIONS = 5
};

/* A transport that fails as told, then answers well. */
struct transport {
    size_t calls, fails; /* the first `fails` calls do not answer well */
    enum xl_status status;
    int code; /* of a bad answer, when status is XL_OK; 0 = 200 */
    const char *bad;
    size_t cut_short; /* requests that lack what must be there */
    char seeds[16];   /* the last digit of each request's seed */
};

static enum xl_status send_scripted(void *ctx, const char *path,
                                    const char *body, size_t n,
                                    struct xl_http_reply *reply,
                                    struct xl_err *err)
{
    struct transport *tr = ctx;
    const char *seed = body ? strstr(body, "\"seed\":") : NULL;
    static const char *const parts[] = { "impartial", "It rained.",
                                         "\"format\"", "num_ctx", "judge:1b" };
    (void)path, (void)n;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        tr->cut_short += body && !strstr(body, parts[i]);
    if (tr->calls < 15)
        tr->seeds[tr->calls] = seed ? seed[7] : '-';
    bool is_bad = tr->calls++ < tr->fails;
    if (is_bad && tr->status != XL_OK)
        return xl_fail(err, tr->status, "cannot talk with 'http://here'");
    *reply =
        (struct xl_http_reply){ .code = is_bad && tr->code ? tr->code : 200 };
    xl_buf_init(&reply->body, 0);
    if (is_bad)
        xl_buf_text(&reply->body, tr->bad);
    else
        xl_reply_marks(7, &reply->body);
    return XL_OK;
}

static void log_path(const struct xl_test *t, char out[300])
{
    snprintf(out, 300, "%s/replies.jsonl", t->dir);
}

static struct xl_asker make_asker(struct xl_test *t, struct transport *tr)
{
    char path[300];
    struct xl_err err = { 0 };
    struct xl_asker asker = { .send = send_scripted,
                              .send_ctx = tr,
                              .base = "http://here",
                              .model = "judge:1b",
                              .nonce = "n",
                              .seed = 3,
                              .limits = { 1000, 1000, 0 },
                              .retries = RETRIES };
    log_path(t, path);
    XL_CHECK_STATUS(t, xl_reply_log_open(&asker.log, path, &err), XL_OK, &err);
    return asker;
}

static enum xl_status ask_about(struct xl_asker *asker, const char *text,
                                struct xl_rubric_marks *marks, bool *is_known,
                                struct xl_err *err)
{
    struct xl_rubric_text prompt = { "It rained.", 10 };
    return xl_asker_marks(asker, prompt,
                          (struct xl_rubric_text){ text, strlen(text) }, text,
                          marks, is_known, err);
}

static void what_may_pass_is_tried_again(struct xl_test *t)
{
    static const struct {
        struct transport transport;
        enum xl_status want;
        bool is_known;
        size_t calls;
        const char *seeds, *says;
    } cases[] = {
        { { 0 }, XL_OK, true, 1, "3", "" },
        { { .fails = 2, .status = XL_EIO }, XL_OK, true, 3, "333", "" },
        { { .fails = 2, .status = XL_ETIMEOUT }, XL_OK, true, 3, "333", "" },
        { { .fails = 9, .status = XL_EIO }, XL_EIO, false, 3, "333", "here" },
        { { .fails = 9, .status = XL_ETIMEOUT },
          XL_ETIMEOUT,
          false,
          3,
          "333",
          "here" },
        { { .fails = 9, .status = XL_EFORMAT },
          XL_EFORMAT,
          false,
          1,
          "3",
          "here" },
        { { .fails = 2, .code = 500, .bad = "" }, XL_OK, true, 3, "333", "" },
        { { .fails = 9, .code = 503, .bad = "{\"error\": \"busy\"}" },
          XL_EIO,
          false,
          3,
          "333",
          "'http://here/api/chat' answers 503: busy" },
        { { .fails = 2, .code = 429, .bad = "" }, XL_OK, true, 3, "333", "" },
        { { .fails = 9, .code = 404, .bad = "{\"error\": \"no\\nmodel\"}" },
          XL_EIO,
          false,
          1,
          "3",
          "404: no model" },
        { { .fails = 9, .code = 302, .bad = "<a>" },
          XL_EIO,
          false,
          1,
          "3",
          "302" },
        { { .fails = 1, .bad = "{}" }, XL_OK, true, 2, "34", "" },
        { { .fails = 9, .bad = "not JSON" }, XL_OK, false, 3, "345", "" },
        { { .fails = 9, .bad = "" }, XL_OK, false, 3, "345", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct transport tr = cases[i].transport;
        struct xl_asker asker = make_asker(t, &tr);
        struct xl_rubric_marks marks;
        struct xl_err err = { 0 };
        bool is_known = true;
        char text[32];
        snprintf(text, sizeof text, "case %zu", i);
        enum xl_status rc = ask_about(&asker, text, &marks, &is_known, &err);
        xl_test_check(t, rc == cases[i].want, __FILE__, __LINE__,
                      "case %zu: %d %s", i, (int)rc, err.message);
        XL_CHECK(t, is_known == cases[i].is_known);
        XL_CHECK(t, strstr(err.message, cases[i].says) != NULL);
        XL_CHECK(t, (rc == XL_OK) == (err.message[0] == '\0'));
        XL_CHECK_EQ(t, tr.calls, cases[i].calls);
        XL_CHECK_TEXT(t, tr.seeds, cases[i].seeds);
        XL_CHECK_EQ(t, asker.questions, rc == XL_OK);
        XL_CHECK_EQ(t, asker.unknown, rc == XL_OK && !is_known);
        xl_reply_log_close(asker.log);
    }
}

static void a_stop_is_heeded(struct xl_test *t)
{
    struct transport tr = { .fails = 9, .status = XL_EIO };
    struct xl_asker asker = make_asker(t, &tr);
    struct xl_rubric_marks marks;
    struct xl_err err = { 0 };
    bool is_known;
    atomic_int stop = 1;
    asker.stop = &stop;
    asker.backoff_ms = 1 << 30;
    XL_CHECK_EQ(t, ask_about(&asker, "x", &marks, &is_known, &err),
                XL_EINTERRUPTED);
    XL_CHECK_EQ(t, tr.calls, 0);
    xl_reply_log_close(asker.log);
}

/* Asks for QUESTIONS texts. */
static void ask_all(struct xl_test *t, struct xl_asker *asker)
{
    for (size_t i = 0; i < QUESTIONS; i++) {
        struct xl_rubric_marks marks = { 0 };
        struct xl_err err = { 0 };
        bool is_known = false;
        char text[32];
        snprintf(text, sizeof text, "text %zu", i);
        XL_CHECK_STATUS(t, ask_about(asker, text, &marks, &is_known, &err),
                        XL_OK, &err);
        XL_CHECK(t, is_known && marks.score[0] == 7);
    }
}

static void what_was_answered_is_not_asked_again(struct xl_test *t)
{
    struct transport tr = { .fails = 1, .bad = "{}" };
    struct xl_asker asker = make_asker(t, &tr);
    ask_all(t, &asker);
    XL_CHECK_EQ(t, tr.calls, QUESTIONS + 1);
    xl_reply_log_close(asker.log);

    asker = make_asker(t, &tr);
    tr.calls = 1; /* it answers well from now on */
    ask_all(t, &asker);
    /* The reply that could not be read is asked for again, once. */
    XL_CHECK_EQ(t, tr.calls, 2);
    XL_CHECK_EQ(t, asker.found, QUESTIONS - 1);
    xl_reply_log_close(asker.log);

    for (int change = 0; change < 4; change++) {
        asker = make_asker(t, &tr);
        if (change == 1)
            asker.model = "other:1b";
        if (change == 2)
            snprintf(asker.digest, sizeof asker.digest, "d1");
        if (change == 3)
            asker.nonce = "m";
        tr.calls = 1;
        ask_all(t, &asker);
        XL_CHECK_EQ(t, tr.calls - 1, change ? QUESTIONS : 0);
        xl_reply_log_close(asker.log);
    }
}

/* Killed at any byte, the log opens, and only what is lost is asked again. */
static void a_torn_log_loses_its_last_line_only(struct xl_test *t)
{
    struct transport tr = { 0 };
    struct xl_asker asker = make_asker(t, &tr);
    struct xl_buf whole, now;
    size_t lines = 0;
    ask_all(t, &asker);
    xl_reply_log_close(asker.log);
    xl_buf_init(&whole, 0);
    xl_buf_init(&now, 0);
    xl_case_read(t, "replies.jsonl", &whole);
    for (size_t n = 0; n < whole.len; n += 53) {
        lines = 0;
        for (size_t i = 0; i < n; i++)
            lines += whole.data[i] == '\n';
        xl_case_write(t, "replies.jsonl", whole.data, n);
        tr.calls = 0;
        asker = make_asker(t, &tr);
        ask_all(t, &asker);
        xl_reply_log_close(asker.log);
        XL_CHECK_EQ(t, tr.calls, QUESTIONS - lines);
    }
    XL_CHECK_EQ(t, lines, QUESTIONS - 1);
    xl_case_read(t, "replies.jsonl", &now);
    XL_CHECK_TEXT(t, now.data, whole.data);
    xl_buf_release(&whole);
    xl_buf_release(&now);
}

/* -- famine ---------------------------------------------------------------- */

/* Each allocation fails once: no request and no line goes out incomplete. */
static void without_memory_nothing_is_cut_short(struct xl_test *t)
{
    size_t failed = 0, untouched = 0;
    for (size_t n = 0; n < 300; n++) {
        struct transport tr = { 0 };
        struct xl_asker asker = make_asker(t, &tr);
        struct xl_rubric_marks marks;
        struct xl_err err = { 0 };
        bool is_known = false;
        size_t left = n;
        char text[32];
        snprintf(text, sizeof text, "famine %zu", n);
        xl_alloc_set_hook(xl_test_fail_nth, &left);
        enum xl_status rc = ask_about(&asker, text, &marks, &is_known, &err);
        xl_alloc_set_hook(NULL, NULL);
        failed += rc != XL_OK;
        untouched += left != SIZE_MAX;
        XL_CHECK(t, rc == XL_ENOMEM || (rc == XL_OK && is_known));
        XL_CHECK_EQ(t, tr.cut_short, 0);
        xl_reply_log_close(asker.log);
        asker = make_asker(t, &tr); /* whatever came down can be read */
        xl_reply_log_close(asker.log);
    }
    XL_CHECK(t, failed > 10);
    XL_CHECK(t, untouched > 10); /* the loop reached every allocation */
}

static void a_broken_log_is_refused(struct xl_test *t)
{
    static const char *const broken[] = {
        "not JSON\n",
        "{}\n",
        "{\"key\": \"k\"}\n",
        "{\"key\": 1, \"reply\": \"r\"}\n",
        "\n",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct xl_reply_log *log = NULL;
        struct xl_err err = { 0 };
        char path[300];
        log_path(t, path);
        xl_case_text(t, "replies.jsonl", broken[i]);
        XL_CHECK_EQ(t, xl_reply_log_open(&log, path, &err), XL_EFORMAT);
        XL_CHECK(t, strstr(err.message, "replies.jsonl' line 1") != NULL);
    }
}

static void two_judges_do_not_share_a_log(struct xl_test *t)
{
    struct xl_reply_log *log = NULL;
    struct xl_err err = { 0 };
    char path[300];
    int status = 0;
    log_path(t, path);
    XL_CHECK_STATUS(t, xl_reply_log_open(&log, path, &err), XL_OK, &err);
    pid_t pid = fork();
    if (pid == 0) {
        struct xl_reply_log *second = NULL;
        _exit(xl_reply_log_open(&second, path, NULL) == XL_EBUSY ? 0 : 1);
    }
    XL_CHECK(t, pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    xl_reply_log_close(log);
    XL_CHECK_STATUS(t, xl_reply_log_open(&log, path, &err), XL_OK, &err);
    xl_reply_log_close(log);
}

/* -- greeting -------------------------------------------------------------- */

struct host {
    int tags_code;
    const char *tags;
};

static void play_host(void *ctx, const struct xl_http_seen *seen,
                      struct xl_http_answer *answer)
{
    const struct host *host = ctx;
    if (strcmp(seen->path, "/api/version") == 0) {
        xl_buf_text(&answer->body, "{\"version\": \"0.12.11\"}");
    } else {
        answer->code = host->tags_code;
        xl_buf_text(&answer->body, host->tags);
    }
}

static void a_model_is_looked_up(struct xl_test *t)
{
    static const char list[] =
        "{\"models\": [{\"name\": \"a:7b\", \"digest\": \"aa\"}, {}, 5, "
        "{\"name\": \"b:latest\", \"digest\": \"bb\\u001b\"}]}";
    static const struct {
        struct host host;
        const char *model;
        enum xl_status want;
        const char *digest;
    } cases[] = {
        { { 0, list }, "a:7b", XL_OK, "aa" },
        { { 0, list }, "b", XL_OK, "bb " },
        { { 0, list }, "b:latest", XL_OK, "bb " },
        { { 0, list }, "a", XL_ENOTFOUND, "" },
        { { 0, list }, "a:7", XL_ENOTFOUND, "" },
        { { 0, "{\"models\": []}" }, "a", XL_ENOTFOUND, "" },
        { { 0, "{\"models\": 5}" }, "a", XL_OK, "" },
        { { 0, "<html>" }, "a", XL_OK, "" },
        { { 404, "" }, "a", XL_OK, "" },
        { { 401, "" }, "a", XL_EIO, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct host host = cases[i].host;
        struct xl_http_server server;
        struct xl_http *http = NULL;
        struct xl_err err = { 0 };
        xl_http_server_open(t, &server, play_host, &host);
        XL_CHECK_STATUS(
            t,
            xl_http_open(
                &http, &(struct xl_http_options){ .base = server.base }, &err),
            XL_OK, &err);
        struct xl_asker asker = { .send = xl_asker_http,
                                  .send_ctx = http,
                                  .base = server.base,
                                  .model = cases[i].model };
        enum xl_status rc = xl_asker_greet(&asker, &err);
        xl_test_check(t, rc == cases[i].want, __FILE__, __LINE__,
                      "case %zu: %d %s", i, (int)rc, err.message);
        XL_CHECK_TEXT(t, asker.digest, cases[i].digest);
        XL_CHECK_TEXT(t, asker.version, "0.12.11");
        if (rc == XL_ENOTFOUND)
            XL_CHECK(t, strstr(err.message, i < 5 ? "'a:7b', 'b:latest'"
                                                  : "it has none") != NULL);
        xl_http_close(http);
        xl_http_server_close(&server);
    }
}

const struct xl_test_case xl_suite_rubric_ask[] = {
    XL_CASE(what_may_pass_is_tried_again),
    XL_CASE(a_stop_is_heeded),
    XL_CASE(what_was_answered_is_not_asked_again),
    XL_CASE(a_torn_log_loses_its_last_line_only),
    XL_CASE(without_memory_nothing_is_cut_short),
    XL_CASE(a_broken_log_is_refused),
    XL_CASE(two_judges_do_not_share_a_log),
    XL_CASE(a_model_is_looked_up),
    { 0 },
};
