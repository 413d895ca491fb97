/* SPDX-License-Identifier: Apache-2.0
 *
 * Peak of bf16 products in matrix tiles (AMX): six accumulators, so that the
 * latency of 52 cycles hides behind one product every 16.
 *
 * Instructions are written out here: the intrinsics of gcc 12 lack the memory
 * clobber, so stores to the configuration and to tiles in memory can be moved
 * past the instruction that reads them. Data is never zero: tiles of zeros run
 * 20 to 29 % faster than real ones. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall */
#endif
#include "tuner/measure/limits_kernel.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/tensor/dtype.h"

enum {
    ROWS = 16,
    PAIRS = 16,       /* pairs of bf16 in a row */
    ROW_BYTES = 64,   /* of a tile */
    ACCUMULATORS = 6, /* tmm0 to tmm5; 6 and 7 hold the inputs */
    TILES = 8,        /* registers */
    REQUEST_PERMISSION = 0x1023,
    TILE_DATA = 18,
    FLOPS = 2 * ROWS * ROWS * 2 * PAIRS /* of one product */
};

/* Palette 1 as ldtilecfg reads it. */
struct config {
    _Alignas(64) uint8_t palette;
    uint8_t start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

struct tile {
    _Alignas(64) uint16_t x[ROWS][2 * PAIRS]; /* bf16 */
};

static void load_config(void)
{
    struct config config = { .palette = 1 };
    for (int i = 0; i < TILES; i++) {
        config.row_bytes[i] = ROW_BYTES;
        config.rows[i] = ROWS;
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(config) : "memory");
}

static void release(void)
{
    __asm__ volatile("tilerelease" : : : "memory");
}

static void load_inputs(const struct tile *a, const struct tile *b)
{
    long stride = ROW_BYTES;
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm6"
                     :
                     : "r"(a), "r"(stride)
                     : "memory");
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm7"
                     :
                     : "r"(b), "r"(stride)
                     : "memory");
}

static void clear(void)
{
    __asm__ volatile("tilezero %%tmm0\n\ttilezero %%tmm1\n\t"
                     "tilezero %%tmm2\n\ttilezero %%tmm3\n\t"
                     "tilezero %%tmm4\n\ttilezero %%tmm5"
                     :
                     :
                     : "memory");
}

/* Every accumulator += tmm6 x tmm7. */
static void multiply(void)
{
    __asm__ volatile("tdpbf16ps %%tmm7, %%tmm6, %%tmm0\n\t"
                     "tdpbf16ps %%tmm7, %%tmm6, %%tmm1\n\t"
                     "tdpbf16ps %%tmm7, %%tmm6, %%tmm2\n\t"
                     "tdpbf16ps %%tmm7, %%tmm6, %%tmm3\n\t"
                     "tdpbf16ps %%tmm7, %%tmm6, %%tmm4\n\t"
                     "tdpbf16ps %%tmm7, %%tmm6, %%tmm5"
                     :
                     :
                     : "memory");
}

static void store_last(float out[ROWS][ROWS])
{
    long stride = ROW_BYTES;
    __asm__ volatile("tilestored %%tmm5, (%0,%1,1)"
                     :
                     : "r"(out), "r"(stride)
                     : "memory");
}

/* Small whole numbers of both signs, exact in bf16 and in any sum here. */
static float value_at(int row, int column, int salt)
{
    return (float)((row * 5 + column * 3 + salt) % 7 + 1) *
           ((row + column) % 2 ? -1.0f : 1.0f);
}

static void fill(struct tile *tile, int salt)
{
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < 2 * PAIRS; c++)
            tile->x[r][c] = xl_f32_to_bf16(value_at(r, c, salt));
}

/* b holds pairs of k side by side: b[p][2 n + j] is element (2 p + j, n). */
static float expected(int row, int column)
{
    float sum = 0;
    for (int k = 0; k < 2 * PAIRS; k++)
        sum += value_at(row, k, 1) * value_at(k / 2, 2 * column + k % 2, 2);
    return sum;
}

static bool computes(void)
{
    struct tile a, b;
    _Alignas(64) float out[ROWS][ROWS];
    fill(&a, 1);
    fill(&b, 2);
    load_config();
    load_inputs(&a, &b);
    clear();
    multiply();
    store_last(out);
    release();
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < ROWS; c++)
            if (out[r][c] < expected(r, c) || out[r][c] > expected(r, c))
                return false;
    return true;
}

bool xl_limit_tile_ready(void)
{
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0 &&
           computes();
}

double xl_limit_tile_bf16(size_t rounds, float *sink)
{
    struct tile a, b;
    _Alignas(64) float out[ROWS][ROWS];
    fill(&a, 1);
    fill(&b, 2);
    load_config();
    load_inputs(&a, &b);
    clear();
    for (size_t i = 0; i < rounds; i++)
        multiply();
    store_last(out);
    release();
    *sink = out[0][0];
    return (double)rounds * ACCUMULATORS * FLOPS;
}
