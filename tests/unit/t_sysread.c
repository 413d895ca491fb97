/* SPDX-License-Identifier: Apache-2.0
 *
 * Stall time and frequency: made files of /proc and /sys, text that is cut or
 * absurd, and samples on a machine that stalls or slows down.
 */
#include <stdio.h>
#include <string.h>

#include "kernel/base/rng.h"
#include "tests/harness/test.h"
#include "tuner/measure/probe.h"
#include "tuner/measure/sysread.h"

enum {
    SECOND = 1000000000,
    PATH = 700,
    MHZ = 1000
};

static const char pressure[] =
    "some avg10=7.78 avg60=14.84 avg300=54.94 total=22510694145";
/* A name with blanks, brackets and a number; it ran on core 5. */
static const char stat_line[] =
    "4321 (a (b) 7) S 1 4321 4321 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 100 "
    "200 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 5 0 0 0 0 0 1 2 3 4";

/* -- text ----------------------------------------------------------------- */

static void stalls_are_read(struct xl_test *t)
{
    static const char *const bad[] = {
        "",
        "some",
        "some avg10=0.00",
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=5",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=-5",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total= 5",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=5x",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=18446744073709551616",
        "some avg10=0.00 avg60=0.00 avg300=0.00 subtotal=5",
    };
    uint64_t us = 0;
    XL_CHECK(t, xl_sysread_stall(pressure, &us));
    XL_CHECK_EQ(t, us, 22510694145);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (xl_sysread_stall(bad[i], &us))
            XL_CHECK_TEXT(t, bad[i], "refused");
    XL_CHECK_EQ(t, us, 22510694145); /* what is refused leaves it alone */
}

static void cores_are_read(struct xl_test *t)
{
    static const char *const bad[] = { "", "1 (x", "1 (x)", "1 (x) S 1 2 3" };
    size_t core = 0;
    XL_CHECK(t, xl_sysread_core(stat_line, &core));
    XL_CHECK_EQ(t, core, 5);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        XL_CHECK(t, !xl_sysread_core(bad[i], &core));
    XL_CHECK_EQ(t, core, 5);
}

/* Cut anywhere and with any byte replaced: refused, or a number that fits. */
static void damaged_text_does_no_harm(struct xl_test *t)
{
    static const char *const texts[] = { pressure, stat_line };
    char text[400];
    struct xl_rng rng;
    size_t n_read = 0, n_wide = 0;
    xl_rng_seed(&rng, 11);
    for (size_t round = 0; round < 4000; round++) {
        const char *from = texts[round % 2];
        uint64_t us = 0;
        size_t len = strlen(from), core = 0;
        memcpy(text, from, len + 1);
        text[xl_rng_below(&rng, len)] = (char)xl_rng_below(&rng, 256);
        if (round % 3 == 0)
            text[xl_rng_below(&rng, len)] = '\0';
        n_read += xl_sysread_stall(text, &us);
        n_read += xl_sysread_core(text, &core);
        n_wide += core >= 1024;
    }
    XL_CHECK(t, n_read > 100 && n_read < 4000);
    XL_CHECK_EQ(t, n_wide, 0);
}

/* -- files ---------------------------------------------------------------- */

static void put_core(struct xl_test *t, size_t core, const char *khz)
{
    char name[PATH];
    snprintf(name, sizeof name, "cpu/cpu%zu/cpufreq/scaling_cur_freq", core);
    xl_test_write(t, name, khz);
}

static void put_thread(struct xl_test *t, size_t id, size_t core,
                       const char *schedstat)
{
    char name[PATH], line[PATH];
    snprintf(line, sizeof line,
             "%zu (w) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 "
             "22 23 24 25 26 27 28 29 30 31 32 33 34 35 %zu 37\n",
             id, core);
    snprintf(name, sizeof name, "task/%zu/stat", id);
    xl_test_write(t, name, line);
    snprintf(name, sizeof name, "task/%zu/schedstat", id);
    xl_test_write(t, name, schedstat);
}

static struct xl_frequency read_made(struct xl_test *t)
{
    char tasks[PATH], cpus[PATH];
    snprintf(tasks, sizeof tasks, "%s/task", t->dir);
    snprintf(cpus, sizeof cpus, "%s/cpu", t->dir);
    return xl_sysread_frequency(tasks, cpus);
}

