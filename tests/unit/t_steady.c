/* SPDX-License-Identifier: Apache-2.0
 *
 * When a warm-up ends, on times that are made up. */
#include "tests/harness/test.h"
#include "tuner/measure/steady.h"

#define MS ((uint64_t)1000000)

/* Warms up on repetitions whose n-th takes so long in both phases. */
static struct xl_steady warm_up(const double *prefill_ms,
                                const double *decode_ms)
{
    struct xl_steady steady = { 0 };
    size_t n = 0;
    while (xl_steady_wants(&steady, (uint64_t)(prefill_ms[n] * 1e6),
                           (uint64_t)(decode_ms[n] * 1e6)))
        n++;
    return steady;
}

/* Both phases have to come to rest. */
static void both_phases_agree(struct xl_test *t)
{
    static const double even[] = { 10, 10.4, 10, 10, 10, 10 };
    static const double cold[] = { 30, 12, 10, 10.2, 10, 10 };
    struct xl_steady s = warm_up(even, even);
    XL_CHECK_EQ(t, s.laps, 2);
    XL_CHECK_NEAR(t, s.apart, 0.04, 1e-9);
    XL_CHECK(t, xl_steady_is_reached(&s));
    s = warm_up(even, cold);
    XL_CHECK_EQ(t, s.laps, 4);
    s = warm_up(cold, even);
    XL_CHECK_EQ(t, s.laps, 4);
    XL_CHECK(t, xl_steady_is_reached(&s) && s.apart < 0.03);
}

/* A machine that never comes to rest ends by the count, and says so. */
static void unrest_ends_and_is_said(struct xl_test *t)
{
    static const double wild[] = { 10, 20, 10, 20, 10, 20, 10 };
    struct xl_steady s = warm_up(wild, wild);
    XL_CHECK_EQ(t, s.laps, XL_STEADY_LAPS);
    XL_CHECK(t, !xl_steady_is_reached(&s));
    XL_CHECK_NEAR(t, s.apart, 1.0, 1e-9);
}

/* Two of long repetitions, whatever they come to. */
static void long_ones_run_twice(struct xl_test *t)
{
    static const double slow[] = { 900, 700, 700 };
    struct xl_steady s = warm_up(slow, slow);
    XL_CHECK_EQ(t, s.laps, 2);
    XL_CHECK(t, !xl_steady_is_reached(&s));
}

/* A phase that is not run is as steady as can be; one that took no time once
 * is not. */
static void no_time_is_no_phase(struct xl_test *t)
{
    static const double even[] = { 10, 10, 10 };
    static const double none[] = { 0, 0, 0 };
    static const double once[] = { 0, 10, 10 };
    struct xl_steady s = warm_up(even, none);
    XL_CHECK(t, s.laps == 2 && xl_steady_is_reached(&s));
    s = warm_up(even, once);
    XL_CHECK(t, s.laps == 3 && xl_steady_is_reached(&s));
    s = (struct xl_steady){ 0 };
    XL_CHECK(t, xl_steady_wants(&s, 5 * MS, 5 * MS));
    XL_CHECK(t, !xl_steady_is_reached(&s));
}

static void it_is_written(struct xl_test *t)
{
    struct xl_steady s = { .laps = 3, .apart = 0.5 };
    cJSON *json = xl_steady_json(&s);
    char *text = cJSON_PrintUnformatted(json);
    XL_CHECK_TEXT(t, text,
                  "{\"repetitions\":3,\"apart\":0.5,\"steady\":false}");
    cJSON_free(text);
    cJSON_Delete(json);
}

const struct xl_test_case xl_suite_steady[] = {
    XL_CASE(both_phases_agree),   XL_CASE(unrest_ends_and_is_said),
    XL_CASE(long_ones_run_twice), XL_CASE(no_time_is_no_phase),
    XL_CASE(it_is_written),       { 0 },
};
