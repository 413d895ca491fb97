/* SPDX-License-Identifier: Apache-2.0
 *
 * Three passes: the trial files make the entries, run_meta.json and best.json
 * say which is the winner and the reference, samples.csv fills gaps. */
#include "plots/record_int.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/opt.h"

enum {
    LINE_ROOM = 4096
};

static const char *const column_names[XL_COLUMN_COUNT] = {
#define XL_COLUMN(id, name) [XL_COLUMN_##id] = name,
#include "plots/column.def"
#undef XL_COLUMN
};

const char *xl_outcome_name(enum xl_outcome outcome)
{
    static const char *const names[XL_OUTCOME_COUNT] = { "accepted", "rejected",
                                                         "failed",
                                                         "unfinished" };
    return names[outcome];
}

const char *xl_record_text(struct xl_record *record, const char *fmt, ...)
{
    char line[LINE_ROOM];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    const char *text = xl_arena_text(&record->arena, line, strlen(line));
    if (!text)
        record->lacks_memory = true;
    return text ? text : "";
}

static void add_note(struct xl_record *record, const char *note)
{
    if (record->n_notes < XL_RECORD_NOTES)
        record->notes[record->n_notes++] = note;
}

/* -- files ---------------------------------------------------------------- */

/* Appends dir/name to out; false with XL_OK when there is no such file. */
static enum xl_status read_part(struct xl_record *record, const char *name,
                                struct xl_buf *out, bool *found,
                                struct xl_err *err)
{
    char *path = xl_io_join(record->dir, name);
    enum xl_status rc = XL_OK;
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    *found = xl_io_exists(path);
    if (*found)
        rc = xl_io_read(path, out, err);
    xl_free(path);
    return rc;
}

enum xl_status xl_record_csv(struct xl_record *record, const char *name,
                             struct xl_csv *csv, struct xl_err *err)
{
    struct xl_buf text;
    bool found = false;
    const char *path = xl_record_text(record, "%s/%s", record->dir, name);
    *csv = (struct xl_csv){ 0 };
    xl_buf_init(&text, XL_JSON_LARGE);
    enum xl_status rc = read_part(record, name, &text, &found, err);
    if (rc == XL_OK && found)
        rc = xl_csv_parse(text.data, text.len, path, &record->arena, csv, err);
    if (rc == XL_OK && found && csv->n_rows == 0)
        rc = xl_fail(err, XL_EFORMAT, "'%s' has no header", path);
    for (size_t i = 1; rc == XL_OK && i < csv->n_rows; i++)
        if (csv->rows[i].n_fields != csv->rows[0].n_fields)
            rc = xl_fail(err, XL_EFORMAT,
                         "row %zu of '%s' has %zu fields, the header %zu", i,
                         path, csv->rows[i].n_fields, csv->rows[0].n_fields);
    xl_buf_release(&text);
    return rc;
}

enum xl_status xl_record_json(struct xl_record *record, const char *name,
                              cJSON **root, struct xl_err *err)
{
    struct xl_buf text;
    bool found = false;
    const char *path = xl_record_text(record, "%s/%s", record->dir, name);
    xl_buf_init(&text, XL_JSON_SMALL);
    enum xl_status rc = read_part(record, name, &text, &found, err);
    if (rc == XL_OK && found)
        rc = xl_json_parse(text.data, text.len, path, root, err);
    if (rc == XL_OK && found && !cJSON_IsObject(*root))
        rc = xl_fail(err, XL_EFORMAT, "'%s' is not a JSON object", path);
    xl_buf_release(&text);
    return rc;
}

/* -- entries -------------------------------------------------------------- */

static void clear_entry(struct xl_entry *entry)
{
    *entry = (struct xl_entry){ .id = "",
                                .backend = "",
                                .status = "",
                                .verdict = "",
                                .reason = "",
                                .origin = "",
                                .tier = "",
                                .judged = "",
                                .score = (double)NAN,
                                .score_lo = (double)NAN,
                                .score_hi = (double)NAN };
    for (size_t c = 0; c < XL_COLUMN_COUNT; c++)
        entry->values[c] = (double)NAN;
}

