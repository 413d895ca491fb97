/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables made up to be searched: problems that nobody chose a searcher for.
 * The same kind and seed give the same table. */
#ifndef XL_MADE_TABLE_H
#define XL_MADE_TABLE_H

#include "kernel/base/err.h"
#include "tuner/space/table.h"

enum xl_made {
    XL_MADE_SMOOTH,    /* a valley over ordered dimensions, one nominal */
    XL_MADE_RUGGED,    /* a factor a value and a pair of values, in no order */
    XL_MADE_NEEDLE,    /* no structure, one row far better */
    XL_MADE_FAILURES,  /* smooth; one row in three fails, and one corner */
    XL_MADE_TINY,      /* 24 rows */
    XL_MADE_NOISY,     /* smooth, each row off by a fifth */
    XL_MADE_DECEPTIVE, /* the slope leads away from the best corner */
    XL_MADE_SWITCHES,  /* eleven dimensions of two values, with pairs */
    XL_MADE_SIGNS,     /* larger is better; values around zero */
    XL_MADE_LINEAR,    /* a sum of one step a dimension, no interaction */
    XL_MADE_PLATEAU,   /* flat, but for steps around the best corner */
    XL_MADE_DOOMED,    /* smooth; nine rows in ten fail */
    XL_MADE_FLAT,      /* nothing but noise */
    XL_MADE_PARITY,    /* neighbours are opposites, the best among the worst */
    XL_MADE_LABELS,    /* a factor a value, none of the dimensions ordered */
    XL_MADE_HANDFUL,   /* 5 to 20 rows */
    XL_MADE_HUGE,      /* smooth, 64,800 rows: not all are candidates */
    XL_MADE_CLIFF,     /* a slope that ends where everything fails */
    XL_MADE_ISLAND,    /* smooth; what runs is one tenth, in one place */
    XL_MADE_STRIPES,   /* every other value of a dimension is slower */
    XL_MADE_SPARSE,    /* smooth; one point in twenty is legal, anywhere */
    XL_MADE_HEAVY,     /* smooth under noise without a variance */
    XL_MADE_LEVEL,     /* all rows the same but one */
    XL_MADE_MIRAGE,    /* smooth; what looks fastest fails, 19 in 20 */
    XL_MADE_REGIMES,   /* another valley for each value of one dimension */
    XL_MADE_DECOY,     /* a slope, and the best row alone at its top */
    XL_MADE_LURE,      /* a low hill, and the one far better row on its top */
    XL_MADE_KINDS
};

const char *xl_made_name(enum xl_made kind);

enum xl_status xl_made_table(struct xl_table **table, enum xl_made kind,
                             uint64_t seed, struct xl_err *err);

#endif
