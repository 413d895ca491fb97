/* SPDX-License-Identifier: Apache-2.0
 *
 * CSV and SQL are two ways to write the same flat row, which is a JSON object
 * of plain values: the columns have one list. */
#include "tuner/measure/bench_report.h"

#include <math.h>
#include <stdio.h>

#include "kernel/base/csv.h"
#include "kernel/base/json.h"
#include "kernel/run/engines_json.h"
#include "tuner/measure/bench_duel.h"
#include "tuner/measure/probe.h"

enum {
    KEY_ROOM = 64
};

/* -- JSON ----------------------------------------------------------------- */

static void add_real_item(cJSON *array, double x)
{
    cJSON_AddItemToArray(array, isfinite(x) ? cJSON_CreateNumber(x)
                                            : cJSON_CreateNull());
}

void xl_bench_estimate_json(cJSON *to, const struct xl_estimate *estimate)
{
    xl_json_add_real(to, "tok_s", estimate->median);
    cJSON *ci = cJSON_AddArrayToObject(to, "ci");
    add_real_item(ci, estimate->lo);
    add_real_item(ci, estimate->hi);
    cJSON_AddNumberToObject(to, "n", (double)estimate->n);
    cJSON_AddNumberToObject(to, "coverage", estimate->coverage);
}

static void add_phase(cJSON *to, const struct xl_bench_result *r,
                      enum xl_speed speed)
{
    const struct xl_bench_phase *phase = &r->phases[speed];
    cJSON *o = cJSON_AddObjectToObject(to, xl_speed_name(speed));
    xl_bench_estimate_json(o, &phase->tok_s);
    cJSON *samples = cJSON_AddArrayToObject(o, "samples");
    for (size_t i = 0; i < r->samples.n && phase->tok_s.n; i++)
        add_real_item(samples, r->samples.rows[i].tok_s[0][speed]);
    xl_json_add_real(o, "fraction_of_limit", phase->of_limit.median);
    cJSON *ci = cJSON_AddArrayToObject(o, "fraction_ci");
    add_real_item(ci, phase->of_limit.lo);
    add_real_item(ci, phase->of_limit.hi);
    cJSON *fractions = cJSON_AddArrayToObject(o, "fractions");
    for (size_t i = 0; i < r->samples.n && phase->of_limit.n; i++)
        add_real_item(fractions, r->samples.rows[i].of_limit[speed]);
    if (phase->limit < XL_LIMIT_COUNT)
        cJSON_AddStringToObject(o, "limit", xl_limit_name(phase->limit));
    else
        cJSON_AddNullToObject(o, "limit");
}

/* What disturbed each sample: a list of names, empty = quiet. */
static cJSON *dirt_json(const struct xl_samples *samples)
{
    cJSON *all = cJSON_CreateArray();
    for (size_t i = 0; i < samples->n; i++) {
        cJSON *names = cJSON_CreateArray();
        for (size_t j = 0; j < XL_DIRT_COUNT; j++)
            if (samples->rows[i].dirt & 1u << j)
                cJSON_AddItemToArray(
                    names, cJSON_CreateString(xl_dirt_name((enum xl_dirt)j)));
        cJSON_AddItemToArray(all, names);
    }
    return all;
}

static void add_counts(cJSON *to, const struct xl_samples *samples)
{
    size_t quiet = xl_samples_quiet(samples);
    cJSON_AddNumberToObject(to, "taken", (double)samples->n);
    cJSON_AddNumberToObject(to, "wanted", (double)samples->wanted);
    cJSON_AddNumberToObject(to, "disturbed", (double)(samples->n - quiet));
    cJSON_AddBoolToObject(to, "quiet", xl_samples_are_quiet(samples));
}

cJSON *xl_bench_result_json(const struct xl_bench_result *r)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToObject(o, "config", xl_params_to_json(&r->effective));
    cJSON_AddItemToObject(o, "engines", xl_engines_json(&r->engines));
    cJSON_AddNumberToObject(o, "prompt_tokens", (double)r->prompt_tokens);
    cJSON_AddNumberToObject(o, "new_tokens", (double)r->new_tokens);
    cJSON_AddNumberToObject(o, "batch", (double)r->batch);
    for (size_t i = 0; i < XL_SPEED_COUNT; i++)
        add_phase(o, r, (enum xl_speed)i);
    cJSON *environment = cJSON_AddObjectToObject(o, "environment");
    add_counts(environment, &r->samples);
    cJSON_AddItemToObject(environment, "disturbed_by", dirt_json(&r->samples));
    cJSON_AddItemToObject(o, "limits", xl_limit_log_json(&r->limits));
    xl_json_add_real(o, "load_s", r->load_s);
    cJSON_AddItemToObject(o, "warm_up", xl_steady_json(&r->warm_up));
    xl_json_add_real(o, "peak_rss_mb", r->peak_rss_mb);
    return o;
}

