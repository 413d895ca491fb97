/* SPDX-License-Identifier: Apache-2.0
 *
 * Spaces against brute force over the cartesian product, constraints against
 * the same sums done by the compiler, and sweeps with rules of their own. */
#include <math.h>
#include <string.h>

#include "kernel/base/buf.h"
#include "tests/harness/test.h"
#include "tests/unit/uniform.h"
#include "tuner/space/expr.h"
#include "tuner/space/space.h"

/* -- members -------------------------------------------------------------- */

static const double places[700];
static const char *const labels[700];

static struct xl_dim dim_of(enum xl_dim_kind kind, uint32_t n)
{
    return (struct xl_dim){
        .name = "d", .kind = kind, .n = n, .at = places, .labels = labels
    };
}

static bool fits(void *ctx, const uint32_t *point)
{
    (void)ctx;
    return (3 * point[0] + point[1]) % 5 != 2;
}

/* The second dimension is inert where the first is even. */
static void settle(void *ctx, uint32_t *point)
{
    (void)ctx;
    if (point[0] % 2 == 0)
        point[1] = 1;
}

static bool is_member(const uint32_t *point)
{
    return fits(NULL, point) && (point[0] % 2 || point[1] == 1);
}

static struct xl_space *make(struct xl_test *t, const uint32_t n[3])
{
    struct xl_dim dims[] = { dim_of(XL_DIM_ORDERED, n[0]),
                             dim_of(XL_DIM_NOMINAL, n[1]),
                             dim_of(XL_DIM_ORDERED, n[2]) };
    struct xl_space *space = NULL;
    struct xl_err err = { 0 };
    enum xl_status rc =
        xl_space_make(&space,
                      &(struct xl_space_options){
                          .dims = dims,
                          .n_dims = 3,
                          .rules = { .legal = fits, .canonical = settle } },
                      &err);
    XL_CHECK_STATUS(t, rc, XL_OK, &err);
    return space;
}

/* The same members given as a list. */
static struct xl_space *make_listed(struct xl_test *t, const uint32_t n[3])
{
    static uint64_t codes[4096];
    struct xl_dim dims[] = { dim_of(XL_DIM_ORDERED, n[0]),
                             dim_of(XL_DIM_NOMINAL, n[1]),
                             dim_of(XL_DIM_ORDERED, n[2]) };
    struct xl_space *space = NULL;
    size_t m = 0;
    for (uint64_t c = (uint64_t)n[0] * n[1] * n[2]; c-- > 0;) {
        uint32_t point[] = { (uint32_t)(c / n[2] / n[1]),
                             (uint32_t)(c / n[2] % n[1]),
                             (uint32_t)(c % n[2]) };
        if (is_member(point))
            codes[m++] = c;
    }
    XL_CHECK_EQ(t,
                xl_space_make(&space,
                              &(struct xl_space_options){ .dims = dims,
                                                          .n_dims = 3,
                                                          .members = codes,
                                                          .n_members = m },
                              NULL),
                XL_OK);
    return space;
}

static void walk(struct xl_test *t, const struct xl_space *space)
{
    uint32_t point[XL_SPACE_DIMS], again[XL_SPACE_DIMS];
    uint64_t seen = 0;
    size_t wrong = 0;
    for (uint64_t code = 0; code < xl_space_raw(space); code++) {
        xl_space_decode(space, code, point);
        wrong += xl_space_code(space, point) != code;
        wrong += xl_space_has(space, point) != is_member(point);
        if (!is_member(point)) {
            wrong += xl_space_index(space, point) != XL_SPACE_NONE;
            continue;
        }
        wrong += xl_space_index(space, point) != seen;
        xl_space_at(space, seen++, again);
        wrong += xl_space_code(space, again) != code;
    }
    XL_CHECK_EQ(t, wrong, 0);
    XL_CHECK_EQ(t, xl_space_count(space), seen);
}

static void members_agree_with_brute_force(struct xl_test *t)
{
    /* Products around the sizes of words and blocks of bits. */
    static const uint32_t sizes[][3] = {
        { 1, 3, 1 }, { 7, 9, 1 },   { 8, 8, 1 },  { 5, 13, 1 }, { 7, 73, 1 },
        { 8, 8, 8 }, { 27, 19, 1 }, { 32, 8, 4 }, { 4, 5, 41 }, { 7, 6, 96 },
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct xl_space *space = make(t, sizes[i]);
        struct xl_space *listed = make_listed(t, sizes[i]);
        walk(t, space);
        walk(t, listed);
        xl_space_free(space);
        xl_space_free(listed);
    }
}

