/* SPDX-License-Identifier: Apache-2.0
 *
 * What else the machine did while a sample was taken, and whether that is too
 * much for the sample to count as quiet.
 *
 *     struct xl_probe probe;
 *     xl_probe_start(&probe, &fastest, "int8 on two workers");
 *     ... measured work ...
 *     struct xl_disturbance d = xl_probe_stop(&probe);
 *     unsigned dirt = xl_disturbance_dirt(&d); // 0 = quiet
 */
#ifndef XL_PROBE_H
#define XL_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/hash.h"
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
    XL_FASTEST_ROWS = 256
};

/* Highest frequencies seen right after a load, for each load and number of
 * cores at work: wide vectors and tiles lower the frequency by themselves, and
 * a lone core may run faster than all together. Begins with zeros; one for all
 * samples of a process. The oldest row makes room for a new one. */
struct xl_fastest {
    struct xl_fastest_row {
        char load[XL_HASH_TEXT];
        size_t cores;
        double khz;
    } rows[XL_FASTEST_ROWS];
    size_t n; /* rows ever begun */
};

/* Counters of one moment; a test may fill them in. */
struct xl_probe {
    struct xl_fastest *fastest; /* NULL = frequency is not graded */
    const char *load;           /* whose sample it is, less than 33 bytes */
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

/* Neither takes part in what is timed between them. Loads of one name are
 * expected to run at one frequency; the name is kept until the stop. */
void xl_probe_start(struct xl_probe *probe, struct xl_fastest *fastest,
                    const char *load);
struct xl_disturbance xl_probe_stop(const struct xl_probe *probe);

/* What happened between two moments; start->fastest learns from the end. */
struct xl_disturbance xl_probe_between(const struct xl_probe *start,
                                       const struct xl_probe *end);

/* Bits 1 << enum xl_dirt of what passed its bound; a reading that is missing
 * counts as quiet. */
unsigned xl_disturbance_dirt(const struct xl_disturbance *d);

const char *xl_dirt_name(enum xl_dirt id);

#endif
