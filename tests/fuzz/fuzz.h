/* tests/fuzz/fuzz.h - what every fuzz_<entry>.c defines: run the entry over one input, abort when a
 * claim breaks. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Borrows data for the call; returns 0. The name is libFuzzer's. */
/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
