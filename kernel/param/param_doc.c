/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/param/param_doc.h"

#include <ctype.h>
#include <inttypes.h>

#include "kernel/param/param.h"

static void values(struct xl_buf *out, const struct xl_param_row *row)
{
    const char *const *choice = row->choices;
    switch (row->kind) {
    case XL_KIND_INT:
        xl_buf_printf(out, "%" PRId64 " to %" PRId64, row->lo, row->hi);
        break;
    case XL_KIND_BOOL:
        xl_buf_text(out, "true, false");
        break;
    case XL_KIND_TILE:
        xl_buf_printf(out, "ROWSxCOLUMNS, each side %" PRId64 " to %" PRId64,
                      row->lo, row->hi);
        break;
    case XL_KIND_NAME:
        for (size_t i = 0; choice[i]; i++)
            xl_buf_printf(out, "%s%s", i ? ", " : "", choice[i]);
        break;
    }
}

static void variable(struct xl_buf *out, const char *name)
{
    xl_buf_text(out, "XLTUNE_");
    for (; *name; name++)
        xl_buf_char(out, (char)toupper((unsigned char)*name));
}

static void section(struct xl_buf *out, const struct xl_param_row *row)
{
    static const char *const phases[] = {
        [XL_PHASE_PREFILL] = "prefill",
        [XL_PHASE_DECODE] = "decode",
        [XL_PHASE_BOTH] = "prefill and decode",
    };
    xl_buf_printf(out, "\n## %s\n\n%c%s.\n\n", row->name,
                  toupper((unsigned char)row->help[0]), row->help + 1);
    xl_buf_printf(out, "- flag `");
    xl_opt_flag(out, row->name);
    xl_buf_printf(out, "`, variable `");
    variable(out, row->name);
    xl_buf_text(out, "`\n- values: ");
    values(out, row);
    xl_buf_printf(out, "\n- default: %s\n- changes: %s\n", row->fallback,
                  phases[row->phase]);
    if (row->kind == XL_KIND_INT || row->kind == XL_KIND_TILE)
        xl_buf_printf(out, "- a search walks it in %s steps\n",
                      row->scale == XL_SCALE_LOG2 ? "doubling" : "even");
}

void xl_param_doc(struct xl_buf *out)
{
    xl_buf_text(out,
                "# Tunables\n\n"
                "Made by `xltune manual --params` from "
                "`kernel/param/param.def`; what each one does to the speed is "
                "in [tuning.md](tuning.md). A tunable that a configuration "
                "does not read is reported as inert, never swept.\n");
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        section(out, xl_param_row((enum xl_param)i));
}
