#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What both scanners must find in a chunk. Offsets from the start of the message.
typedef struct {
    uint32_t id_start, id_count;
    uint32_t content_start, content_count;
    int has_choices, is_plain;
} bench_chunk;

typedef struct bench_scanner bench_scanner;

bench_scanner *bench_scanner_make(void);
void bench_scanner_free(bench_scanner *scanner);

/// simdjson's on-demand reader over `count` bytes with at least 64 readable bytes behind them. Returns 0 for JSON.
int bench_scanner_ondemand(bench_scanner *scanner, const char *bytes, size_t count, size_t capacity, bench_chunk *out);

/// The same, with every value walked, so that the whole message is known to be JSON (on-demand checks only what is read).
int bench_scanner_strict(bench_scanner *scanner, const char *bytes, size_t count, size_t capacity, bench_chunk *out);

#ifdef __cplusplus
}
#endif
