/* SPDX-License-Identifier: Apache-2.0
 *
 * A frame, two scales, marks and a legend; nothing has an id, so several
 * pictures can stand in one page. The xmlns that a file needs is added by
 * xl_svg_file: inside HTML it is implied. */
#include "plots/svg.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plots/html.h"

enum {
    WIDTH = 760,
    HEIGHT = 470,
    LEFT = 78,
    RIGHT = 18,
    TICKS = 6
};

static const char style[] =
    "<style>.xlp{font:13px system-ui,sans-serif;--ink:#222;--soft:#666;"
    "--grid:#e3e3e3;--acc:#0072b2;--mid:#009e73;--rej:#d55e00;--win:#cc79a7;"
    "--ref:#000;--ctx:#9fb6c6}"
    "@media(prefers-color-scheme:dark){.xlp{--ink:#ddd;--soft:#999;"
    "--grid:#333;--acc:#56b4e9;--mid:#2fc79a;--rej:#ff8a3d;--win:#e8a3c8;"
    "--ref:#fff;--ctx:#4f6472}}"
    ".xlp text{fill:var(--ink)}.xlp .soft{fill:var(--soft)}"
    ".xlp .axis{stroke:var(--soft);fill:none}"
    ".xlp .grid{stroke:var(--grid)}"
    ".xlp .acc{stroke:var(--acc);fill:var(--acc)}"
    ".xlp .mid{stroke:var(--mid);fill:var(--mid)}"
    ".xlp .ctx{stroke:var(--ctx);fill:var(--ctx)}"
    ".xlp .rej{stroke:var(--rej);fill:none;stroke-width:2}"
    ".xlp .win{stroke:var(--win);fill:none;stroke-width:3}"
    ".xlp .ref{stroke:var(--ref);fill:none;stroke-width:2}"
    ".xlp .line{fill:none;stroke-width:2}"
    ".xlp .dash{stroke-dasharray:7 5}</style>";

/* Where a chart's numbers fall on the page. */
struct frame {
    struct xl_buf *out;
    struct xl_range x, y;
    double left, top, width, height;
};

static double to_x(const struct frame *f, double x)
{
    return f->left + (x - f->x.lo) / (f->x.hi - f->x.lo) * f->width;
}

static double to_y(const struct frame *f, double y)
{
    return f->top + (f->y.hi - y) / (f->y.hi - f->y.lo) * f->height;
}

/* -- pieces --------------------------------------------------------------- */

static void begin(struct xl_buf *out, const struct xl_plot_row *row,
                  double height)
{
    xl_buf_printf(out,
                  "<svg class=\"xlp\" viewBox=\"0 0 %d %g\" role=\"img\" "
                  "width=\"100%%\"><title>",
                  WIDTH, height);
    xl_html_text(out, row->title);
    xl_buf_printf(out,
                  "</title>%s<text x=\"12\" y=\"24\" font-size=\"17\" "
                  "font-weight=\"600\">",
                  style);
    xl_html_text(out, row->title);
    xl_buf_text(out, "</text>\n");
}

static void line(struct xl_buf *out, const char *class, double x1, double y1,
                 double x2, double y2)
{
    xl_buf_printf(out,
                  "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
                  "y2=\"%.1f\"/>\n",
                  class, x1, y1, x2, y2);
}

/* anchor: start, middle or end. */
static void label(struct xl_buf *out, const char *anchor, double x, double y,
                  const char *text)
{
    xl_buf_printf(out, "<text text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">",
                  anchor, x, y);
    xl_html_text(out, text);
    xl_buf_text(out, "</text>\n");
}

static void y_label(const struct frame *f, const char *text)
{
    xl_buf_printf(f->out,
                  "<text text-anchor=\"middle\" transform=\"translate(16 %.1f)"
                  " rotate(-90)\">",
                  f->top + f->height / 2);
    xl_html_text(f->out, text);
    xl_buf_text(f->out, "</text>\n");
}

