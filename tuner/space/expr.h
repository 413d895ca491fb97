/* SPDX-License-Identifier: Apache-2.0
 *
 * Constraints written by people: "chunk_size <= 2 * prefill_block".
 *
 *     or  and  not  == != < <= > >=  + -  * / %  ^  -x  (x)
 *     numbers, true, false, names, 'texts' or "texts"
 *
 * Names and the texts compared with them are checked when parsed, so that
 * evaluation cannot fail. A name may be unknown at evaluation (an inert
 * tunable); what depends on it is then unknown too, and an expression that is
 * unknown in the end holds. Division by zero gives a value that compares
 * equal to nothing. ^ is a power and goes from left to right.
 */
#ifndef XL_EXPR_H
#define XL_EXPR_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/arena.h"
#include "kernel/base/err.h"

enum xl_value_kind {
    XL_VALUE_UNKNOWN,
    XL_VALUE_NUMBER,
    XL_VALUE_TEXT
};

struct xl_value {
    enum xl_value_kind kind;
    double number;
    const char *text;
};

/* What names there are. */
struct xl_expr_names {
    void *ctx;
    /* XL_VALUE_UNKNOWN when there is no such name. */
    enum xl_value_kind (*find)(void *ctx, const char *name, size_t *id);
    /* Can id have this text as value? XL_EUSAGE says what it can have. */
    enum xl_status (*takes)(void *ctx, size_t id, const char *text,
                            struct xl_err *err);
    const char *const *all; /* [n_all] for the nearest name */
    size_t n_all;
    const char *noun; /* what a name names; NULL = "tunable" */
    /* What a number before this word is multiplied by; NULL = no units. */
    bool (*unit)(const char *word, double *scale);
};

struct xl_expr;

/* The expression lives in arena. XL_EUSAGE begins with "column N: ". */
enum xl_status xl_expr_parse(const struct xl_expr **expr, const char *text,
                             const struct xl_expr_names *names,
                             struct xl_arena *arena, struct xl_err *err);

/* The same from text[*at], up to where the expression ends: *at is then what
 * follows it. Columns count from the start of text. */
enum xl_status xl_expr_parse_part(const struct xl_expr **expr, const char *text,
                                  size_t *at, const struct xl_expr_names *names,
                                  struct xl_arena *arena, struct xl_err *err);

typedef struct xl_value xl_expr_get(void *ctx, size_t id);

struct xl_value xl_expr_eval(const struct xl_expr *expr, xl_expr_get *get,
                             void *ctx);

/* False only when the expression is known not to hold. */
bool xl_expr_holds(const struct xl_expr *expr, xl_expr_get *get, void *ctx);

#endif
