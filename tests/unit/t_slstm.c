/* SPDX-License-Identifier: Apache-2.0
 *
 * The sLSTM cell against its double twin, the convolution and the diagonal
 * blocks against loops in double, activations against libm in double; and
 * faults that the same comparisons must refuse. */
#include <math.h>
#include <string.h>

#include "kernel/base/rng.h"
#include "kernel/cell/activation.h"
#include "kernel/cell/conv.h"
#include "kernel/cell/slstm.h"
#include "tests/harness/test.h"

/* Of the largest value that is compared. m is fp32: at 150 its last place is
 * 1.5e-5, which is then the relative error of a step's weights. */
static const double cell_tolerance = 1e-5;
static const double faint_tolerance = 5e-4;
static const double conv_tolerance = 1e-5;

static const size_t dims[] = { 1, 3, 4, 16, 17, 33, 64 };

enum {
    DIMS = 7,
    MAX_DIM = 64,
    STEPS = 200,
    PACKED = 8 * MAX_DIM * MAX_DIM
};

/* How the inputs of a run look. */
struct recipe {
    double spread, igate, fgate; /* normal deviates, and means of gates */
};
static const struct recipe recipes[] = {
    { 1, 0, 3 },     { 1, -10, 4.5 }, { 2, 12, -2 },
    { 1, -150, 20 }, { 30, 0, 0 },    { 0.001, 0, 3 },
};

enum {
    RECIPES = 6
};

/* One head: weights, inputs, both states and all outputs. */
struct subject {
    size_t dim, steps;
    float R[4 * MAX_DIM * MAX_DIM], packed[PACKED];
    float in[STEPS][4 * MAX_DIM], h[STEPS][MAX_DIM];
    float state[4][MAX_DIM], scratch[5 * MAX_DIM];
    double want_state[4][MAX_DIM], want_h[STEPS][MAX_DIM];
};

static float draw(struct xl_rng *rng, double mean, double spread)
{
    return (float)(mean + spread * xl_rng_normal(rng));
}

static void fill(struct subject *s, size_t dim, const struct recipe *recipe)
{
    struct xl_rng rng;
    memset(s, 0, sizeof *s);
    s->dim = dim;
    s->steps = STEPS;
    xl_rng_seed(&rng, dim);
    for (size_t i = 0; i < 4 * dim * dim; i++)
        s->R[i] = draw(&rng, 0, 0.5 / sqrt((double)dim));
    xl_slstm_pack(s->packed, s->R, dim, false);
    for (size_t t = 0; t < STEPS; t++) {
        for (size_t i = 0; i < 4 * dim; i++) {
            double mean = i < dim       ? recipe->igate
                          : i < 2 * dim ? recipe->fgate
                                        : 0;
            s->in[t][i] = draw(&rng, mean, recipe->spread);
        }
    }
}

static void run_fast(struct subject *s, size_t begin, size_t end)
{
    struct xl_slstm_io io = { .dim = s->dim,
                              .in = s->in[begin],
                              .in_stride = 4 * MAX_DIM,
                              .recurrent = s->packed,
                              .h = s->h[begin],
                              .h_stride = MAX_DIM };
    struct xl_slstm_state state = { s->state[0], s->state[1], s->state[2],
                                    s->state[3] };
    xl_slstm_get()->steps(&io, end - begin, &state, s->scratch);
}

/* The twin; it may be told to do a step wrongly. */
enum fault {
    NO_FAULT,
    GATES_SWAPPED,  /* i and f */
    NO_FIRST_STEP,  /* the first step like all others */
    NOT_STABILISED, /* m forgotten after every step */
    NOT_RECURRENT   /* h forgotten after every step */
};

