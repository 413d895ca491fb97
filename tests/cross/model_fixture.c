/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cross/model_fixture.h"

#include <stdio.h>

#include "tests/unit/checkpoint.h"

bool xl_fix_model_open(struct xl_fix_model *m, struct xl_test *t,
                       const char *name, const char *dir)
{
    char file[1200], own[1024];
    struct xl_err err = { 0 };
    *m = (struct xl_fix_model){ .t = t, .name = name };
    checkpoint_dir(name, own);
    snprintf(file, sizeof file, "%s/reference.safetensors", own);
    enum xl_status rc = xl_model_open(&m->model, dir ? dir : own, &err);
    if (rc == XL_OK)
        rc = xl_safetensors_open_file(&m->reference, file, &err);
    if (rc == XL_OK)
        rc = xl_state_init(&m->state, xl_model_config(m->model), &err);
    return XL_CHECK_STATUS(t, rc, XL_OK, &err);
}

void xl_fix_model_close(struct xl_fix_model *m)
{
    xl_state_release(&m->state);
    xl_safetensors_close(m->reference);
    xl_model_close(m->model);
}
