/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/cmd_sweep_job.h"

#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/stop.h"
#include "tuner/store/query.h"
#include "tuner/store/rundir.h"
#include "tuner/sweep/provable.h"

static enum xl_status parse_words(struct xl_sweep_job *job, struct xl_err *err)
{
    const cJSON *words = xl_json_member(job->meta, "words");
    int n = cJSON_GetArraySize(words), at = 0;
    job->word_list = xl_alloc_zero((size_t)n + 1, sizeof *job->word_list);
    if (!job->word_list)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    for (const cJSON *w = words ? words->child : NULL; w; w = w->next)
        job->word_list[at++] = cJSON_IsString(w) ? w->valuestring : "";
    return xl_opts_parse(&job->words, job->ctx->opts.groups,
                         job->ctx->opts.n_groups, at, job->word_list, err);
}

enum xl_status xl_sweep_job_recall(struct xl_sweep_job *job, const char *run,
                                   struct xl_err *err)
{
    const char *log_dir =
        xl_opt_text(&job->ctx->opts, XL_GROUP_OWN, XL_SWEEP_LOG_DIR);
    XL_TRY(xl_rundir_find(log_dir, run, &job->run_dir, err));
    char *path = xl_io_join(job->run_dir, "run_meta.json");
    enum xl_status rc = path
                            ? xl_json_load(path, XL_JSON_LARGE, &job->meta, err)
                            : xl_fail(err, XL_ENOMEM, "out of memory");
    xl_free(path);
    if (rc == XL_OK && (rc = parse_words(job, err)) != XL_OK)
        xl_err_prefix(err, "'%s/run_meta.json'", job->run_dir);
    if (rc == XL_OK)
        rc = xl_setup_make(&job->setup, job->ctx, &job->words, job->meta, err);
    return rc;
}

enum xl_status xl_sweep_job_save(const struct xl_sweep_job *job,
                                 struct xl_err *err)
{
    return xl_json_save_in(job->run_dir, "run_meta.json", job->meta, err);
}

static enum xl_status create_run(struct xl_sweep_job *job, struct xl_err *err)
{
    struct xl_rundir_name name = {
        .log_dir = xl_setup_text(&job->setup, XL_SWEEP_LOG_DIR),
        .backend = xl_setup_backend(&job->setup),
        .tag = xl_setup_text(&job->setup, XL_SWEEP_TAG),
    };
    XL_TRY(xl_rundir_create(&name, &job->run_dir, err));
    job->meta = xl_setup_meta(&job->setup, job->ctx);
    return xl_sweep_job_save(job, err);
}

static enum xl_status take_name(void *ctx, const struct xl_store_sweep *row,
                                struct xl_err *err)
{
    struct xl_buf *name = ctx;
    xl_buf_clear(name);
    xl_buf_text(name, row->name);
    return xl_buf_check(name, "the name of the run", err);
}

/* A sweep is called as its folder was when it began: a run that is taken up
 * again may lie in a folder of another name since. */
static enum xl_status name_sweep(struct xl_sweep_job *job, struct xl_buf *name,
                                 struct xl_err *err)
{
    const char *slash = strrchr(job->run_dir, '/');
    xl_buf_text(name, slash ? slash + 1 : job->run_dir);
    if (job->word_list && xl_store_sweep_find(job->store, NULL, NULL) == XL_OK)
        XL_TRY(xl_query_sweep(job->store, take_name, name, err));
    return xl_buf_check(name, "the name of the run", err);
}

enum xl_status xl_sweep_job_store(struct xl_sweep_job *job, struct xl_err *err)
{
    struct xl_store_opts opts = { .mode = XL_STORE_CREATE };
    struct xl_buf space, sampler, name;
    char *path = xl_io_join(job->run_dir, XL_RUNDIR_STORE);
    cJSON *json = xl_param_space_json(job->setup.space);
    enum xl_status rc;
    xl_buf_init(&space, 0);
    xl_buf_init(&sampler, 0);
    xl_buf_init(&name, 0);
    xl_json_print(json, false, &space);
    xl_buf_printf(&sampler, "{\"mode\":\"%s\",\"seed\":%lld}",
                  xl_setup_text(&job->setup, XL_SWEEP_MODE),
                  (long long)xl_setup_int(&job->setup, XL_SWEEP_SEED));
    struct xl_store_sweep sweep = {
        .space = space.data,
        .sampler = sampler.data,
        .objective = xl_objective_name(job->setup.objective),
        .build_id = "xltune",
        .model_hash = xl_model_hash(job->setup.session.model),
        .class_id = "",
    };
    rc = path ? xl_store_open(&job->store, path, &opts, err)
              : xl_fail(err, XL_ENOMEM, "out of memory");
    if (rc == XL_OK)
        rc = name_sweep(job, &name, err);
    sweep.name = name.data;
    if (rc == XL_OK)
        rc = xl_store_sweep_begin(job->store, &sweep, err);
    xl_free(path);
    cJSON_Delete(json);
    xl_buf_release(&name);
    xl_buf_release(&space);
    xl_buf_release(&sampler);
    return rc;
}

