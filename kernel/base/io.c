/* SPDX-License-Identifier: Apache-2.0
 *
 * POSIX calls with EINTR retried. A reader that meets a folder gets the
 * system's EISDIR from read, which is the right sentence for the user. */
#include "kernel/base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/alloc.h"

enum {
    READ_STEP = 1 << 16,
    PATH_ROOM = 4096,
    PID_MOST = 100000000
};

static enum xl_status open_file(const char *path, int flags, int *fd,
                                struct xl_err *err)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    if (*fd >= 0)
        return XL_OK;
    return xl_fail(err, errno == ENOENT ? XL_ENOTFOUND : XL_EIO,
                   "cannot open '%s': %s", path, strerror(errno));
}

enum xl_status xl_map_open(struct xl_map *map, const char *path,
                           struct xl_err *err)
{
    int fd;
    struct stat st;
    void *data = NULL;
    enum xl_status rc = XL_OK;

    *map = (struct xl_map){ 0 };
    /* A pipe without a writer must not hold the program up. */
    XL_TRY(open_file(path, O_NONBLOCK, &fd, err));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        rc = xl_fail(err, XL_EIO, "cannot map '%s': not a regular file", path);
        goto done;
    }
    map->modified_ns =
        (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    if (st.st_size == 0)
        goto done;
    data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        rc = xl_fail(err, errno == ENOMEM ? XL_ENOMEM : XL_EIO,
                     "cannot map '%s': %s", path, strerror(errno));
        goto done;
    }
    map->data = data;
    map->size = (size_t)st.st_size;
done:
    close(fd);
    return rc;
}

void xl_map_close(struct xl_map *map)
{
    if (map->data)
        munmap((void *)(size_t)map->data, map->size);
    *map = (struct xl_map){ 0 };
}

enum xl_status xl_io_read(const char *path, struct xl_buf *out,
                          struct xl_err *err)
{
    int fd = STDIN_FILENO;
    char piece[READ_STEP];
    enum xl_status rc = XL_OK;

    if (strcmp(path, "-") != 0)
        XL_TRY(open_file(path, 0, &fd, err));
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = xl_fail(err, XL_EIO, "cannot read '%s': %s", path,
                         strerror(errno));
        if (n <= 0)
            break;
        xl_buf_add(out, piece, (size_t)n);
        if (!xl_buf_ok(out)) {
            rc = xl_buf_check(out, path, err);
            break;
        }
    }
    if (fd != STDIN_FILENO)
        close(fd);
    return rc;
}

bool xl_io_write_fd(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n) {
        ssize_t done = write(fd, at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        at += done;
        n -= (size_t)done;
    }
    return true;
}

static void sync_folder_of(const char *path)
{
    char folder[PATH_ROOM];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof folder)
        return;
    memcpy(folder, n ? path : ".", n ? n : 1);
    folder[n ? n : 1] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return; /* the rename itself has happened; only its age is at risk */
    fsync(fd);
    close(fd);
}

bool xl_io_sync_fd(int fd)
{
    return fsync(fd) == 0 || errno == EINVAL || errno == EROFS;
}

enum xl_status xl_io_replace(const char *path, const void *bytes, size_t n,
                             struct xl_err *err)
{
    char temp[PATH_ROOM];
    bool in_place = xl_io_is_special(path);
    int len = in_place ? snprintf(temp, sizeof temp, "%s", path)
                       : snprintf(temp, sizeof temp, "%s.%ld.tmp", path,
                                  (long)getpid());
    if (len < 0 || (size_t)len >= sizeof temp)
        return xl_fail(err, XL_EIO, "cannot write '%s': path too long", path);
    int how = O_WRONLY | O_CLOEXEC | (in_place ? 0 : O_CREAT | O_TRUNC);
    int fd = open(temp, how, 0666);
    if (fd < 0)
        return xl_fail(err, XL_EIO, "cannot write '%s': %s", temp,
                       strerror(errno));
    bool wrote = xl_io_write_fd(fd, bytes, n) && xl_io_sync_fd(fd);
    int why = errno;
    if (close(fd) != 0 && wrote) {
        wrote = false;
        why = errno;
    }
    if (wrote && !in_place && rename(temp, path) != 0) {
        wrote = false;
        why = errno;
    }
    if (!wrote) {
        if (!in_place)
            unlink(temp);
        return xl_fail(err, XL_EIO, "cannot write '%s': %s", path,
                       strerror(why));
    }
    if (!in_place)
        sync_folder_of(path);
    return XL_OK;
}

/* The process in a name that ends in ".PID.tmp", else 0. */
static long writer_of(const char *name)
{
    static const char end[] = ".tmp";
    size_t n = strlen(name), tail = sizeof end - 1;
    long pid = 0, digit = 1;
    if (n <= tail || strcmp(name + n - tail, end) != 0)
        return 0;
    for (n -= tail; n && name[n - 1] >= '0' && name[n - 1] <= '9'; n--) {
        if (digit > PID_MOST)
            return 0;
        pid += digit * (name[n - 1] - '0');
        digit *= 10;
    }
    return n && name[n - 1] == '.' ? pid : 0;
}

void xl_io_tidy(const char *folder)
{
    DIR *items = opendir(folder);
    if (!items)
        return;
    for (struct dirent *item; (item = readdir(items));) {
        long pid = writer_of(item->d_name);
        if (pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH)
            unlinkat(dirfd(items), item->d_name, 0);
    }
    closedir(items);
}

enum xl_status xl_io_make_dirs(const char *path, struct xl_err *err)
{
    char part[PATH_ROOM];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return xl_fail(err, XL_EIO, "cannot create folder '%s': bad length",
                       path);
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return xl_fail(err, XL_EIO, "cannot create folder '%s': %s", part,
                           strerror(errno));
        part[i] = kept;
    }
    if (!xl_io_is_dir(path))
        return xl_fail(err, XL_EIO,
                       "cannot create folder '%s': a file is "
                       "in its place",
                       path);
    return XL_OK;
}

bool xl_io_line(const char *path, char *out, size_t room)
{
    FILE *file = fopen(path, "re");
    bool ok = file && fgets(out, (int)room, file);
    if (file)
        fclose(file);
    out[ok ? strcspn(out, "\n") : 0] = '\0';
    return ok;
}

bool xl_io_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool xl_io_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool xl_io_is_special(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

char *xl_io_join(const char *folder, const char *name)
{
    size_t a = strlen(folder), b = strlen(name);
    while (a > 1 && folder[a - 1] == '/')
        a--;
    char *path = xl_alloc(a + b + 2);
    if (!path)
        return NULL;
    memcpy(path, folder, a);
    path[a] = '/';
    memcpy(path + a + 1, name, b + 1);
    return path;
}

char *xl_io_program_dir(void)
{
    char path[PATH_ROOM];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return NULL;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    return slash ? xl_strndup(path, (size_t)(slash - path)) : NULL;
}
