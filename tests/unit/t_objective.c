/* SPDX-License-Identifier: Apache-2.0
 *
 * Objectives: what they come to is held to the arithmetic of C, what they
 * refuse to the column of the fault, and random texts to not crashing. */
#include <math.h>
#include <string.h>

#include "kernel/base/rng.h"
#include "tests/harness/test.h"
#include "tuner/measure/stats.h"
#include "tuner/sweep/reading.h"

static struct xl_reading reading_of(double prefill, double decode, double p95,
                                    double bytes)
{
    struct xl_reading r;
    xl_reading_clear(&r);
    r.value[XL_METRIC_PREFILL] = prefill;
    r.value[XL_METRIC_DECODE] = decode;
    r.value[XL_METRIC_LATENCY95] = p95;
    r.value[XL_METRIC_MEMORY] = bytes;
    return r;
}

/* Value of an objective of the reading; NaN too when it does not parse. */
static double value_of(struct xl_test *t, const char *text, struct xl_reading r)
{
    struct xl_err err = { 0 };
    struct xl_objective *o;
    enum xl_status rc = xl_objective_parse(&o, text, &err);
    if (!XL_CHECK_STATUS(t, rc, XL_OK, &err))
        return (double)NAN;
    double value = xl_objective_value(o, &r);
    xl_objective_free(o);
    return value;
}