static void add_ratio(cJSON *to, const struct xl_duel *duel,
                      enum xl_speed speed)
{
    const struct xl_estimate *ratio = &duel->ratio[speed];
    cJSON *o = cJSON_AddObjectToObject(to, xl_speed_name(speed));
    xl_json_add_real(o, "ratio", ratio->median);
    cJSON *ci = cJSON_AddArrayToObject(o, "ci");
    add_real_item(ci, ratio->lo);
    add_real_item(ci, ratio->hi);
    cJSON_AddNumberToObject(o, "n", (double)ratio->n);
    cJSON_AddStringToObject(o, "verdict",
                            xl_duel_verdict_name(duel->verdicts[speed]));
    cJSON *sides = cJSON_AddArrayToObject(o, "sides");
    for (size_t i = 0; i < XL_SIDES; i++) {
        cJSON *side = cJSON_CreateObject();
        cJSON_AddItemToArray(sides, side);
        xl_bench_estimate_json(side, &duel->sides[i][speed]);
        cJSON *samples = cJSON_AddArrayToObject(side, "samples");
        for (size_t j = 0; j < duel->samples.n && ratio->n; j++)
            add_real_item(samples, duel->samples.rows[j].tok_s[i][speed]);
    }
}

cJSON *xl_bench_duel_json(const struct xl_duel *duel)
{
    cJSON *o = cJSON_CreateObject();
    xl_json_add_real(o, "level", duel->level);
    cJSON_AddNumberToObject(o, "looks", (double)duel->looks);
    cJSON *environment = cJSON_AddObjectToObject(o, "environment");
    add_counts(environment, &duel->samples);
    cJSON_AddItemToObject(environment, "disturbed_by",
                          dirt_json(&duel->samples));
    for (size_t i = 0; i < XL_SPEED_COUNT; i++)
        add_ratio(o, duel, (enum xl_speed)i);
    return o;
}

/* -- flat rows ------------------------------------------------------------ */

static void flat_real(cJSON *row, const char *group, const char *name,
                      double value)
{
    char key[KEY_ROOM];
    snprintf(key, sizeof key, "%s_%s", group, name);
    xl_json_add_real(row, key, value);
}

static void flat_phase(cJSON *row, const struct xl_bench_phase *phase,
                       const char *name)
{
    char key[KEY_ROOM];
    flat_real(row, name, "tok_s", phase->tok_s.median);
    flat_real(row, name, "lo", phase->tok_s.lo);
    flat_real(row, name, "hi", phase->tok_s.hi);
    flat_real(row, name, "n", (double)phase->tok_s.n);
    flat_real(row, name, "fraction_of_limit", phase->of_limit.median);
    flat_real(row, name, "fraction_lo", phase->of_limit.lo);
    flat_real(row, name, "fraction_hi", phase->of_limit.hi);
    snprintf(key, sizeof key, "%s_limit", name);
    if (phase->limit < XL_LIMIT_COUNT)
        cJSON_AddStringToObject(row, key, xl_limit_name(phase->limit));
    else
        cJSON_AddNullToObject(row, key);
}

static cJSON *flat_row(const struct xl_bench_result *r)
{
    cJSON *row = xl_params_to_json(&r->effective);
    struct xl_limits best = xl_limit_log_best(&r->limits);
    cJSON_AddNumberToObject(row, "prompt_tokens", (double)r->prompt_tokens);
    cJSON_AddNumberToObject(row, "new_tokens", (double)r->new_tokens);
    cJSON_AddNumberToObject(row, "batch", (double)r->batch);
    for (size_t i = 0; i < XL_SPEED_COUNT; i++)
        flat_phase(row, &r->phases[i], xl_speed_name((enum xl_speed)i));
    add_counts(row, &r->samples);
    for (size_t i = 0; i < XL_LIMIT_COUNT; i++)
        xl_json_add_real(row, xl_limit_name((enum xl_limit)i), best.value[i]);
    xl_json_add_real(row, "load_s", r->load_s);
    xl_json_add_real(row, "peak_rss_mb", r->peak_rss_mb);
    xl_json_add_string(row, "prefill_engine", r->engines.prefill);
    xl_json_add_string(row, "decode_engine", r->engines.decode);
    return row;
}

