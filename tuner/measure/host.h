/* SPDX-License-Identifier: Apache-2.0
 *
 * Facts about this machine and this build, for records: what a number was
 * measured on and with. Keys of profiles are made elsewhere (profile/key.h).
 */
#ifndef XL_HOST_H
#define XL_HOST_H

#include <cjson/cJSON.h>

/* {"cpu", "isa", "cores", "memory_bytes", "caches", "kernel", "governor",
 * "huge_pages", ...}; NULL without memory. */
cJSON *xl_host_json(void);

/* {"xltune", "sqlite", "gsl", "cjson", "openblas"}. */
cJSON *xl_versions_json(void);

/* {"version", "compiler", "flags", "type", "libraries": as above}. */
cJSON *xl_build_json(void);

/* The same as lines of text for --version; static storage. */
const char *xl_build_text(void);

#endif
