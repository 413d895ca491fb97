/* SPDX-License-Identifier: Apache-2.0
 *
 * Every backend with every cell against native with the naive cell: all chunk
 * sizes, bands, workers, streams and prompt splits give the same outputs and
 * state within TOLERANCE of the largest value; and for one cell and chunk
 * size the same bits, whoever computes what.
 *
 * TOLERANCE covers fp32 sums in another order, about 1e-6 at these gates. */
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/rng.h"
#include "kernel/cell/mlstm.h"
#include "kernel/chunk/chunk.h"
#include "tests/harness/test.h"

#define TOLERANCE 5e-6

enum {
    HEADS = 5,
    DK = 6,
    DV = 9,
    TOKENS = 130,
    EDGE = 2,
    MOST_WORKERS = 3
};

static const size_t chunks[] = { 1, 16, 17, 48, 64, 512 };
static const size_t bands[] = { 1, 2, 3, 5 };
static const size_t splits[] = { TOKENS, 64, 7 };

/* Sizes of a problem, its inputs, and room for an answer. */
struct problem {
    struct xl_chunk_shape shape;
    size_t q_row, v_row; /* floats a row, EDGE of them unused */
    float *q, *k, *v, *i, *f, *C0, *n0, *m0;
};

struct answer {
    size_t n_h, n_C, n_n, n_m;
    float *h, *C, *n, *m;
};

static void *take(size_t n, bool *ok)
{
    void *block = xl_alloc_zero(n, sizeof(float));
    *ok = *ok && block;
    return block;
}

static void fill(float *x, size_t n, double mean, struct xl_rng *rng)
{
    for (size_t i = 0; x && i < n; i++)
        x[i] = (float)(mean + xl_rng_normal(rng));
}

static bool make_problem(struct problem *p, struct xl_chunk_shape shape)
{
    bool ok = true;
    struct xl_rng rng;
    size_t T = shape.max_tokens, heads = shape.heads;
    *p = (struct problem){ .shape = shape };
    p->q_row = heads * shape.dk + EDGE;
    p->v_row = heads * shape.dv + EDGE;
    xl_rng_seed(&rng, 5);
    fill(p->q = take(T * p->q_row, &ok), T * p->q_row, 0, &rng);
    fill(p->k = take(T * p->q_row, &ok), T * p->q_row, 0, &rng);
    fill(p->v = take(T * p->v_row, &ok), T * p->v_row, 0, &rng);
    fill(p->i = take(T * heads, &ok), T * heads, 0, &rng);
    fill(p->f = take(T * heads, &ok), T * heads, 3, &rng);
    size_t n_C = heads * shape.dk * shape.dv;
    fill(p->C0 = take(n_C, &ok), n_C, 0, &rng);
    fill(p->n0 = take(heads * shape.dk, &ok), heads * shape.dk, 0, &rng);
    fill(p->m0 = take(heads, &ok), heads, 0, &rng);
    return ok;
}

static void free_problem(struct problem *p)
{
    float *const blocks[] = {
        p->q, p->k, p->v, p->i, p->f, p->C0, p->n0, p->m0
    };
    for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; b++)
        xl_free(blocks[b]);
}

static bool make_answer(struct answer *a, const struct problem *p)
{
    bool ok = true;
    const struct xl_chunk_shape *shape = &p->shape;
    a->n_h = shape->max_tokens * p->v_row;
    a->n_C = shape->heads * shape->dk * shape->dv;
    a->n_n = shape->heads * shape->dk;
    a->n_m = shape->heads;
    a->h = take(a->n_h, &ok);
    a->C = take(a->n_C, &ok);
    a->n = take(a->n_n, &ok);
    a->m = take(a->n_m, &ok);
    return ok;
}

static void free_answer(struct answer *a)
{
    xl_free(a->h);
    xl_free(a->C);
    xl_free(a->n);
    xl_free(a->m);
}

struct signs {
    const struct xl_chunk_job *job;
    size_t dv;
};

/* Finishes h by turning its sign: not at all, twice or too early is wrong. */
static void turn_sign(void *ctx, size_t head, struct xl_span tokens)
{
    const struct signs *s = ctx;
    for (size_t t = tokens.begin; t < tokens.end; t++)
        for (size_t x = 0; x < s->dv; x++)
            s->job->h[t * s->job->h_stride + head * s->dv + x] *= -1;
}