static void run_twin(struct subject *s, enum fault fault)
{
    double in[4 * MAX_DIM], r[4 * MAX_DIM];
    static double R[4 * MAX_DIM * MAX_DIM];
    struct xl_slstm_f64 cell = { s->dim,           s->want_state[0],
                                 s->want_state[1], s->want_state[2],
                                 s->want_state[3], r };
    size_t dim = s->dim;
    for (size_t i = 0; i < 4 * dim * dim; i++)
        R[i] = (double)s->R[i];
    for (size_t j = 0; j < dim && fault == NO_FIRST_STEP; j++)
        cell.n[j] = 1e-300;
    for (size_t t = 0; t < s->steps; t++) {
        for (size_t i = 0; i < 4 * dim; i++) {
            size_t from = i;
            if (fault == GATES_SWAPPED && i < 2 * dim)
                from = i < dim ? i + dim : i - dim;
            in[i] = (double)s->in[t][from];
        }
        xl_slstm_step_f64(&cell, in, R);
        memcpy(s->want_h[t], cell.h, dim * sizeof *cell.h);
        if (fault == NOT_STABILISED)
            memset(cell.m, 0, dim * sizeof *cell.m);
        if (fault == NOT_RECURRENT)
            memset(cell.h, 0, dim * sizeof *cell.h);
    }
}

static double largest(const double *x, size_t n)
{
    double most = 1e-30;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    return most;
}

/* Largest difference; a NaN stays. */
static double difference(const float *got, const double *want, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - want[i]);
        if (!(d <= worst))
            worst = d;
    }
    return worst;
}

static double off_by(const float *got, const double *want, size_t n)
{
    return difference(got, want, n) / largest(want, n);
}

static double larger(double a, double b)
{
    return isnan(a) || b <= a ? a : b;
}

/* |c| <= n, so an error of c counts against n. */
static double error_of(const struct subject *s)
{
    size_t dim = s->dim, all = STEPS * MAX_DIM;
    double n = largest(s->want_state[2], dim);
    double worst = difference(s->state[1], s->want_state[1], dim) / n;
    worst = larger(worst, off_by(s->state[2], s->want_state[2], dim));
    worst = larger(worst, off_by(s->state[3], s->want_state[3], dim));
    worst =
        larger(worst, difference(s->state[0], s->want_h[s->steps - 1], dim));
    return larger(worst, off_by(s->h[0], s->want_h[0], all));
}

static void cell_matches_twin(struct xl_test *t)
{
    static struct subject s;
    for (size_t i = 0; i < DIMS * RECIPES; i++) {
        fill(&s, dims[i / RECIPES], &recipes[i % RECIPES]);
        run_fast(&s, 0, STEPS);
        run_twin(&s, NO_FAULT);
        double error = error_of(&s);
        bool faint = recipes[i % RECIPES].igate < -100;
        xl_test_check(t, error <= (faint ? faint_tolerance : cell_tolerance),
                      __FILE__, __LINE__, "dim %zu, recipe %zu: off by %.3g",
                      s.dim, i % RECIPES, error);
    }
}

static void cell_faults_are_seen(struct xl_test *t)
{
    static const enum fault faults[] = { NO_FAULT, GATES_SWAPPED, NO_FIRST_STEP,
                                         NOT_STABILISED, NOT_RECURRENT };
    static struct subject s;
    for (size_t i = 0; i < 5; i++) {
        fill(&s, MAX_DIM, &recipes[0]);
        s.steps = 2; /* m soon forgets its start */
        run_fast(&s, 0, s.steps);
        run_twin(&s, faults[i]);
        bool is_seen = !(error_of(&s) <= cell_tolerance);
        xl_test_check(t, is_seen == (faults[i] != NO_FAULT), __FILE__, __LINE__,
                      "fault %zu is not told", i);
    }
}

/* Without the rule of the first step, an input gate this small leaves n = 0
 * and h = 0 / 0. */
static void first_step_may_be_faint(struct xl_test *t)
{
    static struct subject s;
    fill(&s, 16, &(struct recipe){ 1, -5000, 0 });
    run_fast(&s, 0, 1);
    for (size_t j = 0; j < s.dim; j++) {
        double z = (double)s.in[0][2 * 16 + j], o = (double)s.in[0][48 + j];
        XL_CHECK_NEAR(t, s.h[0][j], tanh(z) / (1 + exp(-o)), 1e-6);
        XL_CHECK_NEAR(t, s.state[2][j], 1, 0);
        XL_CHECK_NEAR(t, s.state[3][j], s.in[0][j], 0);
    }
}

