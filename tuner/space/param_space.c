/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweeps become dimensions; the plan's rules and the constraints become the
 * space's rules. A point is canonical when its inert tunables are at home and
 * no earlier value of a dimension acts the same (bands of 3 and of 2 heads
 * out of 4 are the same two bands). */
#include "tuner/space/param_space.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "tuner/space/param_space_int.h"

/* The plan's rules take microseconds a point, or more: a product larger than
 * WALK is not walked but drawn from. */
enum {
    WALK = 1 << 20,
    WIDEST_STEP = 16,
    FEWEST_STEPS = 3,
    ROUNDS = 4
};

/* -- sweeps --------------------------------------------------------------- */

struct xl_sweep *xl_sweep_find(struct xl_param_space *ps, enum xl_param id)
{
    for (size_t i = 0; i < ps->n_sweeps; i++)
        if (ps->sweeps[i].id == id)
            return &ps->sweeps[i];
    return NULL;
}

static int compare_values(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int compare_sweeps(const void *a, const void *b)
{
    const struct xl_sweep *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Where a value stands on the tunable's own scale. */
static double place_of(enum xl_param id, int64_t value, size_t index)
{
    const struct xl_param_row *row = xl_param_row(id);
    if (row->kind != XL_KIND_INT)
        return (double)index;
    if (row->scale == XL_SCALE_LOG2)
        return log2(value > 0 ? (double)value : 0.5);
    return (double)value;
}

static enum xl_status check_values(enum xl_param id, const int64_t *values,
                                   size_t n, struct xl_err *err)
{
    char text[XL_VALUE_ROOM];
    const char *name = xl_param_row(id)->name;
    if (!n || n > XL_SPACE_VALUES)
        return xl_fail(err, XL_EUSAGE,
                       "%s has %zu values to sweep; 1 to %d "
                       "are possible",
                       name, n, XL_SPACE_VALUES);
    for (size_t i = 0; i < n; i++)
        if (!xl_param_legal(id, values[i]))
            return xl_fail(err, XL_EUSAGE, "%lld is no value of %s",
                           (long long)values[i], name);
    for (size_t i = 1; i < n; i++)
        if (values[i] == values[i - 1])
            return xl_fail(err, XL_EUSAGE, "%s lists the value %s twice", name,
                           xl_param_format(id, values[i], text));
    return XL_OK;
}

enum xl_status xl_sweep_set(struct xl_param_space *ps, enum xl_param id,
                            const int64_t *values, size_t n, bool is_asked,
                            struct xl_err *err)
{
    struct xl_sweep made = { .id = id, .is_asked = is_asked, .n = n };
    char text[XL_VALUE_ROOM];
    made.values = xl_arena_zero(&ps->arena, n, sizeof *made.values);
    made.at = xl_arena_zero(&ps->arena, n, sizeof *made.at);
    made.labels = xl_arena_zero(&ps->arena, n, sizeof *made.labels);
    bool ok = made.values && made.at && made.labels;
    if (ok && n) {
        memcpy(made.values, values, n * sizeof *values);
        qsort(made.values, n, sizeof *values, compare_values);
        XL_TRY(check_values(id, made.values, n, err));
    } else if (ok) {
        return check_values(id, values, n, err);
    }
    for (size_t i = 0; i < n && ok; i++) {
        made.at[i] = place_of(id, made.values[i], i);
        xl_param_format(id, made.values[i], text);
        made.labels[i] = xl_arena_text(&ps->arena, text, strlen(text));
        ok = made.labels[i] != NULL;
    }
    if (!ok)
        return xl_fail(err, XL_ENOMEM, "no memory for a space");
    struct xl_sweep *old = xl_sweep_find(ps, id);
    if (old)
        *old = made;
    else
        ps->sweeps[ps->n_sweeps++] = made;
    return XL_OK;
}

enum xl_status xl_sweep_range(struct xl_param_space *ps, enum xl_param id,
                              int64_t lo, int64_t hi, int64_t step,
                              bool is_asked, struct xl_err *err)
{
    const char *name = xl_param_row(id)->name;
    size_t n = 0;
    if (lo > hi)
        return xl_fail(err, XL_EUSAGE,
                       "the smallest value of %s, %lld, is "
                       "larger than its largest, %lld",
                       name, (long long)lo, (long long)hi);
    if (!step && lo < 1)
        return xl_fail(err, XL_EUSAGE,
                       "%s cannot go from %lld in powers of "
                       "two; begin at 1 or give a step",
                       name, (long long)lo);
    if (step && (hi - lo) / step >= XL_SPACE_VALUES)
        return xl_fail(err, XL_EUSAGE,
                       "%s has more than %d values to sweep; "
                       "give a larger step",
                       name, XL_SPACE_VALUES);
    size_t room = step ? (size_t)((hi - lo) / step) + 2 : 65;
    int64_t *values = xl_alloc_zero(room, sizeof *values);
    if (!values)
        return xl_fail(err, XL_ENOMEM, "no memory for a space");
    for (int64_t v = lo; v < hi; v += step ? step : v)
        values[n++] = v;
    values[n++] = hi;
    enum xl_status rc = xl_sweep_set(ps, id, values, n, is_asked, err);
    xl_free(values);
    return rc;
}

enum xl_status xl_sweep_all(struct xl_param_space *ps, enum xl_param id,
                            struct xl_err *err)
{
    bool is_bool = xl_param_row(id)->kind == XL_KIND_BOOL;
    int64_t last = is_bool ? 1 : (int64_t)xl_param_n_choices(id) - 1;
    return xl_sweep_range(ps, id, 0, last, 1, true, err);
}

static void leave_out(struct xl_param_space *ps, enum xl_param id,
                      const char *reason)
{
    ps->left_out[ps->n_left_out++] =
        (struct xl_left_out){ .id = id, .reason = reason };
}

/* -- flags ---------------------------------------------------------------- */

enum {
    HEADS = -1,
    CORES = -2
}; /* a bound's high that the machine gives */

static const struct {
    enum xl_param id;
    const char *flag;
    int64_t lo, hi;
} bound_rows[] = {
#define XL_BOUND(id, flag, low, high) { XL_PARAM_##id, flag, low, high },
#include "tuner/space/rule.def"
#undef XL_BOUND
};

bool xl_sweep_counts_tokens(enum xl_param id)
{
    static const enum xl_param ids[] = {
#define XL_TOKENS(id) XL_PARAM_##id,
#include "tuner/space/rule.def"
#undef XL_TOKENS
    };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* 16, halved until there are a few values. Workers and heads go by one. */
static int64_t step_of(enum xl_param id, int64_t lo, int64_t hi)
{
    int64_t step = id == XL_PARAM_CHUNK_SIZE ? WIDEST_STEP : 1;
    while (step > 1 && (hi - lo) / step < FEWEST_STEPS)
        step /= 2;
    return step;
}

static enum xl_status sweep_bound(struct xl_param_space *ps, size_t b,
                                  const struct xl_param_space_options *o,
                                  struct xl_err *err)
{
    enum xl_param id = bound_rows[b].id;
    const char *flag = bound_rows[b].flag;
    int64_t lo = o->bounds[b].lo, hi = o->bounds[b].hi;
    int64_t top = bound_rows[b].hi;
    bool is_asked = lo || hi;
    if (top == HEADS)
        top = o->heads ? (int64_t)o->heads : 1;
    else if (top == CORES)
        top = o->cores ? (int64_t)o->cores : 1;
    if (xl_sweep_counts_tokens(id) && o->prompt_tokens)
        top = top < (int64_t)o->prompt_tokens ? top : (int64_t)o->prompt_tokens;
    if (lo && hi && lo > hi)
        return xl_fail(err, XL_EUSAGE,
                       "--%s-min %lld is larger than --%s-max "
                       "%lld",
                       flag, (long long)lo, flag, (long long)hi);
    if (!hi)
        hi = lo > top ? lo : top;
    if (!lo)
        lo = bound_rows[b].lo < hi ? bound_rows[b].lo : hi;
    if (bound_rows[b].hi == HEADS && lo > top)
        return xl_fail(err, XL_EUSAGE,
                       "--%s-min %lld exceeds the model's "
                       "%lld heads",
                       flag, (long long)lo, (long long)top);
    if (bound_rows[b].hi == HEADS && hi > top) {
        leave_out(ps, id, "values above the model's heads");
        hi = top;
    }
    return xl_sweep_range(ps, id, lo, hi, step_of(id, lo, hi), is_asked, err);
}

static enum xl_status sweep_bounds(struct xl_param_space *ps,
                                   const struct xl_param_space_options *o,
                                   struct xl_err *err)
{
    unsigned phases = o->phases ? o->phases : XL_PHASE_BOTH;
    for (size_t b = 0; b < XL_BOUND_COUNT; b++) {
        enum xl_param id = bound_rows[b].id;
        bool is_asked = o->bounds[b].lo || o->bounds[b].hi;
        bool is_fixed = ps->base.origin[id].layer == XL_LAYER_FLAG;
        if (is_asked && is_fixed)
            return xl_fail(err, XL_EUSAGE,
                           "%s is both set by a flag and "
                           "swept by --%s-min and --%s-max",
                           xl_param_row(id)->name, bound_rows[b].flag,
                           bound_rows[b].flag);
        if (!is_asked && o->file)
            continue;
        if (!is_asked && is_fixed) {
            leave_out(ps, id, "set by a flag");
            continue;
        }
        if (!is_asked && !((unsigned)xl_param_row(id)->phase & phases)) {
            leave_out(ps, id, "it does not change what is measured");
            continue;
        }
        if (!is_asked && xl_sweep_counts_tokens(id) && o->prompt_tokens &&
            (int64_t)o->prompt_tokens < 2 * bound_rows[b].lo) {
            leave_out(ps, id, "the prompt is too short for two of the least");
            continue;
        }
        XL_TRY(sweep_bound(ps, b, o, err));
    }
    return XL_OK;
}

static enum xl_status sweep_backends(struct xl_param_space *ps,
                                     const char *names, struct xl_err *err)
{
    int64_t values[64];
    size_t n = 0;
    if (strcmp(names, "all") == 0)
        return xl_sweep_all(ps, XL_PARAM_BACKEND, err);
    for (const char *at = names; *at || at == names;) {
        char word[XL_VALUE_ROOM];
        size_t len = strcspn(at, ",");
        if (len >= sizeof word || n == sizeof values / sizeof *values)
            return xl_fail(err, XL_EUSAGE, "'%s' is no list of backends",
                           names);
        memcpy(word, at, len);
        word[len] = '\0';
        XL_TRY(xl_param_parse(XL_PARAM_BACKEND, word, &values[n++], err));
        at += len + (at[len] == ',');
    }
    if (n > 1)
        return xl_sweep_set(ps, XL_PARAM_BACKEND, values, n, true, err);
    ps->base.value[XL_PARAM_BACKEND] = values[0];
    return XL_OK;
}

/* -- rules ---------------------------------------------------------------- */

static const char *inert_reason(const struct xl_param_space *ps,
                                const struct xl_params *params,
                                enum xl_param id)
{
    return ps->rules.inert ? ps->rules.inert(ps->rules.config, params, id)
                           : NULL;
}

static void load_values(const struct xl_param_space *ps, const uint32_t *point,
                        int64_t *values)
{
    memcpy(values, ps->base.value, sizeof ps->base.value);
    for (size_t d = 0; d < ps->n_sweeps; d++)
        values[ps->sweeps[d].id] = ps->sweeps[d].values[point[d]];
}

static bool find_value(const struct xl_sweep *sweep, int64_t value,
                       uint32_t *index)
{
    const int64_t *at = bsearch(&value, sweep->values, sweep->n,
                                sizeof *sweep->values, compare_values);
    if (at)
        *index = (uint32_t)(at - sweep->values);
    return at != NULL;
}

static void send_inert_home(struct xl_param_space *ps, uint32_t *point)
{
    bool moved = true;
    for (int round = 0; moved && round < ROUNDS; round++) {
        moved = false;
        load_values(ps, point, ps->scratch.value);
        for (size_t d = 0; d < ps->n_sweeps; d++) {
            if (point[d] == ps->home[d] ||
                !inert_reason(ps, &ps->scratch, ps->sweeps[d].id))
                continue;
            point[d] = ps->home[d];
            moved = true;
        }
    }
}

/* Fills scratch with the values the plan would really use for the point. */
static void load_used(struct xl_param_space *ps, const uint32_t *point)
{
    load_values(ps, point, ps->scratch.value);
    ps->rules.canonical(ps->rules.config, &ps->scratch);
}

/* Replaces the value of a dimension by the first one that acts the same. */
static void use_first_alike(struct xl_param_space *ps, uint32_t *point,
                            size_t d)
{
    const struct xl_sweep *sweep = &ps->sweeps[d];
    int64_t used = ps->scratch.value[sweep->id];
    uint32_t own = point[d];
    if (find_value(sweep, used, &point[d]))
        return;
    for (point[d] = 0; point[d] < own; point[d]++) {
        load_used(ps, point);
        if (ps->scratch.value[sweep->id] == used)
            return;
    }
}

static void make_canonical(void *ctx, uint32_t *point)
{
    struct xl_param_space *ps = ctx;
    send_inert_home(ps, point);
    if (!ps->rules.canonical)
        return;
    load_used(ps, point);
    for (size_t d = 0; d < ps->n_sweeps; d++) {
        const struct xl_sweep *sweep = &ps->sweeps[d];
        if (ps->scratch.value[sweep->id] == sweep->values[point[d]] ||
            inert_reason(ps, &ps->scratch, sweep->id))
            continue;
        use_first_alike(ps, point, d);
        load_used(ps, point);
    }
}

static bool is_legal(void *ctx, const uint32_t *point)
{
    struct xl_param_space *ps = ctx;
    load_values(ps, point, ps->scratch.value);
    for (size_t i = 0; i < ps->n_constraints; i++)
        if (!xl_expr_holds(ps->constraints[i], xl_constraint_value, ps))
            return false;
    return !ps->rules.check ||
           ps->rules.check(ps->rules.config, &ps->scratch, NULL) == XL_OK;
}

/* -- life ----------------------------------------------------------------- */

static enum xl_status make_space(struct xl_param_space *ps, struct xl_err *err)
{
    struct xl_dim dims[XL_PARAM_COUNT];
    struct xl_params defaults;
    xl_params_init(&defaults);
    qsort(ps->sweeps, ps->n_sweeps, sizeof *ps->sweeps, compare_sweeps);
    if (!ps->n_sweeps)
        return xl_fail(err, XL_EUSAGE,
                       "there is nothing to sweep; name "
                       "tunables in a space file or give bounds");
    for (size_t d = 0; d < ps->n_sweeps; d++) {
        const struct xl_sweep *sweep = &ps->sweeps[d];
        if (!find_value(sweep, defaults.value[sweep->id], &ps->home[d]))
            find_value(sweep, ps->base.value[sweep->id], &ps->home[d]);
        dims[d] = (struct xl_dim){
            .name = xl_param_row(sweep->id)->name,
            .kind = xl_param_row(sweep->id)->kind == XL_KIND_INT
                        ? XL_DIM_ORDERED
                        : XL_DIM_NOMINAL,
            .n = (uint32_t)sweep->n,
            .home = ps->home[d],
            .at = sweep->at,
            .labels = sweep->labels,
        };
    }
    return xl_space_make(
        &ps->space,
        &(struct xl_space_options){ .dims = dims,
                                    .n_dims = ps->n_sweeps,
                                    .walk = WALK,
                                    .rules = { .ctx = ps,
                                               .legal = is_legal,
                                               .canonical = make_canonical } },
        err);
}

static enum xl_status fill(struct xl_param_space *ps,
                           const struct xl_param_space_options *options,
                           struct xl_err *err)
{
    ps->base = *options->base;
    ps->rules = options->rules;
    /* 0 means the usable cores; named, the rules need not count them for
     * every point. */
    if (!ps->base.value[XL_PARAM_WORKERS] && options->cores)
        ps->base.value[XL_PARAM_WORKERS] = (int64_t)options->cores;
    if (options->backends)
        XL_TRY(sweep_backends(ps, options->backends, err));
    if (options->file)
        XL_TRY(xl_space_file_load(ps, options->file, err));
    XL_TRY(sweep_bounds(ps, options, err));
    ps->scratch = ps->base;
    return make_space(ps, err);
}

enum xl_status xl_param_space_make(struct xl_param_space **ps,
                                   const struct xl_param_space_options *options,
                                   struct xl_err *err)
{
    struct xl_param_space *made = xl_alloc_zero(1, sizeof *made);
    if (!made)
        return xl_fail(err, XL_ENOMEM, "no memory for a space");
    xl_arena_init(&made->arena, 0);
    enum xl_status rc = fill(made, options, err);
    if (rc == XL_OK)
        *ps = made;
    else
        xl_param_space_free(made);
    return rc;
}

void xl_param_space_free(struct xl_param_space *ps)
{
    if (!ps)
        return;
    xl_space_free(ps->space);
    xl_arena_release(&ps->arena);
    xl_free(ps);
}

/* -- points --------------------------------------------------------------- */

const struct xl_space *xl_param_space_space(const struct xl_param_space *ps)
{
    return ps->space;
}

enum xl_param xl_param_space_param(const struct xl_param_space *ps, size_t dim)
{
    assert(dim < ps->n_sweeps);
    return ps->sweeps[dim].id;
}

void xl_param_space_params(const struct xl_param_space *ps,
                           const uint32_t *point, struct xl_params *params)
{
    *params = ps->base;
    load_values(ps, point, params->value);
    if (ps->rules.canonical)
        ps->rules.canonical(ps->rules.config, params);
}

bool xl_param_space_point(const struct xl_param_space *ps,
                          const struct xl_params *params, uint32_t *point)
{
    struct xl_params used = *params;
    if (ps->rules.canonical)
        ps->rules.canonical(ps->rules.config, &used);
    for (size_t d = 0; d < ps->n_sweeps; d++) {
        const struct xl_sweep *sweep = &ps->sweeps[d];
        point[d] = ps->home[d];
        if (!inert_reason(ps, params, sweep->id) &&
            !find_value(sweep, params->value[sweep->id], &point[d]) &&
            !find_value(sweep, used.value[sweep->id], &point[d]))
            return false;
    }
    return xl_space_canonical(ps->space, point);
}
