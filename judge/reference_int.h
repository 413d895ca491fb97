/* SPDX-License-Identifier: Apache-2.0
 *
 * The reference's inside, for judge/reference*.c only. */
#ifndef XL_REFERENCE_INT_H
#define XL_REFERENCE_INT_H

#include "judge/reference.h"
#include "kernel/base/hash.h"

/* The same rows by the wide engine, and what checks them. */
struct xl_quick {
    struct xl_plan *plan;   /* or NULL */
    struct xl_state before; /* a pass that is checked */
    float *rows;            /* [XL_QUICK_ROWS][vocab] by plain loops */
};

enum {
    XL_QUICK_ROWS = 2
};

struct xl_reference {
    struct xl_reference_spec spec;
    size_t vocab;
    struct xl_plan *plan;
    struct xl_quick quick;
    struct xl_state state;     /* after `done` tokens */
    enum xl_rounding rounding; /* of the last pass */
    size_t done;               /* rows computed since the rewind */
    float *kept;               /* [n][vocab], or NULL: lock-step */
    float *window;             /* [piece + pass][vocab] of lock-step */
    size_t window_at;          /* position of its first row */
    size_t n_marks, marks[XL_REFERENCE_MARKS];
    struct xl_state at_mark[XL_REFERENCE_MARKS];
    size_t loaded;           /* rows that a file held */
    char name[XL_HASH_TEXT]; /* of that file */
};

/* A plan for quick rows, none where there are none of the same bits. */
void xl_quick_make(struct xl_quick *quick,
                   const struct xl_reference_spec *spec);
void xl_quick_release(struct xl_quick *quick);

/* Do plain loops, from quick.before, give the first rows of a pass of these
 * tokens? */
bool xl_quick_agrees(struct xl_reference *reference, const int32_t *tokens,
                     size_t n, const float *rows);

/* Rows and state of a pass of n tokens from position r->done. */
enum xl_status xl_reference_pass(struct xl_reference *reference, size_t n,
                                 float *rows, struct xl_err *err);

/* Takes over what a file holds; a file that does not fit is as none. */
void xl_reference_load(struct xl_reference *reference);
void xl_reference_save(const struct xl_reference *reference);

#endif
