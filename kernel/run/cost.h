/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model costs, from its configuration alone: parameters, state,
 * floating-point operations and bytes a token. Limits of speed follow:
 * decode cannot be faster than bandwidth / bytes, prefill not faster than
 * peak / operations.
 */
#ifndef XL_COST_H
#define XL_COST_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/model/config.h"

struct xl_cost {
    uint64_t parameters;        /* counted once when tied */
    uint64_t matmul_decode;     /* weights read a decoded token: all matrices of
                                   the blocks and the head, no embedding */
    uint64_t matmul_prefill;    /* of the blocks; the head is for the last token
                                   only */
    uint64_t state_bytes;       /* recurrent state of one sequence, fp32 */
    uint64_t cell_decode_flops; /* of the recurrent cells, one token */
};

enum xl_status xl_cost_of(struct xl_cost *cost, const struct xl_config *config,
                          struct xl_err *err);

/* Bytes of one matrix weight with its scales, by the name of a weight_dtype:
 * integers carry a 16-bit scale for every 32 weights. NaN for a name that is
 * not known. */
double xl_cost_weight_bytes(const char *weight_dtype);

/* Operations a token of prefill with that chunk length, full score matrix. */
double xl_cost_prefill_flops(const struct xl_cost *cost,
                             const struct xl_config *config, size_t chunk);
double xl_cost_decode_flops(const struct xl_cost *cost);

/* Bytes of memory traffic a token; weight_bytes is the size of one matrix
 * weight with its scales, block the tokens of a prefill pass. */
double xl_cost_prefill_bytes(const struct xl_cost *cost, double weight_bytes,
                             size_t block);
double xl_cost_decode_bytes(const struct xl_cost *cost, double weight_bytes);

#endif
