/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/arena.h"
#include "kernel/base/buf.h"
#include "kernel/base/cpu.h"
#include "kernel/base/csv.h"
#include "kernel/base/io.h"
#include "kernel/base/opt.h"
#include "kernel/base/pool.h"
#include "kernel/base/rng.h"
#include "kernel/base/stop.h"
#include "kernel/param/param.h"
#include "tests/harness/test.h"

static void arena_gives_back(struct xl_test *t)
{
    struct xl_arena arena;
    xl_arena_init(&arena, 256);
    char *a = xl_arena_alloc(&arena, 10);
    struct xl_arena_mark mark = xl_arena_mark(&arena);
    char *b = xl_arena_alloc(&arena, 1000);
    XL_CHECK(t, a && b && a != b);
    XL_CHECK(t, ((size_t)a & 63) == 0 && ((size_t)b & 63) == 0);
    xl_arena_rewind(&arena, mark);
    char *c = xl_arena_alloc(&arena, 10);
    XL_CHECK(t, c == a + 64);
    XL_CHECK(t, xl_arena_zero(&arena, SIZE_MAX, 2) == NULL);
    xl_arena_release(&arena);
}

static void buf_stops_at_its_maximum(struct xl_test *t)
{
    struct xl_buf buf;
    struct xl_err err = { 0 };
    xl_buf_init(&buf, 8);
    xl_buf_text(&buf, "12345678");
    XL_CHECK(t, xl_buf_ok(&buf));
    xl_buf_char(&buf, '9');
    XL_CHECK(t, !xl_buf_ok(&buf));
    XL_CHECK_TEXT(t, buf.data, "12345678");
    XL_CHECK_STATUS(t, xl_buf_check(&buf, "digits", &err), XL_ENOMEM, &err);
    xl_buf_release(&buf);
}

static void first_lines_are_read(struct xl_test *t)
{
    char line[8];
    struct xl_err err = { 0 };
    char *path = xl_io_join(t->dir, "line");
    XL_CHECK_STATUS(t, xl_io_replace(path, "one\ntwo\n", 8, &err), XL_OK, &err);
    XL_CHECK(t, xl_io_line(path, line, sizeof line));
    XL_CHECK_TEXT(t, line, "one");
    XL_CHECK_STATUS(t, xl_io_replace(path, "123456789", 9, &err), XL_OK, &err);
    XL_CHECK(t, xl_io_line(path, line, sizeof line));
    XL_CHECK_TEXT(t, line, "1234567");
    XL_CHECK_STATUS(t, xl_io_replace(path, "", 0, &err), XL_OK, &err);
    XL_CHECK(t, !xl_io_line(path, line, sizeof line));
    XL_CHECK_TEXT(t, line, "");
    XL_CHECK(t, !xl_io_line("nowhere", line, sizeof line));
    xl_free(path);
}

static void shell_words_are_quoted(struct xl_test *t)
{
    static const char *const words[][2] = {
        { "runs/a_1", "runs/a_1" }, { "", "''" },         { "a b", "'a b'" },
        { "it's", "'it'\\''s'" },   { "$(x)", "'$(x)'" }, { "~", "'~'" },
    };
    struct xl_buf out;
    xl_buf_init(&out, 0);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        xl_buf_clear(&out);
        xl_buf_shell_word(&out, words[i][0]);
        XL_CHECK_TEXT(t, out.data, words[i][1]);
    }
    xl_buf_release(&out);
}

static void csv_round_trip(struct xl_test *t)
{
    struct xl_buf out;
    struct xl_arena arena;
    struct xl_csv csv;
    struct xl_err err = { 0 };
    xl_arena_init(&arena, 0);
    xl_buf_init(&out, 0);
    xl_csv_text(&out, "a,\"b\"\n");
    xl_csv_text(&out, NULL);
    xl_csv_real(&out, 0.1);
    xl_csv_real(&out, (double)INFINITY);
    xl_csv_end(&out);
    XL_CHECK_STATUS(
        t, xl_csv_parse(out.data, out.len, "t.csv", &arena, &csv, &err), XL_OK,
        &err);
    XL_CHECK_EQ(t, csv.n_rows, 1);
    XL_CHECK_EQ(t, csv.rows[0].n_fields, 4);
    XL_CHECK_TEXT(t, csv.rows[0].fields[0], "a,\"b\"\n");
    XL_CHECK_TEXT(t, csv.rows[0].fields[1], "");
    XL_CHECK_TEXT(t, csv.rows[0].fields[2], "0.1");
    xl_buf_clear(&out);
    xl_csv_text(&out, NULL);
    xl_csv_int(&out, 7);
    xl_csv_end(&out);
    XL_CHECK_TEXT(t, out.data, ",7\n");
    XL_CHECK_STATUS(t, xl_csv_parse("\"a", 2, "t.csv", &arena, &csv, &err),
                    XL_EFORMAT, &err);
    xl_buf_release(&out);
    xl_arena_release(&arena);
}

