/* SPDX-License-Identifier: Apache-2.0
 *
 * Values become choices here and nowhere else. What a value of 0 stands for,
 * which tunables a choice leaves inert, and which values a model refuses are
 * all decided in this file. */
#include "kernel/model/plan.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/cpu.h"
#include "kernel/base/minmax.h"
#include "kernel/cell/slstm.h"
#include "kernel/model/plan_int.h"
#include "kernel/model/stored.h"

/* -- what values mean ----------------------------------------------------- */

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static const struct xl_chunk_backend *backend_of(const struct xl_params *p)
{
    return xl_chunk_get((enum xl_chunk_id)p->value[XL_PARAM_BACKEND]);
}

static size_t workers_of(const struct xl_params *p)
{
    int64_t workers = p->value[XL_PARAM_WORKERS];
    return workers ? (size_t)workers : xl_cpu_cores();
}

/* Decode runs on the threads that prefill has. */
static size_t decode_workers_of(const struct xl_params *p)
{
    size_t wanted = (size_t)p->value[XL_PARAM_DECODE_WORKERS];
    size_t workers = workers_of(p);
    return wanted && wanted < workers ? wanted : workers;
}

/* Choices of weight_dtype stand in the order of enum xl_pack_kind; those of
 * head_dtype too, after "same". */
static enum xl_pack_kind weight_kind_of(const struct xl_params *p)
{
    return (enum xl_pack_kind)p->value[XL_PARAM_WEIGHT_DTYPE];
}

static enum xl_pack_kind head_kind_of(const struct xl_params *p)
{
    int64_t head = p->value[XL_PARAM_HEAD_DTYPE];
    return head ? (enum xl_pack_kind)(head - 1) : weight_kind_of(p);
}

/* Choices of cell: auto, then the rows of cell.def. */
static enum xl_cell_id cell_of(const struct xl_params *p)
{
    int64_t cell = p->value[XL_PARAM_CELL];
    return cell ? (enum xl_cell_id)(cell - 1)
                : xl_cell_choose(weight_kind_of(p) == XL_PACK_FP32);
}

/* Slices begin where groups of weights do. */
static size_t k_block_of(const struct xl_params *p)
{
    return xl_pack_groups((size_t)p->value[XL_PARAM_K_BLOCK]) * XL_PACK_GROUP;
}

enum {
    TILES_AHEAD = 4096,
    STEAL_LEAST = 1 << 19
};

/* Bytes ahead, 0 = the engine's own. Asking was measured on one processor with
 * matrix tiles, where it gained, and one without, where it cost fp32 and bf16
 * speed. */
static size_t decode_ahead_of(const struct xl_params *p)
{
    int64_t asked = p->value[XL_PARAM_DECODE_AHEAD];
    if (asked == 0 && xl_cpu_has(XL_ISA_AMX_TILE))
        return TILES_AHEAD;
    return (size_t)asked;
}

/* What one row reads is read once: in the outer caches it would only take the
 * room of what is read again, such as cells' states. So it is on Zen 5, where
 * int8 and int4 gain up to 5 %. The processor with matrix tiles that this was
 * measured on decodes at half its speed so, by whatever kind of weights. */
static bool asks_past(void)
{
    return !xl_cpu_has(XL_ISA_AMX_TILE);
}

/* Choices of state_dtype: fp32, bf16. */
static enum xl_dtype C_dtype_of(const struct xl_params *p)
{
    return p->value[XL_PARAM_STATE_DTYPE] ? XL_BF16 : XL_FP32;
}

/* Bands of balanced size: as many as ceil(heads / heads_per_band). */
static size_t bands_of(const struct xl_params *p, size_t heads)
{
    size_t workers = workers_of(p);
    size_t wanted = (size_t)p->value[XL_PARAM_HEADS_PER_BAND];
    if (!(backend_of(p)->knobs & XL_KNOB_WORKERS))
        workers = 1;
    if (!wanted)
        return workers < heads ? workers : heads;
    return ceil_div(heads, wanted < heads ? wanted : heads);
}

static size_t count_slstm(const struct xl_config *config)
{
    size_t n = 0;
    for (size_t i = 0; i < config->blocks; i++)
        n += config->is_slstm[i];
    return n;
}

