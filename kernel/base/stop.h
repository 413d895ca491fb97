/* SPDX-License-Identifier: Apache-2.0
 *
 * The signal that asks a long command to end.
 *
 *     xl_stop_catch((const int[]){ SIGINT, SIGTERM }, 2);
 *     ...
 *     if (atomic_load(xl_stop_signal())) ... keep what there is and end ...
 *
 * One a process, for commands: code below them is given the pointer.
 */
#ifndef XL_STOP_H
#define XL_STOP_H

#include <stdatomic.h>
#include <stddef.h>

/* From now on these signals are noted and no longer end the process. */
void xl_stop_catch(const int *signals, size_t n);

/* The number of the last one that came, 0 before the first. */
atomic_int *xl_stop_signal(void);

#endif