static void stall_files_are_read(struct xl_test *t)
{
    char path[PATH];
    uint64_t us = 1;
    snprintf(path, sizeof path, "%s/p/io", t->dir);
    XL_CHECK(t, !xl_sysread_stall_file(path, &us));
    xl_test_write(t, "p/io", "");
    XL_CHECK(t, !xl_sysread_stall_file(path, &us));
    xl_test_write(t, "p/io",
                  "some avg10=0.00 avg60=0.00 avg300=0.00 total=77\n"
                  "full avg10=0.00 avg60=0.00 avg300=0.00 total=33\n");
    XL_CHECK(t, xl_sysread_stall_file(path, &us));
    XL_CHECK_EQ(t, us, 77);
}

/* Core 0 is idle, 1 and 3 work, 2 has a thread that hardly runs. */
static void cores_at_work_count(struct xl_test *t)
{
    put_core(t, 0, "800000\n");
    put_core(t, 1, "3000000\n");
    put_core(t, 2, "900000\n");
    put_core(t, 3, "2000000\n");
    XL_CHECK_EQ(t, read_made(t).cores, 0); /* no threads */
    put_thread(t, 10, 1, "8000 5 1\n");
    put_thread(t, 11, 3, "7000 5 1\n");
    put_thread(t, 12, 2, "900 5 1\n");
    put_thread(t, 13, 9, "hello\n");
    struct xl_frequency f = read_made(t);
    XL_CHECK_EQ(t, f.cores, 2);
    XL_CHECK_NEAR(t, f.khz, 2500000, 1e-6);
    /* Two threads together make core 2 one at work. */
    put_thread(t, 14, 2, "900 5 1\n");
    f = read_made(t);
    XL_CHECK_EQ(t, f.cores, 3);
    XL_CHECK_NEAR(t, f.khz, 5900000 / 3.0, 1e-6);
}

static void absurd_frequencies_are_none(struct xl_test *t)
{
    static const char *const bad[] = { "",     "0\n",  "<unknown>\n",
                                       "-5\n", "12\n", "99999999999\n" };
    put_thread(t, 10, 1, "8000 5 1\n");
    XL_CHECK_EQ(t, read_made(t).cores, 0); /* as in a virtual machine */
    put_core(t, 0, "3000000\n");
    XL_CHECK_EQ(t, read_made(t).cores, 0); /* core 1 is not there */
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put_core(t, 1, bad[i]);
        XL_CHECK_EQ(t, read_made(t).cores, 0);
    }
    put_core(t, 1, "3000000\n");
    XL_CHECK_EQ(t, read_made(t).cores, 1);
}

/* -- grades --------------------------------------------------------------- */

static unsigned dirt_of(const struct xl_probe *start,
                        const struct xl_probe *end)
{
    struct xl_disturbance d = xl_probe_between(start, end);
    return xl_disturbance_dirt(&d);
}

static void pressure_disturbs(struct xl_test *t)
{
    static const enum xl_dirt ids[] = { XL_DIRT_MEMORY, XL_DIRT_IO };
    for (size_t i = 0; i < XL_STALL_COUNT; i++) {
        struct xl_probe start = { .has_stall = { true, true },
                                  .stall_us = { 1000000, 2000000 } };
        struct xl_probe end = start;
        end.wall_ns = SECOND;
        XL_CHECK_EQ(t, dirt_of(&start, &end), 0); /* level */
        end.stall_us[i] = start.stall_us[i] + 40000;
        XL_CHECK_EQ(t, dirt_of(&start, &end), 0); /* 4 % */
        end.stall_us[i] = start.stall_us[i] + 60000;
        XL_CHECK_EQ(t, dirt_of(&start, &end), 1u << ids[i]);
        end.wall_ns = SECOND / 10; /* 60 % of a tenth */
        XL_CHECK_EQ(t, dirt_of(&start, &end), 1u << ids[i]);
        end.has_stall[i] = false;
        XL_CHECK_EQ(t, dirt_of(&start, &end), 0);
        end.has_stall[i] = true;
        start.has_stall[i] = false;
        XL_CHECK_EQ(t, dirt_of(&start, &end), 0);
    }
}

/* Counts that fall, stall longer than the time, and samples that are too short
 * for the kernel's ticks have no reading. */
static void odd_pressure_is_none(struct xl_test *t)
{
    struct xl_probe start = { .has_stall = { true, true },
                              .stall_us = { 1000, 1000 } };
    struct xl_probe end = { .has_stall = { true, true },
                            .stall_us = { 999, UINT64_MAX },
                            .wall_ns = SECOND };
    struct xl_disturbance d = xl_probe_between(&start, &end);
    XL_CHECK(t, !d.has[XL_DIRT_MEMORY] && !d.has[XL_DIRT_IO]);
    end.stall_us[0] = end.stall_us[1] = 6000;
    end.wall_ns = SECOND / 100;
    XL_CHECK_EQ(t, dirt_of(&start, &end), 0);
    end.wall_ns = SECOND / 50;
    XL_CHECK_EQ(t, dirt_of(&start, &end),
                1u << XL_DIRT_MEMORY | 1u << XL_DIRT_IO);
}

