/* SPDX-License-Identifier: Apache-2.0
 *
 * The order matters: the prompt's length decides which machine profile fits,
 * the profile gives the base values, the base values are the space's home. */
#include "tuner/sweep/setup.h"

#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/cpu.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tuner/profile/home.h"
#include "tuner/store/rundir.h"
#include "tuner/sweep/kin.h"
#include "tuner/sweep/roofline.h"
#include "tuner/sweep/warm.h"

#define PROMPT_SHIPPED "runs/prompts/demo.txt"
#define PROMPT_KEPT    ((size_t)64 << 10)
#define PROMPT_MAX     ((size_t)256 << 20)

static const char mode_help[] = "strategy, one of"
#define XL_STRATEGY(id, name, summary) " " #name
#include "tuner/strategy/strategy.def"
#undef XL_STRATEGY
    ;

static const char *const modes[] = {
#define XL_STRATEGY(id, name, summary) #name,
#include "tuner/strategy/strategy.def"
#undef XL_STRATEGY
    NULL
};
static const char *const metrics[] = {
#define XL_METRIC(id, name, unit, is_less, phases, help) name,
#include "tuner/sweep/objective.def"
#undef XL_METRIC
    NULL
};

const struct xl_opt xl_sweep_rows[XL_SWEEP_OPTS] = {
#define XL_SWEEP_OPT(id, name_, kind_, arg_, fallback_, lo_, hi_, help_)       \
    [XL_SWEEP_##id] = { .name = name_,                                         \
                        .kind = XL_OPT_##kind_,                                \
                        .arg = arg_,                                           \
                        .help = help_,                                         \
                        .fallback = fallback_,                                 \
                        .lo = lo_,                                             \
                        .hi = hi_ },
#include "tuner/sweep/option.def"
#undef XL_SWEEP_OPT
    [XL_SWEEP_MODE].offers = modes,
    [XL_SWEEP_OBJECTIVE].offers = metrics,
};

int64_t xl_setup_int(const struct xl_setup *setup, enum xl_sweep_opt opt)
{
    return xl_opt_int(setup->opts, XL_GROUP_OWN, opt);
}

const char *xl_setup_text(const struct xl_setup *setup, enum xl_sweep_opt opt)
{
    return xl_opt_text(setup->opts, XL_GROUP_OWN, opt);
}

const char *xl_setup_backend(const struct xl_setup *setup)
{
    const char *given = xl_setup_text(setup, XL_SWEEP_BACKEND);
    if (given)
        return strchr(given, ',') ? "several" : given;
    const struct xl_param_row *row = xl_param_row(XL_PARAM_BACKEND);
    return row->choices[setup->base.value[XL_PARAM_BACKEND]];
}

/* -- prompt --------------------------------------------------------------- */

static enum xl_status read_prompt_text(struct xl_setup *setup,
                                       struct xl_buf *text, struct xl_err *err)
{
    const char *given = xl_setup_text(setup, XL_SWEEP_PROMPT);
    const char *file = xl_setup_text(setup, XL_SWEEP_PROMPT_FILE);
    if (given && file)
        return xl_fail(err, XL_EUSAGE,
                       "--prompt and --prompt-file exclude "
                       "each other");
    if (given) {
        xl_buf_text(text, given);
        return xl_buf_check(text, "the prompt", err);
    }
    if (file)
        return xl_io_read(file, text, err);
    char *shipped = xl_session_shipped(PROMPT_SHIPPED);
    if (!shipped)
        return xl_fail(err, XL_ENOTFOUND,
                       "the bundled prompt is not where it "
                       "was installed; name one with --prompt-file");
    enum xl_status rc = xl_io_read(shipped, text, err);
    xl_free(shipped);
    return rc;
}

static enum xl_status make_prompt(struct xl_setup *setup, struct xl_err *err)
{
    struct xl_buf text;
    xl_buf_init(&text, PROMPT_MAX);
    enum xl_status rc = read_prompt_text(setup, &text, err);
    if (rc == XL_OK && text.len == 0)
        rc = xl_fail(err, XL_EUSAGE,
                     "the prompt is empty: there is nothing to measure");
    if (rc == XL_OK)
        rc = xl_session_encode(&setup->session, text.data, text.len, true,
                               &setup->prompt, err);
    if (rc == XL_OK && text.len <= PROMPT_KEPT)
        setup->prompt_text = xl_strndup(text.data, text.len);
    xl_buf_release(&text);
    return rc;
}

