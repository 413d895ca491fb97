/* SPDX-License-Identifier: Apache-2.0
 *
 * Readings of /proc and /sys that grade a sample: how long tasks stalled for
 * memory or storage, and how fast the cores run that we used. Where a file is
 * missing or says something else there is no reading.
 */
#ifndef XL_SYSREAD_H
#define XL_SYSREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xl_frequency {
    double khz;   /* mean of the cores; 0 = no reading */
    size_t cores; /* that our threads work on */
};

/* From the first line of a file of /proc/pressure: microseconds, since the
 * machine started, in which some task was stalled. */
bool xl_sysread_stall(const char *line, uint64_t *us);
bool xl_sysread_stall_file(const char *path, uint64_t *us);

/* From /proc/PID/stat: the core that the thread ran on last. */
bool xl_sysread_core(const char *line, size_t *core);

/* Of the cores where the threads under `tasks` (as /proc/self/task) ran last;
 * those with less than an eighth of the busiest one's processor time idle and
 * do not count. `cpus` is as /sys/devices/system/cpu. */
struct xl_frequency xl_sysread_frequency(const char *tasks, const char *cpus);

#endif
