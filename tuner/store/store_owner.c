/* SPDX-License-Identifier: Apache-2.0
 *
 * A pid alone does not name a process: pids are used again. Its start time
 * within the boot does, for readers in the same pid namespace (a container
 * sees other pids under the same boot id). Whatever cannot be read leaves
 * the field empty, and an owner with empty fields is never called dead: its
 * lease decides. */
#include "tuner/store/store_int.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kernel/base/io.h"

/* Start of process pid in clock ticks since boot, or 0. Its name, in
 * parentheses, may hold anything, so fields count from the last ')'. */
static int64_t start_ticks(int64_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    int64_t ticks = 0;
    if (!at || sscanf(at, "%" SCNd64, &ticks) != 1)
        return 0;
    return ticks;
}

void xl_owner_self(struct xl_owner *self)
{
    struct utsname name;
    *self = (struct xl_owner){ .pid = getpid() };
    if (uname(&name) == 0)
        snprintf(self->host, sizeof self->host, "%.120s", name.nodename);
    xl_io_line("/proc/sys/kernel/random/boot_id", self->boot_id,
               sizeof self->boot_id);
    ssize_t n =
        readlink("/proc/self/ns/pid", self->pid_ns, sizeof self->pid_ns - 1);
    self->pid_ns[n > 0 ? n : 0] = '\0';
    self->start_ticks = start_ticks(self->pid);
}

bool xl_owner_is_dead(const struct xl_owner *owner, const struct xl_owner *self)
{
    if (!owner->boot_id[0] || !self->boot_id[0])
        return false;
    if (strcmp(owner->boot_id, self->boot_id) != 0)
        return strcmp(owner->host, self->host) == 0;
    if (!owner->pid_ns[0] || strcmp(owner->pid_ns, self->pid_ns) != 0)
        return false;
    if (kill((pid_t)owner->pid, 0) != 0 && errno == ESRCH)
        return true;
    int64_t ticks = start_ticks(owner->pid);
    return ticks && owner->start_ticks && ticks != owner->start_ticks;
}
