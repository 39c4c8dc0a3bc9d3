/* Logs what a program does to the files below one folder, in one order for all its threads.
 *
 *   LD_PRELOAD=recorder.so POWERCUT_ROOT=FOLDER POWERCUT_LOG=FILE [POWERCUT_PORT=PORT]
 *       [POWERCUT_KILL_AT_SYNC=N] program
 *
 * Each call is made and logged under one lock, so the log is the order in which they took effect.
 * With a port, what goes over connections to it is logged too: what a program told the world it had.
 * With KILL_AT_SYNC the program dies by SIGKILL where it would sync a file for the Nth time: what it
 * wrote stays in the page cache, unsynced.
 * A call that the replayer has no model for is logged as 'X': such a recording is refused.
 * SQLite's WAL-index (-shm) is memory shared by processes, not state: it is left out.
 *
 * One record: struct entry, then the path below the folder, then the data.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct entry { uint32_t kind, path_len; uint64_t inode; int64_t offset; uint64_t data_len; };
enum { NONE, KEPT, FOLDER, LINK };
static struct { int what; uint64_t inode; char path[128]; } fds[4096];
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static char root[4096];
static size_t root_len;
static int log_fd = -1, port, syncs_left;

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name); real; })
#define WHAT(fd) ((fd) >= 0 && (fd) < 4096 ? fds[fd].what : NONE)

__attribute__((constructor)) static void begin(void)
{
    const char *folder = getenv("POWERCUT_ROOT"), *file = getenv("POWERCUT_LOG");
    if (!folder || !file || !realpath(folder, root)) return;
    root_len = strlen(root);
    port = getenv("POWERCUT_PORT") ? atoi(getenv("POWERCUT_PORT")) : 0;
    syncs_left = getenv("POWERCUT_KILL_AT_SYNC") ? atoi(getenv("POWERCUT_KILL_AT_SYNC")) : 0;
    int fd = REAL(open)(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 800); /* out of the way of programs that count theirs */
    REAL(close)(fd);
    if (log_fd < 0) abort();
}

static void note(int kind, const char *path, uint64_t inode, int64_t offset, const void *data, size_t len)
{
    struct entry e = {kind, strlen(path), inode, offset, len};
    struct iovec parts[] = {{&e, sizeof e}, {(void *)path, e.path_len}, {(void *)data, len}};
    if (REAL(writev)(log_fd, parts, 3) != (ssize_t)(sizeof e + e.path_len + len)) abort();
}

/* Returns the part of the path below the folder ("" for the folder), or NULL when it is not there. */
static const char *below(int at, const char *path, char whole[4096])
{
    if (log_fd < 0 || !path) return NULL;
    if (*path != '/') {
        if (at != AT_FDCWD) {
            if (WHAT(at) == NONE) return NULL;
            strcpy(whole, root);
        } else if (!getcwd(whole, 4096)) return NULL;
        if (strlen(whole) + strlen(path) + 2 > 4096) return NULL;
        path = strcat(strcat(whole, "/"), path);
    }
    if (strncmp(path, root, root_len) || (path[root_len] && path[root_len] != '/')) return NULL;
    path += root_len + (path[root_len] == '/');
    size_t len = strlen(path);
    if (len >= sizeof fds[0].path) abort();
    return len >= 4 && !strcmp(path + len - 4, "-shm") ? NULL : path;
}

static int opened(int fd, const char *path, int flags, int there)
{
    struct stat s;
    if (fd < 0 || fd >= 4096 || fstat(fd, &s)) return fd;
    fds[fd].what = S_ISDIR(s.st_mode) ? FOLDER : S_ISREG(s.st_mode) ? KEPT : NONE;
    fds[fd].inode = s.st_ino;
    strcpy(fds[fd].path, path);
    if (fds[fd].what != KEPT) return fd;
    if (!there) note('C', path, s.st_ino, 0, "", 0);
    else if (flags & O_TRUNC) note('T', path, s.st_ino, 0, "", 0);
    return fd;
}

#define OPEN(name, AT, PARAMS, ...) int name PARAMS { \
    char whole[4096]; mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list a; va_start(a, flags); mode = va_arg(a, mode_t); va_end(a); } \
    const char *rest = below(AT, path, whole); \
    if (!rest) return REAL(name)(__VA_ARGS__); \
    pthread_mutex_lock(&order); \
    int there = !faccessat(AT, path, F_OK, AT_SYMLINK_NOFOLLOW); \
    int fd = opened(REAL(name)(__VA_ARGS__), rest, flags, there); \
    int error = errno; pthread_mutex_unlock(&order); errno = error; return fd; }
