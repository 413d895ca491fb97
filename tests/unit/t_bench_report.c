/* SPDX-License-Identifier: Apache-2.0
 *
 * Duels and reports of bench on samples made here: what a verdict takes, and
 * every format read back by a reader that is not ours or is strict. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "kernel/base/csv.h"
#include "kernel/base/json.h"
#include "kernel/base/rng.h"
#include "tests/harness/test.h"
#include "tuner/measure/bench_duel.h"
#include "tuner/measure/bench_report.h"
#include "tuner/measure/bench_where.h"
#include "tuner/measure/host.h"
#include "tuner/measure/probe.h"

static struct xl_speeds speeds(double prefill, double decode, unsigned dirt)
{
    return (struct xl_speeds){ .tok_s = { { prefill, decode }, { 1.0, 1.0 } },
                               .dirt = dirt };
}

/* -- duels ---------------------------------------------------------------- */

/* A duel on noise with drift, side 0 `gain` times as fast. */
static void fake_duel(struct xl_duel *duel, double gain, size_t rounds,
                      uint64_t seed, double level, struct xl_test *t)
{
    struct xl_rng rng;
    struct xl_err err = { 0 };
    double drift = 1000;
    *duel = (struct xl_duel){ 0 };
    xl_rng_seed(&rng, seed);
    XL_CHECK_STATUS(t, xl_samples_init(&duel->samples, rounds, &err), XL_OK,
                    &err);
    for (size_t i = 0; i < rounds; i++) {
        struct xl_speeds row = { 0 };
        drift *= 1.0 + 0.03 * xl_rng_normal(&rng);
        for (size_t side = 0; side < XL_SIDES; side++)
            for (size_t k = 0; k < XL_SPEED_COUNT; k++)
                row.tok_s[side][k] = drift * (side == 0 ? gain : 1.0) *
                                     (1.0 + 0.01 * xl_rng_normal(&rng));
        xl_samples_add(&duel->samples, &row);
    }
    XL_CHECK_STATUS(t, xl_duel_estimate(duel, level, &err), XL_OK, &err);
}

static void duels_see_what_is_there(struct xl_test *t)
{
    static const struct {
        double gain;
        enum xl_duel_verdict verdict;
        enum xl_status status, strict;
    } rows[] = {
        { 1.10, XL_DUEL_FASTER, XL_OK, XL_OK },
        { 0.90, XL_DUEL_SLOWER, XL_ESLOWER, XL_ESLOWER },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_duel duel;
        struct xl_err err = { 0 };
        fake_duel(&duel, rows[i].gain, 16, 5, 0.95, t);
        for (size_t k = 0; k < XL_SPEED_COUNT; k++) {
            XL_CHECK_EQ(t, duel.verdicts[k], rows[i].verdict);
            XL_CHECK_NEAR(t, duel.ratio[k].median, rows[i].gain, 0.02);
        }
        XL_CHECK_EQ(t, xl_bench_duel_status(&duel, false, &err),
                    rows[i].status);
        XL_CHECK_EQ(t, xl_bench_duel_status(&duel, true, &err), rows[i].strict);
        xl_duel_release(&duel);
    }
}

/* Few rounds prove nothing, and strict says so. */
static void few_rounds_prove_nothing(struct xl_test *t)
{
    struct xl_duel duel;
    struct xl_err err = { 0 };
    fake_duel(&duel, 0.5, 5, 5, 0.95, t);
    XL_CHECK_EQ(t, duel.verdicts[0], XL_DUEL_UNRESOLVED);
    XL_CHECK_EQ(t, xl_bench_duel_status(&duel, false, &err), XL_OK);
    XL_CHECK_EQ(t, xl_bench_duel_status(&duel, true, &err), XL_EUNPROVED);
    for (size_t i = 0; i < duel.samples.n; i++)
        duel.samples.rows[i].dirt = 1;
    XL_CHECK_EQ(t, xl_bench_duel_status(&duel, true, &err), XL_EUNFIT);
    xl_duel_release(&duel);
    XL_CHECK_EQ(t, xl_status_exit_code(XL_ESLOWER), 6);
    XL_CHECK_EQ(t, xl_status_exit_code(XL_EUNPROVED), 7);
    XL_CHECK_EQ(t, xl_status_exit_code(XL_EUNFIT), 8);
}

