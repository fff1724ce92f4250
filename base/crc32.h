/* base/crc32.h - the checksum CRC-32 (ISO-HDLC, that of Ethernet and zlib), for what is kept on
 * disk: a start reads all of it.
 *
 * Where the processor multiplies without carries (x86-64 with PCLMULQDQ), sixty-four bytes are
 * folded at a time; elsewhere, and for what is left over, eight bytes go through tables. Both give
 * the same numbers. Any thread; no failures. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t crc32_of(const void *bytes, size_t len);

/* The two ways by themselves, for tests: the second is crc32_by_table where the processor has no
 * carry-less multiplication. */
uint32_t crc32_by_table(const void *bytes, size_t len);
uint32_t crc32_by_folding(const void *bytes, size_t len);
bool crc32_can_fold(void);