static void pieces_give_the_same_bits(struct xl_test *t)
{
    static struct subject whole, pieces;
    for (size_t i = 0; i < DIMS; i++) {
        fill(&whole, dims[i], &recipes[0]);
        pieces = whole;
        run_fast(&whole, 0, STEPS);
        for (size_t at = 0, len = 1; at < STEPS; at += len, len = len % 9 + 1)
            run_fast(&pieces, at, at + len < STEPS ? at + len : STEPS);
        XL_CHECK(t, memcmp(whole.h, pieces.h, sizeof whole.h) == 0);
        XL_CHECK(t, memcmp(whole.state, pieces.state, sizeof whole.state) == 0);
    }
}

static void both_storage_forms_pack_alike(struct xl_test *t)
{
    static struct subject s;
    static float turned[4 * MAX_DIM * MAX_DIM], packed[PACKED];
    for (size_t i = 0; i < DIMS; i++) {
        size_t dim = dims[i], n = xl_slstm_packed_floats(dim);
        fill(&s, dim, &recipes[0]);
        for (size_t o = 0; o < 4 * dim; o++)
            for (size_t d = 0; d < dim; d++)
                turned[d * 4 * dim + o] = s.R[o * dim + d];
        XL_CHECK(t, n <= PACKED);
        xl_slstm_pack(packed, turned, dim, true);
        XL_CHECK(t, memcmp(packed, s.packed, n * sizeof *packed) == 0);
        xl_slstm_pack(packed, s.R, dim, true);
        XL_CHECK(t,
                 dim == 1 || memcmp(packed, s.packed, n * sizeof *packed) != 0);
    }
}

/* -- convolution ---------------------------------------------------------- */

enum {
    CHANNELS = 21,
    ROWS = 12,
    MAX_KERNEL = 5
};

struct conv_subject {
    size_t kernel;
    float w[CHANNELS * MAX_KERNEL], turned[CHANNELS * MAX_KERNEL], b[CHANNELS];
    float x[ROWS][CHANNELS], y[ROWS][CHANNELS];
    float history[MAX_KERNEL * CHANNELS];
};

static void fill_conv(struct conv_subject *s, size_t kernel)
{
    struct xl_rng rng;
    memset(s, 0, sizeof *s);
    xl_rng_seed(&rng, kernel);
    s->kernel = kernel;
    for (size_t i = 0; i < CHANNELS * kernel; i++)
        s->w[i] = draw(&rng, 0, 1);
    for (size_t i = 0; i < CHANNELS; i++)
        s->b[i] = draw(&rng, 0, 1);
    for (size_t i = 0; i < ROWS * CHANNELS; i++)
        s->x[i / CHANNELS][i % CHANNELS] = draw(&rng, 0, 1);
    xl_conv_turn(s->turned, s->w, CHANNELS, kernel);
}

/* Rows begin..end, channels in two spans. */
static void run_conv(struct conv_subject *s, size_t begin, size_t end)
{
    struct xl_conv conv = { CHANNELS, s->kernel, s->turned, s->b };
    struct xl_conv_io io = { .rows = end - begin,
                             .x = s->x[begin],
                             .x_stride = CHANNELS,
                             .y = s->y[begin],
                             .y_stride = CHANNELS,
                             .history = s->history };
    xl_conv_run(&conv, &io, 0, 8);
    xl_conv_run(&conv, &io, 8, CHANNELS);
}

static double conv_error(const struct conv_subject *s)
{
    double want[ROWS * CHANNELS];
    for (size_t i = 0; i < ROWS * CHANNELS; i++) {
        size_t t = i / CHANNELS, c = i % CHANNELS;
        want[i] = (double)s->b[c];
        for (size_t j = 0; j < s->kernel; j++)
            if (t + j + 1 >= s->kernel)
                want[i] += (double)s->w[c * s->kernel + j] *
                           (double)s->x[t + j + 1 - s->kernel][c];
    }
    return off_by(s->y[0], want, ROWS * CHANNELS);
}