/* The grade of a sample of a load that ends at so many MHz. */
static unsigned slowed(struct xl_fastest *fastest, const char *load,
                       size_t cores, double mhz)
{
    struct xl_probe start = { .fastest = fastest, .load = load };
    struct xl_probe end = { .frequency = { mhz * MHZ, cores } };
    return dirt_of(&start, &end);
}

static const unsigned slow = 1u << XL_DIRT_FREQUENCY;

static void slow_cores_disturb(struct xl_test *t)
{
    struct xl_fastest fastest = { 0 };
    XL_CHECK_EQ(t, slowed(&fastest, "a", 2, 3000), 0);
    XL_CHECK_EQ(t, slowed(&fastest, "a", 2, 3000), 0);
    XL_CHECK_EQ(t, slowed(&fastest, "a", 2, 2800), 0); /* 7 % */
    XL_CHECK_EQ(t, slowed(&fastest, "a", 2, 2600), slow);
    XL_CHECK_EQ(t, slowed(&fastest, "a", 2, 4000), 0);
    XL_CHECK_EQ(t, slowed(&fastest, "a", 2, 3000), slow);
    /* A lone core that is faster says nothing of all of them. */
    XL_CHECK_EQ(t, slowed(&fastest, "a", 1, 5000), 0);
    XL_CHECK_EQ(t, slowed(&fastest, "a", 2, 4000), 0);
}

/* As on a processor that runs a tenth and more slower under wide vectors. */
static void loads_have_their_own_frequency(struct xl_test *t)
{
    struct xl_fastest fastest = { 0 };
    for (size_t i = 0; i < 3; i++) {
        XL_CHECK_EQ(t, slowed(&fastest, "narrow", 2, 3000), 0);
        XL_CHECK_EQ(t, slowed(&fastest, "wide", 2, 2500), 0);
    }
    XL_CHECK_EQ(t, slowed(&fastest, "wide", 2, 2000), slow);
    XL_CHECK_EQ(t, slowed(&fastest, "narrow", 2, 2500), slow);
}

/* More loads than there are rows: the oldest is forgotten, no other. */
static void many_loads_have_room(struct xl_test *t)
{
    struct xl_fastest fastest = { 0 };
    char load[16];
    for (size_t i = 0; i < XL_FASTEST_ROWS + 1; i++) {
        snprintf(load, sizeof load, "%zu", i);
        XL_CHECK_EQ(t, slowed(&fastest, load, 2, 3000), 0);
    }
    XL_CHECK_EQ(t, slowed(&fastest, "1", 2, 2000), slow);
    XL_CHECK_EQ(t, slowed(&fastest, load, 2, 2000), slow);
    XL_CHECK_EQ(t, slowed(&fastest, "0", 2, 2000), 0);
}

static void no_frequency_is_not_graded(struct xl_test *t)
{
    struct xl_fastest fastest = { 0 };
    XL_CHECK_EQ(t, slowed(&fastest, "a", 2, 3000), 0);
    XL_CHECK_EQ(t, slowed(NULL, "a", 2, 1000), 0);
    XL_CHECK_EQ(t, slowed(&fastest, "a", 0, 1000), 0);
}

static void reasons_have_names(struct xl_test *t)
{
    XL_CHECK_TEXT(t, xl_dirt_name(XL_DIRT_MEMORY), "memory_pressure");
    XL_CHECK_TEXT(t, xl_dirt_name(XL_DIRT_IO), "io_pressure");
    XL_CHECK_TEXT(t, xl_dirt_name(XL_DIRT_FREQUENCY), "frequency");
    /* Stored rounds hold the places. */
    XL_CHECK_EQ(t, XL_DIRT_WAIT, 0);
    XL_CHECK_EQ(t, XL_DIRT_MEMORY, 4);
}

const struct xl_test_case xl_suite_sysread[] = {
    XL_CASE(stalls_are_read),           XL_CASE(cores_are_read),
    XL_CASE(damaged_text_does_no_harm), XL_CASE(stall_files_are_read),
    XL_CASE(cores_at_work_count),       XL_CASE(absurd_frequencies_are_none),
    XL_CASE(pressure_disturbs),         XL_CASE(odd_pressure_is_none),
    XL_CASE(slow_cores_disturb),        XL_CASE(loads_have_their_own_frequency),
    XL_CASE(many_loads_have_room),      XL_CASE(no_frequency_is_not_graded),
    XL_CASE(reasons_have_names),        { 0 },
};
