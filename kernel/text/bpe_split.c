/* SPDX-License-Identifier: Apache-2.0
 *
 * Cuts text into words by a regular expression on libpcre2.
 *
 * Patterns are a list, not a language: tokenizer.json writes them for another
 * engine, whose \s is Unicode's White_Space where PCRE2's also takes U+180E,
 * so each known pattern stands beside its translation. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "kernel/text/text_int.h"

#include <pcre2.h>
#include <string.h>

#include "kernel/base/alloc.h"

enum {
    MATCH_LIMIT = 10 * 1000 * 1000,
    HEAP_KIB = 64 * 1024
};

const char xl_split_gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+|"
                             " ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

#define SPACE    "\\p{White_Space}"
#define NO_SPACE "\\P{White_Space}"

/* Members of a character class: \p{L} and \p{N} of the reference. */
#define CLASS_RANGE(first, last) "\\x{" #first "}-\\x{" #last "}"
#define NOTHING(first, last)
static const char letters[] = "\\p{L}"
#define XL_NEW_L CLASS_RANGE
#define XL_NEW_D NOTHING
#define XL_NEW_N NOTHING
#define XL_NEW_M NOTHING
#include "kernel/text/unicode.def"
    ;
#undef XL_NEW_L
#undef XL_NEW_D
#undef XL_NEW_N
static const char numbers[] = "\\p{N}"
#define XL_NEW_L NOTHING
#define XL_NEW_D CLASS_RANGE
#define XL_NEW_N CLASS_RANGE
#include "kernel/text/unicode.def"
    ;
#undef XL_NEW_L
#undef XL_NEW_D
#undef XL_NEW_N
#undef XL_NEW_M

/* In ours, @L and @N stand for the two strings above. */
static const struct {
    const char *theirs, *ours;
} patterns[] = {
    { xl_split_gpt2, "'(?:[stmd]|re|ve|ll)| ?[@L]+| ?[@N]+| ?[^" SPACE
                     "@L@N]+|" SPACE "+(?!" NO_SPACE ")|" SPACE "+" },
};

struct xl_split {
    pcre2_general_context *memory;
    pcre2_code *code;
    pcre2_match_context *limits;
};

static void *take(size_t n, void *ctx)
{
    (void)ctx;
    return xl_alloc(n);
}

static void give(void *block, void *ctx)
{
    (void)ctx;
    xl_free(block);
}

static enum xl_status fail_code(const char *what, int code, struct xl_err *err)
{
    PCRE2_UCHAR text[160];
    if (pcre2_get_error_message(code, text, sizeof text) < 0)
        text[0] = '\0';
    bool is_memory =
        code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_HEAP_FAILED;
    return xl_fail(err, is_memory ? XL_ENOMEM : XL_EFAILED, "cannot %s: %s",
                   what, (const char *)text);
}

static void expand(const char *pattern, struct xl_buf *out)
{
    for (const char *at = pattern; *at; at++) {
        if (*at != '@') {
            xl_buf_char(out, *at);
            continue;
        }
        at++;
        xl_buf_text(out, *at == 'L' ? letters : numbers);
    }
}

static enum xl_status compile(struct xl_split *split, const char *pattern,
                              struct xl_err *err)
{
    int code = PCRE2_ERROR_NOMEMORY;
    size_t at = 0;
    pcre2_compile_context *ctx = NULL;
    split->memory = pcre2_general_context_create(take, give, NULL);
    if (split->memory)
        ctx = pcre2_compile_context_create(split->memory);
    if (ctx)
        split->limits = pcre2_match_context_create(split->memory);
    if (split->limits)
        split->code = pcre2_compile((PCRE2_SPTR)pattern, strlen(pattern),
                                    PCRE2_UTF | PCRE2_UCP, &code, &at, ctx);
    pcre2_compile_context_free(ctx);
    if (!split->code)
        return fail_code("compile the split pattern", code, err);
    pcre2_set_match_limit(split->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(split->limits, HEAP_KIB);
    /* Where there is no compiler to machine code, the interpreter does it. */
    (void)pcre2_jit_compile(split->code, PCRE2_JIT_COMPLETE);
    return XL_OK;
}

enum xl_status xl_split_make(struct xl_split **split, const char *pattern,
                             struct xl_err *err)
{
    const char *ours = NULL;
    *split = NULL;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (strcmp(pattern, patterns[i].theirs) == 0)
            ours = patterns[i].ours;
    if (!ours)
        return xl_fail(err, XL_EFORMAT,
                       "split pattern '%.80s' is not known; "
                       "GPT-2's is",
                       pattern);
    struct xl_split *made = xl_alloc_zero(1, sizeof *made);
    if (!made)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    struct xl_buf expanded;
    xl_buf_init(&expanded, 0);
    expand(ours, &expanded);
    enum xl_status rc = xl_buf_check(&expanded, "a pattern", err);
    if (rc == XL_OK)
        rc = compile(made, expanded.data, err);
    xl_buf_release(&expanded);
    if (rc != XL_OK)
        xl_split_free(made);
    else
        *split = made;
    return rc;
}

void xl_split_free(struct xl_split *split)
{
    if (!split)
        return;
    pcre2_code_free(split->code);
    pcre2_match_context_free(split->limits);
    pcre2_general_context_free(split->memory);
    xl_free(split);
}

/* The next match at or after *start, its end in *end; false at the end. */
static enum xl_status next_match(const struct xl_split *split,
                                 pcre2_match_data *match, const char *text,
                                 size_t n, size_t *start, size_t *end,
                                 struct xl_err *err)
{
    int code =
        pcre2_match(split->code, (PCRE2_SPTR)text, n, *start,
                    PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, match, split->limits);
    if (code == PCRE2_ERROR_JIT_STACKLIMIT)
        code = pcre2_match(split->code, (PCRE2_SPTR)text, n, *start,
                           PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY | PCRE2_NO_JIT,
                           match, split->limits);
    if (code == PCRE2_ERROR_NOMATCH) {
        *start = *end = n;
        return XL_OK;
    }
    if (code < 0)
        return fail_code("split the text into words", code, err);
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(match);
    *start = span[0];
    *end = span[1];
    return XL_OK;
}

enum xl_status xl_split_run(const struct xl_split *split, const char *text,
                            size_t n, xl_split_word *word, void *ctx,
                            struct xl_err *err)
{
    enum xl_status rc = XL_OK;
    size_t at = 0;
    pcre2_match_data *match = pcre2_match_data_create(1, split->memory);
    if (!match)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    while (at < n) {
        size_t start = at, end = n;
        XL_TRY_DONE(rc, next_match(split, match, text, n, &start, &end, err));
        if (at < start)
            XL_TRY_DONE(rc, word(ctx, text + at, start - at));
        if (start < end)
            XL_TRY_DONE(rc, word(ctx, text + start, end - start));
        at = end;
    }
done:
    pcre2_match_data_free(match);
    return rc;
}