/* The whole problem in jobs of at most `split` tokens. Scratch has exactly
 * the bytes asked for, so that a sanitizer sees one too many. */
static bool solve(const struct xl_chunk_backend *backend,
                  const struct xl_chunk_spec *spec, const struct problem *p,
                  size_t split, struct answer *a)
{
    size_t heads = p->shape.heads, nbytes = backend->scratch_bytes(spec);
    void *scratch = xl_alloc(nbytes);
    if (!scratch)
        return false;
    memset(scratch, 0xab, nbytes);
    for (size_t x = 0; x < a->n_h; x++)
        a->h[x] = -77;
    memcpy(a->C, p->C0, a->n_C * sizeof *a->C);
    memcpy(a->n, p->n0, a->n_n * sizeof *a->n);
    memcpy(a->m, p->m0, a->n_m * sizeof *a->m);
    for (size_t t = 0; t < p->shape.max_tokens; t += split) {
        size_t left = p->shape.max_tokens - t;
        struct xl_chunk_job job = {
            .tokens = left < split ? left : split,
            .q = p->q + t * p->q_row,
            .k = p->k + t * p->q_row,
            .v = p->v + t * p->v_row,
            .q_stride = p->q_row,
            .k_stride = p->q_row,
            .v_stride = p->v_row,
            .igate = p->i + t * heads,
            .fgate = p->f + t * heads,
            .gate_stride = heads,
            .h = a->h + t * p->v_row,
            .h_stride = p->v_row,
            .eps = 1e-6f,
            .C = a->C,
            .n = a->n,
            .m = a->m,
            .finish = turn_sign,
        };
        struct signs signs = { .job = &job, .dv = p->shape.dv };
        job.finish_ctx = &signs;
        backend->run(spec, &job, scratch);
    }
    xl_free(scratch);
    return true;
}

static bool is_near(const float *got, const float *want, size_t n)
{
    double largest = 0;
    for (size_t x = 0; x < n; x++)
        if (want[x] != -77)
            largest = fmax(largest, fabs((double)want[x]));
    for (size_t x = 0; x < n; x++) {
        double error = fabs((double)got[x] - (double)want[x]);
        if (!(error <= (want[x] == -77 ? 0 : TOLERANCE * largest)))
            return false;
    }
    return true;
}

/* Also the unused edges of h must be as they were. */
static bool answers_agree(const struct answer *got, const struct answer *want)
{
    return is_near(got->h, want->h, want->n_h) &&
           is_near(got->C, want->C, want->n_C) &&
           is_near(got->n, want->n, want->n_n) &&
           is_near(got->m, want->m, want->n_m);
}

static bool has_same_bits(const struct answer *a, const struct answer *b)
{
    return memcmp(a->h, b->h, a->n_h * sizeof *a->h) == 0 &&
           memcmp(a->C, b->C, a->n_C * sizeof *a->C) == 0 &&
           memcmp(a->n, b->n, a->n_n * sizeof *a->n) == 0 &&
           memcmp(a->m, b->m, a->n_m * sizeof *a->m) == 0;
}

static struct xl_chunk_spec make_spec(const struct problem *p)
{
    return (struct xl_chunk_spec){
        .cell = xl_cell_get(XL_CELL_NAIVE),
        .shape = p->shape,
        .chunk = 16,
        .n_bands = 2,
        .streams = 2,
        .inner_tile = 8,
        .tiles = { 8, 32, 8, 32 },
    };
}

/* -- the cross test ------------------------------------------------------- */

struct cross {
    struct problem problem;
    struct answer want; /* native, naive */
    struct answer base; /* serial with the cell, chunk and split at hand */
    struct answer got;
    struct xl_pool *pools[MOST_WORKERS];
};

static bool open_cross(struct cross *c, struct xl_chunk_shape shape)
{
    bool ok;
    *c = (struct cross){ 0 };
    ok = make_problem(&c->problem, shape);
    ok = make_answer(&c->want, &c->problem) && ok;
    ok = make_answer(&c->base, &c->problem) && ok;
    ok = make_answer(&c->got, &c->problem) && ok;
    for (size_t w = 0; w < MOST_WORKERS; w++) {
        struct xl_pool_options options = { .width = w + 1, .spin = 50 };
        ok = xl_pool_make(&c->pools[w], &options, NULL) == XL_OK && ok;
    }
    if (!ok)
        return false;
    struct xl_chunk_spec spec = make_spec(&c->problem);
    spec.pool = c->pools[0];
    return solve(xl_chunk_get(XL_CHUNK_NATIVE), &spec, &c->problem,
                 shape.max_tokens, &c->want);
}