static void csv_value(struct xl_buf *out, const cJSON *value)
{
    if (cJSON_IsNumber(value))
        xl_csv_real(out, value->valuedouble);
    else if (cJSON_IsBool(value))
        xl_csv_text(out, cJSON_IsTrue(value) ? "true" : "false");
    else
        xl_csv_text(out, cJSON_IsString(value) ? value->valuestring : NULL);
}

static void render_csv(const struct xl_bench_result *results, size_t n,
                       struct xl_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        cJSON *row = flat_row(&results[i]);
        if (i == 0) {
            for (const cJSON *v = row->child; v; v = v->next)
                xl_csv_text(out, v->string);
            xl_csv_end(out);
        }
        for (const cJSON *v = row->child; v; v = v->next)
            csv_value(out, v);
        xl_csv_end(out);
        cJSON_Delete(row);
    }
}

static void sql_value(struct xl_buf *out, const cJSON *value)
{
    if (cJSON_IsNumber(value)) {
        xl_buf_printf(out, "%.17g", value->valuedouble);
    } else if (cJSON_IsBool(value)) {
        xl_buf_text(out, cJSON_IsTrue(value) ? "1" : "0");
    } else if (cJSON_IsString(value)) {
        xl_buf_char(out, '\'');
        for (const char *c = value->valuestring; *c; c++) {
            if (*c == '\'')
                xl_buf_char(out, '\'');
            xl_buf_char(out, *c);
        }
        xl_buf_char(out, '\'');
    } else {
        xl_buf_text(out, "NULL");
    }
}

/* Columns take their type from the values, so the table has none. */
static void render_sql(const struct xl_bench_result *results, size_t n,
                       struct xl_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        cJSON *row = flat_row(&results[i]);
        if (i == 0) {
            xl_buf_text(out, "CREATE TABLE IF NOT EXISTS bench (");
            for (const cJSON *v = row->child; v; v = v->next)
                xl_buf_printf(out, "%s\"%s\"", v == row->child ? "" : ", ",
                              v->string);
            xl_buf_text(out, ");\n");
        }
        xl_buf_text(out, "INSERT INTO bench VALUES (");
        for (const cJSON *v = row->child; v; v = v->next) {
            xl_buf_text(out, v == row->child ? "" : ", ");
            sql_value(out, v);
        }
        xl_buf_text(out, ");\n");
        cJSON_Delete(row);
    }
}

/* -- Markdown ------------------------------------------------------------- */

/* Does the tunable differ between results? */
static bool varies(const struct xl_bench_result *results, size_t n, size_t id)
{
    for (size_t i = 1; i < n; i++)
        if (results[i].effective.value[id] != results[0].effective.value[id])
            return true;
    return false;
}

static void md_row(const struct xl_bench_result *results, size_t n, size_t at,
                   enum xl_speed speed, struct xl_buf *out)
{
    const struct xl_bench_result *r = &results[at];
    const struct xl_bench_phase *p = &r->phases[speed];
    char value[XL_VALUE_ROOM];
    size_t tokens =
        speed == XL_SPEED_PREFILL ? r->prompt_tokens : r->new_tokens;
    if (p->tok_s.n == 0)
        return;
    for (size_t id = 0; id < XL_PARAM_COUNT; id++)
        if (varies(results, n, id))
            xl_buf_printf(out, "| %s ",
                          xl_param_format((enum xl_param)id,
                                          r->effective.value[id], value));
    xl_buf_printf(out, "| %s %zu", xl_speed_name(speed), tokens);
    if (speed == XL_SPEED_DECODE && r->batch > 1)
        xl_buf_printf(out, " x %zu", r->batch);
    xl_buf_printf(out, " | %.1f | %.1f to %.1f | %zu | %zu |", p->tok_s.median,
                  p->tok_s.lo, p->tok_s.hi, p->tok_s.n,
                  r->samples.n - xl_samples_quiet(&r->samples));
    if (p->limit < XL_LIMIT_COUNT)
        xl_buf_printf(out, " %.1f %% (%.1f to %.1f) | %s |\n",
                      100 * p->of_limit.median, 100 * p->of_limit.lo,
                      100 * p->of_limit.hi, xl_limit_name(p->limit));
    else
        xl_buf_text(out, " | |\n");
}

