/* SPDX-License-Identifier: Apache-2.0
 *
 * Recursive descent into a tree, one function a level of precedence, and
 * evaluation in Kleene's three-valued logic. */
#include "tuner/space/expr.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/buf.h"
#include "kernel/base/opt.h"

enum {
    LONGEST = 4096,
    DEEPEST = 64,
    WORD_ROOM = 64
};

enum op {
    OP_NUMBER,
    OP_TEXT,
    OP_NAME,
    OP_MINUS,
    OP_NOT,
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_POW,
    OP_EQ,
    OP_NE,
    OP_LE,
    OP_GE,
    OP_LT,
    OP_GT,
    OP_AND,
    OP_OR,
};

struct xl_expr {
    enum op op;
    enum xl_value_kind kind;
    const struct xl_expr *a, *b;
    double number;
    const char *text;
    size_t id;
};

struct parser {
    const char *text;
    size_t at, depth;
    const struct xl_expr_names *names;
    struct xl_arena *arena;
    struct xl_err *err;
};

/* How an operator is written; longer signs before their beginnings. */
struct sign {
    const char *text;
    enum op op;
};

static const struct sign compare_signs[] = {
    { "==", OP_EQ }, { "!=", OP_NE }, { "<=", OP_LE },
    { ">=", OP_GE }, { "<", OP_LT },  { ">", OP_GT },
};
static const struct sign sum_signs[] = { { "+", OP_ADD }, { "-", OP_SUB } };
static const struct sign product_signs[] = { { "*", OP_MUL },
                                             { "/", OP_DIV },
                                             { "%", OP_MOD } };
static const struct sign power_signs[] = { { "^", OP_POW } };
static const struct sign and_signs[] = { { "and", OP_AND } };
static const struct sign or_signs[] = { { "or", OP_OR } };

static enum xl_status fail_at(const struct parser *p, size_t at,
                              const char *what)
{
    return xl_fail(p->err, XL_EUSAGE, "column %zu: %s", at + 1, what);
}

static void skip_space(struct parser *p)
{
    while (isspace((unsigned char)p->text[p->at]))
        p->at++;
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '@';
}

/* Takes one of the signs when it stands next. A sign of letters must end
 * where a word ends. */
static const struct sign *take(struct parser *p, const struct sign *signs,
                               size_t n)
{
    skip_space(p);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(signs[i].text);
        if (strncmp(p->text + p->at, signs[i].text, len) != 0 ||
            (isalpha((unsigned char)signs[i].text[0]) &&
             is_word_char(p->text[p->at + len])))
            continue;
        p->at += len;
        return &signs[i];
    }
    return NULL;
}

static enum xl_status make(struct parser *p, const struct xl_expr *from,
                           const struct xl_expr **out)
{
    struct xl_expr *made = xl_arena_alloc(p->arena, sizeof *made);
    if (!made)
        return xl_fail(p->err, XL_ENOMEM, "no memory for a constraint");
    *made = *from;
    *out = made;
    return XL_OK;
}

/* -- operands ------------------------------------------------------------- */

static enum xl_status parse_or(struct parser *p, const struct xl_expr **out);

static enum xl_status parse_text(struct parser *p, const struct xl_expr **out)
{
    size_t start = p->at;
    char quote = p->text[p->at++];
    const char *end = strchr(p->text + p->at, quote);
    if (!end)
        return fail_at(p, start, "a text that does not end");
    size_t len = (size_t)(end - (p->text + p->at));
    char *text = xl_arena_text(p->arena, p->text + p->at, len);
    if (!text)
        return xl_fail(p->err, XL_ENOMEM, "no memory for a constraint");
    p->at += len + 1;
    return make(
        p,
        &(struct xl_expr){ .op = OP_TEXT, .kind = XL_VALUE_TEXT, .text = text },
        out);
}

static bool take_word(struct parser *p, char word[WORD_ROOM])
{
    size_t len = 0;
    while (is_word_char(p->text[p->at + len]))
        len++;
    if (len >= WORD_ROOM)
        return false;
    memcpy(word, p->text + p->at, len);
    word[len] = '\0';
    p->at += len;
    return true;
}

