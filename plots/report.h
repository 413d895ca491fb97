/* SPDX-License-Identifier: Apache-2.0
 *
 * report.html: one file without network, complete without script.
 */
#ifndef XL_REPORT_H
#define XL_REPORT_H

#include <stddef.h>

#include "kernel/base/buf.h"
#include "plots/plot.h"
#include "plots/record.h"
#include "plots/tunable.h"

struct xl_report_image {
    const unsigned char *bytes; /* [n] of a PNG */
    size_t n;
};

/* A picture as it is embedded: two images, or an <svg> element for both. */
struct xl_report_picture {
    const struct xl_plot_row *row;
    struct xl_report_image light, dark;
    const char *svg;
};

struct xl_report {
    const struct xl_record *record;
    const struct xl_tunables *tunables;
    const struct xl_report_picture *pictures; /* [n_pictures] */
    size_t n_pictures;
    const char *const *why_not; /* [XL_PLOT_COUNT] of those left out, or NULL */
};

/* Appends the whole page. */
void xl_report_write(const struct xl_report *report, struct xl_buf *out);

#endif