static void md_limits(const struct xl_bench_result *results, size_t n,
                      struct xl_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        struct xl_limits best = xl_limit_log_best(&results[i].limits);
        size_t workers = results[i].limits.request.workers, j = 0;
        while (results[j].limits.request.workers != workers)
            j++;
        if (j < i)
            continue;
        xl_buf_printf(out, "Limits, %zu worker%s, best of %zu:", workers,
                      workers == 1 ? "" : "s", results[i].limits.n);
        for (size_t k = 0; k < XL_LIMIT_COUNT; k++)
            if (isfinite(best.value[k]))
                xl_buf_printf(out, "%s %s %.1f", k ? "," : "",
                              xl_limit_name((enum xl_limit)k), best.value[k]);
        xl_buf_text(out, ".\n");
    }
    if (isfinite(results[0].peak_rss_mb))
        xl_buf_printf(out, "Load %.3f s, peak memory %.0f MiB.\n",
                      results[0].load_s, results[0].peak_rss_mb);
}

static void md_doubts(const struct xl_bench_result *results, size_t n,
                      struct xl_buf *out)
{
    size_t noisy = 0, few = 0;
    for (size_t i = 0; i < n; i++) {
        noisy += !xl_samples_are_quiet(&results[i].samples);
        for (size_t j = 0; j < XL_SPEED_COUNT; j++)
            few += results[i].phases[j].tok_s.n &&
                   results[i].phases[j].tok_s.coverage < 0.95;
    }
    if (few)
        xl_buf_printf(out,
                      "%zu intervals of fewer than 6 samples cover less than "
                      "95 %%.\n",
                      few);
    if (noisy)
        xl_buf_printf(out,
                      "The machine was not quiet: %zu of %zu results had too "
                      "few undisturbed samples\nand use all of them.\n",
                      noisy, n);
}

static void render_md(const struct xl_bench_result *results, size_t n,
                      struct xl_buf *out)
{
    size_t columns = 7;
    for (size_t id = 0; id < XL_PARAM_COUNT; id++) {
        if (!varies(results, n, id))
            continue;
        xl_buf_printf(out, "| %s ", xl_param_row((enum xl_param)id)->name);
        columns++;
    }
    xl_buf_text(out, "| test | tok/s | 95 % interval | n | disturbed | of "
                     "limit | limit |\n");
    for (size_t i = 0; i < columns; i++)
        xl_buf_text(out, "| --- ");
    xl_buf_text(out, "|\n");
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < XL_SPEED_COUNT; j++)
            md_row(results, n, i, (enum xl_speed)j, out);
    xl_buf_char(out, '\n');
    md_limits(results, n, out);
    md_doubts(results, n, out);
}

/* -- all ------------------------------------------------------------------ */

static void render_json(const struct xl_bench_result *results, size_t n,
                        const cJSON *host, const cJSON *build,
                        struct xl_buf *out)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(root, "results");
    for (size_t i = 0; i < n; i++)
        cJSON_AddItemToArray(list, xl_bench_result_json(&results[i]));
    cJSON_AddItemToObject(root, "host", cJSON_Duplicate(host, true));
    cJSON_AddItemToObject(root, "build", cJSON_Duplicate(build, true));
    xl_json_print(root, false, out);
    xl_buf_char(out, '\n');
    cJSON_Delete(root);
}

void xl_bench_render(enum xl_bench_format format,
                     const struct xl_bench_result *results, size_t n,
                     const cJSON *host, const cJSON *build, struct xl_buf *out)
{
    switch (format) {
    case XL_BENCH_MD:
        if (n)
            render_md(results, n, out);
        break;
    case XL_BENCH_CSV:
        render_csv(results, n, out);
        break;
    case XL_BENCH_JSON:
        render_json(results, n, host, build, out);
        break;
    case XL_BENCH_NDJSON:
        for (size_t i = 0; i < n; i++) {
            cJSON *o = xl_bench_result_json(&results[i]);
            xl_json_print(o, false, out);
            xl_buf_char(out, '\n');
            cJSON_Delete(o);
        }
        break;
    case XL_BENCH_SQL:
        render_sql(results, n, out);
        break;
    case XL_BENCH_FORMAT_COUNT:
        break;
    }
}
