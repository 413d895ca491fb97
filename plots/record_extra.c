/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that a run may hold beside its trials; each feeds one picture. */
#include "plots/record_int.h"

#include <string.h>

bool xl_entry_is_pruned(const struct xl_entry *entry)
{
    return strcmp(entry->status, "pruned") == 0;
}

enum xl_status xl_record_extras(struct xl_record *record, struct xl_err *err)
{
    static const char *const names[XL_EXTRA_COUNT] = {
        [XL_EXTRA_INSIGHT] = "insight.json", [XL_EXTRA_MODEL] = "model.json",
        [XL_EXTRA_JUDGED] = "judged.json",   [XL_EXTRA_BENCH] = "bench.json",
        [XL_EXTRA_DUEL] = "duel.json",
    };
    for (size_t i = 0; i < XL_EXTRA_COUNT; i++)
        XL_TRY(xl_record_json(record, names[i], &record->extras[i], err));
    XL_TRY(xl_record_csv(record, "stats.csv", &record->steps, err));
    return xl_record_csv(record, "memory.csv", &record->memory, err);
}
