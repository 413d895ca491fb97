/* SPDX-License-Identifier: Apache-2.0
 *
 * A headless Chromium over its debugging pipe, for tests of pages. It counts
 * what a page must not do: errors on the console, exceptions, requests that
 * leave the page's file.
 */
#ifndef XL_CHROMIUM_H
#define XL_CHROMIUM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "kernel/base/buf.h"
#include "kernel/base/json.h"

struct xl_chromium {
    size_t errors;   /* on the console, and exceptions */
    size_t requests; /* neither file: nor data: */
    /* private */
    pid_t pid;
    int to, from;
    int last_id;
    bool is_loaded, is_broken;
    char session[80];
    struct xl_buf in;
};

/* Is there one on the PATH? */
bool xl_chromium_exists(void);

/* profile: an empty folder of its own. False when it does not answer. */
bool xl_chromium_open(struct xl_chromium *c, const char *profile);
void xl_chromium_close(struct xl_chromium *c);

/* Shows a file at a width; true when it has loaded. */
bool xl_chromium_show(struct xl_chromium *c, const char *path, int width,
                      int height);

/* media "screen" or "print", scheme "light" or "dark". */
bool xl_chromium_media(struct xl_chromium *c, const char *media,
                       const char *scheme);

/* Do pages shown from now on run their scripts? Expressions below always do. */
bool xl_chromium_scripts(struct xl_chromium *c, bool run);

/* The value of an expression that gives a number or a boolean; NaN when it
 * throws or gives something else. */
double xl_chromium_number(struct xl_chromium *c, const char *expression);

#endif
