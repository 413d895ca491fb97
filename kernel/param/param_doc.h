/* SPDX-License-Identifier: Apache-2.0
 *
 * docs/params.md from param.def.
 */
#ifndef XL_PARAM_DOC_H
#define XL_PARAM_DOC_H

#include "kernel/base/buf.h"

/* Appends the whole document, Markdown. */
void xl_param_doc(struct xl_buf *out);

#endif
