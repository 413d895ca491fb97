/* SPDX-License-Identifier: Apache-2.0
 *
 * A script is the row's names, style.gp, the chart's own .gp and again.gp in
 * one file. A picture counts as drawn only when it is a whole PNG. */
#include "plots/canvas.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "plots/gnuplot.h"
#include "plots/plot_int.h"
#include "plots/svg.h"

enum {
    PATH_ROOM = 4096
};

/* "DIR/[plots/]STEM.suffix", memory of the result; NULL without memory. */
const char *xl_canvas_path(const struct xl_canvas *canvas, const char *folder,
                           const char *stem, const char *suffix)
{
    char path[PATH_ROOM];
    int n = snprintf(path, sizeof path, "%s/%s%s%s", canvas->dir, folder, stem,
                     suffix);
    if (n < 0 || (size_t)n >= sizeof path)
        return NULL;
    return xl_arena_text(canvas->arena, path, (size_t)n);
}

static enum xl_status write_part(const struct xl_canvas *canvas,
                                 const char *folder,
                                 const struct xl_plot_row *row,
                                 const char *suffix, const struct xl_buf *text,
                                 struct xl_err *err)
{
    const char *path = xl_canvas_path(canvas, folder, row->stem, suffix);
    if (!path)
        return xl_fail(err, XL_EIO, "cannot write '%s/%s%s': path too long",
                       canvas->dir, row->stem, suffix);
    XL_TRY(xl_buf_check(text, path, err));
    return xl_io_replace(path, text->data, text->len, err);
}

/* Removes what an earlier drawing left, which this one may not renew. */
void xl_canvas_clear(const struct xl_canvas *canvas,
                     const struct xl_plot_row *row)
{
    static const char *const files[][2] = {
        { "", ".png" },       { "", ".svg" },
        { "plots/", ".svg" }, { "plots/", ".dark.png" },
        { "plots/", ".gp" },  { "plots/", ".dark.svg" },
        { "plots/", ".dat" },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path =
            xl_canvas_path(canvas, files[i][0], row->stem, files[i][1]);
        if (path)
            unlink(path);
    }
}

static enum xl_status write_script(const struct xl_canvas *canvas,
                                   const struct xl_plot_row *row,
                                   const char *script, struct xl_err *err)
{
    struct xl_buf text;
    xl_buf_init(&text, 0);
    xl_buf_printf(&text,
                  "STEM = '%s'\nTITLE = '%s'\nAXIS = '%s'\n"
                  "WIDTH = %u\nHEIGHT = %u\n"
                  "if (!exists('PASS')) PASS = 1\n\n%s\n%s\n%s",
                  row->stem, row->title, row->axis, row->width, row->height,
                  xl_plot_text_style_gp, script, xl_plot_text_again_gp);
    enum xl_status rc = write_part(canvas, "plots/", row, ".gp", &text, err);
    xl_buf_release(&text);
    return rc;
}

