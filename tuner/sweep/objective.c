/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/objective.h"

#include <math.h>
#include <string.h>

#include "kernel/base/cmd.h"

static const struct {
    const char *name;
    enum xl_param_phase phases;
} rows[XL_OBJECTIVE_COUNT] = {
#define XL_OBJECTIVE(id, name, unit, phases, help)                             \
    [XL_OBJECTIVE_##id] = { name, phases },
#include "tuner/sweep/objective.def"
#undef XL_OBJECTIVE
};

const char *xl_objective_name(enum xl_objective objective)
{
    return rows[objective].name;
}

enum xl_param_phase xl_objective_phases(enum xl_objective objective)
{
    return rows[objective].phases;
}

enum xl_status xl_objective_parse(const char *name, enum xl_objective *out,
                                  struct xl_err *err)
{
    const char *names[XL_OBJECTIVE_COUNT];
    char hint[80];
    for (size_t i = 0; i < XL_OBJECTIVE_COUNT; i++) {
        names[i] = rows[i].name;
        if (strcmp(name, names[i]) == 0) {
            *out = (enum xl_objective)i;
            return XL_OK;
        }
    }
    xl_cmd_hint(name, names, XL_OBJECTIVE_COUNT, hint, sizeof hint);
    return xl_fail(err, XL_EUSAGE,
                   "unknown objective '%s'%s; there are "
                   "prefill, decode and balanced",
                   name, hint);
}

double xl_objective_value(enum xl_objective objective, double prefill_tok_s,
                          double decode_tok_s)
{
    switch (objective) {
    case XL_OBJECTIVE_PREFILL:
        return prefill_tok_s;
    case XL_OBJECTIVE_DECODE:
        return decode_tok_s;
    default:
        return sqrt(prefill_tok_s * decode_tok_s);
    }
}