/* Where a named text of an entry lives, or NULL for other names. */
static const char **text_of(struct xl_entry *entry, const char *name)
{
    if (strcmp(name, "id") == 0 || strcmp(name, "trial") == 0)
        return &entry->id;
    if (strcmp(name, "backend") == 0)
        return &entry->backend;
    if (strcmp(name, "status") == 0 || strcmp(name, "state") == 0)
        return &entry->status;
    if (strcmp(name, "verdict") == 0)
        return &entry->verdict;
    if (strcmp(name, "reason") == 0 || strcmp(name, "error") == 0)
        return &entry->reason;
    if (strcmp(name, "origin") == 0)
        return &entry->origin;
    if (strcmp(name, "tier") == 0)
        return &entry->tier;
    if (strcmp(name, "verdict_reason") == 0)
        return &entry->judged;
    return NULL;
}

static size_t column_of(const char *name)
{
    for (size_t c = 0; c < XL_COLUMN_COUNT; c++)
        if (strcmp(column_names[c], name) == 0)
            return c;
    return XL_COLUMN_COUNT;
}

static bool is_role(const char *name)
{
    return strcmp(name, "role") == 0;
}

static bool is_reference_role(const char *text)
{
    return strcmp(text, "default") == 0 || strcmp(text, "reference") == 0;
}

size_t xl_record_column(const struct xl_csv *csv, const char *name)
{
    for (size_t i = 0; csv->n_rows && i < csv->rows[0].n_fields; i++)
        if (strcmp(csv->rows[0].fields[i], name) == 0)
            return i;
    return (size_t)-1;
}

static enum xl_status set_field(struct xl_record *record,
                                struct xl_entry *entry, size_t row,
                                const char *name, const char *field,
                                struct xl_err *err)
{
    size_t c = column_of(name);
    const char **text = text_of(entry, name);
    if (is_role(name))
        entry->is_reference = is_reference_role(field);
    if (text)
        *text = field;
    if (c == XL_COLUMN_COUNT || field[0] == '\0' ||
        xl_parse_real(field, &entry->values[c]))
        return XL_OK;
    if (c == XL_COLUMN_OBJECTIVE) { /* its name instead of its value */
        record->objective = field;
        return XL_OK;
    }
    return xl_fail(err, XL_EFORMAT,
                   "row %zu of '%s/summary.csv': %s '%.40s' is not a number",
                   row, record->dir, name, field);
}

