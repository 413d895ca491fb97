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
    PATH_ROOM = 4096,
    FORMS = 4 /* files of a picture: PNG and SVG, light and dark */
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
    const struct xl_plot_options *options;
    struct xl_plot_result *result;
    const struct xl_record *record;
    struct xl_tunables tunables;
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
    static const char *const files[][2] = {
        { "", ".png" },       { "", ".svg" },
        { "plots/", ".svg" }, { "plots/", ".dark.png" },
        { "plots/", ".gp" },  { "plots/", ".dark.svg" },
        { "plots/", ".dat" },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = path_of(job, files[i][0], row->stem, files[i][1]);
        if (path)
            unlink(path);
    }
}

static enum xl_status write_script(const struct job *job, enum xl_plot plot,
                                   struct xl_err *err)
{
    const struct xl_plot_row *row = &rows[plot];
    struct xl_buf text;
    xl_buf_init(&text, 0);
    xl_buf_printf(&text,
                  "STEM = '%s'\nTITLE = '%s'\nAXIS = '%s'\n"
                  "WIDTH = %u\nHEIGHT = %u\n"
                  "if (!exists('PASS')) PASS = 1\n\n%s\n%s\n%s",
                  row->stem, row->title, row->axis, row->width, row->height,
                  xl_plot_text_style_gp, charts[plot].script,
                  xl_plot_text_again_gp);
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

/* Reads a PNG that gnuplot should have made, for the report as well. */
static enum xl_status take_png(struct job *job, const struct xl_plot_row *row,
                               const char *folder, const char *suffix,
                               struct xl_report_image *image,
                               struct xl_err *err)
{
    struct xl_buf png;
    const char *path = path_of(job, folder, row->stem, suffix);
    enum xl_status rc = XL_OK;
    if (!path || !xl_io_exists(path))
        return xl_fail(err, XL_EFAILED, "'%s' made no '%s/%s%s%s'",
                       job->program, job->record->dir, folder, row->stem,
                       suffix);
    xl_buf_init(&png, 0);
    XL_TRY_DONE(rc, xl_io_read(path, &png, err));
    if (!is_whole_png(&png)) {
        rc = xl_fail(err, XL_EFAILED, "'%s' left '%s' incomplete", job->program,
                     path);
        goto done;
    }
    const char *copy = xl_arena_text(&job->result->arena, png.data, png.len);
    if (!copy)
        rc = xl_fail(err, XL_ENOMEM, "out of memory for '%s'", row->stem);
    image->bytes = (const unsigned char *)copy;
    image->n = png.len;
    if (rc == XL_OK)
        rc = add_file(job, path, err);
done:
    xl_buf_release(&png);
    return rc;
}

static enum xl_status take_svg(struct job *job, const struct xl_plot_row *row,
                               const char *suffix, struct xl_err *err)
{
    const char *path = path_of(job, "plots/", row->stem, suffix);
    if (!path || !xl_io_exists(path))
        return xl_fail(err, XL_EFAILED, "'%s' made no '%s/plots/%s%s'",
                       job->program, job->record->dir, row->stem, suffix);
    return add_file(job, path, err);
}

static enum xl_status run_gnuplot(struct job *job, enum xl_plot plot,
                                  struct xl_err *err)
{
    const struct xl_plot_row *row = &rows[plot];
    struct xl_report_picture *picture = &job->pictures[job->n_pictures];
    char script[256];
    snprintf(script, sizeof script, "plots/%s.gp", row->stem);
    XL_TRY(write_script(job, plot, err));
    XL_TRY(xl_gnuplot_run(
        &(struct xl_gnuplot_job){ .program = job->program,
                                  .dir = job->record->dir,
                                  .script = script,
                                  .limit_ms = job->options->limit_ms },
        err));
    *picture = (struct xl_report_picture){ .row = row };
    XL_TRY(take_png(job, row, "", ".png", &picture->light, err));
    XL_TRY(take_png(job, row, "plots/", ".dark.png", &picture->dark, err));
    XL_TRY(take_svg(job, row, ".svg", err));
    XL_TRY(take_svg(job, row, ".dark.svg", err));
    job->n_pictures++;
    return XL_OK;
}

/* An essential picture without gnuplot: a file, and an element to embed. */
static enum xl_status write_svg(struct job *job, const struct xl_plot_row *row,
                                const struct xl_buf *svg, struct xl_err *err)
{
    struct xl_buf file;
    xl_buf_init(&file, 0);
    XL_TRY(xl_buf_check(svg, "a picture", err));
    const char *copy = xl_arena_text(&job->result->arena, svg->data, svg->len);
    if (!copy)
        return xl_fail(err, XL_ENOMEM, "out of memory for '%s'", row->stem);
    job->pictures[job->n_pictures++] =
        (struct xl_report_picture){ .row = row, .svg = copy };
    xl_svg_file(svg->data, &file);
    enum xl_status rc = write_part(job, "", row, ".svg", &file, err);
    xl_buf_release(&file);
    XL_TRY(rc);
    return add_file(job, path_of(job, "", row->stem, ".svg"), err);
}

static enum xl_status render(struct job *job, enum xl_plot plot,
                             const struct xl_drawing *d, struct xl_err *err)
{
    if (!job->result->has_gnuplot && !is_essential(plot)) {
        job->result->why_not[plot] = "gnuplot is not there to draw it";
        return XL_OK;
    }
    XL_TRY(write_part(job, "plots/", d->row, ".dat", d->data, err));
    return job->result->has_gnuplot ? run_gnuplot(job, plot, err)
                                    : write_svg(job, d->row, d->svg, err);
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
    remove_old(job, row);
    XL_TRY_DONE(rc, charts[plot].draw(&d, err));
    job->result->why_not[plot] = d.why_not;
    if (!d.why_not)
        rc = render(job, plot, &d, err);
done:
    if (rc != XL_OK) /* no half-drawn picture */
        remove_old(job, row);
    xl_arena_release(&arena);
    xl_buf_release(&data);
    xl_buf_release(&svg);
    return rc;
}

/* -- the run -------------------------------------------------------------- */

static enum xl_status write_report(struct job *job, struct xl_err *err)
{
    struct xl_buf page;
    const char *path = path_of(job, "", "report", ".html");
    xl_buf_init(&page, 0);
    xl_report_write(&(struct xl_report){ .record = job->record,
                                         .tunables = &job->tunables,
                                         .pictures = job->pictures,
                                         .n_pictures = job->n_pictures,
                                         .why_not = job->result->why_not },
                    &page);
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
    XL_TRY(xl_tunables_make(&job->tunables, job->record, &job->result->arena,
                            err));
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
    result->files = xl_arena_zero(&result->arena, FORMS * XL_PLOT_COUNT + 1,
                                  sizeof *result->files);
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
