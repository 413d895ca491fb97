/* SPDX-License-Identifier: Apache-2.0
 *
 * Each picture: compute the chart, write its data file and script, run
 * gnuplot. A script is the row's names, style.gp and the chart's own .gp in
 * one file. A picture counts as drawn only when it is a whole PNG. */
#include "plots/plot.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "plots/gnuplot.h"
#include "plots/plot_int.h"
#include "plots/report.h"
#include "plots/svg.h"

enum {
    PATH_ROOM = 4096
};

static const struct xl_plot_row rows[XL_PLOT_COUNT] = {
#define XL_PLOT(id, stem, chart, column, axis, title, caption)                 \
    [XL_PLOT_##id] = { stem, axis, title, caption, XL_COLUMN_##column },
#include "plots/plot.def"
#undef XL_PLOT
};

/* What drawing one picture needs. */
struct drawing {
    const struct xl_record *record;
    const struct xl_plot_row *row;
    struct xl_arena *arena;
    struct xl_buf *data; /* gets the data file */
    struct xl_buf *svg;  /* gets the element */
    struct xl_err *err;
};

static enum xl_status by_value(const struct drawing *d)
{
    struct xl_chart_by_value chart;
    XL_TRY(xl_chart_by_value(&chart, d->record, (enum xl_column)d->row->column,
                             d->arena, d->err));
    xl_plot_data_by_value(&chart, d->record, d->data);
    xl_svg_by_value(&chart, d->row, d->svg);
    return XL_OK;
}

static enum xl_status prefill_vs_decode(const struct drawing *d)
{
    struct xl_chart_scatter chart;
    XL_TRY(xl_chart_scatter(&chart, d->record, d->arena, d->err));
    xl_plot_data_scatter(&chart, d->record, d->data);
    xl_svg_scatter(&chart, d->row, d->svg);
    return XL_OK;
}

static enum xl_status convergence(const struct drawing *d)
{
    struct xl_chart_history chart;
    XL_TRY(xl_chart_history(&chart, d->record, d->arena, d->err));
    xl_plot_data_history(&chart, d->record, d->data);
    xl_svg_history(&chart, d->row, d->svg);
    return XL_OK;
}

/* The charts: how to compute one, its script, its size in pixels. */
enum {
    CHART_by_value,
    CHART_prefill_vs_decode,
    CHART_convergence
};

static const struct chart {
    const char *script;
    unsigned width, height;
    enum xl_status (*draw)(const struct drawing *d);
} charts[] = {
    [CHART_by_value] = { xl_plot_text_by_value_gp, 1000, 1000, by_value },
    [CHART_prefill_vs_decode] = { xl_plot_text_prefill_vs_decode_gp, 1000, 720,
                                  prefill_vs_decode },
    [CHART_convergence] = { xl_plot_text_convergence_gp, 1000, 720,
                            convergence },
};

/* Pictures that also come without gnuplot. */
static const enum xl_plot essential[] = { XL_PLOT_PREFILL_VS_DECODE,
                                          XL_PLOT_CONVERGENCE,
                                          XL_PLOT_BY_CHUNK_SIZE };

const struct xl_plot_row *xl_plot_row(enum xl_plot plot)
{
    return &rows[plot];
}

static const struct chart *chart_of(enum xl_plot plot)
{
    static const size_t index[XL_PLOT_COUNT] = {
#define XL_PLOT(id, stem, chart, column, axis, title, caption)                 \
    [XL_PLOT_##id] = CHART_##chart,
#include "plots/plot.def"
#undef XL_PLOT
    };
    return &charts[index[plot]];
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
    const struct xl_plot_options *options;
    struct xl_plot_result *result;
    const struct xl_record *record;
    char program[PATH_ROOM];
    struct xl_report_picture pictures[XL_PLOT_COUNT];
    size_t n_pictures;
};

/* "DIR/[plots/]STEM.suffix", memory of the result; NULL without memory. */
static const char *path_of(const struct job *job, const char *folder,
                           const char *stem, const char *suffix)
{
    char path[PATH_ROOM];
    int n = snprintf(path, sizeof path, "%s/%s%s%s", job->record->dir, folder,
                     stem, suffix);
    if (n < 0 || (size_t)n >= sizeof path)
        return NULL;
    return xl_arena_text(&job->result->arena, path, (size_t)n);
}

static enum xl_status write_part(const struct job *job, const char *folder,
                                 const struct xl_plot_row *row,
                                 const char *suffix, const struct xl_buf *text,
                                 struct xl_err *err)
{
    const char *path = path_of(job, folder, row->stem, suffix);
    if (!path)
        return xl_fail(err, XL_EIO, "cannot write '%s/%s%s': path too long",
                       job->record->dir, row->stem, suffix);
    XL_TRY(xl_buf_check(text, path, err));
    return xl_io_replace(path, text->data, text->len, err);
}

/* Removes what an earlier drawing left, which this one may not renew. */
static void remove_old(const struct job *job, const struct xl_plot_row *row)
{
    static const char *const suffixes[] = { ".png", ".svg" };
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        const char *path = path_of(job, "", row->stem, suffixes[i]);
        if (path)
            unlink(path);
    }
}

static enum xl_status write_script(const struct job *job, enum xl_plot plot,
                                   struct xl_err *err)
{
    const struct xl_plot_row *row = &rows[plot];
    const struct chart *chart = chart_of(plot);
    struct xl_buf text;
    xl_buf_init(&text, 0);
    xl_buf_printf(&text,
                  "STEM = '%s'\nTITLE = '%s'\nAXIS = '%s'\n"
                  "WIDTH = %u\nHEIGHT = %u\n\n%s\n%s",
                  row->stem, row->title, row->axis, chart->width, chart->height,
                  xl_plot_text_style_gp, chart->script);
    enum xl_status rc = write_part(job, "plots/", row, ".gp", &text, err);
    xl_buf_release(&text);
    return rc;
}

static enum xl_status add_file(struct job *job, const char *path,
                               struct xl_err *err)
{
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    job->result->files[job->result->n_files++] = path;
    return XL_OK;
}

/* A PNG is whole when it ends in its IEND chunk. */
static bool is_whole_png(const struct xl_buf *png)
{
    static const char head[] = "\x89PNG\r\n\x1a\n";
    static const char tail[] = "IEND\xae\x42\x60\x82";
    size_t n_head = sizeof head - 1, n_tail = sizeof tail - 1;
    return png->len > n_head + n_tail && memcmp(png->data, head, n_head) == 0 &&
           memcmp(png->data + png->len - n_tail, tail, n_tail) == 0;
}

static enum xl_status run_gnuplot(struct job *job, enum xl_plot plot,
                                  struct xl_buf *png, struct xl_err *err)
{
    const struct xl_plot_row *row = &rows[plot];
    char script[256];
    const char *path = path_of(job, "", row->stem, ".png");
    snprintf(script, sizeof script, "plots/%s.gp", row->stem);
    XL_TRY(write_script(job, plot, err));
    XL_TRY(xl_gnuplot_run(
        &(struct xl_gnuplot_job){ .program = job->program,
                                  .dir = job->record->dir,
                                  .script = script,
                                  .limit_ms = job->options->limit_ms },
        err));
    if (!path || !xl_io_exists(path))
        return xl_fail(err, XL_EFAILED, "'%s' made no '%s/%s.png'",
                       job->program, job->record->dir, row->stem);
    XL_TRY(xl_io_read(path, png, err));
    if (!is_whole_png(png))
        return xl_fail(err, XL_EFAILED, "'%s' left '%s' incomplete",
                       job->program, path);
    return add_file(job, path, err);
}

static enum xl_status write_svg(struct job *job, const struct xl_plot_row *row,
                                const struct xl_buf *svg, struct xl_err *err)
{
    struct xl_buf file;
    xl_buf_init(&file, 0);
    XL_TRY(xl_buf_check(svg, "a picture", err));
    xl_svg_file(svg->data, &file);
    enum xl_status rc = write_part(job, "", row, ".svg", &file, err);
    xl_buf_release(&file);
    XL_TRY(rc);
    return add_file(job, path_of(job, "", row->stem, ".svg"), err);
}

/* Keeps bytes for the report, which is written after all pictures. */
static enum xl_status keep_picture(struct job *job,
                                   const struct xl_plot_row *row,
                                   const struct xl_buf *bytes, bool is_png,
                                   struct xl_err *err)
{
    const char *copy =
        xl_arena_text(&job->result->arena, bytes->data, bytes->len);
    if (!copy)
        return xl_fail(err, XL_ENOMEM, "out of memory for '%s'", row->stem);
    struct xl_report_picture *picture = &job->pictures[job->n_pictures++];
    *picture = (struct xl_report_picture){ .row = row };
    if (is_png) {
        picture->png = (const unsigned char *)copy;
        picture->png_bytes = bytes->len;
    } else {
        picture->svg = copy;
    }
    return XL_OK;
}

static enum xl_status draw_one(struct job *job, enum xl_plot plot,
                               struct xl_err *err)
{
    const struct xl_plot_row *row = &rows[plot];
    struct xl_arena arena;
    struct xl_buf data, svg, png;
    enum xl_status rc;
    xl_arena_init(&arena, 0);
    xl_buf_init(&data, 0);
    xl_buf_init(&svg, 0);
    xl_buf_init(&png, 0);
    struct drawing d = { job->record, row, &arena, &data, &svg, err };

    remove_old(job, row);
    XL_TRY_DONE(rc, chart_of(plot)->draw(&d));
    XL_TRY_DONE(rc, write_part(job, "plots/", row, ".dat", &data, err));
    if (job->result->has_gnuplot) {
        XL_TRY_DONE(rc, run_gnuplot(job, plot, &png, err));
        XL_TRY_DONE(rc, keep_picture(job, row, &png, true, err));
    } else if (is_essential(plot)) {
        XL_TRY_DONE(rc, write_svg(job, row, &svg, err));
        XL_TRY_DONE(rc, keep_picture(job, row, &svg, false, err));
    }
done:
    if (rc != XL_OK) /* no half-drawn picture */
        remove_old(job, row);
    xl_arena_release(&arena);
    xl_buf_release(&data);
    xl_buf_release(&svg);
    xl_buf_release(&png);
    return rc;
}

/* -- the run -------------------------------------------------------------- */

static enum xl_status write_report(struct job *job, struct xl_err *err)
{
    struct xl_buf page;
    const char *path = path_of(job, "", "report", ".html");
    xl_buf_init(&page, 0);
    xl_report_write(job->record, job->pictures, job->n_pictures, &page);
    enum xl_status rc = xl_buf_check(&page, "the report", err);
    if (rc == XL_OK)
        rc = add_file(job, path, err);
    if (rc == XL_OK)
        rc = xl_io_replace(path, page.data, page.len, err);
    job->result->report = path;
    xl_buf_release(&page);
    return rc;
}

static enum xl_status draw_all(struct job *job, struct xl_err *err)
{
    char *folder = xl_io_join(job->record->dir, "plots");
    if (!folder)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    enum xl_status rc = xl_io_make_dirs(folder, err);
    xl_free(folder);
    XL_TRY(rc);
    for (size_t i = 0; i < XL_PLOT_COUNT; i++)
        XL_TRY(draw_one(job, (enum xl_plot)i, err));
    return write_report(job, err);
}

enum xl_status xl_plot_run(const struct xl_plot_options *options,
                           struct xl_plot_result *result, struct xl_err *err)
{
    struct xl_record record;
    struct job job = { .options = options,
                       .result = result,
                       .record = &record };
    enum xl_status rc;
    *result = (struct xl_plot_result){ 0 };
    if (!options->no_gnuplot)
        result->has_gnuplot =
            xl_gnuplot_find(options->gnuplot, job.program, sizeof job.program);
    if (options->gnuplot && !options->no_gnuplot && !result->has_gnuplot)
        return xl_fail(err, XL_EUSAGE, "'--gnuplot %s' is no program",
                       options->gnuplot);
    XL_TRY(xl_record_load(&record, options->dir, err));
    xl_arena_init(&result->arena, 0);
    result->n_trials = record.n_entries;
    result->files =
        xl_arena_zero(&result->arena, XL_PLOT_COUNT + 1, sizeof *result->files);
    rc = result->files ? draw_all(&job, err)
                       : xl_fail(err, XL_ENOMEM, "out of memory");
    xl_record_release(&record);
    if (rc != XL_OK)
        xl_plot_result_release(result);
    return rc;
}

void xl_plot_result_release(struct xl_plot_result *result)
{
    xl_arena_release(&result->arena);
    *result = (struct xl_plot_result){ 0 };
}
