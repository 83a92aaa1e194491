#include "CMicroMeter.h"

#include <stddef.h>

static uint64_t allocations;

uint64_t micro_allocations(void) { return __atomic_load_n(&allocations, __ATOMIC_RELAXED); }

__attribute__((noinline)) void micro_measured(void (*body)(void *), void *context) {
    body(context);
    // Or the call would be the last thing done, and become a jump: this function would not be seen to return.
    __asm__ volatile("" ::: "memory");
}

#ifdef __GLIBC__
// The program's own definitions come before the C library's, for every caller in the process. They count, and hand on to
// the names under which glibc keeps the same functions; `free` is glibc's as ever.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

enum { invalidArgument = 22, outOfMemory = 12 };

static void count(void) { __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED); }

void *malloc(size_t size) {
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size) {
    count();
    return __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) return invalidArgument;
    count();
    void *found = __libc_memalign(alignment, size);
    if (found == NULL) return outOfMemory;
    *block = found;
    return 0;
}
#endif
