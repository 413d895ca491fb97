/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything comes from /proc and /sys; statm costs about a microsecond. */
#include "kernel/guard/memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/io.h"
#include "kernel/guard/memory_int.h"

#define MIB 1048576.0

const char xl_memory_csv_header[] = "ts,rss_mb,avail_mb,total_mb,cgroup_mb,psi";

bool xl_memory_line(const char *path, const char *key, uint64_t *value)
{
    char line[256];
    bool found = false;
    FILE *f = fopen(path, "re");
    while (f && !found && fgets(line, sizeof line, f))
        found = strncmp(line, key, strlen(key)) == 0 &&
                sscanf(line + strlen(key), "%" SCNu64, value) == 1;
    if (f)
        fclose(f);
    return found;
}

static bool read_kb(const char *path, const char *key, uint64_t *bytes)
{
    uint64_t kb = 0;
    bool found = xl_memory_line(path, key, &kb);
    *bytes = kb * 1024;
    return found;
}

static bool read_bytes(const char *path, uint64_t *bytes)
{
    char line[256];
    unsigned long long n;
    if (!xl_io_line(path, line, sizeof line) || sscanf(line, "%llu", &n) != 1)
        return false;
    *bytes = n;
    return true;
}

static bool read_pressure(double *percent)
{
    char line[256];
    return xl_io_line("/proc/pressure/memory", line, sizeof line) &&
           sscanf(line, "some avg10=%lf", percent) == 1;
}

void xl_memory_read(struct xl_memory *m)
{
    *m = (struct xl_memory){ 0 };
    m->has_rss = read_kb("/proc/self/status", "VmRSS:", &m->rss_bytes);
    m->has_peak = read_kb("/proc/self/status", "VmHWM:", &m->peak_bytes);
    m->has_available =
        read_kb("/proc/meminfo", "MemAvailable:", &m->available_bytes);
    m->has_total = read_kb("/proc/meminfo", "MemTotal:", &m->total_bytes);
    m->has_cgroup =
        read_bytes("/sys/fs/cgroup/memory.current", &m->cgroup_bytes) ||
        read_bytes("/sys/fs/cgroup/memory/memory.usage_in_bytes",
                   &m->cgroup_bytes);
    m->has_pressure = read_pressure(&m->pressure);
}

bool xl_memory_forget_peak(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, "5", 1) == 1;
    if (fd >= 0)
        close(fd);
    return ok;
}

static void add_mib(struct xl_buf *out, bool has, uint64_t bytes)
{
    if (has)
        xl_buf_printf(out, ",%.1f", (double)bytes / MIB);
    else
        xl_buf_char(out, ',');
}

void xl_memory_csv(const struct xl_memory *m, int64_t wall_ms,
                   struct xl_buf *out)
{
    xl_buf_printf(out, "%.3f", (double)wall_ms / 1000.0);
    add_mib(out, m->has_rss, m->rss_bytes);
    add_mib(out, m->has_available, m->available_bytes);
    add_mib(out, m->has_total, m->total_bytes);
    add_mib(out, m->has_cgroup, m->cgroup_bytes);
    if (m->has_pressure)
        xl_buf_printf(out, ",%.2f\n", m->pressure);
    else
        xl_buf_text(out, ",\n");
}
