/* SPDX-License-Identifier: Apache-2.0
 *
 * bench without a clock: lists and grids, what counts as disturbed, which
 * samples are used. No case asserts a speed of this machine. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cmd.h"
#include "kernel/run/session.h"
#include "tests/harness/test.h"
#include "tuner/measure/bench_grid.h"
#include "kernel/chunk/chunk.h"
#include "tuner/measure/micro.h"
#include "tuner/measure/probe.h"
#include "tuner/measure/samples.h"
#include "tuner/measure/value_list.h"

enum {
    SECOND = 1000000000,
    TICKS = 100 /* a second */
};

/* -- lists ---------------------------------------------------------------- */

/* "a b c" of a list, or "!" when it is refused. */
static const char *spell(const char *text, char *out, size_t room)
{
    struct xl_arena arena;
    struct xl_value_list list;
    struct xl_err err = { 0 };
    size_t at = 0;
    xl_arena_init(&arena, 0);
    out[0] = '\0';
    enum xl_status rc =
        xl_value_list_parse(&list, &arena, "--flag", text, &err);
    for (size_t i = 0; rc == XL_OK && i < list.n; i++)
        at += (size_t)snprintf(out + at, room - at, "%s%s", i ? " " : "",
                               list.items[i]);
    if (rc != XL_OK)
        snprintf(out, room, "!");
    xl_arena_release(&arena);
    return out;
}

static void lists_are_read(struct xl_test *t)
{
    static const struct {
        const char *text, *items;
    } rows[] = {
        { "64", "64" },
        { "32,64", "32 64" },
        { "64,32,64", "64 32" },
        { "bf16,fp32", "bf16 fp32" },
        { "8x32,4x16", "8x32 4x16" },
        { "1-4", "1 2 3 4" },
        { "8-64+24", "8 32 56" },
        { "8-100*2", "8 16 32 64" },
        { "16-16", "16" },
        { "1,8-16*2,3", "1 8 16 3" },
        { "", "!" },
        { ",", "!" },
        { "1,", "!" },
        { ",1", "!" },
        { "8-4", "!" },
        { "8-64+0", "!" },
        { "8-64*1", "!" },
        { "0-64*2", "!" },
        { "0-4096", "!" },
        { "0-999999999999999*999", "!" },
    };
    char got[256];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        XL_CHECK_TEXT(t, spell(rows[i].text, got, sizeof got), rows[i].items);
}

static void sizes_have_bounds(struct xl_test *t)
{
    struct xl_arena arena;
    struct xl_value_list list;
    struct xl_err err = { 0 };
    size_t sizes[XL_VALUE_LIST_MOST];
    xl_arena_init(&arena, 0);
    XL_CHECK_STATUS(t, xl_value_list_parse(&list, &arena, "-p", "1,512", &err),
                    XL_OK, &err);
    XL_CHECK_STATUS(t, xl_value_list_sizes(&list, "-p", 1, 512, sizes, &err),
                    XL_OK, &err);
    XL_CHECK_EQ(t, sizes[1], 512);
    XL_CHECK_EQ(t, xl_value_list_sizes(&list, "-p", 2, 512, sizes, &err),
                XL_EUSAGE);
    XL_CHECK_EQ(t, xl_value_list_sizes(&list, "-p", 1, 511, sizes, &err),
                XL_EUSAGE);
    xl_arena_release(&arena);
}

/* -- grids ---------------------------------------------------------------- */

static enum xl_status parse_line(struct xl_opts *opts,
                                 struct xl_opt_group groups[XL_OPT_GROUPS],
                                 int argc, const char *const *argv,
                                 struct xl_err *err)
{
    groups[XL_GROUP_OWN] = (struct xl_opt_group){ .title = "own" };
    groups[XL_GROUP_COMMON] = (struct xl_opt_group){ .title = "common" };
    groups[XL_GROUP_MODEL] = xl_session_opt_group();
    groups[XL_GROUP_TUNABLES] = xl_params_opt_group();
    return xl_opts_parse(opts, groups, XL_OPT_GROUPS, argc, argv, err);
}

static void params_of(struct xl_params *params, const struct xl_opts *point,
                      struct xl_test *t)
{
    struct xl_err err = { 0 };
    const struct xl_opt_value *pairs =
        &point->values[XL_GROUP_MODEL][XL_MODEL_PARAM];
    xl_params_init(params);
    XL_CHECK_STATUS(t,
                    xl_params_from_flags(params, point, XL_GROUP_TUNABLES,
                                         pairs->texts, pairs->n_texts, &err),
                    XL_OK, &err);
}

