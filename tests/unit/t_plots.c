/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/rng.h"
#include "plots/chart.h"
#include "plots/record.h"
#include "plots/grouping.h"
#include "tests/unit/run_fixture.h"
#include "tests/harness/test.h"

#define NONE ((double)NAN)

/* -- medians and groups --------------------------------------------------- */

/* Confidence that the k-th smallest and largest of n bracket the median,
 * counted out over all sign patterns. */
static double coverage(size_t n, size_t k)
{
    size_t inside = 0, all = (size_t)1 << n;
    for (size_t signs = 0; signs < all; signs++) {
        size_t below = 0;
        for (size_t i = 0; i < n; i++)
            below += signs >> i & 1;
        inside += below >= k && below <= n - k;
    }
    return (double)inside / (double)all;
}

static void rank_covers_95_percent(struct xl_test *t)
{
    XL_CHECK_EQ(t, xl_grouping_rank(0), 0);
    for (size_t n = 1; n <= 16; n++) {
        size_t k = xl_grouping_rank(n);
        XL_CHECK(t, k <= n / 2);
        XL_CHECK(t, k == 0 || coverage(n, k) >= 0.95);
        /* The next one in would be too narrow: the interval is no wider than
         * it must be, and a rule that always gave up would fail here. */
        XL_CHECK(t, coverage(n, k + 1) < 0.95);
    }
    XL_CHECK_EQ(t, xl_grouping_rank(6), 1);
    XL_CHECK_EQ(t, xl_grouping_rank(100), 40); /* published tables */
    XL_CHECK(t, xl_grouping_rank(1001) >= 468 && xl_grouping_rank(1001) <= 470);
}

static void medians_are_right(struct xl_test *t)
{
    double odd[] = { 5, 1, 3 }, even[] = { 4, 1, 3, 2 };
    double seven[] = { 7, 1, 6, 2, 5, 3, 4 };
    struct xl_grouping_median m = xl_grouping_median_of(odd, 3);
    XL_CHECK_NEAR(t, m.median, 3, 0);
    XL_CHECK(t, isnan(m.lo) && isnan(m.hi));
    XL_CHECK_NEAR(t, xl_grouping_median_of(even, 4).median, 2.5, 0);
    m = xl_grouping_median_of(seven, 7);
    XL_CHECK_NEAR(t, m.median, 4, 0);
    XL_CHECK_NEAR(t, m.lo, 1, 0);
    XL_CHECK_NEAR(t, m.hi, 7, 0);
    XL_CHECK(t, isnan(xl_grouping_median_of(NULL, 0).median));
}

static void groups_by_value(struct xl_test *t)
{
    const struct xl_grouping_item items[] = {
        { 64, 10, 9, 11 },  { 16, 4, 3, 5 },         { 64, 30, 28, 33 },
        { 64, 20, 19, 21 }, { NONE, 7, NONE, NONE }, { 32, NONE, NONE, NONE },
        { 16, 8, 7, 9 },
    };
    const size_t n = sizeof items / sizeof *items;
    struct xl_arena arena;
    struct xl_grouping table;
    struct xl_err err = { 0 };
    xl_arena_init(&arena, 0);
    XL_CHECK_STATUS(t, xl_grouping_make(&table, items, n, 12, &arena, &err),
                    XL_OK, &err);
    if (XL_CHECK_EQ(t, table.n_groups, 4)) {
        const struct xl_grouping_group *g = table.groups;
        XL_CHECK(t, g[0].from == 16 && g[0].to == 16 && g[0].n == 2);
        XL_CHECK(t, g[0].median == 6 && g[0].max == 8);
        XL_CHECK(t, g[1].from == 32 && g[1].n == 0 && isnan(g[1].max));
        XL_CHECK(t, g[2].n == 3 && g[2].median == 20 && g[2].max == 30);
        XL_CHECK(t, g[2].max_lo == 28 && g[2].max_hi == 33);
        XL_CHECK(t, isnan(g[3].from) && g[3].n == 1 && g[3].max == 7);
        XL_CHECK_EQ(t, table.group_of[2], 2);
        XL_CHECK_EQ(t, table.group_of[4], 3);
    }
    xl_arena_release(&arena);
}

