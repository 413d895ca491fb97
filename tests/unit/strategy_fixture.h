/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of strategies share: a space with constraints and an inert
 * dimension, functions whose optimum is known, and a run that keeps its
 * proposals. */
#ifndef XL_STRATEGY_FIXTURE_H
#define XL_STRATEGY_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/harness/test.h"
#include "tuner/strategy/strategy.h"

typedef struct xl_outcome xl_test_function(const struct xl_space *space,
                                           const uint32_t *point);

struct xl_test_plan {
    const struct xl_strategy_kind *kind;
    const struct xl_space *space;
    xl_test_function *f;
    size_t budget, open; /* open: asks before their tells, 0 = 1 */
    bool is_told_twice;  /* each result */
    uint64_t seed;
};

struct xl_test_trace {
    uint64_t codes[4096];
    size_t n;
    double best;
    bool has_best, is_fault; /* refused by the frame, or no memory */
    enum xl_ask_end end;
};

struct xl_dim xl_test_dim(enum xl_dim_kind kind, uint32_t n);

/* Ordered n, nominal 5, ordered n twice, and one dimension of one value. */
struct xl_space *xl_test_space(struct xl_test *t, uint32_t n);

/* The constraint of that space; three points in four are legal. */
bool xl_test_fits(void *ctx, const uint32_t *point);

struct xl_outcome xl_test_ok_value(double value);
struct xl_outcome xl_test_sphere(const struct xl_space *space,
                                 const uint32_t *point);
struct xl_outcome xl_test_ripples(const struct xl_space *space,
                                  const uint32_t *point);

/* The sphere, with one point in three failing. */
struct xl_outcome xl_test_faulty(const struct xl_space *space,
                                 const uint32_t *point);

void xl_test_run(const struct xl_test_plan *run, struct xl_test_trace *trace);

#endif
