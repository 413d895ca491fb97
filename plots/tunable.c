/* SPDX-License-Identifier: Apache-2.0 */
#include "plots/tunable.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/json.h"
#include "kernel/base/opt.h"

enum {
    TEXT_ROOM = 40,
    LABEL_ROOM = 96
};

/* Columns of summary.csv that are no tunables. */
static const char *const not_tunables[] = { "generation", "seq", "attempts" };

/* -- values as texts ------------------------------------------------------ */

/* Where a tunable's value stands in an entry. */
struct place {
    bool is_backend;
    size_t column; /* of values, or XL_COLUMN_COUNT */
    size_t extra;  /* else of extras, or (size_t)-1 */
};

static struct place place_of(const struct xl_record *record, const char *name)
{
    static const struct {
        const char *name;
        enum xl_column column;
    } numbers[] = {
        { "workers", XL_COLUMN_WORKERS },
        { "heads_per_band", XL_COLUMN_HEADS_PER_BAND },
        { "chunk_size", XL_COLUMN_CHUNK_SIZE },
    };
    struct place place = { .is_backend = strcmp(name, "backend") == 0,
                           .column = XL_COLUMN_COUNT,
                           .extra = (size_t)-1 };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(numbers[i].name, name) == 0)
            place.column = numbers[i].column;
    for (size_t e = 0; e < record->n_extras; e++)
        if (strcmp(record->extra_names[e], name) == 0)
            place.extra = e;
    return place;
}

/* The value as text, "" when the trial did not read it; room is a buffer of
 * TEXT_ROOM bytes that may be used. */
static const char *text_of(const struct xl_entry *entry,
                           const struct place *place, char *room)
{
    if (place->is_backend)
        return entry->backend;
    if (place->column != XL_COLUMN_COUNT) {
        if (isnan(entry->values[place->column]))
            return "";
        snprintf(room, TEXT_ROOM, "%.15g", entry->values[place->column]);
        return room;
    }
    if (place->extra == (size_t)-1 || !entry->extras)
        return "";
    return entry->extras[place->extra];
}

/* -- distinct values ------------------------------------------------------ */

struct value {
    const char *text;
    double number; /* its value, or its place in the space's list */
};

static int by_text(const void *a, const void *b)
{
    const struct value *x = a, *y = b;
    return strcmp(x->text, y->text);
}

static int by_number(const void *a, const void *b)
{
    const struct value *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* Index of text in values sorted by text, or n. */
static size_t find_text(const struct value *values, size_t n, const char *text)
{
    struct value key = { .text = text };
    const struct value *hit = bsearch(&key, values, n, sizeof *values, by_text);
    return hit ? (size_t)(hit - values) : n;
}

/* The different texts of all entries, sorted; *n of them. */
static struct value *distinct(const struct xl_record *record,
                              const struct place *place, size_t *n,
                              struct xl_arena *arena)
{
    size_t found = 0, kept = 0;
    char scratch[TEXT_ROOM];
    struct value *values =
        xl_arena_zero(arena, record->n_entries + 1, sizeof *values);
    for (size_t i = 0; values && i < record->n_entries; i++) {
        const char *text = text_of(&record->entries[i], place, scratch);
        if (text == scratch)
            text = xl_arena_text(arena, text, strlen(text));
        if (!text)
            return NULL;
        if (*text)
            values[found++].text = text;
    }
    if (values)
        qsort(values, found, sizeof *values, by_text);
    for (size_t i = 0; i < found; i++)
        if (i == 0 || strcmp(values[kept - 1].text, values[i].text) != 0)
            values[kept++] = values[i];
    *n = kept;
    return values;
}

static bool read_numbers(struct value *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!xl_parse_real(values[i].text, &values[i].number))
            return false;
    return n > 0;
}

static const cJSON *dims_of(const struct xl_record *record)
{
    const cJSON *space = xl_json_member(record->meta, "space");
    const cJSON *dims = xl_json_member(space, "dims");
    return dims ? dims->child : NULL;
}

/* Numbers names by the space's list, what it does not name behind. */
static void place_names(struct value *values, size_t n,
                        const struct xl_record *record, const char *name)
{
    const cJSON *list = NULL;
    for (const cJSON *dim = dims_of(record); dim && !list; dim = dim->next) {
        const char *text = cJSON_GetStringValue(xl_json_member(dim, "name"));
        if (text && strcmp(text, name) == 0)
            list = xl_json_member(dim, "values");
    }
    size_t n_listed = list ? (size_t)cJSON_GetArraySize(list) : 0;
    for (size_t i = 0; i < n; i++) {
        size_t place = 0;
        const cJSON *item = list ? list->child : NULL;
        for (; item; item = item->next, place++)
            if (cJSON_IsString(item) &&
                strcmp(item->valuestring, values[i].text) == 0)
                break;
        values[i].number = (double)(item ? place : n_listed + i);
    }
}

/* -- one tunable ---------------------------------------------------------- */

/* Values k of n distinct ones share group k * groups / n. */
static size_t group_of(size_t k, size_t n, size_t groups)
{
    return n <= groups ? k : k * groups / n;
}

