/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of a forward pass: a worker's share of them, their inputs packed;
 * for kernel/model only.
 */
#ifndef XL_PRODUCTS_INT_H
#define XL_PRODUCTS_INT_H

#include "kernel/model/forward_int.h"

enum {
    XL_OUTPUTS = 6
};

/* y[rows][ldy] = x[rows][ldx] W^T + b; gemm NULL = by the number of rows. */
struct xl_product {
    const struct xl_matrix *w;
    const float *x;
    size_t ldx;
    float *y;
    size_t ldy;
    const struct xl_gemm *gemm;
    const void *packed; /* x by who made it, for engines that pack */
    size_t next_n;      /* columns of w from here on are next; 0 = none are */
    void *gated;        /* of all rows, and as in struct xl_gemm_job, where */
    size_t gated_k, pair_n; /* xl_share_gates */
};

/* One worker's share of the columns of several products, which are counted
 * through all of them:
 *
 *     struct xl_share share = xl_share_of(s, worker, rows, steps);
 *     for (...)
 *         xl_share_run(&share, &product);
 *
 * A team's share comes in pieces, and so do all in decode:
 *
 *     struct xl_share share = xl_team_share(s, worker, w, steps);
 *     while (xl_share_take(&share))
 *         ... as above
 */
struct xl_share {
    const struct xl_stage *stage;
    size_t worker, first, rows; /* rows first .. first + rows of x and y */
    struct xl_span mine;        /* in steps of columns */
    size_t before;              /* steps of the products that have been run */
    size_t steps, grain;        /* of a team: all; a piece's, 0 = no pieces */
    size_t teams, size, team;   /* how many, of how many workers; whose rows */
    size_t helped;              /* teams that have nothing left */
    size_t taken;               /* pieces of the team's so far */
    bool steals;                /* of a stage of decode that is shared */
    /* The engine that wrote x to scratch, and for which weights; or NULL. */
    const struct xl_gemm *prepared;
    enum xl_pack_kind prepared_for;
};

/* Steps of columns that a product counts for. */
size_t xl_product_steps(const struct xl_matrix *w);

struct xl_share xl_share_of(const struct xl_stage *s, size_t worker,
                            size_t rows, size_t steps);
void xl_share_run(struct xl_share *share, const struct xl_product *product);

/* The share of a worker whose products read x packed for w. Many workers are
 * cut in teams by rows: a team's rows are those that its workers have by
 * xl_stage_rows, and they share the columns. A line of x is then read by few,
 * and writing it again has to wait for as many caches to drop it. Columns are
 * taken piece by piece where the engine likes small jobs: a core that others
 * use as well takes fewer, and a team that is done helps the next, so rows
 * change from piece to piece. A step is 16 columns.
 *
 * In decode a worker that is done takes from others what they have not begun:
 * stages last 10 to 60 us, and two workers of 400m ended 10 % of that apart. A
 * stage of decode may have one such share. */
struct xl_share xl_team_share(const struct xl_stage *s, size_t worker,
                              const struct xl_matrix *w, size_t steps);

/* The next piece; false when there is none. */
bool xl_share_take(struct xl_share *share);

/* Columns from which on this worker may go on after its piece; 0 = none. */
size_t xl_share_next(const struct xl_share *share);

/* May outputs of packed x by w be gated where they are made, for that reader?
 */
bool xl_share_gates(const struct xl_share *share, const struct xl_matrix *w,
                    const struct xl_matrix *reader);

/* These columns of a product, whosoever they are. */
void xl_columns_run(struct xl_share *share, const struct xl_product *p,
                    struct xl_span columns);

/* Products of one input, which is as wide as they are. */
struct xl_output {
    const struct xl_matrix *w;
    float *y;                   /* [rows][ldy] */
    const struct xl_gemm *gemm; /* NULL = by the number of rows */
    size_t ldy;                 /* 0 = w->out */
};

struct xl_outputs {
    const float *x;
    size_t ldx;         /* 0 = as wide as the products are */
    const void *packed; /* as in struct xl_product */
    size_t rows, n;
    struct xl_output list[XL_OUTPUTS];
};

void xl_outputs_run(const struct xl_stage *s, const struct xl_outputs *all,
                    size_t worker);

/* A product by an engine that is made for few rows, as many at a time as leave
 * a row the bits it has alone. */
void xl_few_run(const struct xl_gemm *gemm, const struct xl_gemm_job *job);

/* The engine that reads packed x of the matrix in this pass; NULL in decode
 * and for engines that pack nothing. */
const struct xl_gemm *xl_stage_packer(const struct xl_stage *s,
                                      const struct xl_matrix *w);

/* Rows and columns of x [rows][ldx] as that engine reads them, if there is one:
 * for all products of x by matrices of w's engine. x begins at the pass's first
 * row and at these columns, which are inputs of w from a multiple of 16 on; no
 * columns = all. Rows begin at a multiple of XL_GEMM_ROWS. */
void xl_rows_pack(const struct xl_stage *s, const struct xl_matrix *w,
                  const float *x, size_t ldx, struct xl_span rows,
                  struct xl_span columns, void *to);

/* The same where x has these rows alone; for engines with x_row_bytes. */
void xl_strip_pack(const struct xl_stage *s, const struct xl_matrix *w,
                   const float *x, size_t ldx, struct xl_span rows,
                   struct xl_span columns, void *to);

/* The job's rows of x give way to rounded ones, when the plan rounds. */
void xl_product_round(const struct xl_plan *plan, size_t worker,
                      const struct xl_matrix *w, struct xl_gemm_job *job);

#endif
