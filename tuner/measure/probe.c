/* SPDX-License-Identifier: Apache-2.0
 *
 * /proc/stat counts in ticks of 10 ms, so shares of a short sample are coarse:
 * below five ticks they are not reported. The run-queue wait of our threads
 * counts in nanoseconds and sees every neighbour that takes a core of ours, so
 * it is what tells on short samples. The kernel files a wait when the thread
 * gets to run again. Cores are slow before they have work and then still at the
 * speed of the work before, so a frequency counts only when it was read right
 * after, and against others of the same work. */
#include "tuner/measure/probe.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernel/base/clock.h"

enum {
    LEAST_TICKS = 5,
    LEAST_STALL_NS = 20000000, /* the kernel weighs stalls by its ticks */
    FEW_SWITCHES = 3           /* so few disturb no sample, however short */
};

static const struct {
    const char *name;
    double most;
} rows[XL_DIRT_COUNT] = {
#define XL_DIRT(id, name, most, what) [XL_DIRT_##id] = { name, most },
#include "tuner/measure/dirt.def"
#undef XL_DIRT
};

const char *xl_dirt_name(enum xl_dirt id)
{
    return rows[id].name;
}

static bool read_stat(struct xl_probe *probe)
{
    unsigned long long v[8] = { 0 };
    FILE *f = fopen("/proc/stat", "re");
    if (!f)
        return false;
    int n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0],
                   &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
    fclose(f);
    if (n < 8)
        return false;
    probe->all_ticks = 0;
    for (int i = 0; i < 8; i++)
        probe->all_ticks += v[i];
    probe->steal_ticks = v[7];
    /* idle, waiting for input, and stolen time are nobody's work here */
    probe->busy_ticks = probe->all_ticks - v[3] - v[4] - v[7];
    return true;
}

/* The second number of schedstat: nanoseconds ready but not running. */
static bool read_wait(uint64_t *ns)
{
    DIR *dir = opendir("/proc/self/task");
    const struct dirent *entry;
    bool any = false;
    *ns = 0;
    while (dir && (entry = readdir(dir))) {
        char path[sizeof entry->d_name + 40];
        unsigned long long ran, waited;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/schedstat",
                 entry->d_name);
        FILE *f = fopen(path, "re");
        if (f && fscanf(f, "%llu %llu", &ran, &waited) == 2) {
            *ns += waited;
            any = true;
        }
        if (f)
            fclose(f);
    }
    if (dir)
        closedir(dir);
    return any;
}

static void read_stalls(struct xl_probe *probe)
{
    static const char *const paths[XL_STALL_COUNT] = {
        [XL_STALL_MEMORY] = "/proc/pressure/memory",
        [XL_STALL_IO] = "/proc/pressure/io",
    };
    for (size_t i = 0; i < XL_STALL_COUNT; i++)
        probe->has_stall[i] =
            xl_sysread_stall_file(paths[i], &probe->stall_us[i]);
}

static struct xl_frequency read_frequency(void)
{
    return xl_sysread_frequency("/proc/self/task", "/sys/devices/system/cpu");
}

static int64_t involuntary_switches(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : 0;
}

void xl_probe_start(struct xl_probe *probe, struct xl_fastest *fastest,
                    const char *load)
{
    *probe = (struct xl_probe){ .fastest = fastest, .load = load };
    read_stalls(probe);
    probe->has_stat = read_stat(probe);
    probe->has_wait = read_wait(&probe->wait_ns);
    probe->switches = involuntary_switches();
    probe->own_ns = xl_clock_cpu_ns();
    probe->wall_ns = xl_clock_ns();
}

static void put(struct xl_disturbance *d, enum xl_dirt id, double value)
{
    d->has[id] = true;
    d->value[id] = value > 0.0 ? value : 0.0;
}

