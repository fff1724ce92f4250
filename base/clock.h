/* base/clock.h - time as a value. Everything but dns/ and base/log asks here, so tests and the
 * simulator can fake it.
 *
 * Both clocks count microseconds. Fake time is process-wide and meant for single-threaded tests:
 * set it before threads. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t clock_now_us(void);  /* wall clock, since 1970 UTC: timestamps of objects */
int64_t clock_mono_us(void); /* monotonic: ages, timeouts, heartbeats */

/* From here on both clocks stand still at the given values until advanced. */
void clock_fake(int64_t now_us, int64_t mono_us);
void clock_fake_advance(int64_t by_us);
bool clock_is_fake(void);
void clock_real(void);

#define CLOCK_TEXT_MAX 32
/* "2026-01-02T03:04:05Z" (RFC 3339, whole seconds, UTC); returns out. */
const char *clock_format(int64_t us, char out[CLOCK_TEXT_MAX]);
/* "2026-01-02T03:04:05.000006Z" (MicroTime). */
const char *clock_format_micro(int64_t us, char out[CLOCK_TEXT_MAX]);
/* Reads RFC 3339 with optional fraction and offset; false when it is none. */
bool clock_parse(const char *text, int64_t *out_us);
