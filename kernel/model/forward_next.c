/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker reads first in the next stage of decode, so that it can begin
 * while it waits. A token is a row of stages of 7 to 90 us, and between two of
 * them memory has nothing to do for 2 to 4 us: the slower worker ends, a small
 * stage runs, the call goes round, the stream gets under way. Of that, 400m on
 * two cores of Zen 5 gets back 2.2 to 2.9 % with int4 weights, 1.5 to 2.1 %
 * with int8 and 0.9 to 1.3 % with bf16, tokens with and without in turns.
 * 128 KiB are level with 32. Requests that do not wait (prefetch) get half of
 * it: few are under way at a time, and the processor's own prefetch does not
 * follow them. */
#include "kernel/model/forward_next_int.h"

#include "kernel/base/minmax.h"
#include "kernel/model/forward_int.h"

enum {
    AHEAD = 32 * 1024 /* bytes */
};

/* Weights live as long as the plan and its pool. */
static struct xl_pool_next weights_next(const struct xl_stage *s, size_t worker,
                                        const struct xl_next *next)
{
    const struct xl_packed *p = &next->w->packed;
    struct xl_span mine = xl_span_of(next->steps, s->parts, worker);
    size_t panels = xl_pack_panels(p->out), groups = xl_pack_groups(p->in);
    size_t end = xl_min(mine.end, panels);
    if (!next->w->is_packed || mine.begin >= end)
        return (struct xl_pool_next){ 0 };
    size_t panel = xl_pack_panel_bytes(p->kind, p->in);
    const char *lines = p->data;
    const uint16_t *scales =
        p->scales ? p->scales + mine.begin * groups * XL_PACK_LANES : NULL;
    return (struct xl_pool_next){
        .read = lines + mine.begin * panel,
        .read_bytes = xl_min((end - mine.begin) * panel, AHEAD),
        .ask = scales,
        .ask_bytes = scales ? 2 * groups * XL_PACK_LANES * sizeof *scales : 0,
    };
}

/* A state may be gone before the pool is: it is asked for, not read. */
static struct xl_pool_next state_next(const struct xl_stage *s, size_t worker)
{
    const struct xl_config *c = s->plan->config;
    size_t heads = s->n_states * c->heads, size = c->dk * c->dv;
    struct xl_span mine = xl_span_of(heads, s->parts, worker);
    if (mine.begin == mine.end || s->plan->C_dtype != XL_FP32)
        return (struct xl_pool_next){ 0 };
    const struct xl_state *state = s->states[mine.begin / c->heads];
    return (struct xl_pool_next){
        .ask = xl_state_C(state, s->block) + mine.begin % c->heads * size,
        .ask_bytes = xl_min(size * sizeof(float), AHEAD),
    };
}

struct xl_pool_next xl_next_of(const struct xl_stage *s, size_t worker,
                               const struct xl_next *next)
{
    if (next->is_cell)
        return state_next(s, worker);
    return next->w ? weights_next(s, worker, next) : (struct xl_pool_next){ 0 };
}
