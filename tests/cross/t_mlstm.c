/* SPDX-License-Identifier: Apache-2.0
 *
 * Every variant of the mLSTM cell against the recurrent form in double, over
 * widths, lengths, gates, tiles and ways to cut a sequence.
 *
 * Where the denominator d nearly vanishes h is huge and no relative tolerance
 * holds, so errors are bounded by the sizes of what is summed. With a top off
 * by TOP N at most and a bottom by BOTTOM D (N and D have all terms positive),
 * h' - h = (error of top + h error of bottom) / d', thus
 *
 *     |h - h64|   <= (TOP N + |h64| BOTTOM D) / d'
 *     d'          >= max(|d| - BOTTOM D, exp(-m)) + eps
 *     |C - C64|   <= STATE   (sum of |k||v| with the same decays)
 *
 * all grown by DRIFT for each time the state is rounded, that is each chunk.
 * C is compared after rescaling by exp(m - m64), because any stabiliser m is as
 * good. With ordinary gates, no state to begin with and more than a FEW tokens
 * h must besides be within ORDINARY of the largest |h|.
 *
 * The bf16 cell rounds what its chunk products read, each factor by 2^-8 at
 * most: four of them make 2^-6 of a top, two 2^-7 of a bottom or a state. A
 * bottom of less than that is noise: of 80 x 33 and gates 12/-2, token 170 has
 * d = 0.0042 of D = 6.4 and h = 4.4; with q and k rounded, and all else in
 * double, d = 0.0000096 and h = 2208. So the same is run of inputs that are
 * bf16 numbers, where scores and d are as exact as in fp32. That would still
 * hide a lost key, so whole numbers, which bf16 holds, must come out as in
 * fp32. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/rng.h"
#include "kernel/cell/cell_int.h"
#include "tests/cross/mlstm_sequence.h"
#include "tests/harness/test.h"

#define STATE 3e-6
#define DRIFT 0.02
#define TINY  1e-30 /* below this a result counts as zero */

enum {
    MOST_T = 200,
    FEW = 63,
    WIDEST = 70 /* of tiles_keep_bits: beyond what counts as a small head */
};

static const struct {
    size_t dk, dv;
} widths[] = { { 1, 1 },   { 3, 5 },    { 16, 16 },
               { 17, 31 }, { 64, 128 }, { 80, 33 } };

static const size_t lengths[] = { 1, 2, 63, 64, 65, 200 };

static const struct gate_means gates[] = {
    { 0, 3, true },    { -10, 4.5, true }, { 12, -2, false },
    { -10, 12, true }, { 15, -15, false }, { -30, -30, false }
};

/* What chunks of a cell may be off by; steps, n and m are fp32 in all. */
struct bounds {
    double top, bottom, state, ordinary;
};
static const struct bounds fp32 = { 1e-6, 1e-6, STATE, 2e-6 };
static const struct bounds bf16 = { 0x1p-6, 0x1p-7, 0x1p-7, 4e-2 };
/* Of inputs that are bf16 numbers: w q / d by C, or S / d by v; kb by v. */
static const struct bounds bf16_exact = { 0x1p-7, 1e-6, 0x1p-8, 1e-2 };

static const struct tested {
    const struct xl_cell *cell;
    const struct bounds *chunks, *exact; /* of any inputs; of bf16 numbers */
} cells[] = {
    { &xl_cell_naive, &fp32, &fp32 },
    { &xl_cell_tiled, &fp32, &fp32 },
    { &xl_cell_bf16, &bf16, &bf16_exact },
#ifdef XL_X86_VARIANTS
    { &xl_cell_tiled_avx2, &fp32, &fp32 },
    { &xl_cell_tiled_avx512, &fp32, &fp32 },
    { &xl_cell_bf16_avx512, &bf16, &bf16_exact },
    { &xl_cell_bf16_amx, &bf16, &bf16_exact },
#endif
};

