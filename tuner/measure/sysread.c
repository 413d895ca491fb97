/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/measure/sysread.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/io.h"

enum {
    CORES_MOST = 1024,
    LINE = 512,
    PATH = 600,
    IDLE_SHARE = 8,
    KHZ_LEAST = 10000,    /* what is slower is no processor, */
    KHZ_MOST = 100000000, /* nor is what is faster */
    CORE_FIELD = 39,      /* of /proc/PID/stat, counted from 1 */
    AFTER_NAME = 2        /* the field that is the name in brackets */
};

/* -- numbers -------------------------------------------------------------- */

/* The whole number at the start of text, without sign or blank, up to the end
 * of the text or a blank. */
static bool read_whole(const char *text, uint64_t *out)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || !strchr(" \n", *end))
        return false;
    *out = value;
    return true;
}

bool xl_sysread_stall(const char *line, uint64_t *us)
{
    static const char some[] = "some ", total[] = " total=";
    const char *at = strstr(line, total);
    return strncmp(line, some, strlen(some)) == 0 && at &&
           read_whole(at + strlen(total), us);
}

bool xl_sysread_stall_file(const char *path, uint64_t *us)
{
    char line[LINE];
    return xl_io_line(path, line, sizeof line) && xl_sysread_stall(line, us);
}

/* The name may hold blanks and brackets: what counts is behind its last. */
bool xl_sysread_core(const char *line, size_t *core)
{
    uint64_t value;
    const char *at = strrchr(line, ')');
    for (int field = AFTER_NAME; at && field < CORE_FIELD; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    if (!at || !read_whole(at, &value) || value >= CORES_MOST)
        return false;
    *core = (size_t)value;
    return true;
}

/* -- frequency ------------------------------------------------------------ */

/* Adds what a thread has run to the core it ran on last. */
static void add_thread(const char *tasks, const char *id,
                       uint64_t ran[CORES_MOST])
{
    char path[PATH], line[LINE];
    uint64_t ns;
    size_t core;
    snprintf(path, sizeof path, "%s/%s/schedstat", tasks, id);
    if (!xl_io_line(path, line, sizeof line) || !read_whole(line, &ns))
        return;
    snprintf(path, sizeof path, "%s/%s/stat", tasks, id);
    if (xl_io_line(path, line, sizeof line) && xl_sysread_core(line, &core))
        ran[core] = ns > UINT64_MAX - ran[core] ? UINT64_MAX : ran[core] + ns;
}

static void add_threads(const char *tasks, uint64_t ran[CORES_MOST])
{
    DIR *dir = opendir(tasks);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            add_thread(tasks, entry->d_name, ran);
    if (dir)
        closedir(dir);
}

static bool read_khz(const char *cpus, size_t core, double *khz)
{
    char path[PATH], line[LINE];
    uint64_t value;
    snprintf(path, sizeof path, "%s/cpu%zu/cpufreq/scaling_cur_freq", cpus,
             core);
    if (!xl_io_line(path, line, sizeof line) || !read_whole(line, &value) ||
        value < KHZ_LEAST || value > KHZ_MOST)
        return false;
    *khz = (double)value;
    return true;
}

struct xl_frequency xl_sysread_frequency(const char *tasks, const char *cpus)
{
    const struct xl_frequency none = { 0 };
    struct xl_frequency mean = { 0 };
    uint64_t ran[CORES_MOST] = { 0 }, most = 0;
    double khz;
    if (!read_khz(cpus, 0, &khz)) /* as in virtual machines: look no further */
        return none;
    add_threads(tasks, ran);
    for (size_t i = 0; i < CORES_MOST; i++)
        most = ran[i] > most ? ran[i] : most;
    for (size_t i = 0; i < CORES_MOST; i++) {
        if (ran[i] == 0 || ran[i] < most / IDLE_SHARE)
            continue;
        if (!read_khz(cpus, i, &khz))
            return none;
        mean.khz += khz;
        mean.cores++;
    }
    if (mean.cores)
        mean.khz /= (double)mean.cores;
    return mean;
}
