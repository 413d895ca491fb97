/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP client against a server that answers well, badly, slowly and not
 * at all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/http_client.h"
#include "tests/harness/test.h"
#include "tests/unit/http_fixture.h"

enum {
    PATIENCE_MS = 150, /* with servers that never answer */
    MOST_REPLY = 4096
};

/* What the server does, and what it saw. */
struct script {
    struct xl_http_answer answer; /* the body is text's */
    const char *text;
    char seen[256], head[1024];
};

static void play(void *ctx, const struct xl_http_seen *seen,
                 struct xl_http_answer *answer)
{
    struct script *script = ctx;
    answer->manner = script->answer.manner;
    answer->code = script->answer.code;
    answer->header = script->answer.header;
    xl_buf_text(&answer->body, script->text);
    snprintf(script->seen, sizeof script->seen, "%s %s %.*s", seen->method,
             seen->path, (int)seen->n, seen->body);
    snprintf(script->head, sizeof script->head, "%.*s",
             (int)(seen->body - seen->head), seen->head);
}

/* One exchange with a server that plays the script. */
static enum xl_status ask(struct xl_test *t, struct script *script,
                          const char *path, const char *body,
                          struct xl_http_reply *reply, struct xl_err *err)
{
    struct xl_http_server server;
    struct xl_http *http = NULL;
    bool is_late = script->answer.manner == XL_HTTP_STALL ||
                   script->answer.manner == XL_HTTP_HANG;
    xl_http_server_open(t, &server, play, script);
    struct xl_http_options options = { .base = server.base,
                                       .timeout_ms = is_late ? PATIENCE_MS : 0,
                                       .most_reply = MOST_REPLY,
                                       .hint = "start it" };
    XL_CHECK_STATUS(t, xl_http_open(&http, &options, err), XL_OK, err);
    enum xl_status rc =
        xl_http_send(http, path, body, body ? strlen(body) : 0, reply, err);
    xl_http_close(http);
    xl_http_server_close(&server);
    return rc;
}

static void a_good_server_is_heard(struct xl_test *t)
{
    static const enum xl_http_manner manners[] = { XL_HTTP_PLAIN,
                                                   XL_HTTP_CHUNKED };
    for (size_t i = 0; i < 2; i++) {
        struct script script = { .answer.manner = manners[i],
                                 .text = "{\"a\": [1, 2, 3]} and more" };
        struct xl_http_reply reply;
        struct xl_err err = { 0 };
        script.answer.code = i ? 500 : 0;
        XL_CHECK_STATUS(
            t, ask(t, &script, "/api/chat", "{\"x\": 1}", &reply, &err), XL_OK,
            &err);
        XL_CHECK_EQ(t, reply.code, i ? 500 : 200);
        XL_CHECK_TEXT(t, reply.body.data, script.text);
        XL_CHECK_TEXT(t, script.seen, "POST /api/chat {\"x\": 1}");
        XL_CHECK(t, strstr(script.head, "Content-Type: application/json"));
        XL_CHECK(t, !strstr(script.head, "Expect:"));
        XL_CHECK(t, !strstr(script.head, "Accept-Encoding"));
        xl_http_reply_release(&reply);
        XL_CHECK_STATUS(t, ask(t, &script, "/api/tags", NULL, &reply, &err),
                        XL_OK, &err);
        XL_CHECK_TEXT(t, script.seen, "GET /api/tags ");
        xl_http_reply_release(&reply);
    }
}

static void one_connection_serves_many(struct xl_test *t)
{
    struct script script = { .text = "again" };
    struct xl_http_server server;
    struct xl_http *http = NULL;
    struct xl_err err = { 0 };
    xl_http_server_open(t, &server, play, &script);
    struct xl_http_options options = { .base = server.base };
    XL_CHECK_STATUS(t, xl_http_open(&http, &options, &err), XL_OK, &err);
    for (size_t i = 0; i < 20; i++) {
        struct xl_http_reply reply;
        XL_CHECK_STATUS(
            t,
            xl_http_send(http, "/x", i % 2 ? "b" : NULL, i % 2, &reply, &err),
            XL_OK, &err);
        XL_CHECK_TEXT(t, reply.body.data, "again");
        xl_http_reply_release(&reply);
    }
    XL_CHECK_EQ(t, atomic_load(&server.requests), 20);
    xl_http_close(http);
    xl_http_server_close(&server);
}

