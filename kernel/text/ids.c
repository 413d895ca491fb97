/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of token ids. */
#include "kernel/text/tokenizer.h"

#include "kernel/base/alloc.h"

enum {
    FIRST_ROOM = 64
};

enum xl_status xl_ids_add(struct xl_ids *ids, int32_t id, struct xl_err *err)
{
    if (ids->n == ids->room) {
        size_t room = ids->room ? 2 * ids->room : FIRST_ROOM;
        int32_t *data =
            xl_realloc(ids->data, ids->n * sizeof *data, room * sizeof *data);
        if (!data)
            return xl_fail(err, XL_ENOMEM, "out of memory for %zu token ids",
                           room);
        ids->data = data;
        ids->room = room;
    }
    ids->data[ids->n++] = id;
    return XL_OK;
}

void xl_ids_release(struct xl_ids *ids)
{
    xl_free(ids->data);
    *ids = (struct xl_ids){ 0 };
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The id at text[*at], which is not blank; moves behind it. */
static bool parse_id(const char *text, size_t n, size_t *at, size_t vocab,
                     int32_t *id)
{
    size_t value = 0;
    for (; *at < n && text[*at] >= '0' && text[*at] <= '9'; ++*at) {
        value = 10 * value + (size_t)(text[*at] - '0');
        if (value >= vocab || value > INT32_MAX)
            return false;
    }
    *id = (int32_t)value;
    return *at == n || is_blank(text[*at]);
}

/* Words of a message come from a file: only plain ones are shown. */
static enum xl_status fail_word(const char *text, size_t n, size_t at,
                                const char *name, size_t vocab,
                                struct xl_err *err)
{
    char word[24] = { 0 };
    for (size_t i = 0; at + i < n && i + 1 < sizeof word; i++) {
        if (is_blank(text[at + i]))
            break;
        word[i] =
            text[at + i] > ' ' && text[at + i] <= '~' ? text[at + i] : '?';
    }
    return xl_fail(err, XL_EFORMAT,
                   "'%s' byte %zu: '%s' is no token id; ids "
                   "are decimal numbers below %zu, separated by white space",
                   name, at, word, vocab);
}

enum xl_status xl_ids_parse(const char *text, size_t n, const char *name,
                            size_t vocab, struct xl_ids *ids,
                            struct xl_err *err)
{
    size_t before = ids->n;
    for (size_t at = 0; at < n;) {
        if (is_blank(text[at])) {
            at++;
            continue;
        }
        size_t start = at;
        int32_t id = 0;
        enum xl_status rc = parse_id(text, n, &at, vocab, &id)
                                ? xl_ids_add(ids, id, err)
                                : fail_word(text, n, start, name, vocab, err);
        if (rc != XL_OK) {
            ids->n = before;
            return rc;
        }
    }
    return XL_OK;
}
