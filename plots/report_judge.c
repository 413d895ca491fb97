/* SPDX-License-Identifier: Apache-2.0
 *
 * The judge's part of the page: what was asked of the winner and of those
 * that could have won, and what the answers mean. A figure stands with its
 * limit, its one-sided bounds and the blocks they come from. */
#include "plots/report_int.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "kernel/base/json.h"
#include "plots/html.h"

#define DASH "\xe2\x80\x93"

static const struct {
    const char *name, *summary;
} tiers[] = {
#define XL_TIER(id, name, summary) { name, summary },
#define XL_GATE(...)
#include "judge/tier.def"
};

static const struct {
    const char *score, *why;
} gates[] = {
#define XL_TIER(id, name, summary)
#define XL_GATE(score, how, need, why, ...) { #score, why },
#include "judge/tier.def"
};

static const struct {
    const char *verdict, *class, *meaning;
} verdicts[] = {
    { "pass", "good",
      "it is proved to stay within the limits of its tier: use it" },
    { "fail", "bad",
      "a limit is broken even at the favourable end of the interval, or an "
      "extreme was seen: do not use it" },
    { "inconclusive", "warn",
      "neither is shown by the text there was, so it may not win; more text "
      "may settle it" },
};

enum {
    N_TIERS = sizeof tiers / sizeof *tiers,
    N_GATES = sizeof gates / sizeof *gates,
    N_VERDICTS = sizeof verdicts / sizeof *verdicts
};

static void write_number(const cJSON *object, const char *key,
                         struct xl_buf *out)
{
    const cJSON *item = xl_json_member(object, key);
    if (cJSON_IsNumber(item))
        xl_buf_printf(out, fabs(item->valuedouble) < 1e3 ? "%.3g" : "%.0f",
                      item->valuedouble);
    else
        xl_buf_text(out, DASH);
}

static const char *class_of(const char *verdict)
{
    for (size_t i = 0; i < N_VERDICTS; i++)
        if (strcmp(verdicts[i].verdict, verdict) == 0)
            return verdicts[i].class;
    return "warn";
}

static const char *why_of(const char *score)
{
    for (size_t i = 0; i < N_GATES; i++)
        if (strcasecmp(gates[i].score, score) == 0)
            return gates[i].why;
    return "";
}

/* -- one judgement -------------------------------------------------------- */

/* Does the limit come from the model's own floor? */
static bool is_followed(const cJSON *gate)
{
    const cJSON *bound = xl_json_member(gate, "bound");
    const cJSON *absolute = xl_json_member(gate, "absolute");
    return cJSON_IsNumber(xl_json_member(gate, "floor")) &&
           cJSON_IsNumber(bound) && cJSON_IsNumber(absolute) &&
           fabs(bound->valuedouble - absolute->valuedouble) > 0;
}

static void write_gate(const cJSON *gate, struct xl_buf *out)
{
    const char *verdict = xl_json_text(gate, "verdict");
    xl_buf_text(out, "<tr><td>");
    xl_html_text(out, xl_json_text(gate, "score"));
    xl_buf_printf(out, "</td><td class=\"%s\">", class_of(verdict));
    xl_html_text(out, verdict);
    xl_buf_text(out, "</td><td class=\"num\">");
    write_number(gate, "value", out);
    xl_buf_text(out, "</td><td class=\"num\">");
    if (cJSON_IsNumber(xl_json_member(gate, "lower"))) {
        write_number(gate, "lower", out);
        xl_buf_text(out, " " DASH " ");
        write_number(gate, "upper", out);
    } else {
        xl_buf_text(out, "observed");
    }
    xl_buf_text(out, "</td><td class=\"num\">");
    write_number(gate, "blocks", out);
    xl_buf_text(out, "</td><td class=\"num\">");
    write_number(gate, "bound", out);
    if (is_followed(gate)) {
        xl_buf_text(out, " (tier ");
        write_number(gate, "absolute", out);
        xl_buf_text(out, ", own floor ");
        write_number(gate, "floor", out);
        xl_buf_text(out, ")");
    }
    xl_buf_text(out, "</td><td class=\"text\">");
    xl_html_text(out, why_of(xl_json_text(gate, "score")));
    xl_buf_text(out, "</td></tr>\n");
}

