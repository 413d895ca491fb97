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
};

/* Both were made for the same model. */
struct xl_state_error xl_state_error(const struct xl_state *reference,
                                     const struct xl_state *candidate);

/* The worse of each. */
struct xl_state_error xl_state_error_max(struct xl_state_error a,
                                         struct xl_state_error b);

#endif