static size_t streams_of(const struct xl_params *p)
{
    int64_t streams = p->value[XL_PARAM_STREAMS];
    return streams ? (size_t)streams : workers_of(p);
}

/* -- inert and canonical -------------------------------------------------- */

static const struct {
    enum xl_param id;
    enum xl_chunk_knob knob;
} read_by_backend[] = {
    { XL_PARAM_CHUNK_SIZE, XL_KNOB_CHUNK },
    { XL_PARAM_HEADS_PER_BAND, XL_KNOB_BAND },
    { XL_PARAM_STREAMS, XL_KNOB_STREAMS },
    { XL_PARAM_INNER_TILE, XL_KNOB_INNER },
    { XL_PARAM_TILE_AV, XL_KNOB_TILES },
    { XL_PARAM_TILE_ATB, XL_KNOB_TILES },
};

/* The backend, what backends read, the cell and its state. */
static bool is_of_mlstm(enum xl_param id)
{
    bool of_backend = id == XL_PARAM_BACKEND || id == XL_PARAM_CELL ||
                      id == XL_PARAM_STATE_DTYPE;
    for (size_t i = 0; i < sizeof read_by_backend / sizeof *read_by_backend;
         i++)
        of_backend = of_backend || read_by_backend[i].id == id;
    return of_backend;
}

/* Why what belongs to packed weights has no effect, or NULL. */
static const char *packing_inert(const struct xl_config *config,
                                 const struct xl_params *params,
                                 enum xl_param id)
{
    struct xl_engines engines;
    struct xl_params p = *params;
    xl_stored_apply(config, &p);
    if (id == XL_PARAM_PAGES && config->is_packed)
        return "a packed checkpoint asks for huge pages always";
    if (xl_engines_choose(&engines, p.value[XL_PARAM_GEMM], weight_kind_of(&p),
                          NULL) != XL_OK)
        return NULL; /* xl_plan_check says more */
    if (!engines.is_packed && !config->is_packed)
        return "the engine reads weights as rows";
    bool is_naive = engines.few == xl_gemm_get(XL_GEMM_NAIVE);
    if (id == XL_PARAM_DECODE_AHEAD)
        return is_naive ? "the naive engine asks for nothing" : NULL;
    if (id != XL_PARAM_PAGES && !engines.many->x_bytes)
        return "the engine packs no inputs";
    return NULL;
}

const char *xl_plan_inert(const struct xl_config *config,
                          const struct xl_params *params, enum xl_param id)
{
    unsigned knobs = backend_of(params)->knobs;
    if (is_of_mlstm(id) && count_slstm(config) == config->blocks)
        return "the model has no mLSTM blocks";
    for (size_t i = 0; i < sizeof read_by_backend / sizeof *read_by_backend;
         i++)
        if (read_by_backend[i].id == id && !(knobs & read_by_backend[i].knob))
            return "the backend does not read it";
    if ((id == XL_PARAM_TILE_AV || id == XL_PARAM_TILE_ATB) &&
        cell_of(params) != XL_CELL_TILED)
        return "only the tiled cell reads it";
    if (id == XL_PARAM_DECODE_WORKERS && workers_of(params) == 1)
        return "there is one worker";
    if ((id == XL_PARAM_PIN || id == XL_PARAM_SPIN) && workers_of(params) == 1)
        return "one worker waits for nobody";
    if (id == XL_PARAM_K_BLOCK || id == XL_PARAM_PREFETCH ||
        id == XL_PARAM_DECODE_AHEAD || id == XL_PARAM_PAGES)
        return packing_inert(config, params, id);
    return xl_stored_inert(config, id);
}

/* Replaces zeros that mean auto, and sizes that act as a smaller one. */
static void fill_in(const struct xl_config *config, struct xl_params *p)
{
    xl_stored_apply(config, p);
    size_t bands = bands_of(p, config->heads);
    p->value[XL_PARAM_WORKERS] = (int64_t)workers_of(p);
    p->value[XL_PARAM_HEADS_PER_BAND] = (int64_t)ceil_div(config->heads, bands);
    p->value[XL_PARAM_STREAMS] = (int64_t)streams_of(p);
    p->value[XL_PARAM_DECODE_WORKERS] = (int64_t)decode_workers_of(p);
    p->value[XL_PARAM_CELL] = 1 + (int64_t)cell_of(p);
    p->value[XL_PARAM_K_BLOCK] = (int64_t)k_block_of(p);
    p->value[XL_PARAM_DECODE_AHEAD] = (int64_t)decode_ahead_of(p);
}

