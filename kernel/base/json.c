/* SPDX-License-Identifier: Apache-2.0
 *
 * cJSON parses and prints; what it leaves unchecked is checked here: UTF-8,
 * repeated keys, raw control bytes, trailing text, places for messages. */
#include "kernel/base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/real.h"

enum {
    UNIQUE_KEYS_UP_TO = 512
};

size_t xl_utf8_length(const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    if (n == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || n < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

static struct xl_json_place place_of(const char *text, size_t offset)
{
    struct xl_json_place place = { .line = 1, .column = 1 };
    for (size_t i = 0; i < offset; i++) {
        place.column++;
        if (text[i] == '\n') {
            place.line++;
            place.column = 1;
        }
    }
    return place;
}

static enum xl_status fail_at(const char *name, const char *text, size_t offset,
                              const char *what, struct xl_err *err)
{
    struct xl_json_place place = place_of(text, offset);
    return xl_fail(err, XL_EFORMAT,
                   "malformed JSON in '%s' line %zu column "
                   "%zu: %s",
                   name, place.line, place.column, what);
}

static enum xl_status check_bytes(const char *text, size_t n, const char *name,
                                  struct xl_err *err)
{
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 && c != '\n' && c != '\r' && c != '\t')
            return fail_at(name, text, i, "control byte", err);
        size_t len = xl_utf8_length(text + i, n - i);
        if (len == 0)
            return fail_at(name, text, i, "not UTF-8", err);
        i += len;
    }
    return XL_OK;
}

/* -- a scanner over text that is known to be valid JSON ------------------- */

struct scan {
    const char *text;
    size_t n, at;
};

static void skip_space(struct scan *s)
{
    while (s->at < s->n && strchr(" \t\r\n", s->text[s->at]))
        s->at++;
}

static void skip_string(struct scan *s)
{
    for (s->at++; s->at < s->n && s->text[s->at] != '"'; s->at++)
        if (s->text[s->at] == '\\')
            s->at++;
    s->at++;
}

/* -- parsing -------------------------------------------------------------- */

/* The first member whose key an earlier one of the object has, or NULL. */
static const cJSON *repeated_member(const cJSON *object)
{
    size_t n = 0;
    for (const cJSON *a = object->child; a; a = a->next)
        if (++n > UNIQUE_KEYS_UP_TO)
            return NULL;
    for (const cJSON *b = object->child; b; b = b->next)
        for (const cJSON *a = object->child; a != b; a = a->next)
            if (strcmp(a->string, b->string) == 0)
                return b;
    return NULL;
}

/* Depth is bounded by cJSON's own nesting limit. */
static const cJSON *find_repeated(const cJSON *node)
{
    const cJSON *found = cJSON_IsObject(node) ? repeated_member(node) : NULL;
    for (const cJSON *child = node->child; child && !found; child = child->next)
        found = find_repeated(child);
    return found;
}

/* Members of the tree before `stop`, in the order of the text; is_found when it
 * was met. */
static size_t count_members(const cJSON *node, const cJSON *stop,
                            bool *is_found)
{
    size_t n = 0;
    for (const cJSON *child = node->child; child; child = child->next) {
        *is_found = *is_found || child == stop;
        if (*is_found)
            return n;
        n += child->string != NULL;
        n += count_members(child, stop, is_found);
    }
    return n;
}

/* Where the key number `index` of the text, from 0, begins. */
static size_t key_offset(const char *text, size_t n, size_t index)
{
    struct scan s = { .text = text, .n = n };
    while (s.at < n) {
        size_t start = s.at;
        if (text[s.at] != '"') {
            s.at++;
            continue;
        }
        skip_string(&s);
        skip_space(&s);
        if (s.at < n && text[s.at] == ':' && index-- == 0)
            return start;
    }
    return 0;
}

static enum xl_status fail_twice(const char *name, const char *text, size_t n,
                                 const cJSON *tree, const cJSON *twice,
                                 struct xl_err *err)
{
    bool is_found = false;
    size_t index = count_members(tree, twice, &is_found);
    char what[200];
    snprintf(what, sizeof what, "key '%.150s' stands twice", twice->string);
    return fail_at(name, text, key_offset(text, n, index), what, err);
}

enum xl_status xl_json_parse(const char *text, size_t n, const char *name,
                             cJSON **root, struct xl_err *err)
{
    const char *end = text;
    *root = NULL;
    XL_TRY(check_bytes(text, n, name, err));
    cJSON *tree = cJSON_ParseWithLengthOpts(text, n, &end, false);
    if (!tree)
        return fail_at(name, text, end ? (size_t)(end - text) : 0,
                       n ? "not a JSON value" : "empty file", err);
    size_t at = (size_t)(end - text);
    while (at < n && strchr(" \t\r\n", text[at]))
        at++;
    if (at < n) {
        cJSON_Delete(tree);
        return fail_at(name, text, at, "text after the value", err);
    }
    const cJSON *twice = find_repeated(tree);
    if (twice) {
        enum xl_status rc = fail_twice(name, text, n, tree, twice, err);
        cJSON_Delete(tree);
        return rc;
    }
    *root = tree;
    return XL_OK;
}

