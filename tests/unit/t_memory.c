/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that may be taken, on made machines: files as /proc and /sys have
 * them, below the case's folder. */
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/io.h"
#include "kernel/guard/memory.h"
#include "kernel/guard/memory_int.h"
#include "tests/harness/test.h"

#define MIB ((uint64_t)1 << 20)

enum {
    FREE_MIB = 1000, /* of the machine */
    NONE = -1        /* no such file, or no limit */
};

/* Files of one group, in MiB. */
struct group {
    const char *folder; /* below /sys/fs/cgroup */
    int max, high, used, inactive_file, active_file;
};

static void put(struct xl_test *t, const char *folder, const char *file,
                int mib, const char *without)
{
    char name[256], text[64];
    snprintf(name, sizeof name, "sys/fs/cgroup%s/%s", folder, file);
    snprintf(text, sizeof text, "%llu\n",
             (unsigned long long)mib * (unsigned long long)MIB);
    if (mib != NONE || without)
        xl_test_write(t, name, mib == NONE ? without : text);
}

static void put_stat(struct xl_test *t, const struct group *g, const char *of)
{
    char name[256], text[256];
    snprintf(name, sizeof name, "sys/fs/cgroup%s/memory.stat", g->folder);
    snprintf(text, sizeof text,
             "anon 77\ninactive_file_of_others 5\n"
             "%sinactive_file %llu\n%sactive_file %llu\n",
             of, (unsigned long long)g->inactive_file * MIB, of,
             (unsigned long long)g->active_file * MIB);
    xl_test_write(t, name, text);
}

static void put_v2(struct xl_test *t, const struct group *g)
{
    put(t, g->folder, "memory.max", g->max, "max\n");
    put(t, g->folder, "memory.high", g->high, "max\n");
    put(t, g->folder, "memory.current", g->used, NULL);
    put_stat(t, g, "");
}

static void put_v1(struct xl_test *t, const struct group *g)
{
    put(t, g->folder, "memory.limit_in_bytes", g->max, "9223372036854771712\n");
    put(t, g->folder, "memory.usage_in_bytes", g->used, NULL);
    put_stat(t, g, "total_");
}

static void put_machine(struct xl_test *t, const char *groups)
{
    char text[128];
    snprintf(text, sizeof text,
             "MemTotal:  99999999 kB\nMemAvailable:    %d kB\n",
             FREE_MIB * 1024);
    xl_test_write(t, "proc/meminfo", text);
    xl_test_write(t, "proc/self/cgroup", groups);
}

/* In MiB; NONE when nothing is known. */
static long long usable(const struct xl_test *t)
{
    uint64_t bytes = 0;
    return xl_memory_usable_under(t->dir, &bytes) ? (long long)(bytes / MIB)
                                                  : NONE;
}

static void a_machine_without_groups(struct xl_test *t)
{
    XL_CHECK_EQ(t, usable(t), NONE);
    put_machine(t, "");
    XL_CHECK_EQ(t, usable(t), FREE_MIB);
    put_machine(t, "0::/a/b\n"); /* a folder that is not there */
    XL_CHECK_EQ(t, usable(t), FREE_MIB);
}

static void limits_of_version_2(struct xl_test *t)
{
    struct group g = { .folder = "/a/b", .max = NONE, .high = NONE };
    put_machine(t, "0::/a/b\n");
    g.used = 300;
    put_v2(t, &g);
    XL_CHECK_EQ(t, usable(t), FREE_MIB);
    g.max = 700;
    put_v2(t, &g);
    XL_CHECK_EQ(t, usable(t), 400);
    g.high = 500;
    put_v2(t, &g);
    XL_CHECK_EQ(t, usable(t), 200);
    g.inactive_file = 100; /* files make room */
    g.active_file = 50;
    put_v2(t, &g);
    XL_CHECK_EQ(t, usable(t), 350);
    g.used = 900;
    put_v2(t, &g);
    XL_CHECK_EQ(t, usable(t), 0);
}

