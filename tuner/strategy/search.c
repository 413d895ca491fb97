/* SPDX-License-Identifier: Apache-2.0
 *
 * Known points sit in one array, found by code through open addressing.
 *
 * Drawing without replacement: while at most half of the members are known, a
 * uniform draw is repeated until it is new, two tries on average at worst.
 * Then the members left, no more than are known already, are listed once, and
 * each draw takes one out of the list. Memory follows what was asked, never
 * the space, and every order of the members is equally likely. */
#include "tuner/strategy/search.h"

#include <string.h>

#include "kernel/base/alloc.h"

enum {
    FIRST_ROOM = 64,
    DRAWS = 1 << 16,
    HINTED = 3 * XL_STRATEGY_GROUPS, /* three of each group */
    HINTED_UNTIL = 32                /* asks */
};

static const double shunned = 0.5; /* from that weight of a past on */

static size_t slot_of(const struct xl_search *search, uint64_t code)
{
    uint64_t z = code * 0x9e3779b97f4a7c15u;
    return (size_t)(z ^ (z >> 32)) & (search->n_slots - 1);
}

uint32_t xl_search_find(const struct xl_search *search, uint64_t code)
{
    if (!search->n_slots)
        return XL_SEARCH_UNKNOWN;
    for (size_t s = slot_of(search, code); search->slots[s];
         s = (s + 1) & (search->n_slots - 1)) {
        uint32_t index = search->slots[s] - 1;
        if (search->records[index].code == code)
            return index;
    }
    return XL_SEARCH_UNKNOWN;
}

static void enter(struct xl_search *search, uint32_t index)
{
    size_t s = slot_of(search, search->records[index].code);
    while (search->slots[s])
        s = (s + 1) & (search->n_slots - 1);
    search->slots[s] = index + 1;
}

static enum xl_status grow(struct xl_search *search, struct xl_err *err)
{
    size_t room = search->record_room ? search->record_room * 2 : FIRST_ROOM;
    uint32_t *slots = xl_alloc_zero(room * 2, sizeof *slots);
    struct xl_record *records = xl_realloc(
        search->records, search->record_room * sizeof *search->records,
        room * sizeof *search->records);
    if (records)
        search->records = records;
    if (!slots || !records || room >= UINT32_MAX / 2) {
        xl_free(slots);
        return xl_fail(err, XL_ENOMEM, "no memory for %zu points", room);
    }
    xl_free(search->slots);
    search->slots = slots;
    search->n_slots = room * 2;
    search->record_room = room;
    for (size_t i = 0; i < search->n_records; i++)
        enter(search, (uint32_t)i);
    return XL_OK;
}

enum xl_status xl_search_add(struct xl_search *search, uint64_t code,
                             uint32_t *index, struct xl_err *err)
{
    *index = xl_search_find(search, code);
    if (*index != XL_SEARCH_UNKNOWN)
        return XL_OK;
    if (search->n_records == search->record_room)
        XL_TRY(grow(search, err));
    *index = (uint32_t)search->n_records++;
    search->records[*index] =
        (struct xl_record){ .code = code, .number = SIZE_MAX };
    enter(search, *index);
    return XL_OK;
}

/* -- what earlier runs know ----------------------------------------------- */

