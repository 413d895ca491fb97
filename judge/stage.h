/* SPDX-License-Identifier: Apache-2.0
 *
 * The stages of a search's judges (judge/panel.h), from cheap to final. */
#ifndef XL_STAGE_H
#define XL_STAGE_H

enum xl_stage {
    XL_STAGE_SCREEN,
    XL_STAGE_FULL,
    XL_STAGE_HOLDOUT,
    XL_STAGE_COUNT
};

enum {
    /* Winners that one holdout text may be asked about. Its bounds pay for
     * them; a text that has refused so many is used up. */
    XL_HOLDOUT_TRIES = 4
};

const char *xl_stage_name(enum xl_stage stage);

/* By name; XL_STAGE_COUNT when there is none. */
enum xl_stage xl_stage_find(const char *name);

#endif
