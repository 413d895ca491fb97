/* SPDX-License-Identifier: Apache-2.0
 *
 * Asked before anything is measured: is the judge's text long enough to prove
 * the configurations of this sweep? Included only inside tuner/sweep. */
#ifndef XL_PROVABLE_H
#define XL_PROVABLE_H

#include "tuner/sweep/setup.h"

/* XL_EUSAGE when a configuration of the space has a tier that the text cannot
 * prove, with the length that can. */
enum xl_status xl_sweep_provable(const struct xl_setup *setup,
                                 struct xl_err *err);

/* The least --judge-tokens that can prove something in every tier. */
enum xl_status xl_sweep_provable_least(const struct xl_setup *setup,
                                       size_t *tokens, struct xl_err *err);

#endif
