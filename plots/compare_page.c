/* SPDX-License-Identifier: Apache-2.0
 *
 * A table with a column a run, what differs first told in words: speeds of
 * runs that searched something else do not compare. */
#include "plots/compare_int.h"

#include <math.h>
#include <string.h>

#include "kernel/base/json.h"
#include "plots/html.h"
#include "plots/report_int.h"

#define DASH  "\xe2\x80\x93"
#define TIMES "\xc3\x97"

/* A fact of run_meta.json by its path. */
struct fact {
    const char *title, *path[3];
    bool must_match; /* speeds compare only where it is the same */
};

static const struct fact facts[] = {
    { "model", { "model_path" }, false },
    { "model hash", { "model_hash" }, true },
    { "prompt hash", { "prompt_hash" }, true },
    { "prompt tokens", { "prompt_tokens" }, true },
    { "new tokens", { "new" }, true },
    { "objective", { "objective" }, true },
    { "processor", { "host", "cpu" }, true },
    { "cores", { "host", "cores" }, true },
    { "version", { "build", "version" }, false },
    { "compiler", { "build", "compiler" }, false },
    { "strategy", { "mode" }, false },
    { "seed", { "seed" }, false },
    { "repeats", { "repeats" }, false },
};

enum {
    N_FACTS = sizeof facts / sizeof *facts
};

static const cJSON *fact_of(const struct xl_record *record,
                            const struct fact *fact)
{
    const cJSON *at = record->meta;
    for (size_t i = 0; i < 3 && fact->path[i]; i++)
        at = xl_json_member(at, fact->path[i]);
    return at;
}

/* Absent equals absent. */
static bool is_equal(const cJSON *a, const cJSON *b)
{
    return (!a && !b) || cJSON_Compare(a, b, true);
}

static bool is_alike(const struct xl_compare_sides *sides,
                     const struct fact *fact)
{
    for (size_t i = 1; i < sides->n; i++)
        if (!is_equal(fact_of(&sides->records[0], fact),
                      fact_of(&sides->records[i], fact)))
            return false;
    return true;
}

static void write_warning(const struct xl_compare_sides *sides,
                          struct xl_buf *out)
{
    size_t n = 0;
    for (size_t f = 0; f < N_FACTS; f++) {
        if (!facts[f].must_match || is_alike(sides, &facts[f]))
            continue;
        xl_buf_text(out,
                    n++ ? ", " : "<p class=\"banner\">The runs differ in ");
        xl_buf_text(out, facts[f].title);
    }
    if (n)
        xl_buf_text(out, ": their speeds tell about that as well, not about "
                         "the tunables alone.</p>\n");
}

/* -- rows ----------------------------------------------------------------- */

static void begin_row(const char *title, bool differs, struct xl_buf *out)
{
    xl_buf_printf(out, "<tr%s><th scope=\"row\">",
                  differs ? " class=\"differs\"" : "");
    xl_html_text(out, title);
    xl_buf_text(out, "</th>");
}

static void write_facts(const struct xl_compare_sides *sides,
                        struct xl_buf *out)
{
    for (size_t f = 0; f < N_FACTS; f++) {
        begin_row(facts[f].title, !is_alike(sides, &facts[f]), out);
        for (size_t i = 0; i < sides->n; i++) {
            xl_buf_text(out, "<td>");
            xl_report_scalar(fact_of(&sides->records[i], &facts[f]), out);
            xl_buf_text(out, "</td>");
        }
        xl_buf_text(out, "</tr>\n");
    }
}

static const cJSON *param_of(const struct xl_record *record, const char *name)
{
    const cJSON *params = xl_json_member(record->best, "params");
    return xl_json_member(params, name);
}

/* The winners' tunables; those that differ are marked. */
static void write_params(const struct xl_compare_sides *sides,
                         struct xl_buf *out)
{
    const cJSON *params = NULL;
    for (size_t i = 0; i < sides->n && !params; i++)
        params = xl_json_member(sides->records[i].best, "params");
    for (const cJSON *item = params ? params->child : NULL; item;
         item = item->next) {
        bool differs = false;
        for (size_t i = 0; i < sides->n; i++)
            differs =
                differs ||
                !cJSON_Compare(item, param_of(&sides->records[i], item->string),
                               true);
        begin_row(item->string, differs, out);
        for (size_t i = 0; i < sides->n; i++) {
            xl_buf_text(out, "<td>");
            xl_report_scalar(param_of(&sides->records[i], item->string), out);
            xl_buf_text(out, "</td>");
        }
        xl_buf_text(out, "</tr>\n");
    }
}

static void write_trials(const struct xl_compare_sides *sides,
                         struct xl_buf *out)
{
    begin_row("trials", false, out);
    for (size_t i = 0; i < sides->n; i++) {
        const size_t *counts = sides->records[i].counts;
        xl_buf_printf(out, "<td>%zu: %zu accepted, %zu rejected, %zu failed",
                      sides->records[i].n_entries, counts[XL_OUTCOME_ACCEPTED],
                      counts[XL_OUTCOME_REJECTED], counts[XL_OUTCOME_FAILED]);
        if (counts[XL_OUTCOME_UNFINISHED])
            xl_buf_printf(out, ", %zu unfinished",
                          counts[XL_OUTCOME_UNFINISHED]);
        xl_buf_text(out, "</td>");
    }
    xl_buf_text(out, "</tr>\n");
}

