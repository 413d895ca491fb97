/* SPDX-License-Identifier: Apache-2.0
 *
 * xl_make_run FOLDER TRIALS: a synthetic run folder of that many trials, seven
 * samples each; runs/large.sh uses it. */
#include <stdio.h>

#include "kernel/base/opt.h"
#include "tests/unit/large_run.h"

int main(int argc, char **argv)
{
    struct xl_err err = { 0 };
    int64_t n = 0;
    if (argc != 3 || !xl_parse_int(argv[2], &n) || n < 1) {
        fprintf(stderr, "xl_make_run FOLDER TRIALS\n");
        return XL_EUSAGE;
    }
    struct xl_large_run run = { .dir = argv[1],
                                .n_trials = (size_t)n,
                                .n_samples = 7 };
    enum xl_status rc = xl_large_run_make(&run, &err);
    if (rc != XL_OK)
        fprintf(stderr, "xl_make_run: %s\n", err.message);
    return (int)rc;
}
