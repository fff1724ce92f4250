#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

#define LOG_TEXT_MAX 4096 /* longer lines are cut and end in "..." */
#define LOG_LIMIT_US 1000000

static const char *const words[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

static _Atomic int threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

bool log_level_parse(const char *word, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(word, words[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&threshold, memory_order_relaxed);
}

void log_write(enum log_level level, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    int saved = errno;
    char text[LOG_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    CHECK(len >= 0);
    bool cut = (size_t)len >= sizeof(text);
    size_t used = cut ? sizeof(text) - 1 : (size_t)len;

    static const char hex[] = "0123456789abcdef";
    char line[32 + 4 * LOG_TEXT_MAX];
    size_t at = (size_t)snprintf(line, sizeof(line), "level=%s ", words[level]);
    for (size_t i = 0; i < used; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c < 0x7f) {
            line[at++] = (char)c;
            continue;
        }
        line[at++] = '\\';
        line[at++] = 'x';
        line[at++] = hex[c >> 4];
        line[at++] = hex[c & 15];
    }
    for (int i = 0; cut && i < 3; i++)
        line[at++] = '.';
    line[at++] = '\n';
    ssize_t wrote;
    do {
        wrote = write(STDERR_FILENO, line, at);
    } while (wrote < 0 && errno == EINTR);
    errno = saved; /* a log line that cannot be written has nowhere to be reported */
}

bool log_limit_pass(struct log_limit *limit, uint64_t *suppressed)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    int64_t now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    int64_t next_us = atomic_load_explicit(&limit->next_us, memory_order_relaxed);
    if (now_us < next_us ||
        !atomic_compare_exchange_strong_explicit(&limit->next_us, &next_us, now_us + LOG_LIMIT_US,
                                                 memory_order_relaxed, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&limit->suppressed, 1, memory_order_relaxed);
        return false;
    }
    *suppressed = atomic_exchange_explicit(&limit->suppressed, 0, memory_order_relaxed);
    return true;
}
