#include "controller/store/pack.h"

#include <string.h>

#include "base/check.h"

static void *take(struct pack *p, size_t size)
{
    char *at = p->scratch ? arena_alloc(p->scratch, size ? size : 1) : p->block + p->used;
    p->used += size;
    return at;
}

void *pack_alloc(struct pack *p, size_t size)
{
    p->used = (p->used + 7) & ~(size_t)7;
    void *at = take(p, size);
    memset(at, 0, size);
    return at;
}

char *pack_room(struct pack *p, size_t size)
{
    return take(p, size);
}

char *pack_bytes(struct pack *p, const void *bytes, size_t len)
{
    char *at = take(p, len + 1);
    if (len)
        memcpy(at, bytes, len);
    at[len] = '\0';
    return at;
}

static const char *const common[PACK_COMMON_COUNT] = {
    "",          "TCP",        "UDP",         "Pod",     "v1",
    "default",   "http",       "IPv4",        "IPv6",    "True",
    "ClusterIP", "Pending",    "None",        "Bound",   "Delete",
    "Retain",    "Filesystem", "StatefulSet", "apps/v1", "default-scheduler"};

const char *pack_common(size_t number)
{
    CHECK(number < PACK_COMMON_COUNT);
    return common[number];
}

size_t pack_common_find(const char *text)
{
    size_t i = 0;
    if (*text == '\0')
        return 0;
    while (i < PACK_COMMON_COUNT && common[i] != text)
        i++;
    return i;
}

const char *pack_str(struct pack *p, const char *text)
{
    if (!text)
        return "";
    for (size_t i = 0; i < PACK_COMMON_COUNT; i++)
        if (!strcmp(text, common[i]))
            return common[i];
    return pack_bytes(p, text, strlen(text));
}
