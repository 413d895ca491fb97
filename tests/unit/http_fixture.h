/* SPDX-License-Identifier: Apache-2.0
 *
 * A HTTP server inside the test: a thread on a free port of 127.0.0.1 that
 * answers as the test says, badly if so wanted. Nothing sleeps: a slow answer
 * waits until the client hangs up.
 *
 *     struct xl_http_server server;
 *     xl_http_server_open(t, &server, answer, &ctx);
 *     ... server.base is "http://127.0.0.1:PORT" ...
 *     xl_http_server_close(&server);
 */
#ifndef XL_HTTP_FIXTURE_H
#define XL_HTTP_FIXTURE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "kernel/base/buf.h"
#include "tests/harness/test.h"

enum xl_http_manner {
    XL_HTTP_PLAIN,   /* code and body, with its length */
    XL_HTTP_CHUNKED, /* the body in chunks of 7 bytes */
    XL_HTTP_RAW,     /* the body's bytes, no head, then it hangs up */
    XL_HTTP_SHORT,   /* announces 10 bytes more than it sends */
    XL_HTTP_STALL,   /* not a byte */
    XL_HTTP_HANG,    /* a head, and no body */
    XL_HTTP_ENDLESS, /* a body without an end */
    XL_HTTP_BABBLE   /* header lines without an end */
};

struct xl_http_seen {
    char method[8], path[128];
    const char *head; /* request line and headers */
    const char *body;
    size_t n;
};

struct xl_http_answer {
    enum xl_http_manner manner;
    int code;           /* 0 = 200 */
    const char *header; /* a line more, ended by \r\n, or NULL */
    struct xl_buf body;
};

/* Runs in the server's thread. */
typedef void xl_http_answer_fn(void *ctx, const struct xl_http_seen *seen,
                               struct xl_http_answer *answer);

struct xl_http_server {
    char base[64];
    atomic_size_t requests;
    /* private */
    int fd;
    pthread_t thread;
    xl_http_answer_fn *answer;
    void *ctx;
};

void xl_http_server_open(struct xl_test *t, struct xl_http_server *server,
                         xl_http_answer_fn *answer, void *ctx);
void xl_http_server_close(struct xl_http_server *server);

/* The address of a port where nobody listens. */
void xl_http_closed_port(struct xl_test *t, char out[64]);

#endif