/* How a sequence is run: chunk 0 is step by step. */
static const struct way {
    size_t chunk;
    struct xl_mlstm_tiles tiles;
    bool is_whole; /* outputs and state in one */
} ways[] = {
    { 0, { 0 }, false },
    { MOST_T, { 8, 32, 8, 32 }, false },
    { 64, { 64, 64, 16, 16 }, true },
    { 17, { 1, 1, 2, 7 }, false },
    { 1, { 5, 48, 64, 4 }, false },
};

static size_t most_scratch(size_t dk, size_t dv)
{
    size_t most = 1;
    for (size_t c = 0; c < sizeof cells / sizeof cells[0]; c++)
        if (cells[c].cell->scratch_floats(MOST_T, dk, dv) > most)
            most = cells[c].cell->scratch_floats(MOST_T, dk, dv);
    return most;
}

static bool make_sequence(struct sequence *s, size_t dk, size_t dv, size_t len)
{
    return sequence_make(
        s, &(struct sequence_size){ dk, dv, len, most_scratch(dk, dv) });
}

/* -- the tested cell ------------------------------------------------------ */

static void run_way(const struct xl_cell *cell, struct sequence *s,
                    const struct way *way)
{
    struct xl_mlstm_state state = { s->C, s->n, &s->m };
    memcpy(s->C, s->C0, s->dk * s->dv * sizeof *s->C);
    memcpy(s->n, s->n0, s->dk * sizeof *s->n);
    s->m = s->m0;
    size_t len = way->chunk ? way->chunk : s->len;
    for (size_t t = 0; t < s->len; t += len) {
        size_t n = s->len - t < len ? s->len - t : len;
        struct xl_mlstm_io io = sequence_from(s, t);
        if (way->chunk && way->is_whole) {
            io.ahead = s->len - t - n;
            cell->chunk(&io, n, &state, &way->tiles, XL_CELL_BOTH, s->scratch);
        } else if (way->chunk) {
            cell->chunk(&io, n, &state, &way->tiles, XL_CELL_OUTPUTS,
                        s->scratch);
            cell->chunk(&io, n, &state, &way->tiles, XL_CELL_STATE, s->scratch);
        } else {
            cell->steps(&io, n, &state, s->scratch);
        }
    }
}

/* How much the state's roundings may add up on this way. */
static double growth(const struct sequence *s, const struct way *way)
{
    size_t len = way->chunk ? way->chunk : 1;
    return 1 + DRIFT * (double)(s->len / len);
}

/* How far h of token t and column b may be off. */
static double tolerance(const struct sequence *s, const struct bounds *bounds,
                        double grown, size_t t, size_t b)
{
    double top = grown * bounds->top, bottom = grown * bounds->bottom;
    const struct bottom *at = &s->bottom[t];
    double d = fmax(at->d - bottom * at->D, at->least) + (double)1e-6f;
    size_t x = t * s->dv + b;
    return (top * s->N[x] + bottom * fabs(s->h64[x]) * at->D) / d + TINY;
}

static bool outputs_agree(const struct sequence *s, const struct bounds *bounds,
                          double grown, bool is_ordinary)
{
    double largest = 0, worst = 0;
    for (size_t x = 0; x < s->len * s->dv; x++) {
        double want = s->h64[x];
        size_t t = x / s->dv, b = x % s->dv;
        double error = fabs((double)s->h[t * (s->dv + EDGE) + b] - want);
        if (!(error <= tolerance(s, bounds, grown, t, b)))
            return false;
        largest = fmax(largest, fabs(want));
        worst = fmax(worst, error);
    }
    return !is_ordinary || s->len < FEW ||
           worst <= grown * bounds->ordinary * largest;
}

static bool states_agree(const struct sequence *s, const struct bounds *bounds,
                         double grown)
{
    double m = (double)s->m, rescale = exp(m - s->m64);
    bool ok = fabs(m - s->m64) <= 1e-5 * fmax(1, fabs(s->m64));
    for (size_t x = 0; x < s->dk * s->dv; x++) {
        double error = (double)s->C[x] * rescale - s->C64[x];
        ok = ok && fabs(error) <= grown * bounds->state * s->C_abs[x] + TINY;
    }
    for (size_t a = 0; a < s->dk; a++) {
        double error = (double)s->n[a] * rescale - s->n64[a];
        ok = ok && fabs(error) <= grown * STATE * s->n_abs[a] + TINY;
    }
    return ok;
}

