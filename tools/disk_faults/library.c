/* Faults of a file system, for tests: a library for LD_PRELOAD.

   The calls on files inside one folder are counted, over all processes of a program, in
   a file that all of them map. The n-th call of a kind fails with an error, or ends the
   process as a power failure does. All changes of files can be recorded, see power.py. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    OPEN_READ, OPEN_WRITE, READ, WRITE, RENAME, SYNC, CUT, REMOVE, FOLDER, LIST, STAT,
    ENTRY, CLOSE, LINK, N_KINDS
};
enum { NEVER = -1, END = -1, HALF = -2, SHORT = -3 }; /* in place of an error number */

static struct shared {
    /* trials.py reads these */
    int64_t n_calls[N_KINDS]; /* so far */
    int64_t has_failed;
    char path[4096]; /* of the call that failed */
    /* and not these */
    char folder[4096]; /* whose files count */
    char record[4096]; /* file for all changes; "" if they are not recorded */
    int kind_to_fail, error_number;
    long call_to_fail;
} *shared;
static int record_fd = -1;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static const char STATE[] = "DISK_FAULTS_STATE";

static struct shared *map(int fd)
{
    return mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static void open_record(void)
{
    int flags = O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC;
    if (shared->record[0] != 0)
        record_fd = NEXT(open64)(shared->record, flags, 0600);
}

/* Count the calls of this process, too: it was started or forked by a trial. */
__attribute__((constructor)) void faults_join(void)
{
    const char *name = getenv(STATE);
    int fd = name == NULL ? -1 : NEXT(open64)(name, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        shared = map(fd);
        NEXT(close)(fd);
        open_record();
    }
}

/* Count calls in a folder from now on, in the file `state`; let one fail. `record` is a
   file or NULL. */
void faults_start(const char *state, const char *path, int kind, long call, int error,
                  const char *record)
{
    int fd = NEXT(open64)(state, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || NEXT(ftruncate)(fd, sizeof *shared) < 0)
        abort();
    shared = map(fd);
    NEXT(close)(fd);
    snprintf(shared->folder, sizeof shared->folder, "%s/", path);
    shared->kind_to_fail = kind, shared->call_to_fail = call;
    shared->error_number = error;
    snprintf(shared->record, sizeof shared->record, "%s", record == NULL ? "" : record);
    open_record();
}

static int is_inside(const char *path)
{
    if (shared == NULL)
        return 0;
    size_t n = strlen(shared->folder) - 1; /* without its slash: the folder itself */
    return strncmp(path, shared->folder, n) == 0 && (path[n] == 0 || path[n] == '/');
}

/* The path of a file as the system knows it: "" if it is not in the folder. */
static const char *path_of(int fd, char *path)
{
    char link[64];
    path[0] = 0;
    if (shared == NULL)
        return path;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, 4095);
    path[n < 0 ? 0 : n] = 0;
    if (!is_inside(path))
        path[0] = 0;
    return path;
}

/* The absolute path of a name; "" if it is not in the folder. */
static const char *absolute(int at, const char *name, char *path)
{
    char base[4096];
    path[0] = 0;
    if (shared == NULL || name == NULL)
        return path;
    if (name[0] == '/')
        snprintf(path, 4096, "%s", name);
    else if (at == AT_FDCWD && getcwd(base, sizeof base) != NULL)
        snprintf(path, 4096, "%.2000s/%.2000s", base, name);
    else if (at != AT_FDCWD) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t n = readlink(link, base, 4095);
        base[n < 0 ? 0 : n] = 0;
        snprintf(path, 4096, "%.2000s/%.2000s", base, name);
    }
    if (!is_inside(path))
        path[0] = 0;
    return path;
}

/* Return 0, or -1 if this call fails (errno is set), or 1 if half of it is done: then
   the process ends, unless the error is SHORT. */
static int fails(int kind, const char *path)
{
    int64_t n = __atomic_fetch_add(&shared->n_calls[kind], 1, __ATOMIC_SEQ_CST);
    if (kind != shared->kind_to_fail || n != shared->call_to_fail)
        return 0;
    shared->has_failed = 1;
    snprintf(shared->path, sizeof shared->path, "%s", path);
    if (shared->error_number == HALF || shared->error_number == SHORT)
        return 1;
    if (shared->error_number == END)
        _exit(137);
    errno = shared->error_number;
    return -1;
}

/* Record: kind, lengths of two paths, offset, bytes; then paths and bytes. */
static void record(int kind, const char *path, const char *other, int64_t offset,
                   const void *data, size_t size)
{
    if (record_fd < 0)
        return;
    int64_t head[5] = {kind, strlen(path), strlen(other), offset, size};
    struct iovec parts[4] = {
        {head, sizeof head},
        {(void *)path, head[1]},
        {(void *)other, head[2]},
        {(void *)data, data == NULL ? 0 : size},
    };
    NEXT(writev)(record_fd, parts, 4);
}

