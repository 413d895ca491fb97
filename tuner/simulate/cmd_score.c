/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/simulate/cmd_score.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/json.h"
#include "kernel/base/cmd_print.h"

/* The mean over tables, seed by seed. */
struct total {
    double *per_seed; /* [seeds] */
    double p_rank;
    size_t tables;
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void print_near(const struct xl_p_score *s,
                       const struct xl_p_score_options *options)
{
    if (options->within > 0)
        printf("%22s within %g %% of the best after %zu evaluations: %zu of "
               "%zu seeds\n",
               "", 100 * options->within, options->trials, s->n_near, s->seeds);
}

static void print_row(const char *name, const struct xl_p_score *s)
{
    printf("%-22.22s %6zu %6zu  %6.3f [%6.3f, %6.3f] %6.3f %5.0f %% %5.0f %% "
           "%6.3f %7.2f %7.1f\n",
           name, s->rows, s->valid, s->p.mean, s->p.lo, s->p.hi, s->p_rank,
           100 * s->within_100, 100 * s->within_200, s->ratio, s->ask_ms,
           s->slowest_ms);
    fflush(stdout);
}

static void add_mean(cJSON *to, const struct xl_mean *p)
{
    xl_json_add_real(to, "p", p->mean);
    xl_json_add_real(to, "lo", p->lo);
    xl_json_add_real(to, "hi", p->hi);
}

static void add_row(cJSON *list, const char *name, const struct xl_p_score *s,
                    const struct xl_p_score_options *options)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cJSON_AddStringToObject(o, "table", name);
    cJSON_AddNumberToObject(o, "rows", (double)s->rows);
    cJSON_AddNumberToObject(o, "valid", (double)s->valid);
    cJSON_AddNumberToObject(o, "from", (double)s->from);
    cJSON_AddNumberToObject(o, "to", (double)s->to);
    add_mean(o, &s->p);
    xl_json_add_real(o, "p_rank", s->p_rank);
    xl_json_add_real(o, "within_5_percent_at_100", s->within_100);
    xl_json_add_real(o, "within_5_percent_at_200", s->within_200);
    xl_json_add_real(o, "median_ratio", s->ratio);
    xl_json_add_real(o, "ask_ms", s->ask_ms);
    xl_json_add_real(o, "slowest_ask_ms", s->slowest_ms);
    if (options->within > 0) {
        cJSON *near = cJSON_AddObjectToObject(o, "near");
        cJSON_AddNumberToObject(near, "within", options->within);
        cJSON_AddNumberToObject(near, "trials", (double)options->trials);
        cJSON_AddNumberToObject(near, "seeds", (double)s->n_near);
    }
    cJSON *seeds = cJSON_AddArrayToObject(o, "per_seed");
    for (size_t i = 0; i < s->seeds; i++)
        cJSON_AddItemToArray(seeds, cJSON_CreateNumber(s->per_seed[i]));
}

static enum xl_status score_table(const char *path, cJSON *list,
                                  const struct xl_p_score_options *options,
                                  struct total *total, struct xl_err *err)
{
    struct xl_table *table;
    struct xl_p_score score;
    XL_TRY(xl_table_load(&table, path, err));
    enum xl_status rc = xl_p_score_make(&score, table, options, err);
    xl_table_free(table);
    if (rc != XL_OK) {
        xl_err_prefix(err, "'%s'", path);
        return rc;
    }
    for (size_t i = 0; i < score.seeds; i++)
        total->per_seed[i] += score.per_seed[i];
    total->p_rank += score.p_rank;
    total->tables++;
    if (list)
        add_row(list, base_name(path), &score, options);
    else
        print_row(base_name(path), &score);
    if (!list)
        print_near(&score, options);
    xl_p_score_release(&score);
    return XL_OK;
}

static enum xl_status print_all(const struct xl_cmd_ctx *ctx,
                                const char *const *tables, size_t n,
                                const struct xl_p_score_options *options,
                                struct total *total, struct xl_err *err)
{
    cJSON *root = ctx->json ? cJSON_CreateObject() : NULL, *list = NULL;
    enum xl_status rc = XL_OK;
    if (root) {
        cJSON_AddStringToObject(root, "mode", options->mode);
        cJSON_AddNumberToObject(root, "seeds", (double)options->seeds);
        cJSON_AddNumberToObject(root, "seed", (double)options->first_seed);
        list = cJSON_AddArrayToObject(root, "tables");
    } else {
        printf("%s, %zu seeds from %llu\n"
               "%-22s %6s %6s  %6s %-16s %6s %7s %7s %6s %7s %7s\n",
               options->mode, options->seeds,
               (unsigned long long)options->first_seed, "table", "rows",
               "valid", "P", "[95 % interval]", "P rank", "5%@100", "5%@200",
               "ratio", "ask ms", "max ms");
    }
    for (size_t i = 0; i < n && rc == XL_OK; i++)
        rc = score_table(tables[i], list, options, total, err);
    if (rc == XL_OK) {
        for (size_t i = 0; i < options->seeds; i++)
            total->per_seed[i] /= (double)n;
        struct xl_mean p = xl_mean_of(total->per_seed, options->seeds);
        total->p_rank /= (double)n;
        if (root) {
            cJSON *mean = cJSON_AddObjectToObject(root, "mean");
            add_mean(mean, &p);
            xl_json_add_real(mean, "p_rank", total->p_rank);
            rc = xl_print_json(root, err);
            root = NULL;
        } else {
            printf("%-22s %13s  %6.3f [%6.3f, %6.3f] %6.3f\n", "mean", "",
                   p.mean, p.lo, p.hi, total->p_rank);
        }
    }
    cJSON_Delete(root);
    return rc;
}

enum xl_status xl_cmd_simulate_score(const struct xl_cmd_ctx *ctx,
                                     const char *const *tables, size_t n,
                                     const struct xl_p_score_options *options,
                                     struct xl_err *err)
{
    struct total total = { .per_seed = xl_alloc_zero(options->seeds + 1,
                                                     sizeof(double)) };
    if (!total.per_seed)
        return xl_fail(err, XL_ENOMEM, "no memory for the scores");
    enum xl_status rc = print_all(ctx, tables, n, options, &total, err);
    xl_free(total.per_seed);
    return rc;
}