void xl_plan_canonical(const struct xl_config *config, struct xl_params *params)
{
    struct xl_params defaults;
    struct xl_params filled = *params;
    xl_params_init(&defaults);
    fill_in(config, &filled);
    for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
        bool inert = xl_plan_inert(config, params, (enum xl_param)i) != NULL;
        params->value[i] = inert ? defaults.value[i] : filled.value[i];
    }
    xl_stored_force(config, params);
}

/* -- check ---------------------------------------------------------------- */

/* Engines for weights of that kind; packed ones when nothing else is stored. */
static enum xl_status choose(struct xl_engines *engines, int64_t gemm,
                             enum xl_pack_kind kind, bool is_stored,
                             struct xl_err *err)
{
    XL_TRY(xl_engines_choose(engines, gemm, kind, err));
    if (!is_stored || engines->is_packed)
        return XL_OK;
    engines->is_packed = xl_gemm_reads_packed(engines->many, kind) &&
                         xl_gemm_reads_packed(engines->few, kind);
    if (engines->is_packed)
        return XL_OK;
    return xl_fail(err, XL_EUSAGE,
                   "the checkpoint is packed, and engine '%s' reads only rows "
                   "of %s weights; leave gemm to 'auto'",
                   engines->many->name, xl_pack_name(kind));
}

static enum xl_status check_engines(const struct xl_params *p, bool is_stored,
                                    struct xl_err *err)
{
    struct xl_engines engines;
    int64_t gemm = p->value[XL_PARAM_GEMM];
    const char *why = xl_cell_get(cell_of(p))->why_not();
    if (why)
        return xl_fail(err, XL_EUSAGE, "this configuration cannot run here: %s",
                       why);
    XL_TRY(choose(&engines, gemm, weight_kind_of(p), is_stored, err));
    return choose(&engines, gemm, head_kind_of(p), is_stored, err);
}

enum xl_status xl_plan_check(const struct xl_config *config,
                             const struct xl_params *params, struct xl_err *err)
{
    int64_t heads = params->value[XL_PARAM_HEADS_PER_BAND];
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        assert(xl_param_legal((enum xl_param)i, params->value[i]));
    if (heads > (int64_t)config->heads)
        return xl_fail(err, XL_EUSAGE,
                       "heads_per_band %lld exceeds the "
                       "model's %zu heads",
                       (long long)heads, config->heads);
    XL_TRY(xl_stored_check(config, params, err));
    struct xl_params stored = *params;
    xl_stored_apply(config, &stored);
    return check_engines(&stored, config->is_packed, err);
}

struct xl_plan_engines xl_plan_engines(const struct xl_config *config,
                                       const struct xl_params *params)
{
    struct xl_params p = *params;
    struct xl_engines engines, head;
    int64_t gemm = p.value[XL_PARAM_GEMM];
    bool stored = config->is_packed;
    xl_stored_apply(config, &p);
    if (choose(&engines, gemm, weight_kind_of(&p), stored, NULL) != XL_OK ||
        choose(&head, gemm, head_kind_of(&p), stored, NULL) != XL_OK)
        return (struct xl_plan_engines){ 0 };
    return (struct xl_plan_engines){ .prefill = engines.many->name,
                                     .decode = engines.few->name,
                                     .head = head.few->name };
}

struct xl_inputs xl_plan_inputs(const struct xl_config *config,
                                const struct xl_params *params)
{
    struct xl_params p = *params;
    struct xl_engines engines;
    xl_stored_apply(config, &p);
    if (choose(&engines, p.value[XL_PARAM_GEMM], weight_kind_of(&p),
               config->is_packed, NULL) != XL_OK)
        return (struct xl_inputs){ 0 };
    if (p.value[XL_PARAM_PREFILL_BLOCK] < XL_FEW_ROWS)
        engines.many = engines.few;
    return (struct xl_inputs){ engines.many->rounds, engines.few->rounds };
}

/* -- make ----------------------------------------------------------------- */

