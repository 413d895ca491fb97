/* SPDX-License-Identifier: Apache-2.0
 *
 * The verdict and the tables. A number stands with its interval and count;
 * where a file tells none, the page says so. */
#include "plots/report_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/json.h"
#include "plots/html.h"

#define DASH  "\xe2\x80\x93"
#define TIMES "\xc3\x97"

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

static void write_ratio(const cJSON *ratio, bool is_reference,
                        struct xl_buf *out)
{
    double median = xl_json_number(ratio, "median"),
           lo = xl_json_number(ratio, "lo");
    double hi = xl_json_number(ratio, "hi"), n = xl_json_number(ratio, "n");
    const char *class = "warn", *word = "no interval: nothing proved";
    if (isnan(median)) {
        xl_buf_printf(out, "<p class=\"soft\">%s</p>\n",
                      is_reference ? "these are the defaults"
                                   : "not compared with the default");
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
    const cJSON *metrics = xl_json_member(record->best, "metrics");
    const cJSON *ci = xl_json_member(metrics, speed->ci_key);
    const cJSON *versus =
        xl_json_member(xl_json_member(record->best, "provenance"), "versus");
    const struct xl_entry *winner = xl_record_winner(record);
    double lo = (double)NAN, hi = (double)NAN, n = xl_json_number(metrics, "n");
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
    xl_html_speed(out, xl_json_number(metrics, speed->key));
    xl_buf_text(out, " tok/s</p>\n<p class=\"soft\">");
    write_interval(lo, hi, n, out);
    xl_buf_text(out, "</p>\n");
    write_ratio(xl_json_member(versus, speed->ratio_key),
                winner && winner->is_reference, out);
    xl_buf_text(out, "</div>\n");
}

static void write_quality(const cJSON *quality, struct xl_buf *out)
{
    const cJSON *verdict = xl_json_member(quality, "verdict");
    const cJSON *tier = xl_json_member(quality, "tier");
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
    const cJSON *from = xl_json_member(record->best, "provenance");
    const cJSON *why = xl_json_member(xl_json_member(from, "versus"), "why");
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

static void write_chip(const cJSON *item, struct xl_buf *out)
{
    xl_buf_text(out, "<li><span class=\"soft\">");
    xl_html_text(out, item->string);
    xl_buf_text(out, "</span> <b>");
    xl_report_scalar(item, out);
    xl_buf_text(out, "</b></li>\n");
}

/* The winner's tunables that the search varied, or the others. */
static void write_chips(const struct xl_report *report, bool varied,
                        struct xl_buf *out)
{
    const cJSON *params = xl_json_member(report->record->best, "params");
    xl_buf_text(out, "<ul class=\"chips\">\n");
    for (const cJSON *item = params ? params->child : NULL; item;
         item = item->next) {
        bool is_varied =
            item->string && xl_tunables_find(report->tunables, item->string);
        if (is_varied == varied || report->tunables->n == 0)
            write_chip(item, out);
    }
    xl_buf_text(out, "</ul>\n");
}

/* As one says it. */
static void write_objective(const struct xl_record *record, struct xl_buf *out)
{
    const char *name = record->objective;
    if (strcmp(name, "balanced") == 0)
        xl_buf_text(out, "both speeds together (geometric mean)");
    else if (strcmp(name, "decode") == 0 || strcmp(name, "prefill") == 0)
        xl_buf_printf(out, "%s speed", name);
    else
        xl_html_text(out, name);
}

/* One sentence to read aloud: what won and by how much. */
static void write_headline(const struct xl_record *record, struct xl_buf *out)
{
    const cJSON *from = xl_json_member(record->best, "provenance");
    const cJSON *versus = xl_json_member(from, "versus");
    const cJSON *ratio = xl_json_member(versus, "objective_ratio");
    const struct xl_entry *winner = xl_record_winner(record);
    double median = xl_json_number(ratio, "median");
    if (winner && winner->is_reference) {
        xl_buf_text(out, "<h2>The defaults stand</h2>\n<p class=\"lead\">No "
                         "configuration that may win was proved faster than "
                         "the defaults.</p>\n");
    } else if (!isnan(median) &&
               cJSON_IsTrue(xl_json_member(versus, "proved"))) {
        xl_buf_printf(out,
                      "<h2>The winner</h2>\n<p class=\"lead\"><b>%#.3g" TIMES
                      "</b> the defaults in ",
                      median);
        write_objective(record, out);
        xl_buf_printf(out,
                      ", 95%% interval %#.3g" DASH "%#.3g over %.0f paired "
                      "rounds: proved.</p>\n",
                      xl_json_number(ratio, "lo"), xl_json_number(ratio, "hi"),
                      xl_json_number(ratio, "n"));
    } else {
        xl_buf_text(out, "<h2>The winner</h2>\n");
    }
}

/* Whether a longer search would pay, by the search's model. */
static void write_advice(const struct xl_record *record, struct xl_buf *out)
{
    const cJSON *stop =
        xl_json_member(record->extras[XL_EXTRA_INSIGHT], "stop");
    const cJSON *advice = xl_json_member(stop, "advice");
    if (!cJSON_IsString(advice) || !*advice->valuestring)
        return;
    xl_buf_text(out, "<p>advice: ");
    xl_html_text(out, advice->valuestring);
    xl_buf_text(out, "</p>\n");
}

static void write_winner(const struct xl_report *report, struct xl_buf *out)
{
    const struct xl_record *record = report->record;
    write_headline(record, out);
    write_quality(xl_json_member(record->best, "quality"), out);
    write_chips(report, true, out);
    if (report->tunables->n) {
        xl_buf_text(out, "<details><summary>tunables that were not searched"
                         "</summary>\n");
        write_chips(report, false, out);
        xl_buf_text(out, "</details>\n");
    }
    xl_buf_text(out, "<div class=\"cards\">\n");
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++)
        write_card(record, &speeds[i], out);
    xl_buf_text(out, "</div>\n");
    write_proof(record, out);
    write_advice(record, out);
}

void xl_report_verdict(const struct xl_report *report, struct xl_buf *out)
{
    const struct xl_record *record = report->record;
    xl_buf_text(out, "<section class=\"verdict\">\n");
    if (record->best)
        write_winner(report, out);
    else
        write_no_winner(record, out);
    xl_buf_printf(out, "<p>%zu trials: ", record->n_entries);
    for (size_t i = 0; i < XL_OUTCOME_COUNT; i++)
        xl_buf_printf(out, "%s%zu %s", i ? ", " : "", record->counts[i],
                      xl_outcome_name((enum xl_outcome)i));
    xl_buf_text(out, ".</p>\n</section>\n");
}