static void replace_is_whole(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_buf text;
    char *path = xl_io_join(t->dir, "a/b/file");
    char *folder = xl_io_join(t->dir, "a/b");
    XL_CHECK_STATUS(t, xl_io_make_dirs(folder, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_io_replace(path, "one", 3, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_io_replace(path, "two!", 4, &err), XL_OK, &err);
    xl_buf_init(&text, 100);
    XL_CHECK_STATUS(t, xl_io_read(path, &text, &err), XL_OK, &err);
    XL_CHECK_TEXT(t, text.data, "two!");
    XL_CHECK_STATUS(t, xl_io_replace(folder, "x", 1, &err), XL_EIO, &err);
    XL_CHECK_STATUS(t, xl_io_replace("/dev/full/x", "x", 1, &err), XL_EIO,
                    &err);
    xl_buf_release(&text);
    xl_free(path);
    xl_free(folder);
}

enum {
    O_NEW,
    O_TEXT,
    O_LIST,
    O_ON,
    O_WORD
};
static const char *const opt_words[] = { "csv", "jsonl", NULL };
static const struct xl_opt opt_rows[] = {
    [O_NEW] = { .name = "max-new-tokens",
                .kind = XL_OPT_INT,
                .arg = "N",
                .help = "count",
                .fallback = "64",
                .lo = 1,
                .hi = 100 },
    [O_TEXT] = { .name = "model",
                 .kind = XL_OPT_TEXT,
                 .arg = "DIR",
                 .help = "folder",
                 .alias = "model-path" },
    [O_LIST] = { .name = "param",
                 .kind = XL_OPT_LIST,
                 .arg = "X",
                 .help = "many" },
    [O_ON] = { .name = "best", .kind = XL_OPT_BOOL, .help = "on" },
    [O_WORD] = { .name = "format",
                 .kind = XL_OPT_TEXT,
                 .arg = "NAME",
                 .help = "form",
                 .fallback = "jsonl",
                 .words = opt_words },
};
static const struct xl_opt_group opt_group = { .title = "Options",
                                               .rows = opt_rows,
                                               .n_rows = O_WORD + 1 };

static void options_parse(struct xl_test *t)
{
    const char *argv[] = {
        "--max_new_tokens=7", "--model_path", "m",    "--param", "a=1",
        "--param=b=2",        "--no-best",    "word", "--",      "--x"
    };
    struct xl_opts o;
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, xl_opts_parse(&o, &opt_group, 1, 10, argv, &err), XL_OK,
                    &err);
    XL_CHECK_EQ(t, xl_opt_int(&o, 0, O_NEW), 7);
    XL_CHECK_TEXT(t, xl_opt_text(&o, 0, O_TEXT), "m");
    XL_CHECK_EQ(t, o.values[0][O_LIST].n_texts, 2);
    XL_CHECK(t, xl_opt_given(&o, 0, O_ON) && !xl_opt_bool(&o, 0, O_ON));
    XL_CHECK_EQ(t, o.n_args, 2);
    XL_CHECK_TEXT(t, o.args[1], "--x");
    XL_CHECK_EQ(t, xl_opt_word(&o, 0, O_WORD), 1);
    xl_opts_release(&o);
}

static void options_refuse(struct xl_test *t)
{
    static const char *const bad[][2] = {
        { "--max-new-token", "3" },   { "--max-new-tokens", "0" },
        { "--max-new-tokens", "3x" }, { "--best=1", "" },
        { "x", "--model" },           { "--format", "jsnl" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *argv[] = { bad[i][0], bad[i][1] };
        struct xl_opts o;
        struct xl_err err = { 0 };
        XL_CHECK_STATUS(t, xl_opts_parse(&o, &opt_group, 1, 2, argv, &err),
                        XL_EUSAGE, &err);
        if (i == 0)
            XL_CHECK(t, strstr(err.message, "'--max-new-tokens'"));
        if (i == 5)
            XL_CHECK(t, strstr(err.message, "nearest is 'jsonl'"));
    }
}

struct sum {
    atomic_int total;
    int after[8];
    struct xl_pool *pool;
};

static void add_up(void *ctx, size_t worker)
{
    struct sum *s = ctx;
    atomic_fetch_add(&s->total, (int)worker + 1);
    xl_pool_barrier(s->pool);
    s->after[worker] = atomic_load(&s->total);
}

static void pool_runs_and_meets(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct sum s = { .total = 0 };
    for (unsigned spin = 1; spin <= 1000; spin *= 1000) {
        struct xl_pool_options options = { .width = 4,
                                           .spin = spin,
                                           .pin = spin > 1 };
        XL_CHECK_STATUS(t, xl_pool_make(&s.pool, &options, &err), XL_OK, &err);
        for (int run = 0; run < 500; run++) {
            atomic_store(&s.total, 0);
            xl_pool_run(s.pool, add_up, &s);
            for (int w = 0; w < 4; w++)
                XL_CHECK_EQ(t, s.after[w], 10);
        }
        xl_pool_free(s.pool);
    }
}

/* Parts of a step, each counted where it was done. */
struct parts {
    atomic_int done[40];
    size_t sum[40]; /* plain: the step's end must make it visible */
};

static const char memory[1000];

static void do_part(void *ctx, size_t part)
{
    struct parts *p = ctx;
    atomic_fetch_add(&p->done[part], 1);
    p->sum[part] += part + 1;
}

/* Ends in the middle of a line, right where the memory ends. */
static struct xl_pool_next next_part(void *ctx, size_t part)
{
    size_t at = part * 97 % sizeof memory;
    (void)ctx;
    return (struct xl_pool_next){ .read = memory + at,
                                  .read_bytes = sizeof memory - at,
                                  .ask = memory,
                                  .ask_bytes = part };
}

/* More workers than cores, steps of all widths between runs. Every other step
 * has its workers read on while they wait. */
static void pool_steps_do_every_part_once(struct xl_test *t)
{
    struct xl_err err = { 0 };
    for (unsigned spin = 1; spin <= 1000; spin *= 1000) {
        for (size_t width = 1; width <= 9; width += 4) {
            struct xl_pool_options options = { .width = width,
                                               .spin = spin,
                                               .pin = spin > 1 };
            struct parts p = { .sum = { 0 } };
            struct sum s = { .total = 0 };
            XL_CHECK_STATUS(t, xl_pool_make(&s.pool, &options, &err), XL_OK,
                            &err);
            for (size_t i = 0; i < 400; i++) {
                size_t n = i * 7 % 40, wrong = 0;
                memset(&p, 0, sizeof p);
                xl_pool_step(s.pool, n, do_part, i % 2 ? next_part : NULL, &p);
                for (size_t part = 0; part < 40; part++)
                    wrong += atomic_load(&p.done[part]) != (part < n) ||
                             p.sum[part] != (part < n ? part + 1 : 0);
                XL_CHECK_EQ(t, wrong, 0);
                if (i % 8 == 0 && width <= 4) {
                    atomic_store(&s.total, 0);
                    xl_pool_run(s.pool, add_up, &s);
                    XL_CHECK(t, s.after[0] > 0);
                }
            }
            xl_pool_free(s.pool);
        }
    }
}

struct tally {
    atomic_int done;
};

static void do_some(void *ctx, size_t part)
{
    struct tally *tally = ctx;
    atomic_int delay = 0;
    while (atomic_fetch_add(&delay, 1) < (int)part * 100)
        continue;
    atomic_fetch_add(&tally->done, 1);
}

/* Runs and steps in quick turns with workers that sleep at once: a wake-up
 * that gets lost stops this test for ever. */
static void pool_loses_no_wake_up(struct xl_test *t)
{
    enum {
        TURNS = 20000,
        WIDTH = 3
    };
    struct xl_err err = { 0 };
    struct xl_pool *pool;
    struct tally tally = { .done = 0 };
    struct xl_pool_options options = { .width = WIDTH, .spin = 1 };
    XL_CHECK_STATUS(t, xl_pool_make(&pool, &options, &err), XL_OK, &err);
    for (int i = 0; i < TURNS; i++) {
        xl_pool_run(pool, do_some, &tally);
        xl_pool_step(pool, WIDTH, do_some, NULL, &tally);
    }
    XL_CHECK_EQ(t, tally.done, 2 * TURNS * WIDTH);
    xl_pool_free(pool);
}

static void spans_cover(struct xl_test *t)
{
    for (size_t n = 0; n < 20; n++) {
        for (size_t parts = 1; parts < 8; parts++) {
            size_t at = 0, least = n, most = 0;
            for (size_t i = 0; i < parts; i++) {
                struct xl_span s = xl_span_of(n, parts, i);
                size_t len = s.end - s.begin;
                XL_CHECK_EQ(t, s.begin, at);
                at = s.end;
                least = len < least ? len : least;
                most = len > most ? len : most;
            }
            XL_CHECK(t, at == n && most <= least + 1);
        }
    }
}

static void rng_is_fair(struct xl_test *t)
{
    struct xl_rng rng, again;
    int count[7] = { 0 };
    double sum = 0, squares = 0;
    xl_rng_seed(&rng, 1337);
    again = rng;
    XL_CHECK(t, xl_rng_next(&rng) == xl_rng_next(&again));
    for (int i = 0; i < 70000; i++)
        count[xl_rng_below(&rng, 7)]++;
    for (int i = 0; i < 7; i++)
        XL_CHECK_NEAR(t, count[i], 10000, 500);
    for (int i = 0; i < 50000; i++) {
        double x = xl_rng_normal(&rng);
        sum += x;
        squares += x * x;
    }
    XL_CHECK_NEAR(t, sum / 50000, 0, 0.02);
    XL_CHECK_NEAR(t, squares / 50000, 1, 0.03);
}

static void params_hold_their_bounds(struct xl_test *t)
{
    struct xl_params p;
    struct xl_err err = { 0 };
    char text[XL_VALUE_ROOM];
    xl_params_init(&p);
    for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
        enum xl_param id = (enum xl_param)i;
        int64_t value;
        XL_CHECK(t, xl_param_legal(id, p.value[i]));
        xl_param_format(id, p.value[i], text);
        XL_CHECK_STATUS(t, xl_param_parse(id, text, &value, &err), XL_OK, &err);
        XL_CHECK_EQ(t, value, p.value[i]);
        XL_CHECK_STATUS(t, xl_param_parse(id, "-9", &value, &err), XL_EUSAGE,
                        &err);
        XL_CHECK_STATUS(t, xl_param_parse(id, "", &value, &err), XL_EUSAGE,
                        &err);
        XL_CHECK_EQ(t, xl_param_find(xl_param_row(id)->name), i);
    }
    XL_CHECK_STATUS(t,
                    xl_params_set(&p, XL_PARAM_BACKEND, "ray", XL_LAYER_FLAG,
                                  "--backend", &err),
                    XL_OK, &err);
    XL_CHECK_TEXT(
        t, xl_param_format(XL_PARAM_BACKEND, p.value[XL_PARAM_BACKEND], text),
        "actors");
    XL_CHECK_STATUS(
        t, xl_params_set(&p, XL_PARAM_TILE_AV, "32x8", XL_LAYER_FLAG, "", &err),
        XL_OK, &err);
    XL_CHECK_EQ(t, xl_tile_rows(p.value[XL_PARAM_TILE_AV]), 32);
}

static void stop_signals_are_noted(struct xl_test *t)
{
    static const int signals[] = { SIGUSR1, SIGUSR2 };
    struct sigaction before[2];
    for (size_t i = 0; i < 2; i++)
        sigaction(signals[i], NULL, &before[i]);
    XL_CHECK_EQ(t, atomic_load(xl_stop_signal()), 0);
    xl_stop_catch(signals, 2);
    for (size_t i = 0; i < 2; i++) {
        raise(signals[i]);
        XL_CHECK_EQ(t, atomic_load(xl_stop_signal()), signals[i]);
    }
    for (size_t i = 0; i < 2; i++)
        sigaction(signals[i], &before[i], NULL);
    atomic_store(xl_stop_signal(), 0);
}

static void params_are_equal_by_value(struct xl_test *t)
{
    struct xl_params a, b;
    struct xl_err err = { 0 };
    xl_params_init(&a);
    b = a;
    XL_CHECK_STATUS(t,
                    xl_params_set(&b, XL_PARAM_BACKEND, "native", XL_LAYER_FLAG,
                                  "--backend", &err),
                    XL_OK, &err);
    b.value[XL_PARAM_BACKEND] = a.value[XL_PARAM_BACKEND];
    XL_CHECK(t, a.origin[XL_PARAM_BACKEND].layer !=
                    b.origin[XL_PARAM_BACKEND].layer);
    XL_CHECK(t, xl_params_equal(&a, &b));
    for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
        b.value[i]++;
        XL_CHECK(t, !xl_params_equal(&a, &b));
        b.value[i]--;
    }
}

