/* SPDX-License-Identifier: Apache-2.0
 *
 * The roofline: what each trial computes a second against how much it
 * computes for a byte it must read, under the limits measured on the machine
 * (Williams, Waterman, Patterson 2009). Work and bytes of a token follow the
 * rules of 'inspect': decode reads all weights of the products once a token,
 * prefill once a forward pass of prefill_block tokens. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/json.h"
#include "kernel/base/opt.h"
#include "plots/chart.h"
#include "plots/data.h"
#include "plots/draw.h"

#define NONE    ((double)NAN)
#define CROWDED 1.6 /* peaks so close share no side for their labels */
/* The x axis goes on so far beyond the last trial that the labels of the peaks
 * stand free. */
#define LABELS_WIDE 80

enum {
    MOST_LIMITS = 8
};

/* -- limits --------------------------------------------------------------- */

struct limit {
    const char *label;
    double value; /* GB/s or GF/s */
};

struct limits {
    struct limit reads[MOST_LIMITS], peaks[MOST_LIMITS];
    size_t n_reads, n_peaks;
};

/* The best of each limit over the results of bench. */
static double best_of(const cJSON *bench, const char *key)
{
    const cJSON *results = xl_json_member(bench, "results");
    double best = xl_json_number(xl_json_member(bench, "limits"), key);
    for (const cJSON *result = results ? results->child : NULL; result;
         result = result->next)
        best =
            fmax(best, xl_json_number(xl_json_member(result, "limits"), key));
    return best;
}

static void read_limits(struct limits *limits, const cJSON *bench)
{
    static const struct {
        const char *key, *label;
        bool is_read;
    } rows[] = {
        { "read_gb_s", "memory", true },
        { "read_l3_gb_s", "last-level cache", true },
        { "fma_gflops", "fp32 FMA", false },
        { "dot_bf16_gflops", "bf16 dot products", false },
        { "tile_bf16_gflops", "bf16 matrix tiles", false },
    };
    *limits = (struct limits){ 0 };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct limit limit = { rows[i].label, best_of(bench, rows[i].key) };
        if (!(limit.value > 0))
            continue;
        if (rows[i].is_read)
            limits->reads[limits->n_reads++] = limit;
        else
            limits->peaks[limits->n_peaks++] = limit;
    }
}

static double top_peak(const struct limits *limits)
{
    double top = 0;
    for (size_t i = 0; i < limits->n_peaks; i++)
        top = fmax(top, limits->peaks[i].value);
    return top;
}

static double top_read(const struct limits *limits)
{
    double top = 0;
    for (size_t i = 0; i < limits->n_reads; i++)
        top = fmax(top, limits->reads[i].value);
    return top;
}

/* -- what a token needs --------------------------------------------------- */

struct needs {
    double flops[2], bytes[2]; /* decode, prefill */
};

static const char *extra_of(const struct xl_record *record,
                            const struct xl_entry *entry, const char *name)
{
    for (size_t e = 0; e < record->n_extras && entry->extras; e++)
        if (strcmp(record->extra_names[e], name) == 0)
            return entry->extras[e];
    return "";
}

static struct needs needs_of(const struct xl_record *record,
                             const struct xl_entry *entry)
{
    const cJSON *model = record->extras[XL_EXTRA_MODEL];
    const cJSON *decode = xl_json_member(model, "decode");
    const cJSON *prefill = xl_json_member(model, "prefill");
    const char *dtype = extra_of(record, entry, "weight_dtype");
    const cJSON *kind = xl_json_member(xl_json_member(model, "by_weight_dtype"),
                                       *dtype ? dtype : "fp32");
    double block = NONE, prompt = xl_json_number(record->meta, "prompt_tokens");
    if (!xl_parse_real(extra_of(record, entry, "prefill_block"), &block))
        block = xl_json_number(prefill, "prefill_block");
    if (prompt < block)
        block = prompt;
    double weight = xl_json_number(kind, "matmul_bytes") /
                    xl_json_number(decode, "matmul_weights"); /* bytes each */
    return (struct needs){
        .flops = { xl_json_number(decode, "flops_per_token"),
                   xl_json_number(prefill, "flops_per_token") },
        .bytes = { xl_json_number(kind, "decode_bytes_per_token"),
                   xl_json_number(prefill, "matmul_weights") * weight / block },
    };
}

/* -- the chart ------------------------------------------------------------ */

enum {
    DECODE_ACCEPTED,
    DECODE_REJECTED,
    PREFILL_ACCEPTED,
    PREFILL_REJECTED,
    WINNER,
    KINDS
};

static struct xl_mark mark_of(const struct xl_entry *entry,
                              const struct needs *needs, size_t phase)
{
    static const enum xl_column columns[2][3] = {
        { XL_COLUMN_DECODE_TOK_S, XL_COLUMN_DECODE_LO, XL_COLUMN_DECODE_HI },
        { XL_COLUMN_PREFILL_TOK_S, XL_COLUMN_PREFILL_LO, XL_COLUMN_PREFILL_HI },
    };
    double giga = needs->flops[phase] / 1e9;
    return (struct xl_mark){
        .x = needs->flops[phase] / needs->bytes[phase],
        .x_lo = NONE,
        .x_hi = NONE,
        .y = entry->values[columns[phase][0]] * giga,
        .y_lo = entry->values[columns[phase][1]] * giga,
        .y_hi = entry->values[columns[phase][2]] * giga,
    };
}