/* More stall than time is no reading. */
static void put_stalls(struct xl_disturbance *d, const struct xl_probe *start,
                       const struct xl_probe *end)
{
    static const enum xl_dirt ids[XL_STALL_COUNT] = {
        [XL_STALL_MEMORY] = XL_DIRT_MEMORY,
        [XL_STALL_IO] = XL_DIRT_IO,
    };
    double wall = (double)(end->wall_ns - start->wall_ns);
    for (size_t i = 0; i < XL_STALL_COUNT && wall >= LEAST_STALL_NS; i++) {
        if (!start->has_stall[i] || !end->has_stall[i] ||
            end->stall_us[i] < start->stall_us[i])
            continue;
        double share =
            (double)(end->stall_us[i] - start->stall_us[i]) * 1e3 / wall;
        if (share < 2.0)
            put(d, ids[i], share);
    }
}

/* The row of a load on so many cores, an empty one where there was none. */
static struct xl_fastest_row *find_row(struct xl_fastest *fastest,
                                       const char *load, size_t cores)
{
    size_t n = fastest->n < XL_FASTEST_ROWS ? fastest->n : XL_FASTEST_ROWS;
    for (size_t i = 0; i < n; i++)
        if (fastest->rows[i].cores == cores &&
            strcmp(fastest->rows[i].load, load) == 0)
            return &fastest->rows[i];
    struct xl_fastest_row *row = &fastest->rows[fastest->n++ % XL_FASTEST_ROWS];
    *row = (struct xl_fastest_row){ .cores = cores };
    snprintf(row->load, sizeof row->load, "%s", load);
    return row;
}

static void put_frequency(struct xl_disturbance *d,
                          const struct xl_probe *start,
                          const struct xl_probe *end)
{
    const struct xl_frequency *now = &end->frequency;
    if (!start->fastest || now->cores == 0)
        return;
    struct xl_fastest_row *row =
        find_row(start->fastest, start->load, now->cores);
    if (now->khz > row->khz)
        row->khz = now->khz;
    put(d, XL_DIRT_FREQUENCY, 1.0 - now->khz / row->khz);
}

struct xl_disturbance xl_probe_between(const struct xl_probe *start,
                                       const struct xl_probe *end)
{
    struct xl_disturbance d = { .ctx_switches =
                                    end->switches - start->switches };
    double wall = (double)(end->wall_ns - start->wall_ns);
    if (wall > 0)
        put(&d, XL_DIRT_SWITCHES, (double)d.ctx_switches / wall * 1e9);
    /* A thread that ended took its count with it. */
    if (start->has_wait && end->has_wait && wall > 0 &&
        end->wait_ns >= start->wait_ns)
        put(&d, XL_DIRT_WAIT, (double)(end->wait_ns - start->wait_ns) / wall);
    put_stalls(&d, start, end);
    put_frequency(&d, start, end);
    if (!start->has_stat || !end->has_stat ||
        end->all_ticks < start->all_ticks + LEAST_TICKS)
        return d;
    double tick_ns = 1e9 / (double)sysconf(_SC_CLK_TCK);
    double total = (double)(end->all_ticks - start->all_ticks);
    double busy = (double)end->busy_ticks - (double)start->busy_ticks;
    double steal = (double)end->steal_ticks - (double)start->steal_ticks;
    double own = (double)(end->own_ns - start->own_ns) / tick_ns;
    put(&d, XL_DIRT_STEAL, steal / total);
    put(&d, XL_DIRT_FOREIGN, (busy - own) / total);
    return d;
}

struct xl_disturbance xl_probe_stop(const struct xl_probe *probe)
{
    struct xl_probe end = { .wall_ns = xl_clock_ns(),
                            .own_ns = xl_clock_cpu_ns(),
                            .switches = involuntary_switches() };
    end.has_stat = read_stat(&end);
    end.has_wait = read_wait(&end.wait_ns);
    read_stalls(&end);
    if (probe->fastest)
        end.frequency = read_frequency();
    return xl_probe_between(probe, &end);
}

unsigned xl_disturbance_dirt(const struct xl_disturbance *d)
{
    unsigned bits = 0;
    for (size_t i = 0; i < XL_DIRT_COUNT; i++) {
        bool few = i == XL_DIRT_SWITCHES && d->ctx_switches <= FEW_SWITCHES;
        if (d->has[i] && d->value[i] > rows[i].most && !few)
            bits |= 1u << i;
    }
    return bits;
}
