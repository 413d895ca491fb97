/* SPDX-License-Identifier: Apache-2.0
 *
 * Stores for tests: a small sweep, trials by number, a clock that only moves
 * when it is told to.
 */
#ifndef XL_STORE_FIXTURE_H
#define XL_STORE_FIXTURE_H

#include "tests/harness/test.h"
#include "tuner/store/query.h"

/* "<folder of the case>/<name>"; static buffer of four, used in turn. */
const char *xl_fix_path(const struct xl_test *t, const char *name);

/* Milliseconds that stores of xl_fix_open see. */
extern int64_t xl_fix_now_ms;

/* Opens (or makes) trials.db of the case and takes up its sweep; ends the
 * tests when that does not work. */
struct xl_store *xl_fix_open(struct xl_test *t);

/* The same with options; now_ms is filled in. */
struct xl_store *xl_fix_open_with(struct xl_test *t, struct xl_store_opts opts);

/* Proposes configuration number i and returns its trial, 0 on failure. */
int64_t xl_fix_propose(struct xl_test *t, struct xl_store *store, int i);

/* A sample and a result with numbers that tell them apart. */
struct xl_store_sample xl_fix_sample(int64_t rep);
struct xl_store_result xl_fix_result(double prefill, double decode);

/* Claims, measures and finishes one trial with n samples. */
enum xl_status xl_fix_measure(struct xl_store *store, int64_t trial, int64_t n,
                              double decode, struct xl_err *err);

/* The number an SQL text gives on trials.db of the case, -1 on failure. It
 * goes round the store: an oracle. */
int64_t xl_fix_sql(const struct xl_test *t, const char *sql);

#endif
