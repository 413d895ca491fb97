/* SPDX-License-Identifier: Apache-2.0
 *
 * Every reply of a rubric judge as it came, one JSON object a line, so that a
 * rating can be traced and what was answered is not asked again.
 *
 *     struct xl_reply_log *log;
 *     XL_TRY(xl_reply_log_open(&log, "RUN/rubric/replies.jsonl", err));
 *     const char *reply = xl_reply_log_find(log, key);
 *     if (!reply)
 *         rc = xl_reply_log_add(log, &record, err);
 *     xl_reply_log_close(log);
 *
 * A line survives a kill, and a crash of the machine, once add has returned. A
 * last line that a kill has left half written is cut off when the log is
 * opened; a second process that opens it gets XL_EBUSY. One thread at a time.
 */
#ifndef XL_REPLY_LOG_H
#define XL_REPLY_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"
#include "kernel/base/hash.h"

struct xl_reply_log;

struct xl_reply_record {
    char key[XL_HASH_TEXT]; /* of what was asked, and whom */
    const char *kind;       /* "marks", "duel" */
    const char *about;      /* what the texts are, for people */
    int code;
    const char *reply; /* [n] the body, any bytes */
    size_t n;
    const char *trouble; /* why it could not be read; NULL = it could */
};

/* The file is made when it is missing, its folder is not. */
enum xl_status xl_reply_log_open(struct xl_reply_log **log, const char *path,
                                 struct xl_err *err);
void xl_reply_log_close(struct xl_reply_log *log);

/* The body of a readable reply to this key, good until close; or NULL. */
const char *xl_reply_log_find(const struct xl_reply_log *log, const char *key);

enum xl_status xl_reply_log_add(struct xl_reply_log *log,
                                const struct xl_reply_record *record,
                                struct xl_err *err);

#endif
