/* SPDX-License-Identifier: Apache-2.0 */
#include "plots/compare.h"

#include <math.h>
#include <string.h>

#include "kernel/base/json.h"
#include "plots/canvas.h"
#include "plots/chart.h"
#include "plots/compare_int.h"
#include "plots/data.h"
#include "plots/plot_int.h"

#define UNKNOWN ((double)NAN)

enum {
    PATH_ROOM = 4096
};

struct drawing {
    const struct xl_compare_sides *sides;
    struct xl_arena *arena;
    struct xl_buf *data;
    const char *why_not;
};

typedef enum xl_status draw(struct drawing *d, struct xl_err *err);

/* -- winners -------------------------------------------------------------- */

static struct xl_compare_speed speed_of(const struct xl_record *record,
                                        const char *key, const char *ci_key,
                                        enum xl_column column,
                                        enum xl_column lo, enum xl_column hi)
{
    const cJSON *metrics = xl_json_member(record->best, "metrics");
    const cJSON *value = xl_json_member(metrics, key);
    const cJSON *ci = xl_json_member(metrics, ci_key);
    const cJSON *n = xl_json_member(metrics, "n");
    const struct xl_entry *winner = xl_record_winner(record);
    struct xl_compare_speed speed = { UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN };
    if (cJSON_IsNumber(value)) {
        speed.value = value->valuedouble;
        speed.n = cJSON_IsNumber(n) ? n->valuedouble : UNKNOWN;
        if (cJSON_GetArraySize(ci) == 2 && cJSON_IsNumber(ci->child) &&
            cJSON_IsNumber(ci->child->next)) {
            speed.lo = ci->child->valuedouble;
            speed.hi = ci->child->next->valuedouble;
        }
    } else if (winner) {
        speed.value = winner->values[column];
        speed.lo = winner->values[lo];
        speed.hi = winner->values[hi];
        speed.n = winner->values[XL_COLUMN_N];
    }
    return speed;
}

struct xl_compare_speed xl_compare_decode(const struct xl_record *record)
{
    return speed_of(record, "decode_tok_s", "decode_tok_s_ci",
                    XL_COLUMN_DECODE_TOK_S, XL_COLUMN_DECODE_LO,
                    XL_COLUMN_DECODE_HI);
}

struct xl_compare_speed xl_compare_prefill(const struct xl_record *record)
{
    return speed_of(record, "prefill_tok_s", "prefill_tok_s_ci",
                    XL_COLUMN_PREFILL_TOK_S, XL_COLUMN_PREFILL_LO,
                    XL_COLUMN_PREFILL_HI);
}

static void write_head(struct drawing *d, const struct xl_range *x,
                       const struct xl_range *y, const char *label)
{
    const struct xl_compare_sides *sides = d->sides;
    bool is_one = true;
    for (size_t i = 1; i < sides->n; i++)
        is_one = is_one && strcmp(sides->records[i].subtitle,
                                  sides->records[0].subtitle) == 0;
    xl_data_block(d->data, "head", "subtitle runs x_lo x_hi y_lo y_hi label");
    xl_data_text(d->data, is_one ? sides->records[0].subtitle
                                 : "the runs differ in more than their "
                                   "search: see the table");
    xl_data_number(d->data, (double)sides->n);
    xl_data_range(d->data, x);
    xl_data_range(d->data, y);
    xl_data_text(d->data, label);
    xl_data_end(d->data);
}

static void write_names(struct drawing *d)
{
    xl_data_block(d->data, "names", "place name");
    for (size_t i = 0; i < d->sides->n; i++) {
        xl_data_number(d->data, (double)i);
        xl_data_text(d->data, d->sides->labels[i]);
        xl_data_end(d->data);
    }
}

static void write_speed(struct drawing *d, const struct xl_compare_speed *speed)
{
    xl_data_number(d->data, speed->value);
    xl_data_number(d->data, speed->lo);
    xl_data_number(d->data, speed->hi);
}

