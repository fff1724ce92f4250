#include "dns/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dns/listener.h"
#include "dns/wire.h"

#define BATCH         64
#define BATCHES       4     /* per event, then the other sockets of the worker have their turn */
#define DRAIN_BATCHES 256   /* at the end */
#define PACKET_SIZE   65536 /* the longest datagram; pages that no packet reaches take no memory */
#define ANSWER_SIZE   DNS_UDP_MAX
#define SKEW          192 /* packets at equal offsets would share their cache sets */
#define CONTROL_SIZE  64
#define PORT_NOBODY   1 /* tcpmux: nobody sends from it */
#define WAITER_MAGIC  0x75647077U

_Static_assert(CONTROL_SIZE >= CMSG_SPACE(sizeof(struct in6_pktinfo)), "room for one PKTINFO");

struct udp_batch {
    uint64_t ready_for; /* the headers of in[] are set for the socket of this number, ... */
    unsigned dirty;     /* ... but for the first so many */
    struct mmsghdr in[BATCH], out[BATCH];
    struct iovec in_iov[BATCH], out_iov[BATCH];
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } from[BATCH];
    alignas(struct cmsghdr) uint8_t control[BATCH][CONTROL_SIZE];
    struct zone_search search[ZONE_SEARCHES];
    const struct zone_search *ahead[ZONE_SEARCHES]; /* of search[], or NULL */
    uint8_t in_bytes[BATCH][PACKET_SIZE + SKEW];
    uint8_t out_bytes[BATCH][ANSWER_SIZE + SKEW];
};

struct udp_batch *udp_batch_new(void)
{
    struct udp_batch *b = xcalloc(1, sizeof *b);
    for (size_t i = 0; i < BATCH; i++) {
        b->in_iov[i] = (struct iovec){b->in_bytes[i], PACKET_SIZE};
        b->in[i].msg_hdr = (struct msghdr){.msg_name = &b->from[i],
                                           .msg_namelen = sizeof b->from[i],
                                           .msg_iov = &b->in_iov[i],
                                           .msg_iovlen = 1};
        b->out_iov[i] = (struct iovec){b->out_bytes[i], 0};
        b->out[i].msg_hdr = (struct msghdr){.msg_iov = &b->out_iov[i], .msg_iovlen = 1};
    }
    return b;
}

void udp_batch_free(struct udp_batch *batch)
{
    free(batch);
}

/* The answer leaves from the address that was asked, by whatever way leads to the client:
 * no interface is named, but for link-local addresses, which mean nothing without one. */
static void clear_interface(struct msghdr *msg)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    if (!c)
        return;
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
        ((struct in_pktinfo *)(void *)CMSG_DATA(c))->ipi_ifindex = 0;
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo *info = (void *)CMSG_DATA(c);
        if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
            info->ipi6_ifindex = 0;
    }
}

/* errors that two programs could send each other for ever. */
static bool may_send(struct worker *w, const struct dns_peer *peer, const uint8_t *response)
{
    unsigned rcode = response[3] & 15;
    if ((rcode == RCODE_FORMERR || rcode == RCODE_NOTIMP) &&
        !error_limit_pass(&w->errors, peer, get16(response), w->now_us)) {
        counter_add(&w->counters.drops[DROP_ERROR_RATE], 1);
        return false;
    }
    return true;
}

/* ---- messages that wait for an upstream ---- */

struct udp_waiter {
    unsigned magic;
    struct forward_waiter waiter;
    struct udp_socket *socket;
    struct dns_peer peer;
    struct sockaddr_in6 from; /* or an IPv4 address */
    socklen_t from_len;
    alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
    size_t control_len;
    size_t len;
    uint8_t packet[];
};

