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

/* What this process may still take without others being pushed out: the least
 * of MemAvailable, of the room below the limits of its cgroup (v1 or v2) and of
 * those above it, and of the room in its address space. Files that are kept in
 * memory count as room. False where nothing can be read. */
bool xl_memory_usable(uint64_t *bytes);

/* peak_bytes counts from now on; false where the system does not allow it. */
bool xl_memory_forget_peak(void);

/* A line of the memory CSV: ts,rss_mb,avail_mb,total_mb,cgroup_mb,psi. */
extern const char xl_memory_csv_header[];
void xl_memory_csv(const struct xl_memory *memory, int64_t wall_ms,
                   struct xl_buf *out);

#endif
