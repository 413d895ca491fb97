/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl is opened by name: linked, it and the 17 libraries it draws in add
 * 2.9 ms to the start of an empty program, more than all of this one takes to
 * start (2.6 ms), for one command of many. */
#include "judge/http_client.h"

#include <assert.h>
#include <curl/curl.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/shared.h"

#define LIBRARY_NAME "libcurl.so.4"

enum {
    CONNECT_MS = 5000,
    TIMEOUT_MS = 600000,
    MOST_REPLY = 1 << 20,
    MOST_HEADERS = 64 << 10,
    MOST_HOST = 253 /* bytes of a name in the DNS */
};

/* What is called of libcurl. */
struct calls {
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *);
    CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
    CURLcode (*easy_perform)(CURL *);
    CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
    const char *(*easy_strerror)(CURLcode);
    struct curl_slist *(*slist_append)(struct curl_slist *, const char *);
    void (*slist_free_all)(struct curl_slist *);
};

struct xl_http {
    struct calls calls;
    CURL *curl;
    struct curl_slist *headers;
    char *base; /* without a slash at its end */
    char *hint; /* or NULL */
    size_t most_reply;
    atomic_int *stop;
};

/* One exchange. */
struct exchange {
    struct xl_http *http;
    struct xl_http_reply *reply;
    size_t header_bytes;
    bool is_too_long;
};

/* -- addresses ------------------------------------------------------------- */

static const char scheme[] = "http://";

static bool is_host_char(char c, bool is_bracketed)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' ||
           c == (is_bracketed ? ':' : '-');
}

/* Bytes of the host at the text's begin, 0 when there is none. */
static size_t host_bytes(const char *at)
{
    bool is_bracketed = *at == '[';
    size_t n = is_bracketed;
    while (is_host_char(at[n], is_bracketed))
        n++;
    if (is_bracketed)
        n = at[n] == ']' && n > 1 ? n + 1 : 0;
    return n <= MOST_HOST ? n : 0;
}

const char *xl_http_refuses(const char *base)
{
    if (strncmp(base, scheme, sizeof scheme - 1) != 0)
        return "it must begin with http://";
    const char *at = base + sizeof scheme - 1;
    size_t n = host_bytes(at);
    if (n == 0)
        return "it names no host";
    at += n;
    if (*at == ':') {
        size_t digits = strspn(++at, "0123456789");
        int64_t port = 0;
        for (size_t i = 0; i < digits && i < 6; i++)
            port = port * 10 + (at[i] - '0');
        if (digits == 0 || digits > 5 || port < 1 || port > 65535)
            return "the port must be from 1 to 65535";
        at += digits;
    }
    at += *at == '/';
    return *at ? "nothing may follow the host and the port" : NULL;
}

bool xl_http_is_loopback(const char *base)
{
    if (xl_http_refuses(base))
        return false;
    const char *at = base + sizeof scheme - 1;
    size_t n = host_bytes(at);
    if (at[0] == '[')
        return n == 5 && memcmp(at, "[::1]", 5) == 0;
    if (n == 9 && memcmp(at, "localhost", 9) == 0)
        return true;
    return n > 4 && memcmp(at, "127.", 4) == 0 &&
           strspn(at, "0123456789.") == n;
}

/* -- the library ----------------------------------------------------------- */

static enum xl_status load(struct calls *calls, struct xl_err *err)
{
    static const struct xl_shared_call rows[] = {
        { "curl_easy_init", offsetof(struct calls, easy_init) },
        { "curl_easy_cleanup", offsetof(struct calls, easy_cleanup) },
        { "curl_easy_setopt", offsetof(struct calls, easy_setopt) },
        { "curl_easy_perform", offsetof(struct calls, easy_perform) },
        { "curl_easy_getinfo", offsetof(struct calls, easy_getinfo) },
        { "curl_easy_strerror", offsetof(struct calls, easy_strerror) },
        { "curl_slist_append", offsetof(struct calls, slist_append) },
        { "curl_slist_free_all", offsetof(struct calls, slist_free_all) },
    };
    static const struct xl_shared curl = { .file = LIBRARY_NAME,
                                           .package = "libcurl4",
                                           .calls = rows,
                                           .n_calls =
                                               sizeof rows / sizeof *rows };
    static_assert(sizeof rows / sizeof *rows ==
                      sizeof *calls / sizeof calls->easy_init,
                  "a row a call");
    return xl_shared_load(&curl, calls, err);
}