/* One answer outside a batch. */
static void send_late(struct udp_waiter *uw, uint8_t *bytes, size_t len)
{
    struct worker *w = uw->socket->worker;
    struct iovec iov = {bytes, len};
    const struct msghdr msg = {.msg_name = &uw->from,
                               .msg_namelen = uw->from_len,
                               .msg_iov = &iov,
                               .msg_iovlen = 1,
                               .msg_control = uw->control_len ? uw->control : NULL,
                               .msg_controllen = uw->control_len};
    if (!may_send(w, &uw->peer, bytes))
        return;
    ssize_t n;
    do {
        n = sendmsg(uw->socket->fd, &msg, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        counter_add(
            &w->counters.drops[errno == EAGAIN || errno == ENOBUFS ? DROP_OVERLOAD : DROP_SEND], 1);
}

static void on_upstream(struct forward_waiter *waiter, const struct dns_upstream *upstream)
{
    struct udp_waiter *uw = LIST_ENTRY(waiter, struct udp_waiter, waiter);
    CHECK(uw->magic == WAITER_MAGIC);
    struct worker *w = uw->socket->worker;
    uint8_t out[ANSWER_SIZE];
    const struct zone_version *version = worker_enter(w);
    size_t size = dns_respond_again(&w->ctx, version, &uw->peer, uw->packet, uw->len, upstream, out,
                                    sizeof out);
    worker_leave(w);
    if (size == 0 && w->ctx.relay.is_wanted) { /* the name leads elsewhere now */
        w->ctx.relay.is_wanted = false;
        forward_ask(w->forward, waiter, &w->ctx.relay);
        return;
    }
    if (size > 0)
        send_late(uw, out, size);
    uw->magic = 0;
    listener_release(uw->socket);
    free(uw);
}

static __attribute__((noinline)) void wait_for_upstream(struct udp_socket *s, struct udp_batch *b,
                                                        unsigned i, const struct dns_peer *peer)
{
    struct worker *w = s->worker;
    struct msghdr *in = &b->in[i].msg_hdr;
    size_t len = b->in[i].msg_len, bytes = sizeof(struct udp_waiter) + len;
    struct udp_waiter *uw = xcalloc(1, bytes);
    w->ctx.relay.is_wanted = false;
    uw->magic = WAITER_MAGIC;
    uw->waiter = (struct forward_waiter){.done = on_upstream, .bytes = bytes, .proto = DNS_UDP};
    uw->socket = s;
    s->users++;
    uw->peer = *peer;
    uw->from_len = in->msg_namelen;
    memcpy(&uw->from, &b->from[i], in->msg_namelen);
    if (s->has_pktinfo) {
        clear_interface(in);
        uw->control_len = in->msg_controllen;
        memcpy(uw->control, b->control[i], in->msg_controllen);
    }
    uw->len = len;
    memcpy(uw->packet, b->in_bytes[i], len);
    forward_ask(w->forward, &uw->waiter, &w->ctx.relay);
}

/* Looks for the names of the next packets together: in a large zone each would wait for memory on
 * its own. */
static void look_ahead(struct udp_batch *b, const struct zone_version *version, unsigned first,
                       unsigned count)
{
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++) {
        bool is_wanted =
            version && count > 1 &&
            dns_look_ahead(b->in_bytes[first + i], b->in[first + i].msg_len, &b->search[found]);
        b->ahead[i] = is_wanted ? &b->search[found++] : NULL;
    }
    if (found > 0)
        zone_search_all(version, b->search, found);
}

/* Answers the first `received` packets; how many answers are ready in out[]. */
static unsigned answer_batch(struct udp_socket *s, unsigned received)
{
    struct worker *w = s->worker;
    struct udp_batch *b = w->batch;
    unsigned answers = 0;
    const struct zone_version *version = worker_enter(w);
    for (unsigned i = 0; i < received; i++) {
        if (i % ZONE_SEARCHES == 0)
            look_ahead(b, version, i, received - i < ZONE_SEARCHES ? received - i : ZONE_SEARCHES);
        w->ctx.ahead = b->ahead[i % ZONE_SEARCHES];
        struct dns_peer peer = {.proto = DNS_UDP};
        peer_from(&peer, &b->from[i].any);
        size_t size = worker_respond(w, version, &peer, b->in_bytes[i], b->in[i].msg_len,
                                     b->out_bytes[answers], ANSWER_SIZE);
        w->ctx.ahead = NULL; /* it was for this packet alone */
        if (size == 0 && w->ctx.relay.is_wanted)
            wait_for_upstream(s, b, i, &peer);
        if (size == 0 || !may_send(w, &peer, b->out_bytes[answers]))
            continue;
        struct msghdr *in = &b->in[i].msg_hdr, *out = &b->out[answers].msg_hdr;
        out->msg_name = &b->from[i];
        out->msg_namelen = in->msg_namelen;
        out->msg_control = NULL;
        out->msg_controllen = 0;
        if (s->has_pktinfo) {
            clear_interface(in);
            out->msg_control = in->msg_control;
            out->msg_controllen = in->msg_controllen;
        }
        b->out_iov[answers++].iov_len = size;
    }
    worker_leave(w);
    return answers;
}

/* One destination that the kernel refuses does not cost the others. */
static void send_batch(struct udp_socket *s, unsigned count)
{
    struct worker *w = s->worker;
    for (unsigned done = 0; done < count;) {
        int n = sendmmsg(s->fd, w->batch->out + done, count - done, MSG_DONTWAIT);
        if (n > 0) {
            done += (unsigned)n;
        } else if (n < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
            counter_add(&w->counters.drops[DROP_OVERLOAD], count - done);
            return;
        } else if (n == 0 || errno != EINTR) {
            counter_add(&w->counters.drops[DROP_SEND], 1);
            done++;
        }
    }
}

static void make_ready(struct udp_batch *b, const struct udp_socket *s)
{
    unsigned dirty = b->ready_for == s->number ? b->dirty : BATCH;
    for (unsigned i = 0; i < dirty; i++) {
        b->in[i].msg_hdr.msg_namelen = sizeof b->from[i];
        b->in[i].msg_hdr.msg_control = s->has_pktinfo ? b->control[i] : NULL;
        b->in[i].msg_hdr.msg_controllen = s->has_pktinfo ? CONTROL_SIZE : 0;
    }
    b->ready_for = s->number;
}

/* Receives and answers up to `batches` batches; stops when the socket is empty. */
static void serve(struct udp_socket *s, unsigned batches)
{
    struct udp_batch *b = s->worker->batch;
    while (batches-- > 0) {
        make_ready(b, s);
        int n = recvmmsg(s->fd, b->in, BATCH, MSG_DONTWAIT, NULL);
        b->dirty = n > 0 ? (unsigned)n : 0;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) /* an error queued by ICMP was read by this and is gone */
            continue;
        send_batch(s, answer_batch(s, (unsigned)n));
        if (n < BATCH)
            return; /* whatever came meanwhile wakes us again */
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct udp_socket *s = arg;
    CHECK(worker_from(s->worker));
    serve(s, BATCHES);
}

void udp_start(struct udp_socket *s)
{
    CHECK(event_assign(&s->event, s->worker->base, s->fd, EV_READ | EV_PERSIST, on_readable, s) ==
          0);
    CHECK(event_add(&s->event, NULL) == 0);
}

/* Connected to somebody who never sends, it is nobody's any more. What it has received stays, and
 * it can still send to everybody. */
void udp_refuse(struct udp_socket *s)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } self = {.any.sa_family = AF_UNSPEC};
    socklen_t len = sizeof self;
    if (getsockname(s->fd, &self.any, &len) < 0)
        return;
    *(self.any.sa_family == AF_INET ? &self.v4.sin_port : &self.v6.sin6_port) = htons(PORT_NOBODY);
    (void)connect(s->fd, &self.any, len); /* without it a datagram that comes now may be lost */
}

void udp_drain(struct udp_socket *s)
{
    event_del(&s->event);
    serve(s, DRAIN_BATCHES);
}
