/* Counts what a process allocates: a library to preload, built and read by scripts/measure_openvino.
 *
 * It replaces malloc, its relatives and mmap, passes every call on to glibc, and keeps under one lock:
 *
 *   heap      live bytes of malloc, as malloc_usable_size counts them, and their peak;
 *   anon      live bytes of anonymous mappings that the program asked for by name (generated code, Python's arenas;
 *             glibc's own mappings behind malloc are heap, and thread stacks are neither), and their peak;
 *   events    every block of at least LARGE bytes that came or went since tracker_begin, and how many of these events
 *             had happened when the heap peaked: from the blocks alive at the beginning and those events, the reader
 *             finds the blocks alive at the peak.
 *
 * Tables are of fixed size and come from mmap's system call, so that the tracker counts nothing of its own. A table that
 * is full sets `lost`, which makes the measurement an error, not a smaller number.
 *
 * Needs glibc on Linux: __libc_malloc and its relatives are called by name, since dlsym itself allocates.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

enum { LARGE = 128 << 10, SLOTS = 1 << 18, EVENTS = 1 << 21, HEAP = 0, ANON = 1 };

/* One block: `phase` is the one that allocated it, `kind` HEAP or ANON. */
struct block {
    uint64_t address, bytes;
    int32_t phase, kind;
};
/* A block that came (`sign` 1) or went (-1). */
struct event {
    uint64_t bytes;
    int32_t phase;
    int16_t kind, sign;
};
/* What the reader sees; the Python side declares the same fields in the same order. */
struct tracker {
    int64_t heap, heap_peak, anon, anon_peak;
    uint64_t begin_count, event_count, peak_event_count, lost;
    struct block *begin;
    struct event *events;
};

static struct tracker tracker;
static struct block *live; /* open addressing, linear probing; address 0 is an empty slot */
static int32_t phase;
static atomic_flag busy = ATOMIC_FLAG_INIT;

static void *pages(size_t bytes) {
    return (void *)syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0L);
}

static void lock(void) {
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire)) {
    }
    if (!live) {
        live = pages(SLOTS * sizeof *live);
        tracker.begin = pages(SLOTS * sizeof *live);
        tracker.events = pages(EVENTS * sizeof *tracker.events);
    }
}

static void unlock(void) { atomic_flag_clear_explicit(&busy, memory_order_release); }

static size_t home(uint64_t address) { return (address >> 4) * 0x9E3779B97F4A7C15u >> 46; }

static void log_event(const struct block *block, int sign) {
    if (block->bytes < LARGE) return;
    if (tracker.event_count == EVENTS) {
        tracker.lost++;
        return;
    }
    tracker.events[tracker.event_count++] = (struct event){block->bytes, block->phase, block->kind, sign};
}

static void insert(struct block block) {
    for (size_t tries = 0, i = home(block.address); tries < SLOTS; tries++, i = (i + 1) % SLOTS) {
        if (live[i].address == 0) {
            live[i] = block;
            log_event(&block, 1);
            return;
        }
    }
    tracker.lost++;
}

static void erase_slot(size_t i) {
    log_event(&live[i], -1);
    for (size_t j = (i + 1) % SLOTS; live[j].address != 0; j = (j + 1) % SLOTS) {
        size_t from_home = (j - home(live[j].address)) % SLOTS;
        if (from_home >= (j - i) % SLOTS) {
            live[i] = live[j];
            i = j;
        }
    }
    live[i].address = 0;
}

static size_t find(uint64_t address) {
    for (size_t tries = 0, i = home(address); tries < SLOTS && live[i].address != 0; tries++, i = (i + 1) % SLOTS) {
        if (live[i].address == address) return i;
    }
    return SLOTS;
}

static void heap_came(void *pointer) {
    if (!pointer) return;
    size_t bytes = malloc_usable_size(pointer);
    lock();
    if (bytes >= LARGE) insert((struct block){(uint64_t)pointer, bytes, phase, HEAP});
    tracker.heap += bytes;
    if (tracker.heap > tracker.heap_peak) {
        tracker.heap_peak = tracker.heap;
        tracker.peak_event_count = tracker.event_count;
    }
    unlock();
}

static void heap_goes(void *pointer) {
    if (!pointer) return;
    size_t bytes = malloc_usable_size(pointer);
    lock();
    if (bytes >= LARGE) {
        size_t slot = find((uint64_t)pointer);
        if (slot < SLOTS) erase_slot(slot);
    }
    tracker.heap -= bytes;
    unlock();
}

