/* SPDX-License-Identifier: Apache-2.0
 *
 * An expression says which way it is to go by how it answers to its metrics:
 * each is moved by a per mille at a few readings far apart. Where it gains
 * from all moves for the better it is to grow, where it loses from all to
 * shrink; anything else is a mistake of its writer. */
#include "tuner/sweep/objective.h"

#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/arena.h"
#include "tuner/space/expr.h"

struct xl_objective {
    struct xl_arena arena;
    char *text;
    size_t n;
    struct item {
        const struct xl_expr *expr;
        const char *text;
        bool is_less; /* smaller is better */
    } items[XL_STRATEGY_VALUES];
    const struct xl_expr *where; /* NULL = nothing asked */
    bool reads[XL_METRIC_COUNT];
};

static const struct {
    bool is_less;
    unsigned phases;
} rows[XL_METRIC_COUNT] = {
#define XL_METRIC(id, name, unit, is_less, phases, help)                       \
    [XL_METRIC_##id] = { is_less, phases },
#include "tuner/sweep/objective.def"
#undef XL_METRIC
};

static const char *const names[XL_METRIC_COUNT] = {
#define XL_METRIC(id, name, unit, is_less, phases, help) name,
#include "tuner/sweep/objective.def"
#undef XL_METRIC
};

static const char *const value_units[XL_METRIC_COUNT] = {
#define XL_METRIC(id, name, unit, is_less, phases, help) unit,
#include "tuner/sweep/objective.def"
#undef XL_METRIC
};

const char *xl_metric_name(enum xl_metric metric)
{
    return names[metric];
}

void xl_reading_clear(struct xl_reading *reading)
{
    for (size_t i = 0; i < XL_METRIC_COUNT; i++)
        reading->value[i] = (double)NAN;
}

/* -- evaluation ----------------------------------------------------------- */

static struct xl_value get_metric(void *ctx, size_t id)
{
    const double *v = ((const struct xl_reading *)ctx)->value;
    double number = v[id];
    if (id == XL_METRIC_BALANCED)
        number = sqrt(v[XL_METRIC_PREFILL] * v[XL_METRIC_DECODE]);
    if (!isfinite(number))
        return (struct xl_value){ 0 };
    return (struct xl_value){ .kind = XL_VALUE_NUMBER, .number = number };
}

static double number_of(const struct xl_expr *expr,
                        const struct xl_reading *reading)
{
    struct xl_reading copy = *reading;
    struct xl_value v = xl_expr_eval(expr, get_metric, &copy);
    return v.kind == XL_VALUE_NUMBER && isfinite(v.number) ? v.number
                                                           : (double)NAN;
}

bool xl_objective_holds(const struct xl_objective *o,
                        const struct xl_reading *reading)
{
    struct xl_reading copy = *reading;
    return !o->where || xl_expr_holds(o->where, get_metric, &copy);
}

void xl_objective_values(const struct xl_objective *o,
                         const struct xl_reading *reading,
                         double values[XL_STRATEGY_VALUES])
{
    bool holds = xl_objective_holds(o, reading);
    for (size_t i = 0; i < o->n; i++) {
        double v = number_of(o->items[i].expr, reading);
        values[i] = !holds ? (double)NAN : o->items[i].is_less ? -v : v;
    }
}

double xl_objective_value(const struct xl_objective *o,
                          const struct xl_reading *reading)
{
    double values[XL_STRATEGY_VALUES], sum = 0;
    xl_objective_values(o, reading, values);
    if (o->n == 1)
        return values[0];
    for (size_t i = 0; i < o->n; i++)
        sum += o->items[i].is_less ? -log(-values[i]) : log(values[i]);
    double mean = exp(sum / (double)o->n);
    return isfinite(mean) ? mean : (double)NAN;
}

/* -- which way ------------------------------------------------------------ */

/* Readings far apart, of small and of large models. */
static const double probes[][3] = {
    { 1e4, 1e3, 1e8 }, { 3e2, 6e1, 7e9 }, { 2e1, 4e1, 5e8 }, { 1e3, 2e0, 3e10 }
};

static void fill_probe(struct xl_reading *reading, size_t i)
{
    for (size_t m = 0; m < XL_METRIC_COUNT; m++)
        reading->value[m] = rows[m].is_less
                                ? (1 + 0.01 * (double)m) / probes[i][1]
                                : probes[i][1];
    reading->value[XL_METRIC_PREFILL] = probes[i][0];
    reading->value[XL_METRIC_MEMORY] = probes[i][2];
}

/* What the expression gains when a metric gets a little better: above 0,
 * below 0, or 0 for nothing. */
static double gain_of(const struct xl_expr *expr, size_t metric, size_t probe)
{
    struct xl_reading reading;
    fill_probe(&reading, probe);
    double before = number_of(expr, &reading);
    reading.value[metric] *= rows[metric].is_less ? 0.999 : 1.001;
    return number_of(expr, &reading) - before;
}

static enum xl_status fail_mixed(size_t column, size_t up, size_t down,
                                 struct xl_err *err)
{
    return xl_fail(err, XL_EUSAGE,
                   "column %zu: it grows when %s gets better and when %s gets "
                   "worse; subtract one or divide by it",
                   column, names[up], names[down]);
}

static enum xl_status find_way(struct item *item, size_t column,
                               struct xl_err *err)
{
    size_t up = XL_METRIC_COUNT, down = XL_METRIC_COUNT;
    for (size_t m = 0; m < XL_METRIC_COUNT; m++) {
        for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
            double gain = gain_of(item->expr, m, i);
            if (gain > 0)
                up = m;
            if (gain < 0)
                down = m;
        }
    }
    if (up < XL_METRIC_COUNT && down < XL_METRIC_COUNT)
        return fail_mixed(column, up, down, err);
    if (up == XL_METRIC_COUNT && down == XL_METRIC_COUNT)
        return xl_fail(err, XL_EUSAGE,
                       "column %zu: it is the same for every configuration",
                       column);
    item->is_less = down < XL_METRIC_COUNT;
    return XL_OK;
}