/* The first past that is not before the code. */
static size_t place_of(const struct xl_search *search, uint64_t code)
{
    size_t lo = 0, hi = search->n_pasts;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (search->pasts[middle].code < code)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

const struct xl_past *xl_search_past(const struct xl_search *search,
                                     uint64_t code)
{
    size_t at = place_of(search, code);
    bool is_there = at < search->n_pasts && search->pasts[at].code == code;
    return is_there ? &search->pasts[at].past : NULL;
}

bool xl_search_shuns(const struct xl_search *search, uint64_t code)
{
    const struct xl_past *past = xl_search_past(search, code);
    return (past && past->has_failed && past->weight >= shunned) ||
           xl_search_knows(search, code);
}

enum xl_status xl_search_recall(struct xl_search *search, uint64_t code,
                                const struct xl_past *past, struct xl_err *err)
{
    size_t at = place_of(search, code), n = search->n_pasts;
    struct xl_past_row *rows = search->pasts;
    search->has_warnings |= past->has_failed;
    if (at < n && rows[at].code == code) {
        double known = rows[at].past.weight;
        if (known < past->weight || (known <= past->weight && past->has_failed))
            rows[at].past = *past;
        return XL_OK;
    }
    rows = xl_realloc(rows, n * sizeof *rows, (n + 1) * sizeof *rows);
    if (!rows)
        return xl_fail(err, XL_ENOMEM, "no memory for %zu points", n + 1);
    memmove(rows + at + 1, rows + at, (n - at) * sizeof *rows);
    rows[at] = (struct xl_past_row){ .code = code, .past = *past };
    search->pasts = rows;
    search->n_pasts++;
    return XL_OK;
}

/* -- drawing -------------------------------------------------------------- */

static enum xl_status list_rest(struct xl_search *search, struct xl_err *err)
{
    const struct xl_space *space = search->space;
    uint32_t point[XL_SPACE_DIMS];
    uint64_t count = xl_space_count(space), left = count - search->n_records;
    search->rest = xl_alloc_zero((size_t)left, sizeof *search->rest);
    if (!search->rest)
        return xl_fail(err, XL_ENOMEM, "no memory for %llu points",
                       (unsigned long long)left);
    search->has_rest = true;
    for (uint64_t i = 0; i < count; i++) {
        xl_space_at(space, i, point);
        uint64_t code = xl_space_code(space, point);
        if (!xl_search_knows(search, code))
            search->rest[search->n_rest++] = code;
    }
    return XL_OK;
}

static void draw_rest(struct xl_search *search, struct xl_ask *ask)
{
    while (search->n_rest) {
        size_t i = (size_t)xl_rng_below(&search->draws, search->n_rest);
        uint64_t code = search->rest[i];
        search->rest[i] = search->rest[--search->n_rest];
        if (!xl_search_knows(search, code)) {
            xl_space_decode(search->space, code, ask->point);
            return;
        }
    }
    ask->end = XL_ASK_SPACE;
}

enum xl_status xl_search_draw(struct xl_search *search, struct xl_ask *ask,
                              struct xl_err *err)
{
    const struct xl_space *space = search->space;
    bool is_counted = xl_space_is_counted(space);
    ask->how = "uniform";
    ask->n_parents = 0;
    search->source = XL_SOURCE_DRAWN;
    if (is_counted && !search->has_rest &&
        search->n_records >= xl_space_count(space) / 2)
        XL_TRY(list_rest(search, err));
    if (search->has_rest) {
        draw_rest(search, ask);
        return XL_OK;
    }
    for (size_t i = 0; is_counted || i < DRAWS; i++) {
        if (!xl_space_sample(space, &search->draws, ask->point))
            break;
        if (!xl_search_knows(search, xl_space_code(space, ask->point)))
            return XL_OK;
    }
    ask->end = XL_ASK_SPACE;
    return XL_OK;
}

static const struct xl_hint_row *best_hint(const struct xl_search *search,
                                           uint32_t group)
{
    const struct xl_hint_row *best = NULL;
    for (size_t i = 0; i < search->n_hints; i++) {
        const struct xl_hint_row *row = &search->hints[i];
        if (row->group == group && (!best || row->value > best->value) &&
            !xl_search_shuns(search, row->code))
            best = row;
    }
    return best;
}

bool xl_search_hinted(struct xl_search *search, struct xl_ask *ask)
{
    const struct xl_hint_row *row = NULL;
    bool is_early = search->n_hints && search->asked < HINTED_UNTIL;
    while (!row && is_early && search->hinted < HINTED)
        row = best_hint(search, search->hinted++ % XL_STRATEGY_GROUPS);
    if (!row)
        return false;
    xl_space_decode(search->space, row->code, ask->point);
    search->source = XL_SOURCE_HINTED;
    ask->how = "hinted";
    return true;
}

/* Insertion into a short sorted list. */
size_t xl_search_best(const struct xl_search *search, size_t most, size_t end,
                      uint32_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < end; i++) {
        if (!xl_record_is_ok(&search->records[i]))
            continue;
        double value = search->records[i].outcome.values[0];
        size_t at = n;
        while (at > 0 && search->records[out[at - 1]].outcome.values[0] < value)
            at--;
        if (at == most)
            continue;
        n += n < most;
        memmove(out + at + 1, out + at, (n - at - 1) * sizeof *out);
        out[at] = (uint32_t)i;
    }
    return n;
}

size_t xl_search_generations(const struct xl_strategy_options *options)
{
    size_t product;
    return xl_mul_size(options->population, options->generations, &product)
               ? product
               : SIZE_MAX;
}

enum xl_status xl_search_check_population(const struct xl_search *search,
                                          size_t most, struct xl_err *err)
{
    size_t population = search->options.population;
    if (population >= 2 && population <= most)
        return XL_OK;
    return xl_fail(err, XL_EUSAGE,
                   "a population of %zu is not possible; "
                   "it has 2 to %zu members",
                   population, most);
}

void xl_search_release(struct xl_search *search)
{
    xl_free(search->records);
    xl_free(search->slots);
    xl_free(search->rest);
    xl_free(search->queue);
    xl_free(search->hints);
    xl_free(search->pasts);
    *search = (struct xl_search){ 0 };
}
