/* SPDX-License-Identifier: Apache-2.0
 *
 * The two forms of a table, read into cells. */
#include "tuner/space/table_int.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/buf.h"
#include "kernel/base/csv.h"
#include "kernel/base/json.h"
#include "kernel/base/opt.h"

static enum xl_status no_memory(const struct xl_table_raw *raw,
                                struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM, "no memory for the table '%s'", raw->name);
}

static enum xl_status make_rows(struct xl_table_raw *raw, size_t n_rows,
                                struct xl_err *err)
{
    raw->n_rows = n_rows;
    raw->rows = xl_arena_zero(raw->arena, n_rows, sizeof *raw->rows);
    raw->cells =
        xl_arena_zero(raw->arena, n_rows, raw->n_params * sizeof *raw->cells);
    if (!raw->rows || !raw->cells)
        return no_memory(raw, err);
    return XL_OK;
}

static bool set_number(struct xl_table_raw *raw, struct xl_cell *cell,
                       double number)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%.15g", number);
    double again;
    if (!xl_parse_real(digits, &again) || again < number || again > number)
        snprintf(digits, sizeof digits, "%.17g", number);
    cell->kind = XL_CELL_NUMBER;
    cell->number = number + 0.0; /* one zero, not two */
    cell->label = xl_arena_text(raw->arena, digits, strlen(digits));
    return cell->label != NULL;
}

static bool set_text(struct xl_table_raw *raw, struct xl_cell *cell,
                     const char *text)
{
    bool is_bool = strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
    cell->kind = is_bool ? XL_CELL_BOOL : XL_CELL_TEXT;
    cell->label = xl_arena_text(raw->arena, text, strlen(text));
    return cell->label != NULL;
}

/* The word that stands for a value tells how the configuration ended. */
static struct xl_table_row failed_row(const char *word)
{
    bool is_invalid =
        strcmp(word, "InvalidConfig") == 0 || strcmp(word, "invalid") == 0;
    return (struct xl_table_row){ .status = is_invalid ? XL_OUTCOME_INVALID
                                                       : XL_OUTCOME_FAILED };
}

/* -- CSV ------------------------------------------------------------------ */

static enum xl_status read_heading(struct xl_table_raw *raw, const char *text,
                                   size_t n, struct xl_err *err)
{
    char line[256], direction[8];
    const char *end = memchr(text, '\n', n);
    size_t len = end ? (size_t)(end - text) : n;
    if (len < sizeof line) {
        memcpy(line, text, len);
        line[len] = '\0';
        if (sscanf(line, "# objective=%63s direction=%7s", raw->objective,
                   direction) == 2 &&
            (strcmp(direction, "min") == 0 || strcmp(direction, "max") == 0)) {
            raw->is_max = strcmp(direction, "max") == 0;
            return XL_OK;
        }
    }
    return xl_fail(err, XL_EFORMAT,
                   "'%s':1: a table begins with the line '# "
                   "objective=NAME direction=min|max'",
                   raw->name);
}

static enum xl_status read_csv_row(struct xl_table_raw *raw, size_t r,
                                   const struct xl_csv_row *row,
                                   struct xl_err *err)
{
    if (row->n_fields != raw->n_params + 1)
        return xl_fail(err, XL_EFORMAT,
                       "row %zu of '%s' has %zu fields, the "
                       "header %zu",
                       r + 1, raw->name, row->n_fields, raw->n_params + 1);
    for (size_t p = 0; p < raw->n_params; p++) {
        struct xl_cell *cell = &raw->cells[r * raw->n_params + p];
        double number;
        if (!(xl_parse_real(row->fields[p], &number)
                  ? set_number(raw, cell, number)
                  : set_text(raw, cell, row->fields[p])))
            return no_memory(raw, err);
    }
    const char *value = row->fields[raw->n_params];
    raw->rows[r] = (struct xl_table_row){ .status = XL_OUTCOME_OK };
    if (!xl_parse_real(value, &raw->rows[r].value))
        raw->rows[r] = failed_row(value);
    return XL_OK;
}

static enum xl_status read_csv(struct xl_table_raw *raw, const char *text,
                               size_t n, struct xl_err *err)
{
    struct xl_csv csv;
    XL_TRY(read_heading(raw, text, n, err));
    XL_TRY(xl_csv_parse(text, n, raw->name, raw->arena, &csv, err));
    if (csv.n_rows < 2)
        return xl_fail(err, XL_EFORMAT, "'%s' has no rows", raw->name);
    const struct xl_csv_row *header = &csv.rows[0];
    if (header->n_fields < 2 || header->n_fields > XL_SPACE_DIMS + 1 ||
        strcmp(header->fields[header->n_fields - 1], "value") != 0)
        return xl_fail(err, XL_EFORMAT,
                       "the header of '%s' names 1 to %d "
                       "parameters and, last, 'value'",
                       raw->name, XL_SPACE_DIMS);
    raw->n_params = header->n_fields - 1;
    for (size_t p = 0; p < raw->n_params; p++)
        raw->params[p] = header->fields[p];
    XL_TRY(make_rows(raw, csv.n_rows - 1, err));
    for (size_t r = 0; r < raw->n_rows; r++)
        XL_TRY(read_csv_row(raw, r, &csv.rows[r + 1], err));
    return XL_OK;
}

/* -- Kernel Tuner's cache ------------------------------------------------- */

