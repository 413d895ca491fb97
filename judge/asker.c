/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/asker.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "judge/rubric_reply.h"
#include "kernel/base/json.h"

enum {
    MOST_PAUSE_MS = 30000,
    PAUSE_STEP_MS = 50 /* how soon a pause sees that it shall end */
};

enum xl_status xl_asker_http(void *ctx, const char *path, const char *body,
                             size_t n, struct xl_http_reply *reply,
                             struct xl_err *err)
{
    return xl_http_send(ctx, path, body, n, reply, err);
}

/* -- trying again ---------------------------------------------------------- */

static bool is_stopped(const struct xl_asker *asker)
{
    return asker->stop && atomic_load(asker->stop) != 0;
}

static void pause_for(const struct xl_asker *asker, size_t attempt)
{
    uint64_t ms = asker->backoff_ms << (attempt < 16 ? attempt : 16);
    if (ms > MOST_PAUSE_MS)
        ms = MOST_PAUSE_MS;
    while (ms && !is_stopped(asker)) {
        uint64_t step = ms < PAUSE_STEP_MS ? ms : PAUSE_STEP_MS;
        nanosleep(&(struct timespec){ .tv_nsec = (long)step * 1000000 }, NULL);
        ms -= step;
    }
}

static bool may_pass(enum xl_status rc, int code)
{
    if (rc != XL_OK)
        return rc == XL_EIO || rc == XL_ETIMEOUT;
    return code == 429 || code >= 500;
}

/* What the server said in place of an answer. */
static enum xl_status fail_code(const struct xl_asker *asker, const char *path,
                                const struct xl_http_reply *reply,
                                struct xl_err *err)
{
    char said[XL_RUBRIC_REASON];
    xl_rubric_read_error(reply->body.data, reply->body.len, said);
    return xl_fail(err, XL_EIO, "'%s%s' answers %d%s%s; see the server's log",
                   asker->base, path, reply->code, said[0] ? ": " : "", said);
}

/* A reply with code 200, or with one that stands in `except`. */
static enum xl_status exchange(struct xl_asker *asker, const char *path,
                               const struct xl_buf *body, int except,
                               struct xl_http_reply *reply, struct xl_err *err)
{
    for (size_t attempt = 0;; attempt++) {
        *reply = (struct xl_http_reply){ 0 };
        if (is_stopped(asker))
            return xl_fail(err, XL_EINTERRUPTED, "interrupted");
        asker->sent++;
        struct xl_err failed = { 0 };
        enum xl_status rc =
            asker->send(asker->send_ctx, path, body ? body->data : NULL,
                        body ? body->len : 0, reply, &failed);
        if (rc == XL_OK && (reply->code == 200 || reply->code == except))
            return XL_OK;
        bool again = attempt < asker->retries && may_pass(rc, reply->code);
        if (rc == XL_OK && !again)
            rc = fail_code(asker, path, reply, &failed);
        xl_http_reply_release(reply);
        if (!again)
            return xl_fail(err, rc, "%s", failed.message);
        pause_for(asker, attempt);
    }
}

/* -- greeting -------------------------------------------------------------- */

static bool is_named(const char *name, const char *wanted)
{
    static const char latest[] = ":latest";
    size_t n = strlen(wanted);
    return strncmp(name, wanted, n) == 0 &&
           (name[n] == '\0' ||
            (!strchr(wanted, ':') && strcmp(name + n, latest) == 0));
}

static enum xl_status fail_model(const struct xl_asker *asker,
                                 const cJSON *models, struct xl_err *err)
{
    struct xl_buf names;
    char clean[XL_RUBRIC_REASON];
    xl_buf_init(&names, XL_RUBRIC_REASON);
    for (const cJSON *m = models->child; m; m = m->next) {
        const char *name;
        if (xl_json_get_text(m, "name", &name, NULL) == XL_OK)
            xl_buf_printf(&names, "%s'%.60s'", names.len ? ", " : "", name);
    }
    xl_rubric_clean(clean, sizeof clean, names.data);
    xl_buf_release(&names);
    return xl_fail(err, XL_ENOTFOUND,
                   "the server '%s' has no model '%s'; it has %s; pull it "
                   "there, or name another",
                   asker->base, asker->model, clean[0] ? clean : "none");
}

/* {"models": [{"name":, "digest":}, ..]}; anything else tells nothing. */
static enum xl_status find_model(struct xl_asker *asker, const cJSON *root,
                                 struct xl_err *err)
{
    const cJSON *models = xl_json_member(root, "models");
    const char *name, *digest;
    if (!cJSON_IsArray(models))
        return XL_OK;
    for (const cJSON *m = models->child; m; m = m->next) {
        if (xl_json_get_text(m, "name", &name, NULL) != XL_OK ||
            !is_named(name, asker->model))
            continue;
        if (xl_json_get_text(m, "digest", &digest, NULL) == XL_OK)
            xl_rubric_clean(asker->digest, sizeof asker->digest, digest);
        return XL_OK;
    }
    return fail_model(asker, models, err);
}

/* The document at path, or NULL when the server knows no such page or talks
 * of something else. */