OPEN(open, AT_FDCWD, (const char *path, int flags, ...), path, flags, mode)
OPEN(open64, AT_FDCWD, (const char *path, int flags, ...), path, flags, mode)
OPEN(openat, at, (int at, const char *path, int flags, ...), at, path, flags, mode)
OPEN(openat64, at, (int at, const char *path, int flags, ...), at, path, flags, mode)

int close(int fd)
{
    if (fd >= 0 && fd == log_fd) return 0;
    if (WHAT(fd) != NONE) fds[fd].what = NONE;
    return REAL(close)(fd);
}

/* Makes a call under the lock and, when it went well, logs it. `r` is what it returned. */
#define CALL(type, call, good, log) { \
    pthread_mutex_lock(&order); \
    type r = call; int error = errno; \
    if (good) { log; } \
    pthread_mutex_unlock(&order); errno = error; return r; }
#define FILE_(kind, offset, data, len) note(kind, fds[fd].path, fds[fd].inode, offset, data, len)
#define ON_FILE(type, name, PARAMS, ARGS, good, log) type name PARAMS \
    { if (WHAT(fd) != KEPT) return REAL(name)ARGS; CALL(type, REAL(name)ARGS, good, log) }

static void pieces(int fd, const struct iovec *parts, int count, off_t at, ssize_t left)
{
    for (int i = 0; i < count && left > 0; i++) {
        size_t len = (size_t)left < parts[i].iov_len ? (size_t)left : parts[i].iov_len;
        if (len) FILE_('W', at, parts[i].iov_base, len);
        at += len; left -= len;
    }
}
#define WROTE (lseek(fd, 0, SEEK_CUR) - r)
ON_FILE(ssize_t, write, (int fd, const void *data, size_t len), (fd, data, len), r > 0, FILE_('W', WROTE, data, r))
ON_FILE(ssize_t, pwrite, (int fd, const void *data, size_t len, off_t at), (fd, data, len, at), r > 0, FILE_('W', at, data, r))
ON_FILE(ssize_t, pwrite64, (int fd, const void *data, size_t len, off64_t at), (fd, data, len, at), r > 0, FILE_('W', at, data, r))
ON_FILE(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n), r > 0, pieces(fd, v, n, WROTE, r))
ON_FILE(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), r > 0, pieces(fd, v, n, at, r))
ON_FILE(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at), r > 0, pieces(fd, v, n, at, r))
ON_FILE(int, ftruncate, (int fd, off_t size), (fd, size), !r, FILE_('T', size, "", 0))
ON_FILE(int, ftruncate64, (int fd, off64_t size), (fd, size), !r, FILE_('T', size, "", 0))
ON_FILE(int, posix_fallocate, (int fd, off_t at, off_t len), (fd, at, len), !r, FILE_('A', at + len, "", 0))
ON_FILE(int, posix_fallocate64, (int fd, off64_t at, off64_t len), (fd, at, len), !r, FILE_('A', at + len, "", 0))
#define SYNC(name) int name(int fd) { \
    if (WHAT(fd) != KEPT && WHAT(fd) != FOLDER) return REAL(name)(fd); \
    CALL(int, (fds[fd].what == KEPT && syncs_left && !--syncs_left ? raise(SIGKILL) : 0, REAL(name)(fd)), !r, FILE_(fds[fd].what == KEPT ? 'S' : 'D', 0, "", 0)) }
SYNC(fsync)
SYNC(fdatasync)

/* Names. */
#define NAME(name, AT, PARAMS, ARGS, kind) int name PARAMS { \
    char whole[4096]; const char *rest = below(AT, path, whole); \
    if (!rest) return REAL(name)ARGS; \
    CALL(int, REAL(name)ARGS, !r, note(kind, rest, 0, 0, "", 0)) }
