/* Counts the file calls of a process under one folder, and kills it, stops it or lets the call fail at a chosen one.
 *
 * Loaded with LD_PRELOAD. Either armed by the environment (FAULT_ROOT, FAULT_AT, FAULT_HOW, FAULT_FROM, FAULT_COUNTER),
 * in which case processes that share FAULT_COUNTER count together, or by fault_arm() in a fork.
 * HOW is an errno, 0 to kill the process before the call, -1 to stop it there.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char root[4096];
static size_t root_length;
static long at = -1;
static int how, from_then_on, busy_exchange;
static atomic_long private_count;
static atomic_long *count = &private_count;

void fault_arm(const char *folder, long number, int action, int from, int busy) {
    strncpy(root, folder, sizeof root - 1);
    root_length = strlen(root);
    at = number;
    how = action;
    from_then_on = from;
    busy_exchange = busy;
    atomic_store(count, 0);
}

long fault_count(void) { return atomic_load(count); }

__attribute__((constructor)) static void arm_by_environment(void) {
    const char *folder = getenv("FAULT_ROOT"), *file = getenv("FAULT_COUNTER");
    if (!folder) return;
    if (file) {
        int descriptor = syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC);
        if (descriptor >= 0) {
            void *shared = mmap(0, sizeof(atomic_long), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
            if (shared != MAP_FAILED) count = shared;
            syscall(SYS_close, descriptor);
        }
    }
    strncpy(root, folder, sizeof root - 1);
    root_length = strlen(root);
    at = getenv("FAULT_AT") ? atol(getenv("FAULT_AT")) : -1;
    how = getenv("FAULT_HOW") ? atoi(getenv("FAULT_HOW")) : 0;
    from_then_on = getenv("FAULT_FROM") != 0;
}

static int is_ours(int folder, const char *path) {
    char resolved[4200], link[64];
    if (!root_length) return 0;
    if (path && path[0] == '/') return strncmp(path, root, root_length) == 0;
    if (folder == AT_FDCWD) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, resolved, sizeof resolved - 1);
    if (length <= 0) return 0;
    resolved[length] = 0;
    return strncmp(resolved, root, root_length) == 0;
}

/* Returns an errno if the call must fail, otherwise 0. */
static int fault(int folder, const char *path) {
    if (!is_ours(folder, path)) return 0;
    long number = atomic_fetch_add(count, 1) + 1;
    if (at < 0 || (number != at && !(from_then_on && number > at))) return 0;
    if (how == 0) kill(getpid(), SIGKILL);
    if (how == -1) { kill(getpid(), SIGSTOP); return 0; }
    return how;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAIL_IF(folder, path) do { int number = fault(folder, path); if (number) { errno = number; return -1; } } while (0)

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list list; va_start(list, flags); mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(list, mode_t) : 0; \
        va_end(list); FAIL_IF(AT_FDCWD, path); REAL(name); return real(path, flags, mode); }
OPEN(open)
OPEN(open64)
#define OPENAT(name)                                                                                                   \
    int name(int folder, const char *path, int flags, ...) {                                                           \
        va_list list; va_start(list, flags); mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(list, mode_t) : 0; \
        va_end(list); FAIL_IF(folder, path); REAL(name); return real(folder, path, flags, mode); }
OPENAT(openat)
OPENAT(openat64)

int rename(const char *a, const char *b) { FAIL_IF(AT_FDCWD, b); REAL(rename); return real(a, b); }
int renameat(int x, const char *a, int y, const char *b) { FAIL_IF(y, b); REAL(renameat); return real(x, a, y, b); }
int renameat2(int x, const char *a, int y, const char *b, unsigned flags) {
    if (busy_exchange && flags && is_ours(y, b)) { errno = EBUSY; return -1; }
    FAIL_IF(y, b); REAL(renameat2); return real(x, a, y, b, flags);
}
int link(const char *a, const char *b) { FAIL_IF(AT_FDCWD, b); REAL(link); return real(a, b); }
int linkat(int x, const char *a, int y, const char *b, int f) { FAIL_IF(y, b); REAL(linkat); return real(x, a, y, b, f); }
int symlink(const char *a, const char *b) { FAIL_IF(AT_FDCWD, b); REAL(symlink); return real(a, b); }
int unlink(const char *a) { FAIL_IF(AT_FDCWD, a); REAL(unlink); return real(a); }
int unlinkat(int x, const char *a, int f) { FAIL_IF(x, a); REAL(unlinkat); return real(x, a, f); }
int mkdir(const char *a, mode_t m) { FAIL_IF(AT_FDCWD, a); REAL(mkdir); return real(a, m); }
int rmdir(const char *a) { FAIL_IF(AT_FDCWD, a); REAL(rmdir); return real(a); }
int fsync(int f) { FAIL_IF(f, 0); REAL(fsync); return real(f); }
int fdatasync(int f) { FAIL_IF(f, 0); REAL(fdatasync); return real(f); }
int ftruncate(int f, off_t n) { FAIL_IF(f, 0); REAL(ftruncate); return real(f, n); }
int ftruncate64(int f, off64_t n) { FAIL_IF(f, 0); REAL(ftruncate64); return real(f, n); }
ssize_t write(int f, const void *b, size_t n) { FAIL_IF(f, 0); REAL(write); return real(f, b, n); }
ssize_t pwrite(int f, const void *b, size_t n, off_t o) { FAIL_IF(f, 0); REAL(pwrite); return real(f, b, n, o); }
ssize_t pwrite64(int f, const void *b, size_t n, off64_t o) { FAIL_IF(f, 0); REAL(pwrite64); return real(f, b, n, o); }