/* Every way to fail has its status and a message that names the server. */
static void bad_servers_are_named(struct xl_test *t)
{
    static const struct {
        enum xl_http_manner manner;
        const char *text;
        enum xl_status want;
    } cases[] = {
        { XL_HTTP_RAW, "", XL_EIO },
        { XL_HTTP_RAW, "220 mail.example.org ESMTP\r\n", XL_EFORMAT },
        { XL_HTTP_RAW, "HTTP/9.9 200 OK\r\n\r\nx", XL_EFORMAT },
        { XL_HTTP_RAW,
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab",
          XL_EIO },
        { XL_HTTP_RAW,
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
          XL_EIO },
        { XL_HTTP_SHORT, "{\"half\":", XL_EIO },
        { XL_HTTP_STALL, "", XL_ETIMEOUT },
        { XL_HTTP_HANG, "", XL_ETIMEOUT },
        { XL_HTTP_ENDLESS, "", XL_EFORMAT },
        { XL_HTTP_BABBLE, "", XL_EFORMAT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct script script = { .answer.manner = cases[i].manner,
                                 .text = cases[i].text };
        struct xl_http_reply reply = { 0 };
        struct xl_err err = { 0 };
        enum xl_status rc = ask(t, &script, "/api/chat", "{}", &reply, &err);
        xl_test_check(t, rc == cases[i].want, __FILE__, __LINE__,
                      "case %zu: status %d, %s", i, (int)rc, err.message);
        XL_CHECK(t, strstr(err.message, "'http://127.0.0.1:") != NULL);
        XL_CHECK(t, reply.body.data == NULL);
    }
}

static void nobody_there_is_an_error_with_a_hint(struct xl_test *t)
{
    struct xl_http *http = NULL;
    struct xl_http_reply reply;
    struct xl_err err = { 0 };
    char base[64];
    xl_http_closed_port(t, base);
    struct xl_http_options options = { .base = base, .hint = "start it" };
    XL_CHECK_STATUS(t, xl_http_open(&http, &options, &err), XL_OK, &err);
    XL_CHECK_EQ(t, xl_http_send(http, "/", NULL, 0, &reply, &err), XL_EIO);
    XL_CHECK(t, strstr(err.message, base) != NULL);
    XL_CHECK(t, strstr(err.message, "; start it") != NULL);
    xl_http_close(http);
}

/* Where a redirect or a proxy of the environment would lead. */
static void it_goes_nowhere_else(struct xl_test *t)
{
    struct script elsewhere = { .text = "stolen" }, script = { .text = "here" };
    struct xl_http_server thief;
    struct xl_http_reply reply;
    struct xl_err err = { 0 };
    char header[128];
    xl_http_server_open(t, &thief, play, &elsewhere);
    snprintf(header, sizeof header, "Location: %s/x\r\n", thief.base);
    script.answer.code = 302;
    script.answer.header = header;
    setenv("http_proxy", thief.base, 1);
    setenv("ALL_PROXY", thief.base, 1);
    XL_CHECK_STATUS(t, ask(t, &script, "/api/chat", "{}", &reply, &err), XL_OK,
                    &err);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    XL_CHECK_EQ(t, reply.code, 302);
    XL_CHECK_TEXT(t, reply.body.data, "here");
    XL_CHECK_EQ(t, atomic_load(&thief.requests), 0);
    xl_http_reply_release(&reply);
    xl_http_server_close(&thief);
}

static void a_stop_ends_the_wait(struct xl_test *t)
{
    struct script script = { .answer.manner = XL_HTTP_STALL, .text = "" };
    struct xl_http_server server;
    struct xl_http *http = NULL;
    struct xl_http_reply reply;
    struct xl_err err = { 0 };
    atomic_int stop = 2;
    xl_http_server_open(t, &server, play, &script);
    struct xl_http_options options = { .base = server.base, .stop = &stop };
    XL_CHECK_STATUS(t, xl_http_open(&http, &options, &err), XL_OK, &err);
    XL_CHECK_EQ(t, xl_http_send(http, "/", NULL, 0, &reply, &err),
                XL_EINTERRUPTED);
    xl_http_close(http);
    xl_http_server_close(&server);
}

static void addresses_are_checked(struct xl_test *t)
{
    static const struct {
        const char *base;
        bool is_good, is_loopback;
    } cases[] = {
        { "http://127.0.0.1:11434", true, true },
        { "http://127.0.0.1:11434/", true, true },
        { "http://localhost", true, true },
        { "http://[::1]:80", true, true },
        { "http://127.1", true, true },
        { "http://judge-1.example.org:65535", true, false },
        { "http://127.0.0.1.example.org", true, false },
        { "http://localhost.example.org", true, false },
        { "http://[fe80::1]", true, false },
        { "https://127.0.0.1:11434", false, false },
        { "file:///etc/passwd", false, false },
        { "127.0.0.1:11434", false, false },
        { "", false, false },
        { "http://", false, false },
        { "http://:80", false, false },
        { "http://[]", false, false },
        { "http://[::1", false, false },
        { "http://user:word@127.0.0.1", false, false },
        { "http://127.0.0.1:0", false, false },
        { "http://127.0.0.1:65536", false, false },
        { "http://127.0.0.1:", false, false },
        { "http://127.0.0.1:99999999999999999999", false, false },
        { "http://127.0.0.1:1x", false, false },
        { "http://127.0.0.1/api", false, false },
        { "http://127.0.0.1?x", false, false },
        { "http://127.0.0.1\r\nX: y", false, false },
        { "http://a b", false, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *base = cases[i].base;
        struct xl_http *http = NULL;
        struct xl_err err = { 0 };
        xl_test_check(t, !xl_http_refuses(base) == cases[i].is_good, __FILE__,
                      __LINE__, "address '%s'", base);
        xl_test_check(t, xl_http_is_loopback(base) == cases[i].is_loopback,
                      __FILE__, __LINE__, "loopback '%s'", base);
        if (!cases[i].is_good)
            XL_CHECK_EQ(t,
                        xl_http_open(&http,
                                     &(struct xl_http_options){ .base = base },
                                     &err),
                        XL_EUSAGE);
    }
}

const struct xl_test_case xl_suite_http_client[] = {
    XL_CASE(a_good_server_is_heard),
    XL_CASE(one_connection_serves_many),
    XL_CASE(bad_servers_are_named),
    XL_CASE(nobody_there_is_an_error_with_a_hint),
    XL_CASE(it_goes_nowhere_else),
    XL_CASE(a_stop_ends_the_wait),
    XL_CASE(addresses_are_checked),
    { 0 },
};
