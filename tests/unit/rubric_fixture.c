/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/rubric_fixture.h"

#include <string.h>

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
