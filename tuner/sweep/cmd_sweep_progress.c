/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/cmd_sweep_progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernel/base/clock.h"
#include "tuner/sweep/cmd_sweep_print.h"

enum {
    LINE_ROOM = 4096,
    WIDTH = 80,
    REASON = 72, /* letters of one, at most */
    SELDOM = 50  /* lines of trials that come from the store: one in so many */
};
#define STEP_NS ((uint64_t)1000000000) /* between two lines of steps */
#define WIDE    1.96 /* standard errors of an interval of 95 % */

void xl_sweep_progress_start(struct xl_sweep_progress *p)
{
    struct winsize size = { 0 };
    const char *term = getenv("TERM");
    p->is_shown = !p->quiet && isatty(STDERR_FILENO);
    p->is_live = p->is_shown && term && strcmp(term, "dumb") != 0;
    bool knows = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0;
    p->width = knows && size.ws_col > 20 ? size.ws_col : WIDTH;
    p->start_ns = xl_clock_ns();
    p->measured = 0;
}

/* "4.1/min", "12 min left": by trials or by time, whichever ends first. */
static void print_pace(const struct xl_sweep_progress *p,
                       const struct xl_sweep_news *news, struct xl_buf *out)
{
    uint64_t now = xl_clock_ns();
    double elapsed = (double)(now - p->start_ns) / 1e9, left = HUGE_VAL;
    if (p->measured == 0 || elapsed <= 0)
        return;
    double rate = (double)p->measured / elapsed;
    if (news->budget > news->done)
        left = (double)(news->budget - news->done) / rate;
    if (p->deadline_ns)
        left = fmin(left, p->deadline_ns > now
                              ? (double)(p->deadline_ns - now) / 1e9
                              : 0.0);
    xl_buf_printf(out, "  %.*f/min", rate < 1.0 ? 1 : 0, 60 * rate);
    if (news->budget > news->done && isfinite(left))
        xl_buf_printf(out, left < 120 ? "  %.0f s left" : "  %.0f min left",
                      left < 120 ? left : left / 60);
}

/* "best 40577 tok/s +-0.8 %" */
static void print_best(const struct xl_sweep_progress *p,
                       const struct xl_sweep_news *news, struct xl_buf *out)
{
    double best = fabs(news->best), reach = WIDE * news->best_share;
    if (!isfinite(best))
        return;
    xl_buf_printf(out, best < 1000 ? " best %.4g" : " best %.0f", best);
    if (p->unit && p->unit[0])
        xl_buf_printf(out, " %s", p->unit);
    if (reach > 0)
        xl_buf_printf(out, " +-%.2g %%", 100 * reach);
}

/* A reason at its beginning: the whole is in the store, and said once in the
 * summary. */
static void print_failure(const struct xl_sweep_news *news, struct xl_buf *out)
{
    size_t skip = xl_sweep_is_refusal(news->reason);
    const char *reason = news->reason + skip;
    const char *colon = strstr(reason, ": ");
    size_t n = colon ? (size_t)(colon - reason) : strlen(reason);
    xl_buf_printf(out, "%s: %.*s",
                  skip ? "refused" : xl_run_outcome_name(news->outcome),
                  (int)(n < REASON ? n : REASON), reason);
}

static void print_trial(const struct xl_sweep_progress *p,
                        const struct xl_sweep_news *news, struct xl_buf *out)
{
    char params[200];
    if (news->outcome == XL_RUN_OK)
        xl_buf_printf(out, "%9.1f prefill %8.1f decode tok/s",
                      news->figures.prefill_tok_s.median,
                      news->figures.decode_tok_s.median);
    else
        print_failure(news, out);
    xl_buf_printf(
        out, "%s  %s", news->is_dropped ? "  dropped" : "",
        xl_sweep_short_params(p->space, news->params, params, sizeof params));
}