/* Shapes differ as well as colours: o dot, x cross, d diamond, s square,
 * - dash. */
static void shape(struct xl_buf *out, const char *class, char kind, double x,
                  double y)
{
    switch (kind) {
    case 'x':
        xl_buf_printf(out,
                      "<path class=\"%s\" d=\"M%.1f %.1fl9 9m0-9l-9 9\"/>\n",
                      class, x - 4.5, y - 4.5);
        break;
    case 'd':
        xl_buf_printf(out,
                      "<path class=\"%s\" d=\"M%.1f %.1fl8 8l-8 8l-8-8z\"/>\n",
                      class, x, y - 8);
        break;
    case '-':
        line(out, class, x - 9, y, x + 5, y);
        break;
    case 's':
        xl_buf_printf(out,
                      "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"9\" "
                      "height=\"9\"/>\n",
                      class, x - 4.5, y - 4.5);
        break;
    default:
        xl_buf_printf(out,
                      "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" "
                      "r=\"%s\"/>\n",
                      class, x, y, strcmp(class, "ctx") == 0 ? "2" : "3.5");
    }
}

static void y_axis(const struct frame *f)
{
    char text[32];
    double step = xl_chart_step(f->y.hi - f->y.lo, TICKS);
    for (double at = ceil(f->y.lo / step) * step; at <= f->y.hi + step * 1e-9;
         at += step) {
        snprintf(text, sizeof text, "%.4g", fabs(at) < step / 2 ? 0 : at);
        line(f->out, "grid", f->left, to_y(f, at), f->left + f->width,
             to_y(f, at));
        label(f->out, "end", f->left - 7, to_y(f, at) + 4.5, text);
    }
    line(f->out, "axis", f->left, f->top, f->left, f->top + f->height);
    line(f->out, "axis", f->left, f->top + f->height, f->left + f->width,
         f->top + f->height);
}

static void x_axis(const struct frame *f, const char *text, bool whole)
{
    char number[32];
    double step = xl_chart_step(f->x.hi - f->x.lo, TICKS);
    double bottom = f->top + f->height;
    if (whole && step < 1)
        step = 1;
    for (double at = ceil(f->x.lo / step) * step; at <= f->x.hi; at += step) {
        snprintf(number, sizeof number, "%.4g", fabs(at) < step / 2 ? 0 : at);
        line(f->out, "axis", to_x(f, at), bottom, to_x(f, at), bottom + 5);
        label(f->out, "middle", to_x(f, at), bottom + 20, number);
    }
    label(f->out, "middle", f->left + f->width / 2, bottom + 42, text);
}

static void bar(const struct frame *f, const char *class,
                const struct xl_mark *mark)
{
    if (!isnan(mark->y_lo) && !isnan(mark->y_hi))
        line(f->out, class, to_x(f, mark->x), to_y(f, mark->y_lo),
             to_x(f, mark->x), to_y(f, mark->y_hi));
    if (!isnan(mark->x_lo) && !isnan(mark->x_hi))
        line(f->out, class, to_x(f, mark->x_lo), to_y(f, mark->y),
             to_x(f, mark->x_hi), to_y(f, mark->y));
}

static void bars(const struct frame *f, const struct xl_series *series)
{
    for (size_t i = 0; i < series->n; i++)
        bar(f, "ctx", &series->marks[i]);
}

static void marks(const struct frame *f, const char *class, char kind,
                  const struct xl_series *series)
{
    for (size_t i = 0; i < series->n; i++)
        shape(f->out, class, kind, to_x(f, series->marks[i].x),
              to_y(f, series->marks[i].y));
}

/* A line through the marks; is_step: level until the next one. */
static void path(const struct frame *f, const char *class,
                 const struct xl_series *series, bool is_step)
{
    for (size_t i = 0; i < series->n; i++) {
        double x = to_x(f, series->marks[i].x), y = to_y(f, series->marks[i].y);
        if (i == 0)
            xl_buf_printf(f->out, "<path class=\"%s\" d=\"M%.1f %.1f", class, x,
                          y);
        else if (is_step)
            xl_buf_printf(f->out, "H%.1fV%.1f", x, y);
        else
            xl_buf_printf(f->out, "L%.1f %.1f", x, y);
    }
    if (series->n)
        xl_buf_text(f->out, "\"/>\n");
}