NAME(unlink, AT_FDCWD, (const char *path), (path), 'U')
NAME(unlinkat, at, (int at, const char *path, int flags), (at, path, flags), flags ? 'X' : 'U')
NAME(mkdir, AT_FDCWD, (const char *path, mode_t mode), (path, mode), 'K')
NAME(mkdirat, at, (int at, const char *path, mode_t mode), (at, path, mode), 'K')
NAME(rmdir, AT_FDCWD, (const char *path), (path), 'X')
NAME(truncate, AT_FDCWD, (const char *path, off_t size), (path, size), 'X')
NAME(truncate64, AT_FDCWD, (const char *path, off64_t size), (path, size), 'X')
#define MOVE(name, A1, A2, PARAMS, ARGS, kind) int name PARAMS { \
    char one[4096], two[4096]; const char *old = below(A1, from, one), *new = below(A2, to, two); \
    if (!old && !new) return REAL(name)ARGS; \
    CALL(int, REAL(name)ARGS, !r, note(old && new ? kind : 'X', old ? old : new, 0, 0, new ? new : "", new ? strlen(new) : 0)) }
MOVE(rename, AT_FDCWD, AT_FDCWD, (const char *from, const char *to), (from, to), 'R')
MOVE(renameat, a, b, (int a, const char *from, int b, const char *to), (a, from, b, to), 'R')
MOVE(renameat2, a, b, (int a, const char *from, int b, const char *to, unsigned f), (a, from, b, to, f), f ? 'X' : 'R')
MOVE(link, AT_FDCWD, AT_FDCWD, (const char *from, const char *to), (from, to), 'X')
MOVE(linkat, a, b, (int a, const char *from, int b, const char *to, int f), (a, from, b, to, f), 'X')
MOVE(symlink, AT_FDCWD, AT_FDCWD, (const char *from, const char *to), (from, to), 'X')

/* What no model is for. */
#define UNKNOWN(type, name, PARAMS, ARGS) ON_FILE(type, name, PARAMS, ARGS, 1, FILE_('X', 0, #name, strlen(#name)))
UNKNOWN(ssize_t, pwritev2, (int fd, const struct iovec *v, int n, off_t at, int f), (fd, v, n, at, f))
UNKNOWN(ssize_t, copy_file_range, (int in, off64_t *a, int fd, off64_t *b, size_t len, unsigned f), (in, a, fd, b, len, f))
UNKNOWN(ssize_t, sendfile, (int fd, int in, off_t *a, size_t len), (fd, in, a, len))
UNKNOWN(ssize_t, sendfile64, (int fd, int in, off64_t *a, size_t len), (fd, in, a, len))
UNKNOWN(int, fallocate, (int fd, int mode, off_t at, off_t len), (fd, mode, at, len))
UNKNOWN(int, fallocate64, (int fd, int mode, off64_t at, off64_t len), (fd, mode, at, len))
#define MAP(name, off) void *name(void *at, size_t len, int prot, int flags, int fd, off offset) { \
    if ((flags & MAP_SHARED) && (prot & PROT_WRITE) && WHAT(fd) == KEPT) { \
        pthread_mutex_lock(&order); FILE_('X', 0, #name, strlen(#name)); pthread_mutex_unlock(&order); } \
    return REAL(name)(at, len, prot, flags, fd, offset); }
MAP(mmap, off_t)
MAP(mmap64, off64_t)

/* The link. */
int connect(int fd, const struct sockaddr *to, socklen_t len)
{
    if (log_fd >= 0 && port && to->sa_family == AF_INET && fd >= 0 && fd < 4096 &&
        ntohs(((const struct sockaddr_in *)to)->sin_port) == port) {
        static uint64_t number;
        pthread_mutex_lock(&order);
        fds[fd].what = LINK; fds[fd].inode = ++number; strcpy(fds[fd].path, "");
        FILE_('L', getpid(), "", 0);
        pthread_mutex_unlock(&order);
    }
    return REAL(connect)(fd, to, len);
}
/* Received bytes are logged when they are handed over; waiting for them must not hold the lock. */
ssize_t send(int fd, const void *data, size_t len, int flags)
{
    if (WHAT(fd) != LINK) return REAL(send)(fd, data, len, flags);
    CALL(ssize_t, REAL(send)(fd, data, len, flags | MSG_DONTWAIT), r > 0, FILE_('N', getpid(), data, r))
}
ssize_t recv(int fd, void *data, size_t len, int flags)
{
    ssize_t r = REAL(recv)(fd, data, len, flags);
    if (r <= 0 || WHAT(fd) != LINK) return r;
    int error = errno;
    pthread_mutex_lock(&order); FILE_('V', getpid(), data, r); pthread_mutex_unlock(&order);
    errno = error; return r;
}
