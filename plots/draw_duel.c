/* SPDX-License-Identifier: Apache-2.0
 *
 * A duel of two configurations as `bench --vs` tells it in duel.json: the
 * ratio of both sides within each round, its median with the interval, and
 * the line on which both are equal. */
#include <math.h>
#include <string.h>

#include "kernel/base/json.h"
#include "plots/chart.h"
#include "plots/data.h"
#include "plots/draw.h"

#define WIDE   10   /* ratios that span more stand on a logarithmic scale */
#define LEEWAY 1.15 /* of that scale beyond them */

static const char *const phases[] = { "decode", "prefill" };
enum {
    N_PHASES = sizeof phases / sizeof *phases
};

static const char *word(const cJSON *item)
{
    const char *text = cJSON_GetStringValue(item);
    return text ? text : "?";
}

/* The samples of a side; both sides have one a round. */
static const cJSON *samples_of(const cJSON *phase, int side)
{
    return xl_json_member(
        cJSON_GetArrayItem(xl_json_member(phase, "sides"), side), "samples");
}

static bool is_disturbed(const cJSON *duel, int round)
{
    const cJSON *by =
        xl_json_member(xl_json_member(duel, "environment"), "disturbed_by");
    return cJSON_GetArraySize(cJSON_GetArrayItem(by, round)) > 0;
}

static int n_rounds(const cJSON *duel)
{
    return cJSON_GetArraySize(
        xl_json_member(xl_json_member(duel, "environment"), "disturbed_by"));
}

/* Were quiet rounds enough, so that the others do not count? */
static bool counts_quiet_only(const cJSON *duel)
{
    return cJSON_IsTrue(
        xl_json_member(xl_json_member(duel, "environment"), "quiet"));
}

/* Rounds as number, ratio, left out; the range they and the interval span. */
static size_t write_rounds(const cJSON *duel, const cJSON *phase,
                           struct xl_range *range, struct xl_buf *out)
{
    const cJSON *a = samples_of(phase, 0), *b = samples_of(phase, 1);
    a = a ? a->child : NULL;
    b = b ? b->child : NULL;
    size_t n = 0;
    for (int round = 0; a && b; a = a->next, b = b->next, round++) {
        double ratio = cJSON_GetNumberValue(a) / cJSON_GetNumberValue(b);
        bool left_out = counts_quiet_only(duel) && is_disturbed(duel, round);
        if (!isfinite(ratio))
            continue;
        xl_range_widen(range, ratio);
        xl_data_number(out, round + 1.0);
        xl_data_number(out, ratio);
        xl_data_number(out, left_out);
        xl_data_end(out);
        n++;
    }
    return n;
}

/* "the first is faster", or that nobody knows. */
static const char *verdict_of(const cJSON *phase)
{
    static const char *const rows[][2] = {
        { "faster", "the first is faster" },
        { "slower", "the first is slower" },
    };
    const char *name = word(xl_json_member(phase, "verdict"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i][0], name) == 0)
            return rows[i][1];
    return name;
}

static void write_panel(struct xl_drawing *d, const cJSON *duel,
                        const char *name, size_t *n_panels, double *last)
{
    const cJSON *phase = xl_json_member(duel, name),
                *ci = xl_json_member(phase, "ci");
    struct xl_range range = { 1, 1 };
    struct xl_buf rounds;
    double lo = cJSON_GetNumberValue(cJSON_GetArrayItem(ci, 0));
    double hi = cJSON_GetNumberValue(cJSON_GetArrayItem(ci, 1));
    xl_buf_init(&rounds, 0);
    size_t n = write_rounds(duel, phase, &range, &rounds);
    if (n > 0) {
        xl_range_widen(&range, lo);
        xl_range_widen(&range, hi);
        bool is_log = range.lo > 0 && range.hi / range.lo > WIDE;
        if (is_log)
            range = (struct xl_range){ range.lo / LEEWAY, range.hi * LEEWAY };
        else
            xl_range_settle(&range);
        xl_data_block(d->data, name,
                      "name ratio lo hi n verdict y_lo y_hi is_log");
        xl_data_text(d->data, name);
        xl_data_number(d->data, xl_json_number(phase, "ratio"));
        xl_data_number(d->data, lo);
        xl_data_number(d->data, hi);
        xl_data_number(d->data, xl_json_number(phase, "n"));
        xl_data_text(d->data, verdict_of(phase));
        xl_data_range(d->data, &range);
        xl_data_number(d->data, is_log);
        xl_data_end(d->data);
        xl_data_block(d->data, "rounds", "round ratio disturbed");
        xl_buf_add(d->data, rounds.data, rounds.len);
        ++*n_panels;
        *last = fmax(*last, (double)n);
    }
    if (!xl_buf_ok(&rounds))
        d->data->failed = true;
    xl_buf_release(&rounds);
}

static void add_count(struct xl_buf *out, const char *name, const cJSON *item)
{
    if (cJSON_IsNumber(item))
        xl_buf_printf(out, " \xc2\xb7 %s %.0f", name, item->valuedouble);
}

/* "workers=2 against defaults · prompt 512 · new 64 · AMD EPYC" */
static void make_subtitle(const cJSON *duel, struct xl_buf *out)
{
    const cJSON *sides = xl_json_member(duel, "sides");
    const char *cpu = cJSON_GetStringValue(
        xl_json_member(xl_json_member(duel, "host"), "cpu"));
    xl_buf_printf(out, "%.60s against %.60s",
                  word(xl_json_member(cJSON_GetArrayItem(sides, 0), "name")),
                  word(xl_json_member(cJSON_GetArrayItem(sides, 1), "name")));
    add_count(out, "prompt", xl_json_member(duel, "prompt_tokens"));
    add_count(out, "new", xl_json_member(duel, "new_tokens"));
    if (cpu)
        xl_buf_printf(out, " \xc2\xb7 %.40s", cpu);
}

enum xl_status xl_draw_duel(struct xl_drawing *d, struct xl_err *err)
{
    const cJSON *duel = d->record->extras[XL_EXTRA_DUEL];
    struct xl_buf panels, subtitle;
    struct xl_buf *out = d->data;
    size_t n_panels = 0;
    double last = 0;
    size_t n_left_out = 0;
    if (!duel) {
        d->why_not = "it needs duel.json ('bench --vs A --plot RUN') in the "
                     "run folder";
        return XL_OK;
    }
    xl_buf_init(&panels, 0);
    xl_buf_init(&subtitle, 0);
    make_subtitle(duel, &subtitle);
    for (int i = 0; counts_quiet_only(duel) && i < n_rounds(duel); i++)
        n_left_out += is_disturbed(duel, i);
    d->data = &panels;
    for (size_t i = 0; i < N_PHASES; i++)
        write_panel(d, duel, phases[i], &n_panels, &last);
    d->data = out;
    xl_data_title(out, subtitle.data, "panels last percent left_out");
    xl_data_number(out, (double)n_panels);
    xl_data_number(out, last);
    xl_data_number(out, 100 * xl_json_number(duel, "level"));
    xl_data_number(out, (double)n_left_out);
    xl_data_end(out);
    xl_buf_text(out, "\n\n");
    xl_buf_add(out, panels.data, panels.len);
    if (n_panels == 0)
        d->why_not = "duel.json holds no rounds";
    enum xl_status rc = xl_buf_check(&panels, "the duel", err);
    if (rc == XL_OK)
        rc = xl_buf_check(&subtitle, "the duel", err);
    xl_buf_release(&panels);
    xl_buf_release(&subtitle);
    return rc;
}