/* A query nearly orthogonal to all keys leaves a state readout that is all
 * cancellation, and the head norm blows its rounding up. With weights in full
 * precision, queries and keys are therefore summed in double. The naive and
 * the wide engine sum everything so: their models have the same bits. */
static enum xl_status choose_engines(struct xl_plan *plan,
                                     const struct xl_gemm *many,
                                     struct xl_err *err)
{
    const struct xl_params *p = &plan->params;
    int64_t gemm = p->value[XL_PARAM_GEMM];
    enum xl_pack_kind kind = weight_kind_of(p);
    bool stored = plan->config->is_packed;
    XL_TRY(choose(&plan->engines, gemm, kind, stored, err));
    XL_TRY(choose(&plan->head_engines, gemm, head_kind_of(p), stored, err));
    if (many)
        plan->engines.many = many;
    bool is_double = plan->engines.many == xl_gemm_get(XL_GEMM_NAIVE) ||
                     plan->engines.many == xl_gemm_get(XL_GEMM_WIDE);
    plan->small.few = plan->small.many =
        xl_gemm_get(is_double ? XL_GEMM_NAIVE : XL_GEMM_VECTOR);
    if (kind == XL_PACK_FP32)
        plan->gemm_keys = xl_engines_wide(&plan->engines);
    return XL_OK;
}

static void choose_schedule(struct xl_plan *plan)
{
    const struct xl_params *p = &plan->params;
    const struct xl_config *config = plan->config;
    int64_t av = p->value[XL_PARAM_TILE_AV];
    int64_t atb = p->value[XL_PARAM_TILE_ATB];
    plan->k_block = k_block_of(p);
    plan->no_prefetch = !p->value[XL_PARAM_PREFETCH];
    plan->decode_ahead = decode_ahead_of(p);
    plan->asks_past = asks_past();
    plan->steal_least = STEAL_LEAST;
    plan->backend = backend_of(p);
    plan->spec = (struct xl_chunk_spec){
        .cell = xl_cell_get(cell_of(p)),
        .shape = { .heads = config->heads,
                   .dk = config->dk,
                   .dv = config->dv,
                   .max_tokens = plan->block_tokens },
        .chunk = (size_t)p->value[XL_PARAM_CHUNK_SIZE],
        .n_bands = bands_of(p, config->heads),
        .streams = streams_of(p),
        .inner_tile = (size_t)p->value[XL_PARAM_INNER_TILE],
        .tiles = { .av_rows = (size_t)xl_tile_rows(av),
                   .av_columns = (size_t)xl_tile_columns(av),
                   .atb_rows = (size_t)xl_tile_rows(atb),
                   .atb_columns = (size_t)xl_tile_columns(atb) },
        .pool = plan->pool,
    };
}

/* Floats of scratch a worker needs for any product or step of the model. */
static size_t worker_floats(const struct xl_plan *plan)
{
    const struct xl_config *c = plan->config;
    const size_t widths[] = { c->width, c->heads * c->dv, c->ffn,
                              3 * c->inner };
    size_t most = plan->spec.cell->scratch_floats(1, c->dk, c->dv);
    if (count_slstm(c))
        most = xl_max(most, xl_slstm_scratch_floats(c->width / c->slstm_heads));
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        const struct xl_gemm *engines[] = {
            plan->engines.few,       plan->engines.many, plan->head_engines.few,
            plan->head_engines.many, plan->small.many,   plan->gemm_keys
        };
        for (size_t e = 0; e < sizeof engines / sizeof *engines; e++)
            if (engines[e])
                most = xl_max(most, engines[e]->scratch_floats(widths[i]));
    }
    return most;
}

/* Bytes of the gated feed-forward, packed. */
static size_t packed_ffn_bytes(const struct xl_plan *plan)
{
    const struct xl_gemm *gemm = plan->engines.many;
    return gemm->x_bytes ? gemm->x_bytes(plan->block_tokens, plan->config->ffn)
                         : 0;
}

/* Bytes of any other input of a product, packed. */
static size_t packed_bytes(const struct xl_plan *plan)
{
    const struct xl_config *c = plan->config;
    const size_t widths[] = { c->width, c->heads * c->dv, c->inner };
    const struct xl_gemm *gemm = plan->engines.many;
    size_t most = 0;
    for (size_t i = 0; gemm->x_bytes && i < sizeof widths / sizeof *widths; i++)
        most = xl_max(most, gemm->x_bytes(plan->block_tokens, widths[i]));
    return most;
}

