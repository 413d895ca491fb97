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

/* A picture as it is embedded: exactly one of png and svg is set. */
struct xl_report_picture {
    const struct xl_plot_row *row;
    const unsigned char *png; /* [png_bytes] */
    size_t png_bytes;
    const char *svg; /* an <svg> element */
};

/* Appends the whole page. */
void xl_report_write(const struct xl_record *record,
                     const struct xl_report_picture *pictures,
                     size_t n_pictures, struct xl_buf *out);

#endif
