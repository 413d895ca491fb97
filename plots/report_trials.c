/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of a report. A page that nobody can open helps nobody: of very
 * many trials the best are shown, and the page says where the others are. */
#include "plots/report_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/opt.h"
#include "plots/html.h"

#define DASH "\xe2\x80\x93"

enum {
    MOST_ROWS = 1000,
    RUNNERS_UP = 8
};

/* -- trials --------------------------------------------------------------- */

struct column {
    const char *title;
    enum xl_column value, lo, hi; /* lo = COUNT: no interval */
    bool is_speed;
};

static const struct column columns[] = {
    { "workers", XL_COLUMN_WORKERS, XL_COLUMN_COUNT, XL_COLUMN_COUNT, false },
    { "heads_per_band", XL_COLUMN_HEADS_PER_BAND, XL_COLUMN_COUNT,
      XL_COLUMN_COUNT, false },
    { "chunk_size", XL_COLUMN_CHUNK_SIZE, XL_COLUMN_COUNT, XL_COLUMN_COUNT,
      false },
    { "prefill tok/s", XL_COLUMN_PREFILL_TOK_S, XL_COLUMN_PREFILL_LO,
      XL_COLUMN_PREFILL_HI, true },
    { "decode tok/s", XL_COLUMN_DECODE_TOK_S, XL_COLUMN_DECODE_LO,
      XL_COLUMN_DECODE_HI, true },
    { "n", XL_COLUMN_N, XL_COLUMN_COUNT, XL_COLUMN_COUNT, false },
};

enum {
    N_COLUMNS = sizeof columns / sizeof *columns
};

static void text_cell(const char *class, const char *text, struct xl_buf *out)
{
    xl_buf_printf(out, "<td%s>", class);
    xl_html_text(out, text);
    xl_buf_text(out, "</td>");
}

static void number_cell(const struct column *column,
                        const struct xl_entry *entry, struct xl_buf *out)
{
    double value = entry->values[column->value];
    double lo = (double)NAN, hi = (double)NAN;
    if (column->lo != XL_COLUMN_COUNT) {
        lo = entry->values[column->lo];
        hi = entry->values[column->hi];
    }
    if (isnan(value)) {
        xl_buf_text(out, "<td class=\"num\">" DASH "</td>");
        return;
    }
    xl_buf_printf(out, "<td class=\"num\" data-v=\"%.10g\">", value);
    if (column->is_speed)
        xl_html_speed(out, value);
    else
        xl_buf_printf(out, "%.10g", value);
    if (!isnan(lo) && !isnan(hi)) {
        xl_buf_text(out, " <small>");
        xl_html_speed(out, lo);
        xl_buf_text(out, DASH);
        xl_html_speed(out, hi);
        xl_buf_text(out, "</small>");
    }
    xl_buf_text(out, "</td>");
}

/* The objective with its interval. */
static void score_text(const struct xl_entry *entry, struct xl_buf *out)
{
    xl_html_speed(out, entry->score);
    if (isnan(entry->score_lo) || isnan(entry->score_hi))
        return;
    xl_buf_text(out, " <small>");
    xl_html_speed(out, entry->score_lo);
    xl_buf_text(out, DASH);
    xl_html_speed(out, entry->score_hi);
    xl_buf_text(out, "</small>");
}

/* A further column is shown when its values differ between trials. */
static bool is_varied(const struct xl_record *record, size_t extra)
{
    for (size_t i = 1; i < record->n_entries; i++)
        if (strcmp(record->entries[i].extras[extra],
                   record->entries[0].extras[extra]) != 0)
            return true;
    return false;
}

static void write_row(const struct xl_record *record, size_t i,
                      const bool *varied, struct xl_buf *out)
{
    const struct xl_entry *entry = &record->entries[i];
    const char *role = entry->is_winner      ? "winner"
                       : entry->is_reference ? "default"
                                             : "";
    xl_buf_printf(out, "<tr class=\"%s%s\"><td class=\"num\">%zu</td>",
                  xl_outcome_name(entry->outcome),
                  entry->is_winner ? " winner" : "", i + 1);
    xl_buf_printf(out, "<td>%s%s%s</td>", xl_outcome_name(entry->outcome),
                  *role ? ", " : "", role);
    text_cell("", entry->backend, out);
    for (size_t c = 0; c < N_COLUMNS; c++)
        number_cell(&columns[c], entry, out);
    xl_buf_printf(out, "<td class=\"num\" data-v=\"%.10g\">",
                  isnan(entry->score) ? 0 : entry->score);
    score_text(entry, out);
    xl_buf_text(out, "</td>");
    text_cell("", entry->verdict, out);
    for (size_t e = 0; e < record->n_extras; e++)
        if (varied[e])
            text_cell("", entry->extras[e], out);
    text_cell(" class=\"text\"",
              *entry->reason || entry->outcome == XL_OUTCOME_ACCEPTED
                  ? entry->reason
                  : entry->judged,
              out);
    xl_buf_text(out, "</tr>\n");
}