static enum xl_status recall_prompt(struct xl_setup *setup,
                                    const cJSON *resumed, struct xl_err *err)
{
    const cJSON *ids = xl_json_member(resumed, "prompt_ids");
    const char *text = NULL;
    for (const cJSON *id = ids ? ids->child : NULL; id; id = id->next)
        XL_TRY(xl_ids_add(&setup->prompt, (int32_t)id->valuedouble, err));
    if (setup->prompt.n == 0)
        return xl_fail(err, XL_EFORMAT,
                       "run_meta.json has no 'prompt_ids'; "
                       "this run cannot be resumed");
    if (xl_json_get_text(resumed, "prompt", &text, NULL) == XL_OK)
        setup->prompt_text = xl_strdup(text);
    return xl_session_check_ids(&setup->session, &setup->prompt, err);
}

/* -- base, space, strategy ------------------------------------------------ */

/* The sweep's own --backend hides the tunable of that name. A single one is
 * handed on: its golden profile is the base, and the duel is against it. */
static void hand_on_backend(const struct xl_opts *opts)
{
    const struct xl_opt_value *own =
        &opts->values[XL_GROUP_OWN][XL_SWEEP_BACKEND];
    const char *names = xl_opt_text(opts, XL_GROUP_OWN, XL_SWEEP_BACKEND);
    if (own->given && strcmp(names, "all") != 0 && !strchr(names, ','))
        opts->values[XL_GROUP_TUNABLES][XL_PARAM_BACKEND] = *own;
}

static enum xl_status make_base(struct xl_setup *setup,
                                const struct xl_cmd_ctx *ctx,
                                const cJSON *resumed, struct xl_err *err)
{
    const cJSON *base = resumed ? xl_json_member(resumed, "base") : NULL;
    if (!resumed)
        return ctx->services->resolve(setup->opts,
                                      xl_model_config(setup->session.model),
                                      setup->prompt.n, &setup->base, err);
    xl_params_init(&setup->base);
    XL_TRY(xl_params_from_json(&setup->base, base, XL_LAYER_MACHINE,
                               "run_meta.json", err));
    /* Flags keep their origin: what is given by flag is not swept. */
    const struct xl_opt_value *pairs =
        &setup->opts->values[XL_GROUP_MODEL][XL_MODEL_PARAM];
    return xl_params_from_flags(&setup->base, setup->opts, XL_GROUP_TUNABLES,
                                pairs->texts, pairs->n_texts, err);
}

static enum xl_status make_space(struct xl_setup *setup, struct xl_err *err)
{
    const struct xl_config *config = xl_model_config(setup->session.model);
    unsigned phases = xl_objective_phases(setup->objective);
    struct xl_param_space_options options = {
        .base = &setup->base,
        .rules = { config, xl_plan_inert, xl_plan_canonical, xl_plan_check },
        .heads = config->heads,
        .cores = xl_cpu_cores(),
        .backends = xl_setup_text(setup, XL_SWEEP_BACKEND),
        .file = xl_setup_text(setup, XL_SWEEP_SPACE),
        .phases = phases,
        .prompt_tokens = setup->prompt.n,
        .bounds = {
            [XL_BOUND_HEADS_PER_BAND] = {
                xl_setup_int(setup, XL_SWEEP_HEADS_MIN),
                xl_setup_int(setup, XL_SWEEP_HEADS_MAX) },
            [XL_BOUND_CHUNK_SIZE] = {
                xl_setup_int(setup, XL_SWEEP_CHUNKS_MIN),
                xl_setup_int(setup, XL_SWEEP_CHUNKS_MAX) },
            [XL_BOUND_WORKERS] = {
                xl_setup_int(setup, XL_SWEEP_WORKERS_MIN),
                xl_setup_int(setup, XL_SWEEP_WORKERS_MAX) },
        },
    };
    struct xl_workload workload = {
        .prompt_tokens = setup->prompt.n,
        .new_tokens = (size_t)xl_setup_int(setup, XL_SWEEP_NEW),
        .phases = phases,
    };
    enum xl_status rc = xl_param_space_make(&setup->space, &options, err);
    if (rc == XL_ENOTFOUND || rc == XL_EFORMAT || rc == XL_EIO)
        rc = XL_EUSAGE; /* a space file is configuration */
    XL_TRY(rc);
    return xl_param_space_exercise(setup->space, &workload, err);
}