static void params_files_say_where(struct xl_test *t)
{
    struct xl_params p;
    struct xl_err err = { 0 };
    char *path = xl_io_join(t->dir, "p.json");
    xl_params_init(&p);
    const char *wrong = "{\n \"params\": {\"chunk_size\": 32,\n"
                        "  \"chunk_sise\": 3}}";
    xl_io_replace(path, wrong, strlen(wrong), NULL);
    XL_CHECK_STATUS(t, xl_params_load(&p, path, XL_LAYER_CONFIG, NULL, &err),
                    XL_EUSAGE, &err);
    XL_CHECK(t, strstr(err.message, "line 3 column 3") &&
                    strstr(err.message, "nearest is 'chunk_size'"));
    XL_CHECK_EQ(t, p.value[XL_PARAM_CHUNK_SIZE], 64);
    xl_io_replace(path, "{\"chunk_size\": 32}", 18, NULL);
    XL_CHECK_STATUS(t, xl_params_load(&p, path, XL_LAYER_CONFIG, NULL, &err),
                    XL_OK, &err);
    XL_CHECK_EQ(t, p.value[XL_PARAM_CHUNK_SIZE], 32);
    XL_CHECK_EQ(t, p.origin[XL_PARAM_CHUNK_SIZE].layer, XL_LAYER_CONFIG);
    xl_free(path);
}

