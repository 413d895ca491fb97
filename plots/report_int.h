/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a report, each a section of the page. */
#ifndef XL_REPORT_INT_H
#define XL_REPORT_INT_H

#include "plots/report.h"

/* From the first byte to below the title; and the end of the page. */
void xl_report_head(const char *title, const char *subtitle,
                    struct xl_buf *out);
void xl_report_end(struct xl_buf *out);

/* A figure with its caption. */
void xl_report_picture(const struct xl_report_picture *picture,
                       struct xl_buf *out);

/* What won, by how much, with what proof. */
void xl_report_verdict(const struct xl_report *report, struct xl_buf *out);

/* The best accepted trials beside the winner. */
void xl_report_runners_up(const struct xl_report *report, struct xl_buf *out);

/* What the judge asked of the winner and of others that could have won; is
 * there anything to tell? */
bool xl_report_is_judged(const struct xl_record *record);
void xl_report_judge(const struct xl_record *record, struct xl_buf *out);

/* Every trial as a row; of very many the best ones, and says so. */
void xl_report_trials(const struct xl_record *record, struct xl_buf *out);

/* A CSV table with its header; nothing when it has no rows. */
void xl_report_ratings(const struct xl_record *record, struct xl_buf *out);

/* A scalar as text, "" for others. */
void xl_report_scalar(const cJSON *item, struct xl_buf *out);

#endif
