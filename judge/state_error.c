/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/state_error.h"

#include <math.h>
#include <stdbool.h>

/* Values [heads][each] of both sides under their m [heads][n_m]: value i of a
 * head belongs to m[n_m == 1 ? 0 : i]. */
struct scaled {
    const float *a, *b;     /* reference, candidate */
    const float *m_a, *m_b; /* [heads][n_m] */
    size_t heads, each, n_m;
};

/* Two norms of nothing are equal. */
static double ratio(double difference2, double reference2)
{
    if (!isfinite(difference2) || !isfinite(reference2))
        return HUGE_VAL;
    if (difference2 <= 0)
        return 0;
    return reference2 > 0 ? sqrt(difference2 / reference2) : HUGE_VAL;
}

/* Relative difference of a head's values, and their gain. */
struct head_error {
    double difference, gain;
};

static struct head_error head_error(const struct scaled *s, size_t head)
{
    double difference2 = 0, reference2 = 0, along = 0;
    for (size_t i = 0; i < s->each; i++) {
        size_t at = head * s->each + i;
        size_t of = s->n_m == 1 ? head : head * s->n_m + i;
        double scale = exp((double)s->m_b[of] - (double)s->m_a[of]);
        double want = (double)s->a[at], got = (double)s->b[at] * scale;
        difference2 += (got - want) * (got - want);
        reference2 += want * want;
        along += (got - want) * want;
    }
    double gain = reference2 > 0 ? fabs(along) / reference2 : 0;
    return (struct head_error){
        .difference = ratio(difference2, reference2),
        .gain = isfinite(gain) ? gain : HUGE_VAL,
    };
}

static struct head_error worst_head(const struct scaled *s)
{
    struct head_error worst = { 0 };
    for (size_t h = 0; h < s->heads; h++) {
        struct head_error e = head_error(s, h);
        worst.difference = fmax(worst.difference, e.difference);
        worst.gain = fmax(worst.gain, e.gain);
    }
    return worst;
}

static double m_error(const float *a, const float *b, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double difference = fabs((double)b[i] - (double)a[i]);
        if (!isfinite(difference))
            return HUGE_VAL;
        worst = fmax(worst, difference / fmax(1.0, fabs((double)a[i])));
    }
    return worst;
}

/* The parts of a block that hold its C, n and m. */
struct parts {
    enum xl_state_part C, n, m;
};

static struct xl_state_error block_error(const struct xl_state *a,
                                         const struct xl_state *b, size_t block,
                                         const struct parts *parts)
{
    const float *m_a = xl_state_at(a, block, parts->m);
    const float *m_b = xl_state_at(b, block, parts->m);
    struct xl_state_error none = { 0 };
    if (!m_a)
        return none;
    bool is_mlstm = parts->m == XL_STATE_M;
    struct xl_tensor view = xl_state_view(a, block, parts->m);
    size_t n_m = xl_tensor_count(&view);
    size_t heads = is_mlstm ? n_m : 1;
    struct scaled C = {
        .a = xl_state_at(a, block, parts->C),
        .b = xl_state_at(b, block, parts->C),
        .m_a = m_a,
        .m_b = m_b,
        .heads = heads,
        .each = is_mlstm ? a->dk * a->dv : n_m,
        .n_m = is_mlstm ? 1 : n_m,
    };
    struct scaled n = C;
    n.a = xl_state_at(a, block, parts->n);
    n.b = xl_state_at(b, block, parts->n);
    n.each = is_mlstm ? a->dk : n_m;
    struct head_error of_C = worst_head(&C);
    return (struct xl_state_error){ .C = of_C.difference,
                                    .n = worst_head(&n).difference,
                                    .m = m_error(m_a, m_b, n_m),
                                    .gain = of_C.gain };
}

struct xl_state_error xl_state_error_max(struct xl_state_error a,
                                         struct xl_state_error b)
{
    return (struct xl_state_error){ .C = fmax(a.C, b.C),
                                    .n = fmax(a.n, b.n),
                                    .m = fmax(a.m, b.m),
                                    .gain = fmax(a.gain, b.gain) };
}

struct xl_state_error xl_state_error_worst(const struct xl_state_error *blocks,
                                           size_t n)
{
    struct xl_state_error worst = { 0 };
    for (size_t i = 0; i < n; i++)
        worst = xl_state_error_max(worst, blocks[i]);
    return worst;
}

struct xl_state_error xl_state_errors(const struct xl_state *reference,
                                      const struct xl_state *candidate,
                                      struct xl_state_error *by_block)
{
    static const struct parts kinds[] = {
        { XL_STATE_C, XL_STATE_N, XL_STATE_M },
        { XL_STATE_SLSTM_C, XL_STATE_SLSTM_N, XL_STATE_SLSTM_M },
    };
    struct xl_state_error worst = { 0 };
    for (size_t b = 0; b < reference->blocks; b++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            struct xl_state_error e =
                block_error(reference, candidate, b, &kinds[k]);
            by_block[b] = xl_state_error_max(by_block[b], e);
            worst = xl_state_error_max(worst, e);
        }
    return worst;
}