/* A cache that is still open ends in a comma after its last entry. */
static enum xl_status parse_cache(struct xl_table_raw *raw, const char *text,
                                  size_t n, cJSON **root, struct xl_err *err)
{
    struct xl_buf closed;
    while (n && strchr(" \t\r\n", text[n - 1]))
        n--;
    if (!n || text[n - 1] != ',')
        return xl_json_parse(text, n, raw->name, root, err);
    xl_buf_init(&closed, 0);
    xl_buf_add(&closed, text, n - 1);
    xl_buf_text(&closed, "}}");
    enum xl_status rc = xl_buf_check(&closed, raw->name, err);
    if (rc == XL_OK)
        rc = xl_json_parse(closed.data, closed.len, raw->name, root, err);
    xl_buf_release(&closed);
    return rc;
}

/* Rates are better when large, times and energies when small. */
static bool is_rate(const char *objective)
{
    return strstr(objective, "/s") || strstr(objective, "/W") ||
           strstr(objective, "/J") || strstr(objective, "tok_s");
}

static enum xl_status read_cache_heading(struct xl_table_raw *raw,
                                         const cJSON *root, struct xl_err *err)
{
    const char *objective = "time";
    const cJSON *keys = xl_json_member(root, "tune_params_keys");
    const cJSON *key;
    enum xl_status rc = xl_json_get_text(root, "objective", &objective, err);
    if (rc != XL_OK && rc != XL_ENOTFOUND)
        return rc;
    snprintf(raw->objective, sizeof raw->objective, "%s", objective);
    const cJSON *is_max = xl_json_member(root, "objective_higher_is_better");
    if (is_max && !cJSON_IsBool(is_max))
        return xl_fail(err, XL_EFORMAT,
                       "'objective_higher_is_better' of '%s' is neither true "
                       "nor false",
                       raw->name);
    raw->is_max = is_max ? cJSON_IsTrue(is_max) : is_rate(objective);
    int n = cJSON_IsArray(keys) ? cJSON_GetArraySize(keys) : 0;
    if (n < 1 || n > XL_SPACE_DIMS)
        return xl_fail(err, XL_EFORMAT,
                       "'tune_params_keys' of '%s' must list "
                       "1 to %d names",
                       raw->name, XL_SPACE_DIMS);
    cJSON_ArrayForEach(key, keys)
    {
        if (!cJSON_IsString(key))
            return xl_fail(err, XL_EFORMAT,
                           "'tune_params_keys' of '%s' must "
                           "list names",
                           raw->name);
        raw->params[raw->n_params] = xl_arena_text(raw->arena, key->valuestring,
                                                   strlen(key->valuestring));
        if (!raw->params[raw->n_params++])
            return no_memory(raw, err);
    }
    return XL_OK;
}

static enum xl_status read_cache_row(struct xl_table_raw *raw, size_t r,
                                     const cJSON *entry, struct xl_err *err)
{
    for (size_t p = 0; p < raw->n_params; p++) {
        struct xl_cell *cell = &raw->cells[r * raw->n_params + p];
        const cJSON *item = xl_json_member(entry, raw->params[p]);
        bool ok;
        if (cJSON_IsNumber(item) && isfinite(item->valuedouble))
            ok = set_number(raw, cell, item->valuedouble);
        else if (cJSON_IsString(item))
            ok = set_text(raw, cell, item->valuestring);
        else if (cJSON_IsBool(item))
            ok = set_text(raw, cell, cJSON_IsTrue(item) ? "true" : "false");
        else
            return xl_fail(err, XL_EFORMAT,
                           "the entry '%s' of '%s' has no "
                           "value of '%s'",
                           entry->string, raw->name, raw->params[p]);
        if (!ok)
            return no_memory(raw, err);
    }
    const cJSON *value = xl_json_member(entry, raw->objective);
    const cJSON *fault = xl_json_member(entry, "__error__");
    if (cJSON_IsNumber(value) && isfinite(value->valuedouble) && !fault)
        raw->rows[r].value = value->valuedouble;
    else if (cJSON_IsString(fault))
        raw->rows[r] = failed_row(fault->valuestring);
    else
        raw->rows[r] =
            failed_row(cJSON_IsString(value) ? value->valuestring : "");
    return XL_OK;
}

static enum xl_status read_cache(struct xl_table_raw *raw, const char *text,
                                 size_t n, struct xl_err *err)
{
    cJSON *root = NULL;
    const cJSON *cache, *entry;
    size_t r = 0;
    enum xl_status rc = parse_cache(raw, text, n, &root, err);
    if (rc != XL_OK)
        return rc;
    XL_TRY_DONE(rc, read_cache_heading(raw, root, err));
    cache = xl_json_member(root, "cache");
    if (!cJSON_IsObject(cache) || !cache->child) {
        rc = xl_fail(err, XL_EFORMAT, "'%s' has no entries in 'cache'",
                     raw->name);
        goto done;
    }
    XL_TRY_DONE(rc, make_rows(raw, (size_t)cJSON_GetArraySize(cache), err));
    cJSON_ArrayForEach(entry, cache)
        XL_TRY_DONE(rc, read_cache_row(raw, r++, entry, err));
done:
    cJSON_Delete(root);
    return rc;
}

enum xl_status xl_table_read(struct xl_table_raw *raw, const char *text,
                             size_t n, struct xl_err *err)
{
    size_t at = 0;
    while (at < n && strchr(" \t\r\n", text[at]))
        at++;
    return at < n && text[at] == '{' ? read_cache(raw, text, n, err)
                                     : read_csv(raw, text, n, err);
}
