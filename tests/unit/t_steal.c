/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdlib.h>

#include "kernel/base/steal.h"
#include "tests/harness/test.h"

enum {
    WORKERS = 8,
    STEPS = 300
};

struct fixture {
    struct xl_steal spans[WORKERS];
    struct xl_steal_round round;
    atomic_uint taken[STEPS + 1]; /* how often; one more, never */
};

static void begin(struct fixture *f, size_t workers, size_t steps)
{
    f->round.spans = f->spans;
    f->round.number++;
    f->round.workers = workers;
    f->round.unit = 1 + f->round.number % 5;
    f->round.steps = steps;
    for (size_t i = 0; i <= STEPS; i++)
        atomic_store(&f->taken[i], 0);
}

static void count(struct fixture *f, struct xl_span piece)
{
    for (size_t i = piece.begin; i < piece.end; i++)
        atomic_fetch_add(&f->taken[i < STEPS ? i : STEPS], 1);
}

static void take_all(void *ctx, size_t worker)
{
    struct fixture *f = ctx;
    struct xl_span piece;
    while (xl_steal_take(&f->round, worker, &piece))
        count(f, piece);
}

static bool is_each_once(const struct fixture *f)
{
    for (size_t i = 0; i <= STEPS; i++)
        if (atomic_load(&f->taken[i]) != (i < f->round.steps))
            return false;
    return true;
}

static void owners_go_through_their_span_in_order(struct xl_test *t)
{
    struct fixture f = { 0 };
    struct xl_span mine, piece;
    begin(&f, 2, 101);
    mine = xl_span_of(101, 2, 1);
    for (size_t at = mine.begin; at < mine.end; at = piece.end) {
        if (!XL_CHECK(t, xl_steal_take(&f.round, 1, &piece)))
            return;
        XL_CHECK_EQ(t, piece.begin, at);
        XL_CHECK(t, piece.begin < piece.end && piece.end <= mine.end);
    }
}

static void who_is_done_takes_from_the_back(struct xl_test *t)
{
    struct fixture f = { 0 };
    struct xl_span piece = { 0 }, own = xl_span_of(100, 2, 0);
    begin(&f, 2, 100);
    for (size_t left = own.end; left > 0; left -= piece.end - piece.begin)
        XL_CHECK(t, xl_steal_take(&f.round, 0, &piece));
    XL_CHECK_EQ(t, piece.end, own.end);
    XL_CHECK(t, xl_steal_take(&f.round, 0, &piece));
    XL_CHECK_EQ(t, piece.end, 100);
    XL_CHECK(t, piece.begin > own.end);
    XL_CHECK(t, xl_steal_take(&f.round, 1, &piece));
    XL_CHECK_EQ(t, piece.begin, own.end);
}

/* One after the other, as when the first has to do all parts. */
static void every_step_has_one_taker(struct xl_test *t)
{
    static const size_t steps[] = { 0, 1, 2, 3, 15, 16, 17, 97, STEPS };
    struct fixture f = { 0 };
    for (size_t workers = 1; workers <= WORKERS; workers++)
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
            begin(&f, workers, steps[i]);
            for (size_t w = 0; w < workers; w++)
                take_all(&f, (w + i) % workers);
            XL_CHECK(t, is_each_once(&f));
            take_all(&f, 0);
            XL_CHECK(t, is_each_once(&f));
        }
}

static void threads_share_every_round(struct xl_test *t)
{
    static const size_t widths[] = { 2, 3, WORKERS };
    size_t rounds = getenv("XL_TEST_SMALL") ? 200 : 2000;
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        struct fixture f = { 0 };
        struct xl_pool *pool;
        struct xl_err err = { 0 };
        size_t wrong = 0;
        const struct xl_pool_options options = { .width = widths[i] };
        XL_CHECK_STATUS(t, xl_pool_make(&pool, &options, &err), XL_OK, &err);
        for (size_t r = 0; r < rounds; r++) {
            begin(&f, widths[i], r % (STEPS + 1));
            xl_pool_step(pool, widths[i], take_all, NULL, &f);
            wrong += !is_each_once(&f);
        }
        XL_CHECK_EQ(t, wrong, 0);
        xl_pool_free(pool);
    }
}

const struct xl_test_case xl_suite_steal[] = {
    XL_CASE(owners_go_through_their_span_in_order),
    XL_CASE(who_is_done_takes_from_the_back),
    XL_CASE(every_step_has_one_taker),
    XL_CASE(threads_share_every_round),
    { 0 },
};
