/* SPDX-License-Identifier: Apache-2.0
 *
 * The page from top to bottom. Everything that comes from a file goes
 * through xl_html_text; a strict content policy stands behind that. */
#include "plots/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/json.h"
#include "plots/html.h"
#include "plots/plot_int.h"
#include "plots/report_int.h"

enum {
    REASONS_SHOWN = 20,
    DEPTH = 4,
    KEY_ROOM = 200
};

/* -- head and what was asked ---------------------------------------------- */

void xl_report_head(const char *title, const char *subtitle, struct xl_buf *out)
{
    xl_buf_text(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
                     "<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, "
                     "initial-scale=1\">\n"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\""
                     "default-src 'none'; img-src data:; style-src "
                     "'unsafe-inline'; script-src 'unsafe-inline'\">\n"
                     "<meta name=\"color-scheme\" content=\"light dark\">\n"
                     "<link rel=\"icon\" href=\"data:,\">\n<title>");
    xl_html_text(out, title);
    xl_buf_text(out, " \xc2\xb7 xltune report</title>\n<style>\n");
    xl_buf_text(out, xl_plot_text_page_css);
    xl_buf_text(out, "</style>\n</head>\n<body>\n<h1>");
    xl_html_text(out, title);
    xl_buf_text(out, "</h1>\n<p class=\"soft\">");
    xl_html_text(out, subtitle);
    xl_buf_text(out, "</p>\n");
}

static void write_head(const struct xl_record *record, struct xl_buf *out)
{
    xl_report_head(record->name, record->subtitle, out);
    if (cJSON_IsTrue(xl_json_member(record->meta, "synthetic")))
        xl_buf_text(out, "<p class=\"banner\">Synthetic data: these numbers "
                         "were made up, not measured.</p>\n");
}

/* "memory_bytes" 25276514304 is read as "memory" 23.5 GiB. */
static bool write_size(const char *key, const cJSON *item, struct xl_buf *out)
{
    static const char suffix[] = "_bytes";
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    size_t n = strlen(key), tail = sizeof suffix - 1, unit = 0;
    if (!cJSON_IsNumber(item) || n <= tail ||
        strcmp(key + n - tail, suffix) != 0)
        return false;
    double size = item->valuedouble;
    char name[KEY_ROOM];
    snprintf(name, sizeof name, "%.*s", (int)(n - tail), key);
    for (; size >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        size /= 1024;
    xl_buf_text(out, "<dt>");
    xl_html_text(out, name);
    xl_buf_printf(out, "</dt><dd>%.3g %s</dd>\n", size, units[unit]);
    return true;
}

static void write_fact(const char *key, const cJSON *item, struct xl_buf *out)
{
    if (write_size(key, item, out))
        return;
    xl_buf_text(out, "<dt>");
    xl_html_text(out, key);
    xl_buf_text(out, "</dt><dd>");
    xl_report_scalar(item, out);
    xl_buf_text(out, "</dd>\n");
}

/* The scalars of an array in one line. */
static void write_list(const char *key, const cJSON *list, struct xl_buf *out)
{
    xl_buf_text(out, "<dt>");
    xl_html_text(out, key);
    xl_buf_text(out, "</dt><dd>");
    for (const cJSON *item = list ? list->child : NULL; item;
         item = item->next) {
        xl_report_scalar(item, out);
        xl_buf_text(out, item->next ? ", " : "");
    }
    xl_buf_text(out, "</dd>\n");
}

/* Scalars below item, named by their path: host.cpu.model. */
static void write_facts(const char *path, const cJSON *item, size_t depth,
                        struct xl_buf *out)
{
    char key[KEY_ROOM];
    for (const cJSON *child = item ? item->child : NULL; child;
         child = child->next) {
        const char *name = child->string ? child->string : "";
        snprintf(key, sizeof key, "%s%s%s", path, *path && *name ? "." : "",
                 name);
        if (cJSON_IsArray(child))
            write_list(key, child, out);
        else if (cJSON_IsObject(child) && depth)
            write_facts(key, child, depth - 1, out);
        else if (!cJSON_IsNull(child))
            write_fact(key, child, out);
    }
}

/* The tunables searched, each with its values. */
static void write_space(const struct xl_record *record, struct xl_buf *out)
{
    const cJSON *dims =
        xl_json_member(xl_json_member(record->meta, "space"), "dims");
    const char *name;
    if (!dims || !dims->child)
        return;
    xl_buf_text(out, "<h3>Searched</h3>\n<dl>\n");
    for (const cJSON *dim = dims->child; dim; dim = dim->next)
        if ((name = cJSON_GetStringValue(xl_json_member(dim, "name"))) != NULL)
            write_list(name, xl_json_member(dim, "values"), out);
    xl_buf_text(out, "</dl>\n");
}

static void write_asked(const struct xl_record *record, struct xl_buf *out)
{
    static const char *const keys[] = {
        "model_path", "prompt_tokens", "new",     "objective",
        "mode",       "trials",        "repeats", "generations",
        "population", "time_budget",   "seed",    "prompt",
    };
    if (!record->meta)
        return;
    xl_buf_text(out, "<section id=\"asked\"><h2>What was asked</h2>\n<dl>\n");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const cJSON *item = xl_json_member(record->meta, keys[i]);
        if (item && !cJSON_IsNull(item))
            write_fact(keys[i], item, out);
    }
    xl_buf_text(out, "</dl>\n");
    write_space(record, out);
    xl_buf_text(out, "</section>\n");
}

