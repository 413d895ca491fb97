/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker's share of the products of a stage, and their inputs packed.
 * Projections that share an input share a stage: its columns are counted
 * through all of them, and cut at multiples of COLUMN_STEP. */
#include <assert.h>
#include <stdatomic.h>

#include "kernel/base/minmax.h"
#include "kernel/model/products_int.h"

enum {
    COLUMN_STEP = 16,
    TEAM_ROWS = 256, /* least of a team */
    TEAM_WORKERS = 2,
    STEAL_UNIT = 4, /* panels that engines read side by side, most */
    PIECES = 8      /* of a worker of a team, about */
};

size_t xl_product_steps(const struct xl_matrix *w)
{
    return (w->out + COLUMN_STEP - 1) / COLUMN_STEP;
}

struct xl_share xl_share_of(const struct xl_stage *s, size_t worker,
                            size_t rows, size_t steps)
{
    return (struct xl_share){ .stage = s,
                              .worker = worker,
                              .rows = rows,
                              .mine = xl_span_of(steps, s->parts, worker) };
}

void xl_few_run(const struct xl_gemm *gemm, const struct xl_gemm_job *job)
{
    size_t most = gemm->few_rows ? gemm->few_rows : job->m;
    for (size_t i = 0; i < job->m; i += most) {
        struct xl_gemm_job part = *job;
        part.m = xl_min(job->m - i, most);
        part.x += i * job->ldx;
        part.y += i * job->ldy;
        gemm->run(&part);
    }
}

const struct xl_gemm *xl_stage_packer(const struct xl_stage *s,
                                      const struct xl_matrix *w)
{
    const struct xl_gemm *gemm = xl_plan_gemm(s->plan, w, false);
    if (xl_stage_is_step(s) || s->rows < XL_FEW_ROWS || !w->is_packed ||
        s->plan->rounded)
        return NULL;
    return gemm->x_bytes && gemm->x_bytes(s->rows, w->in) ? gemm : NULL;
}

/* What pack_x is asked for: those columns of m rows of w's input. */
static struct xl_gemm_job input_job(const struct xl_matrix *w, const float *x,
                                    size_t ldx, size_t m,
                                    struct xl_span columns)
{
    return (struct xl_gemm_job){ .m = m,
                                 .k = w->in,
                                 .x = x,
                                 .ldx = ldx,
                                 .k_begin = columns.begin,
                                 .k_end = columns.end };
}

void xl_rows_pack(const struct xl_stage *s, const struct xl_matrix *w,
                  const float *x, size_t ldx, struct xl_span rows,
                  struct xl_span columns, void *to)
{
    const struct xl_gemm *gemm = xl_stage_packer(s, w);
    struct xl_gemm_job job = input_job(w, x, ldx, s->rows, columns);
    if (gemm)
        gemm->pack_x(&job, rows.begin, rows.end, to);
}

/* m is more than these rows: those that pad a block of the engine's are
 * somebody else's, or go nowhere. */
void xl_strip_pack(const struct xl_stage *s, const struct xl_matrix *w,
                   const float *x, size_t ldx, struct xl_span rows,
                   struct xl_span columns, void *to)
{
    const struct xl_gemm *gemm = xl_stage_packer(s, w);
    size_t n = rows.end - rows.begin;
    struct xl_gemm_job job = input_job(w, x, ldx, n + 1, columns);
    if (gemm)
        gemm->pack_x(&job, 0, n,
                     (char *)to + rows.begin * gemm->x_row_bytes(w->in));
}

bool xl_share_gates(const struct xl_share *share, const struct xl_matrix *w,
                    const struct xl_matrix *reader)
{
    const struct xl_gemm *gemm = xl_stage_packer(share->stage, w);
    const struct xl_gemm *next = xl_stage_packer(share->stage, reader);
    return gemm && gemm->gates && gemm->x_row_bytes && next &&
           next->pack_x == gemm->pack_x;
}

/* Teams that workers are cut in: as many as have TEAM_ROWS each, of equally
 * many workers. Measured on 16 cores of a Xeon: writing a line that 16 have
 * read takes 110 ns, 8 have read 70, 4 have read 25. But each team reads all
 * weights: 512 rows of 400m take 125, 120 and 149 us a token by 1, 2 and 4
 * teams, 2048 rows 150, 108 and 98 by 2, 4 and 8. */