enum xl_status xl_json_load(const char *path, size_t max_bytes, cJSON **root,
                            struct xl_err *err)
{
    struct xl_buf text;
    *root = NULL;
    xl_buf_init(&text, max_bytes);
    enum xl_status rc = xl_io_read(path, &text, err);
    if (rc == XL_OK)
        rc = xl_json_parse(text.data, text.len, path, root, err);
    xl_buf_release(&text);
    return rc;
}

/* -- places --------------------------------------------------------------- */

static void skip_value(struct scan *s)
{
    size_t depth = 0;
    skip_space(s);
    do {
        char c = s->at < s->n ? s->text[s->at] : '\0';
        if (c == '\0')
            return;
        if (c == '"') {
            skip_string(s);
            skip_space(s);
            continue;
        }
        depth += c == '{' || c == '[';
        depth -= depth && (c == '}' || c == ']');
        s->at++;
        skip_space(s);
    } while (s->at < s->n && (depth || !strchr(",}]", s->text[s->at])));
}

/* With s at the '{' of an object, moves to the value of key. */
static bool enter_member(struct scan *s, const char *key, size_t *key_at)
{
    size_t want = strlen(key);
    skip_space(s);
    if (s->at >= s->n || s->text[s->at] != '{')
        return false;
    s->at++;
    for (;;) {
        skip_space(s);
        if (s->at >= s->n || s->text[s->at] != '"')
            return false;
        size_t start = s->at;
        skip_string(s);
        bool same = s->at - start == want + 2 &&
                    memcmp(s->text + start + 1, key, want) == 0;
        skip_space(s);
        s->at++; /* the colon */
        if (same) {
            *key_at = start;
            return true;
        }
        skip_value(s);
        if (s->at >= s->n || s->text[s->at] != ',')
            return false;
        s->at++;
    }
}

struct xl_json_place xl_json_find(const char *text, size_t n,
                                  const char *const *parents, const char *key)
{
    struct scan s = { .text = text, .n = n };
    size_t at = 0;
    for (; parents && *parents; parents++)
        if (!enter_member(&s, *parents, &at))
            return (struct xl_json_place){ 0 };
    if (!enter_member(&s, key, &at))
        return (struct xl_json_place){ 0 };
    return place_of(text, at);
}

/* -- getters -------------------------------------------------------------- */

static const cJSON *member(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(item) ? NULL : item;
}

enum xl_status xl_json_get_int(const cJSON *object, const char *key, int64_t lo,
                               int64_t hi, int64_t *out, struct xl_err *err)
{
    const cJSON *item = member(object, key);
    if (!item)
        return XL_ENOTFOUND;
    double x = item->valuedouble;
    if (!cJSON_IsNumber(item) || !isfinite(x) || x != floor(x) ||
        fabs(x) > 0x1p53 || (int64_t)x < lo || (int64_t)x > hi)
        return xl_fail(err, XL_EFORMAT,
                       "'%s' must be an integer from %lld to "
                       "%lld",
                       key, (long long)lo, (long long)hi);
    *out = (int64_t)x;
    return XL_OK;
}

enum xl_status xl_json_get_real(const cJSON *object, const char *key, double lo,
                                double hi, double *out, struct xl_err *err)
{
    const cJSON *item = member(object, key);
    if (!item)
        return XL_ENOTFOUND;
    double x = item->valuedouble;
    if (!cJSON_IsNumber(item) || !isfinite(x) || x < lo || x > hi)
        return xl_fail(err, XL_EFORMAT, "'%s' must be a number from %g to %g",
                       key, lo, hi);
    *out = x;
    return XL_OK;
}

enum xl_status xl_json_get_bool(const cJSON *object, const char *key, bool *out,
                                struct xl_err *err)
{
    const cJSON *item = member(object, key);
    if (!item)
        return XL_ENOTFOUND;
    if (!cJSON_IsBool(item))
        return xl_fail(err, XL_EFORMAT, "'%s' must be true or false", key);
    *out = cJSON_IsTrue(item);
    return XL_OK;
}

enum xl_status xl_json_get_text(const cJSON *object, const char *key,
                                const char **out, struct xl_err *err)
{
    const cJSON *item = member(object, key);
    if (!item)
        return XL_ENOTFOUND;
    if (!cJSON_IsString(item))
        return xl_fail(err, XL_EFORMAT, "'%s' must be a string", key);
    *out = item->valuestring;
    return XL_OK;
}

/* -- writing -------------------------------------------------------------- */

void xl_json_add_real(cJSON *object, const char *key, double value)
{
    if (isfinite(value))
        cJSON_AddNumberToObject(object, key, value);
    else
        cJSON_AddNullToObject(object, key);
}