static void samples_are_uniform(struct xl_test *t)
{
    static size_t counts[4096];
    struct xl_space *space = make(t, (const uint32_t[]){ 9, 7, 5 });
    size_t n = (size_t)xl_space_count(space);
    struct xl_rng rng;
    uint32_t point[XL_SPACE_DIMS];
    memset(counts, 0, sizeof counts);
    xl_rng_seed(&rng, 5);
    for (size_t i = 0; i < 100 * n; i++) {
        XL_CHECK(t, xl_space_sample(space, &rng, point));
        counts[xl_space_index(space, point)]++;
    }
    XL_CHECK(t, fabs(xl_test_deviate(counts, n)) < 4);
    /* Drawing raw points and making them canonical is not uniform. */
    memset(counts, 0, sizeof counts);
    for (size_t i = 0; i < 100 * n;) {
        xl_space_decode(space, xl_rng_below(&rng, xl_space_raw(space)), point);
        if (!xl_space_canonical(space, point))
            continue;
        counts[xl_space_index(space, point)]++;
        i++;
    }
    XL_CHECK(t, xl_test_deviate(counts, n) > 4);
    xl_space_free(space);
}

static bool lists(const uint64_t *codes, size_t n, uint64_t code)
{
    size_t times = 0;
    for (size_t i = 0; i < n; i++)
        times += codes[i] == code;
    return times == 1;
}

/* For every point, every member is asked whether it is a neighbour, by the
 * definition. */
static void neighbours_follow_the_definition(struct xl_test *t)
{
    struct xl_space *space = make(t, (const uint32_t[]){ 6, 5, 4 });
    uint64_t codes[64];
    uint32_t a[XL_SPACE_DIMS], b[XL_SPACE_DIMS], c[XL_SPACE_DIMS];
    size_t wrong = 0;
    XL_CHECK_EQ(t, xl_space_degree(space), 12);
    for (uint64_t i = 0; i < xl_space_raw(space); i++) {
        xl_space_decode(space, i, a); /* members and others */
        size_t n = xl_space_neighbours(space, a, XL_NEAR_HAMMING, codes);
        size_t want = 0;
        for (uint64_t j = 0; j < xl_space_count(space); j++) {
            xl_space_at(space, j, b);
            bool is_near = false;
            for (size_t d = 0; d < 3; d++) {
                memcpy(c, a, sizeof c);
                c[d] = b[d];
                is_near |= c[d] != a[d] && xl_space_canonical(space, c) &&
                           memcmp(b, c, 3 * sizeof *b) == 0;
            }
            want += is_near;
            wrong += lists(codes, n, xl_space_code(space, b)) != is_near;
        }
        wrong += n != want;
        n = xl_space_neighbours(space, a, XL_NEAR_ADJACENT, codes);
        for (size_t k = 0; k < n; k++) {
            xl_space_decode(space, codes[k], b);
            wrong += !is_member(b) || codes[k] == xl_space_code(space, a);
            wrong += b[2] > a[2] + 1 || b[2] + 1 < a[2];
        }
    }
    XL_CHECK_EQ(t, wrong, 0);
    xl_space_free(space);
}

/* Members 0 and 9 of a line with nothing between are adjacent. */
static void adjacent_steps_over_holes(struct xl_test *t)
{
    struct xl_dim dim = dim_of(XL_DIM_ORDERED, 10);
    struct xl_space *space = NULL;
    uint64_t members[] = { 9, 0 }, near[9];
    xl_space_make(
        &space,
        &(struct xl_space_options){
            .dims = &dim, .n_dims = 1, .members = members, .n_members = 2 },
        NULL);
    XL_CHECK_EQ(t,
                xl_space_neighbours(space, (const uint32_t[]){ 0 },
                                    XL_NEAR_ADJACENT, near),
                1);
    XL_CHECK_EQ(t, near[0], 9);
    xl_space_free(space);
}

static void repair_gives_members(struct xl_test *t)
{
    struct xl_space *space = make(t, (const uint32_t[]){ 6, 5, 4 });
    struct xl_rng rng;
    size_t wrong = 0;
    xl_rng_seed(&rng, 2);
    for (uint64_t code = 0; code < xl_space_raw(space); code++) {
        uint32_t point[XL_SPACE_DIMS], moved[XL_SPACE_DIMS];
        xl_space_decode(space, code, point);
        memcpy(moved, point, sizeof moved);
        wrong += !xl_space_repair(space, &rng, moved) || !is_member(moved);
        if (is_member(point))
            wrong += xl_space_code(space, moved) != code;
    }
    XL_CHECK_EQ(t, wrong, 0);
    xl_space_free(space);
}

