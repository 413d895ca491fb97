/* SPDX-License-Identifier: Apache-2.0
 *
 * What else the machine did while a sample was taken, and whether that is too
 * much for the sample to count as quiet.
 *
 *     struct xl_probe probe;
 *     xl_probe_start(&probe);
 *     ... measured work ...
 *     struct xl_disturbance d = xl_probe_stop(&probe);
 *     unsigned dirt = xl_disturbance_dirt(&d); // 0 = quiet
 */
#ifndef XL_PROBE_H
#define XL_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xl_dirt {
#define XL_DIRT(id, name, most, what) XL_DIRT_##id,
#include "tuner/measure/dirt.def"
#undef XL_DIRT
    XL_DIRT_COUNT
};

/* Counters of one moment; a test may fill them in. */
struct xl_probe {
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

void xl_probe_start(struct xl_probe *probe);
struct xl_disturbance xl_probe_stop(const struct xl_probe *probe);

/* What happened between two moments. */
struct xl_disturbance xl_probe_between(const struct xl_probe *start,
                                       const struct xl_probe *end);

/* Bits 1 << enum xl_dirt of what passed its bound; a reading that is missing
 * counts as quiet. */
unsigned xl_disturbance_dirt(const struct xl_disturbance *d);

const char *xl_dirt_name(enum xl_dirt id);

#endif