static enum xl_status parse_number(struct parser *p, const struct xl_expr **out)
{
    char *end, unit[WORD_ROOM];
    double number = strtod(p->text + p->at, &end), scale = 1;
    size_t start = p->at;
    p->at = (size_t)(end - p->text);
    if (p->at == start || !isfinite(number))
        return fail_at(p, start, "a number that cannot be read");
    size_t after = p->at;
    if (is_word_char(*end) && (!p->names->unit || !take_word(p, unit) ||
                               !p->names->unit(unit, &scale)))
        return fail_at(p, p->names->unit ? after : start,
                       p->names->unit ? "a unit that is not known"
                                      : "a number that cannot be read");
    number *= scale;
    return make(p,
                &(struct xl_expr){ .op = OP_NUMBER,
                                   .kind = XL_VALUE_NUMBER,
                                   .number = number },
                out);
}

static enum xl_status fail_name(const struct parser *p, size_t at,
                                const char *word)
{
    const char *near = xl_nearest(word, p->names->all, p->names->n_all);
    const char *noun = p->names->noun ? p->names->noun : "tunable";
    if (near)
        return xl_fail(p->err, XL_EUSAGE,
                       "column %zu: no %s is named '%s'; nearest is '%s'",
                       at + 1, noun, word, near);
    struct xl_buf all;
    xl_buf_init(&all, 1024);
    for (size_t i = 0; i < p->names->n_all; i++)
        xl_buf_printf(&all, "%s%s", i ? ", " : "", p->names->all[i]);
    xl_fail(p->err, XL_EUSAGE, "column %zu: no %s is named '%s'; there are %s",
            at + 1, noun, word, xl_buf_ok(&all) ? all.data : "others");
    xl_buf_release(&all);
    return XL_EUSAGE;
}

static enum xl_status parse_word(struct parser *p, const struct xl_expr **out)
{
    char word[WORD_ROOM];
    size_t start = p->at;
    if (!take_word(p, word))
        return fail_at(p, start, "a name that is too long");
    struct xl_expr node = { .op = OP_NUMBER, .kind = XL_VALUE_NUMBER };
    node.number = strcmp(word, "true") == 0;
    if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
        return make(p, &node, out);
    node.op = OP_NAME;
    node.kind = p->names->find(p->names->ctx, word, &node.id);
    if (node.kind == XL_VALUE_UNKNOWN)
        return fail_name(p, start, word);
    return make(p, &node, out);
}

static enum xl_status parse_primary(struct parser *p,
                                    const struct xl_expr **out)
{
    skip_space(p);
    size_t start = p->at;
    char c = p->text[p->at];
    if (c == '\'' || c == '"')
        return parse_text(p, out);
    if (isdigit((unsigned char)c) || c == '.')
        return parse_number(p, out);
    if (isalpha((unsigned char)c) || c == '_')
        return parse_word(p, out);
    if (c != '(')
        return fail_at(p, start,
                       c ? "expected a number, a name or '('"
                         : "expected a number, a name or '(', not the end");
    p->at++;
    XL_TRY(parse_or(p, out));
    skip_space(p);
    if (p->text[p->at] != ')')
        return fail_at(p, p->at, "expected ')'");
    p->at++;
    return XL_OK;
}

static enum xl_status need_number(const struct parser *p, size_t at,
                                  const struct xl_expr *e)
{
    if (e->kind == XL_VALUE_NUMBER)
        return XL_OK;
    return fail_at(p, at, "a text where a number is needed");
}

/* -x and not x: one function, because both nest in themselves. */
static enum xl_status
parse_prefix(struct parser *p, enum op op,
             enum xl_status (*inner)(struct parser *, const struct xl_expr **),
             const struct xl_expr **out)
{
    const struct xl_expr *a;
    size_t at = p->at;
    XL_TRY(inner(p, &a));
    XL_TRY(need_number(p, at, a));
    return make(
        p, &(struct xl_expr){ .op = op, .kind = XL_VALUE_NUMBER, .a = a }, out);
}

static enum xl_status parse_unary(struct parser *p, const struct xl_expr **out)
{
    static const struct sign minus[] = { { "-", OP_MINUS } };
    if (p->depth >= DEEPEST)
        return fail_at(p, p->at, "nested too deeply");
    p->depth++;
    enum xl_status rc = take(p, minus, 1)
                            ? parse_prefix(p, OP_MINUS, parse_unary, out)
                            : parse_primary(p, out);
    p->depth--;
    return rc;
}

/* -- operators ------------------------------------------------------------ */

