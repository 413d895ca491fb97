/* SPDX-License-Identifier: Apache-2.0
 *
 * `pack` and what it writes, as users meet them: words, exit codes, the same
 * continuation, reports, `synth` of integers, the cache. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tests/unit/cli_fixture.h"

/* Two documents say the same under these keys, NULL-terminated. */
static void check_same(struct xl_test *t, const cJSON *a, const cJSON *b,
                       const char *const *keys)
{
    for (; *keys; keys++)
        xl_test_check(t,
                      xl_json_member(a, *keys) &&
                          cJSON_Compare(xl_json_member(a, *keys),
                                        xl_json_member(b, *keys), true),
                      __FILE__, __LINE__, "'%s' differs", *keys);
}

static const char *tiny(void)
{
    return xl_test_data("models/tiny");
}

static void packed_continues_alike(struct xl_test *t)
{
    static const char *const same[] = { "ids", "logprobs", "text", NULL };
    struct xl_cli cli = { 0 };
    char model[1024];
    snprintf(model, sizeof model, "%s", tiny());
    if (!xl_cli_ok(t, &cli,
                   XL_WORDS("pack", model, "out", "--weight-dtype", "int4",
                            "--head-dtype", "int8", "--json")))
        goto done;
    cJSON *report = xl_cli_json(t, &cli);
    const cJSON *packed = xl_json_member(report, "packed");
    XL_CHECK_TEXT(t,
                  cJSON_GetStringValue(xl_json_member(packed, "weight_dtype")),
                  "int4");
    XL_CHECK_TEXT(t, cJSON_GetStringValue(xl_json_member(packed, "head_dtype")),
                  "int8");
    double rms = cJSON_GetNumberValue(xl_json_member(packed, "rms"));
    XL_CHECK(t, rms > 0.01 && rms < 0.15);
    xl_cli_ok(t, &cli,
              XL_WORDS("generate", "--model", "out", "--prompt", "A B",
                       "--max-new-tokens", "12", "--json"));
    cJSON *got = xl_cli_json(t, &cli);
    xl_cli_ok(t, &cli,
              XL_WORDS("generate", "--model", model, "--prompt", "A B",
                       "--max-new-tokens", "12", "--json", "--weight-dtype",
                       "int4", "--head-dtype", "int8"));
    cJSON *want = xl_cli_json(t, &cli);
    check_same(t, got, want, same);
    const cJSON *kind =
        xl_json_member(xl_json_member(got, "config"), "weight_dtype");
    XL_CHECK_TEXT(t, cJSON_GetStringValue(xl_json_member(kind, "origin")),
                  "checkpoint");
    /* inspect knows what pack has reported. */
    xl_cli_ok(t, &cli,
              XL_WORDS("inspect", "--model", "out", "--json", "--verify"));
    cJSON *seen = xl_cli_json(t, &cli);
    XL_CHECK(t, cJSON_Compare(xl_json_member(seen, "packed"), packed, true));
    xl_cli_ok(t, &cli, XL_WORDS("inspect", "--model", "out", "--tensors"));
    XL_CHECK(t, strstr(cli.out.data, "rms %"));
    cJSON_Delete(seen);
    cJSON_Delete(want);
    cJSON_Delete(got);
    cJSON_Delete(report);
done:
    xl_cli_release(&cli);
}

static void check_refused(struct xl_test *t, struct xl_cli *cli, int code,
                          const char *says, const char *const *words)
{
    xl_cli_run(t, cli, words);
    XL_CHECK_EQ(t, cli->code, code);
    xl_test_check(t, cli->err.len && strstr(cli->err.data, says), __FILE__,
                  __LINE__, "'%s' is not in: %s", says,
                  cli->err.len ? cli->err.data : "");
    XL_CHECK_EQ(t, cli->out.len, 0);
}