static enum xl_status get(struct xl_asker *asker, const char *path,
                          cJSON **root, struct xl_err *err)
{
    struct xl_http_reply reply;
    *root = NULL;
    XL_TRY(exchange(asker, path, NULL, 404, &reply, err));
    if (reply.code == 200)
        xl_json_parse(reply.body.data, reply.body.len, path, root, NULL);
    xl_http_reply_release(&reply);
    return XL_OK;
}

enum xl_status xl_asker_greet(struct xl_asker *asker, struct xl_err *err)
{
    cJSON *root;
    const char *version;
    asker->digest[0] = asker->version[0] = '\0';
    XL_TRY(get(asker, "/api/version", &root, err));
    if (root && xl_json_get_text(root, "version", &version, NULL) == XL_OK)
        xl_rubric_clean(asker->version, sizeof asker->version, version);
    cJSON_Delete(root);
    XL_TRY(get(asker, "/api/tags", &root, err));
    enum xl_status rc = root ? find_model(asker, root, err) : XL_OK;
    cJSON_Delete(root);
    return rc;
}

/* -- questions ------------------------------------------------------------- */

/* A question and where its answer goes. */
struct question {
    enum xl_ask_kind kind;
    struct xl_rubric_ask ask;
    const char *about;
    void *answer; /* struct xl_rubric_marks or struct xl_rubric_duel */
};

static enum xl_status read_answer(const struct question *q, const char *body,
                                  size_t n, struct xl_err *err)
{
    return q->kind == XL_ASK_MARKS
               ? xl_rubric_read_marks(body, n, q->answer, err)
               : xl_rubric_read_duel(body, n, q->answer, err);
}

/* The identity of a request: its bytes, and which model reads them. */
static void key_of(const struct xl_asker *asker, const struct xl_buf *body,
                   char key[XL_HASH_TEXT])
{
    char both[XL_HASH_TEXT + XL_ASKER_DIGEST];
    xl_hash(key, body->data, body->len);
    int n = snprintf(both, sizeof both, "%s %s", key, asker->digest);
    xl_hash(key, both, (size_t)n);
}

/* One request; *is_known when its reply could be read. */
static enum xl_status ask_once(struct xl_asker *asker, const struct question *q,
                               const struct xl_buf *body, bool *is_known,
                               struct xl_err *err)
{
    struct xl_reply_record record = { .kind = q->kind == XL_ASK_MARKS ? "marks"
                                                                      : "duel",
                                      .about = q->about };
    struct xl_http_reply reply;
    struct xl_err trouble = { 0 };
    key_of(asker, body, record.key);
    const char *before = xl_reply_log_find(asker->log, record.key);
    if (before && read_answer(q, before, strlen(before), NULL) == XL_OK) {
        asker->found++;
        *is_known = true;
        return XL_OK;
    }
    XL_TRY(exchange(asker, "/api/chat", body, 200, &reply, err));
    *is_known =
        read_answer(q, reply.body.data, reply.body.len, &trouble) == XL_OK;
    record.code = reply.code;
    record.reply = reply.body.data;
    record.n = reply.body.len;
    record.trouble = *is_known ? NULL : trouble.message;
    enum xl_status rc = xl_reply_log_add(asker->log, &record, err);
    xl_http_reply_release(&reply);
    return rc;
}

static enum xl_status put(struct xl_asker *asker, struct question *q,
                          bool *is_known, struct xl_err *err)
{
    enum xl_status rc = XL_OK;
    struct xl_buf body;
    xl_buf_init(&body, 0);
    *is_known = false;
    q->ask.model = asker->model;
    q->ask.nonce = asker->nonce;
    q->ask.limits = asker->limits;
    for (size_t i = 0; i <= asker->retries && !*is_known && rc == XL_OK; i++) {
        q->ask.seed = asker->seed + i;
        xl_buf_clear(&body);
        rc = xl_rubric_body(&q->ask, q->kind, &body, err);
        if (rc == XL_OK)
            rc = ask_once(asker, q, &body, is_known, err);
    }
    xl_buf_release(&body);
    asker->questions += rc == XL_OK;
    asker->unknown += rc == XL_OK && !*is_known;
    return rc;
}

enum xl_status xl_asker_marks(struct xl_asker *asker,
                              struct xl_rubric_text prompt,
                              struct xl_rubric_text text, const char *about,
                              struct xl_rubric_marks *marks, bool *is_known,
                              struct xl_err *err)
{
    struct question q = { .kind = XL_ASK_MARKS,
                          .ask = { .prompt = prompt, .texts = { text } },
                          .about = about,
                          .answer = marks };
    return put(asker, &q, is_known, err);
}

enum xl_status xl_asker_duel(struct xl_asker *asker,
                             struct xl_rubric_text prompt,
                             const struct xl_rubric_text texts[2],
                             const char *about, struct xl_rubric_duel *duel,
                             bool *is_known, struct xl_err *err)
{
    struct question q = { .kind = XL_ASK_DUEL,
                          .ask = { .prompt = prompt,
                                   .texts = { texts[0], texts[1] } },
                          .about = about,
                          .answer = duel };
    return put(asker, &q, is_known, err);
}
