/* SPDX-License-Identifier: Apache-2.0
 *
 * The report of the bundled example run in a real browser. Without Chromium
 * on the PATH these cases say so and check only that. */
#include <stdio.h>
#include <string.h>

#include "kernel/base/io.h"
#include "plots/plot.h"
#include "tests/harness/test.h"
#include "tests/unit/chromium.h"
#include "tests/unit/run_fixture.h"

/* Is the column of the table of trials in order? way 1 = ascending. */
#define IN_ORDER                                                               \
    "((name, way) => {"                                                        \
    "const table = document.getElementById('trials');"                         \
    "const heads = [...table.tHead.rows[0].cells];"                            \
    "const i = heads.findIndex(h => h.textContent.trim() === name);"           \
    "const values = [...table.tBodies[0].rows].map(r => "                      \
    "r.cells[i].dataset.v).filter(v => v !== undefined).map(Number);"          \
    "return values.length > 300 && "                                           \
    "values.every((v, k) => k === 0 || way * (v - values[k - 1]) >= 0); })"

#define CLICK                                                                  \
    "(name => { [...document.querySelectorAll('#trials th button')]"           \
    ".find(b => b.textContent.trim() === name).click(); return true; })"

static bool has_browser(struct xl_test *t)
{
    if (xl_chromium_exists())
        return true;
    XL_CHECK(t, !xl_chromium_exists());
    printf("browser/%s: no chromium on the PATH, nothing shown\n", t->name);
    return false;
}

/* Copies the bundled run into the case's folder and draws it. */
static void draw_example(struct xl_test *t)
{
    static const char *const files[] = {
        "run_meta.json", "best.json",  "summary.csv", "samples.csv",
        "model.json",    "bench.json", "stats.csv",   "memory.csv",
    };
    struct xl_err err = { 0 };
    struct xl_plot_result result;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[80];
        struct xl_buf text;
        snprintf(name, sizeof name, "runs/example/%s", files[i]);
        xl_buf_init(&text, 0);
        XL_CHECK_STATUS(t, xl_io_read(xl_test_source(name), &text, &err), XL_OK,
                        &err);
        xl_case_write(t, files[i], text.data, text.len);
        xl_buf_release(&text);
    }
    xl_case_duel(t, 25, "trial 93");
    enum xl_status rc =
        xl_plot_run(&(struct xl_plot_options){ .dir = t->dir }, &result, &err);
    XL_CHECK_STATUS(t, rc, XL_OK, &err);
    if (rc != XL_OK)
        return;
    for (size_t i = 0; i < XL_PLOT_COUNT && result.has_gnuplot; i++)
        XL_CHECK(t, result.why_not[i] == NULL);
    xl_plot_result_release(&result);
}

static bool open_browser(struct xl_test *t, struct xl_chromium *c)
{
    char profile[300];
    snprintf(profile, sizeof profile, "%s/profile", t->dir);
    return XL_CHECK(t, xl_chromium_open(c, profile));
}

static void check_page(struct xl_test *t, struct xl_chromium *c)
{
    static const char *const truths[] = {
        /* Nothing is wider than the page; every image is there. */
        "document.documentElement.scrollWidth <= window.innerWidth",
        "document.images.length > 0 || document.querySelector('svg') !== null",
        "Promise.all([...document.images].map(i => i.decode()))"
        ".then(() => [...document.images].every(i => i.naturalWidth > 0))",
        "document.querySelectorAll('figure').length >= 3",
        "(ids => new Set(ids).size === ids.length)"
        "([...document.querySelectorAll('[id]')].map(e => e.id))",
        /* What the page is for stands where people look first. */
        "document.querySelector('.verdict').getBoundingClientRect().top < 500",
        "document.querySelectorAll('#trials tbody tr').length > 300",
        CLICK "('decode tok/s') && " IN_ORDER "('decode tok/s', -1)",
        CLICK "('decode tok/s') && " IN_ORDER "('decode tok/s', 1)",
        "!" IN_ORDER "('prefill tok/s', 1)", /* so order is no accident */
        CLICK "('prefill tok/s') && " IN_ORDER "('prefill tok/s', -1)",
    };
    for (size_t i = 0; i < sizeof truths / sizeof *truths; i++)
        if (!XL_CHECK_EQ(t, xl_chromium_number(c, truths[i]), 1))
            printf("browser: '%s' does not hold\n", truths[i]);
}

/* Bytes of all image sources, once they are others than before: a page swaps
 * an image when the new one is decoded. Gives up after a minute. */
static double images_other_than(struct xl_chromium *c, double before)
{
    char expression[400];
    snprintf(expression, sizeof expression,
             "new Promise(done => { const end = Date.now() + 60000;"
             "const look = () => { const n = [...document.images]"
             ".reduce((n, i) => n + i.currentSrc.length, 0);"
             "if (n !== %.17g || n === 0 || Date.now() > end) done(n);"
             "else setTimeout(look, 20); }; look(); })",
             before);
    return xl_chromium_number(c, expression);
}

/* Paper is light on screens that are light, dark on dark ones, and white when
 * printed; pictures follow. */