static void write_table_head(const struct xl_record *record, const bool *varied,
                             struct xl_buf *out)
{
    xl_buf_text(out, "<div class=\"wide\"><table class=\"sortable\" "
                     "id=\"trials\"><thead><tr><th class=\"num\">#</th>"
                     "<th>outcome</th><th>backend</th>");
    for (size_t c = 0; c < N_COLUMNS; c++)
        xl_buf_printf(out, "<th class=\"num\">%s</th>", columns[c].title);
    xl_buf_text(out, "<th class=\"num\">objective: ");
    xl_html_text(out, record->objective);
    xl_buf_text(out, "</th><th>verdict</th>");
    for (size_t e = 0; e < record->n_extras; e++) {
        if (!varied[e])
            continue;
        xl_buf_text(out, "<th>");
        xl_html_text(out, record->extra_names[e]);
        xl_buf_text(out, "</th>");
    }
    xl_buf_text(out, "<th>reason</th></tr></thead><tbody>\n");
}

/* -- which rows ----------------------------------------------------------- */

struct ranked {
    int group;    /* winner and default, accepted, rejected, the others */
    double worth; /* more is better */
    size_t at;
};

static int by_worth(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->worth != y->worth)
        return x->worth > y->worth ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static int by_place(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* All trials, best first; heap memory, NULL without. */
static struct ranked *rank(const struct xl_record *record)
{
    struct ranked *list =
        xl_alloc_zero(record->n_entries + 1, sizeof(struct ranked));
    for (size_t i = 0; list && i < record->n_entries; i++) {
        const struct xl_entry *entry = &record->entries[i];
        double worth = record->is_minimised ? -entry->score : entry->score;
        bool is_named = entry->is_winner || entry->is_reference;
        list[i] = (struct ranked){
            .group = is_named ? 0 : 1 + (int)entry->outcome,
            .worth = isnan(worth) ? -HUGE_VAL : worth,
            .at = i,
        };
    }
    if (list)
        qsort(list, record->n_entries, sizeof *list, by_worth);
    return list;
}

static void write_title(const struct xl_record *record, size_t shown,
                        struct xl_buf *out)
{
    if (shown == record->n_entries) {
        xl_buf_printf(out, "<h2 id=\"all\">All %zu trials</h2>\n", shown);
        return;
    }
    xl_buf_printf(out,
                  "<h2 id=\"all\">The best %zu of %zu trials</h2>\n"
                  "<p class=\"soft\">Accepted before rejected ones, each by "
                  "the objective. The other %zu stand in summary.csv of the "
                  "run; the pictures count them all.</p>\n",
                  shown, record->n_entries, record->n_entries - shown);
}

void xl_report_trials(const struct xl_record *record, struct xl_buf *out)
{
    bool *varied = xl_alloc_zero(record->n_extras + 1, sizeof *varied);
    struct ranked *list = rank(record);
    size_t shown =
        record->n_entries < MOST_ROWS ? record->n_entries : MOST_ROWS;
    if (!varied || !list) {
        out->failed = true;
        goto done;
    }
    for (size_t e = 0; e < record->n_extras; e++)
        varied[e] = is_varied(record, e);
    qsort(list, shown, sizeof *list, by_place);
    write_title(record, shown, out);
    write_table_head(record, varied, out);
    for (size_t i = 0; i < shown; i++)
        write_row(record, list[i].at, varied, out);
    xl_buf_text(out, "</tbody></table></div>\n");
done:
    xl_free(varied);
    xl_free(list);
}

/* -- runners-up ----------------------------------------------------------- */

static void write_runner(const struct xl_report *report, size_t at,
                         struct xl_buf *out)
{
    const struct xl_record *record = report->record;
    const struct xl_entry *entry = &record->entries[at];
    const struct xl_entry *winner = xl_record_winner(record);
    struct xl_buf point;
    xl_buf_init(&point, 0);
    xl_tunables_point(report->tunables, at, &point);
    xl_buf_printf(out, "<tr><td class=\"num\">%zu</td>", at + 1);
    xl_buf_text(out, "<td class=\"num\">");
    score_text(entry, out);
    xl_buf_text(out, "</td><td class=\"num\">");
    if (winner && !isnan(winner->score))
        xl_buf_printf(out, "%+.1f%%", 100 * (entry->score / winner->score - 1));
    else
        xl_buf_text(out, DASH);
    xl_buf_text(out, "</td>");
    text_cell("", entry->is_reference ? "default" : "", out);
    text_cell(" class=\"text\"", point.data, out);
    xl_buf_text(out, "</tr>\n");
    if (!xl_buf_ok(&point))
        out->failed = true;
    xl_buf_release(&point);
}

void xl_report_runners_up(const struct xl_report *report, struct xl_buf *out)
{
    const struct xl_record *record = report->record;
    struct ranked *list = rank(record);
    size_t shown = 0;
    if (!list) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < record->n_entries && shown < RUNNERS_UP; i++) {
        const struct xl_entry *entry = &record->entries[list[i].at];
        if (entry->outcome != XL_OUTCOME_ACCEPTED || entry->is_winner ||
            isnan(entry->score))
            continue;
        if (shown++ == 0)
            xl_buf_text(
                out,
                "<h2>What else was accepted</h2>\n<p class=\"soft\">The "
                "default and the best by their own samples. The search "
                "measured them at different times, so small differences, of "
                "either sign, prove nothing: the duel does.</p>\n<div "
                "class=\"wide\"><table><thead><tr><th class=\"num\">#</th>"
                "<th class=\"num\">objective</th><th class=\"num\">to the "
                "winner</th><th></th><th>tunables</th></tr></thead><tbody>\n");
        write_runner(report, list[i].at, out);
    }
    if (shown)
        xl_buf_text(out, "</tbody></table></div>\n");
    xl_free(list);
}

