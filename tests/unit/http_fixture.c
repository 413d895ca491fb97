/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/http_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MOST_REQUEST = 4 << 20,
    CHUNK = 7
};

/* -- one connection -------------------------------------------------------- */

static bool send_all(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n) {
        ssize_t did = send(fd, at, n, MSG_NOSIGNAL);
        if (did <= 0)
            return false;
        at += did;
        n -= (size_t)did;
    }
    return true;
}

static bool send_text(int fd, const char *text)
{
    return send_all(fd, text, strlen(text));
}

static void wait_for_hangup(int fd)
{
    char byte[256];
    while (recv(fd, byte, sizeof byte, 0) > 0)
        ;
}

/* One more piece of the request; false at its end. */
static bool receive(int fd, struct xl_buf *in)
{
    char piece[4096];
    ssize_t n = recv(fd, piece, sizeof piece, 0);
    if (n > 0)
        xl_buf_add(in, piece, (size_t)n);
    return n > 0 && xl_buf_ok(in);
}

static bool read_request(int fd, struct xl_buf *in, struct xl_http_seen *seen)
{
    const char *blank;
    size_t want = 0;
    xl_buf_clear(in);
    while (!(blank = strstr(in->data, "\r\n\r\n")))
        if (!receive(fd, in))
            return false;
    size_t head = (size_t)(blank - in->data) + 4;
    const char *length = strstr(in->data, "Content-Length: ");
    if (length && length < blank)
        want = strtoul(length + 16, NULL, 10);
    while (in->len < head + want)
        if (!receive(fd, in))
            return false;
    seen->head = in->data;
    seen->body = in->data + head;
    seen->n = want;
    return sscanf(in->data, "%7s %127s", seen->method, seen->path) == 2;
}

static bool send_head(int fd, const struct xl_http_answer *a,
                      const char *length)
{
    char head[512];
    snprintf(head, sizeof head,
             "HTTP/1.1 %d Said\r\nContent-Type: application/json\r\n%s%s\r\n",
             a->code ? a->code : 200, a->header ? a->header : "", length);
    return send_text(fd, head);
}

static bool send_chunks(int fd, const struct xl_buf *body)
{
    char line[32];
    for (size_t at = 0; at < body->len; at += CHUNK) {
        size_t n = body->len - at < CHUNK ? body->len - at : CHUNK;
        snprintf(line, sizeof line, "%zx\r\n", n);
        if (!send_text(fd, line) || !send_all(fd, body->data + at, n) ||
            !send_text(fd, "\r\n"))
            return false;
    }
    return send_text(fd, "0\r\n\r\n");
}

/* True when the connection may carry another request. */
static bool give(int fd, const struct xl_http_answer *a)
{
    char length[64];
    size_t more = a->manner == XL_HTTP_SHORT ? 10 : 0;
    snprintf(length, sizeof length, "Content-Length: %zu\r\n",
             a->body.len + more);
    switch (a->manner) {
    case XL_HTTP_PLAIN:
        return send_head(fd, a, length) &&
               send_all(fd, a->body.data, a->body.len);
    case XL_HTTP_CHUNKED:
        return send_head(fd, a, "Transfer-Encoding: chunked\r\n") &&
               send_chunks(fd, &a->body);
    case XL_HTTP_RAW:
        send_all(fd, a->body.data, a->body.len);
        return false;
    case XL_HTTP_SHORT:
        if (send_head(fd, a, length))
            send_all(fd, a->body.data, a->body.len);
        return false;
    case XL_HTTP_STALL:
        wait_for_hangup(fd);
        return false;
    case XL_HTTP_HANG:
        send_head(fd, a, "Content-Length: 10\r\n");
        wait_for_hangup(fd);
        return false;
    case XL_HTTP_ENDLESS:
        for (bool ok = send_head(fd, a, ""); ok;)
            ok = send_text(fd, "{\"endless\": true, \"and\": \"so on\"} ");
        return false;
    case XL_HTTP_BABBLE:
        for (bool ok = send_text(fd, "HTTP/1.1 200 OK\r\n"); ok;)
            ok = send_text(fd, "X-Babble: and so on and so on and so on\r\n");
        return false;
    }
    return false;
}

static void serve(struct xl_http_server *s, int fd, struct xl_buf *in)
{
    bool goes_on = true;
    int on = 1; /* head and body are two packets that must not wait */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    while (goes_on) {
        struct xl_http_seen seen = { 0 };
        struct xl_http_answer answer = { 0 };
        if (!read_request(fd, in, &seen))
            break;
        atomic_fetch_add(&s->requests, 1);
        xl_buf_init(&answer.body, 0);
        s->answer(s->ctx, &seen, &answer);
        goes_on = give(fd, &answer);
        xl_buf_release(&answer.body);
    }
    close(fd);
}

static void *listen_on(void *ctx)
{
    struct xl_http_server *s = ctx;
    struct xl_buf in;
    int fd;
    xl_buf_init(&in, MOST_REQUEST);
    while ((fd = accept(s->fd, NULL, NULL)) >= 0)
        serve(s, fd, &in);
    xl_buf_release(&in);
    return NULL;
}

/* -- the server ------------------------------------------------------------ */

/* A socket bound to a free port, named in base. */
static int bound(struct xl_test *t, char base[64])
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t n = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    XL_CHECK(t, fd >= 0);
    XL_CHECK_EQ(t, bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    XL_CHECK_EQ(t, getsockname(fd, (struct sockaddr *)&at, &n), 0);
    snprintf(base, 64, "http://127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
    return fd;
}

void xl_http_server_open(struct xl_test *t, struct xl_http_server *s,
                         xl_http_answer_fn *answer, void *ctx)
{
    *s = (struct xl_http_server){ .answer = answer, .ctx = ctx };
    s->fd = bound(t, s->base);
    XL_CHECK_EQ(t, listen(s->fd, 8), 0);
    XL_CHECK_EQ(t, pthread_create(&s->thread, NULL, listen_on, s), 0);
}

void xl_http_server_close(struct xl_http_server *s)
{
    shutdown(s->fd, SHUT_RDWR); /* wakes accept */
    pthread_join(s->thread, NULL);
    close(s->fd);
}

void xl_http_closed_port(struct xl_test *t, char out[64])
{
    close(bound(t, out));
}
