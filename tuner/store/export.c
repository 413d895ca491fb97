/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over the trials makes all three texts. Of a trial's samples and
 * scores each row is written the moment it is read, and files take the texts
 * in pieces, so that nothing is held but the trial at hand. */
#include "tuner/store/export.h"

#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/csv.h"
#include "kernel/base/io.h"
#include "kernel/base/out.h"
#include "tuner/store/export_int.h"

enum {
    N_FILES = 3,
    PIECE = 1 << 20 /* bytes that go to a file at once */
};

struct job {
    struct xl_store *store;
    struct xl_buf *jsonl, *summary, *samples; /* NULL = not asked for */
    struct xl_out *files; /* [N_FILES] that they go to in pieces, or NULL */
    struct xl_arena arena;
    struct xl_export_line line; /* its buffers are used again */
};

/* -- samples -------------------------------------------------------------- */

/* In the order of trials.jsonl. */
static const char *const sample_keys[] = {
    "rep",          "prompt_tokens", "new_tokens", "prefill_tok_s",
    "decode_tok_s", "prefill_s",     "decode_s",   "peak_rss_bytes",
    "foreign_cpu",  "ctx_switches",  "disturbed",  "at_ms",
};
enum {
    N_SAMPLE_KEYS = sizeof sample_keys / sizeof *sample_keys
};
/* In the order of samples.csv. */
static const size_t sample_columns[N_SAMPLE_KEYS] = { 0, 3, 4, 5, 6,  1,
                                                      2, 7, 8, 9, 10, 11 };

static void sample_cells(const struct xl_store_sample *s,
                         struct xl_export_cell cells[N_SAMPLE_KEYS])
{
    const struct xl_export_cell all[N_SAMPLE_KEYS] = {
        xl_export_number(true, (double)s->rep),
        xl_export_number(true, (double)s->prompt_tokens),
        xl_export_number(true, (double)s->new_tokens),
        xl_export_number(s->has_prefill, s->prefill_tok_s),
        xl_export_number(s->has_decode, s->decode_tok_s),
        xl_export_number(s->has_prefill, (double)s->prefill_ns * 1e-9),
        xl_export_number(s->has_decode, (double)s->decode_ns * 1e-9),
        xl_export_number(s->has_peak_rss, (double)s->peak_rss_bytes),
        xl_export_number(s->has_foreign_cpu, s->foreign_cpu),
        xl_export_number(s->has_ctx, (double)s->ctx_switches),
        { .kind = XL_CELL_BOOL, .number = s->is_disturbed },
        xl_export_number(true, (double)s->at_ms),
    };
    memcpy(cells, all, sizeof all);
}

static enum xl_status add_sample(void *ctx, const struct xl_store_sample *s,
                                 struct xl_err *err)
{
    struct job *job = ctx;
    struct xl_export_cell cells[N_SAMPLE_KEYS];
    struct xl_buf *json = &job->line.samples;
    (void)err;
    sample_cells(s, cells);
    if (job->samples) {
        xl_csv_int(job->samples, job->line.trial->id);
        for (size_t i = 0; i < N_SAMPLE_KEYS; i++)
            xl_export_csv_cell(job->samples, &cells[sample_columns[i]]);
        xl_csv_end(job->samples);
    }
    if (!job->jsonl)
        return XL_OK;
    xl_buf_text(json, json->len ? ",{" : "{");
    for (size_t i = 0; i < N_SAMPLE_KEYS; i++) {
        xl_export_key(json, sample_keys[i]);
        xl_export_json_cell(json, &cells[i]);
    }
    xl_buf_char(json, '}');
    return XL_OK;
}

static void samples_header(struct xl_buf *out)
{
    xl_csv_text(out, "id");
    for (size_t i = 0; i < N_SAMPLE_KEYS; i++)
        xl_csv_text(out, sample_keys[sample_columns[i]]);
    xl_csv_end(out);
}

/* -- scores --------------------------------------------------------------- */

/* A score is its number; what has only words is its words. */
static struct xl_export_cell score_cell(const struct xl_store_score *score)
{
    bool is_words =
        strcmp(score->name, xl_export_shown[XL_EXPORT_VERDICT]) == 0 ||
        !score->has_value;
    return is_words && score->detail
               ? (struct xl_export_cell){ .kind = XL_CELL_WORDS,
                                          .words = score->detail }
               : xl_export_number(score->has_value, score->value);
}

static enum xl_status add_score(void *ctx, const struct xl_store_score *score,
                                struct xl_err *err)
{
    struct job *job = ctx;
    struct xl_export_cell cell = score_cell(score);
    if (job->jsonl) {
        xl_export_key(&job->line.quality, score->name);
        xl_export_json_cell(&job->line.quality, &cell);
    }
    for (size_t i = 0; i < XL_EXPORT_SHOWN; i++) {
        if (strcmp(score->name, xl_export_shown[i]) != 0)
            continue;
        if (cell.words)
            cell.words =
                xl_arena_text(&job->arena, cell.words, strlen(cell.words));
        if (cell.kind == XL_CELL_WORDS && !cell.words)
            return xl_export_no_memory(err);
        job->line.shown[i] = cell;
    }
    return XL_OK;
}

/* -- the trial at hand ---------------------------------------------------- */