static bool never(void *ctx, const uint32_t *point)
{
    (void)ctx;
    (void)point;
    return false;
}

static void impossible_spaces_are_refused(struct xl_test *t)
{
    struct xl_dim dims[8];
    struct xl_space *space = NULL;
    struct xl_space_options o = { .dims = dims, .n_dims = 8 };
    uint64_t twice[] = { 3, 4, 3 };
    struct xl_err err = { 0 };
    for (size_t d = 0; d < 8; d++)
        dims[d] = dim_of(XL_DIM_ORDERED, 600);
    XL_CHECK_EQ(t, xl_space_make(&space, &o, &err), XL_EUSAGE);
    XL_CHECK(t, strstr(err.message, "2^62"));
    o.n_dims = 0;
    XL_CHECK_EQ(t, xl_space_make(&space, &o, &err), XL_EUSAGE);
    o.n_dims = 2;
    o.rules.legal = never;
    XL_CHECK_EQ(t, xl_space_make(&space, &o, &err), XL_EUSAGE);
    XL_CHECK(t, strstr(err.message, "legal"));
    o.n_dims = 5; /* too large to be walked: given up after many draws */
    XL_CHECK_EQ(t, xl_space_make(&space, &o, &err), XL_EUSAGE);
    o.members = twice;
    o.n_members = 3;
    XL_CHECK_EQ(t, xl_space_make(&space, &o, &err), XL_EUSAGE);
    XL_CHECK(t, strstr(err.message, "twice"));
    dims[1].n = 0;
    XL_CHECK_EQ(t, xl_space_make(&space, &o, &err), XL_EUSAGE);
}

/* -- constraints ---------------------------------------------------------- */

enum {
    NAME_A,
    NAME_B,
    NAME_WORD,
    NAME_GONE,
    NAMES
};
static const char *const names[NAMES] = { "alpha", "beta", "word", "gone" };

static enum xl_value_kind find_name(void *ctx, const char *name, size_t *id)
{
    (void)ctx;
    for (*id = 0; *id < NAMES; ++*id)
        if (strcmp(name, names[*id]) == 0)
            return *id == NAME_WORD ? XL_VALUE_TEXT : XL_VALUE_NUMBER;
    return XL_VALUE_UNKNOWN;
}

static enum xl_status takes(void *ctx, size_t id, const char *text,
                            struct xl_err *err)
{
    (void)ctx;
    (void)id;
    if (strcmp(text, "red") == 0 || strcmp(text, "blue") == 0)
        return XL_OK;
    return xl_fail(err, XL_EUSAGE, "'%s' is no colour", text);
}

/* alpha 6, beta 4, word red, gone unknown. */
static struct xl_value get_name(void *ctx, size_t id)
{
    struct xl_value v = { .kind = XL_VALUE_NUMBER };
    (void)ctx;
    v.number = id == NAME_A ? 6 : 4;
    if (id == NAME_WORD)
        v = (struct xl_value){ .kind = XL_VALUE_TEXT, .text = "red" };
    if (id == NAME_GONE)
        v = (struct xl_value){ 0 };
    return v;
}

static enum xl_status parse(struct xl_arena *arena, const char *text,
                            const struct xl_expr **expr, struct xl_err *err)
{
    struct xl_expr_names n = {
        .find = find_name, .takes = takes, .all = names, .n_all = NAMES
    };
    return xl_expr_parse(expr, text, &n, arena, err);
}

enum {
    UNKNOWN = -99
};

