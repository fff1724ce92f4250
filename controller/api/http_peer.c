#include "controller/api/http_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

bool http_peer_unix(int fd, struct http_peer *out)
{
    struct ucred cred;
    socklen_t len = sizeof cred;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || len != sizeof cred)
        return false;
    *out = (struct http_peer){.is_unix = true, .uid = cred.uid, .gid = cred.gid, .pid = cred.pid};
    return true;
}

struct ends {
    int family;
    uint8_t peer[16], own[16];
    uint16_t peer_port, own_port; /* network byte order */
};

static bool end_of(const struct sockaddr_storage *addr, int *family, uint8_t out[16],
                   uint16_t *port)
{
    if (addr->ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, addr, sizeof in);
        memcpy(out, &in.sin_addr, 4);
        *port = in.sin_port;
    } else if (addr->ss_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, addr, sizeof in);
        memcpy(out, &in.sin6_addr, 16);
        *port = in.sin6_port;
    } else {
        return false;
    }
    *family = addr->ss_family;
    return true;
}

static bool ends_of(int fd, struct ends *out)
{
    struct sockaddr_storage peer = {0}, own = {0};
    socklen_t peer_len = sizeof peer, own_len = sizeof own;
    memset(out, 0, sizeof *out);
    return getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 &&
           getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 &&
           end_of(&peer, &out->family, out->peer, &out->peer_port) &&
           end_of(&own, &out->family, out->own, &out->own_port);
}

/* 1: found; 0: unknown; -1: sock_diag is not available. */
static int diag_answer(int sock, uint32_t *uid)
{
    _Alignas(struct nlmsghdr) char reply[2048];
    ssize_t n = recv(sock, reply, sizeof reply, 0);
    if (n < (ssize_t)sizeof(struct nlmsghdr))
        return -1;
    struct nlmsghdr head;
    memcpy(&head, reply, sizeof head);
    if (head.nlmsg_type == NLMSG_ERROR) {
        struct nlmsgerr error = {0};
        if ((size_t)n >= NLMSG_HDRLEN + sizeof error)
            memcpy(&error, reply + NLMSG_HDRLEN, sizeof error);
        return error.error == -ENOENT ? 0 : -1;
    }
    struct inet_diag_msg msg;
    if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY || (size_t)n < NLMSG_HDRLEN + sizeof msg)
        return -1;
    memcpy(&msg, reply + NLMSG_HDRLEN, sizeof msg);
    *uid = msg.idiag_uid;
    return msg.idiag_inode != 0;
}

static int diag_lookup(const struct ends *ends, uint32_t *uid)
{
    int sock = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (sock < 0)
        return -1;
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 req;
    } ask = {
        .head = {.nlmsg_len = sizeof ask,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST},
        .req = {.sdiag_family = (uint8_t)ends->family,
                .sdiag_protocol = IPPROTO_TCP,
                .idiag_states = ~0U,
                .id = {.idiag_sport = ends->peer_port,
                       .idiag_dport = ends->own_port,
                       .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };
    memcpy(ask.req.id.idiag_src, ends->peer, sizeof ends->peer);
    memcpy(ask.req.id.idiag_dst, ends->own, sizeof ends->own);
    struct timeval patience = {.tv_usec = 200000};
    (void)setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    ssize_t sent =
        sendto(sock, &ask, sizeof ask, 0, (const struct sockaddr *)&kernel, sizeof kernel);
    int rc = sent == (ssize_t)sizeof ask ? diag_answer(sock, uid) : -1;
    close(sock);
    return rc;
}

/* "0100007F:1F40" as /proc/net/tcp prints it: 32-bit words in host order, the port in hex. */
static void proc_end(const struct ends *ends, const uint8_t *addr, uint16_t port, char out[64])
{
    size_t words = ends->family == AF_INET ? 1 : 4, at = 0;
    for (size_t i = 0; i < words; i++) {
        uint32_t word;
        memcpy(&word, addr + i * 4, 4);
        at += (size_t)snprintf(out + at, 64 - at, "%08" PRIX32, word);
    }
    (void)snprintf(out + at, 64 - at, ":%04X", ntohs(port));
}

static bool proc_lookup(const struct ends *ends, uint32_t *uid)
{
    FILE *file = fopen(ends->family == AF_INET ? "/proc/net/tcp" : "/proc/net/tcp6", "re");
    if (!file)
        return false;
    char local[64], remote[64], line[512];
    proc_end(ends, ends->peer, ends->peer_port, local);
    proc_end(ends, ends->own, ends->own_port, remote);
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
        /* sl local remote st tx:rx tr:tm retrnsmt uid timeout inode */
        char *field[10] = {0}, *rest = NULL;
        size_t n = 0;
        for (char *word = strtok_r(line, " \n", &rest); word && n < ARRAY_SIZE(field);
             word = strtok_r(NULL, " \n", &rest))
            field[n++] = word;
        if (n < 10 || strcmp(field[1], local) != 0 || strcmp(field[2], remote) != 0)
            continue;
        *uid = (uint32_t)strtoul(field[7], NULL, 10);
        found = strcmp(field[9], "0") != 0;
    }
    (void)fclose(file);
    return found;
}

bool http_peer_tcp(int fd, uint32_t *uid)
{
    struct ends ends;
    if (!ends_of(fd, &ends))
        return false;
    int rc = diag_lookup(&ends, uid);
    return rc >= 0 ? rc == 1 : proc_lookup(&ends, uid);
}

static bool is_member(uint32_t uid, gid_t gid)
{
    struct passwd pw, *found = NULL;
    char *text = xmalloc(16384);
    bool member = false;
    if (getpwuid_r(uid, &pw, text, 16384, &found) == 0 && found) {
        gid_t groups[256];
        int count = (int)ARRAY_SIZE(groups);
        if (getgrouplist(pw.pw_name, pw.pw_gid, groups, &count) >= 0)
            for (int i = 0; i < count && !member; i++)
                member = groups[i] == gid;
        else
            member = pw.pw_gid == gid;
    }
    free(text);
    return member;
}

/* The owner and the group that count; false when the file cannot be asked. */
static bool owners_of(const char *socket_path, uid_t *uid, gid_t *gid)
{
    struct stat st;
    if (!*socket_path) {
        *uid = geteuid();
        *gid = getegid();
        return true;
    }
    if (stat(socket_path, &st) < 0)
        return false;
    *uid = st.st_uid;
    *gid = st.st_gid;
    return true;
}

bool http_peer_may(uint32_t uid, const char *socket_path)
{
    uid_t owner;
    gid_t group;
    if (uid == 0 || uid == geteuid())
        return true;
    return owners_of(socket_path, &owner, &group) && (owner == uid || is_member(uid, group));
}

bool http_peer_may_unix(int fd, const struct http_peer *peer, const char *socket_path)
{
    uid_t owner;
    gid_t group, groups[256];
    socklen_t len = sizeof groups;
    if (peer->uid == 0 || peer->uid == geteuid())
        return true;
    if (!owners_of(socket_path, &owner, &group))
        return false;
    if (owner == peer->uid || group == peer->gid)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
        return is_member(peer->uid, group);
    for (size_t i = 0; i < len / sizeof groups[0]; i++)
        if (groups[i] == group)
            return true;
    return false;
}