static void anon_came(void *pointer, size_t bytes) {
    lock();
    insert((struct block){(uint64_t)pointer, bytes, phase, ANON});
    tracker.anon += bytes;
    if (tracker.anon > tracker.anon_peak) tracker.anon_peak = tracker.anon;
    unlock();
}

/* Takes [address, address + bytes) out of the anonymous mappings; what is left of one keeps its phase. */
static void anon_goes(void *pointer, size_t bytes) {
    uint64_t start = (uint64_t)pointer, end = start + bytes;
    lock();
    size_t slot = find(start);
    if (slot == SLOTS || live[slot].kind != ANON || start + live[slot].bytes < end) {
        for (slot = 0; slot < SLOTS; slot++) {
            if (live[slot].address && live[slot].kind == ANON && live[slot].address < end &&
                live[slot].address + live[slot].bytes > start)
                break;
        }
    }
    if (slot < SLOTS) {
        struct block old = live[slot];
        uint64_t old_end = old.address + old.bytes;
        uint64_t from = old.address > start ? old.address : start, to = old_end < end ? old_end : end;
        erase_slot(slot);
        tracker.anon -= to - from;
        if (from > old.address) insert((struct block){old.address, from - old.address, old.phase, ANON});
        if (old_end > to) insert((struct block){to, old_end - to, old.phase, ANON});
    }
    unlock();
}

/* For the reader: starts a phase, and gives the counters, which begin with what is alive now. */
struct tracker *tracker_begin(int new_phase) {
    lock();
    phase = new_phase;
    tracker.heap_peak = tracker.heap;
    tracker.anon_peak = tracker.anon;
    tracker.event_count = tracker.peak_event_count = tracker.begin_count = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        if (live[i].address && live[i].bytes >= LARGE) tracker.begin[tracker.begin_count++] = live[i];
    }
    unlock();
    return &tracker;
}

void *malloc(size_t bytes) {
    void *pointer = __libc_malloc(bytes);
    heap_came(pointer);
    return pointer;
}

void *calloc(size_t count, size_t bytes) {
    void *pointer = __libc_calloc(count, bytes);
    heap_came(pointer);
    return pointer;
}

void *realloc(void *old, size_t bytes) {
    heap_goes(old);
    void *pointer = __libc_realloc(old, bytes);
    heap_came(pointer || bytes == 0 ? pointer : old);
    return pointer;
}

void *reallocarray(void *old, size_t count, size_t bytes) {
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, total);
}

void *memalign(size_t alignment, size_t bytes) {
    void *pointer = __libc_memalign(alignment, bytes);
    heap_came(pointer);
    return pointer;
}

void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

void *valloc(size_t bytes) { return memalign(sysconf(_SC_PAGESIZE), bytes); }

int posix_memalign(void **out, size_t alignment, size_t bytes) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1))) return EINVAL;
    void *pointer = memalign(alignment, bytes);
    if (!pointer) return ENOMEM;
    *out = pointer;
    return 0;
}

void free(void *pointer) {
    heap_goes(pointer);
    __libc_free(pointer);
}

void *mmap(void *hint, size_t bytes, int protection, int flags, int file, off_t offset) {
    void *pointer = (void *)syscall(SYS_mmap, hint, bytes, protection, flags, file, offset);
    if (pointer != MAP_FAILED) {
        if (flags & MAP_FIXED) anon_goes(pointer, bytes);
        if (flags & MAP_ANONYMOUS) anon_came(pointer, bytes);
    }
    return pointer;
}

void *mmap64(void *hint, size_t bytes, int protection, int flags, int file, off_t offset) {
    return mmap(hint, bytes, protection, flags, file, offset);
}

int munmap(void *pointer, size_t bytes) {
    anon_goes(pointer, bytes);
    return syscall(SYS_munmap, pointer, bytes);
}

void *mremap(void *old, size_t old_bytes, size_t bytes, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    void *wanted = flags & MREMAP_FIXED ? va_arg(arguments, void *) : NULL;
    va_end(arguments);
    lock();
    size_t slot = find((uint64_t)old);
    int is_anon = slot < SLOTS && live[slot].kind == ANON;
    unlock();
    void *pointer = (void *)syscall(SYS_mremap, old, old_bytes, bytes, flags, wanted);
    if (pointer != MAP_FAILED && is_anon) {
        anon_goes(old, old_bytes);
        anon_came(pointer, bytes);
    }
    return pointer;
}
