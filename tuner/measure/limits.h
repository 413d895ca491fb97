/* SPDX-License-Identifier: Apache-2.0
 *
 * What this machine can do at best, measured now, with a given number of
 * workers. Every speed is reported beside the limit it runs into.
 *
 *     struct xl_limits limits;
 *     XL_TRY(xl_limits_measure(&limits, &(struct xl_limits_request){
 *                                  .workers = 2 }, err));
 *     double read = limits.value[XL_LIMIT_READ];
 *
 * A limit this machine does not have (no matrix tiles, say) is NaN.
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
    uint64_t working_set; /* bytes a token touches; 0 = leave READ_L3 out */
};

/* Takes 0.5 to 1 s; best of several short runs. XL_ENOMEM without the memory
 * for a buffer larger than the caches. */
enum xl_status xl_limits_measure(struct xl_limits *limits,
                                 const struct xl_limits_request *request,
                                 struct xl_err *err);

/* "read_gb_s"; static storage. */
const char *xl_limit_name(enum xl_limit id);

/* Bytes of the buffer that READ is measured over: four times the last-level
 * cache, within 256 MiB to 1 GiB and an eighth of the memory that is free.
 * l3 and free 0 = unknown. */
size_t xl_limits_buffer(uint64_t l3_bytes, uint64_t free_bytes);

/* Measurements of one number of workers, all kept; a limit is the best. */
enum {
    XL_LIMIT_SAMPLES = 64
};
struct xl_limit_log {
    struct xl_limits_request request;
    size_t n;
    struct xl_limits samples[XL_LIMIT_SAMPLES];
};

/* Measures once more; does nothing when the log is full. */
enum xl_status xl_limit_log_measure(struct xl_limit_log *log,
                                    struct xl_err *err);
struct xl_limits xl_limit_log_best(const struct xl_limit_log *log);

/* {"read_gb_s": best or null, ..., "workers":, "samples": {"read_gb_s":
 * [...], ...}}. */
cJSON *xl_limit_log_json(const struct xl_limit_log *log);

#endif