/* -- an exchange ----------------------------------------------------------- */

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
    struct exchange *x = ctx;
    xl_buf_add(&x->reply->body, bytes, size * n);
    x->is_too_long = !xl_buf_ok(&x->reply->body);
    return x->is_too_long ? 0 : size * n;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *ctx)
{
    struct exchange *x = ctx;
    (void)bytes;
    x->header_bytes += size * n;
    x->is_too_long = x->header_bytes > MOST_HEADERS;
    return x->is_too_long ? 0 : size * n;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c,
                       curl_off_t d)
{
    const struct exchange *x = ctx;
    (void)a, (void)b, (void)c, (void)d;
    return x->http->stop && atomic_load(x->http->stop) != 0;
}

static enum xl_status explain(const struct exchange *x, CURLcode code,
                              struct xl_err *err)
{
    const struct xl_http *http = x->http;
    const char *said = http->calls.easy_strerror(code);
    const char *hint = http->hint ? http->hint : "";
    const char *semicolon = http->hint ? "; " : "";
    if (x->is_too_long)
        return xl_fail(err, XL_EFORMAT, "'%s' replies with more than %zu bytes",
                       http->base, http->most_reply);
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
        return xl_fail(err, XL_EINTERRUPTED, "interrupted");
    case CURLE_OPERATION_TIMEDOUT:
        return xl_fail(err, XL_ETIMEOUT, "'%s' does not answer in time%s%s",
                       http->base, semicolon, hint);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return xl_fail(err, XL_EFORMAT, "'%s' does not speak HTTP/1: %s%s%s",
                       http->base, said, semicolon, hint);
    default:
        return xl_fail(err, XL_EIO, "cannot talk with '%s': %s%s%s", http->base,
                       said, semicolon, hint);
    }
}

/* Every option is set anew; the connection is kept. */
static bool set_request(struct exchange *x, const char *url, const char *body,
                        size_t n)
{
    const struct calls *c = &x->http->calls;
    CURL *curl = x->http->curl;
    bool ok = c->easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
              c->easy_setopt(curl, CURLOPT_WRITEDATA, x) == CURLE_OK &&
              c->easy_setopt(curl, CURLOPT_HEADERDATA, x) == CURLE_OK &&
              c->easy_setopt(curl, CURLOPT_XFERINFODATA, x) == CURLE_OK;
    if (!body)
        return ok && c->easy_setopt(curl, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    return ok && c->easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
           c->easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n) ==
               CURLE_OK &&
           c->easy_setopt(curl, CURLOPT_POSTFIELDS, body) == CURLE_OK;
}

static enum xl_status perform(struct exchange *x, const char *url,
                              const char *body, size_t n, struct xl_err *err)
{
    const struct calls *c = &x->http->calls;
    long code = 0;
    if (!set_request(x, url, body, n))
        return xl_fail(err, XL_EFAILED, "libcurl refuses a request to '%s'",
                       x->http->base);
    CURLcode done = c->easy_perform(x->http->curl);
    if (done != CURLE_OK)
        return explain(x, done, err);
    c->easy_getinfo(x->http->curl, CURLINFO_RESPONSE_CODE, &code);
    x->reply->code = (int)code;
    return XL_OK;
}