static void write_machine(const struct xl_record *record, struct xl_buf *out)
{
    const cJSON *host = xl_json_member(record->meta, "host");
    const cJSON *build = xl_json_member(record->meta, "build");
    if (!host && !build)
        return;
    xl_buf_text(out,
                "<section id=\"machine\"><h2>On which machine</h2>\n<dl>\n");
    write_facts("", host, DEPTH, out);
    write_facts("build", build, DEPTH, out);
    xl_buf_text(out, "</dl>\n</section>\n");
}

/* -- pictures ------------------------------------------------------------- */

static void write_data_uri(const struct xl_report_image *image,
                           struct xl_buf *out)
{
    xl_buf_text(out, "data:image/png;base64,");
    xl_html_base64(out, image->bytes, image->n);
}

void xl_report_picture(const struct xl_report_picture *picture,
                       struct xl_buf *out)
{
    const struct xl_plot_row *row = picture->row;
    xl_buf_printf(out, "<figure id=\"picture_%s\">\n", row->stem);
    if (picture->svg) {
        xl_buf_text(out, picture->svg);
    } else {
        xl_buf_text(out, "<picture><source media=\"screen and "
                         "(prefers-color-scheme: dark)\" srcset=\"");
        write_data_uri(&picture->dark, out);
        xl_buf_printf(out,
                      "\"><img width=\"%u\" height=\"%u\" alt=\"%s\" "
                      "src=\"",
                      row->width, row->height, row->title);
        write_data_uri(&picture->light, out);
        xl_buf_text(out, "\"></picture>\n");
    }
    xl_buf_text(out, "<figcaption>");
    xl_html_text(out, row->caption);
    xl_buf_text(out, "</figcaption>\n</figure>\n");
}

/* Those that the run cannot fill, each with its reason. */
static void write_left_out(const struct xl_report *report, struct xl_buf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < XL_PLOT_COUNT; i++) {
        if (!report->why_not[i])
            continue;
        xl_buf_text(out, n++ ? ""
                             : "<details class=\"soft\"><summary>Pictures "
                               "left out, and why</summary>\n<ul>\n");
        xl_buf_printf(out, "<li>%s: ", xl_plot_row((enum xl_plot)i)->title);
        xl_html_text(out, report->why_not[i]);
        xl_buf_text(out, "</li>\n");
    }
    if (n)
        xl_buf_text(out, "</ul></details>\n");
}

static void write_pictures(const struct xl_report *report, struct xl_buf *out)
{
    xl_buf_text(out, "<h2 id=\"pictures\">Pictures</h2>\n");
    for (size_t i = 0; i < report->n_pictures; i++)
        xl_report_picture(&report->pictures[i], out);
    write_left_out(report, out);
}

/* -- what lost and why ---------------------------------------------------- */