static void clear_edges(struct sequence *s)
{
    for (size_t x = 0; x < s->len * (s->dv + EDGE); x++)
        s->h[x] = -77;
}

static bool edges_are_clear(const struct sequence *s)
{
    for (size_t t = 0; t < s->len; t++)
        for (size_t e = 0; e < EDGE; e++)
            if (s->h[t * (s->dv + EDGE) + s->dv + e] != -77)
                return false;
    return true;
}

static bool agrees(const struct xl_cell *cell, const struct bounds *bounds,
                   struct sequence *s, const struct way *way, bool is_ordinary)
{
    clear_edges(s);
    run_way(cell, s, way);
    double grown = growth(s, way);
    return edges_are_clear(s) && outputs_agree(s, bounds, grown, is_ordinary) &&
           states_agree(s, bounds, grown);
}

/* What is known of a sequence. */
struct kind {
    const char *what;
    bool is_ordinary, is_bf16;   /* gates; q, k and v */
    const struct bounds *chunks; /* in the place of the cell's own, or NULL */
};

static const struct bounds *bounds_of(const struct tested *cell,
                                      const struct kind *kind)
{
    if (kind->chunks)
        return kind->chunks;
    return kind->is_bf16 ? cell->exact : cell->chunks;
}

/* Every cell, every way. */
static void check_cells(struct xl_test *t, struct sequence *s,
                        const struct kind *kind)
{
    sequence_truth(s);
    for (size_t c = 0; c < sizeof cells / sizeof cells[0]; c++)
        for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
            const struct xl_cell *cell = cells[c].cell;
            const struct bounds *bounds = bounds_of(&cells[c], kind);
            if (cell->why_not())
                continue;
            bool ok = agrees(cell, ways[w].chunk ? bounds : &fp32, s, &ways[w],
                             kind->is_ordinary);
            xl_test_check(t, ok, __FILE__, __LINE__,
                          "%s (%zu) %zux%zu, %zu tokens, chunk %zu, %s",
                          cell->name, c, s->dk, s->dv, s->len, ways[w].chunk,
                          kind->what);
        }
}

static void check_sequence(struct xl_test *t, struct sequence *s,
                           struct gate_means mean, bool has_state)
{
    char what[64];
    struct kind kind = { .what = what,
                         .is_ordinary = mean.is_ordinary && !has_state };
    sequence_fill(s, mean, has_state);
    for (int turn = 0; turn < 2; turn++) {
        snprintf(what, sizeof what, "gates %g %g, %s state, %s", mean.i, mean.f,
                 has_state ? "given" : "zero", kind.is_bf16 ? "bf16" : "fp32");
        check_cells(t, s, &kind);
        kind.is_bf16 = true;
        sequence_round(s);
    }
}

static void check_width(struct xl_test *t, size_t dk, size_t dv)
{
    struct sequence s;
    for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
        if (XL_CHECK(t, make_sequence(&s, dk, dv, lengths[l])))
            for (size_t g = 0; g < sizeof gates / sizeof gates[0]; g++) {
                check_sequence(t, &s, gates[g], false);
                check_sequence(t, &s, gates[g], true);
            }
        sequence_free(&s);
    }
}

static void cells_agree_with_fp64(struct xl_test *t)
{
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++)
        check_width(t, widths[w].dk, widths[w].dv);
}

static void large_head_agrees(struct xl_test *t)
{
    struct sequence s;
    if (XL_CHECK(t, make_sequence(&s, 256, 512, 65)))
        check_sequence(t, &s, gates[0], true);
    sequence_free(&s);
}

/* -- whole numbers -------------------------------------------------------- */

/* Whole numbers up to two, input gates of 2^-20 and no forgetting: every sum
 * is a whole number of 2^-20, few enough for bf16 where products read it, and
 * the denominator is 1 + eps. */