static void close_cross(struct cross *c)
{
    free_problem(&c->problem);
    free_answer(&c->want);
    free_answer(&c->base);
    free_answer(&c->got);
    for (size_t w = 0; w < MOST_WORKERS; w++)
        xl_pool_free(c->pools[w]);
}

/* One backend with one spec: right, and with serial's bits unless native. */
static void check_spec(struct xl_test *t, struct cross *c, enum xl_chunk_id id,
                       const struct xl_chunk_spec *spec, size_t split)
{
    const struct xl_chunk_backend *backend = xl_chunk_get(id);
    bool ok = solve(backend, spec, &c->problem, split, &c->got) &&
              answers_agree(&c->got, &c->want);
    if (id == XL_CHUNK_SERIAL && spec->n_bands == 1)
        ok = ok && solve(backend, spec, &c->problem, split, &c->base);
    if (id != XL_CHUNK_NATIVE)
        ok = ok && has_same_bits(&c->got, &c->base);
    xl_test_check(t, ok, __FILE__, __LINE__,
                  "%s, %s cell, chunk %zu, %zu bands, %zu workers, %zu "
                  "streams, split %zu",
                  backend->name, spec->cell->name, spec->chunk, spec->n_bands,
                  xl_pool_width(spec->pool), spec->streams, split);
}

/* serial comes before those that must have its bits. */
static void check_chunk(struct xl_test *t, struct cross *c,
                        struct xl_chunk_spec *spec, size_t split)
{
    size_t n_bands = sizeof bands / sizeof bands[0];
    for (size_t id = XL_CHUNK_SERIAL; id < XL_CHUNK_COUNT; id++)
        for (size_t x = 0; x < n_bands * MOST_WORKERS; x++) {
            spec->n_bands = bands[x % n_bands];
            spec->pool = c->pools[x / n_bands];
            spec->streams = 1 + (x + spec->chunk) % 4;
            if (id != XL_CHUNK_SERIAL || x < n_bands)
                check_spec(t, c, (enum xl_chunk_id)id, spec, split);
        }
}

static void backends_agree(struct xl_test *t)
{
    struct cross c;
    struct xl_chunk_shape shape = { HEADS, DK, DV, TOKENS };
    if (XL_CHECK(t, open_cross(&c, shape)))
        for (size_t x = 0; x < 2 * 6 * 3; x++) {
            struct xl_chunk_spec spec = make_spec(&c.problem);
            spec.cell = xl_cell_get(x % 2 ? XL_CELL_TILED : XL_CELL_NAIVE);
            spec.chunk = chunks[x / 2 % 6];
            check_chunk(t, &c, &spec, splits[x / 12]);
        }
    close_cross(&c);
}

static void native_turns_agree(struct xl_test *t)
{
    struct cross c;
    struct xl_chunk_shape shape = { HEADS, DK, DV, TOKENS };
    if (XL_CHECK(t, open_cross(&c, shape)))
        for (size_t x = 0; x < 12; x++) {
            struct xl_chunk_spec spec = make_spec(&c.problem);
            spec.cell = xl_cell_get(x % 2 ? XL_CELL_TILED : XL_CELL_NAIVE);
            spec.inner_tile = (size_t)1 << (x / 2);
            spec.pool = c.pools[0];
            check_spec(t, &c, XL_CHUNK_NATIVE, &spec, splits[x % 3]);
            if (x % 2 == 0)
                XL_CHECK(t, has_same_bits(&c.got, &c.want));
        }
    close_cross(&c);
}

/* States so large that parallel needs several rounds. */
static void rounds_agree(struct xl_test *t)
{
    struct cross c;
    struct xl_chunk_shape shape = { 4, 256, 512, 20 };
    if (XL_CHECK(t, open_cross(&c, shape))) {
        struct xl_chunk_spec spec = make_spec(&c.problem);
        spec.cell = xl_cell_get(XL_CELL_TILED);
        spec.chunk = 1;
        spec.n_bands = 1;
        spec.pool = c.pools[1];
        check_spec(t, &c, XL_CHUNK_SERIAL, &spec, 20);
        check_spec(t, &c, XL_CHUNK_PARALLEL, &spec, 20); /* in slices */
        spec.n_bands = 4;
        check_spec(t, &c, XL_CHUNK_PARALLEL, &spec, 20);
        XL_CHECK(t, xl_chunk_get(XL_CHUNK_PARALLEL)->scratch_bytes(&spec) <
                        (size_t)20 * 4 * 256 * 512 * sizeof(float));
    }
    close_cross(&c);
}

