/* SPDX-License-Identifier: Apache-2.0
 *
 * The reference's inside, for judge/reference*.c only. */
#ifndef XL_REFERENCE_INT_H
#define XL_REFERENCE_INT_H

#include "judge/reference.h"
#include "kernel/base/hash.h"

struct xl_reference {
    struct xl_reference_spec spec;
    size_t vocab;
    struct xl_plan *plan;
    struct xl_state state; /* after `done` tokens */
    size_t done;           /* rows computed since the rewind */
    float *kept;           /* [n][vocab], or NULL: lock-step */
    float *window;         /* [piece + pass][vocab] of lock-step */
    size_t window_at;      /* position of its first row */
    size_t n_marks, marks[XL_REFERENCE_MARKS];
    struct xl_state at_mark[XL_REFERENCE_MARKS];
    size_t loaded;           /* rows that a file held */
    char name[XL_HASH_TEXT]; /* of that file */
};

/* Takes over what a file holds; a file that does not fit is as none. */
void xl_reference_load(struct xl_reference *reference);
void xl_reference_save(const struct xl_reference *reference);

#endif