/* Whatever the keys: groups are few, ordered, disjoint and count everything. */
static void ranges_hold_every_key(struct xl_test *t)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, 5);
    for (size_t round = 0; round < 40; round++) {
        struct xl_grouping_item items[200];
        struct xl_arena arena;
        struct xl_grouping table;
        struct xl_err err = { 0 };
        uint64_t low = xl_rng_below(&rng, 50), span = round * round + 1;
        size_t total = 0;
        xl_arena_init(&arena, 0);
        for (size_t i = 0; i < 200; i++)
            items[i] = (struct xl_grouping_item){
                (double)(low + xl_rng_below(&rng, span)), 1, NONE, NONE
            };
        XL_CHECK_STATUS(t,
                        xl_grouping_make(&table, items, 200, 12, &arena, &err),
                        XL_OK, &err);
        for (size_t g = 0; g < table.n_groups; g++) {
            total += table.groups[g].n;
            XL_CHECK(t, table.groups[g].from <= table.groups[g].to);
            XL_CHECK(t,
                     g == 0 || table.groups[g - 1].to < table.groups[g].from);
        }
        XL_CHECK_EQ(t, total, 200);
        XL_CHECK(t, table.n_groups <= 13);
        for (size_t i = 0; i < 200; i++) {
            const struct xl_grouping_group *g =
                &table.groups[table.group_of[i]];
            XL_CHECK(t, g->from <= items[i].key && items[i].key <= g->to);
        }
        xl_arena_release(&arena);
    }
}

static void labels_name_groups(struct xl_test *t)
{
    static const char *const values[] = { "0", "64", "65\342\200\223127" };
    const char *labels[] = { values[0], values[1], values[2] };
    const struct xl_tunable by = { .name = "chunk_size",
                                   .labels = labels,
                                   .n_values = 3,
                                   .is_numeric = true };
    const struct xl_chart_by_value chart = { .by = &by };
    static const struct {
        double key;
        const char *label;
    } rows[] = {
        { 0, "auto" },
        { 1, "64" },
        { 2, "65\342\200\223127" },
        { NONE, "not read" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_grouping_group group = { .from = rows[i].key,
                                           .to = rows[i].key };
        XL_CHECK_TEXT(t, xl_chart_label(&chart, &group), rows[i].label);
    }
}

/* -- front ---------------------------------------------------------------- */

static bool is_beaten(const double *x, const double *y, size_t n, size_t i)
{
    for (size_t j = 0; j < n; j++)
        if (x[j] >= x[i] && y[j] >= y[i] && (x[j] > x[i] || y[j] > y[i]))
            return true;
    return false;
}

static void front_agrees_with_brute_force(struct xl_test *t)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, 9);
    for (size_t n = 0; n < 60; n++) {
        double x[60], y[60];
        size_t front[60], on[60] = { 0 };
        for (size_t i = 0; i < n; i++) { /* small numbers: many ties */
            x[i] = (double)xl_rng_below(&rng, 8);
            y[i] = i % 9 == 8 ? NONE : (double)xl_rng_below(&rng, 8);
        }
        size_t found = xl_grouping_front(x, y, n, front);
        for (size_t k = 0; k < found; k++) {
            on[front[k]] = 1;
            XL_CHECK(t, !isnan(y[front[k]]) && !is_beaten(x, y, n, front[k]));
            XL_CHECK(t, k == 0 || (x[front[k - 1]] < x[front[k]] &&
                                   y[front[k - 1]] > y[front[k]]));
        }
        for (size_t i = 0; i < n; i++) { /* none is missing but for ties */
            bool twin = false;
            for (size_t k = 0; k < found; k++)
                twin = twin || (x[front[k]] == x[i] && y[front[k]] == y[i]);
            XL_CHECK(t, on[i] || twin || isnan(y[i]) || is_beaten(x, y, n, i));
        }
    }
}

/* -- records -------------------------------------------------------------- */

static void record_knows_outcomes(struct xl_test *t)
{
    struct xl_record record;
    struct xl_err err = { 0 };
    xl_case_run(t, &(struct xl_run_fixture){ .n_trials = 40 });
    XL_CHECK_STATUS(t, xl_record_load(&record, t->dir, &err), XL_OK, &err);
    XL_CHECK_EQ(t, record.n_entries, 40);
    XL_CHECK_EQ(t, record.counts[XL_OUTCOME_FAILED], 3);
    XL_CHECK_EQ(t, record.counts[XL_OUTCOME_REJECTED], 5);
    XL_CHECK_EQ(t, record.counts[XL_OUTCOME_ACCEPTED], 32);
    const struct xl_entry *winner = xl_record_winner(&record);
    XL_CHECK(t, xl_record_reference(&record) == &record.entries[0]);
    XL_CHECK(t, winner && winner->outcome == XL_OUTCOME_ACCEPTED);
    for (size_t i = 0; winner && i < record.n_entries; i++)
        XL_CHECK(t, record.entries[i].outcome != XL_OUTCOME_ACCEPTED ||
                        record.entries[i].score <= winner->score);
    /* The reason stands only in trials.jsonl. */
    XL_CHECK_TEXT(t, record.entries[10].reason, "evaluator ended by signal 11");
    XL_CHECK(t, record.n_extras > 0);
    XL_CHECK_TEXT(t, record.extra_names[record.n_extras - 1], "gemm");
    xl_record_release(&record);
}