static void grid_is_a_product(struct xl_test *t)
{
    const char *const argv[] = { "--chunk-size",       "16-64*2", "--param",
                                 "workers=1,2",        "--param", "streams=3",
                                 "--weight-dtype=bf16" };
    struct xl_opt_group groups[XL_OPT_GROUPS];
    struct xl_opts opts;
    struct xl_bench_grid grid;
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, parse_line(&opts, groups, 7, argv, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_bench_grid_init(&grid, &opts, &err), XL_OK, &err);
    XL_CHECK_EQ(t, grid.n, 6);
    for (size_t i = 0; i < grid.n; i++) {
        struct xl_params p;
        params_of(&p, xl_bench_grid_point(&grid, i), t);
        XL_CHECK_EQ(t, p.value[XL_PARAM_CHUNK_SIZE], 16 << i / 2);
        XL_CHECK_EQ(t, p.value[XL_PARAM_WORKERS], 1 + i % 2);
        XL_CHECK_EQ(t, p.value[XL_PARAM_STREAMS], 3);
        XL_CHECK_EQ(t, p.value[XL_PARAM_WEIGHT_DTYPE], 1);
    }
    xl_bench_grid_release(&grid);
    xl_opts_release(&opts);
}

static void grid_of_one(struct xl_test *t)
{
    const char *const argv[] = { "--chunk-size", "48" };
    struct xl_opt_group groups[XL_OPT_GROUPS];
    struct xl_opts opts;
    struct xl_bench_grid grid;
    struct xl_params p;
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, parse_line(&opts, groups, 2, argv, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_bench_grid_init(&grid, &opts, &err), XL_OK, &err);
    XL_CHECK_EQ(t, grid.n, 1);
    XL_CHECK_EQ(t, grid.n_dims, 0);
    params_of(&p, xl_bench_grid_point(&grid, 0), t);
    XL_CHECK_EQ(t, p.value[XL_PARAM_CHUNK_SIZE], 48);
    xl_bench_grid_release(&grid);
    xl_opts_release(&opts);
}

static void grids_have_a_size(struct xl_test *t)
{
    static const char *const lines[][6] = {
        { "--chunk-size", "1-200", "--workers", "1-200" },
        { "--param", "workers=1,2", "--param", "workers=3,4" },
        { "--chunk-size", "16,,32", "--workers", "1" },
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct xl_opt_group groups[XL_OPT_GROUPS];
        struct xl_opts opts;
        struct xl_bench_grid grid;
        struct xl_err err = { 0 };
        XL_CHECK_STATUS(t, parse_line(&opts, groups, 4, lines[i], &err), XL_OK,
                        &err);
        XL_CHECK_EQ(t, xl_bench_grid_init(&grid, &opts, &err), XL_EUSAGE);
        XL_CHECK(t, err.message[0] != '\0');
        xl_opts_release(&opts);
    }
}

/* -- disturbance ---------------------------------------------------------- */

/* Two processors for one second: ours half of it, the rest idle. */
static void quiet_second(struct xl_probe *start, struct xl_probe *end)
{
    *start = (struct xl_probe){ .has_stat = true, .has_wait = true };
    *end = (struct xl_probe){ .has_stat = true,
                              .has_wait = true,
                              .all_ticks = 2 * TICKS,
                              .busy_ticks = TICKS,
                              .own_ns = SECOND,
                              .wall_ns = SECOND };
}

static unsigned dirt_between(const struct xl_probe *start,
                             const struct xl_probe *end)
{
    struct xl_disturbance d = xl_probe_between(start, end);
    return xl_disturbance_dirt(&d);
}

static void each_disturbance_is_seen(struct xl_test *t)
{
    struct xl_probe start, end;
    quiet_second(&start, &end);
    XL_CHECK_EQ(t, dirt_between(&start, &end), 0);
    end.wait_ns = SECOND / 10;
    XL_CHECK_EQ(t, dirt_between(&start, &end), 1u << XL_DIRT_WAIT);
    quiet_second(&start, &end);
    end.steal_ticks = 2 * TICKS / 10;
    XL_CHECK_EQ(t, dirt_between(&start, &end), 1u << XL_DIRT_STEAL);
    quiet_second(&start, &end);
    end.busy_ticks = 2 * TICKS - TICKS / 2;
    XL_CHECK_EQ(t, dirt_between(&start, &end), 1u << XL_DIRT_FOREIGN);
    quiet_second(&start, &end);
    end.switches = 500;
    XL_CHECK_EQ(t, dirt_between(&start, &end), 1u << XL_DIRT_SWITCHES);
}