static void fill_whole(struct sequence *s)
{
    struct xl_rng rng;
    size_t nq = s->len * (s->dk + EDGE), nv = s->len * (s->dv + EDGE);
    sequence_fill(s, gates[0], false);
    xl_rng_seed(&rng, 5 + s->len + s->dv);
    for (size_t x = 0; x < nq; x++) {
        s->q[x] = (float)xl_rng_below(&rng, 3) - 1;
        s->k[x] = (float)xl_rng_below(&rng, 3) - 1;
    }
    for (size_t x = 0; x < nv; x++)
        s->v[x] = (float)xl_rng_below(&rng, 5) - 2;
    for (size_t x = 0; x < 2 * s->len; x++) {
        s->i[x] = -13.8629436f; /* 20 log 2 */
        s->f[x] = 40;
    }
}

static void whole_numbers_are_exact(struct xl_test *t)
{
    /* Of the denominator in bf16: 1 / (1 + eps) is 1. */
    static const struct bounds whole = { 3e-6, 3e-6, STATE, 5e-6 };
    static const struct kind kind = { .what = "whole numbers",
                                      .chunks = &whole };
    static const struct {
        size_t dk, dv; /* the root of dk is a power of two */
    } sizes[] = { { 1, 1 }, { 4, 47 }, { 16, 16 }, { 64, 33 }, { 256, 65 } };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
            struct sequence s;
            if (XL_CHECK(t, make_sequence(&s, sizes[i].dk, sizes[i].dv,
                                          lengths[l]))) {
                fill_whole(&s);
                check_cells(t, &s, &kind);
            }
            sequence_free(&s);
        }
}

/* -- bits ----------------------------------------------------------------- */

/* Tiles, and outputs and state in one, are a matter of speed: no bit. */
static void check_tiles(struct xl_test *t, enum xl_cell_id id, size_t dk)
{
    static const size_t sides[] = { 1, 2, 4, 8, 16, 32, 64, 7, 48 };
    enum {
        DV = 70,
        LEN = 67,
        SIDES = 9
    };
    struct sequence s, first;
    bool ok = make_sequence(&s, dk, DV, LEN);
    ok = make_sequence(&first, dk, DV, LEN) && ok;
    if (XL_CHECK(t, ok)) {
        sequence_fill(&s, gates[0], true);
        sequence_fill(&first, gates[0], true);
        run_way(xl_cell_get(id), &first,
                &(struct way){ 40, { 1, 1, 1, 1 }, 0 });
    }
    for (size_t x = 0; ok && x < SIDES * SIDES; x++) {
        size_t r = sides[x % SIDES], c = sides[x / SIDES];
        run_way(xl_cell_get(id), &s,
                &(struct way){ 40, { r, c, c, r }, x % 2 });
        XL_CHECK(t, memcmp(first.h, s.h, LEN * (DV + EDGE) * sizeof *s.h) == 0);
        XL_CHECK(t, memcmp(first.C, s.C, dk * DV * sizeof *s.C) == 0);
        XL_CHECK(t, memcmp(first.n, s.n, dk * sizeof *s.n) == 0);
    }
    sequence_free(&s);
    sequence_free(&first);
}

static void tiles_keep_bits(struct xl_test *t)
{
    check_tiles(t, XL_CELL_TILED, 17);
    check_tiles(t, XL_CELL_TILED, WIDEST);
    check_tiles(t, XL_CELL_BF16, 17);
}

static void empty_changes_nothing(struct xl_test *t)
{
    struct sequence s;
    if (XL_CHECK(t, make_sequence(&s, 16, 16, 1))) {
        sequence_fill(&s, gates[0], true);
        struct xl_mlstm_io io = sequence_from(&s, 0);
        for (size_t c = 0; c < sizeof cells / sizeof cells[0]; c++) {
            float m = 0.5f;
            struct xl_mlstm_state state = { s.C, s.n, &m };
            memcpy(s.C, s.C0, 16 * 16 * sizeof *s.C);
            const struct xl_cell *cell = cells[c].cell;
            if (cell->why_not())
                continue;
            cell->steps(&io, 0, &state, s.scratch);
            for (int parts = XL_CELL_OUTPUTS; parts <= XL_CELL_BOTH; parts++)
                cell->chunk(&io, 0, &state, &ways[1].tiles,
                            (enum xl_cell_parts)parts, s.scratch);
            XL_CHECK(t, m == 0.5f);
            XL_CHECK(t, memcmp(s.C, s.C0, 16 * 16 * sizeof *s.C) == 0);
        }
    }
    sequence_free(&s);
}

