/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/run/step_log.h"

#include <errno.h>
#include <string.h>

#include "kernel/base/clock.h"
#include "kernel/guard/memory.h"

static enum xl_status open_csv(FILE **file, const char *path,
                               const char *header, struct xl_err *err)
{
    *file = NULL;
    if (!path)
        return XL_OK;
    *file = fopen(path, "we");
    if (!*file || fprintf(*file, "%s\n", header) < 0)
        return xl_fail(err, XL_EIO, "cannot write '%s': %s", path,
                       strerror(errno));
    return XL_OK;
}

static void log_memory(struct xl_step_log *log)
{
    struct xl_memory memory;
    struct xl_buf line;
    if (!log->memory)
        return;
    xl_buf_init(&line, 1024);
    xl_memory_read(&memory);
    xl_memory_csv(&memory, xl_clock_wall_ms(), &line);
    fputs(line.data, log->memory);
    fflush(log->memory);
    xl_buf_release(&line);
}

enum xl_status xl_step_log_open(struct xl_step_log *log, const char *stats,
                                const char *memory, size_t every,
                                struct xl_err *err)
{
    *log = (struct xl_step_log){ .paths = { stats, memory },
                                 .every = every ? every : 1 };
    enum xl_status rc = open_csv(&log->stats, stats,
                                 "step,dt_ms,cum_ms,inst_tok_s,avg_tok_s", err);
    if (rc == XL_OK)
        rc = open_csv(&log->memory, memory, xl_memory_csv_header, err);
    if (rc != XL_OK) {
        xl_step_log_close(log, NULL);
        return rc;
    }
    log_memory(log);
    return XL_OK;
}

void xl_step_log_token(struct xl_step_log *log,
                       const struct xl_generate_token *token)
{
    if (token->step == 0)
        return;
    log->sum_ns += token->dt_ns;
    if (token->step % log->every != 0)
        return;
    double dt = (double)token->dt_ns, sum = (double)log->sum_ns;
    if (log->stats) {
        fprintf(log->stats, "%zu,%.3f,%.3f,%.3f,%.3f\n", token->step, dt / 1e6,
                sum / 1e6, 1e9 / dt, (double)token->step * 1e9 / sum);
        fflush(log->stats);
    }
    log_memory(log);
}

enum xl_status xl_step_log_close(struct xl_step_log *log, struct xl_err *err)
{
    FILE *files[] = { log->stats, log->memory };
    enum xl_status rc = XL_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (!files[i])
            continue;
        bool ok = !ferror(files[i]);
        ok = fclose(files[i]) == 0 && ok;
        if (!ok && rc == XL_OK)
            rc =
                xl_fail(err, XL_EIO, "cannot write all of '%s'", log->paths[i]);
    }
    *log = (struct xl_step_log){ 0 };
    return rc;
}
