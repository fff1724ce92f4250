#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void check_failed(const char *file, int line, const char *func, const char *what)
{
    (void)fprintf(stderr, "level=error bug=\"%s:%d\" func=%s msg=\"%s does not hold\"\n", file,
                  line, func, what);
    abort();
}

void *xmalloc(size_t size)
{
    void *ptr = malloc(size ? size : 1);
    CHECK(ptr);
    return ptr;
}

void *xcalloc(size_t count, size_t size)
{
    void *ptr = calloc(count ? count : 1, size ? size : 1);
    CHECK(ptr);
    return ptr;
}

void *xrealloc(void *ptr, size_t size)
{
    void *moved = realloc(ptr, size ? size : 1);
    CHECK(moved);
    return moved;
}

void *xmemdup(const void *ptr, size_t size)
{
    void *copy = xmalloc(size);
    if (size)
        memcpy(copy, ptr, size);
    return copy;
}

char *xstrdup(const char *text)
{
    return xmemdup(text, strlen(text) + 1);
}

char *xstrndup(const char *text, size_t len)
{
    size_t used = strnlen(text, len);
    char *copy = xmalloc(used + 1);
    memcpy(copy, text, used);
    copy[used] = '\0';
    return copy;
}

char *xasprintf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int len = vasprintf(&text, format, args);
    va_end(args);
    CHECK(len >= 0);
    return text;
}