static void convolution_in_pieces(struct xl_test *t)
{
    struct conv_subject s;
    for (size_t kernel = 1; kernel <= MAX_KERNEL; kernel++) {
        for (size_t piece = 1; piece <= ROWS; piece++) {
            fill_conv(&s, kernel);
            for (size_t at = 0; at < ROWS; at += piece)
                run_conv(&s, at, at + piece < ROWS ? at + piece : ROWS);
            XL_CHECK(t, conv_error(&s) <= conv_tolerance);
        }
    }
    fill_conv(&s, 4);
    run_conv(&s, 0, 6);
    memset(s.history, 0, sizeof s.history);
    run_conv(&s, 6, ROWS);
    XL_CHECK(t, !(conv_error(&s) <= conv_tolerance));
}

static void diagonal_blocks(struct xl_test *t)
{
    enum {
        N = 24
    };
    float w[N * N], b[N], x[N], y[N];
    struct xl_rng rng;
    xl_rng_seed(&rng, 3);
    for (size_t i = 0; i < N * N; i++)
        w[i] = draw(&rng, 0, 1);
    for (size_t i = 0; i < N; i++) {
        b[i] = draw(&rng, 0, 1);
        x[i] = draw(&rng, 0, 1);
    }
    for (size_t block = 1; block <= N; block++) {
        double want[N];
        struct xl_blocks blocks = { block, w, block % 2 ? b : NULL };
        if (N % block)
            continue;
        for (size_t o = 0; o < N; o++) {
            want[o] = blocks.b ? (double)b[o] : 0;
            for (size_t i = 0; i < block; i++)
                want[o] +=
                    (double)
                        w[o / block * block * block + o % block * block + i] *
                    (double)x[o / block * block + i];
        }
        xl_blocks_run(&blocks, x, y, 0, block);
        xl_blocks_run(&blocks, x, y, block, N);
        XL_CHECK(t, off_by(y, want, N) <= 1e-6);
    }
}

/* -- activations ---------------------------------------------------------- */

static double activation_of(enum xl_activation f, double x)
{
    switch (f) {
    case XL_ACTIVATION_GELU:
        return x * erfc(-x / sqrt(2)) / 2;
    case XL_ACTIVATION_RELU:
        return fmax(x, 0);
    case XL_ACTIVATION_RELU2:
        return fmax(x, 0) * fmax(x, 0);
    case XL_ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-x));
    case XL_ACTIVATION_SWISH:
        return x / (1 + exp(-x));
    case XL_ACTIVATION_SELU:
        return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x));
    case XL_ACTIVATION_COUNT:
        break;
    }
    return (double)NAN;
}

static void activations_match(struct xl_test *t)
{
    for (int f = 0; f < XL_ACTIVATION_COUNT; f++) {
        enum xl_activation id = (enum xl_activation)f;
        for (int i = -200; i <= 200; i++) {
            float x = (float)i / 10, gated = x, up = 3;
            double want = activation_of(id, (double)x);
            xl_activate_gated(id, &gated, &gated, &up, 1);
            xl_activate(id, &x, 1);
            XL_CHECK_NEAR(t, x, want, 1e-6 * fmax(1, fabs(want)));
            XL_CHECK_NEAR(t, gated, 3 * want, 3e-6 * fmax(1, fabs(want)));
        }
    }
    XL_CHECK_EQ(t, xl_activation_find("tanh"), XL_ACTIVATION_COUNT);
}

const struct xl_test_case xl_suite_slstm[] = {
    XL_CASE(cell_matches_twin),
    XL_CASE(cell_faults_are_seen),
    XL_CASE(first_step_may_be_faint),
    XL_CASE(pieces_give_the_same_bits),
    XL_CASE(both_storage_forms_pack_alike),
    XL_CASE(convolution_in_pieces),
    XL_CASE(diagonal_blocks),
    XL_CASE(activations_match),
    { 0 },
};