/* One buffer of a pass: floats a token. */
struct row {
    float **to;
    size_t floats;
};

enum {
    MAX_ROWS = 12
};

/* An odd number of cache lines: rows a power of two apart share few sets. */
static size_t odd_lines(size_t floats)
{
    return (xl_pack_panels(floats) | 1) * XL_PACK_LANES;
}

/* Where the fused products put their parts. */
static void lay_out_rows(const struct xl_config *c, struct xl_scratch *s)
{
    size_t qk = 2 * xl_matrix_next(c->heads * c->dk);
    size_t vo = 2 * xl_matrix_next(c->heads * c->dv);
    s->in_row = odd_lines(qk + vo);
    s->ffn_row = odd_lines(2 * xl_matrix_next(c->ffn));
    s->h_row = odd_lines(c->heads * c->dv);
    s->z_row = odd_lines(c->width);
}

static void find_parts(const struct xl_config *c, struct xl_scratch *s)
{
    s->q = s->in;
    s->k = s->q + xl_matrix_next(c->heads * c->dk);
    s->v = s->k + xl_matrix_next(c->heads * c->dk);
    s->o = s->v + xl_matrix_next(c->heads * c->dv);
    s->u = s->g + xl_matrix_next(c->ffn);
}

static size_t xlstm_rows(const struct xl_config *c, struct xl_scratch *s,
                         struct row rows[MAX_ROWS])
{
    const struct row all[] = {
        { &s->x, c->width },     { &s->y, c->width },   { &s->z, s->z_row },
        { &s->in, s->in_row },   { &s->h, s->h_row },   { &s->igate, c->heads },
        { &s->fgate, c->heads }, { &s->g, s->ffn_row },
    };
    static_assert(sizeof all <= MAX_ROWS * sizeof *all, "rows has room");
    memcpy(rows, all, sizeof all);
    return sizeof all / sizeof *all;
}

static size_t stack_rows(const struct xl_config *c, struct xl_scratch *s,
                         struct row rows[MAX_ROWS])
{
    size_t slstm = count_slstm(c), inner = slstm < c->blocks ? c->inner : 0;
    size_t gates = slstm ? 4 * c->width : 0, ffn = slstm ? c->ffn : 0;
    size_t hidden = slstm ? c->width : 0;
    const struct row all[] = {
        { &s->x, c->width },
        { &s->y, c->width },
        { &s->z, s->z_row },
        { &s->wide, xl_max(xl_max(2 * inner, gates), 2 * ffn) },
        { &s->c, xl_max(xl_max(inner, hidden), ffn) },
        { &s->qkv, 3 * inner },
        { &s->igate, c->heads },
        { &s->fgate, c->heads },
        { &s->h, inner },
    };
    static_assert(sizeof all <= MAX_ROWS * sizeof *all, "rows has room");
    memcpy(rows, all, sizeof all);
    return sizeof all / sizeof *all;
}

static enum xl_status make_scratch(struct xl_plan *plan, struct xl_err *err)
{
    const struct xl_config *c = plan->config;
    struct xl_scratch *s = &plan->scratch;
    struct row rows[MAX_ROWS];
    size_t t = plan->block_tokens, per_worker = worker_floats(plan);
    bool is_stack = c->arch == XL_ARCH_BLOCK_STACK;
    lay_out_rows(c, s);
    size_t n = is_stack ? stack_rows(c, s, rows) : xlstm_rows(c, s, rows);
    size_t bytes = count_slstm(c) < c->blocks
                       ? plan->backend->scratch_bytes(&plan->spec)
                       : 0;
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++)
        ok = (*rows[i].to = xl_arena_zero(&plan->arena, t * rows[i].floats,
                                          sizeof(float))) != NULL;
    if (ok && !is_stack)
        find_parts(c, s);
    ok = ok && (s->gemm = xl_arena_zero(&plan->arena, plan->workers,
                                        sizeof *s->gemm)) != NULL;
    for (size_t w = 0; w < plan->workers && ok; w++)
        ok = (s->gemm[w] = xl_arena_zero(&plan->arena, per_worker + 1,
                                         sizeof(float))) != NULL;
    ok = ok && (s->packed_x = xl_arena_alloc(&plan->arena,
                                             packed_bytes(plan) + 1)) != NULL;
    ok = ok && (s->packed_ffn = xl_arena_alloc(
                    &plan->arena, packed_ffn_bytes(plan) + 1)) != NULL;
    ok = ok && (s->queues = xl_arena_zero(&plan->arena, XL_STAGES,
                                          sizeof *s->queues)) != NULL;
    ok = ok && (s->steals = xl_arena_zero(&plan->arena, plan->decode_workers,
                                          sizeof *s->steals)) != NULL;
    ok = ok && (s->chunk = xl_arena_alloc(&plan->arena, bytes + 1)) != NULL;
    if (plan->C_dtype == XL_BF16 && bytes)
        ok = ok && (s->C = xl_arena_zero(&plan->arena, c->heads * c->dk * c->dv,
                                         sizeof *s->C)) != NULL;
    if (ok)
        return XL_OK;
    return xl_fail(err, XL_ENOMEM,
                   "out of memory for the scratch of %zu "
                   "tokens a pass; lower prefill_block",
                   t);
}