struct key {
    const char *class, *text;
    char kind;
    size_t n; /* told behind the text; 0 leaves the row out */
};

static void legend(struct xl_buf *out, const struct key *keys, size_t n,
                   double y)
{
    double x = LEFT;
    for (size_t i = 0; i < n; i++) {
        char text[80];
        if (keys[i].n == 0)
            continue;
        snprintf(text, sizeof text, "%s (n=%zu)", keys[i].text, keys[i].n);
        shape(out, keys[i].class, keys[i].kind, x, y - 4.5);
        label(out, "start", x + 13, y, text);
        x += 32 + 7.2 * (double)strlen(text);
    }
}

static void note(const struct frame *f, const char *text)
{
    label(f->out, "middle", f->left + f->width / 2, f->top + f->height / 2,
          text);
}

/* -- charts --------------------------------------------------------------- */

static void draw_group(const struct frame *f,
                       const struct xl_chart_by_value *chart, double place,
                       const struct xl_grouping_group *group)
{
    double none = (double)NAN;
    struct xl_mark max = { place - 0.2, none,          none,
                           group->max,  group->max_lo, group->max_hi };
    struct xl_mark middle = {
        place + 0.2,     none, none, group->median, group->median_lo,
        group->median_hi
    };
    char count[48];
    const char *text = xl_chart_label(chart, group);
    double bottom = f->top + f->height;
    snprintf(count, sizeof count, "n=%zu", group->n);
    label(f->out, "middle", to_x(f, place), bottom + 18, text);
    label(f->out, "middle", to_x(f, place), bottom + 34, count);
    if (group->n == 0)
        return;
    bar(f, "acc", &max);
    bar(f, "mid", &middle);
    shape(f->out, "acc", 'd', to_x(f, max.x), to_y(f, max.y));
    shape(f->out, "mid", 's', to_x(f, middle.x), to_y(f, middle.y));
}

static void draw_panel(const struct frame *f,
                       const struct xl_chart_by_value *chart,
                       const struct xl_chart_panel *panel, const char *name)
{
    y_axis(f);
    y_label(f, name);
    marks(f, "ctx", 'o', &panel->trials);
    marks(f, "rej", 'x', &panel->rejected);
    for (size_t g = 0; g < panel->table.n_groups; g++)
        draw_group(f, chart, (double)g, &panel->table.groups[g]);
}

void xl_svg_by_value(const struct xl_chart_by_value *chart,
                     const struct xl_plot_row *row, struct xl_buf *out)
{
    static const char *const names[XL_CHART_PANELS] = { "decode (tok/s)",
                                                        "prefill (tok/s)" };
    const double panel_height = 240, gap = 64, top = 44;
    double end = top + XL_CHART_PANELS * (panel_height + gap);
    const struct xl_chart_panel *first = &chart->panels[0];
    const struct key keys[] = {
        { "acc", "maximum", 'd', first->table.n_groups },
        { "mid", "median", 's', first->table.n_groups },
        { "ctx", "accepted trial", 'o', first->trials.n },
        { "rej", "rejected trial", 'x', first->rejected.n },
    };
    begin(out, row, end + 44);
    for (size_t p = 0; p < XL_CHART_PANELS; p++) {
        double high = chart->panels[p].top;
        struct frame f = {
            .out = out,
            .x = { -0.6, (double)chart->n_places - 0.4 },
            .y = { 0, high > 0 ? high * 1.08 : 1 },
            .left = LEFT,
            .top = top + (double)p * (panel_height + gap),
            .width = WIDTH - LEFT - RIGHT,
            .height = panel_height,
        };
        draw_panel(&f, chart, &chart->panels[p], names[p]);
    }
    label(out, "middle", WIDTH / 2.0, end - 8, row->axis);
    legend(out, keys, sizeof keys / sizeof *keys, end + 24);
    xl_buf_text(out, "</svg>\n");
}