typedef enum xl_status parse_level(struct parser *p,
                                   const struct xl_expr **out);

/* inner (sign inner)*, all of numbers. */
static enum xl_status parse_chain(struct parser *p, const struct sign *signs,
                                  size_t n_signs, parse_level *inner,
                                  const struct xl_expr **out)
{
    const struct sign *sign;
    size_t at = p->at;
    XL_TRY(inner(p, out));
    while ((sign = take(p, signs, n_signs))) {
        const struct xl_expr *b;
        XL_TRY(need_number(p, at, *out));
        at = p->at;
        XL_TRY(inner(p, &b));
        XL_TRY(need_number(p, at, b));
        XL_TRY(make(
            p,
            &(struct xl_expr){
                .op = sign->op, .kind = XL_VALUE_NUMBER, .a = *out, .b = b },
            out));
    }
    return XL_OK;
}

static enum xl_status parse_power(struct parser *p, const struct xl_expr **out)
{
    return parse_chain(p, power_signs, 1, parse_unary, out);
}

static enum xl_status parse_product(struct parser *p,
                                    const struct xl_expr **out)
{
    return parse_chain(p, product_signs,
                       sizeof product_signs / sizeof *product_signs,
                       parse_power, out);
}

static enum xl_status parse_sum(struct parser *p, const struct xl_expr **out)
{
    return parse_chain(p, sum_signs, sizeof sum_signs / sizeof *sum_signs,
                       parse_product, out);
}

/* Texts are compared for being the same only, and with what can be. */
static enum xl_status check_texts(struct parser *p, size_t at, enum op op,
                                  const struct xl_expr *a,
                                  const struct xl_expr *b)
{
    if (a->kind != b->kind)
        return fail_at(p, at, "a text is compared with a number");
    if (a->kind == XL_VALUE_NUMBER)
        return XL_OK;
    if (op != OP_EQ && op != OP_NE)
        return fail_at(p, at, "texts are compared by == and != only");
    if (a->op == OP_TEXT && b->op == OP_NAME) {
        const struct xl_expr *swap = a;
        a = b;
        b = swap;
    }
    if (a->op != OP_NAME || b->op != OP_TEXT || !p->names->takes)
        return XL_OK;
    enum xl_status rc = p->names->takes(p->names->ctx, a->id, b->text, p->err);
    if (rc != XL_OK && p->err)
        xl_err_prefix(p->err, "column %zu", at + 1);
    return rc;
}

static enum xl_status parse_compare(struct parser *p,
                                    const struct xl_expr **out)
{
    size_t n = sizeof compare_signs / sizeof *compare_signs;
    const struct xl_expr *a, *b;
    XL_TRY(parse_sum(p, &a));
    skip_space(p);
    size_t at = p->at;
    const struct sign *sign = take(p, compare_signs, n);
    *out = a;
    if (!sign && p->text[at] == '=')
        return fail_at(p, at, "'=' is no comparison; use '=='");
    if (!sign)
        return XL_OK;
    XL_TRY(parse_sum(p, &b));
    XL_TRY(check_texts(p, at, sign->op, a, b));
    size_t next = p->at;
    if (take(p, compare_signs, n))
        return fail_at(p, next,
                       "a comparison of a comparison; join two with "
                       "'and'");
    return make(p,
                &(struct xl_expr){
                    .op = sign->op, .kind = XL_VALUE_NUMBER, .a = a, .b = b },
                out);
}

static enum xl_status parse_not(struct parser *p, const struct xl_expr **out)
{
    static const struct sign not_signs[] = { { "not", OP_NOT } };
    if (p->depth >= DEEPEST)
        return fail_at(p, p->at, "nested too deeply");
    p->depth++;
    enum xl_status rc = take(p, not_signs, 1)
                            ? parse_prefix(p, OP_NOT, parse_not, out)
                            : parse_compare(p, out);
    p->depth--;
    return rc;
}

static enum xl_status parse_and(struct parser *p, const struct xl_expr **out)
{
    return parse_chain(p, and_signs, 1, parse_not, out);
}

static enum xl_status parse_or(struct parser *p, const struct xl_expr **out)
{
    return parse_chain(p, or_signs, 1, parse_and, out);
}