static enum xl_status draw_winners(struct drawing *d, struct xl_err *err)
{
    const struct xl_compare_sides *sides = d->sides;
    struct xl_range x = { 0, 0 }, y = { 0, 0 };
    (void)err;
    for (size_t i = 0; i < sides->n; i++) {
        struct xl_compare_speed decode = xl_compare_decode(&sides->records[i]);
        struct xl_compare_speed prefill =
            xl_compare_prefill(&sides->records[i]);
        x.hi = fmax(x.hi, fmax(decode.value, decode.hi));
        y.hi = fmax(y.hi, fmax(prefill.value, prefill.hi));
    }
    if (!(x.hi > 0) || !(y.hi > 0))
        d->why_not = "no run tells both speeds of a winner";
    write_head(d, &x, &y, "");
    xl_data_block(d->data, "runs", "place name decode lo hi prefill lo hi n");
    for (size_t i = 0; i < sides->n; i++) {
        struct xl_compare_speed decode = xl_compare_decode(&sides->records[i]);
        struct xl_compare_speed prefill =
            xl_compare_prefill(&sides->records[i]);
        xl_data_number(d->data, (double)i);
        xl_data_text(d->data, sides->labels[i]);
        write_speed(d, &decode);
        write_speed(d, &prefill);
        xl_data_number(d->data, isnan(decode.n) ? 0 : decode.n);
        xl_data_end(d->data);
    }
    return XL_OK;
}

/* -- histories ------------------------------------------------------------ */

static bool has_one_objective(const struct xl_compare_sides *sides)
{
    for (size_t i = 1; i < sides->n; i++)
        if (strcmp(sides->records[i].objective, sides->records[0].objective) !=
            0)
            return false;
    return true;
}

static enum xl_status draw_histories(struct drawing *d, struct xl_err *err)
{
    struct xl_chart_history charts[XL_COMPARE_RUNS];
    struct xl_range x = { UNKNOWN, UNKNOWN }, y = x;
    size_t n = 0;
    const char *label = xl_chart_score_label(&d->sides->records[0], d->arena);
    if (!label)
        return xl_fail(err, XL_ENOMEM, "out of memory for a chart");
    for (size_t i = 0; i < d->sides->n; i++) {
        XL_TRY(
            xl_chart_history(&charts[i], &d->sides->records[i], d->arena, err));
        xl_range_widen(&x, charts[i].x.lo);
        xl_range_widen(&x, charts[i].x.hi);
        xl_range_widen_all(&(struct xl_range){ 0, 0 }, &y, &charts[i].best);
        n += charts[i].best.n;
    }
    xl_range_settle(&y);
    if (!has_one_objective(d->sides))
        d->why_not = "the runs have different objectives";
    else if (n == 0)
        d->why_not = "no run has an accepted trial";
    write_head(d, &x, &y, label);
    write_names(d);
    for (size_t i = 0; i < d->sides->n; i++)
        xl_data_series(d->data, d->sides->labels[i], &charts[i].best);
    return XL_OK;
}

/* -- fronts --------------------------------------------------------------- */

static enum xl_status draw_fronts(struct drawing *d, struct xl_err *err)
{
    struct xl_chart_scatter charts[XL_COMPARE_RUNS];
    struct xl_range x = { UNKNOWN, UNKNOWN }, y = x;
    size_t n = 0;
    for (size_t i = 0; i < d->sides->n; i++) {
        XL_TRY(
            xl_chart_scatter(&charts[i], &d->sides->records[i], d->arena, err));
        for (size_t k = 0; k < charts[i].accepted.n; k++) {
            xl_range_widen(&x, charts[i].accepted.marks[k].x);
            xl_range_widen(&y, charts[i].accepted.marks[k].y);
        }
        n += charts[i].accepted.n;
    }
    xl_range_settle(&x);
    xl_range_settle(&y);
    if (n == 0)
        d->why_not = "no run has an accepted trial with both speeds";
    write_head(d, &x, &y, "");
    write_names(d);
    for (size_t i = 0; i < d->sides->n; i++) {
        xl_data_series(d->data, "accepted", &charts[i].accepted);
        xl_data_series(d->data, "outline", &charts[i].stairs);
        xl_data_series(d->data, "winner", &charts[i].winner);
    }
    return XL_OK;
}

/* -- all of them ---------------------------------------------------------- */

#define XL_COMPARE(id, stem, chart, width, height, title, caption)             \
    extern const char xl_plot_text_compare_##chart##_gp[];
#include "plots/compare.def"
#undef XL_COMPARE