/* A thing against itself: the rate of false verdicts stays below the level
 * promised, with room for chance. */
static void equals_are_seldom_called_unequal(struct xl_test *t)
{
    size_t wrong = 0, n = 300;
    for (size_t i = 0; i < n; i++) {
        struct xl_duel duel;
        fake_duel(&duel, 1.0, 16, 100 + i, 0.95, t);
        wrong += duel.verdicts[0] == XL_DUEL_FASTER ||
                 duel.verdicts[0] == XL_DUEL_SLOWER;
        xl_duel_release(&duel);
    }
    XL_CHECK(t, wrong <= n / 20 + 11); /* three standard deviations */
}

static void verdicts_have_edges(struct xl_test *t)
{
    static const struct {
        double lo, hi, coverage;
        enum xl_duel_verdict verdict;
    } rows[] = {
        { 1.001, 1.010, 0.96, XL_DUEL_FASTER },
        { 0.990, 0.999, 0.96, XL_DUEL_SLOWER },
        { 1.000, 1.010, 0.96, XL_DUEL_UNRESOLVED },
        { 0.996, 1.004, 0.96, XL_DUEL_EQUAL },
        { 1.001, 1.004, 0.96, XL_DUEL_EQUAL },
        { 1.200, 1.300, 0.90, XL_DUEL_UNRESOLVED },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_estimate e = { .median = 1,
                                 .lo = rows[i].lo,
                                 .hi = rows[i].hi,
                                 .coverage = rows[i].coverage,
                                 .n = 16 };
        XL_CHECK_EQ(t, xl_duel_verdict_of(&e, 0.95), rows[i].verdict);
    }
    size_t first[XL_SIDES] = { 0 };
    for (size_t i = 0; i < 64; i++)
        first[xl_round_first(i)]++;
    XL_CHECK_EQ(t, first[0], first[1]);
}

/* Together the looks of a duel err as often as one interval of 95 %. */
static void looks_share_one_error(struct xl_test *t)
{
    double x[64], error = 0;
    for (size_t look = 0; look < XL_LOOKS; look++) {
        size_t n = xl_look_rounds(look);
        for (size_t i = 0; i < n; i++)
            x[i] = (double)i;
        error += 1 - xl_estimate_median(x, n, XL_LOOK_LEVEL).coverage;
    }
    XL_CHECK(t, error > 0 && error <= 0.05);
}

