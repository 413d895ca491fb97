/* SPDX-License-Identifier: Apache-2.0
 *
 * The one clock. Durations come from the monotonic clock in nanoseconds;
 * wall time is for stamps only. A test may replace the monotonic source once,
 * before threads start.
 */
#ifndef XL_CLOCK_H
#define XL_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t xl_clock_ns(void);

/* Milliseconds since 1970, wall clock. */
int64_t xl_clock_wall_ms(void);

/* "YYYYmmdd_HHMMSS" in local time; out holds at least 16 bytes. */
void xl_clock_stamp(char *out, size_t out_bytes);

/* Where such a stamp stands in a text, or NULL. */
const char *xl_clock_find_stamp(const char *text);

/* CPU time of the whole process in nanoseconds. */
uint64_t xl_clock_cpu_ns(void);

typedef uint64_t xl_clock_source(void *ctx);
void xl_clock_set_source(xl_clock_source *source, void *ctx);

#endif
