/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/rows.h"

#include "kernel/base/alloc.h"
#include "kernel/base/csv.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"

void xl_row_add_config(cJSON *row, const char *file,
                       const struct xl_params *params)
{
    static const enum xl_param keys[] = { XL_PARAM_BACKEND,
                                          XL_PARAM_HEADS_PER_BAND,
                                          XL_PARAM_CHUNK_SIZE,
                                          XL_PARAM_WORKERS };
    xl_json_add_string(row, "file", file);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        xl_param_add_json(row, keys[i], params->value[keys[i]]);
}

void xl_row_csv_names(const cJSON *row, struct xl_buf *out)
{
    for (const cJSON *item = row ? row->child : NULL; item; item = item->next)
        xl_csv_text(out, item->string);
    xl_csv_end(out);
}

static void csv_field(const cJSON *item, struct xl_buf *out)
{
    struct xl_buf text;
    if (cJSON_IsNumber(item)) {
        xl_csv_real(out, item->valuedouble);
    } else if (cJSON_IsString(item)) {
        xl_csv_text(out, item->valuestring);
    } else if (cJSON_IsNull(item)) {
        xl_csv_text(out, NULL);
    } else {
        xl_buf_init(&text, 0);
        xl_json_print(item, false, &text);
        xl_csv_text(out, text.data);
        xl_buf_release(&text);
    }
}

void xl_row_csv(const cJSON *row, struct xl_buf *out)
{
    for (const cJSON *item = row ? row->child : NULL; item; item = item->next)
        csv_field(item, out);
    xl_csv_end(out);
}

enum xl_status xl_rows_save(const char *folder, const char *name,
                            const struct xl_buf *text, struct xl_err *err)
{
    char *path = xl_io_join(folder, name);
    enum xl_status rc =
        path ? xl_buf_check(text, name, err)
             : xl_fail(err, XL_ENOMEM, "out of memory writing '%s'", name);
    if (rc == XL_OK)
        rc = xl_io_replace(path, text->data, text->len, err);
    xl_free(path);
    return rc;
}
