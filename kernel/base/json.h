/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON on libcjson, with the checks a file from outside needs.
 *
 * Trees are cJSON's own (free with cJSON_Delete). Parsing is strict: one
 * value, nothing after it, valid UTF-8, no repeated keys in objects of up to
 * 512 members. Errors name file, line and column.
 *
 *     cJSON *root;
 *     XL_TRY(xl_json_load("best.json", XL_JSON_SMALL, &root, err));
 */
#ifndef XL_JSON_H
#define XL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"

#define XL_JSON_SMALL ((size_t)4 << 20)
#define XL_JSON_LARGE ((size_t)256 << 20)

struct xl_json_place {
    size_t line, column; /* from 1; 0 = unknown */
};

/* Parses text[0..n); name stands in messages. XL_EFORMAT when malformed. */
enum xl_status xl_json_parse(const char *text, size_t n, const char *name,
                             cJSON **root, struct xl_err *err);

/* Reads and parses a file of at most max_bytes. */
enum xl_status xl_json_load(const char *path, size_t max_bytes, cJSON **root,
                            struct xl_err *err);

/* Where the member `key` of the object reached by `parents` (names from the
 * root, NULL-terminated) stands in text that xl_json_parse accepted. */
struct xl_json_place xl_json_find(const char *text, size_t n,
                                  const char *const *parents, const char *key);

/* Member `key` by its exact name, or NULL; object may be NULL. */
static inline const cJSON *xl_json_member(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* The number at `key`, NaN when there is none; the text, "" when none. */
static inline double xl_json_number(const cJSON *object, const char *key)
{
    return cJSON_GetNumberValue(xl_json_member(object, key));
}

static inline const char *xl_json_text(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(xl_json_member(object, key));
    return text ? text : "";
}

/* Member `key` of object as an exact integer in lo..hi. A missing or null
 * member gives XL_ENOTFOUND without a message; anything else that does not
 * fit gives XL_EFORMAT. Likewise for the other kinds. */
enum xl_status xl_json_get_int(const cJSON *object, const char *key, int64_t lo,
                               int64_t hi, int64_t *out, struct xl_err *err);
enum xl_status xl_json_get_real(const cJSON *object, const char *key, double lo,
                                double hi, double *out, struct xl_err *err);
enum xl_status xl_json_get_bool(const cJSON *object, const char *key, bool *out,
                                struct xl_err *err);
enum xl_status xl_json_get_text(const cJSON *object, const char *key,
                                const char **out, struct xl_err *err);

/* Adds a number; null when it is not finite. */
void xl_json_add_real(cJSON *object, const char *key, double value);

/* Adds a string; bytes that are no UTF-8 become U+FFFD. NULL adds null.
 * Without memory the key is left out, never cut short, and it is false. */
bool xl_json_add_text(cJSON *object, const char *key, const char *text,
                      size_t n);

/* The same of a text that ends in a zero byte. */
bool xl_json_add_string(cJSON *object, const char *key, const char *text);

/* Appends the tree on one line (no newline), or indented. Numbers are written
 * so that they read back as the same bits; null when they are not finite. */
void xl_json_print(const cJSON *root, bool indented, struct xl_buf *out);

/* Pieces for writers of many lines, who need no tree: a string in quotes
 * (NULL gives null), a number (null when it is not finite). */
void xl_json_put_text(struct xl_buf *out, const char *text);
void xl_json_put_real(struct xl_buf *out, double value);

/* Writes the tree, indented, by temporary file and rename. */
enum xl_status xl_json_save(const char *path, const cJSON *root,
                            struct xl_err *err);

/* The same as "folder/name". */
enum xl_status xl_json_save_in(const char *folder, const char *name,
                               const cJSON *root, struct xl_err *err);

/* Length of the valid UTF-8 sequence at text[0..n), 0 when there is none. */
size_t xl_utf8_length(const char *text, size_t n);

#endif
