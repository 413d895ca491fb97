/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts questions to a rubric judge: builds the request, looks whether it was
 * answered before, sends it, tries again where that helps, keeps the reply.
 *
 *     struct xl_asker asker = { .send = xl_asker_http, .send_ctx = http, ... };
 *     XL_TRY(xl_asker_greet(&asker, err));
 *     XL_TRY(xl_asker_marks(&asker, prompt, text, "about", &marks, &known,
 *                           err));
 *
 * A reply that cannot be read is asked for again under the next seed; when
 * that does not help either, the answer is unknown, which is no error. A
 * server that cannot be reached, is too slow or is out of order (429, 5xx) is
 * tried again after a pause that doubles, then it is an error: what was
 * answered is kept, and the next call goes on from there.
 */
#ifndef XL_ASKER_H
#define XL_ASKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/http_client.h"
#include "judge/reply_log.h"
#include "judge/rubric_prompt.h"

enum {
    XL_ASKER_DIGEST = 96 /* bytes of a model's digest or a version */
};

/* As xl_http_send; ctx is the transport. */
typedef enum xl_status xl_asker_send_fn(void *ctx, const char *path,
                                        const char *body, size_t n,
                                        struct xl_http_reply *reply,
                                        struct xl_err *err);

struct xl_asker {
    xl_asker_send_fn *send;
    void *send_ctx;
    const char *base;          /* of the server, for messages */
    const char *model, *nonce; /* see rubric_prompt.h */
    uint64_t seed;
    struct xl_rubric_limits limits;
    size_t retries;      /* further tries of each kind */
    uint64_t backoff_ms; /* the first pause */
    atomic_int *stop;    /* ends a pause; or NULL */
    struct xl_reply_log *log;
    /* What greet has learnt, "" = the server does not say. */
    char digest[XL_ASKER_DIGEST], version[XL_ASKER_DIGEST];
    /* So far: questions, of them unknown, requests sent, replies found. */
    size_t questions, unknown, sent, found;
};

/* An xl_asker_send_fn over a struct xl_http. */
enum xl_status xl_asker_http(void *ctx, const char *path, const char *body,
                             size_t n, struct xl_http_reply *reply,
                             struct xl_err *err);

/* Asks for the server's version and the model's digest. XL_ENOTFOUND names
 * the models there are when this one is not among them. */
enum xl_status xl_asker_greet(struct xl_asker *asker, struct xl_err *err);

enum xl_status xl_asker_marks(struct xl_asker *asker,
                              struct xl_rubric_text prompt,
                              struct xl_rubric_text text, const char *about,
                              struct xl_rubric_marks *marks, bool *is_known,
                              struct xl_err *err);

enum xl_status xl_asker_duel(struct xl_asker *asker,
                             struct xl_rubric_text prompt,
                             const struct xl_rubric_text texts[2],
                             const char *about, struct xl_rubric_duel *duel,
                             bool *is_known, struct xl_err *err);

#endif