static size_t count_teams(const struct xl_stage *s, const struct xl_matrix *w)
{
    const struct xl_gemm *gemm = xl_stage_packer(s, w);
    if (!gemm || !gemm->x_row_bytes || s->rows < s->parts * XL_GEMM_ROWS)
        return 1;
    size_t most = xl_min(s->rows / TEAM_ROWS, s->parts / TEAM_WORKERS);
    size_t teams = xl_min(most, XL_TEAMS);
    while (teams > 1 && s->parts % teams != 0)
        teams--;
    return xl_max(teams, 1);
}

/* Steps of a piece; 0 = there are none. Small ones share out evenly what others
 * leave of the cores, but what follows a piece can only be guessed. Fewer than
 * two for each would leave some worker with twice as much. */
static size_t grain_of(const struct xl_share *share, const struct xl_matrix *w)
{
    const struct xl_stage *s = share->stage;
    const struct xl_gemm *gemm = xl_stage_packer(s, w);
    size_t most_rows = xl_stage_rows(s, share->size - 1).end;
    if (!gemm || !gemm->grain || s->parts == 1)
        return 0;
    size_t least = gemm->grain(most_rows, w->in) / COLUMN_STEP;
    size_t most = share->steps / (PIECES * share->size);
    if (2 * least * share->size > share->steps)
        return 0;
    return least ? xl_max(least, most / least * least) : 0;
}

/* The worker's rows are that team's from now on. */
static void join_team(struct xl_share *share, size_t team)
{
    const struct xl_stage *s = share->stage;
    size_t captain = team * share->size;
    share->team = team;
    share->taken = 0;
    share->first = xl_stage_rows(s, captain).begin;
    share->rows =
        xl_stage_rows(s, captain + share->size - 1).end - share->first;
}

/* Who computes a column must not show in its bits. */
static bool may_steal(const struct xl_stage *s, const struct xl_matrix *w,
                      size_t steps)
{
    return s->parts > 1 && steps <= XL_STEAL_MOST &&
           steps * COLUMN_STEP * w->in >= s->plan->steal_least &&
           !s->plan->engines.few->varies && !s->plan->head_engines.few->varies;
}

/* In decode, where a microsecond counts, nobody asks for teams. */
static struct xl_share step_share(const struct xl_stage *s, size_t worker,
                                  const struct xl_matrix *w, size_t steps)
{
    struct xl_share share = xl_share_of(s, worker, s->rows, steps);
    share.steps = steps;
    share.steals = may_steal(s, w, steps);
    return share;
}

struct xl_share xl_team_share(const struct xl_stage *s, size_t worker,
                              const struct xl_matrix *w, size_t steps)
{
    if (xl_stage_is_step(s))
        return step_share(s, worker, w, steps);
    struct xl_share share = {
        .stage = s,
        .worker = worker,
        .steps = steps,
        .teams = count_teams(s, w),
    };
    share.size = s->parts / share.teams;
    share.mine = xl_span_of(steps, share.size, worker % share.size);
    share.grain = grain_of(&share, w);
    join_team(&share, worker / share.size);
    return share;
}

static bool steal_piece(struct xl_share *share)
{
    const struct xl_stage *s = share->stage;
    const struct xl_steal_round round = { .spans = s->plan->scratch.steals,
                                          .number = s->plan->stages,
                                          .workers = s->parts,
                                          .steps = share->steps,
                                          .unit = STEAL_UNIT };
    share->before = 0;
    return xl_steal_take(&round, share->worker, &share->mine);
}

/* Whoever finds nothing left of his team helps the next. */
bool xl_share_take(struct xl_share *share)
{
    if (share->steals)
        return steal_piece(share);
    if (!share->grain)
        return share->taken++ == 0;
    for (; share->helped < share->teams; share->helped++) {
        atomic_size_t *begun = &share->stage->queue->begun[share->team].steps;
        size_t at = atomic_fetch_add(begun, share->grain);
        if (at < share->steps) {
            size_t left = share->steps - at;
            share->mine =
                (struct xl_span){ at, at + xl_min(left, share->grain) };
            share->before = 0;
            share->taken++;
            return true;
        }
        join_team(share, (share->team + 1) % share->teams);
    }
    return false;
}

/* When all take turns. */
size_t xl_share_next(const struct xl_share *share)
{
    size_t next = share->mine.begin + share->size * share->grain;
    return share->grain && next < share->steps ? next * COLUMN_STEP : 0;
}

/* Is x in scratch as this job's engine wants it, from the thread's last one? It
 * will be for the next. */
