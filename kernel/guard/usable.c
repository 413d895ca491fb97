/* SPDX-License-Identifier: Apache-2.0
 *
 * A process belongs to a group that /proc/self/cgroup names; the limits of the
 * groups above it hold as well. In a container the name may be one that only
 * the machine outside knows: folders that are not there are passed over, and
 * what is mounted is the container's own group. */
#include "kernel/guard/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernel/base/io.h"
#include "kernel/guard/memory_int.h"

enum {
    PATH = 4096,
    LINE = 4096
};

/* Where a version of cgroups keeps what. */
struct version {
    const char *controllers; /* of its line in /proc/self/cgroup */
    const char *mount;
    const char *limits[2]; /* the second may be NULL */
    const char *usage;
    const char *files[2]; /* keys of memory.stat */
};

static const struct version versions[] = {
    { .controllers = "",
      .mount = "/sys/fs/cgroup",
      .limits = { "memory.max", "memory.high" },
      .usage = "memory.current",
      .files = { "inactive_file ", "active_file " } },
    { .controllers = "memory",
      .mount = "/sys/fs/cgroup/memory",
      .limits = { "memory.limit_in_bytes", NULL },
      .usage = "memory.usage_in_bytes",
      .files = { "total_inactive_file ", "total_active_file " } },
};

static uint64_t room_below(uint64_t limit, uint64_t used)
{
    return limit > used ? limit - used : 0;
}

static bool read_number(const char *folder, const char *name, uint64_t *value)
{
    char path[PATH + 64], line[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return xl_io_line(path, line, sizeof line) &&
           sscanf(line, "%" SCNu64, value) == 1; /* "max" is no limit */
}

/* What a group uses, but for files that would make room. */
static bool read_usage(const char *folder, const struct version *v,
                       uint64_t *used)
{
    char path[PATH + 64];
    if (!read_number(folder, v->usage, used))
        return false;
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    for (size_t i = 0; i < 2; i++) {
        uint64_t files;
        if (xl_memory_line(path, v->files[i], &files))
            *used = room_below(*used, files);
    }
    return true;
}

/* Lowers *least to what the group in `folder` leaves. */
static void add_group(const char *folder, const struct version *v,
                      uint64_t *least)
{
    uint64_t used, limit;
    if (!read_usage(folder, v, &used))
        return;
    for (size_t i = 0; i < 2; i++)
        if (v->limits[i] && read_number(folder, v->limits[i], &limit) &&
            room_below(limit, used) < *least)
            *least = room_below(limit, used);
}

/* The group `name`, which begins with a slash, and all above it. */
static void add_groups(const char *root, const struct version *v,
                       const char *name, uint64_t *least)
{
    char folder[PATH];
    size_t top = strlen(root) + strlen(v->mount);
    snprintf(folder, sizeof folder, "%s%s%s", root, v->mount, name);
    while (strlen(folder) > top) {
        add_group(folder, v, least);
        *strrchr(folder, '/') = '\0';
    }
    add_group(folder, v, least);
}

/* Is `word` one of a list with commas, or is that list empty like it? */
static bool lists(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (; n && *list; list += strcspn(list, ",")) {
        list += *list == ',';
        if (strncmp(list, word, n) == 0 && (!list[n] || list[n] == ','))
            return true;
    }
    return n == 0 && !*list;
}

/* A line "4:memory:/a/b" of /proc/self/cgroup. */
static void add_line(const char *root, char *line, uint64_t *least)
{
    char *controllers = strchr(line, ':');
    char *name = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!name || name[1] != '/')
        return;
    *name++ = '\0';
    name[strcspn(name, "\n")] = '\0';
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
        if (lists(controllers + 1, versions[i].controllers))
            add_groups(root, &versions[i], name, least);
}

bool xl_memory_usable_under(const char *root, uint64_t *bytes)
{
    char path[PATH], line[LINE];
    uint64_t least = UINT64_MAX, kb;
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    if (xl_memory_line(path, "MemAvailable:", &kb))
        least = kb * 1024;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *groups = fopen(path, "re");
    while (groups && fgets(line, sizeof line, groups))
        add_line(root, line, &least);
    if (groups)
        fclose(groups);
    if (least < UINT64_MAX)
        *bytes = least;
    return least < UINT64_MAX;
}

/* What RLIMIT_AS leaves. */
static uint64_t room_of_addresses(void)
{
    struct rlimit limit;
    char line[128];
    uint64_t pages;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        !xl_io_line("/proc/self/statm", line, sizeof line) ||
        sscanf(line, "%" SCNu64, &pages) != 1)
        return UINT64_MAX;
    return room_below(limit.rlim_cur, pages * (uint64_t)sysconf(_SC_PAGESIZE));
}

bool xl_memory_usable(uint64_t *bytes)
{
    uint64_t addresses = room_of_addresses();
    if (!xl_memory_usable_under("", bytes))
        *bytes = UINT64_MAX;
    *bytes = addresses < *bytes ? addresses : *bytes;
    return *bytes < UINT64_MAX;
}
