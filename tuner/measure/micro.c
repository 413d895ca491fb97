/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/measure/micro.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/clock.h"
#include "kernel/base/json.h"
#include "kernel/base/rng.h"
#include "tuner/measure/probe.h"

#define LEVEL     0.95
#define SAMPLE_NS 1000000.0 /* a sample lasts at least that long */

enum {
    MOST_SIZE = 1 << 20,
    MOST_CALLS = 1 << 24
};

const struct xl_micro *const *xl_micro_all(void)
{
    static const struct xl_micro *const all[] = {
#define XL_MICRO(id, name, shape, what) &xl_micro_##id,
#include "tuner/measure/micro.def"
#undef XL_MICRO
        NULL,
    };
    return all;
}

const struct xl_micro *xl_micro_find(const char *name)
{
    const struct xl_micro *const *m = xl_micro_all();
    while (*m && strcmp((*m)->name, name) != 0)
        m++;
    return *m;
}

enum xl_status xl_micro_parse_shape(const struct xl_micro *micro,
                                    const char *shape,
                                    size_t sizes[XL_MICRO_SIZES],
                                    struct xl_err *err)
{
    const char *at = shape;
    unsigned long least = strcmp(micro->shape, "0") == 0 ? 0 : 1;
    size_t n = 0;
    for (; n < micro->n_sizes; n++) {
        char *end;
        unsigned long x = strtoul(at, &end, 10);
        bool last = n + 1 == micro->n_sizes;
        if (*at < '0' || *at > '9' || x < least || x > MOST_SIZE ||
            *end != (last ? '\0' : 'x'))
            break;
        sizes[n] = x;
        at = end + 1;
    }
    if (n < micro->n_sizes)
        return xl_fail(err, XL_EUSAGE,
                       "'%s' is no shape of %s, which takes %s, as %s", shape,
                       micro->name, micro->size_names, micro->shape);
    return XL_OK;
}

float *xl_micro_floats(struct xl_arena *arena, size_t n, uint64_t seed)
{
    struct xl_rng rng;
    float *x = xl_arena_zero(arena, n, sizeof *x);
    xl_rng_seed(&rng, seed);
    for (size_t i = 0; x && i < n; i++)
        x[i] = (float)xl_rng_unit(&rng) - 0.5f;
    return x;
}

/* -- measuring ------------------------------------------------------------ */

struct runner {
    struct xl_micro_report *report;
    struct xl_micro_call calls[XL_MICRO_VARIANTS];
    size_t per_sample[XL_MICRO_VARIANTS];
    size_t repeats;
    struct xl_fastest fastest;
    struct xl_limit_meter *meter;
};

static double time_calls(const struct xl_micro_call *call, size_t n)
{
    uint64_t start = xl_clock_ns();
    call->call(call->ctx, n);
    return (double)(xl_clock_ns() - start);
}

/* Doubles the calls of a sample until it is long enough; warms up as well. */
static size_t calls_per_sample(const struct xl_micro_call *call)
{
    size_t n = 1;
    call->call(call->ctx, 1);
    while (time_calls(call, n) < SAMPLE_NS && n < MOST_CALLS)
        n *= 2;
    return n;
}

static enum xl_status make_calls(struct runner *r, struct xl_err *err)
{
    struct xl_micro_report *report = r->report;
    for (size_t i = 0; i < XL_MICRO_VARIANTS; i++) {
        struct xl_micro_row *row = &report->rows[i];
        enum xl_status rc = report->micro->make(&r->calls[i], i, report->sizes,
                                                &report->arena, err);
        if (rc == XL_ENOTFOUND)
            return XL_OK;
        XL_TRY(rc);
        report->n = i + 1;
        row->name = r->calls[i].name;
        row->why_not = r->calls[i].why_not;
        row->flops = r->calls[i].needs.flops;
        row->bytes = r->calls[i].needs.bytes;
        row->limit = XL_LIMIT_COUNT;
        row->fraction_of_limit = (double)NAN;
        if (row->why_not)
            continue;
        XL_TRY(xl_samples_init(&row->samples, r->repeats, err));
        r->per_sample[i] = calls_per_sample(&r->calls[i]);
    }
    return XL_OK;
}

