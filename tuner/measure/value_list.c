/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/measure/value_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/opt.h"

enum {
    ITEM_ROOM = 64
};

struct range {
    int64_t first, last, step;
    bool is_factor;
};

/* A whole number of at most 15 digits at *at, which moves past it. */
static bool take_number(const char **at, int64_t *out)
{
    const char *from = *at;
    int64_t x = 0;
    while (**at >= '0' && **at <= '9' && *at - from < 15)
        x = x * 10 + (*(*at)++ - '0');
    *out = x;
    return *at > from;
}

/* "first-last", "first-last+step" or "first-last*factor". */
static bool take_range(const char *item, struct range *range)
{
    const char *at = item;
    *range = (struct range){ .step = 1 };
    if (!take_number(&at, &range->first) || *at++ != '-' ||
        !take_number(&at, &range->last))
        return false;
    if (*at == '\0')
        return true;
    range->is_factor = *at == '*';
    if (*at != '+' && *at != '*')
        return false;
    at++;
    return take_number(&at, &range->step) && *at == '\0';
}

static bool has(const struct xl_value_list *list, const char *item)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i], item) == 0)
            return true;
    return false;
}

struct parse {
    struct xl_value_list *list;
    struct xl_arena *arena;
    const char *flag;
    struct xl_err *err;
};

static enum xl_status add(const struct parse *p, const char *item)
{
    struct xl_value_list *list = p->list;
    if (has(list, item))
        return XL_OK;
    if (list->n == XL_VALUE_LIST_MOST)
        return xl_fail(p->err, XL_EUSAGE, "'%s' lists more than %d values",
                       p->flag, XL_VALUE_LIST_MOST);
    char *copy = xl_arena_text(p->arena, item, strlen(item));
    if (!copy)
        return xl_fail(p->err, XL_ENOMEM, "out of memory for a list");
    list->items[list->n++] = copy;
    return XL_OK;
}

static enum xl_status add_range(const struct parse *p, const char *item,
                                const struct range *range)
{
    char number[ITEM_ROOM];
    int64_t least_step = range->is_factor ? 2 : 1;
    if (range->step < least_step || range->last < range->first ||
        (range->is_factor && range->first == 0))
        return xl_fail(p->err, XL_EUSAGE,
                       "'%s %s' is no range; ranges are written 8-64+8 or "
                       "8-128*2",
                       p->flag, item);
    for (int64_t x = range->first; x <= range->last;
         x = range->is_factor ? x * range->step : x + range->step) {
        snprintf(number, sizeof number, "%lld", (long long)x);
        XL_TRY(add(p, number));
        if (range->is_factor && x > range->last / range->step)
            break;
    }
    return XL_OK;
}

enum xl_status xl_value_list_parse(struct xl_value_list *list,
                                   struct xl_arena *arena, const char *flag,
                                   const char *text, struct xl_err *err)
{
    struct parse p = { .list = list, .arena = arena, .flag = flag, .err = err };
    list->n = 0;
    for (const char *at = text;; at++) {
        char item[ITEM_ROOM];
        struct range range;
        size_t n = strcspn(at, ",");
        if (n == 0 || n >= sizeof item)
            return xl_fail(err, XL_EUSAGE, "'%s %s' is no list of values", flag,
                           text);
        memcpy(item, at, n);
        item[n] = '\0';
        if (take_range(item, &range))
            XL_TRY(add_range(&p, item, &range));
        else
            XL_TRY(add(&p, item));
        at += n;
        if (*at == '\0')
            return XL_OK;
    }
}

enum xl_status xl_value_list_sizes(const struct xl_value_list *list,
                                   const char *flag, int64_t lo, int64_t hi,
                                   size_t out[XL_VALUE_LIST_MOST],
                                   struct xl_err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        int64_t x;
        if (!xl_parse_int(list->items[i], &x) || x < lo || x > hi)
            return xl_fail(err, XL_EUSAGE,
                           "'%s' takes whole numbers of %lld to %lld, not "
                           "'%s'",
                           flag, (long long)lo, (long long)hi, list->items[i]);
        out[i] = (size_t)x;
    }
    return XL_OK;
}