static void expressions_give_their_values(struct xl_test *t)
{
    /* The right column is computed by the compiler where C means the same. */
    const double alpha = 6, beta = 4;
    const struct {
        const char *text;
        double want;
    } rows[] = {
        { "1 + 2 * 3", 1 + 2 * 3 },
        { "(1 + 2) * 3", (1 + 2) * 3 },
        { "2 - 3 - 4", 2 - 3 - 4 },
        { "100 / 5 / 2", 10 },
        { "7 % 4 + 7.5 % 2", 3 + 1.5 },
        { "-alpha + -(-beta)", -alpha + beta },
        { "alpha <= 2 * beta", alpha <= 2 * beta },
        { "alpha < beta or beta < alpha", 1 },
        { "alpha<beta", alpha < beta },
        { "alpha != 6", 0 },
        { "not alpha == 6", 0 },
        { "not not 3", 1 },
        { "not 0 and 0", 0 },
        { "1 or 0 and 0", 1 },
        { "(1 or 0) and 0", 0 },
        { "true == 1 and false == 0", 1 },
        { "word == 'red'", 1 },
        { "\"blue\" == word", 0 },
        { "word != 'blue' and alpha >= 6", 1 },
        { "'a' == 'b'", 0 },
        { "1 / 0 > 0", 0 },
        { "1 % 0 == 1 % 0", 0 },
        { "gone", UNKNOWN },
        { "gone + 1 < 5", UNKNOWN },
        { "not gone", UNKNOWN },
        { "gone and 0", 0 },
        { "0 and gone", 0 },
        { "gone and 1", UNKNOWN },
        { "1 or gone", 1 },
        { "gone or 1", 1 },
        { "gone or 0", UNKNOWN },
        { "1e3 == 1000 and .5 + .5 == 1", 1 },
    };
    struct xl_arena arena;
    xl_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct xl_expr *expr = NULL;
        struct xl_err err = { 0 };
        enum xl_status rc = parse(&arena, rows[i].text, &expr, &err);
        XL_CHECK_STATUS(t, rc, XL_OK, &err);
        if (rc != XL_OK)
            continue;
        struct xl_value v = xl_expr_eval(expr, get_name, NULL);
        double got = v.kind == XL_VALUE_UNKNOWN ? UNKNOWN : v.number;
        xl_test_check_near(t, got, rows[i].want, 0, __FILE__, __LINE__,
                           rows[i].text);
        XL_CHECK_EQ(t, xl_expr_holds(expr, get_name, NULL),
                    rows[i].want < 0 || rows[i].want > 0);
    }
    xl_arena_release(&arena);
}

static void faults_have_a_column(struct xl_test *t)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        { "", "column 1: expected" },
        { "1 +", "column 4: expected" },
        { "(1 + 2", "column 7: expected ')'" },
        { "1 2", "column 3: expected an operator" },
        { "alpha = 3", "column 7: '=' is no" },
        { "alhpa == 3", "column 1: no tunable is named 'alhpa'; nearest is "
                        "'alpha'" },
        { "1 < 2 < 3", "column 7: a comparison of" },
        { "word == 'green'", "column 6: 'green' is no colour" },
        { "word == 3", "column 6: a text is compared" },
        { "word < 'red'", "column 6: texts" },
        { "word + 1 == 2", "column 1: a text where" },
        { "not word", "column 4: a text where" },
        { "'red'", "column 1: a text where" },
        { "'red", "column 1: a text that" },
        { "3x", "column 1: a number" },
        { "1e999", "column 1: a number" },
        { "alpha & beta", "column 7: expected an operator" },
        { ")", "column 1: expected" },
    };
    struct xl_arena arena;
    xl_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct xl_expr *expr = NULL;
        struct xl_err err = { 0 };
        enum xl_status rc = parse(&arena, rows[i].text, &expr, &err);
        xl_test_check(t,
                      rc == XL_EUSAGE && strncmp(err.message, rows[i].message,
                                                 strlen(rows[i].message)) == 0,
                      __FILE__, __LINE__, "'%s' gives '%s'", rows[i].text,
                      err.message);
    }
    xl_arena_release(&arena);
}

static void deep_and_long_constraints_end(struct xl_test *t)
{
    static const char *const pieces[] = { "(", "not ", "-", "1+", "1 or " };
    for (size_t i = 0; i < 5; i++) {
        struct xl_arena arena;
        struct xl_buf text;
        const struct xl_expr *expr = NULL;
        struct xl_err err = { 0 };
        xl_arena_init(&arena, 0);
        xl_buf_init(&text, 0);
        while (text.len < (i < 3 ? 4000 : 3900))
            xl_buf_text(&text, pieces[i]);
        xl_buf_text(&text, "1");
        enum xl_status rc = parse(&arena, text.data, &expr, &err);
        XL_CHECK_STATUS(t, rc, i < 3 ? XL_EUSAGE : XL_OK, &err);
        if (rc == XL_OK)
            XL_CHECK(t, xl_expr_holds(expr, get_name, NULL));
        xl_buf_text(&text, "                                 ");
        while (text.len < 5000)
            xl_buf_text(&text, " ");
        XL_CHECK_EQ(t, parse(&arena, text.data, &expr, &err), XL_EUSAGE);
        xl_buf_release(&text);
        xl_arena_release(&arena);
    }
}

const struct xl_test_case xl_suite_space[] = {
    XL_CASE(members_agree_with_brute_force),
    XL_CASE(samples_are_uniform),
    XL_CASE(neighbours_follow_the_definition),
    XL_CASE(adjacent_steps_over_holes),
    XL_CASE(repair_gives_members),
    XL_CASE(impossible_spaces_are_refused),
    XL_CASE(expressions_give_their_values),
    XL_CASE(faults_have_a_column),
    XL_CASE(deep_and_long_constraints_end),
    { 0 },
};
