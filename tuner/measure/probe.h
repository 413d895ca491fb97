/* SPDX-License-Identifier: Apache-2.0
 *
 * What else the machine did while a sample was taken, and whether that is too
 * much for the sample to count as quiet.
 *
 *     struct xl_probe probe;
 *     xl_probe_start(&probe, &fastest);
 *     ... measured work ...
 *     struct xl_disturbance d = xl_probe_stop(&probe);
 *     unsigned dirt = xl_disturbance_dirt(&d); // 0 = quiet
 */
#ifndef XL_PROBE_H
#define XL_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tuner/measure/sysread.h"

enum xl_dirt {
#define XL_DIRT(id, name, most, what) XL_DIRT_##id,
#include "tuner/measure/dirt.def"
#undef XL_DIRT
    XL_DIRT_COUNT
};

/* What tasks stall for, as files of /proc/pressure. Waiting for a
 * processor is not among them: run_queue_wait tells it of our threads alone. */
enum xl_stall {
    XL_STALL_MEMORY,
    XL_STALL_IO,
    XL_STALL_COUNT
};

enum {
    XL_FASTEST_CORES = 64
};

/* Highest frequencies seen right after work, by the number of cores at work
 * (the last for more): a lone core may run faster than all together. Begins
 * with zeros; one for all samples of a process. */
struct xl_fastest {
    double khz[XL_FASTEST_CORES];
};

/* Counters of one moment; a test may fill them in. */
struct xl_probe {
    struct xl_fastest *fastest; /* NULL = frequency is not graded */
    struct xl_frequency frequency;
    bool has_stall[XL_STALL_COUNT];
    uint64_t stall_us[XL_STALL_COUNT]; /* of the whole machine */
    bool has_stat, has_wait;
    uint64_t busy_ticks, steal_ticks, all_ticks; /* of the whole machine */
    uint64_t own_ns;                             /* processor time of ours */
    uint64_t wait_ns; /* of our threads in the run queue */
    uint64_t wall_ns;
    int64_t switches; /* involuntary, of this process */
};

struct xl_disturbance {
    bool has[XL_DIRT_COUNT];
    double value[XL_DIRT_COUNT]; /* in the terms of dirt.def */
    int64_t ctx_switches;
};

/* Neither takes part in what is timed between them. */
void xl_probe_start(struct xl_probe *probe, struct xl_fastest *fastest);
struct xl_disturbance xl_probe_stop(const struct xl_probe *probe);

/* What happened between two moments; start->fastest learns from the end. */
struct xl_disturbance xl_probe_between(const struct xl_probe *start,
                                       const struct xl_probe *end);

/* Bits 1 << enum xl_dirt of what passed its bound; a reading that is missing
 * counts as quiet. */
unsigned xl_disturbance_dirt(const struct xl_disturbance *d);

const char *xl_dirt_name(enum xl_dirt id);

#endif