#define STARTS_WRITING(flags) (((flags) & O_ACCMODE) != O_RDONLY || ((flags) & O_CREAT))

static int opened(int fd, const char *path, int flags)
{
    if (fd >= 0 && path[0] && STARTS_WRITING(flags))
        record(OPEN_WRITE, path, "", (flags & O_TRUNC) != 0, NULL, 0);
    return fd;
}

#define MODE(flags, mode)                                                              \
    mode_t mode = 0;                                                                   \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                             \
        va_list rest;                                                                  \
        va_start(rest, flags);                                                         \
        mode = va_arg(rest, mode_t);                                                   \
        va_end(rest);                                                                  \
    }

#define OPENS(name)                                                                    \
    int name(const char *file, int flags, ...)                                         \
    {                                                                                  \
        char path[4096];                                                               \
        MODE(flags, mode)                                                              \
        absolute(AT_FDCWD, file, path);                                                \
        if (path[0] && fails(STARTS_WRITING(flags) ? OPEN_WRITE : OPEN_READ, path) < 0)      \
            return -1;                                                                 \
        return opened(NEXT(name)(file, flags, mode), path, flags);                     \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                                 \
    int name(int at, const char *file, int flags, ...)                                 \
    {                                                                                  \
        char path[4096];                                                               \
        MODE(flags, mode)                                                              \
        absolute(at, file, path);                                                      \
        if (path[0] && fails(STARTS_WRITING(flags) ? OPEN_WRITE : OPEN_READ, path) < 0)      \
            return -1;                                                                 \
        return opened(NEXT(name)(at, file, flags, mode), path, flags);                 \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

#define STREAMS(name)                                                                  \
    FILE *name(const char *file, const char *mode)                                     \
    {                                                                                  \
        char path[4096];                                                               \
        int writes = mode[0] != 'r' || strchr(mode, '+') != NULL;                      \
        absolute(AT_FDCWD, file, path);                                                \
        if (path[0] && fails(writes ? OPEN_WRITE : OPEN_READ, path) < 0)                     \
            return NULL;                                                               \
        return NEXT(name)(file, mode);                                                 \
    }
STREAMS(fopen)
STREAMS(fopen64)

DIR *opendir(const char *file)
{
    char path[4096];
    absolute(AT_FDCWD, file, path);
    if (path[0] && fails(LIST, path) < 0)
        return NULL;
    return NEXT(opendir)(file);
}

/* An entry of a folder that was opened. */
#define ENTRIES(name, type)                                                            \
    struct type *name(DIR *folder)                                                     \
    {                                                                                  \
        char path[4096];                                                               \
        if (path_of(dirfd(folder), path)[0] && fails(ENTRY, path) < 0)                 \
            return NULL;                                                               \
        return NEXT(name)(folder);                                                     \
    }
ENTRIES(readdir, dirent)
ENTRIES(readdir64, dirent64)

/* Return half of the bytes that were read; the others are not in the buffer. */
static ssize_t half_of(void *data, ssize_t n_read)
{
    ssize_t half = (n_read + 1) / 2;
    if (n_read > 0)
        memset((char *)data + half, 0xa5, n_read - half);
    return half;
}

#define READS(name, parameters, arguments)                                             \
    ssize_t name parameters                                                            \
    {                                                                                  \
        char path[4096];                                                               \
        int failure = path_of(fd, path)[0] ? fails(READ, path) : 0;                    \
        if (failure < 0)                                                               \
            return -1;                                                                 \
        ssize_t n_read = NEXT(name) arguments;                                         \
        return failure > 0 ? half_of(data, n_read) : n_read;                           \
    }
READS(pread, (int fd, void *data, size_t n, off_t at), (fd, data, n, at))
READS(pread64, (int fd, void *data, size_t n, off64_t at), (fd, data, n, at))

ssize_t read(int fd, void *data, size_t n)
{
    char path[4096];
    int failure = path_of(fd, path)[0] ? fails(READ, path) : 0;
    if (failure < 0)
        return -1;
    ssize_t n_read = NEXT(read)(fd, data, n);
    if (failure == 0 || n_read <= 0)
        return n_read;
    ssize_t half = half_of(data, n_read);
    lseek(fd, half - n_read, SEEK_CUR);
    return half;
}

/* Of several parts, the first is read: the program asks for the others again. */
ssize_t readv(int fd, const struct iovec *v, int n)
{
    char path[4096];
    if (!path_of(fd, path)[0])
        return NEXT(readv)(fd, v, n);
    return read(fd, v[0].iov_base, v[0].iov_len);
}

ssize_t preadv64(int fd, const struct iovec *v, int n, off64_t at)
{
    char path[4096];
    if (!path_of(fd, path)[0])
        return NEXT(preadv64)(fd, v, n, at);
    return pread64(fd, v[0].iov_base, v[0].iov_len, at);
}

ssize_t preadv(int fd, const struct iovec *v, int n, off_t at)
{
    return preadv64(fd, v, n, at);
}

/* A write is done by half. Then the process ends, and the file is torn; or the program
   has to write the other half. */
#define WRITES(name, parameters, arguments, position)                                  \
    ssize_t name parameters                                                            \
    {                                                                                  \
        char path[4096];                                                               \
        if (!path_of(fd, path)[0])                                                     \
            return NEXT(name) arguments;                                               \
        int64_t begin = position;                                                      \
        int failure = fails(WRITE, path);                                                    \
        if (failure < 0)                                                               \
            return -1;                                                                 \
        if (failure > 0)                                                               \
            n = (n + 1) / 2;                                                           \
        ssize_t done = NEXT(name) arguments;                                           \
        if (done > 0)                                                                  \
            record(WRITE, path, "", begin, data, done);                                \
        if (failure > 0 && shared->error_number == HALF)                               \
            _exit(137);                                                                \
        return done;                                                                   \
    }

static int64_t place(int fd)
{
    if (NEXT(fcntl)(fd, F_GETFL) & O_APPEND)
        return lseek(fd, 0, SEEK_END);
    return lseek(fd, 0, SEEK_CUR);
}

WRITES(write, (int fd, const void *data, size_t n), (fd, data, n), place(fd))
WRITES(pwrite, (int fd, const void *data, size_t n, off_t at), (fd, data, n, at), at)
WRITES(pwrite64, (int fd, const void *data, size_t n, off64_t at), (fd, data, n, at), at)

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    char path[4096];
    if (!path_of(fd, path)[0])
        return NEXT(writev)(fd, parts, n);
    return write(fd, parts[0].iov_base, parts[0].iov_len);
}

/* C streams write inside the C library: a stream fails as a whole, at its writes. */
size_t fwrite(const void *data, size_t size, size_t n, FILE *stream)
{
    char path[4096];
    if (shared == NULL || !path_of(fileno(stream), path)[0])
        return NEXT(fwrite)(data, size, n, stream);
    if (fails(WRITE, path) != 0 && shared->error_number != SHORT)
        return 0;
    int64_t begin = ftello(stream);
    size_t done = NEXT(fwrite)(data, size, n, stream);
    record(WRITE, path, "", begin, data, done * size);
    return done;
}

size_t fread(void *data, size_t size, size_t n, FILE *stream)
{
    char path[4096];
    if (shared != NULL && path_of(fileno(stream), path)[0] && fails(READ, path) < 0)
        return 0;
    return NEXT(fread)(data, size, n, stream);
}

/* A file server may report at the end that it could not keep what was written. The file
   is closed then. */
int close(int fd)
{
    char path[4096];
    int failure = 0;
    if (path_of(fd, path)[0] && STARTS_WRITING(NEXT(fcntl)(fd, F_GETFL)))
        failure = fails(CLOSE, path);
    int error = errno, status = NEXT(close)(fd);
    if (failure < 0)
        errno = error;
    return failure < 0 ? -1 : status;
}

/* A copy inside the system counts as a read and a write. */
ssize_t sendfile64(int to, int from, off64_t *at, size_t n)
{
    char path[4096], data[1 << 16];
    if (!path_of(to, path)[0])
        return NEXT(sendfile64)(to, from, at, n);
    n = n < sizeof data ? n : sizeof data;
    ssize_t n_read = at == NULL ? read(from, data, n) : pread64(from, data, n, *at);
    ssize_t done = n_read <= 0 ? n_read : write(to, data, n_read);
    if (done > 0 && at != NULL)
        *at += done;
    return done;
}

ssize_t sendfile(int to, int from, off_t *at, size_t n)
{
    return sendfile64(to, from, at, n);
}

#define SYNCS(name)                                                                    \
    int name(int fd)                                                                   \
    {                                                                                  \
        char path[4096];                                                               \
        if (path_of(fd, path)[0] && fails(SYNC, path) < 0)                                   \
            return -1;                                                                 \
        int status = NEXT(name)(fd);                                                   \
        if (path[0])                                                                   \
            record(SYNC, path, "", 0, NULL, 0);                                        \
        return status;                                                                 \
    }
SYNCS(fsync)
SYNCS(fdatasync)

static int renamed(int status, const char *before, const char *after)
{
    if (status == 0 && before[0] && after[0])
        record(RENAME, before, after, 0, NULL, 0);
    return status;
}

int rename(const char *old, const char *new)
{
    char before[4096], after[4096];
    absolute(AT_FDCWD, old, before), absolute(AT_FDCWD, new, after);
    if (after[0] && fails(RENAME, after) < 0)
        return -1;
    return renamed(NEXT(rename)(old, new), before, after);
}

int renameat(int at, const char *old, int to, const char *new)
{
    char before[4096], after[4096];
    absolute(at, old, before), absolute(to, new, after);
    if (after[0] && fails(RENAME, after) < 0)
        return -1;
    return renamed(NEXT(renameat)(at, old, to, new), before, after);
}

int link(const char *old, const char *new)
{
    char path[4096];
    absolute(AT_FDCWD, new, path);
    return path[0] && fails(LINK, path) < 0 ? -1 : NEXT(link)(old, new);
}

int linkat(int at, const char *old, int to, const char *new, int flags)
{
    char path[4096];
    absolute(to, new, path);
    return path[0] && fails(LINK, path) < 0 ? -1 : NEXT(linkat)(at, old, to, new, flags);
}

#define CUTS(name, parameters, arguments, where)                                       \
    int name parameters                                                                \
    {                                                                                  \
        char path[4096];                                                               \
        if (where[0] && fails(CUT, path) < 0)                                                \
            return -1;                                                                 \
        int status = NEXT(name) arguments;                                             \
        if (status == 0 && path[0])                                                    \
            record(CUT, path, "", size, NULL, 0);                                      \
        return status;                                                                 \
    }
CUTS(ftruncate, (int fd, off_t size), (fd, size), path_of(fd, path))
CUTS(ftruncate64, (int fd, off64_t size), (fd, size), path_of(fd, path))
CUTS(truncate, (const char *file, off_t size), (file, size),
     absolute(AT_FDCWD, file, path))
CUTS(truncate64, (const char *file, off64_t size), (file, size),
     absolute(AT_FDCWD, file, path))

#define REMOVES(name, parameters, arguments, at, kind)                                 \
    int name parameters                                                                \
    {                                                                                  \
        char path[4096];                                                               \
        absolute(at, file, path);                                                      \
        if (path[0] && fails(kind, path) < 0)                                                \
            return -1;                                                                 \
        int status = NEXT(name) arguments;                                             \
        if (status == 0 && path[0])                                                    \
            record(kind, path, "", 0, NULL, 0);                                        \
        return status;                                                                 \
    }
REMOVES(unlink, (const char *file), (file), AT_FDCWD, REMOVE)
REMOVES(unlinkat, (int at, const char *file, int flags), (at, file, flags), at, REMOVE)
REMOVES(rmdir, (const char *file), (file), AT_FDCWD, REMOVE)
REMOVES(mkdir, (const char *file, mode_t mode), (file, mode), AT_FDCWD, FOLDER)

/* The state of a file by its name, or by its descriptor. */
#define STATS(name, parameters, arguments, where)                                      \
    int name parameters                                                                \
    {                                                                                  \
        char path[4096];                                                               \
        if (where[0] && fails(STAT, path) < 0)                                         \
            return -1;                                                                 \
        return NEXT(name) arguments;                                                   \
    }
#define STATS_BY_NAME(name, type)                                                      \
    STATS(name, (const char *file, struct type *to), (file, to),                       \
          absolute(AT_FDCWD, file, path))
#define STATS_OPEN(name, type)                                                         \
    STATS(name, (int fd, struct type *to), (fd, to), path_of(fd, path))
#define STATS_AT(name, type)                                                           \
    STATS(name, (int at, const char *file, struct type *to, int flags),                \
          (at, file, to, flags), absolute(at, file, path))
STATS_BY_NAME(stat, stat)
STATS_BY_NAME(stat64, stat64)
STATS_BY_NAME(lstat, stat)
STATS_BY_NAME(lstat64, stat64)
STATS_OPEN(fstat, stat)
STATS_OPEN(fstat64, stat64)
STATS_AT(fstatat, stat)
STATS_AT(fstatat64, stat64)
/* of programs that were made for a C library before 2.33 */
STATS(__fxstat64, (int version, int fd, struct stat64 *to), (version, fd, to),
      path_of(fd, path))
STATS(__xstat64, (int version, const char *file, struct stat64 *to),
      (version, file, to), absolute(AT_FDCWD, file, path))
STATS(__lxstat64, (int version, const char *file, struct stat64 *to),
      (version, file, to), absolute(AT_FDCWD, file, path))