static const char *reason_of(const struct xl_entry *entry)
{
    if (*entry->reason)
        return entry->reason;
    if (entry->outcome == XL_OUTCOME_REJECTED && *entry->judged)
        return entry->judged;
    if (entry->outcome == XL_OUTCOME_REJECTED && *entry->verdict)
        return entry->verdict;
    return *entry->status ? entry->status : "no reason recorded";
}

static int by_reason(const void *a, const void *b)
{
    const struct xl_entry *const *x = a, *const *y = b;
    if ((*x)->outcome != (*y)->outcome)
        return (*x)->outcome < (*y)->outcome ? -1 : 1;
    return strcmp(reason_of(*x), reason_of(*y));
}

/* Trials that lost alike. */
struct loss {
    const struct xl_entry *entry; /* one of them */
    size_t n;
};

static int by_count(const void *a, const void *b)
{
    const struct loss *x = a, *y = b;
    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    return by_reason(&x->entry, &y->entry);
}

static void write_losses(const struct loss *losses, size_t n,
                         struct xl_buf *out)
{
    xl_buf_text(out, "<h2 id=\"lost\">What was not accepted, and why</h2>\n"
                     "<div class=\"wide\"><table><thead><tr>"
                     "<th>outcome</th><th class=\"num\">trials</th>"
                     "<th>reason</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < n && i < REASONS_SHOWN; i++) {
        xl_buf_printf(out,
                      "<tr><td>%s</td><td class=\"num\">%zu</td>"
                      "<td class=\"text\">",
                      xl_outcome_name(losses[i].entry->outcome), losses[i].n);
        xl_html_text(out, reason_of(losses[i].entry));
        xl_buf_text(out, "</td></tr>\n");
    }
    if (n > REASONS_SHOWN)
        xl_buf_printf(out,
                      "<tr><td colspan=\"3\">and %zu rarer reasons, in "
                      "the table of trials</td></tr>\n",
                      n - REASONS_SHOWN);
    xl_buf_text(out, "</tbody></table></div>\n");
}

static void write_lost(const struct xl_record *record, struct xl_buf *out)
{
    size_t room = record->n_entries + 1, n = 0, groups = 0;
    const struct xl_entry **lost =
        xl_alloc_zero(room, sizeof(const struct xl_entry *));
    struct loss *losses = xl_alloc_zero(room, sizeof *losses);
    if (!lost || !losses) {
        out->failed = true;
        goto done;
    }
    for (size_t i = 0; i < record->n_entries; i++)
        if (record->entries[i].outcome != XL_OUTCOME_ACCEPTED)
            lost[n++] = &record->entries[i];
    qsort(lost, n, sizeof(const struct xl_entry *), by_reason);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || by_reason(&lost[i - 1], &lost[i]) != 0)
            losses[groups++].entry = lost[i];
        losses[groups - 1].n++;
    }
    qsort(losses, groups, sizeof *losses, by_count);
    if (groups)
        write_losses(losses, groups, out);
done:
    xl_free(lost);
    xl_free(losses);
}

/* -- profile and commands ------------------------------------------------- */

/* A page with a part missing must not look whole. */
static void pass_failure(const struct xl_buf *part, struct xl_buf *out)
{
    if (!xl_buf_ok(part))
        out->failed = true;
}

static void write_json(const char *class, const cJSON *root, struct xl_buf *out)
{
    struct xl_buf text;
    xl_buf_init(&text, 0);
    xl_json_print(root, true, &text);
    xl_buf_printf(out, "<pre%s>", class);
    xl_html_text(out, text.data);
    xl_buf_text(out, "</pre>\n");
    pass_failure(&text, out);
    xl_buf_release(&text);
}

/* The words of a command, as one string or an array of them. */
static void add_command(const cJSON *line, struct xl_buf *out)
{
    if (cJSON_IsString(line))
        xl_buf_text(out, line->valuestring);
    for (const cJSON *word = cJSON_IsArray(line) ? line->child : NULL; word;
         word = word->next) {
        if (!cJSON_IsString(word))
            continue;
        xl_buf_shell_word(out, word->valuestring);
        xl_buf_text(out, word->next ? " " : "");
    }
}