/* More workers than bands: slices of columns, the last a ragged one. */
static void slices_agree(struct xl_test *t)
{
    struct cross c;
    struct xl_chunk_shape shape = { 2, 33, 97, TOKENS };
    if (XL_CHECK(t, open_cross(&c, shape)))
        for (size_t x = 0; x < 2 * 3 * MOST_WORKERS; x++) {
            struct xl_chunk_spec spec = make_spec(&c.problem);
            spec.cell = xl_cell_get(x % 2 ? XL_CELL_TILED : XL_CELL_NAIVE);
            spec.chunk = 16;
            spec.n_bands = 1;
            spec.pool = c.pools[x / 6];
            check_spec(t, &c, XL_CHUNK_SERIAL, &spec, splits[x / 2 % 3]);
            check_spec(t, &c, XL_CHUNK_PARALLEL, &spec, splits[x / 2 % 3]);
            spec.n_bands = 2;
            check_spec(t, &c, XL_CHUNK_PARALLEL, &spec, splits[x / 2 % 3]);
        }
    close_cross(&c);
}

/* Threads race differently each time; bits stay. */
static void runs_repeat(struct xl_test *t)
{
    struct cross c;
    struct xl_chunk_shape shape = { HEADS, DK, DV, TOKENS };
    if (XL_CHECK(t, open_cross(&c, shape)))
        for (size_t x = 0; x < 40 * 3; x++) {
            struct xl_chunk_spec spec = make_spec(&c.problem);
            spec.cell = xl_cell_get(XL_CELL_TILED);
            spec.pool = c.pools[2];
            spec.n_bands = 5;
            size_t id = XL_CHUNK_PARALLEL + x / 40;
            const struct xl_chunk_backend *backend =
                xl_chunk_get((enum xl_chunk_id)id);
            struct answer *to = x % 40 ? &c.got : &c.base;
            XL_CHECK(t, solve(backend, &spec, &c.problem, TOKENS, to));
            XL_CHECK(t, x % 40 == 0 || has_same_bits(&c.got, &c.base));
        }
    close_cross(&c);
}

static void empty_job_does_nothing(struct xl_test *t)
{
    struct cross c;
    struct xl_chunk_shape shape = { HEADS, DK, DV, TOKENS };
    if (XL_CHECK(t, open_cross(&c, shape)))
        for (size_t id = 0; id < XL_CHUNK_COUNT; id++) {
            const struct xl_chunk_backend *backend =
                xl_chunk_get((enum xl_chunk_id)id);
            struct xl_chunk_spec spec = make_spec(&c.problem);
            spec.pool = c.pools[1];
            void *scratch = xl_alloc(backend->scratch_bytes(&spec));
            struct xl_chunk_job job = {
                .C = c.want.C, .n = c.want.n, .m = c.want.m, .h = c.want.h
            };
            memcpy(c.got.C, c.want.C, c.want.n_C * sizeof *c.want.C);
            if (XL_CHECK(t, scratch))
                backend->run(&spec, &job, scratch);
            XL_CHECK(t, memcmp(c.got.C, c.want.C,
                               c.want.n_C * sizeof *c.want.C) == 0);
            xl_free(scratch);
        }
    close_cross(&c);
}

/* -- planted faults ------------------------------------------------------- */

/* Starts every chunk from nothing. */
static void run_without_carry(const struct xl_chunk_spec *spec,
                              const struct xl_chunk_job *job, void *scratch)
{
    struct xl_chunk_job part = *job;
    for (size_t t = 0; t < job->tokens; t += spec->chunk) {
        size_t left = job->tokens - t;
        part.tokens = left < spec->chunk ? left : spec->chunk;
        part.q = job->q + t * job->q_stride;
        part.k = job->k + t * job->k_stride;
        part.v = job->v + t * job->v_stride;
        part.igate = job->igate + t * job->gate_stride;
        part.fgate = job->fgate + t * job->gate_stride;
        part.h = job->h + t * job->h_stride;
        part.finish_ctx = &(struct signs){ &part, spec->shape.dv };
        size_t n = spec->shape.heads * spec->shape.dk;
        memset(part.C, 0, n * spec->shape.dv * sizeof *part.C);
        memset(part.n, 0, n * sizeof *part.n);
        xl_chunk_get(XL_CHUNK_SERIAL)->run(spec, &part, scratch);
    }
}

