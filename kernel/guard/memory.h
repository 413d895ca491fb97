/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory readings: this process, the machine, its cgroup, pressure. A value
 * that could not be read has its `has` bit clear.
 */
#ifndef XL_MEMORY_H
#define XL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/buf.h"

struct xl_memory {
    bool has_rss, has_peak, has_available, has_total, has_cgroup, has_pressure;
    uint64_t rss_bytes;       /* resident now */
    uint64_t peak_bytes;      /* largest resident so far */
    uint64_t available_bytes; /* MemAvailable of the machine */
    uint64_t total_bytes;
    uint64_t cgroup_bytes; /* memory.current (v2) or usage (v1) */
    double pressure;       /* PSI some avg10, percent */
};

void xl_memory_read(struct xl_memory *memory);

/* peak_bytes counts from now on; false where the system does not allow it. */
bool xl_memory_forget_peak(void);

/* A line of the memory CSV: ts,rss_mb,avail_mb,total_mb,cgroup_mb,psi. */
extern const char xl_memory_csv_header[];
void xl_memory_csv(const struct xl_memory *memory, int64_t wall_ms,
                   struct xl_buf *out);

#endif
