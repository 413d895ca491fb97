/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/cmd_overhead.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/json.h"
#include "tuner/measure/host.h"
#include "tuner/sweep/overhead.h"

enum {
    SAMPLES = 7,
    PROCESSES = 4,
    ASK_FROM = 190, /* asks around 200 results */
    ASK_TO = 230,
};

/* Where the figures go: a table for people or a list. */
struct sheet {
    cJSON *list; /* NULL = people */
};

static void put(const struct sheet *sheet, const char *name, const char *unit,
                double wall, double cpu)
{
    if (!sheet->list) {
        printf("%-44s %12.5g", name, wall);
        if (isfinite(cpu))
            printf(" %12.5g", cpu);
        else
            printf(" %12s", "");
        printf("  %s\n", unit);
        fflush(stdout);
        return;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(sheet->list, o);
    cJSON_AddStringToObject(o, "name", name);
    cJSON_AddStringToObject(o, "unit", unit);
    xl_json_add_real(o, "wall", wall);
    xl_json_add_real(o, "processor", cpu);
}

static enum xl_status put_trials(const struct sheet *sheet, const char *dir,
                                 struct xl_err *err)
{
    static const struct {
        const char *name, *mode;
        bool sync_full;
        size_t trials;
    } rows[] = {
        { "random, synchronous normal", "random", false, 10000 },
        { "ga, synchronous normal", "ga", false, 10000 },
        { "random, synchronous full", "random", true, 2000 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_overhead cost;
        struct xl_overhead_job job = { .dir = dir,
                                       .mode = rows[i].mode,
                                       .trials = rows[i].trials,
                                       .samples = SAMPLES,
                                       .sync_full = rows[i].sync_full };
        XL_TRY(xl_overhead_trials(&cost, &job, err));
        put(sheet, rows[i].name, "trials/s", (double)cost.n / cost.wall_s,
            (double)cost.n / cost.cpu_s);
    }
    return XL_OK;
}

static enum xl_status put_processes(const struct sheet *sheet, const char *dir,
                                    struct xl_err *err)
{
    struct xl_overhead cost;
    struct xl_overhead_job job = { .dir = dir,
                                   .trials = 10000,
                                   .samples = SAMPLES };
    XL_TRY(xl_overhead_processes(&cost, &job, PROCESSES, err));
    put(sheet, "four processes on one store", "trials/s",
        (double)cost.n / cost.wall_s, (double)NAN);
    return XL_OK;
}

static enum xl_status put_asks(const struct sheet *sheet, struct xl_err *err)
{
    struct xl_overhead cost;
    XL_TRY(xl_overhead_asks(&cost, "gp", ASK_FROM, ASK_TO, err));
    put(sheet, "gp, ask at 200 results, 18000 candidates", "ms, mean",
        1e3 * cost.wall_s / (double)cost.n, 1e3 * cost.cpu_s / (double)cost.n);
    put(sheet, "the slowest of these", "ms", (double)NAN, cost.slowest_ms);
    return XL_OK;
}

static enum xl_status put_large(const struct sheet *sheet, const char *dir,
                                size_t trials, struct xl_err *err)
{
    struct xl_overhead_large large;
    XL_TRY(xl_overhead_large(&large, dir, trials, err));
    put(sheet, "large store, trials", "", (double)trials, (double)NAN);
    put(sheet, "filling it, 1000 a transaction", "trials/s",
        (double)trials / large.fill.wall_s, (double)trials / large.fill.cpu_s);
    put(sheet, "best ten of it", "s", large.best_s, (double)NAN);
    put(sheet, "front of prefill and decode", "s", large.front_s, (double)NAN);
    put(sheet, "resume: open, reap, count, claim the next", "s", large.resume_s,
        (double)NAN);
    return XL_OK;
}

static enum xl_status put_all(const struct sheet *sheet, const char *dir,
                              size_t large, struct xl_err *err)
{
    if (!sheet->list)
        printf("%-44s %12s %12s\n", "trials that take no time, 7 samples each",
               "wall", "processor");
    XL_TRY(put_trials(sheet, dir, err));
    XL_TRY(put_processes(sheet, dir, err));
    XL_TRY(put_asks(sheet, err));
    return large ? put_large(sheet, dir, large, err) : XL_OK;
}

static enum xl_status print_json(const cJSON *root, struct xl_err *err)
{
    struct xl_buf out;
    xl_buf_init(&out, 0);
    xl_json_print(root, true, &out);
    enum xl_status rc = xl_buf_check(&out, "the results", err);
    if (rc == XL_OK)
        printf("%s\n", out.data);
    xl_buf_release(&out);
    return rc;
}

enum xl_status xl_cmd_overhead(const struct xl_cmd_ctx *ctx, size_t large,
                               struct xl_err *err)
{
    const char *base = getenv("TMPDIR");
    char dir[4000];
    struct sheet sheet = { .list = NULL };
    cJSON *root = NULL;
    snprintf(dir, sizeof dir, "%s/xltune-store-XXXXXX",
             base && *base ? base : "/tmp");
    if (!mkdtemp(dir))
        return xl_fail(err, XL_EIO, "cannot make a folder '%s'", dir);
    if (ctx->json) {
        root = cJSON_CreateObject();
        sheet.list = cJSON_AddArrayToObject(root, "overhead");
    }
    enum xl_status rc = put_all(&sheet, dir, large, err);
    if (rc == XL_OK && root) {
        cJSON_AddItemToObject(root, "host", xl_host_json());
        cJSON_AddItemToObject(root, "build", xl_build_json());
        rc = print_json(root, err);
    }
    cJSON_Delete(root);
    rmdir(dir);
    return rc;
}