/* Below the bounds, or without readings, a sample is quiet. */
static void small_disturbance_passes(struct xl_test *t)
{
    struct xl_probe start, end;
    quiet_second(&start, &end);
    end.wait_ns = SECOND / 100;
    end.steal_ticks = 1;
    end.busy_ticks += 10;
    end.switches = 20;
    XL_CHECK_EQ(t, dirt_between(&start, &end), 0);
    end.wait_ns = SECOND;
    end.has_wait = false;
    end.busy_ticks = 2 * TICKS;
    end.steal_ticks = TICKS;
    end.has_stat = false;
    XL_CHECK_EQ(t, dirt_between(&start, &end), 0);
    /* Three switches disturb nothing, however short the sample. */
    end.wall_ns = SECOND / 1000;
    end.switches = 3;
    XL_CHECK_EQ(t, dirt_between(&start, &end), 0);
    end.switches = 4;
    XL_CHECK_EQ(t, dirt_between(&start, &end), 1u << XL_DIRT_SWITCHES);
}

/* A sample of under five ticks has no shares; the wait still tells. */
static void short_samples_have_no_shares(struct xl_test *t)
{
    struct xl_probe start, end;
    quiet_second(&start, &end);
    end.all_ticks = 4;
    end.busy_ticks = 4;
    end.own_ns = 0;
    end.wall_ns = SECOND / 50;
    struct xl_disturbance d = xl_probe_between(&start, &end);
    XL_CHECK(t, !d.has[XL_DIRT_FOREIGN] && !d.has[XL_DIRT_STEAL]);
    XL_CHECK(t, d.has[XL_DIRT_WAIT]);
    /* A thread that ended takes its count along: no reading, not a huge one. */
    start.wait_ns = 5;
    d = xl_probe_between(&start, &end);
    XL_CHECK(t, !d.has[XL_DIRT_WAIT]);
}

static void this_process_can_be_probed(struct xl_test *t)
{
    struct xl_fastest fastest = { 0 };
    struct xl_probe probe;
    xl_probe_start(&probe, &fastest, "nothing");
    struct xl_disturbance d = xl_probe_stop(&probe);
    for (size_t i = 0; i < XL_DIRT_COUNT; i++)
        XL_CHECK(t, !d.has[i] || (isfinite(d.value[i]) && d.value[i] >= 0));
}

/* -- samples -------------------------------------------------------------- */

static struct xl_speeds speeds(double prefill, double decode, unsigned dirt)
{
    return (struct xl_speeds){ .tok_s = { { prefill, decode }, { 1.0, 1.0 } },
                               .dirt = dirt };
}

static void disturbed_samples_are_repeated(struct xl_test *t)
{
    struct xl_samples s;
    struct xl_err err = { 0 };
    struct xl_estimate e;
    XL_CHECK_STATUS(t, xl_samples_init(&s, 6, &err), XL_OK, &err);
    for (size_t i = 0; xl_samples_want_more(&s); i++) {
        bool dirty = i % 3 == 1;
        struct xl_speeds row =
            speeds(dirty ? 1.0 : 100.0, (double)NAN, dirty ? 1u : 0u);
        xl_samples_add(&s, &row);
    }
    XL_CHECK_EQ(t, xl_samples_quiet(&s), 6);
    XL_CHECK_EQ(t, s.n, 9); /* three were disturbed, and are still there */
    XL_CHECK(t, xl_samples_are_quiet(&s));
    XL_CHECK_STATUS(
        t, xl_samples_estimate(&s, 0, XL_SPEED_PREFILL, 0.95, &e, &err), XL_OK,
        &err);
    XL_CHECK_EQ(t, e.n, 6);
    XL_CHECK_NEAR(t, e.lo, 100, 0);
    XL_CHECK_STATUS(t,
                    xl_samples_estimate(&s, 0, XL_SPEED_DECODE, 0.95, &e, &err),
                    XL_OK, &err);
    XL_CHECK_EQ(t, e.n, 0);
    xl_samples_release(&s);
}

