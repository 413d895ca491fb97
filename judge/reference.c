/* SPDX-License-Identifier: Apache-2.0
 *
 * Passes begin at multiples of XL_REFERENCE_PASS, so the bits of a row depend
 * on the text and on nothing else. */
#include "judge/reference_int.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/guard/memory.h"

enum {
    SHARE = 4 /* of the memory that is free, one of this many */
};
#define LEAST_ROOM ((uint64_t)256 << 20)

size_t xl_reference_marks(size_t n, size_t marks[XL_REFERENCE_MARKS])
{
    static const size_t fixed[] = { 1 << 10, 1 << 11, 1 << 12, 1 << 14 };
    size_t count = 0;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (fixed[i] < n)
            marks[count++] = fixed[i];
    marks[count++] = n;
    return count;
}

void xl_reference_free(struct xl_reference *r)
{
    if (!r)
        return;
    if (r->kept && r->spec.folder && r->done > r->loaded)
        xl_reference_save(r);
    for (size_t i = 0; i < XL_REFERENCE_MARKS; i++)
        xl_state_release(&r->at_mark[i]);
    xl_state_release(&r->state);
    xl_quick_release(&r->quick);
    xl_plan_free(r->plan);
    xl_free(r->kept);
    xl_free(r->window);
    xl_free(r);
}

/* Computing rows again for every candidate costs far more than keeping them,
 * but a machine must have room for those of several judges and twins. Rows
 * take memory when they are computed, and mostly a quarter of a text is. */
static uint64_t room_of(const struct xl_reference_spec *spec)
{
    uint64_t usable;
    if (spec->room_bytes)
        return spec->room_bytes;
    uint64_t share = xl_memory_usable(&usable) ? usable / SHARE : 0;
    return share > LEAST_ROOM ? share : LEAST_ROOM;
}

static enum xl_status take_room(struct xl_reference *r, struct xl_err *err)
{
    const struct xl_reference_spec *spec = &r->spec;
    size_t floats;
    if (xl_mul_size(spec->n, r->vocab, &floats) &&
        floats <= room_of(spec) / sizeof(float))
        r->kept = xl_alloc_floats(spec->n, r->vocab);
    if (r->kept)
        return XL_OK;
    r->window = xl_alloc_floats(spec->piece + XL_REFERENCE_PASS, r->vocab);
    return r->window ? XL_OK
                     : xl_fail(err, XL_ENOMEM,
                               "out of memory for the logits of %zu tokens",
                               spec->piece);
}

enum xl_status xl_reference_make(struct xl_reference **out,
                                 const struct xl_reference_spec *spec,
                                 struct xl_err *err)
{
    const struct xl_config *config = xl_model_config(spec->model);
    enum xl_status rc;
    *out = NULL;
    struct xl_reference *r = xl_alloc_zero(1, sizeof *r);
    if (!r)
        return xl_fail(err, XL_ENOMEM, "out of memory making a reference");
    r->spec = *spec;
    r->vocab = config->vocab;
    r->n_marks = xl_reference_marks(spec->n, r->marks);
    XL_TRY_DONE(rc, xl_plan_make(&r->plan, spec->model, spec->params, err));
    XL_TRY_DONE(rc, xl_state_init(&r->state, config, err));
    for (size_t i = 0; i < r->n_marks; i++)
        XL_TRY_DONE(rc, xl_state_init(&r->at_mark[i], config, err));
    XL_TRY_DONE(rc, take_room(r, err));
    xl_quick_make(&r->quick, spec);
    if (r->kept && spec->folder)
        xl_reference_load(r);
    *out = r;
done:
    if (rc != XL_OK)
        xl_reference_free(r);
    return rc;
}

void xl_reference_rewind(struct xl_reference *r)
{
    if (r->kept)
        return;
    xl_state_clear(&r->state);
    r->done = 0;
    r->window_at = 0;
}

bool xl_reference_keeps(const struct xl_reference *r)
{
    return r->kept != NULL;
}

/* -- rows ------------------------------------------------------------------ */

static void note_mark(struct xl_reference *r)
{
    for (size_t i = 0; i < r->n_marks; i++)
        if (r->marks[i] == r->done)
            xl_state_copy(&r->at_mark[i], &r->state);
}