void xl_sweep_progress_news(void *ctx, const struct xl_sweep_news *news)
{
    struct xl_sweep_progress *p = ctx;
    struct xl_buf line;
    p->measured += !news->from_store;
    p->done = news->done;
    p->budget = news->budget;
    p->best = fabs(news->best);
    if (!p->is_shown || (news->from_store && news->done % SELDOM))
        return;
    xl_buf_init(&line, LINE_ROOM);
    xl_buf_printf(&line, "%3zu/%zu", news->done, news->budget);
    p->drawn_ns = xl_clock_ns();
    if (p->is_live) {
        print_pace(p, news, &line);
        xl_buf_char(&line, ' ');
        print_best(p, news, &line);
        xl_buf_text(&line, "  ");
        print_trial(p, news, &line);
        /* A line that wraps could not be written over. */
        fprintf(stderr, "\r\033[K%.*s", (int)p->width - 1, line.data);
    } else {
        xl_buf_text(&line, "  ");
        print_trial(p, news, &line);
        xl_buf_char(&line, ' ');
        print_best(p, news, &line);
        print_pace(p, news, &line);
        fprintf(stderr, "%s\n", line.data);
    }
    fflush(stderr);
    xl_buf_release(&line);
}

/* Is this the same thing, further on? Else it begins now. */
static void follow(struct xl_progress_step *step, const char *what, size_t done)
{
    bool goes_on = strcmp(step->what, what) == 0 && done >= step->last;
    step->last = done;
    if (goes_on)
        return;
    snprintf(step->what, sizeof step->what, "%s", what);
    step->first = done;
    step->start_ns = xl_clock_ns();
}

/* "  12 s left", as fast as it went so far. */
static void print_left(const struct xl_progress_step *step, size_t of,
                       uint64_t now_ns, struct xl_buf *out)
{
    double elapsed = (double)(now_ns - step->start_ns) / 1e9;
    size_t done = step->last - step->first;
    if (done > 0 && of > step->last)
        xl_buf_printf(out, "  %.0f s left",
                      elapsed / (double)done * (double)(of - step->last));
}

void xl_sweep_progress_step(void *ctx, const char *what, size_t done, size_t of)
{
    struct xl_sweep_progress *p = ctx;
    struct xl_buf line;
    uint64_t now = xl_clock_ns();
    follow(&p->step, what, done);
    if (!p->is_live || now - p->drawn_ns < STEP_NS)
        return;
    p->drawn_ns = now;
    xl_buf_init(&line, LINE_ROOM);
    if (p->budget)
        xl_buf_printf(&line, "%3zu/%zu  ", p->done, p->budget);
    xl_buf_printf(&line, "%s: %zu of %zu", what, done, of);
    print_left(&p->step, of, now, &line);
    fprintf(stderr, "\r\033[K%.*s", (int)p->width - 1, line.data);
    fflush(stderr);
    xl_buf_release(&line);
}

void xl_sweep_progress_clear(const struct xl_sweep_progress *p)
{
    if (p->is_live)
        fputs("\r\033[K", stderr);
}

const char *xl_sweep_progress_text(const struct xl_sweep_progress *p, char *out,
                                   size_t room)
{
    struct xl_buf text;
    const struct xl_sweep_news news = { .best = p->best };
    xl_buf_init(&text, LINE_ROOM);
    if (p->done)
        xl_buf_printf(&text, " after %zu of %zu configurations", p->done,
                      p->budget);
    if (p->done && isfinite(p->best)) {
        xl_buf_text(&text, ",");
        print_best(p, &news, &text);
    }
    snprintf(out, room, "%s", text.data);
    xl_buf_release(&text);
    return out;
}

void xl_sweep_progress_talk(void *ctx, const char *line)
{
    const struct xl_sweep_progress *p = ctx;
    if (!p->quiet)
        fprintf(stderr, "%s%s\n", p->is_live ? "\r\033[K" : "", line);
}
