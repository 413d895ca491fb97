/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to kernel/cell: the variants of the sLSTM cell. */
#ifndef XL_SLSTM_INT_H
#define XL_SLSTM_INT_H

#include "kernel/cell/slstm.h"

enum {
    XL_SLSTM_PANEL = 64 /* outputs whose weights lie together */
};

extern const struct xl_slstm xl_slstm_plain;
extern const struct xl_slstm xl_slstm_avx2;
extern const struct xl_slstm xl_slstm_avx512;

#endif
