/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/profile/home.h"

#include "kernel/base/alloc.h"
#include "kernel/base/cmd.h"
#include "kernel/base/cpu.h"
#include "kernel/model/model.h"
#include "kernel/model/plan.h"
#include "kernel/model/safetensors.h"
#include "kernel/run/session.h"

static void machine_key(struct xl_hardware_key *key)
{
    struct xl_cpu cpu;
    xl_cpu_read(&cpu);
    xl_key_hardware(key, &cpu);
}

void xl_home_key(struct xl_key *key, const struct xl_model *model,
                 size_t context)
{
    *key = (struct xl_key){ .context = xl_key_context(context) };
    machine_key(&key->hardware);
    xl_key_model(&key->model, xl_model_config(model),
                 xl_key_dtype(xl_model_files(model)));
}

enum xl_status xl_home_paths(struct xl_profile_paths *paths, struct xl_err *err)
{
    char *golden = xl_session_shipped("tuner/profile/golden");
    enum xl_status rc = xl_profile_paths_init(paths, golden, NULL, NULL, err);
    xl_free(golden);
    return rc;
}

/* The dtype of the weights in the files of the model that opts name. */
static enum xl_status read_dtype(const struct xl_opts *opts,
                                 enum xl_dtype *dtype, struct xl_err *err)
{
    char *dir = NULL;
    struct xl_safetensors *files = NULL;
    enum xl_status rc;
    XL_TRY_DONE(rc, xl_session_model_dir(opts, &dir, err));
    XL_TRY_DONE(rc, xl_safetensors_open(&files, dir, err));
    *dtype = xl_key_dtype(files);
    xl_safetensors_close(files);
done:
    xl_free(dir);
    return rc;
}

enum xl_status xl_home_init(struct xl_home *home, const struct xl_opts *opts,
                            const struct xl_config *config, size_t context,
                            struct xl_err *err)
{
    enum xl_dtype dtype;
    const struct xl_opt_value *pairs =
        &opts->values[XL_GROUP_MODEL][XL_MODEL_PARAM];
    *home = (struct xl_home){ 0 };
    XL_TRY(read_dtype(opts, &dtype, err));
    XL_TRY(xl_home_paths(&home->paths, err));
    home->in = (struct xl_layers_in){
        .paths = &home->paths,
        .key.context = xl_key_context(context),
        .config = config,
        .check = xl_plan_check,
        .profile = xl_opt_text(opts, XL_GROUP_MODEL, XL_MODEL_PROFILE),
        .file = xl_opt_text(opts, XL_GROUP_MODEL, XL_MODEL_CONFIG),
        .no_best = xl_opt_bool(opts, XL_GROUP_MODEL, XL_MODEL_NO_BEST),
        .opts = opts,
        .tunables = XL_GROUP_TUNABLES,
        .pairs = pairs->texts,
        .n_pairs = pairs->n_texts,
    };
    machine_key(&home->in.key.hardware);
    xl_key_model(&home->in.key.model, config, dtype);
    return XL_OK;
}

void xl_home_release(struct xl_home *home)
{
    xl_profile_paths_release(&home->paths);
    *home = (struct xl_home){ 0 };
}