static bool find_prepared(struct xl_share *share, const struct xl_gemm *gemm,
                          const struct xl_gemm_job *job)
{
    enum xl_pack_kind kind = job->packed ? job->packed->kind : XL_PACK_FP32;
    bool is_prepared = share->prepared == gemm && share->prepared_for == kind;
    bool is_one = !gemm->few_rows || job->m <= gemm->few_rows;
    share->prepared = is_one && !share->stage->plan->rounded ? gemm : NULL;
    share->prepared_for = kind;
    return is_prepared;
}

/* By one job when the matrix is packed, by one a part it touches when it is
 * rows. */
void xl_columns_run(struct xl_share *share, const struct xl_product *p,
                    struct xl_span columns)
{
    const struct xl_plan *plan = share->stage->plan;
    bool is_step = xl_stage_is_step(share->stage);
    const struct xl_gemm *gemm =
        p->gemm
            ? p->gemm
            : xl_plan_gemm(plan, p->w, is_step || share->rows < XL_FEW_ROWS);
    const struct xl_gemm *packing = xl_stage_packer(share->stage, p->w);
    bool is_packed = p->packed && packing && gemm->pack_x == packing->pack_x;
    size_t row = share->first;
    const char *packed = p->packed;
    char *gated = p->gated;
    if (is_packed && row)
        packed += row * packing->x_row_bytes(p->w->in);
    if (gated && row)
        gated += row * packing->x_row_bytes(p->gated_k);
    for (size_t i = 0; i < (p->w->is_packed ? 1 : p->w->n_parts); i++) {
        const struct xl_matrix_part *part = &p->w->parts[i];
        size_t end = p->w->is_packed ? p->w->out : part->at + part->out;
        size_t first = xl_max(columns.begin, part->at);
        if (first >= columns.end || first >= end)
            continue;
        struct xl_gemm_job job = {
            .m = share->rows,
            .k = p->w->in,
            .n_begin = first - part->at,
            .n_end = xl_min(columns.end, end) - part->at,
            .x = p->x + row * p->ldx,
            .ldx = p->ldx,
            .w = part->w,
            .w_dtype = p->w->dtype,
            .packed = xl_matrix_packed(p->w),
            .bias = p->w->bias ? p->w->bias + part->at : NULL,
            .y = p->y + row * p->ldy + part->at,
            .ldy = p->ldy,
            .scratch = plan->scratch.gemm[share->worker],
            .packed_x = is_packed ? packed : NULL,
            .next_n = p->next_n,
            .k_block = plan->k_block,
            .no_prefetch = plan->no_prefetch,
            .ahead = is_step ? plan->decode_ahead : 0,
            .asks_past = is_step && plan->asks_past,
            .gated = gated,
            .gated_k = p->gated_k,
            .pair_n = p->pair_n,
            .is_known = share->taken > 1,
        };
        xl_product_round(plan, share->worker, p->w, &job);
        if (is_step) {
            job.is_prepared = find_prepared(share, gemm, &job);
            xl_few_run(gemm, &job);
        } else {
            gemm->run(&job);
        }
    }
}

void xl_share_run(struct xl_share *share, const struct xl_product *p)
{
    const struct xl_span *mine = &share->mine;
    size_t here = xl_product_steps(p->w), before = share->before;
    size_t begin = mine->begin > before ? mine->begin - before : 0;
    size_t end = mine->end > before ? mine->end - before : 0;
    share->before += here;
    begin = begin * COLUMN_STEP;
    end = end < here ? end * COLUMN_STEP : p->w->out;
    if (begin < end)
        xl_columns_run(share, p, (struct xl_span){ begin, end });
}

static void run_outputs(struct xl_share *share, const struct xl_outputs *all)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct xl_output *o = &all->list[i];
        xl_share_run(
            share, &(struct xl_product){ .w = o->w,
                                         .x = all->x,
                                         .ldx = all->ldx ? all->ldx : o->w->in,
                                         .y = o->y,
                                         .ldy = o->ldy ? o->ldy : o->w->out,
                                         .gemm = o->gemm,
                                         .packed = all->packed,
                                         .next_n = xl_share_next(share) });
    }
}

void xl_outputs_run(const struct xl_stage *s, const struct xl_outputs *all,
                    size_t worker)
{
    size_t steps = 0;
    for (size_t i = 0; i < all->n; i++)
        steps += xl_product_steps(all->list[i].w);
    struct xl_share share =
        xl_stage_is_step(s) || (all->packed && all->n == 1)
            ? xl_team_share(s, worker, all->list[0].w, steps)
            : xl_share_of(s, worker, all->rows, steps);
    assert(!xl_stage_is_step(s) || all->rows == s->rows);
    while (xl_share_take(&share))
        run_outputs(&share, all);
}