static void note_facts(struct xl_sweep_job *job, const char *scope,
                       const cJSON *facts)
{
    for (const cJSON *item = facts ? facts->child : NULL; item;
         item = item->next) {
        char *text = cJSON_IsString(item) ? NULL : cJSON_PrintUnformatted(item);
        struct xl_store_fact fact = {
            .scope = scope,
            .key = item->string,
            .value = text ? text : cJSON_GetStringValue(item),
        };
        if (fact.value)
            xl_store_set_fact(job->store, &fact, NULL);
        cJSON_free(text);
    }
}

static enum xl_status start_evaluator(struct xl_sweep_job *job,
                                      struct xl_err *err)
{
    struct xl_evaluator_options options = {
        .model_dir = job->setup.session.model_dir,
        .prompt = job->setup.prompt.data,
        .n_prompt = job->setup.prompt.n,
        .new_tokens = (size_t)xl_setup_int(&job->setup, XL_SWEEP_NEW),
        .judge_tokens =
            (size_t)xl_setup_int(&job->setup, XL_SWEEP_JUDGE_TOKENS),
        .timeout_s =
            xl_opt_real(job->setup.opts, XL_GROUP_OWN, XL_SWEEP_TIMEOUT),
        .memory_bytes = (uint64_t)xl_setup_int(&job->setup, XL_SWEEP_MEMORY)
                        << 20,
        .deadline_ns = xl_pace_end(&job->pace, XL_PHASE_OUTPUTS),
        .stop = xl_stop_signal(),
        .watch = { xl_sweep_progress_step, &job->progress },
    };
    return xl_evaluator_make(&job->evaluator, &options, err);
}

/* What a start of this run that was killed had not finished writing. */
static enum xl_status tidy(const struct xl_sweep_job *job, struct xl_err *err)
{
    char *outputs = xl_io_join(job->run_dir, "outputs");
    if (!outputs)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    xl_io_tidy(job->run_dir);
    xl_io_tidy(outputs);
    xl_free(outputs);
    return XL_OK;
}

const struct xl_opts *xl_sweep_job_words(const struct xl_sweep_job *job,
                                         enum xl_sweep_opt opt)
{
    bool is_new = xl_opt_given(&job->ctx->opts, XL_GROUP_OWN, opt);
    return is_new ? &job->ctx->opts : job->setup.opts;
}

static void set_pace(struct xl_sweep_job *job)
{
    struct xl_pace *pace = &job->pace;
    xl_pace_init(pace, pace->start_ns,
                 xl_opt_real(xl_sweep_job_words(job, XL_SWEEP_TIME_BUDGET),
                             XL_GROUP_OWN, XL_SWEEP_TIME_BUDGET));
    pace->duel_rounds = (size_t)xl_setup_int(&job->setup, XL_SWEEP_ROUNDS);
    pace->grade_rounds = (size_t)xl_setup_int(&job->setup, XL_SWEEP_GRADE);
}

enum xl_status xl_sweep_job_open(struct xl_sweep_job *job, struct xl_err *err)
{
    const char *resume =
        xl_opt_text(&job->ctx->opts, XL_GROUP_OWN, XL_SWEEP_RESUME);
    if (resume) {
        XL_TRY(xl_sweep_job_recall(job, resume, err));
        XL_TRY(xl_rundir_lock(job->run_dir, &job->lock, err));
        XL_TRY(tidy(job, err));
    } else {
        XL_TRY(
            xl_setup_make(&job->setup, job->ctx, &job->ctx->opts, NULL, err));
        XL_TRY(xl_sweep_provable(&job->setup, err));
        XL_TRY(create_run(job, err));
        XL_TRY(xl_rundir_lock(job->run_dir, &job->lock, err));
    }
    XL_TRY(xl_sweep_job_store(job, err));
    note_facts(job, "host", xl_json_member(job->meta, "host"));
    note_facts(job, "build", xl_json_member(job->meta, "build"));
    job->key = job->setup.key;
    set_pace(job);
    return start_evaluator(job, err);
}

void xl_sweep_job_close(struct xl_sweep_job *job)
{
    xl_evaluator_free(job->evaluator);
    xl_store_close(job->store);
    xl_rundir_unlock(&job->lock);
    xl_setup_release(&job->setup);
    xl_opts_release(&job->words);
    xl_free(job->word_list);
    cJSON_Delete(job->meta);
    cJSON_Delete(job->heard);
    xl_free(job->run_dir);
}
