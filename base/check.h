/* base/check.h - what must be true, said at run time.
 *
 * CHECK is for bugs only: it is always compiled in, prints the place and aborts. Expected outcomes
 * are enum results, failures are negative enum err_code values (base/err.h). */
#pragma once

#include <stddef.h>

_Noreturn void check_failed(const char *file, int line, const char *func, const char *what);

#define CHECK(cond) ((cond) ? (void)0 : check_failed(__FILE__, __LINE__, __func__, #cond))

/* Moves a pointer out of an owned local, leaving NULL behind: `*out = TAKE(obj);`. */
#define TAKE(ptr)                                                                                  \
    __extension__({                                                                                \
        __typeof__(ptr) take_ = (ptr);                                                             \
        (ptr) = NULL;                                                                              \
        take_;                                                                                     \
    })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Runs fn(&local) on every way out of the scope, as in `AUTO(object_unref_ptr) struct object *o =
 * NULL;`. */
#define AUTO(fn) __attribute__((cleanup(fn)))

/* Allocation on the control side: never NULL, aborts instead (sizes are bounded at the door).
 * free() releases. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *ptr, size_t size);
void *xmemdup(const void *ptr, size_t size);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t len);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