static void add_one(const void *with)
{
    **(int *const *)with += 1;
}

/* Planted: what a processor does with an instruction that it does not have. */
static void illegal(const void *with)
{
    (void)with;
    raise(SIGILL);
}

static void cpu_survives(struct xl_test *t)
{
    struct sigaction before, after;
    int n = 0, *at = &n;
    XL_CHECK_EQ(t, sigaction(SIGILL, NULL, &before), 0);
    XL_CHECK(t, xl_cpu_survives(add_one, &at) && n == 1);
    for (int i = 0; i < 3; i++)
        XL_CHECK(t, !xl_cpu_survives(illegal, NULL));
    XL_CHECK(t, xl_cpu_survives(add_one, &at) && n == 2);
    XL_CHECK_EQ(t, sigaction(SIGILL, NULL, &after), 0);
    XL_CHECK(t, before.sa_handler == after.sa_handler);
}

static void cpu_names_what_it_lacks(struct xl_test *t)
{
    struct xl_cpu cpu;
    xl_cpu_read(&cpu);
    XL_CHECK(t, !xl_cpu_lacks(0));
    for (enum xl_isa i = XL_ISA_AVX2; i < XL_ISA_COUNT; i++) {
        const char *why = xl_cpu_lacks(1u << i);
        XL_CHECK_EQ(t, cpu.isa[i], xl_cpu_has(i));
        XL_CHECK_EQ(t, !why, xl_cpu_has(i));
        XL_CHECK(t, !why || strstr(why, xl_isa_name(i)));
    }
}

const struct xl_test_case xl_suite_base[] = {
    XL_CASE(arena_gives_back),
    XL_CASE(buf_stops_at_its_maximum),
    XL_CASE(first_lines_are_read),
    XL_CASE(shell_words_are_quoted),
    XL_CASE(csv_round_trip),
    XL_CASE(replace_is_whole),
    XL_CASE(options_parse),
    XL_CASE(options_refuse),
    XL_CASE(pool_runs_and_meets),
    XL_CASE(pool_steps_do_every_part_once),
    XL_CASE(pool_loses_no_wake_up),
    XL_CASE(spans_cover),
    XL_CASE(cpu_survives),
    XL_CASE(cpu_names_what_it_lacks),
    XL_CASE(rng_is_fair),
    XL_CASE(params_hold_their_bounds),
    XL_CASE(stop_signals_are_noted),
    XL_CASE(params_are_equal_by_value),
    XL_CASE(params_files_say_where),
    { 0 },
};