static enum xl_status check_rows(const struct xl_reference *r,
                                 const float *rows, size_t n,
                                 struct xl_err *err)
{
    for (size_t i = 0; i < n * r->vocab; i++)
        if (!isfinite(rows[i]))
            return xl_fail(err, XL_EMISMATCH,
                           "the reference itself has a "
                           "logit that is not finite, after token %zu of %zu",
                           r->done + i / r->vocab + 1, r->spec.n);
    return XL_OK;
}

static bool is_checked(const struct xl_reference *r, size_t n)
{
    return r->done % XL_REFERENCE_CHECK == 0 || r->done + n == r->spec.n;
}

enum xl_status xl_reference_pass(struct xl_reference *r, size_t n, float *rows,
                                 struct xl_err *err)
{
    const int32_t *tokens = r->spec.tokens + r->done;
    struct xl_pass pass = { .tokens = tokens, .n = n, .logits = rows };
    if (r->quick.plan) {
        xl_state_copy(&r->quick.before, &r->state);
        xl_plan_forward(r->quick.plan, &r->state, &pass);
        if (!is_checked(r, n) || xl_quick_agrees(r, tokens, n, rows))
            return XL_OK;
        if (r->done > 0)
            return xl_fail(err, XL_EMISMATCH,
                           "the reference is not to be trusted: after token "
                           "%zu of %zu the wide engine and plain loops differ; "
                           "run 'xltune selftest', then test the memory",
                           r->done, r->spec.n);
        xl_quick_release(&r->quick);
        xl_state_clear(&r->state);
    }
    xl_plan_forward(r->plan, &r->state, &pass);
    return XL_OK;
}

/* Both plans round as the next pass is to. */
static enum xl_status set_rounding(struct xl_reference *r, struct xl_err *err)
{
    bool is_step = r->done + r->spec.steps >= r->spec.n;
    enum xl_rounding now = is_step ? r->spec.step_rounding : r->spec.rounding;
    if (now == r->rounding)
        return XL_OK;
    XL_TRY(xl_plan_round_inputs(r->plan, now, err));
    if (r->quick.plan)
        XL_TRY(xl_plan_round_inputs(r->quick.plan, now, err));
    r->rounding = now;
    return XL_OK;
}

static enum xl_status run_pass(struct xl_reference *r, float *rows,
                               struct xl_err *err)
{
    size_t left = r->spec.n - r->done;
    size_t n = left < XL_REFERENCE_PASS ? left : XL_REFERENCE_PASS;
    XL_TRY(set_rounding(r, err));
    XL_TRY(xl_reference_pass(r, n, rows, err));
    XL_TRY(check_rows(r, rows, n, err));
    r->done += n;
    xl_watch_tell(&r->spec.watch, "judge, tokens of the reference", r->done,
                  r->spec.n);
    note_mark(r);
    return XL_OK;
}

/* Rows before `at` leave the window. */
static void move_window(struct xl_reference *r, size_t at)
{
    assert(at >= r->window_at && at <= r->done);
    size_t gone = (at - r->window_at) * r->vocab;
    size_t left = (r->done - at) * r->vocab;
    memmove(r->window, r->window + gone, left * sizeof *r->window);
    r->window_at = at;
}

enum xl_status xl_reference_rows(struct xl_reference *r, size_t at, size_t n,
                                 const float **rows, struct xl_err *err)
{
    assert(at + n <= r->spec.n && (r->kept || n <= r->spec.piece));
    if (!r->kept)
        move_window(r, at);
    float *all = r->kept ? r->kept : r->window;
    size_t first = r->kept ? 0 : r->window_at;
    while (r->done < at + n)
        XL_TRY(run_pass(r, all + (r->done - first) * r->vocab, err));
    *rows = all + (at - first) * r->vocab;
    return XL_OK;
}

const struct xl_state *xl_reference_state(const struct xl_reference *r,
                                          size_t at)
{
    size_t i = 0;
    while (i < r->n_marks && r->marks[i] != at)
        i++;
    assert(i < r->n_marks && at <= r->done);
    return &r->at_mark[i];
}