enum xl_status xl_canvas_add(struct xl_canvas *canvas, const char *path,
                             struct xl_err *err)
{
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    canvas->files[canvas->n_files++] = path;
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
static enum xl_status take_png(struct xl_canvas *canvas,
                               const struct xl_plot_row *row,
                               const char *folder, const char *suffix,
                               struct xl_report_image *image,
                               struct xl_err *err)
{
    struct xl_buf png;
    const char *path = xl_canvas_path(canvas, folder, row->stem, suffix);
    enum xl_status rc = XL_OK;
    if (!path || !xl_io_exists(path))
        return xl_fail(err, XL_EFAILED, "'%s' made no '%s/%s%s%s'",
                       canvas->program, canvas->dir, folder, row->stem, suffix);
    xl_buf_init(&png, 0);
    XL_TRY_DONE(rc, xl_io_read(path, &png, err));
    if (!is_whole_png(&png)) {
        rc = xl_fail(err, XL_EFAILED, "'%s' left '%s' incomplete",
                     canvas->program, path);
        goto done;
    }
    const char *copy = xl_arena_text(canvas->arena, png.data, png.len);
    if (!copy)
        rc = xl_fail(err, XL_ENOMEM, "out of memory for '%s'", row->stem);
    image->bytes = (const unsigned char *)copy;
    image->n = png.len;
    if (rc == XL_OK)
        rc = xl_canvas_add(canvas, path, err);
done:
    xl_buf_release(&png);
    return rc;
}

static enum xl_status take_svg(struct xl_canvas *canvas,
                               const struct xl_plot_row *row,
                               const char *suffix, struct xl_err *err)
{
    const char *path = xl_canvas_path(canvas, "plots/", row->stem, suffix);
    if (!path || !xl_io_exists(path))
        return xl_fail(err, XL_EFAILED, "'%s' made no '%s/plots/%s%s'",
                       canvas->program, canvas->dir, row->stem, suffix);
    return xl_canvas_add(canvas, path, err);
}

enum xl_status xl_canvas_gnuplot(struct xl_canvas *canvas,
                                 const struct xl_plot_row *row,
                                 const char *script, const struct xl_buf *data,
                                 struct xl_report_picture *picture,
                                 struct xl_err *err)
{
    char path[256];
    snprintf(path, sizeof path, "plots/%s.gp", row->stem);
    XL_TRY(write_part(canvas, "plots/", row, ".dat", data, err));
    XL_TRY(write_script(canvas, row, script, err));
    XL_TRY(
        xl_gnuplot_run(&(struct xl_gnuplot_job){ .program = canvas->program,
                                                 .dir = canvas->dir,
                                                 .script = path,
                                                 .limit_ms = canvas->limit_ms },
                       err));
    *picture = (struct xl_report_picture){ .row = row };
    XL_TRY(take_png(canvas, row, "", ".png", &picture->light, err));
    XL_TRY(take_png(canvas, row, "plots/", ".dark.png", &picture->dark, err));
    XL_TRY(take_svg(canvas, row, ".svg", err));
    return take_svg(canvas, row, ".dark.svg", err);
}

enum xl_status
xl_canvas_svg(struct xl_canvas *canvas, const struct xl_plot_row *row,
              const struct xl_buf *svg, const struct xl_buf *data,
              struct xl_report_picture *picture, struct xl_err *err)
{
    struct xl_buf file;
    XL_TRY(write_part(canvas, "plots/", row, ".dat", data, err));
    XL_TRY(xl_buf_check(svg, "a picture", err));
    const char *copy = xl_arena_text(canvas->arena, svg->data, svg->len);
    if (!copy)
        return xl_fail(err, XL_ENOMEM, "out of memory for '%s'", row->stem);
    *picture = (struct xl_report_picture){ .row = row, .svg = copy };
    xl_buf_init(&file, 0);
    xl_svg_file(svg->data, &file);
    enum xl_status rc = write_part(canvas, "", row, ".svg", &file, err);
    xl_buf_release(&file);
    XL_TRY(rc);
    return xl_canvas_add(canvas, xl_canvas_path(canvas, "", row->stem, ".svg"),
                         err);
}

enum xl_status xl_canvas_begin(const struct xl_canvas *canvas,
                               struct xl_err *err)
{
    char *folder = xl_io_join(canvas->dir, "plots");
    if (!folder)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    enum xl_status rc = xl_io_make_dirs(folder, err);
    xl_free(folder);
    return rc;
}

enum xl_status xl_canvas_page(struct xl_canvas *canvas,
                              const struct xl_buf *page, const char **path,
                              struct xl_err *err)
{
    *path = xl_canvas_path(canvas, "", "report", ".html");
    XL_TRY(xl_buf_check(page, "the report", err));
    XL_TRY(xl_canvas_add(canvas, *path, err));
    return xl_io_replace(*path, page->data, page->len, err);
}
