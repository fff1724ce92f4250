/* Preloaded before a server whose store is on a file system in memory: gives it the sync times of a
 * disk. Each fdatasync, and each write to a descriptor opened with O_DSYNC, takes SYNC_US longer.
 *
 *     SYNC_US=300 LD_PRELOAD=libslow_sync.so ordinald ... */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at);

static void wait_for_disk(void)
{
    static long sync_us = -1;
    if (sync_us < 0) {
        const char *text = getenv("SYNC_US"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
        sync_us = text ? strtol(text, NULL, 10) : 0;
    }
    struct timespec left = {.tv_sec = sync_us / 1000000, .tv_nsec = sync_us % 1000000 * 1000};
    (void)prctl(PR_SET_TIMERSLACK, 1);
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

int fdatasync(int fd)
{
    wait_for_disk();
    return (int)syscall(SYS_fdatasync, fd);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_DSYNC))
        wait_for_disk();
    return (ssize_t)syscall(SYS_pwrite64, fd, bytes, size, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    return pwrite64(fd, bytes, size, at);
}
