/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to kernel/gemm: the variants behind xl_pack_run. Each is for the
 * instruction set of its name and gives the bits of the plain one; scales are
 * NULL for kinds without. */
#ifndef XL_PACK_INT_H
#define XL_PACK_INT_H

#include "kernel/gemm/pack.h"

typedef void xl_pack_fn(const struct xl_pack_job *job, size_t first, size_t end,
                        struct xl_pack_report *report);

xl_pack_fn xl_pack_plain, xl_pack_avx2, xl_pack_avx512;

#endif
