/* SPDX-License-Identifier: Apache-2.0
 *
 * What `xltune sweep` prints at its end. */
#ifndef XL_CMD_SWEEP_PRINT_H
#define XL_CMD_SWEEP_PRINT_H

#include "tuner/space/param_space.h"
#include "tuner/sweep/finish.h"

struct xl_sweep_report {
    const char *run_dir;
    const struct xl_param_space *space;
    struct xl_store *store;
    const struct xl_verdicts *verdicts;
    const char *end;                      /* why the search ended */
    const struct xl_machine_grade *grade; /* of the machine at the start */
};
enum xl_status xl_sweep_print(const struct xl_sweep_report *report,
                              struct xl_err *err);
enum xl_status xl_sweep_print_json(const struct xl_sweep_report *report,
                                   struct xl_err *err);

/* Lines to standard output, those that are longer than a terminal broken and
 * indented; commands are left whole, so that they can be copied. */
void xl_sweep_print_wrapped(const char *text);

/* Does the reason of a trial say that a judge refused it? Letters before the
 * judge's own words, or 0. */
size_t xl_sweep_is_refusal(const char *reason);

/* "chunk_size=64 workers=2", the tunables that are searched. Returns out. */
const char *xl_sweep_short_params(const struct xl_param_space *space,
                                  const struct xl_params *params, char *out,
                                  size_t room);

#endif