static void write_gates(const char *where, const cJSON *quality,
                        struct xl_buf *out)
{
    const cJSON *list = xl_json_member(quality, "gates");
    xl_buf_printf(out, "<p>On the %s, ", where);
    write_number(quality, "n_tokens", out);
    xl_buf_text(out, " tokens (hash <code>");
    xl_html_text(out, xl_json_text(quality, "text_hash"));
    xl_buf_printf(out, "</code>): <b class=\"%s\">",
                  class_of(xl_json_text(quality, "verdict")));
    xl_html_text(out, xl_json_text(quality, "verdict"));
    xl_buf_text(out, "</b>, ");
    xl_html_text(out, xl_json_text(quality, "reason"));
    xl_buf_text(out, ".</p>\n<div class=\"wide\"><table><thead><tr>"
                     "<th>gate</th><th>verdict</th><th class=\"num\">figure"
                     "</th><th class=\"num\">one-sided bounds</th>"
                     "<th class=\"num\">blocks</th><th class=\"num\">limit"
                     "</th><th>why it is asked</th></tr></thead><tbody>\n");
    for (const cJSON *gate = list ? list->child : NULL; gate; gate = gate->next)
        write_gate(gate, out);
    xl_buf_text(out, "</tbody></table></div>\n");
}

static void write_both_texts(const cJSON *quality, struct xl_buf *out)
{
    const cJSON *holdout = xl_json_member(quality, "holdout");
    write_gates("text of the search", quality, out);
    if (cJSON_IsObject(holdout))
        write_gates("holdout text, which the search never read", holdout, out);
}

static void write_meaning(const cJSON *quality, struct xl_buf *out)
{
    const char *tier = xl_json_text(quality, "tier");
    xl_buf_text(out, "<p>Tier <b>");
    xl_html_text(out, tier);
    xl_buf_text(out, "</b>");
    for (size_t i = 0; i < N_TIERS; i++)
        if (strcmp(tiers[i].name, tier) == 0)
            xl_buf_printf(out, " promises: %s", tiers[i].summary);
    xl_buf_text(out, ". What a verdict means:</p>\n<ul>\n");
    for (size_t i = 0; i < N_VERDICTS; i++)
        xl_buf_printf(out, "<li><b class=\"%s\">%s</b>: %s</li>\n",
                      verdicts[i].class, verdicts[i].verdict,
                      verdicts[i].meaning);
    xl_buf_text(out, "</ul>\n");
}

/* " pass, pass on the holdout text" */
static void write_verdicts(const cJSON *quality, struct xl_buf *out)
{
    const cJSON *holdout = xl_json_member(quality, "holdout");
    const char *verdict = xl_json_text(quality, "verdict");
    xl_buf_printf(out, " <span class=\"%s\">", class_of(verdict));
    xl_html_text(out, verdict);
    xl_buf_text(out, "</span>");
    if (!cJSON_IsObject(holdout))
        return;
    verdict = xl_json_text(holdout, "verdict");
    xl_buf_printf(out, ", <span class=\"%s\">", class_of(verdict));
    xl_html_text(out, verdict);
    xl_buf_text(out, " on the holdout text</span>");
}

/* -- the others ----------------------------------------------------------- */

static void write_finalist(const cJSON *item, struct xl_buf *out)
{
    const cJSON *quality = xl_json_member(item, "quality");
    xl_buf_text(out, "<details><summary>trial ");
    write_number(item, "trial", out);
    xl_buf_char(out, ':');
    write_verdicts(quality, out);
    xl_buf_text(out, ", tier ");
    xl_html_text(out, xl_json_text(quality, "tier"));
    xl_buf_text(out, "</summary>\n");
    write_both_texts(quality, out);
    xl_buf_text(out, "</details>\n");
}

static bool has_gates(const struct xl_record *record)
{
    return cJSON_IsArray(
        xl_json_member(xl_json_member(record->best, "quality"), "gates"));
}

bool xl_report_is_judged(const struct xl_record *record)
{
    const cJSON *list =
        xl_json_member(record->extras[XL_EXTRA_JUDGED], "finalists");
    return has_gates(record) || cJSON_GetArraySize(list) > 0;
}

void xl_report_judge(const struct xl_record *record, struct xl_buf *out)
{
    const cJSON *quality = xl_json_member(record->best, "quality");
    const cJSON *list =
        xl_json_member(record->extras[XL_EXTRA_JUDGED], "finalists");
    const cJSON *winner =
        xl_json_member(xl_json_member(record->best, "provenance"), "trial");
    size_t n = 0;
    if (!xl_report_is_judged(record))
        return;
    xl_buf_text(out, "<section id=\"judged\"><h2>What the judge asked</h2>\n");
    if (has_gates(record)) {
        write_meaning(quality, out);
        xl_buf_text(out, "<h3>The winner</h3>\n");
        write_both_texts(quality, out);
    }
    for (const cJSON *item = list ? list->child : NULL; item;
         item = item->next) {
        if (winner &&
            cJSON_Compare(xl_json_member(item, "trial"), winner, true))
            continue;
        xl_buf_text(out, n++ ? "" : "<h3>Others that could have won</h3>\n");
        write_finalist(item, out);
    }
    xl_buf_text(out, "</section>\n");
}