/* -- parsing -------------------------------------------------------------- */

static enum xl_value_kind find_metric(void *ctx, const char *name, size_t *id)
{
    bool *reads = ctx;
    for (size_t i = 0; i < XL_METRIC_COUNT; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        *id = i;
        reads[i] = true;
        return XL_VALUE_NUMBER;
    }
    return XL_VALUE_UNKNOWN;
}

static bool find_unit(const char *word, double *scale)
{
    static const struct {
        const char *name;
        double scale;
    } units[] = {
        { "B", 1 },      { "kB", 1e3 },      { "MB", 1e6 },     { "GB", 1e9 },
        { "KiB", 1024 }, { "MiB", 1048576 }, { "s", 1 },        { "ms", 1e-3 },
        { "us", 1e-6 },  { "ns", 1e-9 },     { "GiB", 0x1p30 },
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(word, units[i].name) == 0) {
            *scale = units[i].scale;
            return true;
        }
    }
    return false;
}

static enum xl_status parse_item(struct xl_objective *o, size_t *at,
                                 const struct xl_expr_names *of,
                                 struct xl_err *err)
{
    struct item *item = &o->items[o->n];
    size_t start = *at;
    if (o->n == XL_STRATEGY_VALUES)
        return xl_fail(err, XL_EUSAGE, "column %zu: %d objectives at most",
                       start + 1, XL_STRATEGY_VALUES);
    XL_TRY(xl_expr_parse_part(&item->expr, o->text, at, of, &o->arena, err));
    size_t end = *at;
    while (o->text[start] == ' ')
        start++;
    while (end > start && o->text[end - 1] == ' ')
        end--;
    item->text = xl_arena_text(&o->arena, o->text + start, end - start);
    if (!item->text)
        return xl_fail(err, XL_ENOMEM, "no memory for an objective");
    o->n++;
    return find_way(item, start + 1, err);
}

