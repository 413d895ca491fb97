/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/reading.h"

#include <math.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "kernel/base/json.h"
#include "tuner/measure/stats.h"
#include "tuner/measure/trial.h"

/* The metric of each level of step.def. */
static const enum xl_metric step_metrics[XL_STEP_COUNT] = {
#define XL_STEP(percent) [XL_STEP_##percent] = XL_METRIC_LATENCY##percent,
#include "tuner/measure/step.def"
#undef XL_STEP
};

void xl_reading_of_run(struct xl_reading *r, const struct xl_run_sample *s)
{
    xl_reading_clear(r);
    r->value[XL_METRIC_PREFILL] = xl_sample_prefill_tok_s(s);
    r->value[XL_METRIC_DECODE] = xl_sample_decode_tok_s(s);
    if (s->has_peak_rss)
        r->value[XL_METRIC_MEMORY] = (double)s->peak_rss_bytes;
    for (size_t i = 0; i < XL_STEP_COUNT; i++)
        if (s->step_ns[i])
            r->value[step_metrics[i]] = (double)s->step_ns[i] / 1e9;
}

void xl_reading_of_row(struct xl_reading *r, const struct xl_store_sample *row)
{
    xl_reading_clear(r);
    if (row->has_prefill)
        r->value[XL_METRIC_PREFILL] = row->prefill_tok_s;
    if (row->has_decode)
        r->value[XL_METRIC_DECODE] = row->decode_tok_s;
    if (row->has_peak_rss)
        r->value[XL_METRIC_MEMORY] = (double)row->peak_rss_bytes;
    cJSON *detail = row->detail ? cJSON_Parse(row->detail) : NULL;
    const cJSON *steps = xl_json_member(detail, "step_ns");
    const cJSON *step = steps ? steps->child : NULL;
    for (size_t i = 0; i < XL_STEP_COUNT && step; i++, step = step->next)
        if (cJSON_IsNumber(step) && step->valuedouble > 0)
            r->value[step_metrics[i]] = step->valuedouble / 1e9;
    cJSON_Delete(detail);
}

void xl_reading_detail(const struct xl_run_sample *s, struct xl_buf *out)
{
    if (!s->step_ns[0])
        return;
    xl_buf_text(out, "{\"step_ns\":[");
    for (size_t i = 0; i < XL_STEP_COUNT; i++)
        xl_buf_printf(out, "%s%llu", i ? "," : "",
                      (unsigned long long)s->step_ns[i]);
    xl_buf_text(out, "]}");
}

void xl_reading_median(struct xl_reading *median,
                       const struct xl_reading *readings, size_t n,
                       double *scratch)
{
    for (size_t m = 0; m < XL_METRIC_COUNT; m++) {
        size_t known = 0;
        for (size_t i = 0; i < n; i++)
            if (isfinite(readings[i].value[m]))
                scratch[known++] = readings[i].value[m];
        median->value[m] = known ? xl_median(scratch, known) : (double)NAN;
    }
}
