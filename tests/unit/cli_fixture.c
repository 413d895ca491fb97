/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/cli_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/io.h"

#ifndef XL_BUILD_DIR
#error "the build says where the program is"
#endif

enum {
    MOST_WORDS = 64,
    REPEATS = 24
};

static const char *program_path(void)
{
    const char *path = getenv("XLTUNE");
    return path && path[0] ? path : XL_BUILD_DIR "/xltune";
}

static void child_path(const struct xl_test *t, const char *name, char *out,
                       size_t room)
{
    snprintf(out, room, "%s/%s", t->dir, name);
}

/* In the child: files for the three streams, folder, environment, program. */
static void become(const struct xl_test *t, const struct xl_cli *cli,
                   char *const *argv)
{
    char store[400];
    child_path(t, "profiles", store, sizeof store);
    bool ok = chdir(t->dir) == 0 && freopen("cli.in", "r", stdin) &&
              freopen("cli.out", "w", stdout) &&
              freopen("cli.err", "w", stderr) &&
              setenv("XLTUNE_PROFILES", store, 1) == 0;
    for (size_t i = 0; ok && i < 4 && cli->env[i]; i++) {
        const char *equals = strchr(cli->env[i], '=');
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(equals - cli->env[i]),
                 cli->env[i]);
        ok = setenv(name, equals + 1, 1) == 0;
    }
    if (ok)
        execv(argv[0], argv);
    _exit(127);
}

static void read_back(struct xl_test *t, const char *name, struct xl_buf *to)
{
    char path[400];
    struct xl_err err = { 0 };
    child_path(t, name, path, sizeof path);
    XL_CHECK_STATUS(t, xl_io_read(path, to, &err), XL_OK, &err);
}

void xl_cli_run(struct xl_test *t, struct xl_cli *cli, const char *const *words)
{
    const char *argv[MOST_WORDS + 2] = { program_path() };
    char path[400];
    int status = 0;
    struct xl_err err = { 0 };

    xl_cli_release(cli);
    for (size_t i = 0; words[i] && i < MOST_WORDS; i++)
        argv[i + 1] = words[i];
    child_path(t, "cli.in", path, sizeof path);
    XL_CHECK_STATUS(t,
                    xl_io_replace(path, cli->input ? cli->input : "",
                                  cli->input ? cli->n_input : 0, &err),
                    XL_OK, &err);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        become(t, cli, (char *const *)(size_t)argv);
    if (!XL_CHECK(t, pid > 0 && waitpid(pid, &status, 0) == pid))
        return;
    cli->code =
        WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    read_back(t, "cli.out", &cli->out);
    read_back(t, "cli.err", &cli->err);
}

void xl_cli_release(struct xl_cli *cli)
{
    xl_buf_release(&cli->out);
    xl_buf_release(&cli->err);
    xl_buf_init(&cli->out, 0);
    xl_buf_init(&cli->err, 0);
    cli->code = -1;
}

bool xl_cli_ok(struct xl_test *t, struct xl_cli *cli, const char *const *words)
{
    xl_cli_run(t, cli, words);
    return xl_test_check(t, cli->code == 0, __FILE__, __LINE__,
                         "'%s %s' exits with %d: %s", words[0],
                         words[1] ? words[1] : "", cli->code, cli->err.data);
}

cJSON *xl_cli_json(struct xl_test *t, const struct xl_cli *cli)
{
    struct xl_err err = { 0 };
    cJSON *json = NULL;
    XL_CHECK_STATUS(t,
                    xl_json_parse(cli->out.data, cli->out.len,
                                  "standard output", &json, &err),
                    XL_OK, &err);
    XL_CHECK(t, cli->out.len && cli->out.data[cli->out.len - 1] == '\n');
    return json;
}

const char *xl_cli_prompt(void)
{
    static const char piece[] = "THE QUICK BROWN FOX 42";
    static char text[REPEATS * (sizeof piece - 1) + 1];
    for (size_t i = 0; i < REPEATS; i++)
        memcpy(text + i * (sizeof piece - 1), piece, sizeof piece);
    return text;
}