static void take_sample(struct runner *r, size_t at)
{
    struct xl_probe probe;
    xl_probe_start(&probe, &r->fastest, r->calls[at].name);
    double ns = time_calls(&r->calls[at], r->per_sample[at]);
    struct xl_disturbance d = xl_probe_stop(&probe);
    xl_samples_add(
        &r->report->rows[at].samples,
        &(struct xl_speeds){ .tok_s = { { ns / (double)r->per_sample[at] } },
                             .dirt = xl_disturbance_dirt(&d) });
}

static void run_rounds(struct runner *r)
{
    bool more = true;
    for (size_t round = 0; more; round++) {
        more = false;
        for (size_t i = 0; i < r->report->n; i++) {
            size_t at = (i + round) % r->report->n;
            struct xl_samples *samples = &r->report->rows[at].samples;
            if (!xl_samples_want_more(samples))
                continue; /* also where the variant cannot run */
            take_sample(r, at);
            more = more || xl_samples_want_more(samples);
        }
    }
}

static enum xl_status finish(struct runner *r, struct xl_err *err)
{
    struct xl_micro_report *report = r->report;
    struct xl_limits best = xl_limit_log_best(&report->limits);
    for (size_t i = 0; i < report->n; i++) {
        struct xl_micro_row *row = &report->rows[i];
        if (row->why_not)
            continue;
        XL_TRY(xl_samples_estimate(&row->samples, 0, XL_SPEED_PREFILL, LEVEL,
                                   &row->call_ns, err));
        if (row->flops <= 0 && row->bytes <= 0)
            continue;
        struct xl_bench_bound bound =
            xl_bench_bound_of(&r->calls[i].needs, &best);
        row->limit = bound.limit;
        row->fraction_of_limit = bound.seconds * 1e9 / row->call_ns.median;
    }
    return XL_OK;
}

static double largest_set(const struct runner *r)
{
    double most = 0;
    for (size_t i = 0; i < r->report->n; i++)
        most = fmax(most, r->calls[i].needs.working_set);
    return most;
}

static enum xl_status measure_limits(struct runner *r, struct xl_err *err)
{
    struct xl_limit_log *log = &r->report->limits;
    struct xl_limits limits;
    XL_TRY(xl_limit_meter_measure(r->meter, &log->request, &limits, err));
    return xl_limit_log_add(log, &limits, err);
}

enum xl_status xl_micro_run(const struct xl_micro *micro, const char *shape,
                            size_t repeats, struct xl_micro_report *report,
                            struct xl_err *err)
{
    struct runner r = { .report = report, .repeats = repeats };
    enum xl_status rc;
    *report = (struct xl_micro_report){ .micro = micro };
    xl_arena_init(&report->arena, 0);
    XL_TRY_DONE(rc, xl_micro_parse_shape(micro, shape ? shape : micro->shape,
                                         report->sizes, err));
    XL_TRY_DONE(rc, make_calls(&r, err));
    report->limits.request = (struct xl_limits_request){
        .workers = micro->workers(report->sizes),
        .working_set = (uint64_t)largest_set(&r),
    };
    XL_TRY_DONE(rc, xl_limit_meter_make(&r.meter, err));
    XL_TRY_DONE(rc, measure_limits(&r, err));
    run_rounds(&r);
    XL_TRY_DONE(rc, measure_limits(&r, err));
    rc = finish(&r, err);
done:
    xl_limit_meter_free(r.meter);
    for (size_t i = 0; i < report->n; i++)
        if (r.calls[i].release)
            r.calls[i].release(r.calls[i].ctx);
    return rc;
}

void xl_micro_report_release(struct xl_micro_report *report)
{
    for (size_t i = 0; i < report->n; i++)
        xl_samples_release(&report->rows[i].samples);
    xl_limit_log_release(&report->limits);
    xl_arena_release(&report->arena);
    *report = (struct xl_micro_report){ 0 };
}

