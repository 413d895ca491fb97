/* SPDX-License-Identifier: Apache-2.0
 *
 * The program: its table of commands and nothing else. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/base/cmd.h"
#include "kernel/param/param.h"
#include "kernel/run/session.h"
#include "tuner/measure/host.h"
#include "tuner/profile/resolve.h"
#include "tuner/store/rundir.h"
#include "tuner/sweep/found.h"

#define XL_COMMAND(name) extern const struct xl_cmd xl_cmd_##name;
#include "tuner/command.def"
#undef XL_COMMAND

static const struct xl_cmd *const commands[] = {
#define XL_COMMAND(name) &xl_cmd_##name,
#include "tuner/command.def"
#undef XL_COMMAND
};

static void warn(void *ctx, const char *text)
{
    (void)ctx;
    fprintf(stderr, "xltune: warning: %s\n", text);
}

int main(int argc, char **argv)
{
    const struct xl_services services = { .resolve = xl_profile_resolve,
                                          .find_run = xl_rundir_find,
                                          .keep_found = xl_sweep_keep_found,
                                          .warn = warn };
    const struct xl_program program = {
        .name = "xltune",
        .version = XL_VERSION,
        .summary = "finds the fastest configuration for xLSTM inference on "
                   "this machine, and proves it harmless",
        .cmds = commands,
        .n_cmds = sizeof commands / sizeof *commands,
        .model = xl_session_opt_group(),
        .tunables = xl_params_opt_group(),
        .services = &services,
        .version_details = xl_build_text,
    };
    /* Read by OpenBLAS when it is loaded: threads of its own would spin beside
     * ours and, where memory is limited, for ever (gemm_openblas.c). */
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write that fails, */
    signal(SIGXFSZ, SIG_IGN); /* and so is a file that may not grow */
    return xl_cmd_main(&program, argc, argv);
}