enum xl_status xl_http_send(struct xl_http *http, const char *path,
                            const char *body, size_t n,
                            struct xl_http_reply *reply, struct xl_err *err)
{
    struct exchange x = { .http = http, .reply = reply };
    struct xl_buf url;
    assert(path[0] == '/');
    *reply = (struct xl_http_reply){ 0 };
    xl_buf_init(&reply->body, http->most_reply);
    xl_buf_init(&url, 0);
    xl_buf_printf(&url, "%s%s", http->base, path);
    enum xl_status rc = xl_buf_check(&url, "an address", err);
    if (rc == XL_OK)
        rc = perform(&x, url.data, body, n, err);
    xl_buf_release(&url);
    if (rc != XL_OK)
        xl_http_reply_release(reply);
    return rc;
}

void xl_http_reply_release(struct xl_http_reply *reply)
{
    xl_buf_release(&reply->body);
    *reply = (struct xl_http_reply){ 0 };
}

/* -- opening --------------------------------------------------------------- */

static bool set_policy(struct xl_http *http,
                       const struct xl_http_options *options)
{
    const struct calls *c = &http->calls;
    CURL *curl = http->curl;
    long connect_ms =
        options->connect_ms ? (long)options->connect_ms : CONNECT_MS;
    long timeout_ms =
        options->timeout_ms ? (long)options->timeout_ms : TIMEOUT_MS;
    static const char *const lines[] = { "Content-Type: application/json",
                                         "Accept: application/json",
                                         "Expect:" };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct curl_slist *more = c->slist_append(http->headers, lines[i]);
        if (!more)
            return false;
        http->headers = more;
    }
    return c->easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
           c->easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           c->easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           c->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           c->easy_setopt(curl, CURLOPT_HTTP_VERSION,
                          (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           c->easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms) ==
               CURLE_OK &&
           c->easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
           c->easy_setopt(curl, CURLOPT_HTTPHEADER, http->headers) ==
               CURLE_OK &&
           c->easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           c->easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) ==
               CURLE_OK &&
           c->easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress) ==
               CURLE_OK &&
           c->easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
}

static enum xl_status open_client(struct xl_http *http,
                                  const struct xl_http_options *options,
                                  struct xl_err *err)
{
    size_t n = strlen(options->base);
    XL_TRY(load(&http->calls, err));
    http->base = xl_strndup(options->base, n - (options->base[n - 1] == '/'));
    http->hint = options->hint ? xl_strdup(options->hint) : NULL;
    http->most_reply = options->most_reply ? options->most_reply : MOST_REPLY;
    http->stop = options->stop;
    http->curl = http->calls.easy_init();
    if (!http->base || (options->hint && !http->hint) || !http->curl)
        return xl_fail(err, XL_ENOMEM, "out of memory for a HTTP client");
    if (!set_policy(http, options))
        return xl_fail(err, XL_EFAILED,
                       "'%s' is too old: 7.85 or later is needed",
                       LIBRARY_NAME);
    return XL_OK;
}

enum xl_status xl_http_open(struct xl_http **out,
                            const struct xl_http_options *options,
                            struct xl_err *err)
{
    const char *wrong = xl_http_refuses(options->base);
    if (wrong)
        return xl_fail(err, XL_EUSAGE, "'%s' is no address of a server: %s",
                       options->base, wrong);
    struct xl_http *http = xl_alloc_zero(1, sizeof *http);
    if (!http)
        return xl_fail(err, XL_ENOMEM, "out of memory for a HTTP client");
    enum xl_status rc = open_client(http, options, err);
    if (rc == XL_OK)
        *out = http;
    else
        xl_http_close(http);
    return rc;
}

void xl_http_close(struct xl_http *http)
{
    if (!http)
        return;
    if (http->curl)
        http->calls.easy_cleanup(http->curl);
    if (http->headers)
        http->calls.slist_free_all(http->headers);
    xl_free(http->base);
    xl_free(http->hint);
    xl_free(http);
}