/* Into the folder "pipe". */
static void copy_config(struct xl_test *t, const char *model)
{
    char from[1100], to[400];
    struct xl_buf bytes;
    struct xl_err err = { 0 };
    xl_buf_init(&bytes, 0);
    snprintf(from, sizeof from, "%s/config.json", model);
    snprintf(to, sizeof to, "%s/pipe/config.json", t->dir);
    XL_CHECK_STATUS(t, xl_io_read(from, &bytes, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_io_replace(to, bytes.data, bytes.len, &err), XL_OK,
                    &err);
    xl_buf_release(&bytes);
}

static void wrong_use_is_refused(struct xl_test *t)
{
    struct xl_cli cli = { 0 };
    char model[1024], file[600];
    snprintf(model, sizeof model, "%s", tiny());
    check_refused(t, &cli, 2, "no folder to write", XL_WORDS("pack"));
    check_refused(t, &cli, 2, "too many folders",
                  XL_WORDS("pack", "a", "b", "c"));
    check_refused(t, &cli, 2, "too many folders",
                  XL_WORDS("pack", "a", "b", "--model", "c"));
    check_refused(t, &cli, 2, "too many folders",
                  XL_WORDS("pack", "a", "--out", "b"));
    check_refused(t, &cli, 1, "'nowhere' is no checkpoint folder",
                  XL_WORDS("pack", "nowhere", "out"));
    check_refused(t, &cli, 2, "int8",
                  XL_WORDS("pack", model, "out", "--weight-dtype", "int9"));
    snprintf(file, sizeof file, "%s/out", t->dir);
    XL_CHECK(t, !xl_io_exists(file));
    if (!xl_cli_ok(t, &cli,
                   XL_WORDS("pack", model, "out", "--weight-dtype", "int4")))
        goto done;
    check_refused(t, &cli, 2, "already holds",
                  XL_WORDS("pack", model, "out", "--weight-dtype", "int8"));
    check_refused(t, &cli, 2, "packed already", XL_WORDS("pack", "out", "two"));
    check_refused(t, &cli, 2, "checkpoint itself",
                  XL_WORDS("pack", "out", "out", "--force"));
    check_refused(t, &cli, 2, "not replaced",
                  XL_WORDS("pack", "out", model, "--force"));
    check_refused(t, &cli, 2, "packed with its weights as int4",
                  XL_WORDS("generate", "--model", "out", "--prompt", "A",
                           "--max-new-tokens", "1", "--weight-dtype", "bf16"));
    check_refused(t, &cli, 2, "not packed",
                  XL_WORDS("inspect", "--model", model, "--verify"));
    xl_cli_ok(
        t, &cli,
        XL_WORDS("pack", model, "out", "--weight-dtype", "int8", "--force"));
    /* A flipped bit of the data is what --verify is for. */
    snprintf(file, sizeof file, "%s/out/model.xlpack", t->dir);
    FILE *f = fopen(file, "r+b");
    if (XL_CHECK(t, f && fseek(f, 40000, SEEK_SET) == 0)) {
        int byte = fgetc(f);
        fseek(f, 40000, SEEK_SET);
        fputc(byte ^ 1, f);
    }
    if (f)
        fclose(f);
    xl_cli_ok(t, &cli, XL_WORDS("inspect", "--model", "out"));
    check_refused(t, &cli, 1, "does not fit its hash",
                  XL_WORDS("inspect", "--model", "out", "--verify"));
    snprintf(file, sizeof file, "%s/pipe", t->dir);
    XL_CHECK(t, mkdir(file, 0700) == 0);
    snprintf(file, sizeof file, "%s/pipe/model.xlpack", t->dir);
    XL_CHECK(t, mkfifo(file, 0600) == 0);
    copy_config(t, model);
    check_refused(t, &cli, 1, "not a regular file",
                  XL_WORDS("inspect", "--model", "pipe"));
done:
    xl_cli_release(&cli);
}

static void synth_writes_integers(struct xl_test *t)
{
    struct xl_cli cli = { 0 };
    if (xl_cli_ok(t, &cli,
                  XL_WORDS("synth", "--preset", "demo", "--dtype", "int4",
                           "--out", "s", "--json"))) {
        cJSON *report = xl_cli_json(t, &cli);
        XL_CHECK_TEXT(t, cJSON_GetStringValue(xl_json_member(report, "dtype")),
                      "int4");
        cJSON_Delete(report);
        xl_cli_ok(t, &cli, XL_WORDS("inspect", "--model", "s", "--verify"));
        xl_cli_ok(t, &cli,
                  XL_WORDS("generate", "--model", "s", "--prompt", "A",
                           "--max-new-tokens", "2"));
    }
    check_refused(t, &cli, 2, "nearest is 'int4'",
                  XL_WORDS("synth", "--dtype", "in4", "--out", "u"));
    check_refused(
        t, &cli, 2, "--shards",
        XL_WORDS("synth", "--dtype", "int8", "--shards", "2", "--out", "u"));
    xl_cli_release(&cli);
}

static void the_cache_can_be_turned_off(struct xl_test *t)
{
    char cache[400], off[400];
    struct xl_cli cli = { 0 };
    char model[1024];
    snprintf(model, sizeof model, "%s", tiny());
    snprintf(cache, sizeof cache, "XLTUNE_CACHE=%s/cache", t->dir);
    cli.env[0] = cache;
    const char *const *words =
        XL_WORDS("generate", "--model", model, "--prompt", "A",
                 "--max-new-tokens", "2", "--weight-dtype", "int8");
    snprintf(off, sizeof off, "%s/cache", t->dir);
    xl_cli_ok(t, &cli,
              XL_WORDS("generate", "--model", model, "--prompt", "A",
                       "--max-new-tokens", "2", "--weight-dtype", "int8",
                       "--no-cache"));
    XL_CHECK(t, !xl_io_exists(off));
    xl_cli_ok(t, &cli, words);
    XL_CHECK(t, xl_io_exists(off));
    xl_cli_ok(t, &cli, words);
    XL_CHECK_EQ(t, cli.code, 0);
    cli.env[0] = "XLTUNE_CACHE=/dev/null/no";
    xl_cli_ok(t, &cli, words);
    XL_CHECK(t, strstr(cli.err.data, "warning: packed weights are not kept"));
    xl_cli_release(&cli);
}

const struct xl_test_case xl_suite_cli_pack[] = {
    XL_CASE(packed_continues_alike),
    XL_CASE(wrong_use_is_refused),
    XL_CASE(synth_writes_integers),
    XL_CASE(the_cache_can_be_turned_off),
    { 0 },
};
