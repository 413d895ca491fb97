/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the pictures and the page of several runs. */
#ifndef XL_COMPARE_INT_H
#define XL_COMPARE_INT_H

#include "plots/compare.h"
#include "plots/record.h"
#include "plots/report.h"

enum xl_compare_picture {
#define XL_COMPARE(id, stem, chart, width, height, title, caption)             \
    XL_COMPARE_##id,
#include "plots/compare.def"
#undef XL_COMPARE
    XL_COMPARE_COUNT
};

struct xl_compare_sides {
    struct xl_record records[XL_COMPARE_RUNS]; /* [n] */
    const char *labels[XL_COMPARE_RUNS];
    size_t n;
};

/* A speed of the winner with its interval and count; NaN when unknown. */
struct xl_compare_speed {
    double value, lo, hi, n;
};
struct xl_compare_speed xl_compare_decode(const struct xl_record *record);
struct xl_compare_speed xl_compare_prefill(const struct xl_record *record);

/* Appends the whole page. */
void xl_compare_page(const struct xl_compare_sides *sides,
                     const struct xl_report_picture *pictures,
                     size_t n_pictures, const char *const *why_not,
                     struct xl_buf *out);

#endif
