/* SPDX-License-Identifier: Apache-2.0
 *
 * What this machine can do at best, measured now, with a given number of
 * workers. Every speed is reported beside the limit it runs into.
 *
 *     struct xl_limit_meter *meter;
 *     XL_TRY(xl_limit_meter_make(&meter, err));
 *     XL_TRY(xl_limit_meter_probe(meter, &request, &before, err));
 *     ... what is measured ...
 *     XL_TRY(xl_limit_meter_probe(meter, &request, &after, err));
 *     xl_limit_meter_free(meter);
 *
 * A limit this machine does not have (no matrix tiles, say), or that nobody
 * asked for, is NaN.
 */
#ifndef XL_LIMITS_H
#define XL_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "kernel/base/err.h"

enum xl_limit {
#define XL_LIMIT(id, name, unit, what) XL_LIMIT_##id,
#include "tuner/measure/limit.def"
#undef XL_LIMIT
    XL_LIMIT_COUNT
};

struct xl_limits {
    double value[XL_LIMIT_COUNT]; /* in the unit of the row */
};

struct xl_limits_request {
    size_t workers;
    uint64_t working_set; /* bytes a token touches, which READ goes round in;
                             0 = unknown, and READ_L3 is left out */
    unsigned probed;      /* bits 1 << enum xl_limit that a probe measures */
};

/* A buffer larger than the caches, as far as it was read resident as long as
 * the meter lives, and a team. */
struct xl_limit_meter;

/* XL_ENOMEM without the memory for the buffer. */
enum xl_status xl_limit_meter_make(struct xl_limit_meter **meter,
                                   struct xl_err *err);
void xl_limit_meter_free(struct xl_limit_meter *meter);

/* Bytes of the buffer that are resident. */
size_t xl_limit_meter_bytes(const struct xl_limit_meter *meter);

/* READ_L3 where the last-level cache holds so many bytes, else READ. */
enum xl_limit xl_limit_meter_reading(const struct xl_limit_meter *meter,
                                     uint64_t working_set);

/* All limits, best of several runs, in about 0.3 s; or those of `probed`, the
 * median of several runs, in about 40 ms. Both leave nothing else in the
 * caches. */
enum xl_status xl_limit_meter_measure(struct xl_limit_meter *meter,
                                      const struct xl_limits_request *request,
                                      struct xl_limits *limits,
                                      struct xl_err *err);
enum xl_status xl_limit_meter_probe(struct xl_limit_meter *meter,
                                    const struct xl_limits_request *request,
                                    struct xl_limits *limits,
                                    struct xl_err *err);

/* "read_gb_s"; static storage. */
const char *xl_limit_name(enum xl_limit id);

/* Bytes of the buffer: 1 GiB, or an eighth of the memory that is free (0 =
 * unknown). */
size_t xl_limits_buffer(uint64_t free_bytes);

/* Bytes that READ goes round in: the working set, within four times the
 * last-level cache (0 = unknown), 256 MiB and the buffer. */
size_t xl_limits_round(uint64_t l3_bytes, uint64_t working_set, size_t buffer);

/* Measurements for one request, all kept; a limit is the best. */
struct xl_limit_log {
    struct xl_limits_request request;
    size_t n, room;
    struct xl_limits *samples; /* [n], in the order taken; heap */
};

enum xl_status xl_limit_log_add(struct xl_limit_log *log,
                                const struct xl_limits *limits,
                                struct xl_err *err);
void xl_limit_log_release(struct xl_limit_log *log);

struct xl_limits xl_limit_log_best(const struct xl_limit_log *log);

/* {"read_gb_s": best or null, ..., "workers":, "samples": {"read_gb_s":
 * [...], ...}}. */
cJSON *xl_limit_log_json(const struct xl_limit_log *log);

#endif