/* The defaults are measured first, when the space holds them. */
static enum xl_status suggest_base(struct xl_setup *setup, struct xl_err *err)
{
    uint32_t point[XL_SPACE_DIMS];
    struct xl_params base = setup->base;
    xl_plan_canonical(xl_model_config(setup->session.model), &base);
    if (!xl_param_space_point(setup->space, &base, point))
        return XL_OK;
    return xl_strategy_suggest(setup->strategy, point, err);
}

/* Begins from one run, a group of hints. One that was found and not named may
 * be of no use: it is noted and passed over. */
static enum xl_status warm_with(struct xl_setup *setup, const char *run,
                                const char *differs, struct xl_err *err)
{
    struct xl_err fault = { 0 };
    size_t group = (size_t)cJSON_GetArraySize(setup->warm);
    struct xl_warm warm = {
        .space = setup->space,
        .objective = setup->objective,
        .model_hash = xl_model_hash(setup->session.model),
        .group = (uint32_t)group,
    };
    if (group == XL_STRATEGY_GROUPS - 1) /* one is the roofline's */
        return xl_fail(err, XL_EUSAGE, "a sweep can begin from at most %d runs",
                       (int)group);
    char *path = xl_io_join(run, XL_RUNDIR_STORE);
    if (!path)
        return xl_fail(err, XL_ENOMEM, "no memory for a path");
    warm.path = path;
    xl_kin_match(run, &setup->key, &warm.match);
    enum xl_status rc =
        xl_warm_start(&warm, setup->strategy, differs ? &fault : err);
    xl_free(path);
    if (rc != XL_OK && (!differs || rc == XL_ENOMEM))
        return rc;
    cJSON *note = cJSON_CreateObject();
    cJSON_AddStringToObject(note, "run", run);
    if (rc != XL_OK) {
        cJSON_AddStringToObject(note, "fault", fault.message);
    } else {
        cJSON_AddNumberToObject(note, "hints", (double)warm.n_hints);
        cJSON_AddNumberToObject(note, "failed", (double)warm.n_failed);
        cJSON_AddNumberToObject(note, "left_out", (double)warm.n_left_out);
        cJSON_AddBoolToObject(note, "same_model", warm.is_same_model);
    }
    if (differs)
        cJSON_AddStringToObject(note, "differs", differs);
    cJSON_AddItemToArray(setup->warm, note);
    return XL_OK;
}

static enum xl_status warm_with_kin(struct xl_setup *setup, struct xl_err *err)
{
    struct xl_kin kin;
    XL_TRY(xl_kin_find(&kin, xl_setup_text(setup, XL_SWEEP_LOG_DIR),
                       &setup->key, err));
    enum xl_status rc = XL_OK;
    for (size_t i = 0; i < kin.n && rc == XL_OK; i++)
        rc = warm_with(setup, kin.runs[i].path, kin.runs[i].match.differs, err);
    xl_kin_release(&kin);
    return rc;
}

static enum xl_status warm_with_named(struct xl_setup *setup, const char *name,
                                      struct xl_err *err)
{
    char *run = NULL;
    XL_TRY(xl_rundir_find(xl_setup_text(setup, XL_SWEEP_LOG_DIR), name, &run,
                          err));
    enum xl_status rc = warm_with(setup, run, NULL, err);
    xl_free(run);
    return rc;
}

/* Runs of --warm; those of a resumed sweep are the ones it began from, however
 * many there are by now. */