static void begin_line(struct job *job, const struct xl_store_trial *trial)
{
    struct xl_export_line *line = &job->line;
    const struct xl_store_result *r = &trial->result;
    struct xl_export_line next = { .trial = trial,
                                   .arena = &job->arena,
                                   .samples = line->samples,
                                   .quality = line->quality };
    *line = next;
    xl_buf_clear(&line->samples);
    xl_buf_clear(&line->quality);
    if (!trial->has_result)
        return;
    line->metrics[0] = &r->prefill_tok_s;
    line->metrics[1] = &r->decode_tok_s;
    line->metrics[2] = &r->prefill_s;
    line->metrics[3] = &r->decode_s;
}

static enum xl_status read_line(struct job *job,
                                const struct xl_store_trial *trial,
                                struct xl_err *err)
{
    struct xl_export_line *line = &job->line;
    begin_line(job, trial);
    if (job->jsonl || job->summary) {
        XL_TRY(xl_export_parse(trial, "configuration", trial->cfg,
                               &line->params, err));
        XL_TRY(xl_export_parse(trial, "effective values",
                               trial->result.effective, &line->effective, err));
        XL_TRY(xl_query_scores(job->store, trial->id, add_score, job, err));
    }
    if (job->jsonl || job->samples)
        XL_TRY(xl_query_samples(job->store, trial->id, add_sample, job, err));
    XL_TRY(xl_buf_check(&line->samples, "samples of a trial", err));
    return xl_buf_check(&line->quality, "scores of a trial", err);
}

/* -- the pass ------------------------------------------------------------- */

/* Checks the texts; those of at least `most` bytes go to their files. */
static enum xl_status drain(struct job *job, size_t most, struct xl_err *err)
{
    struct xl_buf *texts[N_FILES] = { job->jsonl, job->summary, job->samples };
    for (size_t i = 0; i < N_FILES; i++) {
        if (!texts[i])
            continue;
        XL_TRY(xl_buf_check(texts[i], "export of trials", err));
        if (!job->files || texts[i]->len < most)
            continue;
        XL_TRY(
            xl_out_write(&job->files[i], texts[i]->data, texts[i]->len, err));
        xl_buf_clear(texts[i]);
    }
    return XL_OK;
}

static enum xl_status
export_trial(void *ctx, const struct xl_store_trial *trial, struct xl_err *err)
{
    struct job *job = ctx;
    struct xl_arena_mark mark = xl_arena_mark(&job->arena);
    enum xl_status rc = read_line(job, trial, err);
    if (rc == XL_OK && job->jsonl)
        rc = xl_export_put_json(&job->line, job->jsonl, err);
    if (rc == XL_OK && job->summary)
        xl_export_put_summary(&job->line, job->summary);
    cJSON_Delete(job->line.params);
    cJSON_Delete(job->line.effective);
    xl_arena_rewind(&job->arena, mark);
    return rc == XL_OK ? drain(job, PIECE, err) : rc;
}

static enum xl_status run_job(const struct job *asked, struct xl_err *err)
{
    struct job job = *asked;
    xl_arena_init(&job.arena, 0);
    xl_buf_init(&job.line.samples, 0);
    xl_buf_init(&job.line.quality, 0);
    if (job.summary)
        xl_export_summary_header(job.summary);
    if (job.samples)
        samples_header(job.samples);
    enum xl_status rc = xl_query_trials(job.store, 0, export_trial, &job, err);
    if (rc == XL_OK)
        rc = drain(&job, 0, err);
    xl_buf_release(&job.line.samples);
    xl_buf_release(&job.line.quality);
    xl_arena_release(&job.arena);
    return rc;
}

enum xl_status xl_export_jsonl(struct xl_store *store, struct xl_buf *out,
                               struct xl_err *err)
{
    return run_job(&(struct job){ .store = store, .jsonl = out }, err);
}

enum xl_status xl_export_summary(struct xl_store *store, struct xl_buf *out,
                                 struct xl_err *err)
{
    return run_job(&(struct job){ .store = store, .summary = out }, err);
}

enum xl_status xl_export_samples(struct xl_store *store, struct xl_buf *out,
                                 struct xl_err *err)
{
    return run_job(&(struct job){ .store = store, .samples = out }, err);
}

/* Opens all three, so that none is replaced when one cannot be written. */
static enum xl_status open_files(struct xl_out files[N_FILES],
                                 const char *folder, struct xl_err *err)
{
    static const char *const names[N_FILES] = { "trials.jsonl", "summary.csv",
                                                "samples.csv" };
    enum xl_status rc = XL_OK;
    for (size_t i = 0; i < N_FILES && rc == XL_OK; i++) {
        char *path = xl_io_join(folder, names[i]);
        rc =
            path ? xl_out_open(&files[i], path, err) : xl_export_no_memory(err);
        xl_free(path);
    }
    return rc;
}

enum xl_status xl_export_run(struct xl_store *store, const char *folder,
                             struct xl_err *err)
{
    struct xl_out files[N_FILES] = { { 0 } };
    struct xl_buf texts[N_FILES];
    for (size_t i = 0; i < N_FILES; i++)
        xl_buf_init(&texts[i], 0);
    struct job job = { .store = store,
                       .jsonl = &texts[0],
                       .summary = &texts[1],
                       .samples = &texts[2],
                       .files = files };
    enum xl_status rc = open_files(files, folder, err);
    if (rc == XL_OK)
        rc = run_job(&job, err);
    for (size_t i = 0; i < N_FILES && rc == XL_OK; i++)
        rc = xl_out_commit(&files[i], err);
    for (size_t i = 0; i < N_FILES; i++) {
        xl_out_abandon(&files[i]);
        xl_buf_release(&texts[i]);
    }
    return rc;
}
