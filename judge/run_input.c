/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/run_input.h"

#include <stdint.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"

static enum xl_status load_meta(struct xl_run_input *in, const char *run_dir,
                                struct xl_err *err)
{
    char *path = xl_io_join(run_dir, "run_meta.json");
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    enum xl_status rc = xl_json_load(path, XL_JSON_LARGE, &in->meta, err);
    if (rc == XL_ENOTFOUND)
        rc = xl_fail(err, XL_ENOTFOUND,
                     "'%s' is no run folder: it has no "
                     "run_meta.json",
                     run_dir);
    xl_free(path);
    return rc;
}

static enum xl_status open_model(struct xl_run_input *in, const char *model_dir,
                                 struct xl_err *err)
{
    const char *dir = model_dir;
    if (!dir) {
        enum xl_status rc = xl_json_get_text(in->meta, "model_path", &dir, err);
        if (rc == XL_ENOTFOUND)
            return xl_fail(err, XL_EFORMAT,
                           "run_meta.json has no model_path; "
                           "name the checkpoint with --model");
        XL_TRY(rc);
    }
    in->session.model_dir = xl_strdup(dir);
    if (!in->session.model_dir)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    XL_TRY(xl_model_open(&in->session.model, dir, err));
    return xl_tokenizer_open(&in->session.tokenizer, dir, err);
}

static enum xl_status ids_of_list(const cJSON *list, struct xl_ids *ids,
                                  struct xl_err *err)
{
    for (const cJSON *item = list->child; item; item = item->next) {
        double id = item->valuedouble;
        if (!cJSON_IsNumber(item) || !(id >= 0) || id > INT32_MAX ||
            id != (double)(int32_t)id)
            return xl_fail(err, XL_EFORMAT,
                           "prompt_ids of run_meta.json has "
                           "an item that is no token id");
        XL_TRY(xl_ids_add(ids, (int32_t)id, err));
    }
    return XL_OK;
}

/* Ids when the run kept them, else the ids of its text. */
static enum xl_status read_prompt(struct xl_run_input *in, struct xl_err *err)
{
    const cJSON *list = xl_json_member(in->meta, "prompt_ids");
    if (cJSON_IsArray(list)) {
        XL_TRY(ids_of_list(list, &in->prompt, err));
        return xl_session_check_ids(&in->session, &in->prompt, err);
    }
    const char *text = NULL;
    enum xl_status rc = xl_json_get_text(in->meta, "prompt", &text, err);
    if (rc == XL_ENOTFOUND)
        return xl_fail(err, XL_EFORMAT,
                       "run_meta.json has neither prompt_ids "
                       "nor prompt");
    XL_TRY(rc);
    return xl_session_encode(&in->session, text, strlen(text), true,
                             &in->prompt, err);
}

static enum xl_status load_outputs(struct xl_run_input *in, const char *run_dir,
                                   struct xl_arena *arena, struct xl_err *err)
{
    char *dir = xl_io_join(run_dir, "outputs");
    if (!dir)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    enum xl_status rc = xl_outputs_load(dir, arena, &in->outputs, err);
    xl_free(dir);
    if (rc == XL_OK && in->outputs.n == 0)
        rc = xl_fail(err, XL_ENOTFOUND, "'%s' has no saved outputs to judge",
                     run_dir);
    return rc;
}

enum xl_status xl_run_input_open(struct xl_run_input *in, const char *run_dir,
                                 const char *model_dir, struct xl_arena *arena,
                                 struct xl_err *err)
{
    *in = (struct xl_run_input){ 0 };
    XL_TRY(load_meta(in, run_dir, err));
    XL_TRY(load_outputs(in, run_dir, arena, err));
    XL_TRY(open_model(in, model_dir, err));
    return read_prompt(in, err);
}

void xl_run_input_close(struct xl_run_input *in)
{
    xl_ids_release(&in->prompt);
    xl_session_close(&in->session);
    cJSON_Delete(in->meta);
    *in = (struct xl_run_input){ 0 };
}
