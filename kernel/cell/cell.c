/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry: one pointer a row of cell.def. The tiled cell has faster
 * variants for some processors; the first that is usable stands in for it. */
#include "kernel/cell/mlstm.h"

#include "kernel/cell/cell_int.h"

static const struct xl_cell *const cells[] = {
#define XL_CELL(id, name, summary) [XL_CELL_##id] = &xl_cell_##name,
#include "kernel/cell/cell.def"
#undef XL_CELL
};

/* Fastest first, NULL at the end. */
static const struct xl_cell *const tiled[] = {
#ifdef XL_X86_VARIANTS
    &xl_cell_tiled_avx512,
    &xl_cell_tiled_avx2,
#endif
    NULL,
};

const struct xl_cell *xl_cell_get(enum xl_cell_id id)
{
    if (id == XL_CELL_TILED)
        for (size_t i = 0; tiled[i]; i++)
            if (!tiled[i]->why_not())
                return tiled[i];
    return cells[id];
}
