/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed bf16 and integer weights by matrix tiles.
 *
 * The bf16 lines of 32 inputs of a panel are a tile as they stand; integer
 * weights are turned into such lines a slice of K_BLOCK inputs at a time. Two
 * tiles of rows times two panels stay in four tile registers over a slice.
 * x is rounded to bf16 once for each slice, so is every scaled integer weight;
 * sums are fp32. Fewer rows than LEAST_ROWS leave most of a tile empty: the
 * bf16 dot products of gemm_avx512bf16.c do those.
 *
 * K_BLOCK 256 keeps a slice of x tiles and of two panels in L1 together. The
 * tile loop is written in assembly: gcc 12's intrinsics do not say which
 * memory they read, and lose the stores before them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall */
#endif
#include "kernel/gemm/gemm.h"

#include <assert.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/cpu.h"
#include "kernel/gemm/gemm_int.h"
#include "kernel/gemm/panel_bf16.h"
#include "kernel/gemm/panel_store.h"

enum {
    LEAST_ROWS = 16,
    TILE_ROWS = 16,
    TILE_INPUTS = 32,
    TILE_BYTES = 1024,
    K_BLOCK = 256,
    M_BLOCK = 512,
    K_TILES = K_BLOCK / TILE_INPUTS,
    X_BYTES = M_BLOCK * K_BLOCK * 2,
    W_BYTES = K_BLOCK * XL_PACK_LANES * 2
};

struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/* Eight tiles of 16 rows of 64 bytes, for this thread. */
static void configure(void)
{
    struct tile_config config;
    memset(&config, 0, sizeof config);
    config.palette = 1;
    for (size_t i = 0; i < 8; i++) {
        config.row_bytes[i] = XL_PACK_LINE;
        config.rows[i] = TILE_ROWS;
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(config) : "memory");
}

/* The kernel need not save tiles that are at rest. */
static void rest(void)
{
    __asm__ volatile("tilerelease" : : : "memory");
}

/* c, a block of 2 x 2 tiles [32][32], += x tiles times weight tiles. x: two
 * runs of n tiles, x_apart bytes apart; w0, w1: n tiles each. */
static void multiply_block(float *c, const unsigned char *x, size_t x_apart,
                           const void *w0, const void *w1, size_t n)
{
    const unsigned char *x1 = x + x_apart;
    float *low = c + (size_t)2 * TILE_ROWS * TILE_ROWS;
    size_t wide = 128, line = 64;
    __asm__ volatile(
        "tileloadd (%[c],%[wide],1), %%tmm0\n\t"
        "tileloadd 64(%[c],%[wide],1), %%tmm1\n\t"
        "tileloadd (%[low],%[wide],1), %%tmm2\n\t"
        "tileloadd 64(%[low],%[wide],1), %%tmm3\n"
        "1:\n\t"
        "tileloadd (%[x0],%[line],1), %%tmm4\n\t"
        "tileloadd (%[w0],%[line],1), %%tmm6\n\t"
        "tileloadd (%[x1],%[line],1), %%tmm5\n\t"
        "tileloadd (%[w1],%[line],1), %%tmm7\n\t"
        "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n\t"
        "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n\t"
        "tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n\t"
        "tdpbf16ps %%tmm7, %%tmm5, %%tmm3\n\t"
        "add $1024, %[x0]\n\t"
        "add $1024, %[x1]\n\t"
        "add $1024, %[w0]\n\t"
        "add $1024, %[w1]\n\t"
        "dec %[n]\n\t"
        "jnz 1b\n\t"
        "tilestored %%tmm0, (%[c],%[wide],1)\n\t"
        "tilestored %%tmm1, 64(%[c],%[wide],1)\n\t"
        "tilestored %%tmm2, (%[low],%[wide],1)\n\t"
        "tilestored %%tmm3, 64(%[low],%[wide],1)\n\t"
        : [x0] "+r"(x), [x1] "+r"(x1), [w0] "+r"(w0), [w1] "+r"(w1), [n] "+r"(n)
        : [c] "r"(c), [low] "r"(low), [wide] "r"(wide), [line] "r"(line)
        : "memory", "cc");
}

/* Rows i .. i + rows of the job, inputs k .. k + n_k. */
struct slice {
    const struct xl_gemm_job *job;
    size_t i, rows, k, tiles;
    unsigned char *x, *room; /* scratch */
};

/* x as tiles [row block of 16][k tile][16][32] bf16; what is not there is 0. */
static void pack_x(const struct slice *s)
{
    size_t blocks = (s->rows + 31) / 32 * 2, left = s->job->k - s->k;
    for (size_t r = 0; r < blocks * TILE_ROWS; r++) {
        const float *x = s->job->x + (s->i + r) * s->job->ldx + s->k;
        unsigned char *to = s->x + r / TILE_ROWS * s->tiles * TILE_BYTES +
                            r % TILE_ROWS * XL_PACK_LINE;
        size_t n = r < s->rows ? left : 0;
        for (size_t t = 0; t < s->tiles; t++, to += TILE_BYTES) {
            uint32_t pairs[TILE_INPUTS / 2];
            for (size_t p = 0; p < TILE_INPUTS / 2; p++) {
                size_t at = t * TILE_INPUTS + 2 * p;
                pairs[p] =
                    bf16_pair(at < n ? x[at] : 0, at + 1 < n ? x[at + 1] : 0);
            }
            memcpy(to, pairs, sizeof pairs);
        }
    }
}

