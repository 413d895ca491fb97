/* SPDX-License-Identifier: Apache-2.0
 *
 * The verdict and the tables. A number stands with its interval and count;
 * where a file tells none, the page says so. */
#include "plots/report_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "plots/html.h"

#define DASH  "\xe2\x80\x93"
#define TIMES "\xc3\x97"

static const cJSON *member(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = member(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

void xl_report_scalar(const cJSON *item, struct xl_buf *out)
{
    if (cJSON_IsString(item))
        xl_html_text(out, item->valuestring);
    else if (cJSON_IsNumber(item))
        xl_buf_printf(out, "%.15g", item->valuedouble);
    else if (cJSON_IsBool(item))
        xl_buf_text(out, cJSON_IsTrue(item) ? "true" : "false");
}

/* -- verdict -------------------------------------------------------------- */

/* One of the two speeds, as best.json and the winner's row tell it. */
struct speed {
    const char *title, *key, *ci_key, *ratio_key;
    enum xl_column lo, hi;
};

static const struct speed speeds[] = {
    { "Prefill", "prefill_tok_s", "prefill_tok_s_ci", "prefill_ratio",
      XL_COLUMN_PREFILL_LO, XL_COLUMN_PREFILL_HI },
    { "Decode", "decode_tok_s", "decode_tok_s_ci", "decode_ratio",
      XL_COLUMN_DECODE_LO, XL_COLUMN_DECODE_HI },
};

/* Fewer samples than this have no 95% interval of a median: what a file
 * gives then is their range. */
enum {
    LEAST_FOR_INTERVAL = 6
};

static void write_interval(double lo, double hi, double n, struct xl_buf *out)
{
    if (!isnan(lo) && !isnan(hi)) {
        xl_buf_text(out, n < LEAST_FOR_INTERVAL ? "range " : "95% interval ");
        xl_html_speed(out, lo);
        xl_buf_text(out, DASH);
        xl_html_speed(out, hi);
    } else {
        xl_buf_text(out, "no interval recorded");
    }
    if (!isnan(n))
        xl_buf_printf(out, ", n = %.0f", n);
}

static void write_ratio(const cJSON *ratio, struct xl_buf *out)
{
    double median = number(ratio, "median"), lo = number(ratio, "lo");
    double hi = number(ratio, "hi"), n = number(ratio, "n");
    const char *class = "warn", *word = "no interval: nothing proved";
    if (isnan(median)) {
        xl_buf_text(out, "<p class=\"soft\">not compared with the default"
                         "</p>\n");
        return;
    }
    if (n < LEAST_FOR_INTERVAL) {
        word = "too few pairs for a proof";
    } else if (lo > 1) {
        class = "good";
        word = "faster";
    } else if (hi < 1) {
        class = "bad";
        word = "slower";
    } else if (!isnan(lo) && !isnan(hi)) {
        word = "no difference proved";
    }
    xl_buf_printf(out,
                  "<p><b>%#.3g" TIMES "</b> the default <span class=\"%s\">"
                  "%s</span><br><small>",
                  median, class, word);
    if (!isnan(lo) && !isnan(hi))
        xl_buf_printf(out, "%s %#.3g" DASH "%#.3g",
                      n < LEAST_FOR_INTERVAL ? "range" : "95% interval", lo,
                      hi);
    if (!isnan(n))
        xl_buf_printf(out, "%sn = %.0f pairs", isnan(lo) ? "" : ", ", n);
    xl_buf_text(out, "</small></p>\n");
}

static void write_card(const struct xl_record *record,
                       const struct speed *speed, struct xl_buf *out)
{
    const cJSON *metrics = member(record->best, "metrics");
    const cJSON *ci = member(metrics, speed->ci_key);
    const cJSON *versus = member(member(record->best, "provenance"), "versus");
    const struct xl_entry *winner = xl_record_winner(record);
    double lo = (double)NAN, hi = (double)NAN, n = number(metrics, "n");
    if (cJSON_IsArray(ci) && cJSON_GetArraySize(ci) == 2 &&
        cJSON_IsNumber(ci->child) && cJSON_IsNumber(ci->child->next)) {
        lo = ci->child->valuedouble;
        hi = ci->child->next->valuedouble;
    } else if (winner) {
        lo = winner->values[speed->lo];
        hi = winner->values[speed->hi];
    }
    if (isnan(n) && winner)
        n = winner->values[XL_COLUMN_N];
    xl_buf_printf(out, "<div class=\"card\"><h3>%s</h3>\n<p class=\"big\">",
                  speed->title);
    xl_html_speed(out, number(metrics, speed->key));
    xl_buf_text(out, " tok/s</p>\n<p class=\"soft\">");
    write_interval(lo, hi, n, out);
    xl_buf_text(out, "</p>\n");
    write_ratio(member(versus, speed->ratio_key), out);
    xl_buf_text(out, "</div>\n");
}

static void write_quality(const cJSON *quality, struct xl_buf *out)
{
    const cJSON *verdict = member(quality, "verdict");
    const cJSON *tier = member(quality, "tier");
    const char *text = cJSON_IsString(verdict) ? verdict->valuestring : "";
    const char *class = "warn";
    if (strncmp(text, "pass", 4) == 0 || strcmp(text, "ok") == 0)
        class = "good";
    else if (*text && strncmp(text, "un", 2) != 0)
        class = "bad";
    xl_buf_printf(out, "<p><span class=\"badge %s\">quality: ", class);
    xl_html_text(out, *text ? text : "not judged");
    if (cJSON_IsString(tier) || cJSON_IsNumber(tier)) {
        xl_buf_text(out, ", tier ");
        xl_report_scalar(tier, out);
    }
    xl_buf_text(out, "</span></p>\n");
}

/* The duel's own words on what it proved. */
static void write_proof(const struct xl_record *record, struct xl_buf *out)
{
    const cJSON *from = member(record->best, "provenance");
    const cJSON *why = member(member(from, "versus"), "why");
    if (!cJSON_IsString(why) || !*why->valuestring)
        return;
    xl_buf_text(out, "<p>");
    xl_html_text(out, why->valuestring);
    xl_buf_text(out, "</p>\n");
}

static void write_no_winner(const struct xl_record *record, struct xl_buf *out)
{
    xl_buf_text(out, "<h2>No winner</h2>\n<p>The run holds no best.json.");
    if (record->n_entries && record->counts[XL_OUTCOME_ACCEPTED] == 0)
        xl_buf_text(out, " No trial was accepted.");
    if (record->n_entries == 0)
        xl_buf_text(out, " No trial was made.");
    xl_buf_text(out, "</p>\n");
}

void xl_report_verdict(const struct xl_record *record, struct xl_buf *out)
{
    xl_buf_text(out, "<section class=\"verdict\">\n");
    if (record->best) {
        const cJSON *params = member(record->best, "params");
        xl_buf_text(out, "<h2>The winner</h2>\n");
        write_quality(member(record->best, "quality"), out);
        xl_buf_text(out, "<ul class=\"chips\">\n");
        for (const cJSON *item = params ? params->child : NULL; item;
             item = item->next) {
            xl_buf_text(out, "<li><span class=\"soft\">");
            xl_html_text(out, item->string);
            xl_buf_text(out, "</span> <b>");
            xl_report_scalar(item, out);
            xl_buf_text(out, "</b></li>\n");
        }
        xl_buf_text(out, "</ul>\n<div class=\"cards\">\n");
        for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++)
            write_card(record, &speeds[i], out);
        xl_buf_text(out, "</div>\n");
        write_proof(record, out);
    } else {
        write_no_winner(record, out);
    }
    xl_buf_printf(out, "<p>%zu trials: ", record->n_entries);
    for (size_t i = 0; i < XL_OUTCOME_COUNT; i++)
        xl_buf_printf(out, "%s%zu %s", i ? ", " : "", record->counts[i],
                      xl_outcome_name((enum xl_outcome)i));
    xl_buf_text(out, ".</p>\n</section>\n");
}

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
    xl_buf_text(out, "<td class=\"num\">");
    if (isnan(entry->score))
        xl_buf_text(out, DASH);
    else
        xl_buf_printf(out, "%.5g", entry->score);
    xl_buf_text(out, "</td>");
    text_cell("", entry->verdict, out);
    for (size_t e = 0; e < record->n_extras; e++)
        if (varied[e])
            text_cell("", entry->extras[e], out);
    text_cell(" class=\"text\"", entry->reason, out);
    xl_buf_text(out, "</tr>\n");
}