static bool make_labels(struct xl_tunable *out, const struct value *values,
                        size_t n, struct xl_arena *arena)
{
    size_t most = XL_TUNABLE_VALUES;
    out->n_values = n < most ? n : most;
    out->labels = xl_arena_zero(arena, out->n_values + 1, sizeof *out->labels);
    for (size_t begin = 0, end; out->labels && begin < n; begin = end) {
        char label[LABEL_ROOM];
        size_t group = group_of(begin, n, most);
        for (end = begin; end < n && group_of(end, n, most) == group; end++)
            ;
        const char *from = values[begin].text, *to = values[end - 1].text;
        if (end - begin == 1)
            snprintf(label, sizeof label, "%.90s", from);
        else
            snprintf(label, sizeof label, "%.30s%s%.30s", from,
                     out->is_numeric ? "\xe2\x80\x93" : " \xe2\x80\xa6 ", to);
        if (out->is_numeric && n == 1 && values[0].number == 0)
            snprintf(label, sizeof label, "auto");
        out->labels[group] = xl_arena_text(arena, label, strlen(label));
        if (!out->labels[group])
            return false;
    }
    return out->labels != NULL;
}

enum xl_status xl_tunable_make(struct xl_tunable *out,
                               const struct xl_record *record, const char *name,
                               struct xl_arena *arena, struct xl_err *err)
{
    struct place place = place_of(record, name);
    char scratch[TEXT_ROOM];
    size_t n = 0, *group;
    *out = (struct xl_tunable){
        .name = name,
        .value_of =
            xl_arena_zero(arena, record->n_entries + 1, sizeof *out->value_of),
    };
    struct value *values = distinct(record, &place, &n, arena);
    struct value *sorted = xl_arena_zero(arena, n + 1, sizeof *sorted);
    group = xl_arena_zero(arena, n + 1, sizeof *group);
    if (!out->value_of || !values || !sorted || !group)
        return xl_fail(err, XL_ENOMEM, "out of memory for '%s'", name);
    out->is_numeric = read_numbers(values, n);
    if (!out->is_numeric)
        place_names(values, n, record, name);
    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_number);
    if (!make_labels(out, sorted, n, arena))
        return xl_fail(err, XL_ENOMEM, "out of memory for '%s'", name);
    for (size_t k = 0; k < n; k++)
        group[find_text(values, n, sorted[k].text)] =
            group_of(k, n, XL_TUNABLE_VALUES);
    for (size_t i = 0; i < record->n_entries; i++) {
        const char *text = text_of(&record->entries[i], &place, scratch);
        out->value_of[i] = *text ? (int)group[find_text(values, n, text)] : -1;
    }
    return XL_OK;
}

/* -- all of them ---------------------------------------------------------- */

static bool is_tunable(const char *name)
{
    for (size_t i = 0; i < sizeof not_tunables / sizeof *not_tunables; i++)
        if (strcmp(not_tunables[i], name) == 0)
            return false;
    return true;
}

/* The names that may vary: those of the space where the run tells it. */
static size_t list_names(const struct xl_record *record, const char **names,
                         size_t room)
{
    static const char *const leading[] = { "backend", "chunk_size",
                                           "heads_per_band", "workers" };
    size_t n = 0;
    for (const cJSON *dim = dims_of(record); dim && n < room; dim = dim->next) {
        const char *name = cJSON_GetStringValue(xl_json_member(dim, "name"));
        if (name)
            names[n++] = name;
    }
    if (n)
        return n;
    for (size_t i = 0; i < sizeof leading / sizeof *leading && n < room; i++)
        names[n++] = leading[i];
    for (size_t e = 0; e < record->n_extras && n < room; e++)
        if (is_tunable(record->extra_names[e]))
            names[n++] = record->extra_names[e];
    return n;
}

enum xl_status xl_tunables_make(struct xl_tunables *out,
                                const struct xl_record *record,
                                struct xl_arena *arena, struct xl_err *err)
{
    const char *names[64];
    size_t n = list_names(record, names, sizeof names / sizeof *names);
    *out = (struct xl_tunables){ .items = xl_arena_zero(arena, n + 1,
                                                        sizeof *out->items) };
    if (!out->items)
        return xl_fail(err, XL_ENOMEM, "out of memory for tunables");
    for (size_t i = 0; i < n; i++) {
        struct xl_tunable *item = &out->items[out->n];
        XL_TRY(xl_tunable_make(item, record, names[i], arena, err));
        if (item->n_values >= 2)
            out->n++;
    }
    return XL_OK;
}

const struct xl_tunable *xl_tunables_find(const struct xl_tunables *list,
                                          const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return &list->items[i];
    return NULL;
}

void xl_tunables_point(const struct xl_tunables *list, size_t entry,
                       struct xl_buf *out)
{
    const char *between = "";
    for (size_t i = 0; i < list->n; i++) {
        const struct xl_tunable *item = &list->items[i];
        if (item->value_of[entry] < 0)
            continue;
        xl_buf_printf(out, "%s%s=%s", between, item->name,
                      item->labels[item->value_of[entry]]);
        between = " ";
    }
}
