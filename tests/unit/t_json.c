/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "kernel/base/json.h"
#include "tests/harness/test.h"

static void json_refuses_bad_text(struct xl_test *t)
{
    static const char *const bad[] = {
        "",      "{",
        "{}x",   "{\"a\":1,\"a\":2}",
        "[1,]",  "{\"a\":\"\xff\"}",
        "nul",   "\"\x01\"",
        "[1 2]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct xl_err err = { 0 };
        cJSON *root = NULL;
        enum xl_status rc =
            xl_json_parse(bad[i], strlen(bad[i]), "x.json", &root, &err);
        XL_CHECK_STATUS(t, rc, XL_EFORMAT, &err);
        XL_CHECK(t, root == NULL && strstr(err.message, "x.json"));
    }
}

static void json_finds_places(struct xl_test *t)
{
    const char *text = "{ \"a\": [1, {\"b\": \"}\"}],\n  \"params\": {\n"
                       "    \"chunk\": 3, \"heads\": 4 } }";
    static const char *const parents[] = { "params", NULL };
    struct xl_json_place p = xl_json_find(text, strlen(text), parents, "heads");
    XL_CHECK_EQ(t, p.line, 3);
    XL_CHECK_EQ(t, p.column, 17);
    p = xl_json_find(text, strlen(text), NULL, "params");
    XL_CHECK_EQ(t, p.line, 2);
    p = xl_json_find(text, strlen(text), NULL, "missing");
    XL_CHECK_EQ(t, p.line, 0);
}

/* The second key's place, also behind strings and keys that look like it. */
static void json_places_repeated_keys(struct xl_test *t)
{
    static const struct {
        const char *text, *said;
    } rows[] = {
        { "{\"a\":1,\"a\":2}", "line 1 column 8: key 'a' stands twice" },
        { "{\"a\": \"a\",\n \"b\": {\"a\": [\"a\", {\"a\": 1}]},\n"
          "  \"\\u0061\": 2}",
          "line 3 column 3: key 'a'" },
        { "[{\"a\": 1}, {\"a\": {\"x\": 1,\n\"y\": 2,\n\"x\": 3}}]",
          "line 3 column 1: key 'x'" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_err err = { 0 };
        cJSON *root = NULL;
        XL_CHECK_STATUS(
            t,
            xl_json_parse(rows[i].text, strlen(rows[i].text), "x", &root, &err),
            XL_EFORMAT, &err);
        XL_CHECK(t, strstr(err.message, rows[i].said));
    }
}

static void json_never_prints_nan(struct xl_test *t)
{
    struct xl_buf out;
    cJSON *o = cJSON_CreateObject();
    xl_json_add_real(o, "x", (double)NAN);
    xl_json_add_text(o, "s", "a\xff\"b", 4);
    xl_buf_init(&out, 0);
    xl_json_print(o, false, &out);
    XL_CHECK_TEXT(t, out.data, "{\"x\":null,\"s\":\"a\xef\xbf\xbd\\\"b\"}");
    cJSON_Delete(o);
    xl_buf_release(&out);
}

static void json_strings_may_be_missing(struct xl_test *t)
{
    struct xl_buf out;
    cJSON *o = cJSON_CreateObject();
    XL_CHECK(t, xl_json_add_string(o, "a", "x\xff"));
    XL_CHECK(t, xl_json_add_string(o, "A", NULL));
    xl_buf_init(&out, 0);
    xl_json_print(o, false, &out);
    XL_CHECK_TEXT(t, out.data, "{\"a\":\"x\xef\xbf\xbd\",\"A\":null}");
    XL_CHECK(t, cJSON_IsNull(xl_json_member(o, "A")));
    XL_CHECK(t, xl_json_member(o, "b") == NULL);
    XL_CHECK(t, xl_json_member(NULL, "b") == NULL);
    cJSON_Delete(o);
    xl_buf_release(&out);
}

const struct xl_test_case xl_suite_json[] = {
    XL_CASE(json_refuses_bad_text),       XL_CASE(json_finds_places),
    XL_CASE(json_places_repeated_keys),   XL_CASE(json_never_prints_nan),
    XL_CASE(json_strings_may_be_missing), { 0 },
};
