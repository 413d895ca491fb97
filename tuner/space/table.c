/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers the cells of a table: the values of a column are its distinct
 * cells, in rising order when all of them are numbers. Rows are then sorted by
 * their codes, so that the index of a member is the number of its row. */
#include "tuner/space/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tuner/space/table_int.h"

struct xl_table {
    struct xl_arena arena;
    struct xl_space *space;
    struct xl_cell *values[XL_SPACE_DIMS]; /* [dim][n] in order of the dim */
    struct xl_table_row *rows;             /* [count] by index of the member */
    char objective[XL_TABLE_NAME];
    bool is_max;
};

/* A row and where it belongs. */
struct place {
    uint64_t code;
    size_t row;
};

static int compare_cells(const void *a, const void *b)
{
    const struct xl_cell *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->kind == XL_CELL_NUMBER)
        return (x->number > y->number) - (x->number < y->number);
    return strcmp(x->label, y->label);
}

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->code != y->code)
        return x->code < y->code ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static enum xl_status no_memory(const struct xl_table_raw *raw,
                                struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM, "no memory for the table '%s'", raw->name);
}

/* The distinct cells of column p. */
static enum xl_status make_dim(struct xl_table *table, struct xl_dim *dim,
                               const struct xl_table_raw *raw, size_t p,
                               struct xl_err *err)
{
    struct xl_cell *cells =
        xl_arena_zero(raw->arena, raw->n_rows, sizeof *cells);
    if (!cells)
        return no_memory(raw, err);
    for (size_t r = 0; r < raw->n_rows; r++)
        cells[r] = raw->cells[r * raw->n_params + p];
    qsort(cells, raw->n_rows, sizeof *cells, compare_cells);
    size_t n = 0;
    for (size_t r = 0; r < raw->n_rows; r++)
        if (!n || compare_cells(&cells[n - 1], &cells[r]) != 0)
            cells[n++] = cells[r];
    if (n > XL_SPACE_VALUES)
        return xl_fail(err, XL_EFORMAT,
                       "'%s' of '%s' has %zu different "
                       "values; %d are possible",
                       raw->params[p], raw->name, n, XL_SPACE_VALUES);
    double *at = xl_arena_zero(raw->arena, n, sizeof *at);
    const char **labels = xl_arena_zero(raw->arena, n, sizeof *labels);
    if (!at || !labels)
        return no_memory(raw, err);
    bool is_ordered = cells[n - 1].kind == XL_CELL_NUMBER;
    for (size_t i = 0; i < n; i++) {
        at[i] = is_ordered ? cells[i].number : (double)i;
        labels[i] = cells[i].label;
    }
    table->values[p] = cells;
    *dim = (struct xl_dim){
        .name = raw->params[p],
        .kind = is_ordered ? XL_DIM_ORDERED : XL_DIM_NOMINAL,
        .n = (uint32_t)n,
        .at = at,
        .labels = labels,
    };
    return XL_OK;
}

/* Writes the code of each row; false when the product is too large. */
static bool place_rows(const struct xl_table *table,
                       const struct xl_table_raw *raw,
                       const struct xl_dim *dims, struct place *places)
{
    for (size_t r = 0; r < raw->n_rows; r++) {
        uint64_t code = 0;
        for (size_t p = 0; p < raw->n_params; p++) {
            const struct xl_cell *found =
                bsearch(&raw->cells[r * raw->n_params + p], table->values[p],
                        dims[p].n, sizeof *found, compare_cells);
            assert(found);
            if (code > ((uint64_t)1 << 62) / dims[p].n)
                return false;
            code = code * dims[p].n + (uint64_t)(found - table->values[p]);
        }
        places[r] = (struct place){ .code = code, .row = r };
    }
    qsort(places, raw->n_rows, sizeof *places, compare_places);
    return true;
}

static enum xl_status sort_rows(struct xl_table *table,
                                const struct xl_table_raw *raw,
                                const struct xl_dim *dims, uint64_t *codes,
                                struct xl_err *err)
{
    struct place *places =
        xl_arena_zero(raw->arena, raw->n_rows, sizeof *places);
    table->rows = xl_arena_zero(raw->arena, raw->n_rows, sizeof *table->rows);
    if (!places || !table->rows)
        return no_memory(raw, err);
    if (!place_rows(table, raw, dims, places))
        return xl_fail(err, XL_EFORMAT,
                       "the values of '%s' span more than "
                       "2^62 points",
                       raw->name);
    for (size_t i = 0; i < raw->n_rows; i++) {
        if (i && places[i].code == places[i - 1].code)
            return xl_fail(err, XL_EFORMAT,
                           "rows %zu and %zu of '%s' are the "
                           "same configuration",
                           places[i - 1].row + 1, places[i].row + 1, raw->name);
        codes[i] = places[i].code;
        table->rows[i] = raw->rows[places[i].row];
    }
    return XL_OK;
}

