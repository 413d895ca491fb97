/* SPDX-License-Identifier: Apache-2.0
 *
 * A made-up run folder for tests of what reads exported files. The numbers
 * follow a plausible model of a machine; run_meta.json says "synthetic".
 */
#ifndef XL_RUN_FIXTURE_H
#define XL_RUN_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "tests/harness/test.h"

struct xl_run_fixture {
    size_t n_trials;
    bool all_failed;    /* no trial has a speed */
    bool wide_space;    /* chunk_size takes any value from 8 to 512 */
    bool empty_workers; /* as backends without workers leave it */
    bool bare;          /* summary.csv with the contract's eight columns */
    bool no_best;
    const char *hostile; /* put wherever a run can hold free text, or NULL */
};

enum xl_status xl_run_fixture_write(const char *dir,
                                    const struct xl_run_fixture *fixture,
                                    struct xl_err *err);

/* Files of a case's folder, named below it. Failing is a failed check. */
void xl_case_read(struct xl_test *t, const char *name, struct xl_buf *out);
void xl_case_write(struct xl_test *t, const char *name, const char *bytes,
                   size_t n);
void xl_case_text(struct xl_test *t, const char *name, const char *text);
bool xl_case_has(struct xl_test *t, const char *name);

/* Writes the fixture into the case's folder. */
void xl_case_run(struct xl_test *t, const struct xl_run_fixture *fixture);

/* Writes duel.json of n rounds into the case's folder: the first side is 3 %
 * faster in decode and equal in prefill, every fifth round disturbed. */
void xl_case_duel(struct xl_test *t, size_t n, const char *first);

#endif
