/* SPDX-License-Identifier: Apache-2.0
 *
 * All filters are cuts in one total order: larger logit first, of equal ones
 * the smaller id first. top-k and top-p take candidates from a heap in that
 * order until they have enough; what comes after the last one taken is out.
 * The draw walks the ids upwards, so that a filter that removes nothing
 * changes nothing. Sums are in double. A logit that is no number counts as
 * minus infinity. */
#include "kernel/text/sampler.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/cell/norm.h"

struct xl_sampler {
    struct xl_sampler_options options;
    struct xl_rng rng;
    size_t vocab;
    float *logits; /* [vocab], after the penalty */
    int32_t *heap; /* [vocab], ids; the taken ones move behind n_heap */
    size_t n_heap;
    double *shares; /* [vocab], of the draw */
    bool *is_seen;  /* [vocab] */
};

static bool is_share(float x)
{
    return x >= 0 && x <= 1;
}

static enum xl_status check(const struct xl_sampler_options *o, size_t vocab,
                            struct xl_err *err)
{
    if (vocab == 0 || vocab > INT32_MAX)
        return xl_fail(err, XL_EUSAGE, "cannot sample from %zu tokens", vocab);
    if (!(o->temperature >= 0 && isfinite(o->temperature)))
        return xl_fail(err, XL_EUSAGE,
                       "temperature %g is out of bounds: 0 or "
                       "more",
                       (double)o->temperature);
    if (!is_share(o->top_p))
        return xl_fail(err, XL_EUSAGE, "top-p %g is out of bounds: 0 to 1",
                       (double)o->top_p);
    if (!is_share(o->min_p))
        return xl_fail(err, XL_EUSAGE, "min-p %g is out of bounds: 0 to 1",
                       (double)o->min_p);
    if (!(o->repetition_penalty >= 0 && isfinite(o->repetition_penalty)))
        return xl_fail(err, XL_EUSAGE,
                       "repetition penalty %g is out of "
                       "bounds: 0 (off) or more",
                       (double)o->repetition_penalty);
    return XL_OK;
}

enum xl_status xl_sampler_make(struct xl_sampler **sampler,
                               const struct xl_sampler_options *options,
                               size_t vocab, struct xl_err *err)
{
    *sampler = NULL;
    XL_TRY(check(options, vocab, err));
    struct xl_sampler *s = xl_alloc_zero(1, sizeof *s);
    if (!s)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    s->options = *options;
    s->vocab = vocab;
    s->logits = xl_alloc_zero(vocab, sizeof *s->logits);
    s->heap = xl_alloc_zero(vocab, sizeof *s->heap);
    s->shares = xl_alloc_zero(vocab, sizeof *s->shares);
    s->is_seen = xl_alloc_zero(vocab, sizeof *s->is_seen);
    if (!s->logits || !s->heap || !s->shares || !s->is_seen) {
        xl_sampler_free(s);
        return xl_fail(err, XL_ENOMEM, "out of memory");
    }
    xl_rng_seed(&s->rng, options->seed);
    *sampler = s;
    return XL_OK;
}

void xl_sampler_free(struct xl_sampler *sampler)
{
    if (!sampler)
        return;
    xl_free(sampler->logits);
    xl_free(sampler->heap);
    xl_free(sampler->shares);
    xl_free(sampler->is_seen);
    xl_free(sampler);
}

void xl_sampler_see(struct xl_sampler *sampler, int32_t id)
{
    if (id >= 0 && (size_t)id < sampler->vocab)
        sampler->is_seen[id] = true;
}

/* Copies the logits; a token that was seen becomes less likely. */
static void apply_penalty(struct xl_sampler *s, const float *logits)
{
    float r = s->options.repetition_penalty;
    for (size_t i = 0; i < s->vocab; i++)
        s->logits[i] = isnan(logits[i]) ? -INFINITY : logits[i];
    if (!(r > 0) || !(r < 1 || r > 1))
        return;
    for (size_t i = 0; i < s->vocab; i++) {
        float x = s->logits[i];
        if (s->is_seen[i])
            s->logits[i] = x > 0 ? x / r : x * r;
    }
}

/* -- the order ------------------------------------------------------------ */

static bool is_before(const float *logits, int32_t a, int32_t b)
{
    if (logits[a] > logits[b])
        return true;
    return !(logits[a] < logits[b]) && a < b;
}