static void
write_speeds(const char *title, const struct xl_compare_sides *sides,
             struct xl_compare_speed (*of)(const struct xl_record *),
             struct xl_buf *out)
{
    double first = of(&sides->records[0]).value;
    begin_row(title, false, out);
    for (size_t i = 0; i < sides->n; i++) {
        struct xl_compare_speed speed = of(&sides->records[i]);
        xl_buf_text(out, "<td><b>");
        xl_html_speed(out, speed.value);
        xl_buf_text(out, "</b>");
        if (!isnan(speed.lo) && !isnan(speed.hi)) {
            xl_buf_text(out, " <small>");
            xl_html_speed(out, speed.lo);
            xl_buf_text(out, DASH);
            xl_html_speed(out, speed.hi);
            xl_buf_text(out, "</small>");
        }
        if (!isnan(speed.n))
            xl_buf_printf(out, " <small>n = %.0f</small>", speed.n);
        if (i && first > 0 && speed.value > 0)
            xl_buf_printf(out, "<br><small>%#.3g" TIMES " the first</small>",
                          speed.value / first);
        xl_buf_text(out, "</td>");
    }
    xl_buf_text(out, "</tr>\n");
}

static void write_quality(const struct xl_compare_sides *sides,
                          struct xl_buf *out)
{
    begin_row("quality", false, out);
    for (size_t i = 0; i < sides->n; i++) {
        const cJSON *quality =
            xl_json_member(sides->records[i].best, "quality");
        xl_buf_text(out, "<td>");
        xl_report_scalar(xl_json_member(quality, "verdict"), out);
        if (cJSON_HasObjectItem(quality, "tier"))
            xl_buf_text(out, ", tier ");
        xl_report_scalar(xl_json_member(quality, "tier"), out);
        xl_buf_text(out, "</td>");
    }
    xl_buf_text(out, "</tr>\n");
}

static void write_proof(const struct xl_compare_sides *sides,
                        struct xl_buf *out)
{
    begin_row("its duel with its defaults", false, out);
    for (size_t i = 0; i < sides->n; i++) {
        const cJSON *from =
            xl_json_member(sides->records[i].best, "provenance");
        const cJSON *versus = xl_json_member(from, "versus");
        xl_buf_text(out, "<td class=\"text\">");
        xl_report_scalar(xl_json_member(versus, "why"), out);
        xl_buf_text(out, "</td>");
    }
    xl_buf_text(out, "</tr>\n");
}

static void write_table(const struct xl_compare_sides *sides,
                        struct xl_buf *out)
{
    xl_buf_text(out, "<h2>Side by side</h2>\n<p class=\"soft\">Rows that "
                     "differ are marked. The runs were measured at different "
                     "times: ratios between them are no paired proof; "
                     "<code>xltune bench --vs</code> gives one.</p>\n<div "
                     "class=\"wide\"><table id=\"runs\"><thead><tr><th></th>");
    for (size_t i = 0; i < sides->n; i++) {
        xl_buf_text(out, "<th>");
        xl_html_text(out, sides->labels[i]);
        xl_buf_text(out, "</th>");
    }
    xl_buf_text(out, "</tr></thead><tbody>\n");
    write_speeds("prefill (tok/s)", sides, xl_compare_prefill, out);
    write_speeds("decode (tok/s)", sides, xl_compare_decode, out);
    write_quality(sides, out);
    write_proof(sides, out);
    write_trials(sides, out);
    write_facts(sides, out);
    write_params(sides, out);
    xl_buf_text(out, "</tbody></table></div>\n");
}

void xl_compare_page(const struct xl_compare_sides *sides,
                     const struct xl_report_picture *pictures,
                     size_t n_pictures, const char *const *why_not,
                     struct xl_buf *out)
{
    struct xl_buf subtitle;
    xl_buf_init(&subtitle, 0);
    for (size_t i = 0; i < sides->n; i++)
        xl_buf_printf(&subtitle, "%s%s", i ? " \xc2\xb7 " : "",
                      sides->labels[i]);
    xl_report_head("Runs compared", subtitle.data, out);
    if (!xl_buf_ok(&subtitle))
        out->failed = true;
    xl_buf_release(&subtitle);
    write_warning(sides, out);
    write_table(sides, out);
    xl_buf_text(out, "<h2>Pictures</h2>\n");
    for (size_t i = 0; i < n_pictures; i++)
        xl_report_picture(&pictures[i], out);
    for (size_t i = 0; i < XL_COMPARE_COUNT; i++) {
        if (!why_not[i])
            continue;
        xl_buf_text(out, "<p class=\"soft\">A picture is left out: ");
        xl_html_text(out, why_not[i]);
        xl_buf_text(out, ".</p>\n");
    }
    xl_report_end(out);
}
