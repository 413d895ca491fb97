/* SPDX-License-Identifier: Apache-2.0
 *
 * /proc/stat counts in ticks of 10 ms, so the foreign share of a short sample
 * is coarse: below five ticks it is not reported. */
#include "tuner/measure/probe.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernel/base/clock.h"

enum {
    LEAST_TICKS = 5
};

static bool read_stat(uint64_t *busy, uint64_t *all)
{
    unsigned long long v[8] = { 0 };
    FILE *f = fopen("/proc/stat", "re");
    if (!f)
        return false;
    int n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0],
                   &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
    fclose(f);
    if (n < 4)
        return false;
    *all = 0;
    for (int i = 0; i < 8; i++)
        *all += v[i];
    *busy = *all - v[3] - v[4]; /* idle and waiting for input */
    return true;
}

static int64_t involuntary_switches(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : 0;
}

void xl_probe_start(struct xl_probe *probe)
{
    probe->has_stat = read_stat(&probe->busy_ticks, &probe->all_ticks);
    probe->own_ns = xl_clock_cpu_ns();
    probe->switches = involuntary_switches();
    probe->wall_ns = xl_clock_ns();
}

struct xl_disturbance xl_probe_stop(const struct xl_probe *probe)
{
    uint64_t busy, all;
    struct xl_disturbance d = { .has_switches = true,
                                .ctx_switches =
                                    involuntary_switches() - probe->switches };
    double own = (double)(xl_clock_cpu_ns() - probe->own_ns);
    if (!probe->has_stat || !read_stat(&busy, &all) ||
        all < probe->all_ticks + LEAST_TICKS)
        return d;
    double tick_ns = 1e9 / (double)sysconf(_SC_CLK_TCK);
    double others = (double)(busy - probe->busy_ticks) * tick_ns - own;
    double total = (double)(all - probe->all_ticks) * tick_ns;
    d.has_foreign = true;
    d.foreign_cpu = others > 0.0 ? others / total : 0.0;
    return d;
}
