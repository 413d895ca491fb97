/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/run/prompts.h"

#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"

#define FILE_MAX ((size_t)1 << 30)
#define SEED_MAX 0x1p53 /* whole numbers that JSON keeps */
#define NEW_MAX  1e8

enum {
    FIRST_ROOM = 16
};

/* One file on its way. */
struct reading {
    struct xl_prompts *prompts;
    const struct xl_session *session;
    const char *path;
    bool with_bos, is_json;
    size_t line;
    struct xl_err err; /* of the line at hand */
};

static enum xl_status add(struct reading *r, struct xl_prompt **prompt)
{
    struct xl_prompts *p = r->prompts;
    if (p->n == p->room) {
        size_t room = p->room ? 2 * p->room : (size_t)FIRST_ROOM;
        struct xl_prompt *list =
            xl_realloc(p->list, p->n * sizeof *list, room * sizeof *list);
        if (!list)
            return xl_fail(&r->err, XL_ENOMEM, "out of memory for %zu prompts",
                           room);
        p->list = list;
        p->room = room;
    }
    *prompt = &p->list[p->n++];
    **prompt = (struct xl_prompt){ .seed = -1, .max_new = -1 };
    return XL_OK;
}

static enum xl_status refuse(struct reading *r, const char *why)
{
    return xl_fail(&r->err, XL_EFORMAT, "%s", why);
}

/* -- a line of JSON ------------------------------------------------------- */

static enum xl_status take_ids(struct reading *r, const cJSON *array,
                               struct xl_prompt *prompt)
{
    if (!cJSON_IsArray(array))
        return refuse(r, "'prompt_ids' is no list of token ids");
    for (const cJSON *item = array->child; item; item = item->next) {
        double id = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (!(id >= 0 && id <= INT32_MAX) || id > (double)(int32_t)id)
            return refuse(r, "'prompt_ids' holds what is no token id");
        XL_TRY(xl_ids_add(&prompt->ids, (int32_t)id, &r->err));
    }
    return xl_session_check_ids(r->session, &prompt->ids, &r->err);
}

static enum xl_status take_member(struct reading *r, const cJSON *member,
                                  struct xl_prompt *prompt)
{
    const char *key = member->string;
    bool is_seed = strcmp(key, "seed") == 0;
    if (strcmp(key, "prompt_ids") == 0)
        return take_ids(r, member, prompt);
    if (strcmp(key, "prompt") == 0 && cJSON_IsString(member))
        return xl_session_encode(r->session, member->valuestring,
                                 strlen(member->valuestring), r->with_bos,
                                 &prompt->ids, &r->err);
    if (strcmp(key, "prompt") == 0)
        return refuse(r, "'prompt' is no text");
    if (!is_seed && strcmp(key, "max_new_tokens") != 0)
        return refuse(r, "there are prompt, prompt_ids, seed and "
                         "max_new_tokens, nothing else");
    double x = cJSON_IsNumber(member) ? member->valuedouble : -1;
    if (!(x >= 0 && x <= (is_seed ? SEED_MAX : NEW_MAX)) ||
        x > (double)(int64_t)x)
        return refuse(r, is_seed ? "'seed' is no whole number"
                                 : "'max_new_tokens' is no number of tokens");
    *(is_seed ? &prompt->seed : &prompt->max_new) = (int64_t)x;
    return XL_OK;
}

static enum xl_status take_object(struct reading *r, const char *text, size_t n,
                                  struct xl_prompt *prompt)
{
    cJSON *root = NULL;
    enum xl_status rc;
    XL_TRY(xl_json_parse(text, n, "the object", &root, &r->err));
    bool has_text = xl_json_member(root, "prompt") != NULL;
    bool has_ids = xl_json_member(root, "prompt_ids") != NULL;
    rc = cJSON_IsObject(root) && has_text != has_ids
             ? XL_OK
             : refuse(r, "give an object with one of prompt and prompt_ids");
    for (const cJSON *m = root->child; m && rc == XL_OK; m = m->next)
        rc = take_member(r, m, prompt);
    cJSON_Delete(root);
    return rc;
}

/* -- lines ---------------------------------------------------------------- */

static bool is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r", text[i]) || !text[i])
            return false;
    return true;
}

static enum xl_status take_line(struct reading *r, const char *text, size_t n)
{
    struct xl_prompt *prompt = NULL;
    if (n > 0 && text[n - 1] == '\r')
        n--;
    if (is_blank(text, n))
        return XL_OK;
    XL_TRY(add(r, &prompt));
    if (r->is_json)
        return take_object(r, text, n, prompt);
    return xl_session_encode(r->session, text, n, r->with_bos, &prompt->ids,
                             &r->err);
}

static enum xl_status take_lines(struct reading *r, const struct xl_buf *text,
                                 struct xl_err *err)
{
    for (size_t at = 0; at < text->len;) {
        const char *line = text->data + at;
        const char *end = memchr(line, '\n', text->len - at);
        size_t n = end ? (size_t)(end - line) : text->len - at;
        r->line++;
        enum xl_status rc = take_line(r, line, n);
        if (rc != XL_OK)
            return xl_fail(err, rc, "'%s' line %zu: %s", r->path, r->line,
                           r->err.message);
        at += n + 1;
    }
    if (r->prompts->n == 0)
        return xl_fail(err, XL_EUSAGE, "'%s' holds no prompt", r->path);
    return XL_OK;
}

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

enum xl_status xl_prompts_read(struct xl_prompts *prompts, const char *path,
                               const struct xl_session *session, bool with_bos,
                               struct xl_err *err)
{
    struct reading r = { .prompts = prompts,
                         .session = session,
                         .path = path,
                         .with_bos = with_bos,
                         .is_json = ends_in(path, ".jsonl") };
    struct xl_buf text;
    *prompts = (struct xl_prompts){ 0 };
    xl_buf_init(&text, FILE_MAX);
    enum xl_status rc = xl_io_read(path, &text, err);
    if (rc == XL_OK)
        rc = xl_buf_check(&text, "the prompts", err);
    if (rc == XL_OK)
        rc = take_lines(&r, &text, err);
    xl_buf_release(&text);
    return rc;
}

void xl_prompts_release(struct xl_prompts *prompts)
{
    for (size_t i = 0; i < prompts->n; i++)
        xl_ids_release(&prompts->list[i].ids);
    xl_free(prompts->list);
    *prompts = (struct xl_prompts){ 0 };
}
