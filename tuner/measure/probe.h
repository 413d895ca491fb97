/* SPDX-License-Identifier: Apache-2.0
 *
 * What else the machine did while a sample was taken: processor time used by
 * others, involuntary context switches.
 *
 *     struct xl_probe probe;
 *     xl_probe_start(&probe);
 *     ... measured work ...
 *     struct xl_disturbance d = xl_probe_stop(&probe);
 */
#ifndef XL_PROBE_H
#define XL_PROBE_H

#include <stdbool.h>
#include <stdint.h>

struct xl_probe {
    /* private */
    bool has_stat;
    uint64_t busy_ticks, all_ticks, own_ns, wall_ns;
    int64_t switches;
};

struct xl_disturbance {
    bool has_foreign, has_switches;
    double foreign_cpu;   /* share of all processor time that others used */
    int64_t ctx_switches; /* involuntary, of this process */
};

void xl_probe_start(struct xl_probe *probe);
struct xl_disturbance xl_probe_stop(const struct xl_probe *probe);

#endif
