/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of packed matrices that preparing a model leaves behind is all
 * that writing a packed file needs to know of the model. */
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/model/packfile_int.h"

void xl_packs_release(struct xl_packs *packs)
{
    xl_free(packs->items);
    *packs = (struct xl_packs){ 0 };
}

static bool fits(const struct xl_packs *packs,
                 const struct xl_packfile_matrix *m, enum xl_pack_kind kind,
                 const struct xl_matrix *out)
{
    return m && m->packed.kind == kind && m->packed.out == out->out &&
           m->packed.in == out->in &&
           (!packs->verify ||
            xl_packfile_verify(packs->file, m, NULL) == XL_OK);
}

enum xl_status xl_packs_find(struct xl_packs *packs,
                             const struct xl_source *source,
                             enum xl_pack_kind kind, struct xl_matrix *out,
                             bool *found, struct xl_err *err)
{
    const struct xl_packfile_matrix *m =
        packs->file ? xl_packfile_find(packs->file, source->name) : NULL;
    *found = fits(packs, m, kind, out);
    if (*found) {
        out->packed = m->packed;
        out->report = m->report;
        return XL_OK;
    }
    packs->n_packed++;
    if (!packs->must_find)
        return XL_OK;
    return xl_fail(err, XL_EFORMAT,
                   "the packed checkpoint has no %s matrix '%s' of %zu x %zu; "
                   "write it again with 'xltune pack'",
                   xl_pack_name(kind), source->name, out->out, out->in);
}

static struct xl_packs_item *push(struct xl_packs *packs)
{
    if (packs->n == packs->room) {
        size_t room = packs->room ? 2 * packs->room : 64;
        struct xl_packs_item *grown = xl_realloc(
            packs->items, packs->n * sizeof *grown, room * sizeof *grown);
        if (!grown)
            return NULL;
        packs->items = grown;
        packs->room = room;
    }
    return &packs->items[packs->n++];
}

enum xl_status xl_packs_add(struct xl_packs *packs,
                            const struct xl_source *source,
                            const struct xl_matrix *matrix, struct xl_err *err)
{
    struct xl_packs_item *item = push(packs);
    if (!item)
        return xl_fail(err, XL_ENOMEM, "out of memory preparing weights");
    *item = (struct xl_packs_item){ .packed = matrix->packed,
                                    .report = matrix->report,
                                    .n_parts = source->n };
    memcpy(item->name, source->name, sizeof item->name);
    for (size_t i = 0; i < source->n; i++)
        item->parts[i] = source->parts[i]->w;
    packs->weights += (uint64_t)matrix->out * matrix->in;
    if (packs->progress)
        packs->progress(packs->progress_ctx, packs->weights);
    return XL_OK;
}
