/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/twin.h"

#include "judge/gate.h"

void xl_twins_init(struct xl_twins *twins, const struct xl_reference_spec *spec)
{
    *twins = (struct xl_twins){ .spec = *spec, .naive = *spec->params };
}

void xl_twins_release(struct xl_twins *twins)
{
    for (size_t i = 0; i < twins->n; i++)
        xl_reference_free(twins->items[i].reference);
    twins->n = 0;
}

enum xl_status xl_twins_get(struct xl_twins *twins,
                            const struct xl_params *candidate,
                            struct xl_reference **twin, struct xl_err *err)
{
    static const enum xl_param formats[] = { XL_PARAM_WEIGHT_DTYPE,
                                             XL_PARAM_HEAD_DTYPE };
    struct xl_params params = twins->naive;
    size_t i = 0;
    *twin = NULL;
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++)
        params.value[formats[k]] = candidate->value[formats[k]];
    if (xl_tier_of(&params) < XL_TIER_Q8)
        return XL_OK;
    while (i < twins->n && !xl_params_equal(&twins->items[i].params, &params))
        i++;
    if (i == XL_TWINS)
        return XL_OK;
    struct xl_twin *item = &twins->items[i];
    if (i == twins->n) {
        struct xl_reference_spec spec = twins->spec;
        item->params = params;
        spec.params = &item->params;
        XL_TRY(xl_reference_make(&item->reference, &spec, err));
        twins->n++;
    }
    *twin = item->reference;
    return XL_OK;
}
