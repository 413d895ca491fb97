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
    const struct xl_verdicts *verdicts;
    enum xl_sweep_end end;
    const struct xl_machine_grade *grade; /* of the machine at the start */
};
void xl_sweep_print(const struct xl_sweep_report *report);
enum xl_status xl_sweep_print_json(const struct xl_sweep_report *report,
                                   struct xl_err *err);

/* "chunk_size=64 workers=2", the tunables that are searched. Returns out. */
const char *xl_sweep_short_params(const struct xl_param_space *space,
                                  const struct xl_params *params, char *out,
                                  size_t room);

#endif
