/* Shows a process and all its libraries another number of cores: LD_PRELOAD it with SHOW_CORES=N and SHOW_CORES_SYSFS, a
 * folder that has what /sys/devices/system has of such a machine (cpu, node). Threads run where the kernel puts them.
 *
 * OpenVINO takes at most one thread per core, whatever is asked for, and some of its fusions need three. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM "/sys/devices/system"

/* The path to open instead, in a buffer of this thread. */
static const char *shown(const char *path) {
    static __thread char buffer[4096];
    const char *folder = getenv("SHOW_CORES_SYSFS");
    size_t length = strlen(SYSTEM);
    if (!folder || strncmp(path, SYSTEM, length) != 0)
        return path;
    int needed = snprintf(buffer, sizeof buffer, "%s%s", folder, path + length);
    return needed > 0 && (size_t)needed < sizeof buffer ? buffer : path;
}

static void *next(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

FILE *fopen(const char *path, const char *mode) {
    FILE *(*real)(const char *, const char *) = next("fopen");
    return real(shown(path), mode);
}

FILE *fopen64(const char *path, const char *mode) {
    FILE *(*real)(const char *, const char *) = next("fopen64");
    return real(shown(path), mode);
}

/* The third argument is there where a file may be created. */
#define OPEN(folder) \
    va_list list; \
    va_start(list, flags); \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
    va_end(list); \
    return real(folder, shown(path), flags, mode)

int openat(int folder, const char *path, int flags, ...) {
    int (*real)(int, const char *, int, ...) = next("openat");
    OPEN(folder);
}

int open(const char *path, int flags, ...) {
    int (*real)(int, const char *, int, ...) = next("openat");
    OPEN(AT_FDCWD);
}

int open64(const char *path, int flags, ...) {
    int (*real)(int, const char *, int, ...) = next("openat64");
    OPEN(AT_FDCWD);
}

int sched_getaffinity(pid_t process, size_t size, cpu_set_t *set) {
    const char *cores = getenv("SHOW_CORES");
    (void)process;
    memset(set, 0, size);
    for (int core = 0; core < (cores ? atoi(cores) : 1); core++)
        CPU_SET_S(core, size, set);
    return 0;
}

int sched_setaffinity(pid_t process, size_t size, const cpu_set_t *set) {
    (void)process, (void)size, (void)set;
    return 0;
}