/* "a|b" of --vs, or "!". */
static void sides_are_read(struct xl_test *t)
{
    static const struct {
        const char *texts[2], *sides;
    } rows[] = {
        { { "a.json" }, "a.json" },
        { { "a.json,b" }, "a.json|b" },
        { { "chunk_size=3,workers=1" }, "chunk_size=3,workers=1" },
        { { "a.json,chunk_size=3,workers=1" },
          "a.json|chunk_size=3,workers=1" },
        { { "chunk_size=3,defaults" }, "chunk_size=3|defaults" },
        { { "chunk_size=3", "chunk_size=4" }, "chunk_size=3|chunk_size=4" },
        { { "a,b", "c" }, "!" },
        { { "a,," }, "!" },
        { { "" }, "!" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_duel_sides sides;
        struct xl_err err = { 0 };
        char got[128] = "!";
        size_t n = rows[i].texts[1] ? 2 : 1;
        if (xl_duel_sides_parse(&sides, rows[i].texts, n, &err) == XL_OK) {
            snprintf(got, sizeof got, "%s%s%s", sides.texts[0],
                     sides.n == 2 ? "|" : "",
                     sides.n == 2 ? sides.texts[1] : "");
            xl_duel_sides_release(&sides);
        }
        XL_CHECK_TEXT(t, got, rows[i].sides);
    }
}

static void sides_are_applied(struct xl_test *t)
{
    struct xl_params p;
    struct xl_err err = { 0 };
    xl_params_init(&p);
    int64_t workers = p.value[XL_PARAM_WORKERS];
    XL_CHECK_STATUS(t,
                    xl_duel_side_apply("chunk_size=48,tile_av=4x16", &p, &err),
                    XL_OK, &err);
    XL_CHECK_EQ(t, p.value[XL_PARAM_CHUNK_SIZE], 48);
    XL_CHECK_EQ(t, p.value[XL_PARAM_TILE_AV], xl_tile_of(4, 16));
    XL_CHECK_EQ(t, p.value[XL_PARAM_WORKERS], workers);
    XL_CHECK_EQ(t, xl_duel_side_apply("no_such=1", &p, &err), XL_EUSAGE);
    XL_CHECK_EQ(t, xl_duel_side_apply("chunk_size=0", &p, &err), XL_EUSAGE);
    XL_CHECK_EQ(t, xl_duel_side_apply("no such file", &p, &err), XL_EUSAGE);
    XL_CHECK_STATUS(t, xl_duel_side_apply("defaults", &p, &err), XL_OK, &err);
    XL_CHECK_EQ(t, p.value[XL_PARAM_CHUNK_SIZE], 64);
}

/* -- reports -------------------------------------------------------------- */

enum {
    RESULTS = 2
};

static void fake_result(struct xl_bench_result *r, size_t i, struct xl_test *t)
{
    struct xl_err err = { 0 };
    *r = (struct xl_bench_result){ .prompt_tokens = 512,
                                   .new_tokens = i ? 0 : 64,
                                   .batch = i ? 1 : 8,
                                   .engines = { "amx", "vnni", NULL },
                                   .load_s = 0.25,
                                   .peak_rss_mb = (double)NAN };
    xl_params_init(&r->effective);
    r->effective.value[XL_PARAM_CHUNK_SIZE] = i ? 32 : 64;
    XL_CHECK_STATUS(t, xl_samples_init(&r->samples, 7, &err), XL_OK, &err);
    for (size_t k = 0; k < 8; k++) {
        struct xl_speeds row =
            speeds(100.0 + (double)k, i ? (double)NAN : 1.0 / 3 + (double)k,
                   k == 2 ? 1u << XL_DIRT_STEAL : 0u);
        row.of_limit[0] = 0.47 + 0.01 * (double)k; /* median without k 2: .51 */
        row.of_limit[1] = i ? (double)NAN : row.of_limit[0];
        xl_samples_add(&r->samples, &row);
    }
    for (size_t k = 0; k < XL_SPEED_COUNT; k++) {
        xl_samples_estimate(&r->samples, 0, (enum xl_speed)k, 0.95,
                            &r->phases[k].tok_s, &err);
        r->phases[k].limit = k ? XL_LIMIT_READ : XL_LIMIT_FMA;
        xl_samples_of_limit(&r->samples, (enum xl_speed)k, 0.95,
                            &r->phases[k].of_limit, &err);
    }
    r->limits.request.workers = 2;
    for (size_t j = 0; j < 2; j++) {
        struct xl_limits limits;
        for (size_t k = 0; k < XL_LIMIT_COUNT; k++)
            limits.value[k] = k == XL_LIMIT_READ || k == XL_LIMIT_FMA
                                  ? 10.0 + 2.5 * (double)j
                                  : (double)NAN;
        XL_CHECK_STATUS(t, xl_limit_log_add(&r->limits, &limits, &err), XL_OK,
                        &err);
    }
}

static void render(enum xl_bench_format format, struct xl_buf *out,
                   struct xl_test *t)
{
    struct xl_bench_result results[RESULTS];
    cJSON *host = xl_host_json(), *build = xl_build_json();
    for (size_t i = 0; i < RESULTS; i++)
        fake_result(&results[i], i, t);
    xl_buf_init(out, 0);
    xl_bench_render(format, results, RESULTS, host, build, out);
    XL_CHECK(t, xl_buf_ok(out) && out->len > 0);
    cJSON_Delete(host);
    cJSON_Delete(build);
    for (size_t i = 0; i < RESULTS; i++)
        xl_bench_release(&results[i]);
}

static double number_at(const cJSON *o, const char *a, const char *b)
{
    const cJSON *in = b ? xl_json_member(o, a) : o;
    return xl_json_number(in, b ? b : a);
}

static void check_shape(struct xl_test *t, const cJSON *r)
{
    const cJSON *decode = xl_json_member(r, "decode");
    const cJSON *prefill = xl_json_member(r, "prefill");
    const cJSON *limits = xl_json_member(r, "limits");
    const cJSON *phases[] = { prefill, decode };
    XL_CHECK_NEAR(t, number_at(r, "config", "chunk_size"), 64, 0);
    XL_CHECK_NEAR(t, number_at(r, "prompt_tokens", NULL), 512, 0);
    XL_CHECK_NEAR(t, number_at(r, "new_tokens", NULL), 64, 0);
    XL_CHECK_NEAR(t, number_at(r, "batch", NULL), 8, 0);
    for (size_t i = 0; i < 2; i++) {
        const cJSON *p = phases[i];
        const cJSON *ci = xl_json_member(p, "ci");
        XL_CHECK_EQ(t, cJSON_GetArraySize(ci), 2);
        XL_CHECK_EQ(t, cJSON_GetArraySize(xl_json_member(p, "samples")), 8);
        XL_CHECK(t, cJSON_GetArrayItem(ci, 0)->valuedouble <=
                        number_at(p, "tok_s", NULL));
        XL_CHECK_NEAR(t, number_at(p, "fraction_of_limit", NULL), 0.51, 1e-12);
        const cJSON *of = xl_json_member(p, "fraction_ci");
        XL_CHECK_NEAR(t, cJSON_GetArrayItem(of, 0)->valuedouble, 0.47, 1e-12);
        XL_CHECK_NEAR(t, cJSON_GetArrayItem(of, 1)->valuedouble, 0.54, 1e-12);
        of = xl_json_member(p, "fractions");
        XL_CHECK_EQ(t, cJSON_GetArraySize(of), 8);
        XL_CHECK_NEAR(t, number_at(p, "n", NULL), 7, 0);
    }
    XL_CHECK_TEXT(t, xl_json_member(decode, "limit")->valuestring, "read_gb_s");
    XL_CHECK_NEAR(t, number_at(limits, "read_gb_s", NULL), 12.5, 0);
    XL_CHECK_NEAR(t, number_at(limits, "fma_gflops", NULL), 12.5, 0);
    XL_CHECK(t, cJSON_IsNull(xl_json_member(limits, "tile_bf16_gflops")));
    XL_CHECK_NEAR(t, number_at(r, "load_s", NULL), 0.25, 0);
    const cJSON *engines = xl_json_member(r, "engines");
    const char *engine = "";
    xl_json_get_text(engines, "prefill", &engine, NULL);
    XL_CHECK_TEXT(t, engine, "amx");
    XL_CHECK(t, cJSON_IsNull(xl_json_member(engines, "head")));
    XL_CHECK(t, cJSON_IsNull(xl_json_member(r, "peak_rss_mb")));
    XL_CHECK_NEAR(t, number_at(r, "environment", "disturbed"), 1, 0);
}

static void json_has_its_shape(struct xl_test *t)
{
    struct xl_buf out;
    struct xl_err err = { 0 };
    cJSON *root = NULL;
    render(XL_BENCH_JSON, &out, t);
    XL_CHECK_STATUS(t, xl_json_parse(out.data, out.len, "json", &root, &err),
                    XL_OK, &err);
    const cJSON *results = xl_json_member(root, "results");
    XL_CHECK_EQ(t, cJSON_GetArraySize(results), RESULTS);
    XL_CHECK(t, cJSON_IsObject(xl_json_member(root, "host")));
    XL_CHECK(t, cJSON_IsObject(xl_json_member(root, "build")));
    check_shape(t, cJSON_GetArrayItem(results, 0));
    const cJSON *second = cJSON_GetArrayItem(results, 1);
    XL_CHECK(t, isnan(number_at(second, "decode", "tok_s")));
    cJSON_Delete(root);
    xl_buf_release(&out);
}

static void ndjson_is_a_result_a_line(struct xl_test *t)
{
    struct xl_buf out;
    size_t lines = 0;
    render(XL_BENCH_NDJSON, &out, t);
    for (const char *at = out.data; *at;) {
        size_t n = strcspn(at, "\n");
        struct xl_err err = { 0 };
        cJSON *root = NULL;
        XL_CHECK_STATUS(t, xl_json_parse(at, n, "line", &root, &err), XL_OK,
                        &err);
        if (lines == 0)
            check_shape(t, root);
        cJSON_Delete(root);
        lines++;
        at += n + (at[n] == '\n');
    }
    XL_CHECK_EQ(t, lines, RESULTS);
    xl_buf_release(&out);
}

static size_t column_of(const struct xl_csv *csv, const char *name)
{
    size_t i = 0;
    while (i < csv->rows[0].n_fields &&
           strcmp(csv->rows[0].fields[i], name) != 0)
        i++;
    return i;
}

static void csv_reads_back(struct xl_test *t)
{
    struct xl_buf out;
    struct xl_arena arena;
    struct xl_csv csv;
    struct xl_err err = { 0 };
    xl_arena_init(&arena, 0);
    render(XL_BENCH_CSV, &out, t);
    XL_CHECK_STATUS(t,
                    xl_csv_parse(out.data, out.len, "csv", &arena, &csv, &err),
                    XL_OK, &err);
    XL_CHECK_EQ(t, csv.n_rows, RESULTS + 1);
    for (size_t i = 0; i < csv.n_rows; i++)
        XL_CHECK_EQ(t, csv.rows[i].n_fields, csv.rows[0].n_fields);
    size_t chunk = column_of(&csv, "chunk_size");
    size_t speed = column_of(&csv, "prefill_tok_s");
    size_t tile = column_of(&csv, "tile_bf16_gflops");
    size_t decode = column_of(&csv, "decode_tok_s");
    size_t batch = column_of(&csv, "batch");
    if (XL_CHECK(t, tile < csv.rows[0].n_fields)) {
        XL_CHECK_TEXT(t, csv.rows[2].fields[chunk], "32");
        XL_CHECK_TEXT(t, csv.rows[1].fields[speed], "104");
        XL_CHECK_TEXT(t, csv.rows[1].fields[batch], "8");
        XL_CHECK_TEXT(t, csv.rows[2].fields[batch], "1");
        XL_CHECK_TEXT(t, csv.rows[1].fields[tile], "");
        XL_CHECK_TEXT(t, csv.rows[2].fields[decode], "");
    }
    xl_arena_release(&arena);
    xl_buf_release(&out);
}

static void sql_runs(struct xl_test *t)
{
    struct xl_buf out;
    sqlite3 *db;
    sqlite3_stmt *query;
    render(XL_BENCH_SQL, &out, t);
    XL_CHECK_EQ(t, sqlite3_open(":memory:", &db), SQLITE_OK);
    /* Twice: the table may be there already. */
    for (int i = 0; i < 2; i++)
        XL_CHECK_EQ(t, sqlite3_exec(db, out.data, NULL, NULL, NULL), SQLITE_OK);
    XL_CHECK_EQ(t,
                sqlite3_prepare_v2(db,
                                   "SELECT count(*), sum(chunk_size), "
                                   "max(decode_tok_s IS NULL), backend, "
                                   "typeof(load_s), sum(batch) "
                                   "FROM bench",
                                   -1, &query, NULL),
                SQLITE_OK);
    XL_CHECK_EQ(t, sqlite3_step(query), SQLITE_ROW);
    XL_CHECK_EQ(t, sqlite3_column_int(query, 0), 2 * RESULTS);
    XL_CHECK_EQ(t, sqlite3_column_int(query, 1), 2 * (64 + 32));
    XL_CHECK_EQ(t, sqlite3_column_int(query, 2), 1);
    XL_CHECK_TEXT(t, (const char *)sqlite3_column_text(query, 3), "parallel");
    XL_CHECK_TEXT(t, (const char *)sqlite3_column_text(query, 4), "real");
    XL_CHECK_EQ(t, sqlite3_column_int(query, 5), 2 * (8 + 1));
    sqlite3_finalize(query);
    sqlite3_close(db);
    xl_buf_release(&out);
}

/* Every row of the table has as many cells as its head. */
static void markdown_is_a_table(struct xl_test *t)
{
    struct xl_buf out;
    size_t cells = 0, rows = 0;
    render(XL_BENCH_MD, &out, t);
    for (const char *at = out.data; *at == '|';) {
        size_t n = strcspn(at, "\n"), bars = 0;
        for (size_t i = 0; i < n; i++)
            bars += at[i] == '|';
        cells = rows ? cells : bars;
        XL_CHECK_EQ(t, bars, cells);
        rows++;
        at += n + 1;
    }
    XL_CHECK_EQ(t, rows, 2 + 3); /* two prefills and one decode */
    XL_CHECK(t, strstr(out.data, "| chunk_size |") != NULL);
    XL_CHECK(t, strstr(out.data, "| workers |") == NULL);
    XL_CHECK(t, strstr(out.data, "| decode 64 x 8 |") != NULL);
    XL_CHECK(t, strstr(out.data, "| prefill 512 |") != NULL);
    xl_buf_release(&out);
}

/* -- where the time goes -------------------------------------------------- */

static void check_part(struct xl_test *t, const struct xl_where *where,
                       const char *name, bool is_there)
{
    struct xl_buf out;
    xl_buf_init(&out, 0);
    xl_where_markdown(where, &out);
    XL_CHECK(t, (strstr(out.data, name) != NULL) == is_there);
    xl_buf_clear(&out);
    cJSON *root = xl_where_json(where);
    xl_json_print(root, false, &out);
    XL_CHECK(t, (strstr(out.data, name) != NULL) == is_there);
    cJSON_Delete(root);
    xl_buf_release(&out);
}

/* The cell counts operations here even when the clock has not moved. */
static void parts_that_are_not_there_are_left_out(struct xl_test *t)
{
    struct xl_where where = { .repeats = 3, .new_tokens = 8 };
    where.phases[XL_SPEED_DECODE].total_ns = 100;
    where.phases[XL_SPEED_DECODE].ns[XL_PART_OUT] = 100;
    where.phases[XL_SPEED_DECODE].flops[XL_PART_CELL] = 10;
    check_part(t, &where, "ffn activation", false);
    check_part(t, &where, "cell", true);
    where.phases[XL_SPEED_DECODE].ns[XL_PART_FFN_ACT] = 1;
    check_part(t, &where, "ffn activation", true);
}

const struct xl_test_case xl_suite_bench_report[] = {
    XL_CASE(duels_see_what_is_there),
    XL_CASE(few_rounds_prove_nothing),
    XL_CASE(equals_are_seldom_called_unequal),
    XL_CASE(verdicts_have_edges),
    XL_CASE(looks_share_one_error),
    XL_CASE(sides_are_read),
    XL_CASE(sides_are_applied),
    XL_CASE(json_has_its_shape),
    XL_CASE(ndjson_is_a_result_a_line),
    XL_CASE(csv_reads_back),
    XL_CASE(sql_runs),
    XL_CASE(markdown_is_a_table),
    XL_CASE(parts_that_are_not_there_are_left_out),
    { 0 },
};
