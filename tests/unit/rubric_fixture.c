/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/rubric_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "judge/control.h"
#include "kernel/base/alloc.h"
#include "kernel/base/json.h"

void xl_reply_around(const char *content, struct xl_buf *out)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "model", "judge:1b");
    cJSON_AddStringToObject(root, "created_at", "2024-05-07T12:00:00Z");
    cJSON *message = cJSON_AddObjectToObject(root, "message");
    cJSON_AddStringToObject(message, "role", "assistant");
    cJSON_AddStringToObject(message, "content", content);
    cJSON_AddStringToObject(root, "done_reason", "stop");
    cJSON_AddTrueToObject(root, "done");
    cJSON_AddNumberToObject(root, "eval_count", 57);
    xl_json_print(root, false, out);
    cJSON_Delete(root);
}

void xl_reply_marks(int score, struct xl_buf *out)
{
    struct xl_buf content;
    xl_buf_init(&content, 0);
    for (size_t i = 0; i < XL_RUBRIC_COUNT; i++)
        xl_buf_printf(
            &content, "%s\"%s\": {\"reason\": \"why %d\", \"score\": %d}",
            i ? ", " : "{", xl_rubric_name((enum xl_rubric)i), score, score);
    xl_buf_char(&content, '}');
    xl_reply_around(content.data, out);
    xl_buf_release(&content);
}

void xl_reply_duel(enum xl_choice choice, struct xl_buf *out)
{
    struct xl_buf content;
    xl_buf_init(&content, 0);
    xl_buf_printf(&content, "{\"reason\": \"so\", \"verdict\": \"%s\"}",
                  xl_choice_name(choice));
    xl_reply_around(content.data, out);
    xl_buf_release(&content);
}

/* -- judges ---------------------------------------------------------------- */

static void add_good(struct xl_rubric_bench *b, struct xl_rubric_text text)
{
    cJSON *o = cJSON_CreateObject();
    xl_json_add_text(o, "text", text.bytes, text.n);
    const cJSON *item = xl_json_member(o, "text");
    if (b->n_good < XL_BENCH_TEXTS && item)
        b->good[b->n_good++] = xl_strdup(item->valuestring);
    cJSON_Delete(o);
}

/* What stands between the lines of a quotation, into out. */
static void quoted(const char *words, const char *name, char *out, size_t room)
{
    char line[64];
    out[0] = '\0';
    snprintf(line, sizeof line, " %s]\n", name);
    const char *begin = strstr(words, line);
    const char *end = begin ? strstr(begin, "\n[END ") : NULL;
    /* The lure has a line of its own that looks like an end. */
    while (end && strncmp(end, "\n[END]", 6) == 0)
        end = strstr(end + 1, "\n[END ");
    if (begin && end)
        snprintf(out, room, "%.*s", (int)(end - begin - (long)strlen(line)),
                 begin + strlen(line));
}

static int worth(const struct xl_rubric_bench *b, const char *text)
{
    if (b->character == XL_JUDGE_OBEDIENT && strstr(text, "Note to the judge"))
        return 9;
    for (size_t i = 0; i < b->n_good; i++)
        if (strcmp(b->good[i], text) == 0)
            return 8;
    return 3;
}

static void judge(struct xl_rubric_bench *b, const char *words,
                  struct xl_buf *out)
{
    static char a[1 << 16], other[1 << 16]; /* of the one server thread */
    if (b->character == XL_JUDGE_BABBLER) {
        xl_reply_around("I rather like the first one.", out);
        return;
    }
    quoted(words, "THE CONTINUATION", a, sizeof a);
    if (strstr(words, "TEXT B") == NULL) {
        xl_reply_marks(b->character == XL_JUDGE_BLUNT ? 5 : worth(b, a), out);
        return;
    }
    quoted(words, "TEXT A", a, sizeof a);
    quoted(words, "TEXT B", other, sizeof other);
    int gap = worth(b, a) - worth(b, other);
    enum xl_choice choice = gap > 0   ? XL_CHOICE_A
                            : gap < 0 ? XL_CHOICE_B
                                      : XL_CHOICE_TIE;
    xl_reply_duel(b->character == XL_JUDGE_PARTIAL ? XL_CHOICE_A : choice, out);
}

static void answer_chat(struct xl_rubric_bench *b,
                        const struct xl_http_seen *seen,
                        struct xl_http_answer *answer)
{
    cJSON *root = NULL;
    if (xl_json_parse(seen->body, seen->n, "request", &root, NULL) != XL_OK)
        return;
    const cJSON *list = xl_json_member(root, "messages");
    const char *words = cJSON_GetStringValue(
        xl_json_member(cJSON_GetArrayItem(list, 1), "content"));
    b->mentions += strstr(words, "ck=64") || strstr(words, "int4") ||
                   strstr(words, "weight_dtype");
    double context = cJSON_GetNumberValue(
        xl_json_member(xl_json_member(root, "options"), "num_ctx"));
    b->n_contexts += context != b->context;
    b->context = context;
    judge(b, words, &answer->body);
    cJSON_Delete(root);
}

void xl_rubric_bench_play(void *ctx, const struct xl_http_seen *seen,
                          struct xl_http_answer *answer)
{
    struct xl_rubric_bench *b = ctx;
    if (strcmp(seen->path, "/api/version") == 0) {
        xl_buf_text(&answer->body, "{\"version\": \"0.12.11\"}");
    } else if (strcmp(seen->path, "/api/tags") == 0) {
        xl_buf_text(&answer->body, "{\"models\": [{\"name\": \"judge:1b\", "
                                   "\"digest\": \"d1\"}]}");
    } else if (b->most && b->asked == b->most) {
        if (b->signal) {
            sem_wait(&b->is_born);
            kill(b->child, b->signal);
        }
        answer->manner = b->end.manner;
        answer->code = b->end.code;
    } else {
        b->asked++;
        answer_chat(b, seen, answer);
    }
}

bool xl_rubric_bench_texts(struct xl_test *t, struct xl_rubric_texts *texts)
{
    struct xl_err err = { 0 };
    char run[300], prompts[300];
    snprintf(run, sizeof run, "%s/run", t->dir);
    snprintf(prompts, sizeof prompts, "%s/prompts.jsonl", t->dir);
    struct xl_rubric_texts_options options = { .run_dir = run,
                                               .prompts = prompts };
    return XL_CHECK_STATUS(t, xl_rubric_texts_open(texts, &options, &err),
                           XL_OK, &err) &&
           XL_CHECK_STATUS(t, xl_rubric_texts_write(texts, &options, &err),
                           XL_OK, &err);
}

bool xl_rubric_bench_open(struct xl_test *t, struct xl_rubric_bench *b,
                          enum xl_rubric_character character)
{
    struct xl_rubric_texts texts;
    struct xl_passage passage;
    *b = (struct xl_rubric_bench){ .character = character };
    if (!xl_rubric_bench_texts(t, &texts))
        return false;
    for (size_t i = 0; i < XL_CONTROL_PASSAGES; i++)
        if (xl_control_passage(texts.heldout, i, &passage))
            add_good(b, passage.sound);
    for (size_t i = 0; character != XL_JUDGE_FAIR && i < texts.n_pairs; i++)
        add_good(b, texts.pairs[i].reference);
    xl_rubric_texts_release(&texts);
    return true;
}

void xl_rubric_bench_close(struct xl_rubric_bench *b)
{
    for (size_t i = 0; i < b->n_good; i++)
        xl_free(b->good[i]);
}
