#include "controller/api/caller.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

static bool is_in(const struct http_peer *peer, const char *group)
{
    for (size_t i = 0; i < peer->group_count; i++)
        if (strcmp(peer->groups[i], group) == 0)
            return true;
    return false;
}

/* The name of a Node: a DNS subdomain, nothing that a path or a message could misread. */
static bool is_node_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= 253 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == len &&
           !strchr("-.", *name) && !strchr("-.", name[len - 1]);
}

void caller_of(const struct http_peer *peer, struct access_who *out)
{
    size_t prefix = sizeof CALLER_NODE_PREFIX - 1;
    *out = (struct access_who){.role = ROLE_NOBODY};
    if (!peer->is_tls || is_in(peer, CALLER_MASTERS)) {
        out->role = ROLE_ADMIN;
    } else if (is_in(peer, CALLER_NODES) && strncmp(peer->name, CALLER_NODE_PREFIX, prefix) == 0 &&
               is_node_name(peer->name + prefix)) {
        out->role = ROLE_NODE;
        out->node = peer->name + prefix;
    } else if (is_in(peer, CALLER_READERS)) {
        out->role = ROLE_READER;
    }
}

void caller_name(const struct http_peer *peer, struct buf_out *out)
{
    char text[4096];
    struct passwd pw, *found = NULL;
    if (peer->is_tls)
        buf_puts(out, peer->name);
    else if (getpwuid_r(peer->uid, &pw, text, sizeof text, &found) == 0 && found)
        buf_puts(out, pw.pw_name);
    else
        buf_printf(out, "uid:%u", peer->uid);
}

const char *caller_group(const struct http_peer *peer, size_t i)
{
    static const char *const local[] = {CALLER_MASTERS, "system:authenticated"};
    if (!peer->is_tls)
        return i < ARRAY_SIZE(local) ? local[i] : NULL;
    if (i < peer->group_count)
        return peer->groups[i];
    return i == peer->group_count ? "system:authenticated" : NULL;
}

void caller_refusal(const struct http_peer *peer, const struct access_ask *ask, struct buf_out *out)
{
    struct buf_out user;
    buf_out_init(&user);
    caller_name(peer, &user);
    buf_puts(out, "User ");
    buf_put_json(out, user.data ? user.data : "");
    buf_printf(out, " cannot %s resource \"%s%s%s\" in API group \"%s\"", ask->verb, ask->resource,
               *ask->sub ? "/" : "", ask->sub, ask->group);
    if (*ask->ns)
        buf_printf(out, " in the namespace \"%s\"", ask->ns);
    else
        buf_puts(out, " at the cluster scope");
    buf_out_fini(&user);
}