static const struct picture {
    struct xl_plot_row row;
    draw *draw;
    const char *script;
} pictures[XL_COMPARE_COUNT] = {
#define XL_COMPARE(id, stem, chart, width, height, title, caption)             \
    [XL_COMPARE_##id] = { { stem, "", "", title, caption, width, height },     \
                          draw_##chart,                                        \
                          xl_plot_text_compare_##chart##_gp },
#include "plots/compare.def"
#undef XL_COMPARE
};

struct job {
    struct xl_canvas canvas;
    struct xl_compare_sides sides;
    struct xl_report_picture drawn[XL_COMPARE_COUNT];
    size_t n_drawn;
    const char *why_not[XL_COMPARE_COUNT];
};

static enum xl_status render(struct job *job, const struct picture *picture,
                             const struct xl_buf *data, struct xl_err *err)
{
    struct xl_buf script;
    xl_buf_init(&script, 0);
    xl_buf_text(&script, xl_plot_text_compare_gp);
    xl_buf_text(&script, picture->script);
    enum xl_status rc = xl_buf_check(&script, "a script", err);
    if (rc == XL_OK)
        rc = xl_canvas_gnuplot(&job->canvas, &picture->row, script.data, data,
                               &job->drawn[job->n_drawn], err);
    if (rc == XL_OK)
        job->n_drawn++;
    xl_buf_release(&script);
    return rc;
}

static enum xl_status draw_one(struct job *job, size_t at, struct xl_err *err)
{
    struct xl_arena arena;
    struct xl_buf data;
    enum xl_status rc;
    xl_arena_init(&arena, 0);
    xl_buf_init(&data, 0);
    struct drawing d = { .sides = &job->sides, .arena = &arena, .data = &data };
    xl_canvas_clear(&job->canvas, &pictures[at].row);
    XL_TRY_DONE(rc, pictures[at].draw(&d, err));
    if (!d.why_not && !job->canvas.program)
        d.why_not = "gnuplot is not there to draw it";
    job->why_not[at] = d.why_not;
    if (!d.why_not)
        rc = render(job, &pictures[at], &data, err);
done:
    if (rc != XL_OK)
        xl_canvas_clear(&job->canvas, &pictures[at].row);
    xl_arena_release(&arena);
    xl_buf_release(&data);
    return rc;
}

static enum xl_status draw_all(struct job *job, struct xl_plot_result *result,
                               struct xl_err *err)
{
    struct xl_buf page;
    XL_TRY(xl_canvas_begin(&job->canvas, err));
    for (size_t i = 0; i < XL_COMPARE_COUNT; i++)
        XL_TRY(draw_one(job, i, err));
    xl_buf_init(&page, 0);
    xl_compare_page(&job->sides, job->drawn, job->n_drawn, job->why_not, &page);
    enum xl_status rc =
        xl_canvas_page(&job->canvas, &page, &result->report, err);
    xl_buf_release(&page);
    return rc;
}

static enum xl_status load_all(struct xl_compare_sides *sides,
                               const struct xl_compare_options *options,
                               struct xl_err *err)
{
    for (; sides->n < options->n; sides->n++) {
        struct xl_record *record = &sides->records[sides->n];
        XL_TRY(xl_record_load(record, options->dirs[sides->n], err));
        sides->labels[sides->n] = record->name;
        for (size_t i = 0; i < sides->n; i++) /* names alike: tell folders */
            if (strcmp(sides->records[i].name, record->name) == 0) {
                sides->labels[sides->n] = record->dir;
                sides->labels[i] = sides->records[i].dir;
            }
    }
    return XL_OK;
}

enum xl_status xl_compare_runs(const struct xl_compare_options *options,
                               struct xl_plot_result *result,
                               struct xl_err *err)
{
    char program[PATH_ROOM];
    struct job job = { .canvas = { .dir = options->out,
                                   .limit_ms = options->plot.limit_ms,
                                   .arena = &result->arena } };
    enum xl_status rc;
    *result = (struct xl_plot_result){ 0 };
    if (options->n < 2 || options->n > XL_COMPARE_RUNS)
        return xl_fail(err, XL_EUSAGE, "cannot compare %zu runs; from 2 to %d",
                       options->n, XL_COMPARE_RUNS);
    xl_arena_init(&result->arena, 0);
    XL_TRY_DONE(rc, xl_plot_program(&options->plot, program, sizeof program,
                                    &job.canvas.program, err));
    XL_TRY_DONE(rc, load_all(&job.sides, options, err));
    job.canvas.files =
        xl_arena_zero(&result->arena, XL_CANVAS_FORMS * XL_COMPARE_COUNT + 1,
                      sizeof *result->files);
    rc = job.canvas.files ? draw_all(&job, result, err)
                          : xl_fail(err, XL_ENOMEM, "out of memory");
    result->has_gnuplot = job.canvas.program != NULL;
    result->files = job.canvas.files;
    result->n_files = job.canvas.n_files;
    for (size_t i = 0; i < job.sides.n; i++)
        result->n_trials += job.sides.records[i].n_entries;
done:
    for (size_t i = 0; i < job.sides.n; i++)
        xl_record_release(&job.sides.records[i]);
    if (rc != XL_OK)
        xl_plot_result_release(result);
    return rc;
}