/* -- ratings -------------------------------------------------------------- */

/* Of some hundred columns those that people compare outputs by. */
static const char *const rating_columns[] = {
    "file", "verdict", "tier",    "avg_logprob", "ppl",       "bits_per_byte",
    "dbpb", "top1",    "kl_mean", "len_tokens",  "distinct2", "distinct3",
};
enum {
    N_RATINGS = sizeof rating_columns / sizeof *rating_columns
};

static void write_rating(const struct xl_csv *csv, size_t row,
                         const size_t places[N_RATINGS], struct xl_buf *out)
{
    const char *tag = row ? "td" : "th";
    xl_buf_text(out, "<tr>");
    for (size_t i = 0; i < N_RATINGS; i++) {
        if (places[i] == (size_t)-1)
            continue;
        const char *field = csv->rows[row].fields[places[i]];
        double number;
        bool is_number = xl_parse_real(field, &number);
        xl_buf_printf(out, is_number ? "<%s class=\"num\">" : "<%s>", tag);
        if (is_number)
            xl_buf_printf(out, "%.5g", number);
        else
            xl_html_text(out, field);
        xl_buf_printf(out, "</%s>", tag);
    }
    xl_buf_text(out, row ? "</tr>\n" : "</tr></thead><tbody>\n");
}

void xl_report_ratings(const struct xl_record *record, struct xl_buf *out)
{
    const struct xl_csv *csv = &record->ratings;
    size_t shown = csv->n_rows <= MOST_ROWS ? csv->n_rows : MOST_ROWS + 1;
    size_t places[N_RATINGS], n = 0;
    if (csv->n_rows < 2)
        return;
    for (size_t i = 0; i < N_RATINGS; i++) {
        places[i] = xl_record_column(csv, rating_columns[i]);
        n += places[i] != (size_t)-1;
    }
    xl_buf_text(out, "<h2 id=\"outputs\">Ratings of the outputs</h2>\n");
    if (shown < csv->n_rows || n < csv->rows[0].n_fields)
        xl_buf_printf(out,
                      "<p class=\"soft\">%zu of %zu outputs and %zu of %zu "
                      "columns; all stand in ratings.csv.</p>\n",
                      shown - 1, csv->n_rows - 1, n, csv->rows[0].n_fields);
    xl_buf_text(out, "<div class=\"wide\"><table class=\"sortable\" "
                     "id=\"ratings\"><thead>");
    for (size_t i = 0; i < shown; i++)
        write_rating(csv, i, places, out);
    xl_buf_text(out, "</tbody></table></div>\n");
}
