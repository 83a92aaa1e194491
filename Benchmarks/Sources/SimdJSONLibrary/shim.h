/* simdjson is C++; its header is included by CSimdJSON only. */
