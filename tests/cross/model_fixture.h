/* SPDX-License-Identifier: Apache-2.0
 *
 * A model of tests/data/models with a state, and what was recorded of it.
 */
#ifndef XL_MODEL_FIXTURE_H
#define XL_MODEL_FIXTURE_H

#include "kernel/model/model.h"
#include "kernel/model/safetensors.h"
#include "kernel/model/state.h"
#include "tests/harness/test.h"

struct xl_fix_model {
    struct xl_test *t;
    const char *name;
    struct xl_model *model;
    struct xl_safetensors *reference;
    struct xl_state state;
};

/* Checks that it opens. dir: where the model is, with the records of `name`;
 * NULL = where they are. To be closed in any case. */
bool xl_fix_model_open(struct xl_fix_model *m, struct xl_test *t,
                       const char *name, const char *dir);
void xl_fix_model_close(struct xl_fix_model *m);

#endif
