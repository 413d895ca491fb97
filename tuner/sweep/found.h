/* SPDX-License-Identifier: Apache-2.0
 *
 * What a judge finds of a run after its sweep goes to the store too: scores of
 * the texts that configurations wrote, opinions about them. An xl_keep_found_fn
 * (kernel/run/session.h). */
#ifndef XL_FOUND_H
#define XL_FOUND_H

#include "kernel/run/session.h"

/* Of the newest sweep of the run's store. One transaction; XL_EBUSY when the
 * store is locked. */
enum xl_status xl_sweep_keep_found(const char *run_dir,
                                   const struct xl_found *items, size_t n,
                                   struct xl_err *err);

#endif