static void groups_above_hold_as_well(struct xl_test *t)
{
    const struct group above = { "/a", 600, NONE, 350, 0, 0 };
    const struct group top = { "", 9000, NONE, 200, 0, 0 };
    const struct group beside = { "/a/c", 10, NONE, 10, 0, 0 };
    put_machine(t, "1:cpu,cpuset:/x\n0::/a/b\n");
    put_v2(t, &beside);
    XL_CHECK_EQ(t, usable(t), FREE_MIB);
    put_v2(t, &above);
    XL_CHECK_EQ(t, usable(t), 250);
    put_v2(t, &top);
    XL_CHECK_EQ(t, usable(t), 250);
}

/* What a container sees of a group that has another name inside. */
static void containers_mount_their_own_group(struct xl_test *t)
{
    const struct group own = { "", 512, NONE, 112, 0, 0 };
    put_machine(t, "0::/\n");
    put_v2(t, &own);
    XL_CHECK_EQ(t, usable(t), 400);
    put_machine(t, "0::/docker/0123456789abcdef\n");
    XL_CHECK_EQ(t, usable(t), 400);
}

static void limits_of_version_1(struct xl_test *t)
{
    struct group g = { "/memory/a", NONE, NONE, 300, 40, 60 };
    put_machine(t, "9:cpu:/z\n4:hugetlb,memory:/a\n0::/\n");
    put_v1(t, &g);
    XL_CHECK_EQ(t, usable(t), FREE_MIB);
    g.max = 600;
    put_v1(t, &g);
    XL_CHECK_EQ(t, usable(t), 400);
    put_machine(t, "4:memoryx:/a\n"); /* another controller */
    XL_CHECK_EQ(t, usable(t), FREE_MIB);
}

static void odd_files_are_passed_over(struct xl_test *t)
{
    static const char *const odd[] = {
        "0", "0:", "0::", "0::x\n", "::::\n", "\n\n", "0::///\n", "0::/..\n",
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        put_machine(t, odd[i]);
        XL_CHECK_EQ(t, usable(t), FREE_MIB);
    }
    put_machine(t, "0::/a\n");
    xl_test_write(t, "sys/fs/cgroup/a/memory.max", "plenty\n");
    xl_test_write(t, "sys/fs/cgroup/a/memory.current", "1000000\n");
    XL_CHECK_EQ(t, usable(t), FREE_MIB);
}

/* In a process of its own. */
static void address_space_counts(struct xl_test *t)
{
    const uint64_t more = 64 * MIB;
    char line[128];
    unsigned long long pages = 0;
    int status = 0;
    XL_CHECK(t, xl_io_line("/proc/self/statm", line, sizeof line) &&
                    sscanf(line, "%llu", &pages) == 1);
    pid_t child = fork();
    if (child == 0) {
        rlim_t most = pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
        const struct rlimit limit = { .rlim_cur = most, .rlim_max = most };
        uint64_t bytes = 0;
        bool ok = xl_memory_usable(&bytes) && bytes > more;
        ok = ok && setrlimit(RLIMIT_AS, &limit) == 0;
        ok = ok && xl_memory_usable(&bytes) && bytes <= more;
        _exit(ok ? 0 : 1);
    }
    XL_CHECK(t, child > 0 && waitpid(child, &status, 0) == child);
    XL_CHECK_EQ(t, status, 0);
}

const struct xl_test_case xl_suite_memory[] = {
    XL_CASE(a_machine_without_groups),
    XL_CASE(limits_of_version_2),
    XL_CASE(groups_above_hold_as_well),
    XL_CASE(containers_mount_their_own_group),
    XL_CASE(limits_of_version_1),
    XL_CASE(odd_files_are_passed_over),
    XL_CASE(address_space_counts),
    { 0 },
};