static enum xl_status build(struct xl_plan *plan, const struct xl_gemm *many,
                            struct xl_err *err)
{
    const struct xl_params *p = &plan->params;
    struct xl_pool_options options = {
        .width = plan->workers,
        .spin = (unsigned)p->value[XL_PARAM_SPIN],
        .pin = p->value[XL_PARAM_PIN] != 0,
    };
    XL_TRY(choose_engines(plan, many, err));
    XL_TRY(xl_pool_make(&plan->pool, &options, err));
    bool small = p->value[XL_PARAM_PAGES] != 0;
    const struct xl_form blocks = { .kind = weight_kind_of(p),
                                    .is_packed = plan->engines.is_packed,
                                    .has_small_pages = small };
    const struct xl_form head = { .kind = head_kind_of(p),
                                  .is_packed = plan->head_engines.is_packed,
                                  .has_small_pages = small };
    XL_TRY(xl_model_prepare(plan->model, &blocks, plan->pool, &plan->weights,
                            err));
    XL_TRY(xl_model_prepare_head(plan->model, &head, plan->pool, &plan->head,
                                 err));
    plan->row = xl_row_ops_best();
    plan->C_dtype = C_dtype_of(p);
    choose_schedule(plan);
    return make_scratch(plan, err);
}

enum xl_status xl_plan_make_on(struct xl_plan **out, struct xl_model *model,
                               const struct xl_params *params,
                               const struct xl_gemm *many, struct xl_err *err)
{
    *out = NULL;
    XL_TRY(xl_plan_check(&model->config, params, err));
    struct xl_plan *plan = xl_alloc_zero(1, sizeof *plan);
    if (!plan)
        return xl_fail(err, XL_ENOMEM, "out of memory making a plan");
    plan->model = model;
    plan->config = &model->config;
    plan->params = *params;
    fill_in(plan->config, &plan->params);
    plan->workers = (size_t)plan->params.value[XL_PARAM_WORKERS];
    plan->decode_workers = (size_t)plan->params.value[XL_PARAM_DECODE_WORKERS];
    plan->block_tokens = (size_t)plan->params.value[XL_PARAM_PREFILL_BLOCK];
    xl_arena_init(&plan->arena, 0);
    enum xl_status rc = build(plan, many, err);
    if (rc != XL_OK) {
        xl_plan_free(plan);
        return rc;
    }
    *out = plan;
    return XL_OK;
}

enum xl_status xl_plan_make(struct xl_plan **out, struct xl_model *model,
                            const struct xl_params *params, struct xl_err *err)
{
    return xl_plan_make_on(out, model, params, NULL, err);
}

void xl_plan_free(struct xl_plan *plan)
{
    if (!plan)
        return;
    xl_pool_free(plan->pool);
    xl_arena_release(&plan->arena);
    xl_free(plan);
}

const struct xl_params *xl_plan_effective(const struct xl_plan *plan)
{
    return &plan->params;
}

const struct xl_gemm *xl_plan_engine(const struct xl_plan *plan, bool one_row)
{
    return one_row ? plan->engines.few : plan->engines.many;
}
