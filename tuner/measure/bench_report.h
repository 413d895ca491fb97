/* SPDX-License-Identifier: Apache-2.0
 *
 * Results of bench as text: a Markdown table for people, CSV and SQL with one
 * flat row a result, JSON and NDJSON with every sample.
 */
#ifndef XL_BENCH_REPORT_H
#define XL_BENCH_REPORT_H

#include <cjson/cJSON.h>

#include "kernel/base/buf.h"
#include "tuner/measure/bench.h"

enum xl_bench_format {
#define XL_BENCH_FORMAT(id, name) XL_BENCH_##id,
#include "tuner/measure/bench_format.def"
#undef XL_BENCH_FORMAT
    XL_BENCH_FORMAT_COUNT
};

/* One result with all samples. */
cJSON *xl_bench_result_json(const struct xl_bench_result *result);

/* Adds "tok_s" (the median), "ci", "n" and the coverage of the interval. */
void xl_bench_estimate_json(cJSON *to, const struct xl_estimate *estimate);

/* Appends all results. host and build go into JSON and stay the caller's. */
void xl_bench_render(enum xl_bench_format format,
                     const struct xl_bench_result *results, size_t n,
                     const cJSON *host, const cJSON *build, struct xl_buf *out);

#endif