/* -- reporting ------------------------------------------------------------ */

static size_t disturbed(const struct xl_micro_row *row)
{
    return row->samples.n - xl_samples_quiet(&row->samples);
}

static cJSON *row_json(const struct xl_micro_row *row)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "variant", row->name);
    if (row->why_not) {
        cJSON_AddStringToObject(o, "unavailable", row->why_not);
        return o;
    }
    const struct xl_estimate *e = &row->call_ns;
    xl_json_add_real(o, "call_ns", e->median);
    double ends[] = { e->lo, e->hi };
    cJSON_AddItemToObject(o, "ci", cJSON_CreateDoubleArray(ends, 2));
    cJSON_AddNumberToObject(o, "n", (double)e->n);
    cJSON_AddNumberToObject(o, "coverage", e->coverage);
    cJSON_AddNumberToObject(o, "disturbed", (double)disturbed(row));
    cJSON *samples = cJSON_AddArrayToObject(o, "samples");
    for (size_t i = 0; i < row->samples.n; i++)
        cJSON_AddItemToArray(
            samples, cJSON_CreateNumber(row->samples.rows[i].tok_s[0][0]));
    xl_json_add_real(o, "gflops",
                     row->flops > 0 ? row->flops / e->median : (double)NAN);
    xl_json_add_real(o, "gb_s",
                     row->bytes > 0 ? row->bytes / e->median : (double)NAN);
    xl_json_add_real(o, "fraction_of_limit", row->fraction_of_limit);
    if (row->limit < XL_LIMIT_COUNT)
        cJSON_AddStringToObject(o, "limit", xl_limit_name(row->limit));
    else
        cJSON_AddNullToObject(o, "limit");
    return o;
}

cJSON *xl_micro_json(const struct xl_micro_report *report)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "kernel", report->micro->name);
    cJSON *shape = cJSON_AddArrayToObject(root, "shape");
    for (size_t i = 0; i < report->micro->n_sizes; i++)
        cJSON_AddItemToArray(shape,
                             cJSON_CreateNumber((double)report->sizes[i]));
    cJSON *results = cJSON_AddArrayToObject(root, "results");
    for (size_t i = 0; i < report->n; i++)
        cJSON_AddItemToArray(results, row_json(&report->rows[i]));
    cJSON_AddItemToObject(root, "limits", xl_limit_log_json(&report->limits));
    return root;
}

void xl_micro_markdown(const struct xl_micro_report *report, struct xl_buf *out)
{
    xl_buf_printf(out, "%s, %s", report->micro->name,
                  report->micro->size_names);
    for (size_t i = 0; i < report->micro->n_sizes; i++)
        xl_buf_printf(out, "%s%zu", i ? "x" : " = ", report->sizes[i]);
    xl_buf_text(out, "\n\n| variant | us a call | 95 % interval | n | "
                     "disturbed | GF/s | GB/s | of limit | limit |\n"
                     "| --- | --- | --- | --- | --- | --- | --- | --- | --- "
                     "|\n");
    for (size_t i = 0; i < report->n; i++) {
        const struct xl_micro_row *row = &report->rows[i];
        const struct xl_estimate *e = &row->call_ns;
        if (row->why_not) {
            xl_buf_printf(out, "| %s | %s | | | | | | | |\n", row->name,
                          row->why_not);
            continue;
        }
        xl_buf_printf(out, "| %s | %.3f | %.3f to %.3f | %zu | %zu |",
                      row->name, e->median / 1e3, e->lo / 1e3, e->hi / 1e3,
                      e->n, disturbed(row));
        if (row->limit < XL_LIMIT_COUNT)
            xl_buf_printf(out, " %.1f | %.1f | %.1f %% | %s |\n",
                          row->flops / e->median, row->bytes / e->median,
                          100 * row->fraction_of_limit,
                          xl_limit_name(row->limit));
        else
            xl_buf_text(out, " | | | |\n");
    }
}
