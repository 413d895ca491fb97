/* SPDX-License-Identifier: Apache-2.0
 *
 * Leaf kernels measured by themselves. A kernel has variants (engines, cells);
 * all are made ready, then take turns, so that their figures can be compared.
 * A sample is as many calls as last a millisecond.
 *
 *     XL_TRY(xl_micro_run(&xl_micro_gemm, "512x1024x1024", 9, &report, err));
 *     ... report.rows[i].call_ns ...
 *     xl_micro_report_release(&report);
 */
#ifndef XL_MICRO_H
#define XL_MICRO_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "kernel/base/arena.h"
#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "tuner/measure/bench.h"
#include "tuner/measure/samples.h"

enum {
    XL_MICRO_SIZES = 5,
    XL_MICRO_VARIANTS = 48
};

/* One variant, ready to be called. Memory is the arena's that make got. */
struct xl_micro_call {
    const char *name;    /* static storage or the arena */
    const char *why_not; /* not NULL = cannot run here */
    void *ctx;
    void (*call)(void *ctx, size_t n); /* n times */
    void (*release)(void *ctx);        /* or NULL */
    struct xl_bench_needs needs;       /* of one call; zeros = a latency */
};

struct xl_micro {
    const char *name, *shape, *what;
    size_t n_sizes;
    const char *size_names;
    /* Workers that one call keeps busy. */
    size_t (*workers)(const size_t sizes[XL_MICRO_SIZES]);
    /* Variant i, or XL_ENOTFOUND (without a message) when there is none. */
    enum xl_status (*make)(struct xl_micro_call *call, size_t variant,
                           const size_t sizes[XL_MICRO_SIZES],
                           struct xl_arena *arena, struct xl_err *err);
};

#define XL_MICRO(id, name, shape, what)                                        \
    extern const struct xl_micro xl_micro_##id;
#include "tuner/measure/micro.def"
#undef XL_MICRO

struct xl_micro_row {
    const char *name, *why_not;
    struct xl_estimate call_ns; /* of one call */
    struct xl_samples samples;  /* ns a call, in the place of a speed */
    double flops, bytes;        /* of one call */
    enum xl_limit limit;        /* COUNT = none */
    double fraction_of_limit;
};

struct xl_micro_report {
    const struct xl_micro *micro;
    size_t sizes[XL_MICRO_SIZES];
    size_t n;
    struct xl_micro_row rows[XL_MICRO_VARIANTS];
    struct xl_limit_log limits;
    /* private */
    struct xl_arena arena;
};

/* By name, or NULL; all of them, ended by NULL. */
const struct xl_micro *xl_micro_find(const char *name);
const struct xl_micro *const *xl_micro_all(void);

/* "512x1024x1024" into n sizes of 1 (0 where the default has it) to 2^20. */
enum xl_status xl_micro_parse_shape(const struct xl_micro *micro,
                                    const char *shape,
                                    size_t sizes[XL_MICRO_SIZES],
                                    struct xl_err *err);

/* shape NULL = the default. Release also after an error. */
enum xl_status xl_micro_run(const struct xl_micro *micro, const char *shape,
                            size_t repeats, struct xl_micro_report *report,
                            struct xl_err *err);
void xl_micro_report_release(struct xl_micro_report *report);

cJSON *xl_micro_json(const struct xl_micro_report *report);
void xl_micro_markdown(const struct xl_micro_report *report,
                       struct xl_buf *out);

/* Floats of the arena, small values of both signs; NULL without memory. */
float *xl_micro_floats(struct xl_arena *arena, size_t n, uint64_t seed);

#endif