/* A NaN among the inputs must reach h and the state, not be lost. */
static void check_nan(struct xl_test *t, size_t dk)
{
    struct sequence s;
    if (!XL_CHECK(t, make_sequence(&s, dk, 31, 65))) {
        sequence_free(&s);
        return;
    }
    for (size_t c = 0; c < sizeof cells / sizeof cells[0]; c++)
        for (size_t x = 0; x < 10; x++) {
            if (cells[c].cell->why_not())
                continue;
            sequence_fill(&s, gates[0], true);
            float *where[] = { s.q + 40 * (dk + EDGE), s.k, s.v, s.i, s.f };
            where[x / 2][0] = NAN;
            run_way(cells[c].cell, &s, &ways[x % 2]);
            XL_CHECK(t, isnan(s.h[(x < 2 ? 40 : 64) * (31 + EDGE)]));
            XL_CHECK(t, x < 2 || isnan(s.C[0]));
        }
    sequence_free(&s);
}

static void nan_is_not_lost(struct xl_test *t)
{
    check_nan(t, 17);
    check_nan(t, WIDEST);
}

/* -- planted faults ------------------------------------------------------- */

static void state_without_m(const struct xl_mlstm_io *io, size_t len,
                            const struct xl_mlstm_state *state,
                            const struct xl_mlstm_tiles *tiles,
                            enum xl_cell_parts parts, float *scratch)
{
    xl_cell_naive.chunk(io, len, state, tiles, parts, scratch);
    if (parts & XL_CELL_STATE)
        *state->m = 0;
}

static void state_without_n(const struct xl_mlstm_io *io, size_t len,
                            const struct xl_mlstm_state *state,
                            const struct xl_mlstm_tiles *tiles,
                            enum xl_cell_parts parts, float *scratch)
{
    float n = state->n[0];
    xl_cell_naive.chunk(io, len, state, tiles, parts, scratch);
    state->n[0] = n;
}

/* Column 0 of each token is the next token's. */
static void output_from_the_future(const struct xl_mlstm_io *io, size_t len,
                                   const struct xl_mlstm_state *state,
                                   const struct xl_mlstm_tiles *tiles,
                                   enum xl_cell_parts parts, float *scratch)
{
    xl_cell_naive.chunk(io, len, state, tiles, parts, scratch);
    for (size_t j = 0; j + 1 < len && parts & XL_CELL_OUTPUTS; j++)
        io->h[j * io->h_stride] = io->h[(j + 1) * io->h_stride];
}

static void faults_are_seen(struct xl_test *t)
{
    struct xl_cell faulty[] = { xl_cell_naive, xl_cell_naive, xl_cell_naive };
    struct sequence s;
    faulty[0].chunk = state_without_m;
    faulty[1].chunk = state_without_n;
    faulty[2].chunk = output_from_the_future;
    if (XL_CHECK(t, make_sequence(&s, 17, 31, 65))) {
        sequence_fill(&s, gates[0], false);
        sequence_truth(&s);
        XL_CHECK(t, agrees(&xl_cell_naive, &fp32, &s, &ways[3], true));
        for (size_t i = 0; i < 3; i++) {
            XL_CHECK(t, !agrees(&faulty[i], &fp32, &s, &ways[3], true));
            XL_CHECK(t, !agrees(&faulty[i], &bf16, &s, &ways[3], true));
        }
    }
    sequence_free(&s);
}

const struct xl_test_case xl_suite_mlstm[] = {
    { "cells agree with fp64", cells_agree_with_fp64 },
    { "large head agrees", large_head_agrees },
    { "whole numbers are exact", whole_numbers_are_exact },
    { "tiles keep bits", tiles_keep_bits },
    { "empty changes nothing", empty_changes_nothing },
    { "nan is not lost", nan_is_not_lost },
    { "faults are seen", faults_are_seen },
    { 0 },
};