void xl_report_trials(const struct xl_record *record, struct xl_buf *out)
{
    bool *varied = xl_alloc_zero(record->n_extras + 1, sizeof *varied);
    if (!varied) {
        out->failed = true;
        return;
    }
    for (size_t e = 0; e < record->n_extras; e++)
        varied[e] = is_varied(record, e);
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
    for (size_t i = 0; i < record->n_entries; i++)
        write_row(record, i, varied, out);
    xl_buf_text(out, "</tbody></table></div>\n");
    xl_free(varied);
}

void xl_report_ratings(const struct xl_record *record, struct xl_buf *out)
{
    const struct xl_csv *csv = &record->ratings;
    if (csv->n_rows < 2)
        return;
    xl_buf_text(out, "<h2>Ratings of the outputs</h2>\n<div class=\"wide\">"
                     "<table class=\"sortable\" id=\"ratings\"><thead>");
    for (size_t i = 0; i < csv->n_rows; i++) {
        const char *tag = i ? "td" : "th";
        xl_buf_text(out, "<tr>");
        for (size_t f = 0; f < csv->rows[i].n_fields; f++) {
            xl_buf_printf(out, "<%s>", tag);
            xl_html_text(out, csv->rows[i].fields[f]);
            xl_buf_printf(out, "</%s>", tag);
        }
        xl_buf_text(out, i ? "</tr>\n" : "</tr></thead><tbody>\n");
    }
    xl_buf_text(out, "</tbody></table></div>\n");
}
