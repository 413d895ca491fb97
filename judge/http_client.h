/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks one HTTP server, and nobody else: plain http to the host and port of
 * the base address, no redirects, no proxies, no compression.
 *
 *     struct xl_http_options options = { .base = "http://127.0.0.1:11434" };
 *     struct xl_http *http;
 *     struct xl_http_reply reply = { 0 };
 *     XL_TRY(xl_http_open(&http, &options, err));
 *     rc = xl_http_send(http, "/api/chat", body, n, &reply, err);
 *     xl_http_reply_release(&reply);
 *     xl_http_close(http);
 *
 * libcurl does the work; it is loaded when a client is opened, because it and
 * what it draws in double the time that every other command takes to start.
 * One thread at a time.
 */
#ifndef XL_HTTP_CLIENT_H
#define XL_HTTP_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"

struct xl_http_options {
    const char *base;    /* "http://HOST[:PORT]" */
    uint64_t connect_ms; /* 0 = 5 seconds */
    uint64_t timeout_ms; /* of a whole exchange; 0 = 10 minutes */
    size_t most_reply;   /* bytes of a reply's body; 0 = 1 MiB */
    const char *hint;    /* what to do when it is not there; or NULL */
    atomic_int *stop;    /* an exchange ends when it is not 0; or NULL */
};

struct xl_http_reply {
    int code; /* 200, 404, ... */
    struct xl_buf body;
};

struct xl_http;

/* XL_EUSAGE when the address is none, XL_ENOTFOUND without libcurl. */
enum xl_status xl_http_open(struct xl_http **http,
                            const struct xl_http_options *options,
                            struct xl_err *err);
void xl_http_close(struct xl_http *http);

/* POSTs body [n] as JSON, or GETs when it is NULL. Any code of the server is
 * XL_OK. XL_EIO when it cannot be reached or hangs up, XL_ETIMEOUT when it is
 * too slow, XL_EFORMAT when it does not speak HTTP or says too much,
 * XL_EINTERRUPTED on stop. */
enum xl_status xl_http_send(struct xl_http *http, const char *path,
                            const char *body, size_t n,
                            struct xl_http_reply *reply, struct xl_err *err);
void xl_http_reply_release(struct xl_http_reply *reply);

/* NULL when the address is "http://HOST[:PORT]", else what is wrong. */
const char *xl_http_refuses(const char *base);

/* Does the address name this machine? */
bool xl_http_is_loopback(const char *base);

#endif
