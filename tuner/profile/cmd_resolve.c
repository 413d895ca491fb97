/* SPDX-License-Identifier: Apache-2.0
 *
 * The resolver as a service of the program. It is a cmd_ file because it
 * speaks: a profile that was refused or fits only roughly must be heard of on
 * the run it concerns. */
#include <stdio.h>

#include "kernel/base/cmd.h"
#include "tuner/profile/home.h"

enum xl_status xl_profile_resolve(const struct xl_opts *opts,
                                  const struct xl_config *config,
                                  size_t context, struct xl_params *params,
                                  struct xl_err *err)
{
    struct xl_home home;
    struct xl_layers layers;
    XL_TRY(xl_home_init(&home, opts, config, context, err));
    enum xl_status rc = xl_layers_resolve(&layers, &home.in, err);
    if (rc == XL_OK) {
        *params = layers.effective;
        if (!xl_opt_bool(opts, XL_GROUP_COMMON, XL_COMMON_QUIET))
            fputs(layers.notes.data, stderr);
        xl_layers_release(&layers);
    }
    xl_home_release(&home);
    return rc;
}
