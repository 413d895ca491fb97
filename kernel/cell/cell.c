/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry: one pointer a row of cell.def. Some cells have faster variants
 * for some processors; the first that is usable stands in. */
#include "kernel/cell/mlstm.h"

#include "kernel/cell/cell_int.h"

enum {
    VARIANTS = 3
};

/* Fastest first; the row's own is for any processor. */
static const struct xl_cell *const cells[XL_CELL_COUNT][VARIANTS] = {
    [XL_CELL_NAIVE] = { &xl_cell_naive },
#ifdef XL_X86_VARIANTS
    [XL_CELL_TILED] = { &xl_cell_tiled_avx512, &xl_cell_tiled_avx2,
                        &xl_cell_tiled },
    [XL_CELL_BF16] = { &xl_cell_bf16_amx, &xl_cell_bf16_avx512, &xl_cell_bf16 },
#else
    [XL_CELL_TILED] = { &xl_cell_tiled },
    [XL_CELL_BF16] = { &xl_cell_bf16 },
#endif
};

const struct xl_cell *xl_cell_get(enum xl_cell_id id)
{
    size_t i = 0;
    while (i + 1 < VARIANTS && cells[id][i + 1] && cells[id][i]->why_not())
        i++;
    return cells[id][i];
}

enum xl_cell_id xl_cell_choose(bool is_fp32)
{
    const struct xl_cell *best = cells[XL_CELL_BF16][0];
    bool has_tiles = VARIANTS > 1 && cells[XL_CELL_BF16][1] && !best->why_not();
    return has_tiles && !is_fp32 ? XL_CELL_BF16 : XL_CELL_TILED;
}
