/* SPDX-License-Identifier: Apache-2.0
 *
 * The reference's logits and states on one text.
 *
 * A naive reference has its products from the wide engine where it can: the
 * same sums in the same order, many at a time, so the same bits some twenty
 * times sooner. That is not taken on trust: at the beginning, at every
 * XL_REFERENCE_CHECK tokens and at the end plain loops compute a few rows
 * again, and their bits must be equal.
 *
 * Rows are computed when they are first asked for, in order and in passes of
 * one fixed length, so a row never depends on who asked. They are kept when
 * the whole text fits the room, else they run again for every candidate.
 * With a folder, rows that were kept outlive the process: a file is found by
 * the hashes of model, text and layout, never by a name, and its first rows
 * are computed again and compared before it is believed.
 *
 *     XL_TRY(xl_reference_make(&reference, &spec, err));
 *     xl_reference_rewind(reference);
 *     rows = xl_reference_rows(reference, 0, 512);
 *     state = xl_reference_state(reference, 1024); ... after rows up to there
 *     xl_reference_free(reference);
 */
#ifndef XL_REFERENCE_H
#define XL_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/watch.h"
#include "kernel/base/err.h"
#include "kernel/model/plan.h"
#include "kernel/model/rounding.h"

enum {
    XL_REFERENCE_PASS = 64, /* tokens; the longest text at once is free */
    XL_REFERENCE_CHECK = 1024,
    XL_REFERENCE_MARKS = 5
};

struct xl_reference;

struct xl_reference_spec {
    struct xl_model *model;
    const struct xl_params *params;
    enum xl_rounding rounding; /* of the inputs of products */
    /* Of so many tokens at the end another one; those from a pass's begin on.
     */
    enum xl_rounding step_rounding;
    size_t steps;
    const int32_t *tokens; /* [n], borrowed */
    size_t n;
    const char *text_hash;
    size_t room_bytes;  /* most for the rows kept; 0 = a part of what is free */
    size_t piece;       /* most rows asked for at once */
    const char *folder; /* of kept rows, or NULL */
    struct xl_watch watch; /* told of rows that are computed, of n */
};

enum xl_status xl_reference_make(struct xl_reference **reference,
                                 const struct xl_reference_spec *spec,
                                 struct xl_err *err);

/* Saves what was computed when there is a folder; that may fail silently,
 * for it only costs time later. */
void xl_reference_free(struct xl_reference *reference);

/* The next rows asked for begin at 0 again. */
void xl_reference_rewind(struct xl_reference *reference);

/* Are all rows kept, so that any may be asked for at any time? */
bool xl_reference_keeps(const struct xl_reference *reference);

/* Logits [n][vocab] of tokens at .. at + n, where the last call ended unless
 * all are kept; valid until the next call. XL_EMISMATCH when one is not finite,
 * or when quick products and plain ones have parted: such a reference can judge
 * nobody. */
enum xl_status xl_reference_rows(struct xl_reference *reference, size_t at,
                                 size_t n, const float **rows,
                                 struct xl_err *err);

/* Positions whose state is kept: 1024, 2048, 4096, 16384 and the end, as far as
 * the text reaches, ascending; returns how many. */
size_t xl_reference_marks(size_t n, size_t marks[XL_REFERENCE_MARKS]);

/* The state after `at` tokens, one of the marks that rows have reached. */
const struct xl_state *xl_reference_state(const struct xl_reference *reference,
                                          size_t at);

#endif
