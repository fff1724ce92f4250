/* base/log.h - one line per event on stderr: `level=info key=value ... msg="..."`, the object's key
 * first.
 *
 * log_error: someone must act. log_warn. log_info: state changes. log_debug. Lines triggered by
 * remote input go through LOG_LIMITED, which lets one line per call site and second pass
 * and counts the rest. Bytes outside printable ASCII are escaped. Any thread; a line is one
 * write(2). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
/* "error", "warn", "info", "debug"; false when the word is none of them. */
bool log_level_parse(const char *word, enum log_level *out);
bool log_enabled(enum log_level level);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) (log_enabled(LOG_DEBUG) ? log_write(LOG_DEBUG, __VA_ARGS__) : (void)0)

struct log_limit {
    _Atomic int64_t next_us;
    _Atomic uint64_t suppressed;
};
/* True when a line may be written now; *suppressed gets how many were swallowed since the last one.
 */
bool log_limit_pass(struct log_limit *limit, uint64_t *suppressed);
#define LOG_LIMITED(level, format, ...)                                                            \
    do {                                                                                           \
        static struct log_limit limit_;                                                            \
        uint64_t suppressed_ = 0;                                                                  \
        if (log_limit_pass(&limit_, &suppressed_))                                                 \
            log_write(level, format " suppressed=%llu", __VA_ARGS__,                               \
                      (unsigned long long)suppressed_);                                            \
    } while (0)
