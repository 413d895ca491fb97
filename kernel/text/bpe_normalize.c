/* SPDX-License-Identifier: Apache-2.0
 *
 * Normalisation form C on the tables of utf8proc.
 *
 * Code points below U+0300 never change and never join what stands before
 * them, so only the stretches around others are taken apart. utf8proc_map is
 * not used whole: it sorts combining marks by swapping neighbours, which a
 * long run of marks turns into minutes; here long runs are counted. */
#include "kernel/text/text_int.h"

#include <string.h>
#include <utf8proc.h>

#include "kernel/base/alloc.h"

enum {
    FIRST_CHANGING = 0x300,
    SHORT_RUN = 32,
    MOST_PARTS = 18
};

struct points {
    utf8proc_int32_t *data; /* [n], in [room] */
    size_t n, room;
};

static int class_of(utf8proc_int32_t cp)
{
    return (int)utf8proc_get_property(cp)->combining_class;
}

static enum xl_status reserve(struct points *p, size_t n, struct xl_err *err)
{
    if (p->n + n <= p->room)
        return XL_OK;
    size_t room = 2 * (p->n + n);
    utf8proc_int32_t *data =
        xl_realloc(p->data, p->n * sizeof *data, room * sizeof *data);
    if (!data)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    p->data = data;
    p->room = room;
    return XL_OK;
}

static void sort_short(utf8proc_int32_t *run, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        utf8proc_int32_t cp = run[i];
        size_t at = i;
        for (; at && class_of(run[at - 1]) > class_of(cp); at--)
            run[at] = run[at - 1];
        run[at] = cp;
    }
}

static enum xl_status sort_long(utf8proc_int32_t *run, size_t n,
                                struct xl_err *err)
{
    size_t start[257] = { 0 };
    utf8proc_int32_t *sorted = xl_alloc(n * sizeof *sorted);
    if (!sorted)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        start[class_of(run[i]) + 1]++;
    for (size_t c = 1; c < 257; c++)
        start[c] += start[c - 1];
    for (size_t i = 0; i < n; i++)
        sorted[start[class_of(run[i])]++] = run[i];
    memcpy(run, sorted, n * sizeof *run);
    xl_free(sorted);
    return XL_OK;
}

/* Canonical order: marks between two starters, stably by class. */
static enum xl_status sort_marks(struct points *p, struct xl_err *err)
{
    for (size_t i = 0; i < p->n;) {
        size_t end = i;
        while (end < p->n && class_of(p->data[end]) != 0)
            end++;
        if (end - i <= SHORT_RUN)
            sort_short(p->data + i, end - i);
        else
            XL_TRY(sort_long(p->data + i, end - i, err));
        i = end + 1;
    }
    return XL_OK;
}

static enum xl_status take_apart(struct points *p, const char *text, size_t n,
                                 struct xl_err *err)
{
    size_t length;
    int bound = 0;
    p->n = 0;
    for (size_t i = 0; i < n; i += length) {
        XL_TRY(reserve(p, MOST_PARTS, err));
        utf8proc_int32_t cp =
            (utf8proc_int32_t)xl_code_point(text + i, &length);
        utf8proc_ssize_t parts =
            utf8proc_decompose_char(cp, p->data + p->n, MOST_PARTS,
                                    UTF8PROC_STABLE | UTF8PROC_COMPOSE, &bound);
        if (parts < 0 || parts > MOST_PARTS)
            return xl_fail(err, XL_EFAILED, "cannot normalise U+%04X",
                           (unsigned)cp);
        p->n += (size_t)parts;
    }
    return XL_OK;
}

static enum xl_status compose(struct points *p, const char *text, size_t n,
                              struct xl_buf *out, struct xl_err *err)
{
    XL_TRY(take_apart(p, text, n, err));
    XL_TRY(sort_marks(p, err));
    utf8proc_ssize_t left = utf8proc_normalize_utf32(
        p->data, (utf8proc_ssize_t)p->n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    for (utf8proc_ssize_t i = 0; i < left; i++) {
        utf8proc_uint8_t bytes[4];
        utf8proc_ssize_t len = utf8proc_encode_char(p->data[i], bytes);
        xl_buf_add(out, bytes, (size_t)len);
    }
    return XL_OK;
}

/* Does the code point stand for itself whatever is around it, but for a mark
 * that may join it from behind? */
static bool is_settled(uint32_t cp)
{
    return cp < FIRST_CHANGING || xl_is_newcomer(cp);
}

enum xl_status xl_nfc(const char *text, size_t n, struct xl_buf *out,
                      struct xl_err *err)
{
    struct points p = { 0 };
    enum xl_status rc = XL_OK;
    size_t length, plain = 0, last = 0, i = 0;

    while (i < n) {
        uint32_t cp = xl_code_point(text + i, &length);
        if (is_settled(cp)) {
            /* Nothing joins a newcomer, not even from behind. */
            last = cp < FIRST_CHANGING ? i : i + length;
            i += length;
            continue;
        }
        /* From the character before, which a mark may join, up to the next
         * one that joins nothing. */
        size_t start = i > plain ? last : i;
        xl_buf_add(out, text + plain, start - plain);
        while (i < n && !is_settled(xl_code_point(text + i, &length)))
            i += length;
        XL_TRY_DONE(rc, compose(&p, text + start, i - start, out, err));
        plain = i;
    }
    xl_buf_add(out, text + plain, n - plain);
    rc = xl_buf_check(out, "the normalised text", err);
done:
    xl_free(p.data);
    return rc;
}