static bool is_where(const char *text)
{
    return strncmp(text, "where", 5) == 0 &&
           (text[5] == ' ' || text[5] == '(' || text[5] == '\t');
}

/* Several are compared by ratios, so each must keep its sign. */
static enum xl_status check_signs(const struct xl_objective *o,
                                  struct xl_err *err)
{
    for (size_t i = 0; i < o->n && o->n > 1; i++) {
        for (size_t k = 0; k < sizeof probes / sizeof *probes; k++) {
            struct xl_reading reading;
            fill_probe(&reading, k);
            if (!(number_of(o->items[i].expr, &reading) > 0))
                return xl_fail(err, XL_EUSAGE,
                               "'%s' is not always positive, which several "
                               "objectives must be; divide where you subtract",
                               o->items[i].text);
        }
    }
    return XL_OK;
}

static enum xl_status parse(struct xl_objective *o, struct xl_err *err)
{
    struct xl_expr_names of = { .ctx = o->reads,
                                .find = find_metric,
                                .all = names,
                                .n_all = XL_METRIC_COUNT,
                                .noun = "metric",
                                .unit = find_unit };
    size_t at = 0;
    XL_TRY(parse_item(o, &at, &of, err));
    while (o->text[at] == ',') {
        at++;
        XL_TRY(parse_item(o, &at, &of, err));
    }
    if (is_where(o->text + at)) {
        at += strlen("where");
        XL_TRY(
            xl_expr_parse_part(&o->where, o->text, &at, &of, &o->arena, err));
    }
    if (o->text[at])
        return xl_fail(
            err, XL_EUSAGE, "column %zu: expected %s the end", at + 1,
            o->where ? "'and', 'or' or" : "an operator, ',', 'where' or");
    return check_signs(o, err);
}

enum xl_status xl_objective_parse(struct xl_objective **objective,
                                  const char *text, struct xl_err *err)
{
    struct xl_objective *made = xl_alloc_zero(1, sizeof *made);
    if (!made)
        return xl_fail(err, XL_ENOMEM, "no memory for an objective");
    xl_arena_init(&made->arena, 0);
    made->text = xl_strdup(text);
    enum xl_status rc =
        made->text ? parse(made, err)
                   : xl_fail(err, XL_ENOMEM, "no memory for an objective");
    if (rc == XL_OK)
        *objective = made;
    else
        xl_objective_free(made);
    return rc;
}

void xl_objective_free(struct xl_objective *objective)
{
    if (!objective)
        return;
    xl_arena_release(&objective->arena);
    xl_free(objective->text);
    xl_free(objective);
}

/* -- asking --------------------------------------------------------------- */

const char *xl_objective_name(const struct xl_objective *objective)
{
    return objective->text;
}

size_t xl_objective_count(const struct xl_objective *objective)
{
    return objective->n;
}

const char *xl_objective_item(const struct xl_objective *objective, size_t i)
{
    return objective->items[i].text;
}

const char *xl_objective_unit(const struct xl_objective *objective)
{
    for (size_t i = 0; i < XL_METRIC_COUNT && objective->n == 1; i++)
        if (strcmp(objective->items[0].text, names[i]) == 0)
            return value_units[i];
    return "";
}

bool xl_objective_is_less(const struct xl_objective *objective, size_t i)
{
    return objective->items[i].is_less;
}

enum xl_param_phase xl_objective_phases(const struct xl_objective *objective)
{
    unsigned phases = 0;
    for (size_t i = 0; i < XL_METRIC_COUNT; i++)
        if (objective->reads[i])
            phases |= rows[i].phases;
    return phases ? (enum xl_param_phase)phases : XL_PHASE_BOTH;
}

bool xl_objective_reads(const struct xl_objective *objective,
                        enum xl_metric metric)
{
    return objective->reads[metric];
}