/* Between y and the block [32][32] of rows at.., panels panel, panel + 1. */
static void move_block(const struct slice *s, size_t at, size_t panel,
                       float *block, bool to_y)
{
    const struct xl_gemm_job *job = s->job;
    size_t rows = s->rows - at < 32 ? s->rows - at : 32;
    for (size_t p = 0; p < 2 && (panel + p) * XL_PACK_LANES < job->n_end; p++) {
        size_t begin, end;
        panel_cut(job, panel + p, &begin, &end);
        for (size_t r = 0; r < rows; r++) {
            float *here = block + r * 32 + p * XL_PACK_LANES + begin;
            float *y = job->y + (s->i + at + r) * job->ldy +
                       (panel + p) * XL_PACK_LANES + begin;
            memcpy(to_y ? y : here, to_y ? here : y, (end - begin) * sizeof *y);
        }
    }
}

/* All rows of the slice past two panels; the second may not exist. */
static void run_pair(const struct slice *s, size_t panel, bool has_two)
{
    _Alignas(64) float block[32 * 32];
    const struct xl_packed *w = s->job->packed;
    size_t group = s->k / XL_PACK_GROUP;
    const void *w0 = bf16_lines(w, panel, group, s->tiles, s->room);
    const void *w1 =
        !has_two ? w0
                 : bf16_lines(w, panel + 1, group, s->tiles, s->room + W_BYTES);
    for (size_t at = 0; at < s->rows; at += 32) {
        memset(block, 0, sizeof block);
        if (s->k)
            move_block(s, at, panel, block, false);
        multiply_block(block, s->x + at / TILE_ROWS * s->tiles * TILE_BYTES,
                       s->tiles * TILE_BYTES, w0, w1, s->tiles);
        move_block(s, at, panel, block, true);
    }
}

static void run_slice(const struct slice *s)
{
    size_t panel = s->job->n_begin / XL_PACK_LANES;
    size_t end = xl_pack_panels(s->job->n_end);
    pack_x(s);
    for (; panel < end; panel += 2)
        run_pair(s, panel, panel + 1 < end);
}

static void run_tiles(const struct xl_gemm_job *job)
{
    struct slice s = { .job = job };
    uintptr_t scratch = ((uintptr_t)job->scratch + 63) & ~(uintptr_t)63;
    s.x = (unsigned char *)scratch;
    s.room = s.x + X_BYTES;
    assert(job->packed->in == job->k);
    configure();
    for (s.i = 0; s.i < job->m; s.i += M_BLOCK) {
        s.rows = job->m - s.i < M_BLOCK ? job->m - s.i : (size_t)M_BLOCK;
        for (s.k = 0; s.k < job->k; s.k += K_BLOCK) {
            size_t groups = xl_pack_groups(job->k - s.k);
            s.tiles = groups < K_TILES ? groups : (size_t)K_TILES;
            run_slice(&s);
        }
    }
    rest();
    panel_add_bias(job);
}

/* -- the engine ----------------------------------------------------------- */

static void touch_tiles(const void *with)
{
    (void)with;
    configure();
    rest();
}

/* Linux gives tiles to a process that asks: ARCH_REQ_XCOMP_PERM for the state
 * component 18. Asking again is harmless; threads made later have it too. */
static const char *why_not(void)
{
    enum {
        REQUEST = 0x1023,
        TILE_DATA = 18
    };
    if (xl_cpu_lacks(XL_HAS_AMX_TILE | XL_HAS_AMX_BF16))
        return xl_cpu_lacks(XL_HAS_AMX_TILE | XL_HAS_AMX_BF16);
    if (xl_gemm_avx512bf16.why_not())
        return xl_gemm_avx512bf16.why_not();
    if (syscall(SYS_arch_prctl, REQUEST, TILE_DATA) != 0)
        return "the operating system refuses matrix tiles";
    if (!xl_cpu_survives(touch_tiles, NULL))
        return "matrix tiles are announced but do not run";
    return NULL;
}

static size_t scratch_floats(size_t k)
{
    size_t few = xl_gemm_avx512bf16.scratch_floats(k);
    size_t tiles = (X_BYTES + 2 * W_BYTES) / sizeof(float) + 16;
    return few > tiles ? few : tiles;
}

static void run(const struct xl_gemm_job *job)
{
    if (job->m < LEAST_ROWS)
        xl_gemm_avx512bf16.run(job);
    else if (job->n_begin < job->n_end)
        run_tiles(job);
}

const struct xl_gemm xl_gemm_amx = {
    .name = "amx",
    .summary = "packed bf16 and integer weights by bf16 matrix tiles",
    .reads_packed =
        1u << XL_PACK_BF16 | 1u << XL_PACK_INT8 | 1u << XL_PACK_INT4,
    .few_rows = LEAST_ROWS - 1, /* as avx512bf16 */
    .why_not = why_not,
    .scratch_floats = scratch_floats,
    .run = run,
};