/* On a machine that is never quiet the number is bounded, all are used, and
 * the samples say so. After eight of ten the two that are left could no longer
 * make half of five. */
static void noise_has_an_end(struct xl_test *t)
{
    struct xl_samples s;
    struct xl_err err = { 0 };
    struct xl_estimate e;
    XL_CHECK_STATUS(t, xl_samples_init(&s, 5, &err), XL_OK, &err);
    while (xl_samples_want_more(&s)) {
        struct xl_speeds row = speeds(10.0, 20.0, 2u);
        xl_samples_add(&s, &row);
    }
    XL_CHECK_EQ(t, s.n, 8);
    XL_CHECK(t, !xl_samples_are_quiet(&s)); /* none of five */
    XL_CHECK_STATUS(
        t, xl_samples_estimate(&s, 0, XL_SPEED_PREFILL, 0.95, &e, &err), XL_OK,
        &err);
    XL_CHECK_EQ(t, e.n, 8);
    struct xl_speeds extra = speeds(1.0, 1.0, 0);
    for (size_t i = 0; i < 5; i++)
        xl_samples_add(&s, &extra);
    XL_CHECK_EQ(t, s.n, 10);
    XL_CHECK(t, !xl_samples_are_quiet(&s)); /* two of five */
    XL_CHECK_STATUS(t, xl_samples_extend(&s, 4, &err), XL_OK, &err);
    XL_CHECK(t, xl_samples_want_more(&s) && s.n == 10);
    xl_samples_add(&s, &extra);
    XL_CHECK(t, xl_samples_are_quiet(&s)); /* three of six */
    xl_samples_release(&s);
}

/* -- kernels by themselves ------------------------------------------------ */

static void shapes_are_read(struct xl_test *t)
{
    size_t sizes[XL_MICRO_SIZES] = { 0 };
    struct xl_err err = { 0 };
    const struct xl_micro *gemm = xl_micro_find("gemm");
    const struct xl_micro *pool = xl_micro_find("pool");
    XL_CHECK(t, xl_micro_find("gem") == NULL);
    for (const struct xl_micro *const *m = xl_micro_all(); *m; m++)
        XL_CHECK_STATUS(t, xl_micro_parse_shape(*m, (*m)->shape, sizes, &err),
                        XL_OK, &err);
    XL_CHECK_STATUS(t, xl_micro_parse_shape(gemm, "1x2x3", sizes, &err), XL_OK,
                    &err);
    XL_CHECK(t, sizes[0] == 1 && sizes[1] == 2 && sizes[2] == 3);
    static const char *const bad[] = { "",      "1x2",   "1x2x3x4", "1x2x",
                                       "0x2x3", "ax2x3", "1x2x-3",  "1x2x3 " };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        XL_CHECK_EQ(t, xl_micro_parse_shape(gemm, bad[i], sizes, &err),
                    XL_EUSAGE);
    XL_CHECK_EQ(t, xl_micro_parse_shape(pool, "0", sizes, &err), XL_OK);
}

/* Backends take a layer whose heads and tokens fit no tile. */
static void layers_are_timed(struct xl_test *t)
{
    struct xl_micro_report report = { 0 };
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(
        t,
        xl_micro_run(xl_micro_find("layer"), "3x70x16x24x2", 1, &report, &err),
        XL_OK, &err);
    XL_CHECK_EQ(t, report.n, (size_t)XL_CHUNK_COUNT);
    for (size_t i = 0; i < report.n; i++)
        XL_CHECK(t,
                 report.rows[i].why_not || report.rows[i].call_ns.median > 0);
    xl_micro_report_release(&report);
}

const struct xl_test_case xl_suite_bench[] = {
    XL_CASE(lists_are_read),
    XL_CASE(sizes_have_bounds),
    XL_CASE(grid_is_a_product),
    XL_CASE(grid_of_one),
    XL_CASE(grids_have_a_size),
    XL_CASE(each_disturbance_is_seen),
    XL_CASE(small_disturbance_passes),
    XL_CASE(short_samples_have_no_shares),
    XL_CASE(this_process_can_be_probed),
    XL_CASE(disturbed_samples_are_repeated),
    XL_CASE(noise_has_an_end),
    XL_CASE(shapes_are_read),
    XL_CASE(layers_are_timed),
    { 0 },
};
