/* SPDX-License-Identifier: Apache-2.0
 *
 * What a sweep maximises, as a function of the two speeds. */
#ifndef XL_OBJECTIVE_H
#define XL_OBJECTIVE_H

#include "kernel/base/err.h"
#include "kernel/param/param.h"

enum xl_objective {
#define XL_OBJECTIVE(id, name, unit, phases, help) XL_OBJECTIVE_##id,
#include "tuner/sweep/objective.def"
#undef XL_OBJECTIVE
    XL_OBJECTIVE_COUNT
};

const char *xl_objective_name(enum xl_objective objective);
enum xl_param_phase xl_objective_phases(enum xl_objective objective);

/* By name; XL_EUSAGE names the nearest. */
enum xl_status xl_objective_parse(const char *name, enum xl_objective *out,
                                  struct xl_err *err);

/* Larger is better; NaN when a speed it needs is NaN. */
double xl_objective_value(enum xl_objective objective, double prefill_tok_s,
                          double decode_tok_s);

#endif