static enum xl_status build(struct xl_table *table,
                            const struct xl_table_raw *raw, struct xl_err *err)
{
    struct xl_dim dims[XL_SPACE_DIMS];
    uint64_t *codes = xl_arena_zero(raw->arena, raw->n_rows, sizeof *codes);
    if (!codes)
        return no_memory(raw, err);
    for (size_t p = 0; p < raw->n_params; p++) {
        for (size_t q = 0; q < p; q++)
            if (strcmp(raw->params[q], raw->params[p]) == 0)
                return xl_fail(err, XL_EFORMAT,
                               "'%s' names the parameter "
                               "'%s' twice",
                               raw->name, raw->params[p]);
        XL_TRY(make_dim(table, &dims[p], raw, p, err));
    }
    XL_TRY(sort_rows(table, raw, dims, codes, err));
    memcpy(table->objective, raw->objective, sizeof table->objective);
    table->is_max = raw->is_max;
    enum xl_status rc =
        xl_space_make(&table->space,
                      &(struct xl_space_options){ .dims = dims,
                                                  .n_dims = raw->n_params,
                                                  .members = codes,
                                                  .n_members = raw->n_rows },
                      err);
    if (rc != XL_OK && err)
        xl_err_prefix(err, "'%s'", raw->name);
    return rc;
}

enum xl_status xl_table_parse(struct xl_table **table, const char *text,
                              size_t n, const char *name, struct xl_err *err)
{
    struct xl_table *made = xl_alloc_zero(1, sizeof *made);
    if (!made)
        return xl_fail(err, XL_ENOMEM, "no memory for the table '%s'", name);
    xl_arena_init(&made->arena, (size_t)1 << 20);
    struct xl_table_raw raw = { .arena = &made->arena, .name = name };
    enum xl_status rc = xl_table_read(&raw, text, n, err);
    if (rc == XL_OK)
        rc = build(made, &raw, err);
    if (rc == XL_OK)
        *table = made;
    else
        xl_table_free(made);
    return rc;
}

enum xl_status xl_table_load(struct xl_table **table, const char *path,
                             struct xl_err *err)
{
    struct xl_buf text;
    xl_buf_init(&text, XL_JSON_LARGE);
    enum xl_status rc = xl_io_read(path, &text, err);
    if (rc == XL_OK)
        rc = xl_table_parse(table, text.data, text.len, path, err);
    xl_buf_release(&text);
    return rc;
}

void xl_table_free(struct xl_table *table)
{
    if (!table)
        return;
    xl_space_free(table->space);
    xl_arena_release(&table->arena);
    xl_free(table);
}

/* -- reading -------------------------------------------------------------- */

const struct xl_space *xl_table_space(const struct xl_table *table)
{
    return table->space;
}

const char *xl_table_objective(const struct xl_table *table)
{
    return table->objective;
}

bool xl_table_is_max(const struct xl_table *table)
{
    return table->is_max;
}

struct xl_table_row xl_table_at(const struct xl_table *table,
                                const uint32_t *point)
{
    uint64_t index = xl_space_index(table->space, point);
    assert(index != XL_SPACE_NONE);
    return table->rows[index];
}

struct xl_outcome xl_table_outcome(const struct xl_table *table,
                                   const uint32_t *point)
{
    struct xl_table_row row = xl_table_at(table, point);
    double value = table->is_max ? row.value : -row.value;
    return (struct xl_outcome){
        .status = row.status,
        .values = { row.status == XL_OUTCOME_OK ? value : 0 },
    };
}

cJSON *xl_table_params(const struct xl_table *table, const uint32_t *point)
{
    cJSON *object = cJSON_CreateObject();
    for (size_t d = 0; d < xl_space_n_dims(table->space) && object; d++) {
        const char *name = xl_space_dim(table->space, d)->name;
        const struct xl_cell *cell = &table->values[d][point[d]];
        if (cell->kind == XL_CELL_TEXT)
            cJSON_AddStringToObject(object, name, cell->label);
        else
            cJSON_AddRawToObject(object, name, cell->label);
    }
    return object;
}