static struct frame whole_frame(struct xl_buf *out, struct xl_range x,
                                struct xl_range y)
{
    return (struct frame){ .out = out,
                           .x = x,
                           .y = y,
                           .left = LEFT,
                           .top = 44,
                           .width = WIDTH - LEFT - RIGHT,
                           .height = HEIGHT - 150 };
}

void xl_svg_scatter(const struct xl_chart_scatter *chart,
                    const struct xl_plot_row *row, struct xl_buf *out)
{
    struct frame f = whole_frame(out, chart->x, chart->y);
    const struct key keys[] = {
        { "acc", "accepted", 'o', chart->accepted.n },
        { "mid", "front", 'o', chart->front.n },
        { "rej", "rejected", 'x', chart->rejected.n },
        { "ref", "default", 's', chart->reference.n },
        { "win", "winner", 'd', chart->winner.n },
    };
    begin(out, row, HEIGHT);
    y_axis(&f);
    x_axis(&f, "prefill (tok/s)", false);
    y_label(&f, "decode (tok/s)");
    bars(&f, &chart->accepted);
    path(&f, "mid line", &chart->stairs, false);
    marks(&f, "rej", 'x', &chart->rejected);
    marks(&f, "acc", 'o', &chart->accepted);
    marks(&f, "mid", 'o', &chart->front);
    marks(&f, "ref", 's', &chart->reference);
    marks(&f, "win", 'd', &chart->winner);
    if (chart->accepted.n + chart->rejected.n == 0)
        note(&f, "no trial has both speeds");
    legend(out, keys, sizeof keys / sizeof *keys, HEIGHT - 22);
    xl_buf_text(out, "</svg>\n");
}

/* Crosses of failed trials stand on the axis itself: they have no value. */
static void draw_failed(const struct frame *f, const struct xl_series *failed)
{
    for (size_t i = 0; i < failed->n; i++)
        shape(f->out, "rej", 'x', to_x(f, failed->marks[i].x),
              f->top + f->height);
}

void xl_svg_history(const struct xl_chart_history *chart,
                    const struct xl_plot_row *row, struct xl_buf *out)
{
    struct frame f = whole_frame(out, chart->x, chart->y);
    const struct key keys[] = {
        { "acc", "accepted", 'o', chart->accepted.n },
        { "rej", "rejected, or failed on the axis", 'x',
          chart->rejected.n + chart->failed.n },
        { "win", "winner", 'd', chart->winner.n },
        { "acc", "random search, expected", '-', chart->n_random },
    };
    begin(out, row, HEIGHT);
    y_axis(&f);
    x_axis(&f, "trial (in the order of the search)", true);
    y_label(&f, chart->y_label);
    if (!isnan(chart->reference)) {
        double y = to_y(&f, chart->reference);
        line(out, "ref", f.left, y, f.left + f.width, y);
        label(out, "end", f.left + f.width, y - 6, "default");
    }
    bars(&f, &chart->accepted);
    path(&f, "acc line dash", &chart->expected, false);
    path(&f, "mid line", &chart->best, true);
    marks(&f, "acc", 'o', &chart->accepted);
    marks(&f, "rej", 'x', &chart->rejected);
    draw_failed(&f, &chart->failed);
    marks(&f, "win", 'd', &chart->winner);
    if (chart->accepted.n + chart->rejected.n == 0)
        note(&f, "no trial has a value");
    legend(out, keys, sizeof keys / sizeof *keys, HEIGHT - 22);
    xl_buf_text(out, "</svg>\n");
}

void xl_svg_file(const char *element, struct xl_buf *out)
{
    xl_buf_text(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg "
                     "xmlns=\"http://www.w3.org/2000/svg\"");
    xl_buf_text(out, element + strlen("<svg"));
}