static enum xl_status warm_up(struct xl_setup *setup, const cJSON *resumed,
                              struct xl_err *err)
{
    const struct xl_opt_value *runs =
        &setup->opts->values[XL_GROUP_OWN][XL_SWEEP_WARM];
    const cJSON *noted = xl_json_member(resumed, "warm");
    setup->warm = cJSON_CreateArray();
    for (const cJSON *n = noted ? noted->child : NULL; n; n = n->next) {
        const char *run = NULL, *differs = NULL;
        xl_json_get_text(n, "differs", &differs, NULL);
        XL_TRY(xl_json_get_text(n, "run", &run, err));
        XL_TRY(warm_with(setup, run, differs, err));
    }
    for (size_t i = 0; i < runs->n_texts && !noted; i++) {
        if (strcmp(runs->texts[i], XL_WARM_AUTO) == 0)
            XL_TRY(warm_with_kin(setup, err));
        else
            XL_TRY(warm_with_named(setup, runs->texts[i], err));
    }
    return XL_OK;
}

/* What could be at most guides the search, unless it is not to; a resumed run
 * that began without it goes on without. */
static enum xl_status ask_roofline(struct xl_setup *setup, const cJSON *resumed,
                                   struct xl_err *err)
{
    struct xl_roofline roofline = {
        .config = xl_model_config(setup->session.model),
        .prompt_tokens = setup->prompt.n,
        .cores = xl_cpu_cores(),
    };
    if (xl_opt_bool(setup->opts, XL_GROUP_OWN, XL_SWEEP_NO_ROOFLINE) ||
        (resumed && !cJSON_HasObjectItem(resumed, "roofline")))
        return XL_OK;
    return xl_roofline_hint(&roofline, setup->space, setup->objective,
                            (uint32_t)cJSON_GetArraySize(setup->warm),
                            setup->strategy, &setup->n_roofline, err);
}

static enum xl_status make_strategy(struct xl_setup *setup,
                                    const cJSON *resumed, struct xl_err *err)
{
    size_t population = (size_t)xl_setup_int(setup, XL_SWEEP_POPULATION);
    size_t generations = (size_t)xl_setup_int(setup, XL_SWEEP_GENERATIONS);
    bool has_trials = xl_opt_given(setup->opts, XL_GROUP_OWN, XL_SWEEP_TRIALS);
    struct xl_strategy_options options = {
        .seed = (uint64_t)xl_setup_int(setup, XL_SWEEP_SEED),
        .population = population,
        .generations = generations,
        .n_values = xl_objective_count(setup->objective),
    };
    if (!xl_strategy_kind_has_budget(setup->kind) || has_trials)
        options.budget = (size_t)xl_setup_int(setup, XL_SWEEP_TRIALS);
    XL_TRY(xl_strategy_make(&setup->strategy, setup->kind,
                            xl_param_space_space(setup->space), &options, err));
    XL_TRY(suggest_base(setup, err));
    XL_TRY(warm_up(setup, resumed, err));
    return ask_roofline(setup, resumed, err);
}

enum xl_status xl_setup_make(struct xl_setup *setup,
                             const struct xl_cmd_ctx *ctx,
                             const struct xl_opts *opts, const cJSON *resumed,
                             struct xl_err *err)
{
    struct xl_cmd_ctx with_opts = *ctx;
    *setup = (struct xl_setup){ .opts = opts };
    hand_on_backend(opts);
    with_opts.opts = *opts; /* a resumed run has its own words */
    XL_TRY(xl_rundir_check_tag(xl_setup_text(setup, XL_SWEEP_TAG), err));
    XL_TRY(xl_objective_parse(&setup->objective,
                              xl_setup_text(setup, XL_SWEEP_OBJECTIVE), err));
    XL_TRY(xl_strategy_choose(&setup->kind, xl_setup_text(setup, XL_SWEEP_MODE),
                              err));
    XL_TRY(xl_session_open(&setup->session, &with_opts, err));
    XL_TRY(resumed ? recall_prompt(setup, resumed, err)
                   : make_prompt(setup, err));
    XL_TRY(make_base(setup, &with_opts, resumed, err));
    xl_home_key(&setup->key, setup->session.model, setup->prompt.n);
    XL_TRY(make_space(setup, err));
    return make_strategy(setup, resumed, err);
}

void xl_setup_release(struct xl_setup *setup)
{
    xl_strategy_free(setup->strategy);
    xl_objective_free(setup->objective);
    xl_param_space_free(setup->space);
    xl_session_close(&setup->session);
    xl_ids_release(&setup->prompt);
    cJSON_Delete(setup->warm);
    xl_free(setup->prompt_text);
    *setup = (struct xl_setup){ 0 };
}