static void samples_give_intervals(struct xl_test *t)
{
    struct xl_record record;
    struct xl_err err = { 0 };
    xl_case_text(t, "summary.csv",
                 "backend,workers,heads_per_band,chunk_size,prefill_tok_s,"
                 "decode_tok_s,prefill_s,decode_s,id\n"
                 "parallel,2,4,64,100,10,5,6,a\nparallel,2,4,32,90,9,5,6,b\n");
    xl_case_text(t, "samples.csv",
                 "trial,phase,tok_s\na,decode,7\na,decode,12\na,decode,9\n"
                 "a,prefill,100\na,decode,10\na,decode,11\na,decode,8\n"
                 "zzz,decode,999\n");
    XL_CHECK_STATUS(t, xl_record_load(&record, t->dir, &err), XL_OK, &err);
    const double *v = record.entries[0].values;
    XL_CHECK_NEAR(t, v[XL_COLUMN_DECODE_LO], 7, 0);
    XL_CHECK_NEAR(t, v[XL_COLUMN_DECODE_HI], 12, 0);
    XL_CHECK(t, isnan(v[XL_COLUMN_PREFILL_LO]));
    XL_CHECK(t, isnan(record.entries[1].values[XL_COLUMN_N]));
    xl_record_release(&record);
}

static void lines_stand_in_for_the_summary(struct xl_test *t)
{
    struct xl_record record;
    struct xl_err err = { 0 };
    xl_case_text(t, "trials.jsonl",
                 "{\"backend\":\"queued\",\"workers\":null,\"chunk_size\":32,"
                 "\"decode_tok_s\":12.5,\"id\":7,\"status\":\"ok\","
                 "\"ci\":{\"decode_tok_s\":[12,13]},"
                 "\"quality\":{\"verdict\":\"fail\"}}\n\n"
                 "{\"backend\":\"queued\",\"status\":\"running\"}\n");
    XL_CHECK_STATUS(t, xl_record_load(&record, t->dir, &err), XL_OK, &err);
    if (XL_CHECK_EQ(t, record.n_entries, 2)) {
        const struct xl_entry *entry = &record.entries[0];
        XL_CHECK_TEXT(t, entry->id, "7");
        XL_CHECK_NEAR(t, entry->values[XL_COLUMN_DECODE_HI], 13, 0);
        XL_CHECK(t, isnan(entry->values[XL_COLUMN_WORKERS]));
        XL_CHECK(t, entry->outcome == XL_OUTCOME_REJECTED);
        XL_CHECK(t, record.entries[1].outcome == XL_OUTCOME_UNFINISHED);
    }
    xl_record_release(&record);
}

static void default_is_found_by_its_tunables(struct xl_test *t)
{
    struct xl_record record;
    struct xl_err err = { 0 };
    xl_case_text(t, "run_meta.json",
                 "{\"base\":{\"chunk_size\":64,\"workers\":0}}");
    xl_case_text(t, "trials.jsonl",
                 "{\"id\":1,\"origin\":\"uniform\","
                 "\"params\":{\"chunk_size\":64,\"workers\":1}}\n"
                 "{\"id\":2,\"origin\":\"suggested\","
                 "\"params\":{\"chunk_size\":64,\"workers\":2}}\n"
                 "{\"id\":3,\"origin\":\"suggested\","
                 "\"params\":{\"chunk_size\":64,\"workers\":3}}\n");
    XL_CHECK_STATUS(t, xl_record_load(&record, t->dir, &err), XL_OK, &err);
    XL_CHECK(t, xl_record_reference(&record) == &record.entries[1]);
    XL_CHECK(t, !record.entries[0].is_reference);
    XL_CHECK(t, !record.entries[2].is_reference);
    xl_record_release(&record);
}