static void formulas_are_arithmetic(struct xl_test *t)
{
    struct xl_reading r = reading_of(900, 100, 0.012, 1.5e9);
    static const struct {
        const char *text;
        double want;
    } rows[] = {
        { "prefill", 900 },
        { "decode", 100 },
        { "balanced", 300 },
        { "latency@95", -0.012 },
        { "memory", -1.5e9 },
        { "0.7*decode + 0.3*prefill", 340 },
        { "decode^2*prefill", 9e6 },
        { "decode / memory", 100 / 1.5e9 },
        { "decode - 1000*latency@95", 88 },
        { "1000 * latency@95 - decode", 88 },
        { "2*(latency@95)", -0.024 },
        { "1/latency@95", 1 / 0.012 },
        { "decode where memory < 2GiB", 100 },
        { "decode where memory<1.5GB", (double)NAN },
        { "decode where memory<=1.5GB and latency@95 < 20ms", 100 },
        { "decode where memory<=1.5GB and latency@95 < 10ms", (double)NAN },
        { "decode where latency@99 < 1ns", 100 }, /* not known: it holds */
        { "prefill,decode", 300 },
        { "decode, latency@95", 91.287092917527685 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double got = value_of(t, rows[i].text, r), want = rows[i].want;
        bool same =
            isnan(want) ? isnan(got) : fabs(got - want) <= 1e-12 * fabs(want);
        xl_test_check(t, same, __FILE__, __LINE__, "'%s' is %g, not %g",
                      rows[i].text, got, want);
    }
    r.value[XL_METRIC_DECODE] = (double)NAN;
    XL_CHECK(t, isnan(value_of(t, "balanced", r)));
    XL_CHECK(t, isnan(value_of(t, "prefill, decode", r)));
}

static void mistakes_name_their_column(struct xl_test *t)
{
    static const struct {
        const char *text, *part;
    } rows[] = {
        { "", "column 1: expected" },
        { "decod",
          "column 1: no metric is named 'decod'; nearest is 'decode'" },
        { "latency", "column 1: no metric is named 'latency'" },
        { "latency@97", "column 1: no metric" },
        { "ppl", "no metric is named 'ppl'; there are prefill, decode" },
        { "0.7*decode + 0.3*prefil", "column 18: no metric" },
        { "decode +", "column 9: expected" },
        { "decode,", "column 8: expected" },
        { "decode where", "column 8: expected" },
        { "decode where memory<2GiBs", "column 22: a unit" },
        { "decode where memory<2GiB prefill", "column 26: expected" },
        { "decode memory", "column 8: expected" },
        { "decode + latency@95", "column 1: it grows" },
        { "prefill, decode*latency@95^2", "column 10: it grows" },
        { "3", "column 1: it is the same" },
        { "decode - decode", "column 1: it is the same" },
        { "prefill, decode - 1e6*latency@95", "not always positive" },
        { "decode,prefill,memory,balanced,latency@95", "column 32: 4 obj" },
        { "((((decode)", "column 12: expected ')'" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_err err = { 0 };
        struct xl_objective *o = NULL;
        enum xl_status rc = xl_objective_parse(&o, rows[i].text, &err);
        xl_test_check(t, rc == XL_EUSAGE && strstr(err.message, rows[i].part),
                      __FILE__, __LINE__, "'%s' gives '%s'", rows[i].text,
                      err.message);
        if (rc == XL_OK)
            xl_objective_free(o);
    }
}

static void phases_follow_metrics(struct xl_test *t)
{
    static const struct {
        const char *text;
        enum xl_param_phase phases;
    } rows[] = {
        { "prefill", XL_PHASE_PREFILL },
        { "latency@99", XL_PHASE_DECODE },
        { "decode where memory<1GiB", XL_PHASE_DECODE },
        { "memory", XL_PHASE_BOTH },
        { "decode where prefill > 10", XL_PHASE_BOTH },
        { "balanced", XL_PHASE_BOTH },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_objective *o;
        struct xl_err err = { 0 };
        if (!XL_CHECK_STATUS(t, xl_objective_parse(&o, rows[i].text, &err),
                             XL_OK, &err))
            continue;
        XL_CHECK_EQ(t, xl_objective_phases(o), rows[i].phases);
        XL_CHECK_TEXT(t, xl_objective_name(o), rows[i].text);
        xl_objective_free(o);
    }
}

static void values_have_units(struct xl_test *t)
{
    static const char *const rows[][2] = {
        { "balanced", "tok/s" },
        { "latency@95", "s" },
        { "memory", "B" },
        { "decode where memory<2GiB", "tok/s" },
        { "decode^0.7*prefill^0.3", "" },
        { "decode, memory", "" },
    };
    struct xl_err err = { 0 };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_objective *o;
        enum xl_status rc = xl_objective_parse(&o, rows[i][0], &err);
        if (!XL_CHECK_STATUS(t, rc, XL_OK, &err))
            continue;
        XL_CHECK_TEXT(t, xl_objective_unit(o), rows[i][1]);
        xl_objective_free(o);
    }
}

static void several_are_told_apart(struct xl_test *t)
{
    struct xl_reading r = reading_of(900, 100, 0.012, 1.5e9);
    double values[XL_STRATEGY_VALUES] = { 0 };
    struct xl_err err = { 0 };
    struct xl_objective *o;
    enum xl_status rc =
        xl_objective_parse(&o, " decode , memory/2 where prefill>1", &err);
    if (!XL_CHECK_STATUS(t, rc, XL_OK, &err))
        return;
    XL_CHECK_EQ(t, xl_objective_count(o), 2);
    XL_CHECK_TEXT(t, xl_objective_item(o, 0), "decode");
    XL_CHECK_TEXT(t, xl_objective_item(o, 1), "memory/2");
    XL_CHECK(t, !xl_objective_is_less(o, 0) && xl_objective_is_less(o, 1));
    xl_objective_values(o, &r, values);
    XL_CHECK_NEAR(t, values[0], 100, 1e-9);
    XL_CHECK_NEAR(t, values[1], -0.75e9, 1e-3);
    r.value[XL_METRIC_PREFILL] = 0.5;
    xl_objective_values(o, &r, values);
    XL_CHECK(t, isnan(values[0]) && isnan(values[1]));
    xl_objective_free(o);
}

/* Texts made of the language's own words, and of any bytes. */
static void random_texts_are_harmless(struct xl_test *t)
{
    static const char *const words[] = {
        "decode",  "prefill", "memory", "latency@95", "balanced", "where",
        " and ",   " or ",    "not ",   "<",          ">=",       "==",
        "(",       ")",       "+",      "-",          "*",        "/",
        "^",       "%",       ",",      "2",          "0.5",      "1e300",
        "3GiB",    "20ms",    "7x",     " ",          "'text'",   "\"",
        "latency", "@",       ".",      "=",
    };
    size_t n_words = sizeof words / sizeof *words, parsed = 0;
    struct xl_reading r = reading_of(900, 100, 0.012, 1.5e9);
    struct xl_rng rng;
    xl_rng_seed(&rng, 11);
    for (size_t i = 0; i < 20000; i++) {
        char text[160] = "";
        size_t n = 1 + (size_t)xl_rng_below(&rng, 9);
        for (size_t k = 0; k < n; k++)
            strcat(text, words[xl_rng_below(&rng, n_words)]);
        if (i % 4 == 0)
            text[xl_rng_below(&rng, strlen(text) + 1)] =
                (char)xl_rng_below(&rng, 256);
        struct xl_objective *o;
        struct xl_err err = { 0 };
        if (xl_objective_parse(&o, text, &err) != XL_OK) {
            if (!err.message[0])
                XL_CHECK(t, err.message[0]);
            continue;
        }
        parsed++;
        double values[XL_STRATEGY_VALUES];
        double v = xl_objective_value(o, &r);
        xl_objective_values(o, &r, values);
        if (isinf(v))
            XL_CHECK(t, !isinf(v));
        xl_objective_free(o);
    }
    XL_CHECK(t, parsed > 100);
}

static void readings_go_through_the_store(struct xl_test *t)
{
    struct xl_run_sample s = { .prompt_tokens = 100,
                               .prefill_ns = 1000000000,
                               .decode_steps = 10,
                               .decode_ns = 500000000,
                               .has_peak_rss = true,
                               .peak_rss_bytes = 12345678,
                               .step_ns = { 40000000, 50000000, 60000000,
                                            70000000, 80000000 } };
    struct xl_reading a, b, median, two[3];
    struct xl_buf detail;
    double scratch[3];
    xl_buf_init(&detail, 0);
    xl_reading_detail(&s, &detail);
    struct xl_store_sample row = { .has_prefill = true,
                                   .has_decode = true,
                                   .has_peak_rss = true,
                                   .prefill_tok_s = 100,
                                   .decode_tok_s = 20,
                                   .peak_rss_bytes = 12345678,
                                   .detail = detail.data };
    xl_reading_of_run(&a, &s);
    xl_reading_of_row(&b, &row);
    for (size_t m = 0; m < XL_METRIC_COUNT; m++)
        if (m != XL_METRIC_BALANCED)
            XL_CHECK_NEAR(t, a.value[m], b.value[m], 1e-9 * a.value[m]);
    XL_CHECK_NEAR(t, a.value[XL_METRIC_LATENCY95], 0.06, 1e-12);
    two[0] = a;
    two[1] = a;
    two[2] = a;
    two[0].value[XL_METRIC_DECODE] = (double)NAN;
    two[1].value[XL_METRIC_PREFILL] = 300;
    xl_reading_median(&median, two, 3, scratch);
    XL_CHECK_NEAR(t, median.value[XL_METRIC_DECODE], 20, 1e-9);
    XL_CHECK_NEAR(t, median.value[XL_METRIC_PREFILL], 100, 1e-9);
    row.detail = "{\"step_ns\":[1,\"x\"";
    xl_reading_of_row(&b, &row);
    XL_CHECK(t, isnan(b.value[XL_METRIC_LATENCY50]));
    xl_buf_release(&detail);
}

const struct xl_test_case xl_suite_objective[] = {
    XL_CASE(formulas_are_arithmetic),       XL_CASE(mistakes_name_their_column),
    XL_CASE(phases_follow_metrics),         XL_CASE(values_have_units),
    XL_CASE(several_are_told_apart),        XL_CASE(random_texts_are_harmless),
    XL_CASE(readings_go_through_the_store), { 0 },
};
