/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/base/shared.h"

#include <dlfcn.h>
#include <string.h>

enum xl_status xl_shared_load(const struct xl_shared *shared, void *calls,
                              struct xl_err *err)
{
    void *library = dlopen(shared->file, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return xl_fail(err, XL_ENOTFOUND,
                       "cannot load '%s'; install the package %s", shared->file,
                       shared->package);
    for (size_t i = 0; i < shared->n_calls; i++) {
        const struct xl_shared_call *call = &shared->calls[i];
        void *found = dlsym(library, call->name);
        if (!found)
            return xl_fail(err, XL_ENOTFOUND,
                           "'%s' has no '%s'; the package %s has it",
                           shared->file, call->name, shared->package);
        /* ISO C has no conversion from an object to a function. */
        memcpy((char *)calls + call->at, &found, sizeof found);
    }
    return XL_OK;
}