static void check_schemes(struct xl_test *t, struct xl_chromium *c)
{
    static const char bright[] =
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g)"
        ".slice(0, 3).reduce((a, b) => a + Number(b), 0)";
    XL_CHECK(t, xl_chromium_media(c, "screen", "light"));
    double light = xl_chromium_number(c, bright);
    double light_images = images_other_than(c, -1);
    XL_CHECK(t, xl_chromium_media(c, "screen", "dark"));
    double dark = xl_chromium_number(c, bright);
    double dark_images = images_other_than(c, light_images);
    XL_CHECK(t, light > 700 && dark < 200);
    XL_CHECK(t, light_images == 0 || dark_images != light_images);
    XL_CHECK(t, xl_chromium_media(c, "print", "dark"));
    XL_CHECK(t, xl_chromium_number(c, bright) > 700);
    XL_CHECK_EQ(
        t,
        xl_chromium_number(c, "getComputedStyle(document.querySelector('nav'))"
                              ".display === 'none'"),
        1);
    XL_CHECK(t, xl_chromium_media(c, "screen", "light"));
}

static void report_works_in_a_browser(struct xl_test *t)
{
    static const int widths[] = { 1280, 390 };
    struct xl_chromium c;
    char path[300];
    if (!has_browser(t))
        return;
    draw_example(t);
    snprintf(path, sizeof path, "%s/report.html", t->dir);
    if (open_browser(t, &c)) {
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
            XL_CHECK(t, xl_chromium_show(&c, path, widths[i], 900));
            check_page(t, &c);
            check_schemes(t, &c);
            XL_CHECK_EQ(t, c.errors, 0);
            XL_CHECK_EQ(t, c.requests, 0);
        }
    }
    xl_chromium_close(&c);
}

/* Without script the page is whole and says all it has to say; only the
 * buttons that script makes are missing. */
static void report_works_without_script(struct xl_test *t)
{
    static const int widths[] = { 1280, 390 };
    /* Nothing waits for script to be shown. */
    static const char shown[] =
        "[...document.querySelectorAll('h2, table, figure, pre')].every(e => "
        "e.closest('details') || (e.getClientRects().length > 0 && "
        "getComputedStyle(e).visibility === 'visible'))";
    static const char *const truths[] = {
        "document.documentElement.scrollWidth <= window.innerWidth",
        "document.querySelectorAll('button').length === 0",
        "document.images.length > 0 || document.querySelector('svg') !== null",
        "[...document.images].every(i => i.complete && i.naturalWidth > 0)",
        "document.querySelectorAll('#trials tbody tr').length > 300",
        shown,
        "[...document.querySelectorAll('nav a')].every(a => "
        "document.getElementById(a.hash.slice(1)))",
        "document.querySelector('pre.copyable').textContent.length > 20",
        "document.body.innerText.includes('trials')",
        "!/script|noscript/i.test(document.body.innerText)",
    };
    struct xl_chromium c;
    char path[300];
    if (!has_browser(t))
        return;
    draw_example(t);
    if (open_browser(t, &c)) {
        /* A page that needs script, so that a switch without effect is seen. */
        xl_case_text(t, "page.html",
                     "<p id=x>off</p><script>"
                     "x.textContent='on'</script>");
        for (int run = 0; run < 2; run++) {
            snprintf(path, sizeof path, "%s/page.html", t->dir);
            XL_CHECK(t, xl_chromium_scripts(&c, run));
            XL_CHECK(t, xl_chromium_show(&c, path, 1280, 900));
            XL_CHECK_EQ(t, xl_chromium_number(&c, "x.textContent === 'on'"),
                        run);
        }
        XL_CHECK(t, xl_chromium_scripts(&c, false));
        snprintf(path, sizeof path, "%s/report.html", t->dir);
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
            XL_CHECK(t, xl_chromium_show(&c, path, widths[i], 900));
            for (size_t k = 0; k < sizeof truths / sizeof *truths; k++)
                if (!XL_CHECK_EQ(t, xl_chromium_number(&c, truths[k]), 1))
                    printf("browser: '%s' does not hold without script\n",
                           truths[k]);
            XL_CHECK_EQ(t, c.errors, 0);
            XL_CHECK_EQ(t, c.requests, 0);
        }
    }
    xl_chromium_close(&c);
}

/* The checks above can fail: pages with each fault are found out. */
static void faults_are_seen(struct xl_test *t)
{
    static const struct {
        const char *page;
        bool has_error, has_request, is_wide;
    } rows[] = {
        { "<p>fine", false, false, false },
        { "<script>throw new Error('x')</script>", true, false, false },
        { "<script>console.error('x')</script>", true, false, false },
        { "<img src=http://127.0.0.1:9/x.png>", true, true, false },
        { "<div style='width:3000px'>wide</div>", false, false, true },
    };
    struct xl_chromium c;
    char path[300];
    if (!has_browser(t))
        return;
    if (open_browser(t, &c)) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            char page[200];
            snprintf(page, sizeof page,
                     "<!DOCTYPE html><link rel=icon href=data:,>%s",
                     rows[i].page);
            xl_case_text(t, "page.html", page);
            snprintf(path, sizeof path, "%s/page.html", t->dir);
            XL_CHECK(t, xl_chromium_show(&c, path, 1280, 900));
            double wide =
                xl_chromium_number(&c, "document.documentElement.scrollWidth > "
                                       "window.innerWidth");
            XL_CHECK_EQ(t, wide, rows[i].is_wide);
            XL_CHECK_EQ(t, c.errors > 0, rows[i].has_error);
            XL_CHECK_EQ(t, c.requests > 0, rows[i].has_request);
        }
    }
    xl_chromium_close(&c);
}

const struct xl_test_case xl_suite_browser[] = {
    XL_CASE(report_works_in_a_browser),
    XL_CASE(report_works_without_script),
    XL_CASE(faults_are_seen),
    { 0 },
};