static void run_without_ragged_chunk(const struct xl_chunk_spec *spec,
                                     const struct xl_chunk_job *job,
                                     void *scratch)
{
    struct xl_chunk_job part = *job;
    part.tokens = job->tokens / spec->chunk * spec->chunk;
    xl_chunk_get(XL_CHUNK_SERIAL)->run(spec, &part, scratch);
}

static void run_without_last_head(const struct xl_chunk_spec *spec,
                                  const struct xl_chunk_job *job, void *scratch)
{
    struct xl_chunk_spec part = *spec;
    part.shape.heads--;
    xl_chunk_get(XL_CHUNK_SERIAL)->run(&part, job, scratch);
}

static void run_without_finish(const struct xl_chunk_spec *spec,
                               const struct xl_chunk_job *job, void *scratch)
{
    struct xl_chunk_job part = *job;
    part.finish = NULL;
    xl_chunk_get(XL_CHUNK_SERIAL)->run(spec, &part, scratch);
}

static void faults_are_seen(struct xl_test *t)
{
    struct xl_chunk_backend faulty = *xl_chunk_get(XL_CHUNK_SERIAL);
    void (*const faults[])(
        const struct xl_chunk_spec *, const struct xl_chunk_job *,
        void *) = { run_without_carry, run_without_ragged_chunk,
                    run_without_last_head, run_without_finish };
    struct cross c;
    struct xl_chunk_shape shape = { HEADS, DK, DV, TOKENS };
    if (XL_CHECK(t, open_cross(&c, shape)))
        for (size_t x = 0; x < 5; x++) {
            struct xl_chunk_spec spec = make_spec(&c.problem);
            spec.pool = c.pools[0];
            if (x > 0)
                faulty.run = faults[x - 1];
            XL_CHECK(t, solve(&faulty, &spec, &c.problem, TOKENS, &c.got));
            XL_CHECK(t, answers_agree(&c.got, &c.want) == (x == 0));
        }
    c.got.h[3] = nextafterf(c.got.h[3], 9e9f);
    XL_CHECK(t, !has_same_bits(&c.got, &c.base));
    close_cross(&c);
}

static void registry_follows_its_list(struct xl_test *t)
{
    enum {
        CHUNK = XL_KNOB_CHUNK,
        BAND = XL_KNOB_BAND,
        WORKERS = XL_KNOB_WORKERS,
        STREAMS = XL_KNOB_STREAMS,
        INNER = XL_KNOB_INNER,
        TILES = XL_KNOB_TILES,
    };
    static const struct {
        const char *name;
        unsigned knobs;
    } rows[] = {
#define XL_CHUNK(id, name, knobs, summary) { #name, knobs },
#include "kernel/chunk/chunk.def"
#undef XL_CHUNK
    };
    for (size_t i = 0; i < XL_CHUNK_COUNT; i++) {
        const struct xl_chunk_backend *backend =
            xl_chunk_get((enum xl_chunk_id)i);
        XL_CHECK_TEXT(t, backend->name, rows[i].name);
        XL_CHECK_EQ(t, backend->knobs, rows[i].knobs);
    }
}

static void cells_follow_their_list(struct xl_test *t)
{
    static const char *const names[] = {
#define XL_CELL(id, name, summary) #name,
#include "kernel/cell/cell.def"
#undef XL_CELL
    };
    for (size_t i = 0; i < XL_CELL_COUNT; i++) {
        const struct xl_cell *cell = xl_cell_get((enum xl_cell_id)i);
        XL_CHECK_TEXT(t, cell->name, names[i]);
        XL_CHECK(t, cell->why_not() == NULL);
    }
}

const struct xl_test_case xl_suite_chunk[] = {
    XL_CASE(backends_agree),
    XL_CASE(native_turns_agree),
    XL_CASE(rounds_agree),
    XL_CASE(slices_agree),
    XL_CASE(runs_repeat),
    XL_CASE(empty_job_does_nothing),
    XL_CASE(faults_are_seen),
    XL_CASE(registry_follows_its_list),
    XL_CASE(cells_follow_their_list),
    { 0 },
};
