/* SPDX-License-Identifier: Apache-2.0
 *
 * How far a recurrent state is from the reference's.
 *
 * A state means the same under another m when C and n are scaled to fit, so
 * they are compared as C exp(m - m_R): the relative Frobenius difference of a
 * head, the worst head of the worst block. m itself is compared over 1 where
 * it is small. The cell of an sLSTM block counts as one head, with an m for
 * each channel. Pure functions.
 */
#ifndef XL_STATE_ERROR_H
#define XL_STATE_ERROR_H

#include "kernel/model/state.h"

struct xl_state_error {
    double C, n, m; /* infinite when a value is not finite */
    double gain;    /* of C along the reference's, from 1: what rounding hardly
                       moves, for it has no direction, and a wrong scale, gate
                       or bias does */
};

/* Block by block, into by_block [reference->blocks]: what is worse than it
 * held. Both states were made for the same model. Returns the worst of all. */
struct xl_state_error xl_state_errors(const struct xl_state *reference,
                                      const struct xl_state *candidate,
                                      struct xl_state_error *by_block);

/* The worse of each. */
struct xl_state_error xl_state_error_max(struct xl_state_error a,
                                         struct xl_state_error b);

/* The worst of n blocks. */
struct xl_state_error xl_state_error_worst(const struct xl_state_error *blocks,
                                           size_t n);

#endif
