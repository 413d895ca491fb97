/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/strategy_fixture.h"

#include <math.h>

/* -- a space -------------------------------------------------------------- */

static const double places[64];
static const char *const labels[64];

struct xl_dim xl_test_dim(enum xl_dim_kind kind, uint32_t n)
{
    return (struct xl_dim){
        .name = "d", .kind = kind, .n = n, .at = places, .labels = labels
    };
}

bool xl_test_fits(void *ctx, const uint32_t *point)
{
    (void)ctx;
    return (point[0] + point[1]) % 4 != 3;
}

/* The last dimension is inert where the second is 0. */
static void settle(void *ctx, uint32_t *point)
{
    (void)ctx;
    if (point[1] == 0)
        point[3] = 2;
}

struct xl_space *xl_test_space(struct xl_test *t, uint32_t n)
{
    struct xl_dim dims[] = { xl_test_dim(XL_DIM_ORDERED, n),
                             xl_test_dim(XL_DIM_NOMINAL, 5),
                             xl_test_dim(XL_DIM_ORDERED, n),
                             xl_test_dim(XL_DIM_ORDERED, n),
                             xl_test_dim(XL_DIM_NOMINAL, 1) };
    struct xl_space *space = NULL;
    struct xl_err err = { 0 };
    enum xl_status rc = xl_space_make(
        &space,
        &(struct xl_space_options){
            .dims = dims,
            .n_dims = 5,
            .rules = { .legal = xl_test_fits, .canonical = settle } },
        &err);
    XL_CHECK_STATUS(t, rc, XL_OK, &err);
    return space;
}

/* -- functions ------------------------------------------------------------ */

struct xl_outcome xl_test_ok_value(double value)
{
    return (struct xl_outcome){ .values = { value } };
}

struct xl_outcome xl_test_sphere(const struct xl_space *space,
                                 const uint32_t *point)
{
    double sum = 0;
    for (size_t d = 0; d < 4; d++) {
        double n = xl_space_dim(space, d)->n;
        double x = point[d] / (n - 1) - 0.6;
        sum += d == 1 ? (point[d] == 3 ? 0 : 0.1) : x * x;
    }
    return xl_test_ok_value(-sum);
}

struct xl_outcome xl_test_ripples(const struct xl_space *space,
                                  const uint32_t *point)
{
    double sum = 0;
    for (size_t d = 0; d < 4; d++) {
        double x = point[d] / (double)xl_space_dim(space, d)->n - 0.4;
        sum += x * x + 0.03 * (1 - cos(20 * x));
    }
    return xl_test_ok_value(-sum);
}

/* One point in three fails; where is fixed by its code. */
struct xl_outcome xl_test_faulty(const struct xl_space *space,
                                 const uint32_t *point)
{
    struct xl_outcome outcome = xl_test_sphere(space, point);
    uint64_t z = xl_space_code(space, point) * 0x9e3779b97f4a7c15u;
    if ((z >> 40) % 3 == 0)
        outcome = (struct xl_outcome){ .status = XL_OUTCOME_FAILED };
    return outcome;
}

/* -- running -------------------------------------------------------------- */

static void tell_one(struct xl_strategy *s, const struct xl_test_plan *run,
                     uint64_t code, struct xl_test_trace *trace)
{
    uint32_t point[XL_SPACE_DIMS];
    xl_space_decode(run->space, code, point);
    struct xl_outcome outcome = run->f(run->space, point);
    if (outcome.status == XL_OUTCOME_OK &&
        (!trace->has_best || outcome.values[0] > trace->best)) {
        trace->has_best = true;
        trace->best = outcome.values[0];
    }
    if (xl_strategy_tell(s, point, &outcome, NULL) != XL_OK)
        trace->is_fault = true;
}

void xl_test_run(const struct xl_test_plan *run, struct xl_test_trace *trace)
{
    struct xl_strategy *s = NULL;
    size_t told = 0, open = run->open ? run->open : 1;
    *trace = (struct xl_test_trace){ 0 };
    if (xl_strategy_make(&s, run->kind, run->space,
                         &(struct xl_strategy_options){ .seed = run->seed,
                                                        .budget = run->budget },
                         NULL) != XL_OK) {
        trace->is_fault = true;
        return;
    }
    while (!trace->is_fault && trace->n < 4096) {
        struct xl_ask ask;
        trace->is_fault = xl_strategy_ask(s, &ask, NULL) != XL_OK;
        if (trace->is_fault || ask.end) {
            trace->end = ask.end;
            break;
        }
        trace->codes[trace->n++] = ask.code;
        if (trace->n - told < open)
            continue;
        if (run->is_told_twice)
            tell_one(s, run, trace->codes[told], trace);
        tell_one(s, run, trace->codes[told++], trace);
    }
    while (told < trace->n)
        tell_one(s, run, trace->codes[told++], trace);
    xl_strategy_free(s);
}