static void newest_run_is_found(struct xl_test *t)
{
    static const char *const names[] = { "zeta_20240101_000000",
                                         "alpha_20250101_000001",
                                         "beta_20250101_000000_tag",
                                         "zz_no_run_20300101_000000" };
    struct xl_err err = { 0 };
    char path[512], *dir = NULL;
    XL_CHECK_STATUS(t, xl_record_locate(NULL, t->dir, &dir, &err), XL_ENOTFOUND,
                    &err);
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", t->dir, names[i]);
        XL_CHECK_STATUS(t, xl_io_make_dirs(path, &err), XL_OK, &err);
        snprintf(path, sizeof path, "%s/summary.csv", names[i]);
        if (i < 3)
            xl_case_text(t, path, "backend\n");
    }
    snprintf(path, sizeof path, "%s//", t->dir);
    XL_CHECK_STATUS(t, xl_record_locate(NULL, path, &dir, &err), XL_OK, &err);
    XL_CHECK(t, dir && strstr(dir, names[1]));
    xl_free(dir);
    XL_CHECK_STATUS(t, xl_record_locate(names[0], t->dir, &dir, &err), XL_OK,
                    &err);
    xl_free(dir);
    XL_CHECK_STATUS(t, xl_record_locate("nothing", t->dir, &dir, &err),
                    XL_ENOTFOUND, &err);
    XL_CHECK(t, dir == NULL && strstr(err.message, "'nothing'"));
}

/* -- damage --------------------------------------------------------------- */

static void damage_is_named(struct xl_test *t)
{
    static const struct {
        const char *file, *text;
    } rows[] = {
        { "summary.csv", "" },
        { "summary.csv", "backend,workers\na\n" },
        { "summary.csv", "backend,workers\na,many\n" },
        { "summary.csv", "backend,workers\n\"a,1\n" },
        { "trials.jsonl", "{\"id\":1}\n{\"id\":\n" },
        { "trials.jsonl", "[1]\n" },
        { "samples.csv", "id,phase,tok_s\n1,decode\n" },
        { "ratings.csv", "file,ppl\nx\n" },
        { "best.json", "{\"params\":" },
        { "best.json", "[]" },
        { "run_meta.json", "{\"a\":1,\"a\":2}" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_err err = { 0 };
        struct xl_record record;
        xl_case_run(t, &(struct xl_run_fixture){ .n_trials = 3 });
        xl_case_text(t, rows[i].file, rows[i].text);
        XL_CHECK_STATUS(t, xl_record_load(&record, t->dir, &err), XL_EFORMAT,
                        &err);
        XL_CHECK(t, strstr(err.message, rows[i].file) != NULL);
    }
}

/* Any prefix of any file, and any byte flipped, loads or fails cleanly. */
static void truncation_is_survived(struct xl_test *t)
{
    static const char *const files[] = { "summary.csv", "trials.jsonl",
                                         "samples.csv", "ratings.csv",
                                         "best.json",   "run_meta.json" };
    xl_case_run(t, &(struct xl_run_fixture){ .n_trials = 3 });
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        struct xl_buf whole;
        xl_case_read(t, files[f], &whole);
        for (size_t i = 0; i < 80; i++) {
            struct xl_err err = { 0 };
            struct xl_record record;
            size_t at = i * whole.len / 80;
            char kept = whole.data[at];
            if (i % 2)
                whole.data[at] = (char)(kept ^ 0x24);
            xl_case_write(t, files[f], whole.data, i % 2 ? whole.len : at);
            whole.data[at] = kept;
            enum xl_status rc = xl_record_load(&record, t->dir, &err);
            XL_CHECK(t, rc == XL_OK || err.message[0] != '\0');
            if (rc == XL_OK)
                xl_record_release(&record);
        }
        xl_case_write(t, files[f], whole.data, whole.len);
        xl_buf_release(&whole);
    }
}

const struct xl_test_case xl_suite_plots[] = {
    XL_CASE(rank_covers_95_percent),
    XL_CASE(medians_are_right),
    XL_CASE(groups_by_value),
    XL_CASE(ranges_hold_every_key),
    XL_CASE(labels_name_groups),
    XL_CASE(front_agrees_with_brute_force),
    XL_CASE(record_knows_outcomes),
    XL_CASE(samples_give_intervals),
    XL_CASE(lines_stand_in_for_the_summary),
    XL_CASE(default_is_found_by_its_tunables),
    XL_CASE(newest_run_is_found),
    XL_CASE(damage_is_named),
    XL_CASE(truncation_is_survived),
    { 0 },
};