/* Columns of no use to a reader. */
static bool is_hidden(const char *name)
{
    static const char *const names[] = { "prefill_s_lo", "prefill_s_hi",
                                         "decode_s_lo", "decode_s_hi", "hash" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Names of the columns that are none of ours, in their order. */
static enum xl_status find_extras(struct xl_record *record,
                                  const struct xl_csv *csv, struct xl_err *err)
{
    struct xl_entry probe;
    size_t n = csv->rows[0].n_fields;
    clear_entry(&probe);
    record->extra_names =
        xl_arena_zero(&record->arena, n, sizeof *record->extra_names);
    if (!record->extra_names)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        const char *name = csv->rows[0].fields[i];
        if (column_of(name) == XL_COLUMN_COUNT && !text_of(&probe, name) &&
            !is_role(name) && !is_hidden(name))
            record->extra_names[record->n_extras++] = name;
    }
    return XL_OK;
}

static enum xl_status fill_entry(struct xl_record *record,
                                 const struct xl_csv *csv, size_t row,
                                 struct xl_err *err)
{
    struct xl_entry *entry = &record->entries[row - 1];
    const char *const *names = csv->rows[0].fields;
    size_t n_extras = 0;
    entry->extras = xl_arena_zero(&record->arena, record->n_extras + 1,
                                  sizeof *entry->extras);
    if (!entry->extras)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    for (size_t i = 0; i < csv->rows[row].n_fields; i++) {
        const char *field = csv->rows[row].fields[i];
        XL_TRY(set_field(record, entry, row, names[i], field, err));
        if (n_extras < record->n_extras &&
            names[i] == record->extra_names[n_extras])
            entry->extras[n_extras++] = field;
    }
    return XL_OK;
}

static enum xl_status make_entries(struct xl_record *record, size_t n,
                                   struct xl_err *err)
{
    record->entries =
        xl_arena_zero(&record->arena, n + 1, sizeof *record->entries);
    if (!record->entries)
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu trials", n);
    record->n_entries = n;
    for (size_t i = 0; i < n; i++)
        clear_entry(&record->entries[i]);
    return XL_OK;
}

static enum xl_status load_summary(struct xl_record *record, bool *found,
                                   struct xl_err *err)
{
    struct xl_csv csv;
    XL_TRY(xl_record_csv(record, "summary.csv", &csv, err));
    *found = csv.n_rows > 0;
    if (!*found)
        return XL_OK;
    record->has_quality = xl_record_column(&csv, "dbpb") != (size_t)-1;
    XL_TRY(make_entries(record, csv.n_rows - 1, err));
    XL_TRY(find_extras(record, &csv, err));
    for (size_t row = 1; row < csv.n_rows; row++)
        XL_TRY(fill_entry(record, &csv, row, err));
    return XL_OK;
}

/* -- trials.jsonl --------------------------------------------------------- */

static void keep_text(struct xl_record *record, const char **out,
                      const cJSON *item)
{
    if (**out != '\0')
        return;
    if (cJSON_IsString(item))
        *out = xl_record_text(record, "%s", item->valuestring);
    else if (cJSON_IsNumber(item))
        *out = xl_record_text(record, "%.15g", item->valuedouble);
}

static void keep_number(double *out, const cJSON *item)
{
    if (isnan(*out) && cJSON_IsNumber(item) && isfinite(item->valuedouble))
        *out = item->valuedouble;
}

static void keep_interval(struct xl_entry *entry, enum xl_column lo,
                          enum xl_column hi, const cJSON *pair)
{
    if (!cJSON_IsArray(pair) || cJSON_GetArraySize(pair) != 2)
        return;
    keep_number(&entry->values[lo], pair->child);
    keep_number(&entry->values[hi], pair->child->next);
}

/* Do the trial's tunables have the values of the reference? A tunable that
 * is 0 there chooses itself: a point that was suggested, not searched, may
 * have any value for it. */
static bool is_same_point(const cJSON *params, const cJSON *reference,
                          bool is_suggested)
{
    if (!cJSON_IsObject(params) || !cJSON_IsObject(reference) || !params->child)
        return false;
    for (const cJSON *item = params->child; item; item = item->next) {
        const cJSON *other = xl_json_member(reference, item->string);
        bool is_auto =
            is_suggested && cJSON_IsNumber(other) && other->valuedouble == 0;
        if (!other || (!is_auto && !cJSON_Compare(item, other, true)))
            return false;
    }
    return true;
}

/* What the winner was compared with: named by best.json, else the values
 * that the sweep started from. */
static const cJSON *reference_params(const struct xl_record *record)
{
    const cJSON *from = xl_json_member(record->best, "provenance");
    const cJSON *versus = xl_json_member(from, "versus");
    const cJSON *params = xl_json_member(versus, "params");
    return params ? params : xl_json_member(record->meta, "base");
}

static void merge_line(struct xl_record *record, struct xl_entry *entry,
                       const cJSON *line)
{
    const cJSON *ci = xl_json_member(line, "ci");
    const cJSON *quality = xl_json_member(line, "quality");
    for (const cJSON *item = line->child; item; item = item->next) {
        const char **text = text_of(entry, item->string);
        size_t c = column_of(item->string);
        if (text)
            keep_text(record, text, item);
        if (c < XL_COLUMN_COUNT)
            keep_number(&entry->values[c], item);
        if (is_role(item->string) && cJSON_IsString(item) &&
            is_reference_role(item->valuestring))
            entry->is_reference = true;
    }
    const char *origin = cJSON_GetStringValue(xl_json_member(line, "origin"));
    if (is_same_point(xl_json_member(line, "params"), reference_params(record),
                      origin && strcmp(origin, "suggested") == 0) &&
        !xl_record_reference(record))
        entry->is_reference = true;
    keep_interval(entry, XL_COLUMN_PREFILL_LO, XL_COLUMN_PREFILL_HI,
                  xl_json_member(ci, "prefill_tok_s"));
    keep_interval(entry, XL_COLUMN_DECODE_LO, XL_COLUMN_DECODE_HI,
                  xl_json_member(ci, "decode_tok_s"));
    keep_text(record, &entry->verdict, xl_json_member(quality, "verdict"));
    keep_text(record, &entry->tier, xl_json_member(quality, "tier"));
    keep_text(record, &entry->judged,
              xl_json_member(quality, "verdict_reason"));
    for (const cJSON *item = quality ? quality->child : NULL; item;
         item = item->next) {
        size_t c = column_of(item->string);
        if (c < XL_COLUMN_COUNT)
            keep_number(&entry->values[c], item);
    }
}

/* Calls merge for each line; the entries are made here when there are none. */
static enum xl_status merge_lines(struct xl_record *record, const char *text,
                                  size_t n, struct xl_entry *const *index,
                                  struct xl_err *err)
{
    size_t number = 0;
    for (size_t at = 0; at < n; number++) {
        const char *newline = memchr(text + at, '\n', n - at);
        size_t len = newline ? (size_t)(newline - text) - at : n - at;
        cJSON *line = NULL;
        if (len == 0 || text[at] == '\r') {
            at += len + 1;
            continue;
        }
        const char *name = "trials.jsonl";
        enum xl_status rc = xl_json_parse(text + at, len, name, &line, err);
        if (rc == XL_OK && !cJSON_IsObject(line))
            rc = xl_fail(err, XL_EFORMAT, "not a JSON object");
        if (rc != XL_OK) {
            xl_err_prefix(err, "'%s/%s' line %zu", record->dir, name,
                          number + 1);
            cJSON_Delete(line);
            return rc;
        }
        struct xl_entry probe;
        clear_entry(&probe);
        keep_text(record, &probe.id, xl_json_member(line, "id"));
        struct xl_entry *entry =
            index ? xl_record_by_id(index, record->n_entries, probe.id)
                  : &record->entries[record->n_entries++];
        if (entry)
            merge_line(record, entry, line);
        cJSON_Delete(line);
        at += len + 1;
    }
    return XL_OK;
}

/* Mapped, not read: a line is a few thousand bytes and there may be very
 * many. */
static enum xl_status load_lines(struct xl_record *record, bool has_summary,
                                 bool *found, struct xl_err *err)
{
    struct xl_map map = { 0 };
    struct xl_entry **index = NULL;
    size_t lines = 1;
    enum xl_status rc = XL_OK;
    char *path = xl_io_join(record->dir, "trials.jsonl");
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    *found = xl_io_exists(path);
    if (*found)
        rc = xl_map_open(&map, path, err);
    xl_free(path);
    if (rc != XL_OK || !*found)
        return rc;
    const char *text = (const char *)map.data;
    for (size_t i = 0; i < map.size; i++)
        lines += text[i] == '\n';
    if (has_summary)
        index = xl_record_index(record, &record->arena);
    else
        XL_TRY_DONE(rc, make_entries(record, lines, err));
    if (has_summary && !index) {
        rc = xl_fail(err, XL_ENOMEM, "out of memory");
        goto done;
    }
    if (!has_summary)
        record->n_entries = 0; /* merge_lines counts them in */
    rc = merge_lines(record, text, map.size, index, err);
done:
    xl_map_close(&map);
    return rc;
}

/* -- exported ------------------------------------------------------------- */

/* Do summary.csv and best.json tell all that pictures need? The lines of a
 * large run are its largest file by far. */
static bool is_told_by_summary(const struct xl_record *record)
{
    const cJSON *from = xl_json_member(record->best, "provenance");
    const cJSON *versus = xl_json_member(from, "versus");
    return record->has_quality && cJSON_HasObjectItem(versus, "trial");
}

static enum xl_status load_parts(struct xl_record *record, struct xl_err *err)
{
    bool has_summary = false, has_lines = false;
    XL_TRY(xl_record_json(record, "run_meta.json", &record->meta, err));
    XL_TRY(xl_record_json(record, "best.json", &record->best, err));
    if (!record->meta)
        add_note(record, "run_meta.json is missing");
    if (!record->best)
        add_note(record, "best.json is missing");
    XL_TRY(load_summary(record, &has_summary, err));
    if (!is_told_by_summary(record))
        XL_TRY(load_lines(record, has_summary, &has_lines, err));
    if (!has_summary && !has_lines)
        return xl_fail(err, XL_ENOTFOUND,
                       "'%s' holds no run: neither summary.csv nor "
                       "trials.jsonl is there",
                       record->dir);
    if (!has_summary)
        add_note(record, "summary.csv is missing; trials.jsonl was read");
    XL_TRY(xl_record_csv(record, "ratings.csv", &record->ratings, err));
    if (record->ratings.n_rows == 0)
        add_note(record, "ratings.csv is missing");
    xl_record_interpret(record);
    XL_TRY(xl_record_samples(record, err));
    XL_TRY(xl_record_extras(record, err));
    xl_record_describe(record);
    if (record->lacks_memory)
        return xl_fail(err, XL_ENOMEM, "out of memory reading '%s'",
                       record->dir);
    return XL_OK;
}

static enum xl_status load(struct xl_record *record, const char *dir,
                           enum xl_status (*parts)(struct xl_record *record,
                                                   struct xl_err *err),
                           struct xl_err *err)
{
    *record = (struct xl_record){ 0 };
    xl_arena_init(&record->arena, 0);
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    size_t start = n;
    while (start && dir[start - 1] != '/')
        start--;
    record->dir = xl_arena_text(&record->arena, dir, n);
    record->name = record->dir ? record->dir + start : NULL;
    enum xl_status rc = record->dir ? parts(record, err)
                                    : xl_fail(err, XL_ENOMEM, "out of memory");
    if (rc != XL_OK)
        xl_record_release(record);
    return rc;
}

enum xl_status xl_record_load(struct xl_record *record, const char *dir,
                              struct xl_err *err)
{
    return load(record, dir, load_parts, err);
}

enum xl_status xl_record_load_extras(struct xl_record *record, const char *dir,
                                     struct xl_err *err)
{
    return load(record, dir, xl_record_extras, err);
}

void xl_record_release(struct xl_record *record)
{
    cJSON_Delete(record->meta);
    cJSON_Delete(record->best);
    for (size_t i = 0; i < XL_EXTRA_COUNT; i++)
        cJSON_Delete(record->extras[i]);
    xl_arena_release(&record->arena);
    *record = (struct xl_record){ 0 };
}

const struct xl_entry *xl_record_winner(const struct xl_record *record)
{
    for (size_t i = 0; i < record->n_entries; i++)
        if (record->entries[i].is_winner)
            return &record->entries[i];
    return NULL;
}

const struct xl_entry *xl_record_reference(const struct xl_record *record)
{
    for (size_t i = 0; i < record->n_entries; i++)
        if (record->entries[i].is_reference)
            return &record->entries[i];
    return NULL;
}
