#ifndef CMICROMETER_H
#define CMICROMETER_H

#include <stdint.h>

/// Calls `body(context)`. Not inlined: its entry and its return are what callgrind is told to count between.
void micro_measured(void (*_Nonnull body)(void *_Nonnull), void *_Nonnull context);

/// Memory blocks asked for in this process so far (a `realloc` is one), from whatever language. 0 where the C library
/// is not glibc.
uint64_t micro_allocations(void);

#endif
