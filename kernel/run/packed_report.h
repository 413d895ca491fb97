/* SPDX-License-Identifier: Apache-2.0
 *
 * What a packed file holds and what packing lost, for people and programs. */
#ifndef XL_PACKED_REPORT_H
#define XL_PACKED_REPORT_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "kernel/base/buf.h"
#include "kernel/model/packfile.h"

/* A table within 80 columns: a line for each matrix, or for all of one name
 * in all blocks; then totals. */
void xl_packed_text(const struct xl_packfile *file, bool each,
                    struct xl_buf *out);

/* {"layout":, "weight_dtype":, "head_dtype":, "source":, "bytes":, "rms":,
 * "worst":, "matrices": [{"name":, "kind":, "out":, "in":, "bytes":, "rms":,
 * "worst":}]}. NULL without memory. */
cJSON *xl_packed_json(const struct xl_packfile *file);

#endif
