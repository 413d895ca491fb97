/* SPDX-License-Identifier: Apache-2.0
 *
 * Reasons end up on terminals and in tables, so what could move a cursor is
 * taken out here, once. */
#include "judge/rubric_reply.h"

#include <string.h>

#include "kernel/base/json.h"

enum {
    MOST_CONTENT = 64 << 10 /* bytes of a message; an answer has 1000 */
};

static bool is_control(const char *at, size_t len)
{
    unsigned char c = (unsigned char)at[0];
    return c < 0x20 || c == 0x7f ||
           (len == 2 && c == 0xc2 && (unsigned char)at[1] < 0xa0);
}

void xl_rubric_clean(char *out, size_t room, const char *text)
{
    size_t at = 0, n = strlen(text);
    for (size_t i = 0; i < n;) {
        size_t len = xl_utf8_length(text + i, n - i);
        if (at + (len ? len : 1) >= room)
            break;
        if (len == 0) {
            out[at++] = '?';
        } else if (is_control(text + i, len)) {
            out[at++] = ' ';
        } else {
            memcpy(out + at, text + i, len);
            at += len;
        }
        i += len ? len : 1;
    }
    out[at] = '\0';
}

/* -- the envelope ---------------------------------------------------------- */

static enum xl_status check_envelope(const cJSON *root, const char **content,
                                     struct xl_err *err)
{
    const char *reason = NULL;
    bool done = false;
    const cJSON *message = xl_json_member(root, "message");
    if (!cJSON_IsObject(message))
        return xl_fail(err, XL_EFORMAT, "the reply has no message");
    if (xl_json_get_bool(root, "done", &done, NULL) != XL_OK || !done)
        return xl_fail(err, XL_EFORMAT, "the reply is not done");
    if (xl_json_get_text(root, "done_reason", &reason, NULL) == XL_OK &&
        strcmp(reason, "length") == 0)
        return xl_fail(err, XL_EFORMAT,
                       "the reply was cut at its limit of tokens");
    if (xl_json_get_text(message, "content", content, NULL) != XL_OK)
        return xl_fail(err, XL_EFORMAT, "the reply's message has no content");
    if (strlen(*content) > MOST_CONTENT)
        return xl_fail(err, XL_EFORMAT, "the reply's message has %zu bytes",
                       strlen(*content));
    return XL_OK;
}

/* The document in the message of the document that the body is. */
static enum xl_status read_content(const char *body, size_t n, cJSON **out,
                                   struct xl_err *err)
{
    cJSON *root = NULL;
    const char *content;
    XL_TRY(xl_json_parse(body, n, "the reply", &root, err));
    enum xl_status rc = check_envelope(root, &content, err);
    if (rc == XL_OK)
        rc = xl_json_parse(content, strlen(content), "the judge's answer", out,
                           err);
    cJSON_Delete(root);
    return rc;
}

void xl_rubric_read_error(const char *body, size_t n,
                          char out[XL_RUBRIC_REASON])
{
    cJSON *root = NULL;
    const char *text = NULL;
    out[0] = '\0';
    if (xl_json_parse(body, n, "the reply", &root, NULL) == XL_OK &&
        xl_json_get_text(root, "error", &text, NULL) == XL_OK)
        xl_rubric_clean(out, XL_RUBRIC_REASON, text);
    cJSON_Delete(root);
}

/* -- the answer ------------------------------------------------------------ */

/* Is it an object of so many members? With every wanted key found, none is
 * there too much. */
static enum xl_status check_object(const cJSON *root, const char *name,
                                   size_t members, struct xl_err *err)
{
    if (!cJSON_IsObject(root))
        return xl_fail(err, XL_EFORMAT, "%s is no object", name);
    if ((size_t)cJSON_GetArraySize(root) != members)
        return xl_fail(err, XL_EFORMAT, "%s has %d members, not %zu", name,
                       cJSON_GetArraySize(root), members);
    return XL_OK;
}

static enum xl_status read_reason(const cJSON *object, const char *name,
                                  char out[XL_RUBRIC_REASON],
                                  struct xl_err *err)
{
    const char *text;
    if (xl_json_get_text(object, "reason", &text, NULL) != XL_OK)
        return xl_fail(err, XL_EFORMAT, "%s has no reason in words", name);
    xl_rubric_clean(out, XL_RUBRIC_REASON, text);
    return XL_OK;
}

static enum xl_status read_mark(const cJSON *root, enum xl_rubric id,
                                struct xl_rubric_marks *marks,
                                struct xl_err *err)
{
    const char *name = xl_rubric_name(id);
    const cJSON *mark = xl_json_member(root, name);
    XL_TRY(check_object(mark, name, 2, err));
    XL_TRY(read_reason(mark, name, marks->reason[id], err));
    if (xl_json_get_int(mark, "score", XL_RUBRIC_LEAST, XL_RUBRIC_MOST,
                        &marks->score[id], NULL) != XL_OK)
        return xl_fail(err, XL_EFORMAT,
                       "%s has no score that is a whole number from %d to %d",
                       name, XL_RUBRIC_LEAST, XL_RUBRIC_MOST);
    return XL_OK;
}

enum xl_status xl_rubric_read_marks(const char *body, size_t n,
                                    struct xl_rubric_marks *marks,
                                    struct xl_err *err)
{
    cJSON *root = NULL;
    struct xl_rubric_marks read;
    enum xl_status rc;
    XL_TRY_DONE(rc, read_content(body, n, &root, err));
    XL_TRY_DONE(rc, check_object(root, "the answer", XL_RUBRIC_COUNT, err));
    for (size_t i = 0; i < XL_RUBRIC_COUNT; i++)
        XL_TRY_DONE(rc, read_mark(root, (enum xl_rubric)i, &read, err));
    *marks = read;
done:
    cJSON_Delete(root);
    return rc;
}

static enum xl_status read_choice(const cJSON *root, enum xl_choice *choice,
                                  struct xl_err *err)
{
    const char *word;
    if (xl_json_get_text(root, "verdict", &word, NULL) == XL_OK)
        for (size_t i = 0; i < XL_CHOICE_COUNT; i++)
            if (strcmp(word, xl_choice_name((enum xl_choice)i)) == 0) {
                *choice = (enum xl_choice)i;
                return XL_OK;
            }
    return xl_fail(err, XL_EFORMAT, "the verdict is none of A, B and tie");
}

enum xl_status xl_rubric_read_duel(const char *body, size_t n,
                                   struct xl_rubric_duel *duel,
                                   struct xl_err *err)
{
    cJSON *root = NULL;
    struct xl_rubric_duel read;
    enum xl_status rc;
    XL_TRY_DONE(rc, read_content(body, n, &root, err));
    XL_TRY_DONE(rc, check_object(root, "the answer", 2, err));
    XL_TRY_DONE(rc, read_reason(root, "the answer", read.reason, err));
    XL_TRY_DONE(rc, read_choice(root, &read.choice, err));
    *duel = read;
done:
    cJSON_Delete(root);
    return rc;
}