bool xl_json_add_text(cJSON *object, const char *key, const char *text,
                      size_t n)
{
    struct xl_buf clean;
    bool ok = false;
    if (!text)
        return cJSON_AddNullToObject(object, key) != NULL;
    xl_buf_init(&clean, 0);
    for (size_t i = 0; i < n;) {
        size_t len = text[i] ? xl_utf8_length(text + i, n - i) : 0;
        if (len)
            xl_buf_add(&clean, text + i, len);
        else
            xl_buf_text(&clean, "\xef\xbf\xbd");
        i += len ? len : 1;
    }
    if (xl_buf_ok(&clean))
        ok = cJSON_AddStringToObject(object, key, clean.data) != NULL;
    xl_buf_release(&clean);
    return ok;
}

bool xl_json_add_string(cJSON *object, const char *key, const char *text)
{
    return xl_json_add_text(object, key, text, text ? strlen(text) : 0);
}

/* Bytes from the start that stand in a string as they are. */
static size_t plain_length(const char *text)
{
    size_t n = 0;
    while ((unsigned char)text[n] >= 0x20 && (unsigned char)text[n] < 0x7f &&
           text[n] != '"' && text[n] != '\\')
        n++;
    return n;
}

void xl_json_put_text(struct xl_buf *out, const char *text)
{
    if (!text) {
        xl_buf_text(out, "null");
        return;
    }
    size_t n = strlen(text);
    xl_buf_char(out, '"');
    for (size_t i = 0; i < n;) {
        size_t len = plain_length(text + i);
        bool is_plain = len > 0;
        if (!is_plain)
            len = xl_utf8_length(text + i, n - i);
        if (len == 0)
            xl_buf_text(out, "\xef\xbf\xbd");
        else if (!is_plain && (text[i] == '"' || text[i] == '\\'))
            xl_buf_printf(out, "\\%c", text[i]);
        else if (!is_plain && (unsigned char)text[i] < 0x20)
            xl_buf_printf(out, "\\u%04x", (unsigned)text[i]);
        else
            xl_buf_add(out, text + i, len);
        i += len ? len : 1;
    }
    xl_buf_char(out, '"');
}

void xl_json_put_real(struct xl_buf *out, double value)
{
    char text[XL_REAL_ROOM];
    if (isfinite(value))
        xl_buf_add(out, text, xl_real_text(text, value));
    else
        xl_buf_text(out, "null");
}

/* -- trees ---------------------------------------------------------------- */

static void break_line(struct xl_buf *out, bool indented, size_t depth)
{
    if (!indented)
        return;
    xl_buf_char(out, '\n');
    for (size_t i = 0; i < depth; i++)
        xl_buf_char(out, '\t');
}

static void print_node(const cJSON *node, bool indented, size_t depth,
                       struct xl_buf *out);

/* The members of an object, a line each; the items of an array on one. */
static void print_children(const cJSON *node, bool indented, size_t depth,
                           struct xl_buf *out)
{
    bool is_object = cJSON_IsObject(node);
    xl_buf_char(out, is_object ? '{' : '[');
    for (const cJSON *child = node->child; child; child = child->next) {
        if (is_object) {
            break_line(out, indented, depth + 1);
            xl_json_put_text(out, child->string);
            xl_buf_text(out, indented ? ":\t" : ":");
        }
        print_node(child, indented, depth + 1, out);
        if (child->next)
            xl_buf_text(out, indented && !is_object ? ", " : ",");
    }
    if (is_object)
        break_line(out, indented, depth);
    xl_buf_char(out, is_object ? '}' : ']');
}

/* cJSON's own printer takes a number of 15 digits for the same when it is off
 * by one bit: what is stored as JSON has to come back as it was. */
static void print_node(const cJSON *node, bool indented, size_t depth,
                       struct xl_buf *out)
{
    if (cJSON_IsObject(node) || cJSON_IsArray(node))
        print_children(node, indented, depth, out);
    else if (cJSON_IsNumber(node))
        xl_json_put_real(out, node->valuedouble);
    else if (cJSON_IsString(node))
        xl_json_put_text(out, node->valuestring);
    else if (cJSON_IsBool(node))
        xl_buf_text(out, cJSON_IsTrue(node) ? "true" : "false");
    else if (cJSON_IsRaw(node))
        xl_buf_text(out, node->valuestring);
    else
        xl_buf_text(out, "null");
}

void xl_json_print(const cJSON *root, bool indented, struct xl_buf *out)
{
    if (root)
        print_node(root, indented, 0, out);
    else
        out->failed = true; /* there was no memory to build it */
}

enum xl_status xl_json_save(const char *path, const cJSON *root,
                            struct xl_err *err)
{
    struct xl_buf text;
    xl_buf_init(&text, 0);
    xl_json_print(root, true, &text);
    xl_buf_char(&text, '\n');
    enum xl_status rc = xl_buf_check(&text, path, err);
    if (rc == XL_OK)
        rc = xl_io_replace(path, text.data, text.len, err);
    xl_buf_release(&text);
    return rc;
}

enum xl_status xl_json_save_in(const char *folder, const char *name,
                               const cJSON *root, struct xl_err *err)
{
    char *path = xl_io_join(folder, name);
    enum xl_status rc = path ? xl_json_save(path, root, err)
                             : xl_fail(err, XL_ENOMEM, "out of memory");
    xl_free(path);
    return rc;
}
