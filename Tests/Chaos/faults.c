/* Preloaded into a program under test: its disk and its clock misbehave as the file named by FAULTS_FILE says.
 * Words of the file: `fsync` (every fsync fails with EIO), `write=N` (the N-th write to a database file from now on
 * fails with ENOSPC, and all after it), `clock=SECONDS` (the wall clock is that far off), `frozen=SECONDS` (it stands
 * at that time). Read again at every call that asks: a test changes it while the program runs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static atomic_long writes;

static int word(const char *name, long *value) {
    const char *path = getenv("FAULTS_FILE");
    if (!path) return 0;
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    char text[256];
    long count = syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    if (count <= 0) return 0;
    text[count] = 0;
    const char *found = strstr(text, name);
    if (!found) return 0;
    const char *sign = strchr(found, '=');
    if (value) *value = sign ? atol(sign + 1) : 0;
    return 1;
}

static int is_database(int file) {
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    long count = readlink(link, path, sizeof path - 1);
    if (count <= 0) return 0;
    path[count] = 0;
    return strstr(path, ".db") != NULL;
}

static int refused(int file) {
    long limit;
    if (!word("write", &limit)) {
        atomic_store(&writes, 0);
        return 0;
    }
    if (!is_database(file)) return 0;
    return atomic_fetch_add(&writes, 1) + 1 >= limit;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    if (refused(file)) { errno = ENOSPC; return -1; }
    return syscall(SYS_pwrite64, file, bytes, count, offset);
}
ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) { return pwrite64(file, bytes, count, offset); }

static int sync_with(long number, int file) {
    if (word("fsync", NULL) && is_database(file)) { errno = EIO; return -1; }
    return (int)syscall(number, file);
}
int fsync(int file) { return sync_with(SYS_fsync, file); }
int fdatasync(int file) { return sync_with(SYS_fdatasync, file); }

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    long seconds;
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return result;
    if (word("frozen", &seconds)) { time->tv_sec = seconds; time->tv_nsec = 0; }
    else if (word("clock", &seconds)) time->tv_sec += seconds;
    return result;
}
int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;
    (void)zone;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return result;
}
time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
