/* SPDX-License-Identifier: Apache-2.0
 *
 * Each picture: compute the chart, then draw its data on the canvas. */
#include "plots/plot.h"

#include "plots/canvas.h"
#include "plots/gnuplot.h"
#include "plots/plot_int.h"

enum {
    PATH_ROOM = 4096
};

static const struct xl_plot_row rows[XL_PLOT_COUNT] = {
#define XL_PLOT(id, stem, chart, by, width, height, axis, title, caption)      \
    [XL_PLOT_##id] = { stem, by, axis, title, caption, width, height },
#include "plots/plot.def"
#undef XL_PLOT
};

/* The chart of each picture: how to compute it, and its script. */
static const struct chart {
    xl_draw *draw;
    const char *script;
} charts[XL_PLOT_COUNT] = {
#define XL_PLOT(id, stem, chart, by, width, height, axis, title, caption)      \
    [XL_PLOT_##id] = { xl_draw_##chart, xl_plot_text_##chart##_gp },
#include "plots/plot.def"
#undef XL_PLOT
};

/* Pictures that also come without gnuplot. */
static const enum xl_plot essential[] = { XL_PLOT_PREFILL_VS_DECODE,
                                          XL_PLOT_CONVERGENCE,
                                          XL_PLOT_BY_CHUNK_SIZE };

const struct xl_plot_row *xl_plot_row(enum xl_plot plot)
{
    return &rows[plot];
}

static bool is_essential(enum xl_plot plot)
{
    for (size_t i = 0; i < sizeof essential / sizeof *essential; i++)
        if (essential[i] == plot)
            return true;
    return false;
}

/* -- one picture ---------------------------------------------------------- */

struct job {
    struct xl_canvas canvas;
    struct xl_plot_result *result;
    const struct xl_record *record;
    struct xl_tunables tunables;
    struct xl_report_picture pictures[XL_PLOT_COUNT];
    size_t n_pictures;
};

static enum xl_status render(struct job *job, enum xl_plot plot,
                             const struct xl_drawing *d, struct xl_err *err)
{
    struct xl_report_picture *picture = &job->pictures[job->n_pictures];
    if (job->canvas.program)
        XL_TRY(xl_canvas_gnuplot(&job->canvas, d->row, charts[plot].script,
                                 d->data, picture, err));
    else
        XL_TRY(
            xl_canvas_svg(&job->canvas, d->row, d->svg, d->data, picture, err));
    job->n_pictures++;
    return XL_OK;
}

static enum xl_status draw_one(struct job *job, enum xl_plot plot,
                               struct xl_err *err)
{
    const struct xl_plot_row *row = &rows[plot];
    struct xl_arena arena;
    struct xl_buf data, svg;
    enum xl_status rc;
    xl_arena_init(&arena, 0);
    xl_buf_init(&data, 0);
    xl_buf_init(&svg, 0);
    struct xl_drawing d = { .record = job->record,
                            .tunables = &job->tunables,
                            .row = row,
                            .arena = &arena,
                            .data = &data,
                            .svg = &svg };
    xl_canvas_clear(&job->canvas, row);
    XL_TRY_DONE(rc, charts[plot].draw(&d, err));
    if (!d.why_not && !job->canvas.program && !is_essential(plot))
        d.why_not = "gnuplot is not there to draw it";
    job->result->why_not[plot] = d.why_not;
    if (!d.why_not)
        rc = render(job, plot, &d, err);
done:
    if (rc != XL_OK) /* no half-drawn picture */
        xl_canvas_clear(&job->canvas, row);
    xl_arena_release(&arena);
    xl_buf_release(&data);
    xl_buf_release(&svg);
    return rc;
}

/* -- the run -------------------------------------------------------------- */

static enum xl_status write_report(struct job *job, struct xl_err *err)
{
    struct xl_buf page;
    xl_buf_init(&page, 0);
    xl_report_write(&(struct xl_report){ .record = job->record,
                                         .tunables = &job->tunables,
                                         .pictures = job->pictures,
                                         .n_pictures = job->n_pictures,
                                         .why_not = job->result->why_not },
                    &page);
    enum xl_status rc =
        xl_canvas_page(&job->canvas, &page, &job->result->report, err);
    xl_buf_release(&page);
    return rc;
}

static enum xl_status draw_all(struct job *job, struct xl_err *err)
{
    XL_TRY(xl_canvas_begin(&job->canvas, err));
    XL_TRY(
        xl_tunables_make(&job->tunables, job->record, job->canvas.arena, err));
    for (size_t i = 0; i < XL_PLOT_COUNT; i++)
        XL_TRY(draw_one(job, (enum xl_plot)i, err));
    return write_report(job, err);
}

enum xl_status xl_plot_program(const struct xl_plot_options *options, char *out,
                               size_t room, const char **program,
                               struct xl_err *err)
{
    *program = NULL;
    if (options->no_gnuplot)
        return XL_OK;
    if (xl_gnuplot_find(options->gnuplot, out, room))
        *program = out;
    else if (options->gnuplot)
        return xl_fail(err, XL_EUSAGE, "'--gnuplot %s' is no program",
                       options->gnuplot);
    return XL_OK;
}

/* Loads a folder and draws something of it. */
static enum xl_status
draw_folder(const struct xl_plot_options *options,
            enum xl_status (*load)(struct xl_record *record, const char *dir,
                                   struct xl_err *err),
            enum xl_status (*draw)(struct job *job, struct xl_err *err),
            struct xl_plot_result *result, struct xl_err *err)
{
    struct xl_record record;
    char program[PATH_ROOM];
    struct job job = { .result = result,
                       .record = &record,
                       .canvas = { .limit_ms = options->limit_ms,
                                   .arena = &result->arena } };
    *result = (struct xl_plot_result){ 0 };
    XL_TRY(xl_plot_program(options, program, sizeof program,
                           &job.canvas.program, err));
    XL_TRY(load(&record, options->dir, err));
    xl_arena_init(&result->arena, 0);
    job.canvas.dir = record.dir;
    job.canvas.files =
        xl_arena_zero(&result->arena, XL_CANVAS_FORMS * XL_PLOT_COUNT + 1,
                      sizeof *result->files);
    enum xl_status rc = job.canvas.files
                            ? draw(&job, err)
                            : xl_fail(err, XL_ENOMEM, "out of memory");
    result->has_gnuplot = job.canvas.program != NULL;
    result->n_trials = record.n_entries;
    result->files = job.canvas.files;
    result->n_files = job.canvas.n_files;
    xl_record_release(&record);
    if (rc != XL_OK)
        xl_plot_result_release(result);
    return rc;
}

enum xl_status xl_plot_run(const struct xl_plot_options *options,
                           struct xl_plot_result *result, struct xl_err *err)
{
    return draw_folder(options, xl_record_load, draw_all, result, err);
}

static enum xl_status draw_duel(struct job *job, struct xl_err *err)
{
    XL_TRY(xl_canvas_begin(&job->canvas, err));
    return draw_one(job, XL_PLOT_DUEL, err);
}

enum xl_status xl_plot_duel(const struct xl_plot_options *options,
                            struct xl_plot_result *result, struct xl_err *err)
{
    return draw_folder(options, xl_record_load_extras, draw_duel, result, err);
}

void xl_plot_result_release(struct xl_plot_result *result)
{
    xl_arena_release(&result->arena);
    *result = (struct xl_plot_result){ 0 };
}
