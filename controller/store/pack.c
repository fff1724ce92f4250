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

char *pack_bytes(struct pack *p, const void *bytes, size_t len)
{
    char *at = take(p, len + 1);
    if (len)
        memcpy(at, bytes, len);
    at[len] = '\0';
    return at;
}

const char *pack_str(struct pack *p, const char *text)
{
    static const char *const common[] = {
        "",          "TCP",        "UDP",         "Pod",     "v1",
        "default",   "http",       "IPv4",        "IPv6",    "True",
        "ClusterIP", "Pending",    "None",        "Bound",   "Delete",
        "Retain",    "Filesystem", "StatefulSet", "apps/v1", "default-scheduler"};
    if (!text)
        return "";
    for (size_t i = 0; i < ARRAY_SIZE(common); i++)
        if (!strcmp(text, common[i]))
            return common[i];
    return pack_bytes(p, text, strlen(text));
}
