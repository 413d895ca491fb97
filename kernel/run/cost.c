/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations, a multiply and an add counting two: a matrix 2 a weight; an
 * mLSTM head 5 dk dv a recurrent step (3 update, 2 readout), and chunkwise
 * 2 L (dk + dv) + 4 dk dv a token; an sLSTM's recurrence is a matrix like any
 * other. State is read and written once a decoded token. */
#include "kernel/run/cost.h"

#include <math.h>
#include <string.h>

#include "kernel/base/arena.h"
#include "kernel/gemm/pack.h"
#include "kernel/model/weights.h"

static uint64_t mlstm_blocks(const struct xl_config *config)
{
    uint64_t n = config->blocks;
    for (size_t i = 0; i < config->blocks; i++)
        n -= config->is_slstm[i];
    return n;
}

static uint64_t state_floats(const struct xl_config *config)
{
    uint64_t mlstm = mlstm_blocks(config), slstm = config->blocks - mlstm;
    uint64_t head = (uint64_t)config->dk * config->dv + config->dk + 1;
    uint64_t one = config->heads * head, two = 4 * config->width;
    if (config->conv_kernel)
        one += (config->conv_kernel - 1) * config->inner;
    if (config->slstm_conv_kernel)
        two += (config->slstm_conv_kernel - 1) * config->width;
    return mlstm * one + slstm * two;
}

/* Is the entry a matrix that multiplies activations (block-diagonal ones and
 * the recurrent kernel included)? */
static bool is_matrix(const struct xl_safetensors_entry *entry)
{
    return entry->tensor.n_dims > 1 && !strstr(entry->name, "conv1d") &&
           !strstr(entry->name, "embedding");
}

enum xl_status xl_cost_of(struct xl_cost *cost, const struct xl_config *config,
                          struct xl_err *err)
{
    struct xl_arena arena;
    struct xl_safetensors_entry *entries;
    size_t n;
    xl_arena_init(&arena, 0);
    *cost = (struct xl_cost){ 0 };
    enum xl_status rc = xl_weights_list(config, &arena, &entries, &n, err);
    for (size_t i = 0; i < n && rc == XL_OK; i++) {
        uint64_t count = xl_tensor_count(&entries[i].tensor);
        bool is_head = strcmp(entries[i].name, "lm_head.weight") == 0;
        cost->parameters += count;
        if (is_matrix(&entries[i]) && !is_head)
            cost->matmul_prefill += count;
    }
    xl_arena_release(&arena);
    if (rc != XL_OK)
        return rc;
    cost->matmul_decode =
        cost->matmul_prefill + (uint64_t)config->vocab * config->width;
    cost->state_bytes = 4 * state_floats(config);
    cost->cell_decode_flops =
        mlstm_blocks(config) * 5 * config->heads * config->dk * config->dv;
    return XL_OK;
}

double xl_cost_weight_bytes(const char *weight_dtype)
{
    for (size_t i = 0; i < XL_PACK_COUNT; i++)
        if (strcmp(xl_pack_name((enum xl_pack_kind)i), weight_dtype) == 0)
            return xl_pack_weight_bytes((enum xl_pack_kind)i);
    return (double)NAN;
}

double xl_cost_prefill_flops(const struct xl_cost *cost,
                             const struct xl_config *config, size_t chunk)
{
    double dk = (double)config->dk, dv = (double)config->dv;
    double head = 2 * (double)chunk * (dk + dv) + 4 * dk * dv;
    return 2 * (double)cost->matmul_prefill +
           (double)(mlstm_blocks(config) * config->heads) * head;
}

double xl_cost_decode_flops(const struct xl_cost *cost)
{
    return 2 * (double)cost->matmul_decode + (double)cost->cell_decode_flops;
}

double xl_cost_prefill_bytes(const struct xl_cost *cost, double weight_bytes,
                             size_t block)
{
    return (double)cost->matmul_prefill * weight_bytes / (double)block;
}

double xl_cost_decode_bytes(const struct xl_cost *cost, double weight_bytes)
{
    return (double)cost->matmul_decode * weight_bytes +
           2 * (double)cost->state_bytes;
}