static void sift_down(struct xl_sampler *s, size_t at)
{
    int32_t id = s->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= s->n_heap)
            break;
        if (child + 1 < s->n_heap &&
            is_before(s->logits, s->heap[child + 1], s->heap[child]))
            child++;
        if (!is_before(s->logits, s->heap[child], id))
            break;
        s->heap[at] = s->heap[child];
        at = child;
    }
    s->heap[at] = id;
}

static void fill_heap(struct xl_sampler *s)
{
    s->n_heap = s->vocab;
    for (size_t i = 0; i < s->vocab; i++)
        s->heap[i] = (int32_t)i;
    for (size_t i = s->vocab / 2; i-- > 0;)
        sift_down(s, i);
}

/* Takes the next candidate. */
static int32_t take(struct xl_sampler *s)
{
    assert(s->n_heap > 0);
    int32_t top = s->heap[0];
    s->heap[0] = s->heap[--s->n_heap];
    s->heap[s->n_heap] = top;
    if (s->n_heap)
        sift_down(s, 0);
    return top;
}

/* The i-th candidate that was taken, from 0. */
static int32_t taken(const struct xl_sampler *s, size_t i)
{
    return s->heap[s->vocab - 1 - i];
}

/* -- filters -------------------------------------------------------------- */

/* exp(x - most), also where both are the same infinity. */
static double weight_of(float x, float most, double temperature)
{
    if (!(x < most))
        return 1;
    return exp(((double)x - (double)most) / temperature);
}

/* The last id of the order that top-k and top-p let through, or -1 when they
 * are off. */
static int32_t find_cut(struct xl_sampler *s, float most)
{
    size_t k = s->options.top_k < s->vocab ? s->options.top_k : 0;
    double p = (double)s->options.top_p, total = 0, sum = 0;
    bool by_p = p > 0 && p < 1;
    size_t i;

    if (!k && !by_p)
        return -1;
    fill_heap(s);
    for (i = 0; i < k; i++)
        total += weight_of(s->logits[take(s)], most, 1);
    if (!by_p)
        return taken(s, k - 1);
    for (i = 0; i < s->vocab && !k; i++)
        total += weight_of(s->logits[i], most, 1);
    size_t n = k ? k : s->vocab;
    for (i = 0; i < n; i++) {
        int32_t id = k ? taken(s, i) : take(s);
        sum += weight_of(s->logits[id], most, 1);
        if (sum >= p * total)
            return id;
    }
    return taken(s, n - 1);
}

/* Fills in what each id weighs in the draw, 0 when a filter removes it;
 * returns the sum. */
static double set_shares(struct xl_sampler *s, float most, int32_t cut)
{
    double total = 0, temperature = (double)s->options.temperature;
    double least = log((double)s->options.min_p);
    for (size_t i = 0; i < s->vocab; i++) {
        float x = s->logits[i];
        bool is_out = (cut >= 0 && is_before(s->logits, cut, (int32_t)i)) ||
                      (double)x - (double)most < least;
        s->shares[i] = is_out ? 0 : weight_of(x, most, temperature);
        total += s->shares[i];
    }
    return total;
}

static int32_t draw(struct xl_sampler *s, double total)
{
    double at = xl_rng_unit(&s->rng) * total, sum = 0;
    int32_t id = 0;
    for (size_t i = 0; i < s->vocab; i++) {
        if (s->shares[i] > 0)
            id = (int32_t)i;
        sum += s->shares[i];
        if (sum > at)
            break;
    }
    return id;
}

int32_t xl_sampler_next(struct xl_sampler *sampler, const float *logits)
{
    apply_penalty(sampler, logits);
    int32_t best = xl_argmax(sampler->logits, sampler->vocab);
    if (!(sampler->options.temperature > 0))
        return best;
    float most = sampler->logits[best];
    int32_t cut = find_cut(sampler, most);
    return draw(sampler, set_shares(sampler, most, cut));
}

double xl_logprob(const float *logits, size_t vocab, int32_t id)
{
    assert(id >= 0 && (size_t)id < vocab);
    return (double)logits[id] - xl_row_ops_best()->log_sum_exp(logits, vocab);
}

int32_t xl_argmax(const float *logits, size_t vocab)
{
    float most = xl_row_ops_best()->largest(logits, vocab);
    for (size_t i = 0; i < vocab; i++)
        if (!(logits[i] < most) && !isnan(logits[i]))
            return (int32_t)i;
    return 0;
}
