/* SPDX-License-Identifier: Apache-2.0
 *
 * generate --batch as users run it: the same answers as one prompt at a time,
 * in the order of the file, and files that are refused. */
#include <string.h>

#include "tests/unit/cli_fixture.h"

/* The index-th line of standard output as JSON, or NULL. */
static cJSON *line_of(const struct xl_cli *cli, size_t index)
{
    const char *at = cli->out.data;
    while (at && index-- > 0)
        if ((at = strchr(at, '\n')))
            at++;
    const char *end = at ? strchr(at, '\n') : NULL;
    cJSON *root = NULL;
    if (end)
        xl_json_parse(at, (size_t)(end - at), "line", &root, NULL);
    return root;
}

/* What must not depend on the neighbours. */
static void check_same(struct xl_test *t, const cJSON *got, const cJSON *want)
{
    static const char *const keys[] = { "prompt_ids", "ids", "text", "logprobs",
                                        "finish_reason" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const cJSON *a = cJSON_GetObjectItem(got, keys[i]);
        const cJSON *b = cJSON_GetObjectItem(want, keys[i]);
        xl_test_check(t, a && b && cJSON_Compare(a, b, true), __FILE__,
                      __LINE__, "'%s' is another", keys[i]);
    }
}

static void gives_what_one_prompt_gives(struct xl_test *t)
{
    static const char *const prompts[] = { "It was", "Once upon a time",
                                           "Once upon a time", "The" };
    static const char *const seeds[] = { "5", "6", "7", "8" };
    struct xl_cli cli = { 0 };
    cJSON *got[4] = { 0 };
    const char *path = xl_test_write(
        t, "p.txt", "It was\n\nOnce upon a time\r\nOnce upon a time\nThe");
    if (xl_cli_ok(t, &cli,
                  XL_WORDS("generate", "--no-best", "--batch", path,
                           "--batch-size", "3", "--temperature", "0.8",
                           "--seed", "5", "--max-new-tokens", "6", "--json")))
        for (size_t i = 0; i < 4; i++) {
            got[i] = line_of(&cli, i);
            const cJSON *index = cJSON_GetObjectItem(got[i], "index");
            XL_CHECK(t, index && index->valueint == (int)i);
        }
    XL_CHECK(t, !line_of(&cli, 4));
    for (size_t i = 0; i < 4; i++) {
        if (!xl_cli_ok(t, &cli,
                       XL_WORDS("generate", "--no-best", "--prompt", prompts[i],
                                "--temperature", "0.8", "--seed", seeds[i],
                                "--max-new-tokens", "6", "--json")))
            continue;
        cJSON *want = xl_cli_json(t, &cli);
        check_same(t, got[i], want);
        cJSON_Delete(want);
        cJSON_Delete(got[i]);
    }
    xl_cli_release(&cli);
}

static void objects_set_their_own(struct xl_test *t)
{
    struct xl_cli cli = { 0 };
    const char *path = xl_test_write(
        t, "p.jsonl",
        "{\"prompt\": \"It was\", \"seed\": 9, \"max_new_tokens\": 2}\n"
        "{\"prompt_ids\": [1, 2, 3]}\n");
    if (xl_cli_ok(t, &cli,
                  XL_WORDS("generate", "--no-best", "--batch", path,
                           "--max-new-tokens", "4", "--json"))) {
        cJSON *a = line_of(&cli, 0), *b = line_of(&cli, 1);
        XL_CHECK_EQ(t, cJSON_GetArraySize(cJSON_GetObjectItem(a, "ids")), 2);
        XL_CHECK_EQ(t, cJSON_GetArraySize(cJSON_GetObjectItem(b, "ids")), 4);
        XL_CHECK_EQ(t, cJSON_GetArraySize(cJSON_GetObjectItem(b, "prompt_ids")),
                    3);
        cJSON_Delete(a);
        cJSON_Delete(b);
    }
    xl_cli_release(&cli);
}

static void bad_files_are_refused(struct xl_test *t)
{
    const struct {
        const char *name, *text, *message;
        int code;
    } faults[] = {
        { "a.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": 3}\n",
          "line 2: 'prompt' is no text", 1 },
        { "b.jsonl", "{\"prompt\": \"a\", \"sed\": 3}\n", "line 1: there are",
          1 },
        { "c.jsonl", "{\"prompt\": \"a\", \"prompt_ids\": [1]}\n",
          "line 1: give an object with one of", 1 },
        { "d.jsonl", "[1]\n", "line 1: give an object with one of", 1 },
        { "e.jsonl", "{\"prompt_ids\": [1, -2]}\n",
          "line 1: 'prompt_ids' holds what is no token id", 1 },
        { "f.jsonl", "{\"prompt_ids\": [99999999]}\n", "line 1: token 0 is",
          2 },
        { "g.jsonl", "{\"prompt\": \"a\", \"seed\": 1.5}\n",
          "line 1: 'seed' is no whole number", 1 },
        { "h.jsonl", "\n{\"prompt\"\n", "line 2: malformed JSON", 1 },
        { "i.txt", " \n\n", "holds no prompt", 2 },
    };
    struct xl_cli cli = { 0 };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const char *path = xl_test_write(t, faults[i].name, faults[i].text);
        xl_cli_run(t, &cli, XL_WORDS("generate", "--batch", path));
        XL_CHECK_EQ(t, cli.code, faults[i].code);
        xl_test_check(t, strstr(cli.err.data, faults[i].message) != NULL,
                      __FILE__, __LINE__, "%s: %s", faults[i].name,
                      cli.err.data);
        XL_CHECK_EQ(t, cli.out.len, 0);
    }
    xl_cli_run(t, &cli, XL_WORDS("generate", "--batch", "x", "--prompt", "y"));
    XL_CHECK_EQ(t, cli.code, 2);
    xl_cli_release(&cli);
}

const struct xl_test_case xl_suite_cli_batch[] = {
    XL_CASE(gives_what_one_prompt_gives),
    XL_CASE(objects_set_their_own),
    XL_CASE(bad_files_are_refused),
    { 0 },
};