static bool sort_marks(struct xl_series *kinds, const struct xl_record *record,
                       struct xl_arena *arena)
{
    for (size_t k = 0; k < KINDS; k++)
        if (!xl_series_make(&kinds[k], 2 * record->n_entries, arena))
            return false;
    for (size_t i = 0; i < record->n_entries; i++) {
        const struct xl_entry *entry = &record->entries[i];
        struct needs needs = needs_of(record, entry);
        bool accepted = entry->outcome == XL_OUTCOME_ACCEPTED;
        if (!accepted && entry->outcome != XL_OUTCOME_REJECTED)
            continue;
        for (size_t phase = 0; phase < 2; phase++) {
            struct xl_mark mark = mark_of(entry, &needs, phase);
            if (!(mark.x > 0) || !(mark.y > 0) || !isfinite(mark.x))
                continue;
            xl_series_add(&kinds[2 * phase + !accepted], mark);
            if (entry->is_winner)
                xl_series_add(&kinds[WINNER], mark);
        }
    }
    return true;
}

/* Is another peak so close above that there is no room for a label? */
static bool is_crowded(const struct limits *limits, size_t at)
{
    double value = limits->peaks[at].value;
    for (size_t i = 0; i < limits->n_peaks; i++) {
        double other = limits->peaks[i].value;
        if (i != at && other >= value && other < value * CROWDED &&
            (other > value || i < at))
            return true;
    }
    return false;
}

/* Slopes end where the highest peak begins, peaks begin at the best slope. */
static void write_roofs(struct xl_drawing *d, const struct limits *limits,
                        const struct xl_range *x)
{
    double peak = top_peak(limits), read = top_read(limits);
    xl_data_block(d->data, "slopes", "x0 y0 x1 y1 GB/s label");
    for (size_t i = 0; i < limits->n_reads; i++) {
        const struct limit *limit = &limits->reads[i];
        double end = fmin(x->hi, peak / limit->value);
        xl_data_number(d->data, x->lo);
        xl_data_number(d->data, x->lo * limit->value);
        xl_data_number(d->data, end);
        xl_data_number(d->data, end * limit->value);
        xl_data_number(d->data, limit->value);
        xl_data_text(d->data, limit->label);
        xl_data_end(d->data);
    }
    xl_data_block(d->data, "peaks", "x0 x1 GF/s label is_below");
    for (size_t i = 0; i < limits->n_peaks; i++) {
        const struct limit *limit = &limits->peaks[i];
        xl_data_number(d->data, fmin(x->hi, limit->value / read));
        xl_data_number(d->data, x->hi);
        xl_data_number(d->data, limit->value);
        xl_data_text(d->data, limit->label);
        xl_data_number(d->data, is_crowded(limits, i));
        xl_data_end(d->data);
    }
}

static void write_all(struct xl_drawing *d, struct xl_series *kinds,
                      const struct limits *limits)
{
    static const char *const names[KINDS] = { "decode accepted",
                                              "decode rejected",
                                              "prefill accepted",
                                              "prefill rejected", "winner" };
    struct xl_range x = { NONE, NONE }, y = { NONE, NONE };
    for (size_t k = 0; k < KINDS; k++)
        xl_range_widen_all(&x, &y, &kinds[k]);
    xl_range_widen(&y, top_peak(limits));
    x = (struct xl_range){ x.lo / 12, x.hi * LABELS_WIDE };
    y = (struct xl_range){ y.lo / 8, y.hi * 2.2 };
    xl_data_head(d->data, d->record,
                 "x_lo x_hi y_lo y_hi decode_ok decode_rejected prefill_ok "
                 "prefill_rejected");
    xl_data_range(d->data, &x);
    xl_data_range(d->data, &y);
    for (size_t k = 0; k < WINNER; k++)
        xl_data_number(d->data, (double)kinds[k].total);
    xl_data_end(d->data);
    write_roofs(d, limits, &x);
    for (size_t k = 0; k < KINDS; k++) {
        xl_series_thin(&kinds[k]);
        xl_data_series(d->data, names[k], &kinds[k]);
    }
}

enum xl_status xl_draw_roofline(struct xl_drawing *d, struct xl_err *err)
{
    struct xl_series kinds[KINDS];
    struct limits limits;
    size_t n = 0;
    read_limits(&limits, d->record->extras[XL_EXTRA_BENCH]);
    if (!d->record->extras[XL_EXTRA_MODEL] || limits.n_reads == 0 ||
        limits.n_peaks == 0) {
        d->why_not = "it needs model.json ('inspect --json') and bench.json "
                     "('bench --json') in the run folder";
        return XL_OK;
    }
    if (!sort_marks(kinds, d->record, d->arena))
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    for (size_t k = 0; k < KINDS; k++)
        n += kinds[k].n;
    if (n == 0)
        d->why_not = "no trial has a speed that model.json can place";
    else
        write_all(d, kinds, &limits);
    return XL_OK;
}