enum xl_status xl_expr_parse_part(const struct xl_expr **expr, const char *text,
                                  size_t *at, const struct xl_expr_names *names,
                                  struct xl_arena *arena, struct xl_err *err)
{
    struct parser p = {
        .text = text, .at = *at, .names = names, .arena = arena, .err = err
    };
    const struct xl_expr *made;
    if (strlen(text) > LONGEST)
        return fail_at(&p, LONGEST, "a constraint that is too long");
    XL_TRY(parse_or(&p, &made));
    XL_TRY(need_number(&p, *at, made));
    skip_space(&p);
    *at = p.at;
    *expr = made;
    return XL_OK;
}

enum xl_status xl_expr_parse(const struct xl_expr **expr, const char *text,
                             const struct xl_expr_names *names,
                             struct xl_arena *arena, struct xl_err *err)
{
    const struct parser p = { .text = text, .err = err };
    const struct xl_expr *made = NULL;
    size_t at = 0;
    XL_TRY(xl_expr_parse_part(&made, text, &at, names, arena, err));
    if (text[at])
        return fail_at(&p, at, "expected an operator or the end");
    *expr = made;
    return XL_OK;
}

/* -- evaluation ----------------------------------------------------------- */

static struct xl_value number_value(double number)
{
    return (struct xl_value){ .kind = XL_VALUE_NUMBER, .number = number };
}

static double calculate(enum op op, double a, double b)
{
    switch (op) {
    case OP_ADD:
        return a + b;
    case OP_SUB:
        return a - b;
    case OP_MUL:
        return a * b;
    case OP_DIV:
        return b < 0 || b > 0 ? a / b : (double)NAN;
    case OP_POW:
        return pow(a, b);
    default:
        return fmod(a, b);
    }
}

/* order: below 0, 0 or above 0, as a is to b. */
static bool compares(enum op op, int order)
{
    switch (op) {
    case OP_EQ:
        return order == 0;
    case OP_NE:
        return order != 0;
    case OP_LE:
        return order <= 0;
    case OP_GE:
        return order >= 0;
    case OP_LT:
        return order < 0;
    default:
        return order > 0;
    }
}

static struct xl_value eval_logic(const struct xl_expr *e, xl_expr_get *get,
                                  void *ctx)
{
    /* What decides alone: a false side of `and`, a true side of `or`. */
    bool decides = e->op == OP_OR, is_known = true;
    const struct xl_expr *const sides[] = { e->a, e->b };
    for (int i = 0; i < 2; i++) {
        struct xl_value v = xl_expr_eval(sides[i], get, ctx);
        if (v.kind == XL_VALUE_UNKNOWN)
            is_known = false;
        else if ((v.number < 0 || v.number > 0) == decides)
            return number_value(decides);
    }
    return is_known ? number_value(!decides) : (struct xl_value){ 0 };
}

struct xl_value xl_expr_eval(const struct xl_expr *e, xl_expr_get *get,
                             void *ctx)
{
    if (e->op == OP_AND || e->op == OP_OR)
        return eval_logic(e, get, ctx);
    if (e->op == OP_NUMBER)
        return number_value(e->number);
    if (e->op == OP_TEXT)
        return (struct xl_value){ .kind = XL_VALUE_TEXT, .text = e->text };
    if (e->op == OP_NAME)
        return get(ctx, e->id);
    struct xl_value a = xl_expr_eval(e->a, get, ctx);
    if (a.kind == XL_VALUE_UNKNOWN)
        return a;
    if (e->op == OP_MINUS)
        return number_value(-a.number);
    if (e->op == OP_NOT)
        return number_value(!(a.number < 0 || a.number > 0));
    struct xl_value b = xl_expr_eval(e->b, get, ctx);
    if (b.kind == XL_VALUE_UNKNOWN)
        return b;
    if (e->op < OP_EQ)
        return number_value(calculate(e->op, a.number, b.number));
    if (a.kind == XL_VALUE_TEXT)
        return number_value(compares(e->op, strcmp(a.text, b.text)));
    if (isnan(a.number) || isnan(b.number))
        return number_value(e->op == OP_NE);
    return number_value(
        compares(e->op, (a.number > b.number) - (a.number < b.number)));
}

bool xl_expr_holds(const struct xl_expr *expr, xl_expr_get *get, void *ctx)
{
    struct xl_value v = xl_expr_eval(expr, get, ctx);
    return v.kind == XL_VALUE_UNKNOWN || v.number < 0 || v.number > 0;
}
