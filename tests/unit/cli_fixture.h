/* SPDX-License-Identifier: Apache-2.0
 *
 * The program as its users run it: words in; exit code, standard output and
 * standard error out. It runs in the case's folder, with a profile store of
 * its own there. The program is $XLTUNE, else the one of this build.
 *
 *     struct xl_cli cli;
 *     xl_cli_run(t, &cli, XL_WORDS("kernels", "--json"));
 *     XL_CHECK_EQ(t, cli.code, 0);
 *     cJSON *json = xl_cli_json(t, &cli);
 */
#ifndef XL_CLI_FIXTURE_H
#define XL_CLI_FIXTURE_H

#include <stddef.h>

#include "kernel/base/buf.h"
#include "kernel/base/json.h"
#include "tests/harness/test.h"

struct xl_cli {
    const char *input; /* standard input; NULL = empty */
    size_t n_input;
    const char *env[4]; /* "NAME=value" each */

    int code; /* exit code, 128 + signal when killed */
    struct xl_buf out, err;
};

/* A NULL-terminated list of words. */
#define XL_WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Runs the program and waits. cli must be zero or have been run before. */
void xl_cli_run(struct xl_test *t, struct xl_cli *cli,
                const char *const *words);
void xl_cli_release(struct xl_cli *cli);

/* As xl_cli_run, and checks that the exit code is 0. */
bool xl_cli_ok(struct xl_test *t, struct xl_cli *cli, const char *const *words);

/* Standard output as exactly one JSON document, or NULL after a failed
 * check. Free with cJSON_Delete. */
cJSON *xl_cli_json(struct xl_test *t, const struct xl_cli *cli);

/* A text of only bytes below 97, the vocabulary of the test model 'tiny',
 * long enough for every chunk size that is searched: 528 bytes. */
const char *xl_cli_prompt(void);

#endif
