/* SPDX-License-Identifier: Apache-2.0
 *
 * The alphabet of byte-level BPE (GPT-2): printable bytes stand for
 * themselves as code points, the other 68 get the code points from U+0100 on
 * in their order. And the two classes of code points that the flags of added
 * tokens speak of. */
#include "kernel/text/text_int.h"

#include <utf8proc.h>

/* Ascending. */
static const struct range {
    uint32_t first, last;
    bool is_word;
} newcomers[] = {
#define XL_NEW_L(first, last) { 0x##first, 0x##last, true },
#define XL_NEW_D(first, last) { 0x##first, 0x##last, true },
#define XL_NEW_N(first, last) { 0x##first, 0x##last, false },
#define XL_NEW_M(first, last) { 0x##first, 0x##last, true },
#include "kernel/text/unicode.def"
#undef XL_NEW_L
#undef XL_NEW_D
#undef XL_NEW_N
#undef XL_NEW_M
};
enum {
    NEWCOMERS = sizeof newcomers / sizeof *newcomers
};

enum {
    FIRST_BORROWED = 0x100,
    BORROWED = 68
};

static bool is_printable(unsigned cp)
{
    return (cp >= '!' && cp <= '~') || (cp >= 0xa1 && cp <= 0xac) ||
           (cp >= 0xae && cp <= 0xff);
}

/* How many bytes below this one are not printable. */
static unsigned rank_of(unsigned byte)
{
    if (byte <= ' ')
        return byte;
    return byte <= 0xa0 ? byte - 0x7f + 33 : 67;
}

static int byte_of_letter(uint32_t cp)
{
    if (cp < FIRST_BORROWED)
        return is_printable(cp) ? (int)cp : -1;
    uint32_t rank = cp - FIRST_BORROWED;
    if (rank >= BORROWED)
        return -1;
    if (rank <= ' ')
        return (int)rank;
    return rank < 67 ? (int)(rank - 33 + 0x7f) : 0xad;
}

size_t xl_letter_of_byte(unsigned char byte, char out[2])
{
    unsigned cp = is_printable(byte) ? byte : FIRST_BORROWED + rank_of(byte);
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    out[0] = (char)(0xc0 | (cp >> 6));
    out[1] = (char)(0x80 | (cp & 0x3f));
    return 2;
}

void xl_letters_to_bytes(const char *text, size_t n, struct xl_buf *out)
{
    size_t length;
    for (size_t i = 0; i < n; i += length) {
        if (byte_of_letter(xl_code_point(text + i, &length)) < 0) {
            xl_buf_add(out, text, n);
            return;
        }
    }
    for (size_t i = 0; i < n; i += length)
        xl_buf_char(out,
                    (char)byte_of_letter(xl_code_point(text + i, &length)));
}

uint32_t xl_code_point(const char *text, size_t *length)
{
    const unsigned char *s = (const unsigned char *)text;
    uint32_t cp = s[0];
    *length = 1;
    if (cp >= 0x80) {
        *length = cp >= 0xf0 ? 4 : cp >= 0xe0 ? 3 : 2;
        cp &= 0x7fu >> *length;
    }
    for (size_t i = 1; i < *length; i++)
        cp = cp << 6 | (s[i] & 0x3fu);
    return cp;
}

size_t xl_code_point_before(const char *text, size_t at)
{
    do
        at--;
    while (at && ((unsigned char)text[at] & 0xc0) == 0x80);
    return at;
}

bool xl_is_space(uint32_t cp)
{
    return (cp >= 9 && cp <= 13) || cp == 0x20 || cp == 0x85 || cp == 0xa0 ||
           cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 ||
           cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

static const struct range *find_newcomer(uint32_t cp)
{
    size_t low = 0, high = NEWCOMERS;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (cp > newcomers[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == NEWCOMERS || cp < newcomers[low].first)
        return NULL;
    return &newcomers[low];
}

bool xl_is_newcomer(uint32_t cp)
{
    return cp >= newcomers[0].first && find_newcomer(cp);
}

bool xl_is_word(uint32_t cp)
{
    const struct range *newcomer = find_newcomer(cp);
    if (newcomer)
        return newcomer->is_word;
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default:
        /* The joiners, and the symbols that Unicode calls alphabetic:
         * circled, squared and negative letters. */
        return cp == 0x200c || cp == 0x200d || (cp >= 0x24b6 && cp <= 0x24e9) ||
               (cp >= 0x1f130 && cp <= 0x1f149) ||
               (cp >= 0x1f150 && cp <= 0x1f169) ||
               (cp >= 0x1f170 && cp <= 0x1f189);
    }
}
