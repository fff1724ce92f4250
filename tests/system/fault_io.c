/* Preloaded before a daemon: makes the disk under its database fail on request.
 *
 *     FAULT_FILE=/tmp/fault LD_PRELOAD=libfault_io.so ordinald ...
 *
 * The file holds "WHERE ERRNO", WHERE one of write (pages), sync (fdatasync, fsync), head (the
 * write that makes a commit visible, on a descriptor opened with O_DSYNC); empty or absent: no
 * fault. It is read at each call, so that a test changes its mind while the daemon runs. Only
 * descriptors of files called data.mdb are concerned. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_database(int fd)
{
    static const char name[] = "/data.mdb";
    char link[64], path[4096];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof(path));
    size_t tail = sizeof(name) - 1;
    return len > (ssize_t)tail && memcmp(path + (size_t)len - tail, name, tail) == 0;
}

static int is_head(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_DSYNC);
}

/* The error that a call of this kind ends with, 0: none. */
static int fault(const char *where, int fd)
{
    const char *path = getenv("FAULT_FILE"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    char text[64] = "";
    size_t word = strlen(where);
    int file = path && is_database(fd) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return 0;
    ssize_t len = read(file, text, sizeof(text) - 1);
    (void)close(file);
    if (len <= 0 || strncmp(text, where, word) != 0 || text[word] != ' ')
        return 0;
    return (int)strtol(text + word, NULL, 10);
}

static int fails(const char *where, int fd)
{
    int error = fault(where, fd);
    if (error)
        errno = error;
    return error;
}

int fdatasync(int fd)
{
    return fails("sync", fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return fails("sync", fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    if (fails(is_head(fd) ? "head" : "write", fd))
        return -1;
    return (ssize_t)syscall(SYS_pwrite64, fd, bytes, size, at);
}

/* LMDB seeks and writes the pages of a large commit. */
ssize_t write(int fd, const void *bytes, size_t size)
{
    return fails("write", fd) ? -1 : (ssize_t)syscall(SYS_write, fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return fails("write", fd) ? -1 : (ssize_t)syscall(SYS_writev, fd, parts, count);
}