static void write_command(const char *title, const char *text,
                          struct xl_buf *out)
{
    xl_buf_printf(out, "<p>%s</p>\n<pre class=\"copyable\">", title);
    xl_html_text(out, text);
    xl_buf_text(out, "</pre>\n");
}

static void write_on_run(const char *title, const char *before,
                         const struct xl_record *record, const char *file,
                         struct xl_buf *out)
{
    struct xl_buf path, text;
    xl_buf_init(&path, 0);
    xl_buf_init(&text, 0);
    xl_buf_printf(&path, "%s%s", record->dir, file);
    xl_buf_text(&text, before);
    xl_buf_shell_word(&text, path.data);
    write_command(title, text.data, out);
    pass_failure(&path, out);
    pass_failure(&text, out);
    xl_buf_release(&path);
    xl_buf_release(&text);
}

static void write_commands(const struct xl_record *record, struct xl_buf *out)
{
    struct xl_buf text;
    xl_buf_init(&text, 0);
    add_command(xl_json_member(record->meta, "command_line"), &text);
    xl_buf_text(out, "<h2 id=\"commands\">Commands</h2>\n");
    if (text.len)
        write_command("Search again:", text.data, out);
    if (record->best) {
        write_on_run("Measure the winner again:", "xltune bench --config ",
                     record, "/best.json", out);
        write_on_run("Use the winner:",
                     "xltune generate --prompt 'Once upon a time' --config ",
                     record, "/best.json", out);
    }
    write_on_run("Draw again:", "xltune plot --run ", record, "", out);
    pass_failure(&text, out);
    xl_buf_release(&text);
}

static void write_contents(const struct xl_record *record, struct xl_buf *out)
{
    xl_buf_text(out, "<nav>");
    if (record->meta)
        xl_buf_text(out, "<a href=\"#asked\">asked</a> ");
    xl_buf_text(out, "<a href=\"#pictures\">pictures</a> ");
    if (xl_report_is_judged(record))
        xl_buf_text(out, "<a href=\"#judged\">judged</a> ");
    if (record->counts[XL_OUTCOME_ACCEPTED] < record->n_entries)
        xl_buf_text(out, "<a href=\"#lost\">lost, and why</a> ");
    xl_buf_text(out, "<a href=\"#all\">trials</a> ");
    if (record->best)
        xl_buf_text(out, "<a href=\"#profile\">profile</a> ");
    xl_buf_text(out, "<a href=\"#commands\">commands</a></nav>\n");
}

/* -- page ----------------------------------------------------------------- */

static void write_files(const struct xl_record *record, struct xl_buf *out)
{
    if (record->best) {
        xl_buf_text(
            out,
            "<h2 id=\"profile\">The profile</h2>\n<p>best.json, as it can be "
            "copied:</p>\n");
        write_json(" class=\"copyable\" id=\"best\"", record->best, out);
    }
    write_commands(record, out);
    if (record->meta) {
        xl_buf_text(out, "<h2>All that was recorded of the run</h2>\n"
                         "<details><summary>run_meta.json</summary>\n");
        write_json("", record->meta, out);
        xl_buf_text(out, "</details>\n");
    }
    for (size_t i = 0; i < record->n_notes; i++) {
        xl_buf_text(out, "<p class=\"soft\">Note: ");
        xl_html_text(out, record->notes[i]);
        xl_buf_text(out, ".</p>\n");
    }
}

void xl_report_end(struct xl_buf *out)
{
    xl_buf_text(out, "<script>\n");
    xl_buf_text(out, xl_plot_text_page_js);
    xl_buf_text(out, "</script>\n</body>\n</html>\n");
}

void xl_report_write(const struct xl_report *report, struct xl_buf *out)
{
    const struct xl_record *record = report->record;
    write_head(record, out);
    write_contents(record, out);
    xl_report_verdict(report, out);
    xl_buf_text(out, "<div class=\"two\">\n");
    write_asked(record, out);
    write_machine(record, out);
    xl_buf_text(out, "</div>\n");
    write_pictures(report, out);
    xl_report_judge(record, out);
    xl_report_runners_up(report, out);
    write_lost(record, out);
    xl_report_trials(record, out);
    xl_report_ratings(record, out);
    write_files(record, out);
    xl_report_end(out);
}
